# SPDX-License-Identifier: BSD-2-Clause
"""The Linux peer: Debian's own kernel and nginx, packed for the emulator.

Packages are downloaded, never installed, and unpacked below build/bench/linux.
Two kernels come out: `vmlinux`, the packaged kernel already decompressed (direct
boot then spends nothing on decompression, Linux's best case), and `vmlinuz` as
packaged (for PXE, where bytes count). The root is an initramfs with a static
init, nginx, its libraries and the virtio modules; nothing else is in it.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

from rig import BRIDGE_MAC, BenchError, Node

HERE = Path(__file__).resolve().parent
PACKAGES = ("nginx", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g")
MODULES = ("virtio_pci", "virtio_net")
SITE = {"f128": 128, "f1k": 1024, "f8k": 8192, "f100k": 102400, "f1m": 1048576}
HOST = 2
# Each word is there because Linux boots or serves faster with it; docs/benchmarks.md.
COMMAND_LINE = ("quiet mitigations=off tsc=reliable nokaslr init_on_alloc=0 audit=0 "
                "cryptomgr.notests random.trust_cpu=on lsm= "
                "panic=-1 console=ttyS0")


def site_files() -> dict[str, bytes]:
    """The files that both systems serve: the same bytes in every session."""
    source = random.Random(1)
    return {name: source.randbytes(size) for name, size in SITE.items()}


def _run(words: list[str], **options) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    except FileNotFoundError as error:
        raise BenchError(f"{words[0]} is not installed: run 'make setup'") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchError(f"{words[0]} failed: {last}")
    return done.stdout


def kernel_package() -> str:
    """The package behind Debian's linux-image-amd64 today."""
    found = re.search(r"Depends: (linux-image-\S+)",
                      _run(["apt-cache", "depends", "linux-image-amd64"]))
    if not found:
        raise BenchError("apt-cache knows no linux-image-amd64: run 'apt-get update'")
    return found[1]


class Peer:
    """Builds the peer once below `folder`; its nodes boot from there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unpacked = folder / "unpacked"
        self.tree = folder / "tree"

    def build(self) -> None:
        """Downloads and packs, unless that is done and nothing has changed since."""
        package = kernel_package()
        self.version = package.removeprefix("linux-image-")
        stamp, wanted = self.folder / "stamp", self._fingerprint(package)
        if not (stamp.exists() and stamp.read_text() == wanted):
            print("bench: building the Linux peer (downloads about 80 MB once)", flush=True)
            self._unpack(package)
            self._kernel()
            self._tree()
            self._pack()
            stamp.write_text(wanted)
        self.nginx = (self.folder / "nginx.version").read_text()

    def _fingerprint(self, package: str) -> str:
        digest = hashlib.sha256(package.encode())
        for path in (HERE / "linux.py", *sorted((HERE / "guest").iterdir())):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def _unpack(self, package: str) -> None:
        packages = self.folder / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        if not list(packages.glob(package + "_*.deb")):
            for old in packages.glob("*.deb"):
                old.unlink()
        missing = [name for name in (package, *PACKAGES)
                   if not list(packages.glob(name + "_*.deb"))]
        if missing:
            _run(["apt-get", "download", "-q", *missing], cwd=packages)
        shutil.rmtree(self.unpacked, ignore_errors=True)
        for deb in sorted(packages.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(deb), str(self.unpacked)])
            if deb.name.startswith("nginx_"):
                version = deb.name.split("_")[1]
                (self.folder / "nginx.version").write_text(version)

    def _kernel(self) -> None:
        packed = (self.unpacked / f"boot/vmlinuz-{self.version}").read_bytes()
        begin = packed.find(b"\xfd7zXZ\0")
        if begin < 0:
            raise BenchError(f"linux-image-{self.version} is not compressed with xz")
        (self.folder / "vmlinuz").write_bytes(packed)
        unpacked = lzma.LZMADecompressor().decompress(packed[begin:])
        (self.folder / "vmlinux").write_bytes(unpacked)

    def _tree(self) -> None:
        shutil.rmtree(self.tree, ignore_errors=True)
        for name in ("dev", "proc", "run", "etc", "var/log/nginx", "var/lib/nginx", "www",
                     "lib/x86_64-linux-gnu", "lib64", "modules"):
            (self.tree / name).mkdir(parents=True, exist_ok=True)
        for program in ("init", "prims"):
            _run(["gcc", "-O2", "-static", "-s", "-o", str(self.tree / program),
                  str(HERE / f"guest/{program}.c")])
        shutil.copy(self.unpacked / "usr/sbin/nginx", self.tree / "nginx")
        shutil.copy(HERE / "guest/nginx.conf", self.tree / "nginx.conf")
        (self.tree / "etc/passwd").write_text("root:x:0:0::/:/init\n")
        (self.tree / "etc/group").write_text("root:x:0:\n")
        for name, content in site_files().items():
            (self.tree / "www" / name).write_bytes(content)
        self._libraries()
        self._modules()

    def _find_library(self, name: str) -> Path:
        for folder in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"):
            path = self.unpacked / folder / name
            if path.exists():
                return path
        raise BenchError(f"nginx needs {name}, which no package of {PACKAGES} holds")

    def _libraries(self) -> None:
        loader = "ld-linux-x86-64.so.2"
        shutil.copy(self._find_library(loader), self.tree / "lib64" / loader)
        waiting, copied = [self.tree / "nginx"], {loader}
        while waiting:
            dynamic = _run(["readelf", "-d", str(waiting.pop())])
            for name in re.findall(r"NEEDED.*\[(.+)\]", dynamic):
                if name in copied:
                    continue
                copied.add(name)
                path = self._find_library(name)
                shutil.copy(path, self.tree / "lib/x86_64-linux-gnu" / name)
                waiting.append(path)

    def _modules(self) -> None:
        _run(["depmod", "-b", str(self.unpacked), self.version])
        listing: list[str] = []
        for module in MODULES:
            shown = _run(["modprobe", "-d", str(self.unpacked), "-S", self.version,
                          "--show-depends", module])
            for path in re.findall(r"^insmod (\S+)", shown, re.M):
                target = "/modules/" + Path(path).name
                if target in listing:
                    continue
                listing.append(target)
                _run(["strip", "-g", "-o", str(self.tree) + target, path])
        (self.tree / "modules.list").write_text("\n".join(listing) + "\n")

    def _pack(self) -> None:
        names = sorted(str(path.relative_to(self.tree)) for path in self.tree.rglob("*"))
        with open(self.folder / "root.cpio", "wb") as archive:
            done = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
                                  cwd=self.tree, input="\n".join(names).encode(),
                                  stdout=archive, check=False)
        if done.returncode != 0:
            raise BenchError("cpio could not pack the peer's initramfs")
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


def sizes(peer: Peer) -> dict[str, int]:
    """Bytes of what a peer node boots."""
    return {name: os.path.getsize(peer.folder / name)
            for name in ("vmlinux", "vmlinuz", "root.cpio", "root.cpio.gz")}
