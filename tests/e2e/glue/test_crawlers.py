"""Crawlers: from files in S3 to tables, with boto3."""

import gzip
import io
import json
import time

import pyarrow
import pyarrow.parquet
import pytest
from botocore.exceptions import ClientError

from ..conftest import allow

FLIGHTS = "year,month,dep_time,carrier\n2013,1,517,UA\n2013,1,NA,AA\n"
SECONDS_MAX = 60


def check(call, code: str, words: str = "", **arguments) -> None:
    """The call fails with `code`, and says `words`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == code and words in error["Message"], error


def parquet() -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"Id": [1, 2], "tags": [["a"], []]}), out)
    return out.getvalue()


def put(account, bucket: str, files: dict) -> None:
    s3 = account.client("s3")
    for key, body in files.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)


def crawl(glue, name: str) -> dict:
    """Runs a crawler and waits for its end."""
    glue.start_crawler(Name=name)
    deadline = time.monotonic() + SECONDS_MAX
    while (crawler := glue.get_crawler(Name=name)["Crawler"])["State"] != "READY":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return crawler["LastCrawl"]


def make(glue, name: str, path: str, **more) -> None:
    targets = {"S3Targets": [{"Path": path} | more.pop("target", {})]}
    glue.create_crawler(Name=name, Role="crawler", DatabaseName="raw", Targets=targets, **more)


def columns(glue, name: str) -> list[tuple[str, str]]:
    found = glue.get_table(DatabaseName="raw", Name=name)["Table"]["StorageDescriptor"]["Columns"]
    return [(column["Name"], column["Type"]) for column in found]


def test_a_crawl_makes_tables_and_partitions(account):
    bucket, glue = account.bucket(), account.client("glue")
    put(account, bucket, {
        "in/flights/flights.csv.gz": gzip.compress(FLIGHTS.encode()),
        "in/airlines/airlines.csv": "carrier,name\n9E,Endeavor Air Inc.\nAA,American Airlines Inc.\n",
        "in/events/year=2013/month=01/a.json": '{"id":1,"at":{"x":1.5}}\n{"id":2}\n',
        "in/events/year=2013/month=02/a.json": '{"id":3}\n',
        "in/facts/a.parquet": parquet(),
        "in/tmp/a.csv": FLIGHTS,
    })  # fmt: skip
    make(glue, "all", f"s3://{bucket}/in/", TablePrefix="p_", target={"Exclusions": ["tmp/**"]})
    assert crawl(glue, "all")["Status"] == "SUCCEEDED"
    names = [one["Name"] for one in glue.get_tables(DatabaseName="raw")["TableList"]]
    assert names == ["p_airlines", "p_events", "p_facts", "p_flights"]
    assert columns(glue, "p_flights") == [
        ("year", "bigint"), ("month", "bigint"), ("dep_time", "string"), ("carrier", "string"),
    ]  # fmt: skip
    assert columns(glue, "p_airlines") == [("carrier", "string"), ("name", "string")]
    assert columns(glue, "p_events") == [("id", "int"), ("at", "struct<x:double>")]
    assert columns(glue, "p_facts") == [("id", "bigint"), ("tags", "array<string>")]
    flights = glue.get_table(DatabaseName="raw", Name="p_flights")["Table"]
    expected = {"classification": "csv", "compressionType": "gzip", "delimiter": ",", "skip.header.line.count": "1"}
    assert expected.items() <= flights["Parameters"].items()
    partitions = glue.get_partitions(DatabaseName="raw", TableName="p_events", Expression="month = '02'")["Partitions"]
    location = f"s3://{bucket}/in/events/year=2013/month=02/"
    assert [one["StorageDescriptor"]["Location"] for one in partitions] == [location]
    assert glue.get_crawler_metrics(CrawlerNameList=["all"])["CrawlerMetricsList"][0]["TablesCreated"] == 4
    put(account, bucket, {"in/events/year=2013/month=03/a.json": '{"id":3,"new":true}\n'})
    crawl(glue, "all")
    assert columns(glue, "p_events")[-1] == ("new", "boolean")
    assert len(glue.get_partitions(DatabaseName="raw", TableName="p_events")["Partitions"]) == 3
    crawls = glue.list_crawls(CrawlerName="all", Filters=[{"FieldName": "STATE", "FilterOperator": "EQ", "FieldValue": "COMPLETED"}])
    assert len(crawls["Crawls"]) == 2


def test_broken_files_are_named(account):
    bucket, glue = account.bucket(), account.client("glue")
    put(account, bucket, {
        "good/a.csv": FLIGHTS,
        "cut/a.csv.gz": gzip.compress(FLIGHTS.encode() * 100)[:-20],
        "ragged/a.csv": "a,b\n1\n1,2,3\n1,2\n",
        "broken/a.json": "{a:1}\n",
        "footer/a.parquet": parquet()[:-30] + b"\x00" * 26 + b"PAR1",
    })  # fmt: skip
    make(glue, "some", f"s3://{bucket}")
    last = crawl(glue, "some")
    assert last["Status"] == "SUCCEEDED"
    for key in ("cut/a.csv.gz", "ragged/a.csv", "broken/a.json", "footer/a.parquet"):
        assert f"s3://{bucket}/{key}: " in last["ErrorMessage"]
    assert [one["Name"] for one in glue.get_tables(DatabaseName="raw")["TableList"]] == ["good"]


def test_crawlers_live_and_end(account):
    bucket, glue = account.bucket(), account.client("glue")
    path = f"s3://{bucket}/x"
    tags = {"Tags": {"team": "lake"}}
    make(glue, "c", path, Schedule="cron(15 12 * * ? *)", **tags)
    check(glue.create_crawler, "AlreadyExistsException", Name="c", Role="r", DatabaseName="raw", Targets={"S3Targets": [{"Path": path}]})
    crawler = glue.get_crawler(Name="c")["Crawler"]
    assert crawler["Schedule"] == {"ScheduleExpression": "cron(15 12 * * ? *)", "State": "SCHEDULED"}
    assert glue.list_crawlers(**tags)["CrawlerNames"] == ["c"]
    assert glue.list_crawlers(Tags={"team": "other"})["CrawlerNames"] == []
    glue.update_crawler(Name="c", Schedule="", Description="d")
    crawler = glue.get_crawlers()["Crawlers"][0]
    assert crawler["Description"] == "d" and "Schedule" not in crawler and crawler["Version"] == 2
    assert glue.batch_get_crawlers(CrawlerNames=["c", "d"])["CrawlersNotFound"] == ["d"]
    check(glue.stop_crawler, "CrawlerNotRunningException", Name="c")
    check(glue.start_crawler, "EntityNotFoundException", Name="d")
    for refused in (
        {"Schedule": "rate(1 hour)"},
        {"Classifiers": ["mine"]},
        {"Targets": {"JdbcTargets": [{"ConnectionName": "c", "Path": "db/%"}]}},
        {"Targets": {"DeltaTargets": [{"DeltaTables": [path]}]}},
        {"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVENT_MODE"}},
        {"Configuration": '{"Version":1.0,"Nonsense":1}'},
    ):
        check(glue.update_crawler, "InvalidInputException", Name="c", **refused)
    glue.delete_crawler(Name="c")
    check(glue.get_crawler, "EntityNotFoundException", Name="c")


def test_a_crawler_reads_only_its_own_accounts_buckets(account, server):
    other = server.accounts[-1]
    bucket, glue = account.bucket(), other.client("glue")
    put(account, bucket, {"a.csv": FLIGHTS})
    with pytest.raises(ClientError) as refused:
        make(glue, f"spy-{bucket}", f"s3://{bucket}")
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    # Even where the bucket lets the other account in, its crawlers stay out.
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    policy = allow("s3:*", everything, Principal={"AWS": f"arn:aws:iam::{other.id}:root"})
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    make(glue, f"spy-{bucket}", f"s3://{bucket}")
    last = crawl(glue, f"spy-{bucket}")
    assert last["Status"] == "FAILED" and "not of the crawler's account" in last["ErrorMessage"]


def test_a_crawl_survives_a_crash_in_a_true_state(own_server):
    account = own_server.start().accounts[0]
    bucket, glue = account.bucket(), account.client("glue")
    put(account, bucket, {f"t/day={day}/a.csv": FLIGHTS for day in range(60)})
    make(glue, "c", f"s3://{bucket}/t")
    for _ in range(3):
        glue.start_crawler(Name="c")
        own_server.kill()
        own_server.start()
        glue = account.client("glue")
        deadline = time.monotonic() + SECONDS_MAX
        while (crawler := glue.get_crawler(Name="c")["Crawler"])["State"] != "READY":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        last = crawler["LastCrawl"]
        assert last["Status"] == "SUCCEEDED" or "start the crawler again" in last["ErrorMessage"]
    assert crawl(glue, "c")["Status"] == "SUCCEEDED"
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName="raw", TableName="t")
    assert sum(len(page["Partitions"]) for page in pages) == 60
    own_server.stop()
