"""Object Ownership: whose objects are in a bucket that others may put into."""

import json

import pytest

from ..conftest import allow
from .test_acl import canonical_id, check, open_bucket, other  # noqa: F401


def everything(bucket: str) -> str:
    return json.dumps(allow("s3:*", [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], Principal="*"))


def test_new_buckets_are_as_on_aws(account):
    s3, bucket = account.client("s3"), account.bucket()
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    check(s3.put_bucket_acl, "AccessControlListNotSupported", 400, Bucket=bucket, ACL="private")
    check(s3.put_object, "AccessControlListNotSupported", 400, Bucket=bucket, Key="k", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Owner"]["ID"] == canonical_id(account)
    name = f"{bucket}-public"
    check(s3.create_bucket, "InvalidBucketAclWithObjectOwnership", 400, Bucket=name, ACL="public-read")
    check(
        s3.create_bucket,
        "InvalidBucketAclWithBlockPublicAccessError",
        400,
        Bucket=name,
        ACL="public-read",
        ObjectOwnership="ObjectWriter",
    )
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    check(s3.get_bucket_ownership_controls, "OwnershipControlsNotFoundError", 404, Bucket=bucket)


@pytest.mark.parametrize(
    ("ownership", "canned", "owner"),
    [
        ("ObjectWriter", None, "writer"),
        ("ObjectWriter", "bucket-owner-full-control", "writer"),
        ("BucketOwnerPreferred", None, "writer"),
        ("BucketOwnerPreferred", "private", "writer"),
        ("BucketOwnerPreferred", "bucket-owner-full-control", "bucket"),
        ("BucketOwnerEnforced", None, "bucket"),
        ("BucketOwnerEnforced", "bucket-owner-full-control", "bucket"),
    ],
)
def test_who_owns_what_another_account_puts(account, other, ownership, canned, owner):  # noqa: F811
    s3, theirs = account.client("s3"), other.client("s3")
    bucket = open_bucket(account, ownership)
    s3.put_bucket_policy(Bucket=bucket, Policy=everything(bucket))
    acl = {"ACL": canned} if canned else {}
    theirs.put_object(Bucket=bucket, Key="k", Body=b"bytes", **acl)
    upload = theirs.create_multipart_upload(Bucket=bucket, Key="parts", **acl)["UploadId"]
    theirs.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"}, **acl)
    expected = canonical_id(other if owner == "writer" else account)
    for key in ("k", "copy"):
        assert theirs.get_object_acl(Bucket=bucket, Key=key)["Owner"]["ID"] == expected
    assert theirs.list_parts(Bucket=bucket, Key="parts", UploadId=upload)["Owner"]["ID"] == expected
    listed = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"]
    assert {found["Owner"]["ID"] for found in listed} == {expected}
    if owner == "writer" and canned != "bucket-owner-full-control":
        # The bucket's own policy cannot give away what is not its owner's; its owner can still remove it.
        check(s3.get_object, "AccessDenied", 403, Bucket=bucket, Key="k")
        s3.delete_object(Bucket=bucket, Key="k")
    else:
        assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == 5


def test_lists_are_disabled_only_where_they_grant_nothing(account):
    s3 = account.client("s3")
    bucket = open_bucket(account, ACL="public-read")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    check(
        s3.put_bucket_ownership_controls,
        "InvalidBucketAclWithObjectOwnership",
        400,
        Bucket=bucket,
        OwnershipControls=enforced,
    )
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)
    check(s3.put_bucket_acl, "AccessControlListNotSupported", 400, Bucket=bucket, ACL="private")
