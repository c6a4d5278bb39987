"""Grants: what they allow beside a key's policy, to whom, for which encryption contexts, and how they end."""

import json

from ..conftest import allow
from .test_keys import check, make

RAW = {"zone": "raw"}


def test_a_grant_lets_in_whom_it_names(account):
    kms = account.client("kms")
    name = make(kms)["KeyId"]
    reader, other = account.user("reader"), account.user("other")
    arn = f"arn:aws:iam::{account.id}:user/reader"
    check(reader.client("kms").encrypt, "AccessDeniedException", KeyId=name, Plaintext=b"x")
    made = kms.create_grant(KeyId=name, GranteePrincipal=arn, Operations=["Encrypt", "Decrypt"])
    sealed = reader.client("kms").encrypt(KeyId=name, Plaintext=b"x", GrantTokens=[made["GrantToken"]])
    assert reader.client("kms").decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == b"x"
    check(reader.client("kms").describe_key, "AccessDeniedException", KeyId=name)
    check(other.client("kms").encrypt, "AccessDeniedException", KeyId=name, Plaintext=b"x")
    check(kms.encrypt, "InvalidGrantTokenException", KeyId=name, Plaintext=b"x", GrantTokens=["bm9uZQ=="])
    [listed] = kms.list_grants(KeyId=name)["Grants"]
    assert (listed["GrantId"], listed["GranteePrincipal"], listed["IssuingAccount"]) == (
        made["GrantId"], arn, f"arn:aws:iam::{account.id}:root",
    )  # fmt: skip
    assert sorted(listed["Operations"]) == ["Decrypt", "Encrypt"]
    # A denial wins over a grant.
    iam = account.client("iam")
    iam.put_user_policy(
        UserName="reader", PolicyName="no", PolicyDocument=json.dumps(allow("kms:Encrypt", effect="Deny"))
    )
    check(reader.client("kms").encrypt, "AccessDeniedException", "explicit deny", KeyId=name, Plaintext=b"x")
    iam.delete_user_policy(UserName="reader", PolicyName="no")
    reader.client("kms").encrypt(KeyId=name, Plaintext=b"x")
    check(kms.revoke_grant, "DryRunOperationException", KeyId=name, GrantId=made["GrantId"], DryRun=True)
    kms.revoke_grant(KeyId=name, GrantId=made["GrantId"])
    check(reader.client("kms").encrypt, "AccessDeniedException", KeyId=name, Plaintext=b"x")
    check(kms.revoke_grant, "NotFoundException", KeyId=name, GrantId=made["GrantId"])
    check(kms.create_grant, "InvalidArnException", KeyId=name, GranteePrincipal="nobody", Operations=["Encrypt"])


def test_constraints_names_and_paging(account):
    kms = account.client("kms")
    name = make(kms)["KeyId"]
    reader = account.user("reader").client("kms")
    arn = f"arn:aws:iam::{account.id}:user/reader"
    common = {"KeyId": name, "GranteePrincipal": arn, "Operations": ["Encrypt"]}
    subset = kms.create_grant(**common, Constraints={"EncryptionContextSubset": RAW}, Name="once")
    again = kms.create_grant(**common, Constraints={"EncryptionContextSubset": RAW}, Name="once")
    assert again["GrantId"] == subset["GrantId"]
    reader.encrypt(KeyId=name, Plaintext=b"x", EncryptionContext=RAW | {"more": "1"})
    check(reader.encrypt, "AccessDeniedException", KeyId=name, Plaintext=b"x")
    check(reader.encrypt, "AccessDeniedException", KeyId=name, Plaintext=b"x", EncryptionContext={"Zone": "raw"})
    kms.revoke_grant(KeyId=name, GrantId=subset["GrantId"])
    kms.create_grant(**common, Constraints={"EncryptionContextEquals": RAW})
    reader.encrypt(KeyId=name, Plaintext=b"x", EncryptionContext=RAW)
    check(reader.encrypt, "AccessDeniedException", KeyId=name, Plaintext=b"x", EncryptionContext=RAW | {"more": "1"})
    for number in range(4):
        kms.create_grant(**common, Name=f"n{number}")
    pages = list(kms.get_paginator("list_grants").paginate(KeyId=name, PaginationConfig={"PageSize": 2}))
    assert [len(page["Grants"]) for page in pages] == [2, 2, 1]
    assert kms.list_grants(KeyId=name, GranteePrincipal=f"arn:aws:iam::{account.id}:user/none")["Grants"] == []
    pair = make(kms, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyId"]
    check(kms.create_grant, "ValidationException", **(common | {"KeyId": pair}))


def test_grants_are_retired_by_whom_they_name(account, server):
    kms = account.client("kms")
    key = make(kms)
    retiring = account.user("retiring")
    arn = f"arn:aws:iam::{account.id}:user/retiring"
    grantee = f"arn:aws:iam::{account.id}:user/reader"
    reader = account.user("reader")
    common = {"KeyId": key["KeyId"], "GranteePrincipal": grantee, "RetiringPrincipal": arn, "Operations": ["Encrypt"]}
    by_token, by_id = kms.create_grant(**common), kms.create_grant(**common)
    retirable = kms.list_retirable_grants(RetiringPrincipal=arn)["Grants"]
    assert {grant["GrantId"] for grant in retirable} == {by_token["GrantId"], by_id["GrantId"]}
    check(reader.client("kms").retire_grant, "AccessDeniedException", GrantToken=by_token["GrantToken"])
    client = retiring.client("kms")
    check(client.retire_grant, "DryRunOperationException", GrantToken=by_token["GrantToken"], DryRun=True)
    client.retire_grant(GrantToken=by_token["GrantToken"])
    client.retire_grant(KeyId=key["Arn"], GrantId=by_id["GrantId"])
    assert kms.list_grants(KeyId=key["KeyId"])["Grants"] == []
    # Across accounts: a grant is all that somebody of another account needs.
    other = server.root()
    other_user = other.user("grantee")
    made = kms.create_grant(
        KeyId=key["KeyId"],
        GranteePrincipal=f"arn:aws:iam::{other.id}:user/grantee",
        RetiringPrincipal=f"arn:aws:iam::{other.id}:root",
        Operations=["Encrypt"],
    )
    assert other_user.client("kms").encrypt(KeyId=key["Arn"], Plaintext=b"x")["KeyId"] == key["Arn"]
    other.client("kms").retire_grant(KeyId=key["Arn"], GrantId=made["GrantId"])
    check(other_user.client("kms").encrypt, "AccessDeniedException", KeyId=key["Arn"], Plaintext=b"x")


def test_what_policies_say_of_grants(account):
    kms = account.client("kms")
    name = make(kms)["KeyId"]
    limited = account.user(
        "limited",
        allow(
            "kms:CreateGrant",
            Condition={
                "ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt", "Decrypt"]},
                "StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"},
                "StringLike": {"kms:GranteePrincipal": f"arn:aws:iam::{account.id}:user/lake-*"},
                "Bool": {"kms:GrantIsForAWSResource": "false"},
            },
        ),
    ).client("kms")
    fits = {
        "KeyId": name,
        "GranteePrincipal": f"arn:aws:iam::{account.id}:user/lake-reader",
        "Operations": ["Encrypt"],
        "Constraints": {"EncryptionContextSubset": RAW},
    }
    limited.create_grant(**fits)
    for change in (
        {"Operations": ["Encrypt", "Sign"]},
        {"GranteePrincipal": f"arn:aws:iam::{account.id}:user/reader"},
        {"Constraints": {"EncryptionContextEquals": RAW}},
    ):
        check(limited.create_grant, "AccessDeniedException", **(fits | change))


def test_a_grant_reads_objects(account):
    """S3 asks for the key as whoever reads: a grant is enough, for the objects of its constraint."""
    s3, kms, bucket = account.client("s3"), account.client("kms"), account.bucket()
    name = make(kms)["KeyId"]
    for key in ("mine", "other"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=name)
    reader = account.user("reader", allow("s3:*")).client("s3")
    check(reader.get_object, "AccessDenied", Bucket=bucket, Key="mine")
    made = kms.create_grant(
        KeyId=name,
        GranteePrincipal=f"arn:aws:iam::{account.id}:user/reader",
        Operations=["Decrypt"],
        Constraints={"EncryptionContextSubset": {"aws:s3:arn": f"arn:aws:s3:::{bucket}/mine"}},
    )
    assert reader.get_object(Bucket=bucket, Key="mine")["Body"].read() == b"x"
    check(reader.get_object, "AccessDenied", Bucket=bucket, Key="other")
    kms.revoke_grant(KeyId=name, GrantId=made["GrantId"])
    check(reader.get_object, "AccessDenied", Bucket=bucket, Key="mine")
