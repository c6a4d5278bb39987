"""`docs/advisories.md` and the tests agree: no advisory is missing, and each test that the page names is there."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "advisories.md"

# The advisories of other stores that this one answers for; the list only grows. GHSA ids by their first group.
CVES = """
2016-7031 2018-1000538 2019-10222 2020-11012 2021-21287 2021-21362 2021-43858 2022-24842 2022-31028 2022-35919 2022-3854
2023-25812 2023-27589 2023-28432 2023-28433 2023-28434 2023-43040 2024-24747 2024-36107 2024-48916 2024-55949 2025-30156
2025-31489 2025-62506 2025-68705 2025-68926 2026-100413 2026-21862 2026-22782 2026-27607 2026-27822 2026-33322 2026-33419
2026-34204 2026-39414 2026-40344 2026-40937 2026-41145 2026-42600 2026-45039 2026-45040 2026-46685 2026-47136 2026-50152
2026-54917 2026-55873 2026-55874 2026-58372 2026-72920 2026-73080
""".split()
GHSAS = """
wg47 hv4r 9c4q g8w9 v2ch w5fh hq5j 2pxw jjjj xgr5 cwq8 pfcq mm2q vcwh 796f f5cv 566f 3495 5354 3ppv x298 mx42 wfxj 6r96 v9cp
5w8r hgpf 2v6v 5cx5 5qfg 3473 ccrv 48rf xvfh m77q m479 frwq q9q8 j5c2 9pjf 8r6f f4vq j59h 923g 3p3x c667 gw2x 3rh2 xrrf j548
""".split()
OTHERS = "HDDS-15141 HDDS-15142 predastore#114 appwrite#13515 s3s#775 seaweedfs#9317 bz1989752".split() + ["RESTler 72669"]

ROW = re.compile(r"\| ([^|]+) \| ([^|]+) \| ([^|]+) \|")
TEST = re.compile(r"`((?:test_)?[a-z0-9]+(?:_[a-z0-9]+)+)`")


def rows():
    found = [ROW.fullmatch(line) for line in PAGE.read_text().splitlines() if line.startswith("| ") and line != "| id | what it was | here |"]
    assert all(found)
    return [match.groups() for match in found]


def names(pattern: str, suffix: str) -> set[str]:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", f"*{suffix}"], check=True, capture_output=True, text=True).stdout
    return {name for path in listed.split() for name in re.findall(pattern, (ROOT / path).read_text(), re.M)}


def test_no_advisory_is_missing():
    found = " ".join(ids for ids, _, _ in rows())
    wanted = [f"CVE-{cve}" for cve in CVES] + [f"GHSA-{ghsa}" for ghsa in GHSAS] + OTHERS
    listed = set(re.findall(r"CVE-[0-9-]+|GHSA-\w{4}|HDDS-\d+|\w+#\d+|bz\d+|RESTler \d+", found))
    assert listed == set(wanted)


def test_each_test_that_is_named_is_there():
    there = names(r"^def (test_\w+)\(", ".py") | names(r"^\s*(?:async )?fn (\w+)\(", ".rs")
    said = {test: ids for ids, _, here in rows() for test in TEST.findall(here)}
    assert {test: ids for test, ids in said.items() if test not in there} == {}
    # And whoever has neither a test nor a reason is seen.
    assert [ids for ids, was, here in rows() if len(was) < 10 or len(here) < 10] == []


def test_each_test_that_is_called_like_an_advisory_is_named():
    pattern = r"(?:cve_\d|ghsa_|hdds_|bz\d|seaweedfs_|predastore_)\w*"
    there = names(rf"^def (test_{pattern})\(", ".py") | names(rf"^\s*(?:async )?fn ({pattern})\(", ".rs")
    text = PAGE.read_text()
    assert sorted(test for test in there if f"`{test}`" not in text) == []


def test_ghsa_923g():
    """No private key is in the repository."""
    pattern = "BEGIN ([A-Z]+ )*PRIVATE " + "KEY"
    found = subprocess.run(["git", "-C", ROOT, "grep", "-lE", pattern], capture_output=True, text=True)
    allowed = ("tests", "/tests/", "/tests.rs")
    assert [path for path in found.stdout.split() if not path.startswith("tests/") and not any(part in path for part in allowed[1:])] == []


def test_ghsa_3p3x():
    """What is compared with a secret's MAC is compared in constant time."""
    source = (ROOT / "wire" / "sigv4" / "src").rglob("*.rs")
    text = "".join(path.read_text() for path in source)
    assert "hmac::verify(" in text and "verify_slices_are_equal(" in text
