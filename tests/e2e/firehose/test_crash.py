"""The server is killed while producers put: nothing acknowledged is missing, nothing delivered is doubled, nothing lies in the clear."""

import itertools
import threading

from botocore.exceptions import BotoCoreError, ClientError

from .test_delivery import create, lines, objects, wait_for

CRASHES = 4
PRODUCERS = 4
RECORDS_BETWEEN_CRASHES = 300


def test_what_was_acknowledged_survives_kill_9(own_server):
    server = own_server.start()
    account = server.accounts[0]
    bucket = account.bucket()
    # Small enough to be delivering when the server dies.
    create(account, bucket, BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 0})
    acknowledged, attempted = [], []

    def produce(producer, round_):
        client = account.client("firehose", read_timeout=5)
        for number in itertools.count():
            batch = [f"planted-{round_}-{producer}-{number}-{at}" for at in range(3)]
            attempted.extend(batch)
            try:
                answer = client.put_record_batch(
                    DeliveryStreamName="weather", Records=[{"Data": text.encode()} for text in batch]
                )
            except (ClientError, BotoCoreError):
                return
            assert answer["FailedPutCount"] == 0
            acknowledged.extend(batch)

    for round_ in range(CRASHES):
        threads = [threading.Thread(target=produce, args=(producer, round_)) for producer in range(PRODUCERS)]
        before = len(acknowledged)
        for thread in threads:
            thread.start()
        wait_for(lambda: len(acknowledged) - before, lambda count: count >= RECORDS_BETWEEN_CRASHES)
        server.kill()
        for thread in threads:
            thread.join()
        server.start()

    missing = set(acknowledged)
    found = wait_for(
        lambda: lines(objects(account, bucket)), lambda found: missing <= set(found)
    )
    assert len(found) == len(set(found)), "a record was delivered twice"
    assert set(found) <= set(attempted)

    # Records that wait are ciphertext, and so are their objects.
    account.client("firehose").put_record(DeliveryStreamName="weather", Record={"Data": b"planted-last"})
    server.kill()
    for path in server.data_dir.rglob("*"):
        if path.is_file():
            assert b"planted-" not in path.read_bytes(), path


def test_a_missing_bucket_keeps_records_until_it_is_there(own_server):
    server = own_server.start()
    account = server.accounts[0]
    bucket = f"late-{account.id}"
    create(account, bucket, BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 0})
    account.client("firehose").put_record(DeliveryStreamName="weather", Record={"Data": b"patient"})
    server.stop()
    server.start()
    account.client("s3").create_bucket(Bucket=bucket)
    found = wait_for(lambda: lines(objects(account, bucket)), bool)
    assert found == ["patient"]
