# SPDX-License-Identifier: BSD-2-Clause
"""What tests of clusters are made of: the command as a person runs it, and what is left of it.

    with Cluster(tmp_path / "state", "-n", "2", "--boot", "direct") as cluster:
        assert cluster.get("/") == b"..."
        cluster.run("kill", "2")
"""

from __future__ import annotations

import http.client
import json
import os
import pty
import select
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .commands import read_status
from .options import ROOT, free_port, lacks_for_tap
from .state import State

FRONT_PAGE = (ROOT / "docs" / "site" / "index.html").read_bytes()
DIRECT = ("--boot", "direct", "--net", "socket")  # the quickest way up
ALONE = "--standalone"  # nodes that serve without one another
COMMAND = ROOT / "harness" / "cluster"
SECONDS = 250


def needs_tap(net: str) -> None:
    """Skips where that uplink cannot be."""
    lacking = None if net == "socket" else lacks_for_tap()
    if lacking:
        pytest.skip(f"--net {net}: {lacking}")


def run(*words: object, timeout: float = SECONDS, **options) -> subprocess.CompletedProcess[str]:
    """harness/cluster with these words."""
    return subprocess.run([str(COMMAND), *map(str, words)], capture_output=True, text=True,
                          timeout=timeout, check=False, **options)


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


def wait_for(condition, what: str, seconds: float = 100.0, pause: float = 0.02):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(pause)
    return value


class Cluster:
    """Nodes in the background, from up to down, each of which serves its own copy of the site."""

    mode: tuple[object, ...] = (ALONE,)

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

    def shown(self) -> dict:
        """What `status --json` prints."""
        return json.loads(self.run("status", "--json").stdout)

    def status(self) -> dict:
        """The same, without a process for each question."""
        return read_status(State(self.state))

    def node(self, number: int) -> dict:
        """A node's part of it."""
        return next(node for node in self.status()["nodes"] if node["id"] == number)

    def recorded(self) -> dict[str, list[int]]:
        """The processes by name, each with its number and start time."""
        return json.loads((self.state / "state.json").read_text())["processes"]

    def namespaces(self) -> set[str]:
        """The network namespaces of its own, in which it runs."""
        return {os.readlink(f"/proc/{pid}/ns/net") for pid, _start in self.recorded().values()
                } - {os.readlink("/proc/self/ns/net")}

    @property
    def url(self) -> str:
        """Where the website is."""
        return f"http://127.0.0.1:{self.port}/"

    def get(self, path: str = "", timeout: float = 60.0) -> bytes:
        """A page of the website."""
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return answer.read()

    def up(self, **options) -> subprocess.CompletedProcess[str]:
        """up --detach."""
        return self.run("up", *self.mode, "--port", self.port, "--detach", *self.words,
                        **options)

    def __enter__(self) -> Cluster:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.run("down")
        assert processes_of(self.state) == []


def page(url: str, path: str = "/") -> bytes:
    """One page of a node's own web server."""
    link = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        assert answer.status == 200
        return answer.read()
    finally:
        link.close()


def is_silent(url: str) -> bool:
    """Nothing answers there within a second."""
    try:
        with socket.create_connection(urlsplit(url).netloc.split(":"), 5) as link:
            link.settimeout(1)
            link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return not link.recv(1)
    except OSError:
        return True


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, words: list[str], **options) -> None:
        self.terminal, inner = pty.openpty()
        self.process = subprocess.Popen(words, stdin=inner, stdout=inner, stderr=inner, **options)
        os.close(inner)
        self.shown = b""

    def wait_for(self, what: bytes, seconds: float = 60.0) -> None:
        """Until it has shown this."""
        deadline = time.monotonic() + seconds
        while what not in self.shown:
            assert time.monotonic() < deadline, (what, self.shown)
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.terminal, 4096)
                except OSError:     # the process has ended
                    assert what in self.shown, (what, self.shown)

    def type(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self.terminal, keys)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


class Foreground:
    """`up` as it runs on a terminal, without one."""

    def __init__(self, state: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [str(COMMAND), "up", ALONE, "--state", str(state), "--port", str(free_port()),
             *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().startswith("READY "), self.process.stderr.read()

    def end(self, number: int) -> tuple[int, str]:
        """A signal; exit status and what was said."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """The end that comes by itself."""
        said = self.process.communicate(timeout=SECONDS)[1]
        return self.process.returncode, said
