"""Server access logs: who may take them, what a line says, and that a graceful stop keeps what waits."""

import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from ..conftest import wait_for
from . import raw

LINE = re.compile(
    r'(\S+) (\S+) \[([^\]]+)\] (\S+) (\S+) (\S+) (\S+) (\S+) "([^"]*)" (\d{3}) (\S+) (\S+) (\S+) (\d+) (\d+) '
    r'"([^"]*)" "([^"]*)" (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)'
)
FIELDS = (
    "owner bucket time ip requester request_id operation key uri status error sent size total turned referer agent "
    "version host_id signature cipher authentication host tls access_point acl"
).split()


def let_logs_in(account, target, source, prefix=""):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/{prefix}*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"},
            "StringEquals": {"aws:SourceAccount": account.id},
        },
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client("s3").put_bucket_policy(Bucket=target, Policy=policy)


def lines(s3, bucket, prefix, wanted, seconds_max=40):
    """The delivered lines, once `wanted` of them are there, with the keys they were in."""
    deadline = time.monotonic() + seconds_max
    while True:
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
        text = "".join(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys)
        found = [dict(zip(FIELDS, LINE.fullmatch(line).groups(), strict=True)) for line in text.splitlines()]
        if len(found) >= wanted:
            return found, keys
        assert time.monotonic() < deadline, f"{len(found)} of {wanted} lines came: {found}"
        time.sleep(0.2)


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def enabled(target, prefix="", **more):
    return {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix} | more}


def test_targets_must_let_logs_in(server, account):
    s3 = account.client("s3")
    source, target = account.bucket(), account.bucket()
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)
    put = s3.put_bucket_logging
    refused = "InvalidTargetBucketForLogging"
    assert code(put, Bucket=source, BucketLoggingStatus=enabled(target)) == refused
    assert code(put, Bucket=source, BucketLoggingStatus=enabled("no-such-bucket-anywhere")) == refused
    let_logs_in(account, target, source, "logs/")
    assert code(put, Bucket=source, BucketLoggingStatus=enabled(target, "other/")) == refused
    assert code(put, Bucket=account.bucket(), BucketLoggingStatus=enabled(target, "logs/")) == refused
    theirs = server.root().bucket()
    assert code(put, Bucket=source, BucketLoggingStatus=enabled(theirs)) == refused
    for form in ({}, {"SimplePrefix": {}}, {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}):
        wanted = enabled(target, "logs/", **({"TargetObjectKeyFormat": form} if form else {}))
        put(Bucket=source, BucketLoggingStatus=wanted)
        assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"] == wanted["LoggingEnabled"]
    put(Bucket=source, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)


def test_lines_say_what_happened(own_server):
    own_server.environment["TARN_ACCESS_LOG_SECONDS"] = "1"
    own_server.start()
    account = own_server.accounts[0]
    s3 = account.client("s3")
    source, target = account.bucket(), account.bucket()
    let_logs_in(account, target, source)
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=enabled(target, "simple/"))
    s3.put_object(Bucket=source, Key="a b/c", Body=b"12345")
    s3.get_object(Bucket=source, Key="a b/c", Range="bytes=0-1")["Body"].read()
    raw.get(f"{own_server.endpoint}/{source}/a%20b/c", headers={"User-Agent": 'A "b"', "Referer": "https://x.example/"})
    code(s3.get_object, Bucket=source, Key="nothing")
    found, keys = lines(s3, target, "simple/", 4)
    assert all(re.fullmatch(r"simple/\d{4}(-\d\d){5}-[0-9A-F]{16}", key) for key in keys)
    by = {(line["operation"], line["status"]): line for line in found}
    owner = s3.list_buckets()["Owner"]["ID"]
    put = by["REST.PUT.OBJECT", "200"]
    assert (put["owner"], put["bucket"], put["requester"], put["key"]) == (owner, source, owner, "a%20b/c")
    assert (put["ip"], put["size"], put["sent"], put["error"]) == ("127.0.0.1", "5", "-", "-")
    assert (put["signature"], put["authentication"]) == ("SigV4", "AuthHeader")
    assert put["uri"].startswith(f"PUT /{source}/a%20b/c") and put["uri"].endswith(" HTTP/1.1")
    part = by["REST.GET.OBJECT", "206"]
    assert (part["sent"], part["size"]) == ("2", "5")
    nobody = by["REST.GET.OBJECT", "403"]
    assert (nobody["requester"], nobody["error"], nobody["signature"]) == ("-", "AccessDenied", "-")
    assert (nobody["agent"], nobody["referer"]) == ("A %22b%22", "https://x.example/")
    missing = by["REST.GET.OBJECT", "404"]
    assert (missing["error"], missing["key"]) == ("NoSuchKey", "nothing")


def test_a_graceful_stop_keeps_what_waits(own_server):
    own_server.environment["TARN_ACCESS_LOG_SECONDS"] = "3600"
    own_server.start()
    account = own_server.accounts[0]
    s3 = account.client("s3")
    source, target = account.bucket(), account.bucket()
    let_logs_in(account, target, source)
    form = {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}}
    wanted = enabled(target, "p/", TargetObjectKeyFormat=form)
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=wanted)
    for number in range(20):
        s3.put_object(Bucket=source, Key=f"k{number}", Body=b"x")
    own_server.stop()
    own_server.environment["TARN_ACCESS_LOG_SECONDS"] = "1"
    own_server.start()
    s3 = own_server.accounts[0].client("s3")
    found, keys = lines(s3, target, "p/", 20)
    assert sorted(line["key"] for line in found if line["operation"] == "REST.PUT.OBJECT") == sorted(f"k{n}" for n in range(20))
    shape = rf"p/{account.id}/us-east-1/{source}/\d{{4}}/\d\d/\d\d/\d{{4}}(-\d\d){{5}}-[0-9A-F]{{16}}"
    assert all(re.fullmatch(shape, key) for key in keys)


def test_a_line_has_a_field_more_where_it_is_asked_for(own_server):
    own_server.environment |= {"TARN_ACCESS_LOG_SECONDS": "1", "TARN_ACCESS_LOG_SOURCE_REGION": "true"}
    own_server.start()
    account = own_server.accounts[0]
    source, target = account.bucket(), account.bucket()
    let_logs_in(account, target, source)
    s3 = account.client("s3")
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=enabled(target))
    s3.put_object(Bucket=source, Key="k", Body=b"x")

    def delivered():
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=target).get("Contents", [])]
        return "".join(s3.get_object(Bucket=target, Key=key)["Body"].read().decode() for key in keys).splitlines()

    puts = lambda lines: [line for line in lines if "REST.PUT.OBJECT" in line]
    line = puts(wait_for(delivered, puts))[0]
    # The region that the request came from: from none.
    assert LINE.fullmatch(line.removesuffix(" -")) and not LINE.fullmatch(line)
