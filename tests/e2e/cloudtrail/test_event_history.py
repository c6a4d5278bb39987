"""The event history as boto3 and the aws CLI read it: changes and refusals, at once."""

import json

import pytest
from botocore.exceptions import ClientError

from ..cli.test_objects import text
from ..conftest import allow


def history(account, key: str, value: str) -> list[dict]:
    """Records, newest first."""
    pages = account.client("cloudtrail").get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}], PaginationConfig={"PageSize": 2}
    )
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]


def test_a_change_and_a_refusal_are_on_record(account):
    ada = account.user("ada")
    with pytest.raises(ClientError) as raised:
        ada.client("iam").create_user(UserName="eve")
    refused, *made = history(account, "EventName", "CreateUser")
    assert refused["errorCode"] == "AccessDenied"
    assert refused["errorMessage"] == raised.value.response["Error"]["Message"]
    assert refused["requestID"] == raised.value.response["ResponseMetadata"]["RequestId"]
    assert refused["userIdentity"]["userName"] == "ada"
    assert [record["requestParameters"]["userName"] for record in made] == ["ada"]
    assert not any("errorCode" in record for record in made)
    told = ada.access_key_id
    assert [record["eventName"] for record in history(account, "AccessKeyId", told)] == ["CreateUser"]


def test_what_was_answered_is_on_record_without_its_secrets(account):
    ada = account.user("ada")
    iam, sts, kms = account.client("iam"), ada.client("sts"), account.client("kms")
    principal = {"AWS": f"arn:aws:iam::{account.id}:user/ada"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust)["Role"]
    assumed = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="s1")
    given, own = assumed["Credentials"], sts.get_session_token()["Credentials"]
    key = kms.create_key()["KeyMetadata"]
    data_key = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
    iam.update_user(UserName="ada", NewPath="/people/")
    with pytest.raises(ClientError):
        iam.create_user(UserName="ada")

    answers = lambda name: [record["responseElements"] for record in history(account, "EventName", name)]
    refused, created = answers("CreateUser")
    assert refused is None and created["user"]["arn"] == principal["AWS"]
    (made,) = answers("CreateAccessKey")
    assert made["accessKey"]["accessKeyId"] == ada.access_key_id and made["accessKey"]["status"] == "Active"
    (session,) = answers("AssumeRole")
    assert session["credentials"]["accessKeyId"] == given["AccessKeyId"] and session["credentials"]["expiration"]
    assert session["assumedRoleUser"]["arn"] == assumed["AssumedRoleUser"]["Arn"]
    assert [answer["credentials"]["accessKeyId"] for answer in answers("GetSessionToken")] == [own["AccessKeyId"]]
    assert [answer["role"]["roleId"] for answer in answers("CreateRole")] == [role["RoleId"]]
    assert [answer["keyMetadata"]["keyId"] for answer in answers("CreateKey")] == [key["KeyId"]]
    # What answers nothing, and what is S3's.
    account.bucket()
    assert answers("UpdateUser") == [None] and answers("CreateBucket") == [None]
    shown = account.aws("cloudtrail", "lookup-events").stdout + text(account, "audit", "search")
    assert given["AccessKeyId"] in shown and own["AccessKeyId"] in shown
    secrets = [ada.secret_access_key, data_key["Plaintext"].hex()]
    secrets += [of[name] for of in (given, own) for name in ("SecretAccessKey", "SessionToken")]
    assert not any(secret in shown for secret in secrets)


def test_the_history_is_for_those_who_may_and_of_their_account(server, account):
    ada = account.user("ada")
    with pytest.raises(ClientError) as raised:
        ada.client("cloudtrail").lookup_events()
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    assert len(account.user("bob", allow("cloudtrail:LookupEvents")).client("cloudtrail").lookup_events()["Events"]) > 0
    others = server.root().client("cloudtrail").lookup_events(MaxResults=50)["Events"]
    assert all(json.loads(event["CloudTrailEvent"])["recipientAccountId"] != account.id for event in others)
