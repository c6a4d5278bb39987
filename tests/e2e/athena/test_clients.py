"""awswrangler's three ways to read, and PyAthena's cursors, unmodified, over one partitioned dataset."""

import subprocess
import sys
import textwrap

import pytest

SETUP = """
import awswrangler as wr
import pandas as pd

bucket = {bucket!r}
frame = pd.DataFrame({{"n": [1, 2, 3], "word": ["one", "two", None], "year": [2024, 2025, 2025]}})
wr.catalog.create_database("d", exist_ok=True)
wr.s3.to_parquet(frame, path=f"s3://{{bucket}}/t/", dataset=True, database="d", table="t", partition_cols=["year"])
"""


@pytest.fixture
def script(account):
    bucket = account.bucket()

    def go(text):
        code = SETUP.format(bucket=bucket) + textwrap.dedent(text)
        done = subprocess.run([sys.executable, "-c", code], env=account.env(), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]

    return go


@pytest.mark.parametrize(
    "mode",
    [
        "",
        "ctas_approach=False",
        "ctas_approach=False, unload_approach=True, s3_output=f's3://{bucket}/unload/'",
    ],
)
def test_awswrangler_reads(script, mode):
    script(
        f"""
        found = wr.athena.read_sql_query("SELECT n, word, year FROM t ORDER BY n", database="d", {mode})
        assert found["n"].tolist() == [1, 2, 3], found
        assert found["word"].tolist()[:2] == ["one", "two"] and pd.isna(found["word"][2]), found
        assert [int(year) for year in found["year"]] == [2024, 2025, 2025], found
        """
    )


# pyarrow's S3FileSystem reads no AWS_ENDPOINT_URL, and PyAthena's arrow cursor gives it no endpoint: it is told here.
ARROW_ENDPOINT = """
import functools, os
from pyarrow import fs

fs.S3FileSystem = functools.partial(fs.S3FileSystem, endpoint_override=os.environ["AWS_ENDPOINT_URL"])
"""


@pytest.mark.parametrize(
    "cursor, read",
    [
        ("pyathena.cursor.Cursor", "cursor.fetchall()"),
        ("pyathena.pandas.cursor.PandasCursor", "[tuple(row) for row in cursor.as_pandas().itertuples(index=False)]"),
        ("pyathena.arrow.cursor.ArrowCursor", "[tuple(row.values()) for row in cursor.as_arrow().to_pylist()]"),
    ],
)
def test_pyathena_reads(script, cursor, read):
    module, name = cursor.rsplit(".", 1)
    script(
        (ARROW_ENDPOINT if name == "ArrowCursor" else "")
        + f"""
from pyathena import connect
from {module} import {name}

connection = connect(s3_staging_dir=f"s3://{{bucket}}/staging/", region_name="us-east-1", cursor_class={name})
cursor = connection.cursor()
cursor.execute("SELECT n, word FROM d.t WHERE year = '2025' AND word IS NOT NULL ORDER BY n")
rows = {read}
assert [(int(n), word) for n, word in rows] == [(2, "two")], rows
"""
    )
