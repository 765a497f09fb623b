# SPDX-License-Identifier: BSD-2-Clause
"""Unix sockets in folders of any depth.

A socket's path has at most 107 bytes; a folder's may have more. So the folder
is opened, and the socket named through /proc/self/fd.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Iterator


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A short name for `path` while the context lasts."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(path: Path, timeout: float | None) -> socket.socket:
    """A connection to the socket at `path`; OSError when nobody listens there."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(timeout)
    try:
        with short(path) as name:
            client.connect(name)
    except BaseException:
        client.close()
        raise
    return client


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, in the place of what was left there, for its owner only."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o077)
    try:
        with short(path) as name:
            server.bind(name)
    finally:
        os.umask(mask)
    server.listen(16)
    return server
