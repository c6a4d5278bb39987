"""Object lock, as boto3 sees it."""

import datetime
import urllib.error
import urllib.request

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from ..conftest import REGION, allow

UTC = datetime.timezone.utc


def refusal(call, **arguments) -> tuple[int, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def later(days: int) -> datetime.datetime:
    return (datetime.datetime.now(UTC) + datetime.timedelta(days=days)).replace(microsecond=0)


def locked_bucket(account, default=None):
    s3, bucket = account.client("s3"), f"{account.bucket()}-locked"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    if default:
        configuration = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": default}}
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    return s3, bucket


def test_a_bucket_is_locked_for_ever(account):
    s3, bucket = locked_bucket(account)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    enabled = {"ObjectLockEnabled": "Enabled"}
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == enabled
    suspend = {"Status": "Suspended"}
    assert refusal(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=suspend) == (
        409,
        "InvalidBucketState",
    )
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    plain = account.bucket()
    assert refusal(s3.get_object_lock_configuration, Bucket=plain) == (404, "ObjectLockConfigurationNotFoundError")
    put = s3.put_object_lock_configuration
    assert refusal(put, Bucket=plain, ObjectLockConfiguration=enabled) == (409, "InvalidBucketState")
    s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
    put(Bucket=plain, ObjectLockConfiguration=enabled)


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({"ObjectLockEnabled": "Disabled"}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 1, "Years": 1}, "MalformedXML"),
        ({"Mode": "GOVERNANCE"}, "MalformedXML"),
        ({"Days": 1}, "MalformedXML"),
        ({"Mode": "governance", "Days": 1}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 0}, "InvalidRetentionPeriod"),
        ({"Mode": "COMPLIANCE", "Years": -1}, "InvalidRetentionPeriod"),
        ({"Mode": "COMPLIANCE", "Years": 101}, "InvalidRetentionPeriod"),
        ({"Mode": "COMPLIANCE", "Days": 36501}, "InvalidRetentionPeriod"),
    ],
)
def test_bad_configurations_are_refused(account, configuration, code):
    s3, bucket = locked_bucket(account)
    if "ObjectLockEnabled" not in configuration:
        configuration = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": configuration}}
    refused = refusal(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=configuration)
    assert refused == (400, code)
    assert "Rule" not in s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]


def test_governance_holds_until_it_is_bypassed(account):
    s3, bucket = locked_bucket(account)
    until = later(30)
    version = s3.put_object(
        Bucket=bucket, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    one = {"Bucket": bucket, "Key": "k", "VersionId": version}
    assert refusal(s3.delete_object, **one) == (403, "AccessDenied")
    outcome = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    assert (outcome["Errors"][0]["Code"], outcome["Errors"][0]["VersionId"]) == ("AccessDenied", version)

    # A marker hides it and can go again; the version stays.
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"y")
    assert refusal(s3.delete_object, **one) == (403, "AccessDenied")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    assert s3.get_object(**one)["Body"].read() == b"x"

    # Longer at once, shorter only by those who may.
    retention = lambda days, mode="GOVERNANCE": {"Mode": mode, "RetainUntilDate": later(days)}  # noqa: E731
    s3.put_object_retention(**one, Retention=retention(31))
    assert refusal(s3.put_object_retention, **one, Retention=retention(2)) == (403, "AccessDenied")
    assert refusal(s3.put_object_retention, **one, Retention={}) == (403, "AccessDenied")
    objects = f"arn:aws:s3:::{bucket}/*"
    may = ["s3:PutObjectRetention", "s3:DeleteObjectVersion"]
    keeper = account.user("keeper", allow(may, objects)).client("s3")
    bypass = {"BypassGovernanceRetention": True}
    assert refusal(keeper.put_object_retention, **one, Retention=retention(2), **bypass) == (403, "AccessDenied")
    assert refusal(keeper.delete_object, **one, **bypass) == (403, "AccessDenied")
    many = {"Objects": [{"Key": "k", "VersionId": version}]}
    assert keeper.delete_objects(Bucket=bucket, Delete=many, **bypass)["Errors"][0]["Code"] == "AccessDenied"
    boss = account.user("boss", allow([*may, "s3:BypassGovernanceRetention"], objects)).client("s3")
    boss.put_object_retention(**one, Retention=retention(2), **bypass)
    boss.delete_object(**one, **bypass)
    assert refusal(s3.get_object, **one) == (404, "NoSuchVersion")


def test_compliance_holds_against_everybody(account):
    s3, bucket = locked_bucket(account, {"Mode": "COMPLIANCE", "Days": 1})
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    one = {"Bucket": bucket, "Key": "k", "VersionId": version}
    found = s3.get_object_retention(**one)["Retention"]
    assert found["Mode"] == "COMPLIANCE"
    assert later(0) < found["RetainUntilDate"] <= later(1) + datetime.timedelta(seconds=2)
    bypass = {"BypassGovernanceRetention": True}
    assert refusal(s3.delete_object, **one, **bypass) == (403, "AccessDenied")
    outcome = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": version}]}, **bypass)
    assert outcome["Errors"][0]["Code"] == "AccessDenied"
    for retention in [
        {},
        {"Mode": "GOVERNANCE", "RetainUntilDate": later(9)},
        {"Mode": "COMPLIANCE", "RetainUntilDate": found["RetainUntilDate"] - datetime.timedelta(hours=1)},
    ]:
        assert refusal(s3.put_object_retention, **one, Retention=retention, **bypass) == (403, "AccessDenied")
    s3.put_object_retention(**one, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": later(9)})
    assert refusal(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")


def test_uploads_and_copies_are_locked_too(account):
    s3, bucket = locked_bucket(account, {"Mode": "GOVERNANCE", "Years": 1})
    until = later(3)
    asked = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until, "ObjectLockLegalHoldStatus": "ON"}
    for lock in [asked, {}]:
        upload = s3.create_multipart_upload(Bucket=bucket, Key="m", **lock)["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"part")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts)
        s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "m"}, **lock)
        for key in ["m", "c"]:
            head = s3.head_object(Bucket=bucket, Key=key)
            assert head["ObjectLockMode"] == lock.get("ObjectLockMode", "GOVERNANCE"), key
            if lock:
                assert head["ObjectLockRetainUntilDate"] == until
            # The default says nothing of legal holds, and a copy takes none along.
            assert head.get("ObjectLockLegalHoldStatus") == lock.get("ObjectLockLegalHoldStatus")
            one = {"Bucket": bucket, "Key": key, "VersionId": head["VersionId"]}
            assert refusal(s3.delete_object, **one) == (403, "AccessDenied")


def test_legal_holds(account):
    s3, bucket = locked_bucket(account)
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    one = {"Bucket": bucket, "Key": "k", "VersionId": version}
    none = (404, "NoSuchObjectLockConfiguration")
    assert refusal(s3.get_object_legal_hold, **one) == none and refusal(s3.get_object_retention, **one) == none
    assert "ObjectLockLegalHoldStatus" not in s3.head_object(**one)
    s3.put_object_legal_hold(**one, LegalHold={"Status": "ON"})
    assert s3.head_object(**one)["ObjectLockLegalHoldStatus"] == "ON"
    assert refusal(s3.delete_object, **one, BypassGovernanceRetention=True) == (403, "AccessDenied")
    assert refusal(s3.put_object_legal_hold, **one, LegalHold={"Status": "on"}) == (400, "MalformedXML")
    s3.put_object_legal_hold(**one, LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(**one)["LegalHold"] == {"Status": "OFF"}
    s3.delete_object(**one)

    plain = account.bucket()
    s3.put_object(Bucket=plain, Key="k", Body=b"x")
    for call, arguments in [
        (s3.put_object_legal_hold, {"LegalHold": {"Status": "ON"}}),
        (s3.get_object_legal_hold, {}),
        (s3.put_object_retention, {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": later(1)}}),
        (s3.get_object_retention, {}),
        (s3.put_object, {"ObjectLockLegalHoldStatus": "ON"}),
        (s3.put_object, {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(1)}),
        (s3.create_multipart_upload, {"ObjectLockLegalHoldStatus": "ON"}),
    ]:
        assert refusal(call, Bucket=plain, Key="k", **arguments) == (400, "InvalidRequest"), arguments


def test_what_makes_no_lock_is_refused(account):
    s3, bucket = locked_bucket(account)
    for lock in [
        {"ObjectLockMode": "GOVERNANCE"},
        {"ObjectLockRetainUntilDate": later(1)},
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(-1)},
        {"ObjectLockMode": "governance", "ObjectLockRetainUntilDate": later(1)},
        {"ObjectLockLegalHoldStatus": "MAYBE"},
    ]:
        assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **lock) == (400, "InvalidArgument"), lock
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for retention, code in [
        ({"Mode": "GOVERNANCE"}, "MalformedXML"),
        ({"RetainUntilDate": later(1)}, "MalformedXML"),
        ({"Mode": "abc", "RetainUntilDate": later(1)}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "RetainUntilDate": later(-1)}, "InvalidArgument"),
    ]:
        assert refusal(s3.put_object_retention, Bucket=bucket, Key="k", Retention=retention) == (400, code)


def test_locked_payloads_need_a_digest(account):
    """boto3 always sends one; a bare request need not."""
    _, bucket = locked_bucket(account, {"Mode": "GOVERNANCE", "Days": 1})

    def put(**headers) -> int:
        url = f"{account.endpoint}/{bucket}/k"
        request = AWSRequest(method="PUT", url=url, data=b"x", headers=headers)
        credentials = Credentials(account.access_key_id, account.secret_access_key)
        S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
        sent = urllib.request.Request(url, data=b"x", headers=dict(request.headers), method="PUT")
        try:
            with urllib.request.urlopen(sent) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            assert b"<Code>InvalidRequest</Code>" in error.read()
            return error.code

    assert put() == 400
    assert put(**{"Content-MD5": "ndTkYSaMgDT1yFZOFVxnpg=="}) == 200
    assert put(**{"x-amz-checksum-crc32": "jNwWgw=="}) == 200


def test_only_those_who_may_see_and_set_locks(account):
    s3, bucket = locked_bucket(account)
    objects = f"arn:aws:s3:::{bucket}/*"
    until = later(5)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until, "ObjectLockLegalHoldStatus": "ON"}
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x", **lock)["VersionId"]
    reader = account.user("reader", allow(["s3:GetObject", "s3:GetObjectLegalHold"], objects)).client("s3")
    head = reader.head_object(Bucket=bucket, Key="k")
    assert (head.get("ObjectLockMode"), head["ObjectLockLegalHoldStatus"]) == (None, "ON")
    writer = account.user("writer", allow("s3:PutObject", objects)).client("s3")
    writer.put_object(Bucket=bucket, Key="w", Body=b"x")
    assert refusal(writer.put_object, Bucket=bucket, Key="w", Body=b"x", **lock) == (403, "AccessDenied")
    limit = {"NumericLessThan": {"s3:object-lock-remaining-retention-days": "10"}}
    keeper = account.user("keeper", allow("s3:PutObjectRetention", objects, Condition=limit)).client("s3")
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": later(20)}
    one = {"Bucket": bucket, "Key": "k", "VersionId": version}
    assert refusal(keeper.put_object_retention, **one, Retention=retention) == (403, "AccessDenied")
    keeper.put_object_retention(**one, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later(8)})
    maker = account.user("maker", allow("s3:CreateBucket")).client("s3")
    maker.create_bucket(Bucket=f"{bucket}-a")
    assert refusal(maker.create_bucket, Bucket=f"{bucket}-b", ObjectLockEnabledForBucket=True)[0] == 403
