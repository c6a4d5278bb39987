"""`tarn doctor --data-dir`: reads every byte of a stopped lake, and names what is damaged."""

import json
import os
import subprocess

SMALL, LARGE, PART = b"s" * 100_000, b"l" * 1_000_000, b"p" * (5 << 20)


def doctor(server, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
    binary = os.environ["TARN_BINARY"]
    done = subprocess.run(
        [binary, "doctor", "--data-dir", str(server.data_dir), *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def objects(server, code: int = 0) -> dict:
    return json.loads(doctor(server, "--json", code=code).stdout)["objects"]


def files(server) -> list:
    """The files of bytes, the largest first."""
    found = [path for path in (server.data_dir / "blobs").rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: -path.stat().st_size)


def flip(path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def test_a_flipped_byte_is_found_and_named(own_server):
    own_server.start()
    s3 = own_server.accounts[0].client("s3")
    s3.create_bucket(Bucket="doctored")
    s3.put_object(Bucket="doctored", Key="a/large", Body=LARGE)
    upload = s3.create_multipart_upload(Bucket="doctored", Key="a/upload")["UploadId"]
    s3.upload_part(Bucket="doctored", Key="a/upload", UploadId=upload, PartNumber=7, Body=PART)
    own_server.stop()
    before = set(files(own_server))

    found = objects(own_server)
    assert (found["damaged"], found["damages"], found["blobs"]) == (0, [], 2)
    assert found["bytes"] >= len(LARGE) + len(PART)
    assert set(files(own_server)) == before, "a look changes nothing"

    part, large = files(own_server)[:2]
    flip(large, 500_000)
    [damage] = objects(own_server, code=1)["damages"]
    assert (damage["bucket"], damage["key"], damage["version"]) == ("doctored", "a/large", "null")
    assert (damage["part"], damage["upload"]) == (1, False)
    flip(part, 3_000_000)
    damages = objects(own_server, code=1)["damages"]
    assert [(damage["key"], damage["part"], damage["upload"]) for damage in damages] == [
        ("a/large", 1, False), ("a/upload", 7, True),
    ]
    said = doctor(own_server, code=1)
    assert 'bucket doctored, key "a/large", version null, part 1' in said.stdout
    assert "2 blobs are damaged" in said.stderr
    # Not asked for, not read.
    quick = json.loads(doctor(own_server, "--json", "--quick").stdout)
    assert quick["objects"] is None and quick["log"]["transactions"] > 0

    # The flips undone, all is well again, and the server agrees.
    flip(large, 500_000)
    flip(part, 3_000_000)
    assert objects(own_server)["damaged"] == 0
    large.rename(large.with_suffix(".away"))
    [damage] = objects(own_server, code=1)["damages"]
    assert damage["key"] == "a/large" and "there are no bytes" in damage["reason"]
    large.with_suffix(".away").rename(large)
    own_server.start()
    assert own_server.accounts[0].client("s3").get_object(Bucket="doctored", Key="a/large")["Body"].read() == LARGE


def test_a_flipped_byte_in_a_pack_is_found(own_server):
    own_server.start()
    s3 = own_server.accounts[0].client("s3")
    s3.create_bucket(Bucket="doctored")
    s3.put_bucket_versioning(Bucket="doctored", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="doctored", Key="small", Body=SMALL)["VersionId"]
    own_server.stop()
    flip(files(own_server)[0], 50_000)
    [damage] = objects(own_server, code=1)["damages"]
    assert (damage["key"], damage["version"]) == ("small", version)


def test_damaged_records_on_their_way_are_found(own_server):
    own_server.start()
    account = own_server.accounts[0]
    account.client("s3").create_bucket(Bucket="doctored")
    firehose = account.client("firehose")
    destination = {
        "RoleARN": f"arn:aws:iam::{account.id}:role/lake-ingest",
        "BucketARN": "arn:aws:s3:::doctored",
        "BufferingHints": {"SizeInMBs": 128, "IntervalInSeconds": 900},
    }
    firehose.create_delivery_stream(DeliveryStreamName="slow", ExtendedS3DestinationConfiguration=destination)
    firehose.put_record(DeliveryStreamName="slow", Record={"Data": SMALL})
    own_server.stop()
    assert json.loads(doctor(own_server, "--json").stdout)["streams"] == {"chunks": 1, "damaged": 0, "damages": []}
    held = sorted((path for path in (own_server.data_dir / "streams").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    flip(held[-1], 50_000)
    found = json.loads(doctor(own_server, "--json", code=1).stdout)["streams"]
    assert (found["damaged"], found["damages"][0]["stream"], found["damages"][0]["records"]) == (1, "slow", 1)


def test_a_running_server_is_left_alone(own_server):
    own_server.start()
    done = doctor(own_server, code=1)
    assert "cannot be used" in done.stderr
