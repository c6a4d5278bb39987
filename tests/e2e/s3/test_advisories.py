"""What went wrong in other stores, tried on this one. Each test is named after the advisory that it replays."""

import hashlib
import http.client
import json
import socket
import urllib.parse

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from ..conftest import REGION, allow
from . import raw

EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def s3(account):
    return account.client("s3")


@pytest.fixture
def bucket(account, s3):
    name = account.bucket()
    s3.put_object(Bucket=name, Key="secret", Body=b"secret")
    return name


def signed(account, method, url, payload="UNSIGNED-PAYLOAD", **headers) -> dict[str, str]:
    """The headers of a request that boto3's own signer has signed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()} | {"X-Amz-Content-SHA256": payload}
    request = AWSRequest(method, url, headers=named)
    request.context["payload_signing_enabled"] = True
    signer = S3SigV4Auth(Credentials(account.access_key_id, account.secret_access_key), "s3", REGION)
    signer.payload = lambda _: payload
    signer.add_auth(request)
    request.headers.replace_header("X-Amz-Content-SHA256", payload)
    return dict(request.headers.items())


def exact(account, method, target, headers=None, body=None):
    """A request whose target no client has tidied up."""
    host = account.endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in ({"Content-Length": str(len(body or b""))} | (headers or {})).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    found = raw.Answer(answer.status, answer.headers, answer.read())
    connection.close()
    return found


def keys(s3, bucket):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def open_to(s3, bucket, action, resource="/*", **condition):
    try:
        s3.delete_public_access_block(Bucket=bucket)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NotImplemented"
    arn = f"arn:aws:s3:::{bucket}{resource}"
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn}
    if condition:
        statement["Condition"] = condition
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


CHUNKED = b"5\r\nbytes\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
CHUNKS = {"x_amz_decoded_content_length": "5", "x_amz_trailer": "x-amz-checksum-crc32"}


def test_cve_2025_31489(account, s3, bucket):
    """A body with an unsigned trailer does not make the request's own signature optional."""
    url = f"{account.endpoint}/{bucket}/planted"
    headers = signed(account, "PUT", url, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", **CHUNKS)
    headers["Authorization"] = headers["Authorization"][:-4] + "beef"
    assert raw.put(url, CHUNKED, headers).status_code == 403
    del headers["Authorization"]
    assert raw.put(url, CHUNKED, headers).status_code == 403
    assert keys(s3, bucket) == ["secret"]


def test_cve_2026_41145(account, s3, bucket):
    """Nor when the credentials stand in the query."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "planted"})
    broken = urllib.parse.urlsplit(url)._replace(path=f"/{bucket}/elsewhere").geturl()
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    for target in (url, broken):
        assert raw.put(target, CHUNKED, headers).status_code >= 400
    assert keys(s3, bucket) == ["secret"]


def test_ghsa_g8w9(account, s3, bucket):
    """Whoever holds a presigned URL adds no headers that it was not signed for."""
    version_4 = account.client("s3", signature_version="s3v4")
    url = version_4.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    for name, value in (
        ("x-amz-copy-source", f"/{bucket}/secret"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "public-read"),
        ("x-amz-website-redirect-location", "https://evil.example/"),
    ):
        assert raw.put(url, b"", {name: value}).status_code == 403, name
    assert keys(s3, bucket) == ["secret"]
    assert raw.put(url, b"bytes").status_code == 200


def test_ghsa_v2ch_and_hdds_15141(account, s3, bucket):
    """Chunks without a signature, with a wrong one, or that are none, are refused, and the server lives."""
    url = f"{account.endpoint}/{bucket}/planted"
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    wrong = "0" * 64
    for body in (
        b"5\r\nbytes\r\n0\r\n\r\n",
        f"5;chunk-signature={wrong}\r\nbytes\r\n0;chunk-signature={wrong}\r\n\r\n".encode(),
        b"ffffffffffffffff;chunk-signature=0\r\nbytes",
        b"-5;chunk-signature=0\r\nbytes\r\n",
        b";;;;\r\n",
        b"\r\n\r\n",
        b"5",
    ):
        headers = signed(account, "PUT", url, mode, x_amz_decoded_content_length="5")
        assert 400 <= raw.put(url, body, headers).status_code < 500, body
    assert keys(s3, bucket) == ["secret"]


def form(s3, bucket, conditions=(), **fields):
    made = s3.generate_presigned_post(bucket, "k", Conditions=list(conditions))
    made["fields"] |= fields
    return made


def post(made, content=b"bytes"):
    return raw.request("POST", made["url"], fields=list(made["fields"].items()) + [("file", ("f", content))])


def test_cve_2026_27607(s3, bucket):
    """The conditions of a form's policy are conditions."""
    sized = form(s3, bucket, [["content-length-range", 1, 4]])
    assert post(sized).status_code == 400
    typed = form(s3, bucket, [["starts-with", "$Content-Type", "image/"]], **{"Content-Type": "text/html"})
    assert post(typed).status_code == 403
    assert post(form(s3, bucket, key="other")).status_code == 403
    assert keys(s3, bucket) == ["secret"]


def test_cve_2021_21362_and_cve_2023_28434(account, s3, bucket):
    """A form goes into the bucket it is for, whatever its fields and its path say."""
    other = account.bucket()
    made = form(s3, bucket)
    for fields in ({}, {"bucket": bucket}, {"bucket": other}):
        assert post(made | {"url": f"{account.endpoint}/{other}", "fields": made["fields"] | fields}).status_code == 403
    assert keys(s3, other) == []


def test_ghsa_mx42(account, s3, bucket):
    """To write is not to read: copies ask for their source."""
    target = account.bucket()
    writer = account.user("writer", allow(["s3:PutObject", "s3:ListBucket"], [f"arn:aws:s3:::{target}", f"arn:aws:s3:::{target}/*"]))
    theirs = writer.client("s3")
    source = {"Bucket": bucket, "Key": "secret"}
    assert code(theirs.copy_object, Bucket=target, Key="k", CopySource=source) == "AccessDenied"
    upload = theirs.create_multipart_upload(Bucket=target, Key="k")["UploadId"]
    part = {"Bucket": target, "Key": "k", "UploadId": upload, "PartNumber": 1}
    assert code(theirs.upload_part_copy, CopySource=source, **part) == "AccessDenied"


def test_ghsa_x298(account, s3, bucket):
    """Nobody lists versions where nobody may."""
    open_to(s3, bucket, "s3:ListBucket", "")
    assert raw.get(f"{account.endpoint}/{bucket}").status_code == 200
    assert raw.get(f"{account.endpoint}/{bucket}?versions").status_code == 403


def test_ghsa_6r96(account, s3, bucket):
    """Condition keys come from what the server knows, not from headers that are called like them."""
    open_to(s3, bucket, "s3:GetObject", StringEquals={"aws:username": "ada"})
    url = f"{account.endpoint}/{bucket}/secret"
    for name in ("aws:username", "username", "x-amz-username", "userid", "x-aws-username"):
        if ":" not in name:
            assert raw.get(url, {name: "ada"}).status_code == 403, name
    assert raw.get(f"{url}?aws:username=ada").status_code == 403


def test_cve_2026_21862(account, s3, bucket):
    """The source address is the socket's."""
    open_to(s3, bucket, "s3:GetObject", IpAddress={"aws:SourceIp": "203.0.113.7/32"})
    url = f"{account.endpoint}/{bucket}/secret"
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP"):
        value = "for=203.0.113.7" if name == "Forwarded" else "203.0.113.7"
        assert raw.get(url, {name: value}).status_code == 403, name


@pytest.mark.parametrize("dots", ["..", "%2e%2e", "%2E%2E", "..%2f", "%2e%2e%2f", "..%5c", "%252e%252e"])
def test_cve_2026_54917(account, s3, bucket, dots):
    """Dots in a path are letters of a key: they lead to no other bucket and to no file."""
    mine = account.bucket()
    open_to(s3, mine, "s3:GetObject")
    for target in (f"/{mine}/{dots}/{bucket}/secret", f"/{mine}/a/{dots}/{dots}/{bucket}/secret"):
        assert exact(account, "GET", target).status_code in (400, 403, 404)


def test_cve_2026_55874(account, s3, bucket):
    """Nor do they in a copy's source."""
    mine = account.bucket()
    reader = account.user("reader", allow(["s3:PutObject", "s3:GetObject"], f"arn:aws:s3:::{mine}/*"))
    url = f"{account.endpoint}/{mine}/copied"
    for source in (f"/{mine}/../{bucket}/secret", f"{mine}/%2e%2e/{bucket}/secret", f"/{mine}/..%2f{bucket}/secret"):
        headers = signed(reader, "PUT", url, EMPTY, x_amz_copy_source=source)
        assert raw.put(url, b"", headers).status_code in (400, 403, 404), source
    assert keys(s3, mine) == []


def test_cve_2026_58372(account, s3, bucket):
    """Nor in the keys of a removal's body."""
    mine = account.bucket()
    wanted = [{"Key": key} for key in (f"../{bucket}/secret", f"a/../../{bucket}/secret", "../../../../etc/passwd")]
    s3.delete_objects(Bucket=mine, Delete={"Objects": wanted})
    assert keys(s3, bucket) == ["secret"]
    s3.put_object(Bucket=mine, Key="../x", Body=b"x")
    assert keys(s3, mine) == ["../x"]


def test_cve_2024_36107(account, s3, bucket):
    """Conditions tell nothing to who may not read."""
    head = s3.head_object(Bucket=bucket, Key="secret")
    url = f"{account.endpoint}/{bucket}/secret"
    for headers in (
        {},
        {"If-Match": head["ETag"]},
        {"If-Match": '"other"'},
        {"If-None-Match": head["ETag"]},
        {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
        {"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
    ):
        for method in ("GET", "HEAD"):
            answer = raw.request(method, url, headers=headers)
            assert answer.status_code == 403
            assert "etag" not in answer.headers and "last-modified" not in answer.headers


def test_cve_2026_46685(account, s3, bucket):
    """A rule for every origin reflects none and lets no credentials through."""
    s3.put_bucket_cors(
        Bucket=bucket, CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
    )
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for answer in (
        raw.options(f"{account.endpoint}/{bucket}/secret", asked),
        raw.get(f"{account.endpoint}/{bucket}/secret", asked),
    ):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_cve_2022_3854_and_restler_72669(account, bucket):
    """Sources and targets that are nothing are errors, not ends."""
    url = f"{account.endpoint}/{bucket}/copied"
    for source in ("", "/", "//", "?", "%", "%00", "/%ff/%ff", f"{bucket}", f"/{bucket}/", f"/{bucket}/secret?versionId="):
        headers = signed(account, "PUT", url, EMPTY, x_amz_copy_source=source)
        assert 400 <= raw.put(url, b"", headers).status_code < 500, source
    for target in ("//", "/%", "/%00", "/%ff", "/?", f"/{bucket}/%00", "*", f"/{bucket}//"):
        assert 200 <= exact(account, "GET", target).status_code < 500, target
    for range_ in ("bytes=", "bytes=-", "bytes=a-b", "bytes=5-1", "bytes=0-1,3-4", f"bytes=0-{'9' * 40}", "bytes=-0"):
        url = f"{account.endpoint}/{bucket}/secret"
        headers = signed(account, "GET", url, EMPTY, Range=range_)
        assert raw.get(url, headers).status_code < 500, range_


def test_cve_2018_1000538(account, s3, bucket):
    """A configuration's body is bounded, and so is what it unfolds to."""
    url = f"{account.endpoint}/{bucket}?tagging"
    large = b"<Tagging>" + b" " * (9 << 20) + b"</Tagging>"
    assert 400 <= raw.put(url, large, signed(account, "PUT", url)).status_code < 500
    deep = b"<Tagging>" * 20_000
    assert 400 <= raw.put(url, deep, signed(account, "PUT", url)).status_code < 500
    laughs = b'<!DOCTYPE t [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Tagging><TagSet><Tag><Key>&b;</Key><Value>x</Value></Tag></TagSet></Tagging>'
    assert 400 <= raw.put(url, laughs, signed(account, "PUT", url)).status_code < 500
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"


def test_cve_2022_31028(account, s3, bucket):
    """Connections that say nothing keep nobody out."""
    host, port = account.endpoint.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port)), timeout=10) for _ in range(200)]
    try:
        for one in idle[::2]:
            one.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\n")
        assert s3.get_object(Bucket=bucket, Key="secret")["Body"].read() == b"secret"
    finally:
        for one in idle:
            one.close()


def test_too_many_and_too_large_headers(account, bucket):
    url = f"{account.endpoint}/{bucket}/secret"
    many = {f"x-one-{number}": "1" for number in range(300)}
    for headers in (many, {"x-large": "a" * 70_000}):
        answer = raw.get(url, headers)
        assert answer.status_code == 400
        assert "<Code>RequestHeaderSectionTooLarge</Code>" in answer.text
    metadata = signed(account, "PUT", url, EMPTY, x_amz_meta_a="a" * 2_100)
    answer = raw.put(url, b"", metadata)
    assert (answer.status_code, "<Code>MetadataTooLarge</Code>" in answer.text) == (400, True)


def test_bodies_shorter_than_they_say(account, s3, bucket):
    target = f"/{bucket}/short"
    headers = signed(account, "PUT", f"{account.endpoint}{target}")
    host, port = account.endpoint.removeprefix("http://").split(":")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "host")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"PUT {target} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 10\r\n{lines}\r\nbytes".encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert not answer or answer.startswith(b"HTTP/1.1 400")
    assert keys(s3, bucket) == ["secret"]
