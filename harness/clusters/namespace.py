# SPDX-License-Identifier: BSD-2-Clause
"""A network namespace that lives in one process and has no name.

With the last process in it the kernel removes it, and every tap, bridge and
address that was made inside. So nothing of it can outlive a run, and nothing of
the host's own network is touched.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from pathlib import Path
from typing import Callable, TypeVar

from .failure import Failure
from .process import last_line, need, spawn

CLONE_NEWNET = 0x40000000
T = TypeVar("T")


class Namespace:
    """The holder process, and ways to act inside."""

    def __init__(self, folder: Path) -> None:
        log = folder / "namespace.errors"
        log.write_bytes(b"")
        self.process = spawn(["unshare", "--net", "--", "sh", "-c", "echo; exec sleep infinity"],
                             folder, log, output=subprocess.PIPE)
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            raise Failure(f"no network namespace can be made here ({last_line(log)}): "
                          "run as root, or with --net socket")

    @property
    def pid(self) -> int:
        """Names the namespace to spawn() and, as /proc/PID/ns/net, to others."""
        return self.process.pid

    @property
    def path(self) -> str:
        """The file that stands for the namespace."""
        return f"/proc/{self.pid}/ns/net"

    def ip(self, *commands: str) -> None:
        """Runs commands of ip(8) inside, as one batch."""
        words = [need("nsenter"), f"--net={self.path}", "--", need("ip"), "-batch", "-"]
        done = subprocess.run(words, input="\n".join(commands) + "\n", capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"ip: {(done.stderr.strip() or 'failed').splitlines()[0]}")

    def call(self, function: Callable[[], T]) -> T:
        """Calls a function in a thread of this process that is inside: a socket that it makes
        belongs there, whoever uses it later."""
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                enter(self.path)
                results.append(function())
            except BaseException as error:  # handed to the caller's thread
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]


def enter(path: str) -> None:
    """Moves this thread into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise Failure(f"{path}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(descriptor)
