"""Every line that the README shows is run, in order, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from ..conftest import free_port

README = Path(__file__).resolve().parents[3] / "README.md"


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(sh|python) readme\n(.*?)^```$", README.read_text(), re.M | re.S)


def test_the_readme(tmp_path):
    port = free_port()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "tarn").symlink_to(os.environ["TARN_BINARY"])
    script = ["set -eu"]
    for number, (language, text) in enumerate(blocks()):
        text = text.replace("127.0.0.1:9000", f"127.0.0.1:{port}")
        if language == "python":
            path = tmp_path / f"block-{number}.py"
            path.write_text(text)
            text = f"{sys.executable} {path}\n"
        script.append(text)
        if number == 0:
            script.append("trap 'kill $!; wait' EXIT")
            script.append(f"until (: < /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do :; done")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TARN_"))}
    environment["PATH"] = f"{programs}:{Path(sys.executable).parent}:{environment['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "['Oslo', '7']" in ran.stdout and "['Rome', '5']" in ran.stdout, ran.stdout
    assert ran.stdout.count("lake-raw") >= 1
