"""s3fs, in the environment that its own botocore asks for."""

import os
import subprocess

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
