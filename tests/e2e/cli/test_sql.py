"""`tarn sql` against the real engine: statements, formats, pages, failures, Ctrl-C."""

import json
import os
import signal
import subprocess
import time

import pytest

from .test_objects import lines, tarn, text
from .test_prompt import Terminal

# Long enough to be stopped: four thousand million pairs.
SLOW = "SELECT count(*) FROM UNNEST(sequence(1, 60000)) a(x), UNNEST(sequence(1, 60000)) b(y) WHERE x * y % 7 = 1"


@pytest.fixture
def where(account):
    return "--output-location", f"s3://{account.bucket()}/results/"


def test_answers_are_written_in_each_format(account, where):
    question = "SELECT 1 AS n, 'a,b' AS t, true AS b, CAST(NULL AS varchar) AS nothing, 0.5e0 AS x"
    assert lines(account, "sql", "-c", question, *where) == [
        {"n": 1, "t": "a,b", "b": True, "nothing": None, "x": 0.5}
    ]
    assert text(account, "sql", "-c", question, *where, "--output", "csv") == 'n,t,b,nothing,x\n1,"a,b",true,,0.5\n'
    told = text(account, "sql", "-c", question, *where)
    assert "nothing" in told and "NULL" in told and "a,b" in told


def test_statements_come_from_files_and_standard_input(account, where, tmp_path):
    script = "-- first;\nSELECT 1 AS a; SELECT ';' AS b;\n/* no more; */"
    (tmp_path / "s.sql").write_text(script)
    expected = [{"a": 1}, {"b": ";"}]
    assert lines(account, "sql", tmp_path / "s.sql", *where) == expected
    assert lines(account, "sql", "-", *where, stdin=script.encode()) == expected
    assert lines(account, "sql", *where, stdin=script.encode()) == expected


def test_all_pages_come(account, where):
    found = lines(account, "sql", "-c", "SELECT x FROM UNNEST(sequence(1, 2500)) t(x) ORDER BY x", *where)
    assert [row["x"] for row in found] == list(range(1, 2_501))


def test_a_statement_that_fails_is_the_last(account, where):
    done = tarn(account, "sql", "-c", "SELECT 1 AS a; SELECT * FROM nowhere.nothing; SELECT 2", *where,
                "--output", "json", code=1)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"a": 1}]
    assert b"nowhere" in done.stderr and b"execution" in done.stderr
    tarn(account, "sql", "-c", "SELEC", *where, code=1)


def test_interrupting_stops_the_query(account, where):
    asked = subprocess.Popen(
        [os.environ["TARN_BINARY"], "sql", "-c", SLOW, *where],
        env=account.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    athena = account.client("athena")
    deadline = time.monotonic() + 30
    while not (found := athena.list_query_executions()["QueryExecutionIds"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    asked.send_signal(signal.SIGINT)
    assert asked.wait(30) == 1
    assert b"interrupted" in asked.stderr.read()
    state = ""
    while state != "CANCELLED" and time.monotonic() < deadline:
        state = athena.get_query_execution(QueryExecutionId=found[0])["QueryExecution"]["Status"]["State"]
    assert state == "CANCELLED"


def test_a_person_at_the_prompt(account, where, tmp_path):
    terminal = Terminal(account, tmp_path, *where)
    terminal.until("tarn> ")
    terminal.type("CREATE DATABASE shop;\r")
    terminal.until("tarn> ")
    terminal.type("\\c shop\r")
    terminal.until("shop> ")
    terminal.type("CREATE VIEW v AS SELECT 42 AS answer;\r")
    terminal.until("shop> ")
    terminal.type("SELECT answer\r")
    terminal.until("-> ")
    terminal.type("FROM v;\r")
    assert "42" in terminal.until("shop> ")
    terminal.type("\\dt\r")
    assert "v" in terminal.until("shop> ")
    terminal.type("SELECT nowhere;\r")
    assert "nowhere" in terminal.until("shop> ")
    terminal.end()
