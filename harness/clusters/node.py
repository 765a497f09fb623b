# SPDX-License-Identifier: BSD-2-Clause
"""A node of a cluster: a machine, and what its console has said so far.

What a node is, it says itself: its incarnation in the kernel's line, its address in
its agent's or, where it serves by itself, in the web server's. Nothing about it is
written down beforehand but its MAC address and the UUID of its board.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from pathlib import Path

from .api import AGENT_PORT
from .machine import Machine
from .options import free_port
from .probe import Probe

INCARNATION = re.compile(r"^DEOS: .*\bincarnation ([0-9a-f]+)", re.MULTILINE)
# Not at a line's beginning only: the shell's prompt may stand before it.
ADDRESS = re.compile(r"\bweb: (?:serving \d+ files at http://([0-9.]+)/|no address)")
AGENT_ADDRESS = re.compile(r"\bagent: node address ([0-9.]+)")
VIRTUAL_ADDRESS = re.compile(r"\bfront: virtual address ([0-9.]+)")
WEB_PORT = 80
PANIC = re.compile(r"^PANIC: (.*)", re.MULTILINE)
PANIC_ENDS = "\nhalted;"
PANIC_SECONDS = 2.0  # after which one that is not told to its end counts as well
PANIC_LINES = 12


def mac_of(folder: Path, number: int) -> str:
    """A locally administered address: the same for the same node of the same folder."""
    digest = hashlib.sha256(str(folder).encode()).digest()
    return f"52:54:00:{digest[0]:02x}:{digest[1]:02x}:{number:02x}"


def uuid_of(folder: Path, number: int) -> str:
    """The board's UUID, as stable as the MAC address."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{folder.as_uri()}#node-{number}"))


class Node:
    """One node. `number` is its id."""

    def __init__(self, number: int, machine: Machine, standalone: bool) -> None:
        self.number = number
        self.standalone = standalone
        self.port = free_port()  # of 127.0.0.1, where its web server is reached
        self.api_port = 0 if standalone else free_port()  # and its agent
        self.machine = machine
        self.paused = ""  # "", "paused" or "frozen"
        self.killed = False
        self.panic = ""
        self.address = ""
        self.virtual_address = ""  # the last that it has held
        self.incarnation = ""
        self.started = 0.0
        self.served_after: float | None = None  # seconds from start to the first 200
        self.probe: Probe | None = None
        self.told_down = False
        self.unreached = ""  # why no port leads to it, as said last
        self.looked_at = 0  # the log's size then
        self.panic_since: float | None = None

    @property
    def url(self) -> str:
        """Where this machine reaches the node's own web server."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def api(self) -> str:
        """Where this machine reaches its agent; "" when it has none."""
        return f"http://127.0.0.1:{self.api_port}" if self.api_port else ""

    def ways(self) -> dict[int, str]:
        """What of the node this machine reaches, and by which ports."""
        ways = {self.port: f"{self.address}:{WEB_PORT}"}
        if self.api_port:
            ways[self.api_port] = f"{self.address}:{AGENT_PORT}"
        return ways

    def choose_ports(self) -> None:
        """Others: somebody took one meanwhile."""
        self.port = free_port()
        self.api_port = self.api_port and free_port()

    def start(self) -> None:
        """Switches it on."""
        self.forget()
        self.machine.start()
        self.started = time.monotonic()

    def forget(self) -> None:
        """What it said before counts no more."""
        self.stop_probe()
        self.paused = self.panic = self.address = self.incarnation = ""
        self.virtual_address = ""
        self.killed = self.told_down = False
        self.served_after = self.panic_since = None
        self.looked_at = 0

    def kill(self) -> None:
        """Power off at once."""
        self.machine.kill()
        self.forget()
        self.killed = True

    def stop_probe(self) -> None:
        """Asks it no more."""
        if self.probe is not None:
            self.probe.stop()
            self.probe = None

    @property
    def state(self) -> str:
        """up, down or paused."""
        if not self.machine.alive() or self.panic:
            return "down"
        return "paused" if self.paused else "up"

    @property
    def is_serving(self) -> bool:
        """It has answered since its start, and is up."""
        return self.served_after is not None and self.state == "up"

    def reason(self) -> str:
        """Why it is not up, in one line; "" when it is."""
        if self.killed:
            return "killed"
        if self.panic:
            return f"the kernel panicked: {self.panic}"
        if not self.machine.alive():
            return self.machine.why_dead()
        return self.paused

    def last_lines(self) -> list[str]:
        """The end of what it said; of a panic, the beginning."""
        lines = self.machine.tail()
        if self.panic:
            text = self.machine.log().replace("\r", "")
            lines = text[text.index("PANIC: "):].splitlines()[:PANIC_LINES]
        return [f"    | {line}" for line in lines]

    def look(self) -> None:
        """Reads its console."""
        size = self.machine.log_size()
        if self.killed or (size == self.looked_at and self.panic_since is None):
            return
        self.looked_at = size
        text = self.machine.log().replace("\r", "")
        incarnations = INCARNATION.findall(text)
        if incarnations:
            self.incarnation = incarnations[-1]  # it may have started anew by itself
        addresses = (ADDRESS if self.standalone else AGENT_ADDRESS).findall(text)
        if addresses:
            self.address = addresses[-1]
        held = VIRTUAL_ADDRESS.findall(text)
        if held:
            self.virtual_address = held[-1]
        self.look_for_panic(text)

    def look_for_panic(self, text: str) -> None:
        """A panic counts when it has said all, or says no more."""
        panic = PANIC.search(text)
        if panic is None:
            return
        now = time.monotonic()
        self.panic_since = self.panic_since or now
        if PANIC_ENDS in text[panic.start():] or now - self.panic_since > PANIC_SECONDS:
            self.panic = panic[1]

    def report(self) -> dict:
        """Its part of `status --json`."""
        return {"id": self.number, "mac": self.machine.mac, "uuid": self.machine.uuid,
                "ip": self.address, "url": self.url, "api": self.api, "state": self.state,
                "serving": self.is_serving, "reason": self.reason(),
                "incarnation": self.incarnation, "pid": self.machine.pid}
