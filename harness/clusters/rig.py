# SPDX-License-Identifier: BSD-2-Clause
"""What tests of clusters are made of: the command as a person runs it, and what is left of it.

    with Cluster(tmp_path / "state", "-n", "2", "--boot", "direct") as cluster:
        assert cluster.get("/") == b"..."
        cluster.run("kill", "2")
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from .options import ROOT, free_port, lacks_for_tap

COMMAND = ROOT / "harness" / "cluster"
SECONDS = 110


def needs_tap(net: str) -> None:
    """Skips where that uplink cannot be."""
    lacking = None if net == "socket" else lacks_for_tap()
    if lacking:
        pytest.skip(f"--net {net}: {lacking}")


def run(*words: object, **options) -> subprocess.CompletedProcess[str]:
    """harness/cluster with these words."""
    return subprocess.run([str(COMMAND), *map(str, words)], capture_output=True, text=True,
                          timeout=SECONDS, check=False, **options)


def one_line(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line on standard error of a command that failed."""
    assert done.returncode == status, (done.stdout, done.stderr)
    assert done.stderr.startswith("cluster: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


def processes_of(folder: Path) -> list[str]:
    """The processes that run in a state folder: all of a run's have it as their directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(os.readlink(entry / "cwd")) == folder:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def namespaces() -> set[str]:
    """The network namespaces that processes live in."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            found.add(os.readlink(entry / "ns" / "net"))
        except OSError:
            continue
    return found


def links() -> set[str]:
    """The interfaces of this namespace."""
    return set(os.listdir("/sys/class/net"))


def wait_for(condition, what: str, seconds: float = 20.0):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
    return value


class Cluster:
    """A cluster in the background, from up to down."""

    def __init__(self, state: Path, *words: object) -> None:
        self.state = state
        self.port = free_port()
        self.words = words

    def run(self, verb: str, *words: object, **options) -> subprocess.CompletedProcess[str]:
        """A verb that has to succeed."""
        done = run(verb, "--state", self.state, *words, **options)
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"
        return done

    def fails(self, verb: str, *words: object, status: int = 1) -> str:
        """A verb that has to fail; its line."""
        return one_line(run(verb, "--state", self.state, *words), status)

    def status(self) -> dict:
        """status --json."""
        return json.loads(self.run("status", "--json").stdout)

    def node(self, number: int) -> dict:
        """A node's part of it."""
        return next(node for node in self.status()["nodes"] if node["id"] == number)

    def recorded(self) -> dict[str, list[int]]:
        """The processes by name, each with its number and start time."""
        return json.loads((self.state / "state.json").read_text())["processes"]

    @property
    def url(self) -> str:
        """Where the website is."""
        return f"http://127.0.0.1:{self.port}/"

    def get(self, path: str = "", timeout: float = 20.0) -> bytes:
        """A page of the website."""
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return answer.read()

    def up(self) -> subprocess.CompletedProcess[str]:
        """up --detach."""
        return self.run("up", "--port", self.port, "--detach", *self.words)

    def __enter__(self) -> Cluster:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.run("down")
        assert processes_of(self.state) == []
