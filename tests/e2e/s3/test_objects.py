"""Objects as boto3 uses them with its defaults: trailers with CRC32, transfers in parts, presigned URLs, pages."""

import hashlib
import io
import json
import os
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow


def check(call, code: str, status: int | None = None, **arguments) -> None:
    """The call fails with `code`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    assert response["Error"]["Code"] == code, response
    assert status is None or response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_objects_come_back_as_they_went(account):
    s3, bucket = account.client("s3"), account.bucket()
    headers = {
        "ContentType": "text/csv",
        "ContentEncoding": "gzip",
        "ContentLanguage": "en",
        "ContentDisposition": 'attachment; filename="a.csv"',
        "CacheControl": "no-cache",
        "Metadata": {"origin": "EWR"},
    }
    put = s3.put_object(Bucket=bucket, Key="dir/a b+c.csv", Body=b"hello", Tagging="zone=raw", **headers)
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"' and put["ServerSideEncryption"] == "AES256"
    got = s3.get_object(Bucket=bucket, Key="dir/a b+c.csv", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"hello" and got["ChecksumCRC32"] == put["ChecksumCRC32"] and got["TagCount"] == 1
    assert {name: got[name] for name in headers} == headers
    head = s3.head_object(Bucket=bucket, Key="dir/a b+c.csv")
    assert {name: head[name] for name in headers} == headers and head["ContentLength"] == 5
    ranged = s3.get_object(Bucket=bucket, Key="dir/a b+c.csv", Range="bytes=1-3")
    assert (ranged["Body"].read(), ranged["ContentRange"]) == (b"ell", "bytes 1-3/5")
    check(s3.get_object, "InvalidRange", 416, Bucket=bucket, Key="dir/a b+c.csv", Range="bytes=5-")
    check(s3.get_object, "304", 304, Bucket=bucket, Key="dir/a b+c.csv", IfNoneMatch=put["ETag"])
    check(s3.get_object, "PreconditionFailed", 412, Bucket=bucket, Key="dir/a b+c.csv", IfMatch='"x"')
    check(s3.get_object, "NoSuchKey", 404, Bucket=bucket, Key="gone")
    check(s3.head_object, "404", 404, Bucket=bucket, Key="gone")
    check(s3.get_object, "NoSuchBucket", 404, Bucket="no-such-bucket-here", Key="gone")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_kept(account, algorithm):
    s3, bucket = account.client("s3"), account.bucket()
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"bytes", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"] and head["ChecksumType"] == "FULL_OBJECT"
    arguments = {f"Checksum{algorithm}": "AAAA" + put[f"Checksum{algorithm}"][4:]}
    check(s3.put_object, "BadDigest", 400, Bucket=bucket, Key="k2", Body=b"bytes", **arguments)
    check(s3.head_object, "404", 404, Bucket=bucket, Key="k2")


def test_transfers_go_in_parts(account):
    s3, bucket = account.client("s3"), account.bucket()
    data = os.urandom(20 << 20)
    s3.upload_fileobj(io.BytesIO(data), bucket, "large")
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copy")
    for key in ("large", "copy"):
        found = io.BytesIO()
        s3.download_fileobj(bucket, key, found)
        assert found.getvalue() == data
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="large", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize", "StorageClass"]
    )
    assert attributes["ObjectSize"] == len(data) and attributes["ObjectParts"]["TotalPartsCount"] == 3
    assert attributes["ETag"].endswith("-3") and attributes["StorageClass"] == "STANDARD"
    part = s3.get_object(Bucket=bucket, Key="large", PartNumber=2)
    assert part["Body"].read() == data[8 << 20 : 16 << 20] and part["PartsCount"] == 3


def test_uploads_are_listed_and_given_up(account):
    s3, bucket = account.client("s3"), account.bucket()
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"last and only")
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["Parts"]
    assert [(entry["PartNumber"], entry["ETag"], entry["Size"]) for entry in listed] == [(1, part["ETag"], 13)]
    assert [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    wrong = {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}
    check(s3.complete_multipart_upload, "InvalidPart", Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=wrong)
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    check(s3.list_parts, "NoSuchUpload", 404, Bucket=bucket, Key="k", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_pages_and_prefixes(account):
    s3, bucket = account.client("s3"), account.bucket()
    keys = sorted(["a", "b/1", "b/2", "c d", "e+f", "ü/x", "z%2F"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
        assert [entry["Key"] for page in pages for entry in page.get("Contents", [])] == keys, operation
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
        pages = list(pages)
        assert [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])] == ["b/", "ü/"]
        assert [entry["Key"] for page in pages for entry in page.get("Contents", [])] == ["a", "c d", "e+f", "z%2F"]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="b/2", FetchOwner=True)["Contents"]
    assert after[0]["Key"] == "c d" and after[0]["Owner"]["ID"] == f"{int(account.id):064x}"
    versions = s3.list_object_versions(Bucket=bucket, Prefix="b/")["Versions"]
    assert [(entry["Key"], entry["VersionId"], entry["IsLatest"]) for entry in versions] == [
        ("b/1", "null", True),
        ("b/2", "null", True),
    ]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})["Deleted"]
    assert {entry["Key"] for entry in deleted} == set(keys)
    s3.delete_bucket(Bucket=bucket)


def test_conditional_writes(account):
    s3, bucket = account.client("s3"), account.bucket()
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    check(s3.put_object, "PreconditionFailed", 412, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=first["ETag"])
    check(s3.put_object, "PreconditionFailed", 412, Bucket=bucket, Key="k", Body=b"3", IfMatch=first["ETag"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


@pytest.mark.parametrize("config", [{}, {"signature_version": "s3v4"}])
def test_presigned_urls(account, config):
    s3, bucket = account.client("s3", **config), account.bucket()
    place = {"Bucket": bucket, "Key": "a b"}
    put = urllib.request.Request(s3.generate_presigned_url("put_object", Params=place), data=b"bytes", method="PUT")
    put.add_header("content-type", "")
    assert urllib.request.urlopen(put).status == 200
    get = s3.generate_presigned_url("get_object", Params=place | {"ResponseContentType": "text/x"})
    with urllib.request.urlopen(get) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"bytes", "text/x")
    for url in (get.replace("a%20b", "other"), get[:-1] + ("0" if get[-1] != "0" else "1"), get.split("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(url)
        assert raised.value.code == 403


def test_policies_of_users_and_buckets(account):
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_object(Bucket=bucket, Key="mine/k", Body=b"mine")
    s3.put_object(Bucket=bucket, Key="theirs/k", Body=b"theirs")
    ada = account.user("ada", allow("s3:GetObject", f"arn:aws:s3:::{bucket}/mine/*")).client("s3")
    assert ada.get_object(Bucket=bucket, Key="mine/k")["Body"].read() == b"mine"
    check(ada.get_object, "AccessDenied", 403, Bucket=bucket, Key="theirs/k")
    check(ada.get_object, "AccessDenied", 403, Bucket=bucket, Key="mine/gone")
    check(ada.list_objects_v2, "AccessDenied", 403, Bucket=bucket)
    check(ada.put_object, "AccessDenied", 403, Bucket=bucket, Key="mine/k", Body=b"x")
    check(
        ada.copy_object, "AccessDenied", 403, Bucket=bucket, Key="mine/k", CopySource={"Bucket": bucket, "Key": "theirs/k"}
    )
    document = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/mine/*", Principal="*")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == document
    with urllib.request.urlopen(f"{account.endpoint}/{bucket}/mine/k") as answer:
        assert answer.read() == b"mine"
    deny = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", effect="Deny", Principal="*")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(deny))
    check(ada.get_object, "AccessDenied", 403, Bucket=bucket, Key="mine/k")
    s3.delete_bucket_policy(Bucket=bucket)
    check(s3.get_bucket_policy, "NoSuchBucketPolicy", 404, Bucket=bucket)


def test_what_is_not_served_says_so(account):
    s3, bucket = account.client("s3"), account.bucket()
    check(s3.get_bucket_metadata_table_configuration, "NotImplemented", 501, Bucket=bucket)
    check(s3.put_object, "InvalidStorageClass", 400, Bucket=bucket, Key="k", StorageClass="NONE_SUCH")
    check(s3.put_object, "NotImplemented", 501, Bucket=bucket, Key="k", ServerSideEncryption="aws:kms:dsse")
    check(s3.put_object, "AccessControlListNotSupported", 400, Bucket=bucket, Key="k", ACL="public-read")
    check(s3.put_object, "KeyTooLongError", 400, Bucket=bucket, Key="k" * 1025, Body=b"")
    for key in ("k" * 1024, "a/../../b", "//", "☃", "a?b#c&d"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
