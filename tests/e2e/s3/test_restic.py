"""A restic repository in a bucket: from its making to its pruning."""

import json

import pytest

from .programs import BIG_SIZE_BYTES, digest_of, plant, program, run, tree, write_big


@pytest.fixture
def restic(account):
    path = program("restic")
    environment = {
        "RESTIC_REPOSITORY": f"s3:{account.endpoint}/{account.bucket()}/a repository",
        "RESTIC_PASSWORD": "correct horse",
    }
    return lambda *arguments, **more: run(account, [path, "--no-cache", *arguments], environment, **more)


def test_a_repository_is_filled_checked_restored_and_pruned(restic, tmp_path):
    restic("init")
    source = tmp_path / "from"
    plant(source)
    digest = write_big(source / "big")
    restic("backup", "--tag", "first", ".", cwd=source)
    first = {name: data for name, data in tree(source).items() if name != "big"}
    (source / "a b.txt").write_bytes(b"changed")
    (source / "été.txt").unlink()
    said = restic("backup", "--json", ".", cwd=source).stdout.splitlines()[-1]
    # What is there already is not sent again.
    assert json.loads(said)["data_added"] < 10 << 20
    snapshots = json.loads(restic("snapshots", "--json").stdout)
    assert len(snapshots) == 2 and snapshots[0]["tags"] == ["first"]
    assert "no errors were found" in restic("check", "--read-data").stdout
    restic("restore", snapshots[0]["id"], "--target", tmp_path / "old")
    assert digest_of(tmp_path / "old" / "big") == digest and (tmp_path / "old" / "big").stat().st_size == BIG_SIZE_BYTES
    (tmp_path / "old" / "big").unlink()
    assert tree(tmp_path / "old") == first
    restic("restore", "latest", "--target", tmp_path / "new", "--exclude", "big")
    assert tree(tmp_path / "new") == {name: data for name, data in tree(source).items() if name != "big"}
    before = json.loads(restic("stats", "--mode", "raw-data", "--json").stdout)["total_size"]
    (source / "big").unlink()
    restic("backup", ".", cwd=source)
    restic("forget", "--keep-last", "1", "--prune")
    after = json.loads(restic("stats", "--mode", "raw-data", "--json").stdout)["total_size"]
    assert after < before - (BIG_SIZE_BYTES // 2)
    assert "no errors were found" in restic("check", "--read-data").stdout
    assert "no such file" not in restic("find", "日本語.txt").stderr
    # A lock of a client that died does not keep others out for ever.
    restic("unlock", "--remove-all")
