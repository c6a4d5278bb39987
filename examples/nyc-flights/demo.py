"""The main job on real data: from files and a stream to SQL answers, through one signed endpoint.

Run by `cargo xtask demo`. Leaves the lake in `data/demo`, which `tarn serve --data-dir data/demo` opens again.
"""

import argparse
import csv
import gzip
import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REGION = "us-east-1"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
RAW_TABLES = ("flights", "planes", "airports", "airlines")

QUESTIONS = {
    "Which airlines suffer most from wind at the origin?": """
        SELECT a.name AS airline,
               count(*) AS flights,
               round(avg(f.dep_delay), 1) AS delay,
               round(avg(CASE WHEN w.wind_speed >= 20 THEN f.dep_delay END), 1) AS delay_in_wind,
               round(avg(CASE WHEN w.visib < 3 THEN f.dep_delay END), 1) AS delay_in_fog
        FROM processed.flights f
        JOIN processed.weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
        JOIN processed.airlines a ON a.carrier = f.carrier
        WHERE f.dep_delay IS NOT NULL
        GROUP BY a.name HAVING count(*) > 1000
        ORDER BY delay_in_wind DESC LIMIT 8""",
    "Where do flights go, and how much of the delay is made up in the air?": """
        SELECT p.name AS airport, count(*) AS flights,
               round(avg(f.distance)) AS miles,
               round(avg(f.dep_delay - f.arr_delay), 1) AS minutes_made_up
        FROM processed.flights f JOIN processed.airports p ON p.faa = f.dest
        WHERE f.arr_delay IS NOT NULL
        GROUP BY p.name ORDER BY flights DESC LIMIT 8""",
    "Do old planes fly less reliably? (by month, from two partitions only)": """
        SELECT f.month, CASE WHEN f.year - p.year >= 15 THEN 'older' ELSE 'newer' END AS plane,
               count(*) AS flights,
               round(100.0 * sum(CASE WHEN f.dep_time IS NULL THEN 1 ELSE 0 END) / count(*), 2) AS cancelled_percent
        FROM processed.flights f JOIN processed.planes p ON p.tailnum = f.tailnum
        WHERE f.month IN (2, 7) AND p.year IS NOT NULL
        GROUP BY 1, 2 ORDER BY 1, 2""",
}

# 'NA' in the raw text becomes NULL; everything gets the type it deserves.
TYPED = {
    "flights": (
        {
            "dep_time": "integer", "sched_dep_time": "integer", "dep_delay": "double", "arr_time": "integer",
            "sched_arr_time": "integer", "arr_delay": "double", "carrier": "varchar", "flight": "integer",
            "tailnum": "varchar", "origin": "varchar", "dest": "varchar", "air_time": "double", "distance": "double",
            "time_hour": "timestamp", "year": "integer", "day": "integer", "month": "integer",
        },
        "month",
    ),
    "planes": (
        {
            "tailnum": "varchar", "year": "integer", "type": "varchar", "manufacturer": "varchar", "model": "varchar",
            "engines": "integer", "seats": "integer", "engine": "varchar",
        },
        None,
    ),
    "airports": ({"faa": "varchar", "name": "varchar", "lat": "double", "lon": "double", "alt": "double"}, None),
    "airlines": ({"carrier": "varchar", "name": "varchar"}, None),
    "weather": (
        {
            "origin": "varchar", "temp": "double", "humid": "double", "wind_dir": "double", "wind_speed": "double",
            "wind_gust": "double", "precip": "double", "visib": "double", "time_hour": "timestamp",
        },
        None,
    ),
}


class Demo:
    def __init__(self, data_dir: Path):
        self.data_dir = data_dir
        self.step_count = 0
        self.began = time.monotonic()

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def step(self, title: str, cli: str | None = None) -> None:
        self.step_count += 1
        self.step_began = time.monotonic()
        bold, dim, off = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if COLOUR else ("", "", "")
        self.say(f"\n{bold}{self.step_count}. {title}{off}")
        if cli:
            self.say(f"   {dim}$ {cli}{off}")

    def done(self, text: str) -> None:
        self.say(f"   {text}  [{time.monotonic() - self.step_began:.2f} s]")

    def start(self) -> None:
        if self.data_dir.exists():
            shutil.rmtree(self.data_dir)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.key_id = "AKIA" + secrets.token_hex(8).upper()
        self.secret = secrets.token_hex(20)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TARN_"))}
        environment |= {"TARN_ROOT_ACCESS_KEY_ID": self.key_id, "TARN_ROOT_SECRET_ACCESS_KEY": self.secret}
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        self.log = self.data_dir.with_suffix(".log")
        with self.log.open("wb") as log:
            self.server = subprocess.Popen(
                [os.environ["TARN_BINARY"], "serve", "--data-dir", str(self.data_dir)]
                + ["--listen", f"127.0.0.1:{self.port}"],
                env=environment, stdout=log, stderr=log,
            )
        for _ in range(3000):
            try:
                with urllib.request.urlopen(f"{self.endpoint}/-/health/ready", timeout=1):
                    return
            except OSError:
                if self.server.poll() is not None:
                    break
                time.sleep(0.01)
        raise SystemExit(f"the server did not start:\n{self.log.read_text()}")

    def client(self, service: str, key_id: str | None = None, secret: str | None = None):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION,
            aws_access_key_id=key_id or self.key_id, aws_secret_access_key=secret or self.secret,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def query(self, sql: str, athena=None, database: str = "processed") -> dict:
        athena = athena or self.athena
        query_id = athena.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": database},
            ResultConfiguration={"OutputLocation": "s3://lake-analytics/athena-results/"},
        )["QueryExecutionId"]
        while True:
            execution = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            time.sleep(0.02)

    def must(self, sql: str, **options) -> dict:
        execution = self.query(sql, **options)
        if execution["Status"]["State"] != "SUCCEEDED":
            raise SystemExit(f"{execution['Status'].get('StateChangeReason')}\n{sql}")
        return execution

    def table(self, execution: dict) -> None:
        result = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]
        rows = [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in result["Rows"]]
        widths = [max(map(len, column)) for column in zip(*rows)]
        for number, row in enumerate(rows):
            self.say("   " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
            if number == 0:
                self.say("   " + "  ".join("-" * width for width in widths))

    def run(self) -> None:
        self.step("Start the lake", f"tarn serve --data-dir {show(self.data_dir)}")
        self.start()
        self.s3, self.glue, self.athena = map(self.client, ("s3", "glue", "athena"))
        buckets = [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]
        self.done(f"ready at {self.endpoint}; zones: {', '.join(buckets)}")

        self.step("Files into the raw zone", "aws s3 cp flights.csv.gz s3://lake-raw/nyc/flights/")
        sent = 0
        for name in RAW_TABLES:
            body = (HERE / f"{name}.csv.gz").read_bytes() if name == "flights" else gzip.compress(
                (HERE / f"{name}.csv").read_bytes(), mtime=0
            )
            sent += len(body)
            self.s3.put_object(
                Bucket="lake-raw", Key=f"nyc/{name}/{name}.csv.gz", Body=body, ChecksumAlgorithm="CRC64NVME"
            )
        self.done(f"{len(RAW_TABLES)} files, {sent / 1e6:.1f} MB, checksums verified, encrypted on arrival")

        self.step(
            "A stream into the raw zone: hourly weather through Firehose",
            "aws firehose put-record-batch --delivery-stream-name weather --records ...",
        )
        firehose = self.client("firehose")
        firehose.create_delivery_stream(
            DeliveryStreamName="weather",
            ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::000000000000:role/lake-ingest",
                "BucketARN": "arn:aws:s3:::lake-raw",
                "Prefix": "nyc/weather/ingested=!{timestamp:yyyy-MM-dd}/",
                "ErrorOutputPrefix": "errors/weather/!{firehose:error-output-type}/",
                "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 2},
                "CompressionFormat": "GZIP",
                "ProcessingConfiguration": {
                    "Enabled": True,
                    "Processors": [{
                        "Type": "AppendDelimiterToRecord",
                        "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}],
                    }],
                },
            },
        )
        with gzip.open(HERE / "weather.csv.gz", "rt") as file:
            records = [{"Data": json.dumps(row).encode()} for row in csv.DictReader(file)]
        for at in range(0, len(records), 500):
            answer = firehose.put_record_batch(DeliveryStreamName="weather", Records=records[at : at + 500])
            assert answer["FailedPutCount"] == 0, answer
        accepted = time.monotonic() - self.step_began
        delivered = 0
        while delivered < len(records):
            listed = self.s3.list_objects_v2(Bucket="lake-raw", Prefix="nyc/weather/").get("Contents", [])
            delivered = sum(self.lines("lake-raw", each["Key"]) for each in listed) if listed else 0
            time.sleep(0.1)
        self.done(f"{len(records):,} records durable after {accepted:.2f} s, delivered in {len(listed)} objects")

        self.step("Discover the schema", "aws glue start-crawler --name nyc")
        self.glue.create_crawler(
            Name="nyc", Role="lake-transform", DatabaseName="raw",
            Targets={"S3Targets": [{"Path": f"s3://lake-raw/nyc/{name}/"} for name in (*RAW_TABLES, "weather")]},
        )
        self.glue.start_crawler(Name="nyc")
        while self.glue.get_crawler(Name="nyc")["Crawler"]["State"] != "READY":
            time.sleep(0.05)
        last = self.glue.get_crawler(Name="nyc")["Crawler"]["LastCrawl"]
        assert last["Status"] == "SUCCEEDED", last
        tables = self.glue.get_tables(DatabaseName="raw")["TableList"]
        self.done(f"{len(tables)} tables: " + ", ".join(
            f"{table['Name']} ({len(table['StorageDescriptor']['Columns'])} columns, "
            f"{table['Parameters'].get('classification')})" for table in tables
        ))

        self.step(
            "From raw text to typed, partitioned Parquet",
            'aws athena start-query-execution --query-string "CREATE TABLE processed.flights WITH (...) AS SELECT ..."',
        )
        for name, (columns, partition) in TYPED.items():
            casts = ", ".join(cast(column, kind) for column, kind in columns.items())
            properties = f"format = 'PARQUET', external_location = 's3://lake-processed/nyc/{name}/'"
            if partition:
                properties += f", partitioned_by = ARRAY['{partition}']"
            self.must(f"CREATE TABLE processed.{name} WITH ({properties}) AS SELECT {casts} FROM raw.{name}")
        partitions = self.glue.get_partitions(DatabaseName="processed", TableName="flights")["Partitions"]
        count = self.must("SELECT count(*), count(dep_time) FROM processed.flights")
        cells = self.athena.get_query_results(QueryExecutionId=count["QueryExecutionId"])["ResultSet"]["Rows"][1]["Data"]
        rows, flown = (int(cell["VarCharValue"]) for cell in cells)
        assert rows == 336_776, rows
        self.done(f"{rows:,} flights ({rows - flown:,} never left) in {len(partitions)} partitions")

        for title, sql in QUESTIONS.items():
            self.step(title, "aws athena start-query-execution --query-string ...")
            execution = self.must(sql)
            self.table(execution)
            scanned = execution["Statistics"]["DataScannedInBytes"]
            self.done(f"{scanned / 1e6:.2f} MB scanned")

        self.step("The same question, asked by somebody who may not", "aws athena get-query-execution ...")
        iam = self.client("iam")
        iam.create_user(UserName="guest")
        iam.put_user_policy(UserName="guest", PolicyName="ask", PolicyDocument=json.dumps({
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": ["athena:*", "glue:Get*"], "Resource": "*"},
                {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject", "s3:GetBucketLocation"],
                 "Resource": ["arn:aws:s3:::lake-analytics", "arn:aws:s3:::lake-analytics/*"]},
            ],
        }))
        key = iam.create_access_key(UserName="guest")["AccessKey"]
        guest = self.client("athena", key["AccessKeyId"], key["SecretAccessKey"])
        refused = self.query(next(iter(QUESTIONS.values())), athena=guest)
        assert refused["Status"]["State"] == "FAILED", refused
        self.say(f"   {refused['Status']['StateChangeReason']}")
        guest_s3 = self.client("s3", key["AccessKeyId"], key["SecretAccessKey"])
        try:
            guest_s3.get_object(Bucket="lake-raw", Key="nyc/flights/flights.csv.gz")
            raise SystemExit("the guest could read the raw zone")
        except ClientError as error:
            self.say(f"   {error.response['Error']['Code']}: {error.response['Error']['Message']}")
        self.done("refused by the same policies in SQL and in S3")

        self.step("The record of those refusals", "tarn audit search --user guest --outcome failure")
        found = subprocess.run(
            [os.environ["TARN_BINARY"], "audit", "search", "--user", "guest", "--outcome", "failure", "--output", "json"],
            env=self.environment(), capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        events = [json.loads(line) for line in found.splitlines() if line.strip()]
        for name in ("StartQueryExecution", "GetObject"):
            assert any(event["eventName"] == name and event["errorCode"] == "AccessDenied" for event in events), found
        for event in events[:3]:
            self.say("   " + json.dumps({name: event.get(name) for name in (
                "eventTime", "eventSource", "eventName", "errorCode", "sourceIPAddress", "requestID"
            )}))
        self.done(f"{len(events)} refusals on record")

        self.step("What is on the disk", f"grep -r 'United Air Lines' {show(self.data_dir)}")
        planted = [b"United Air Lines", b"N14228", b"tailnum,origin", b"10.357019999999999", self.secret.encode()]
        searched, hits = search(self.data_dir, planted)
        assert not hits, hits
        sample = next(path for path in sorted(self.data_dir.rglob("*")) if path.is_file() and path.stat().st_size > 1 << 20)
        with sample.open("rb") as file:
            file.seek(4096)
            self.say(f"   {show(sample)} at 4096: {file.read(24).hex(' ')}")
        self.done(f"{searched / 1e6:.1f} MB searched for {len(planted)} known texts: ciphertext only")

        self.server.send_signal(signal.SIGTERM)
        assert self.server.wait(60) == 0
        self.say(f"\nAll {self.step_count} steps in {time.monotonic() - self.began:.1f} s. The lake is kept. To go on:\n")
        self.say(f"   tarn serve --data-dir {show(self.data_dir)}        # {os.environ['TARN_BINARY']}")
        self.say(f"   export AWS_ENDPOINT_URL=http://127.0.0.1:9000 AWS_DEFAULT_REGION={REGION}")
        self.say(f"   export AWS_ACCESS_KEY_ID={self.key_id} AWS_SECRET_ACCESS_KEY={self.secret}")
        self.say("   aws s3 ls s3://lake-processed/nyc/ --recursive")
        self.say('   tarn sql -c "SELECT origin, count(*) FROM processed.flights GROUP BY origin"')

    def lines(self, bucket: str, key: str) -> int:
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with gzip.open(io.BytesIO(body)) as file:
            return sum(1 for _ in file)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_DEFAULT_REGION": REGION,
        }

    def close(self) -> None:
        if getattr(self, "server", None) and self.server.poll() is None:
            self.server.kill()


def cast(column: str, kind: str) -> str:
    if kind == "varchar":
        return f"nullif({column}, 'NA') AS {column}"
    if kind == "timestamp":
        return f"CAST(from_iso8601_timestamp({column}) AS timestamp) AS {column}"
    return f"TRY_CAST(nullif(CAST({column} AS varchar), 'NA') AS {kind}) AS {column}"


def search(folder: Path, planted: list[bytes]) -> tuple[int, list[str]]:
    searched, hits = 0, []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "root-credentials":
            content = path.read_bytes()
            searched += len(content)
            hits += [f"{text!r} in {path}" for text in planted if text in content]
    return searched, hits


def show(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data" / "demo")
    demo = Demo(parser.parse_args().data_dir)
    try:
        demo.run()
    finally:
        demo.close()


if __name__ == "__main__":
    main()
