#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""One DEOS node in QEMU for tests: booted directly, driven by its serial console,
its website reached through QEMU's own user network.

    with Guest(site={"a.html": b"hello"}) as guest:
        assert "web" in guest.run("envs")
        assert guest.get("/a.html") == b"hello"

Nothing survives: QEMU dies with this process, its folder with the Guest. A
failure shows the end of the console.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "harness"))
from clusters.failure import Failure    # noqa: E402
from clusters.machine import Machine    # noqa: E402
from clusters.site import MODE_FILE, header    # noqa: E402

MAC = "52:54:00:de:05:01"
ADDRESS = "ip=10.0.2.15/24 gw=10.0.2.2"
PROMPT = "deos> "
PATIENCE_S = 120        # for anything that a node does at once when the host is free


class GuestError(AssertionError):
    """The node did not do what was expected; the text shows what it said."""


def build_folder() -> Path:
    """Where the kernel and the programs were built."""
    return ROOT / os.environ.get("DEOS_BUILD", "build")


def kernel_image(images: Path, checked: bool) -> Path:
    """The kernel of a build, or the one that checks itself."""
    return images / ("checked/deos.elf" if checked else "deos.elf")


def archive(files: dict[str, bytes]) -> bytes:
    """A site as it travels: the archive of these files."""
    out = bytearray()
    for number, (name, content) in enumerate(files.items(), 1):
        out += header(number, MODE_FILE, 0, len(content), name) + content
        out += bytes(-len(content) % 4)
    return bytes(out + header(0, 0, 0, 0, "TRAILER!!!"))


class Guest(Machine):
    """A running node."""

    def __init__(self, *, memory_mib: int = 64, smp: int = 1, append: str = ADDRESS,
                 site: dict[str, bytes] | None = None, disk: Path | None = None,
                 network: bool = True, reboots: bool = False, cpu: str = "max",
                 entropy: bool = True, icount: int | None = None, nic: str = "virtio",
                 disk_bus: str = "virtio", options: list[str] | None = None,
                 checked: bool = False, kernel: Path | None = None):
        folder = Path(tempfile.mkdtemp(prefix="deos-guest-"))
        modules = [build_folder() / "boot.cpio"]
        if site is not None:
            modules.append(folder / "site.cpio")
            modules[1].write_bytes(archive(site))
        netdev = "user,id=net,hostfwd=tcp:127.0.0.1:0-10.0.2.15:80" if network else None
        super().__init__(folder, memory_mib=memory_mib, smp=smp, mac=MAC, netdev=netdev,
                         kernel=kernel or kernel_image(build_folder(), checked),
                         modules=modules, append=append, disk=disk, cpu=cpu, entropy=entropy,
                         icount=icount, nic=nic, disk_bus=disk_bus,
                         disk_quick=False)  # programs are to see what is under way
        self.pcap = folder / "frames.pcap"
        if network:
            self.extra += ["-object", f"filter-dump,id=dump,netdev=net,file={self.pcap}"]
        self.extra += options or []
        if not reboots:
            self.extra.append("-no-reboot")
        self.port = 0
        self.broken = False     # something did not come: start anew for the next test
        try:
            self.start()
            if network:
                self.port = self._forwarded_port()
        except BaseException:
            self.__exit__()
            raise

    def _forwarded_port(self) -> int:
        table = str(self.qmp("human-monitor-command", **{"command-line": "info usernet"}))
        found = re.search(r"HOST_FORWARD\S*\s+\d+\s+127\.0\.0\.1\s+(\d+)", table)
        if not found:
            raise GuestError("QEMU forwards no port:\n" + table)
        return int(found[1])

    # The console.

    def log(self) -> str:
        """Everything that the node has said."""
        return super().log().replace("\r", "")

    def tail(self, count: int = 60) -> list[str]:
        """The last lines, enough for a panic."""
        return super().tail(count)

    def wait_for(self, pattern: str, seconds: float = PATIENCE_S, since: int = 0) -> re.Match[str]:
        """As a Machine's; a node that keeps us waiting counts as broken."""
        try:
            return super().wait_for(pattern, seconds, since)
        except Failure:
            self.broken = True
            raise

    def wait_on(self, pattern: str, seconds: float = PATIENCE_S, since: int = 0) -> re.Match[str]:
        """As wait_for(), for what may take as long as it likes while it goes on: the seconds
        begin anew with everything that the node says."""
        while True:
            said = len(self.log())
            try:
                return super().wait_for(pattern, seconds, since)
            except Failure:
                if not self.alive() or len(self.log()) == said:
                    self.broken = True
                    raise

    def wait_prompt(self):
        """Waits for the shell's first prompt and, with a site, for its service."""
        self.wait_for("^" + PROMPT)
        if len(self.modules) > 1:
            self.wait_for(r"web: serving \d+ files")

    def press(self, keys: bytes):
        """Types bytes as they are."""
        console = self.open_input()
        os.write(console, keys)
        os.close(console)

    def run(self, command: str, seconds: float = PATIENCE_S, goes_on: bool = False) -> str:
        """Types a command at the prompt; returns what it printed before the next prompt.
        With `goes_on` the seconds are those without a word of it."""
        since = len(self.log())
        self.type(command)
        head = self.wait_for(re.escape(command) + "\n", seconds, since)
        wait = self.wait_on if goes_on else self.wait_for
        return wait(r"((?:^(?!deos> ).*\n)*?)^deos> ", seconds, head.end())[1]

    def background(self, command: str, says: str | None = None) -> int:
        """Starts a program in the background; returns its id, once it has said something
        (or what matches `says`; "" for a silent one), lest that falls into the next
        command's echo."""
        since = len(self.log())
        said = self.run(command + " &")
        found = re.search(r"^\[(\d+)\] ", said, re.M)
        if not found:
            raise GuestError(f"{command} did not start: {said}")
        says = f"{command.split()[0]}: .*\n" if says is None else says
        self.wait_for(says, since=since)
        return int(found[1])

    def audit(self):
        """Has the kernel count all that it gave out, where the shell listens. A leak is
        a panic: what it found missing is what check() then shows."""
        if not self.broken and self.alive() and self.log().endswith("\n" + PROMPT):
            said = self.run("audit")
            if said != "audit: all is accounted for\n":
                raise GuestError(said)

    def check(self):
        """Fails when the kernel panicked or QEMU ended."""
        if "PANIC" in self.log():
            self.wait_for("^halted; ")
            raise GuestError(self.log()[self.log().index("PANIC"):])
        if not self.alive():
            raise GuestError(f"{self.why_dead()}\n{self.log()[-2000:]}")

    # The website.

    def get(self, path: str, seconds: float = PATIENCE_S) -> bytes:
        """Fetches a path; tries again until the node serves."""
        until = time.monotonic() + seconds
        while True:
            link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                link.request("GET", path)
                answer = link.getresponse()
                body = answer.read()
                if answer.status != 200:
                    raise GuestError(f"GET {path}: {answer.status} {answer.reason}")
                return body
            except (OSError, http.client.HTTPException) as error:
                self.check()
                if time.monotonic() > until:
                    raise GuestError(f"GET {path}: {error!r}; the console ends:\n"
                                     + self.log()[-2000:]) from error
                time.sleep(0.02)
            finally:
                link.close()

    # The end.

    def wait_end(self, seconds: float = PATIENCE_S) -> int:
        """Waits until QEMU has ended; returns its exit status."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise GuestError(f"the node runs on:\n{self.log()[-2000:]}") from None

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *failure):
        if failure and failure[0] is None:
            self.audit()
        super().__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)
