# SPDX-License-Identifier: BSD-2-Clause
"""The Linux peer of one node: Debian's own kernel and nginx, packed for the emulator.

The root is an initramfs with a static init, nginx, its libraries and the modules of the
network cards; nothing else is in it.
"""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path

from debian import COMMAND_LINE, Root
from rig import BRIDGE_MAC, Node

HERE = Path(__file__).resolve().parent
PACKAGES = ("nginx", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g")
MODULES = ("virtio_pci", "virtio_net", "e1000e")
SITE = {"f128": 128, "f1k": 1024, "f8k": 8192, "f100k": 102400, "f1m": 1048576}
HOST = 2


def site_files() -> dict[str, bytes]:
    """The files that both systems serve: the same bytes in every session."""
    source = random.Random(1)
    return {name: source.randbytes(size) for name, size in SITE.items()}


class Peer(Root):
    """Builds the peer once below `folder`; its nodes boot from there."""

    NAME = "the Linux peer"
    SOURCES = (HERE / "linux.py", *sorted((HERE / "guest").glob("*.c")), HERE / "guest/nginx.conf")

    def packages(self) -> list[str]:
        return list(PACKAGES)

    def build(self) -> None:
        super().build()
        deb = max((self.folder.parent / "packages").glob("nginx_*.deb"))
        self.nginx = deb.name.split("_")[1]

    def fill(self) -> None:
        self.make_folders("run", "var/log/nginx", "var/lib/nginx", "www")
        for program in ("init", "prims"):
            self.compile(program, HERE / f"guest/{program}.c")
        shutil.copy(self.unpacked / "usr/sbin/nginx", self.tree / "nginx")
        shutil.copy(HERE / "guest/nginx.conf", self.tree / "nginx.conf")
        for name, content in site_files().items():
            (self.tree / "www" / name).write_bytes(content)
        self.add_libraries([self.tree / "nginx"])
        self.add_modules(dict.fromkeys(MODULES, ""))

    def _pack(self) -> None:
        super()._pack()
        plain = (self.folder / "root.cpio").read_bytes()
        (self.folder / "root.cpio.gz").write_bytes(gzip.compress(plain, 9, mtime=0))

    def _node(self, append: str, kernel: str = "vmlinux", initrd: str = "root.cpio") -> Node:
        return Node("peer", HOST, self.folder / kernel, str(self.folder / initrd),
                    f"{COMMAND_LINE} {append}")

    @property
    def web_words(self) -> str:
        return f"mode=web addr=10.9.0.{HOST} gwmac={BRIDGE_MAC}"

    def web(self) -> Node:
        """Direct boot to nginx, the fastest way."""
        return self._node(self.web_words)

    def small_web(self) -> Node:
        """The same in the least memory: compressed images."""
        return self._node(self.web_words, "vmlinuz", "root.cpio.gz")

    def prims(self) -> Node:
        """Runs its primitives at each line on the console."""
        return self._node("mode=prims")
