"""S3 as Terraform's aws provider calls it: what it made is read back whole, a second plan finds nothing to do, and what is gone says so."""

import json

import pytest

from ..conftest import allow
from ..terraform import Resource, ask
from .test_logging import let_logs_in
from .test_public_access import control

TAGS = [{"Key": "team", "Value": "lake"}]
OTHER_TAGS = [{"Key": "team", "Value": "ml"}]


def bucket_reads(account, bucket: str) -> Resource:
    """What the provider reads of every bucket, since 6.23 with tags from S3 Control."""
    s3 = account.client("s3")
    calls = (
        s3.head_bucket, s3.get_bucket_policy, s3.get_bucket_acl, s3.get_bucket_cors, s3.get_bucket_website,
        s3.get_bucket_versioning, s3.get_bucket_accelerate_configuration, s3.get_bucket_request_payment,
        s3.get_bucket_logging, s3.get_bucket_lifecycle_configuration, s3.get_bucket_replication,
        s3.get_bucket_encryption, s3.get_object_lock_configuration, s3.get_bucket_location,
    )
    arn = {"AccountId": account.id, "ResourceArn": f"arn:aws:s3:::{bucket}"}
    return Resource(*((call, {"Bucket": bucket}) for call in calls), (control(account).list_tags_for_resource, arn))


# What the answers about a bucket without settings must be: other codes end a plan.
AES256 = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
BARE = {
    1: "NoSuchBucketPolicy",
    3: "NoSuchCORSConfiguration",
    4: "NoSuchWebsiteConfiguration",
    5: {},
    6: {},
    7: {"Payer": "BucketOwner"},
    8: {},
    9: "NoSuchLifecycleConfiguration",
    10: "ReplicationConfigurationNotFoundError",
    12: "ObjectLockConfigurationNotFoundError",
    13: {"LocationConstraint": None},
}


def test_bucket(account):
    s3, bucket = account.client("s3"), f"b-{account.id}-tf"
    reads = bucket_reads(account, bucket)
    assert reads.ask() == ["404"] + ["NoSuchBucket"] * 13 + ["NoSuchResource"]
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"Tags": TAGS})
    s3.get_waiter("bucket_exists").wait(Bucket=bucket)
    found = reads.read()
    assert {number: found[number] for number in BARE} == BARE
    assert found[0]["BucketRegion"] == "us-east-1"
    [rule] = found[11]["ServerSideEncryptionConfiguration"]["Rules"]
    assert AES256.items() <= rule.items()
    assert [grant["Permission"] for grant in found[2]["Grants"]] == ["FULL_CONTROL"]
    assert found[14]["Tags"] == TAGS

    s3control = control(account)
    # Where the server has a name, the account's id stands before it.
    host = f"{account.id}.localhost:{s3control.meta.endpoint_url.rsplit(':')[-1]}"
    name = "request-created.s3-control.TagResource"
    s3control.meta.events.register_first(name, lambda request, **_: request.headers.__setitem__("Host", host))
    arn = {"AccountId": account.id, "ResourceArn": f"arn:aws:s3:::{bucket}"}
    s3control.tag_resource(**arn, Tags=[{"Key": "stage", "Value": "raw"}, *OTHER_TAGS])
    assert reads.read()[14]["Tags"] == [{"Key": "stage", "Value": "raw"}, *OTHER_TAGS]
    # Older providers read the same tags from S3.
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == reads.ask()[14]["Tags"]
    s3control.untag_resource(**arn, TagKeys=["team", "none"])
    assert reads.read()[14]["Tags"] == [{"Key": "stage", "Value": "raw"}]
    s3control.untag_resource(**arn, TagKeys=["stage"])
    assert reads.read()[14]["Tags"] == []

    # `force_destroy`.
    s3.put_object(Bucket=bucket, Key="k")
    assert ask(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    versions = [{"Key": found["Key"], "VersionId": found["VersionId"]} for found in s3.list_object_versions(Bucket=bucket)["Versions"]]
    assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
    s3.delete_bucket(Bucket=bucket)
    s3.get_waiter("bucket_not_exists").wait(Bucket=bucket)
    assert reads.ask()[0] == "404"
    assert ask(s3.delete_bucket, Bucket=bucket) == "NoSuchBucket"


def test_whose_buckets_are_tagged(server, account):
    bucket = account.bucket()
    arn = {"ResourceArn": f"arn:aws:s3:::{bucket}"}
    tag = control(account).tag_resource
    for resource, tags, code in [
        (f"arn:aws:s3:::{bucket}/key", TAGS, "BadRequestException"),
        ("arn:aws:s3:::b", TAGS, "BadRequestException"),
        (f"arn:aws:s3:::{bucket}-none", TAGS, "NoSuchResource"),
        (f"arn:aws:s3:::{bucket}", [{"Key": "aws:x", "Value": ""}], "InvalidTag"),
        (f"arn:aws:s3:::{bucket}", [{"Key": str(number), "Value": ""} for number in range(51)], "InvalidRequest"),
    ]:
        assert ask(tag, AccountId=account.id, ResourceArn=resource, Tags=tags) == code, resource
    for number in range(50):
        tag(AccountId=account.id, **arn, Tags=[{"Key": str(number), "Value": ""}])
    assert ask(tag, AccountId=account.id, **arn, Tags=TAGS) == "InvalidTag"

    guest = server.root()
    everybody = allow("s3:*", f"arn:aws:s3:::{bucket}", Principal={"AWS": guest.id})
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(everybody))
    listed = control(guest).list_tags_for_resource
    assert ask(listed, AccountId=account.id, **arn) == "AccessDenied"
    assert ask(listed, AccountId=guest.id, **arn) == "NoSuchResource"

    reader = control(account.user("reader", allow("s3:ListTagsForResource", f"arn:aws:s3:::{bucket}")))
    assert len(ask(reader.list_tags_for_resource, AccountId=account.id, **arn)["Tags"]) == 50
    assert ask(reader.untag_resource, AccountId=account.id, **arn, TagKeys=["0"]) == "AccessDenied"
    team = allow("s3:TagResource", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["0"]}})
    tagger = control(account.user("tagger", team))
    assert ask(tagger.tag_resource, AccountId=account.id, **arn, Tags=[{"Key": "0", "Value": "new"}]) == {}
    assert ask(tagger.tag_resource, AccountId=account.id, **arn, Tags=TAGS) == "AccessDenied"


def versioning(status: str) -> dict:
    return {"VersioningConfiguration": {"Status": status}}


def lifecycle(*rules: dict) -> dict:
    return {"LifecycleConfiguration": {"Rules": list(rules)}}


def policy(bucket: str, *actions: str) -> dict:
    return {"Policy": json.dumps(allow(list(actions), f"arn:aws:s3:::{bucket}/*", Principal="*", Condition={"Bool": {"aws:SecureTransport": "true"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))}


def ownership(kind: str) -> dict:
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": kind}]}}


def block(*switches: bool) -> dict:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {"PublicAccessBlockConfiguration": dict(zip(names, switches, strict=True))}


def encryption(rule: dict) -> dict:
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


EXPIRE = {
    "ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30},
    "NoncurrentVersionExpiration": {"NoncurrentDays": 7, "NewerNoncurrentVersions": 2},
}
MOVE = {
    "ID": "move", "Status": "Disabled",
    "Filter": {"And": {"Prefix": "a/", "Tags": TAGS, "ObjectSizeGreaterThan": 1, "ObjectSizeLessThan": 9}},
    "Transitions": [{"Days": 90, "StorageClass": "STANDARD_IA"}],
}
ABORT = {"ID": "abort", "Status": "Enabled", "Filter": {"Prefix": "b/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}
CORS = {
    "ID": "site", "AllowedHeaders": ["*"], "AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://example.com"],
    "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60,
}


# Each is put, read, put otherwise, read, taken away: by what the calls are called, what is put, the code of what is gone.
SETTINGS = [
    ("bucket_policy", lambda bucket: [policy(bucket, "s3:GetObject"), policy(bucket, "s3:GetObject", "s3:PutObject")], "NoSuchBucketPolicy"),
    (
        "bucket_lifecycle_configuration",
        lambda bucket: [lifecycle(EXPIRE, MOVE), lifecycle(ABORT) | {"TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}],
        "NoSuchLifecycleConfiguration",
    ),
    ("bucket_ownership_controls", lambda _: [ownership("BucketOwnerPreferred"), ownership("BucketOwnerEnforced")], "OwnershipControlsNotFoundError"),
    ("public_access_block", lambda _: [block(True, False, True, False), block(*[True] * 4)], "NoSuchPublicAccessBlockConfiguration"),
    ("bucket_cors", lambda _: [{"CORSConfiguration": {"CORSRules": [CORS]}}, {"CORSConfiguration": {"CORSRules": [CORS, CORS | {"ID": "b"}]}}], "NoSuchCORSConfiguration"),
    (
        "bucket_website",
        lambda _: [
            {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}},
            {"WebsiteConfiguration": {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}}},
        ],
        "NoSuchWebsiteConfiguration",
    ),
]


@pytest.mark.parametrize(("name", "values", "gone"), SETTINGS, ids=[name for name, _, _ in SETTINGS])
def test_settings_come_and_go(account, name, values, gone):
    s3, bucket = account.client("s3"), account.bucket()
    get, put = getattr(s3, f"get_{name}"), getattr(s3, f"put_{name}")
    delete = getattr(s3, f"delete_{name.removesuffix('_configuration')}")
    reads = Resource((get, {"Bucket": bucket}))
    delete(Bucket=bucket)
    for value in values(bucket):
        put(Bucket=bucket, **value)
        [found] = reads.read()
        [wanted] = [value[member] for member in value if member != "TransitionDefaultMinimumObjectSize"]
        if name == "bucket_policy":
            assert json.loads(found["Policy"]) == json.loads(wanted)
            continue
        assert found.pop("TransitionDefaultMinimumObjectSize", None) == value.get(
            "TransitionDefaultMinimumObjectSize", "all_storage_classes_128K" if "lifecycle" in name else None
        )
        # Some answers are what was put, some are in an element.
        assert found == wanted or list(found.values()) == [wanted]
    delete(Bucket=bucket)
    assert reads.ask() == [gone]
    # A second apply that lost its state.
    delete(Bucket=bucket)
    assert ask(delete, Bucket=f"{bucket}-none") == ask(get, Bucket=f"{bucket}-none") == "NoSuchBucket"


def test_settings_that_stay(account):
    """What cannot be taken away is put as it was before."""
    s3, bucket = account.client("s3"), account.bucket()
    logs = account.bucket()
    let_logs_in(account, logs, bucket)
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    kms = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}, "BucketKeyEnabled": True}
    target = {"LoggingEnabled": {"TargetBucket": logs, "TargetPrefix": "log/"}}
    partitioned = {"LoggingEnabled": target["LoggingEnabled"] | {"TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}}
    # The member of the request, what is put one after the other, and what is then read if it is not what was put.
    cases = [
        ("bucket_versioning", "VersioningConfiguration", [{"Status": "Enabled"}, {"Status": "Suspended"}]),
        ("bucket_accelerate_configuration", "AccelerateConfiguration", [{"Status": "Enabled"}, {"Status": "Suspended"}]),
        ("bucket_request_payment", "RequestPaymentConfiguration", [{"Payer": "Requester"}, {"Payer": "BucketOwner"}]),
        ("bucket_logging", "BucketLoggingStatus", [target, partitioned, {}]),
        ("bucket_notification_configuration", "NotificationConfiguration", [{"EventBridgeConfiguration": {}}, {}]),
        ("bucket_abac", "AbacStatus", [{"Status": "Enabled"}, {"Status": "Disabled"}]),
    ]
    for name, member, values in cases:
        reads = Resource((getattr(s3, f"get_{name}"), {"Bucket": bucket}))
        for value in values:
            getattr(s3, f"put_{name}")(Bucket=bucket, **{member: value})
            [found] = reads.read()
            assert found in (value, {member: value}), name
    encrypted = Resource((s3.get_bucket_encryption, {"Bucket": bucket}))
    for rule in (kms, AES256 | {"BucketKeyEnabled": False}):
        s3.put_bucket_encryption(Bucket=bucket, **encryption(rule))
        [found] = encrypted.read()[0]["ServerSideEncryptionConfiguration"]["Rules"]
        found.pop("BlockedEncryptionTypes", None)
        assert found == rule
    s3.delete_bucket_encryption(Bucket=bucket)
    [rule] = encrypted.read()[0]["ServerSideEncryptionConfiguration"]["Rules"]
    assert AES256.items() <= rule.items()


def test_object_lock(account):
    s3, bucket = account.client("s3"), f"b-{account.id}-lock"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    lock = Resource((s3.get_object_lock_configuration, {"Bucket": bucket}))
    enabled = {"ObjectLockEnabled": "Enabled"}
    assert lock.read() == [{"ObjectLockConfiguration": enabled}]
    for rule in ({"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}, {"Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}}}, {}):
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=enabled | rule)
        assert lock.read() == [{"ObjectLockConfiguration": enabled | rule}]


def test_acl(account):
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_bucket_ownership_controls(Bucket=bucket, **ownership("BucketOwnerPreferred"))
    acl = Resource((s3.get_bucket_acl, {"Bucket": bucket}))
    [first] = acl.read()
    log_delivery = {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}, "Permission": "WRITE"}
    grants = [*first["Grants"], log_delivery]
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": first["Owner"], "Grants": grants})
    # For the provider they are a set.
    assert sorted(acl.read()[0]["Grants"], key=str) == sorted(grants, key=str)
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert acl.read() == [first]


# Kinds of settings of which a bucket has many, by id.
MANY = [
    ("metrics", {}, {"Filter": {"Prefix": "a/"}}),
    (
        "analytics",
        {"StorageClassAnalysis": {}},
        {"Filter": {"Tag": TAGS[0]}, "StorageClassAnalysis": {}},
    ),
    (
        "intelligent_tiering",
        {"Status": "Enabled", "Tierings": [{"Days": 125, "AccessTier": "ARCHIVE_ACCESS"}]},
        {"Status": "Disabled", "Filter": {"Prefix": "a/"}, "Tierings": [{"Days": 180, "AccessTier": "DEEP_ARCHIVE_ACCESS"}]},
    ),
]


@pytest.mark.parametrize(("kind", "first", "second"), MANY, ids=[kind for kind, _, _ in MANY])
def test_settings_by_id(account, kind, first, second):
    s3, bucket = account.client("s3"), account.bucket()
    name, member = f"bucket_{kind}_configuration", kind.title().replace("_", "") + "Configuration"
    at = {"Bucket": bucket, "Id": "it"}
    reads = Resource((getattr(s3, f"get_{name}"), at))
    assert reads.ask() == ["NoSuchConfiguration"]
    for value in (first, second):
        getattr(s3, f"put_{name}")(**at, **{member: {"Id": "it"} | value})
        assert reads.read() == [{member: {"Id": "it"} | value}]
    getattr(s3, f"delete_{name}")(**at)
    assert reads.ask() == ["NoSuchConfiguration"]
    assert ask(getattr(s3, f"delete_{name}"), **at) == "NoSuchConfiguration"


def test_inventory(account):
    s3, bucket = account.client("s3"), account.bucket()
    at = {"Bucket": bucket, "Id": "it"}
    reads = Resource((s3.get_bucket_inventory_configuration, at))
    assert reads.ask() == ["NoSuchConfiguration"]
    value = {
        "Id": "it", "IsEnabled": True, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
        "Filter": {"Prefix": "a/"}, "OptionalFields": ["Size", "ETag"],
        "Destination": {"S3BucketDestination": {"AccountId": account.id, "Bucket": f"arn:aws:s3:::{bucket}", "Format": "ORC", "Prefix": "inventory"}},
    }
    for changed in (value, value | {"IsEnabled": False, "Schedule": {"Frequency": "Weekly"}}):
        s3.put_bucket_inventory_configuration(**at, InventoryConfiguration=changed)
        assert reads.read() == [{"InventoryConfiguration": changed}]
    s3.delete_bucket_inventory_configuration(**at)
    assert reads.ask() == ["NoSuchConfiguration"]


def test_replication(account):
    s3, source, target = account.client("s3"), account.bucket(), account.bucket()
    for bucket in (source, target):
        s3.put_bucket_versioning(Bucket=bucket, **versioning("Enabled"))
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = account.client("iam").create_role(RoleName="copier", AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
    rule = {
        "ID": "all", "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": ""},
        "Destination": {"Bucket": f"arn:aws:s3:::{target}", "StorageClass": "STANDARD"},
        "DeleteMarkerReplication": {"Status": "Disabled"},
    }
    reads = Resource((s3.get_bucket_replication, {"Bucket": source}))
    for changed in (rule, rule | {"Priority": 2, "Filter": {"And": {"Prefix": "a/", "Tags": TAGS}}}):
        wanted = {"Role": role, "Rules": [changed]}
        s3.put_bucket_replication(Bucket=source, ReplicationConfiguration=wanted)
        assert reads.read() == [{"ReplicationConfiguration": wanted}]
    s3.delete_bucket_replication(Bucket=source)
    assert reads.ask() == ["ReplicationConfigurationNotFoundError"]


def test_account_public_access_block(account):
    s3control = control(account)
    at = {"AccountId": account.id}
    reads = Resource((s3control.get_public_access_block, at))
    assert reads.ask() == ["NoSuchPublicAccessBlockConfiguration"]
    for value in (block(True, False, True, False), block(*[True] * 4)):
        s3control.put_public_access_block(**at, **value)
        assert reads.read() == [value]
    s3control.delete_public_access_block(**at)
    assert reads.ask() == ["NoSuchPublicAccessBlockConfiguration"]


@pytest.mark.parametrize("versioned", [False, True])
def test_object(account, versioned):
    s3, bucket = account.client("s3"), account.bucket()
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, **versioning("Enabled"))
    at = {"Bucket": bucket, "Key": "raw/object.json"}
    reads = Resource((s3.head_object, at | {"ChecksumMode": "ENABLED"}), (s3.get_object_tagging, at))
    assert reads.ask() == ["404", "NoSuchKey"]
    said = {"CacheControl": "no-cache", "ContentType": "application/json", "ContentDisposition": "inline", "ContentLanguage": "en", "Metadata": {"origin": "terraform"}}
    made = s3.put_object(**at, **said, Body=b"{}", ChecksumAlgorithm="SHA256", Tagging="team=lake", StorageClass="STANDARD_IA")
    head, tags = reads.read()
    assert said.items() <= head.items()
    assert {name: head[name] for name in ("ETag", "ChecksumSHA256", "ServerSideEncryption")} == {
        name: made[name] for name in ("ETag", "ChecksumSHA256", "ServerSideEncryption")
    }
    assert (head["StorageClass"], head.get("VersionId"), tags["TagSet"]) == ("STANDARD_IA", made.get("VersionId"), TAGS)
    s3.put_object(**at, Body=b"[]")
    s3.put_object_tagging(**at, Tagging={"TagSet": OTHER_TAGS})
    head, tags = reads.read()
    # STANDARD is not said.
    assert "StorageClass" not in head and head["Metadata"] == {} and tags["TagSet"] == OTHER_TAGS
    if versioned:
        for found in s3.list_object_versions(Bucket=bucket, Prefix=at["Key"])["Versions"]:
            s3.delete_object(**at, VersionId=found["VersionId"])
    else:
        s3.delete_object(**at)
    assert reads.ask() == ["404", "NoSuchKey"]
    s3.delete_bucket(Bucket=bucket)
