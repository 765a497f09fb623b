# SPDX-License-Identifier: BSD-2-Clause
"""Attaches this terminal to a node's serial console.

The console's output is a file that is followed, its input a named pipe. So any
number of terminals may be attached, and leaving one does nothing to the node.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from pathlib import Path
from typing import Iterator

from .failure import Failure

DETACH = 0x1D  # Ctrl-]
SHOWN_BYTES = 4096  # of what was said before
TICK = 0.02
QUIET_SECONDS = 1.0  # without a terminal: the end of input, and no answer for so long
READ = 4096


@contextlib.contextmanager
def raw_terminal(is_terminal: bool) -> Iterator[None]:
    """Every key goes to the node while the context lasts."""
    if not is_terminal:
        yield
        return
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def open_input(path: Path) -> int:
    """The console's input."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise Failure(f"{path}: nobody reads there ({error.strerror})") from error


def send(console: int, data: bytes) -> bool:
    """Types; what a node that does not read has no room for is lost, with a bell."""
    try:
        return os.write(console, data) == len(data)
    except BlockingIOError:
        return False


def attach(log: Path, input_path: Path, alive) -> None:
    """Until Ctrl-], or the end of the input, or the node's end."""
    is_terminal = os.isatty(0)
    console = open_input(input_path)
    with open(log, "rb", buffering=0) as output, raw_terminal(is_terminal):
        output.seek(max(0, os.fstat(output.fileno()).st_size - SHOWN_BYTES))
        try:
            exchange(console, output, is_terminal, alive)
        finally:
            os.close(console)
    if is_terminal:
        print("\ndetached")


def exchange(console: int, output, is_terminal: bool, alive) -> None:
    """Carries bytes both ways."""
    ended = False
    last_said = time.monotonic()
    while True:
        if said := output.read(READ):
            sys.stdout.buffer.write(said)
            sys.stdout.buffer.flush()
            last_said = time.monotonic()
        ready = select.select([] if ended else [0], [], [], 0 if said else TICK)[0]
        if ready:
            typed = os.read(0, READ)
            ended = not typed
            if is_terminal and DETACH in typed:
                return
            if typed and not send(console, typed) and is_terminal:
                sys.stdout.write("\a")
            last_said = time.monotonic()
        if ended and time.monotonic() - last_said > QUIET_SECONDS:
            return
        if not said and not alive():
            return
