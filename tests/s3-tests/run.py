#!/usr/bin/env python3
"""Runs the public S3 suite against `TARN_BINARY` and says how many of its cases pass; without arguments for pytest, the whole portable
set, of which docs/conformance.md is then written.

Its files run in two groups, each on servers of its own: cases of IAM leave denials on the user that all others act as, too.

Every case that fails or is skipped must have a reason in reasons.toml, and no reason may be left that no case needs: the list only
shrinks. Nothing of the suite is copied but the names of its cases.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PORTABLE = "not fails_on_aws"
KINDS = {
    "case": "Cases that no server can pass",
    "aws": "Cases that AWS answers otherwise, by its documentation or by what others saw of it",
    "missing": "What is not built",
}
IAM_FILES = ("test_iam.py", "test_sns.py", "test_sts.py")
# Whether the suite's second person is an account, as in AWS two customers are, or a user whom IAM gives and takes permissions.
ALT = {"s3": "account", "iam": "user"}


def short(case: str) -> str:
    """`test_s3.py::test_object_write` of `s3tests/functional/test_s3.py::test_object_write`."""
    return case.removeprefix("s3tests/functional/")


def file_of(case: dict) -> str:
    return short(case["case"]).split("::")[0]


def function_of(case: dict) -> str:
    return short(case["case"]).split("[")[0]


def counts(cases: list[dict]) -> str:
    count = Counter(case["outcome"] for case in cases)
    return f"{count['passed']:5} passed {count['failed']:5} failed {count['skipped']:5} skipped"


def table(cases: list[dict]) -> str:
    """Counts for each file and each marker."""
    groups = {"file": defaultdict(list), "marker": defaultdict(list)}
    for case in cases:
        groups["file"][file_of(case)].append(case)
        for marker in case["markers"]:
            groups["marker"][marker].append(case)
    lines = []
    for kind, group in groups.items():
        lines.append(f"by {kind}:")
        lines += [f"  {counts(members)}  {name}" for name, members in sorted(group.items())]
    return "\n".join([*lines, f"{counts(cases)}  in all"])


class Reasons:
    """Why cases fail: each row has the names of cases, or patterns of names, one reason, and of which kind it is."""

    def __init__(self, path: Path):
        self.rows = tomllib.loads(path.read_text()).get("reason", [])

    def row_of(self, case: dict) -> dict | None:
        name = short(case["case"])
        literal = name.replace("[", "[[]")
        for row in self.rows:
            if any(fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) or literal == pattern for pattern in row["cases"]):
                return row
        return None

    def unused(self, cases: list[dict]) -> list[str]:
        """Patterns that name no case that fails."""
        failing = [short(case["case"]) for case in cases if case["outcome"] != "passed"]
        return [
            pattern
            for row in self.rows
            for pattern in row["cases"]
            if not any(fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) for name in failing)
        ]


def page(cases: list[dict], reasons: Reasons, suite: str) -> str:
    """docs/conformance.md."""
    functions = defaultdict(list)
    for case in cases:
        functions[function_of(case)].append(case)
    passed = [name for name, members in functions.items() if all(case["outcome"] == "passed" for case in members)]
    count = Counter(case["outcome"] for case in cases)
    lines = [
        "# Conformance",
        "",
        "Written by `cargo xtask s3-tests --suite DIR`; do not edit. `DIR` is a checkout of the public S3 suite",
        f"[ceph/s3-tests](https://github.com/ceph/s3-tests), here at commit {suite}. None of it is in this repository. Counted is its",
        "portable set, the tests that are not marked `fails_on_aws`. A test that runs with several parameters counts once for each as a",
        "case, and as a test it passes if all of its cases pass.",
        "",
        f"**{len(passed)} of {len(functions)} tests pass; {count['passed']} of {len(cases)} cases pass, {count['failed']} fail,"
        f" {count['skipped']} are skipped.**",
        "",
        "| file | tests | pass | cases | pass | fail | skipped |",
        "|---|---|---|---|---|---|---|",
    ]
    for file in sorted({file_of(case) for case in cases}):
        members = [case for case in cases if file_of(case) == file]
        tests = {function_of(case) for case in members}
        good = [name for name in passed if name.startswith(f"{file}::")]
        count = Counter(case["outcome"] for case in members)
        row = [file, len(tests), len(good), len(members), count["passed"], count["failed"], count["skipped"]]
        lines.append("| " + " | ".join(str(cell) for cell in row) + " |")
    failing = [(case, reasons.row_of(case)) for case in cases if case["outcome"] != "passed"]
    for kind, title in (KINDS | {None: "Without a reason"}).items():
        of_kind = [(case, row) for case, row in failing if (row and row["kind"]) == kind]
        if of_kind:
            lines += ["", f"## {title}: {len(of_kind)}", ""]
        for row in [*reasons.rows, None]:
            members = [case for case, own in of_kind if own is row]
            if members:
                lines.append(f"* {row['why'] if row else 'No reason is given.'}")
            for case in members:
                skipped = " (skipped)" if case["outcome"] == "skipped" else ""
                lines.append(f"  * `{short(case['case'])}`{skipped}")
    return "\n".join(lines) + "\n"


def run_pytest(suite: Path, out: Path, group: str, arguments: list[str]) -> list[dict]:
    """The cases of one group of files, and what came of them."""
    out.mkdir(parents=True, exist_ok=True)
    result = out / "result.json"
    result.unlink(missing_ok=True)
    environment = os.environ | {
        "PYTHONPATH": str(HERE),
        "PYTHONPYCACHEPREFIX": str(out / "pycache"),
        "TARN_SUITE_OUT": str(out),
        "TARN_SUITE_ALT": ALT[group],
    }
    files = sorted((suite / "s3tests" / "functional").glob("test_*.py"))
    files = [str(file.relative_to(suite)) for file in files if (file.name in IAM_FILES) == (group == "iam")]
    options = ["-p", "tarn_suite", "-p", "no:cacheprovider", "--quiet", "--tb=line"]
    subprocess.run([sys.executable, "-m", "pytest", *options, *arguments, *files], cwd=suite, env=environment, check=False)
    return json.loads(result.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask s3-tests", description=__doc__)
    parser.add_argument("--suite", required=True, type=Path, help="a checkout of ceph/s3-tests")
    parser.add_argument("--group", choices=list(ALT), help="only these files: those of IAM, or all others")
    parser.add_argument("--workers", default="4", help="how many servers and how many cases at once")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "s3-tests", help="for logs and result.json")
    parser.add_argument("pytest", nargs="*", help="after --: which cases, such as -k NAME or -m MARKER")
    arguments = parser.parse_args()
    suite = arguments.suite.resolve()
    if not (suite / "s3tests" / "functional").is_dir():
        parser.error(f"{suite} is no checkout of ceph/s3-tests")
    markers = [] if "-m" in arguments.pytest else ["-m", PORTABLE]
    # Cases that wait for days to pass do not keep others: each worker takes the next case when it is free.
    parallel = ["--numprocesses", arguments.workers, "--dist", "worksteal"]
    cases = []
    for group in [arguments.group] if arguments.group else ALT:
        cases += run_pytest(suite, arguments.out.resolve() / group, group, [*markers, *parallel, *arguments.pytest])
    print(table(cases))
    if arguments.pytest or arguments.group:
        return int(any(case["outcome"] == "failed" for case in cases))
    reasons = Reasons(HERE / "reasons.toml")
    commit = subprocess.run(["git", "-C", suite, "rev-parse", "--short=12", "HEAD"], check=True, capture_output=True, text=True)
    (ROOT / "docs" / "conformance.md").write_text(page(cases, reasons, commit.stdout.strip()))
    without = [short(case["case"]) for case in cases if case["outcome"] != "passed" and not reasons.row_of(case)]
    unused = reasons.unused(cases)
    for name in without:
        print(f"no reason in reasons.toml: {name}")
    for pattern in unused:
        print(f"a reason that nothing needs any more: {pattern}")
    return int(bool(without or unused))


if __name__ == "__main__":
    sys.exit(main())
