# SPDX-License-Identifier: BSD-2-Clause
"""For the tests of this folder: the control API with a made-up cluster behind it
(cluster/api/server_rig.c), and deosctl as a person starts it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DEOS_BUILD", "build")
SERVER = BUILD / "host" / "cluster" / "api" / "server_rig"
DEOSCTL = ROOT / "cluster" / "deosctl"
SECONDS = 200.0


class Rig:
    """A server that ends with its `with` block; `lines` is what it said."""

    def __init__(self, *words: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen([SERVER, *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first.startswith("port "), first
        self.port = int(first.split()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_line(self, start: str) -> str:
        """The first line that begins so."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if line.startswith(start):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"the server never said {start!r}: {self.lines}")

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        status = self.process.wait(SECONDS)
        self.reader.join(SECONDS)
        self.process.stdout.close()
        assert status == 0, "\n".join(self.lines)  # a sanitizer's report, or an assertion


def words_of(rig: Rig | None, words: tuple[object, ...]) -> list[str]:
    """A command line of deosctl's."""
    cluster = ["--cluster", rig.url] if rig else []
    return [str(DEOSCTL), *cluster, *map(str, words)]


def deosctl(rig: Rig | None, *words: object, status: int = 0, **environment: str
            ) -> subprocess.CompletedProcess[str]:
    """One command to its end; what goes wrong is one line, without a traceback."""
    done = subprocess.run(words_of(rig, words), capture_output=True, text=True, check=False,
                          timeout=SECONDS, env=dict(os.environ, **environment),
                          stdin=subprocess.DEVNULL)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    if status:
        assert done.stderr.splitlines()[-1].startswith("deosctl: "), done.stderr
    return done
