"""What Athena shows to those who were granted parts of a table: rows, columns, cells; and what no statement of theirs can find out."""

import json
import random

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow, ended

ROWS = [
    (1, "Ada", "north", 100, "planted-ada"),
    (2, "Bo", "south", 200, "planted-bo"),
    (3, "Cy", "north", 300, "planted-cy"),
    (4, "Di", "west", 0, "planted-di"),
]
COLUMNS = ["id", "name", "region", "amount", "secret"]
ATHENA = ["athena:*", "glue:Get*", "lakeformation:GetDataAccess"]


def run(account, sql, database="default", results=None):
    """A statement's rows; an error is a `RuntimeError` with its reason."""
    athena = account.client("athena")
    query = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": database},
        ResultConfiguration={"OutputLocation": f"s3://{results}/"},
    )["QueryExecutionId"]
    status = ended(athena, query)
    if status["State"] != "SUCCEEDED":
        raise RuntimeError(status["StateChangeReason"])
    found = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    return [tuple(cell.get("VarCharValue") for cell in row["Data"]) for row in found][1:]


class Lake:
    """A table that IAM alone does not decide about, and a user who reads it by grants only."""

    def __init__(self, account, fmt="csv"):
        self.root, self.account = account, account.id
        self.data, self.results = account.bucket(), account.bucket()
        s3, glue = account.client("s3"), account.client("glue")
        glue.create_database(DatabaseInput={"Name": "lake"})
        lines = "".join(",".join(map(str, row)) + "\n" for row in ROWS)
        s3.put_object(Bucket=self.data, Key="people/a.csv", Body=lines.encode())
        types = {"id": "int", "amount": "int"}
        self.glue_table = {
            "Name": "people",
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {
                "Columns": [{"Name": name, "Type": types.get(name, "string")} for name in COLUMNS],
                "Location": f"s3://{self.data}/people/",
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                    "Parameters": {"field.delim": ","},
                },
            },
        }
        glue.create_table(DatabaseName="lake", TableInput=self.glue_table)
        self.formation = account.client("lakeformation")
        self.formation.register_resource(ResourceArn=f"arn:aws:s3:::{self.data}/people", UseServiceLinkedRole=True)
        # No right on the data itself: what is read of it is read by grants.
        self.reader = account.user("reader", allow(ATHENA), allow("s3:*", f"arn:aws:s3:::{self.results}*"))
        self.principal = {"DataLakePrincipalIdentifier": f"arn:aws:iam::{account.id}:user/reader"}
        self.table = {"Table": {"DatabaseName": "lake", "Name": "people"}}
        everybody = {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}
        self.formation.revoke_permissions(Principal=everybody, Resource=self.table, Permissions=["ALL"])

    def grant(self, resource, *permissions):
        self.formation.grant_permissions(Principal=self.principal, Resource=resource, Permissions=list(permissions))

    def revoke(self, resource, *permissions):
        self.formation.revoke_permissions(Principal=self.principal, Resource=resource, Permissions=list(permissions))

    def columns(self, *names):
        return {"TableWithColumns": {"DatabaseName": "lake", "Name": "people", "ColumnNames": list(names)}}

    def filter(self, name, row_filter=None, columns=None):
        data = {"TableCatalogId": self.account, "DatabaseName": "lake", "TableName": "people", "Name": name}
        data["RowFilter"] = {"FilterExpression": row_filter} if row_filter else {"AllRowsWildcard": {}}
        data |= {"ColumnNames": columns} if columns else {"ColumnWildcard": {}}
        self.formation.create_data_cells_filter(TableData=data)
        return {
            "DataCellsFilter": {
                "TableCatalogId": self.account,
                "DatabaseName": "lake",
                "TableName": "people",
                "Name": name,
            }
        }

    def ask(self, sql):
        return run(self.reader, sql, "lake", self.results)

    def refused(self, sql, needle):
        with pytest.raises(RuntimeError) as error:
            self.ask(sql)
        assert needle in str(error.value), error.value
        assert "planted" not in str(error.value), error.value


@pytest.fixture
def lake(account):
    return Lake(account)


def test_a_table_is_read_by_its_grant_and_no_longer_than_it(lake):
    lake.refused("SELECT * FROM people", "Lake Formation")
    lake.grant(lake.table, "SELECT")
    assert len(lake.ask("SELECT * FROM people")) == 4
    lake.revoke(lake.table, "SELECT")
    lake.refused("SELECT * FROM people", "Lake Formation")
    lake.grant(lake.table, "DESCRIBE")
    assert "secret" in str(lake.ask("DESCRIBE people"))
    lake.refused("SELECT id FROM people", "Required Select")
    # Nobody else's grants are theirs, and IAM still counts.
    other = lake.root.user("other", allow(ATHENA), allow("s3:*"))
    with pytest.raises(RuntimeError, match="Lake Formation"):
        run(other, "SELECT * FROM people", "lake", lake.results)
    lake.grant(lake.table, "SELECT")
    lake.root.client("iam").put_user_policy(
        UserName="reader", PolicyName="no", PolicyDocument=json.dumps(allow("glue:GetTable", effect="Deny"))
    )
    lake.refused("SELECT * FROM people", "explicit deny")


def test_only_granted_columns_are_there(lake):
    lake.grant(lake.columns("id", "name"), "SELECT")
    assert lake.ask("SELECT * FROM people ORDER BY id") == [("1", "Ada"), ("2", "Bo"), ("3", "Cy"), ("4", "Di")]
    for sql in (
        "SELECT secret FROM people",
        "SELECT id FROM people WHERE secret LIKE 'planted%'",
        "SELECT id FROM people ORDER BY secret",
        "SELECT count(secret) FROM people",
        'SELECT "$path" FROM people',
        "WITH t AS (SELECT secret FROM people) SELECT * FROM t",
    ):
        lake.refused(sql, "COLUMN_NOT_FOUND")
    assert [row[0] for row in lake.ask("SELECT column_name FROM information_schema.columns WHERE table_name = 'people'")] == [
        "id",
        "name",
    ]
    assert "secret" not in str(lake.ask("DESCRIBE people")) and "secret" not in str(lake.ask("SHOW COLUMNS IN people"))
    table = lake.reader.client("glue").get_table(DatabaseName="lake", Name="people")["Table"]
    assert [column["Name"] for column in table["StorageDescriptor"]["Columns"]] == ["id", "name"]
    excluded = {
        "TableWithColumns": {
            "DatabaseName": "lake",
            "Name": "people",
            "ColumnWildcard": {"ExcludedColumnNames": ["secret"]},
        }
    }
    lake.grant(excluded, "SELECT")
    assert lake.ask("SELECT * FROM people WHERE id = 1") == [("1", "Ada", "north", "100")]


def test_rows_are_left_out_before_anything_sees_them(lake):
    lake.grant(lake.filter("north", "region = 'north'"), "SELECT")
    assert [row[0] for row in lake.ask("SELECT id FROM people ORDER BY id")] == ["1", "3"]
    assert lake.ask("SELECT count(*), max(amount), min(secret) FROM people") == [("2", "300", "planted-ada")]
    # Di's amount is 0: were she divided by, the query would fail.
    assert lake.ask("SELECT id FROM people WHERE 600 / amount = 6") == [("1",)]
    assert lake.ask("SELECT id FROM people WHERE 600 / amount = 6 AND amount > 0 LIMIT 5") == [("1",)]
    assert lake.ask("SELECT p.id FROM people p JOIN (VALUES 1, 2, 3, 4) v(id) ON p.id = v.id ORDER BY 1") == [("1",), ("3",)]
    assert lake.ask("SELECT count(*) FROM people WHERE cast(substr(secret, 9) AS varchar) = 'bo'") == [("0",)]
    for sql in ("EXPLAIN SELECT * FROM people", "EXPLAIN ANALYZE SELECT * FROM people WHERE amount > 1"):
        text = str(lake.ask(sql))
        assert "people" in text and "north" not in text and "csv" not in text and "planted" not in text, text
    with pytest.raises(ClientError) as refused:
        lake.reader.client("glue").get_partitions(DatabaseName="lake", TableName="people")
    assert "AccessDenied" in refused.value.response["Error"]["Code"]


def test_cells_of_several_filters_come_together(lake):
    lake.grant(lake.filter("names", "region <> 'west'", ["id", "name", "region"]), "SELECT")
    lake.grant(lake.filter("amounts", "region = 'north'", ["id", "amount"]), "SELECT")
    found = lake.ask("SELECT id, name, amount FROM people ORDER BY id")
    assert found == [("1", "Ada", "100"), ("2", "Bo", None), ("3", "Cy", "300")]
    lake.refused("SELECT secret FROM people", "COLUMN_NOT_FOUND")
    # What is NULL for a reader is NULL in all that it writes.
    lake.grant(lake.filter("all", None, ["name"]), "SELECT")
    assert lake.ask("SELECT name, id FROM people WHERE name = 'Di'") == [("Di", None)]


def test_tags_decide_by_what_a_thing_is(lake):
    formation = lake.formation
    formation.create_lf_tag(TagKey="class", TagValues=["open", "closed"])
    policy = {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": [{"TagKey": "class", "TagValues": ["open"]}]}}
    lake.grant(policy, "SELECT", "DESCRIBE")
    lake.refused("SELECT * FROM people", "Lake Formation")
    formation.add_lf_tags_to_resource(
        Resource={"Database": {"Name": "lake"}}, LFTags=[{"TagKey": "class", "TagValues": ["open"]}]
    )
    assert len(lake.ask("SELECT * FROM people")) == 4
    formation.add_lf_tags_to_resource(
        Resource=lake.columns("secret", "amount"), LFTags=[{"TagKey": "class", "TagValues": ["closed"]}]
    )
    assert lake.ask("SELECT * FROM people WHERE id = 1") == [("1", "Ada", "north")]
    formation.add_lf_tags_to_resource(Resource=lake.table, LFTags=[{"TagKey": "class", "TagValues": ["closed"]}])
    lake.refused("SELECT * FROM people", "Lake Formation")


def test_data_that_is_not_registered_is_read_as_the_caller(lake):
    lake.grant(lake.table, "SELECT")
    assert len(lake.ask("SELECT * FROM people")) == 4
    lake.formation.deregister_resource(ResourceArn=f"arn:aws:s3:::{lake.data}/people")
    lake.refused("SELECT * FROM people", "s3:ListBucket")
    with pytest.raises(ClientError):
        lake.reader.client("s3").get_object(Bucket=lake.data, Key="people/a.csv")


def test_data_is_read_as_the_role_of_its_location(lake):
    iam, location = lake.root.client("iam"), f"arn:aws:s3:::{lake.data}/people"

    def trust(service, **condition):
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement | condition]})

    role = iam.create_role(RoleName="data", AssumeRolePolicyDocument=trust("glue.amazonaws.com"))["Role"]["Arn"]
    may = json.dumps(allow(["s3:GetObject", "s3:ListBucket"]))
    iam.put_role_policy(RoleName="data", PolicyName="data", PolicyDocument=may)
    lake.formation.update_resource(ResourceArn=location, RoleArn=role)
    lake.grant(lake.table, "SELECT")
    # It does not trust Lake Formation; then it does, and then only for another account.
    lake.refused("SELECT * FROM people", "lakeformation.amazonaws.com is not authorized to perform: sts:AssumeRole")
    source = {"StringEquals": {"aws:SourceAccount": lake.root.id}}
    source["ArnEquals"] = {"aws:SourceArn": f"arn:aws:lakeformation:us-east-1:{lake.root.id}:*"}
    formation = "lakeformation.amazonaws.com"
    iam.update_assume_role_policy(RoleName="data", PolicyDocument=trust(formation, Condition=source))
    assert len(lake.ask("SELECT * FROM people")) == 4
    other = {"StringEquals": {"aws:SourceAccount": "999999999999"}}
    iam.update_assume_role_policy(RoleName="data", PolicyDocument=trust(formation, Condition=other))
    lake.refused("SELECT * FROM people", "sts:AssumeRole")
    iam.update_assume_role_policy(RoleName="data", PolicyDocument=trust(formation))
    # It reads what the role may, and no more.
    iam.put_role_policy(RoleName="data", PolicyName="data", PolicyDocument=json.dumps(allow("s3:ListBucket")))
    lake.refused("SELECT * FROM people", "assumed-role/data/lakeformation is not authorized to perform: s3:GetObject")
    iam.delete_role_policy(RoleName="data", PolicyName="data")
    lake.refused("SELECT * FROM people", "s3:ListBucket")
    iam.delete_role(RoleName="data")
    lake.refused("SELECT * FROM people", "sts:AssumeRole")


def test_nobody_reads_granted_data_by_a_table_of_their_own(lake):
    glue = lake.root.client("glue")
    glue.create_database(DatabaseInput={"Name": "mine"})
    maker = lake.root.user("maker", allow([*ATHENA, "glue:*"]), allow("s3:*", f"arn:aws:s3:::{lake.results}*"))
    mine = maker.client("glue")
    everything = lake.glue_table | {"Name": "copy"}
    with pytest.raises(ClientError) as refused:
        mine.create_table(DatabaseName="mine", TableInput=everything)
    assert "DATA_LOCATION_ACCESS" in str(refused.value)
    # A table elsewhere whose partition points there is read as its maker.
    elsewhere = json.loads(json.dumps(everything))
    elsewhere["StorageDescriptor"]["Location"] = f"s3://{lake.results}/own/"
    elsewhere["PartitionKeys"] = [{"Name": "day", "Type": "string"}]
    mine.create_table(DatabaseName="mine", TableInput=elsewhere)
    storage = lake.glue_table["StorageDescriptor"]
    mine.create_partition(
        DatabaseName="mine", TableName="copy", PartitionInput={"Values": ["1"], "StorageDescriptor": storage}
    )
    with pytest.raises(RuntimeError, match="s3:ListBucket"):
        run(maker, "SELECT * FROM copy", "mine", lake.results)


def test_writing_needs_its_own_grants(lake):
    writer = lake.root.user("writer", allow(["athena:*", "glue:*", "lakeformation:GetDataAccess"]), allow("s3:*"))
    principal = {"DataLakePrincipalIdentifier": f"arn:aws:iam::{lake.account}:user/writer"}
    insert = "INSERT INTO people VALUES (5, 'Ed', 'east', 5, 'x')"

    def give(*permissions):
        lake.formation.grant_permissions(Principal=principal, Resource=lake.table, Permissions=list(permissions))

    give("SELECT")
    with pytest.raises(RuntimeError, match="Lake Formation"):
        run(writer, "ALTER TABLE people ADD COLUMNS (more string)", "lake", lake.results)
    with pytest.raises(RuntimeError, match="Lake Formation"):
        run(writer, "DROP TABLE people", "lake", lake.results)
    with pytest.raises(RuntimeError, match="Lake Formation"):
        run(writer, insert, "lake", lake.results)
    give("INSERT")
    run(writer, insert, "lake", lake.results)
    assert len(run(writer, "SELECT * FROM people", "lake", lake.results)) == 5
    give("DROP")
    run(writer, "DROP TABLE people", "lake", lake.results)
    # The grants went with the table: another of its name has none.
    lake.root.client("glue").create_table(DatabaseName="lake", TableInput=lake.glue_table)
    everybody = {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}
    lake.formation.revoke_permissions(Principal=everybody, Resource=lake.table, Permissions=["ALL"])
    with pytest.raises(RuntimeError, match="Lake Formation"):
        run(writer, "SELECT * FROM people", "lake", lake.results)


def test_random_grants_show_what_a_naive_reader_would(lake):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    predicates = {
        None: lambda row: True,
        "amount > 100": lambda row: row[3] > 100,
        "region = 'north' OR id = 2": lambda row: row[2] == "north" or row[0] == 2,
        "name LIKE 'D%'": lambda row: row[1].startswith("D"),
    }
    given = []
    for number in range(6):
        columns = chance.sample(COLUMNS, chance.randint(1, 4))
        text = chance.choice(list(predicates))
        resource = lake.filter(f"f{number}", text, columns)
        lake.grant(resource, "SELECT")
        given.append((resource, set(columns), predicates[text]))
        if len(given) > 3:
            gone = given.pop(chance.randrange(len(given)))
            lake.revoke(gone[0], "SELECT")
        shown = [name for name in COLUMNS if any(name in columns for _, columns, _ in given)]
        expected = []
        for row in ROWS:
            if any(takes(row) for _, _, takes in given):
                value = dict(zip(COLUMNS, row))
                expected.append(
                    tuple(
                        str(value[name]) if any(name in columns and takes(row) for _, columns, takes in given) else None
                        for name in shown
                    )
                )
        found = lake.ask("SELECT * FROM people")
        assert sorted(found, key=str) == sorted(expected, key=str), (seed, given)
