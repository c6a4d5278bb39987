"""Measures the budgets of the design beside real peers in one run and writes bench/RESULTS.md.

Run by `cargo xtask bench [NAME...]`. Without names: all of MEASUREMENTS below.
"""

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

import tpch
from results import Results
from servers import BUCKET, CACHE, Tarn, peers

HERE = Path(__file__).resolve().parent


def ratios(ours: float, theirs: list[tuple[object, float]], show) -> str:
    """What the peers did, and how many times quicker Tarn was; more is quicker."""
    return "; ".join(f"{peer.name} ({peer.note}) {show(rate)}: {ours / rate:.2f}x" for peer, rate in theirs)


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
    results.add("limit: sequential write and fdatasync, 512 MiB", f"{statistics.median(rates):,.0f} MB/s", limit=f"the drive: {min(rates):,.0f} to {max(rates):,.0f}")
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
        "limit: append of 4 KiB and fdatasync", f"{1 / statistics.mean(times):,.0f}/s", 
        limit=f"the drive: p50 {times[1000] * 1e6:.0f} us, p99 {times[1980] * 1e6:.0f} us",
    )
    began = time.perf_counter()
    digest = hashlib.md5(usedforsecurity=False)
    for _ in range(512):
        digest.update(block)
    seconds = time.perf_counter() - began
    results.add("limit: MD5, one core", f"{512 * len(block) / seconds / 1e6:,.0f} MB/s", limit="every ETag of a PUT")


def measure_start(results: Results, folder: Path) -> None:
    times = []
    for number in range(5):
        place = folder / f"start-{number}"
        place.mkdir()
        tarn = Tarn(place, bucket=False)
        times.append(tarn.ready_seconds)
        if number == 4:
            time.sleep(3)
            resident = tarn.resident_mb()
        tarn.stop()
    results.add("ready after start, empty data dir", f"{statistics.median(times) * 1e3:.0f} ms", "300 ms")
    results.add("idle resident memory", f"{resident:.0f} MB", "80 MB")


def measure_objects(results: Results, folder: Path, size: int, connections: int, what: str, budgets, seconds: float = 8) -> None:
    servers = [Tarn(folder), *peers(folder)]
    is_large = size > 1 << 20
    unit = "mb_per_second" if is_large else "per_second"

    def show(rate: float) -> str:
        return f"{rate:,.0f} MB/s" if is_large else f"{rate:,.0f}/s"

    made = 0
    for kind, budget in zip(("put", "get"), budgets):
        options = {"size": size, "connections": connections, "seconds": seconds}
        if kind == "get":
            # Only keys that every put has made, and few enough to lie in the page cache.
            options["keys"] = min(made, 1 if size > 64 << 20 else 8 if is_large else 1000)
        runs = []
        for server in servers:
            os.sync()
            runs.append(server.load(kind, **options))
        if kind == "put":
            made = min(run["requests"] for run in runs)
        ours = runs[0]
        cpu = ours["cpu_seconds"] / ours["requests"]
        cpu = f"{cpu * 1e3:,.1f} ms" if is_large else f"{cpu * 1e6:,.0f} us"
        results.add(
            f"{kind.upper()} {what} x{connections}", f"{show(ours[unit])}, p99 {ours['p99_ms']:.1f} ms", budget,
            ratios(ours[unit], [(peer, run[unit]) for peer, run in zip(servers[1:], runs[1:])], show),
            f"{cpu} a request, {servers[0].resident_mb(peak=True):.0f} MB; "
            + ", ".join(f"{peer.name} {peer.resident_mb(peak=True):.0f} MB" for peer in servers[1:]),
        )
    for server in servers:
        server.stop()


def measure_keys(results: Results, folder: Path) -> None:
    """Listing of many keys, flat and by folders, and deleting 100,000 of them."""
    servers = [Tarn(folder), *peers(folder)]
    keys = int(os.environ.get("TARN_BENCH_KEYS", "1000000"))
    doomed = min(keys, 100_000)
    runs = []
    for server in servers:
        os.sync()
        put = server.load("put", size=16, connections=64, seconds=3600, requests=doomed, folders=1000)
        if doomed < keys:
            server.fill(doomed, keys, 1000)
            os.sync()
        # A peer that walks a directory for each page is given up after a while; its rate is that of the pages it gave.
        flat = server.load("list", seconds=60)
        folders = server.load("list", seconds=10, delimiter="/", again=True)
        resident = server.resident_mb(peak=True)
        # Deleted are the first keys, which lie in all folders.
        deleted = server.load("delete", connections=4, seconds=3600, keys=doomed, folders=1000)
        runs.append({"put": put, "flat": flat, "folders": folders, "resident": resident, "deleted": deleted})
        print(server.name, runs[-1], flush=True)
        server.stop()
    ours = runs[0]

    def compared(of, show) -> str:
        return ratios(of(ours), [(peer, of(run)) for peer, run in zip(servers[1:], runs[1:])], show)

    def pages(run: dict) -> str:
        return f"{run['cpu_seconds'] / run['pages'] * 1e6:,.0f} us a page, {ours['resident']:.0f} MB"

    rate = ours["flat"]["keys_per_second"]
    results.add(
        f"list of {keys:,} keys, one connection", f"{rate:,.0f} keys/s", "300,000 keys/s",
        compared(lambda run: run["flat"]["keys_per_second"], lambda rate: f"{rate:,.0f} keys/s"), pages(ours["flat"]),
    )
    results.add(
        f"list with delimiter of {keys:,} keys in 1,000 folders", f"{1e3 / ours['folders']['pages_per_second']:,.1f} ms a page of 1,000 folders", "",
        compared(lambda run: run["folders"]["pages_per_second"], lambda rate: f"{1e3 / rate:,.1f} ms"), pages(ours["folders"]),
    )
    per_second = doomed / ours["deleted"]["seconds"]
    results.add(
        f"delete of {doomed:,} of {keys:,} keys, 1,000 a request, x4", f"{per_second:,.0f} keys/s", "",
        compared(lambda run: doomed / run["deleted"]["seconds"], lambda rate: f"{rate:,.0f} keys/s"),
        f"{ours['deleted']['cpu_seconds'] / doomed * 1e6:,.1f} us a key",
    )
    results.add(
        f"PUT 16 B x64, {doomed:,} keys", f"{ours['put']['per_second']:,.0f}/s", "",
        compared(lambda run: run["put"]["per_second"], lambda rate: f"{rate:,.0f}/s"),
        f"{ours['put']['cpu_seconds'] / doomed * 1e6:,.0f} us a request",
    )


def measure_restore(results: Results, folder: Path) -> None:
    """1,000 objects of 64 KiB, archived as GLACIER, asked for one after another and all readable again. No peer has the class."""
    tarn = Tarn(folder)
    s3, count = tarn.client("s3"), 1000
    body = os.urandom(48 << 10) + bytes(16 << 10)
    keys = [f"archive/{number:04}" for number in range(count)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=BUCKET, Key=key, Body=body, StorageClass="GLACIER"), keys))
        cpu = tarn.cpu_seconds()
        began = time.perf_counter()
        request = {"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}}
        list(pool.map(lambda key: s3.restore_object(Bucket=BUCKET, Key=key, RestoreRequest=request), keys))
        asked = time.perf_counter() - began
        waiting = set(keys)
        while waiting:
            heads = zip(sorted(waiting), pool.map(lambda key: s3.head_object(Bucket=BUCKET, Key=key), sorted(waiting)))
            waiting -= {key for key, head in heads if 'ongoing-request="false"' in head["Restore"]}
        seconds = time.perf_counter() - began
    results.add(
        f"restore of {count:,} archived objects of 64 KiB", f"{seconds:.1f} s until all can be read", "", "no peer has archives",
        f"{(tarn.cpu_seconds() - cpu) / count * 1e3:.1f} ms an object with its polls, {tarn.resident_mb(peak=True):.0f} MB",
        f"asking for all took {asked:.1f} s of that (boto3, 4 threads)",
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
        f"DuckDB {duckdb.__version__} {theirs:.2f} s: {theirs / ours:.2f}x; most behind: {worst} s",
        f"{tarn.resident_mb(peak=True):.0f} MB",
    )
    tarn.stop()


def measure_query(results: Results, folder: Path) -> None:
    tarn = Tarn(folder)
    athena = tarn.client("athena")
    times = [athena_run(athena, "SELECT 1", "default") for _ in range(60)][10:]
    results.add("smallest Athena query, submit to result", f"{statistics.median(times) * 1e3:.1f} ms", "15 ms", server="boto3 client included")
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
    results.add("Firehose in, raw, one boto3 client", f"{sent / seconds / 1e6:.0f} MB/s", "100 MB/s/core", server="boto3's base64 and JSON share the cores")
    tarn.stop()


MEASUREMENTS = {
    "limits": measure_limits,
    "start": measure_start,
    "small": lambda results, folder: measure_objects(
        results, folder, 1024, 32, "1 KiB", ("10,000/s, p99 under 15 ms", "40,000/s")
    ),
    "medium": lambda results, folder: measure_objects(results, folder, 64 << 10, 16, "64 KiB", ("", "")),
    "large": lambda results, folder: measure_objects(results, folder, 8 << 20, 4, "8 MiB", ("800 MB/s", "2,000 MB/s")),
    "stream": lambda results, folder: measure_objects(results, folder, 1 << 30, 1, "1 GiB", ("600 MB/s", "2,000 MB/s")),
    "keys": measure_keys,
    "restore": measure_restore,
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


if __name__ == "__main__":
    main()
