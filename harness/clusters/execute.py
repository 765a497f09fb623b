# SPDX-License-Identifier: BSD-2-Clause
"""Runs a program on a node's shell, over its serial console.

Three lines are typed at once: two marks with a word that nobody else says, and the
program between them. What the console shows between the marks is the program's
output, and what the node's services say meanwhile, if they say anything: a console
has one stream. The second mark carries the exit status.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path
from typing import Callable, Iterator

from .failure import Failure, Usage

LINE_MAX = 255  # bytes that the shell takes (libos/crt/line.h)
PROMPT = "deos> "
ERASE_LINE, INTERRUPT = b"\x15", b"\x03"  # ^U: whatever a person left there; ^C
SHELL_SECONDS = 30.0  # in which the shell answers when nothing runs in its foreground
TICK = 0.01


def quote(words: list[str]) -> str:
    """The line that the shell splits into these words again."""
    for word in words:
        if not word.isprintable() or '"' in word or not word:
            raise Usage(f"{word!r}: the node's shell takes no such word "
                        "(empty, a double quote or a control character)")
    if words[-1] == "&":
        raise Usage("'&': a program in the background has no output to wait for")
    line = " ".join(f'"{word}"' if " " in word else word for word in words)
    if len(line.encode()) > LINE_MAX:
        raise Usage(f"the node's shell takes lines of at most {LINE_MAX} bytes")
    return line


def lines_of(log: Path, offset: int, alive: Callable[[], bool]) -> Iterator[str | None]:
    """Whole lines that are said from `offset` on; None whenever there is none yet."""
    left = b""
    with open(log, "rb", buffering=0) as file:
        file.seek(offset)
        while True:
            was_alive = alive()
            said = file.read()
            *lines, left = (left + said.replace(b"\r", b"")).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
            if not said:
                if not was_alive:
                    return
                yield None


class Execution:
    """One program from its start to its end."""

    def __init__(self, words: list[str]) -> None:
        nonce = secrets.token_hex(6)
        self.line = quote(words)
        self.begin, self.end = f"begin-{nonce}", f"end-{nonce}"
        self.typed = "".join(f"{line}\n" for line in (
            f"status {self.begin}", self.line, f"status {self.end}"))
        self.began = self.echoed = False
        self.status: int | None = None

    def take(self, line: str) -> str | None:
        """What of a console's line is output; None when nothing of it is."""
        if not self.began:
            self.began = re.fullmatch(rf"{self.begin} \d+", line) is not None
            return None
        if found := re.fullmatch(rf"(.*){self.end} (\d+)", line):
            self.status = int(found[2])
            return found[1] or None
        if not self.echoed and line.endswith(self.line):
            self.echoed = True
            return line.removesuffix(self.line).removesuffix(PROMPT) or None
        if line.endswith(f"status {self.end}"):
            return line.removesuffix(f"status {self.end}").removesuffix(PROMPT) or None
        return line


def execute(log: Path, input_path: Path, words: list[str], alive: Callable[[], bool],
            show: Callable[[str], None]) -> int:
    """The program's exit status, its output shown line by line."""
    run = Execution(words)
    offset = log.stat().st_size
    deadline = time.monotonic() + SHELL_SECONDS
    try:
        console = os.open(input_path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise Failure(f"{input_path}: nobody reads there ({error.strerror})") from error
    try:
        os.write(console, ERASE_LINE + run.typed.encode())
        for line in lines_of(log, offset, alive):
            if line is None:
                if not run.began and time.monotonic() > deadline:
                    raise Failure("the node's shell does not answer; does a program run in its "
                                  "foreground? harness/cluster console shows it")
                time.sleep(TICK)
            elif (output := run.take(line)) is not None:
                show(output)
            if run.status is not None:
                return run.status
    except KeyboardInterrupt:
        os.write(console, INTERRUPT)
        raise
    finally:
        os.close(console)
    raise Failure("the node ended meanwhile")
