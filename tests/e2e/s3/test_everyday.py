"""What a data lake does with S3 every day, through boto3."""

import base64
import hashlib
import io
import secrets
import socket
import urllib.error
import urllib.request
import zlib

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ..conftest import REGION, allow


def code(error) -> str:
    return error.value.response["Error"]["Code"]


def status(error) -> int:
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def s3(account):
    return account.client("s3")


@pytest.fixture
def bucket(account):
    return account.bucket()


def test_buckets(account, s3):
    name = account.bucket()
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == REGION
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == [name]
    s3.put_object(Bucket=name, Key="a", Body=b"")
    with pytest.raises(ClientError) as refused:
        s3.delete_bucket(Bucket=name)
    assert code(refused) == "BucketNotEmpty"
    s3.delete_object(Bucket=name, Key="a")
    s3.delete_bucket(Bucket=name)
    with pytest.raises(ClientError) as missing:
        s3.head_bucket(Bucket=name)
    assert status(missing) == 404


def test_bucket_pages(account, s3):
    names = sorted(account.bucket(f"page-{account.id}-{number}") for number in range(5))
    seen, token = [], None
    while True:
        page = s3.list_buckets(MaxBuckets=2, **({"ContinuationToken": token} if token else {}))
        seen += [each["Name"] for each in page["Buckets"]]
        token = page.get("ContinuationToken")
        if not token:
            break
    assert seen == names


def test_an_object_comes_back_with_all_it_was_given(s3, bucket):
    body = secrets.token_bytes(300_000)
    put = s3.put_object(
        Bucket=bucket, Key="a/b", Body=body, ContentType="text/csv", ContentEncoding="gzip", ContentLanguage="no",
        ContentDisposition='attachment; filename="x"', CacheControl="max-age=60", Metadata={"origin": "EWR", "empty": ""},
        Tagging="zone=raw&owner=ada",
    )
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ServerSideEncryption"] == "AES256"
    got = s3.get_object(Bucket=bucket, Key="a/b")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["ContentEncoding"], got["ContentLanguage"]) == ("text/csv", "gzip", "no")
    assert (got["ContentDisposition"], got["CacheControl"]) == ('attachment; filename="x"', "max-age=60")
    assert got["Metadata"] == {"origin": "EWR", "empty": ""}
    assert got["TagCount"] == 2
    head = s3.head_object(Bucket=bucket, Key="a/b")
    assert (head["ContentLength"], head["ETag"]) == (len(body), put["ETag"])
    tags = s3.get_object_tagging(Bucket=bucket, Key="a/b")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"zone": "raw", "owner": "ada"}


@pytest.mark.parametrize(
    ("header", "expected"),
    [("bytes=0-9", (0, 10)), ("bytes=65530-65545", (65530, 65546)), ("bytes=299990-", (299990, 300000)),
     ("bytes=-7", (299993, 300000)), ("bytes=299999-400000", (299999, 300000))],
)
def test_ranges(s3, bucket, header, expected):
    body = secrets.token_bytes(300_000)
    s3.put_object(Bucket=bucket, Key="r", Body=body)
    got = s3.get_object(Bucket=bucket, Key="r", Range=header)
    start, end = expected
    assert got["Body"].read() == body[start:end]
    assert got["ContentRange"] == f"bytes {start}-{end - 1}/300000"
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_beyond_the_end(s3, bucket):
    s3.put_object(Bucket=bucket, Key="r", Body=b"abc")
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="r", Range="bytes=3-")
    assert (code(refused), status(refused)) == ("InvalidRange", 416)


def test_conditions(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="c", Body=b"1", IfNoneMatch="*")["ETag"]
    for options, expected in [({"IfNoneMatch": "*"}, "PreconditionFailed"), ({"IfMatch": '"0"'}, "PreconditionFailed")]:
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key="c", Body=b"2", **options)
        assert (code(refused), status(refused)) == (expected, 412)
    s3.put_object(Bucket=bucket, Key="c", Body=b"3", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"3"
    etag = s3.head_object(Bucket=bucket, Key="c")["ETag"]
    with pytest.raises(ClientError) as unchanged:
        s3.get_object(Bucket=bucket, Key="c", IfNoneMatch=etag)
    assert status(unchanged) == 304
    with pytest.raises(ClientError) as changed:
        s3.get_object(Bucket=bucket, Key="c", IfMatch=first)
    assert status(changed) == 412


CHECKSUMS = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "CRC32C": None,
    "CRC64NVME": None,
}


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_checksums(s3, bucket, algorithm):
    body = secrets.token_bytes(100_000)
    field = f"Checksum{algorithm}"
    if CHECKSUMS[algorithm]:
        value = base64.b64encode(CHECKSUMS[algorithm](body)).decode()
        s3.put_object(Bucket=bucket, Key="k", Body=body, **{field: value})
        wrong = base64.b64encode(CHECKSUMS[algorithm](body + b"x")).decode()
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key="k", Body=body, **{field: wrong})
        assert code(refused) == "BadDigest"
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert head[field] == value
    else:
        put = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key="k", Body=body + b"x", **{field: put[field]})
        assert code(refused) == "BadDigest"
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"]
    )
    assert attributes["ObjectSize"] == len(body)
    assert attributes["Checksum"]["ChecksumType"] == "FULL_OBJECT"


def test_multipart(s3, bucket):
    parts = [secrets.token_bytes(5 << 20), secrets.token_bytes(5 << 20), secrets.token_bytes(1000)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ContentType="x/y", ChecksumAlgorithm="CRC32")["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(
            Bucket=bucket, Key="m", UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32"
        )
        done.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    listed = s3.list_parts(Bucket=bucket, Key="m", UploadId=upload, MaxParts=2)
    assert [part["Size"] for part in listed["Parts"]] == [5 << 20, 5 << 20] and listed["IsTruncated"]
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["m"]
    finished = s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": done})
    whole = b"".join(parts)
    etag = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    assert finished["ETag"] == f'"{etag}-3"'
    got = s3.get_object(Bucket=bucket, Key="m")
    assert got["Body"].read() == whole and got["ContentType"] == "x/y"
    across = s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={(5 << 20) - 10}-{(5 << 20) + 9}")["Body"].read()
    assert across == whole[(5 << 20) - 10 : (5 << 20) + 10]
    second = s3.get_object(Bucket=bucket, Key="m", PartNumber=2)
    assert second["Body"].read() == parts[1] and second["PartsCount"] == 3
    copied = s3.create_multipart_upload(Bucket=bucket, Key="n")["UploadId"]
    part = s3.upload_part_copy(
        Bucket=bucket, Key="n", UploadId=copied, PartNumber=1, CopySource={"Bucket": bucket, "Key": "m"},
        CopySourceRange="bytes=100-5242979",
    )["CopyPartResult"]["ETag"]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="n", UploadId=copied, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
    )
    assert s3.get_object(Bucket=bucket, Key="n")["Body"].read() == whole[100 : 5242980]
    aborted = s3.create_multipart_upload(Bucket=bucket, Key="z")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="z", UploadId=aborted)
    with pytest.raises(ClientError) as gone:
        s3.list_parts(Bucket=bucket, Key="z", UploadId=aborted)
    assert code(gone) == "NoSuchUpload"


def test_managed_transfer_of_a_large_file(s3, bucket):
    body = secrets.token_bytes(1 << 20) * 40
    s3.upload_fileobj(io.BytesIO(body), bucket, "large")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "large", back)
    assert back.getvalue() == body


def test_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"abc", Metadata={"a": "1"}, Tagging="t=1", ContentType="x/a")
    source = {"Bucket": bucket, "Key": "from"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    kept = s3.head_object(Bucket=bucket, Key="kept")
    assert (kept["Metadata"], kept["ContentType"]) == ({"a": "1"}, "x/a")
    s3.copy_object(
        Bucket=bucket, Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"},
        TaggingDirective="REPLACE", Tagging="t=2",
    )
    assert s3.head_object(Bucket=bucket, Key="new")["Metadata"] == {"b": "2"}
    assert s3.get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == [{"Key": "t", "Value": "2"}]
    with pytest.raises(ClientError) as itself:
        s3.copy_object(Bucket=bucket, Key="from", CopySource=source)
    assert code(itself) == "InvalidRequest"


def test_listing(s3, bucket):
    keys = sorted(["a", "b/1", "b/2", "b/c/3", "d e+f", "æ/ø", "z"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    listed = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)
    assert [each["Key"] for each in listed["Contents"]] == keys and listed["Contents"][0]["Owner"]["ID"]
    folder = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [each["Prefix"] for each in folder["CommonPrefixes"]] == ["b/", "æ/"]
    assert [each["Key"] for each in folder["Contents"]] == ["a", "d e+f", "z"]
    assert s3.list_objects_v2(Bucket=bucket, StartAfter="b/2")["Contents"][0]["Key"] == "b/c/3"
    seen, token = [], {}
    while True:
        page = s3.list_objects_v2(Bucket=bucket, MaxKeys=2, **token)
        assert page["KeyCount"] <= 2
        seen += [each["Key"] for each in page.get("Contents", [])]
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert seen == keys
    pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
    rolled = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
    assert rolled == ["b/", "æ/"]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0


def test_delete_many(s3, bucket):
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"")
    answer = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": f"k{number}"} for number in range(3)] + [{"Key": "absent"}]}
    )
    assert sorted(each["Key"] for each in answer["Deleted"]) == ["absent", "k0", "k1", "k2"]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k3", "k4"]


@pytest.mark.parametrize("options", [{}, {"signature_version": "s3v4"}], ids=["boto3's default", "version 4"])
def test_presigned(account, bucket, options):
    s3 = account.client("s3", **options)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "p"})
    # urllib would send a content type of its own, which version 2 signs.
    put = urllib.request.Request(url, data=b"signed", method="PUT", headers={"Content-Type": ""})
    urllib.request.urlopen(put).close()
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "p"})
    with urllib.request.urlopen(url) as got:
        assert got.read() == b"signed"
    with pytest.raises(urllib.error.HTTPError) as unsigned:
        urllib.request.urlopen(f"{account.endpoint}/{bucket}/p")
    assert unsigned.value.code == 403
    request = urllib.request.Request(url, headers={"x-amz-request-payer": "requester"})
    with pytest.raises(urllib.error.HTTPError) as unsigned_header:
        urllib.request.urlopen(request)
    assert unsigned_header.value.code == 403


def test_virtual_hosted_style(account, bucket, monkeypatch):
    resolve = socket.getaddrinfo
    here = lambda host, *rest, **named: resolve("127.0.0.1" if host.endswith(".localhost") else host, *rest, **named)
    monkeypatch.setattr(socket, "getaddrinfo", here)
    port = account.endpoint.rsplit(":", 1)[1]
    s3 = boto3.client(
        "s3", endpoint_url=f"http://localhost:{port}", region_name=REGION, aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key, config=Config(s3={"addressing_style": "virtual"}),
    )
    s3.put_object(Bucket=bucket, Key="v/h", Body=b"host")
    assert s3.get_object(Bucket=bucket, Key="v/h")["Body"].read() == b"host"
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["v/h"]


def test_bucket_policy_lets_another_account_in(server, account, s3, bucket):
    other = server.accounts[-1]
    s3.put_object(Bucket=bucket, Key="shared", Body=b"ours")
    theirs = other.client("s3")
    with pytest.raises(ClientError) as refused:
        theirs.get_object(Bucket=bucket, Key="shared")
    assert code(refused) == "AccessDenied"
    import json

    policy = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": f"arn:aws:iam::{other.id}:root"})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert theirs.get_object(Bucket=bucket, Key="shared")["Body"].read() == b"ours"
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == policy
    s3.delete_bucket_policy(Bucket=bucket)
    with pytest.raises(ClientError):
        theirs.get_object(Bucket=bucket, Key="shared")


def test_a_user_may_what_its_policy_says(account, s3, bucket):
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"1")
    s3.put_object(Bucket=bucket, Key="out/b", Body=b"2")
    reader = account.user(
        "reader",
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/in/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition={"StringLike": {"s3:prefix": "in/*"}}),
    ).client("s3")
    assert reader.get_object(Bucket=bucket, Key="in/a")["Body"].read() == b"1"
    assert len(reader.list_objects_v2(Bucket=bucket, Prefix="in/")["Contents"]) == 1
    for refused in (
        lambda: reader.get_object(Bucket=bucket, Key="out/b"),
        lambda: reader.list_objects_v2(Bucket=bucket, Prefix="out/"),
        lambda: reader.put_object(Bucket=bucket, Key="in/c", Body=b""),
        lambda: reader.delete_object(Bucket=bucket, Key="in/a"),
    ):
        with pytest.raises(ClientError) as error:
            refused()
        assert code(error) == "AccessDenied"


LONG = "k" * 1024


@pytest.mark.parametrize("key", ["..", "a/../b", "//", "a//b", "/a", ".", "æøå/日本", LONG, "a b+c%20", "x\u0001y", "~!*'()"])
def test_keys_that_are_only_names(s3, bucket, key):
    body = key.encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    listed = s3.list_objects_v2(Bucket=bucket, EncodingType="url")
    assert listed["KeyCount"] == 1
    s3.delete_object(Bucket=bucket, Key=key)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"Key": LONG + "k"}, "KeyTooLongError"), ({"Key": "m", "Metadata": {"a": "x" * 3000}}, "MetadataTooLarge"),
     ({"Key": "m", "StorageClass": "NO_SUCH"}, "InvalidStorageClass"), ({"Key": "m", "Tagging": "a=1&a=2"}, "InvalidTag"),
     ({"Key": "m", "ContentMD5": "bm90IG1kNQ=="}, "InvalidDigest")],
)
def test_bad_input_is_refused_and_nothing_is_kept(s3, bucket, options, expected):
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Body=b"x", **options)
    assert code(refused) == expected
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_what_is_not_built_says_so(s3, bucket):
    with pytest.raises(ClientError) as refused:
        s3.get_object_torrent(Bucket=bucket, Key="k")
    assert (code(refused), status(refused)) == ("NotImplemented", 501)
