"""Bad data through the whole lake: the error names the file, nothing is lost, and the server goes on. DuckDB is the oracle for good data."""

import csv
import gzip
import io
import time

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

GOOD = "".join(f"{number},name-{number},{number / 4}\n" for number in range(5_000))
SECONDS_MAX = 60


@pytest.fixture
def lake(account):
    return Lake(account)


class Lake:
    def __init__(self, account):
        self.s3, self.athena = account.client("s3"), account.client("athena")
        self.bucket = account.bucket()
        self.run("CREATE DATABASE bad")

    def run(self, sql: str) -> dict:
        query = self.athena.start_query_execution(
            QueryString=sql, ResultConfiguration={"OutputLocation": f"s3://{self.bucket}/results/"}
        )["QueryExecutionId"]
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            execution = self.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def rows(self, sql: str) -> list[list[str]]:
        execution = self.run(sql)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        bucket, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").split("/", 1)
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        return list(csv.reader(io.StringIO(body)))[1:]

    def table(self, name: str, files: dict[str, bytes], storage: str) -> None:
        for file, body in files.items():
            self.s3.put_object(Bucket=self.bucket, Key=f"{name}/{file}", Body=body)
        made = self.run(
            f"CREATE EXTERNAL TABLE bad.{name} (id bigint, name string, price double) {storage} "
            f"LOCATION 's3://{self.bucket}/{name}/'"
        )
        assert made["Status"]["State"] == "SUCCEEDED", made["Status"]

    def fails(self, sql: str, *words: str) -> None:
        status = self.run(sql)["Status"]
        assert status["State"] == "FAILED", status
        assert all(word in status["StateChangeReason"] for word in words), status["StateChangeReason"]


CSV = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
JSON = "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"


def test_a_cut_gzip_file_is_named(lake):
    whole = gzip.compress(GOOD.encode())
    lake.table("cut", {"good.csv.gz": whole, "cut.csv.gz": whole[: len(whole) // 2]}, CSV)
    lake.fails("SELECT count(*) FROM bad.cut", "cut/cut.csv.gz")


def test_ragged_rows_are_read_as_hive_does(lake):
    lake.table("ragged", {"a.csv": b"1,a,1.5\n2,b\n3,c,2.5,more\n4\nx,d,3\n"}, CSV)
    assert lake.rows("SELECT id, name, price FROM bad.ragged ORDER BY name NULLS LAST") == [
        ["1", "a", "1.5"], ["2", "b", ""], ["3", "c", "2.5"], ["", "d", "3.0"], ["4", "", ""],
    ]


def test_a_broken_json_line_is_named(lake):
    lake.table("broken", {"a.json": b'{"id": 1, "name": "a", "price": 1.5}\n{"id": 2, "na\n'}, JSON)
    lake.fails("SELECT * FROM bad.broken", "broken/a.json")


def test_a_corrupt_parquet_footer_is_named(lake):
    out = io.BytesIO()
    table = pyarrow.table({"id": [1, 2], "name": ["a", "b"], "price": [1.0, 2.0]})
    pyarrow.parquet.write_table(table, out)
    good = out.getvalue()
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    bad = good[:footer] + b"\xff" * 40 + good[footer + 40 :]
    lake.table("footer", {"bad.parquet": bad, "good.parquet": good}, "STORED AS PARQUET")
    lake.fails("SELECT * FROM bad.footer", "footer/bad.parquet")
    # Nothing is lost: the good file is read once the bad one is gone.
    lake.s3.delete_object(Bucket=lake.bucket, Key="footer/bad.parquet")
    assert lake.rows("SELECT sum(price) FROM bad.footer") == [["3.0"]]


def test_answers_are_duckdbs(lake, tmp_path):
    lake.table("good", {"a.csv": GOOD.encode(), "b.csv.gz": gzip.compress(GOOD.encode())}, CSV)
    lake.run(
        f"CREATE TABLE bad.typed WITH (format = 'PARQUET', external_location = 's3://{lake.bucket}/typed/', "
        "partitioned_by = ARRAY['part']) AS SELECT id, name, price, id % 7 AS part FROM bad.good"
    )
    listed = lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix="typed/")["Contents"]
    for each in listed:
        path = tmp_path / each["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        lake.s3.download_file(lake.bucket, each["Key"], str(path))
    duck = duckdb.connect()
    duck.execute(
        f"CREATE VIEW typed AS SELECT * FROM read_parquet('{tmp_path}/typed/**/*', hive_partitioning = true, "
        "hive_types = {'part': BIGINT})"
    )
    for sql in (
        "SELECT part, count(*), sum(id), min(name), max(price) FROM {} GROUP BY part ORDER BY part",
        "SELECT id, price FROM {} WHERE part = 3 AND id BETWEEN 100 AND 200 ORDER BY id, price",
        "SELECT a.part, count(*) FROM {} a JOIN {} b ON a.id = b.id + 1 WHERE b.price < 50 GROUP BY a.part ORDER BY a.part",
        "SELECT name FROM {} WHERE name LIKE '%99' GROUP BY name HAVING count(*) = 2 ORDER BY name LIMIT 20",
    ):
        ours = lake.rows(sql.replace("{}", "bad.typed"))
        theirs = duck.execute(sql.replace("{}", "typed")).fetchall()
        assert ours == [[str(cell) for cell in row] for row in theirs], sql


def test_large_texts_are_read_a_few_rows_at_a_time(lake):
    """2,304 texts of a MiB each, in a file of some 100 KB, and 16,384 rows that share one of half a MiB: more than an array of texts holds."""
    ids = pyarrow.array(range(2_304))
    texts = pyarrow.chunked_array([pyarrow.array(["x" * (1 << 20)] * 64)] * 36)
    table = pyarrow.table({"id": ids, "name": texts, "price": ids.cast(pyarrow.float64())})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, compression="zstd", use_dictionary=False, write_statistics=False)
    assert pyarrow.parquet.ParquetFile(file).num_row_groups == 1
    lake.table("large", {"a.parquet": file.getvalue()}, "STORED AS PARQUET")
    assert lake.rows("SELECT count(*), max(id), max(length(name)) FROM bad.large") == [["2304", "2303", "1048576"]]
    shared = pyarrow.chunked_array([pyarrow.array(["x" * (500 << 10)] * 64)] * 256)
    ids = pyarrow.array(range(len(shared)))
    table = pyarrow.table({"id": ids, "name": shared, "price": ids.cast(pyarrow.float64())})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, compression="zstd", write_statistics=False)
    assert file.tell() < 1 << 20
    lake.table("shared", {"a.parquet": file.getvalue()}, "STORED AS PARQUET")
    assert lake.rows("SELECT count(*), max(length(name)) FROM bad.shared") == [["16384", str(500 << 10)]]
