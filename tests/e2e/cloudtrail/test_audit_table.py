"""The audit as a table: `system.audit` through Athena, for who may look up events, and only of their account."""

import pytest
from botocore.exceptions import ClientError

from ..athena.test_athena import rows, run
from ..conftest import allow


def select(account, bucket: str, query: str) -> dict:
    location = {"OutputLocation": f"s3://{bucket}/results/"}
    return run(account.client("athena"), query, ResultConfiguration=location)


def answer(account, bucket: str, query: str) -> list[list[str]]:
    """The rows, without the header."""
    return rows(account.client("athena"), select(account, bucket, query))[1:]


def test_what_was_done_and_refused_is_selected(account):
    bucket = account.bucket()
    eve = account.user("eve").client("s3")
    account.client("s3").put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(ClientError):
        eve.get_object(Bucket=bucket, Key="k")
    found = answer(
        account, bucket,
        "SELECT event_name, user_name, error_code, read_only, management_event, resources[1], event_source"
        " FROM system.audit WHERE event_name IN ('GetObject', 'CreateUser') ORDER BY event_time",
    )
    users = "iam.amazonaws.com"
    created, denied = found
    assert created[:5] == ["CreateUser", "root", None, "false", "true"] and created[6] == users
    assert denied == [
        "GetObject", "eve", "AccessDenied", "true", "false", f"arn:aws:s3:::{bucket}/k", "s3.amazonaws.com"
    ]
    counted = answer(
        account, bucket,
        "SELECT account_id, user_type, count(*), count(DISTINCT event_id) FROM system.audit"
        " WHERE user_type = 'IAMUser' GROUP BY 1, 2",
    )
    assert counted == [[account.id, "IAMUser", "1", "1"]]
    told = answer(
        account, bucket,
        "SELECT json_extract_scalar(request_parameters, '$.userName') FROM awsdatacatalog.system.audit WHERE event_name = 'CreateUser'",
    )
    assert told == [["eve"]]
    told = answer(
        account, bucket,
        "SELECT event_name, json_extract_scalar(response_elements, '$.accessKey.userName') FROM system.audit"
        " WHERE event_name IN ('CreateAccessKey', 'GetObject') ORDER BY event_time",
    )
    assert told == [["CreateAccessKey", "eve"], ["GetObject", None]]


def test_time_narrows_what_is_found(account):
    bucket, iam = account.bucket(), account.client("iam")
    iam.create_user(UserName="one")
    iam.create_user(UserName="two")
    every = "SELECT CAST(event_time AS varchar) FROM system.audit WHERE event_name = 'CreateUser' ORDER BY event_time"
    (first,), (second,) = answer(account, bucket, every)
    assert first < second
    name = "json_extract_scalar(request_parameters, '$.userName')"
    query = f"SELECT {name} FROM system.audit WHERE event_name = 'CreateUser' AND event_time"
    assert answer(account, bucket, f"{query} > TIMESTAMP '{first}'") == [["two"]]
    assert answer(account, bucket, f"{query} = TIMESTAMP '{second}'") == [["two"]]
    assert answer(account, bucket, f"{query} < TIMESTAMP '{second}'") == [["one"]]
    assert answer(account, bucket, f"{query} BETWEEN TIMESTAMP '2020-01-01 00:00:00' AND TIMESTAMP '{first}'") == [["one"]]
    assert len(answer(account, bucket, f"{query} > current_timestamp - interval '1' hour")) == 2
    assert answer(account, bucket, f"{query} > current_timestamp + interval '1' hour") == []


def test_the_table_is_for_those_who_may(account, server):
    bucket = account.bucket()
    reader = ["athena:*", "s3:*", "glue:*"]
    eve = account.user("eve", allow(reader))
    execution = select(eve, bucket, "SELECT * FROM system.audit")
    assert execution["Status"]["State"] == "FAILED"
    assert "cloudtrail:LookupEvents" in execution["Status"]["StateChangeReason"]
    ada = account.user("ada", allow([*reader, "cloudtrail:LookupEvents"]))
    accounts = answer(ada, bucket, "SELECT DISTINCT account_id FROM system.audit")
    assert accounts == [[account.id]]
    # A table of that name does not stand in the way of others.
    execution = select(account, bucket, "SELECT * FROM system.nothing")
    assert execution["Status"]["State"] == "FAILED" and "does not exist" in execution["Status"]["StateChangeReason"]
