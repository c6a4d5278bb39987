"""Bad input for every S3 operation: refused with S3's codes, never a 5xx, a hang or a dropped connection; legal keys come back byte for byte.

The operations are those of `docs/coverage.md`, so that a new one is tested here without a line of its own.
"""

import base64
import re
import secrets
import socket
import xml.etree.ElementTree
import zlib
from pathlib import Path
from urllib.parse import quote, unquote

import botocore.session
import pytest

from ..raw import Wire, md5, refusal, survived

ROOT = Path(__file__).parents[3]
MODEL = botocore.session.get_session().get_service_model("s3")
SERVED = re.findall(
    r"^\| (\w+) \| ", (ROOT / "docs/coverage.md").read_text().split("## s3:")[1].split("\n## ")[0], re.MULTILINE
)
OPERATIONS = [name for name in SERVED if name in MODEL.operation_names]
NO_UPLOAD = "00000000000000000000000000000000"

# Legal, each of them: a key is 1 to 1,024 bytes of UTF-8.
KEYS = [
    "..", ".", "../x", "../../../etc/passwd", "a/../b", "a/./b", "a/..", "./a", "a/.", "..a/b..", "...", "/", "//", "///", "/a", "//a",
    "a//b", "a///b", "a/", "a//", " ", "a b", " a", "a ", "a+b", "+", "%", "%2F", "%2f", "a%20b", "%00", "%25", "a?b", "a?versionId=x", "a#b",
    "a&b", "a=b", "<a>", "\"a'", "&amp;", "]]>", "a\\b", "..\\a", "C:\\x", "a;b", "a:b", "a@b", "a,b", "a|b", "a*b", "a^b", "a`b", "{a}", "[a]",
    "~a", "é", "e\u0301", "漢字/かな", "😀", "\u202eabc", "\ufeffa", "\ufffd", "\u00a0", "\u2028", "a\tb", "a\nb", "a\r\nb", "\x7f", "\x85", "\U0010ffff",
    "a\x00b", "\x00", "\x01", "\x1b", "\x08/\x0b", "k" * 1024, "é" * 512, "/" * 1024, "a/" * 512, "COM1", "con", ".git/config", "-rf", "$HOME", "`id`",
    "null", "None", "favicon.ico", "index.html", "-/health/live", "?", "uploads", "?uploads", "x" * 255 + "/" + "y" * 255,
]  # fmt: skip


def path_of(key: str | bytes) -> str:
    """A key in a path, as signatures have it: nothing but what RFC 3986 leaves bare, and the slash."""
    raw = key.encode() if isinstance(key, str) else key
    return quote(raw, safe="/-_.~")


def texts(answer, tag: str) -> list[str]:
    root = xml.etree.ElementTree.fromstring(answer.body)
    return [element.text or "" for element in root.iter() if element.tag.rsplit("}")[-1] == tag]


@pytest.fixture(scope="module")
def owner(server, _accounts):
    return server.accounts[next(_accounts)]


@pytest.fixture(scope="module")
def bucket(owner):
    name = owner.bucket()
    owner.client("s3").put_object(Bucket=name, Key="k", Body=b"0123456789")
    return name


@pytest.fixture(scope="module")
def wire(owner):
    return Wire(owner, "s3")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: repr(key)[:30])
def test_a_legal_key_comes_back_byte_for_byte(owner, wire, key):
    """Put, get, head, list, tag, copy and delete: the key is what was sent, wherever it is shown."""
    bucket = owner.bucket()
    at, body = f"/{bucket}/{path_of(key)}", key.encode()
    put = wire.send("PUT", at, body=body)
    assert put.status == 200, put
    got = wire.send("GET", at)
    assert (got.status, got.body) == (200, body), got
    assert wire.send("HEAD", at).headers["content-length"] == str(len(body))
    for query in ("list-type=2&encoding-type=url", "encoding-type=url", "versions&encoding-type=url"):
        listed = wire.send("GET", f"/{bucket}?{query}")
        assert listed.status == 200, listed
        assert [unquote(text.replace("+", " ")) for text in texts(listed, "Key")] == [key], listed
    by_prefix = wire.send("GET", f"/{bucket}?list-type=2&encoding-type=url&prefix={path_of(key).replace('/', '%2F')}")
    assert texts(by_prefix, "KeyCount") == ["1"], by_prefix
    plain = wire.send("GET", f"/{bucket}?list-type=2")
    if all(character >= " " or character in "\t\n\r" for character in key):
        # What XML can hold is in it as it is; for the rest there is encoding-type.
        assert plain.status == 200 and texts(plain, "Key") == [key], plain
    else:
        assert refusal(plain, {"InvalidArgument"}, ["encoding-type=url"]) is None, plain
    tagged = wire.send("PUT", f"{at}?tagging", body=b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>")
    assert tagged.status == 200, tagged
    copied = wire.send("PUT", f"/{bucket}/copy", [("x-amz-copy-source", f"/{bucket}/{path_of(key)}")])
    assert copied.status == 200, copied
    assert wire.send("GET", f"/{bucket}/copy").body == body
    assert wire.send("PUT", f"{at}", [("x-amz-copy-source", f"/{bucket}/copy"), ("x-amz-metadata-directive", "REPLACE")]).status == 200
    started = wire.send("POST", f"{at}?uploads")
    assert started.status == 200, started
    upload = texts(started, "UploadId")[0]
    assert texts(started, "Key") in ([key], []), started
    part = wire.send("PUT", f"{at}?partNumber=1&uploadId={quote(upload, safe='')}", body=b"part")
    assert part.status == 200, part
    uploads = wire.send("GET", f"/{bucket}?uploads&encoding-type=url")
    assert [unquote(text.replace("+", " ")) for text in texts(uploads, "Key")] == [key], uploads
    etag = part.headers["etag"].replace('"', "&quot;")
    manifest = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    done = wire.send("POST", f"{at}?uploadId={quote(upload, safe='')}", body=manifest.encode())
    assert done.status == 200, done
    assert wire.send("GET", at).body == b"part"
    assert wire.send("DELETE", at).status == 204
    assert wire.send("GET", at).error()[0] == "NoSuchKey"
    assert wire.send("DELETE", f"/{bucket}/copy").status == 204
    assert wire.send("DELETE", f"/{bucket}").status == 204


def test_keys_do_not_meet(wire, owner):
    """Keys that a file system or a tidy client would hold for one are many."""
    bucket = owner.bucket()
    keys = ["a", "/a", "//a", "a/", "a//", "./a", "a/.", "b/../a", "a%2F", "A", "\u00e9", "e\u0301", "a\x00", "a\x00b", " a", "a "]
    for key in keys:
        assert wire.send("PUT", f"/{bucket}/{path_of(key)}", body=key.encode()).status == 200
    for key in keys:
        assert wire.send("GET", f"/{bucket}/{path_of(key)}").body == key.encode()
    listed = wire.send("GET", f"/{bucket}?list-type=2&encoding-type=url")
    assert [unquote(text.replace("+", " ")) for text in texts(listed, "Key")] == sorted(keys, key=str.encode)


@pytest.mark.parametrize(
    ("key", "codes"),
    [("k" * 1025, {"KeyTooLongError"}), ("é" * 513, {"KeyTooLongError"}), ("k" * 60_000, {"KeyTooLongError"}),
     (b"\xff\xfe", {"InvalidURI"}), (b"a\xc3", {"InvalidURI"}), (b"\xed\xa0\x80", {"InvalidURI"}), (b"\xc0\xaf", {"InvalidURI"})],
    ids=lambda value: repr(value)[:24] if isinstance(value, (str, bytes)) else "",
)  # fmt: skip
def test_a_key_that_cannot_be(wire, bucket, key, codes):
    at = f"/{bucket}/{path_of(key)}"
    for method, query, body in [("PUT", "", b"x"), ("GET", "", b""), ("DELETE", "", b""), ("POST", "?uploads", b""), ("GET", "?tagging", b""),
                                ("GET", "?attributes", b""), ("GET", f"?uploadId={NO_UPLOAD}", b"")]:  # fmt: skip
        answer = wire.send(method, at + query, [("x-amz-object-attributes", "ETag")] if "attributes" in query else [], body)
        assert refusal(answer, codes) is None, f"{method} {query}: {answer}"
    copied = wire.send("PUT", f"/{bucket}/to", [("x-amz-copy-source", at)])
    assert refusal(copied, codes | {"InvalidArgument", "NoSuchKey"}) is None, copied


BAD_BUCKETS = [
    "ab", "a" * 64, "a" * 300, "Abc", "a_b", "a..b", ".abc", "abc.", "-abc", "abc-", "192.168.5.4", "xn--abc", "abc-s3alias", "a b", "a%2Fb", "..", "...",
    "%2e%2e", "%00abc", "abc%00", "é%20é", "%C3%A9%C3%A9%C3%A9", "漢字漢", "abc%0a", "a%25b", "a*b", "$abc", "abc--ol-s3",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_BUCKETS)
def test_a_bucket_name_that_cannot_be(wire, name):
    name = quote(name, safe="%$*.-_")
    for method, rest in [("PUT", ""), ("GET", "?list-type=2"), ("GET", "/k"), ("PUT", "/k"), ("DELETE", ""), ("POST", "/k?uploads"), ("GET", "?policy")]:
        answer = wire.send(method, f"/{name}{rest}")
        assert refusal(answer, {"InvalidBucketName", "NoSuchBucket"} if method != "PUT" or rest else {"InvalidBucketName"}) is None, f"{method} {rest}: {answer}"


TAGGING = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"


def xml_operations():
    """Operations whose body is XML, by the model: method, path with its sub-resource, root element."""
    for name in OPERATIONS:
        operation = MODEL.operation_model(name)
        payload = (operation.input_shape.serialization or {}).get("payload") if operation.input_shape else None
        shape = operation.input_shape.members[payload] if payload else None
        if shape is None or shape.type_name != "structure":
            continue
        uri = operation.http["requestUri"]
        yield name, operation.http["method"], uri, shape.serialization.get("name", shape.name)


@pytest.fixture(scope="module")
def upload(owner, bucket):
    return owner.client("s3").create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]


def target(name: str, uri: str, bucket: str, upload: str) -> str:
    """Where an operation is sent, with the parameters that it must have."""
    path, _, query = re.sub(r"\{Key\+?\}", "k", uri.replace("{Bucket}", bucket)).partition("?")
    pairs = [pair for pair in query.split("&") if pair]
    if "UploadId" in MODEL.operation_model(name).input_shape.required_members:
        pairs.append(f"uploadId={quote(upload, safe='')}")
    return f"{path}?{'&'.join(pairs)}" if pairs else path


BROKEN_XML = {
    "cut": b"<{root}><",
    "not closed": b"<{root}><a>",
    "wrongly closed": b"<{root}></{root}x>",
    "no XML": b"{{\"{root}\": 1}}",
    "another root": b"<NoSuchRoot></NoSuchRoot>",
    "invalid UTF-8": b"<{root}>\xff\xfe</{root}>",
    "a NUL": b"<{root}>\x00</{root}>",
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><{root}>&b;</{root}>',
    "a file": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><{root}>&a;</{root}>',
    "deep": b"<{root}>" + b"<a>" * 50_000,
    "deep and closed": b"<{root}>" + b"<a>" * 10_000 + b"</a>" * 10_000 + b"</{root}>",
    "many attributes": b"<{root} " + b" ".join(b'a%d="x"' % number for number in range(5_000)) + b"></{root}",
    "binary": bytes(range(256)).replace(b"{", b"").replace(b"}", b""),
    "two roots": b"<{root}></{root}><{root}></{root}>",
}


WRONG_DIGESTS = {
    "another MD5": ([("content-md5", md5(b"another"))], "BadDigest"),
    "a short MD5": ([("content-md5", base64.b64encode(b"short").decode())], "InvalidDigest"),
    "no base64": ([("content-md5", "*** no base64 ***")], "InvalidDigest"),
    "another checksum": ([("x-amz-checksum-crc32", "AAAAAA==")], "BadDigest"),
    "a short checksum": ([("x-amz-checksum-crc32", "AAAA")], "InvalidRequest"),
}


@pytest.mark.parametrize(("name", "method", "uri", "root"), list(xml_operations()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_broken_xml_body(wire, bucket, upload, name, method, uri, root):
    path = target(name, uri, f"new-{bucket}" if name == "CreateBucket" else bucket, upload)
    complaints = []
    for what, template in BROKEN_XML.items():
        body = template.replace(b"{root}", root.encode()).replace(b"{{", b"{").replace(b"}}", b"}")
        answer = wire.send(method, path, [("content-md5", md5(body))], body)
        # Some readers stop after the first root, and an unknown element in it is skipped.
        may = what in ("two roots", "deep and closed", "a NUL")
        complaint = survived(answer) if may else refusal(answer, {"MalformedXML", "MalformedACLError", "InvalidRequest"})
        complaints += [f"{what}: {complaint}"] if complaint else []
    for what, (headers, code) in WRONG_DIGESTS.items():
        if name == "CompleteMultipartUpload" and "checksum" in what:
            continue  # there it is the object's
        answer = wire.send(method, path, headers, f"<{root}></{root}>".encode())
        complaint = refusal(answer, {code})
        complaints += [f"{what}: {complaint}"] if complaint else []
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize(
    ("method", "where", "body"),
    [("PUT", "?tagging", TAGGING), ("PUT", "/k?tagging", TAGGING), ("POST", "?delete", b"<Delete><Object><Key>other</Key></Object></Delete>")],
)
def test_a_document_is_held_to_its_digests(wire, bucket, method, where, body):
    for what, (headers, code) in WRONG_DIGESTS.items():
        answer = wire.send(method, f"/{bucket}{where}", headers, body)
        assert refusal(answer, {code}) is None, (what, answer)
    crc32 = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    right = [("content-md5", md5(body)), ("x-amz-sdk-checksum-algorithm", "CRC32"), ("x-amz-checksum-crc32", crc32)]
    answer = wire.send(method, f"/{bucket}{where}", right, body)
    assert answer.status in (200, 204), answer


@pytest.mark.parametrize(
    ("headers", "codes"),
    [
        ([("content-md5", md5(b"another"))], {"BadDigest"}),
        ([("content-md5", "AAAA")], {"InvalidDigest"}),
        ([("content-md5", "%%%")], {"InvalidDigest"}),
        ([("content-md5", "")], {"InvalidDigest"}),
        ([("content-md5", md5(b"body")), ("content-md5", md5(b"another"))], {"InvalidDigest", "BadDigest", "InvalidRequest", "InvalidArgument"}),
        ([("x-amz-checksum-crc32", "AAAAAA==")], {"BadDigest", "XAmzContentChecksumMismatch"}),
        ([("x-amz-checksum-crc32", "no")], {"InvalidRequest"}),
        ([("x-amz-checksum-sha256", "AAAA")], {"InvalidRequest"}),
        ([("x-amz-sdk-checksum-algorithm", "NOPE")], {"InvalidRequest", "InvalidArgument"}),
        ([("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-sha1", "AAAA")], {"InvalidRequest"}),
        ([("x-amz-storage-class", "NOPE")], {"InvalidStorageClass"}),
        ([("x-amz-acl", "nope")], {"InvalidArgument", "AccessControlListNotSupported"}),
        ([("x-amz-server-side-encryption", "nope")], {"InvalidArgument", "InvalidEncryptionAlgorithmError"}),
        ([("x-amz-server-side-encryption-customer-algorithm", "nope")], {"InvalidArgument", "InvalidEncryptionAlgorithmError", "NotImplemented", "InvalidRequest"}),
        ([("x-amz-tagging", "a=b&a=c")], {"InvalidTag", "InvalidArgument"}),
        ([("x-amz-tagging", "&".join(f"k{number}=v" for number in range(11)))], {"BadRequest", "InvalidTag", "InvalidArgument"}),
        ([("x-amz-tagging", "k" * 129 + "=v")], {"InvalidTag", "InvalidArgument"}),
        ([("x-amz-tagging", "a=%ff%fe")], {"InvalidTag", "InvalidArgument"}),
        ([("x-amz-meta-big", "x" * 2048)], {"MetadataTooLarge"}),
        ([("x-amz-object-lock-mode", "NOPE")], {"InvalidArgument", "InvalidRequest", "NotImplemented"}),
        ([("x-amz-object-lock-legal-hold", "NOPE")], {"InvalidArgument", "InvalidRequest", "NotImplemented", "MalformedXML"}),
        ([("x-amz-copy-source", "nothing")], {"InvalidArgument"}),
        ([("x-amz-copy-source", "")], {"InvalidArgument"}),
        ([("x-amz-copy-source", "/%ff/%fe")], {"InvalidArgument", "InvalidURI"}),
        ([("x-amz-expected-bucket-owner", "nobody")], {"AccessDenied", "InvalidBucketOwnerAWSAccountID"}),
        ([("if-match", '"no"')], {"NoSuchKey", "PreconditionFailed"}),
        ([("x-amz-write-offset-bytes", "x")], {"InvalidArgument", "NotImplemented", "InvalidRequest"}),
        ([("x-amz-security-token", "none of mine")], {"InvalidToken", "InvalidAccessKeyId", "InvalidClientTokenId"}),
        ([("x-amz-content-sha256", "0" * 64)], {"XAmzContentSHA256Mismatch"}),
        ([("x-amz-content-sha256", "nope")], {"InvalidArgument", "XAmzContentSHA256Mismatch", "InvalidRequest", "SignatureDoesNotMatch"}),
        ([("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("x-amz-decoded-content-length", "4")], {"IncompleteBody", "InvalidRequest", "SignatureDoesNotMatch"}),
        ([("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ("x-amz-decoded-content-length", "4"), ("content-encoding", "aws-chunked")], {"IncompleteBody", "InvalidRequest", "MalformedTrailerError"}),
        ([("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ("x-amz-decoded-content-length", "many")], {"InvalidArgument", "InvalidRequest", "MissingContentLength"}),
    ],
    ids=lambda value: " ".join(f"{name}={text[:20]}" for name, text in value) if isinstance(value, list) else "",
)  # fmt: skip
def test_headers_of_a_put(wire, bucket, headers, codes):
    key = f"/{bucket}/never-{secrets.token_hex(4)}"
    answer = wire.send("PUT", key, headers, b"body")
    if answer.status == 501:
        # Not built yet, and said so.
        assert "NotImplemented" in codes and answer.error()[0] == "NotImplemented", answer
    else:
        assert refusal(answer, codes) is None, answer
    assert wire.send("GET", key).error()[0] == "NoSuchKey"


@pytest.mark.parametrize("value", ["\xe9\xff", "x" * 2_000, "=?UTF-8?B?w6k=?=", "a\tb"])
def test_odd_user_metadata_is_kept(wire, bucket, value):
    raw = value.encode("latin-1")
    answer = wire.send("PUT", f"/{bucket}/odd", [("x-amz-meta-odd", value)], b"body")
    assert survived(answer) is None, (raw, answer)


@pytest.mark.parametrize(
    ("value", "status"),
    [("bytes=a-b", None), ("bytes=", None), ("bytes=-", None), ("nope", None), ("bytes=0-0,2-3", None), ("lines=0-1", None), ("bytes=0x0-1", None), ("bytes=5-2", None),
     ("bytes=-0", 416), ("bytes=10-", 416), ("bytes=99999999999999999999-", None), ("bytes=0-99999999999999999999", None), ("bytes=-99999999999999999999", None),
     ("bytes=18446744073709551615-18446744073709551615", None), ("bytes=9223372036854775807-", 416), ("bytes=+1-2", None), ("bytes = 0-1", None), ("BYTES=0-1", None)],
)  # fmt: skip
def test_bad_ranges(wire, bucket, value, status):
    """One beyond the end cannot be satisfied; what is no range at all is refused or, as HTTP has it, passed over, and never read as another."""
    answer = wire.send("GET", f"/{bucket}/k", [("range", value)])
    assert answer.status == status if status else answer.status in (200, 400, 416), answer
    if answer.status == 400:
        assert answer.error()[0] in ("InvalidArgument", "InvalidRequest"), answer
    if answer.status == 200:
        assert answer.body == b"0123456789"
    if answer.status == 416:
        assert answer.error()[0] == "InvalidRange"
    head = wire.send("HEAD", f"/{bucket}/k", [("range", value)])
    assert head.status == answer.status and head.body == b""


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("list-type=2&max-keys=x", {"InvalidArgument"}), ("max-keys=-1", {"InvalidArgument"}), ("max-keys=99999999999999999999", {"InvalidArgument"}),
        ("list-type=2&max-keys=", {"InvalidArgument"}), ("list-type=2&encoding-type=nope", {"InvalidArgument"}), ("encoding-type=nope", {"InvalidArgument"}),
        ("list-type=3", {"InvalidArgument"}), ("list-type=x", {"InvalidArgument"}), ("list-type=2&continuation-token=nope", {"InvalidArgument"}),
        ("list-type=2&fetch-owner=maybe", {"InvalidArgument"}),
        ("versions&version-id-marker=x", {"InvalidArgument"}), ("versions&max-keys=x", {"InvalidArgument"}),
        ("uploads&max-uploads=x", {"InvalidArgument"}), ("uploads&encoding-type=nope", {"InvalidArgument"}),
        ("list-type=2&prefix=%ff%fe", {"InvalidArgument", "InvalidURI", "SignatureDoesNotMatch"}), ("versions&uploads", {"InvalidArgument", "InvalidRequest", "NotImplemented"}),
    ],
)  # fmt: skip
def test_bad_parameters_of_a_bucket(wire, bucket, query, codes):
    answer = wire.send("GET", f"/{bucket}?{query}")
    if query == "versions&uploads":
        assert survived(answer) is None
        return
    assert refusal(answer, codes) is None, answer


@pytest.mark.parametrize(
    ("method", "query", "codes"),
    [
        ("GET", "versionId=nope", {"InvalidArgument"}), ("HEAD", "versionId=nope", set()), ("DELETE", "versionId=nope", {"InvalidArgument"}), ("GET", "versionId=", {"InvalidArgument"}),
        ("GET", "partNumber=0", {"InvalidArgument"}), ("GET", "partNumber=10001", {"InvalidArgument"}), ("GET", "partNumber=x", {"InvalidArgument"}), ("GET", "partNumber=-1", {"InvalidArgument"}),
        ("GET", "uploadId=nope", {"NoSuchUpload"}), ("DELETE", "uploadId=nope", {"NoSuchUpload"}), ("PUT", f"uploadId={NO_UPLOAD}&partNumber=1", {"NoSuchUpload"}),
        ("PUT", f"uploadId={NO_UPLOAD}&partNumber=0", {"InvalidArgument"}), ("PUT", f"uploadId={NO_UPLOAD}&partNumber=10001", {"InvalidArgument"}),
        ("PUT", f"uploadId={NO_UPLOAD}&partNumber=x", {"InvalidArgument"}), ("GET", f"uploadId={NO_UPLOAD}&max-parts=x", {"InvalidArgument"}),
        ("GET", f"uploadId={NO_UPLOAD}&part-number-marker=x", {"InvalidArgument"}), ("GET", "attributes", {"InvalidArgument", "InvalidRequest"}),
        ("GET", "tagging&versionId=nope", {"InvalidArgument"}), ("POST", "", {"MethodNotAllowed", "InvalidRequest", "MalformedPOSTRequest", "NotImplemented"}),
        ("POST", "select&select-type=2", None), ("GET", "torrent", None), ("BREW", "", {"MethodNotAllowed", "NotImplemented"}), ("PATCH", "", {"MethodNotAllowed", "NotImplemented"}),
    ],
)  # fmt: skip
def test_bad_parameters_of_an_object(wire, bucket, method, query, codes):
    answer = wire.send(method, f"/{bucket}/k?{query}" if query else f"/{bucket}/k", body=b"")
    if answer.status == 501:
        assert codes is None or "NotImplemented" in codes, answer
        return
    assert refusal(answer, codes or None) is None, answer


@pytest.mark.parametrize("value", ["a%0d%0ax-injected%3A%201", "%00", "%ff", "x" * 5_000, "%E6%BC%A2"])
def test_bad_response_overrides(wire, bucket, value):
    for name in ("response-content-type", "response-content-disposition", "response-expires", "response-cache-control"):
        answer = wire.send("GET", f"/{bucket}/k?{name}={value}")
        assert survived(answer) is None, answer
        assert "x-injected" not in answer.headers


GARBAGE = ["", "nope", "-1", "99999999999999999999", "x" * 3_000, "\t", "%00%ff", "<a>&"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_garbage_in_each_header_and_parameter(wire, owner, name):
    """Every header and parameter of the model, one at a time, with what it cannot be: an answer of the 2xx or 4xx, and a readable one."""
    bucket = owner.bucket()
    assert wire.send("PUT", f"/{bucket}/k", body=b"0123456789").status == 200
    operation = MODEL.operation_model(name)
    shape = operation.input_shape
    method, uri = operation.http["method"], operation.http["requestUri"]
    base = re.sub(r"\{Key\+?\}", "k", uri.replace("{Bucket}", bucket))
    required_query, required_headers = {}, {}
    for member_name in shape.required_members if shape else []:
        member = shape.members[member_name]
        where, wire_name = member.serialization.get("location"), member.serialization.get("name", member_name)
        text = member.enum[0] if member.type_name == "string" and member.enum else NO_UPLOAD if "pload" in member_name else "1"
        text = f"/{bucket}/k" if member_name == "CopySource" else text
        if where == "querystring":
            required_query[wire_name] = text
        elif where == "header":
            required_headers[wire_name] = text
    complaints = []

    def ask(what, query, headers, body=b""):
        path, _, own = base.partition("?")
        pairs = "&".join([*(pair for pair in own.split("&") if pair), *(f"{key}={quote(text, safe='%')}" for key, text in query.items())])
        answer = wire.send(method, f"{path}?{pairs}" if pairs else path, headers, body)
        # What is not built says so; nothing else is the server's fault.
        complaint = None if answer.status == 501 and answer.error()[0] == "NotImplemented" else survived(answer)
        if complaint:
            complaints.append(f"{what} {complaint}")

    for member_name, member in shape.members.items() if shape else []:
        where, wire_name = member.serialization.get("location"), member.serialization.get("name", member_name)
        for garbage in GARBAGE:
            if where == "querystring":
                ask(f"{wire_name}={garbage[:20]!r}", required_query | {wire_name: garbage}, list(required_headers.items()))
            elif where == "header":
                ask(f"{wire_name}: {garbage[:20]!r}", required_query, list((required_headers | {wire_name: garbage}).items()))
            elif where == "headers":
                ask(f"{wire_name}x: {garbage[:20]!r}", required_query, [*required_headers.items(), (f"{wire_name}x", garbage)])
        if where == "header":
            ask(f"{wire_name} twice", required_query, [*required_headers.items(), (wire_name, "a"), (wire_name, "b")])
    for missing in required_query:
        ask(f"without {missing}", {key: text for key, text in required_query.items() if key != missing}, list(required_headers.items()))
    for missing in required_headers:
        ask(f"without {missing}", required_query, [pair for pair in required_headers.items() if pair[0] != missing])
    if method in ("PUT", "POST"):
        ask("a body that is not asked for", required_query, list(required_headers.items()), b"\x00\xff" * 100)
    assert not complaints, f"{len(complaints)} complaints:\n" + "\n".join(complaints[:25])


@pytest.mark.parametrize(
    ("name", "values"),
    [("range", ["bytes=0-1", "bytes=2-3"]), ("x-amz-meta-a", ["1", "2"]), ("x-amz-acl", ["private", "private"]), ("x-amz-storage-class", ["STANDARD", "STANDARD_IA"]),
     ("content-type", ["text/a", "text/b"]), ("x-amz-date", ["20260101T000000Z", "20260101T000000Z"]), ("if-match", ['"a"', '"b"']),
     ("x-amz-tagging", ["a=b", "c=d"]), ("x-amz-copy-source", ["/a/b", "/c/d"]), ("authorization", ["AWS4-HMAC-SHA256 x", "AWS4-HMAC-SHA256 y"]),
     ("x-amz-content-sha256", ["UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"])],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_duplicate_headers(wire, bucket, method, name, values):
    answer = wire.send(method, f"/{bucket}/twice", [(name, value) for value in values], b"x" if method == "PUT" else b"")
    assert survived(answer) is None, answer


def raw(owner, text: bytes) -> bytes:
    """Bytes on a connection of their own, and what comes back until the server closes or falls silent after an answer."""
    host, port = owner.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(text)
        got = b""
        while b"\r\n\r\n" not in got:
            chunk = connection.recv(65536)
            if not chunk:
                break
            got += chunk
        return got


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"NONSENSE\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: x\r\n" % number for number in range(2_000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nh: " + b"x" * 1_000_000 + b"\r\n\r\n", b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda head: repr(head[:40]),
)  # fmt: skip
def test_broken_http(owner, bucket, wire, head):
    """What is no HTTP is answered 4xx, or its connection is closed; the others go on."""
    try:
        got = raw(owner, head)
    except ConnectionError:
        got = b""
    assert got == b"" or re.match(rb"HTTP/1\.[01] 4\d\d ", got), got[:200]
    assert wire.send("GET", f"/{bucket}/k").body == b"0123456789"


def test_a_body_shorter_than_said(owner, bucket, wire):
    """The client goes away in the middle: nothing is stored."""
    headers = wire.headers("PUT", f"/{bucket}/short", [], b"x" * 1000)
    head = f"PUT /{bucket}/short HTTP/1.1\r\nhost: {wire.address}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    host, port = wire.address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + b"content-length: 1000\r\n\r\n" + b"x" * 10)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert answer == b"" or re.match(rb"HTTP/1\.1 4\d\d ", answer), answer
    assert wire.send("GET", f"/{bucket}/short").error()[0] == "NoSuchKey"
