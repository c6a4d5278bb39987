"""Service and resource control policies of the configuration file, as boto3 meets them."""

import json

import pytest
from botocore.exceptions import ClientError

from ..conftest import Account, allow


def refused(call, words: str, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException") and words in error["Message"], error


def test_an_organization_binds_its_member_accounts(own_server, tmp_path):
    def policy(name: str, document: dict) -> str:
        path = tmp_path / name
        path.write_text(json.dumps(document))
        return str(path)

    members = [account.id for account in own_server.accounts] + ["000000000009"]
    no_buckets = policy("no-buckets.json", allow("s3:DeleteBucket", effect="Deny"))
    only_s3 = policy("only-s3.json", allow(["s3:*", "sts:*"]))
    only_ours = policy(
        "only-ours.json",
        allow(
            "s3:*",
            effect="Deny",
            Principal="*",
            Condition={"StringNotEquals": {"aws:PrincipalAccount": members}},
        ),
    )
    own_server.settings = (
        f'[organization]\nservice_control_policies = ["FullAWSAccess", "{no_buckets}"]\n'
        f'resource_control_policies = ["{only_ours}"]\n\n'
        '[[accounts]]\nid = "000000000009"\nroot_access_key_id = "AKIATESTNINE"\n'
        f'root_secret_access_key = "secret-of-account-nine"\nservice_control_policies = ["{only_s3}"]\n'
    )
    own_server.start()
    member, other = own_server.accounts[:2]
    narrow = Account("000000000009", own_server.endpoint, "AKIATESTNINE", "secret-of-account-nine")
    management = own_server.root()

    # A member's root is bound, the management account is not.
    bucket = member.bucket()
    refused(member.client("s3").delete_bucket, "explicit deny in a service control policy", Bucket=bucket)
    management.client("s3").delete_bucket(Bucket=management.bucket())
    # An account's own policies are a level of their own.
    narrow.bucket()
    refused(narrow.client("glue").get_databases, "no service control policy allows")
    assert member.client("glue").get_databases()["DatabaseList"] == []

    # Whoever is of no member account is kept from a member's bucket, whatever the bucket says.
    grant = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": [other.id, management.id]}, "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
        ],
    }
    member.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(grant))
    other.client("s3").list_objects_v2(Bucket=bucket)
    refused(management.client("s3").list_objects_v2, "explicit deny in a resource control policy", Bucket=bucket)
    own_server.stop()


def test_policies_know_the_organization_by_its_id(own_server):
    own_server.settings = '[organization]\nid = "o-a1b2c3d4e5"\n'
    own_server.start()
    member, other = own_server.accounts[:2]
    bucket = member.bucket()
    # Some of these policies count as public.
    member.client("s3").delete_public_access_block(Bucket=bucket)
    ours, others = own_server.root(), other.user("ada", allow("s3:*"))
    for key, operator, value, reads in [
        ("aws:PrincipalOrgID", "StringEquals", "o-a1b2c3d4e5", True),
        ("aws:PrincipalOrgID", "StringEquals", "o-0123456789", False),
        ("aws:ResourceOrgID", "StringEquals", "${aws:PrincipalOrgID}", True),
        ("aws:PrincipalOrgPaths", "ForAnyValue:StringLike", "o-a1b2c3d4e5/*", True),
        ("aws:ResourceOrgPaths", "ForAnyValue:StringEquals", "o-a1b2c3d4e5/r-a1b2c3d4e5/", True),
    ]:
        policy = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Principal="*", Condition={operator: {key: value}})
        member.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        for reader in (ours, others):
            read = reader.client("s3").list_objects_v2
            if reads:
                read(Bucket=bucket)
            else:
                refused(read, "no resource-based policy allows", Bucket=bucket)
    own_server.stop()


def test_a_server_does_not_start_with_what_is_no_policy(own_server, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"Version": "2012-10-17", "Statement": [\n{"Effect": "Deny", "Action": "*", "Resource": "*"},\n{}]}')
    own_server.settings = f'[organization]\nservice_control_policies = ["{wrong}"]\n'
    with pytest.raises(RuntimeError, match="(?s)wrong.json is not right.*statement 2, at line 3, column 1"):
        own_server.start()
    assert own_server.process.wait(10) != 0
