"""Measures the budgets of the design beside real peers in one run and writes bench/RESULTS.md.

Run by `cargo xtask bench [NAME...]`. Names: limits, start, small, large, stream, list, query, firehose, tpch. Without names: all.
"""

import hashlib
import json
import os
import platform
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import boto3
import duckdb
from botocore.config import Config

import tpch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = HERE / ".cache"
REGION = "us-east-1"
BINARY = os.environ["TARN_BINARY"]
LOAD = str(Path(BINARY).with_name("tarn-load"))
KEY_ID, SECRET = "AKIABENCHBENCHBENCH0", secrets.token_hex(20)
S3S_FS = "0.17.0"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Tarn:
    """A server on an empty data directory, durable and encrypting as by default."""

    def __init__(self, folder: Path):
        self.data_dir, self.port = folder / "lake", free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        environment = os.environ | {"TARN_ROOT_ACCESS_KEY_ID": KEY_ID, "TARN_ROOT_SECRET_ACCESS_KEY": SECRET}
        began = time.monotonic()
        self.log = (folder / "server.log").open("wb")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data-dir", str(self.data_dir), "--listen", f"127.0.0.1:{self.port}"],
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

    def client(self, service: str):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET, config=Config(s3={"addressing_style": "path"}),
        )

    def resident_mb(self, peak: bool = False) -> float:
        field = "VmHWM:" if peak else "VmRSS:"
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def load(endpoint: str, kind: str, bucket: str, **options) -> dict:
    arguments = [item for name, value in options.items() for item in (f"--{name}", str(value))]
    environment = os.environ | {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    answer = subprocess.run(
        [LOAD, kind, "--endpoint", endpoint, "--bucket", bucket, *arguments],
        env=environment, capture_output=True, text=True, check=True,
    )
    return json.loads(answer.stdout)


class Results:
    def __init__(self):
        self.rows: list[tuple[str, str, str, str, str]] = []

    def add(self, what: str, figure: str, budget: str, peer: str = "", note: str = "") -> None:
        self.rows.append((what, figure, budget, peer, note))
        print(f"{what:48} {figure:28} budget {budget:24} {peer} {note}", flush=True)

    def write(self) -> None:
        memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
        cpu = next(
            (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
            platform.machine(),
        )
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        lines = [
            "# Measured",
            "",
            "Written by `cargo xtask bench`. Client and server share the machine; durable mode, encryption on.",
            "",
            f"{time.strftime('%Y-%m-%d')}, commit {commit}, {os.cpu_count()} cores ({cpu}), "
            f"{int(memory.split()[1]) / 2**20:.0f} GiB, {platform.system()} {platform.release()}",
            "",
            "| what | figure | budget | peer, ratio | where the time goes |",
            "|---|---|---|---|---|",
        ]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")


def s3s_fs(folder: Path):
    """A peer from the registry: files in a directory, no fsync, no encryption. None if it cannot be built here."""
    binary = CACHE / "bin" / "s3s-fs"
    if not binary.exists():
        built = subprocess.run(
            ["cargo", "install", "--quiet", "--root", str(CACHE), "--ignore-rust-version", "--features", "binary",
             "--version", S3S_FS, "s3s-fs"]
        )
        if built.returncode != 0:
            return None
    port = free_port()
    (folder / "peer").mkdir()
    process = subprocess.Popen(
        [str(binary), "--host", "127.0.0.1", "--port", str(port), "--access-key", KEY_ID, "--secret-key", SECRET,
         str(folder / "peer")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    (folder / "peer" / "bench").mkdir()
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.05)
    process.kill()
    return None


def measure_limits(results: Results, folder: Path) -> None:
    """What the machine gives a program that does nothing else: the disk the lake lies on, and the hash every PUT needs."""
    block = os.urandom(1 << 20)
    rates = []
    for number in range(3):
        file = os.open(folder / f"sequential-{number}", os.O_WRONLY | os.O_CREAT)
        began = time.perf_counter()
        for _ in range(512):
            os.write(file, block)
        os.fdatasync(file)
        rates.append(512 * len(block) / (time.perf_counter() - began) / 1e6)
        os.close(file)
    results.add("limit: sequential write and fdatasync, 512 MiB", f"{statistics.median(rates):,.0f} MB/s", "", "", f"{min(rates):,.0f} to {max(rates):,.0f}")
    file = os.open(folder / "appends", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    times = []
    for _ in range(2000):
        began = time.perf_counter()
        os.write(file, block[:4096])
        os.fdatasync(file)
        times.append(time.perf_counter() - began)
    os.close(file)
    times.sort()
    results.add(
        "limit: append of 4 KiB and fdatasync", f"{1 / statistics.mean(times):,.0f}/s", "", "",
        f"p50 {times[1000] * 1e6:.0f} us, p99 {times[1980] * 1e6:.0f} us",
    )
    began = time.perf_counter()
    digest = hashlib.md5(usedforsecurity=False)
    for _ in range(512):
        digest.update(block)
    seconds = time.perf_counter() - began
    results.add("limit: MD5, one core", f"{512 * len(block) / seconds / 1e6:,.0f} MB/s", "", "", "every ETag of a PUT")


def measure_start(results: Results, folder: Path) -> None:
    times = []
    for number in range(5):
        place = folder / f"start-{number}"
        place.mkdir()
        tarn = Tarn(place)
        times.append(tarn.ready_seconds)
        if number == 4:
            time.sleep(3)
            resident = tarn.resident_mb()
        tarn.stop()
    results.add("ready after start, empty data dir", f"{statistics.median(times) * 1e3:.0f} ms", "300 ms")
    results.add("idle resident memory", f"{resident:.0f} MB", "80 MB")


def measure_objects(results: Results, folder: Path, size: int, connections: int, what: str, budgets) -> None:
    tarn = Tarn(folder)
    tarn.client("s3").create_bucket(Bucket="bench")
    peer = s3s_fs(folder)
    for kind, budget in zip(("put", "get"), budgets):
        options = {"size": size, "connections": connections, "seconds": 8}
        if kind == "get":
            # Only keys that the put has made, and few enough to lie in the page cache.
            options["keys"] = min(made, 8 if size > 1 << 20 else 1000)
        ours = load(tarn.endpoint, kind, "bench", **options)
        theirs = load(peer[1], kind, "bench", **options) if peer else None
        if kind == "put":
            made = min(run["requests"] for run in (ours, theirs) if run)
        unit = "mb_per_second" if size > 1 << 20 else "per_second"
        suffix = " MB/s" if size > 1 << 20 else "/s"
        figure = f"{ours[unit]:,.0f}{suffix}, p99 {ours['p99_ms']:.1f} ms"
        ratio = f"s3s-fs {theirs[unit]:,.0f}{suffix} (no fsync, no encryption): {ours[unit] / theirs[unit]:.2f}x" if theirs else ""
        results.add(f"{kind.upper()} {what} x{connections}", figure, budget, ratio)
    results.add(f"peak resident memory of that ({what})", f"{tarn.resident_mb(peak=True):.0f} MB", "16 MB a stream over idle")
    tarn.stop()
    if peer:
        peer[0].kill()


def measure_list(results: Results, folder: Path) -> None:
    tarn = Tarn(folder)
    tarn.client("s3").create_bucket(Bucket="bench")
    keys = int(os.environ.get("TARN_BENCH_KEYS", "1000000"))
    put = load(tarn.endpoint, "put", "bench", size=16, connections=64, seconds=1800, requests=keys)
    listed = load(tarn.endpoint, "list", "bench")
    results.add(
        f"list of {listed['keys']:,} keys, one connection", f"{listed['keys_per_second']:,.0f} keys/s", "300,000 keys/s",
        "", f"made at {put['per_second']:,.0f} PUT/s x64",
    )
    tarn.stop()


def tpch_files(scale: int) -> Path:
    place = CACHE / f"tpch-{scale}"
    if not place.exists():
        env = CACHE / "venv"
        subprocess.run([sys.executable, "-m", "venv", str(env)], check=True)
        pip = [str(env / "bin/python"), "-m", "pip", "install", "--quiet", "-r", str(HERE / "requirements.txt")]
        subprocess.run(pip, check=True)
        making = place.with_name(place.name + "-making")
        shutil.rmtree(making, ignore_errors=True)
        generate = [str(env / "bin/tpchgen-cli"), "parquet", "--scale-factor", str(scale), "--output-dir", str(making)]
        subprocess.run(generate, check=True)
        making.rename(place)
    return place


def athena_run(athena, sql: str, database: str) -> float:
    began = time.perf_counter()
    query = athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": database},
        ResultConfiguration={"OutputLocation": "s3://lake-analytics/bench/"},
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.001)
    if status["State"] != "SUCCEEDED":
        raise RuntimeError(f"{status.get('StateChangeReason')}: {sql}")
    return time.perf_counter() - began


HIVE = {"int32": "int", "int64": "bigint", "double": "double", "string": "string", "date32[day]": "date"}


def measure_tpch(results: Results, folder: Path) -> None:
    import pyarrow.parquet

    files = tpch_files(int(os.environ.get("TARN_BENCH_SCALE", "1")))
    tarn = Tarn(folder)
    s3, athena = tarn.client("s3"), tarn.client("athena")
    athena_run(athena, "CREATE DATABASE IF NOT EXISTS tpch", "default")
    for table in tpch.TABLES:
        path = files / f"{table}.parquet"
        s3.upload_file(str(path), "lake-processed", f"tpch/{table}/{path.name}")
        columns = []
        for column in pyarrow.parquet.read_schema(path):
            kind = str(column.type)
            hive = kind.replace("decimal128", "decimal").replace(" ", "") if "decimal" in kind else HIVE.get(kind, "string")
            columns.append(f"`{column.name}` {hive}")
        athena_run(
            athena,
            f"CREATE EXTERNAL TABLE tpch.{table} ({', '.join(columns)}) STORED AS PARQUET "
            f"LOCATION 's3://lake-processed/tpch/{table}/'", "tpch",
        )
    duck = duckdb.connect()
    duck.execute(f"SET threads = {os.cpu_count()}")
    for table in tpch.TABLES:
        duck.execute(f"CREATE VIEW {table} AS SELECT * FROM '{files / f'{table}.parquet'}'")
    ours, theirs, slowest = 0.0, 0.0, []
    for number, sql in tpch.QUERIES.items():
        athena_run(athena, sql, "tpch")
        tarn_seconds = min(athena_run(athena, sql, "tpch") for _ in range(2))
        duck.execute(sql).fetchall()
        duck_times = []
        for _ in range(2):
            began = time.perf_counter()
            duck.execute(sql).fetchall()
            duck_times.append(time.perf_counter() - began)
        ours, theirs = ours + tarn_seconds, theirs + min(duck_times)
        slowest.append((tarn_seconds - min(duck_times), number, tarn_seconds, min(duck_times)))
        print(f"  Q{number}: {tarn_seconds:.3f} s, DuckDB {min(duck_times):.3f} s", flush=True)
    worst = ", ".join(f"Q{number} {a:.2f}/{b:.2f}" for _, number, a, b in sorted(slowest, reverse=True)[:4])
    results.add(
        "TPC-H scale 1 through Athena's API, total", f"{ours:.2f} s", "no slower than DuckDB",
        f"DuckDB {duckdb.__version__} {theirs:.2f} s: {ours / theirs:.2f}x its time", f"most behind: {worst} s",
    )
    results.add("peak resident memory of that", f"{tarn.resident_mb(peak=True):.0f} MB", "")
    tarn.stop()


def measure_query(results: Results, folder: Path) -> None:
    tarn = Tarn(folder)
    athena = tarn.client("athena")
    times = [athena_run(athena, "SELECT 1", "default") for _ in range(60)][10:]
    results.add("smallest Athena query, submit to result", f"{statistics.median(times) * 1e3:.1f} ms", "15 ms", "", "boto3 client included")
    tarn.stop()


def measure_firehose(results: Results, folder: Path) -> None:
    tarn = Tarn(folder)
    firehose = tarn.client("firehose")
    firehose.create_delivery_stream(
        DeliveryStreamName="bench",
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::000000000000:role/lake-ingest", "BucketARN": "arn:aws:s3:::lake-raw",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
        },
    )
    record = {"Data": os.urandom(8_000)}
    began, sent = time.perf_counter(), 0
    while time.perf_counter() - began < 8:
        answer = firehose.put_record_batch(DeliveryStreamName="bench", Records=[record] * 500)
        assert answer["FailedPutCount"] == 0
        sent += 500 * 8_000
    seconds = time.perf_counter() - began
    results.add("Firehose in, raw, one boto3 client", f"{sent / seconds / 1e6:.0f} MB/s", "100 MB/s/core", "", "boto3's base64 and JSON share the cores")
    tarn.stop()


MEASUREMENTS = {
    "limits": measure_limits,
    "start": measure_start,
    "small": lambda results, folder: measure_objects(
        results, folder, 1024, 32, "1 KiB", ("10,000/s, p99 under 15 ms", "40,000/s")
    ),
    "large": lambda results, folder: measure_objects(results, folder, 8 << 20, 4, "8 MiB", ("800 MB/s", "2,000 MB/s")),
    "stream": lambda results, folder: measure_objects(results, folder, 256 << 20, 1, "256 MiB", ("600 MB/s", "2,000 MB/s")),
    "list": measure_list,
    "query": measure_query,
    "firehose": measure_firehose,
    "tpch": measure_tpch,
}


def main() -> None:
    CACHE.mkdir(exist_ok=True)
    results = Results()
    for name in sys.argv[1:] or MEASUREMENTS:
        with tempfile.TemporaryDirectory(prefix="tarn-bench-", dir=CACHE) as folder:
            MEASUREMENTS[name](results, Path(folder))
    results.write()


if __name__ == "__main__":
    main()
