"""Records into objects: buffering, compression, prefixes, Parquet, partitions, errors."""

import base64
import gzip
import io
import json
import time

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow

ROLE = "arn:aws:iam::{}:role/lake-ingest"
DELIVERED_SECONDS_MAX = 30
QUICK = {"SizeInMBs": 1, "IntervalInSeconds": 1}
NEWLINE = {
    "Enabled": True,
    "Processors": [
        {
            "Type": "AppendDelimiterToRecord",
            "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}],
        }
    ],
}


def create(account, bucket, name="weather", **more):
    configuration = {
        "RoleARN": ROLE.format(account.id),
        "BucketARN": f"arn:aws:s3:::{bucket}",
        "Prefix": "weather/",
        "BufferingHints": QUICK,
        "ProcessingConfiguration": NEWLINE,
    }
    client = account.client("firehose")
    return client.create_delivery_stream(
        DeliveryStreamName=name, ExtendedS3DestinationConfiguration=configuration | more
    )


def put(account, records, name="weather"):
    """Puts texts in batches as large as they may be."""
    client = account.client("firehose")
    for at in range(0, len(records), 500):
        batch = [{"Data": text.encode()} for text in records[at : at + 500]]
        answer = client.put_record_batch(DeliveryStreamName=name, Records=batch)
        assert answer["FailedPutCount"] == 0
        assert len({entry["RecordId"] for entry in answer["RequestResponses"]}) == len(batch)


def objects(account, bucket, prefix=""):
    s3 = account.client("s3")
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            found[entry["Key"]] = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
    return found


def wait_for(find, enough):
    """Asks until what is found is enough."""
    deadline = time.monotonic() + DELIVERED_SECONDS_MAX
    while True:
        found = find()
        if enough(found):
            return found
        assert time.monotonic() < deadline, f"not delivered in {DELIVERED_SECONDS_MAX} s: {str(found)[:1000]}"
        time.sleep(0.05)


def lines(found, opened=lambda body: body):
    return [line for body in found.values() for line in opened(body).decode().splitlines()]


def refused(code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("compression", "extension", "opened"),
    [("UNCOMPRESSED", "", bytes), ("GZIP", ".gz", gzip.decompress), ("ZSTD", ".zst", None)],
)
def test_records_arrive_once_and_in_order(account, compression, extension, opened):
    if opened is None:
        pyarrow = pytest.importorskip("pyarrow")
        opened = lambda body: pyarrow.CompressedInputStream(io.BytesIO(body), "zstd").read()  # noqa: E731
    bucket = account.bucket()
    arn = create(account, bucket, CompressionFormat=compression)["DeliveryStreamARN"]
    assert arn == f"arn:aws:firehose:us-east-1:{account.id}:deliverystream/weather"
    sent = [json.dumps({"id": number}) for number in range(1200)]
    put(account, sent)
    found = wait_for(lambda: objects(account, bucket), lambda found: len(lines(found, opened)) >= len(sent))
    assert lines(found, opened) == sent
    hour = time.strftime("weather/%Y/%m/%d/", time.gmtime())
    for key in found:
        assert key.startswith(hour) or key.startswith("weather/"), key
        assert "/weather-1-" in key and key.endswith(extension), key


def test_parquet_in_a_registered_partition_and_misfits_apart(account):
    pyarrow_parquet = pytest.importorskip("pyarrow.parquet")
    bucket = account.bucket()
    glue = account.client("glue")
    glue.create_database(DatabaseInput={"Name": "raw"})
    glue.create_table(
        DatabaseName="raw",
        TableInput={
            "Name": "weather",
            "PartitionKeys": [{"Name": "day", "Type": "string"}],
            "StorageDescriptor": {
                "Columns": [
                    {"Name": "id", "Type": "bigint"},
                    {"Name": "temp", "Type": "double"},
                    {"Name": "at", "Type": "timestamp"},
                ],
                "Location": f"s3://{bucket}/weather/",
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                },
            },
        },
    )
    create(
        account,
        bucket,
        Prefix="weather/day=!{timestamp:yyyy-MM-dd}/",
        ErrorOutputPrefix="errors/!{firehose:error-output-type}/",
        BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 1},
        DataFormatConversionConfiguration={
            "SchemaConfiguration": {
                "RoleARN": ROLE.format(account.id),
                "DatabaseName": "raw",
                "TableName": "weather",
            },
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}},
        },
    )
    good = [json.dumps({"ID": n, "temp": n / 2, "at": "2013-01-02 03:04:05"}) for n in range(100)]
    put(account, good[:50] + ['{"id": "many"}', "broken"] + good[50:])
    found = wait_for(lambda: objects(account, bucket, "weather/"), bool)
    ids = []
    for key, body in found.items():
        assert key.startswith("weather/day=20") and key.endswith(".parquet"), key
        ids += pyarrow_parquet.read_table(io.BytesIO(body)).column("id").to_pylist()
    assert ids == list(range(100))
    errors = objects(account, bucket, "errors/format-conversion-failed/")
    documents = [json.loads(line) for line in lines(errors)]
    assert {base64.b64decode(each["rawData"]) for each in documents} == {b'{"id": "many"}', b"broken"}
    assert all(each["dataCatalogTable"]["tableName"] == "weather" for each in documents)
    partitions = wait_for(
        lambda: glue.get_partitions(DatabaseName="raw", TableName="weather")["Partitions"], bool
    )
    values = {partition["Values"][0] for partition in partitions}
    assert values == {key.split("/")[1].removeprefix("day=") for key in found}


def test_a_stream_from_making_to_deletion(account):
    bucket = account.bucket()
    client = account.client("firehose")
    create(account, bucket, BufferingHints={"SizeInMBs": 128, "IntervalInSeconds": 900})
    create(account, bucket, name="another")
    listed = client.list_delivery_streams(Limit=1)
    assert (listed["DeliveryStreamNames"], listed["HasMoreDeliveryStreams"]) == (["another"], True)
    listed = client.list_delivery_streams(ExclusiveStartDeliveryStreamName="another")
    assert (listed["DeliveryStreamNames"], listed["HasMoreDeliveryStreams"]) == (["weather"], False)

    described = client.describe_delivery_stream(DeliveryStreamName="weather")["DeliveryStreamDescription"]
    assert described["DeliveryStreamStatus"] == "ACTIVE"
    [destination] = described["Destinations"]
    extended = destination["ExtendedS3DestinationDescription"]
    assert extended["ProcessingConfiguration"] == NEWLINE
    assert extended["BufferingHints"] == {"SizeInMBs": 128, "IntervalInSeconds": 900}

    change = {
        "DeliveryStreamName": "weather",
        "CurrentDeliveryStreamVersionId": described["VersionId"],
        "DestinationId": destination["DestinationId"],
        "ExtendedS3DestinationUpdate": {"Prefix": "changed/"},
    }
    client.update_destination(**change)
    refused("ConcurrentModificationException", client.update_destination, **change)

    client.tag_delivery_stream(DeliveryStreamName="weather", Tags=[{"Key": "team", "Value": "lake"}])
    tags = client.list_tags_for_delivery_stream(DeliveryStreamName="weather")["Tags"]
    assert tags == [{"Key": "team", "Value": "lake"}]
    client.untag_delivery_stream(DeliveryStreamName="weather", TagKeys=["team"])
    assert client.list_tags_for_delivery_stream(DeliveryStreamName="weather")["Tags"] == []

    # What waits is delivered before the stream is gone, long before its 900 seconds.
    put(account, ["last words"])
    client.delete_delivery_stream(DeliveryStreamName="weather")
    wait_for(lambda: client.list_delivery_streams()["DeliveryStreamNames"], lambda names: names == ["another"])
    assert lines(objects(account, bucket, "changed/")) == ["last words"]
    refused("ResourceNotFoundException", client.describe_delivery_stream, DeliveryStreamName="weather")


def test_bad_input_is_refused_with_the_services_errors(account):
    bucket = account.bucket()
    client = account.client("firehose", parameter_validation=False)
    destination = {"RoleARN": ROLE.format(account.id), "BucketARN": f"arn:aws:s3:::{bucket}"}

    def creation(name="bad", **more):
        return {"DeliveryStreamName": name, "ExtendedS3DestinationConfiguration": destination | more}

    create_stream = client.create_delivery_stream
    for code, arguments in [
        ("ValidationException", creation(name="no spaces")),
        ("ValidationException", creation(name="x" * 65)),
        ("ValidationException", creation(BufferingHints={"SizeInMBs": 129, "IntervalInSeconds": 60})),
        ("ValidationException", creation(CompressionFormat="LZ4")),
        ("InvalidArgumentException", creation(CompressionFormat="ZIP")),
        ("InvalidArgumentException", creation(Prefix="!{timestamp:nonsense}/")),
        ("InvalidArgumentException", creation(Prefix="!{partitionKeyFromQuery:k}/")),
        ("InvalidArgumentException", creation(CustomTimeZone="Middle/Earth")),
        ("InvalidArgumentException", creation(DynamicPartitioningConfiguration={"Enabled": True})),
        ("InvalidArgumentException", {"DeliveryStreamName": "bad"}),
        ("InvalidArgumentException", creation() | {"DeliveryStreamType": "KinesisStreamAsSource"}),
    ]:
        refused(code, create_stream, **arguments)
    assert client.list_delivery_streams()["DeliveryStreamNames"] == []

    create(account, bucket)
    put_batch = client.put_record_batch
    large = {"Data": b"x" * 1_024_000}
    refused("ResourceNotFoundException", client.put_record, DeliveryStreamName="none", Record={"Data": b"x"})
    refused(
        "ValidationException", client.put_record, DeliveryStreamName="weather", Record={"Data": b"x" * 1_024_001}
    )
    refused("ValidationException", put_batch, DeliveryStreamName="weather", Records=[])
    refused("ValidationException", put_batch, DeliveryStreamName="weather", Records=[{"Data": b"x"}] * 501)
    refused("InvalidArgumentException", put_batch, DeliveryStreamName="weather", Records=[large] * 5)
    put_batch(DeliveryStreamName="weather", Records=[large] * 4)


def test_a_stream_does_not_write_for_those_who_may_not(account):
    bucket = account.bucket()
    user = account.user("streamer", allow("firehose:*"))
    for who, missing in ((user, "iam:PassRole"), (account.user("passer", allow(["firehose:*", "iam:PassRole"])), "s3:PutObject")):
        with pytest.raises(ClientError) as caught:
            create(who, bucket)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        assert missing in caught.value.response["Error"]["Message"]
    create(account, bucket)
    put(user, ["allowed"])
    other = account.user("other", allow("firehose:PutRecord*", f"arn:aws:firehose:us-east-1:{account.id}:deliverystream/x"))
    call = other.client("firehose").put_record
    refused("AccessDeniedException", call, DeliveryStreamName="weather", Record={"Data": b"x"})


def test_the_aws_cli_puts_records(account):
    bucket = account.bucket()
    create(account, bucket)
    answer = account.aws(
        "firehose", "put-record", "--delivery-stream-name", "weather", "--record", "Data=from the shell"
    )
    assert json.loads(answer.stdout)["RecordId"]
    found = wait_for(lambda: objects(account, bucket), bool)
    assert lines(found) == ["from the shell"]


def test_a_missing_bucket_keeps_records_until_it_is_there(own_server):
    server = own_server.start()
    account = server.accounts[0]
    bucket = f"late-{account.id}"
    create(account, bucket, BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 0})
    account.client("firehose").put_record(DeliveryStreamName="weather", Record={"Data": b"patient"})
    server.stop()
    server.start()
    account.client("s3").create_bucket(Bucket=bucket)
    found = wait_for(lambda: lines(objects(account, bucket)), bool)
    assert found == ["patient"]


def delivers_meanwhile(account):
    """Another stream of the account delivers what is put now: what was due before it has been tried."""
    bucket = account.bucket()
    create(account, bucket, name="meanwhile")
    put(account, ["tick"], name="meanwhile")
    wait_for(lambda: objects(account, bucket), bool)


def test_a_delivery_asks_the_buckets_policy(account):
    bucket = account.bucket()
    create(account, bucket)
    s3 = account.client("s3")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/weather/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    put(account, ["patient"])
    delivers_meanwhile(account)
    assert objects(account, bucket) == {}
    s3.delete_bucket_policy(Bucket=bucket)
    assert wait_for(lambda: lines(objects(account, bucket)), bool) == ["patient"]


def test_a_stream_delivers_as_whoever_made_it(account):
    bucket = account.bucket()
    ada = account.user("ada", allow(["firehose:*", "s3:PutObject", "iam:PassRole"]))
    create(ada, bucket)
    iam = account.client("iam")
    iam.delete_user_policy(UserName="ada", PolicyName="policy-0")
    put(account, ["patient"])
    delivers_meanwhile(account)
    assert objects(account, bucket) == {}
    iam.put_user_policy(UserName="ada", PolicyName="again", PolicyDocument=json.dumps(allow("s3:PutObject")))
    assert wait_for(lambda: lines(objects(account, bucket)), bool) == ["patient"]
