"""Kill -9 in a loop while clients of every service write: nothing that was acknowledged is missing, torn, doubled or without its record.

A killed process loses nothing that the system holds, so this says nothing about power; the simulated disk does. It does exercise
recovery of the real binary. `TARN_KILL_CYCLES` sets the number of cycles.
"""

import hashlib
import os
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from ..conftest import Account, allow

CYCLES = int(os.environ.get("TARN_KILL_CYCLES", "12"))
SECONDS_OF_LOAD = 1.0
DELIVERED_SECONDS_MAX = 60
KEYS_REWRITTEN = 8
RECORDS_IN_BATCH = 3
STREAM, PLANTED = "crash", "planted-in-a-record"


def body(key: str, size: int) -> bytes:
    block = hashlib.sha256(key.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


class Known:
    """What the lake has acknowledged so far, over all cycles."""

    def __init__(self):
        self.rewritten: dict[str, bytes | None] = {}
        self.users: list[str] = []
        self.keys: list[Account] = []
        self.records: list[str] = []
        self.records_tried: set[str] = set()


class Writers:
    """Threads that write until told to stop, and remember what was acknowledged."""

    def __init__(self, account, cycle: int, known: Known):
        self.account, self.cycle, self.known, self.stopping = account, cycle, known, threading.Event()
        self.objects: dict[str, int] = {}
        self.rewriting: dict[str, bytes | None] = {}
        self.tables: list[str] = []
        self.users: list[str] = []
        self.failures: list[Exception] = []
        work = [self.put, self.put, self.rewrite, self.rewrite, self.multipart, self.table, self.user, self.record, self.record]
        self.threads = [threading.Thread(target=self.loop, args=(step, number)) for number, step in enumerate(work)]
        for thread in self.threads:
            thread.start()

    def loop(self, step, number: int) -> None:
        clients = {name: self.account.client(name) for name in ("s3", "glue", "iam", "firehose")}
        at = 0
        while not self.stopping.is_set():
            try:
                step(clients, number, f"{self.cycle}-{number}-{at}")
            except (HTTPClientError, BotoCoreError, ConnectionError):
                return
            except ClientError as error:
                if error.response["ResponseMetadata"].get("HTTPStatusCode", 500) < 500:
                    self.failures.append(error)
                return
            except Exception as error:  # noqa: BLE001
                self.failures.append(error)
                return
            at += 1

    def put(self, clients, _number: int, name: str) -> None:
        size = random.Random(name).choice([0, 100, 5_000, 140_000, 1_000_000])
        clients["s3"].put_object(Bucket="crash", Key=name, Body=body(name, size))
        self.objects[name] = size

    def rewrite(self, clients, number: int, name: str) -> None:
        """The same few keys, put and deleted over and over: old or new, never mixed."""
        chance = random.Random(name)
        key = f"again/{number}/{chance.randrange(KEYS_REWRITTEN)}"
        new = None if chance.random() < 0.15 else body(name, chance.choice([0, 10, 1_000, 70_000, 200_000]))
        self.rewriting[key] = new
        if new is None:
            clients["s3"].delete_object(Bucket="crash", Key=key)
        else:
            clients["s3"].put_object(Bucket="crash", Key=key, Body=new)
        self.known.rewritten[key] = self.rewriting.pop(key)

    def multipart(self, clients, _number: int, name: str) -> None:
        s3, whole = clients["s3"], body(name, (5 << 20) + 1000)
        upload = s3.create_multipart_upload(Bucket="crash", Key=name)["UploadId"]
        parts = []
        for number, part in enumerate((whole[: 5 << 20], whole[5 << 20 :]), 1):
            answer = s3.upload_part(Bucket="crash", Key=name, UploadId=upload, PartNumber=number, Body=part)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        s3.complete_multipart_upload(Bucket="crash", Key=name, UploadId=upload, MultipartUpload={"Parts": parts})
        self.objects[name] = len(whole)

    def table(self, clients, _number: int, name: str) -> None:
        clients["glue"].create_table(DatabaseName="crash", TableInput={"Name": f"t{name}"})
        self.tables.append(f"t{name}")

    def user(self, clients, _number: int, name: str) -> None:
        iam, name = clients["iam"], f"u{name}"
        iam.create_user(UserName=name)
        self.users.append(name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        owner = Account(self.account.id, self.account.endpoint, key["AccessKeyId"], key["SecretAccessKey"])
        self.known.keys.append(owner)

    def record(self, clients, _number: int, name: str) -> None:
        batch = [f"{PLANTED}-{name}-{at}" for at in range(RECORDS_IN_BATCH)]
        self.known.records_tried.update(batch)
        answer = clients["firehose"].put_record_batch(
            DeliveryStreamName=STREAM, Records=[{"Data": f"{text}\n".encode()} for text in batch]
        )
        assert answer["FailedPutCount"] == 0, answer
        self.known.records.extend(batch)

    def end(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.known.users += self.users


def listed(s3, prefix: str) -> dict[str, int]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="crash", Prefix=prefix)
    return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}


def got(s3, key: str) -> bytes:
    return s3.get_object(Bucket="crash", Key=key)["Body"].read()


def check_cycle(account, writers: Writers, known: Known) -> None:
    """All that this cycle was told is there, and what it was not told is whole or absent."""
    s3, glue, iam = (account.client(name) for name in ("s3", "glue", "iam"))
    for name, size in writers.objects.items():
        assert got(s3, name) == body(name, size), name
    for key, size in listed(s3, f"{writers.cycle}-").items():
        if key not in writers.objects:
            found = got(s3, key)
            assert found == body(key, len(found)) and len(found) == size, key
    there = listed(s3, "again/")
    for key in there.keys() | known.rewritten.keys() | writers.rewriting.keys():
        found = got(s3, key) if key in there else None
        may_be_new = key in writers.rewriting and found == writers.rewriting[key]
        assert found == known.rewritten.get(key) or may_be_new, key
        known.rewritten[key] = found
    for name in writers.tables:
        glue.get_table(DatabaseName="crash", Name=name)
    for name in writers.users:
        iam.get_user(UserName=name)


def check_keys(known: Known, account) -> None:
    """Access keys open the door after a crash as before it, and their secrets are nowhere in the clear."""
    for key in known.keys[-20:]:
        key.endpoint = account.endpoint
        assert key.client("sts").get_caller_identity()["Account"] == account.id


def check_records(account, known: Known) -> None:
    """Each acknowledged record is delivered, and delivered once."""
    s3 = account.client("s3")
    deadline = time.monotonic() + DELIVERED_SECONDS_MAX
    while True:
        found = [line for key in listed(s3, "records/") for line in got(s3, key).decode().splitlines()]
        missing = set(known.records) - set(found)
        if not missing:
            break
        assert time.monotonic() < deadline, f"{len(missing)} records are not delivered: {sorted(missing)[:5]}"
        time.sleep(0.1)
    assert len(found) == len(set(found)), "a record was delivered twice"
    assert set(found) <= known.records_tried


def check_audit(account, known: Known) -> None:
    """No acknowledged change is without its record."""
    pages = account.client("cloudtrail").get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateUser"}]
    )
    names = [resource["ResourceName"].rsplit("/")[-1] for page in pages for event in page["Events"] for resource in event["Resources"]]
    assert set(known.users) <= set(names)
    assert len(names) == len(set(names)), "a change is on record twice"


def check_disk(server, known: Known) -> None:
    """Of a stopped server: what was planted in records and the secrets of keys are ciphertext."""
    planted = [PLANTED.encode(), *(key.secret_access_key.encode() for key in known.keys[:5])]
    for path in server.data_dir.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not any(text in held for text in planted), path


def test_nothing_acknowledged_is_lost(own_server):
    seed = int(os.environ.get("TARN_KILL_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}, {CYCLES} cycles")
    chance = random.Random(seed)
    own_server.start()
    account, known = own_server.accounts[0], Known()
    account.client("s3").create_bucket(Bucket="crash")
    account.client("glue").create_database(DatabaseInput={"Name": "crash"})
    account.client("firehose").create_delivery_stream(
        DeliveryStreamName=STREAM,
        ExtendedS3DestinationConfiguration={
            "RoleARN": f"arn:aws:iam::{account.id}:role/lake-ingest",
            "BucketARN": "arn:aws:s3:::crash",
            "Prefix": "records/",
            # Small enough to be delivering when the server dies.
            "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0},
        },
    )
    checked = 0
    for cycle in range(CYCLES):
        writers = Writers(account, cycle, known)
        time.sleep(SECONDS_OF_LOAD * chance.random())  # the moment of the crash is the test's input, not a wait
        own_server.kill()
        writers.end()
        assert not writers.failures, writers.failures
        own_server.start()
        check_cycle(account, writers, known)
        check_keys(known, account)
        checked += len(writers.objects) + len(writers.tables) + len(writers.users)
    check_records(account, known)
    check_audit(account, known)
    account.client("firehose").put_record(DeliveryStreamName=STREAM, Record={"Data": f"{PLANTED}-last".encode()})
    own_server.kill()
    check_disk(own_server, known)
    checked += len(known.records) + len(known.rewritten)
    assert checked > CYCLES, "the writers were never acknowledged anything"
    print(f"{CYCLES} kills, {checked} acknowledged writes, none lost")


@pytest.mark.parametrize("signal_first", [True, False])
def test_a_stop_loses_nothing(own_server, signal_first):
    own_server.start()
    account = own_server.accounts[0]
    s3, ada = account.client("s3"), account.user("ada", allow("iam:GetUser"))
    s3.create_bucket(Bucket="stop")
    s3.put_object(Bucket="stop", Key="k", Body=b"kept")
    own_server.stop() if signal_first else own_server.kill()
    own_server.start()
    s3 = account.client("s3")
    assert s3.get_object(Bucket="stop", Key="k")["Body"].read() == b"kept"
    # Policies and keys too: what ada may, she still may.
    ada.endpoint = own_server.endpoint
    assert ada.client("iam").get_user()["User"]["UserName"] == "ada"
