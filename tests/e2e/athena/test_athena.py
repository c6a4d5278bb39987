"""Athena with boto3: executions, results, workgroups, saved statements, refusals."""

import time
import uuid

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow

FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


def wait(athena, execution_id, seconds_max=60):
    deadline = time.monotonic() + seconds_max
    while True:
        execution = athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
        if execution["Status"]["State"] in FINAL:
            return execution
        assert time.monotonic() < deadline, execution
        time.sleep(0.005)


def run(athena, query, **more):
    started = athena.start_query_execution(QueryString=query, **more)
    return wait(athena, started["QueryExecutionId"])


def rows(athena, execution):
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution["QueryExecutionId"])
    return [[value.get("VarCharValue") for value in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]


def check(athena, query, expected, **more):
    assert rows(athena, run(athena, query, **more)) == expected, query


def refusal(call):
    with pytest.raises(ClientError) as raised:
        call()
    response = raised.value.response
    return response["Error"]["Code"], response.get("AthenaErrorCode")


@pytest.fixture
def lake(account):
    """A database `d` with a CSV table `t` of three rows in a bucket."""
    bucket = account.bucket()
    account.client("s3").put_object(Bucket=bucket, Key="t/data.csv", Body=b"1,one\n2,two\n3,\n")
    athena = account.client("athena")
    rows(athena, run(athena, "CREATE DATABASE d"))
    rows(
        athena,
        run(
            athena,
            f"CREATE EXTERNAL TABLE d.t (n int, word string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://{bucket}/t/'",
        ),
    )
    return account, athena, bucket


def test_a_result_is_told_and_lies_in_the_accounts_bucket(account):
    athena = account.client("athena")
    execution = run(athena, "SELECT CAST(1 AS integer) AS a, 'x' AS b, CAST(NULL AS varchar) AS c")
    assert rows(athena, execution) == [["a", "b", "c"], ["1", "x", None]]
    location = execution["ResultConfiguration"]["OutputLocation"]
    bucket, key = location.removeprefix("s3://").split("/", 1)
    assert bucket == f"aws-athena-query-results-{account.id}-us-east-1"
    assert account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == b'"a","b","c"\n"1","x",\n'
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")
    assert execution["EngineVersion"]["EffectiveEngineVersion"] == "Athena engine version 3"
    columns = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]["ResultSetMetadata"]
    assert [column["Type"] for column in columns["ColumnInfo"]] == ["integer", "varchar", "varchar"]


def test_tables_are_made_read_and_written(lake):
    account, athena, bucket = lake
    context = {"QueryExecutionContext": {"Database": "d"}}
    check(athena, "SELECT n, word FROM t ORDER BY n", [["n", "word"], ["1", "one"], ["2", "two"], ["3", ""]], **context)
    check(athena, "SELECT count(*) AS c FROM d.t WHERE n > ?", [["c"], ["2"]], ExecutionParameters=["1"])
    made = run(
        athena,
        f"CREATE TABLE d.p WITH (format = 'PARQUET', external_location = 's3://{bucket}/p/', partitioned_by = ARRAY['n']) AS SELECT word, n FROM d.t",
    )
    assert made["Status"]["State"] == "SUCCEEDED", made["Status"]
    assert made["Statistics"]["DataManifestLocation"].endswith("-manifest.csv")
    check(athena, "SELECT word FROM d.p WHERE n = 2", [["word"], ["two"]])
    assert run(athena, "INSERT INTO d.p VALUES ('four', 4)")["Status"]["State"] == "SUCCEEDED"
    check(athena, "SELECT count(*) AS c FROM d.p", [["c"], ["4"]])
    check(athena, "SHOW TABLES IN d", [["p"], ["t"]])
    tables = athena.list_table_metadata(CatalogName="AwsDataCatalog", DatabaseName="d")["TableMetadataList"]
    assert [table["Name"] for table in tables] == ["p", "t"]
    assert tables[0]["PartitionKeys"][0]["Name"] == "n"


def test_results_are_paged(account):
    athena = account.client("athena")
    query = "SELECT n FROM UNNEST(sequence(1, 2500)) AS t (n) ORDER BY n"
    execution = run(athena, query)
    page = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert len(page["ResultSet"]["Rows"]) == 1000 and page["NextToken"]
    assert rows(athena, execution) == [["n"]] + [[str(n)] for n in range(1, 2501)]


def test_failures_say_what_happened(account):
    athena = account.client("athena")
    start = athena.start_query_execution
    assert refusal(lambda: start(QueryString="SELEC 1")) == ("InvalidRequestException", "MALFORMED_QUERY")
    missing = run(athena, "SELECT * FROM nowhere.t")
    assert missing["Status"]["State"] == "FAILED"
    assert missing["Status"]["AthenaError"]["ErrorCategory"] == 2
    assert "NOT_FOUND" in missing["Status"]["StateChangeReason"]
    results = lambda: athena.get_query_results(QueryExecutionId=missing["QueryExecutionId"])
    assert refusal(results)[0] == "InvalidRequestException"
    assert refusal(lambda: athena.get_query_execution(QueryExecutionId="none"))[0] == "InvalidRequestException"
    assert refusal(lambda: start(QueryString="SELECT 1", WorkGroup="none"))[0] == "InvalidRequestException"
    token = str(uuid.uuid4())
    first = start(QueryString="SELECT 1", ClientRequestToken=token)
    assert start(QueryString="SELECT 1", ClientRequestToken=token)["QueryExecutionId"] == first["QueryExecutionId"]
    again = lambda: start(QueryString="SELECT 2", ClientRequestToken=token)
    assert refusal(again) == ("InvalidRequestException", "IDEMPOTENT_PARAMETER_MISMATCH")


def test_queries_are_stopped(account):
    athena = account.client("athena")
    query = "SELECT count(*) FROM UNNEST(sequence(1, 9999)) a (x), UNNEST(sequence(1, 9999)) b (y), UNNEST(sequence(1, 999)) c (z) WHERE x * y % 7 = z"
    started = athena.start_query_execution(QueryString=query)["QueryExecutionId"]
    athena.stop_query_execution(QueryExecutionId=started)
    assert wait(athena, started, 15)["Status"]["State"] == "CANCELLED"


def test_work_groups_rule_their_queries(account):
    athena, bucket = account.client("athena"), account.bucket()
    primary = athena.get_work_group(WorkGroup="primary")["WorkGroup"]
    assert primary["Configuration"]["EnforceWorkGroupConfiguration"] is False
    configuration = {
        "ResultConfiguration": {"OutputLocation": f"s3://{bucket}/out"},
        "EnforceWorkGroupConfiguration": True,
    }
    athena.create_work_group(Name="g", Configuration=configuration, Tags=[{"Key": "team", "Value": "lake"}])
    asked = {"OutputLocation": f"s3://{bucket}/other/"}
    execution = run(athena, "SELECT 1", WorkGroup="g", ResultConfiguration=asked)
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{bucket}/out/")
    listed = athena.list_query_executions(WorkGroup="g")
    assert listed["QueryExecutionIds"] == [execution["QueryExecutionId"]] and "NextToken" not in listed
    groups = athena.list_work_groups()
    assert [group["Name"] for group in groups["WorkGroups"]] == ["g", "primary"] and "NextToken" not in groups
    arn = f"arn:aws:athena:us-east-1:{account.id}:workgroup/g"
    assert athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "lake"}]
    athena.update_work_group(WorkGroup="g", State="DISABLED")
    start = lambda: athena.start_query_execution(QueryString="SELECT 1", WorkGroup="g")
    assert refusal(start)[0] == "InvalidRequestException"
    athena.delete_work_group(WorkGroup="g", RecursiveDeleteOption=True)
    assert refusal(lambda: athena.get_work_group(WorkGroup="g"))[0] == "InvalidRequestException"


def test_statements_are_saved(account):
    athena = account.client("athena")
    athena.create_prepared_statement(StatementName="pick", WorkGroup="primary", QueryStatement="SELECT ? + 1 AS a")
    check(athena, "EXECUTE pick USING 41", [["a"], ["42"]])
    check(athena, "EXECUTE pick", [["a"], ["3"]], ExecutionParameters=["2"])
    assert run(athena, "DEALLOCATE PREPARE pick")["Status"]["State"] == "SUCCEEDED"
    get = lambda: athena.get_prepared_statement(StatementName="pick", WorkGroup="primary")
    assert refusal(get)[0] == "ResourceNotFoundException"
    named = athena.create_named_query(Name="n", Database="d", QueryString="SELECT 1")["NamedQueryId"]
    assert athena.list_named_queries()["NamedQueryIds"] == [named]
    assert athena.get_named_query(NamedQueryId=named)["NamedQuery"]["QueryString"] == "SELECT 1"


def test_a_query_sees_what_its_caller_may(lake):
    account, athena, bucket = lake
    blind = account.user("blind", allow(["athena:*", "glue:*"]), allow("s3:*", "arn:aws:s3:::aws-athena-query-results-*"))
    refused = run(blind.client("athena"), "SELECT * FROM d.t")
    assert refused["Status"]["State"] == "FAILED" and "denied" in refused["Status"]["StateChangeReason"]
    # Tags of objects and buckets bear on it as they do where S3 is asked.
    s3 = account.client("s3")
    s3.put_object_tagging(Bucket=bucket, Key="t/data.csv", Tagging={"TagSet": [{"Key": "kind", "Value": "secret"}]})
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "lake"}]})
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Enabled"})
    for number, (key, value, state) in enumerate([
        ("s3:ExistingObjectTag/kind", "secret", "FAILED"), ("s3:ExistingObjectTag/kind", "open", "SUCCEEDED"),
        ("s3:BucketTag/team", "lake", "FAILED"), ("s3:BucketTag/team", "ml", "SUCCEEDED"),
    ]):
        tagged = allow("s3:GetObject", effect="Deny", Condition={"StringEquals": {key: value}})
        reader = account.user(f"reader-{number}", allow(["athena:*", "glue:*", "s3:*"]), tagged)
        assert run(reader.client("athena"), "SELECT * FROM d.t")["Status"]["State"] == state, (key, value)
    nobody = account.user("nobody")
    start = lambda: nobody.client("athena").start_query_execution(QueryString="SELECT 1")
    assert refusal(start)[0] == "AccessDeniedException"
    mute = account.user("mute", allow("athena:*"))
    refused = run(mute.client("athena"), "SELECT 1")
    assert refused["Status"]["State"] == "FAILED" and "Access denied when writing" in refused["Status"]["StateChangeReason"]


def test_a_killed_server_ends_its_queries_truly(own_server):
    own_server.start()
    athena = own_server.accounts[0].client("athena")
    query = "SELECT count(*) FROM UNNEST(sequence(1, 9999)) a (x), UNNEST(sequence(1, 9999)) b (y), UNNEST(sequence(1, 999)) c (z) WHERE x * y % 7 = z"
    done = run(athena, "SELECT 1")
    started = athena.start_query_execution(QueryString=query)["QueryExecutionId"]
    own_server.kill()
    own_server.start()
    execution = wait(athena, started)
    assert execution["Status"]["State"] == "FAILED"
    assert "the server was stopped" in execution["Status"]["StateChangeReason"]
    assert rows(athena, done) == [["_col0"], ["1"]]
