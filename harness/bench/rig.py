# SPDX-License-Identifier: BSD-2-Clause
"""The bench itself: a private network, emulated machines on it, and their end.

The whole benchmark process moves into a network namespace of its own that has
no name: the kernel removes it, its bridge and its taps with the last process in
it. Every process started here asks for SIGKILL when its parent dies, so even
kill -9 of the benchmark leaves nothing behind.

    this process (core 1: load generators)
        br0 10.9.0.1, fixed MAC --- one tap a node, static forwarding entries
            QEMU of the node (core 0: vCPU and I/O threads)

All nodes of a session are the same emulated machine; they differ in kernel,
boot archive and command line only.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clusters.drive import drive  # noqa: E402 (the path above comes first)
from clusters.machine import NICS  # noqa: E402

BRIDGE_ADDRESS = "10.9.0.1"
BRIDGE_MAC = "52:54:00:09:00:01"
SUBNET_BITS = 24
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
PR_SET_PDEATHSIG = 1
GUEST_CORE, LOAD_CORE = 0, 1  # of two nodes, the second has the load's core
MTU = 1500


class BenchError(Exception):
    """Something that the person at the terminal can act on; shown in one line."""


@dataclass(frozen=True)
class Node:
    """What to boot, and where it lives on the bridge."""

    label: str  # deos, peer or floor
    host: int  # last byte of the address, of the MAC and number of the tap
    kernel: Path | None  # None: the firmware boots from the network
    initrd: str | None = None
    append: str = ""
    core: int = GUEST_CORE
    mtu: int = MTU
    disk_mib: int = 0  # an empty disk of that size
    socket: str = ""  # of a switch's port, in place of the tap

    @property
    def address(self) -> str:
        return f"10.9.0.{self.host}"

    @property
    def mac(self) -> str:
        return f"52:54:00:09:00:{self.host:02x}"

    @property
    def tap(self) -> str:
        return f"tap{self.host}"


@dataclass
class Devices:
    """What every machine of this process has for a network card and a disk."""

    nic: str = "virtio"  # of NICS
    disk: str = "virtio"  # of DISKS

    def card(self, node: Node, rom: str) -> str:
        """QEMU's -device for the node's network card."""
        words = f"{NICS[self.nic]},netdev=net,mac={node.mac}"
        words += ",bootindex=0" if rom else ",romfile="
        tells = node.mtu != MTU and self.nic == "virtio"
        return words + (f",host_mtu={node.mtu}" if tells else "")

    def append(self, node: Node) -> str:
        """The kernel's command line: a card that does not tell its MTU is asked for it."""
        return node.append + (f" mtu={node.mtu}"
                              if node.mtu != MTU and self.nic != "virtio" else "")


DEVICES = Devices()


@dataclass(frozen=True)
class Hardware:
    """The emulated machine, the same for every node of a session."""

    cpu: str
    memory_mib: int = 256
    icount: bool = False
    sleeps: bool = False  # with icount: idle time passes as it does outside
    plugin: Path | None = None  # of QEMU, which writes to the machine's file `counts`

    def arguments(self) -> list[str]:
        accel = "tcg,thread=single" if self.icount else "tcg,thread=multi"
        words = ["qemu-system-x86_64", "-machine", "q35", "-accel", accel, "-cpu", self.cpu,
                 "-smp", "1", "-m", f"{self.memory_mib}M", "-nodefaults", "-display", "none",
                 "-no-reboot"]
        if self.icount:
            words += ["-icount", f"shift=0,sleep={'on' if self.sleeps else 'off'}"]
        return words


def ip(*words: str) -> None:
    """Runs ip or bridge; its own message explains a failure."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BenchError(f"{words[0]} is not installed: run 'make setup'") from error
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words)}: {done.stderr.strip()}")


def enter_private_network() -> None:
    """Moves this process into a new network namespace with bridge br0."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNET if uid == 0 else CLONE_NEWNET | CLONE_NEWUSER
    if libc.unshare(flags) != 0:
        raise BenchError("cannot make a network namespace "
                         f"({os.strerror(ctypes.get_errno())}): run as root")
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise BenchError("/dev/net/tun cannot be opened: run as root")
    ip("ip", "link", "set", "lo", "up")
    ip("ip", "link", "add", "br0", "address", BRIDGE_MAC, "type", "bridge",
       "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
    ip("ip", "addr", "add", f"{BRIDGE_ADDRESS}/{SUBNET_BITS}", "dev", "br0")
    ip("ip", "link", "set", "br0", "up")
    for name, value in (("tcp_tw_reuse", "1"), ("ip_local_port_range", "1024 65535")):
        Path(f"/proc/sys/net/ipv4/{name}").write_text(value)


def add_port(node: Node) -> None:
    """A tap for the node; nothing about it has to be learnt, flooded or asked by ARP."""
    ip("ip", "tuntap", "add", node.tap, "mode", "tap", "vnet_hdr")
    ip("ip", "link", "set", node.tap, "mtu", str(node.mtu), "master", "br0", "up")
    ip("bridge", "link", "set", "dev", node.tap, "learning", "off", "flood", "off")
    ip("bridge", "fdb", "replace", node.mac, "dev", node.tap, "master", "static")
    ip("ip", "neigh", "replace", node.address, "lladdr", node.mac, "dev", "br0", "nud", "permanent")


def wire(nodes: list[Node], ports: Sequence[str] = ()) -> list[Node]:
    """The nodes on the bridge, each with a tap, or on these ports of a switch."""
    if ports:
        return [replace(node, socket=port) for node, port in zip(nodes, ports, strict=True)]
    for node in nodes:
        add_port(node)
    return nodes


def use_core(core: int) -> None:
    """Pins this process, and what it starts, to a core if the machine has that many."""
    if core in os.sched_getaffinity(0) or core < (os.cpu_count() or 1):
        os.sched_setaffinity(0, {core})


_LIBC = ctypes.CDLL(None)


def _in_child(core: int):
    def prepare() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        use_core(core)
    return prepare


@dataclass
class _Registry:
    """Everything that must be gone when this process ends."""

    processes: list[subprocess.Popen] = field(default_factory=list)
    folder: Path | None = None

    def scratch(self) -> Path:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-"))
        return self.folder

    def end_all(self) -> None:
        for process in self.processes:
            end(process)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


REGISTRY = _Registry()


def end(process: subprocess.Popen) -> None:
    """Ends one process that start() started."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


SCRATCH = "deos-bench-"


def sweep_scratch() -> None:
    """Removes scratch folders whose benchmark was killed before it could."""
    for folder in Path(tempfile.gettempdir()).glob(SCRATCH + "*"):
        owner = re.match(re.escape(SCRATCH) + r"(\d+)-", folder.name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def guarantee_cleanup() -> None:
    """Whatever way this process ends, what it started ends too."""
    sweep_scratch()
    atexit.register(REGISTRY.end_all)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _frame: sys.exit(128 + n))


def start(words: list[str], core: int, **streams) -> subprocess.Popen:
    """Starts a process on a core; it cannot outlive this one."""
    try:
        process = subprocess.Popen(words, preexec_fn=_in_child(core),
                                   stdin=subprocess.DEVNULL, **streams)
    except FileNotFoundError as error:
        raise BenchError(f"{words[0]} is not installed: run 'make setup'") from error
    REGISTRY.processes.append(process)
    return process


class Machine:
    """One running QEMU: its console, its clock, its CPU time.

    The console's output is a file and its input a named pipe: nobody has to read for
    the guest to go on, and no byte stands in the log twice, as it can with a socket.
    """

    def __init__(self, node: Node, hardware: Hardware, rom: str = "") -> None:
        self.node = node
        self.folder = Path(tempfile.mkdtemp(dir=REGISTRY.scratch(), prefix=node.label + "-"))
        self.command = self._command(hardware, rom)
        os.mkfifo(self.folder / "console.in", 0o600)
        self._qmp: socket.socket | None = None
        (self.folder / "console.out").touch()
        with open(self.folder / "stderr", "wb") as errors:
            self.started = time.monotonic()
            self.process = start(self.command, node.core, stdout=errors, stderr=errors)

    def _command(self, hardware: Hardware, rom: str) -> list[str]:
        node, words = self.node, hardware.arguments()
        words += ["-chardev", f"pipe,id=con,path={self.folder}/console", "-serial", "chardev:con",
                  "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"]
        if hardware.plugin is not None:
            words += ["-plugin", f"{hardware.plugin},out={self.counts}"]
        if node.kernel is not None:
            words += ["-kernel", str(node.kernel), "-append", DEVICES.append(node)]
        if node.initrd is not None:
            words += ["-initrd", node.initrd]
        if node.disk_mib:
            with open(self.folder / "disk", "wb") as disk:
                disk.truncate(node.disk_mib << 20)
            words += drive(self.folder / "disk", DEVICES.disk, ",cache=unsafe")
        wire = f"tap,id=net,ifname={node.tap},script=no,downscript=no"
        if node.socket:
            wire = f"stream,id=net,server=off,addr.type=unix,addr.path={node.socket}"
        return words + ["-netdev", wire, "-device", DEVICES.card(node, rom)]

    @property
    def counts(self) -> Path:
        """Where a plugin writes to."""
        return self.folder / "counts"

    def log(self) -> str:
        """All that the node has written on its console so far."""
        return (self.folder / "console.out").read_text(errors="replace")

    def alive(self) -> bool:
        return self.process.poll() is None

    def why_dead(self) -> str:
        """The last thing QEMU or the node said, in one line."""
        text = (self.folder / "stderr").read_text(errors="replace") + self.log()
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"

    def _connect(self, name: str) -> socket.socket:
        deadline = time.monotonic() + 5
        while True:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(self.folder / name))
                link.settimeout(10)
                return link
            except OSError as error:
                link.close()
                if not self.alive() or time.monotonic() > deadline:
                    raise BenchError(f"{self.node.label}: QEMU ended: {self.why_dead()}") from error
                time.sleep(0.01)

    def qmp(self, command: str) -> None:
        """Executes one QMP command without arguments and waits for its answer."""
        if self._qmp is None:
            self._qmp = self._connect("qmp")
            self._reader = self._qmp.makefile("r")
            self._reader.readline()
            self.qmp("qmp_capabilities")
        self._qmp.sendall(json.dumps({"execute": command}).encode())
        while True:
            answer = json.loads(self._reader.readline() or '{"error": "QEMU closed QMP"}')
            if "error" in answer:
                raise BenchError(f"{self.node.label}: {command}: {answer['error']}")
            if "return" in answer:
                return

    def pause(self) -> None:
        """Stops the vCPU and the guest's clock, so that the node costs nothing."""
        self.qmp("stop")

    def resume(self) -> None:
        self.qmp("cont")

    def type(self, line: str) -> None:
        """Types a line on the node's console."""
        pipe = self._open_input()
        try:
            os.write(pipe, line.encode() + b"\n")
        finally:
            os.close(pipe)

    def _open_input(self) -> int:
        """The console's input, once QEMU reads there."""
        deadline = time.monotonic() + 5
        while True:
            try:
                return os.open(self.folder / "console.in", os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if not self.alive() or time.monotonic() > deadline:
                    raise BenchError(f"{self.node.label}: QEMU ended: {self.why_dead()}") from error
                time.sleep(0.01)

    def wait_for(self, pattern: str, limit: float, since: int = 0) -> str:
        """The console's text from offset `since`, once it matches pattern."""
        deadline = time.monotonic() + limit
        while True:
            alive = self.alive()  # asked first: what a node says last counts
            text = self.log()[since:]
            if re.search(pattern, text):
                return text
            if not alive:
                raise BenchError(f"{self.node.label}: QEMU ended: {self.why_dead()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.node.label}: console did not show {pattern!r} "
                                 f"in {limit:.0f} s; last line: {self.why_dead()}")
            time.sleep(0.02)

    def cpu_seconds(self) -> float:
        """Host CPU time that this QEMU has used, all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        if self._qmp is not None:
            self._qmp.close()
        end(self.process)
        if self.process in REGISTRY.processes:
            REGISTRY.processes.remove(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_exception) -> None:
        self.stop()
