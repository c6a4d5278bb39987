"""Access control lists between accounts, their users and nobody: what is asked for comes back, and what is granted works."""

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from ..conftest import REGION, allow

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
FULL = "FULL_CONTROL"


def check(call, code: str, status: int | None = None, **arguments) -> None:
    """The call fails with `code`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    assert response["Error"]["Code"] == code, response
    assert status is None or response["ResponseMetadata"]["HTTPStatusCode"] == status


def nobody(account):
    config = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return boto3.client("s3", endpoint_url=account.endpoint, region_name=REGION, config=config)


def canonical_id(account) -> str:
    return f"{int(account.id):064x}"


def open_bucket(account, ownership="ObjectWriter", **arguments) -> str:
    """A bucket in which lists work and nothing is blocked."""
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]}
    )
    s3.delete_public_access_block(Bucket=bucket)
    if arguments:
        s3.put_bucket_acl(Bucket=bucket, **arguments)
    return bucket


def lines(response) -> set:
    """The grants, in whatever order."""
    return {
        (grant["Grantee"].get("ID") or grant["Grantee"]["URI"], grant["Permission"]) for grant in response["Grants"]
    }


@pytest.fixture
def other(server, _accounts):
    """A second account of this test's own."""
    return server.accounts[next(_accounts)]


@pytest.mark.parametrize(
    ("canned", "besides"),
    [
        ("private", set()),
        ("public-read", {(ALL_USERS, "READ")}),
        ("public-read-write", {(ALL_USERS, "READ"), (ALL_USERS, "WRITE")}),
        ("authenticated-read", {(AUTHENTICATED_USERS, "READ")}),
    ],
)
def test_canned_lists_come_back(account, canned, besides):
    s3, bucket = account.client("s3"), open_bucket(account)
    s3.put_bucket_acl(Bucket=bucket, ACL=canned)
    s3.put_object(Bucket=bucket, Key="k", Body=b"bytes", ACL=canned)
    expected = {(canonical_id(account), FULL)} | besides
    for response in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        assert response["Owner"] == {"ID": canonical_id(account), "DisplayName": f"test-{account.id}"}
        assert lines(response) == expected
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    assert lines(s3.get_object_acl(Bucket=bucket, Key="k")) == {(canonical_id(account), FULL)}


def test_grants_name_accounts_by_id_and_address(account, other):
    s3, bucket = account.client("s3"), open_bucket(account)
    owner = s3.get_bucket_acl(Bucket=bucket)["Owner"]
    by_email = {"Type": "AmazonCustomerByEmail", "EmailAddress": f"{other.id}@example.com"}
    by_id = {"Type": "CanonicalUser", "ID": canonical_id(other)}
    grants = [{"Grantee": by_email, "Permission": "READ"}, {"Grantee": by_id, "Permission": "WRITE_ACP"}]
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": owner, "Grants": grants})
    assert lines(s3.get_bucket_acl(Bucket=bucket)) == {
        (canonical_id(other), "READ"),
        (canonical_id(other), "WRITE_ACP"),
    }
    s3.put_bucket_acl(
        Bucket=bucket, GrantRead=f'uri="{ALL_USERS}"', GrantFullControl=f"id={canonical_id(account)},id={canonical_id(other)}"
    )
    assert lines(s3.get_bucket_acl(Bucket=bucket)) == {
        (ALL_USERS, "READ"),
        (canonical_id(account), FULL),
        (canonical_id(other), FULL),
    }
    nowhere = {"Type": "AmazonCustomerByEmail", "EmailAddress": "nobody@example.invalid"}
    for grantee, code in ((nowhere, "UnresolvableGrantByEmailAddress"), (by_id | {"ID": "_foo"}, "InvalidArgument")):
        policy = {"Owner": owner, "Grants": [{"Grantee": grantee, "Permission": "READ"}]}
        check(s3.put_bucket_acl, code, 400, Bucket=bucket, AccessControlPolicy=policy)
    stolen = {"Owner": {"ID": canonical_id(other)}, "Grants": []}
    check(s3.put_bucket_acl, "AccessDenied", 403, Bucket=bucket, AccessControlPolicy=stolen)


def test_a_grant_lets_in_an_account_and_its_users_if_it_says_so(account, other):
    s3, theirs = account.client("s3"), other.client("s3")
    bucket = open_bucket(account)
    s3.put_object(Bucket=bucket, Key="k", Body=b"bytes", GrantRead=f"id={canonical_id(other)}")
    s3.put_object(Bucket=bucket, Key="private", Body=b"bytes")
    eve = other.user("eve").client("s3")
    may = other.user("may", allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")).client("s3")
    assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"
    assert may.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"
    check(eve.get_object, "AccessDenied", 403, Bucket=bucket, Key="k")
    check(theirs.get_object, "AccessDenied", 403, Bucket=bucket, Key="private")
    check(may.get_object, "AccessDenied", 403, Bucket=bucket, Key="private")
    check(nobody(account).get_object, "AccessDenied", 403, Bucket=bucket, Key="k")
    check(theirs.list_objects_v2, "AccessDenied", 403, Bucket=bucket)
    check(theirs.put_object, "AccessDenied", 403, Bucket=bucket, Key="k", Body=b"other")
    check(theirs.get_object_acl, "AccessDenied", 403, Bucket=bucket, Key="k")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    check(theirs.get_object, "AccessDenied", 403, Bucket=bucket, Key="k")
    check(may.get_object, "AccessDenied", 403, Bucket=bucket, Key="k")


def test_nobody_gets_what_all_users_get(account):
    s3, anonymous = account.client("s3"), nobody(account)
    bucket = open_bucket(account, ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", Body=b"bytes", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="private", Body=b"bytes")
    assert anonymous.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"
    assert [found["Key"] for found in anonymous.list_objects_v2(Bucket=bucket)["Contents"]] == ["k", "private"]
    check(anonymous.get_object, "AccessDenied", 403, Bucket=bucket, Key="private")
    check(anonymous.get_object, "NoSuchKey", 404, Bucket=bucket, Key="gone")
    check(anonymous.get_object, "NoSuchBucket", 404, Bucket=f"{bucket}-gone", Key="k")
    check(anonymous.put_object, "AccessDenied", 403, Bucket=bucket, Key="new", Body=b"x")
    check(anonymous.put_bucket_acl, "AccessDenied", 403, Bucket=bucket, ACL="private")
    # A user without permission of its own account gets what nobody gets, in its own account.
    assert account.user("ada").client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    anonymous.put_object(Bucket=bucket, Key="new", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="new")["Body"].read() == b"x"


def test_lists_stay_with_uploads_and_copies(account):
    s3, anonymous = account.client("s3"), nobody(account)
    bucket = open_bucket(account)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", ACL="public-read")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"bytes")
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert anonymous.get_object(Bucket=bucket, Key="parts")["Body"].read() == b"bytes"
    source = {"Bucket": bucket, "Key": "parts"}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    check(anonymous.get_object, "AccessDenied", 403, Bucket=bucket, Key="copy")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, ACL="public-read")
    assert anonymous.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"bytes"
