"""rclone, from a tree of odd names to versions of a file."""

import subprocess
import time
import urllib.request

import pytest

from .programs import BIG_SIZE_BYTES, digest_of, objects, plant, program, run, tree, write_big


@pytest.fixture
def rclone(account, tmp_path):
    path = program("rclone")
    environment = {
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_TARN_TYPE": "s3",
        "RCLONE_CONFIG_TARN_PROVIDER": "Other",
        "RCLONE_CONFIG_TARN_ENV_AUTH": "true",
        "RCLONE_CONFIG_TARN_ENDPOINT": account.endpoint,
        "RCLONE_CONFIG_TARN_REGION": "us-east-1",
        "RCLONE_RETRIES": "1",
        "RCLONE_LOW_LEVEL_RETRIES": "1",
    }

    def call(*arguments, **more):
        return run(account, [path, *arguments], environment, **more)

    call.command = [path]
    call.environment = account.env() | environment
    return call


def test_a_tree_is_synced_checked_and_purged(rclone, account, tmp_path):
    bucket = account.bucket()
    files = plant(tmp_path / "from")
    rclone("sync", tmp_path / "from", f"tarn:{bucket}/tree")
    assert objects(account, bucket, "tree/") == files
    rclone("check", "--download", tmp_path / "from", f"tarn:{bucket}/tree")
    # Only what changed is carried, and what is gone goes.
    for name in ("a b.txt", "日本語.txt"):
        (tmp_path / "from" / name).write_bytes(b"changed")
    for name in ("été.txt", "deep/er/and/deep/er/still/than/that/file"):
        (tmp_path / "from" / name).unlink()
    said = rclone("sync", "--stats-one-line", "-v", tmp_path / "from", f"tarn:{bucket}/tree").stderr
    assert said.count("Copied (") == 2 and said.count(": Deleted") == 2, said
    rclone("check", tmp_path / "from", f"tarn:{bucket}/tree")
    rclone("sync", f"tarn:{bucket}/tree", tmp_path / "to")
    assert tree(tmp_path / "to") == tree(tmp_path / "from")
    # From bucket to bucket the server copies.
    other = account.bucket()
    said = rclone("sync", "-v", f"tarn:{bucket}/tree", f"tarn:{other}/tree").stderr
    assert "(server-side copy)" in said
    rclone("check", f"tarn:{bucket}/tree", f"tarn:{other}/tree")
    rclone("moveto", f"tarn:{other}/tree/a+b.txt", f"tarn:{other}/moved/a+b.txt")
    assert rclone("lsf", f"tarn:{other}/moved").stdout == "a+b.txt\n"
    rclone("purge", f"tarn:{other}")
    assert f"{other}/" not in rclone("lsf", "tarn:").stdout.split()


def test_a_big_file_goes_in_parts_and_is_copied_by_parts(rclone, account, tmp_path):
    s3, bucket = account.client("s3"), account.bucket()
    digest = write_big(tmp_path / "big")
    rclone("copyto", "--s3-chunk-size", "16M", "--s3-upload-cutoff", "16M", tmp_path / "big", f"tarn:{bucket}/big")
    head = s3.head_object(Bucket=bucket, Key="big")
    assert head["ContentLength"] == BIG_SIZE_BYTES and head["ETag"].endswith('-13"')
    rclone("copyto", "--s3-copy-cutoff", "64M", "--s3-chunk-size", "64M", f"tarn:{bucket}/big", f"tarn:{bucket}/again")
    rclone("check", "--download", f"tarn:{bucket}", f"tarn:{bucket}")
    rclone("copyto", "--multi-thread-streams", "4", "--multi-thread-cutoff", "8M", f"tarn:{bucket}/again", tmp_path / "back")
    assert digest_of(tmp_path / "back") == digest
    with (tmp_path / "big").open("rb") as file:
        file.seek(100_000_007)
        assert rclone("cat", "--offset", "100000007", "--count", "4096", f"tarn:{bucket}/big", text=False).stdout == file.read(4096)


def test_what_was_cut_off_is_cleaned_up_and_done_again(rclone, account, tmp_path):
    s3, bucket = account.client("s3"), account.bucket()
    (tmp_path / "big").write_bytes(bytes(range(256)) * (40 << 12))
    slow = [*rclone.command, "copyto", "--bwlimit", "8M", "--s3-chunk-size", "5M", "--s3-upload-cutoff", "5M", "--s3-upload-concurrency", "1"]
    copying = subprocess.Popen([*slow, str(tmp_path / "big"), f"tarn:{bucket}/big"], env=rclone.environment)
    deadline = time.monotonic() + 60
    parts = []
    while len(parts) < 2 and time.monotonic() < deadline and copying.poll() is None:
        uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        parts = [part for found in uploads for part in s3.list_parts(Bucket=bucket, Key="big", UploadId=found["UploadId"]).get("Parts", [])]
    copying.kill()
    copying.wait()
    assert len(parts) >= 2 and "big" in rclone("backend", "list-multipart-uploads", f"tarn:{bucket}").stdout
    rclone("backend", "cleanup", f"tarn:{bucket}", "-o", "max-age=0s")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    rclone("copyto", tmp_path / "big", f"tarn:{bucket}/big")
    rclone("check", "--download", tmp_path, f"tarn:{bucket}", "--include", "big")


def test_links_urls_and_duplicates(rclone, account, tmp_path):
    bucket = account.bucket()
    (tmp_path / "a b.txt").write_bytes(b"linked")
    rclone("copy", tmp_path / "a b.txt", f"tarn:{bucket}")
    link = rclone("link", "--expire", "1h", f"tarn:{bucket}/a b.txt").stdout.strip()
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"linked"
    rclone("copyurl", link, f"tarn:{bucket}/from-url.txt")
    assert objects(account, bucket) == {"a b.txt": b"linked", "from-url.txt": b"linked"}
    rclone("rcat", f"tarn:{bucket}/piped", input="piped")
    rclone("dedupe", "--by-hash", "--dedupe-mode", "first", f"tarn:{bucket}")
    left = objects(account, bucket)
    assert sorted(left.values()) == [b"linked", b"piped"] and "piped" in left
    assert rclone("size", "--json", f"tarn:{bucket}").stdout.strip() == '{"count":2,"bytes":11,"sizeless":0}'


def test_versions_are_listed_read_and_removed(rclone, account, tmp_path):
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for text in ("one", "two", "three"):
        (tmp_path / "file.txt").write_text(text)
        rclone("copy", "--ignore-times", tmp_path / "file.txt", f"tarn:{bucket}")
    names = rclone("lsf", "--s3-versions", f"tarn:{bucket}").stdout.split()
    assert len(names) == 3 and "file.txt" in names
    old = {rclone("cat", "--s3-versions", f"tarn:{bucket}/{name}").stdout for name in names}
    assert old == {"one", "two", "three"}
    rclone("deletefile", f"tarn:{bucket}/file.txt")
    assert rclone("lsf", f"tarn:{bucket}").stdout == ""
    assert len(rclone("lsf", "--s3-versions", f"tarn:{bucket}").stdout.split()) == 3
    rclone("cleanup", f"tarn:{bucket}")
    rclone("backend", "cleanup-hidden", f"tarn:{bucket}")
    left = s3.list_object_versions(Bucket=bucket)
    assert "Versions" not in left
