"""Versions, as boto3 sees them."""

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow


def refusal(call, **arguments) -> tuple[int, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def headers_of_refusal(call, **arguments) -> dict[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["ResponseMetadata"]["HTTPHeaders"]


def versioned(account, status="Enabled"):
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    return s3, bucket


def listed(s3, bucket, **arguments) -> list[tuple[str, str, bool, bool]]:
    """Key, version, whether it is the latest, whether it is a marker; all pages, in the order of the answer within each kind."""
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, **arguments):
        found += [(v["Key"], v["VersionId"], v["IsLatest"], False) for v in page.get("Versions", [])]
        found += [(v["Key"], v["VersionId"], v["IsLatest"], True) for v in page.get("DeleteMarkers", [])]
    return found


def test_a_bucket_is_versioned_and_suspended(account):
    s3, bucket = account.client("s3"), account.bucket()
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ["Enabled", "Suspended", "Enabled"]:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    mfa = {"Status": "Enabled", "MFADelete": "Enabled"}
    assert refusal(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=mfa) == (403, "AccessDenied")
    for bad, code in [({"Status": "On"}, "MalformedXML"), ({}, "IllegalVersioningConfigurationException")]:
        assert refusal(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=bad) == (400, code)


def test_each_write_is_a_version(account):
    s3, bucket = versioned(account)
    versions = [s3.put_object(Bucket=bucket, Key="k", Body=f"{n}".encode())["VersionId"] for n in range(3)]
    assert len(set(versions)) == 3
    for n, version in enumerate(versions):
        found = s3.get_object(Bucket=bucket, Key="k", VersionId=version)
        assert (found["Body"].read(), found["VersionId"]) == (f"{n}".encode(), version)
        assert s3.head_object(Bucket=bucket, Key="k", VersionId=version)["VersionId"] == version
    latest = s3.get_object(Bucket=bucket, Key="k")
    assert (latest["Body"].read(), latest["VersionId"]) == (b"2", versions[2])
    assert listed(s3, bucket) == [("k", version, version == versions[2], False) for version in reversed(versions)]
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]

    # The latest goes: the one before it is back. A version that is gone is gone without a word.
    deleted = s3.delete_object(Bucket=bucket, Key="k", VersionId=versions[2])
    assert (deleted["VersionId"], "DeleteMarker" in deleted) == (versions[2], False)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=versions[2])
    gone = refusal(s3.get_object, Bucket=bucket, Key="k", VersionId=versions[2])
    assert gone == (404, "NoSuchVersion")
    # A version of one key is none of another's, nor of another bucket's.
    s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    assert refusal(s3.get_object, Bucket=bucket, Key="other", VersionId=versions[0]) == (404, "NoSuchVersion")
    elsewhere = account.bucket()
    s3.put_object(Bucket=elsewhere, Key="k", Body=b"x")
    assert refusal(s3.get_object, Bucket=elsewhere, Key="k", VersionId=versions[0]) == (404, "NoSuchVersion")
    s3.delete_object(Bucket=elsewhere, Key="k", VersionId=versions[0])
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=versions[0])["Body"].read() == b"0"
    assert refusal(s3.get_object, Bucket=bucket, Key="k", VersionId="nonsense") == (400, "InvalidArgument")


def test_deletes_put_markers(account):
    s3, bucket = versioned(account)
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"bytes")["VersionId"]
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert deleted["DeleteMarker"] is True
    marker = deleted["VersionId"]
    assert refusal(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    headers = headers_of_refusal(s3.head_object, Bucket=bucket, Key="k")
    assert (headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("true", marker)
    for call in [s3.get_object, s3.head_object]:
        headers = headers_of_refusal(call, Bucket=bucket, Key="k", VersionId=marker)
        assert (headers["x-amz-delete-marker"], headers["allow"]) == ("true", "DELETE")
        assert "last-modified" in headers
    assert refusal(s3.get_object, Bucket=bucket, Key="k", VersionId=marker) == (405, "MethodNotAllowed")
    assert refusal(s3.get_object_tagging, Bucket=bucket, Key="k", VersionId=marker) == (405, "MethodNotAllowed")
    source = {"Bucket": bucket, "Key": "k", "VersionId": marker}
    assert refusal(s3.copy_object, Bucket=bucket, Key="c", CopySource=source) == (400, "InvalidRequest")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert sorted(listed(s3, bucket)) == sorted([("k", version, False, False), ("k", marker, True, True)])
    assert refusal(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")

    # A second marker; the marker of a key that never was.
    second = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    assert s3.delete_object(Bucket=bucket, Key="never")["DeleteMarker"] is True
    assert len(listed(s3, bucket)) == 4
    # Without its markers the object is back.
    for version in [second, marker]:
        removed = s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
        assert (removed["DeleteMarker"], removed["VersionId"]) == (True, version)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"

    # Many at once: versions, markers, and what makes a marker.
    everything = [{"Key": key, "VersionId": version} for key, version, _, _ in listed(s3, bucket)]
    outcome = s3.delete_objects(Bucket=bucket, Delete={"Objects": [*everything, {"Key": "new"}]})
    assert "Errors" not in outcome
    by_key = {entry["Key"]: entry for entry in outcome["Deleted"]}
    assert "DeleteMarker" not in by_key["k"] and by_key["k"]["VersionId"]
    assert by_key["never"]["DeleteMarkerVersionId"] == by_key["never"]["VersionId"]
    assert by_key["new"]["DeleteMarker"] and "VersionId" not in by_key["new"]
    s3.delete_object(Bucket=bucket, Key="new", VersionId=by_key["new"]["DeleteMarkerVersionId"])
    s3.delete_bucket(Bucket=bucket)


def test_the_null_version(account):
    s3, bucket = account.client("s3"), account.bucket()
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    assert "VersionId" not in put and "VersionId" not in s3.get_object(Bucket=bucket, Key="k")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    named = s3.put_object(Bucket=bucket, Key="k", Body=b"named")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"before"

    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"after")
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), found["VersionId"]) == (b"after", "null")
    assert listed(s3, bucket) == [("k", "null", True, False), ("k", named, False, False)]
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert (deleted["DeleteMarker"], deleted["VersionId"]) == (True, "null")
    assert sorted(listed(s3, bucket)) == sorted([("k", "null", True, True), ("k", named, False, False)])
    s3.put_object(Bucket=bucket, Key="k", Body=b"again")
    assert listed(s3, bucket) == [("k", "null", True, False), ("k", named, False, False)]
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"named"


def test_copies_and_uploads_of_versions(account):
    s3, bucket = versioned(account)
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"first", Metadata={"n": "1"})["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"second")["VersionId"]
    # An older version over the latest: how one is brought back.
    copied = s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k", "VersionId": first})
    assert copied["CopySourceVersionId"] == first and copied["VersionId"] not in (first, second)
    back = s3.get_object(Bucket=bucket, Key="k")
    assert (back["Body"].read(), back["Metadata"], back["VersionId"]) == (b"first", {"n": "1"}, copied["VersionId"])

    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    source = {"Bucket": bucket, "Key": "k", "VersionId": second}
    part = s3.upload_part_copy(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, CopySource=source)
    assert part["CopySourceVersionId"] == second
    # What is put while the upload is under way is older than what it becomes.
    s3.put_object(Bucket=bucket, Key="k", Body=b"meanwhile")
    parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    latest = s3.get_object(Bucket=bucket, Key="k")
    assert (latest["Body"].read(), latest["VersionId"]) == (b"second", done["VersionId"])
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", VersionId=first, ObjectAttributes=["ObjectSize"])
    assert (attributes["ObjectSize"], attributes["VersionId"]) == (5, first)

    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=first, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    tags = s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=first)
    assert (tags["TagSet"], tags["VersionId"]) == ([{"Key": "a", "Value": "b"}], first)
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=first)["VersionId"] == first


def test_conditions_look_at_the_latest(account):
    s3, bucket = versioned(account)
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=first["ETag"])
    assert refusal(s3.put_object, Bucket=bucket, Key="k", IfMatch=first["ETag"]) == (412, "PreconditionFailed")
    assert refusal(s3.put_object, Bucket=bucket, Key="k", IfNoneMatch="*") == (412, "PreconditionFailed")
    stale = {"Bucket": bucket, "Key": "k", "IfMatch": first["ETag"]}
    assert refusal(s3.delete_object, **stale) == (412, "PreconditionFailed")
    assert refusal(s3.delete_object, VersionId=second["VersionId"], **stale) == (412, "PreconditionFailed")
    s3.delete_object(VersionId=first["VersionId"], **stale)
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=second["ETag"])
    # Under a marker there is no object.
    assert refusal(s3.put_object, Bucket=bucket, Key="k", IfMatch="*") == (404, "NoSuchKey")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfNoneMatch="*")


def test_versions_are_listed_page_by_page(account):
    s3, bucket = versioned(account)
    for key in ["a/1", "a/2", "b", "c d/ü", "c d/ü"]:
        for body in [b"1", b"2"]:
            s3.put_object(Bucket=bucket, Key=key, Body=body)
        s3.delete_object(Bucket=bucket, Key=key)
    whole = listed(s3, bucket)
    assert len(whole) == 15
    for size in [1, 2, 4, 7]:
        paged = listed(s3, bucket, PaginationConfig={"PageSize": size})
        assert sorted(paged) == sorted(whole), size
    assert {key for key, _, _, _ in listed(s3, bucket, Prefix="a/")} == {"a/1", "a/2"}
    rolled = s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in rolled["CommonPrefixes"]] == ["a/", "c d/"]
    assert {v["Key"] for v in rolled["Versions"]} == {"b"}
    page = s3.list_object_versions(Bucket=bucket, MaxKeys=1)
    assert (page["IsTruncated"], page["NextKeyMarker"], page["MaxKeys"]) == (True, "a/1", 1)
    assert page["NextVersionIdMarker"] == page["DeleteMarkers"][0]["VersionId"]
    assert page["DeleteMarkers"][0]["Owner"]["ID"]
    after = s3.list_object_versions(Bucket=bucket, KeyMarker="a/2", MaxKeys=1)
    assert after["DeleteMarkers"][0]["Key"] == "b"
    bare = {"Bucket": bucket, "VersionIdMarker": page["NextVersionIdMarker"]}
    assert refusal(s3.list_object_versions, **bare) == (400, "InvalidArgument")


def test_versions_have_permissions_of_their_own(account):
    s3, bucket = versioned(account)
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    objects = f"arn:aws:s3:::{bucket}/*"
    reader = account.user("reader", allow(["s3:GetObject", "s3:DeleteObject"], objects)).client("s3")
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"
    named = {"Bucket": bucket, "Key": "k", "VersionId": old}
    assert refusal(reader.get_object, **named) == (403, "AccessDenied")
    assert refusal(reader.delete_object, **named) == (403, "AccessDenied")
    outcome = reader.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": old}]})
    assert (outcome["Errors"][0]["Code"], outcome["Errors"][0]["VersionId"]) == ("AccessDenied", old)
    condition = {"Condition": {"StringEquals": {"s3:VersionId": old}}}
    one = account.user("one", allow("s3:GetObjectVersion", objects, **condition)).client("s3")
    assert one.get_object(**named)["Body"].read() == b"old"
    assert refusal(one.get_object, Bucket=bucket, Key="k") == (403, "AccessDenied")
    assert refusal(one.get_object, Bucket=bucket, Key="k", VersionId="null") == (403, "AccessDenied")
