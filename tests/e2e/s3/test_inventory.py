"""S3 Inventory: its configurations, and the lists that are delivered, read by pyarrow and compared with what the bucket says itself."""

import base64
import csv
import gzip
import hashlib
import io
import json
import urllib.parse
from datetime import datetime, timedelta, timezone

import pyarrow.orc
import pyarrow.parquet
import pytest
from botocore.exceptions import ClientError

from ..athena.test_athena import rows as athena_rows, run as athena_run
from ..conftest import Server, allow, make_accounts, wait_for
from .test_batch_operations import TAG, Batch, counts

DAY = "[debug]\nday_seconds = 2\n"
FIELDS = [
    "Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded", "ReplicationStatus", "EncryptionStatus",
    "ObjectLockRetainUntilDate", "ObjectLockMode", "ObjectLockLegalHoldStatus", "IntelligentTieringAccessTier",
    "BucketKeyStatus", "ChecksumAlgorithm", "ObjectAccessControlList", "ObjectOwner", "LifecycleExpirationDate",
]  # fmt: skip
NAMES = ["bucket", "key", "version_id", "is_latest", "is_delete_marker", "size", "last_modified_date", "e_tag"]
FLAGS = {"is_latest", "is_delete_marker", "is_multipart_uploaded"}
TIMES = {"last_modified_date", "object_lock_retain_until_date", "lifecycle_expiration_date"}


@pytest.fixture(scope="module")
def short_days(tmp_path_factory):
    """A server whose days have two seconds."""
    server = Server(tmp_path_factory.mktemp("inventory") / "data", make_accounts(60), settings=DAY).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def owners(short_days):
    return iter(short_days.accounts)


@pytest.fixture
def owner(owners):
    return next(owners)


def inventory(target, name="all", **more):
    destination = {"Bucket": f"arn:aws:s3:::{target}", "Format": more.pop("format", "CSV")} | more.pop("to", {})
    return {
        "Id": name,
        "IsEnabled": True,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": destination},
    } | more


def put(s3, bucket, wanted, name=None):
    s3.put_bucket_inventory_configuration(Bucket=bucket, Id=name or wanted["Id"], InventoryConfiguration=wanted)


def let_in(account, target, source, prefix=""):
    """The policy that AWS's own page has."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/{prefix}*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"},
            "StringEquals": {"aws:SourceAccount": account.id, "s3:x-amz-acl": "bucket-owner-full-control"},
        },
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client("s3").put_bucket_policy(Bucket=target, Policy=policy)


def code(call, *arguments, **named) -> str:
    with pytest.raises(ClientError) as refused:
        call(*arguments, **named)
    return refused.value.response["Error"]["Code"]


def keys(s3, bucket, **more) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, **more).get("Contents", [])]


def read(s3, bucket, key) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def delivered(s3, target, source, name="all", prefix="") -> dict:
    """The manifest of the first list, once it is there; no other is made after it."""
    folder = f"{prefix}{source}/{name}/"
    found = wait_for(lambda: [key for key in keys(s3, target, Prefix=folder) if key.endswith("/manifest.json")])
    s3.delete_bucket_inventory_configuration(Bucket=source, Id=name)
    body = read(s3, target, found[0])
    assert read(s3, target, found[0].replace(".json", ".checksum")).decode() == hashlib.md5(body).hexdigest()
    manifest = json.loads(body)
    assert manifest["sourceBucket"] == source and manifest["destinationBucket"] == f"arn:aws:s3:::{target}"
    assert manifest["version"] == "2016-11-30"
    started = datetime.fromtimestamp(int(manifest["creationTimestamp"]) / 1000, timezone.utc)
    assert found[0] == folder + started.strftime("%Y-%m-%dT%H-%MZ/manifest.json")
    links = read(s3, target, folder + started.strftime("hive/dt=%Y-%m-%d-%H-%M/symlink.txt")).decode()
    assert links.splitlines() == [f"s3://{target}/{file['key']}" for file in manifest["files"]]
    return manifest


def value(name, text):
    """A field of CSV as the other forms have it."""
    if text == "":
        return None
    if name in FLAGS:
        return {"true": True, "false": False}[text]
    if name in TIMES:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return int(text) if name == "size" else urllib.parse.unquote(text) if name == "key" else text


def snake(name) -> str:
    return "e_tag" if name == "ETag" else "".join("_" * (at > 0 and c.isupper()) + c.lower() for at, c in enumerate(name))


def listed(s3, target, manifest) -> list[dict]:
    """All rows of a list."""
    found = []
    for file in manifest["files"]:
        body = read(s3, target, file["key"])
        assert (len(body), hashlib.md5(body).hexdigest()) == (file["size"], file["MD5checksum"])
        if manifest["fileFormat"] == "CSV":
            assert file["key"].endswith(".csv.gz")
            names = [snake(name) for name in manifest["fileSchema"].split(", ")]
            lines = list(csv.reader(io.StringIO(gzip.decompress(body).decode())))
            assert all(len(line) == len(names) for line in lines)
            found += [{name: value(name, text) for name, text in zip(names, line)} for line in lines]
            continue
        if manifest["fileFormat"] == "Parquet":
            assert file["key"].endswith(".parquet") and manifest["fileSchema"].startswith("message s3.inventory {")
            table = pyarrow.parquet.read_table(io.BytesIO(body))
        else:
            assert file["key"].endswith(".orc") and manifest["fileSchema"].startswith("struct<bucket:string,key:string")
            table = pyarrow.orc.ORCFile(io.BytesIO(body)).read()
        for row in table.to_pylist():
            for name in TIMES & row.keys():
                if row[name] is not None:
                    # Of ORC, pyarrow makes times of pandas.
                    row[name] = getattr(row[name], "to_pydatetime", lambda: row[name])().replace(tzinfo=timezone.utc)
            found.append(row)
    return found


def told(s3, bucket, prefix="") -> list[dict]:
    """What the bucket says itself, as rows with the first columns."""
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Versions", []):
            found.append(entry | {"is_delete_marker": False})
        for entry in page.get("DeleteMarkers", []):
            found.append(entry | {"is_delete_marker": True})
    rows = [
        {
            "bucket": bucket,
            "key": entry["Key"],
            "version_id": None if entry["VersionId"] == "null" else entry["VersionId"],
            "is_latest": entry["IsLatest"],
            "is_delete_marker": entry["is_delete_marker"],
            "size": entry.get("Size"),
            "last_modified_date": entry["LastModified"],
            "e_tag": entry.get("ETag", "").strip('"') or None,
        }
        for entry in found
    ]
    return sorted(rows, key=lambda row: (row["key"], row["version_id"] or ""))


def first_columns(rows) -> list[dict]:
    cut = [{name: row[name] for name in NAMES} for row in rows]
    return sorted(cut, key=lambda row: (row["key"], row["version_id"] or ""))


def test_configurations_are_kept(account):
    s3, bucket, target = account.client("s3"), account.bucket(), account.bucket()
    get = s3.get_bucket_inventory_configuration
    assert code(get, Bucket=bucket, Id="all") == "NoSuchConfiguration"
    assert code(s3.delete_bucket_inventory_configuration, Bucket=bucket, Id="all") == "NoSuchConfiguration"
    to = {"AccountId": account.id, "Prefix": "lists", "Encryption": {"SSEKMS": {"KeyId": "alias/lists"}}}
    for wanted in (
        inventory(target),
        inventory(target, format="ORC", IsEnabled=False, IncludedObjectVersions="Current"),
        inventory(target, format="Parquet", to=to, Schedule={"Frequency": "Weekly"}, OptionalFields=FIELDS),
        inventory(target, Filter={"Prefix": "raw/"}, OptionalFields=["ETag", "Size"], to={"Encryption": {"SSES3": {}}}),
    ):
        put(s3, bucket, wanted)
        assert get(Bucket=bucket, Id="all")["InventoryConfiguration"] == wanted
    for refused, wanted in (
        ("InvalidS3DestinationBucket", inventory(target, to={"Bucket": target})),
        ("InvalidS3DestinationBucket", inventory(target, to={"Bucket": f"arn:aws:s3::{account.id}:{target}"})),
        ("InvalidArgument", inventory(target, "not an id")),
        ("MalformedXML", inventory(target, format="Avro")),
        ("MalformedXML", inventory(target, Schedule={"Frequency": "Hourly"})),
        ("MalformedXML", inventory(target, IncludedObjectVersions="Some")),
        ("MalformedXML", inventory(target, OptionalFields=["Colour"])),
        ("NotImplemented", inventory(target, OptionalFields=["ObjectLockEventHoldStatus"])),
    ):
        assert code(put, s3, bucket, wanted) == refused, wanted
    assert code(put, s3, bucket, inventory(target), "other") == "InvalidArgument"
    assert code(put, s3, "no-such-bucket-anywhere", inventory(target)) == "NoSuchBucket"
    s3.delete_bucket_inventory_configuration(Bucket=bucket, Id="all")
    assert code(get, Bucket=bucket, Id="all") == "NoSuchConfiguration"


def test_configurations_are_paged(account):
    s3, bucket = account.client("s3"), account.bucket()
    for number in range(103):
        put(s3, bucket, inventory(bucket, f"i-{number:03}", IsEnabled=False))
    first = s3.list_bucket_inventory_configurations(Bucket=bucket)
    assert first["IsTruncated"] and len(first["InventoryConfigurationList"]) == 100
    token = first["NextContinuationToken"]
    second = s3.list_bucket_inventory_configurations(Bucket=bucket, ContinuationToken=token)
    assert not second["IsTruncated"] and second["ContinuationToken"] == token
    both = first["InventoryConfigurationList"] + second["InventoryConfigurationList"]
    assert [found["Id"] for found in both] == [f"i-{number:03}" for number in range(103)]
    refused = code(s3.list_bucket_inventory_configurations, Bucket=bucket, ContinuationToken="%")
    assert refused == "InvalidArgument"


def test_policies_may_speak_of_fields(account):
    s3, bucket = account.client("s3"), account.bucket()
    only = {"ForAllValues:StringEquals": {"s3:InventoryAccessibleOptionalFields": ["Size", "ETag"]}}
    user = account.user("lister", allow("s3:PutInventoryConfiguration", Condition=only)).client("s3")
    put(user, bucket, inventory(bucket, OptionalFields=["Size"]))
    put(user, bucket, inventory(bucket))
    assert code(put, user, bucket, inventory(bucket, OptionalFields=["Size", "ObjectOwner"])) == "AccessDenied"
    assert code(user.get_bucket_inventory_configuration, Bucket=bucket, Id="all") == "AccessDenied"


@pytest.mark.parametrize("form", ["CSV", "Parquet", "ORC"])
def test_a_list_says_what_the_bucket_says(owner, form):
    s3, source, target = owner.client("s3"), f"lock-{owner.id}", owner.bucket()
    s3.create_bucket(Bucket=source, ObjectLockEnabledForBucket=True, ObjectOwnership="BucketOwnerPreferred")
    kms = owner.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0123456789abcdef" * 2}
    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=2)
    s3.put_object(Bucket=source, Key="plain", Body=b"1")
    s3.put_object(Bucket=source, Key="plain", Body=b"22", ChecksumAlgorithm="SHA256")
    s3.put_object(Bucket=source, Key="a b/ü+%,\"x\"\n", Body=b"", ACL="private", StorageClass="INTELLIGENT_TIERING")
    s3.put_object(Bucket=source, Key="kms", Body=b"3", ServerSideEncryption="aws:kms", SSEKMSKeyId=key, BucketKeyEnabled=True)
    s3.put_object(Bucket=source, Key="customer", Body=b"4", StorageClass="STANDARD_IA", **customer)
    s3.put_object(Bucket=source, Key="locked", Body=b"5", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    s3.put_object(Bucket=source, Key="held", Body=b"6", ObjectLockLegalHoldStatus="ON")
    upload = s3.create_multipart_upload(Bucket=source, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=source, Key="parts", UploadId=upload, PartNumber=1, Body=b"7")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=source, Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.put_object(Bucket=source, Key="gone", Body=b"8")
    s3.delete_object(Bucket=source, Key="gone")
    let_in(owner, target, source, "deep/lists/")
    wanted = inventory(target, format=form, OptionalFields=FIELDS, to={"Prefix": "deep/lists", "AccountId": owner.id})
    put(s3, source, wanted)
    manifest = delivered(s3, target, source, prefix="deep/lists/")
    assert manifest["fileFormat"] == form
    found = listed(s3, target, manifest)
    assert first_columns(found) == told(s3, source)
    latest = {row["key"]: row for row in found if row["is_latest"]}

    def check(key, **expected):
        assert {name: latest[key][name] for name in expected} == expected, key

    marker = {name for name, value in latest["gone"].items() if value is not None}
    assert marker == {*NAMES[:5], "last_modified_date", "object_owner"}
    me = f"{int(owner.id):064x}"
    for row in found:
        assert row["object_owner"] == me
        if not row["is_delete_marker"]:
            acl = json.loads(base64.b64decode(row["object_access_control_list"]))
            grants = [{"canonicalId": me, "permission": "FULL_CONTROL", "type": "CanonicalUser"}]
            assert acl == {"version": "2022-11-10", "status": "AVAILABLE", "grants": grants}
    unlocked = {"object_lock_mode": None, "object_lock_retain_until_date": None, "object_lock_legal_hold_status": "OFF"}
    sse_s3 = {"encryption_status": "SSE-S3", "bucket_key_status": "DISABLED"}
    check("plain", storage_class="STANDARD", is_multipart_uploaded=False, checksum_algorithm="SHA256", **unlocked, **sse_s3)
    check("plain", replication_status=None, intelligent_tiering_access_tier=None, lifecycle_expiration_date=None)
    check("a b/ü+%,\"x\"\n", storage_class="INTELLIGENT_TIERING", intelligent_tiering_access_tier="FREQUENT")
    check("kms", encryption_status="SSE-KMS", bucket_key_status="ENABLED")
    check("customer", encryption_status="SSE-C", bucket_key_status="DISABLED", storage_class="STANDARD_IA")
    check("locked", object_lock_mode="GOVERNANCE", object_lock_retain_until_date=until)
    check("held", object_lock_legal_hold_status="ON", object_lock_mode=None)
    check("parts", is_multipart_uploaded=True)


@pytest.mark.parametrize("form", ["CSV", "Parquet", "ORC"])
def test_only_the_latest_of_a_prefix(owner, form):
    s3, source, target = owner.client("s3"), owner.bucket(), owner.bucket()
    s3.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    for number in range(1_203):
        s3.put_object(Bucket=source, Key=f"in/{number:05}", Body=b"x" * (number % 7))
    s3.put_object(Bucket=source, Key="in/00001", Body=b"again")
    s3.delete_object(Bucket=source, Key="in/00002")
    s3.put_object(Bucket=source, Key="out", Body=b"x")
    let_in(owner, target, source)
    more = {"IncludedObjectVersions": "Current", "Filter": {"Prefix": "in/"}, "OptionalFields": ["Size"]}
    put(s3, source, inventory(target, format=form, Schedule={"Frequency": "Weekly"}, **more))
    rows = listed(s3, target, delivered(s3, target, source))
    expected = [(f"in/{number:05}", number % 7) for number in range(1_203) if number != 2]
    expected[1] = ("in/00001", 5)
    assert [(row["key"], row["size"]) for row in rows] == expected
    assert set(rows[0]) == {"bucket", "key", "size"}


def test_an_empty_bucket_has_an_empty_list(owner):
    s3, source, target = owner.client("s3"), owner.bucket(), owner.bucket()
    let_in(owner, target, source)
    put(s3, source, inventory(target))
    assert delivered(s3, target, source)["files"] == []


def test_lists_are_encrypted_as_asked(owner, owners):
    """By a key of the account's own, into another account's bucket."""
    s3, source, other = owner.client("s3"), owner.bucket(), next(owners)
    theirs, target = other.client("s3"), other.bucket()
    s3.put_object(Bucket=source, Key="a", Body=b"1")
    use = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "kms:GenerateDataKey",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": owner.id}},
    }
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{other.id}:root"}, "Action": "kms:*", "Resource": "*"}
    make = lambda *statements: other.client("kms").create_key(  # noqa: E731
        Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    )["KeyMetadata"]["Arn"]
    key, closed = make(root, use), make(root)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*",
        "Condition": {"StringEquals": {"aws:SourceAccount": owner.id}},
    }
    theirs.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    to = lambda key: {"Encryption": {"SSEKMS": {"KeyId": key}}, "AccountId": other.id}  # noqa: E731
    put(s3, source, inventory(target, "closed", to=to(closed)))
    put(s3, source, inventory(target, "of-another", to={"AccountId": owner.id}))
    put(s3, source, inventory(target, to=to(key)))
    folder = f"{source}/all/"
    wait_for(lambda: [found for found in keys(theirs, target, Prefix=folder) if found.endswith("/manifest.json")])
    for found in keys(theirs, target, Prefix=folder):
        head = theirs.head_object(Bucket=target, Key=found)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    # They were due first.
    assert [found for found in keys(theirs, target) if not found.startswith(folder)] == []


def test_a_bucket_must_let_lists_in(owner):
    s3, source, target = owner.client("s3"), owner.bucket(), owner.bucket()
    s3.put_object(Bucket=source, Key="a", Body=b"1")
    let_in(owner, target, source, "yes/")
    put(s3, source, inventory(target, "refused", to={"Prefix": "no"}))
    put(s3, source, inventory(target, "taken", to={"Prefix": "yes"}))
    # Those of one day are made in the order of their ids.
    delivered(s3, target, source, "taken", "yes/")
    assert keys(s3, target, Prefix="no") == []
    # The next day is another try.
    let_in(owner, target, source)
    delivered(s3, target, source, "refused", "no/")


def test_sql_reads_lists(owner):
    s3, athena, source, target = owner.client("s3"), owner.client("athena"), owner.bucket(), owner.bucket()
    for number in range(20):
        s3.put_object(Bucket=source, Key=f"zone={number % 2}/{number}", Body=b"x" * number)
    let_in(owner, target, source)
    more = {"IncludedObjectVersions": "Current", "OptionalFields": ["Size", "LastModifiedDate", "StorageClass"]}
    put(s3, source, inventory(target, format="Parquet", **more))
    delivered(s3, target, source)
    athena_run(athena, "CREATE DATABASE lists")
    athena_run(
        athena,
        "CREATE EXTERNAL TABLE lists.objects (bucket string, key string, size bigint, last_modified_date timestamp, "
        f"storage_class string) STORED AS PARQUET LOCATION 's3://{target}/{source}/all/data/'",
    )
    query = "SELECT substr(key, 1, 6), sum(size), count(DISTINCT key) FROM lists.objects WHERE storage_class = 'STANDARD' "
    found = athena_rows(athena, athena_run(athena, query + "AND last_modified_date > date '2020-01-01' GROUP BY 1 ORDER BY 1"))
    assert [(row[0], row[2]) for row in found[1:]] == [("zone=0", "10"), ("zone=1", "10")]


def test_a_killed_server_delivers_whole_lists(own_server):
    """Killed again and again while it makes lists: each manifest that is there is of a whole list, and names files that are there."""
    own_server.settings = DAY
    owner = own_server.start().accounts[0]
    s3, source, target = owner.client("s3"), owner.bucket(), owner.bucket()
    expected = [f"{number:05}-" + "k" * 200 for number in range(1_500)]
    for key in expected:
        s3.put_object(Bucket=source, Key=key)
    let_in(owner, target, source)
    for name in ("a", "b", "c"):
        form = {"a": "CSV", "b": "Parquet", "c": "ORC"}[name]
        put(s3, source, inventory(target, name, format=form, OptionalFields=FIELDS))
    for _ in range(8):
        # While a list is being written: something new is there, and the rest is not.
        before = set(keys(s3, target))
        wait_for(lambda: set(keys(s3, target)) - before)
        own_server.kill()
        own_server.start()
        s3 = owner.client("s3")
        for key in keys(s3, target):
            if key.endswith("/manifest.json"):
                rows = listed(s3, target, json.loads(read(s3, target, key)))
                assert [row["key"] for row in rows] == expected
    for name in ("a", "b", "c"):
        rows = listed(s3, target, delivered(s3, target, source, name))
        assert [row["key"] for row in rows] == expected


@pytest.mark.parametrize("form", ["CSV", "Parquet", "ORC"])
def test_a_list_is_a_manifest(owner, form):
    """From the inventory to the job to the tags."""
    s3, source, target = owner.client("s3"), owner.bucket(), owner.bucket()
    s3.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    named = ["a b/ü+%,\"x\"\n", "plain"] + [f"many/{number:04}" for number in range(600)]
    versions = {key: s3.put_object(Bucket=source, Key=key, Body=b"x")["VersionId"] for key in named}
    let_in(owner, target, source)
    put(s3, source, inventory(target, format=form))
    delivered(s3, target, source)
    [key] = [key for key in keys(s3, target, Prefix=f"{source}/") if key.endswith("/manifest.json")]
    batch = Batch(owner, target)
    job = batch.run(TAG, manifest_of(s3, target, key))
    assert counts(job) == ("Complete", len(named), len(named), 0), job
    for key in named[:5]:
        found = s3.get_object_tagging(Bucket=source, Key=key, VersionId=versions[key])["TagSet"]
        assert found == [{"Key": "seen", "Value": "yes"}]
    # A file that is not the one of its manifest is refused; lines are read while their digest is taken.
    data = next(file for file in keys(s3, target) if "/data/" in file)
    s3.put_object(Bucket=target, Key=data, Body=read(s3, target, data) + b"\n")
    [key] = [key for key in keys(s3, target, Prefix=f"{source}/") if key.endswith("/manifest.json")]
    job = batch.run(TAG, manifest_of(s3, target, key))
    assert job["Status"] == "Failed" and job["FailureReasons"][0]["FailureCode"] in ("ManifestChanged", "ManifestInvalid")


def manifest_of(s3, bucket, key) -> dict:
    tag = s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    location = {"ObjectArn": f"arn:aws:s3:::{bucket}/{key}", "ETag": tag}
    return {"Spec": {"Format": "S3InventoryReport_CSV_20161130"}, "Location": location}


@pytest.mark.parametrize("compression", ["uncompressed", "zlib", "zstd", "snappy"])
@pytest.mark.parametrize("form", ["Parquet", "ORC"])
def test_lists_of_other_writers_are_manifests(owner, form, compression):
    if (form, compression) == ("Parquet", "zlib"):
        compression = "gzip"
    batch = Batch(owner)
    named = [f"k/{number * number:07}" for number in range(900)] + ["ü" * length for length in (1, 90, 200)]
    for key in ("k/0000000", "k/0000004"):
        batch.put(key)
    table = pyarrow.table({"bucket": [batch.bucket] * len(named), "size": range(len(named)), "key": named})
    file = io.BytesIO()
    if form == "ORC":
        pyarrow.orc.write_table(table, file, compression=compression, dictionary_key_size_threshold=1, stripe_size=4096)
        schema = "struct<bucket:string,size:bigint,key:string>"
    else:
        pyarrow.parquet.write_table(table, file, compression=compression.replace("uncompressed", "none"), row_group_size=300)
        schema = "message s3.inventory {  required binary bucket (STRING);  optional int64 size;  required binary key (STRING);}"
    body = file.getvalue()
    batch.put("lists/data", body)
    entry = {"key": "lists/data", "size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()}
    manifest = {"sourceBucket": batch.bucket, "destinationBucket": f"arn:aws:s3:::{batch.bucket}", "version": "2016-11-30"}
    manifest |= {"creationTimestamp": "1", "fileFormat": form, "fileSchema": schema, "files": [entry]}
    batch.put("lists/manifest.json", json.dumps(manifest).encode())
    job = batch.run(TAG, manifest_of(batch.s3, batch.bucket, "lists/manifest.json"))
    if (form, compression) == ("ORC", "snappy"):
        assert job["Status"] == "Failed" and "zlib and zstd" in job["FailureReasons"][0]["FailureReason"]
        return
    assert counts(job)[1:] == (len(named), 2, len(named) - 2), job
    assert batch.tags("k/0000000") == batch.tags("k/0000004") == {"seen": "yes"}
