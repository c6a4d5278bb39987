"""Random values of botocore shapes, and their neutral form: JSON by member names, base64 blobs, milliseconds."""

import base64
import datetime
import json
import random
import re
import string

SPECIAL = "<>&\"' %+=/?#;:,\\{}[]()~\n\t\réßλ漢字😀"
CANDIDATES = [
    "a", "abc", "abcdefgh-1", "A1b2C3d4E5f6G7h8", "123456789012", "0" * 32, "1234567890123456", "user/x", "/", "/path/",
    "arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:role/service-role/x", "arn:aws:s3:::bucket",
    "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
    "arn:aws:glue:us-east-1:123456789012:catalog", "arn:aws:firehose:us-east-1:123456789012:deliverystream/x",
    "arn:aws:lambda:us-east-1:123456789012:function:x:1", "arn:aws:kinesis:us-east-1:123456789012:stream/x",
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:x", "arn:aws:es:us-east-1:123456789012:domain/x",
    "arn:aws:kafka:us-east-1:123456789012:cluster/x/12345678-1234-1234-1234-123456789012-1",
    "arn:aws:aoss:us-east-1:123456789012:collection/x", "arn:aws:s3tables:us-east-1:123456789012:bucket/x",
    "arn:aws:sso::123456789012:application/ssoins-1234567890123456/apl-1234567890123456",
    "arn:aws:rds:us-east-1:123456789012:db:x", "arn:aws:logs:us-east-1:123456789012:log-group:x",
    "12345678-1234-1234-1234-123456789012", "s3://bucket/prefix/", "https://example.com/x", "jdbc:redshift://h:5439/d",
    "x@example.com", "2026-01-01", "2026-01-01T00:00:00Z", "us-east-1", "v1", "1.0", "1", "5439", "true", "None", "AKIAIOSFODNN7EXAMPLE",
    "https://abc.es.amazonaws.com", "https://abc.splunkcloud.com:8088", "bucket-name", "example.com", "0.1",
    "{}", "column", "*", "Athena engine version 3", "org.apache.Foo", "aaaa.bbbb.cccc", "https://abc.us-east-1.aoss.amazonaws.com",
    "jdbc:redshift://x.redshift.amazonaws.com:5439/d", "com.amazonaws.vpce.us-east-1.vpce-svc-12345678", "X" * 40,
]  # fmt: skip


class Generator:
    """Values for the shapes of one protocol. `surely_valid` turns false when a pattern could not be satisfied."""

    def __init__(self, seed, protocol, output=False, skip=frozenset()):
        self.random = random.Random(seed)
        self.protocol = protocol
        self.output = output
        self.skip = skip
        self.surely_valid = True

    def structure(self, shape, density=None):
        density = self.random.choice([0.0, 0.3, 0.7, 1.0]) if density is None else density
        value = self._structure(shape, density, (shape.name,))
        return value

    def _structure(self, shape, density, stack):
        required = set(shape.required_members)
        names = list(shape.members)
        union = getattr(shape, "is_tagged_union", False)
        if union:
            names = [name for name in names if shape.members[name].name not in self.skip]
            names = [self.random.choice(names)] if names else []
            density = 1.0
        value = {}
        for name in names:
            member = shape.members[name]
            location = member.serialization.get("location")
            must = union or name in required or location == "uri" or member.metadata.get("idempotencyToken")
            if member.name in self.skip or (member.type_name == "structure" and member.name in stack):
                self.surely_valid &= name not in required
                continue
            if member.type_name == "list" and member.member.name in stack:
                self.surely_valid &= name not in required
                continue
            if not must and self.random.random() >= density * (0.8 ** len(stack)):
                continue
            if getattr(member, "event_stream", None) or member.serialization.get("eventstream"):
                continue
            value[name] = self.value(member, density, stack, location)
        return value

    def value(self, shape, density, stack, location=None):
        kind = shape.type_name
        if shape.metadata.get("document") or getattr(shape, "is_document_type", False):
            return {"a": [1, "b", None, {"c": True}]}
        if shape.serialization.get("jsonvalue"):
            return {"a": 1}
        if kind == "structure":
            return self._structure(shape, density, (*stack, shape.name))
        if kind == "list":
            return [self.value(shape.member, density, stack, location) for _ in range(self.count(shape))]
        if kind == "map":
            return {
                self.value(shape.key, density, stack, location or "key"): self.value(shape.value, density, stack, location)
                for _ in range(self.count(shape))
            }
        return getattr(self, f"_{kind}")(shape, location)

    def count(self, shape):
        minimum = int(shape.metadata.get("min", 0))
        maximum = int(shape.metadata.get("max", minimum + 3))
        # XML and forms cannot tell an empty list from none.
        floor = 0 if self.protocol in ("json", "smithy-rpc-v2-cbor") else 1
        return self.random.randint(max(minimum, floor), max(min(maximum, minimum + 3), floor))

    def _string(self, shape, location):
        if shape.enum:
            return self.random.choice(shape.enum)
        minimum = int(shape.metadata.get("min", 0))
        maximum = int(shape.metadata.get("max", minimum + 20))
        pattern = shape.metadata.get("pattern")
        if pattern is not None:
            fitting = [text for text in CANDIDATES if minimum <= len(text) <= maximum and fits(pattern, text)]
            if fitting:
                return self.random.choice(fitting)
            self.surely_valid = False
        alphabet = string.ascii_letters + string.digits + "-_."
        if location is None or (location == "key" and self.protocol != "rest-xml"):
            # botocore writes a carriage return into XML as it is, and every XML parser reads that as a line feed.
            lost = "\r" if self.protocol == "rest-xml" and not self.output else ""
            alphabet += SPECIAL.replace(lost, "") * 2 if lost else SPECIAL * 2
        elif location == "header":
            alphabet = string.ascii_letters + string.digits + "-"
        elif location in ("uri", "querystring"):
            alphabet += " +&=%éλ😀"
        if location in ("uri", "header", "headers", "key"):
            minimum = max(minimum, 1)
        length = self.random.randint(minimum, max(minimum, min(maximum, minimum + 20)))
        text = "".join(self.random.choice(alphabet) for _ in range(length))
        # Java counts UTF-16 units.
        return text if len(text.encode("utf-16-le")) // 2 <= maximum else text.encode("ascii", "replace").decode()

    _character = _string

    def _blob(self, shape, location):
        minimum = int(shape.metadata.get("min", 0))
        if location == "header":
            minimum = max(minimum, 1)
        return self.random.randbytes(self.random.randint(minimum, minimum + 20))

    def _boolean(self, shape, location):
        return self.random.random() < 0.5

    def _integer(self, shape, location):
        minimum = int(shape.metadata.get("min", -(2**31)))
        maximum = int(shape.metadata.get("max", max(minimum, 2**31 - 1)))
        return self.random.choice([minimum, maximum, self.random.randint(minimum, maximum)])

    def _long(self, shape, location):
        minimum = int(shape.metadata.get("min", -(2**63)))
        maximum = int(shape.metadata.get("max", max(minimum, 2**63 - 1)))
        return self.random.choice([minimum, maximum, self.random.randint(minimum, maximum)])

    def _double(self, shape, location):
        minimum, maximum = float(shape.metadata.get("min", -1e9)), float(shape.metadata.get("max", 1e9))
        # At most 15 digits: more are read to the last bit only where serde_json's `float_roundtrip` is on.
        return self.random.choice([minimum, maximum, round(self.random.uniform(minimum, maximum), 3)])

    def _float(self, shape, location):
        # Exact in 32 bits.
        return float(self.random.randint(-1000, 1000)) / 4

    def _timestamp(self, shape, location):
        seconds = self.random.randint(0, 4_000_000_000)
        moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        # botocore writes whole seconds to JSON and to headers; it reads fractions.
        if self.output and location is None and shape.serialization.get("timestampFormat") != "rfc822":
            moment += datetime.timedelta(milliseconds=self.random.choice([0, 1, 500, 999]))
        return moment


def fits(pattern, text):
    """Whether Java would match the whole text; false where Python cannot tell."""
    pattern = re.sub(r"(?i)\\uD800\\uDC00-\\uDBFF\\uDFFF", "\U00010000-\U0010ffff", pattern)
    pattern = pattern.replace("\\p{L}", "a-zA-Z").replace("\\p{Z}", " ").replace("\\p{N}", "0-9").replace("\\p{Alnum}", "a-zA-Z0-9")
    try:
        return re.fullmatch(pattern, text, re.ASCII) is not None
    except re.error:
        return False


def neutral(shape, value):
    """The neutral form of a value that botocore takes or gives."""
    kind = shape.type_name
    if shape.metadata.get("document") or getattr(shape, "is_document_type", False):
        return value
    if shape.serialization.get("jsonvalue"):
        return json.dumps(value)
    if kind == "structure":
        return {name: neutral(shape.members[name], member) for name, member in value.items() if name in shape.members}
    if kind == "list":
        return [neutral(shape.member, element) for element in value]
    if kind == "map":
        return {neutral(shape.key, key): neutral(shape.value, entry) for key, entry in value.items()}
    if kind == "blob":
        if hasattr(value, "read"):
            value = value.read()
        return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
    if kind == "timestamp":
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return round((value - epoch).total_seconds() * 1000)
    return value


def pruned(value):
    """Without what XML and forms cannot show: empty structures, lists and maps."""
    if isinstance(value, dict):
        entries = {key: pruned(entry) for key, entry in value.items()}
        return {key: entry for key, entry in entries.items() if entry not in ({}, [])}
    if isinstance(value, list):
        return [entry for entry in map(pruned, value) if entry not in ({}, [])]
    return value


def recursive_shapes(model):
    """Names of shapes that contain themselves."""
    shapes = model["shapes"]

    def parts(name):
        shape = shapes[name]
        members = list(shape.get("members", {}).values())
        members += [shape[part] for part in ("member", "key", "value") if part in shape]
        return {member["shape"] for member in members}

    edges = {name: parts(name) for name in shapes}
    found = set()
    for start in shapes:
        seen, open_ = set(), list(edges[start])
        while open_:
            name = open_.pop()
            if name == start:
                found.add(start)
                break
            if name not in seen:
                seen.add(name)
                open_.extend(edges[name])
    return frozenset(found)
