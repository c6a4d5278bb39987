"""Storage classes on other drives and in remote buckets: where the bytes lie, that they are found again, and that a missing drive is noticed."""

import os
import subprocess

import pytest

from ..conftest import Server, make_accounts, wait_for
from .test_storage_classes import lines


def kept(folder) -> int:
    """Bytes of objects under a directory of blobs."""
    files = (path for kind in ("pack", "obj", "arc") for path in (folder / kind).rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file() and path.suffix != ".dead")


def doctor(server) -> str:
    command = [os.environ["TARN_BINARY"], "doctor", "--data-dir", str(server.data_dir)]
    command += ["--config", str(server.data_dir.parent / "tarn.toml")]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def restored(s3, bucket, key):
    s3.restore_object(Bucket=bucket, Key=key, RestoreRequest={"Days": 1})
    wait_for(lambda: 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key=key).get("Restore", ""), what="restore")
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_classes_lie_on_another_drive(own_server, tmp_path):
    slow = tmp_path / "slow"
    own_server.settings = f"""
[volumes.slow]
directory = "{slow}"

[storage_classes]
STANDARD_IA = "slow"
GLACIER = "slow"
"""
    server = own_server.start()
    account = server.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    main = server.data_dir / "blobs"
    body = lines(1_000_000)
    before = kept(main)
    s3.put_object(Bucket=bucket, Key="ia", Body=body, StorageClass="STANDARD_IA")
    s3.put_object(Bucket=bucket, Key="small", Body=b"small", StorageClass="STANDARD_IA")
    s3.put_object(Bucket=bucket, Key="cold", Body=body, StorageClass="GLACIER")
    assert kept(main) == before and kept(slow) > 0
    on_slow = kept(slow)
    s3.put_object(Bucket=bucket, Key="hot", Body=body)
    assert kept(main) > before + len(body) and kept(slow) == on_slow
    assert not any(body[:40] in path.read_bytes() for path in slow.rglob("*") if path.is_file())
    server.kill()
    server.start()
    s3 = server.accounts[0].client("s3")
    assert s3.get_object(Bucket=bucket, Key="ia")["Body"].read() == body
    assert s3.get_object(Bucket=bucket, Key="ia", Range="bytes=500000-500099")["Body"].read() == body[500_000:500_100]
    assert s3.get_object(Bucket=bucket, Key="small")["Body"].read() == b"small"
    assert restored(s3, bucket, "cold") == body
    # From class to class is from drive to drive.
    s3.copy_object(Bucket=bucket, Key="hot", CopySource={"Bucket": bucket, "Key": "hot"}, StorageClass="STANDARD_IA")
    assert kept(slow) > on_slow
    assert s3.get_object(Bucket=bucket, Key="hot")["Body"].read() == body
    s3.delete_object(Bucket=bucket, Key="cold")
    wait_for(lambda: not any(path.is_file() for path in (slow / "arc").glob("??/*")), what="the container is removed")
    server.stop()
    assert "0 damaged" in doctor(server)

    # A drive that is not there is not taken for an empty one.
    slow.rename(tmp_path / "unplugged")
    with pytest.raises(RuntimeError, match="is its drive mounted"):
        server.start()
    assert not slow.exists()
    (tmp_path / "unplugged").rename(slow)
    # Without its section it is not read, and everything else is.
    own_server.settings = ""
    server.start()
    s3 = server.accounts[0].client("s3")
    with pytest.raises(Exception):
        s3.get_object(Bucket=bucket, Key="ia")["Body"].read()
    s3.put_object(Bucket=bucket, Key="new", Body=b"new", StorageClass="STANDARD_IA")
    assert s3.get_object(Bucket=bucket, Key="new")["Body"].read() == b"new"
    assert "not configured any more" in server.log.read_text()


def test_two_lakes_do_not_share_a_drive(own_server, tmp_path):
    settings = f'[volumes.slow]\ndirectory = "{tmp_path / "slow"}"\n'
    own_server.settings = settings
    own_server.start()
    other = Server(tmp_path / "other" / "data", make_accounts(1), settings=settings)
    other.data_dir.parent.mkdir()
    with pytest.raises(RuntimeError, match="another lake"):
        other.start()


def test_classes_lie_in_a_bucket_elsewhere(own_server, tmp_path):
    elsewhere = Server(tmp_path / "elsewhere" / "data", make_accounts(1))
    elsewhere.data_dir.parent.mkdir()
    elsewhere.start()
    try:
        there = elsewhere.accounts[0]
        far = there.bucket("far-away")
        own_server.settings = f"""
[volumes.offsite]
url = "s3://{far}/lake"
options = {{ aws_endpoint = "{elsewhere.endpoint}", aws_region = "us-east-1", aws_access_key_id = "{there.access_key_id}", aws_secret_access_key = "{there.secret_access_key}" }}

[storage_classes]
STANDARD_IA = "offsite"
DEEP_ARCHIVE = "offsite"
"""
        server = own_server.start()
        account = server.accounts[0]
        s3, bucket = account.client("s3"), account.bucket()
        # What does not compress is uploaded there in parts.
        body = os.urandom(20 << 20)
        s3.put_object(Bucket=bucket, Key="ia", Body=body, StorageClass="STANDARD_IA")
        s3.put_object(Bucket=bucket, Key="text", Body=lines(300_000), StorageClass="STANDARD_IA")
        s3.put_object(Bucket=bucket, Key="cold", Body=lines(300_000), StorageClass="DEEP_ARCHIVE")

        def objects():
            return {found["Key"]: found["Size"] for found in there.client("s3").list_objects_v2(Bucket=far)["Contents"]}

        assert len(objects()) == 4 and "lake/tarn-volume" in objects()
        for key in objects():
            assert lines(300_000)[:40] not in there.client("s3").get_object(Bucket=far, Key=key)["Body"].read()
        server.kill()
        server.start()
        s3 = server.accounts[0].client("s3")
        assert s3.get_object(Bucket=bucket, Key="ia")["Body"].read() == body
        start = (9 << 20) + 17
        part = s3.get_object(Bucket=bucket, Key="ia", Range=f"bytes={start}-{start + 4999}")["Body"].read()
        assert part == body[start : start + 5000]
        assert s3.get_object(Bucket=bucket, Key="text")["Body"].read() == lines(300_000)
        assert restored(s3, bucket, "cold") == lines(300_000)
        for key in ("ia", "text", "cold"):
            s3.delete_object(Bucket=bucket, Key=key)
        wait_for(lambda: len(objects()) == 1, what="the remote objects are removed")
        shown = subprocess.run(
            [os.environ["TARN_BINARY"], "config", "show", "--config", str(server.data_dir.parent / "tarn.toml")]
            + ["--data-dir", str(server.data_dir)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert "offsite" in shown and there.secret_access_key not in shown
    finally:
        elsewhere.kill()
