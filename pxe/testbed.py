# SPDX-License-Identifier: BSD-2-Clause
"""A link in the tests: hosts in network namespaces without names, on one bridge.

    Bed            a namespace with bridge br0 and a tap for each machine
    bed.host()     another one, whose eth1 hangs on that bridge

A namespace lives as long as the process that holds it, and these die with the test.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading
from pathlib import Path
from typing import Callable, TypeVar

from clusters.process import end, need

from . import dhcp, wire
from .wire import FRAME_MAX, UDP

ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP_NO_PI = 0x400454CA, 0x1002
TFTP_PORT = 69
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


class Host:
    """A network namespace and what runs in it."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen] = []
        words = [*DIES_WITH_US, "unshare", "--net", "sh", "-c",
                 "ip link set lo up && echo && exec sleep infinity"]
        self.holder = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.holder.stdout is not None
        assert self.holder.stdout.readline() == b"\n", "no network namespace: are you root?"

    @property
    def pid(self) -> int:
        """A process in the namespace."""
        return self.holder.pid

    def words(self, *words: str) -> list[str]:
        """The command that runs another one here."""
        return [*DIES_WITH_US, need("nsenter"), f"--net=/proc/{self.pid}/ns/net", "--", *words]

    def run(self, *words: str, check: bool = True, **options) -> subprocess.CompletedProcess:
        """Runs a command here to its end."""
        done = subprocess.run(self.words(*words), capture_output=True, text=True, check=False,
                              **options)
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done

    def ip(self, line: str) -> None:
        """Runs `ip` with the words of a line."""
        self.run(need("ip"), *line.split())

    def start(self, *words: str, **options) -> subprocess.Popen:
        """Starts a command here; it ends with the host at the latest."""
        process = subprocess.Popen(self.words(*words), **options)
        self.processes.append(process)
        return process

    def inside(self, function: Callable[[], T]) -> T:
        """Calls a function of this process here: sockets that it opens stay here."""
        result: list[T] = []

        def enter() -> None:
            # A thread has a network namespace of its own; the others stay where they are.
            with open(f"/proc/{self.pid}/ns/net", encoding="ascii") as space:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(space.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            result.append(function())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return result[0]

    def close(self) -> None:
        """Ends everything here."""
        for process in self.processes:
            end(process)
        end(self.holder)


class PlainRom:
    """Carries frames between QEMU and the link, and makes its ROM look like a plain one.

    QEMU's ROMs are iPXE. Until a file was asked for by TFTP, the user class in their DHCP messages
    is changed, so that servers take them for a boot ROM of another make; what the ROM then loads
    is left as it is.
    """

    def __init__(self, tap: int, folder: Path) -> None:
        """tap is the other end of a port of the link."""
        names = [str(folder / name) for name in ("rom.qemu", "rom.link")]
        self.netdev = (f"dgram,id=net,local.type=unix,local.path={names[0]},"
                       f"remote.type=unix,remote.path={names[1]}")
        self.qemu = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.qemu.bind(names[1])
        self.qemu.settimeout(0.05)      # QEMU's end holds ten frames, and none are read for long
        self.qemu_name = names[0]
        self.tap = tap
        self.disguised = True
        self.running = True
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()

    def _carry(self) -> None:
        while self.running:
            for ready in select.select([self.qemu, self.tap], [], [], 0.1)[0]:
                if ready is self.qemu:
                    os.write(self.tap, self._disguise(self.qemu.recv(FRAME_MAX)))
                    continue
                frame = os.read(self.tap, FRAME_MAX)
                try:
                    self.qemu.sendto(frame, self.qemu_name)
                except OSError:         # QEMU is not there, or its card does not work yet
                    pass

    def _disguise(self, frame: bytes) -> bytes:
        if frame[12:14] != b"\x08\x00" or frame[23] != UDP:
            return frame
        port = int.from_bytes(frame[36:38], "big")
        if port == TFTP_PORT:
            self.disguised = False
        mark = bytes([dhcp.USER_CLASS, len(dhcp.IPXE)])
        if self.disguised and port in (wire.SERVER_PORT, wire.PROXY_PORT):
            frame = frame.replace(mark + dhcp.IPXE, mark + b"else")
            frame = frame[:40] + b"\0\0" + frame[42:]     # no UDP checksum
        return frame

    def close(self) -> None:
        """Ends the carrying."""
        self.running = False
        self.thread.join()
        self.qemu.close()
        os.close(self.tap)


class Bed(Host):
    """The link."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[Host] = []
        self.roms: list[PlainRom] = []
        self.ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0")
        self.ip("link set br0 up")

    def host(self, address: str | None = None) -> Host:
        """One more host, its eth1 on the link."""
        host = Host()
        self.hosts.append(host)
        port = f"port{len(self.hosts)}"
        self.ip(f"link add {port} type veth peer name eth1 netns {host.pid}")
        self.ip(f"link set {port} master br0 up")
        if address is not None:
            host.ip(f"addr add {address} dev eth1")
        host.ip("link set eth1 up")
        return host

    def tap(self, name: str) -> str:
        """A port for a QEMU that runs in the link's namespace: its -netdev."""
        self.ip(f"tuntap add {name} mode tap")
        self.ip(f"link set {name} master br0 up")
        return f"tap,id=net,ifname={name},script=no,downscript=no"

    def plain_rom(self, folder: Path) -> PlainRom:
        """A port for one QEMU whose ROM does not say that it is iPXE."""
        def open_tap() -> int:
            tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"plain", IFF_TAP_NO_PI))
            return tap
        rom = PlainRom(self.inside(open_tap), folder)
        self.roms.append(rom)
        self.ip("link set plain master br0 up")
        return rom

    def close(self) -> None:
        """Ends all hosts, and the link."""
        for rom in self.roms:
            rom.close()
        for host in self.hosts:
            host.close()
        super().close()

    def __enter__(self) -> Bed:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
