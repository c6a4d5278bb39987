"""The aws CLI, s3fs and pyarrow's own S3 file system against one bucket."""

import os
import secrets
import subprocess

import pyarrow
import pyarrow.fs
import pyarrow.parquet

S3FS = """
import os, secrets, s3fs
fs = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
bucket = os.environ["BUCKET"]
body = secrets.token_bytes(12_000_000)
with fs.open(f"{bucket}/s3fs/big.bin", "wb", block_size=5 << 20) as file:
    file.write(body)
assert fs.cat(f"{bucket}/s3fs/big.bin") == body
with fs.open(f"{bucket}/s3fs/big.bin", "rb") as file:
    file.seek(11_000_000)
    assert file.read(100) == body[11_000_000:11_000_100]
fs.copy(f"{bucket}/s3fs/big.bin", f"{bucket}/s3fs/copy.bin")
assert sorted(fs.ls(f"{bucket}/s3fs")) == [f"{bucket}/s3fs/big.bin", f"{bucket}/s3fs/copy.bin"]
fs.rm(f"{bucket}/s3fs", recursive=True)
assert not fs.exists(f"{bucket}/s3fs/big.bin")
"""


def test_s3fs(account):
    environment = account.env() | {"BUCKET": account.bucket()}
    ran = subprocess.run(
        [os.environ["TARN_PYTHON_S3FS"], "-c", S3FS], env=environment, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr


def test_pyarrow(account):
    bucket = account.bucket()
    fs = pyarrow.fs.S3FileSystem(
        access_key=account.access_key_id, secret_key=account.secret_access_key, region="us-east-1",
        endpoint_override=account.endpoint,
    )
    table = pyarrow.table({"id": list(range(200_000)), "text": [secrets.token_hex(16) for _ in range(200_000)]})
    pyarrow.parquet.write_to_dataset(table, f"{bucket}/set", filesystem=fs)
    assert pyarrow.parquet.read_table(f"{bucket}/set", filesystem=fs).num_rows == 200_000
    assert [info.type for info in fs.get_file_info([f"{bucket}/set", f"{bucket}/none"])] == [
        pyarrow.fs.FileType.Directory, pyarrow.fs.FileType.NotFound,
    ]
    fs.delete_dir_contents(f"{bucket}/set")


def test_aws_cli(account, tmp_path):
    bucket = account.bucket()
    folder = tmp_path / "tree"
    for number in range(20):
        path = folder / f"day={number % 3}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(secrets.token_bytes(1000 + number))
    (folder / "large.bin").write_bytes(secrets.token_bytes(20_000_000))
    account.aws("s3", "sync", str(folder), f"s3://{bucket}/tree", "--no-progress")
    assert "" == account.aws("s3", "sync", str(folder), f"s3://{bucket}/tree", "--no-progress").stdout
    account.aws("s3", "cp", "--recursive", f"s3://{bucket}/tree", f"s3://{bucket}/copy", "--no-progress")
    back = tmp_path / "back"
    account.aws("s3", "sync", f"s3://{bucket}/copy", str(back), "--no-progress")
    for path in folder.rglob("*.bin"):
        assert (back / path.relative_to(folder)).read_bytes() == path.read_bytes()
    listed = account.aws("s3", "ls", f"s3://{bucket}/tree/", "--recursive").stdout.splitlines()
    assert len(listed) == 21
    account.aws("s3", "mv", f"s3://{bucket}/tree/large.bin", f"s3://{bucket}/moved.bin", "--no-progress")
    account.aws("s3", "rm", "--recursive", f"s3://{bucket}/")
    account.aws("s3", "rb", f"s3://{bucket}")
