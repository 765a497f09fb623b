# SPDX-License-Identifier: BSD-2-Clause
"""A website as a boot module: the newc cpio archive that libos/http/site.h reads.

The same directory gives the same bytes wherever it is packed, as long as its
files keep their times. Names are bytes, as the file system has them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Iterator

CHUNK = 1 << 20
FIELD_MAX = 0xffffffff          # of newc: eight hexadecimal digits
MODE_FILE = 0o100644


class ArchiveError(Exception):
    """One line: which file of the site cannot be packed, and why."""


def _fail(error: OSError) -> None:
    raise ArchiveError(f"{error.filename}: {error.strerror}")


def site_files(folder: Path) -> Iterator[tuple[bytes, Path]]:
    """The regular files below a folder, with their names from there, in order."""
    for where, folders, names in os.walk(folder, onerror=_fail):
        folders.sort()
        for name in folders:
            if os.path.islink(os.path.join(where, name)):
                raise ArchiveError(f"{where}/{name}: a link to a directory; a site is packed "
                                   "without following these")
        for name in sorted(names):
            path = Path(where, name)
            yield os.fsencode(path.relative_to(folder)), path


def _header(number: int, mode: int, mtime: int, size: int, name: bytes) -> bytes:
    fields = (number, mode, 0, 0, 1, mtime, size, 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0"
    return head + bytes(-len(head) % 4)


def _copy(source: BinaryIO, target: BinaryIO, size: int, path: Path) -> None:
    left = size
    while left:
        piece = source.read(min(CHUNK, left))
        if not piece:
            raise ArchiveError(f"{path}: became shorter while it was read")
        target.write(piece)
        left -= len(piece)
    target.write(bytes(-size % 4))


def _member(number: int, name: bytes, path: Path, out: BinaryIO) -> int:
    """Writes one file; returns its size."""
    if not stat.S_ISREG(path.stat().st_mode):       # before open(), which a pipe would block
        raise ArchiveError(f"{path}: not a regular file")
    with path.open("rb") as source:
        info = os.fstat(source.fileno())
        if info.st_size > FIELD_MAX:
            raise ArchiveError(f"{path}: larger than 4 GiB, the most that cpio can hold")
        mtime = min(max(int(info.st_mtime), 0), FIELD_MAX)
        out.write(_header(number, MODE_FILE, mtime, info.st_size, name))
        _copy(source, out, info.st_size, path)
    return info.st_size


def write_site(folder: Path, target: Path) -> tuple[int, int]:
    """Packs a directory; returns the number of its files and their bytes."""
    if not folder.is_dir():
        raise ArchiveError(f"{folder}: no such directory")
    count = total = 0
    try:
        with target.open("wb") as out:
            for name, path in site_files(folder):
                count += 1
                total += _member(count, name, path, out)
            out.write(_header(0, 0, 0, 0, b"TRAILER!!!"))
    except OSError as error:
        _fail(error)
    if not count:
        raise ArchiveError(f"{folder}: holds no file")
    return count, total
