"""IAM and STS as boto3 and the aws CLI use them: users, keys, policies, and what they let through."""

import datetime
import json

import pytest
from botocore.exceptions import ClientError

from ..conftest import Account, allow

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def check(call, code: str, words: str = "", **arguments) -> None:
    """The call fails with `code`, and says `words`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == code and words in error["Message"], error


def test_callers_are_told_who_they_are(account):
    ada = account.user("ada")
    root, user = (who.client("sts").get_caller_identity() for who in (account, ada))
    assert (root["Account"], root["Arn"]) == (account.id, f"arn:aws:iam::{account.id}:root")
    assert user["Arn"] == f"arn:aws:iam::{account.id}:user/ada" and user["UserId"].startswith("AIDA")
    told = json.loads(ada.aws("sts", "get-caller-identity").stdout)
    assert told["Arn"] == user["Arn"]


def test_documents_come_back_as_they_were_put(account):
    iam = account.client("iam")
    document = allow(["s3:GetObject"], "arn:aws:s3:::a+b%20ü/${aws:username}/*", Sid="One")
    iam.create_user(UserName="ada", Path="/lab/")
    iam.put_user_policy(UserName="ada", PolicyName="own", PolicyDocument=json.dumps(document))
    assert iam.get_user_policy(UserName="ada", PolicyName="own")["PolicyDocument"] == document
    policy = iam.create_policy(PolicyName="shared", PolicyDocument=json.dumps(document))["Policy"]
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert version["Document"] == document and version["IsDefaultVersion"]


def test_users_live_and_end(account):
    iam = account.client("iam")
    for name in ("c", "a", "b"):
        iam.create_user(UserName=name)
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2})
    assert [[user["UserName"] for user in page["Users"]] for page in pages] == [["a", "b"], ["c"]]
    check(iam.create_user, "EntityAlreadyExists", UserName="A")
    iam.update_user(UserName="a", NewUserName="d", NewPath="/x/")
    assert iam.get_user(UserName="d")["User"]["Arn"] == f"arn:aws:iam::{account.id}:user/x/d"
    iam.put_user_policy(UserName="d", PolicyName="p", PolicyDocument=json.dumps(allow("s3:*")))
    iam.attach_user_policy(UserName="d", PolicyArn=ADMINISTRATOR)
    key = iam.create_access_key(UserName="d")["AccessKey"]["AccessKeyId"]
    iam.create_access_key(UserName="d")
    check(iam.create_access_key, "LimitExceeded", "AccessKeysPerUser", UserName="d")
    for first, undo in (
        ("delete access keys", lambda: iam.delete_access_key(UserName="d", AccessKeyId=key)),
        ("delete access keys", lambda: iam.delete_access_key(UserName="d", AccessKeyId=left(iam, "d"))),
        ("delete policies", lambda: iam.delete_user_policy(UserName="d", PolicyName="p")),
        ("detach all policies", lambda: iam.detach_user_policy(UserName="d", PolicyArn=ADMINISTRATOR)),
    ):
        check(iam.delete_user, "DeleteConflict", first, UserName="d")
        undo()
    iam.delete_user(UserName="d")
    check(iam.get_user, "NoSuchEntity", UserName="d")


def left(iam, user: str) -> str:
    return iam.list_access_keys(UserName=user)["AccessKeyMetadata"][0]["AccessKeyId"]


def test_policies_open_and_close_at_once(account):
    iam, ada = account.client("iam"), account.user("ada")
    check(ada.client("iam").list_users, "AccessDenied", "no identity-based policy allows the iam:ListUsers action")
    iam.attach_user_policy(UserName="ada", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    assert [user["UserName"] for user in ada.client("iam").list_users()["Users"]] == ["ada"]
    check(ada.client("iam").create_user, "AccessDenied", UserName="eve")
    deny = allow("iam:List*", effect="Deny")
    iam.put_user_policy(UserName="ada", PolicyName="deny", PolicyDocument=json.dumps(deny))
    check(ada.client("iam").list_users, "AccessDenied", "explicit deny in an identity-based policy")
    iam.delete_user_policy(UserName="ada", PolicyName="deny")
    ada.client("iam").list_users()
    iam.detach_user_policy(UserName="ada", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    check(ada.client("iam").list_users, "AccessDenied")


def test_a_user_minds_its_own_keys_and_no_others(account):
    own = allow(["iam:*AccessKey*", "iam:GetUser"], f"arn:aws:iam::{account.id}:user/${{aws:username}}")
    ada, _ = account.user("ada", own), account.user("bob")
    iam = ada.client("iam")
    assert iam.get_user()["User"]["UserName"] == "ada"
    second = iam.create_access_key()["AccessKey"]
    other = Account(account.id, account.endpoint, second["AccessKeyId"], second["SecretAccessKey"])
    assert other.client("iam").get_user()["User"]["UserName"] == "ada"
    iam.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    check(other.client("iam").get_user, "InvalidClientTokenId")
    iam.delete_access_key(AccessKeyId=second["AccessKeyId"])
    check(iam.create_access_key, "AccessDenied", UserName="bob")
    check(iam.get_user, "AccessDenied", UserName="bob")


def test_accounts_do_not_see_each_other(server, account):
    other = server.root()
    account.client("iam").create_user(UserName="ada")
    policy = account.client("iam").create_policy(PolicyName="own", PolicyDocument=json.dumps(allow("s3:*")))["Policy"]
    check(other.client("iam").get_user, "NoSuchEntity", UserName="ada")
    check(other.client("iam").get_policy, "AccessDenied", PolicyArn=policy["Arn"])
    check(other.client("iam").delete_policy, "AccessDenied", PolicyArn=policy["Arn"])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "Syntax errors in policy"),
        ("[]", "Syntax errors in policy"),
        ('{"Version":"2012-10-17"}', "Statement is missing"),
        (json.dumps(allow("GetObject")), "prefaced by a vendor"),
        (json.dumps(allow("s3:*", "bucket")), "must be in ARN format"),
        (json.dumps(allow("s3:*", effect="allow")), "neither Allow nor Deny"),
        (json.dumps(allow("s3:*", Principal="*")), "should not specify a principal"),
        (json.dumps(allow("s3:*", Condition={"StringIs": {"aws:username": "a"}})), "Invalid Condition type"),
        (json.dumps(allow("s3:*", Condition={"IpAddress": {"aws:SourceIp": "home"}})), "cannot be compared"),
        ('{"Statement":{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}}', "twice"),
        ('{"Statement":' * 200 + "1" + "}" * 200, "recursion limit"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_reason(account, document, words):
    account.client("iam").create_user(UserName="ada")
    put = account.client("iam").put_user_policy
    check(put, "MalformedPolicyDocument", words, UserName="ada", PolicyName="p", PolicyDocument=document)


def test_bad_input_is_refused(account):
    iam = account.client("iam", parameter_validation=False)
    iam.create_user(UserName="ada")
    for name in ("a b", "a/b", "ä", "x" * 65, "a\0b", "../a"):
        check(iam.create_user, "ValidationError", UserName=name)
    for path in ("x", "/x", "//" + "x" * 512 + "/", "/*/", "/${aws:username}/"):
        check(iam.create_user, "ValidationError", UserName="bob", Path=path)
    check(iam.create_user, "ValidationError", UserName="bob", Tags=[{"Key": "a", "Value": "<b>"}])
    reserved = [{"Key": "aws:a", "Value": "b"}]
    check(iam.create_user, "InvalidInput", "AWS's own", UserName="bob", Tags=reserved)
    nowhere = f"arn:aws:iam::{account.id}:policy/none"
    check(iam.create_user, "NoSuchEntity", "not attachable", UserName="bob", PermissionsBoundary=nowhere)
    check(iam.list_users, "ValidationError", Marker="?")
    check(iam.list_users, "ValidationError", MaxItems=0)
    check(iam.attach_user_policy, "NoSuchEntity", UserName="ada", PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")
    check(iam.delete_policy, "AccessDenied", "managed by AWS", PolicyArn=ADMINISTRATOR)
    check(iam.create_virtual_mfa_device, "InvalidAction", "not built", VirtualMFADeviceName="x")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["ada"]


def test_the_last_use_of_a_key_is_known_and_outlives_a_restart(own_server):
    own_server.start()
    account = own_server.accounts[0]
    ada = account.user("ada", allow("s3:ListAllMyBuckets"))

    def last_used() -> dict:
        found = account.client("iam").get_access_key_last_used(AccessKeyId=ada.access_key_id)
        assert found["UserName"] == "ada"
        return found["AccessKeyLastUsed"]

    assert last_used() == {"ServiceName": "N/A", "Region": "N/A"}
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    ada.client("s3").list_buckets()
    used = last_used()
    assert (used["ServiceName"], used["Region"]) == ("s3", "us-east-1")
    assert before <= used["LastUsedDate"] <= before + datetime.timedelta(minutes=5)
    # A call that policies refuse is a use of the key; one with a wrong signature is not.
    check(ada.client("iam").list_users, "AccessDenied", "iam:ListUsers")
    assert last_used()["ServiceName"] == "iam"
    forged = Account(ada.id, ada.endpoint, ada.access_key_id, "not the secret")
    check(forged.client("s3").list_buckets, "SignatureDoesNotMatch", "")
    assert last_used()["ServiceName"] == "iam"
    kept = last_used()
    own_server.stop()
    own_server.start()
    assert last_used() == kept
    for asking, key in [(own_server.accounts[1], ada.access_key_id), (account, "AKIANOBODY0000000000"), (ada, ada.access_key_id)]:
        asking.endpoint = own_server.endpoint
        check(asking.client("iam").get_access_key_last_used, "AccessDenied", "iam:GetAccessKeyLastUsed", AccessKeyId=key)
