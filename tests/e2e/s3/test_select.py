"""S3 Select as boto3 calls it: events, formats, counters, errors at once and in the stream."""

import gzip

import pytest
from botocore.exceptions import ClientError, EventStreamError

CSV = b"id,name,amount\n1,Ada,10.5\n2,Bob,20\n3,\"C, D\",4.5\n"


def select(s3, bucket, key, expression, csv=None, out=None, **more):
    """The records as text, and the other events by their names."""
    serialization = csv or {"CSV": {"FileHeaderInfo": "USE"}}
    answer = s3.select_object_content(
        Bucket=bucket, Key=key, Expression=expression, ExpressionType="SQL",
        InputSerialization=serialization, OutputSerialization=out or {"CSV": {}}, **more,
    )
    text, others = b"", {}
    for event in answer["Payload"]:
        if "Records" in event:
            text += event["Records"]["Payload"]
        else:
            others.update(event)
    assert "End" in others
    return text.decode(), others


def test_records_and_counters_come(account):
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_object(Bucket=bucket, Key="a.csv", Body=CSV)
    text, others = select(
        s3, bucket, "a.csv", "SELECT s.name, s.amount FROM s3object s WHERE cast(s.amount as float) > 5",
        RequestProgress={"Enabled": True},
    )
    assert text == "Ada,10.5\nBob,20\n"
    details = others["Stats"]["Details"]
    assert details == {"BytesScanned": len(CSV), "BytesProcessed": len(CSV), "BytesReturned": len(text)}
    assert others["Progress"]["Details"]["BytesScanned"] == len(CSV)
    text, _ = select(s3, bucket, "a.csv", "SELECT sum(int(id)), max(float(s.amount)) FROM s3object s")
    assert text == "6,20\n"
    text, _ = select(s3, bucket, "a.csv", "SELECT * FROM s3object LIMIT 1", out={"JSON": {"RecordDelimiter": ";"}})
    assert text == '{"id":"1","name":"Ada","amount":"10.5"};'
    text, _ = select(s3, bucket, "a.csv", "SELECT name FROM s3object WHERE id = '3'", out={"CSV": {"QuoteFields": "ALWAYS"}})
    assert text == '"C, D"\n'


def test_other_formats_are_read(account):
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_object(Bucket=bucket, Key="a.csv.gz", Body=gzip.compress(CSV))
    packed = {"CSV": {"FileHeaderInfo": "IGNORE"}, "CompressionType": "GZIP"}
    assert select(s3, bucket, "a.csv.gz", "SELECT count(*) FROM s3object", packed)[0] == "3\n"
    s3.put_object(Bucket=bucket, Key="a.json", Body=b'{"a": {"b": [1, 2, 3]}}\n{"a": {"b": [4]}}\n')
    lines = {"JSON": {"Type": "LINES"}}
    assert select(s3, bucket, "a.json", "SELECT sum(s) FROM s3object[*].a.b[*] s", lines)[0] == "10\n"
    big = b"".join(b"%d,%d\n" % (n, n * 2) for n in range(300_000))
    s3.put_object(Bucket=bucket, Key="big.csv", Body=big)
    assert select(s3, bucket, "big.csv", "SELECT * FROM s3object", {"CSV": {}})[0] == big.decode()
    half = len(big) // 2
    parts = [{"Start": 0, "End": half}, {"Start": half + 1, "End": len(big)}]
    counted = [select(s3, bucket, "big.csv", "SELECT count(*) FROM s3object", {"CSV": {}}, ScanRange=part)[0] for part in parts]
    assert sum(map(int, counted)) == 300_000


def test_errors_are_s3s(account):
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_object(Bucket=bucket, Key="a.csv", Body=CSV)
    for expression, code in [("SELECT", "ParseSelectMissingFrom"), ("SELECT sqrt(1) FROM s3object", "UnsupportedFunction")]:
        with pytest.raises(ClientError) as raised:
            select(s3, bucket, "a.csv", expression)
        assert raised.value.response["Error"]["Code"] == code
    with pytest.raises(EventStreamError) as raised:
        select(s3, bucket, "a.csv", "SELECT cast(name AS int) FROM s3object")
    assert raised.value.response["Error"]["Code"] == "CastFailed"
    with pytest.raises(ClientError) as raised:
        select(s3, bucket, "none.csv", "SELECT * FROM s3object")
    assert raised.value.response["Error"]["Code"] == "NoSuchKey"
    stranger = account.user("stranger").client("s3")
    with pytest.raises(ClientError) as raised:
        select(stranger, bucket, "a.csv", "SELECT * FROM s3object")
    assert raised.value.response["Error"]["Code"] == "AccessDenied"
