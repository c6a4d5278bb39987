"""The MinIO client for Python, which many programs store by whatever store they talk to."""

import hashlib
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, REPLACE, ComposeSource, CopySource, Filter, GOVERNANCE, Tags
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.retention import Retention
from minio.select import CSVInputSerialization, CSVOutputSerialization, SelectRequest
from minio.sse import SseS3
from minio.sseconfig import Rule as SseRule
from minio.sseconfig import SSEConfig
from minio.versioningconfig import VersioningConfig

from .programs import BIG_SIZE_BYTES, digest_of, plant, write_big


@pytest.fixture
def minio(account):
    # It asks where a bucket is if it is not told, as it would in a program that has no setting for it.
    return Minio(
        endpoint=account.endpoint.removeprefix("http://"),
        access_key=account.access_key_id, secret_key=account.secret_access_key, secure=False,
    )  # fmt: skip


def get(minio, **what) -> bytes:
    answer = minio.get_object(**what)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def refused(code: str, call, **arguments):
    with pytest.raises(S3Error) as raised:
        call(**arguments)
    assert raised.value.code == code


def test_buckets_and_a_tree_of_objects(minio, account, tmp_path):
    bucket = f"minio-{account.id}"
    assert not minio.bucket_exists(bucket_name=bucket)
    minio.make_bucket(bucket_name=bucket)
    assert minio.bucket_exists(bucket_name=bucket) and bucket in {found.name for found in minio.list_buckets()}
    files = plant(tmp_path / "from", count=120)
    for name in files:
        minio.fput_object(bucket_name=bucket, object_name=f"tree/{name}", file_path=str(tmp_path / "from" / name))
    found = list(minio.list_objects(bucket_name=bucket, prefix="tree/", recursive=True))
    assert {item.object_name.removeprefix("tree/"): item.size for item in found} == {name: len(data) for name, data in files.items()}
    shallow = {item.object_name for item in minio.list_objects(bucket_name=bucket, prefix="tree/")}
    assert "tree/dir-0/" in shallow and "tree/a b.txt" in shallow
    for name, data in files.items():
        assert get(minio, bucket_name=bucket, object_name=f"tree/{name}") == data
    refused("BucketNotEmpty", minio.remove_bucket, bucket_name=bucket)
    # The client writes characters beyond U+FFFF as references, which the XML reader that Tarn uses does not know: one by one, then.
    beyond = [item for item in found if max(item.object_name) > "\uffff"]
    for item in beyond:
        minio.remove_object(bucket_name=bucket, object_name=item.object_name)
    errors = minio.remove_objects(
        bucket_name=bucket, delete_object_list=[DeleteObject(item.object_name) for item in found if item not in beyond]
    )
    assert list(errors) == [] and len(beyond) == 1
    refused("NoSuchKey", minio.stat_object, bucket_name=bucket, object_name="tree/a b.txt")
    minio.remove_bucket(bucket_name=bucket)
    refused("NoSuchBucket", minio.get_object, bucket_name=bucket, object_name="k")


def test_big_objects_go_in_parts(minio, account, tmp_path):
    bucket = account.bucket()
    digest = write_big(tmp_path / "big")
    put = minio.fput_object(bucket_name=bucket, object_name="big", file_path=str(tmp_path / "big"), part_size=10 << 20)
    stat = minio.stat_object(bucket_name=bucket, object_name="big")
    assert stat.size == BIG_SIZE_BYTES and stat.etag == put.etag and put.etag.endswith("-20")
    minio.fget_object(bucket_name=bucket, object_name="big", file_path=str(tmp_path / "back"))
    assert digest_of(tmp_path / "back") == digest
    # A stream whose length nobody knows.
    stream = io.BytesIO(b"0123456789" * (1 << 20))
    minio.put_object(bucket_name=bucket, object_name="stream", data=stream, length=-1, part_size=5 << 20)
    assert get(minio, bucket_name=bucket, object_name="stream", offset=5 << 20, length=10) == stream.getvalue()[5 << 20 :][:10]
    sources = [
        ComposeSource(bucket_name=bucket, object_name="big", offset=7, length=6 << 20),
        ComposeSource(bucket_name=bucket, object_name="stream"),
    ]
    minio.compose_object(bucket_name=bucket, object_name="composed", sources=sources)
    with (tmp_path / "big").open("rb") as file:
        file.seek(7)
        expected = hashlib.sha256(file.read(6 << 20) + stream.getvalue()).digest()
    assert hashlib.sha256(get(minio, bucket_name=bucket, object_name="composed")).digest() == expected


def test_metadata_tags_and_copies(minio, account):
    bucket = account.bucket()
    tags = Tags.new_object_tags()
    tags["zone"] = "raw + new"
    minio.put_object(
        bucket_name=bucket, object_name="k", data=io.BytesIO(b"text"), length=4,
        content_type="text/x-k", metadata={"origin": "EWR"}, tags=tags, sse=SseS3(),
    )  # fmt: skip
    stat = minio.stat_object(bucket_name=bucket, object_name="k")
    assert (stat.content_type, stat.metadata["x-amz-meta-origin"]) == ("text/x-k", "EWR")
    assert dict(minio.get_object_tags(bucket_name=bucket, object_name="k")) == {"zone": "raw + new"}
    source = CopySource(bucket_name=bucket, object_name="k")
    minio.copy_object(bucket_name=bucket, object_name="copy", source=source)
    minio.copy_object(bucket_name=bucket, object_name="new", source=source, metadata={"origin": "JFK"}, metadata_directive=REPLACE)
    assert minio.stat_object(bucket_name=bucket, object_name="copy").metadata["x-amz-meta-origin"] == "EWR"
    assert minio.stat_object(bucket_name=bucket, object_name="new").metadata["x-amz-meta-origin"] == "JFK"
    changed = CopySource(bucket_name=bucket, object_name="k", match_etag="0" * 32)
    refused("PreconditionFailed", minio.copy_object, bucket_name=bucket, object_name="no", source=changed)
    minio.delete_object_tags(bucket_name=bucket, object_name="k")
    assert not minio.get_object_tags(bucket_name=bucket, object_name="k")
    of_bucket = Tags.new_bucket_tags()
    of_bucket["team"] = "lake"
    minio.set_bucket_tags(bucket_name=bucket, tags=of_bucket)
    assert dict(minio.get_bucket_tags(bucket_name=bucket)) == {"team": "lake"}


def test_versions_and_locks(minio, account):
    bucket = f"minio-locked-{account.id}"
    minio.make_bucket(bucket_name=bucket, object_lock=True)
    assert minio.get_bucket_versioning(bucket_name=bucket).status == ENABLED
    first = minio.put_object(bucket_name=bucket, object_name="k", data=io.BytesIO(b"1"), length=1)
    second = minio.put_object(bucket_name=bucket, object_name="k", data=io.BytesIO(b"22"), length=2)
    assert get(minio, bucket_name=bucket, object_name="k", version_id=first.version_id) == b"1"
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    what = {"bucket_name": bucket, "object_name": "k", "version_id": first.version_id}
    minio.set_object_retention(**what, config=Retention(mode=GOVERNANCE, retain_until_date=until))
    assert minio.get_object_retention(**what).retain_until_date == until
    refused("AccessDenied", minio.remove_object, **what)
    hold = {"bucket_name": bucket, "object_name": "k", "version_id": second.version_id}
    minio.enable_object_legal_hold(**hold)
    assert minio.is_object_legal_hold_enabled(**hold)
    refused("AccessDenied", minio.remove_object, **hold)
    minio.disable_object_legal_hold(**hold)
    minio.remove_object(bucket_name=bucket, object_name="k")
    versions = list(minio.list_objects(bucket_name=bucket, include_version=True))
    assert sorted((found.is_delete_marker, found.is_latest) for found in versions) == [(False, "false")] * 2 + [(True, "true")]
    minio.set_bucket_versioning(bucket_name=account.bucket(), config=VersioningConfig(status=ENABLED))


def test_settings_of_buckets(minio, account):
    bucket = account.bucket()
    rules = [Rule(rule_id="old", status=ENABLED, rule_filter=Filter(prefix="logs/"), expiration=Expiration(days=30))]
    minio.set_bucket_lifecycle(bucket_name=bucket, config=LifecycleConfig(rules=rules))
    kept = minio.get_bucket_lifecycle(bucket_name=bucket).rules
    assert [(rule.rule_id, rule.rule_filter.prefix, rule.expiration.days) for rule in kept] == [("old", "logs/", 30)]
    minio.delete_bucket_lifecycle(bucket_name=bucket)
    minio.set_bucket_encryption(bucket_name=bucket, config=SSEConfig(SseRule.new_sse_s3_rule()))
    assert minio.get_bucket_encryption(bucket_name=bucket).rule.sse_algorithm == "AES256"
    me = {"Effect": "Allow", "Principal": {"AWS": account.id}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    minio.set_bucket_policy(bucket_name=bucket, policy=json.dumps({"Version": "2012-10-17", "Statement": [me]}))
    assert json.loads(minio.get_bucket_policy(bucket_name=bucket))["Statement"][0]["Action"] == "s3:GetObject"
    minio.delete_bucket_policy(bucket_name=bucket)
    refused("NoSuchBucketPolicy", minio.get_bucket_policy, bucket_name=bucket)


def test_links_forms_and_selections(minio, account):
    bucket, http = account.bucket(), urllib3.PoolManager()
    link = minio.presigned_put_object(bucket_name=bucket, object_name="a b.csv", expires=timedelta(minutes=5))
    assert http.request("PUT", link, body=b"id,name\n1,Ada\n2,Bob\n").status == 200
    link = minio.presigned_get_object(
        bucket_name=bucket, object_name="a b.csv", response_headers={"response-content-type": "text/x-shown"}
    )
    shown = http.request("GET", link)
    assert shown.data.startswith(b"id,name") and shown.headers["content-type"] == "text/x-shown"
    policy = PostPolicy(bucket, datetime.now(UTC) + timedelta(minutes=5))
    policy.add_starts_with_condition("key", "forms/")
    policy.add_content_length_range_condition(1, 10)
    fields = minio.presigned_post_policy(policy=policy)
    for body, expected in ((b"form", 204), (b"much too long", 400)):
        form = fields | {"key": "forms/k", "file": ("k", body)}
        assert http.request("POST", f"{account.endpoint}/{bucket}", fields=form).status == expected
    assert get(minio, bucket_name=bucket, object_name="forms/k") == b"form"
    request = SelectRequest(
        expression="SELECT name FROM S3Object WHERE CAST(id AS INT) > 1",
        input_serialization=CSVInputSerialization(file_header_info="USE"),
        output_serialization=CSVOutputSerialization(),
    )
    with minio.select_object_content(bucket_name=bucket, object_name="a b.csv", request=request) as rows:
        assert b"".join(rows.stream()) == b"Bob\n"
        assert rows.stats().bytes_returned == "4"
