"""Browsers' POST forms, as boto3 signs them and as nobody should send them."""

import base64
import hashlib
import hmac
import json
import time
import xml.etree.ElementTree as ElementTree

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow
from . import raw


@pytest.fixture
def s3(account):
    # Presigned posts, too, are signed by version 2 unless boto3 is told otherwise.
    return account.client("s3", signature_version="s3v4")


@pytest.fixture
def bucket(account):
    return account.bucket()


def send(form, content=b"bytes", file_name="f.txt", **fields):
    """Posts a form, with more fields or (None) fewer than it was made for."""
    merged = {name: value for name, value in (form["fields"] | fields).items() if value is not None}
    return raw.request("POST", form["url"], fields=list(merged.items()) + [("file", (file_name, content))])


def code(answer) -> str:
    found = ElementTree.fromstring(answer.content).find("Code") if answer.content else None
    return f"{answer.status_code} {found.text}" if found is not None else str(answer.status_code)


def version_2(account, bucket, conditions, expiration="2099-01-01T00:00:00Z", **fields):
    """A form signed as before 2012."""
    policy = base64.b64encode(json.dumps({"expiration": expiration, "conditions": conditions}).encode())
    signature = base64.b64encode(hmac.new(account.secret_access_key.encode(), policy, hashlib.sha1).digest())
    signed = {"AWSAccessKeyId": account.access_key_id, "policy": policy.decode(), "signature": signature.decode()}
    return {"url": f"{account.endpoint}/{bucket}", "fields": fields | signed}


def test_a_form_is_an_upload(s3, bucket):
    fields = {
        "acl": "private",
        "Content-Type": "text/plain",
        "Cache-Control": "no-store",
        "x-amz-meta-color": "green",
        "x-amz-storage-class": "STANDARD",
        "tagging": "<Tagging><TagSet><Tag><Key>zone</Key><Value>raw data</Value></Tag></TagSet></Tagging>",
    }
    conditions = [{name: value} for name, value in fields.items()] + [["content-length-range", 1, 100]]
    form = s3.generate_presigned_post(bucket, "in/${filename}", Fields=fields, Conditions=conditions)
    answer = send(form, b"bytes of a browser", "C:\\photos\\a b.txt")
    assert code(answer) == "204"
    found = s3.get_object(Bucket=bucket, Key="in/a b.txt")
    assert found["Body"].read() == b"bytes of a browser"
    assert answer.headers["etag"] == found["ETag"]
    assert (found["ContentType"], found["CacheControl"]) == ("text/plain", "no-store")
    assert found["Metadata"] == {"color": "green"}
    assert s3.get_object_tagging(Bucket=bucket, Key="in/a b.txt")["TagSet"] == [{"Key": "zone", "Value": "raw data"}]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"success_action_status": "200"}, 200),
        ({"success_action_status": "201"}, 201),
        ({"success_action_status": "204"}, 204),
        ({"success_action_status": "404"}, 204),
        ({"success_action_redirect": "https://example.com/done?a=b"}, 303),
        ({"success_action_redirect": "not a url"}, 204),
    ],
)
def test_endings(s3, bucket, fields, status):
    form = s3.generate_presigned_post(bucket, "ä key", Fields=fields, Conditions=[fields])
    answer = send(form)
    assert answer.status_code == status
    etag = s3.head_object(Bucket=bucket, Key="ä key")["ETag"]
    if status == 201:
        said = {element.tag: element.text for element in ElementTree.fromstring(answer.content)}
        location = f"{form['url']}/%C3%A4%20key".replace(f"{bucket}//", f"{bucket}/")
        assert said == {"Bucket": bucket, "Key": "ä key", "ETag": etag, "Location": location}
    else:
        assert answer.content == b""
    if status == 303:
        expected = f"https://example.com/done?a=b&bucket={bucket}&key=%C3%A4%20key&etag=%22{etag.strip(chr(34))}%22"
        assert answer.headers["location"] == expected


def test_what_the_policy_does_not_say_is_refused(s3, bucket):
    form = s3.generate_presigned_post(
        bucket,
        "in/${filename}",
        Fields={"Content-Type": "image/png"},
        Conditions=[["starts-with", "$Content-Type", "image/"], ["content-length-range", 2, 5]],
    )
    assert code(send(form, b"12345")) == "204"
    for content, fields, expected in [
        (b"123456", {}, "400 EntityTooLarge"),
        (b"1", {}, "400 EntityTooSmall"),
        (b"123", {"Content-Type": "text/html"}, "403 AccessDenied"),
        (b"123", {"Content-Type": "image/png, text/html"}, "403 AccessDenied"),
        (b"123", {"key": "out/f.txt"}, "403 AccessDenied"),
        (b"123", {"x-amz-meta-more": "x"}, "403 AccessDenied"),
        (b"123", {"acl": "private"}, "403 AccessDenied"),
        (b"123", {"success_action_redirect": "https://evil.example"}, "403 AccessDenied"),
        (b"123", {"bucket": "another"}, "204"),
        (b"123", {"x-ignore-me": "x"}, "204"),
        (b"123", {"x-amz-signature": "0" * 64}, "403 SignatureDoesNotMatch"),
        (b"123", {"x-amz-signature": None}, "400 InvalidArgument"),
        (b"123", {"policy": None}, "400 InvalidArgument"),
        (b"123", {"key": None}, "400 InvalidArgument"),
        (b"123", {"x-amz-algorithm": "AWS4-HMAC-MD5"}, "400 InvalidArgument"),
        (b"123", {"x-amz-credential": "nonsense"}, "400 AuthorizationQueryParametersError"),
        (b"123", {"x-amz-date": "20200101T000000Z"}, "400 AuthorizationQueryParametersError"),
    ]:
        assert code(send(form, content, **fields)) == expected, fields
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["in/f.txt"]


def test_a_policy_is_good_for_its_bucket_and_time(account, s3, bucket):
    form = s3.generate_presigned_post(bucket, "k")
    other = account.bucket()
    elsewhere = form | {"url": form["url"].replace(bucket, other)}
    assert code(send(elsewhere)) == "403 AccessDenied"
    assert code(send(elsewhere, bucket=bucket)) == "403 AccessDenied"
    short = s3.generate_presigned_post(bucket, "k", ExpiresIn=1)
    deadline = time.monotonic() + 20
    while (answer := send(short)).status_code == 204 and time.monotonic() < deadline:
        pass
    assert code(answer) == "403 AccessDenied"
    assert "expired" in answer.text


def test_version_2_signs_forms_too(account, s3, bucket):
    conditions = [{"bucket": bucket}, ["starts-with", "$key", "in/"]]
    assert code(send(version_2(account, bucket, conditions, key="in/a"))) == "204"
    assert code(send(version_2(account, bucket, conditions, key="in/a"), key="out/a")) == "403 AccessDenied"
    assert code(send(version_2(account, bucket, conditions, key="in/a"), signature="AAAA")) == "403 SignatureDoesNotMatch"
    assert code(send(version_2(account, bucket, conditions, key="in/a"), signature=None)) == "400 InvalidArgument"
    assert code(send(version_2(account, bucket, conditions[1:], key="in/a"))) == "403 AccessDenied"
    for wrong in ([{}], [["content-length-range", 0]], [["content-length-range", -1, 0]], "none"):
        assert code(send(version_2(account, bucket, wrong, key="in/a"))) == "400 InvalidPolicyDocument"
    past = version_2(account, bucket, conditions, expiration="2020-01-01T00:00:00Z", key="in/a")
    assert code(send(past)) == "403 AccessDenied"
    unknown = send(version_2(account, bucket, conditions, key="in/a"), AWSAccessKeyId="AKIANOBODY")
    assert code(unknown) == "403 InvalidAccessKeyId"


def test_forms_pass_the_same_gate(account, s3, bucket):
    """The signer's own policies count, and nobody posts where nobody may put."""
    user = account.user("poster", allow("s3:PutObject", f"arn:aws:s3:::{bucket}/mine/*"))
    assert code(send(user.client("s3").generate_presigned_post(bucket, "mine/a"))) == "204"
    assert code(send(user.client("s3").generate_presigned_post(bucket, "theirs/a"))) == "403 AccessDenied"
    nobody = {"url": f"{account.endpoint}/{bucket}", "fields": {"key": "open/a"}}
    assert code(send(nobody)) == "403 AccessDenied"
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/open/*",
    }
    try:
        s3.delete_public_access_block(Bucket=bucket)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NotImplemented"
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert code(send(nobody)) == "204"
    assert code(send(nobody, key="shut/a")) == "403 AccessDenied"
    assert s3.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"bytes"


def test_a_form_cannot_copy(account, s3, bucket):
    """A field named like a header of another operation does nothing."""
    s3.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    user = account.user("poster", allow("s3:PutObject", f"arn:aws:s3:::{bucket}/mine/*"))
    fields = {"x-amz-copy-source": f"/{bucket}/secret"}
    form = user.client("s3").generate_presigned_post(bucket, "mine/a", Fields=fields, Conditions=[fields])
    assert code(send(form)) == "204"
    assert s3.get_object(Bucket=bucket, Key="mine/a")["Body"].read() == b"bytes"


def test_checksums_of_the_file(s3, bucket):
    digest = base64.b64encode(hashlib.sha256(b"bytes").digest()).decode()
    form = s3.generate_presigned_post(bucket, "k")
    assert code(send(form, **{"x-amz-checksum-sha256": digest})) == "204"
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == digest
    assert code(send(form, b"other", **{"x-amz-checksum-sha256": digest})) == "400 BadDigest"


def test_malformed_forms(account, bucket):
    url = f"{account.endpoint}/{bucket}"
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    part = b'--edge\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    for body, headers, expected in [
        (b"", kind, "400 MalformedPOSTRequest"),
        (part, kind, "400 IncompleteBody"),
        (part + b"--edge--\r\n", kind, "400 InvalidArgument"),
        (b"nonsense\r\n", kind, "400 MalformedPOSTRequest"),
        (part, {"Content-Type": "multipart/form-data"}, "400 MalformedPOSTRequest"),
        (part.replace(b"k\r\n", b"k" * 30_000 + b"\r\n"), kind, "400 MaxPostPreDataLengthExceeded"),
    ]:
        assert code(raw.request("POST", url, data=body, headers=headers)) == expected, body[:60]
    chunked = raw.request("POST", url, data=iter([part]), headers=kind)
    assert code(chunked) == "411 MissingContentLength"
