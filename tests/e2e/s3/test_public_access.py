"""Block Public Access of buckets and accounts, policy status, and the way back into a policy that locks its owner out."""

import json
import re
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow
from .test_acl import check, nobody, open_bucket, other  # noqa: F401

OFF = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False)


def public(bucket: str) -> str:
    return json.dumps(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*"))


def block(s3, bucket: str, **switches) -> None:
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OFF | switches)


def control(account):
    """A client of S3 Control. It puts the account's id before the host's name, which an address in numbers cannot have."""
    client = account.client("s3control", inject_host_prefix=False)

    def to_the_server(request, **_):
        parts = urllib.parse.urlsplit(request.url)
        host = re.sub(r"^\d{12}\.", "", parts.netloc)
        request.url = urllib.parse.urlunsplit(parts._replace(netloc=host))

    client.meta.events.register_first("request-created.s3-control", to_the_server)
    return client


def test_each_switch_does_what_it_says(account):
    s3, anonymous = account.client("s3"), nobody(account)
    bucket = open_bucket(account)
    block(s3, bucket, BlockPublicAcls=True)
    for canned in ("public-read", "public-read-write", "authenticated-read"):
        check(s3.put_bucket_acl, "AccessDenied", 403, Bucket=bucket, ACL=canned)
        check(s3.put_object, "AccessDenied", 403, Bucket=bucket, Key="k", ACL=canned)
    s3.put_object(Bucket=bucket, Key="k", Body=b"bytes", ACL="private")
    block(s3, bucket, BlockPublicPolicy=True)
    check(s3.put_bucket_policy, "AccessDenied", 403, Bucket=bucket, Policy=public(bucket))
    named = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": account.id})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(named))
    s3.delete_bucket_policy(Bucket=bucket)

    s3.delete_public_access_block(Bucket=bucket)
    check(s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", 404, Bucket=bucket)
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    assert anonymous.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"
    block(s3, bucket, IgnorePublicAcls=True)
    check(anonymous.get_object, "AccessDenied", 403, Bucket=bucket, Key="k")
    s3.put_bucket_policy(Bucket=bucket, Policy=public(bucket))
    assert anonymous.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"
    block(s3, bucket, RestrictPublicBuckets=True)
    check(anonymous.get_object, "AccessDenied", 403, Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"


def test_an_account_can_block_for_all_its_buckets(account, other):  # noqa: F811
    s3, anonymous, own = account.client("s3"), nobody(account), control(account)
    bucket = open_bucket(account)
    s3.put_object(Bucket=bucket, Key="k", Body=b"bytes", ACL="public-read")
    check(own.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", 404, AccountId=account.id)
    wanted = OFF | {"IgnorePublicAcls": True, "BlockPublicPolicy": True}
    own.put_public_access_block(AccountId=account.id, PublicAccessBlockConfiguration=wanted)
    assert own.get_public_access_block(AccountId=account.id)["PublicAccessBlockConfiguration"] == wanted
    check(anonymous.get_object, "AccessDenied", 403, Bucket=bucket, Key="k")
    check(s3.put_bucket_policy, "AccessDenied", 403, Bucket=bucket, Policy=public(bucket))
    check(control(other).get_public_access_block, "AccessDenied", 403, AccountId=account.id)
    ada = account.user("ada", allow("s3:*", "arn:aws:s3:::*"))
    check(control(ada).delete_public_access_block, "AccessDenied", 403, AccountId=account.id)
    own.delete_public_access_block(AccountId=account.id)
    assert anonymous.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "000000000000"}}, False),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}, False),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}, False),
        ({"Principal": "*", "Condition": {"StringLike": {"aws:SourceVpce": "vpce-*"}}}, True),
    ],
)
def test_policy_status_says_what_is_public(account, more, expected):
    s3, bucket = account.client("s3"), open_bucket(account)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", **more)))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is expected


def test_root_gets_back_unless_it_confirmed_otherwise(account):
    s3, bucket = account.client("s3"), account.bucket()
    locks = json.dumps(allow("s3:*", [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], effect="Deny", Principal="*"))
    s3.put_bucket_policy(Bucket=bucket, Policy=locks)
    check(s3.list_objects_v2, "AccessDenied", 403, Bucket=bucket)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == locks
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=locks, ConfirmRemoveSelfBucketAccess=True)
    for call in (s3.get_bucket_policy, s3.delete_bucket_policy):
        with pytest.raises(ClientError) as raised:
            call(Bucket=bucket)
        assert raised.value.response["Error"]["Code"] == "AccessDenied"
