"""Storage classes that mean something: compressed, archived, restored, expired, repaired; on the files of a real server."""

import hashlib
import os
import random
import re
import subprocess

import pytest
from botocore.exceptions import ClientError

from ..conftest import unexpected, wait_for
from .test_everyday import code, status

CLASSES = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
]
ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}
DAY_SECONDS = 6


def lines(size: int, seed: int = 1) -> bytes:
    """Rows that compress as tables do."""
    rows = random.Random(seed)
    out = bytearray()
    while len(out) < size:
        out += f"2026-11-{rows.randrange(1, 31):02},sensor-{rows.randrange(40)},{rows.random():.4f},ok\n".encode()
    return bytes(out[:size])


def files(server, kind: str) -> dict:
    """The finished files of blobs of one kind, with their sizes."""
    found = (path for path in (server.data_dir / "blobs" / kind).rglob("*") if path.is_file())
    return {path: path.stat().st_size for path in found if re.fullmatch("[0-9a-f]{32}", path.name)}


@pytest.fixture
def s3(account):
    return account.client("s3")


@pytest.fixture
def bucket(account):
    return account.bucket()


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_kept_and_told(s3, bucket, name):
    body = lines(300_000)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, StorageClass=name)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    told = None if name == "STANDARD" else name
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head.get("StorageClass"), head["ContentLength"]) == (told, len(body))
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == name
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["StorageClass"] == name
    assert s3.list_object_versions(Bucket=bucket)["Versions"][0]["StorageClass"] == name
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["StorageClass", "ObjectSize"])
    assert (attributes["StorageClass"], attributes["ObjectSize"]) == (name, len(body))
    if name in ARCHIVED:
        with pytest.raises(ClientError) as refused:
            s3.get_object(Bucket=bucket, Key="k")
        assert (code(refused), status(refused)) == ("InvalidObjectState", 403)
        assert refused.value.response["StorageClass"] == name
        with pytest.raises(ClientError) as refused:
            s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
        assert (code(refused), status(refused)) == ("InvalidObjectState", 403)
        return
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got.get("StorageClass")) == (body, told)
    for first, last in [(0, 0), (123_456, 234_567), (299_999, 299_999)]:
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}")
        assert part["Body"].read() == body[first : last + 1]


@pytest.mark.parametrize("name", ["COLD", "standard", "SNOW", "OUTPOSTS"])
def test_other_classes_are_refused(s3, bucket, name):
    calls = [
        lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", StorageClass=name),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="k", StorageClass=name),
    ]
    for call in calls:
        with pytest.raises(ClientError) as refused:
            call()
        assert (code(refused), status(refused)) == ("InvalidStorageClass", 400)


def test_a_copy_onto_itself_changes_the_class(s3, bucket):
    body = lines(200_000)
    s3.put_object(Bucket=bucket, Key="k", Body=body, Metadata={"a": "b"})
    for name in ["STANDARD_IA", "GLACIER_IR", "ONEZONE_IA", "STANDARD"]:
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"}, StorageClass=name)
        got = s3.get_object(Bucket=bucket, Key="k")
        assert (got["Body"].read(), got["Metadata"], got.get("StorageClass", "STANDARD")) == (body, {"a": "b"}, name)
    with pytest.raises(ClientError) as refused:
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"}, StorageClass="STANDARD")
    assert code(refused) == "InvalidRequest"


@pytest.mark.parametrize("name", ["STANDARD_IA", "GLACIER_IR"])
def test_uploads_in_parts_are_placed_by_their_class(s3, bucket, name):
    parts = [lines(5 << 20, 1), lines(6 << 20, 2), lines(1000, 3)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", StorageClass=name)["UploadId"]
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["StorageClass"] == name
    done = []
    for number, part in enumerate(parts, 1):
        tag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=part)["ETag"]
        done.append({"PartNumber": number, "ETag": tag})
    assert s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["StorageClass"] == name
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    whole = b"".join(parts)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["StorageClass"], got["Body"].read() == whole) == (name, True)
    first = (5 << 20) - 100
    part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{first + 199}")["Body"].read()
    assert part == whole[first : first + 200]
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=3)["Body"].read() == parts[2]


@pytest.fixture
def short_days(own_server):
    own_server.environment["TARN_DEBUG_DAY_SECONDS"] = str(DAY_SECONDS)
    return own_server.start()


def restore(s3, bucket, days=1, tier=None):
    request = {"Days": days} | ({"GlacierJobParameters": {"Tier": tier}} if tier else {})
    return s3.restore_object(Bucket=bucket, Key="k", RestoreRequest=request)["ResponseMetadata"]["HTTPStatusCode"]


def test_an_archived_object_is_small_survives_damage_is_restored_and_expires(short_days):
    server = short_days
    account = server.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    body = lines(3_000_000)
    s3.put_object(Bucket=bucket, Key="hot", Body=body)
    hot = sum(files(server, "obj").values())
    assert hot > len(body)
    s3.put_object(Bucket=bucket, Key="k", Body=body, StorageClass="GLACIER")
    (path, size), *others = files(server, "arc").items()
    assert not others and sum(files(server, "obj").values()) == hot
    assert size < hot / 2, f"{size} bytes archived, {hot} raw"

    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="k")
    assert (code(refused), status(refused)) == ("InvalidObjectState", 403)
    assert "Restore" not in s3.head_object(Bucket=bucket, Key="k")
    with pytest.raises(ClientError) as refused:
        s3.restore_object(Bucket=bucket, Key="hot", RestoreRequest={"Days": 1})
    assert (code(refused), status(refused)) == ("InvalidObjectState", 403)

    whole = path.read_bytes()
    assert body[:40] not in whole
    places = [0, size - 4096, random.Random(2).randrange(4096, size - 8192)]
    for turn, offset in enumerate(places):
        # Rot, while the server runs: it must not be able to tell by anything but the bytes.
        with path.open("r+b") as file:
            file.write(whole)
            file.seek(offset)
            file.write(bytes(byte ^ 0xA5 for byte in whole[offset : offset + 4096]))
            file.flush()
            os.fsync(file.fileno())
        assert restore(s3, bucket, 1, ["Expedited", "Standard", "Bulk"][turn % 3]) == 202
        wait_for(lambda: 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key="k").get("Restore", ""), what="restore")
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body, f"damage at {offset}"
        if turn == 0:
            told = s3.head_object(Bucket=bucket, Key="k")
            assert re.fullmatch('ongoing-request="false", expiry-date="[A-Z][a-z]{2}, .* GMT"', told["Restore"])
            assert s3.get_object(Bucket=bucket, Key="k")["Restore"] == told["Restore"]
            listed = s3.list_objects_v2(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])["Contents"]
            of = {entry["Key"]: entry.get("RestoreStatus") for entry in listed}
            assert of["hot"] is None and of["k"]["IsRestoreInProgress"] is False and of["k"]["RestoreExpiryDate"]
            assert all("RestoreStatus" not in entry for entry in s3.list_objects_v2(Bucket=bucket)["Contents"])
            # A copy of what is restored is an object of its own.
            s3.copy_object(Bucket=bucket, Key="thawed", CopySource={"Bucket": bucket, "Key": "k"})
            # Asked again, it stays longer.
            assert restore(s3, bucket, 1) == 200
        wait_for(lambda: "Restore" not in s3.head_object(Bucket=bucket, Key="k"), what="the copy expires")
        with pytest.raises(ClientError) as refused:
            s3.get_object(Bucket=bucket, Key="k")
        assert code(refused) == "InvalidObjectState"
    wait_for(lambda: len(files(server, "obj")) == 2, what="the copies are removed")
    assert s3.get_object(Bucket=bucket, Key="thawed")["Body"].read() == body
    server.stop()
    complaints = [line for line in unexpected(server.log) if "archive" not in line]
    assert not complaints, complaints


def doctor(server) -> str:
    command = [os.environ["TARN_BINARY"], "doctor", "--data-dir", str(server.data_dir)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def test_damage_is_repaired_on_the_disk_by_the_doctor(own_server):
    server = own_server.start()
    account = server.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    body = lines(400_000)
    s3.put_object(Bucket=bucket, Key="k", Body=body, StorageClass="GLACIER_IR")
    ((path, size),) = files(server, "arc").items()
    whole = path.read_bytes()
    server.stop()
    for offset in [0, 90, 4096, size // 2, size - 4096]:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes(4096))
        said = doctor(server)
        assert "damaged blocks repaired" in said
        assert path.read_bytes() == whole, f"damage at {offset}"
    server.start()
    again = server.accounts[0].client("s3")
    assert again.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_restores_are_refused_where_aws_refuses_them(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 10, StorageClass="DEEP_ARCHIVE")

    def refused(request) -> tuple:
        with pytest.raises(ClientError) as error:
            s3.restore_object(Bucket=bucket, Key="k", RestoreRequest=request)
        return code(error), status(error)

    assert refused({"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}}) == ("InvalidRequest", 400)
    assert refused({"Days": 0})[1] == 400
    assert refused({})[1] == 400
    select = {
        "Type": "SELECT",
        "SelectParameters": {
            "InputSerialization": {"CSV": {}},
            "ExpressionType": "SQL",
            "Expression": "SELECT * FROM S3Object",
            "OutputSerialization": {"CSV": {}},
        },
        "OutputLocation": {"S3": {"BucketName": bucket, "Prefix": "p"}},
    }
    assert refused(select) == ("NotImplemented", 501)
    with pytest.raises(ClientError) as error:
        s3.restore_object(Bucket=bucket, Key="nothing", RestoreRequest={"Days": 1})
    assert code(error) == "NoSuchKey"
    assert restore(s3, bucket, 2, "Bulk") == 202
    wait_for(lambda: 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key="k")["Restore"], what="restore")
    assert restore(s3, bucket, 3) == 200
    s3.delete_object(Bucket=bucket, Key="k")


def test_a_crash_loses_no_archive_and_no_restore(own_server):
    server = own_server.start()
    account = server.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    body = lines(2_000_000)
    s3.put_object(Bucket=bucket, Key="k", Body=body, StorageClass="GLACIER")
    assert restore(s3, bucket) == 202
    server.kill()
    server.start()
    s3 = server.accounts[0].client("s3")
    wait_for(lambda: 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key="k")["Restore"], what="restore")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
