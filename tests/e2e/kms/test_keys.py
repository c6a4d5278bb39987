"""KMS as boto3 and the aws CLI use it: keys, aliases, policies, and what is encrypted under them."""

import base64
import json

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow

CONTEXT = {"purpose": "test", "zone": "raw"}


def check(call, code: str, words: str = "", **arguments) -> None:
    """The call fails with `code`, and says `words`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == code and words in error.get("Message", ""), error


def make(kms, **arguments) -> dict:
    return kms.create_key(**arguments)["KeyMetadata"]


def test_keys_live_and_end(account):
    kms = account.client("kms")
    key = make(kms, Description="for tests", Tags=[{"TagKey": "a", "TagValue": "1"}])
    assert key["Arn"] == f"arn:aws:kms:us-east-1:{account.id}:key/{key['KeyId']}"
    assert (key["KeyState"], key["Enabled"], key["KeySpec"], key["KeyManager"], key["Description"]) == (
        "Enabled", True, "SYMMETRIC_DEFAULT", "CUSTOMER", "for tests",
    )  # fmt: skip
    assert kms.describe_key(KeyId=key["Arn"])["KeyMetadata"] == key
    others = {make(kms)["KeyId"] for _ in range(3)}
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
    listed = [entry["KeyId"] for page in pages for entry in page["Keys"]]
    assert len(pages) == 2 and set(listed) == others | {key["KeyId"]} and len(listed) == 4

    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"secret")["CiphertextBlob"]
    kms.disable_key(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    check(kms.encrypt, "DisabledException", key["Arn"], KeyId=key["KeyId"], Plaintext=b"x")
    check(kms.decrypt, "DisabledException", CiphertextBlob=sealed)
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"
    scheduled = kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert (scheduled["KeyId"], scheduled["KeyState"]) == (key["Arn"], "PendingDeletion")
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["DeletionDate"] == scheduled["DeletionDate"]
    check(kms.decrypt, "KMSInvalidStateException", "pending deletion", CiphertextBlob=sealed)
    check(kms.enable_key, "KMSInvalidStateException", KeyId=key["KeyId"])
    assert kms.cancel_key_deletion(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    check(kms.cancel_key_deletion, "KMSInvalidStateException", KeyId=key["KeyId"])
    check(kms.describe_key, "NotFoundException", KeyId="00000000-0000-0000-0000-000000000000")
    check(kms.create_key, "UnsupportedOperationException", KeySpec="ML_DSA_44", KeyUsage="SIGN_VERIFY")
    check(kms.create_key, "ValidationException", KeySpec="HMAC_256", KeyUsage="SIGN_VERIFY")
    kms.update_key_description(KeyId=key["KeyId"], Description="other words")
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Description"] == "other words"
    check(kms.schedule_key_deletion, "ValidationException", KeyId=next(iter(others)), PendingWindowInDays=3)

    kms.tag_resource(KeyId=key["KeyId"], Tags=[{"TagKey": "b", "TagValue": "2"}])
    kms.untag_resource(KeyId=key["KeyId"], TagKeys=["a"])
    assert kms.list_resource_tags(KeyId=key["KeyId"])["Tags"] == [{"TagKey": "b", "TagValue": "2"}]
    check(kms.tag_resource, "TagException", KeyId=key["KeyId"], Tags=[{"TagKey": "aws:x", "TagValue": ""}])


def test_ciphertexts_are_bound_to_key_and_context(account):
    kms = account.client("kms")
    key, other = make(kms), make(kms)
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"secret", EncryptionContext=CONTEXT)
    blob = sealed["CiphertextBlob"]
    assert sealed["KeyId"] == key["Arn"] and b"secret" not in blob
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=dict(reversed(CONTEXT.items())))
    assert (opened["Plaintext"], opened["KeyId"]) == (b"secret", key["Arn"])
    check(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=blob)
    check(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=blob, EncryptionContext=CONTEXT | {"more": "x"})
    check(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=b"never encrypted", EncryptionContext=CONTEXT)
    flipped = blob[:-1] + bytes([blob[-1] ^ 1])
    check(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=flipped, EncryptionContext=CONTEXT)
    arguments = {"CiphertextBlob": blob, "EncryptionContext": CONTEXT}
    check(kms.decrypt, "IncorrectKeyException", KeyId=other["KeyId"], **arguments)
    moved = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=other["KeyId"],
        DestinationEncryptionContext={"to": "other"},
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key["Arn"], other["Arn"])
    opened = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"to": "other"})
    assert (opened["Plaintext"], opened["KeyId"]) == (b"secret", other["Arn"])

    for arguments, size in (({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 64}, 64)):
        made = kms.generate_data_key(KeyId=key["KeyId"], EncryptionContext=CONTEXT, **arguments)
        assert len(made["Plaintext"]) == size
        opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
        assert opened["Plaintext"] == made["Plaintext"]
    hidden = kms.generate_data_key_without_plaintext(KeyId=key["KeyId"], KeySpec="AES_256")
    assert "Plaintext" not in hidden and len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == 32
    check(kms.generate_data_key, "ValidationException", KeyId=key["KeyId"])
    assert len(kms.generate_random(NumberOfBytes=24)["Plaintext"]) == 24


def test_aliases_name_keys(account):
    kms = account.client("kms")
    first, second = make(kms), make(kms)
    kms.create_alias(AliasName="alias/lake", TargetKeyId=first["KeyId"])
    arn = f"arn:aws:kms:us-east-1:{account.id}:alias/lake"
    for name in ("alias/lake", arn):
        assert kms.encrypt(KeyId=name, Plaintext=b"x")["KeyId"] == first["Arn"]
    check(kms.create_alias, "AlreadyExistsException", AliasName="alias/lake", TargetKeyId=second["KeyId"])
    check(kms.create_alias, "InvalidAliasNameException", AliasName="alias/aws/mine", TargetKeyId=second["KeyId"])
    kms.update_alias(AliasName="alias/lake", TargetKeyId=second["KeyId"])
    [listed] = kms.list_aliases()["Aliases"]
    assert (listed["AliasName"], listed["AliasArn"], listed["TargetKeyId"]) == ("alias/lake", arn, second["KeyId"])
    assert kms.list_aliases(KeyId=first["KeyId"])["Aliases"] == []
    kms.delete_alias(AliasName="alias/lake")
    check(kms.encrypt, "NotFoundException", KeyId="alias/lake", Plaintext=b"x")


def test_a_keys_policy_decides(account):
    kms = account.client("kms")
    key = make(kms)
    stored = json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])
    assert stored["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{account.id}:root"}
    assert kms.list_key_policies(KeyId=key["KeyId"])["PolicyNames"] == ["default"]
    may, may_not = account.user("may", allow("kms:*")), account.user("may-not")
    assert may.client("kms").encrypt(KeyId=key["KeyId"], Plaintext=b"x")["KeyId"] == key["Arn"]
    check(may_not.client("kms").encrypt, "AccessDeniedException", "kms:Encrypt", KeyId=key["KeyId"], Plaintext=b"x")

    # Without the account's own statement, identity policies count for nothing; a user who is named may without any.
    def statement(principal: str, action, **more) -> dict:
        return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"} | more

    arn = f"arn:aws:iam::{account.id}"
    named = [statement(f"{arn}:user/may-not", "kms:Encrypt"), statement(f"{arn}:root", "kms:PutKeyPolicy")]
    policy = json.dumps({"Version": "2012-10-17", "Statement": named})
    kms.put_key_policy(KeyId=key["KeyId"], Policy=policy)
    assert may_not.client("kms").encrypt(KeyId=key["KeyId"], Plaintext=b"x")["KeyId"] == key["Arn"]
    check(may.client("kms").encrypt, "AccessDeniedException", "resource-based", KeyId=key["KeyId"], Plaintext=b"x")
    check(kms.encrypt, "AccessDeniedException", KeyId=key["KeyId"], Plaintext=b"x")
    locked = json.dumps({"Version": "2012-10-17", "Statement": named[:1]})
    check(kms.put_key_policy, "MalformedPolicyDocumentException", "in the future", KeyId=key["KeyId"], Policy=locked)

    # A statement for one encryption context only.
    bound = statement(
        f"{arn}:root", ["kms:Encrypt", "kms:Put*"], Condition={"StringEquals": {"kms:EncryptionContext:zone": "raw"}}
    )
    policy = json.dumps({"Version": "2012-10-17", "Statement": [bound, named[1]]})
    kms.put_key_policy(KeyId=key["KeyId"], Policy=policy)
    kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"zone": "raw"})
    check(kms.encrypt, "AccessDeniedException", KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"zone": "ml"})


def test_another_account_needs_both(account, server):
    kms, other = account.client("kms"), server.root()
    key = make(kms)
    check(other.client("kms").encrypt, "AccessDeniedException", KeyId=key["Arn"], Plaintext=b"x")
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "kms:*", "Resource": "*"}
        for who in (account.id, other.id)
    ]
    kms.put_key_policy(KeyId=key["KeyId"], Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    sealed = other.client("kms").encrypt(KeyId=key["Arn"], Plaintext=b"shared")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"shared"


def test_the_cli_and_the_event_history(account, tmp_path):
    key = json.loads(account.aws("kms", "create-key").stdout)["KeyMetadata"]["KeyId"]
    (tmp_path / "plain").write_bytes(b"from the shell")
    context = ("--encryption-context", "zone=raw")
    plain, blob = f"fileb://{tmp_path / 'plain'}", f"fileb://{tmp_path / 'sealed'}"
    sealed = account.aws("kms", "encrypt", "--key-id", key, "--plaintext", plain, *context).stdout
    (tmp_path / "sealed").write_bytes(base64.b64decode(json.loads(sealed)["CiphertextBlob"]))
    opened = account.aws("kms", "decrypt", "--ciphertext-blob", blob, *context).stdout
    assert base64.b64decode(json.loads(opened)["Plaintext"]) == b"from the shell"
    assert account.aws("kms", "decrypt", "--ciphertext-blob", blob, check=False).returncode != 0
    events = account.client("cloudtrail").lookup_events()["Events"]
    assert "CreateKey" in {event["EventName"] for event in events}
    hidden = base64.b64encode(b"from the shell").decode()
    assert all(hidden not in event["CloudTrailEvent"] for event in events)
