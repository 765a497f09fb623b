# SPDX-License-Identifier: BSD-2-Clause
"""Processes that cannot outlive their owner, and ends of those that did.

Every process here asks the kernel for SIGKILL at its parent's end (setpriv), so
even kill -9 of the owner leaves nothing behind. What is recorded about one, for
whoever cleans up later, is its number and its start time: a number that another
process got since then is never signalled.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, NamedTuple

from .failure import Failure

END_SECONDS = 3.0


class Identity(NamedTuple):
    """A process for good: its number and when it started, in ticks since boot."""

    pid: int
    start: int


def stat_fields(pid: int) -> list[str] | None:
    """/proc/PID/stat behind the name, which may hold anything; None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None


def identity(pid: int) -> Identity | None:
    """The identity of a process that lives; a zombie does not."""
    fields = stat_fields(pid)
    return Identity(pid, int(fields[19])) if fields and fields[0] not in "ZX" else None


def is_alive(process: Identity) -> bool:
    """True while that very process lives."""
    return identity(process.pid) == process


def kill_recorded(process: Identity) -> bool:
    """Kills a process of a run that ended badly. True when it was still there."""
    if not is_alive(process):
        return False
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise Failure(f"process {process.pid} belongs to another user: "
                      "run this command as that user or as root") from error
    deadline = time.monotonic() + END_SECONDS
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return True


def need(program: str) -> str:
    """The path of a program, or the line that says what to install."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        raise Failure(f"{program} is not installed: run make setup")
    return path


def spawn(words: list[str], folder: Path, log: Path | int, *, inside: int | None = None,
          output: int | None = None) -> subprocess.Popen:
    """Starts a process in `folder`, its errors in `log`.

    `inside` is a process whose network namespace it enters. It has a process
    group of its own, so that Ctrl-C reaches the owner alone.
    """
    need(words[0])
    prefix = [need("setpriv"), "--pdeathsig", "KILL", "--"]
    if inside is not None:
        prefix += [need("nsenter"), f"--net=/proc/{inside}/ns/net", "--"]
    errors: IO[bytes] | int = open(log, "ab") if isinstance(log, Path) else log
    try:
        return subprocess.Popen([*prefix, *words], cwd=folder, stdin=subprocess.DEVNULL,
                                stdout=errors if output is None else output, stderr=errors,
                                process_group=0)
    except OSError as error:
        raise Failure(f"{words[0]} cannot be started: {error.strerror}") from error
    finally:
        if not isinstance(errors, int):
            errors.close()


def end(process: subprocess.Popen, patience: float = END_SECONDS) -> None:
    """Ends a child: asks it, and kills it when it does not go."""
    if process.poll() is None:
        if patience > 0:
            process.terminate()
        else:
            process.kill()
        try:
            process.wait(patience or None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def last_line(log: Path) -> str:
    """The last thing a process said, for a message."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "it said nothing"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
