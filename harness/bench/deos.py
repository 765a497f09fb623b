# SPDX-License-Identifier: BSD-2-Clause
"""The DEOS side: the nodes this build makes for each benchmark."""

from __future__ import annotations

import hashlib
from pathlib import Path

from linux import site_files
from rig import BRIDGE_ADDRESS, BenchError, Node, SUBNET_BITS

HOST, FLOOR_HOST = 3, 4


def archive(files: dict[str, bytes]) -> bytes:
    """A newc cpio archive of these regular files."""
    out = bytearray()
    for number, (name, content) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        last = name == "TRAILER!!!"
        fields = (0 if last else number, 0 if last else 0o100644, 0, 0, 1, 0, len(content),
                  0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields)
        out += name.encode() + b"\0"
        out += bytes(-len(out) % 4)
        out += content
        out += bytes(-len(out) % 4)
    return bytes(out)


def boot_programs(path: Path) -> set[str]:
    """Names in a newc archive such as build/boot.cpio; none if it is not there."""
    data, at, names = path.read_bytes() if path.exists() else b"", 0, set()
    while data[at:at + 6] == b"070701":
        size, name_size = (int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in (6, 11))
        names.add(data[at + 110:at + 109 + name_size].decode())
        at += (110 + name_size + 3) // 4 * 4
        at += (size + 3) // 4 * 4
    return names


class Build:
    """The kernel and boot archive in build/, and a site made for the benchmarks."""

    def __init__(self, build: Path, folder: Path, serves: bool = True) -> None:
        """serves: programs are needed, not the kernel alone."""
        self.kernel, self.boot = build / "deos.elf", build / "boot.cpio"
        self.debug = build / "deos.debug"  # the kernel with its symbols
        self.echo = build / "floor/deos.elf"
        self.site = folder / "site.cpio"
        self.parts = [self.kernel, self.boot] if serves else [self.kernel]
        self.parts.append(self.echo)
        for path in self.parts:
            if not path.exists():
                raise BenchError(f"{path.relative_to(build.parent)} is not built: run 'make'")
        folder.mkdir(parents=True, exist_ok=True)
        self.site.write_bytes(archive(site_files()))

    def identity(self) -> str:
        """Which kernel and programs were measured."""
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in self.parts))
        return digest.hexdigest()[:16]

    @property
    def modules(self) -> str:
        return f"{self.boot},{self.site}"

    def web(self) -> Node:
        """Serves the site on a static address."""
        words = f"quiet ip=10.9.0.{HOST}/{SUBNET_BITS} gw={BRIDGE_ADDRESS}"
        return Node("deos", HOST, self.kernel, self.modules, words)

    def shell(self) -> Node:
        """No site, so nothing but the shell runs."""
        return Node("deos", HOST, self.kernel, str(self.boot))

    def floor(self) -> Node:
        """The same kernel and driver without environments: it echoes raw frames."""
        return Node("floor", FLOOR_HOST, self.echo, None, "floor=echo")
