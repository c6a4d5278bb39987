"""The access logs as a table: `system.access_log` through Athena, of what waits and what was delivered, for who may read the logs."""

import pytest
from botocore.exceptions import ClientError

from ..athena.test_athena import rows, run
from ..conftest import allow, wait_for
from .test_logging import enabled, let_logs_in, lines

READER = ["athena:*", "glue:*"]


def select(account, bucket: str, query: str) -> dict:
    location = {"OutputLocation": f"s3://{bucket}/results/"}
    return run(account.client("athena"), query, ResultConfiguration=location)


def answer(account, bucket: str, query: str) -> list[list[str]]:
    """The rows, without the header."""
    return rows(account.client("athena"), select(account, bucket, query))[1:]


def refused(account, bucket: str, query: str, needle: str):
    status = select(account, bucket, query)["Status"]
    assert status["State"] == "FAILED" and needle in status["StateChangeReason"], status


def requests(s3, source):
    """Three requests, one of which fails."""
    s3.put_object(Bucket=source, Key="a b", Body=b"12345")
    s3.get_object(Bucket=source, Key="a b")["Body"].read()
    with pytest.raises(ClientError):
        s3.get_object(Bucket=source, Key="nothing")


WANTED = [
    ["REST.GET.OBJECT", "a%20b", "200", None, "5", "5"],
    ["REST.GET.OBJECT", "nothing", "404", "NoSuchKey", None, None],
    ["REST.PUT.OBJECT", "a%20b", "200", None, None, "5"],
]


def query(source: str, more: str = "") -> str:
    return (
        "SELECT operation, key, http_status, error_code, bytes_sent, object_size FROM system.access_log"
        f" WHERE bucket = '{source}' AND operation LIKE 'REST.%.OBJECT' {more} ORDER BY 1, 2, 3"
    )


def without_sizes(found: list[list[str]]) -> list[list[str]]:
    return [row[:4] + ([None, None] if row[2] == "404" else row[4:]) for row in found]


def test_requests_are_rows_at_once_and_only_for_their_account(account, server):
    s3, results = account.client("s3"), account.bucket()
    source, target = account.bucket(), account.bucket()
    let_logs_in(account, target, source)
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=enabled(target, "logs/"))
    requests(s3, source)
    recent = "AND time > current_timestamp - interval '1' hour"
    wait_for(lambda: without_sizes(answer(account, results, query(source, recent))) == WANTED, seconds=30)
    assert answer(account, results, query(source, "AND time > current_timestamp + interval '1' hour")) == []
    assert answer(account, results, query(source, "AND time < current_timestamp - interval '1' hour")) == []
    # Types are those of their values.
    kinds = "SELECT typeof(time), typeof(http_status), typeof(total_time), count(*) > 0 FROM system.access_log GROUP BY 1, 2, 3"
    assert answer(account, results, kinds) == [["timestamp(3)", "integer", "bigint", "true"]]
    # Another account sees nothing of it.
    other = server.root()
    found = answer(other, other.bucket(), f"SELECT count(*) FROM system.access_log WHERE bucket = '{source}'")
    assert found == [["0"]]
    # Nor does who may not read the logs.
    s3_of = lambda *actions: allow(list(actions), f"arn:aws:s3:::{target}*")  # noqa: E731
    writing = allow("s3:*", f"arn:aws:s3:::{results}*")
    eve = account.user("eve", allow(READER), writing)
    refused(eve, results, query(source), "s3:ListAllMyBuckets")
    eve = account.user("eva", allow([*READER, "s3:ListAllMyBuckets"]), writing)
    refused(eve, results, query(source), "s3:ListBucket")
    eve = account.user("evi", allow([*READER, "s3:ListAllMyBuckets"]), writing, s3_of("s3:ListBucket"))
    refused(eve, results, query(source), "s3:GetObject")
    ada = account.user("ada", allow([*READER, "s3:ListAllMyBuckets"]), writing, s3_of("s3:ListBucket", "s3:GetObject"))
    assert without_sizes(answer(ada, results, query(source))) == WANTED


def test_delivered_lines_are_rows_until_their_objects_are_deleted(own_server):
    own_server.environment["TARN_ACCESS_LOG_SECONDS"] = "1"
    own_server.start()
    account = own_server.accounts[0]
    s3, results, target = account.client("s3"), account.bucket(), account.bucket()
    forms = {
        "simple/": {"SimplePrefix": {}},
        "event/": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
        "delivery/": {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}},
    }
    for prefix, form in forms.items():
        source = account.bucket()
        let_logs_in(account, target, source)
        wanted = enabled(target, prefix, TargetObjectKeyFormat=form)
        s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=wanted)
        # What else lies there is no log.
        s3.put_object(Bucket=target, Key=f"{prefix}2-other", Body=b"o b [06/Feb/2030:00:00:38 +0000] x\n")
        requests(s3, source)
        # Told once, on the way from waiting to delivered.
        wait_for(lambda: without_sizes(answer(account, results, query(source))) == WANTED, seconds=30)
        lines(s3, target, f"{prefix}{account.id}" if "Partitioned" in str(form) else f"{prefix}20", 3)
        assert without_sizes(answer(account, results, query(source))) == WANTED, prefix
        recent = "AND time BETWEEN current_timestamp - interval '1' hour AND current_timestamp + interval '1' minute"
        assert without_sizes(answer(account, results, query(source, recent))) == WANTED, prefix
        assert answer(account, results, query(source, "AND time < current_timestamp - interval '2' day")) == []
        assert answer(account, results, query(source, "AND time > current_timestamp + interval '2' day")) == []
        everything = f"SELECT count(*), count(DISTINCT request_id), min(bucket) = max(bucket) FROM system.access_log WHERE bucket = '{source}'"
        (count, distinct, alone), = answer(account, results, everything)
        assert count == distinct and alone == "true"
        for entry in s3.list_objects_v2(Bucket=target, Prefix=prefix)["Contents"]:
            s3.delete_object(Bucket=target, Key=entry["Key"])
        assert answer(account, results, query(source)) == [], prefix
