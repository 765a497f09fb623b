# SPDX-License-Identifier: BSD-2-Clause
"""The folder of a run: who runs it, what runs in it, what is left of it.

The lock is on the folder itself (flock), so it ends with the process that holds
it and leaves no file. state.json is replaced as a whole at each change. A
folder is named by its user; only files that runs make are ever removed from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path

from .failure import Failure
from .process import Identity, is_alive, kill_recorded

STATE = "state.json"
CONTROL = "control"  # the supervisor's socket
BOOT = "boot"  # the folder that nodes boot from
# What a run makes and nobody needs afterwards. Logs stay until the next run.
LEFTOVERS = ("control", "switch", "port-*", "node-*.in", "node-*.out", "node-*.qmp", "node-*.gdb",
             "boot/*", "*.errors")
DISKS = ("node-*.disk", "cluster.json", "cluster.json.new")  # what a cluster keeps
LOGS = ("node-*.log", "node-*.log.old", "node-*.qemu", "up.log")


class State:
    """A run's folder, whether it runs or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: int | None = None

    @property
    def control(self) -> Path:
        """Where the supervisor listens."""
        return self.folder / CONTROL

    def make(self) -> None:
        """Makes the folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / BOOT).mkdir(exist_ok=True)
        except OSError as error:
            raise Failure(f"state folder {self.folder}: {error.strerror}") from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise Failure(f"state folder {self.folder}: not writable for this user")

    def lock(self, seconds: float = 0.0) -> bool:
        """Takes the run's lock, waiting so long for it; it is kept until this process ends."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lock = descriptor
                return True
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.02)

    def unlock(self) -> None:
        """Gives the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self) -> dict:
        """What the last supervisor wrote; {} when there is nothing."""
        try:
            return json.loads((self.folder / STATE).read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Failure(f"{self.folder / STATE} cannot be read: {error}") from error

    def write(self, content: dict) -> None:
        """Replaces what is there, whole or not at all."""
        new = self.folder / (STATE + ".new")
        new.write_text(json.dumps(content, indent=1) + "\n")
        new.replace(self.folder / STATE)

    def supervisor(self) -> Identity | None:
        """The process that runs the cluster, while it lives."""
        recorded = self.read().get("supervisor") if self.folder.is_dir() else None
        return Identity(*recorded) if recorded and is_alive(Identity(*recorded)) else None

    def kill_processes(self) -> int:
        """Kills what a supervisor that died left behind; the number of processes."""
        recorded = self.read()
        processes = [Identity(*process) for process in recorded.get("processes", {}).values()]
        return sum(kill_recorded(process) for process in processes)

    def clean(self, *, logs: bool = False, disks: bool = True) -> None:
        """Removes what a run made."""
        for pattern in LEFTOVERS + (LOGS if logs else ()) + (DISKS if disks else ()):
            for path in self.folder.glob(pattern):
                with contextlib.suppress(IsADirectoryError):
                    path.unlink(missing_ok=True)
        for name in (STATE, STATE + ".new"):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self.folder / BOOT).rmdir()
