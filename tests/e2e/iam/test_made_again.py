"""Whoever comes later by the name of somebody whom a policy let in is not let in: policies mean users and roles by their ids."""

import json

import pytest

from ..conftest import Account, allow
from ..terraform import ask


def bucket(account, principal: str):
    """What a policy of a bucket lets that principal do, and the policy put again."""
    name = account.bucket()
    policy = json.dumps(allow("s3:ListBucket", f"arn:aws:s3:::{name}", Principal={"AWS": principal}))
    put = lambda: account.client("s3").put_bucket_policy(Bucket=name, Policy=policy)
    put()
    return lambda by: ask(by.client("s3").list_objects_v2, Bucket=name), put


def key(account, principal: str, at_once: bool = False):
    """As `bucket`, of a key."""
    kms, root = account.client("kms"), f"arn:aws:iam::{account.id}:root"
    statements = [allow("kms:*", Principal={"AWS": root}), allow("kms:DescribeKey", Principal={"AWS": principal})]
    policy = json.dumps(allow("") | {"Statement": [one["Statement"][0] for one in statements]})
    made = kms.create_key(**({"Policy": policy} if at_once else {}))["KeyMetadata"]["KeyId"]
    put = lambda: kms.put_key_policy(KeyId=made, Policy=policy)
    if not at_once:
        put()
    return lambda by: ask(by.client("kms").describe_key, KeyId=made), put


def key_with_policy(account, principal: str):
    return key(account, principal, at_once=True)


def grant(account, principal: str):
    """As `bucket`, of a grant."""
    kms = account.client("kms")
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    put = lambda: kms.create_grant(KeyId=made, GranteePrincipal=principal, Operations=["DescribeKey"])
    put()
    return lambda by: ask(by.client("kms").describe_key, KeyId=made), put


def user(account) -> tuple[Account, str]:
    return account.user("ada"), f"arn:aws:iam::{account.id}:user/ada"


def role(account) -> tuple[Account, str]:
    trust = allow("sts:AssumeRole", Principal={"AWS": account.id})
    del trust["Statement"][0]["Resource"]
    account.client("iam").create_role(RoleName="ada", AssumeRolePolicyDocument=json.dumps(trust))
    arn = f"arn:aws:iam::{account.id}:role/ada"
    names = [one["UserName"] for one in account.client("iam").list_users()["Users"]]
    by = account.user(f"taker-{len(names)}", allow("sts:AssumeRole"))
    taken = by.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1")["Credentials"]
    return Account(account.id, account.endpoint, taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"]), arn


def remove(account, arn: str) -> None:
    iam = account.client("iam")
    if ":role/" in arn:
        return iam.delete_role(RoleName="ada")
    for key in iam.list_access_keys(UserName="ada")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="ada")


@pytest.mark.parametrize("of", [bucket, key, key_with_policy, grant])
@pytest.mark.parametrize("make", [user, role])
def test_who_is_made_again_is_another(account, make, of):
    first, arn = make(account)
    may, put = of(account, arn)
    assert isinstance(may(first), dict)
    remove(account, arn)
    second, _ = make(account)
    assert may(second) in ("AccessDenied", "AccessDeniedException")
    put()
    assert isinstance(may(second), dict)
