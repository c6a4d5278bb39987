"""bench/RESULTS.md: a table whose rows are replaced by what is measured anew. The last column is written by hand and kept."""

import os
import platform
import subprocess
import time
from pathlib import Path

FILE = Path(__file__).resolve().parent / "RESULTS.md"
COLUMNS = ["what", "figure", "budget", "peers, Tarn's ratio", "server's CPU, memory", "measured", "what the limit is"]
HEAD = """# Measured

Written by `cargo xtask bench [NAME...]`, row by row as it is run; the last column by hand, from `perf` and `strace` on the server. Client
and server share the machine. Durable mode, encryption on. Peers run on the same disk in the same run, one after the other; a ratio
above 1 says that Tarn is quicker. CPU is the server's, user and system. Memory is the server's peak so far in that run. RustFS is not
among the peers: its 1.0 wants Rust 1.97, and crates that are in no registry."""


class Results:
    def __init__(self):
        rule = "|" + "---|" * len(COLUMNS)
        text = FILE.read_text() if FILE.exists() else ""
        table = text.partition(rule)[2] if rule in text else ""
        self.rows = {}
        for line in table.splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if len(cells) == len(COLUMNS):
                self.rows[cells[0]] = cells
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=FILE.parent, capture_output=True, text=True).stdout
        self.measured = f"{time.strftime('%Y-%m-%d')}, {commit.strip()}"

    def add(self, what: str, figure: str, budget: str = "", peers: str = "", server: str = "", limit: str = "") -> None:
        """A row; it is written at once, so that a run that is cut short has not been for nothing."""
        kept = self.rows[what][-1] if what in self.rows else ""
        self.rows[what] = [what, figure, budget, peers, server, self.measured, limit or kept]
        print(f"{what:48} {figure:28} budget {budget:24} {peers} {server}", flush=True)
        self.write()

    def write(self) -> None:
        memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
        machine = f"{os.cpu_count()} cores, {int(memory.split()[1]) / 2**20:.0f} GiB, {platform.system()}, release profile"
        lines = [HEAD, "", f"Last machine: {machine}.", "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        lines += [f"| {' | '.join(row)} |" for row in self.rows.values()]
        FILE.write_text("\n".join(lines) + "\n")
