"""The aws CLI and pyarrow over the same objects."""

import os
from pathlib import Path

import pytest


def test_the_aws_cli(account, tmp_path):
    bucket = account.bucket()
    tree = {"a.txt": b"a", "dir/b c.txt": b"b" * 100_000, "dir/large": os.urandom(17 << 20)}
    for name, data in tree.items():
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_bytes(data)
    account.aws("s3", "sync", str(tmp_path / "from"), f"s3://{bucket}/x")
    listed = account.aws("s3", "ls", "--recursive", f"s3://{bucket}").stdout
    assert all(f"x/{name}" in listed for name in tree)
    account.aws("s3", "cp", "--recursive", f"s3://{bucket}/x", f"s3://{bucket}/y")
    account.aws("s3", "sync", f"s3://{bucket}/y", str(tmp_path / "to"))
    for name, data in tree.items():
        assert (tmp_path / "to" / name).read_bytes() == data
    account.aws("s3", "mv", f"s3://{bucket}/x/a.txt", f"s3://{bucket}/moved.txt")
    assert account.aws("s3", "cp", f"s3://{bucket}/moved.txt", "-").stdout == "a"
    account.aws("s3", "rm", "--recursive", f"s3://{bucket}")
    account.aws("s3", "rb", f"s3://{bucket}")
    assert bucket not in account.aws("s3", "ls").stdout


def test_pyarrow(account):
    fs = pytest.importorskip("pyarrow.fs")
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    bucket = account.bucket()
    s3 = fs.S3FileSystem(
        access_key=account.access_key_id,
        secret_key=account.secret_access_key,
        endpoint_override=account.endpoint,
        region="us-east-1",
    )
    table = pyarrow.table({"n": list(range(100_000)), "text": [str(n) for n in range(100_000)]})
    parquet.write_to_dataset(table, f"{bucket}/table", filesystem=s3)
    assert parquet.read_table(f"{bucket}/table", filesystem=s3).sort_by("n") == table
    with s3.open_output_stream(f"{bucket}/stream") as stream:
        for _ in range(20):
            stream.write(b"x" * (1 << 20))
    assert s3.get_file_info(f"{bucket}/stream").size == 20 << 20
    names = {Path(found.path).name for found in s3.get_file_info(fs.FileSelector(bucket))}
    assert names == {"table", "stream"}
    s3.delete_dir(f"{bucket}/table")
