# SPDX-License-Identifier: BSD-2-Clause
"""Debian's packages as a kernel and an initramfs: downloaded, never installed.

A root is a folder below build/bench: `unpacked` holds the packages' files, `tree`
what goes into the initramfs, `root.cpio` that, packed, and `vmlinux` Debian's kernel,
decompressed: direct boot then spends nothing on it, Linux's best case. `vmlinuz` is the
kernel as packaged. Downloads lie in a folder that all roots share.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from rig import BenchError

LIBRARY_FOLDERS = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64")
LOADER = "ld-linux-x86-64.so.2"
# Each word is there because Linux boots or serves faster with it; docs/benchmarks.md.
COMMAND_LINE = ("quiet mitigations=off tsc=reliable nokaslr init_on_alloc=0 audit=0 "
                "cryptomgr.notests random.trust_cpu=on lsm= "
                "panic=-1 console=ttyS0")


def command(words: list[str], **options) -> str:
    """Runs a command and returns its output; the last line of its complaint is the error."""
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
                      command(["apt-cache", "depends", "linux-image-amd64"]))
    if not found:
        raise BenchError("apt-cache knows no linux-image-amd64: run 'apt-get update'")
    return found[1]


def with_libraries(packages: Iterable[str]) -> list[str]:
    """The packages and every library package that they need."""
    words = ["apt-cache", "depends", "--recurse", "--important", *packages]
    libraries = re.findall(r"^((?:lib|zlib)\S+)$", command(words), re.M)
    return sorted({*packages, *libraries})


def download(packages: Iterable[str], folder: Path) -> list[Path]:
    """The packages' files below folder, fetched unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in packages if not list(folder.glob(name + "_*.deb"))]
    if missing:
        command(["apt-get", "download", "-q", *missing], cwd=folder)
    return [max(folder.glob(name + "_*.deb")) for name in packages]


class Root:
    """One initramfs and its kernel; subclasses say what is in it."""

    NAME = "Linux"
    SOURCES: tuple[Path, ...] = ()  # files that it is made from

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unpacked, self.tree = folder / "unpacked", folder / "tree"

    def packages(self) -> list[str]:
        """What to unpack beside the kernel."""
        raise NotImplementedError

    def fill(self) -> None:
        """Makes the tree; the helpers below put things there."""
        raise NotImplementedError

    def build(self) -> None:
        """Downloads and packs, unless that is done and nothing has changed since."""
        package = kernel_package()
        self.version = package.removeprefix("linux-image-")
        stamp, wanted = self.folder / "stamp", self._fingerprint(package)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"bench: building {self.NAME} (downloads about 100 MB once)", flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.unpacked, ignore_errors=True)
        shutil.rmtree(self.tree, ignore_errors=True)
        for deb in download([package, *self.packages()], self.folder.parent / "packages"):
            command(["dpkg-deb", "-x", str(deb), str(self.unpacked)])
        self._kernel()
        self.fill()
        self._pack()
        stamp.write_text(wanted)

    def _fingerprint(self, package: str) -> str:
        digest = hashlib.sha256(package.encode())
        for path in (Path(__file__).resolve(), *self.SOURCES):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def _kernel(self) -> None:
        packed = (self.unpacked / f"boot/vmlinuz-{self.version}").read_bytes()
        begin = packed.find(b"\xfd7zXZ\0")
        if begin < 0:
            raise BenchError(f"linux-image-{self.version} is not compressed with xz")
        (self.folder / "vmlinuz").write_bytes(packed)
        unpacked = lzma.LZMADecompressor().decompress(packed[begin:])
        (self.folder / "vmlinux").write_bytes(unpacked)

    def _pack(self) -> None:
        names = sorted(str(path.relative_to(self.tree)) for path in self.tree.rglob("*"))
        with open(self.folder / "root.cpio", "wb") as archive:
            done = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
                                  cwd=self.tree, input="\n".join(names).encode(),
                                  stdout=archive, check=False)
        if done.returncode != 0:
            raise BenchError(f"cpio could not pack {self.NAME}'s initramfs")

    def make_folders(self, *names: str) -> None:
        for name in (*names, "dev", "proc", "etc", "modules", *LIBRARY_FOLDERS):
            (self.tree / name).mkdir(parents=True, exist_ok=True)
        (self.tree / "etc/passwd").write_text("root:x:0:0::/:/init\n")
        (self.tree / "etc/group").write_text("root:x:0:\n")

    def compile(self, name: str, source: Path) -> None:
        """A static C program at the tree's top."""
        command(["gcc", "-O2", "-static", "-s", "-o", str(self.tree / name), str(source)])

    def _find_library(self, name: str) -> Path:
        for folder in LIBRARY_FOLDERS:
            path = self.unpacked / folder / name
            if path.exists():
                return path
            for deeper in (self.unpacked / folder).glob(f"*/{name}"):
                return deeper  # found by the program's run path
        raise BenchError(f"{self.NAME} needs {name}, which no package unpacked here holds")

    def add_libraries(self, programs: Iterable[Path]) -> None:
        """What the programs of the tree load, and what that loads."""
        shutil.copy(self._find_library(LOADER), self.tree / "lib64" / LOADER)
        waiting, copied = list(programs), {LOADER}
        while waiting:
            dynamic = command(["readelf", "-d", str(waiting.pop())])
            for name in re.findall(r"NEEDED.*\[(.+)\]", dynamic):
                if name in copied:
                    continue
                copied.add(name)
                path = self._find_library(name)
                shutil.copy(path, self.tree / "lib/x86_64-linux-gnu" / name)
                waiting.append(path)

    def add_modules(self, wanted: dict[str, str]) -> None:
        """Kernel modules with their parameters, and what they need, in loading order:
        /modules.list has a line each, the path and the parameters."""
        command(["depmod", "-b", str(self.unpacked), self.version])
        listing: dict[str, str] = {}
        for module, parameters in wanted.items():
            shown = command(["modprobe", "-d", str(self.unpacked), "-S", self.version,
                             "--show-depends", module])
            for path in re.findall(r"^insmod (\S+)", shown, re.M):
                target = "/modules/" + Path(path).name
                own = Path(path).stem.replace("-", "_") == module.replace("-", "_")
                if target not in listing:
                    command(["strip", "-g", "-o", str(self.tree) + target, path])
                    listing[target] = parameters if own else ""
        lines = [f"{path} {parameters}".rstrip() for path, parameters in listing.items()]
        (self.tree / "modules.list").write_text("\n".join(lines) + "\n")
