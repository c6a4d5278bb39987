"""What a refusal was about, decoded by boto3: who may know it, and who may not."""

import json

import pytest
from botocore.exceptions import ClientError

from ..conftest import Account, allow

HEADER = "x-tarn-authorization-message"


def refused(call, **arguments) -> str:
    """The message that comes with a refusal."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    assert response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), response
    message = response["ResponseMetadata"]["HTTPHeaders"][HEADER]
    assert len(message) <= 4_096
    return message


def decode(who: Account, message: str) -> dict:
    return json.loads(who.client("sts").decode_authorization_message(EncodedMessage=message)["DecodedMessage"])


def fails(who: Account, message: str, code: str):
    with pytest.raises(ClientError) as raised:
        who.client("sts").decode_authorization_message(EncodedMessage=message)
    assert raised.value.response["Error"]["Code"] == code


def conditions(decoded: dict) -> dict:
    items = decoded["context"]["conditions"]["items"]
    return {item["key"]: [value["value"] for value in item["values"]["items"]] for item in items}


def test_refusals_are_decoded_by_who_may(account, server, _accounts):
    bucket = account.bucket()
    ada = account.user("ada", allow("s3:ListAllMyBuckets"))
    message = refused(ada.client("s3").list_objects_v2, Bucket=bucket, Prefix="secret/")
    found = decode(account, message)
    assert (found["allowed"], found["explicitDeny"]) == (False, False)
    assert found["matchedStatements"] == {"items": []} and found["failures"] == {"items": []}
    context = found["context"]
    assert context["principal"]["arn"] == f"arn:aws:iam::{account.id}:user/ada"
    assert context["principal"]["id"].startswith("AIDA")
    assert (context["action"], context["resource"]) == ("s3:ListBucket", f"arn:aws:s3:::{bucket}")
    keys = conditions(found)
    assert keys["s3:prefix"] == ["secret/"] and keys["aws:sourceip"] == ["127.0.0.1"], keys

    # Glue speaks JSON; a statement denies.
    deny = allow("glue:*", effect="Deny")
    deny["Statement"][0]["Sid"] = "NoGlue"
    bob = account.user("bob", allow("*"), deny)
    message = refused(bob.client("glue").get_database, Name="raw")
    found = decode(account, message)
    assert found["explicitDeny"] is True
    assert found["matchedStatements"]["items"] == [{"statementId": "NoGlue", "effect": "DENY"}]
    assert found["context"]["action"] == "glue:GetDatabase"
    assert decode(bob, message) == found, "whoever is allowed to"

    # Not without the permission, not of another account, not another text.
    fails(ada, message, "AccessDenied")
    other = server.accounts[next(_accounts)]
    fails(other, message, "InvalidAuthorizationMessageException")
    flipped = message[:-10] + ("A" if message[-10] != "A" else "B") + message[-9:]
    for wrong in (flipped, message[:-1], "x"):
        fails(account, wrong, "InvalidAuthorizationMessageException")


def test_other_answers_have_no_message(account):
    bucket = account.bucket()
    answer = account.client("s3").list_objects_v2(Bucket=bucket)
    assert HEADER not in answer["ResponseMetadata"]["HTTPHeaders"]
    with pytest.raises(ClientError) as raised:
        account.client("s3").get_object(Bucket=bucket, Key="none")
    assert HEADER not in raised.value.response["ResponseMetadata"]["HTTPHeaders"]
    with pytest.raises(ClientError) as raised:
        account.client("glue").get_database(Name="none")
    assert HEADER not in raised.value.response["ResponseMetadata"]["HTTPHeaders"]
