"""`aws cloudtrail validate-logs`, unmodified, on what a trail delivered: all is valid, and whatever is tampered with is told."""

import datetime
import gzip
import json
import re

import pytest

from ..conftest import wait_for
from .trails import DIGESTS, LOGS, keys, read, records, trail_bucket

TRAIL = "proof"
DIGEST_SECONDS = 2


@pytest.fixture
def lake(own_server):
    own_server.settings = f"trail_seconds = 1\n\n[debug]\ndigest_seconds = {DIGEST_SECONDS}\n"
    return own_server.start().accounts[0]


class Trail:
    """A trail with a chain of at least three digests, which has ended."""

    def __init__(self, account):
        self.account = account
        self.bucket = trail_bucket(account, TRAIL)
        self.started = datetime.datetime.now(datetime.UTC)
        cloudtrail = account.client("cloudtrail")
        made = cloudtrail.create_trail(Name=TRAIL, S3BucketName=self.bucket, EnableLogFileValidation=True)
        self.arn = made["TrailARN"]
        cloudtrail.start_logging(Name=TRAIL)
        iam = account.client("iam")
        made = []

        def enough(digests):
            # Something is done in each digest's time, so that each may have files to sign for.
            made.append(iam.create_user(UserName=f"u{len(made)}"))
            return len([key for key in digests if read(account, self.bucket, key)["logFiles"]]) >= 3

        wait_for(lambda: keys(account, self.bucket, DIGESTS), enough)
        cloudtrail.stop_logging(Name=TRAIL)
        # The last digest of the chain names the last file.
        stopped = lambda: [record for record in records(account, self.bucket) if record["eventName"] == "StopLogging"]
        wait_for(stopped)
        wait_for(lambda: self.signed() == set(keys(account, self.bucket, LOGS)), what="every file is in a digest")
        self.digests = keys(account, self.bucket, DIGESTS)
        self.logs = keys(account, self.bucket, LOGS)
        self.users = [f"u{number}" for number in range(len(made))]

    def signed(self) -> set[str]:
        digests = keys(self.account, self.bucket, DIGESTS)
        return {file["s3Object"] for key in digests for file in read(self.account, self.bucket, key)["logFiles"]}

    def validate(self) -> tuple[int, str, str]:
        """What the command says: its end, its answer, its complaints."""
        began = self.started - datetime.timedelta(seconds=5)
        ran = self.account.aws(
            "cloudtrail", "validate-logs", "--trail-arn", self.arn, "--start-time", f"{began:%Y-%m-%dT%H:%M:%SZ}",
            "--verbose", check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    def complaint(self) -> str:
        code, out, err = self.validate()
        assert code == 1, out + err
        return err

    def read(self, key: str) -> tuple[bytes, dict]:
        found = self.account.client("s3").get_object(Bucket=self.bucket, Key=key)
        return found["Body"].read(), found["Metadata"]

    def write(self, key: str, body: bytes, metadata: dict) -> None:
        self.account.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=metadata)

    def delete(self, key: str) -> None:
        self.account.client("s3").delete_object(Bucket=self.bucket, Key=key)


def test_a_trail_is_proven_and_each_tampering_is_told(lake):
    trail = Trail(lake)
    assert len(trail.digests) >= 3
    # Every user is on record once.
    made = [record for record in records(lake, trail.bucket) if record["eventName"] == "CreateUser"]
    assert sorted(record["requestParameters"]["userName"] for record in made) == sorted(trail.users)
    assert sorted(record["responseElements"]["user"]["userName"] for record in made) == sorted(trail.users)

    def intact():
        code, out, err = trail.validate()
        assert code == 0, out + err
        assert f"{len(trail.digests)}/{len(trail.digests)} digest files valid" in out, out
        assert f"{len(trail.logs)}/{len(trail.logs)} log files valid" in out, out
        assert "INVALID" not in out + err

    intact()

    # A log file that was edited: one letter of one record.
    log = trail.logs[0]
    body, metadata = trail.read(log)
    edited = gzip.decompress(body).replace(b'"eventVersion":"1.11"', b'"eventVersion":"1.12"', 1)
    trail.write(log, gzip.compress(edited), metadata)
    assert f"Log file\ts3://{trail.bucket}/{log}\tINVALID: hash value doesn't match" in trail.complaint()

    # A log file that was deleted.
    trail.delete(log)
    assert f"Log file\ts3://{trail.bucket}/{log}\tINVALID: not found" in trail.complaint()
    trail.write(log, body, metadata)
    intact()

    # A digest that was deleted, from the middle of the chain.
    digest = trail.digests[1]
    body, metadata = trail.read(digest)
    trail.delete(digest)
    assert f"Digest file\ts3://{trail.bucket}/{digest}\tINVALID: not found" in trail.complaint()

    # A digest that was moved: another hour's stands where the last one was.
    trail.write(digest, body, metadata)
    intact()
    last = trail.digests[-1]
    last_body, last_metadata = trail.read(last)
    later = re.sub(r"\d{8}T\d{6}Z(?=\.json\.gz$)", lambda found: moved_time(found.group()), last)
    trail.delete(last)
    trail.write(later, last_body, last_metadata)
    assert f"Digest file\ts3://{trail.bucket}/{later}\tINVALID: has been moved from its original location" in trail.complaint()
    trail.delete(later)
    trail.write(last, last_body, last_metadata)
    intact()

    # A digest that somebody else has signed, of a log file that was edited accordingly: with a key of their own.
    forged, signature = forge(trail, last_body)
    trail.write(last, forged, last_metadata | {"signature": signature})
    assert f"Digest file\ts3://{trail.bucket}/{last}\tINVALID: signature verification failed" in trail.complaint()
    trail.write(last, last_body, last_metadata)
    intact()


def moved_time(text: str) -> str:
    time = datetime.datetime.strptime(text, "%Y%m%dT%H%M%SZ") + datetime.timedelta(seconds=1)
    return f"{time:%Y%m%dT%H%M%SZ}"


def forge(trail: Trail, body: bytes) -> tuple[bytes, str]:
    """The digest without its log files, signed rightly but for the key."""
    import hashlib

    import rsa

    digest = json.loads(gzip.decompress(body)) | {"logFiles": []}
    text = json.dumps(digest).encode()
    before = digest["previousDigestSignature"] or "null"
    said = (
        f"{digest['digestEndTime']}\n{digest['digestS3Bucket']}/{digest['digestS3Object']}\n"
        f"{hashlib.sha256(text).hexdigest()}\n{before}"
    )
    _, key = rsa.newkeys(1024)
    return gzip.compress(text), rsa.sign(said.encode(), key, "SHA-256").hex()


def test_a_chain_ends_with_logging_and_another_begins(lake):
    trail = Trail(lake)
    lake.client("cloudtrail").start_logging(Name=TRAIL)
    more = wait_for(
        lambda: keys(lake, trail.bucket, DIGESTS), lambda digests: len(digests) >= len(trail.digests) + 2
    )[len(trail.digests):]
    first, second = (read(lake, trail.bucket, key) for key in more[:2])
    assert [first[name] for name in first if name.startswith("previousDigest")] == [None] * 5
    assert second["previousDigestS3Object"] == more[0] and second["digestStartTime"] == first["digestEndTime"]
    # The chains are valid, and the gap between them is told and no fault.
    code, out, err = trail.validate()
    assert code == 0, out + err
    assert "No log files were delivered by CloudTrail between" in err
    status = lake.client("cloudtrail").get_trail_status(Name=TRAIL)
    assert status["IsLogging"] and "LatestDigestDeliveryTime" in status and "LatestDigestDeliveryError" not in status


def test_digests_outlive_a_crash_and_are_delivered_empty(own_server, lake):
    trail = Trail(lake)
    cloudtrail = lake.client("cloudtrail")
    cloudtrail.start_logging(Name=TRAIL)
    wait_for(lambda: keys(lake, trail.bucket, DIGESTS), lambda digests: len(digests) > len(trail.digests))
    own_server.kill()
    own_server.start()
    known = len(keys(lake, trail.bucket, DIGESTS))
    digests = wait_for(lambda: keys(lake, trail.bucket, DIGESTS), lambda digests: len(digests) >= known + 3)
    assert any(not read(lake, trail.bucket, key)["logFiles"] for key in digests)
    code, out, err = trail.validate()
    assert code == 0, out + err
    public = lake.client("cloudtrail").list_public_keys(StartTime=trail.started)["PublicKeyList"]
    assert len(public) == 1, "one key signs, before and after"


def test_the_lake_does_not_tell_its_key(own_server, lake):
    trail = Trail(lake)
    assert trail.digests
    files = [path for path in own_server.data_dir.rglob("*") if path.is_file()]
    # The version and algorithm of a PKCS #8 RSA key: what every unsealed private key begins with.
    plain = bytes.fromhex("020100300d06092a864886f70d010101050004")
    assert not [path for path in files if plain in path.read_bytes()]
