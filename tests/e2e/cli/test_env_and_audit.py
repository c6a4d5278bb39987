"""`tarn env`, `tarn doctor`, `tarn audit search` and `tarn audit tail`."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

import duckdb
import pytest
from botocore.exceptions import ClientError

from ..conftest import allow
from .test_objects import lines, tarn, text


def test_the_printed_lines_point_a_shell_at_the_server(account):
    bucket = account.bucket()
    printed = text(account, "env", "aws")
    listed = subprocess.run(
        ["bash", "-c", f'{printed}\n"$TARN_BINARY" ls'],
        env={"TARN_BINARY": os.environ["TARN_BINARY"], "PATH": os.environ["PATH"]},
        capture_output=True, text=True, timeout=60, check=True,
    )
    assert bucket in listed.stdout
    for program in ["spark", "sagemaker", "mlflow"]:
        assert f"AWS_ENDPOINT_URL={account.endpoint}" in text(account, "env", program)
    tarn(account, "env", "excel", code=2)


def test_duckdb_takes_its_line(account):
    line = text(account, "env", "duckdb").strip()
    assert line.startswith("CREATE OR REPLACE SECRET") and account.access_key_id in line
    # The extension that knows S3 is not shipped with DuckDB; its parser reads the statement without it.
    assert len(duckdb.extract_statements(line)) == 1


def test_doctor_sees_a_running_server(account):
    told = text(account, "doctor", "--endpoint-url", account.endpoint)
    assert "FAIL" not in told and f"arn:aws:iam::{account.id}:root" in told
    done = tarn(account, "doctor", "--endpoint-url", account.endpoint, code=1, env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert b"FAIL credentials" in done.stdout


def test_refusals_are_found(account):
    bucket = account.bucket()
    account.client("s3").put_object(Bucket=bucket, Key="secret", Body=b"x")
    guest = account.user("guest", allow("s3:ListBucket"))
    with pytest.raises(ClientError):
        guest.client("s3").get_object(Bucket=bucket, Key="secret")
    found = lines(account, "audit", "search", "--user", "guest", "--outcome", "failure")
    assert [(event["eventName"], event["errorCode"]) for event in found] == [("GetObject", "AccessDenied")]
    assert {"eventTime", "eventSource", "sourceIPAddress", "requestID", "userIdentity"} <= found[0].keys()
    assert found[0]["userIdentity"]["userName"] == "guest"
    told = text(account, "audit", "search", "--user", "guest")
    assert "AccessDenied" in told and found[0]["requestID"] in told

    # Newest first, as many as asked for, over pages; and only those of the time.
    every = lines(account, "audit", "search")
    assert [event["eventTime"] for event in every] == sorted((event["eventTime"] for event in every), reverse=True)
    assert lines(account, "audit", "search", "--limit", "2") == every[:2]
    assert lines(account, "audit", "search", "--since", "1h", "--name", "CreateUser")[0]["eventName"] == "CreateUser"
    assert lines(account, "audit", "search", "--until", "2020-01-01T00:00:00Z") == []
    tarn(account, "audit", "search", "--since", "once", code=2)

    # The guest may not look.
    done = tarn(guest, "audit", "search", code=1)
    assert b"AccessDeniedException" in done.stderr and b"cloudtrail:LookupEvents" in done.stderr


def test_events_of_another_account_are_not_found(account, server):
    account.bucket()
    other = next(one for one in server.accounts if one.id != account.id)
    found = lines(other, "audit", "search", "--limit", "1000")
    assert all(event["recipientAccountId"] == other.id for event in found)


def test_unsigned_and_unknown_callers_learn_nothing(account):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{account.endpoint}/-/audit/events", timeout=10)
    assert refused.value.code == 403
    assert json.loads(refused.value.read())["__type"] == "MissingAuthenticationTokenException"
    done = tarn(account, "audit", "search", code=1, env={"AWS_ACCESS_KEY_ID": "AKIANOBODY"})
    assert b"UnrecognizedClientException" in done.stderr


def test_tail_follows_what_happens(account):
    account.user("before")
    with subprocess.Popen(
        [os.environ["TARN_BINARY"], "audit", "tail", "-n", "2", "--source", "iam.amazonaws.com"],
        env=account.env(), stdout=subprocess.PIPE,
    ) as tail:
        event = lambda: json.loads(tail.stdout.readline())
        # A pipe gets whole records: the last two, oldest first, and then each as it comes.
        assert [event()["eventName"] for _ in range(2)] == ["CreateUser", "CreateAccessKey"]
        for number in range(3):
            account.client("iam").create_user(UserName=f"u{number}")
            assert event()["requestParameters"]["userName"] == f"u{number}"
        tail.send_signal(signal.SIGINT)
    done = subprocess.run(
        ["timeout", "-s", "INT", "5", os.environ["TARN_BINARY"], "audit", "tail", "--output", "table", "--name", "CreateUser"],
        env=account.env(), capture_output=True, text=True, timeout=30,
    )
    header, *told = done.stdout.splitlines()
    assert header.startswith("eventTime") and len(told) == 4 and all("CreateUser" in line for line in told)
