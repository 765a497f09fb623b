# SPDX-License-Identifier: BSD-2-Clause
"""What lies on the disks of a cluster, read from outside: the files that QEMU writes.

A second reader of the format (libos/store), so that a test need not believe the
nodes: it counts the copies of a site where they lie, and damages them.
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096
SUMS = 503
OBJECT_MAGIC, MANIFEST_MAGIC = 0x314A424F534F4544, 0x455449534F4544
HEADER = struct.Struct("<QII32sQQ")
MANIFEST_HEAD = struct.Struct("<QIIIIQ32x")
MANIFEST_ENTRY = struct.Struct("<32sQQQQHHIH6x")
NOBODY = 0xFFFF


def object_id(content: bytes) -> bytes:
    """The name of an object."""
    return hashlib.blake2b(content, digest_size=32).digest()


def header_blocks(length: int) -> int:
    """How many blocks stand before an object's content."""
    return max(1, -(-(-(-length // BLOCK)) // SUMS))


@dataclass(frozen=True)
class Copy:
    """One copy of one object: where it should lie."""

    node: str  # UUID
    block: int
    length: int
    name: bytes  # the object's id

    @property
    def content_at(self) -> int:
        """Where on the disk the content begins, in bytes."""
        return (self.block + header_blocks(self.length)) * BLOCK


class Disk:
    """One disk's file; nothing is kept of it, for a node may be writing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, offset: int, length: int) -> bytes:
        """Some bytes of it."""
        with open(self.path, "rb") as file:
            return os.pread(file.fileno(), length, offset)

    def content(self, copy: Copy) -> bytes | None:
        """The object, if it is there and whole."""
        magic, _, number, name, length, first = HEADER.unpack(
            self.read(copy.block * BLOCK, HEADER.size).ljust(HEADER.size, b"\0"))
        if (magic, number, name, length, first) != (OBJECT_MAGIC, 0, copy.name, copy.length,
                                                    copy.block):
            return None
        content = self.read(copy.content_at, copy.length)
        return content if object_id(content) == copy.name else None

    def damage(self, offset: int, length: int = 64) -> None:
        """Inverts some bytes."""
        with open(self.path, "r+b") as file:
            found = os.pread(file.fileno(), length, offset)
            os.pwrite(file.fileno(), bytes(byte ^ 0xFF for byte in found), offset)


class Disks:
    """All disks of a cluster, by the UUIDs of their nodes."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self.disks = {node: Disk(path) for node, path in paths.items()}

    def manifest(self, site: dict) -> tuple[bytes, list[Copy]]:
        """The manifest that /api/status names, from a copy that is whole; its copies."""
        told = site["manifest"]
        copies = [Copy(copy["node"], copy["block"], told["bytes"], bytes.fromhex(told["id"]))
                  for copy in told["copies"]]
        for copy in copies:
            content = self.disks[copy.node].content(copy)
            if content is not None:
                return content, copies
        raise AssertionError(f"no whole copy of the manifest on {[c.node for c in copies]}")

    def copies(self, site: dict) -> dict[str, list[Copy]]:
        """Every object of the site, the manifest ("") included: where its copies should be."""
        content, copies = self.manifest(site)
        magic, _version, files, voters, _paths, _bytes = MANIFEST_HEAD.unpack_from(content)
        assert magic == MANIFEST_MAGIC, "no manifest"
        at = MANIFEST_HEAD.size
        nodes = [content[at + 16 * n:at + 16 * n + 16] for n in range(voters)]
        at += 16 * voters
        paths = content[at + MANIFEST_ENTRY.size * files:]
        found = {"": copies}
        for number in range(files):
            name, length, _mtime, first, second, one, two, path_at, path_len = \
                MANIFEST_ENTRY.unpack_from(content, at + MANIFEST_ENTRY.size * number)
            path = paths[path_at:path_at + path_len].decode()
            found[path] = [Copy(uuid_text(nodes[voter]), block, length, name)
                           for voter, block in ((one, first), (two, second)) if voter != NOBODY]
        return found

    def whole(self, site: dict) -> dict[str, list[str]]:
        """The nodes on whose disk each object lies whole."""
        return {path: [copy.node for copy in copies
                       if self.disks[copy.node].content(copy) is not None]
                for path, copies in self.copies(site).items()}

    def lacking(self, site: dict) -> dict[str, list[str]]:
        """The objects that do not lie whole on exactly two nodes' disks."""
        return {path: nodes for path, nodes in self.whole(site).items() if len(set(nodes)) != 2}


def uuid_text(raw: bytes) -> str:
    """A UUID as nodes and status write it."""
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
