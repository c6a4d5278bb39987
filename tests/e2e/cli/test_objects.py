"""`tarn ls, cp, sync, rm, cat` against the real server, looked at from the other side with boto3."""

import hashlib
import json
import os
import secrets
import signal
import subprocess
import time

import pytest

MIB = 1 << 20


def tarn(account, *arguments, code=0, stdin=None, env=None):
    """Runs a command of the binary; its exit code must be `code`."""
    done = subprocess.run(
        [os.environ["TARN_BINARY"], *map(str, arguments)],
        env=account.env() | (env or {}),
        input=stdin,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr.decode()
    return done


def text(account, *arguments, **more):
    return tarn(account, *arguments, **more).stdout.decode()


def lines(account, *arguments, **more):
    return [json.loads(line) for line in text(account, *arguments, "--output", "json", **more).splitlines()]


@pytest.mark.parametrize("size", [0, 1, 128 * 1024, 16 * MIB, 16 * MIB + 1, 40 * MIB])
def test_a_file_goes_up_and_comes_down_the_same(account, tmp_path, size):
    bucket, body = account.bucket(), secrets.token_bytes(size)
    (tmp_path / "up.csv").write_bytes(body)
    tarn(account, "cp", tmp_path / "up.csv", f"s3://{bucket}/d/")
    head = account.client("s3").head_object(Bucket=bucket, Key="d/up.csv", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ContentType"]) == (size, "text/csv")
    assert "ChecksumCRC64NVME" in head
    tarn(account, "cp", f"s3://{bucket}/d/up.csv", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == body
    assert tarn(account, "cat", f"s3://{bucket}/d/up.csv").stdout == body
    # Nothing of a download is left beside it.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["down", "up.csv"]


@pytest.mark.parametrize("size", [0, 5, 8 * MIB, 25 * MIB])
def test_standard_input_and_output(account, size):
    bucket, body = account.bucket(), secrets.token_bytes(size)
    tarn(account, "cp", "-", f"s3://{bucket}/piped", stdin=body)
    assert account.client("s3").get_object(Bucket=bucket, Key="piped")["Body"].read() == body
    assert tarn(account, "cp", f"s3://{bucket}/piped", "-").stdout == body
    assert account.client("s3").list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


KEYS = ["plain", "a b", "ü/é", "plus+%25&<>", "a//b", "../up", "q?x=1#y", "tab\tend", "'\"", "bell\x07", "line\nend", "z" * 1000]


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_all_kinds(account, key):
    bucket = account.bucket()
    tarn(account, "cp", "-", f"s3://{bucket}/{key}", stdin=b"x")
    s3 = account.client("s3")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert tarn(account, "cat", f"s3://{bucket}/{key}").stdout == b"x"
    assert [item["key"] for item in lines(account, "ls", "-r", f"s3://{bucket}")] == [key]
    tarn(account, "rm", "-r", f"s3://{bucket}")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_no_key_leads_out_of_a_folder(account, tmp_path):
    bucket, s3 = account.bucket(), account.client("s3")
    for key in ["p/ok", "p/../../out", "p/a//b", "p/./c"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    done = tarn(account, "cp", "-r", f"s3://{bucket}/p", tmp_path / "d/e", code=1)
    assert b"cannot be a path" in done.stderr and b"3 of 4 failed" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "d/e/ok"]


def test_a_listing_folds_and_pages(account):
    bucket, s3 = account.bucket(), account.client("s3")
    for number in range(1_050):
        s3.put_object(Bucket=bucket, Key=f"many/{number:05}", Body=b"")
    s3.put_object(Bucket=bucket, Key="top", Body=b"12345")
    assert lines(account, "ls", f"s3://{bucket}/")[0] == {"prefix": "many/"}
    assert len(lines(account, "ls", "-r", f"s3://{bucket}/")) == 1_051
    assert text(account, "ls", f"s3://{bucket}/t").split()[1:] == ["5", "top"]
    assert text(account, "ls", "--output", "csv", f"s3://{bucket}/t").splitlines()[0] == "modified,size,key"
    assert bucket in text(account, "ls")
    tarn(account, "ls", f"s3://{bucket}/none", code=1)
    tarn(account, "rm", "-r", "-q", f"s3://{bucket}/many/")
    assert [item["key"] for item in lines(account, "ls", "-r", f"s3://{bucket}/")] == ["top"]


def actions(found):
    return sorted((item["action"], item["source"].rsplit("/", 1)[-1]) for item in found)


def test_sync_copies_what_differs(account, tmp_path):
    bucket, source = account.bucket(), tmp_path / "s"
    (source / "a").mkdir(parents=True)
    (source / "a" / "1.csv").write_text("1")
    (source / "a-2.csv").write_text("2")
    (source / "big").write_bytes(secrets.token_bytes(17 * MIB))
    place = f"s3://{bucket}/data"
    assert len(lines(account, "sync", source, place, "--dry-run")) == 3
    assert "Contents" not in account.client("s3").list_objects_v2(Bucket=bucket)
    up = lines(account, "sync", source, place)
    assert actions(up) == [("upload", "1.csv"), ("upload", "a-2.csv"), ("upload", "big")]
    assert lines(account, "sync", source, place) == []

    # A newer time with the same content is no change; another content of the same size is.
    later = time.time() + 5
    (source / "a" / "1.csv").write_text("3")
    for name in ["a/1.csv", "big"]:
        os.utime(source / name, (later, later))
    assert actions(lines(account, "sync", source, place)) == [("upload", "1.csv")]

    down = tmp_path / "down"
    assert len(lines(account, "sync", place, down)) == 3
    assert lines(account, "sync", place, down) == []
    for name in ["a/1.csv", "a-2.csv", "big"]:
        assert (down / name).read_bytes() == (source / name).read_bytes()

    # What is not at the source goes only if asked for, and never what is filtered out.
    (source / "a-2.csv").unlink()
    assert lines(account, "sync", source, place) == []
    assert lines(account, "sync", source, place, "--delete", "--exclude", "a-*") == []
    assert actions(lines(account, "sync", source, place, "--delete")) == [("remove", "a-2.csv")]
    assert actions(lines(account, "sync", place, down, "--delete")) == [("remove", "a-2.csv")]
    other = f"s3://{account.bucket()}"
    assert actions(lines(account, "sync", place, other)) == [("copy", "1.csv"), ("copy", "big")]
    assert lines(account, "sync", place, other) == []


def test_a_source_that_is_not_there_removes_nothing(account, tmp_path):
    bucket = account.bucket()
    tarn(account, "cp", "-", f"s3://{bucket}/k", stdin=b"x")
    done = tarn(account, "sync", tmp_path / "none", f"s3://{bucket}", "--delete", code=1)
    assert b"none" in done.stderr
    assert tarn(account, "cat", f"s3://{bucket}/k").stdout == b"x"


def test_filters_and_dry_runs(account, tmp_path):
    bucket = account.bucket()
    for name in ["a.csv", "b.txt", "c/d.csv"]:
        path = tmp_path / "t" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    tarn(account, "cp", "-r", tmp_path / "t", f"s3://{bucket}/t", "--include", "*.csv")
    assert [item["key"] for item in lines(account, "ls", "-r", f"s3://{bucket}")] == ["t/a.csv", "t/c/d.csv"]
    told = text(account, "rm", "-r", "--dry-run", f"s3://{bucket}/t", "--exclude", "*/a.csv")
    assert told == f"(dry run) remove: s3://{bucket}/t/c/d.csv\n"
    assert len(lines(account, "ls", "-r", f"s3://{bucket}")) == 2


def test_the_exit_code_and_the_words_tell_what_is_wrong(account, tmp_path):
    bucket = account.bucket()

    def check(code, words, *arguments, env=None):
        done = tarn(account, *arguments, code=code, env=env)
        assert words in done.stderr.decode() and not done.stdout, done.stderr

    check(1, "NoSuchKey", "cat", f"s3://{bucket}/none")
    check(1, "NoSuchBucket", "ls", "s3://no-such-bucket-at-all")
    check(1, "request ", "cat", f"s3://{bucket}/none")
    check(1, "does not answer", "ls", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    check(1, "check AWS_SECRET_ACCESS_KEY", "ls", env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    check(2, "no credentials", "ls", env={"AWS_ACCESS_KEY_ID": "", "HOME": str(tmp_path)})
    check(2, "no profile", "ls", "--profile", "none", env={"HOME": str(tmp_path)})
    check(2, "http://", "ls", "--endpoint-url", "127.0.0.1:9000")
    check(2, "add --recursive", "rm", f"s3://{bucket}")
    check(2, "s3://bucket/key", "cat", "not-s3")
    check(2, "Usage", "cp", "one")
    check(1, "No such file", "cp", tmp_path / "none", f"s3://{bucket}/k")


def test_a_reader_that_goes_away_is_no_error(account):
    bucket = account.bucket()
    account.client("s3").put_object(Bucket=bucket, Key="k", Body=b"x" * 4 * MIB)
    reader = subprocess.run(
        ["bash", "-c", f'"$TARN_BINARY" cat s3://{bucket}/k | head -c 1; exit "${{PIPESTATUS[0]}}"'],
        env=account.env(), capture_output=True, timeout=60,
    )
    assert (reader.returncode, reader.stdout, reader.stderr) == (0, b"x", b"")


def test_an_interrupted_upload_leaves_nothing(account):
    bucket, s3 = account.bucket(), account.client("s3")
    upload = subprocess.Popen(
        [os.environ["TARN_BINARY"], "cp", "-", f"s3://{bucket}/k"],
        env=account.env(), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    upload.stdin.write(secrets.token_bytes(9 * MIB))
    upload.stdin.flush()
    deadline = time.monotonic() + 30
    while not s3.list_multipart_uploads(Bucket=bucket).get("Uploads") and time.monotonic() < deadline:
        time.sleep(0.05)
    upload.send_signal(signal.SIGINT)
    assert upload.wait(30) == 1
    assert b"interrupted" in upload.stderr.read()
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_profiles_are_read(account, tmp_path):
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(f"[profile lab]\nregion = us-east-1\nendpoint_url = {account.endpoint}\n")
    (folder / "credentials").write_text(
        f"[lab]\naws_access_key_id = {account.access_key_id}\naws_secret_access_key = {account.secret_access_key}\n"
    )
    bare = {name: "" for name in account.env() if name.startswith("AWS_")} | {"HOME": str(tmp_path)}
    bucket = account.bucket()
    assert bucket in text(account, "ls", "--profile", "lab", env=bare)
    assert bucket in text(account, "ls", env=bare | {"AWS_PROFILE": "lab"})


def test_the_etag_of_an_upload_is_its_md5(account, tmp_path):
    bucket = account.bucket()
    (tmp_path / "f").write_bytes(b"content")
    tarn(account, "cp", tmp_path / "f", f"s3://{bucket}/f")
    assert lines(account, "ls", f"s3://{bucket}/f")[0]["etag"] == hashlib.md5(b"content").hexdigest()
