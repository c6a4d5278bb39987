"""The roles of a new lake, taken by boto3: exactly what docs/roles.md allows and denies, in S3, Glue, Athena, Firehose and KMS."""

import re

import pytest
from botocore.exceptions import ClientError

from ..conftest import Server, allow, ended
from .test_sessions import assume

DENIED = {"AccessDenied", "AccessDeniedException"}
COLUMNS = [{"Name": "id", "Type": "bigint"}]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake with zones, data in each, a key and a stream; and a user who may take each role."""
    server = Server(tmp_path_factory.mktemp("roles") / "data", []).start()
    root = server.root()
    s3, glue, kms = root.client("s3"), root.client("glue"), root.client("kms")
    for zone in ("raw", "processed", "analytics", "ml"):
        s3.put_object(Bucket=f"lake-{zone}", Key="t/1.csv", Body=b"1\n2\n")
        glue.create_table(DatabaseName=zone, TableInput=table(zone, "t"))
    key = kms.create_key()["KeyMetadata"]["Arn"]
    for zone in ("raw", "analytics"):
        s3.put_object(Bucket=f"lake-{zone}", Key="sealed", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    root.client("firehose").create_delivery_stream(
        DeliveryStreamName="events",
        ExtendedS3DestinationConfiguration={
            "BucketARN": "arn:aws:s3:::lake-raw",
            "RoleARN": "arn:aws:iam::000000000000:role/lake-ingest",
            "Prefix": "events/",
            "ErrorOutputPrefix": "errors/",
        },
    )
    user = root.user("ada", allow("sts:AssumeRole", "arn:aws:iam::000000000000:role/lake-*"))
    roles = {
        duty: assume(user, f"arn:aws:iam::000000000000:role/lake-{duty}")
        for duty in ("ingest", "transform", "analyst", "ml")
    }
    yield roles | {"root": root, "nobody": root.user("bob"), "key": key}
    server.stop()


def table(zone: str, name: str) -> dict:
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {
            "Columns": COLUMNS,
            "Location": f"s3://lake-{zone}/{name}/",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"field.delim": ","},
            },
        },
    }


def may(call, **arguments) -> bool:
    try:
        call(**arguments)
        return True
    except ClientError as error:
        assert error.response["Error"]["Code"] in DENIED, error
        return False


# What each duty does in each zone: r reads, w writes too.
ZONES = {
    "ingest": {"raw": "rw"},
    "transform": {"raw": "r", "processed": "rw", "analytics": "rw"},
    "analyst": {"analytics": "r"},
    "ml": {"processed": "r", "analytics": "r", "ml": "rw"},
}
DUTIES = list(ZONES)


@pytest.mark.parametrize("duty", DUTIES)
@pytest.mark.parametrize("zone", ["raw", "processed", "analytics", "ml"])
def test_zones(lake, duty, zone):
    s3, glue, uses = lake[duty].client("s3"), lake[duty].client("glue"), ZONES[duty].get(zone, "")
    bucket, name = f"lake-{zone}", f"{duty}_made"
    reads, writes = "r" in uses, "w" in uses
    assert may(s3.get_object, Bucket=bucket, Key="t/1.csv") == reads
    assert may(s3.list_objects_v2, Bucket=bucket) == reads
    assert may(s3.put_object, Bucket=bucket, Key=f"{name}/1", Body=b"1") == writes
    assert may(s3.create_multipart_upload, Bucket=bucket, Key=f"{name}/2") == writes
    assert may(s3.delete_object, Bucket=bucket, Key=f"{name}/1") == writes
    assert may(glue.get_table, DatabaseName=zone, Name="t") == reads
    assert may(glue.get_partitions, DatabaseName=zone, TableName="t") == reads
    assert may(glue.create_table, DatabaseName=zone, TableInput=table(zone, name)) == writes
    assert may(glue.delete_table, DatabaseName=zone, Name=name) == writes
    # What nobody's duty is.
    policy = '{"Version": "2012-10-17", "Statement": []}'
    assert not may(s3.delete_bucket, Bucket=bucket)
    assert not may(s3.put_bucket_policy, Bucket=bucket, Policy=policy)
    assert not may(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert not may(glue.delete_database, Name=zone)


@pytest.mark.parametrize("duty", DUTIES)
def test_sql(lake, duty):
    athena = lake[duty].client("athena")
    zone = {"transform": "processed", "analyst": "analytics", "ml": "ml"}.get(duty)

    def start(sql, output):
        return athena.start_query_execution(
            QueryString=sql, ResultConfiguration={"OutputLocation": output}, WorkGroup="primary"
        )["QueryExecutionId"]

    def run(sql, output):
        query = start(sql, output)
        return query, ended(athena, query)

    if zone is None:
        assert not may(start, sql="SELECT 1", output="s3://lake-raw/athena-results/")
        return
    results = f"s3://lake-{zone}/athena-results/"
    for table_zone in ("raw", "processed", "analytics", "ml"):
        query, status = run(f"SELECT count(*) FROM {table_zone}.t", results)
        if "r" in ZONES[duty].get(table_zone, ""):
            assert status["State"] == "SUCCEEDED", status
            rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
            assert rows[1]["Data"][0]["VarCharValue"] == "2"
        else:
            assert status["State"] == "FAILED", (table_zone, status)
            assert re.search("not authorized|Access|denied", status["StateChangeReason"]), status
    # Results go to the duty's own folder.
    other = "raw" if zone != "raw" else "ml"
    try:
        _, status = run("SELECT 1", f"s3://lake-{other}/athena-results/")
        assert status["State"] == "FAILED", status
    except ClientError as error:
        assert error.response["Error"]["Code"] in DENIED
    assert not may(athena.create_work_group, Name="own")


@pytest.mark.parametrize("duty", DUTIES)
def test_streams_and_keys(lake, duty):
    firehose, kms, s3 = (lake[duty].client(service) for service in ("firehose", "kms", "s3"))
    record = {"DeliveryStreamName": "events", "Record": {"Data": b"{}"}}
    assert may(firehose.put_record, **record) == (duty == "ingest")
    assert not may(firehose.delete_delivery_stream, DeliveryStreamName="events")
    # A key is used for objects that the duty may read, and for nothing else.
    for zone in ("raw", "analytics"):
        assert may(s3.get_object, Bucket=f"lake-{zone}", Key="sealed") == (zone in ZONES[duty])
    assert not may(kms.encrypt, KeyId=lake["key"], Plaintext=b"x")
    assert not may(kms.generate_data_key, KeyId=lake["key"], KeySpec="AES_256")
    assert not may(kms.schedule_key_deletion, KeyId=lake["key"])
    assert not may(lake[duty].client("iam").list_users)


def test_the_roles_are_taken_by_who_is_let(lake):
    sts = lake["nobody"].client("sts")
    for duty in DUTIES:
        arn = f"arn:aws:iam::000000000000:role/lake-{duty}"
        assert not may(sts.assume_role, RoleArn=arn, RoleSessionName="s1")
        role = lake["root"].client("iam").get_role(RoleName=f"lake-{duty}")["Role"]
        assert role["Description"] and role["MaxSessionDuration"] == 3600


def test_a_lake_without_zones_has_no_roles(tmp_path):
    server = Server(tmp_path / "data", [], arguments=("--no-zones",)).start()
    try:
        assert server.root().client("iam").list_roles()["Roles"] == []
    finally:
        server.stop()
