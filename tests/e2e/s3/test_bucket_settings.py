"""What buckets are told and give back: who pays, acceleration, metrics, analyses, tags in policies; and headers chosen by the reader."""

import json

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow
from . import raw
from .test_public_access import control


@pytest.fixture
def s3(account):
    return account.client("s3")


@pytest.fixture
def bucket(account):
    return account.bucket()


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def test_acceleration(s3, bucket, account):
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": status})
        assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == status
    dotted = account.bucket(f"a.{bucket}")
    wanted = {"Status": "Enabled"}
    put = s3.put_bucket_accelerate_configuration
    assert code(put, Bucket=dotted, AccelerateConfiguration=wanted) == "InvalidRequest"
    assert code(put, Bucket=bucket, AccelerateConfiguration={"Status": "Maybe"}) == "MalformedXML"


def test_requesters_say_that_they_pay(server, account, s3, bucket):
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    s3.put_object(Bucket=bucket, Key="k", Body=b"bytes")
    guest = server.root()
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{guest.id}:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    theirs = guest.client("s3")
    assert code(theirs.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert theirs.get_object(Bucket=bucket, Key="k", RequestPayer="requester")["Body"].read() == b"bytes"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"


METRICS = [
    {"Id": "all"},
    {"Id": "and", "Filter": {"And": {"Prefix": "raw/", "Tags": [{"Key": "a", "Value": "b"}]}}},
    {"Id": "prefix", "Filter": {"Prefix": "raw/"}},
    {"Id": "tag", "Filter": {"Tag": {"Key": "a", "Value": "b"}}},
]


def test_metrics(s3, bucket):
    for wanted in METRICS:
        s3.put_bucket_metrics_configuration(Bucket=bucket, Id=wanted["Id"], MetricsConfiguration=wanted)
        assert s3.get_bucket_metrics_configuration(Bucket=bucket, Id=wanted["Id"])["MetricsConfiguration"] == wanted
    listed = s3.list_bucket_metrics_configurations(Bucket=bucket)
    assert listed["MetricsConfigurationList"] == METRICS
    assert listed["IsTruncated"] is False
    s3.delete_bucket_metrics_configuration(Bucket=bucket, Id="tag")
    assert code(s3.get_bucket_metrics_configuration, Bucket=bucket, Id="tag") == "NoSuchConfiguration"
    assert code(s3.delete_bucket_metrics_configuration, Bucket=bucket, Id="tag") == "NoSuchConfiguration"
    put = s3.put_bucket_metrics_configuration
    assert code(put, Bucket=bucket, Id="x", MetricsConfiguration={"Id": "y"}) == "InvalidArgument"
    assert code(put, Bucket=bucket, Id="a b", MetricsConfiguration={"Id": "a b"}) == "InvalidArgument"


def test_lists_have_pages(s3, bucket):
    ids = [f"m-{number:03}" for number in range(120)]
    for one in ids:
        s3.put_bucket_metrics_configuration(Bucket=bucket, Id=one, MetricsConfiguration={"Id": one})
    first = s3.list_bucket_metrics_configurations(Bucket=bucket)
    assert first["IsTruncated"] is True
    rest = s3.list_bucket_metrics_configurations(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert rest["IsTruncated"] is False
    found = first["MetricsConfigurationList"] + rest["MetricsConfigurationList"]
    assert [one["Id"] for one in found] == ids
    assert code(s3.list_bucket_metrics_configurations, Bucket=bucket, ContinuationToken="?") == "InvalidArgument"


def test_analyses(s3, bucket):
    to = {"Format": "CSV", "BucketAccountId": "000000000000", "Bucket": "arn:aws:s3:::other", "Prefix": "out"}
    export = {"OutputSchemaVersion": "V_1", "Destination": {"S3BucketDestination": to}}
    for wanted in (
        {"Id": "plain", "StorageClassAnalysis": {}},
        {"Id": "out", "Filter": {"Prefix": "raw/"}, "StorageClassAnalysis": {"DataExport": export}},
    ):
        s3.put_bucket_analytics_configuration(Bucket=bucket, Id=wanted["Id"], AnalyticsConfiguration=wanted)
        found = s3.get_bucket_analytics_configuration(Bucket=bucket, Id=wanted["Id"])["AnalyticsConfiguration"]
        assert found == wanted
    listed = s3.list_bucket_analytics_configurations(Bucket=bucket)["AnalyticsConfigurationList"]
    assert [one["Id"] for one in listed] == ["out", "plain"]
    s3.delete_bucket_analytics_configuration(Bucket=bucket, Id="out")
    assert code(s3.get_bucket_analytics_configuration, Bucket=bucket, Id="out") == "NoSuchConfiguration"


def test_policies_may_speak_of_a_buckets_tags(account, s3, bucket):
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "lake"}]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"bytes")
    condition = {"StringEquals": {"s3:BucketTag/team": "lake"}}
    user = account.user("reader", allow("s3:GetObject", Condition=condition)).client("s3")
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"]["Status"] == "Disabled"
    assert code(user.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Enabled"})
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"]["Status"] == "Enabled"
    assert user.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"
    # They are changed one by one now.
    tagged = {"Bucket": bucket, "Tagging": {"TagSet": [{"Key": "team", "Value": "other"}]}}
    assert code(s3.put_bucket_tagging, **tagged) == code(s3.delete_bucket_tagging, Bucket=bucket) == "InvalidRequest"
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "team", "Value": "lake"}]
    arn = f"arn:aws:s3:::{bucket}"
    control(account).tag_resource(AccountId=account.id, ResourceArn=arn, Tags=[{"Key": "team", "Value": "other"}])
    assert code(user.get_object, Bucket=bucket, Key="k") == "AccessDenied"


def test_a_buckets_tags_deny_whatever_way_it_is_asked_for(account, s3, bucket):
    other = account.bucket()
    for key in ("k", "l"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"bytes")
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "lake"}]})
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Enabled"})
    denied = allow("s3:*", effect="Deny", Condition={"StringEquals": {"s3:BucketTag/team": "lake"}})
    user = account.user("guest", allow("s3:*"), denied).client("s3")
    source = {"Bucket": bucket, "Key": "k"}
    upload = {"Bucket": other, "Key": "k", "UploadId": user.create_multipart_upload(Bucket=other, Key="k")["UploadId"]}
    for call, arguments in [
        (user.get_object, source),
        (user.delete_object, source),
        (user.put_object_tagging, {**source, "Tagging": {"TagSet": []}}),
        (user.copy_object, {"Bucket": other, "Key": "k", "CopySource": source}),
        (user.upload_part_copy, {**upload, "PartNumber": 1, "CopySource": source}),
    ]:
        assert code(call, **arguments) == "AccessDenied", call
    deleted = user.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "l"}]})
    assert [error["Code"] for error in deleted["Errors"]] == ["AccessDenied"] * 2
    # Where it is copied to has no such tag.
    user.put_object(Bucket=other, Key="j", Body=b"bytes")
    user.copy_object(Bucket=other, Key="k", CopySource={"Bucket": other, "Key": "j"})


def test_tags_of_a_new_bucket_need_a_permission(account):
    tagged = {"CreateBucketConfiguration": {"Tags": [{"Key": "team", "Value": "lake"}]}}
    team = {"StringEquals": {"aws:RequestTag/team": "lake"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    names = iter(f"{account.id}-tagged-{number}" for number in range(10))
    for statements, more, expected in [
        ([allow("s3:CreateBucket")], {}, None),
        ([allow("s3:CreateBucket")], tagged, "AccessDenied"),
        ([allow(["s3:CreateBucket", "s3:TagResource"])], tagged, None),
        ([allow(["s3:CreateBucket", "s3:TagResource"], Condition=team)], tagged, None),
        ([allow(["s3:CreateBucket", "s3:TagResource"], Condition=team)], {}, "AccessDenied"),
        ([allow("s3:*"), allow("s3:CreateBucket", effect="Deny", Condition=team)], tagged, "AccessDenied"),
    ]:
        name = next(names)
        creator = account.user(name, *statements).client("s3")
        if expected:
            assert code(creator.create_bucket, Bucket=name, **more) == expected, (statements, more)
        else:
            creator.create_bucket(Bucket=name, **more)


OVERRIDES = {
    "ResponseCacheControl": "no-cache",
    "ResponseContentDisposition": 'attachment; filename="a.txt"',
    "ResponseContentEncoding": "aaa",
    "ResponseContentLanguage": "esperanto",
    "ResponseContentType": "foo/bar",
    "ResponseExpires": "Thu, 01 Dec 1994 16:00:00 GMT",
}


def test_headers_chosen_by_the_reader(account, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"bytes", ContentType="text/plain")
    for call in (s3.get_object, s3.head_object):
        found = call(Bucket=bucket, Key="k", **OVERRIDES)["ResponseMetadata"]["HTTPHeaders"]
        for name, value in OVERRIDES.items():
            header = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
            assert found[header.removeprefix("-response-")] == value, name
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    try:
        s3.delete_public_access_block(Bucket=bucket)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NotImplemented"
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    url = f"{account.endpoint}/{bucket}/k"
    assert raw.get(url).status_code == 200
    refused = raw.get(f"{url}?response-content-type=text/html")
    assert (refused.status_code, "<Code>InvalidRequest</Code>" in refused.text) == (400, True)
