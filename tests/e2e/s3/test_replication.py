"""Replication: to another bucket here, to one of another account, and to a second server; through a kill."""

import json
import time
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from ..cli.test_env_and_audit import lines
from ..conftest import Server, allow, make_accounts, wait_for

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


SOURCE = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
VERSIONS = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
LOCKS = ["s3:GetObjectRetention", "s3:GetObjectLegalHold"]
COPIES = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"]


def trust(service="s3.amazonaws.com", **more):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def may(iam, name, actions):
    iam.put_role_policy(RoleName=name, PolicyName="replicate", PolicyDocument=json.dumps(allow(actions)))


def role_of(account, name="replication"):
    """The role that AWS's guide describes, made once."""
    iam = account.client("iam")
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust())
        may(iam, name, SOURCE + VERSIONS + LOCKS + COPIES)
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    return f"arn:aws:iam::{account.id}:role/{name}"


def replicate(account, source, *rules, role=None):
    role = role or role_of(account)
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


def test_replication_may_what_its_role_may(account):
    s3, iam = account.client("s3"), account.client("iam")
    source, target = versioned(account), versioned(account)
    role = role_of(account)
    session = f"arn:aws:sts::{account.id}:assumed-role/replication/s3-replication"
    user = account.user("maker", allow("s3:PutReplicationConfiguration"))
    configuration = {"Role": role, "Rules": [rule(target)]}
    put = user.client("s3").put_bucket_replication
    assert code(put, Bucket=source, ReplicationConfiguration=configuration) == "AccessDenied"
    elsewhere = {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}}
    pass_role = lambda **more: iam.put_user_policy(
        UserName="maker", PolicyName="pass", PolicyDocument=json.dumps(allow("iam:PassRole", role, **more))
    )
    pass_role(Condition=elsewhere)
    assert code(put, Bucket=source, ReplicationConfiguration=configuration) == "AccessDenied"
    pass_role()
    put(Bucket=source, ReplicationConfiguration=configuration)

    def check(key, wanted, reason=None):
        s3.put_object(Bucket=source, Key=key, Body=b"x", Tagging="k=v")
        wait_for(lambda: status(s3, source, key), lambda found: found == wanted, seconds=SECONDS_MAX)
        records = lines(account, "audit", "search", "--name", "PutObject", "--limit", "1000")
        records = [record for record in records if record["requestParameters"]["key"] == key]
        if reason is None:
            assert any(record["userIdentity"].get("arn") == session for record in records), records
        else:
            [failed] = [record for record in records if record.get("errorCode")]
            assert failed["errorCode"] == reason and "is not authorized to perform" in failed["errorMessage"], failed

    check("open", "COMPLETED")
    # What is missing, in AWS's words.
    cases = [
        (SOURCE[0], "SrcGetObjNotPermitted"),
        (VERSIONS[0], "SrcGetObjNotPermitted"),
        (VERSIONS[1], "SrcGetAclNotPermitted"),
        (COPIES[0], "DstPutObjNotPermitted"),
        (COPIES[2], "DstPutTaggingNotPermitted"),
    ]
    whole = SOURCE + VERSIONS + COPIES
    for missing, reason in cases:
        may(iam, "replication", [action for action in whole if action != missing])
        check(f"without {missing}", "FAILED", reason)
    # Without the right to read tags, they stay behind.
    may(iam, "replication", [action for action in whole if action != VERSIONS[2]])
    check("without tags", "COMPLETED")
    assert s3.get_object_tagging(Bucket=target, Key="without tags")["TagSet"] == []
    # A marker needs s3:ReplicateDelete.
    may(iam, "replication", [action for action in whole if action != COPIES[1]])
    s3.delete_object(Bucket=source, Key="open")
    check("after the marker", "COMPLETED")
    assert [row for row in versions(s3, target) if row[3] == "marker"] == []
    # The role must trust S3 by its name: that it trusts its account is not enough.
    may(iam, "replication", whole)
    root = {"AWS": f"arn:aws:iam::{account.id}:root"}
    for document in (trust("glue.amazonaws.com"), trust(Principal=root)):
        iam.update_assume_role_policy(RoleName="replication", PolicyDocument=document)
        check(f"by {len(document)}", "FAILED", "AssumeRoleNotPermitted")
    of_bucket = {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"}, "StringEquals": {"aws:SourceAccount": account.id}}
    iam.update_assume_role_policy(RoleName="replication", PolicyDocument=trust(Condition=of_bucket))
    check("trusted again", "COMPLETED")
    iam.delete_role_policy(RoleName="replication", PolicyName="replicate")
    iam.delete_role(RoleName="replication")
    check("without a role", "FAILED", "AssumeRoleNotPermitted")


def test_kms_keys_let_the_role_in(account):
    s3, iam, kms = account.client("s3"), account.client("iam"), account.client("kms")
    source, target = versioned(account), versioned(account)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    with_kms = rule(target, EncryptionConfiguration={"ReplicaKmsKeyID": key}) | {
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
    }
    role_of(account)
    replicate(account, source, with_kms)
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}

    def check(name, wanted):
        s3.put_object(Bucket=source, Key=name, Body=b"x", **sealed)
        wait_for(lambda: status(s3, source, name), lambda found: found == wanted, seconds=SECONDS_MAX)

    check("none", "FAILED")
    may(iam, "replication", SOURCE + VERSIONS + COPIES + ["kms:Decrypt"])
    check("decrypt", "FAILED")
    may(iam, "replication", SOURCE + VERSIONS + COPIES + ["kms:Encrypt"])
    check("encrypt", "FAILED")
    may(iam, "replication", SOURCE + VERSIONS + COPIES + ["kms:Decrypt", "kms:Encrypt"])
    check("both", "COMPLETED")
    assert s3.get_object(Bucket=target, Key="both")["SSEKMSKeyId"] == key


def test_what_a_customers_key_seals_is_copied_as_it_is(account):
    s3, source, target = account.client("s3"), versioned(account), versioned(account)
    replicate(account, source, rule(target))
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    other = key | {"SSECustomerKey": b"o" * 32}
    body = bytes(range(256)) * 1000
    put = s3.put_object(Bucket=source, Key="sealed", Body=body, Metadata={"m": "1"}, **key)
    upload = {"Bucket": source, "Key": "parts", "UploadId": s3.create_multipart_upload(Bucket=source, Key="parts", **key)["UploadId"]}
    parts = [body * 21, b"the last"]
    tags = [s3.upload_part(**upload, PartNumber=n + 1, Body=part, **key)["ETag"] for n, part in enumerate(parts)]
    listed = [{"PartNumber": n + 1, "ETag": tag} for n, tag in enumerate(tags)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed}, **key)
    for name, whole in [("sealed", body), ("parts", b"".join(parts))]:
        completed(s3, source, name, **key)
        found = s3.get_object(Bucket=target, Key=name, **key)
        there = s3.head_object(Bucket=source, Key=name, **key)
        assert found["Body"].read() == whole
        assert (found["ETag"], found["VersionId"], found["ReplicationStatus"]) == (there["ETag"], there["VersionId"], "REPLICA")
        assert found["SSECustomerKeyMD5"] == put["SSECustomerKeyMD5"]
        ranged = s3.get_object(Bucket=target, Key=name, Range="bytes=100-65700", **key)
        assert ranged["Body"].read() == whole[100:65701]
        assert code(s3.get_object, Bucket=target, Key=name) == "InvalidRequest"
        assert code(s3.get_object, Bucket=target, Key=name, **other) == "AccessDenied"


def test_copies_elsewhere_follow_what_they_are_copies_of(own_server, tmp_path):
    (tmp_path / "other").mkdir()
    remote = Server(tmp_path / "other" / "data", make_accounts(1)).start()
    try:
        there = remote.accounts[0]
        kept = {"ObjectLockEnabledForBucket": True, "ObjectOwnership": "BucketOwnerPreferred"}
        bucket, plain, theirs = versioned(there, **kept), there.bucket(), there.client("s3")
        theirs.delete_public_access_block(Bucket=bucket)
        own_server.settings = "".join(
            f'[[replication_targets]]\nbucket = "arn:aws:s3:::{name}"\nendpoint = "{remote.endpoint}"\n'
            f'remote_bucket = "{at}"\naccess_key_id = "{there.access_key_id}"\n'
            f'secret_access_key = "{there.secret_access_key}"\naccounts = ["000000000001"]\n'
            for name, at in (("elsewhere", bucket), ("unversioned", plain))
        )
        own_server.start()
        account = own_server.accounts[0]
        s3, source, key = account.client("s3"), versioned(account, **kept), "a/größe 1+2"
        s3.delete_public_access_block(Bucket=source)
        replicate(account, source, rule("elsewhere", prefix="a/"), rule("unversioned", id="two", prefix="b/", priority=2))
        first = s3.put_object(Bucket=source, Key=key, Body=b"one", Tagging="k=v")["VersionId"]
        completed(s3, source, key)
        copy = {"Bucket": bucket, "Key": key, "VersionId": theirs.head_object(Bucket=bucket, Key=key)["VersionId"]}
        s3.put_object(Bucket=source, Key=key, Body=b"two", ACL="public-read", ObjectLockLegalHoldStatus="ON")
        completed(s3, source, key)
        # A copy has the list and the lock of its version from the beginning.
        public = lambda **of: [grant["Permission"] for grant in theirs.get_object_acl(**of)["Grants"] if "URI" in grant["Grantee"]]
        assert public(Bucket=bucket, Key=key) == ["READ"]
        assert theirs.head_object(Bucket=bucket, Key=key)["ObjectLockLegalHoldStatus"] == "ON"
        # What is changed of an older version is changed of its copy, and no copy is made anew.
        changed = {"Bucket": source, "Key": key, "VersionId": first}
        until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
        s3.put_object_tagging(**changed, Tagging={"TagSet": [{"Key": "k", "Value": "w"}, {"Key": "ü", "Value": "a+b =@"}]})
        s3.put_object_acl(**changed, ACL="public-read")
        s3.put_object_retention(**changed, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
        s3.put_object_legal_hold(**changed, LegalHold={"Status": "ON"})
        completed(s3, source, key, VersionId=first)
        tags = {tag["Key"]: tag["Value"] for tag in theirs.get_object_tagging(**copy)["TagSet"]}
        assert tags == {"k": "w", "ü": "a+b =@"}
        assert theirs.get_object_retention(**copy)["Retention"] == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
        assert theirs.get_object_legal_hold(**copy)["LegalHold"]["Status"] == "ON"
        assert public(**copy) == ["READ"]
        s3.delete_object_tagging(**changed)
        s3.put_object_acl(**changed, ACL="private")
        s3.put_object_legal_hold(**changed, LegalHold={"Status": "OFF"})
        s3.put_object_retention(
            **changed, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until - timedelta(hours=1)}, BypassGovernanceRetention=True
        )
        completed(s3, source, key, VersionId=first)
        assert theirs.get_object_tagging(**copy)["TagSet"] == [] and public(**copy) == []
        assert theirs.get_object_legal_hold(**copy)["LegalHold"]["Status"] == "OFF"
        assert theirs.get_object_retention(**copy)["Retention"]["RetainUntilDate"] == until - timedelta(hours=1)
        assert len(versions(theirs, bucket)) == 2
        # A copy that is gone stays gone.
        theirs.delete_object(**copy, BypassGovernanceRetention=True)
        s3.put_object_tagging(**changed, Tagging={"TagSet": [{"Key": "k", "Value": "x"}]})
        completed(s3, source, key, VersionId=first)
        assert len(versions(theirs, bucket)) == 1
        # Where the store does not say which version the copy is, changes have nowhere to go.
        s3.put_object(Bucket=source, Key="b/1", Body=b"x")
        completed(s3, source, "b/1")
        s3.put_object_tagging(Bucket=source, Key="b/1", Tagging={"TagSet": [{"Key": "k", "Value": "x"}]})
        wait_for(lambda: status(s3, source, "b/1"), lambda found: found == "FAILED", seconds=SECONDS_MAX)
        # Only the customer has the key of what it seals.
        sealed = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
        s3.put_object(Bucket=source, Key="a/sealed", Body=b"x", **sealed)
        wait_for(lambda: status(s3, source, "a/sealed", **sealed), lambda found: found == "FAILED", seconds=SECONDS_MAX)
    finally:
        if remote.process.poll() is None:
            remote.kill()


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
