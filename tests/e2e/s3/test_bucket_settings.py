"""What buckets are told and give back: who pays, acceleration, metrics, analyses, tags in policies; and headers chosen by the reader."""

import json

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow
from . import raw


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
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "other"}]})
    assert code(user.get_object, Bucket=bucket, Key="k") == "AccessDenied"


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
