"""Bad input for every operation of every service of the table kind: refused by name and place, never a 5xx, a hang or a dropped connection.

Driven by botocore's models and by `wire/aws-model/operations.toml`: a new operation is tested here without a line of its own. S3's
bad input is in `tests/e2e/s3/test_bad_input.py`. What the server logs meanwhile is checked by the `server` fixture.
"""

import copy
import json
import random
import tomllib
from pathlib import Path
from urllib.parse import quote, urlencode

import botocore.session
import pytest

from ..raw import Wire, refusal, survived
from .generate import Generator, neutral

ROOT = Path(__file__).parents[3]
SERVED = tomllib.loads((ROOT / "wire/aws-model/operations.toml").read_text())["services"]
# In rest-xml input travels in paths, headers and bodies of one operation each: S3 Control has a test of its own below.
REST_XML = ["s3control"]
OPERATIONS = [
    (service, operation) for service, table in SERVED.items() if service not in REST_XML for operation in table["operations"]
]
COMMON = {
    "SerializationException", "MalformedInput", "ValidationException", "ValidationError", "InvalidParameterValue",
    "InvalidParameterValueException", "InvalidInput", "AccessDenied", "AccessDeniedException",
}  # fmt: skip
# Longer texts are not worth their time; limits beyond this are those of the whole body.
LENGTH_MAX = 300_000
FREE_TEXTS = ["", " ", "x" * 20_000, "\x00", "a\x00b", "../..", "\x1b[2J\r\n", "%00%s${jndi:x}", "漢字😀\u202e", "'; DROP TABLE x --", "*", "\ufeff"]
WRONG = {"text": "text", "number": 17, "fraction": 1.5, "true": True, "list": [["x"]], "object": {"x": {"y": 1}}}
RIGHT = {
    "string": {"text"}, "blob": set(), "timestamp": {"number", "fraction"}, "boolean": {"true"}, "integer": {"number"},
    "long": {"number"}, "float": {"number", "fraction"}, "double": {"number", "fraction"}, "list": set(), "map": set(),
    "structure": {"object"},
}  # fmt: skip


def model(service):
    return botocore.session.get_session().get_service_model(service)


class Caller:
    """Sends operations of one service in its own protocol, from neutral values."""

    def __init__(self, account, service: str):
        self.model = model(service)
        metadata = self.model.metadata
        self.is_query = "query" in metadata["protocol"]
        # Operations are paths, and all input is in bodies.
        self.is_rest = metadata["protocol"] == "rest-json"
        self.version = metadata["apiVersion"]
        self.prefix = metadata.get("targetPrefix")
        self.wire = Wire(account, metadata.get("signingName", metadata["endpointPrefix"]))

    def raw(self, body: bytes, operation: str | None = None, content_type: str | None = None, target: str | None = None):
        headers = []
        if self.is_rest:
            headers = [("content-type", "application/json" if content_type is None else content_type)]
            return self.wire.send("POST", f"/{operation or target}", headers, body)
        if not self.is_query:
            target = f"{self.prefix}.{operation}" if operation else target
            headers += [("x-amz-target", target)] if target is not None else []
        usual = "application/x-www-form-urlencoded; charset=utf-8" if self.is_query else "application/x-amz-json-1.1"
        headers += [("content-type", usual if content_type is None else content_type)]
        return self.wire.send("POST", "/", headers, body)

    def call(self, operation: str, value: dict):
        if self.is_query:
            return self.raw(self.form(operation, flat(self.model.operation_model(operation).input_shape, value)))
        return self.raw(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), operation)

    def form(self, operation: str, pairs: list[tuple[str, str]], version: str | None = None) -> bytes:
        return urlencode([("Action", operation), ("Version", version or self.version), *pairs], quote_via=quote).encode()


def flat(shape, value, prefix="") -> list[tuple[str, str]]:
    """A neutral value as the query protocol's pairs."""
    if isinstance(value, dict) and shape is not None and shape.type_name == "structure":
        pairs = []
        for name, member in value.items():
            inner = shape.members.get(name)
            wire = inner.serialization.get("name", name) if inner is not None else name
            pairs += flat(inner, member, f"{prefix}.{wire}" if prefix else wire)
        return pairs
    if isinstance(value, list) and shape is not None and shape.type_name == "list":
        return [pair for at, each in enumerate(value, 1) for pair in flat(shape.member, each, f"{prefix}.member.{at}")]
    if isinstance(value, (dict, list)):
        return [(f"{prefix}.x", "y")]
    if isinstance(value, bool):
        return [(prefix, "true" if value else "false")]
    return [(prefix, str(value))]


@pytest.fixture(scope="module")
def callers(server, _accounts):
    """One caller for each service, each its own account: what one operation leaves behind meets the next."""
    return {service: Caller(server.accounts[next(_accounts)], service) for service in SERVED}


def places(shape, value, path=()):
    """Every member in `value` with its shape and path, the outermost first."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            yield (*path, name), shape.members[name]
            yield from places(shape.members[name], inner, (*path, name))
    elif shape.type_name == "list":
        for at, inner in enumerate(value[:1]):
            yield from places(shape.member, inner, (*path, at))
    elif shape.type_name == "map":
        for key, inner in list(value.items())[:1]:
            yield from places(shape.value, inner, (*path, key))


def changed(value, path, new):
    """A copy of `value` with `new` at `path`, or without what is there when `new` is `...`."""
    value = copy.deepcopy(value)
    at = value
    for step in path[:-1]:
        at = at[step]
    if new is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return value


def broken_constraints(shape):
    """Values that the model forbids in `shape`."""
    minimum, maximum = int(shape.metadata.get("min", 0)), shape.metadata.get("max")
    kind = shape.type_name
    if kind == "string":
        if shape.enum:
            yield from ("", "NO_SUCH_VALUE", shape.enum[0].lower() + "\x00")
        if maximum is not None and int(maximum) <= LENGTH_MAX:
            yield "x" * (int(maximum) + 1)
        if minimum > 0:
            yield ""
    elif kind in ("integer", "long"):
        if maximum is not None:
            yield int(maximum) + 1
        if "min" in shape.metadata:
            yield minimum - 1
    elif kind == "list":
        if minimum > 0:
            yield []


def inputs(operation, protocol):
    """Inputs that the model allows: the least, and two with much in them."""
    shape = operation.input_shape
    for seed, density in enumerate((0.0, 0.6, 1.0)):
        generator = Generator(f"bad {operation.name} {seed}", protocol)
        value = generator.structure(shape, density)
        yield spelled(shape, neutral(shape, value)), generator.surely_valid




def spelled(shape, value):
    """A neutral value as JSON has it: seconds instead of milliseconds."""
    kind = shape.type_name
    if kind == "structure":
        return {name: spelled(shape.members[name], inner) for name, inner in value.items()}
    if kind == "list":
        return [spelled(shape.member, inner) for inner in value]
    if kind == "map":
        return {key: spelled(shape.value, inner) for key, inner in value.items()}
    return value / 1000 if kind == "timestamp" else value


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_bad_input(callers, service, operation):
    caller = callers[service]
    shape_of = caller.model.operation_model(operation)
    codes = COMMON | {shape.error_code for shape in shape_of.error_shapes} | {shape.name for shape in shape_of.error_shapes}
    complaints = []

    def check(what, answer, complaint):
        if complaint:
            complaints.append(f"{what} {complaint}")

    bodies(caller, operation, codes, check)
    if shape_of.input_shape is not None and shape_of.input_shape.members:
        members(caller, operation, shape_of, codes, check)
    # After all that, the same connection and account still answer.
    answer = caller.call(operation, {})
    check("an empty input at the end", answer, survived(answer))
    assert not complaints, f"{len(complaints)} complaints:\n" + "\n".join(complaints[:25])


def members(caller, operation, shape_of, codes, check):
    shape, protocol = shape_of.input_shape, "query" if caller.is_query else "json"
    chance = random.Random(operation)
    seen = set()
    for value, is_valid in inputs(shape_of, protocol):
        for path, member in places(shape, value):
            steps = tuple("*" if isinstance(step, int) else step for step in path)
            if steps in seen:
                continue
            seen.add(steps)
            name, kind = str(path[-1]), member.type_name
            parent = at(shape, path[:-1])
            if name in getattr(parent, "required_members", []):
                answer = caller.call(operation, changed(value, path, ...))
                check(f"without {path}", answer, refusal(answer, codes, [name] if is_valid else []))
            for label, wrong in WRONG.items():
                if label in RIGHT[kind]:
                    continue
                bad = changed(value, path, wrong)
                answer = caller.call(operation, bad)
                # A form is all text: only what must be a number or a word can be wrong in it.
                must = not caller.is_query
                if kind in ("list", "map") and label in ("list", "object"):
                    must &= (kind == "list") != (label == "list")
                if kind in ("blob", "timestamp") and label == "text":
                    must = False
                complaint = refusal(answer, codes | {"SerializationException"}, [name]) if must else survived(answer)
                check(f"{label} as {path}", answer, complaint)
            for bad in broken_constraints(member):
                answer = caller.call(operation, changed(value, path, bad))
                shown = repr(bad)[:40]
                skip = caller.is_query and kind == "list"
                check(f"{shown} as {path}", answer, survived(answer) if skip else refusal(answer, codes, [name] if is_valid else []))
            if kind == "string":
                for bad in chance.sample(FREE_TEXTS, 4):
                    answer = caller.call(operation, changed(value, path, bad))
                    check(f"{bad[:20]!r} as {path}", answer, survived(answer))
            if kind in ("integer", "long"):
                for bad in (2**31, -(2**31) - 1, 2**63, -(2**63) - 1, 10**40, -1, 0):
                    answer = caller.call(operation, changed(value, path, bad))
                    must = not -(2**63) <= bad < 2**63 or (kind == "integer" and not -(2**31) <= bad < 2**31)
                    check(f"{bad} as {path}", answer, refusal(answer, None, [name]) if must else survived(answer))


def at(shape, path):
    for step in path:
        if shape.type_name == "structure":
            shape = shape.members[step]
        else:
            shape = shape.member if shape.type_name == "list" else shape.value
    return shape


def bodies(caller, operation, codes, check):
    if caller.is_query:
        right = caller.form(operation, [])
        may = {
            "invalid UTF-8": right + b"&x=\xff\xfe",
            "invalid escapes": right + b"&x=%ff%fe&y=%zz&z=%",
            "a deep key": right + b"&" + b"a." * 5_000 + b"b=1",
            "many keys": right + b"".join(b"&k%d=v" % number for number in range(30_000)),
            "no value": right + b"&&==&=x&x",
            "the action twice": right + b"&Action=ListUsers",
        }
        for what, body in may.items():
            answer = caller.raw(body)
            check(what, answer, survived(answer))
        for what, body, words in [
            ("another version", caller.form(operation, [], version="1999-01-01"), [operation, "1999-01-01"]),
            ("no version", urlencode({"Action": operation}).encode(), [operation]),
            ("another case", caller.form(operation.lower(), []), [operation.lower()]),
            ("another action", caller.form(operation + "Nope", []), [operation + "Nope"]),
            ("no action", urlencode({"Version": caller.version}).encode(), ["Action"]),
        ]:
            answer = caller.raw(body)
            check(what, answer, refusal(answer, {"InvalidAction", "MissingAction"}, words))
        return
    for what, body in {
        "cut JSON": b'{"Name": "x',
        "not JSON": b"Name=x",
        "half a number": b'{"MaxResults": 1',
        "two values": b"{} {}",
        "invalid UTF-8": b'{"Name": "\xff\xfe", "DatabaseName": "\xff\xfe", "x": "\xff"}',
        "a lone surrogate": b'{"Name": "\\ud800", "x": "\\ud800"',
        "a bare newline": b'{"x": "a\nb"}',
        "a list": b"[]",
        "a text": b'"text"',
        "a number": b"17",
        "deep lists": b"[" * 100_000,
        "deep objects": b'{"x":' * 100_000,
        "a huge number": b'{"x": 1' + b"0" * 5_000 + b"}, {",
        "a huge exponent": b'{"x": 1e999999}}',
        "NaN": b'{"x": NaN}',
        "a comment": b"{/* x */}",
        "binary": bytes(range(256)),
    }.items():
        answer = caller.raw(body, operation)
        check(what, answer, refusal(answer, {"SerializationException"}))
    for what, body in {"null": b"null", "nothing": b"", "a BOM": b"\xef\xbb\xbf{}", "unknown members": b'{"NoSuchMember": 1}',
                       "the same twice": b'{"Name": "x", "Name": "y"}',
                       "deep in what is not read": b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}"}.items():  # fmt: skip
        answer = caller.raw(body, operation)
        check(what, answer, survived(answer))
    for content_type in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "application/x-amz-json-9.9", "", "\x7f"):
        answer = caller.raw(b"{}", operation, content_type=content_type)
        check(f"content type {content_type!r}", answer, survived(answer))
    for content_type in ("application/cbor", "application/x-amz-cbor-1.1"):
        answer = caller.raw(b"\x9f\x9f\xff", operation, content_type=content_type)
        # The first is answered in CBOR, as it was asked.
        check(f"content type {content_type!r}", answer, None if answer.status == 400 else f"is answered {answer}")
    if caller.is_rest:
        for target in (f"{operation}Nope", operation.lower(), f"Nope/{operation}", "x" * 5_000):
            answer = caller.raw(b"{}", target=target)
            check(f"path {target[:60]}", answer, refusal(answer, {"UnknownOperationException"}))
        return
    for target in (f"{caller.prefix}.{operation}Nope", f"{caller.prefix}.{operation.lower()}", f"Nope.{operation}", operation, ".", "x" * 5_000):
        answer = caller.raw(b"{}", target=target)
        check(f"target {target[:60]}", answer, refusal(answer, {"UnknownOperationException"}))


BLOCK = '<PublicAccessBlockConfiguration xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/">%s</PublicAccessBlockConfiguration>'
GOOD_BLOCK = BLOCK % "<BlockPublicAcls>true</BlockPublicAcls>"


@pytest.mark.parametrize(
    ("method", "account_id", "body"),
    [
        (method, account_id, GOOD_BLOCK if method == "PUT" else "")
        for method in ("GET", "PUT", "DELETE")
        for account_id in (None, "", "nope", "999999999999", "0" * 13, "\x01")
    ]
    + [
        ("PUT", "own", body)
        for body in (
            "", "not XML", GOOD_BLOCK[:-20], "<Other/>", BLOCK % "<BlockPublicAcls>perhaps</BlockPublicAcls>", "\ufeff<", "\xff",
            BLOCK % "<BlockPublicAcls><a/></BlockPublicAcls>", "<a>" * 2_000, "x" * 70_000,
        )
    ],
)  # fmt: skip
def test_bad_input_of_s3_control(server, _accounts, method, account_id, body):
    account = server.accounts[next(_accounts)]
    wire = Wire(account, "s3")
    headers = [] if account_id is None else [("x-amz-account-id", account.id if account_id == "own" else account_id)]
    answer = wire.send(method, "/v20180820/configuration/publicAccessBlock", headers, body.encode("latin-1", "replace"))
    assert refusal(answer) is None, refusal(answer)
    good = [("x-amz-account-id", account.id)]
    assert wire.send("PUT", "/v20180820/configuration/publicAccessBlock", good, GOOD_BLOCK.encode()).status == 200


JOB = (
    '<CreateJobRequest xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"><Operation>%(operation)s</Operation>'
    "<Report><Enabled>%(enabled)s</Enabled></Report><ClientRequestToken>%(token)s</ClientRequestToken>"
    "<Manifest><Spec><Format>S3BatchOperations_CSV_20180820</Format><Fields>%(fields)s</Fields></Spec><Location>"
    "<ObjectArn>%(arn)s</ObjectArn><ETag>%(etag)s</ETag></Location></Manifest><Priority>%(priority)s</Priority>"
    "<RoleArn>%(role)s</RoleArn>%(more)s</CreateJobRequest>"
)
UNTAG = "<S3DeleteObjectTagging/>"
COPY = "<S3PutObjectCopy><TargetResource>%s</TargetResource>%s</S3PutObjectCopy>"
JOB_OF = {
    "operation": UNTAG, "enabled": "false", "token": "t", "fields": "<member>Bucket</member><member>Key</member>", "arn": "arn:aws:s3:::lake-raw/m.csv",
    "etag": "e", "priority": "1", "role": "arn:aws:iam::%s:role/r", "more": "",
}  # fmt: skip
BAD_JOBS = [
    {"operation": operation}
    for operation in (
        "", "<Nope/>", UNTAG + "<S3PutObjectTagging/>", "<S3PutObjectTagging><TagSet><member/></TagSet></S3PutObjectTagging>",
        COPY % ("arn:aws:s3:::B", ""), COPY % ("lake-raw", ""), COPY % ("arn:aws:s3:::a/b", ""), COPY % ("arn:aws:s3express:us-east-1:1:bucket/b", ""),
        COPY % ("arn:aws:s3:::lake-raw", "<StorageClass>COLD</StorageClass>"), COPY % ("arn:aws:s3:::lake-raw", "<MetadataDirective>MOVE</MetadataDirective>"),
        COPY % ("arn:aws:s3:::lake-raw", "<ModifiedSinceConstraint>soon</ModifiedSinceConstraint>"),
        COPY % ("arn:aws:s3:::lake-raw", "<ObjectLockMode>COMPLIANCE</ObjectLockMode>"),
        COPY % ("arn:aws:s3:::lake-raw", "<AccessControlGrants><member><Permission>READ</Permission></member></AccessControlGrants>"),
        COPY % ("arn:aws:s3:::lake-raw", "<NewObjectMetadata><ContentLength>1</ContentLength></NewObjectMetadata>"),
        "<S3PutObjectAcl/>", "<S3PutObjectAcl><AccessControlPolicy/></S3PutObjectAcl>", "<S3PutObjectLegalHold/>", "<S3PutObjectRetention/>",
        "<S3InitiateRestoreObject><ExpirationInDays>0</ExpirationInDays></S3InitiateRestoreObject>",
        "<S3InitiateRestoreObject><GlacierJobTier>EXPEDITED</GlacierJobTier></S3InitiateRestoreObject>",
        "<S3ComputeObjectChecksum><ChecksumAlgorithm>ROT13</ChecksumAlgorithm></S3ComputeObjectChecksum>",
        "<LambdaInvoke/>", "<S3ReplicateObject/>", "<S3UpdateObjectEncryption/>",
    )
] + [
    {"enabled": "maybe"}, {"enabled": "true"}, {"token": ""}, {"token": "x" * 65}, {"fields": "<member>Bucket</member>"}, {"fields": "<member>Size</member>"},
    {"arn": "lake-raw/m.csv"}, {"arn": "arn:aws:s3:::lake-raw"}, {"arn": "arn:aws:s3:::Bad_Name/k"}, {"etag": ""}, {"priority": "-1"}, {"priority": "high"},
    {"priority": str(1 << 31)}, {"role": "r"}, {"role": "arn:aws:iam::999999999999:user/r"}, {"more": "<Description/>"}, {"more": "<Description>" + "x" * 257 + "</Description>"},
    {"more": "<ConfirmationRequired>2</ConfirmationRequired>"}, {"more": "<Tags><member><Key>aws:a</Key><Value/></member></Tags>"},
    {"more": "<ManifestGenerator/>"}, {"more": "<Priority>1"},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD_JOBS, ids=lambda change: str(change)[:60])
def test_bad_input_of_jobs(server, _accounts, change):
    account = server.accounts[next(_accounts)]
    wire = Wire(account, "s3")
    own = [("x-amz-account-id", account.id)]
    values = JOB_OF | change
    if "%s" in values["role"]:
        values["role"] %= account.id
    answer = wire.send("POST", "/v20180820/jobs", own, (JOB % values).encode())
    assert refusal(answer) is None, refusal(answer)


def test_bad_paths_and_queries_of_jobs(server, _accounts):
    account = server.accounts[next(_accounts)]
    wire = Wire(account, "s3")
    own = [("x-amz-account-id", account.id)]
    job = "/v20180820/jobs/00000000-0000-0000-0000-000000000000"
    for method, path, body in [
        ("GET", "/v20180820/jobs/x", ""), ("GET", "/v20180820/jobs/" + "x" * 2_000, ""), ("GET", "/v20180820/jobs/%00%ff", ""), ("GET", job, ""),
        ("GET", "/v20180820/jobs?maxResults=many", ""), ("GET", "/v20180820/jobs?maxResults=1001", ""), ("GET", "/v20180820/jobs?jobStatuses=Done", ""),
        ("GET", "/v20180820/jobs?nextToken=%00", ""), ("GET", "/v20180820/jobs?nextToken=abcd", ""), ("POST", job + "/priority", ""),
        ("POST", job + "/priority?priority=high", ""), ("POST", job + "/priority?priority=-1", ""), ("POST", job + "/priority?priority=1", ""),
        ("POST", job + "/status", ""), ("POST", job + "/status?requestedJobStatus=Active", ""), ("POST", job + "/status?requestedJobStatus=Ready", ""),
        ("GET", job + "/tagging", ""), ("PUT", job + "/tagging", ""), ("PUT", job + "/tagging", "<PutJobTaggingRequest/>"), ("PUT", job + "/tagging", "<a>" * 2_000),
        ("DELETE", job + "/tagging", ""), ("POST", "/v20180820/jobs", ""), ("POST", "/v20180820/jobs", "not XML"), ("POST", "/v20180820/jobs", "<a>" * 2_000),
        ("POST", "/v20180820/jobs", "\xff"),
    ]:  # fmt: skip
        answer = wire.send(method, path, own, body.encode("latin-1"))
        assert refusal(answer) is None, f"{method} {path[:80]} {body[:40]}: {refusal(answer)}"
    assert wire.send("GET", "/v20180820/jobs", own).status == 200


def test_an_oversize_body_is_refused_before_it_is_read(callers):
    wire = callers["glue"].wire
    headers = [("x-amz-target", "AWSGlue.GetDatabases"), ("content-type", "application/x-amz-json-1.1"), ("content-length", str((16 << 20) + 1))]
    # Nothing of it is sent: whoever waits for the body would wait for ever.
    answer = wire.send("POST", "/", headers)
    wire.close()
    assert refusal(answer, {"RequestEntityTooLargeException"}, ["16777216"]) is None, answer


def test_a_service_that_is_not_there(server, _accounts):
    """AWS has no words for it: the one refusal that is a 501, and says where to look."""
    answer = Wire(make_account(server, _accounts), "sqs").send("POST", "/", [("x-amz-target", "AmazonSQS.ListQueues")], b"{}")
    assert answer.status == 501 and answer.error()[0] == "NotImplemented" and "sqs" in answer.error()[1]


def make_account(server, _accounts):
    return server.accounts[next(_accounts)]
