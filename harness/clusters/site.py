# SPDX-License-Identifier: BSD-2-Clause
"""Packs a website into the archive that travels to the nodes: cpio, newc format.

The same folder gives the same bytes: members are sorted, and carry nothing but
name, content and modification time. Symbolic links are followed where they stay
inside the folder; one that leads out is refused, so that nothing is published by
mistake. What a web server could not name (fifos, sockets) is refused as well.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .failure import Failure

MODE_FILE = 0o100644
NAME_MAX = 2047  # of a path, as the node's HTTP takes it
FILE_MAX = 0xFFFFFFFF  # the format's length field
MEMBERS_MAX = 1_000_000
# What a cluster's manifest takes (libos/store/manifest.h).
CLUSTER_NAME_MAX = 1024
CLUSTER_MEMBERS_MAX = 65536
CHUNK = 1 << 20
TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Member:
    """A file of the site."""

    name: str  # from the site's root, '/' between its parts
    path: Path
    size: int
    mtime: int


@dataclass(frozen=True)
class Site:
    """A website's files, by name."""

    members: list[Member]

    @property
    def content_bytes(self) -> int:
        """All contents together."""
        return sum(member.size for member in self.members)

    @property
    def archive_bytes(self) -> int:
        """The length of the archive."""
        return sum(len(header(0, 0, 0, 0, member.name)) + (member.size + 3) // 4 * 4
                   for member in self.members) + len(header(0, 0, 0, 0, TRAILER))

    def probe_name(self) -> str:
        """The name of a page that has to answer 200: the front page, else the smallest file."""
        if any(member.name == "index.html" for member in self.members):
            return ""
        return min(self.members, key=lambda member: (member.size, member.name)).name


def fail_os(error: OSError) -> Failure:
    """The line for a file that cannot be read."""
    return Failure(f"{error.filename}: {error.strerror}")


def inside(root: Path, path: Path) -> Path:
    """Where a symbolic link of the site leads; it must stay inside."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise Failure(f"{path}: a symbolic link that leads nowhere "
                      f"({os.readlink(path)})") from error
    if not target.is_relative_to(root):
        raise Failure(f"{path}: a symbolic link that leads out of the site, to {target}: "
                      "copy the file, or leave the link out")
    return target


def check_name(path: Path, name: str) -> None:
    """Names must be what a URL can say."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise Failure(f"{os.fsencode(path)!r}: the name is not UTF-8") from error
    if len(encoded) > NAME_MAX:
        raise Failure(f"{path}: the name has more than {NAME_MAX} bytes")
    if "\\" in name or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise Failure(f"{path!s}: a backslash or control character in a name: no URL can "
                      "say it".replace("\n", "?"))


def walk(root: Path, folder: Path, prefix: str, around: tuple[Path, ...],
         members: list[Member]) -> None:
    """Collects the files below a folder. `around` are the folders that it lies in."""
    real = folder.resolve()
    if real in around:
        raise Failure(f"{folder}: a symbolic link to a folder that it lies in: it has no end")
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        path, name = Path(entry.path), prefix + entry.name
        check_name(path, name)
        if entry.is_symlink():
            inside(root, path)
        state = entry.stat()
        if stat.S_ISDIR(state.st_mode):
            walk(root, path, name + "/", (*around, real), members)
        elif not stat.S_ISREG(state.st_mode):
            raise Failure(f"{path}: neither a file nor a folder")
        elif state.st_size > FILE_MAX:
            raise Failure(f"{path}: {state.st_size} bytes; a file of the archive has at most "
                          f"{FILE_MAX}")
        elif not os.access(path, os.R_OK):
            raise Failure(f"{path}: not readable for this user")
        else:
            members.append(Member(name, path, state.st_size,
                                  min(max(int(state.st_mtime), 0), FILE_MAX)))
        if len(members) > MEMBERS_MAX:
            raise Failure(f"{root}: more than {MEMBERS_MAX} files")


def read_site(folder: Path) -> Site:
    """The files of the website in `folder`."""
    if not folder.exists():
        raise Failure(f"{folder}: no such directory")
    if not folder.is_dir():
        raise Failure(f"{folder}: not a directory")
    members: list[Member] = []
    try:
        walk(folder.resolve(), folder, "", (), members)
    except OSError as error:
        raise fail_os(error) from error
    if not members:
        raise Failure(f"{folder}: no files in it, so there is nothing to serve")
    return Site(sorted(members, key=lambda member: member.name.encode()))


def check_bounds(site: Site) -> None:
    """What a cluster cannot keep is refused before it boots."""
    if len(site.members) > CLUSTER_MEMBERS_MAX:
        raise Failure(f"the site has {len(site.members)} files; a cluster keeps at most "
                      f"{CLUSTER_MEMBERS_MAX}")
    for member in site.members:
        if len(member.name.encode()) > CLUSTER_NAME_MAX:
            raise Failure(f"{member.path}: the name has more than {CLUSTER_NAME_MAX} bytes")


def header(number: int, mode: int, mtime: int, size: int, name: str) -> bytes:
    """What stands before a member's content: fields, name, padding to four bytes."""
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, mtime, size, 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields) + encoded
    return head + bytes(-len(head) % 4)


def copy(member: Member, out: BinaryIO) -> None:
    """A member's content, which must be as long as it was found to be."""
    left = member.size
    with open(member.path, "rb") as file:
        while left and (chunk := file.read(min(left, CHUNK))):
            out.write(chunk)
            left -= len(chunk)
        if left or file.read(1):
            raise Failure(f"{member.path}: changed while it was read: try again")
    out.write(bytes(-member.size % 4))


def write_archive(site: Site, path: Path) -> int:
    """Writes the archive; returns its length in bytes."""
    try:
        with open(path, "wb") as out:
            for number, member in enumerate(site.members, 1):
                out.write(header(number, MODE_FILE, member.mtime, member.size, member.name))
                copy(member, out)
            out.write(header(0, 0, 0, 0, TRAILER))
            return out.tell()
    except OSError as error:
        raise fail_os(error) from error
