"""The Data Catalog as boto3, awswrangler and PyIceberg's commit use it."""

import awswrangler
import pytest
from botocore.exceptions import ClientError

from ..conftest import allow


def check(call, code: str, words: str = "", **arguments) -> None:
    """The call fails with `code`, and says `words`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == code and words in error["Message"], error


def table(name: str, *keys: tuple[str, str], **more) -> dict:
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key, "Type": data_type} for key, data_type in keys],
        "StorageDescriptor": {
            "Columns": [{"Name": "a", "Type": "int"}, {"Name": "b", "Type": "array<struct<x:double>>"}],
            "Location": f"s3://b/{name}/",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"field.delim": ","},
            },
            "SortColumns": [{"Column": "a", "SortOrder": 1}],
        },
    } | more


@pytest.fixture
def glue(account):
    glue = account.client("glue")
    glue.create_database(DatabaseInput={"Name": "Raw", "Description": "as it came", "Parameters": {"zone": "raw"}})
    return glue


def test_databases_live_and_end(account, glue):
    database = glue.get_database(Name="RAW")["Database"]
    assert (database["Name"], database["Parameters"], database["CatalogId"]) == ("raw", {"zone": "raw"}, account.id)
    check(glue.create_database, "AlreadyExistsException", DatabaseInput={"Name": "raw"})
    check(glue.get_database, "EntityNotFoundException", Name="default")
    check(glue.create_database, "InvalidInputException", DatabaseInput={"Name": "x", "TargetDatabase": {"DatabaseName": "y"}})
    check(glue.update_database, "InvalidInputException", Name="raw", DatabaseInput={"Name": "other"})
    glue.update_database(Name="raw", DatabaseInput={"Name": "raw", "LocationUri": "s3://b/"})
    assert "Description" not in glue.get_database(Name="raw")["Database"]
    arn = f"arn:aws:glue:us-east-1:{account.id}:database/raw"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"a": "1", "b": "2"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["a"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"b": "2"}
    glue.create_table(DatabaseName="raw", TableInput=table("t"))
    glue.delete_database(Name="raw")
    check(glue.get_table, "EntityNotFoundException", DatabaseName="raw", Name="t")
    glue.create_database(DatabaseInput={"Name": "raw"})
    assert glue.get_tables(DatabaseName="raw")["TableList"] == []


def test_tables_come_back_as_they_were_put(account, glue):
    put = table("T", ("year", "int"), Description="d", Owner="o", Retention=3, Parameters={"classification": "csv"})
    glue.create_table(DatabaseName="raw", TableInput=put)
    got = glue.get_table(DatabaseName="raw", Name="t")["Table"]
    assert (got["Name"], got["VersionId"], got["CreatedBy"]) == ("t", "0", f"arn:aws:iam::{account.id}:root")
    for member in ("Description", "Owner", "Retention", "Parameters", "PartitionKeys", "TableType"):
        assert got[member] == put[member]
    assert put["StorageDescriptor"].items() <= got["StorageDescriptor"].items()
    check(glue.create_table, "AlreadyExistsException", DatabaseName="raw", TableInput=put)
    check(glue.create_table, "EntityNotFoundException", DatabaseName="none", TableInput=put)
    names = [f"t{number:03}" for number in range(5)]
    for name in names:
        glue.create_table(DatabaseName="raw", TableInput=table(name))
    pages = glue.get_paginator("get_tables").paginate(DatabaseName="raw", PaginationConfig={"PageSize": 2})
    assert [one["Name"] for page in pages for one in page["TableList"]] == ["t", *names]
    found = glue.get_tables(DatabaseName="raw", Expression="t00*")["TableList"]
    assert [one["Name"] for one in found] == names
    found = glue.search_tables(SearchText="T003")["TableList"]
    assert [one["Name"] for one in found] == ["t003"]
    errors = glue.batch_delete_table(DatabaseName="raw", TablesToDelete=["t000", "none"])["Errors"]
    assert [(one["TableName"], one["ErrorDetail"]["ErrorCode"]) for one in errors] == [("none", "EntityNotFoundException")]
    glue.delete_table(DatabaseName="raw", Name="T")
    check(glue.delete_table, "EntityNotFoundException", DatabaseName="raw", Name="t")


def test_an_iceberg_commit_is_a_compare_and_swap(glue):
    def commit(version: str, location: str, skip: bool = True):
        parameters = {"table_type": "ICEBERG", "metadata_location": location}
        put = table("ice", Parameters=parameters)
        glue.update_table(DatabaseName="raw", TableInput=put, VersionId=version, SkipArchive=skip)

    glue.create_table(DatabaseName="raw", TableInput=table("ice", Parameters={"table_type": "ICEBERG"}))
    version = glue.get_table(DatabaseName="raw", Name="ice")["Table"]["VersionId"]
    commit(version, "s3://b/ice/metadata/1.json")
    with pytest.raises(ClientError) as raised:
        commit(version, "s3://b/ice/metadata/2.json")
    assert raised.value.response["Error"]["Code"] == "ConcurrentModificationException"
    commit("1", "s3://b/ice/metadata/2.json", skip=False)
    versions = glue.get_table_versions(DatabaseName="raw", TableName="ice")["TableVersions"]
    assert [one["VersionId"] for one in versions] == ["2", "1"]
    glue.delete_table_version(DatabaseName="raw", TableName="ice", VersionId="1")
    check(glue.get_table_version, "EntityNotFoundException", DatabaseName="raw", TableName="ice", VersionId="1")


def test_partitions_are_found_by_predicate(glue):
    keys = (("year", "int"), ("month", "string"), ("day", "date"))
    glue.create_table(DatabaseName="raw", TableInput=table("t", *keys))
    where = {"DatabaseName": "raw", "TableName": "t"}
    days = [(year, f"{month:02}", f"{year}-{month:02}-15") for year in (2012, 2013) for month in range(1, 13)]
    inputs = [
        {"Values": [str(value) for value in values], "StorageDescriptor": table("t")["StorageDescriptor"]} for values in days
    ]
    assert glue.batch_create_partition(**where, PartitionInputList=inputs)["Errors"] == []
    errors = glue.batch_create_partition(**where, PartitionInputList=inputs[:1])["Errors"]
    assert errors[0]["ErrorDetail"]["ErrorCode"] == "AlreadyExistsException"
    check(glue.create_partition, "InvalidInputException", "number of partition", **where, PartitionInput={"Values": ["1"]})

    def found(expression: str, **more) -> list[str]:
        pages = glue.get_paginator("get_partitions").paginate(
            **where, Expression=expression, PaginationConfig={"PageSize": 5}, **more
        )
        return [one["Values"][2] for page in pages for one in page["Partitions"]]

    every = sorted(values[2] for values in days)
    assert found("") == every
    assert found("year = 2013") == every[12:]
    assert found("month IN ('01', '02') AND NOT year = 2012") == every[12:14]
    assert found("day BETWEEN '2012-11-30' AND DATE '2013-01-31'") == ["2012-12-15", "2013-01-15"]
    assert found("month LIKE '1%' OR day > '2013-12-01'") == [day for day in every if day[5] == "1"]
    parts = [found("year > 0", Segment={"SegmentNumber": part, "TotalSegments": 3}) for part in range(3)]
    assert sorted(sum(parts, [])) == every
    check(glue.get_partitions, "InvalidInputException", "week is not a partition key", **where, Expression="week = 1")
    one = glue.get_partitions(**where, Expression="month = '05'", ExcludeColumnSchema=True)["Partitions"][0]
    assert one["StorageDescriptor"]["Columns"] == []
    got = glue.batch_get_partition(**where, PartitionsToGet=[{"Values": inputs[0]["Values"]}, {"Values": ["1", "1", "1"]}])
    assert len(got["Partitions"]) == 1
    glue.delete_partition(**where, PartitionValues=inputs[0]["Values"])
    check(glue.get_partition, "EntityNotFoundException", **where, PartitionValues=inputs[0]["Values"])


def test_awswrangler_keeps_its_tables_here(account, glue, monkeypatch):
    for name, value in account.env().items():
        monkeypatch.setenv(name, value)
    session, catalog = account.session(), awswrangler.catalog
    columns = {"id": "bigint", "name": "string"}
    catalog.create_parquet_table(
        database="raw", table="w", path="s3://b/w/", columns_types=columns, partitions_types={"day": "date"}, boto3_session=session
    )
    assert catalog.does_table_exist(database="raw", table="w", boto3_session=session)
    assert catalog.get_table_types(database="raw", table="w", boto3_session=session) == columns | {"day": "date"}
    values = {f"s3://b/w/day=2013-01-{day:02}/": [f"2013-01-{day:02}"] for day in range(1, 4)}
    catalog.add_parquet_partitions(database="raw", table="w", partitions_values=values, boto3_session=session)
    assert catalog.get_partitions(database="raw", table="w", boto3_session=session) == values
    some = catalog.get_partitions(database="raw", table="w", expression="day > '2013-01-02'", boto3_session=session)
    assert list(some.values()) == [["2013-01-03"]]
    catalog.delete_partitions(table="w", database="raw", partitions_values=[["2013-01-01"]], boto3_session=session)
    assert len(catalog.get_partitions(database="raw", table="w", boto3_session=session)) == 2
    assert [one["Name"] for one in catalog.get_tables(database="raw", name_prefix="w", boto3_session=session)] == ["w"]
    assert catalog.delete_table_if_exists(database="raw", table="w", boto3_session=session)


def test_a_reader_of_one_table_sees_that_table(account, glue):
    for name in ("open", "secret"):
        glue.create_table(DatabaseName="raw", TableInput=table(name))
    arn = f"arn:aws:glue:us-east-1:{account.id}"
    reads = ["glue:GetTable", "glue:GetTables", "glue:GetDatabases"]
    ada = account.user("ada", allow(reads, [f"{arn}:catalog", f"{arn}:database/raw", f"{arn}:table/raw/open"]))
    reader = ada.client("glue")
    assert reader.get_table(DatabaseName="raw", Name="open")["Table"]["Name"] == "open"
    check(reader.get_table, "AccessDeniedException", "glue:GetTable", DatabaseName="raw", Name="secret")
    check(reader.get_table, "AccessDeniedException", DatabaseName="RAW", Name="SECRET")
    check(reader.get_table, "AccessDeniedException", DatabaseName="raw", Name="no-such-table")
    assert [one["Name"] for one in reader.get_tables(DatabaseName="raw")["TableList"]] == ["open"]
    assert [one["Name"] for one in reader.get_databases()["DatabaseList"]] == ["raw"]
    check(reader.delete_table, "AccessDeniedException", DatabaseName="raw", Name="open")
    check(glue.get_table, "AccessDeniedException", CatalogId="000000000000", DatabaseName="raw", Name="open")


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "a\x00b"])
def test_names_that_cannot_be_are_refused(glue, name):
    for call, arguments in (
        (glue.create_database, {"DatabaseInput": {"Name": name}}),
        (glue.create_table, {"DatabaseName": "raw", "TableInput": {"Name": name}}),
    ):
        with pytest.raises(Exception) as raised:
            call(**arguments)
        response = getattr(raised.value, "response", None)
        if response:
            assert response["Error"]["Code"] in ("InvalidInputException", "ValidationException"), response


@pytest.mark.parametrize("name", ["..", "a/b//c", "*", "ünï 中文", "a:b"])
def test_odd_names_are_only_names(glue, name):
    glue.create_table(DatabaseName="raw", TableInput=table(name))
    assert glue.get_table(DatabaseName="raw", Name=name)["Table"]["Name"] == name
    assert [one["Name"] for one in glue.get_tables(DatabaseName="raw")["TableList"]] == [name]
    glue.delete_table(DatabaseName="raw", Name=name)
