"""Replication: to another bucket here, to one of another account, and to a second server; through a kill."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from ..conftest import Server, make_accounts, wait_for

SECONDS_MAX = 40


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def versioned(account, **more) -> str:
    bucket = account.bucket() if not more else None
    if bucket is None:
        bucket = f"b-{account.id}-{time.monotonic_ns()}"
        account.client("s3").create_bucket(Bucket=bucket, **more)
    account.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def rule(target, id="all", prefix="", markers=True, priority=1, **destination):
    return {
        "ID": id,
        "Priority": priority,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "DeleteMarkerReplication": {"Status": "Enabled" if markers else "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{target}"} | destination,
    }


def replicate(account, source, *rules):
    role = f"arn:aws:iam::{account.id}:role/replication"
    configuration = {"Role": role, "Rules": list(rules)}
    account.client("s3").put_bucket_replication(Bucket=source, ReplicationConfiguration=configuration)
    return configuration


def status(s3, bucket, key, **more):
    return s3.head_object(Bucket=bucket, Key=key, **more).get("ReplicationStatus")


def completed(s3, bucket, key, **more):
    return wait_for(lambda: status(s3, bucket, key, **more), lambda found: found == "COMPLETED", seconds=SECONDS_MAX)


def versions(s3, bucket):
    listed = s3.list_object_versions(Bucket=bucket)
    rows = [(row["Key"], row["VersionId"], row["IsLatest"], "object") for row in listed.get("Versions", [])]
    rows += [(row["Key"], row["VersionId"], row["IsLatest"], "marker") for row in listed.get("DeleteMarkers", [])]
    return sorted(rows)


def test_configurations_are_kept_and_checked(account):
    s3 = account.client("s3")
    source, target, plain = versioned(account), versioned(account), account.bucket()
    assert code(s3.get_bucket_replication, Bucket=source) == "ReplicationConfigurationNotFoundError"
    wanted = replicate(
        account,
        source,
        rule(target, "one", "a/", StorageClass="STANDARD_IA"),
        rule(
            target,
            "two",
            "b/",
            markers=False,
            priority=2,
            Account=account.id,
            AccessControlTranslation={"Owner": "Destination"},
            ReplicationTime={"Status": "Enabled", "Time": {"Minutes": 15}},
            Metrics={"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
        )
        | {"ExistingObjectReplication": {"Status": "Disabled"}},
        rule(target, "three", markers=False, priority=3, EncryptionConfiguration={"ReplicaKmsKeyID": "arn:aws:kms:us-east-1:1:key/k"})
        | {
            "Filter": {"And": {"Prefix": "c/", "Tags": [{"Key": "k", "Value": "v"}]}},
            "SourceSelectionCriteria": {
                "SseKmsEncryptedObjects": {"Status": "Enabled"},
                "ReplicaModifications": {"Status": "Disabled"},
            },
        },
    )
    assert s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"] == wanted

    def refused(bucket, *rules, role=None):
        configuration = {"Role": role or wanted["Role"], "Rules": list(rules)}
        return code(s3.put_bucket_replication, Bucket=bucket, ReplicationConfiguration=configuration)

    assert refused(plain, rule(target)) == "InvalidRequest"
    assert refused(source, rule(plain)) == "InvalidRequest"
    assert refused(source, rule("no-such-bucket-anywhere")) == "InvalidRequest"
    assert refused(source, rule(source)) == "InvalidRequest"
    assert refused(source, rule(target, "a"), rule(target, "a", priority=2)) == "InvalidRequest"
    assert refused(source, rule(target, "a"), rule(target, "b")) == "InvalidRequest"
    assert refused(source, rule(target), role="me") == "InvalidRequest"
    without_priority = rule(target)
    del without_priority["Priority"]
    assert refused(source, without_priority) == "InvalidRequest"
    existing = rule(target) | {"ExistingObjectReplication": {"Status": "Enabled"}}
    assert refused(source, existing) == "InvalidRequest"
    suspend = {"Status": "Suspended"}
    assert code(s3.put_bucket_versioning, Bucket=source, VersioningConfiguration=suspend) == "InvalidBucketState"
    s3.delete_bucket_replication(Bucket=source)
    assert code(s3.get_bucket_replication, Bucket=source) == "ReplicationConfigurationNotFoundError"
    s3.put_bucket_versioning(Bucket=source, VersioningConfiguration=suspend)


def test_versions_are_copied_as_they_are(account):
    s3 = account.client("s3")
    source = versioned(account, ObjectLockEnabledForBucket=True)
    target = versioned(account, ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=source, Key="a/before", Body=b"x")
    replicate(account, source, rule(target, prefix="a/"))
    put = s3.put_object(
        Bucket=source, Key="a/1", Body=b"one", ContentType="text/csv", Metadata={"m": "1"}, Tagging="k=v",
        ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate="2099-01-01T00:00:00Z", ChecksumAlgorithm="SHA256",
    )
    completed(s3, source, "a/1")
    there = s3.get_object(Bucket=target, Key="a/1", ChecksumMode="ENABLED")
    assert there["Body"].read() == b"one"
    assert (there["VersionId"], there["ETag"]) == (put["VersionId"], put["ETag"])
    assert (there["ContentType"], there["Metadata"]) == ("text/csv", {"m": "1"})
    assert (there["ReplicationStatus"], there["ObjectLockMode"]) == ("REPLICA", "GOVERNANCE")
    assert there["ChecksumSHA256"] == put["ChecksumSHA256"]
    tags = lambda: s3.get_object_tagging(Bucket=target, Key="a/1")["TagSet"]
    assert tags() == [{"Key": "k", "Value": "v"}]
    # What is changed follows.
    s3.put_object_tagging(Bucket=source, Key="a/1", Tagging={"TagSet": [{"Key": "k", "Value": "w"}]})
    wait_for(tags, lambda found: found == [{"Key": "k", "Value": "w"}], seconds=SECONDS_MAX)
    s3.put_object_legal_hold(Bucket=source, Key="a/1", LegalHold={"Status": "ON"})
    wait_for(lambda: s3.head_object(Bucket=target, Key="a/1").get("ObjectLockLegalHoldStatus"), lambda found: found == "ON", seconds=SECONDS_MAX)
    # In parts, with the parts' entity tag; ranges and part numbers read as they did.
    upload = s3.create_multipart_upload(Bucket=source, Key="a/parts")["UploadId"]
    bodies = [b"1" * (5 << 20), b"2" * 1000]
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(Bucket=source, Key="a/parts", UploadId=upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in enumerate(bodies, 1)
    ]
    done = s3.complete_multipart_upload(Bucket=source, Key="a/parts", UploadId=upload, MultipartUpload={"Parts": parts})
    completed(s3, source, "a/parts")
    there = s3.get_object(Bucket=target, Key="a/parts", PartNumber=2)
    assert (there["ETag"], there["PartsCount"], there["Body"].read()) == (done["ETag"], 2, bodies[1])
    # Markers go along, deletions of versions do not.
    s3.delete_object(Bucket=source, Key="a/parts")
    wait_for(lambda: [row for row in versions(s3, target) if row[3] == "marker"], lambda found: len(found) == 1, seconds=SECONDS_MAX)
    s3.put_object(Bucket=source, Key="b/1", Body=b"no rule")
    assert status(s3, source, "b/1") is None
    kept = [row for row in versions(s3, source) if row[0].startswith("a/") and row[0] != "a/before"]
    assert versions(s3, target) == kept
    gone = s3.put_object(Bucket=source, Key="a/2", Body=b"x")["VersionId"]
    completed(s3, source, "a/2")
    s3.delete_object(Bucket=source, Key="a/2", VersionId=gone, BypassGovernanceRetention=True)
    assert s3.get_object(Bucket=target, Key="a/2", VersionId=gone)["Body"].read() == b"x"


def test_two_buckets_keep_each_other_alike(account):
    s3 = account.client("s3")
    one, two = versioned(account), versioned(account)
    replicate(account, one, rule(two))
    replicate(account, two, rule(one))
    for number in range(6):
        s3.put_object(Bucket=(one, two)[number % 2], Key=f"k{number % 3}", Body=b"%d" % number)
    wait_for(lambda: (versions(s3, one), versions(s3, two)), lambda found: found[0] == found[1] and len(found[0]) == 6, seconds=SECONDS_MAX)
    s3.delete_object(Bucket=two, Key="k0")
    wait_for(lambda: (versions(s3, one), versions(s3, two)), lambda found: found[0] == found[1] and len(found[0]) == 7, seconds=SECONDS_MAX)
    assert all(latest == 1 for latest in [sum(row[2] for row in versions(s3, one) if row[0] == f"k{n}") for n in range(3)])


def test_another_accounts_bucket_takes_what_its_policy_lets_in(own_server):
    own_server.start()
    ours, theirs = own_server.accounts[:2]
    s3, source, target = ours.client("s3"), versioned(ours), versioned(theirs)
    replicate(ours, source, rule(target))
    s3.put_object(Bucket=source, Key="refused", Body=b"x")
    wait_for(lambda: status(s3, source, "refused"), lambda found: found == "FAILED", seconds=SECONDS_MAX)
    assert versions(theirs.client("s3"), target) == []
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ours.id}:root"},
        "Action": ["s3:ReplicateObject", "s3:ReplicateDelete"],
        "Resource": f"arn:aws:s3:::{target}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    theirs.client("s3").put_bucket_policy(Bucket=target, Policy=policy)
    s3.put_object(Bucket=source, Key="taken", Body=b"x")
    completed(s3, source, "taken")
    assert theirs.client("s3").get_object(Bucket=target, Key="taken")["Body"].read() == b"x"


def test_a_second_server_takes_copies_through_a_kill(own_server, tmp_path):
    (tmp_path / "other").mkdir()
    remote = Server(tmp_path / "other" / "data", make_accounts(1)).start()
    try:
        there = remote.accounts[0]
        bucket = versioned(there)
        own_server.settings = (
            f'[[replication_targets]]\nbucket = "arn:aws:s3:::elsewhere"\nendpoint = "{remote.endpoint}"\n'
            f'remote_bucket = "{bucket}"\naccess_key_id = "{there.access_key_id}"\n'
            f'secret_access_key = "{there.secret_access_key}"\naccounts = ["000000000001"]\n'
        )
        own_server.start()
        account, other = own_server.accounts[:2]
        s3, source = account.client("s3"), versioned(account)
        replicate(account, source, rule("elsewhere"))
        theirs = versioned(other)
        with pytest.raises(ClientError):
            replicate(other, theirs, rule("elsewhere"))
        s3.put_object(Bucket=source, Key="a/größe 1", Body=b"one", ContentType="text/csv", Metadata={"m": "1"}, Tagging="k=v")
        completed(s3, source, "a/größe 1")
        found = there.client("s3").get_object(Bucket=bucket, Key="a/größe 1")
        assert (found["Body"].read(), found["ContentType"], found["Metadata"], found["TagCount"]) == (b"one", "text/csv", {"m": "1"}, 1)
        big = bytes(range(256)) * (80 << 10)
        remote.kill()
        s3.put_object(Bucket=source, Key="big", Body=big)
        for number in range(20):
            s3.put_object(Bucket=source, Key=f"k{number}", Body=b"%d" % number)
        assert status(s3, source, "big") == "PENDING"
        own_server.kill()
        remote.start()
        own_server.start()
        s3 = account.client("s3")
        for number in range(20):
            completed(s3, source, f"k{number}")
            assert there.client("s3").get_object(Bucket=bucket, Key=f"k{number}")["Body"].read() == b"%d" % number
        completed(s3, source, "big")
        assert there.client("s3").get_object(Bucket=bucket, Key="big")["Body"].read() == big
        s3.delete_object(Bucket=source, Key="k0")
        wait_for(lambda: code_of_get(there.client("s3"), bucket, "k0"), lambda found: found == "NoSuchKey", seconds=SECONDS_MAX)
    finally:
        if remote.process.poll() is None:
            remote.kill()


def code_of_get(s3, bucket, key):
    try:
        s3.get_object(Bucket=bucket, Key=key)
        return None
    except ClientError as error:
        return error.response["Error"]["Code"]
