"""Kill -9 in a loop while clients write: nothing that was acknowledged is missing or torn.

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

CYCLES = int(os.environ.get("TARN_KILL_CYCLES", "12"))
SECONDS_OF_LOAD = 1.0


def body(key: str, size: int) -> bytes:
    block = hashlib.sha256(key.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


class Writers:
    """Threads that write until told to stop, and remember what was acknowledged."""

    def __init__(self, account, cycle: int):
        self.account, self.cycle, self.stopping = account, cycle, threading.Event()
        self.objects: dict[str, int] = {}
        self.tables: list[str] = []
        self.users: list[str] = []
        self.failures: list[Exception] = []
        work = [self.put, self.put, self.multipart, self.table, self.user]
        self.threads = [threading.Thread(target=self.loop, args=(step, number)) for number, step in enumerate(work)]
        for thread in self.threads:
            thread.start()

    def loop(self, step, number: int) -> None:
        clients = {name: self.account.client(name) for name in ("s3", "glue", "iam")}
        at = 0
        while not self.stopping.is_set():
            try:
                step(clients, f"{self.cycle}-{number}-{at}")
            except (HTTPClientError, BotoCoreError, ConnectionError):
                return
            except ClientError as error:
                if error.response["ResponseMetadata"].get("HTTPStatusCode", 500) < 500:
                    self.failures.append(error)
                return
            at += 1

    def put(self, clients, name: str) -> None:
        size = random.Random(name).choice([0, 100, 5_000, 140_000, 1_000_000])
        clients["s3"].put_object(Bucket="crash", Key=name, Body=body(name, size))
        self.objects[name] = size

    def multipart(self, clients, name: str) -> None:
        s3, whole = clients["s3"], body(name, (5 << 20) + 1000)
        upload = s3.create_multipart_upload(Bucket="crash", Key=name)["UploadId"]
        parts = []
        for number, part in enumerate((whole[: 5 << 20], whole[5 << 20 :]), 1):
            answer = s3.upload_part(Bucket="crash", Key=name, UploadId=upload, PartNumber=number, Body=part)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        s3.complete_multipart_upload(Bucket="crash", Key=name, UploadId=upload, MultipartUpload={"Parts": parts})
        self.objects[name] = len(whole)

    def table(self, clients, name: str) -> None:
        clients["glue"].create_table(DatabaseName="crash", TableInput={"Name": f"t{name}"})
        self.tables.append(f"t{name}")

    def user(self, clients, name: str) -> None:
        clients["iam"].create_user(UserName=f"u{name}")
        self.users.append(f"u{name}")

    def end(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def test_nothing_acknowledged_is_lost(own_server):
    seed = int(os.environ.get("TARN_KILL_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}, {CYCLES} cycles")
    chance = random.Random(seed)
    own_server.start()
    account = own_server.accounts[0]
    account.client("s3").create_bucket(Bucket="crash")
    account.client("glue").create_database(DatabaseInput={"Name": "crash"})
    checked = 0
    for cycle in range(CYCLES):
        writers = Writers(account, cycle)
        time.sleep(SECONDS_OF_LOAD * chance.random())  # the moment of the crash is the test's input, not a wait
        own_server.kill()
        writers.end()
        assert not writers.failures, writers.failures
        own_server.start()
        s3, glue, iam = (account.client(name) for name in ("s3", "glue", "iam"))
        for name, size in writers.objects.items():
            assert s3.get_object(Bucket="crash", Key=name)["Body"].read() == body(name, size), name
        # What was not acknowledged is whole or absent.
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="crash", Prefix=f"{cycle}-")
        for listed in (each for page in pages for each in page.get("Contents", [])):
            if listed["Key"] not in writers.objects:
                got = s3.get_object(Bucket="crash", Key=listed["Key"])["Body"].read()
                assert got == body(listed["Key"], len(got)) and len(got) == listed["Size"]
        for name in writers.tables:
            glue.get_table(DatabaseName="crash", Name=name)
        for name in writers.users:
            iam.get_user(UserName=name)
        checked += len(writers.objects) + len(writers.tables) + len(writers.users)
    assert checked > CYCLES, "the writers were never acknowledged anything"
    print(f"{CYCLES} kills, {checked} acknowledged writes, none lost")


@pytest.mark.parametrize("signal_first", [True, False])
def test_a_stop_loses_nothing(own_server, signal_first):
    own_server.start()
    s3 = own_server.accounts[0].client("s3")
    s3.create_bucket(Bucket="stop")
    s3.put_object(Bucket="stop", Key="k", Body=b"kept")
    own_server.stop() if signal_first else own_server.kill()
    own_server.start()
    s3 = own_server.accounts[0].client("s3")
    assert s3.get_object(Bucket="stop", Key="k")["Body"].read() == b"kept"
