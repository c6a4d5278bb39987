"""S3 Batch Operations as boto3's S3 Control sees them: each operation, each manifest, priorities, confirmation, the threshold, reports,
permissions, and a server that is killed in the midst of a job."""

import base64
import contextlib
import csv
import gzip
import hashlib
import io
import json
import time
import zlib
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from ..conftest import allow, wait_for
from .test_acl import check, open_bucket, other  # noqa: F401
from .test_public_access import control
from .test_replication import completed, replicate, rule, versioned, versions

ENDED = ("Complete", "Failed", "Cancelled")


class Batch:
    """An account's jobs over one bucket."""

    def __init__(self, account, bucket: str | None = None):
        self.account, self.s3, self.control = account, account.client("s3"), control(account)
        self.bucket = bucket or account.bucket()
        self.role = f"arn:aws:iam::{account.id}:role/batch"
        with contextlib.suppress(ClientError):
            self.make_role()

    def make_role(self, name: str = "batch", *policies: dict, trusted: str = "batchoperations.s3.amazonaws.com") -> str:
        """A role that jobs can act as, which may everything unless policies say what."""
        iam = self.account.client("iam")
        trust = allow("sts:AssumeRole", Principal={"Service": trusted})
        del trust["Statement"][0]["Resource"]
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        for number, policy in enumerate(policies or [allow("*")]):
            iam.put_role_policy(RoleName=name, PolicyName=f"policy-{number}", PolicyDocument=json.dumps(policy))
        return made

    def put(self, key: str, body: bytes = b"bytes", **more) -> dict:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def manifest(self, lines: list, fields=("Bucket", "Key"), key="manifest.csv") -> dict:
        """A CSV manifest of these keys, or of these fields."""
        text = io.StringIO()
        writer = csv.writer(text)
        for line in lines:
            writer.writerow([self.bucket, line] if isinstance(line, str) else line)
        put = self.put(key, text.getvalue().encode())
        return {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": list(fields)},
            "Location": {"ObjectArn": f"arn:aws:s3:::{self.bucket}/{key}", "ETag": put["ETag"].strip('"')},
        }

    def report(self, scope="AllTasks", **more) -> dict:
        return {
            "Bucket": f"arn:aws:s3:::{self.bucket}",
            "Format": "Report_CSV_20180820",
            "Enabled": True,
            "Prefix": "reports",
            "ReportScope": scope,
        } | more

    def create(self, operation: dict, manifest: dict | None = None, **more) -> str:
        asked = {
            "AccountId": self.account.id,
            "Operation": operation,
            "Report": self.report(),
            "ClientRequestToken": hashlib.sha256(str(time.monotonic_ns()).encode()).hexdigest(),
            "Priority": 10,
            "RoleArn": self.role,
            "ConfirmationRequired": False,
        }
        if manifest is not None:
            asked["Manifest"] = manifest
        return self.control.create_job(**(asked | more))["JobId"]

    def describe(self, job: str) -> dict:
        return self.control.describe_job(AccountId=self.account.id, JobId=job)["Job"]

    def wait(self, job: str, *statuses: str) -> dict:
        # What has ended otherwise is not waited for.
        found = wait_for(lambda: self.describe(job), lambda found: found["Status"] in {*statuses, *ENDED})
        assert not statuses or found["Status"] in statuses, found
        return found

    def run(self, operation: dict, manifest: dict | None = None, **more) -> dict:
        return self.wait(self.create(operation, manifest, **more))

    def results(self, job: dict) -> tuple[list, list]:
        """The lines of a report: of what succeeded, of what failed."""
        folder = f"reports/job-{job['JobId']}"
        manifest = json.loads(self.read(f"{folder}/manifest.json"))
        assert manifest["Format"] == "Report_CSV_20180820"
        assert manifest["ReportSchema"] == "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"
        lines = {"succeeded": [], "failed": []}
        for file in manifest["Results"]:
            body = self.read(file["Key"])
            assert file["Bucket"] == self.bucket and hashlib.md5(body).hexdigest() == file["MD5Checksum"]
            lines[file["TaskExecutionStatus"]] = list(csv.reader(io.StringIO(body.decode())))
        return lines["succeeded"], lines["failed"]

    def read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def tags(self, key: str, **more) -> dict:
        found = self.s3.get_object_tagging(Bucket=self.bucket, Key=key, **more)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}


def counts(job: dict) -> tuple[str, int, int, int]:
    progress = job["ProgressSummary"]
    return (
        job["Status"],
        progress["TotalNumberOfTasks"],
        progress["NumberOfTasksSucceeded"],
        progress["NumberOfTasksFailed"],
    )


@pytest.fixture
def batch(account) -> Batch:
    return Batch(account)


TAG = {"S3PutObjectTagging": {"TagSet": [{"Key": "seen", "Value": "yes"}]}}
UNTAG = {"S3DeleteObjectTagging": {}}


def test_tags_and_the_report(batch):
    for key in ("a", "b c", "größe,1"):
        batch.put(key)
    manifest = batch.manifest(["a", "b%20c", "gr%C3%B6%C3%9Fe%2C1", "missing"])
    tags = [{"Key": "team", "Value": "lake"}]
    job = batch.run(TAG, manifest, Description="seen", Tags=tags)
    assert counts(job) == ("Complete", 4, 3, 1)
    assert all(batch.tags(key) == {"seen": "yes"} for key in ("a", "b c", "größe,1"))
    succeeded, failed = batch.results(job)
    assert succeeded[0] == [batch.bucket, "a", "", "succeeded", "200", "", "Successful"]
    assert [line[1] for line in succeeded] == ["a", "b%20c", "gr%C3%B6%C3%9Fe%2C1"]
    assert failed[0][:6] == [batch.bucket, "missing", "", "failed", "404", "NoSuchKey"] and failed[0][6]

    assert job["JobArn"] == f"arn:aws:s3:us-east-1:{batch.account.id}:job/{job['JobId']}"
    assert job["Operation"] == TAG and job["Manifest"] == manifest and job["Report"] == batch.report()
    assert job["Priority"] == 10 and job["RoleArn"] == batch.role and job["Description"] == "seen"
    assert job["FailureReasons"] == [] and job["ConfirmationRequired"] is False
    assert job["TerminationDate"] >= job["CreationTime"]
    assert job["ProgressSummary"]["Timers"]["ElapsedTimeInActiveSeconds"] >= 0

    job = batch.run(UNTAG, manifest)
    assert counts(job) == ("Complete", 4, 3, 1) and batch.tags("b c") == {}


def test_copies(batch):
    batch.put("in/a", b"0123456789" * 1000, ContentType="text/plain", Metadata={"from": "source"}, Tagging="k=v")
    manifest = batch.manifest(["in/a"])
    target = {"TargetResource": f"arn:aws:s3:::{batch.bucket}"}

    def copied(key: str, **more) -> dict:
        operation = {"S3PutObjectCopy": target | more}
        job = batch.run(operation, manifest)
        assert counts(job) == ("Complete", 1, 1, 0), batch.results(job)
        assert job["Operation"] == operation
        return batch.s3.head_object(Bucket=batch.bucket, Key=key, ChecksumMode="ENABLED")

    found = copied("plain/in/a", TargetKeyPrefix="plain")
    assert found["ContentType"] == "text/plain" and found["Metadata"] == {"from": "source"}
    assert batch.tags("plain/in/a") == {"k": "v"} and batch.read("plain/in/a") == b"0123456789" * 1000
    found = copied(
        "other/in/a",
        TargetKeyPrefix="other",
        MetadataDirective="REPLACE",
        NewObjectMetadata={
            "ContentType": "text/csv",
            "CacheControl": "no-store",
            "UserMetadata": {"made-by": "batch"},
            "SSEAlgorithm": "AES256",
        },
        NewObjectTagging=[{"Key": "new", "Value": "tag"}],
        StorageClass="STANDARD_IA",
        ChecksumAlgorithm="SHA256",
        RedirectLocation="/elsewhere",
    )
    assert found["ContentType"] == "text/csv" and found["Metadata"] == {"made-by": "batch"}
    assert found["CacheControl"] == "no-store" and found["StorageClass"] == "STANDARD_IA"
    assert found["WebsiteRedirectLocation"] == "/elsewhere" and found["ChecksumSHA256"]
    assert batch.tags("other/in/a") == {"new": "tag"}
    copied("bare/in/a", TargetKeyPrefix="bare", NewObjectTagging=[])
    assert batch.tags("bare/in/a") == {}

    # To another class in place, and not at all where the source is too old.
    found = copied("in/a", StorageClass="ONEZONE_IA")
    assert found["StorageClass"] == "ONEZONE_IA"
    since = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1)
    job = batch.run({"S3PutObjectCopy": target | {"TargetKeyPrefix": "x", "ModifiedSinceConstraint": since}}, manifest)
    assert counts(job) == ("Complete", 1, 0, 1) and batch.results(job)[1][0][4:6] == ["412", "PreconditionFailed"]


def test_copies_under_kms(batch):
    key = batch.account.client("kms").create_key()["KeyMetadata"]["Arn"]
    batch.put("a")
    operation = {
        "S3PutObjectCopy": {
            "TargetResource": f"arn:aws:s3:::{batch.bucket}",
            "TargetKeyPrefix": "sealed",
            "NewObjectMetadata": {"SSEAlgorithm": "KMS"},
            "SSEAwsKmsKeyId": key,
            "BucketKeyEnabled": True,
        }
    }
    job = batch.run(operation, batch.manifest(["a"]))
    assert counts(job) == ("Complete", 1, 1, 0) and job["Operation"] == operation
    found = batch.s3.head_object(Bucket=batch.bucket, Key="sealed/a")
    assert found["SSEKMSKeyId"] == key and found["BucketKeyEnabled"] is True


def test_lists_of_who_may(account, other):  # noqa: F811
    batch = Batch(account, open_bucket(account))
    batch.put("a")
    manifest = batch.manifest(["a"])
    mine, theirs = f"{int(account.id):064x}", f"{int(other.id):064x}"
    grants = [
        {"Grantee": {"TypeIdentifier": "id", "Identifier": theirs, "DisplayName": f"test-{other.id}"}, "Permission": "READ"}
    ]
    owner = {"ID": mine, "DisplayName": f"test-{account.id}"}
    operation = {"S3PutObjectAcl": {"AccessControlPolicy": {"AccessControlList": {"Owner": owner, "Grants": grants}}}}
    job = batch.run(operation, manifest)
    assert counts(job) == ("Complete", 1, 1, 0) and job["Operation"] == operation
    assert other.client("s3").get_object(Bucket=batch.bucket, Key="a")["Body"].read() == b"bytes"
    job = batch.run({"S3PutObjectAcl": {"AccessControlPolicy": {"CannedAccessControlList": "private"}}}, manifest)
    assert counts(job) == ("Complete", 1, 1, 0)
    check(other.client("s3").get_object, "AccessDenied", 403, Bucket=batch.bucket, Key="a")
    operation = {
        "S3PutObjectCopy": {
            "TargetResource": f"arn:aws:s3:::{batch.bucket}",
            "TargetKeyPrefix": "shared",
            "AccessControlGrants": grants,
        }
    }
    assert counts(batch.run(operation, manifest)) == ("Complete", 1, 1, 0)
    assert other.client("s3").get_object(Bucket=batch.bucket, Key="shared/a")["Body"].read() == b"bytes"


def test_restores(batch):
    batch.put("cold", b"cold bytes", StorageClass="GLACIER")
    batch.put("warm")
    operation = {"S3InitiateRestoreObject": {"ExpirationInDays": 3, "GlacierJobTier": "BULK"}}
    job = batch.run(operation, batch.manifest(["cold", "warm"]))
    assert counts(job) == ("Complete", 2, 1, 1) and job["Operation"] == operation
    assert batch.results(job)[1][0][4:6] == ["403", "InvalidObjectState"]
    wait_for(lambda: 'ongoing-request="false"' in batch.s3.head_object(Bucket=batch.bucket, Key="cold")["Restore"])
    assert batch.read("cold") == b"cold bytes"


def test_locks(account):
    s3 = account.client("s3")
    bucket = f"locked-{account.id}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    batch = Batch(account, bucket)
    batch.put("a", ChecksumAlgorithm="CRC32")
    manifest = batch.manifest(["a"])
    assert counts(batch.run({"S3PutObjectLegalHold": {"LegalHold": {"Status": "ON"}}}, manifest))[2] == 1
    assert s3.get_object_legal_hold(Bucket=bucket, Key="a")["LegalHold"]["Status"] == "ON"
    assert counts(batch.run({"S3PutObjectLegalHold": {"LegalHold": {"Status": "OFF"}}}, manifest))[2] == 1

    def retain(days: int, **more) -> dict:
        until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)
        operation = {"S3PutObjectRetention": {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}} | more}
        return batch.run(operation, manifest)

    assert counts(retain(10))[2] == 1
    job = retain(5)
    assert counts(job)[3] == 1 and batch.results(job)[1][0][4:6] == ["403", "AccessDenied"]
    assert counts(retain(5, BypassGovernanceRetention=True))[2] == 1
    until = s3.get_object_retention(Bucket=bucket, Key="a")["Retention"]["RetainUntilDate"]
    assert until < datetime.now(timezone.utc) + timedelta(days=6)


def test_checksums(batch):
    body = b"0123456789" * 700_000
    batch.put("plain", body)
    batch.put("cold", body, StorageClass="DEEP_ARCHIVE")
    upload = batch.s3.create_multipart_upload(Bucket=batch.bucket, Key="parts")["UploadId"]
    halves = [body[: 5 << 20], body[5 << 20 :]]
    parts = [
        {
            "PartNumber": number,
            "ETag": batch.s3.upload_part(
                Bucket=batch.bucket, Key="parts", UploadId=upload, PartNumber=number, Body=half
            )["ETag"],
        }
        for number, half in enumerate(halves, 1)
    ]
    batch.s3.complete_multipart_upload(
        Bucket=batch.bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    manifest = batch.manifest(["plain", "cold", "parts"])

    def said(**more) -> list[dict]:
        job = batch.run({"S3ComputeObjectChecksum": more}, manifest)
        assert counts(job) == ("Complete", 3, 3, 0), batch.results(job)
        return [json.loads(line[6]) for line in batch.results(job)[0]]

    crc = zlib.crc32(body).to_bytes(4, "big")
    for line in said(ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"):
        assert line["checksum_base64"] == base64.b64encode(crc).decode()
        assert line["checksum_hex"] == crc.hex().upper()
        assert (line["checksumAlgorithm"], line["checksumType"]) == ("CRC32", "FULL_OBJECT")
    found = said(ChecksumAlgorithm="SHA512", ChecksumType="COMPOSITE")
    whole = hashlib.sha512(hashlib.sha512(body).digest()).digest()
    of_parts = hashlib.sha512(b"".join(hashlib.sha512(half).digest() for half in halves)).digest()
    assert found[0]["checksum_base64"] == base64.b64encode(whole).decode() + "-1"
    assert found[2]["checksum_base64"] == base64.b64encode(of_parts).decode() + "-2"
    assert said()[0]["checksumAlgorithm"] == "CRC64NVME"
    # Nothing was restored for it.
    check(batch.s3.get_object, "InvalidObjectState", 403, Bucket=batch.bucket, Key="cold")


def test_an_inventory_is_a_manifest(batch):
    for key in ("a", "b c"):
        batch.put(key)
    lines = gzip.compress(f'"{batch.bucket}","a","5"\n"{batch.bucket}","b+c","5"\n'.encode())
    batch.put("inventory/data/1.csv.gz", lines)
    document = {
        "sourceBucket": batch.bucket,
        "destinationBucket": f"arn:aws:s3:::{batch.bucket}",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [
            {"key": "inventory/data/1.csv.gz", "size": len(lines), "MD5checksum": hashlib.md5(lines).hexdigest()}
        ],
    }
    put = batch.put("inventory/manifest.json", json.dumps(document).encode())
    manifest = {
        "Spec": {"Format": "S3InventoryReport_CSV_20161130"},
        "Location": {"ObjectArn": f"arn:aws:s3:::{batch.bucket}/inventory/manifest.json", "ETag": put["ETag"]},
    }
    assert counts(batch.run(TAG, manifest)) == ("Complete", 2, 2, 0)
    assert batch.tags("b c") == {"seen": "yes"}


def test_generated_manifests(batch):
    batch.s3.put_bucket_versioning(Bucket=batch.bucket, VersioningConfiguration={"Status": "Enabled"})
    for key, size in (("in/a.csv", 10), ("in/b.json", 10), ("in/deep/c.csv", 2000), ("out/d.csv", 10)):
        batch.put(key, b"x" * size)
    generator = {
        "S3JobManifestGenerator": {
            "ExpectedBucketOwner": batch.account.id,
            "SourceBucket": f"arn:aws:s3:::{batch.bucket}",
            "Filter": {
                "KeyNameConstraint": {"MatchAnyPrefix": ["in/"], "MatchAnySuffix": [".csv"]},
                "ObjectSizeLessThanBytes": 1000,
                "CreatedBefore": datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1),
                "MatchAnyStorageClass": ["STANDARD"],
                "MatchAnyObjectEncryption": [{"SSES3": {}}],
            },
            "EnableManifestOutput": True,
            "ManifestOutputLocation": {
                "Bucket": f"arn:aws:s3:::{batch.bucket}",
                "ManifestPrefix": "lists",
                "ManifestFormat": "S3InventoryReport_CSV_20211130",
                "ManifestEncryption": {"SSES3": {}},
            },
        }
    }
    job = batch.run(TAG, ManifestGenerator=generator)
    assert counts(job) == ("Complete", 1, 1, 0), job
    assert job["ManifestGenerator"] == generator
    assert batch.tags("in/a.csv") == {"seen": "yes"} and batch.tags("in/deep/c.csv") == {}
    made = job["GeneratedManifestDescriptor"]
    assert made["Format"] == "S3InventoryReport_CSV_20211130"
    location = made["Location"]
    document = json.loads(batch.read(location["ObjectArn"].split("/", 1)[1]))
    assert document["fileSchema"] == "Bucket, Key, VersionId"
    lines = gzip.decompress(batch.read(document["files"][0]["key"]))
    assert hashlib.md5(batch.read(document["files"][0]["key"])).hexdigest() == document["files"][0]["MD5checksum"]
    assert lines.startswith(f'"{batch.bucket}","in/a.csv","'.encode())
    job = batch.run(UNTAG, {"Spec": {"Format": "S3InventoryReport_CSV_20161130"}, "Location": location})
    assert counts(job) == ("Complete", 1, 1, 0) and batch.tags("in/a.csv") == {}
    generator["S3JobManifestGenerator"]["Filter"] = {"KeyNameConstraint": {"MatchAnySubstring": ["nothing"]}}
    job = batch.run(TAG, ManifestGenerator=generator)
    assert job["Status"] == "Failed" and job["FailureReasons"][0]["FailureCode"] == "ManifestEmpty"


def test_manifests_that_cannot_be_used(batch):
    batch.put("a")

    def failed(manifest: dict, code: str) -> None:
        job = batch.run(UNTAG, manifest)
        assert counts(job) == ("Failed", 0, 0, 0)
        assert job["FailureReasons"][0]["FailureCode"] == code, job["FailureReasons"]

    changed = batch.manifest(["a"])
    batch.manifest(["a", "b"])
    failed(changed, "ManifestChanged")
    failed(batch.manifest([["one-field"]]), "ManifestInvalid")
    failed(batch.manifest([]), "ManifestEmpty")
    gone = batch.manifest(["a"])
    batch.s3.delete_object(Bucket=batch.bucket, Key="manifest.csv")
    failed(gone, "ManifestUnreadable")


def test_confirmation_and_cancellation(batch):
    batch.put("a")
    manifest = batch.manifest(["a"])
    account, client = batch.account.id, batch.control
    job = batch.create(UNTAG, manifest, ConfirmationRequired=True)
    found = batch.wait(job, "Suspended")
    assert found["SuspendedCause"] == "AwaitingConfirmation" and found["SuspendedDate"]
    assert found["ProgressSummary"]["TotalNumberOfTasks"] == 1
    answer = client.update_job_status(
        AccountId=account, JobId=job, RequestedJobStatus="Ready", StatusUpdateReason="looks right"
    )
    assert (answer["Status"], answer["StatusUpdateReason"]) == ("Ready", "looks right")
    assert batch.wait(job)["StatusUpdateReason"] == "looks right"
    check(client.update_job_status, "JobStatusException", 400, AccountId=account, JobId=job, RequestedJobStatus="Ready")

    job = batch.create(UNTAG, manifest, ConfirmationRequired=True)
    batch.wait(job, "Suspended")
    client.update_job_status(AccountId=account, JobId=job, RequestedJobStatus="Cancelled")
    assert counts(batch.wait(job)) == ("Cancelled", 1, 0, 0)
    check(
        client.update_job_status, "JobStatusException", 400, AccountId=account, JobId=job, RequestedJobStatus="Cancelled"
    )
    nobody = "00000000-0000-0000-0000-000000000000"
    check(client.describe_job, "NotFoundException", 404, AccountId=account, JobId=nobody)
    check(client.describe_job, "NotFoundException", 404, AccountId=account, JobId="not-a-job")


def test_priorities(batch):
    batch.put("a")
    long = batch.manifest(["a"] * 6000)
    short = batch.manifest(["a"], key="short.csv")
    slow = batch.create(TAG, long, Priority=1)
    batch.wait(slow, "Active")
    fast = batch.create(TAG, short, Priority=100)
    batch.wait(fast, "Complete")
    assert batch.describe(slow)["Status"] in ("Paused", "Active")
    batch.control.update_job_priority(AccountId=batch.account.id, JobId=slow, Priority=2_147_483_647)
    assert batch.describe(slow)["Priority"] == 2_147_483_647
    found = batch.wait(slow)
    assert counts(found) == ("Complete", 6000, 6000, 0)
    assert found["TerminationDate"] > batch.describe(fast)["TerminationDate"]
    check(
        batch.control.update_job_priority, "BadRequestException", 400, AccountId=batch.account.id, JobId=slow, Priority=1
    )


def test_the_threshold(batch):
    batch.put("a")
    job = batch.run(UNTAG, batch.manifest([f"missing/{n}" for n in range(1500)]))
    assert counts(job) == ("Failed", 1500, 0, 1000)
    assert job["FailureReasons"][0]["FailureCode"] == "FailureThresholdExceeded"
    succeeded, failed = batch.results(job)
    assert (len(succeeded), len(failed)) == (0, 1000)


def test_tokens_lists_and_tags(batch):
    batch.put("a")
    account, client = batch.account.id, batch.control
    manifest = batch.manifest(["a"])
    tags = [{"Key": "team", "Value": "lake"}]
    first = batch.create(UNTAG, manifest, ClientRequestToken="token", Tags=tags)
    assert batch.create(UNTAG, manifest, ClientRequestToken="token", Tags=tags) == first
    with pytest.raises(ClientError) as refused:
        batch.create(UNTAG, manifest, ClientRequestToken="token", Priority=11, Tags=tags)
    assert refused.value.response["Error"]["Code"] == "IdempotencyException"
    batch.wait(first)
    jobs = [first] + [batch.create(UNTAG, manifest, ConfirmationRequired=True) for _ in range(4)]
    for job in jobs[1:]:
        batch.wait(job, "Suspended")

    listed, token = [], None
    while True:
        page = client.list_jobs(AccountId=account, MaxResults=2, **({"NextToken": token} if token else {}))
        assert len(page["Jobs"]) <= 2
        listed += page["Jobs"]
        token = page.get("NextToken")
        if token is None:
            break
    assert [job["JobId"] for job in listed] == jobs[::-1]
    assert listed[-1]["Operation"] == "S3DeleteObjectTagging" and listed[-1]["Status"] == "Complete"
    found = client.list_jobs(AccountId=account, JobStatuses=["Suspended", "Active"])["Jobs"]
    assert {job["JobId"] for job in found} == set(jobs[1:])
    check(client.list_jobs, "InvalidNextTokenException", 400, AccountId=account, NextToken="nowhere")

    assert client.get_job_tagging(AccountId=account, JobId=first)["Tags"] == tags
    client.put_job_tagging(AccountId=account, JobId=first, Tags=[{"Key": "a", "Value": "b"}])
    assert client.get_job_tagging(AccountId=account, JobId=first)["Tags"] == [{"Key": "a", "Value": "b"}]
    many = [{"Key": str(n), "Value": ""} for n in range(51)]
    check(client.put_job_tagging, "TooManyTagsException", 400, AccountId=account, JobId=first, Tags=many)
    client.delete_job_tagging(AccountId=account, JobId=first)
    assert client.get_job_tagging(AccountId=account, JobId=first).get("Tags", []) == []


def test_what_is_not_there_is_refused(batch):
    batch.put("a")
    manifest = batch.manifest(["a"])
    function = f"arn:aws:lambda:us-east-1:{batch.account.id}:function:f"

    def refused(code: str, operation: dict = UNTAG, **more) -> None:
        with pytest.raises(ClientError) as error:
            batch.create(operation, **({"Manifest": manifest} | more))
        assert error.value.response["Error"]["Code"] == code, error.value

    refused("BadRequestException", {"LambdaInvoke": {"FunctionArn": function}})
    refused("BadRequestException", {"S3ComputeObjectChecksum": {"ChecksumAlgorithm": "XXHASH64"}})
    refused("BadRequestException", {})
    refused("BadRequestException", TAG | UNTAG)
    refused("AccessDenied", RoleArn="arn:aws:iam::999999999999:role/batch")
    refused("BadRequestException", Report={"Enabled": True})
    refused("BadRequestException", {"S3ComputeObjectChecksum": {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"}})
    spec = {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Key"]}
    refused("BadRequestException", Manifest=manifest | {"Spec": spec})
    generator = {"SourceBucket": f"arn:aws:s3:::{batch.bucket}", "EnableManifestOutput": False}
    refused("BadRequestException", ManifestGenerator={"S3JobManifestGenerator": generator})
    with pytest.raises(ClientError):
        batch.create(UNTAG, manifest, Description="x" * 257)


def test_a_job_may_what_its_role_may(batch):
    account, bucket = batch.account, batch.bucket
    iam = account.client("iam")
    for key in ("open/a", "closed/b"):
        batch.put(key)
    manifest = batch.manifest(["open/a", "closed/b"])
    objects = allow(
        ["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"],
        [f"arn:aws:s3:::{bucket}/{part}*" for part in ("open/", "manifest", "reports/")],
    )
    role = batch.make_role("careful", objects)
    # The maker may nothing with objects: it is the role that counts.
    maker = account.user("maker", allow(["s3:CreateJob", "s3:DescribeJob", "iam:PassRole"]))
    of_maker = Batch(maker, bucket)
    of_maker.role = role
    job = batch.wait(of_maker.create(TAG, manifest))
    assert counts(job) == ("Complete", 2, 1, 1)
    assert batch.results(job)[1][0][1:6] == ["closed/b", "", "failed", "403", "AccessDenied"]
    assert batch.tags("open/a") == {"seen": "yes"} and batch.tags("closed/b") == {}

    def refused(code: str, **more) -> None:
        with pytest.raises(ClientError) as error:
            of_maker.create(TAG, manifest, **more)
        assert error.value.response["Error"]["Code"] == code, error.value

    # A job cannot be made by who may not pass the role, nor with one that is not there or trusts another.
    refused("BadRequestException", RoleArn=f"arn:aws:iam::{account.id}:role/nobody")
    refused("BadRequestException", RoleArn=batch.make_role("other", trusted="glue.amazonaws.com"))
    iam.put_user_policy(UserName="maker", PolicyName="no", PolicyDocument=json.dumps(allow("iam:PassRole", role, "Deny")))
    refused("AccessDenied")

    # What the role may no longer do when the job acts, the job may not.
    waiting = batch.create(TAG, manifest, ConfirmationRequired=True, RoleArn=role)
    batch.wait(waiting, "Suspended")
    deny = json.dumps(allow("s3:PutObjectTagging", "*", "Deny"))
    iam.put_role_policy(RoleName="careful", PolicyName="none", PolicyDocument=deny)
    batch.control.update_job_status(AccountId=account.id, JobId=waiting, RequestedJobStatus="Ready")
    assert counts(batch.wait(waiting)) == ("Complete", 2, 0, 2)
    gone = batch.create(TAG, manifest, ConfirmationRequired=True, RoleArn=role)
    batch.wait(gone, "Suspended")
    for name in ("policy-0", "none"):
        iam.delete_role_policy(RoleName="careful", PolicyName=name)
    iam.delete_role(RoleName="careful")
    batch.control.update_job_status(AccountId=account.id, JobId=gone, RequestedJobStatus="Ready")
    found = batch.wait(gone)
    assert found["Status"] == "Failed" and found["FailureReasons"][0]["FailureCode"] == "ReportFailed"


def test_policies_may_ask_about_jobs(batch):
    account = batch.account
    batch.put("a")
    manifest = batch.manifest(["a"])
    low = {"NumericLessThanEquals": {"s3:RequestJobPriority": "10"}}
    tagging = {"StringEquals": {"s3:RequestJobOperation": "S3DeleteObjectTagging"}}
    user = account.user(
        "maker",
        allow("s3:CreateJob", Condition=low | tagging),
        allow(["iam:PassRole", "s3:DescribeJob", "s3:GetObject"]),
        allow("s3:UpdateJobStatus", Condition={"StringEquals": {"s3:ExistingJobOperation": "S3PutObjectTagging"}}),
    )
    of_user = Batch(user, batch.bucket)
    of_user.role = batch.role
    for more in ({"Priority": 11}, {"Operation": TAG}, {"Tags": [{"Key": "a", "Value": "b"}]}):
        with pytest.raises(ClientError) as refused:
            of_user.create(UNTAG, manifest, **more)
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
    job = of_user.create(UNTAG, manifest, ConfirmationRequired=True)
    batch.wait(job, "Suspended")
    request = {"AccountId": account.id, "JobId": job, "RequestedJobStatus": "Cancelled"}
    check(of_user.control.update_job_status, "AccessDenied", 403, **request)
    batch.control.update_job_status(**request)


def test_what_jobs_do_is_on_record(batch):
    batch.put("a")
    job = batch.run(TAG, batch.manifest(["a"]))
    trail = batch.account.client("cloudtrail")

    def events(name: str) -> list[dict]:
        found = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])["Events"]
        return [json.loads(event["CloudTrailEvent"]) for event in found]

    assert len(events("CreateJob")) == 1
    changes = events("JobStatusChanged")
    assert len(changes) == 6 and all(job["JobArn"] in json.dumps(change) for change in changes)


KILLS = 4
COPIES = 2_000


def test_a_killed_server_goes_on_where_it_was(own_server):
    """Copies in a versioned bucket: one that was made twice would be two versions."""
    own_server.start()
    batch = Batch(own_server.accounts[0])
    batch.s3.put_bucket_versioning(Bucket=batch.bucket, VersioningConfiguration={"Status": "Enabled"})
    for n in range(COPIES):
        batch.put(f"many/{n:05}", b"x")
    operation = {"S3PutObjectCopy": {"TargetResource": f"arn:aws:s3:::{batch.bucket}", "TargetKeyPrefix": "out"}}
    job = batch.create(operation, batch.manifest([f"many/{n:05}" for n in range(COPIES)]))
    seen = 0
    for kill in range(KILLS):
        done = wait_for(
            lambda: len(listed(batch, "out/")), lambda done: done > COPIES * (kill + 1) // (KILLS + 2)
        )
        own_server.kill()
        own_server.start()
        batch = Batch(own_server.accounts[0], batch.bucket)
        progress = batch.describe(job)["ProgressSummary"]
        assert seen <= progress["NumberOfTasksSucceeded"] <= COPIES and progress["NumberOfTasksFailed"] == 0
        seen = progress["NumberOfTasksSucceeded"]
    found = batch.wait(job)
    assert counts(found) == ("Complete", COPIES, COPIES, 0)
    versions = listed(batch, "out/")
    assert len(versions) == COPIES and len(set(versions)) == COPIES
    succeeded, failed = batch.results(found)
    assert len(succeeded) == COPIES and len({line[1] for line in succeeded}) == COPIES and not failed
    own_server.stop()


def listed(batch: Batch, prefix: str) -> list[str]:
    """The keys of all versions, one for each version."""
    with contextlib.suppress(BotoCoreError):
        pages = batch.s3.get_paginator("list_object_versions").paginate(Bucket=batch.bucket, Prefix=prefix)
        return [version["Key"] for page in pages for version in page.get("Versions", [])]
    return []


def test_objects_are_replicated_whenever_they_were_put(batch):
    account, s3, iam = batch.account, batch.s3, batch.account.client("iam")
    target = versioned(account)
    s3.put_bucket_versioning(Bucket=batch.bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("in/before", "in/refused", "out/of-rules"):
        batch.put(key, key.encode())
    lines = [[batch.bucket, key] for key in ("in/before", "in/refused", "out/of-rules", "in/missing")]

    job = batch.run({"S3ReplicateObject": {}}, batch.manifest(lines))
    assert counts(job) == ("Complete", 4, 0, 4)
    codes = {line[1]: line[5] for line in batch.results(job)[1]}
    assert codes == {key: "SrcBucketReplicationConfigMissing" for key in codes} | {"in/missing": "NoSuchKey"}

    replicate(account, batch.bucket, rule(target, prefix="in/"))
    refuse = allow("s3:ReplicateObject", f"arn:aws:s3:::{target}/in/refused", "Deny")
    iam.put_role_policy(RoleName="replication", PolicyName="refuse", PolicyDocument=json.dumps(refuse))
    job = batch.run({"S3ReplicateObject": {}}, batch.manifest(lines))
    assert counts(job) == ("Complete", 4, 1, 3)
    succeeded, failed = batch.results(job)
    assert [line[1] for line in succeeded] == ["in/before"]
    assert {line[1]: line[5] for line in failed} == {
        "in/refused": "DstPutObjNotPermitted", "out/of-rules": "SrcObjectNotEligible", "in/missing": "NoSuchKey",
    }
    assert s3.head_object(Bucket=batch.bucket, Key="in/before")["ReplicationStatus"] == "COMPLETED"
    assert s3.get_object(Bucket=target, Key="in/before")["Body"].read() == b"in/before"
    # What failed goes when it may; what is there already stays.
    iam.delete_role_policy(RoleName="replication", PolicyName="refuse")
    job = batch.run({"S3ReplicateObject": {}}, batch.manifest(lines[:2]))
    assert counts(job) == ("Complete", 2, 2, 0)
    assert sorted(row[0] for row in versions(s3, target)) == ["in/before", "in/refused"]
    # The job's own role must be let to ask for it.
    role = batch.make_role("no-copies", allow("*"), allow("s3:InitiateReplication", "*", "Deny"))
    job = batch.run({"S3ReplicateObject": {}}, batch.manifest(lines[:1]), RoleArn=role)
    assert counts(job) == ("Complete", 1, 0, 1) and batch.results(job)[1][0][5] == "AccessDenied"


def test_lists_are_made_of_what_is_to_be_replicated(batch):
    account, s3 = batch.account, batch.s3
    target = versioned(account)
    s3.put_bucket_versioning(Bucket=batch.bucket, VersioningConfiguration={"Status": "Enabled"})
    old = [batch.put("in/old", body)["VersionId"] for body in (b"1", b"2")]
    batch.put("out/a")
    replicate(account, batch.bucket, rule(target, prefix="in/"))
    batch.put("in/new")
    completed(s3, batch.bucket, "in/new")
    filter = {"EligibleForReplication": True, "ObjectReplicationStatuses": ["NONE", "FAILED"]}
    generator = {
        "S3JobManifestGenerator": {
            "SourceBucket": f"arn:aws:s3:::{batch.bucket}", "Filter": filter, "EnableManifestOutput": False,
        }
    }
    job = batch.run({"S3ReplicateObject": {}}, ManifestGenerator=generator)
    assert counts(job) == ("Complete", 2, 2, 0), job
    assert job["ManifestGenerator"] == generator
    assert sorted(line[1:3] for line in batch.results(job)[0]) == sorted(["in/old", id] for id in old)
    # Both versions are there, and nothing is left to be done.
    assert sorted(row[:2] for row in versions(s3, target) if row[0] == "in/old") == sorted(("in/old", id) for id in old)
    job = batch.run({"S3ReplicateObject": {}}, ManifestGenerator=generator)
    assert job["Status"] == "Failed" and job["FailureReasons"][0]["FailureCode"] == "ManifestEmpty"
    generator["S3JobManifestGenerator"]["Filter"] = {"ObjectReplicationStatuses": ["PENDING"]}
    with pytest.raises(ClientError):
        batch.create({"S3ReplicateObject": {}}, ManifestGenerator=generator)
