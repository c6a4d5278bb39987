"""Lake Formation's API as boto3, Terraform's provider and dbt's adapter call it, and what it makes of Glue's for users with and without grants."""

import itertools
import json

import boto3
import pytest
from botocore.exceptions import ClientError

from ..conftest import Account, allow

IAM_GROUP = "IAM_ALLOWED_PRINCIPALS"
OF_IAM = [{"Principal": {"DataLakePrincipalIdentifier": IAM_GROUP}, "Permissions": ["ALL"]}]
TABLE = {"Table": {"DatabaseName": "raw", "Name": "events"}}


def check(call, code: str, words: str = "", **arguments) -> None:
    """The call fails with `code`, and says `words`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == code and words.lower() in error["Message"].lower(), error


def pages(call, items: str, **arguments) -> list:
    """All items of a list, a page at a time."""
    found, more = [], {}
    while True:
        page = call(**arguments, **more)
        assert len(page.get(items, [])) <= arguments["MaxResults"]
        found += page.get(items, [])
        if "NextToken" not in page:
            return found
        more = {"NextToken": page["NextToken"]}


def principal(user: str, account: Account) -> dict:
    return {"DataLakePrincipalIdentifier": user if user == IAM_GROUP else f"arn:aws:iam::{account.id}:user/{user}"}


def columns(*names: str) -> dict:
    return {"TableWithColumns": {"DatabaseName": "raw", "Name": "events", "ColumnNames": list(names)}}


class Lake:
    """An account with the table `raw.events`, an administrator of the lake, and users whom IAM allows everything but IAM."""

    def __init__(self, account: Account):
        self.account = account
        self.bucket = account.bucket()
        self.root_glue = account.client("glue")
        self.root_glue.create_database(DatabaseInput={"Name": "raw"})
        self.create("events")
        self.lake = account.client("lakeformation")
        self.admin = account.user("admin", allow(["lakeformation:*", "glue:*"]))
        self.lake.put_data_lake_settings(
            DataLakeSettings={
                "DataLakeAdmins": [principal("admin", account)],
                "CreateDatabaseDefaultPermissions": OF_IAM,
                "CreateTableDefaultPermissions": OF_IAM,
            }
        )
        self.formation = self.admin.client("lakeformation")

    def create(self, name: str, glue=None, location: str | None = None) -> None:
        (glue or self.root_glue).create_table(
            DatabaseName="raw",
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": [{"Name": "day", "Type": "date"}],
                "StorageDescriptor": {
                    "Columns": [{"Name": name, "Type": "string"} for name in ("id", "name", "email")],
                    "Location": location or f"s3://{self.bucket}/raw/{name}/",
                    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde"},
                },
            },
        )

    def user(self, name: str) -> Account:
        return self.account.user(name, allow(["glue:*", "lakeformation:*"]))

    def entry(self, user: str, resource: dict, *permissions: str, grantable=()) -> dict:
        return {
            "Principal": principal(user, self.account),
            "Resource": resource,
            "Permissions": list(permissions),
            "PermissionsWithGrantOption": list(grantable),
        }

    def grant(self, *what, **more) -> None:
        self.formation.grant_permissions(**self.entry(*what, **more))

    def revoke(self, *what, **more) -> None:
        self.formation.revoke_permissions(**self.entry(*what, **more))

    def close(self) -> None:
        """IAM alone decides about the table no more."""
        self.revoke(IAM_GROUP, TABLE, "ALL")

    def granted(self, **what) -> list[tuple[str, str, list[str]]]:
        found = self.formation.list_permissions(**what)["PrincipalResourcePermissions"]
        kind = [(next(iter(grant["Resource"])), grant) for grant in found]
        return [(kind, grant["Principal"]["DataLakePrincipalIdentifier"], sorted(grant["Permissions"])) for kind, grant in kind]


@pytest.fixture
def lake(account) -> Lake:
    return Lake(account)


def test_settings_begin_as_on_aws_and_come_back(account):
    client = account.client("lakeformation")
    begin = client.get_data_lake_settings()["DataLakeSettings"]
    assert begin["DataLakeAdmins"] == []
    assert begin["CreateDatabaseDefaultPermissions"] == begin["CreateTableDefaultPermissions"] == OF_IAM
    assert begin["AllowFullTableExternalDataAccess"] is False
    settings = {
        "DataLakeAdmins": [principal("a", account)],
        "ReadOnlyAdmins": [principal("b", account)],
        "Parameters": {"CROSS_ACCOUNT_VERSION": "4"},
    }
    client.put_data_lake_settings(CatalogId=account.id, DataLakeSettings=settings)
    got = client.get_data_lake_settings(CatalogId=account.id)["DataLakeSettings"]
    assert {name: got[name] for name in settings} == settings
    assert got["CreateDatabaseDefaultPermissions"] == got["CreateTableDefaultPermissions"] == [], "what is left out is empty"
    put = client.put_data_lake_settings
    stranger = {"DataLakePrincipalIdentifier": "arn:aws:iam::999999999999:user/a"}
    check(put, "InvalidInputException", "principal", DataLakeSettings={"DataLakeAdmins": [stranger]})
    check(put, "InvalidInputException", "AllowExternalDataFiltering", DataLakeSettings={"AllowExternalDataFiltering": True})
    check(put, "AccessDeniedException", "999999999999", CatalogId="999999999999", DataLakeSettings={})
    assert client.get_data_lake_principal()["Identity"] == f"arn:aws:iam::{account.id}:root"


def test_grants_are_listed_and_revoked(lake):
    assert lake.granted(Resource=TABLE) == [("Table", IAM_GROUP, ["ALL"])]
    lake.close()
    assert lake.granted(Resource=TABLE) == []
    lake.grant("ana", TABLE, "SELECT", "DESCRIBE", grantable=["DESCRIBE"])
    lake.grant("ana", columns("ID", "name"), "SELECT")
    lake.grant("ana", {"Database": {"Name": "RAW"}}, "CREATE_TABLE")
    lake.grant("ana", {"Catalog": {}}, "CREATE_DATABASE")
    lake.grant("ana", {"Table": {"DatabaseName": "raw", "TableWildcard": {}}}, "INSERT")
    lake.grant("ana", {"DataLocation": {"ResourceArn": f"arn:aws:s3:::{lake.bucket}/raw"}}, "DATA_LOCATION_ACCESS")
    of_ana = {"Principal": principal("ana", lake.account)}
    everything = pages(lake.formation.list_permissions, "PrincipalResourcePermissions", MaxResults=1, **of_ana)
    assert len(everything) == 6
    assert len({str(grant["Resource"]) for grant in everything}) == 6
    [table] = [grant for grant in everything if grant["Resource"].get("Table", {}).get("Name") == "events"]
    assert table["Resource"]["Table"] == {"CatalogId": lake.account.id, "DatabaseName": "raw", "Name": "events"}
    assert sorted(table["Permissions"]) == ["DESCRIBE", "SELECT"] and table["PermissionsWithGrantOption"] == ["DESCRIBE"]
    [wildcard] = [grant["Resource"]["Table"] for grant in everything if "TableWildcard" in grant["Resource"].get("Table", {})]
    assert wildcard["Name"] == "ALL_TABLES"
    [some] = [grant["Resource"]["TableWithColumns"] for grant in everything if "TableWithColumns" in grant["Resource"]]
    assert some["ColumnNames"] == ["id", "name"]
    # As Terraform reads a grant on columns back.
    both = lake.granted(ResourceType="TABLE", Resource=TABLE, **of_ana)
    assert sorted(kind for kind, _, _ in both) == ["Table", "TableWithColumns"]
    for kind, count in {"CATALOG": 1, "DATABASE": 1, "TABLE": 3, "DATA_LOCATION": 1, "LF_TAG": 0}.items():
        assert len(lake.granted(ResourceType=kind, **of_ana)) == count, kind
    lake.revoke("ana", columns("id"), "SELECT")
    lake.revoke("ana", TABLE, "SELECT")
    assert sorted(lake.granted(Resource=TABLE, **of_ana)) == [
        ("Table", principal("ana", lake.account)["DataLakePrincipalIdentifier"], ["DESCRIBE"]),
        ("TableWithColumns", principal("ana", lake.account)["DataLakePrincipalIdentifier"], ["SELECT"]),
    ]
    check(lake.formation.list_permissions, "InvalidInputException", "NextToken", NextToken="!")
    check(lake.formation.list_permissions, "InvalidInputException", NextToken="AAAA")


def test_all_columns_of_a_table_are_the_table(lake):
    lake.close()
    everything = {"TableWithColumns": {"DatabaseName": "raw", "Name": "events", "ColumnWildcard": {}}}
    lake.grant("ana", everything, "SELECT")
    assert [kind for kind, _, _ in lake.granted(Resource=TABLE)] == ["Table"]
    check(lake.formation.grant_permissions, "InvalidInputException", "columns", **lake.entry("ana", everything, "INSERT"))
    lake.revoke("ana", TABLE, "SELECT")
    assert lake.granted(Resource=TABLE) == []


@pytest.mark.parametrize(
    ("resource", "permission", "code", "words"),
    [
        ({"Table": {"DatabaseName": "raw", "Name": "nothing"}}, "SELECT", "EntityNotFoundException", "nothing"),
        ({"Database": {"Name": "nothing"}}, "DESCRIBE", "EntityNotFoundException", "nothing"),
        (columns("salary"), "SELECT", "EntityNotFoundException", "salary"),
        (TABLE, "CREATE_TABLE", "InvalidInputException", "CREATE_TABLE"),
        ({"Database": {"Name": "raw"}}, "SELECT", "InvalidInputException", "SELECT"),
        ({}, "SELECT", "InvalidInputException", "exactly one"),
        (TABLE | {"Catalog": {}}, "SELECT", "InvalidInputException", "exactly one"),
        ({"Table": {"DatabaseName": "raw"}}, "SELECT", "InvalidInputException", "TableWildcard"),
        ({"Table": {"CatalogId": "999999999999", "DatabaseName": "raw", "Name": "events"}}, "SELECT", "AccessDeniedException", "999999999999"),
        ({"LFTagExpression": {"Name": "x"}}, "DESCRIBE", "InvalidInputException", "LFTagExpression"),
        ({"DataLocation": {"ResourceArn": "nowhere"}}, "DATA_LOCATION_ACCESS", "InvalidInputException", "nowhere"),
        (TABLE, "EXECUTE", "InvalidInputException", "EXECUTE"),
    ],
)
def test_grants_that_cannot_be(lake, resource, permission, code, words):
    check(lake.formation.grant_permissions, code, words, **lake.entry("ana", resource, permission))


def test_grants_to_nobody_of_the_account(lake):
    for who in ("arn:aws:iam::999999999999:user/ana", "ana", "999999999999"):
        entry = lake.entry("ana", TABLE, "SELECT") | {"Principal": {"DataLakePrincipalIdentifier": who}}
        check(lake.formation.grant_permissions, "InvalidInputException", "principal", **entry)


def test_batches_do_what_can_be_done(lake):
    lake.close()
    good = lake.entry("ana", TABLE, "SELECT") | {"Id": "good"}
    missing = lake.entry("ana", {"Database": {"Name": "nothing"}}, "DESCRIBE") | {"Id": "missing"}
    empty = lake.entry("ana", {}, "DESCRIBE") | {"Id": "empty"}
    failures = lake.formation.batch_grant_permissions(Entries=[empty, good, missing])["Failures"]
    assert {failure["RequestEntry"]["Id"]: failure["Error"]["ErrorCode"] for failure in failures} == {
        "missing": "EntityNotFoundException",
        "empty": "InvalidInputException",
    }
    assert len(lake.granted(Resource=TABLE)) == 1
    assert [failure["RequestEntry"]["Id"] for failure in lake.formation.batch_grant_permissions(Entries=[missing])["Failures"]] == ["missing"]
    assert lake.formation.batch_revoke_permissions(Entries=[good])["Failures"] == []
    assert len(lake.formation.batch_revoke_permissions(Entries=[good])["Failures"]) == 1
    many = [good | {"Id": str(number)} for number in range(21)]
    check(lake.formation.batch_grant_permissions, "InvalidInputException", "20", Entries=many)


def test_who_may_grant(lake):
    lake.close()
    ana = lake.user("ana").client("lakeformation")
    give = lake.entry("ben", TABLE, "SELECT")
    check(ana.grant_permissions, "AccessDeniedException", "Insufficient Lake Formation permission(s): Required SELECT", **give)
    lake.grant("ana", TABLE, "SELECT", grantable=["SELECT"])
    ana.grant_permissions(**give)
    check(ana.grant_permissions, "AccessDeniedException", "Required INSERT", **lake.entry("ben", TABLE, "INSERT"))
    # Who is no administrator sees its own grants.
    assert {grant["Principal"]["DataLakePrincipalIdentifier"] for grant in ana.list_permissions()["PrincipalResourcePermissions"]} == {
        f"arn:aws:iam::{lake.account.id}:user/ana"
    }


def test_tags_of_the_lake(lake):
    formation = lake.formation
    for key in ("Level", "team", "zone"):
        formation.create_lf_tag(TagKey=key, TagValues=["Public", "secret"])
    check(formation.create_lf_tag, "InvalidInputException", "exists", TagKey="level", TagValues=["a"])
    assert formation.get_lf_tag(TagKey="LEVEL") | {"ResponseMetadata": None} == {
        "CatalogId": lake.account.id, "TagKey": "level", "TagValues": ["public", "secret"], "ResponseMetadata": None,
    }  # fmt: skip
    assert [tag["TagKey"] for tag in pages(formation.list_lf_tags, "LFTags", MaxResults=2)] == ["level", "team", "zone"]
    formation.update_lf_tag(TagKey="level", TagValuesToAdd=["internal"], TagValuesToDelete=["public"])
    assert formation.get_lf_tag(TagKey="level")["TagValues"] == ["internal", "secret"]
    database = {"Database": {"Name": "raw"}}
    assert formation.add_lf_tags_to_resource(Resource=database, LFTags=[{"TagKey": "level", "TagValues": ["internal"]}])["Failures"] == []
    [failure] = formation.add_lf_tags_to_resource(Resource=database, LFTags=[{"TagKey": "team", "TagValues": ["nobody"]}])["Failures"]
    assert (failure["LFTag"]["TagKey"], failure["Error"]["ErrorCode"]) == ("team", "EntityNotFoundException")
    formation.add_lf_tags_to_resource(Resource=columns("email"), LFTags=[{"TagKey": "level", "TagValues": ["secret"]}])
    check(formation.update_lf_tag, "InvalidInputException", "in use", TagKey="level", TagValuesToDelete=["secret"])

    def tags(**more) -> dict:
        got = formation.get_resource_lf_tags(Resource=TABLE, **more)
        values = {name: got[name][0]["TagValues"] for name in ("LFTagOnDatabase", "LFTagsOnTable") if name in got}
        return values | {column["Name"]: column["LFTags"][0]["TagValues"] for column in got.get("LFTagsOnColumns", [])}

    assert tags() == {"LFTagOnDatabase": ["internal"], "LFTagsOnTable": ["internal"], "email": ["secret"]}
    assert tags(ShowAssignedLFTags=True) == {"email": ["secret"]}
    found = formation.search_tables_by_lf_tags(Expression=[{"TagKey": "level", "TagValues": ["secret"]}])["TableList"]
    assert [table["Table"]["Name"] for table in found] == ["events"]
    found = formation.search_databases_by_lf_tags(Expression=[{"TagKey": "level", "TagValues": ["*"]}])["DatabaseList"]
    assert [database["Database"]["Name"] for database in found] == ["raw"]
    # By tags, all but the column that has another value.
    lake.close()
    policy = {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": [{"TagKey": "level", "TagValues": ["internal"]}]}}
    lake.grant("ana", policy, "SELECT", "DESCRIBE")
    [(kind, _, permissions)] = lake.granted(ResourceType="LF_TAG_POLICY", Resource=policy)
    assert (kind, permissions) == ("LFTagPolicy", ["DESCRIBE", "SELECT"])
    removed = formation.remove_lf_tags_from_resource(Resource=columns("email"), LFTags=[{"TagKey": "level", "TagValues": ["secret"]}])
    assert removed["Failures"] == []
    [failure] = formation.remove_lf_tags_from_resource(Resource=TABLE, LFTags=[{"TagKey": "level", "TagValues": ["secret"]}])["Failures"]
    assert failure["Error"]["ErrorCode"] == "EntityNotFoundException"
    for key in ("level", "team", "zone"):
        formation.delete_lf_tag(TagKey=key)
    assert formation.list_lf_tags().get("LFTags", []) == []
    assert lake.granted(ResourceType="LF_TAG_POLICY") == [], "grants by a tag go with it"
    check(formation.get_lf_tag, "EntityNotFoundException", "level", TagKey="level")


def test_data_cells_filters(lake):
    formation, names = lake.formation, {"TableCatalogId": lake.account.id, "DatabaseName": "raw", "TableName": "events"}
    # As dbt's adapter puts them.
    formation.create_data_cells_filter(TableData=names | {"Name": "own", "RowFilter": {"FilterExpression": "name = 'ana'"}, "ColumnNames": ["ID", "name"]})
    got = formation.get_data_cells_filter(**names, Name="own")["DataCellsFilter"]
    assert (got["RowFilter"], got["ColumnNames"]) == ({"FilterExpression": "name = 'ana'"}, ["id", "name"])
    create = formation.create_data_cells_filter
    check(create, "AlreadyExistsException", "own", TableData=names | {"Name": "own", "ColumnWildcard": {}})
    check(create, "EntityNotFoundException", "salary", TableData=names | {"Name": "x", "ColumnNames": ["salary"]})
    check(create, "InvalidInputException", "ColumnNames", TableData=names | {"Name": "x"})
    check(create, "InvalidInputException", "row filter", TableData=names | {"Name": "x", "ColumnWildcard": {}, "RowFilter": {"FilterExpression": ""}})
    check(create, "AccessDeniedException", "999999999999", TableData=names | {"TableCatalogId": "9" * 12, "Name": "x", "ColumnWildcard": {}})
    wildcard = {"Name": "own", "ColumnWildcard": {"ExcludedColumnNames": ["email"]}, "RowFilter": {"AllRowsWildcard": {}}}
    check(formation.update_data_cells_filter, "ConcurrentModificationException", TableData=names | wildcard | {"VersionId": "another"})
    formation.update_data_cells_filter(TableData=names | wildcard | {"VersionId": got["VersionId"]})
    now = formation.get_data_cells_filter(**names, Name="own")["DataCellsFilter"]
    assert (now["RowFilter"], now["ColumnWildcard"]) == ({"AllRowsWildcard": {}}, {"ExcludedColumnNames": ["email"]})
    assert now["VersionId"] != got["VersionId"]
    formation.create_data_cells_filter(TableData=names | {"Name": "b", "ColumnWildcard": {}})
    table = {"CatalogId": lake.account.id, "DatabaseName": "raw", "Name": "events"}
    found = pages(formation.list_data_cells_filter, "DataCellsFilters", Table=table, MaxResults=1)
    assert [each["Name"] for each in found] == ["b", "own"]
    lake.close()
    on_filter = {"DataCellsFilter": {"TableCatalogId": lake.account.id, "DatabaseName": "raw", "TableName": "events", "Name": "own"}}
    lake.grant("ana", on_filter, "SELECT")
    assert lake.granted(Resource=TABLE)[0][0] == "DataCellsFilter"
    formation.delete_data_cells_filter(**names, Name="own")
    assert lake.granted(Resource=TABLE) == [], "a filter's grants go with it"
    check(formation.get_data_cells_filter, "EntityNotFoundException", "own", **names, Name="own")
    # Only administrators make them.
    check(lake.user("ana").client("lakeformation").create_data_cells_filter, "AccessDeniedException", "Insufficient Lake Formation",
          TableData=names | {"Name": "x", "ColumnWildcard": {}})  # fmt: skip


def test_registered_locations(lake):
    client = lake.lake
    arn = f"arn:aws:s3:::{lake.bucket}/raw"
    client.register_resource(ResourceArn=arn, UseServiceLinkedRole=True)
    check(client.register_resource, "AlreadyExistsException", arn, ResourceArn=arn + "/", UseServiceLinkedRole=True)
    info = client.describe_resource(ResourceArn=arn)["ResourceInfo"]
    assert (info["ResourceArn"], info["RoleArn"].rsplit("/")[-1]) == (arn, "AWSServiceRoleForLakeFormationDataAccess")
    role = f"arn:aws:iam::{lake.account.id}:role/reader"
    client.update_resource(ResourceArn=arn, RoleArn=role)
    assert client.describe_resource(ResourceArn=arn)["ResourceInfo"]["RoleArn"] == role
    others = [f"arn:aws:s3:::{lake.bucket}/{name}" for name in "ab"]
    for other in others:
        client.register_resource(ResourceArn=other, RoleArn=role)
    found = pages(client.list_resources, "ResourceInfoList", MaxResults=2)
    assert [each["ResourceArn"] for each in found] == sorted([arn, *others])
    begins = [{"Field": "RESOURCE_ARN", "ComparisonOperator": "EQ", "StringValueList": [arn]}]
    assert [each["ResourceArn"] for each in client.list_resources(FilterConditionList=begins)["ResourceInfoList"]] == [arn]
    for arguments in ({}, {"RoleArn": role, "UseServiceLinkedRole": True}, {"RoleArn": role, "WithFederation": True}):
        check(client.register_resource, "InvalidInputException", ResourceArn=f"arn:aws:s3:::{lake.bucket}/c", **arguments)
    check(client.register_resource, "InvalidInputException", ResourceArn="arn:aws:sns:us-east-1:1:t", UseServiceLinkedRole=True)
    # A role is passed on by who may.
    check(lake.formation.register_resource, "AccessDeniedException", "iam:PassRole", ResourceArn=f"arn:aws:s3:::{lake.bucket}/c", RoleArn=role)
    client.deregister_resource(ResourceArn=arn)
    check(client.describe_resource, "EntityNotFoundException", arn, ResourceArn=arn)
    check(client.deregister_resource, "EntityNotFoundException", arn, ResourceArn=arn)


def test_glue_by_users_with_and_without_grants(lake):
    lake.create("open")
    for day in ("2026-01-01", "2026-01-02"):
        lake.root_glue.create_partition(DatabaseName="raw", TableName="events", PartitionInput={"Values": [day]})
    ana, ben = lake.user("ana").client("glue"), lake.user("ben").client("glue")
    names = {"DatabaseName": "raw", "Name": "events"}

    def shown(glue) -> list[str]:
        table = glue.get_table(**names)["Table"]
        return [column["Name"] for column in table["StorageDescriptor"]["Columns"] + table["PartitionKeys"]]

    def listed(glue) -> list[str]:
        return [table["Name"] for table in glue.get_tables(DatabaseName="raw")["TableList"]]

    assert shown(ben) == ["id", "name", "email", "day"] and listed(ben) == ["events", "open"], "IAM alone decides"
    lake.close()
    denied = "Lake Formation permission(s)"
    check(ben.get_table, "AccessDeniedException", denied, **names)
    check(ben.get_partitions, "AccessDeniedException", denied, DatabaseName="raw", TableName="events")
    assert listed(ben) == ["open"]
    assert [table["Name"] for table in ben.search_tables()["TableList"]] == ["open"]

    lake.grant("ana", columns("id", "day"), "SELECT")
    assert shown(ana) == ["id", "day"] and listed(ana) == ["events", "open"]
    [listed_table] = [table for table in ana.get_tables(DatabaseName="raw")["TableList"] if table["Name"] == "events"]
    assert [column["Name"] for column in listed_table["StorageDescriptor"]["Columns"]] == ["id"]
    assert [column["Name"] for column in ana.get_table_version(DatabaseName="raw", TableName="events", VersionId="0")["TableVersion"]["Table"]["StorageDescriptor"]["Columns"]] == ["id"]  # fmt: skip
    assert len(ana.get_partitions(DatabaseName="raw", TableName="events")["Partitions"]) == 2
    lake.revoke("ana", columns("day"), "SELECT")
    check(ana.get_partitions, "AccessDeniedException", denied, DatabaseName="raw", TableName="events")
    assert shown(ana) == ["id"]

    table_input = {"Name": "events", "StorageDescriptor": {"Columns": [{"Name": "id", "Type": "string"}]}}
    check(ana.update_table, "AccessDeniedException", denied, DatabaseName="raw", TableInput=table_input)
    check(ana.delete_table, "AccessDeniedException", denied, **names)
    check(ana.create_partition, "AccessDeniedException", denied, DatabaseName="raw", TableName="events", PartitionInput={"Values": ["2026-01-03"]})
    lake.grant("ana", TABLE, "INSERT")
    ana.create_partition(DatabaseName="raw", TableName="events", PartitionInput={"Values": ["2026-01-03"]})
    check(ben.delete_table, "AccessDeniedException", denied, **names)
    lake.grant("ben", TABLE, "DROP")
    ben.delete_table(**names)
    # Made again it is another table: no grant of the old one holds.
    lake.create("events")
    lake.close()
    check(ana.get_table, "AccessDeniedException", denied, **names)
    assert lake.granted(Resource=TABLE) == []


def test_iam_still_has_to_allow(lake):
    lake.close()
    lake.grant("eve", TABLE, "ALL")
    eve = lake.account.user("eve").client("glue")
    check(eve.get_table, "AccessDeniedException", "no identity-based policy", DatabaseName="raw", Name="events")


def test_new_databases_are_closed_if_settings_say_so(lake):
    admins = {"DataLakeAdmins": [principal("admin", lake.account)]}
    lake.lake.put_data_lake_settings(DataLakeSettings=admins)
    lake.root_glue.create_database(DatabaseInput={"Name": "closed"})
    ana = lake.user("ana").client("glue")
    ana.get_table(DatabaseName="raw", Name="events")
    check(ana.get_database, "AccessDeniedException", Name="closed")
    assert [database["Name"] for database in ana.get_databases()["DatabaseList"]] == ["raw"]
    lake.grant("ana", {"Database": {"Name": "closed"}}, "CREATE_TABLE")
    ana.create_table(DatabaseName="closed", TableInput={"Name": "own"})
    ana.delete_table(DatabaseName="closed", Name="own")


def test_tables_in_registered_places_are_made_by_who_may(lake):
    lake.lake.register_resource(ResourceArn=f"arn:aws:s3:::{lake.bucket}/raw", UseServiceLinkedRole=True)
    ana = lake.user("ana").client("glue")
    with pytest.raises(ClientError) as raised:
        lake.create("more", ana)
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    lake.create("elsewhere", ana, f"s3://{lake.bucket}/rawest/")
    lake.grant("ana", {"DataLocation": {"ResourceArn": f"arn:aws:s3:::{lake.bucket}/raw"}}, "DATA_LOCATION_ACCESS")
    lake.create("more", ana)


@pytest.mark.parametrize("has_role", [True, False])
def test_credentials_for_the_data_of_a_table(lake, has_role):
    account = lake.account
    s3 = account.client("s3")
    for key in ("raw/events/a", "raw/events2/a", "other"):
        s3.put_object(Bucket=lake.bucket, Key=key, Body=b"x")
    role = {"UseServiceLinkedRole": True}
    if has_role:
        iam = account.client("iam")
        trust = allow("sts:AssumeRole")
        del trust["Statement"][0]["Resource"]
        trust["Statement"][0]["Principal"] = {"Service": "lakeformation.amazonaws.com"}
        arn = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=json.dumps(allow("s3:*")))
        role = {"RoleArn": arn}
    lake.lake.register_resource(ResourceArn=f"arn:aws:s3:::{lake.bucket}/raw", **role)
    lake.close()
    lake.grant("ana", TABLE, "SELECT")
    lake.grant("ben", columns("id"), "SELECT")
    ana, ben = (lake.user(name).client("lakeformation") for name in ("ana", "ben"))
    table = {"TableArn": f"arn:aws:glue:us-east-1:{account.id}:table/raw/events"}
    check(ana.get_temporary_glue_table_credentials, "AccessDeniedException", "AllowFullTableExternalDataAccess", **table)
    settings = lake.lake.get_data_lake_settings()["DataLakeSettings"]
    lake.lake.put_data_lake_settings(DataLakeSettings=settings | {"AllowFullTableExternalDataAccess": True})
    check(ben.get_temporary_glue_table_credentials, "PermissionTypeMismatchException", "events", **table)
    check(ana.get_temporary_glue_table_credentials, "AccessDeniedException", "INSERT", **table, Permissions=["SELECT", "INSERT"])
    given = ana.get_temporary_glue_table_credentials(**table, Permissions=["SELECT"], DurationSeconds=900)
    assert given["VendedS3Path"] == [f"s3://{lake.bucket}/raw/events/"]
    session = boto3.session.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name="us-east-1")
    vended = session.client("s3", endpoint_url=account.endpoint)
    assert vended.get_object(Bucket=lake.bucket, Key="raw/events/a")["Body"].read() == b"x"
    assert [item["Key"] for item in vended.list_objects_v2(Bucket=lake.bucket, Prefix="raw/events/")["Contents"]] == ["raw/events/a"]
    for key, method in itertools.product(("raw/events2/a", "other"), ("get_object", "head_object")):
        with pytest.raises(ClientError) as raised:
            getattr(vended, method)(Bucket=lake.bucket, Key=key)
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, key
    check(vended.put_object, "AccessDenied", Bucket=lake.bucket, Key="raw/events/b", Body=b"")
    check(vended.list_objects_v2, "AccessDenied", Bucket=lake.bucket)
    check(vended.list_buckets, "AccessDenied")
