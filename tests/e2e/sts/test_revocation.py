"""Who is out is out at once, on every service, and in the midst of what they had begun."""

import datetime
import json
import secrets

import pytest
import urllib3
from botocore.exceptions import ClientError

from ..conftest import Account, allow
from .test_sessions import assume, holder, role, trust, user_arn


def out(revoked: Account, upload: dict, url: str, codes: set[str]) -> None:
    """Every service refuses the caller, and the upload that they began cannot go on."""
    s3 = revoked.client("s3")
    calls = {
        "s3": s3.list_buckets,
        "upload_part": lambda: s3.upload_part(**upload, PartNumber=2, Body=b"2"),
        "list_parts": lambda: s3.list_parts(**upload),
        "complete": lambda: s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]}),
        "glue": revoked.client("glue").get_databases,
        "athena": revoked.client("athena").list_work_groups,
        "firehose": lambda: revoked.client("firehose").describe_delivery_stream(DeliveryStreamName="none"),
        "kms": revoked.client("kms").list_keys,
        "iam": revoked.client("iam").list_roles,
        "sts": lambda: revoked.client("sts").get_access_key_info(AccessKeyId=revoked.access_key_id),
        "cloudtrail": revoked.client("cloudtrail").lookup_events,
    }
    for name, call in calls.items():
        with pytest.raises(ClientError) as raised:
            call()
        error = raised.value.response["Error"]
        assert error["Code"] in codes, (name, error)
    # InvalidToken is a 400, on AWS too.
    assert urllib3.request("GET", url).status in (400, 403)


def begun(caller: Account, bucket: str) -> tuple[dict, str]:
    """An upload with a part, which goes on so far; and a presigned URL, which works so far."""
    s3 = caller.client("s3", signature_version="s3v4")
    key = secrets.token_hex(4)
    upload = {"Bucket": bucket, "Key": key}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    s3.upload_part(**upload, PartNumber=1, Body=b"1" * (5 << 20))
    s3.put_object(Bucket=bucket, Key="signed", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "signed"})
    assert urllib3.request("GET", url).status == 200
    for service, call in (("glue", "get_databases"), ("athena", "list_work_groups"), ("kms", "list_keys")):
        getattr(caller.client(service), call)()
    caller.client("firehose").list_delivery_streams()
    caller.client("cloudtrail").lookup_events()
    return upload, url


GONE = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken"}
DENIED = {"AccessDenied", "AccessDeniedException"}


def test_a_user_who_is_removed_is_out(account):
    iam, bucket = account.client("iam"), account.bucket()
    ada = account.user("ada", allow("*"))
    arn = role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    own = holder(account, ada.client("sts").get_session_token()["Credentials"])
    callers = [(caller, *begun(caller, bucket)) for caller in (ada, own)]
    session = assume(ada, arn)
    iam.delete_access_key(UserName="ada", AccessKeyId=ada.access_key_id)
    iam.delete_user_policy(UserName="ada", PolicyName="policy-0")
    iam.delete_user(UserName="ada")
    for caller, upload, url in callers:
        out(caller, upload, url, GONE)
    # As on AWS, the session of a role is the role's and goes on; nobody can take another.
    session.client("s3").list_buckets()


def test_a_key_that_is_disabled_is_out_until_it_is_active_again(account):
    iam, bucket = account.client("iam"), account.bucket()
    ada = account.user("ada", allow("*"))
    upload, url = begun(ada, bucket)
    iam.update_access_key(UserName="ada", AccessKeyId=ada.access_key_id, Status="Inactive")
    out(ada, upload, url, GONE)
    iam.update_access_key(UserName="ada", AccessKeyId=ada.access_key_id, Status="Active")
    parts = ada.client("s3").list_parts(**upload)["Parts"]
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    ada.client("s3").complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert ada.client("s3").head_object(Bucket=bucket, Key=upload["Key"])["ContentLength"] == 5 << 20


def test_sessions_that_are_revoked_are_out_and_later_ones_are_not(account):
    iam, bucket = account.client("iam"), account.bucket()
    ada = account.user("ada")
    arn = role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    session = assume(ada, arn)
    upload, url = begun(session, bucket)
    # As the console writes it; the time is that of the click, and of the next second here, so that nothing has to be waited for.
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    revoke = allow("*", effect="Deny", Condition={"DateLessThan": {"aws:TokenIssueTime": now.strftime("%Y-%m-%dT%H:%M:%S.000Z")}})
    revoke = json.dumps(revoke)
    iam.put_role_policy(RoleName="all", PolicyName="AWSRevokeOlderSessions", PolicyDocument=revoke)
    out(session, upload, url, DENIED)
    # GetCallerIdentity needs no permission, on AWS neither.
    assert session.client("sts").get_caller_identity()["Arn"].endswith("assumed-role/all/s1")
    before = revoke.replace(now.strftime("%Y-%m-%dT%H"), "2020-01-01T00")
    iam.put_role_policy(RoleName="all", PolicyName="AWSRevokeOlderSessions", PolicyDocument=before)
    session.client("s3").list_parts(**upload)


def test_a_role_that_is_removed_is_out(account):
    iam, bucket = account.client("iam"), account.bucket()
    ada = account.user("ada")
    arn = role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    session = assume(ada, arn)
    upload, url = begun(session, bucket)
    iam.delete_role_policy(RoleName="all", PolicyName="policy-0")
    out(session, upload, url, DENIED)
    iam.delete_role(RoleName="all")
    # Another of the same name is another.
    role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    out(session, upload, url, GONE)
