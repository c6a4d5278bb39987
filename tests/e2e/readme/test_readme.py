"""Every line that the README and pages of the book show is run, in order, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from ..conftest import free_port

ROOT = Path(__file__).resolve().parents[3]


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(sh|python) (?:readme|page)\n(.*?)^```$", page.read_text(), re.M | re.S)


def run(page: Path, tmp_path) -> str:
    """What the page's lines print."""
    port = free_port()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "tarn").symlink_to(os.environ["TARN_BINARY"])
    script = ["set -eu"]
    for number, (language, text) in enumerate(blocks(page)):
        text = text.replace("127.0.0.1:9000", f"127.0.0.1:{port}").replace("localhost:9000", f"localhost:{port}")
        if language == "python":
            path = tmp_path / f"block-{number}.py"
            path.write_text(text)
            text = f"{sys.executable} {path}\n"
        script.append(text)
        if number == 0:
            script.append("trap 'kill $!; wait' EXIT")
            script.append(f"until (: < /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do :; done")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TARN_"))}
    # Names below localhost that the system does not resolve are asked of the server, as if it were a proxy.
    environment |= {"HTTP_PROXY": f"http://127.0.0.1:{port}", "NO_PROXY": "127.0.0.1"}
    environment["PATH"] = f"{programs}:{Path(sys.executable).parent}:{environment['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_readme(tmp_path):
    printed = run(ROOT / "README.md", tmp_path)
    assert "['Oslo', '7']" in printed and "['Rome', '5']" in printed, printed
    assert printed.count("lake-raw") >= 1


def test_batch_operations(tmp_path):
    printed = run(ROOT / "docs/batch-operations.md", tmp_path)
    assert '"NumberOfTasksSucceeded": 3' in printed and '"NumberOfTasksFailed": 1' in printed, printed
    assert "lake-raw,cities/oslo.txt,,succeeded,200,,Successful" in printed
    assert "lake-raw,cities/paris.txt,,failed,404,NoSuchKey," in printed
