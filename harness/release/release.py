#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes a release of HEAD: `make release`. It is built twice, in two folders whose names
differ in length, and the archive is written only when both came out the same, byte for
byte. docs/support.md says what is in it and what is promised.
"""
from __future__ import annotations

import argparse
import hashlib
import io
import lzma
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from before import IMAGES, ROOT, NoHistory, export, make

PARTS = {                       # in the archive: where it comes from
    "deos.elf": "build/deos.elf", "boot.cpio": "build/boot.cpio",
    "deos.lua": "net/wire/deos.lua", "vectors": "net/wire/golden", "docs": "docs",
    "LICENSE": "LICENSE", "README.md": "README.md",
}
FOLDERS = ("a", "another-folder-with-a-longer-name")
TOOLS = ("gcc", "ld", "clang", "python3")


def git(*words: str) -> str:
    """What git says of this repository."""
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True,
                          check=True).stdout.strip()


def versions() -> str:
    """The tools that the images depend on."""
    lines = [subprocess.run([tool, "--version"], capture_output=True, text=True,
                            check=True).stdout.splitlines()[0] for tool in TOOLS]
    return "\n".join(lines) + "\n"


def files(tree: Path, more: dict[str, bytes]) -> dict[str, tuple[bytes, bool]]:
    """Name, content and whether it is executable, of all that goes in."""
    found = {name: (content, False) for name, content in more.items()}
    for name, place in PARTS.items():
        at = tree / place
        for path in sorted(at.rglob("*")) if at.is_dir() else [at]:
            if path.is_file():
                inside = f"{name}/{path.relative_to(at)}" if at.is_dir() else name
                found[inside] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def archive(name: str, content: dict[str, tuple[bytes, bool]], when: int) -> bytes:
    """An archive that depends on these alone: sorted, of nobody, of one time."""
    raw = io.BytesIO()
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {inside}\n"
                   for inside, (data, _) in sorted(content.items()))
    content = content | {"SHA256SUMS": (sums.encode(), False)}
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for inside, (data, executable) in sorted(content.items()):
            info = tarfile.TarInfo(f"{name}/{inside}")
            info.size, info.mtime = len(data), when
            info.mode = 0o755 if executable else 0o644
            tar.addfile(info, io.BytesIO(data))
    return lzma.compress(raw.getvalue(), preset=9)


def build_once(folder: Path, sodium: Path, name: str, more: dict[str, bytes],
               when: int) -> bytes:
    """Exports HEAD there, builds it, packs it."""
    export(ROOT, "HEAD", folder)
    make(folder, sodium, "B=build", *(f"build/{image}" for image in IMAGES))
    return archive(name, files(folder, more), when)


def differing(one: bytes, other: bytes) -> list[str]:
    """Names of the files that are not the same in two archives."""
    inside = []
    for packed in (one, other):
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(packed))) as tar:
            inside.append({member.name: tar.extractfile(member).read() for member in tar})
    return sorted(name for name in inside[0].keys() | inside[1].keys()
                  if inside[0].get(name) != inside[1].get(name))


def release(version: str, build: Path) -> str:
    """Builds twice, compares, writes. Returns what to tell."""
    commit, when = git("rev-parse", "HEAD"), int(git("log", "-1", "--format=%ct"))
    name = f"deos-{version}"
    more = {"COMMIT": f"{commit}\n".encode(), "TOOLS": versions().encode()}
    with tempfile.TemporaryDirectory(prefix="deos-release-") as folder:
        made = [build_once(Path(folder) / one / name, build.resolve() / "sodium", name, more,
                           when) for one in FOLDERS]
    if made[0] != made[1]:
        raise RuntimeError("built twice, and not the same: " + ", ".join(differing(*made)))
    target = build / f"{name}.tar.xz"
    target.write_bytes(made[0])
    digest = hashlib.sha256(made[0]).hexdigest()
    target.with_suffix(".xz.sha256").write_text(f"{digest}  {target.name}\n", encoding="utf-8")
    dirty = " (changes that are not committed are not in it)" if git("status", "-s") else ""
    return f"{target}: {len(made[0])} bytes, twice the same{dirty}\n{digest}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make a release of HEAD.")
    parser.add_argument("version", help="its name, as 1.2")
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="DIR")
    options = parser.parse_args()
    try:
        print("release: " + release(options.version, ROOT / options.build))
    except (NoHistory, RuntimeError, subprocess.CalledProcessError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
