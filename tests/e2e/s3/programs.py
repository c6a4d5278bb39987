"""Client programs of the machine, and what they are given to carry."""

import hashlib
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ..conftest import Account

BIG_SIZE_BYTES = 200 << 20
# Names that paths, URLs, XML and signatures each would read in a way of their own.
ODD_NAMES = [
    "a b.txt", "a  b.txt", "a+b.txt", "a%20b.txt", "a%2Fb.txt", "a&b=c.txt", "a?b.txt", "a#b.txt", "a;b.txt", "a'b.txt", 'a"b.txt',
    "a<b>.txt", "a~b.txt", "a@b:c.txt", "a,b.txt", "a!b$c(d)*.txt", "[a]{b}.txt", "a|b^c`.txt", "a=b.txt", ".hidden", "..two", "a..b",
    "été.txt", "日本語.txt", "Ünïcödé/ß.txt", "🦀/🦀.txt", "-dash.txt", "--double", "UPPER.TXT", "upper.txt", "x" * 200,
    "deep/er/and/deep/er/still/than/that/file", "empty", "no-suffix", "with.many.dots.txt", "2026-11-26T12:00:00Z.log",
]  # fmt: skip


def program(name: str) -> str:
    """The path of a program; without it the test cannot run, which `cargo xtask test` says."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(account: Account, command: list, environment: dict[str, str] | None = None, check: bool = True, **more):
    """Runs a program against the account's server; its output is what a failure shows."""
    done = subprocess.run(
        [str(part) for part in command],
        env=account.env() | (environment or {}), capture_output=True, timeout=300, **({"text": True} | more),
    )  # fmt: skip
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def plant(folder: Path, count: int = 300, seed: int = 1) -> dict[str, bytes]:
    """Writes a tree of `count` small files, the odd names among them, and gives what is in it."""
    chance = random.Random(seed)
    names = ODD_NAMES + [f"dir-{n % 17}/sub {n % 5}/file-{n}.bin" for n in range(count - len(ODD_NAMES))]
    files = {name: b"" if name == "empty" else chance.randbytes(chance.choice([1, 100, 5_000, 150_000])) for name in names}
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def tree(folder: Path) -> dict[str, bytes]:
    """All files below `folder`."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_big(path: Path) -> str:
    """A file of `BIG_SIZE_BYTES` that does not compress; gives its digest."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(BIG_SIZE_BYTES >> 20):
            block = os.urandom(1 << 20)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def objects(account: Account, bucket: str, prefix: str = "") -> dict[str, bytes]:
    """All objects below `prefix`, by their names behind it."""
    s3 = account.client("s3")
    keys = [
        found["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for found in page.get("Contents", [])
    ]
    return {key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
