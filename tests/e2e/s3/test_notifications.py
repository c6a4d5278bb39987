"""Notifications: to webhooks, to delivery streams and through rules of the bus; in order, again after failures, after a kill."""

import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3
from botocore.exceptions import ClientError

from ..conftest import wait_for

SECONDS_MAX = 40
FIRST = "000000000001"
QUEUE = f"arn:aws:sqs:us-east-1:{FIRST}:events"
TOPIC = f"arn:aws:sns:us-east-1:{FIRST}:events"
OTHERS = f"arn:aws:sqs:us-east-1:{FIRST}:of-others"
RULED = f"arn:aws:sqs:us-east-1:{FIRST}:ruled"
MOVED = f"arn:aws:sqs:us-east-1:{FIRST}:moved"


class Receiver:
    """An HTTP server that keeps what is posted to it, by path, and refuses as often as it is told to."""

    def __init__(self):
        receiver = self
        self.posted: dict[str, list] = {}
        self.refusals = 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = 200
                if self.path == "/moved":
                    status = 307
                elif receiver.refusals > 0:
                    receiver.refusals -= 1
                    status = 500
                if status == 200:
                    receiver.posted.setdefault(self.path, []).append(body)
                self.send_response(status)
                if status == 307:
                    self.send_header("location", "/stolen")
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def records(self, path: str = "/events") -> list[dict]:
        messages = self.posted.get(path, [])
        return [record for message in messages for record in message.get("Records", [])]

    def wait(self, count: int, path: str = "/events") -> list[dict]:
        return wait_for(lambda: self.records(path), lambda found: len(found) >= count, seconds=SECONDS_MAX)


def code(call, **arguments) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


@pytest.fixture
def told(own_server, receiver):
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"object": {"key": [{"prefix": "in/"}]}}}
    own_server.settings = "".join(
        f'[[queues]]\narn = "{arn}"\nurl = "{receiver.url}/{path}"\n{more}'
        for arn, path, more in (
            (QUEUE, "events", ""),
            (TOPIC, "topic", ""),
            (OTHERS, "others", 'accounts = ["000000000002"]\n'),
            (RULED, "ruled", ""),
            (MOVED, "moved", ""),
        )
    )
    own_server.settings += f"[[event_rules]]\nname = \"created\"\npattern = '{json.dumps(pattern)}'\ntarget = \"{RULED}\"\n"
    return own_server.start()


def notify(s3, bucket, queue=QUEUE, events=("s3:ObjectCreated:*",), kind="Queue", filters=(), **more):
    rule = {f"{kind}Arn": queue, "Events": list(events)} | more
    if filters:
        rule["Filter"] = {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in filters]}}
    configuration = {f"{kind}Configurations": [rule]}
    return s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def test_changes_are_posted_in_order(told, receiver):
    account = told.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    events = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*")
    notify(s3, bucket, events=events, Id="all", filters=(("prefix", "in/"),))
    [test] = receiver.posted["/events"]
    assert (test["Event"], test["Bucket"], test["Service"]) == ("s3:TestEvent", bucket, "Amazon S3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put = s3.put_object(Bucket=bucket, Key="in/größe 1.csv", Body=b"abc")
    s3.put_object(Bucket=bucket, Key="out/1", Body=b"abc")
    s3.copy_object(Bucket=bucket, Key="in/copy", CopySource={"Bucket": bucket, "Key": "out/1"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="in/parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="in/parts", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="in/parts", UploadId=upload, MultipartUpload=parts)
    form = s3.generate_presigned_post(bucket, "in/form")
    answer = urllib3.request("POST", form["url"], fields=form["fields"] | {"file": ("form", b"form")})
    assert answer.status == 204
    s3.put_object_tagging(Bucket=bucket, Key="in/copy", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="in/copy")
    marker = s3.delete_object(Bucket=bucket, Key="in/copy")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="in/copy", VersionId=marker)
    records = receiver.wait(8)
    names = [record["eventName"] for record in records]
    assert names == [
        "ObjectCreated:Put",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:Post",
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRemoved:Delete",
    ]
    first = records[0]
    assert (first["eventVersion"], first["eventSource"], first["awsRegion"]) == ("2.1", "aws:s3", "us-east-1")
    assert first["s3"]["configurationId"] == "all"
    assert first["s3"]["bucket"]["name"] == bucket
    told_object = first["s3"]["object"]
    assert urllib.parse.unquote_plus(told_object["key"]) == "in/größe 1.csv"
    assert (told_object["size"], told_object["versionId"]) == (3, put["VersionId"])
    assert told_object["eTag"] == put["ETag"].strip('"')
    assert first["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    assert first["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert records[6]["s3"]["object"]["versionId"] == marker
    sequencers = [record["s3"]["object"]["sequencer"] for record in records]
    assert sequencers == sorted(sequencers) and len(set(sequencers)) == 8


def test_configurations_are_kept_and_checked(told, receiver):
    account, other = told.accounts[0], told.accounts[1]
    s3, bucket = account.client("s3"), account.bucket()
    kept = lambda: {name: value for name, value in s3.get_bucket_notification_configuration(Bucket=bucket).items() if name != "ResponseMetadata"}
    assert kept() == {}
    created = ["s3:ObjectCreated:*"]
    configuration = {
        "QueueConfigurations": [{"Id": "q", "QueueArn": QUEUE, "Events": created, "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "a/"}]}}}],
        "TopicConfigurations": [{"Id": "t", "TopicArn": TOPIC, "Events": created, "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "b/"}, {"Name": "Suffix", "Value": ".csv"}]}}}],
        "EventBridgeConfiguration": {},
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    assert kept() == configuration
    assert receiver.posted["/topic"][0]["Event"] == "s3:TestEvent"
    put = s3.put_bucket_notification_configuration
    queue = lambda **more: {"QueueArn": QUEUE, "Events": created} | more
    refused = lambda *rules: code(put, Bucket=bucket, NotificationConfiguration={"QueueConfigurations": list(rules)})
    unreachable = ("InvalidArgument", "Unable to validate the following destination configurations")
    assert refused(queue(QueueArn=QUEUE + "-gone")) == unreachable
    assert refused(queue(QueueArn=f"arn:aws:firehose:us-east-1:{FIRST}:deliverystream/gone")) == unreachable
    assert refused(queue(QueueArn=MOVED)) == unreachable
    assert "/stolen" not in receiver.posted
    assert refused(queue(QueueArn="queue"))[0] == "InvalidArgument"
    overlap = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
    assert refused(queue(Id="1"), queue(Id="2", Events=["s3:ObjectCreated:Put"])) == ("InvalidArgument", overlap)
    prefixed = queue(Id="2", Filter={"Key": {"FilterRules": [{"Name": "prefix", "Value": "a"}]}})
    assert "ambiguously defined" in refused(queue(Id="1"), prefixed)[1]
    assert refused(queue(Events=["s3:ObjectEaten:*"]))[0] == "InvalidArgument"
    assert refused(queue(Filter={"Key": {"FilterRules": [{"Name": "infix", "Value": "a"}]}}))[0] == "InvalidArgument"
    assert kept() == configuration
    # Another account's queue takes only what its operator let in.
    their_bucket = other.bucket()
    theirs = other.client("s3")
    one = lambda arn: {"QueueConfigurations": [{"QueueArn": arn, "Events": created}]}
    assert code(theirs.put_bucket_notification_configuration, Bucket=their_bucket, NotificationConfiguration=one(QUEUE)) == unreachable
    theirs.put_bucket_notification_configuration(Bucket=their_bucket, NotificationConfiguration=one(OTHERS))
    theirs.put_object(Bucket=their_bucket, Key="k", Body=b"")
    assert receiver.wait(1, "/others")[0]["s3"]["bucket"]["name"] == their_bucket
    put(Bucket=bucket, NotificationConfiguration={})
    assert kept() == {}


def test_events_survive_refusals_restarts_and_a_kill(told, receiver):
    account = told.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    notify(s3, bucket)
    receiver.refusals = 10**6
    for number in range(30):
        s3.put_object(Bucket=bucket, Key=f"k{number % 3}", Body=b"x")
    told.kill()
    told.start()
    s3 = account.client("s3")
    s3.put_object(Bucket=bucket, Key="k0", Body=b"last")
    told.stop()
    receiver.refusals = 2
    told.start()
    records = receiver.wait(31)
    assert len({record["s3"]["object"]["sequencer"] for record in records}) == 31
    for key in ("k0", "k1", "k2"):
        of_key = [record["s3"]["object"]["sequencer"] for record in records if record["s3"]["object"]["key"] == key]
        first_seen = list(dict.fromkeys(of_key))
        assert first_seen == sorted(first_seen), "at least once, and in order"


def test_delivery_streams_take_events(told):
    account = told.accounts[2]
    s3, firehose, bucket, target = account.client("s3"), account.client("firehose"), account.bucket(), account.bucket()
    destination = {
        "RoleARN": f"arn:aws:iam::{account.id}:role/r",
        "BucketARN": f"arn:aws:s3:::{target}",
        "Prefix": "events/",
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 1},
    }
    arn = firehose.create_delivery_stream(DeliveryStreamName="events", ExtendedS3DestinationConfiguration=destination)["DeliveryStreamARN"]
    notify(s3, bucket, queue=arn, events=("s3:ObjectCreated:Put",))
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")

    def lines():
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=target).get("Contents", [])]
        text = b"".join(s3.get_object(Bucket=target, Key=key)["Body"].read() for key in keys)
        return [json.loads(line) for line in text.splitlines()]

    found = wait_for(lines, lambda found: len(found) >= 6, seconds=SECONDS_MAX)
    assert found[0]["Event"] == "s3:TestEvent"
    assert [line["s3"]["object"]["key"] for line in found[1:]] == [f"k{number}" for number in range(5)]
    # Nobody else's bucket may write into the stream.
    other = told.accounts[1]
    theirs, their_bucket = other.client("s3"), other.bucket()
    configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    refused = code(theirs.put_bucket_notification_configuration, Bucket=their_bucket, NotificationConfiguration=configuration)
    assert refused[0] == "InvalidArgument"


def test_rules_of_the_bus_choose(told, receiver):
    account = told.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    assert "/ruled" not in receiver.posted
    s3.put_object(Bucket=bucket, Key="out/1", Body=b"x")
    s3.put_object(Bucket=bucket, Key="in/ä 1", Body=b"abc")
    s3.delete_object(Bucket=bucket, Key="in/ä 1")
    s3.put_object(Bucket=bucket, Key="in/2", Body=b"")
    events = wait_for(lambda: receiver.posted.get("/ruled", []), lambda found: len(found) >= 2, seconds=SECONDS_MAX)
    assert [event["detail"]["object"]["key"] for event in events] == ["in/ä 1", "in/2"]
    event = events[0]
    assert (event["source"], event["detail-type"], event["account"]) == ("aws.s3", "Object Created", account.id)
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert (event["detail"]["bucket"]["name"], event["detail"]["reason"]) == (bucket, "PutObject")
    assert event["detail"]["object"]["size"] == 3
