"""s3cmd, which signs by version 4 in its own way and speaks of lists and expiry."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from .programs import BIG_SIZE_BYTES, digest_of, objects, plant, program, run, tree, write_big


@pytest.fixture
def s3cmd(account, tmp_path):
    path = program("s3cmd")
    host = account.endpoint.removeprefix("http://")
    config = tmp_path / "s3cfg"
    config.write_text(
        f"[default]\naccess_key = {account.access_key_id}\nsecret_key = {account.secret_access_key}\n"
        f"host_base = {host}\nhost_bucket = {host}\nuse_https = False\nbucket_location = us-east-1\nmax_retries = 1\n"
    )
    command = [path, "--config", str(config), "--no-progress"]

    def call(*arguments, **more):
        return run(account, [*command, *arguments], **more)

    call.command = command
    return call


def classic(account) -> str:
    """A bucket whose lists work, as buckets were before April 2023."""
    s3, bucket = account.client("s3"), account.bucket()
    s3.delete_public_access_block(Bucket=bucket)
    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    return bucket


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_tree_is_synced_both_ways(s3cmd, account, tmp_path):
    bucket = f"s3cmd-{account.id}"
    s3cmd("mb", f"s3://{bucket}")
    files = plant(tmp_path / "from")
    s3cmd("sync", f"{tmp_path}/from/", f"s3://{bucket}/tree/")
    assert objects(account, bucket, "tree/") == files
    s3cmd("sync", f"s3://{bucket}/tree/", f"{tmp_path}/to/")
    assert tree(tmp_path / "to") == files
    (tmp_path / "from" / "a b.txt").write_bytes(b"changed")
    (tmp_path / "from" / "été.txt").unlink()
    said = s3cmd("sync", "--delete-removed", f"{tmp_path}/from/", f"s3://{bucket}/tree/").stdout
    assert said.count("upload: ") == 1 and said.count("delete: ") == 1, said
    assert objects(account, bucket, "tree/") == tree(tmp_path / "from")
    s3cmd("cp", "--recursive", f"s3://{bucket}/tree/", f"s3://{bucket}/copy/")
    s3cmd("mv", f"s3://{bucket}/copy/a+b.txt", f"s3://{bucket}/moved")
    assert objects(account, bucket, "copy/").keys() | {"a+b.txt"} == tree(tmp_path / "from").keys()
    listed = s3cmd("ls", f"s3://{bucket}").stdout
    assert f"s3://{bucket}/copy/" in listed and f"s3://{bucket}/tree/" in listed and f"s3://{bucket}/moved" in listed
    assert str(sum(map(len, tree(tmp_path / "from").values()))) in s3cmd("du", f"s3://{bucket}/tree/").stdout
    s3cmd("rb", "--recursive", f"s3://{bucket}")
    assert bucket not in s3cmd("ls").stdout


def test_a_big_file_goes_in_parts_and_goes_on_where_it_was_cut_off(s3cmd, account, tmp_path):
    s3, bucket = account.client("s3"), account.bucket()
    digest = write_big(tmp_path / "big")
    putting = subprocess.Popen(
        [*s3cmd.command, "put", "--multipart-chunk-size-mb=15", "--limit-rate=40m", str(tmp_path / "big"), f"s3://{bucket}/big"],
        env=account.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    parts, upload = [], None
    while len(parts) < 2 and time.monotonic() < deadline and putting.poll() is None:
        for found in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            upload = found["UploadId"]
            parts = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload).get("Parts", [])
    os.killpg(putting.pid, signal.SIGKILL)
    putting.wait()
    assert len(parts) >= 2 and upload in s3cmd("multipart", f"s3://{bucket}").stdout
    assert "1" in s3cmd("listmp", f"s3://{bucket}/big", upload).stdout
    put = ["put", "--multipart-chunk-size-mb=15", "--continue-put", f"--upload-id={upload}"]
    said = s3cmd("-v", *put, tmp_path / "big", f"s3://{bucket}/big")
    assert "skip" in (said.stdout + said.stderr).lower(), said
    head = s3.head_object(Bucket=bucket, Key="big")
    assert head["ContentLength"] == BIG_SIZE_BYTES and head["ETag"].endswith('-14"')
    s3cmd("get", f"s3://{bucket}/big", tmp_path / "back")
    assert digest_of(tmp_path / "back") == digest
    s3cmd("del", f"s3://{bucket}/big")
    assert objects(account, bucket) == {}


def test_lists_policies_and_expiry(s3cmd, account, tmp_path):
    s3, bucket = account.client("s3"), classic(account)
    (tmp_path / "a.txt").write_text("a")
    s3cmd("put", "--add-header=x-amz-meta-origin:EWR", "--mime-type=text/x-a", tmp_path / "a.txt", f"s3://{bucket}/a.txt")
    url = f"{account.endpoint}/{bucket}/a.txt"
    assert status(url) == 403
    s3cmd("setacl", "--acl-public", f"s3://{bucket}/a.txt")
    assert status(url) == 200
    said = s3cmd("info", f"s3://{bucket}/a.txt").stdout
    assert "text/x-a" in said and "*anon*: READ" in said and "x-amz-meta-origin" in said
    s3cmd("setacl", "--acl-private", f"s3://{bucket}/a.txt")
    assert status(url) == 403
    s3cmd("setacl", f"--acl-grant=read:{'0' * 63}2", f"s3://{bucket}/a.txt")
    grants = s3.get_object_acl(Bucket=bucket, Key="a.txt")["Grants"]
    assert {grant["Permission"] for grant in grants} == {"FULL_CONTROL", "READ"}
    signed = s3cmd("signurl", f"s3://{bucket}/a.txt", "+3600").stdout.strip()
    assert status(signed) == 200
    s3cmd("expire", "--expiry-days=30", "--expiry-prefix=logs/", f"s3://{bucket}")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [(rule["Expiration"]["Days"], rule["Status"]) for rule in rules] == [(30, "Enabled")]
    assert "logs/" in s3cmd("getlifecycle", f"s3://{bucket}").stdout
    s3cmd("dellifecycle", f"s3://{bucket}")
    policy = tmp_path / "policy.json"
    policy.write_text(
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", '
        f'"Resource": "arn:aws:s3:::{bucket}/*"}}]}}'
    )
    s3cmd("setpolicy", policy, f"s3://{bucket}")
    assert status(url) == 200 and "s3:GetObject" in s3cmd("info", f"s3://{bucket}").stdout
    s3cmd("delpolicy", f"s3://{bucket}")
    assert status(url) == 403
    s3cmd("modify", "--add-header=Cache-Control:no-store", f"s3://{bucket}/a.txt")
    head = s3.head_object(Bucket=bucket, Key="a.txt")
    assert (head["CacheControl"], head["Metadata"]["origin"]) == ("no-store", "EWR")
    s3cmd("accesslog", f"s3://{bucket}")
