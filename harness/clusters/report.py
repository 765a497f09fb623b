# SPDX-License-Identifier: BSD-2-Clause
"""What a run says about its progress: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

ERASE = "\r\x1b[K"


class Report:
    """Progress goes to standard error, what a script reads (READY) to standard output."""

    def __init__(self, progress: TextIO | None = None, answers: TextIO | None = None,
                 name: str = "cluster") -> None:
        self.name = name
        self.progress = progress or sys.stderr
        self.answers = answers or sys.stdout
        self.is_live = self.progress.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = ""

    def live(self, text: str) -> None:
        """Replaces the live line; nothing where there is none."""
        if not self.is_live or text == self._shown:
            return
        columns = shutil.get_terminal_size().columns
        self._write(self.progress, ERASE + text[:columns - 1])
        self._shown = text

    def _line(self, stream: TextIO, text: str) -> None:
        if self._shown:
            self._write(self.progress, ERASE)
            self._shown = ""
        self._write(stream, text + "\n")

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            pass  # whoever read this has gone, or a disk is full; the run goes on

    def step(self, text: str) -> None:
        """A line that stays."""
        self._line(self.progress, f"{self.name}: {text}")

    def answer(self, text: str) -> None:
        """A line for scripts."""
        self._line(self.answers, text)
