"""`tarn sql` at a terminal: a pseudo terminal plays the person."""

import os
import pty
import re
import select
import subprocess
import time


class Terminal:
    """A running prompt."""

    def __init__(self, account, home, *arguments):
        self.master, slave = pty.openpty()
        environment = account.env() | {"HOME": str(home), "TERM": "xterm", "COLUMNS": "120"}
        environment.pop("XDG_STATE_HOME", None)
        self.process = subprocess.Popen(
            [os.environ["TARN_BINARY"], "sql", *arguments],
            env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def until(self, pattern, seconds=30):
        """Reads until `pattern` is seen; returns what came before and with it."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"{pattern!r} is not in {self.seen!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    assert re.search(pattern, self.seen), f"{pattern!r} is not in {self.seen!r}"
        before, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return before

    def type(self, line):
        os.write(self.master, line.encode())

    def end(self):
        self.type("\\q\r")
        assert self.process.wait(30) == 0
        os.close(self.master)


def test_the_prompt_helps_and_ends(account, tmp_path):
    terminal = Terminal(account, tmp_path, "--database", "sales")
    terminal.until("sales> ")
    terminal.type("\\?\r")
    assert "\\dt" in terminal.until("sales> ")
    terminal.type("\\c raw\r")
    terminal.until("raw> ")
    terminal.type("\\what\r")
    assert "there is no \\what" in terminal.until("raw> ")
    terminal.type("SELECT\r")
    terminal.until("-> ")
    # Ctrl-C drops the line and does not end the prompt.
    terminal.type("\x03")
    terminal.until("raw> ")
    terminal.end()
    history = (tmp_path / ".local/state/tarn/sql_history").read_text()
    assert "\\c raw" in history


def test_the_end_of_input_ends_the_prompt(account, tmp_path):
    terminal = Terminal(account, tmp_path)
    terminal.until("tarn> ")
    terminal.type("\x04")
    assert terminal.process.wait(30) == 0
