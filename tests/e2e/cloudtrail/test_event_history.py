"""The event history as boto3 and the aws CLI read it: changes and refusals, at once."""

import json

import pytest
from botocore.exceptions import ClientError

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


def test_no_secret_is_on_record(account):
    ada = account.user("ada")
    records = account.aws("cloudtrail", "lookup-events").stdout
    assert "CreateAccessKey" in records and ada.secret_access_key not in records


def test_the_history_is_for_those_who_may_and_of_their_account(server, account):
    ada = account.user("ada")
    with pytest.raises(ClientError) as raised:
        ada.client("cloudtrail").lookup_events()
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    assert len(account.user("bob", allow("cloudtrail:LookupEvents")).client("cloudtrail").lookup_events()["Events"]) > 0
    others = server.root().client("cloudtrail").lookup_events(MaxResults=50)["Events"]
    assert all(json.loads(event["CloudTrailEvent"])["recipientAccountId"] != account.id for event in others)
