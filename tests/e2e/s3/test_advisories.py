"""What went wrong in other stores, tried on this one. Each test is named after the advisory that it replays."""

import base64
import hashlib
import http.client
import io
import json
import socket
import tarfile
import urllib.parse
import zlib
from datetime import datetime, timedelta, timezone

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError

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


def test_cve_2026_40344(account, s3, bucket):
    """An archive that is to be unpacked is a body like others: signed or refused, and here one object."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("../planted")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"bytes"))
    url = f"{account.endpoint}/{bucket}/archive.tar"
    more = {"x_amz_meta_snowball_auto_extract": "true"}
    mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    headers = signed(account, "PUT", url, mode, **more, **CHUNKS)
    headers["Authorization"] = headers["Authorization"][:-4] + "beef"
    assert raw.put(url, CHUNKED, headers).status_code == 403
    assert raw.put(url, archive.getvalue(), {"x-amz-meta-snowball-auto-extract": "true"}).status_code == 403
    assert keys(s3, bucket) == ["secret"]


def test_ghsa_f4vq(s3, bucket):
    """Nothing is unpacked: an archive is kept as it came, and names in it lead nowhere."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("../planted", "/etc/planted", "a/../../planted"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    s3.put_object(Bucket=bucket, Key="a.tar", Body=archive.getvalue(), Metadata={"snowball-auto-extract": "true"})
    assert keys(s3, bucket) == ["a.tar", "secret"]
    assert s3.get_object(Bucket=bucket, Key="a.tar")["Body"].read() == archive.getvalue()


def test_predastore_114_and_appwrite_13515(account, s3, bucket):
    """What is signed says how a body is framed; a header that is not signed does not."""
    url, body = f"{account.endpoint}/{bucket}/framed", b"5\r\nbytes\r\n0\r\n\r\n"
    plain = signed(account, "PUT", url, hashlib.sha256(body).hexdigest())
    assert raw.put(url, body, plain | {"Content-Encoding": "aws-chunked"}).status_code == 200
    assert s3.get_object(Bucket=bucket, Key="framed")["Body"].read() == body
    s3.delete_object(Bucket=bucket, Key="framed")
    # Chunks that were to be signed are not taken without their signatures, whatever the encoding's header says.
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    for encoding in ({}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "aws-chunked"}):
        headers = signed(account, "PUT", url, mode, x_amz_decoded_content_length="5") | encoding
        assert raw.put(url, body, headers).status_code in (400, 403)
    assert keys(s3, bucket) == ["secret"]


def test_hdds_15142_and_s3s_775(account, s3, bucket):
    """The checksum behind a body is compared with its bytes."""
    url = f"{account.endpoint}/{bucket}/trailed"
    for trailer, status in (("AAAAAA==", 400), ("not base64", 400), (base64.b64encode(zlib.crc32(b"bytes").to_bytes(4)).decode(), 200)):
        body = f"5\r\nbytes\r\n0\r\nx-amz-checksum-crc32:{trailer}\r\n\r\n".encode()
        assert raw.put(url, body, signed(account, "PUT", url, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", **CHUNKS)).status_code == status
        assert ("trailed" in keys(s3, bucket)) == (status == 200)
    other = CHUNKS | {"x_amz_trailer": "x-amz-checksum-sha256"}
    headers = signed(account, "PUT", url, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", **other)
    assert raw.put(url, CHUNKED, headers).status_code == 400


def test_cve_2023_43040(account, s3, bucket):
    """The bucket of a form is the one in its target; a field of that name must agree with the policy."""
    other = account.bucket()
    made = form(s3, other)
    answer = post(made | {"url": f"{account.endpoint}/{bucket}", "fields": made["fields"] | {"bucket": other}})
    assert answer.status_code == 403
    assert keys(s3, bucket) == ["secret"] and keys(s3, other) == []


def test_ghsa_3ppv(account, s3, bucket):
    """To read the latest is not to read versions, and the other way round."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="secret", Body=b"new")["VersionId"]
    resource = f"arn:aws:s3:::{bucket}/*"
    latest = account.user("latest", allow("s3:GetObject", resource)).client("s3")
    old = account.user("old", allow("s3:GetObjectVersion", resource)).client("s3")
    assert latest.get_object(Bucket=bucket, Key="secret")["Body"].read() == b"new"
    assert code(latest.get_object, Bucket=bucket, Key="secret", VersionId="null") == "AccessDenied"
    assert code(latest.head_object, Bucket=bucket, Key="secret", VersionId=version) == "403"
    assert old.get_object(Bucket=bucket, Key="secret", VersionId="null")["Body"].read() == b"secret"
    assert code(old.get_object, Bucket=bucket, Key="secret") == "AccessDenied"


def test_ghsa_5w8r(account, s3, bucket):
    """Policies that ask for an object's tags are told them, on each way to the object."""
    s3.put_object(Bucket=bucket, Key="open", Body=b"1", Tagging="zone=open")
    condition = {"StringEquals": {"s3:ExistingObjectTag/zone": "open"}}
    reader = account.user("reader", allow("s3:GetObject*", f"arn:aws:s3:::{bucket}/*", Condition=condition)).client("s3")
    for read in (reader.get_object, reader.get_object_tagging, reader.get_object_acl):
        read(Bucket=bucket, Key="open")
        assert code(read, Bucket=bucket, Key="secret") == "AccessDenied"
    reader.head_object(Bucket=bucket, Key="open")
    assert code(reader.head_object, Bucket=bucket, Key="secret") == "403"


def test_cve_2016_7031(account, s3):
    """A list that opens a bucket to who signs opens it to nobody else."""
    bucket = account.bucket()
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_bucket_acl(Bucket=bucket, ACL="authenticated-read")
    for target in ("", "?list-type=2", "?versions", "?uploads", "?acl", "/"):
        assert raw.get(f"{account.endpoint}/{bucket}{target}").status_code == 403, target


def locked(account, mode):
    s3, bucket = account.client("s3"), f"lock-{account.id}-{mode.lower()}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    until = datetime.now(timezone.utc) + timedelta(days=1)
    lock = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": until}
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1", ChecksumAlgorithm="SHA256", **lock)["VersionId"]
    return s3, {"Bucket": bucket, "Key": "k", "VersionId": version}, until


def test_cve_2023_25812(account):
    """A denial holds against the header that bypasses governance, too."""
    s3, named, _ = locked(account, "GOVERNANCE")
    resource = f"arn:aws:s3:::{named['Bucket']}/*"
    may = allow(["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectRetention"], resource)
    deny = allow(["s3:DeleteObjectVersion"], resource, "Deny")
    bypass = allow("s3:BypassGovernanceRetention", resource)
    without, denied = account.user("without", may), account.user("denied", may, bypass, deny)
    for user in (without, denied):
        client = user.client("s3")
        assert code(client.delete_object, BypassGovernanceRetention=True, **named) == "AccessDenied"
        objects = [{"Key": "k", "VersionId": named["VersionId"]}]
        answer = client.delete_objects(Bucket=named["Bucket"], Delete={"Objects": objects}, BypassGovernanceRetention=True)
        assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    s3.head_object(**named)


def test_bz1989752(account):
    """Nobody turns COMPLIANCE into GOVERNANCE or into less."""
    s3, named, until = locked(account, "COMPLIANCE")
    for retention in (
        {"Mode": "GOVERNANCE", "RetainUntilDate": until},
        {"Mode": "GOVERNANCE", "RetainUntilDate": until + timedelta(days=9)},
        {"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(hours=1)},
        {},
    ):
        refused = code(s3.put_object_retention, Retention=retention, BypassGovernanceRetention=True, **named)
        assert refused in ("AccessDenied", "MalformedXML"), retention
    assert s3.get_object_retention(**named)["Retention"]["Mode"] == "COMPLIANCE"
    assert code(s3.delete_object, BypassGovernanceRetention=True, **named) == "AccessDenied"


def test_cve_2023_28433(account, s3, bucket):
    """A backslash is a letter of a key."""
    for key in ("..\\..\\planted", "a\\b", "\\\\host\\share", "C:\\planted"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert keys(s3, bucket) == sorted(["secret", "..\\..\\planted", "a\\b", "\\\\host\\share", "C:\\planted"])


RPC = (
    "/rustfs/rpc/read_file_stream?path=../../etc/passwd",
    "/rustfs/rpc/walk_dir",
    "/rustfs/admin/v3/import-iam",
    "/rustfs/admin/v3/list-users",
    "/minio/admin/v3/import-iam-v2",
    "/minio/admin/v3/add-user?accessKey=planted",
    "/minio/admin/v3/update?updateURL=http://evil.example/..",
    "/minio/bootstrap/v1/verify",
    "/minio/storage/v63/readall?file-path=../../etc/passwd",
    "/minio/peer/v39/grid",
    "/minio/webrpc",
    "/minio/login",
    "/api/v1/login",
    "/cluster/status",
    "/filer/../etc/passwd",
    "/iam_pb.SeaweedIdentityAccessManagement/ListUsers",
    "/node_service.NodeService/Ping",
)


@pytest.mark.parametrize("path", RPC)
def test_there_is_no_other_api(account, s3, path):
    """Admin, storage and node APIs of other stores, bare and with their default credentials: paths of buckets that are not there.

    CVE-2023-28432, CVE-2024-55949, CVE-2025-68705, CVE-2025-68926, CVE-2026-42600, CVE-2022-35919, CVE-2021-21287 and their like.
    """
    grpc = {"Content-Type": "application/grpc", "TE": "trailers", "authorization": "rustfs rpc"}
    for headers in ({"x-rustfs-signature": "0" * 64}, grpc):
        for method in ("GET", "POST"):
            answer = exact(account, method, path, headers)
            assert answer.status_code in (400, 403, 404, 405, 501), (method, answer.status_code)
            assert b"root:" not in answer.content and b"TARN" not in answer.content and b"MINIO" not in answer.content


def test_cve_2026_27822(account, s3, bucket):
    """What users name is never markup in an answer of the server's own."""
    script = "<script>alert(1)</script>"
    open_to(s3, bucket, "s3:GetObject")
    target = urllib.parse.quote(script)
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    host = {"Host": f"{bucket}.s3-website-us-east-1.localhost"}
    for answer in (
        raw.get(f"{account.endpoint}/{bucket}/{target}"),
        raw.get(f"{account.endpoint}/{bucket}?prefix={target}"),
        raw.get(f"{account.endpoint}/{target}", host),
        raw.get(f"{account.endpoint}/{target}/x"),
    ):
        assert answer.status_code >= 400 and script not in answer.text


def test_cve_2026_34204(account, s3, bucket):
    """Headers that are called as another store's own keys say nothing of how an object is encrypted."""
    url = f"{account.endpoint}/{bucket}/k"
    injected = {
        "x_minio_internal_server_side_encryption_sealed_key": "AAAA",
        "x_minio_internal_server_side_encryption_iv": "AAAA",
        "x_minio_replication_server_side_encryption_sealed_key": "AAAA",
        "x_amz_meta_x_amz_unencrypted_content_length": "1",
        "x_amz_meta_x_amz_server_side_encryption": "aws:kms",
    }
    headers = signed(account, "PUT", url, hashlib.sha256(b"bytes").hexdigest(), **injected)
    assert raw.put(url, b"bytes", headers).status_code == 200
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ServerSideEncryption"] == "AES256" and "SSEKMSKeyId" not in head
    assert set(head["Metadata"]) == {"x-amz-unencrypted-content-length", "x-amz-server-side-encryption"}
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"


def test_cve_2026_39414(account, s3, bucket):
    """A row without an end is refused, not collected."""
    s3.put_object(Bucket=bucket, Key="endless.csv", Body=b"a" * (24 << 20))
    with pytest.raises((ClientError, EventStreamError)) as refused:
        answer = s3.select_object_content(
            Bucket=bucket, Key="endless.csv", Expression="SELECT * FROM s3object", ExpressionType="SQL",
            InputSerialization={"CSV": {}}, OutputSerialization={"CSV": {}},
        )  # fmt: skip
        for _ in answer["Payload"]:
            pass
    assert refused.value.response["Error"]["Code"] == "OverMaxRecordSize"


def test_cve_2019_10222(account, s3, bucket):
    """Requests that are no HTTP end with their connections."""
    host, port = account.endpoint.removeprefix("http://").split(":")
    for request in (
        b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"\x00" * 4096,
        b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 512,
    ):  # fmt: skip
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            answer = b""
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(4096):
                    answer += piece
            except OSError:
                # It was closed already.
                pass
        # HTTP/2 is answered by frames: the settings, and why it is over.
        is_over = not answer.startswith(b"HTTP/1.1") if request.startswith(b"PRI") else answer[9:12] in (b"", b"501")
        assert is_over or answer[9:10] == b"4", (request[:40], answer[:80])
    assert s3.get_object(Bucket=bucket, Key="secret")["Body"].read() == b"secret"


def test_ghsa_c667(account, s3, bucket):
    """A signature is for one method, one path and one query."""
    url = f"{account.endpoint}/{bucket}/secret"
    headers = signed(account, "GET", url, EMPTY)
    for method, target in (("DELETE", url), ("PUT", url), ("GET", f"{url}?acl"), ("GET", f"{account.endpoint}/{bucket}")):
        assert raw.request(method, target, headers=headers).status_code == 403, (method, target)
    version_4 = account.client("s3", signature_version="s3v4")
    presigned = version_4.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "secret"})
    assert raw.get(presigned).status_code == 200
    for method in ("PUT", "DELETE", "POST"):
        assert raw.request(method, presigned).status_code in (403, 405), method
    assert keys(s3, bucket) == ["secret"]


def test_cve_2026_73080_and_cve_2021_21287(account, s3, bucket):
    """No request makes the server call an address: where events and copies go is named by ARN, and addresses are the configuration's."""
    for arn in ("http://127.0.0.1:1/", "arn:aws:sqs:us-east-1:0:http://127.0.0.1/", f"arn:aws:sqs:us-east-1:{account.id}:none"):
        queue = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        assert code(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=queue) == "InvalidArgument"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ID": "r", "Status": "Enabled", "Priority": 1, "Filter": {}, "DeleteMarkerReplication": {"Status": "Disabled"}}
    for target in ("http://127.0.0.1:1/bucket", "arn:aws:s3:::127.0.0.1:1/x", "arn:aws:s3:::no-such-bucket-anywhere"):
        rules = {"Role": f"arn:aws:iam::{account.id}:role/r", "Rules": [rule | {"Destination": {"Bucket": target}}]}
        with pytest.raises(ClientError):
            s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=rules)
    destination = {"S3BucketDestination": {"Bucket": "http://127.0.0.1:1/", "Format": "CSV"}}
    wanted = {"Id": "i", "IsEnabled": True, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"}}
    with pytest.raises(ClientError) as refused:
        s3.put_bucket_inventory_configuration(Bucket=bucket, Id="i", InventoryConfiguration=wanted | {"Destination": destination})
    assert refused.value.response["Error"]["Code"] == "InvalidS3DestinationBucket"


def test_ghsa_9pjf(account, s3, bucket):
    """Where an answer sends its reader does not follow from the header Host alone."""
    for host in ("evil.example", "evil.example:9000", f"{bucket}.evil.example"):
        for target in ("/", f"/{bucket}", f"/{bucket}/secret"):
            answer = raw.get(f"{account.endpoint}{target}", {"Host": host})
            assert "evil.example" not in answer.headers.get("location", "")


def test_ghsa_8r6f(account, s3, bucket):
    """Keys that look like the store's own files are keys."""
    for key in ("xl.meta", ".minio.sys/config/config.json", ".rustfs.sys/x", "a/xl.meta/part.1", ".", "..", "a//b", "/", "a/./b"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode(), key
    for name in (".minio.sys", ".rustfs.sys", "..", "a/../b", "metadata", "blobs"):
        assert exact(account, "GET", f"/{name}").status_code in (400, 403, 404)
