# SPDX-License-Identifier: BSD-2-Clause
"""One QEMU machine: its process, its serial console, its monitor (QMP).

The console's output is a file, its input a named pipe: any number of readers may
follow, and none of them can hold the guest back. (On a socket, a late reader makes
QEMU write bytes to its log twice.) Everything lies in one folder, in which QEMU
runs, so that names on its command line are short and hold no commas.

For tests that need a node and no cluster:

    with Machine(tmp_path, kernel=KERNEL, modules=[BOOT, SITE],
                 netdev="user,id=net") as node:
        node.wait_for(r"serving \\d+ files")
        node.type("help")
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import unixpath
from .drive import drive
from .failure import Failure
from .process import end, how_it_ended, last_line, spawn

QEMU = "qemu-system-x86_64"
MTU = 1500
NICS = {"virtio": "virtio-net-pci", "e1000e": "e1000e"}
QMP_SECONDS = 30.0
TAIL_LINES = 8
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|c)|\r")  # what firmware sends to terminals


def mtu_word(nic: str, mtu: int) -> str:
    """What the kernel's command line says in place of a card that does not tell its MTU."""
    return f"mtu={mtu}" if mtu != MTU and nic != "virtio" else ""


@dataclass
class Machine:
    """A machine as it is bought; start() switches it on."""

    folder: Path
    name: str = "node"
    memory_mib: int = 256
    smp: int = 1
    mac: str = "52:54:00:00:00:01"
    uuid: str | None = None
    netdev: str | None = None  # with id=net; None: no network card
    mtu: int = MTU  # that the network card tells the node, or the command line does
    nic: str = "virtio"  # of NICS
    kernel: Path | None = None  # None: the card's ROM boots from the network
    modules: list[Path] = field(default_factory=list)
    append: str = ""
    disk: Path | None = None  # raw
    disk_bus: str = "virtio"  # of drive.DISKS
    disk_quick: bool = True
    cpu: str = "max"
    entropy: bool = True  # a virtio entropy device
    icount: int | None = None  # its clock counts instructions, of 2**icount ns each
    extra: list[str] = field(default_factory=list)
    on_terminal: bool = False  # the console and QEMU's monitor are this terminal; no QMP
    inside: int | None = None  # a process in whose network namespace QEMU runs
    process: subprocess.Popen | None = field(default=None, init=False)

    @property
    def log_path(self) -> Path:
        """What the node wrote on its console since it was started. The start before that
        is in a file beside it, .log.old."""
        return self.folder / f"{self.name}.log"

    @property
    def error_path(self) -> Path:
        """What QEMU itself said."""
        return self.folder / f"{self.name}.qemu"

    @property
    def input_path(self) -> Path:
        """The named pipe into the console."""
        return self.folder / f"{self.name}.in"

    @property
    def _output_path(self) -> Path:
        """The name under which QEMU's pipe finds the log."""
        return self.folder / f"{self.name}.out"

    @property
    def qmp_path(self) -> Path:
        """The unix socket of the monitor."""
        return self.folder / f"{self.name}.qmp"

    def _inside_folder(self, path: Path) -> str:
        """A path as an option's value: from the folder where that is short, commas doubled."""
        shortest = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        return str(shortest).replace(",", ",,")

    def command(self) -> list[str]:
        """QEMU's command line."""
        threads = "multi" if self.icount is None else "single"
        words = [QEMU, "-name", self.name, "-machine", "q35", "-accel", f"tcg,thread={threads}",
                 "-cpu", self.cpu, "-smp", str(self.smp), "-m", f"{self.memory_mib}M",
                 "-nodefaults", "-no-user-config", "-display", "none"]
        if self.on_terminal:
            words += ["-serial", "mon:stdio"]
        else:
            words += ["-chardev", f"pipe,id=console,path={self.name}",
                      "-serial", "chardev:console",
                      "-qmp", f"unix:{self.qmp_path.name},server=on,wait=off"]
        if self.icount is not None:
            words += ["-icount", f"shift={self.icount},sleep=off"]
        if self.entropy:
            words += ["-device", "virtio-rng-pci"]
        if self.uuid is not None:
            words += ["-uuid", self.uuid]
        if self.kernel is not None:
            append = f"{self.append} {mtu_word(self.nic, self.mtu)}".rstrip()
            words += ["-kernel", str(self.kernel), "-append", append]
        if self.kernel is not None and self.modules:
            words += ["-initrd", ",".join(self._inside_folder(path) for path in self.modules)]
        if self.netdev is not None:
            boot = "bootindex=0" if self.kernel is None else "romfile="
            tells = f",host_mtu={self.mtu}" if self.mtu != MTU and self.nic == "virtio" else ""
            words += ["-netdev", self.netdev,
                      "-device", f"{NICS[self.nic]},netdev=net,mac={self.mac},{boot}{tells}"]
        if self.disk is not None:
            words += drive(self._inside_folder(self.disk), self.disk_bus,
                           quick=self.disk_quick)
        return words + self.extra

    def _make_console(self) -> None:
        """A fresh log, and the pipe."""
        with contextlib.suppress(FileNotFoundError):
            self.log_path.replace(self.log_path.with_suffix(".log.old"))
        self.log_path.touch()
        self.remove_files()
        os.mkfifo(self.input_path, 0o600)
        self._output_path.symlink_to(self.log_path.name)

    def start(self) -> None:
        """Switches the machine on."""
        assert not self.alive()
        self.error_path.write_bytes(b"")
        self._make_console()
        self.process = spawn(self.command(), self.folder, self.error_path, inside=self.inside)

    def alive(self) -> bool:
        """True while QEMU runs, paused or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int | None:
        """QEMU's process number while it runs."""
        return self.process.pid if self.process is not None and self.alive() else None

    def kill(self) -> None:
        """Power off at once, as kill -9."""
        if self.process is not None:
            end(self.process, 0)

    def pause(self) -> None:
        """Stops QEMU. The guest's clock goes on: it wakes up late."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets QEMU go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if not self.alive():
            raise Failure(f"{self.name} is down")
        assert self.process is not None
        self.process.send_signal(number)

    def log(self) -> str:
        """The console's output since the start."""
        try:
            return self.log_path.read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def log_size(self) -> int:
        """How much it has said: cheaper than the log."""
        try:
            return self.log_path.stat().st_size
        except FileNotFoundError:
            return 0

    def tail(self, count: int = TAIL_LINES) -> list[str]:
        """The console's last lines, for a message."""
        lines = [line.rstrip() for line in ESCAPES.sub("", self.log()).splitlines()]
        return [line for line in lines if line][-count:]

    def why_dead(self) -> str:
        """How QEMU ended, in one line."""
        if self.process is None:
            return "it was never started"
        status = self.process.poll()
        if status is None:
            return "it runs"
        if status == 0:
            return "it powered itself off"
        return f"QEMU ended ({how_it_ended(status)}): {last_line(self.error_path)}"

    def qmp(self, command: str, **arguments: object) -> object:
        """Executes one QMP command and returns its answer."""
        words = {"execute": command, "arguments": arguments}
        try:
            with self._connect(self.qmp_path) as link, link.makefile("rw") as lines:
                lines.readline()  # the greeting
                answer: object = None
                for request in ({"execute": "qmp_capabilities"}, words):
                    lines.write(json.dumps(request) + "\n")
                    lines.flush()
                    answer = self._qmp_answer(lines.readline, command)
                return answer
        except OSError as error:
            raise Failure(f"{self.name}: {command}: {error}") from error

    def _qmp_answer(self, readline, command: str) -> object:
        while True:
            line = readline()
            if not line.endswith("\n"):
                raise Failure(f"{self.name}: {command}: QEMU closed its monitor")
            answer = json.loads(line)
            if "error" in answer:
                raise Failure(f"{self.name}: {command}: {answer['error']['desc']}")
            if "return" in answer:  # else it is an event
                return answer["return"]

    def _connect(self, path: Path) -> socket.socket:
        """A connection to QEMU's socket, which it may be about to make."""
        deadline = time.monotonic() + QMP_SECONDS
        while True:
            alive = self.alive()
            try:
                return unixpath.connect(path, QMP_SECONDS)
            except OSError as error:
                if not alive or time.monotonic() > deadline:
                    raise Failure(f"{self.name}: {path.name}: {error.strerror}: "
                                  f"{self.why_dead()}") from error
                time.sleep(0.01)

    def type(self, text: str) -> None:
        """Types a line on the console."""
        console = self.open_input()
        try:
            os.write(console, text.encode() + b"\n")
        finally:
            os.close(console)

    def open_input(self) -> int:
        """A descriptor for the console's input, once QEMU reads there."""
        deadline = time.monotonic() + QMP_SECONDS
        while True:
            try:
                return os.open(self.input_path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if not self.alive() or time.monotonic() > deadline:
                    raise Failure(f"{self.name} is down") from error
                time.sleep(0.01)

    def wait_for(self, pattern: str, seconds: float = 60.0, since: int = 0) -> re.Match[str]:
        """The match of `pattern` in this boot's output from offset `since` on."""
        deadline = time.monotonic() + seconds
        while True:
            alive = self.alive()  # asked first: what a node says last counts
            found = re.compile(pattern, re.MULTILINE).search(self.log(), since)
            if found:
                return found
            if not alive or time.monotonic() > deadline:
                why = f"not within {seconds:g} s" if alive else self.why_dead()
                raise Failure(f"{self.name}: no {pattern!r} on the console: {why}; last lines:\n"
                              + "\n".join(self.tail()))
            time.sleep(0.005)

    def cpu_seconds(self) -> float:
        """The processor time that QEMU has used, all threads."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def remove_files(self) -> None:
        """Removes what is of no use without a running QEMU; logs stay."""
        for path in (self.input_path, self._output_path, self.qmp_path):
            path.unlink(missing_ok=True)

    def __enter__(self) -> Machine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.remove_files()
