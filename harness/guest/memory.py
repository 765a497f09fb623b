# SPDX-License-Identifier: BSD-2-Clause
"""A node's physical memory from outside, through QEMU's gdb server: to spoil a
program as failing memory would, which nothing inside could do to another."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path

from guest import Guest, build_folder

GDB = ["-gdb", "unix:gdb,server=on,wait=off"]
EXECUTABLE = 1


def code_of(program: str, symbol: str, symbols: list[str]) -> bytes:
    """The first bytes of a function, as they stand in the program's file. `symbols` are
    the lines of nm."""
    address = next(int(line.split()[0], 16) for line in symbols if line.endswith(f" {symbol}"))
    image = (build_folder() / "libos/bin" / program).read_bytes()
    offset, size, count = struct.unpack_from("<Q14xHH", image, 32)
    for number in range(count):
        flags, start, va, length = struct.unpack_from("<4xIQQ8xQ", image, offset + number * size)
        if flags & EXECUTABLE and va <= address < va + length:
            return image[start + address - va:][:64]
    raise AssertionError(f"{symbol} is not in {program}")


def find(guest: Guest, what: bytes) -> list[int]:
    """Where in the node's memory these bytes stand."""
    dump = guest.folder / "memory"
    guest.qmp("pmemsave", val=0, size=guest.memory_mib << 20, filename=str(dump))
    data = dump.read_bytes()
    dump.unlink()
    found, at = [], data.find(what)
    while at >= 0:
        found.append(at)
        at = data.find(what, at + 1)
    return found


class Memory:
    """A connection to the gdb server; the node stands still while it lasts."""

    def __init__(self, guest: Guest):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(10)
        self.link.connect(str(Path(guest.folder) / "gdb"))
        self._ask("Qqemu.PhyMemMode:1")

    def _ask(self, words: str) -> str:
        self.link.sendall(f"${words}#{sum(words.encode()) % 256:02x}".encode())
        answer = b""
        while b"#" not in answer or len(answer) < answer.index(b"#") + 3:
            answer += self.link.recv(4096)
        self.link.sendall(b"+")
        return answer[answer.index(b"$") + 1:answer.index(b"#")].decode()

    def write(self, address: int, data: bytes):
        """Changes bytes of physical memory."""
        assert self._ask(f"M{address:x},{len(data):x}:{data.hex()}") == "OK"

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._ask("D")      # detach: the node goes on
        self.link.close()
