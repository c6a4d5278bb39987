"""Lifecycle rules with real clients, on a server whose days last a second."""

import datetime

import boto3
import pytest
from botocore.exceptions import ClientError

from ..conftest import Server, make_accounts, wait_for

DAY_SECONDS = 1


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lifecycle")
    server = Server(folder / "data", make_accounts(1), environment={"TARN_DEBUG_DAY_SECONDS": str(DAY_SECONDS)}).start()
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture
def s3(quick):
    return quick.accounts[0].client("s3")


@pytest.fixture
def bucket(quick):
    return quick.accounts[0].bucket()


def keys(s3, bucket):
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def put_rules(s3, bucket, *rules, **more):
    named = [{"ID": f"rule-{number}", "Status": "Enabled", "Filter": {"Prefix": ""}} | rule for number, rule in enumerate(rules)]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": named}, **more)
    return named


def test_objects_end_after_their_days(s3, bucket):
    for key in ("tmp/old", "kept"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    put_rules(s3, bucket, {"Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}})
    s3.put_object(Bucket=bucket, Key="tmp/new", Body=b"x")
    wait_for(lambda: keys(s3, bucket) == ["kept"], what="both are gone")


def test_filters_by_tag_and_size(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 10, Tagging="stage=temp")
    s3.put_object(Bucket=bucket, Key="b", Body=b"x" * 10)
    s3.put_object(Bucket=bucket, Key="c", Body=b"x" * 1000, Tagging="stage=temp")
    condition = {"Tags": [{"Key": "stage", "Value": "temp"}], "ObjectSizeLessThan": 100}
    put_rules(s3, bucket, {"Filter": {"And": condition}, "Expiration": {"Days": 1}})
    wait_for(lambda: keys(s3, bucket) == ["b", "c"], what="a is gone")
    s3.put_object_tagging(Bucket=bucket, Key="b", Tagging={"TagSet": [{"Key": "stage", "Value": "temp"}]})
    wait_for(lambda: keys(s3, bucket) == ["c"], what="b is gone once it has the tag")


def test_versions_and_markers_go_and_the_newest_stay(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2", b"3", b"4"):
        s3.put_object(Bucket=bucket, Key="kept", Body=body)
    s3.put_object(Bucket=bucket, Key="ended", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="ended")
    put_rules(
        s3,
        bucket,
        {"Filter": {"Prefix": "kept"}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}},
        {
            "Filter": {"Prefix": "ended"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        },
    )

    def left():
        listed = s3.list_object_versions(Bucket=bucket)
        return len(listed.get("Versions", [])), len(listed.get("DeleteMarkers", []))

    wait_for(lambda: left() == (2, 0), what="the latest version and one more are left")
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"4"


def test_uploads_are_given_up(s3, bucket):
    put_rules(s3, bucket, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}})
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k")
    assert begun["AbortRuleId"] == "rule-0"
    assert begun["AbortDate"] > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    part = dict(Bucket=bucket, Key="k", UploadId=begun["UploadId"])
    s3.upload_part(**part, PartNumber=1, Body=b"x")
    wait_for(lambda: not s3.list_multipart_uploads(Bucket=bucket).get("Uploads"), what="the upload is given up")
    with pytest.raises(s3.exceptions.NoSuchUpload):
        s3.list_parts(**part)


def test_headers_tell_the_end_in_whole_days(s3, bucket):
    put_rules(s3, bucket, {"Filter": {"Prefix": "a"}, "Expiration": {"Days": 30}})
    midnight = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=31)).strftime("%a, %d %b %Y 00:00:00 GMT")
    expected = f'expiry-date="{midnight}", rule-id="rule-0"'
    assert s3.put_object(Bucket=bucket, Key="a", Body=b"x")["Expiration"] == expected
    assert s3.head_object(Bucket=bucket, Key="a")["Expiration"] == expected
    assert s3.get_object(Bucket=bucket, Key="a")["Expiration"] == expected
    assert s3.copy_object(Bucket=bucket, Key="a2", CopySource=f"{bucket}/a")["Expiration"] == expected
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="b", Body=b"x")


def test_configurations_come_back_as_they_were_put(s3, bucket):
    with pytest.raises(ClientError) as refused:
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert refused.value.response["Error"]["Code"] == "NoSuchLifecycleConfiguration"
    tag = {"Key": "a", "Value": "b"}
    rules = put_rules(
        s3,
        bucket,
        {"Filter": {}, "Expiration": {"Date": datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC)}},
        {"Filter": {"Tag": tag}, "Expiration": {"Days": 3}},
        {"Filter": {"ObjectSizeGreaterThan": 5}, "NoncurrentVersionExpiration": {"NoncurrentDays": 2}},
        {"Filter": {"And": {"Prefix": "x", "Tags": [tag]}}, "Expiration": {"Days": 4}, "Status": "Disabled"},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        TransitionDefaultMinimumObjectSize="varies_by_storage_class",
    )
    found = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert found["Rules"] == rules
    assert found["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    with pytest.raises(ClientError):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)


def test_what_aws_refuses_is_refused(s3, bucket):
    def check(code, *rules):
        with pytest.raises(ClientError) as refused:
            put_rules(s3, bucket, *rules)
        assert refused.value.response["Error"]["Code"] == code

    check("InvalidArgument", {"Expiration": {"Days": 0}})
    check("InvalidArgument", {"Expiration": {"Days": -1}})
    check("InvalidArgument", {"Expiration": {"Date": datetime.datetime(2040, 1, 1, 1, tzinfo=datetime.UTC)}})
    check("InvalidArgument", {"ID": "a", "Expiration": {"Days": 1}}, {"ID": "a", "Expiration": {"Days": 1}})
    check("InvalidRequest", {})
    check("MalformedXML", {"Status": "enabled", "Expiration": {"Days": 1}})
    check("MalformedXML", {"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}})
    check("MalformedXML", {"Prefix": "a", "Expiration": {"Days": 1}})


def test_what_was_due_while_the_server_was_down_is_done_after(quick, s3, bucket):
    put_rules(s3, bucket, {"Expiration": {"Days": 1}})
    for number in range(20):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
    quick.kill()
    quick.start()
    wait_for(lambda: keys(s3, bucket) == [], what="all are gone")
    events = quick.accounts[0].client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DeleteObjects"}]
    )
    assert events["ResponseMetadata"]["HTTPStatusCode"] == 200
