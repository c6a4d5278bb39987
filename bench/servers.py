"""The servers that are measured: Tarn, and peers that are built from the crate registry. Each starts on an empty folder and makes one
bucket, `bench`; what it costs is read from /proc."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

CACHE = Path(os.environ.get("TARN_BENCH_CACHE", Path(__file__).resolve().parent / ".cache"))
REGION = "us-east-1"
BINARY = os.environ["TARN_BINARY"]
LOAD = str(Path(BINARY).with_name("tarn-load"))
# In the form that Garage wants of a key it did not make itself.
KEY_ID, SECRET = "GK" + secrets.token_hex(12), secrets.token_hex(32)
BUCKET = "bench"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that serves S3."""

    name: str
    note: str
    process: subprocess.Popen
    endpoint: str

    def client(self, service: str):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET, config=Config(s3={"addressing_style": "path"}),
        )

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self, peak: bool = False) -> float:
        field = "VmHWM:" if peak else "VmRSS:"
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        return 0.0

    def load(self, kind: str, again: bool = False, **options) -> dict:
        """One run of tarn-load, with the server's CPU for it."""
        arguments = [item for name, value in options.items() for item in (f"--{name}", str(value))] + ["--again"] * again
        environment = os.environ | {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
        before = self.cpu_seconds()
        answer = subprocess.run(
            [LOAD, kind, "--endpoint", self.endpoint, "--bucket", BUCKET, *arguments],
            env=environment, capture_output=True, text=True,
        )
        if answer.returncode != 0:
            raise RuntimeError(f"{self.name}: {kind} {options}: {answer.stderr}")
        return json.loads(answer.stdout) | {"cpu_seconds": self.cpu_seconds() - before}

    def fill(self, first: int, keys: int, folders: int) -> None:
        """Objects of 16 bytes at the keys from number `first` to number `keys`, as quickly as the server can be made to have them."""
        self.load("put", size=16, connections=64, seconds=3600, first=first, requests=keys - first, folders=folders)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def await_port(self, port: int) -> None:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not start")


class Tarn(Server):
    """A server on an empty data directory, durable and encrypting as by default."""

    name, note = "Tarn", ""

    def __init__(self, folder: Path, config: str = "", bucket: bool = True):
        self.data_dir, port = folder / "lake", free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        environment = os.environ | {"TARN_ROOT_ACCESS_KEY_ID": KEY_ID, "TARN_ROOT_SECRET_ACCESS_KEY": SECRET}
        (folder / "tarn.toml").write_text(config)
        began = time.monotonic()
        self.log = (folder / "server.log").open("wb")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data-dir", str(self.data_dir), "--listen", f"127.0.0.1:{port}", "--config", str(folder / "tarn.toml")],
            env=environment, stdout=self.log, stderr=self.log,
        )
        while True:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/-/health/ready", timeout=1):
                    break
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError((folder / "server.log").read_text()) from None
                time.sleep(0.002)
        self.ready_seconds = time.monotonic() - began
        if bucket:
            self.client("s3").create_bucket(Bucket=BUCKET)


def installed(crate: str, version: str, *options: str) -> Path:
    """A program of the crate registry, built once."""
    binary = CACHE / "bin" / crate
    if not binary.exists():
        subprocess.run(
            ["cargo", "install", "--quiet", "--root", str(CACHE), "--ignore-rust-version", "--version", version, *options, crate],
            check=True,
        )
    return binary


class S3sFs(Server):
    """Files in a directory, by the library whose HTTP layer Tarn uses, too."""

    name, note = "s3s-fs", "no fsync, no encryption"

    def __init__(self, folder: Path):
        binary, port = installed("s3s-fs", "0.17.0", "--features", "binary"), free_port()
        self.files = folder / "s3s-fs" / BUCKET
        self.files.mkdir(parents=True)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [str(binary), "--host", "127.0.0.1", "--port", str(port), "--access-key", KEY_ID, "--secret-key", SECRET, str(folder / "s3s-fs")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.await_port(port)

    def fill(self, first: int, keys: int, folders: int) -> None:
        # Its objects are files of their keys' names.
        for number in range(first, keys):
            (self.files / f"load-{number % folders:04}" / f"{number:08}").write_bytes(bytes(16))


class Garage(Server):
    """One node of Garage with fsync of data and metadata."""

    name, note = "Garage 2.5", "fsync, no encryption"

    def __init__(self, folder: Path):
        binary, port, rpc_port = installed("garage", "2.5.0", "--locked"), free_port(), free_port()
        place = folder / "garage"
        place.mkdir()
        self.config, self.port = place / "garage.toml", port
        self.config.write_text(
            f'metadata_dir = "{place}/meta"\ndata_dir = "{place}/data"\ndb_engine = "lmdb"\nreplication_factor = 1\n'
            f'metadata_fsync = true\ndata_fsync = true\ncompression_level = "none"\n'
            f'rpc_bind_addr = "127.0.0.1:{rpc_port}"\nrpc_public_addr = "127.0.0.1:{rpc_port}"\nrpc_secret = "{secrets.token_hex(32)}"\n'
            f'[s3_api]\ns3_region = "{REGION}"\napi_bind_addr = "127.0.0.1:{port}"\nroot_domain = ".s3.garage.localhost"\n'
        )
        self.endpoint = f"http://127.0.0.1:{port}"

        def garage(*arguments: str) -> str:
            done = subprocess.run([str(binary), "-c", str(self.config), *arguments], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"garage {arguments[0]}: {done.stderr}")
            return done.stdout

        self.binary = binary
        self.start()
        node = garage("node", "id", "-q").split("@")[0].strip()
        garage("layout", "assign", "-z", "here", "-c", "100G", node)
        garage("layout", "apply", "--version", "1")
        garage("key", "import", "--yes", "-n", "bench", KEY_ID, SECRET)
        garage("bucket", "create", BUCKET)
        garage("bucket", "allow", "--read", "--write", "--owner", BUCKET, "--key", "bench")

    def start(self) -> None:
        log = self.config.with_name("log").open("ab")
        self.process = subprocess.Popen([str(self.binary), "-c", str(self.config), "server"], stdout=log, stderr=log)
        self.await_port(self.port)

    def sync(self, is_on: bool) -> None:
        """Starts it anew with fsync or without."""
        self.stop()
        told = self.config.read_text()
        for name in ("metadata_fsync", "data_fsync"):
            told = re.sub(f"(?m)^{name} = .*$", f"{name} = {str(is_on).lower()}", told)
        self.config.write_text(told)
        self.start()

    def fill(self, first: int, keys: int, folders: int) -> None:
        self.sync(False)
        super().fill(first, keys, folders)
        self.sync(True)


def peers(folder: Path) -> list[Server]:
    return [peer(folder) for peer in (S3sFs, Garage)]
