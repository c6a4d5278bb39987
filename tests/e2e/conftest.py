"""One server for a run, one account for each test: real clients against the real binary.

`TARN_BINARY` names the binary. The server's log is read at the end: an error or warning that no test expected fails the run.
"""

import itertools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

REGION = "us-east-1"
ACCOUNTS = 2500
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Account:
    """One account of the server, seen as its root unless another key is given."""

    id: str
    endpoint: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def client(self, service: str, **config):
        """A boto3 client that does not try again, so that a failure shows."""
        merged = {"retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}} | config
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
            config=Config(**merged),
        )

    def session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
            region_name=REGION,
        )

    def env(self) -> dict[str, str]:
        """The environment of a client program: nothing of the machine's own AWS settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def aws(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Runs the aws CLI."""
        aws = Path(os.sys.executable).with_name("aws")
        return subprocess.run([aws, *arguments], env=self.env(), check=check, capture_output=True, text=True, timeout=120)

    def user(self, name: str, *policies: dict) -> "Account":
        """A user of the account with inline policies and an access key."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        for number, policy in enumerate(policies):
            iam.put_user_policy(UserName=name, PolicyName=f"policy-{number}", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Account(self.id, self.endpoint, key["AccessKeyId"], key["SecretAccessKey"])

    def bucket(self, name: str | None = None) -> str:
        """A new bucket; names are global, so the account's id is in it."""
        name = name or f"b-{self.id}-{secrets.token_hex(4)}"
        self.client("s3").create_bucket(Bucket=name)
        return name


def allow(action, resource="*", effect="Allow", **more) -> dict:
    """A policy of one statement."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource} | more]}


@dataclass
class Server:
    """A running server with its data directory and its log."""

    data_dir: Path
    accounts: list[Account] = field(default_factory=list)
    process: subprocess.Popen | None = None
    port: int = 0
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    # More of the configuration file.
    settings: str = ""
    # The authority that vouches for the server, if it speaks TLS.
    authority: Path | None = None

    @property
    def endpoint(self) -> str:
        return f"http{'s' if self.authority else ''}://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir.parent / "server.log"

    def start(self) -> "Server":
        self.port = self.port or free_port()
        binary = os.environ["TARN_BINARY"]
        config = self.data_dir.parent / "tarn.toml"
        config.write_text(
            self.settings
            + "".join(
                f'\n[[accounts]]\nid = "{account.id}"\nname = "test-{account.id}"\nemail = "{account.id}@example.com"\n'
                f'canonical_user_id = "{int(account.id):064x}"\n'
                f'root_access_key_id = "{account.access_key_id}"\nroot_secret_access_key = "{account.secret_access_key}"\n\n'
                for account in self.accounts
            )
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TARN_"))}
        environment |= {
            "TARN_ROOT_ACCESS_KEY_ID": "AKIAROOTROOTROOTROOT",
            "TARN_ROOT_SECRET_ACCESS_KEY": "root-secret-root-secret-root-secret-root",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--data-dir", str(self.data_dir), "--listen", f"127.0.0.1:{self.port}"]
                + ["--config", str(config), *self.arguments],
                stdout=log,
                stderr=log,
                env=environment | self.environment,
            )
        trust = ssl.create_default_context(cafile=self.authority) if self.authority else None
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/-/health/ready", timeout=1, context=trust):
                    break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server is not ready:\n{self.log.read_text()[-4000:]}") from None
                time.sleep(0.02)
        for account in self.accounts:
            account.endpoint = self.endpoint
        return self

    def stop(self) -> None:
        """A graceful stop, which must end with 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_SECONDS_MAX) == 0

    def kill(self) -> None:
        """A crash."""
        self.process.kill()
        self.process.wait()

    def root(self) -> Account:
        return Account(
            "000000000000", self.endpoint, "AKIAROOTROOTROOTROOT", "root-secret-root-secret-root-secret-root"
        )


def make_accounts(count: int) -> list[Account]:
    return [
        Account(f"{number:012}", "", f"AKIATEST{number:012}", secrets.token_hex(20)) for number in range(1, count + 1)
    ]


def wait_for(find, enough=bool, what: str = "", seconds: float = 60):
    """Asks until what is found is enough, and gives that."""
    deadline = time.monotonic() + seconds
    while not enough(found := find()):
        assert time.monotonic() < deadline, f"not in {seconds} s: {what or str(found)[:1000]}"
        time.sleep(0.05)
    return found


def ended(athena, query: str) -> dict:
    """How a query stands once it has ended."""

    def status() -> dict:
        return athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]

    return wait_for(status, enough=lambda found: found["State"] not in ("QUEUED", "RUNNING"))


# What a test provokes on purpose; anything else at WARN or above is a defect of the server.
EXPECTED_LOG = [
    re.compile(pattern)
    for pattern in (
        r"root credentials",
        r"debug\.(day|digest)_seconds is on",
        r"crawl .* (file|object)",
    )
]


def unexpected(log: Path) -> list[str]:
    lines = []
    for line in log.read_text(errors="replace").splitlines():
        if re.search(r"panicked at|\bERROR\b|\bWARN\b|\"level\":\"(ERROR|WARN)\"", line):
            if not any(pattern.search(line) for pattern in EXPECTED_LOG):
                lines.append(line)
    return lines


@pytest.fixture(scope="session")
def server():
    folder = Path(tempfile.mkdtemp(prefix="tarn-e2e-"))
    server = Server(folder / "data", make_accounts(ACCOUNTS))
    # All tests that are refused come from one address.
    server.environment["TARN_SIGNATURE_FAILURES_MAX"] = "1000000"
    server.start()
    yield server
    server.stop()
    complaints = unexpected(server.log)
    shutil.rmtree(folder)
    assert not complaints, "the server complained:\n" + "\n".join(complaints[:50])


@pytest.fixture(scope="session")
def _accounts(server):
    return itertools.count()


@pytest.fixture
def account(server, _accounts) -> Account:
    """An account that no other test uses."""
    return server.accounts[next(_accounts)]


@pytest.fixture
def own_server(tmp_path):
    """A server of this test's own, to be killed and restarted."""
    server = Server(tmp_path / "data", make_accounts(4))
    yield server
    if server.process and server.process.poll() is None:
        server.kill()
