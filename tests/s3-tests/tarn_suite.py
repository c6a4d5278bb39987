"""A pytest plugin for the public S3 suite: each pytest process gets a Tarn server of its own, and what comes of every case is written down.

The suite finds its server by the file that `S3TEST_CONF` names. A server for each worker lets cases run in parallel although some of
them list all buckets and remove all roles. Nothing here knows any case by its name.

`TARN_BINARY`: the server. `TARN_SUITE_OUT`: the folder for logs and `result.json`. `TARN_SUITE_ALT`: whether the suite's second person is
an `account` or a `user` of the account that "iam" is the root of. `TARN_SUITE_DAY_SECONDS`: how long a day lasts for
lifecycle rules. The suite waits a little longer than that for each day: it does not know that days end at fixed times (on AWS: midnight).
"""

import configparser
import json
import os
import secrets
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

REGION = "us-east-1"
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20


def text(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


@dataclass
class Person:
    """Who the suite acts as: the root of an account, or a user of it.

    The suite says "user id" for what AWS knows as three things: the canonical user id in ACLs, the account's id in policies, and a user's
    name in IAM. One string that is right for all three is twelve digits.
    """

    section: str
    id: str
    display_name: str
    email: str
    access_key: str
    secret_key: str


def person(section: str) -> Person:
    name = section.replace(" ", "-") + "-" + text(6, string.ascii_lowercase)
    key = "AKIA" + text(16, string.ascii_uppercase + "234567")
    return Person(section, text(12, "123456789"), name, f"{name}@example.com", key, text(40))


class Server:
    """A server on an empty data directory with the suite's accounts."""

    def __init__(self, log: Path, day_seconds: int):
        self.folder = Path(tempfile.mkdtemp(prefix="tarn-suite-"))
        self.log = log
        self.day_seconds = day_seconds
        self.people = {section: person(section) for section in ("s3 main", "s3 alt", "s3 tenant", "iam root", "iam alt root")}
        alt = self.people["s3 alt"]
        self.alt_is_user = os.environ.get("TARN_SUITE_ALT") == "user"
        # "iam" gives and takes the permissions of "s3 alt", which therefore is a user of the account that "iam" is the root of.
        self.people["iam"] = (
            Person("iam", alt.id, alt.display_name, alt.email, person("iam").access_key, text(40))
            if self.alt_is_user
            else person("iam")
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def config(self) -> str:
        # The suite counts on access control lists as new buckets of AWS had them until April 2023.
        lines = ['object_ownership = "ObjectWriter"\n']
        if self.day_seconds:
            lines.append(f"[debug]\nday_seconds = {self.day_seconds}\n")
        for who in self.people.values():
            if who.section == "s3 alt" and self.alt_is_user:
                continue
            lines.append(
                f'[[accounts]]\nid = "{who.id}"\nname = "{who.display_name}"\nemail = "{who.email}"\ncanonical_user_id = "{who.id}"\n'
                f'root_access_key_id = "{who.access_key}"\nroot_secret_access_key = "{who.secret_key}"\n'
            )
            if who.section == "iam" and self.alt_is_user:
                alt = self.people["s3 alt"]
                lines.append(
                    f'users = [{{ name = "{alt.id}", access_key_id = "{alt.access_key}", secret_access_key = "{alt.secret_key}" }}]\n'
                )
        return "\n".join(lines)

    def start(self) -> None:
        config = self.folder / "tarn.toml"
        config.write_text(self.config())
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TARN_"))}
        # The suite was written for buckets as AWS made them before April 2023, whose lists work and which nothing blocks.
        environment |= {"TARN_OBJECT_OWNERSHIP": "ObjectWriter", "TARN_BLOCK_PUBLIC_ACCESS": "false"}
        arguments = ["--data-dir", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}", "--config", str(config)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [os.environ["TARN_BINARY"], "serve", "--no-zones", *arguments], stdout=log, stderr=log, env=environment
            )
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/-/health/ready", timeout=1):
                    break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server is not ready:\n{self.log.read_text(errors='replace')[-4000:]}") from None
                time.sleep(0.05)

    def client(self, service: str, section: str):
        who = self.people[section]
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=who.access_key,
            aws_secret_access_key=who.secret_key,
        )

    def prepare(self) -> list[str]:
        """What AWS would have too: the user may do what no policy of a case forbids, and there are two KMS keys. Gives the keys' ARNs, which answers name them by."""
        if self.alt_is_user:
            self.client("iam", "iam").attach_user_policy(
                UserName=self.people["s3 alt"].id, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
            )
        try:
            return [self.client("kms", "s3 main").create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
        except (ClientError, BotoCoreError) as error:
            print(f"no KMS keys: {error}", file=sys.stderr)
            return []

    def conf(self, kms: list[str]) -> Path:
        """The suite's configuration file."""
        conf = configparser.RawConfigParser()
        conf["DEFAULT"] = {"host": "127.0.0.1", "port": str(self.port), "is_secure": "False", "ssl_verify": "False"}
        conf["fixtures"] = {"bucket prefix": "suite-{random}-"}
        for who in self.people.values():
            conf[who.section] = {
                "display_name": who.display_name,
                "user_id": who.id,
                "email": who.email,
                "access_key": who.access_key,
                "secret_key": who.secret_key,
            }
        main = conf["s3 main"]
        main["storage_classes"] = os.environ.get("TARN_SUITE_STORAGE_CLASSES", "INTELLIGENT_TIERING, GLACIER_IR")
        interval = -(-(self.day_seconds or 9) * 10 // 9)
        main["lc_debug_interval"] = str(interval)
        main["rgw_restore_debug_interval"] = str(interval)
        main["rgw_restore_processor_period"] = "2"
        for name, key in zip(("kms_keyid", "kms_keyid2"), kms):
            main[name] = key
        conf["s3 tenant"]["tenant"] = ""
        # No case of it gets as far as to show a token: AWS answers each otherwise before; reasons.toml says how.
        names = ("token", "user_token", "aud", "sub", "azp", "thumbprint", "KC_REALM")
        conf["webidentity"] = {name: "0" * 40 if name == "thumbprint" else name.lower() for name in names}
        path = self.folder / "s3tests.conf"
        with path.open("w") as file:
            conf.write(file)
        return path

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)


class Results:
    """What came of every case, gathered where the reports come together."""

    def __init__(self, path: Path):
        self.path = path
        self.cases = {}

    def add(self, report) -> None:
        case = self.cases.setdefault(report.nodeid, {"case": report.nodeid, "markers": [], "outcome": "passed", "seconds": 0.0})
        case["seconds"] = round(case["seconds"] + report.duration, 2)
        case["markers"] = next((value for name, value in report.user_properties if name == "markers"), case["markers"])
        if report.outcome == "passed" or case["outcome"] == "failed":
            return
        case["outcome"] = report.outcome
        case["when"] = report.when
        # Only where and what: the suite's own lines stay out of the record.
        case["message"] = message_of(report)

    def write(self) -> None:
        self.path.write_text(json.dumps(sorted(self.cases.values(), key=lambda case: case["case"]), indent=1) + "\n")


def message_of(report) -> str:
    if report.outcome == "skipped":
        return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else str(report.longrepr)).splitlines()[0][:300]


def pytest_configure(config):
    out = Path(os.environ["TARN_SUITE_OUT"])
    worker = getattr(config, "workerinput", None)
    is_controller = worker is None
    if is_controller:
        config.tarn_results = Results(out / "result.json")
    runs_cases = not is_controller or not config.getoption("numprocesses", None)
    if runs_cases and not config.option.collectonly:
        # The machine's own AWS settings must not reach the suite's clients.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ["AWS_DEFAULT_REGION"] = REGION
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
        name = "server.log" if is_controller else f"server-{worker['workerid']}.log"
        config.tarn_server = Server(out / name, int(os.environ.get("TARN_SUITE_DAY_SECONDS", "9")))
        config.tarn_server.start()
        os.environ["S3TEST_CONF"] = str(config.tarn_server.conf(config.tarn_server.prepare()))


def pytest_unconfigure(config):
    if server := getattr(config, "tarn_server", None):
        server.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "setup":
        item.user_properties.append(("markers", sorted({mark.name for mark in item.iter_markers()})))
        report.user_properties = list(item.user_properties)
    if call.when != "call" and report.outcome == "failed":
        # A case that could not clean up must not be found by the next one, which looks for what has its prefix.
        sys.modules["s3tests.functional"].configure()
    return report


def pytest_runtest_logreport(report):
    if results := Reporting.results:
        results.add(report)


class Reporting:
    results = None


def pytest_sessionstart(session):
    Reporting.results = getattr(session.config, "tarn_results", None)


def pytest_sessionfinish(session):
    if results := getattr(session.config, "tarn_results", None):
        if not session.config.option.collectonly:
            results.write()
