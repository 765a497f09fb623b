# SPDX-License-Identifier: BSD-2-Clause
"""What a person sees of the machines: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from typing import TextIO

from .progress import SHOWN, Machine, Stage

STALLED_SECONDS = 30
NOTES_MAX = 1000                # of lines that wait to be shown
HEAD = f"{'MACHINE':17}  {'ADDRESS':15}  {'STAGE':28}  {'FOR':>6}  NAME"
HINTS = {                       # at a stage for long; docs/pxe.md, "Where a machine stopped"
    Stage.ASKED: "no answer went out: a firewall here?",
    Stage.OFFERED: "did not take it: another server?",
    Stage.IPXE: "iPXE did not reach HTTP here",
    Stage.SCRIPT: "kernel not loaded",
    Stage.KERNEL: "modules not loaded",
    Stage.MODULES: "no sign of life since: see its console",
}


def age(seconds: float) -> str:
    """A time in a few characters."""
    if seconds < 60:
        return f"{int(seconds)} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min"
    return f"{int(seconds) // 3600} h"


def stage_text(machine: Machine, now: float) -> str:
    """Where a machine is, with what it is doing or why it may have stopped."""
    if not machine.loadable:
        return f"asked ({machine.firmware})"
    stage = SHOWN[machine.stage]
    if machine.stage == Stage.BOOTED:
        return f"up ({machine.detail})" if machine.detail else stage
    if now - machine.since >= STALLED_SECONDS and machine.stage < machine.last_stage:
        return f"{stage}; {HINTS[machine.stage]}"
    return f"{stage}; {machine.detail}" if machine.detail else stage


def row(machine: Machine, now: float) -> str:
    """One machine's line of the table."""
    address = str(machine.address) if machine.address is not None else "-"
    return (f"{machine.mac or '-':17}  {address:15}  {stage_text(machine, now):28}  "
            f"{age(now - machine.since):>6}  {machine.name}").rstrip()


def summary(machines: list[Machine]) -> str:
    """The count of machines at each stage."""
    counts = {stage: sum(machine.stage == stage for machine in machines) for stage in Stage}
    if not machines:
        return "no machine has asked yet"
    total = f"{len(machines)} machine{'' if len(machines) == 1 else 's'}"
    parts = [f"{count} {SHOWN[stage]}" for stage, count in counts.items() if count]
    return f"{total}: {', '.join(parts)}"


class Display:
    """Where lines and the table go. say() may be called from any thread."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.live = out.isatty()
        self.lock = threading.Lock()
        self.notes: list[str] = []
        self.closed = False         # nobody reads it any more
        self.table: list[str] = []  # as it stands on the screen

    def say(self, who: str, line: str) -> None:
        """A step of one machine, or with who == "" of this server."""
        text = f"{time.strftime('%H:%M:%S')} {who + ' ' if who else ''}{line}"
        with self.lock:
            if not self.live:
                self._write(text + "\n")
            elif len(self.notes) < NOTES_MAX:
                self.notes.append(text)

    def finish(self, machines: list[Machine]) -> None:
        """The last words: how many machines got how far."""
        if self.live:
            self.draw(machines)
        else:
            self.say("", f"stopped; {summary(machines)}")

    def draw(self, machines: list[Machine]) -> None:
        """Shows new lines, and on a terminal the table below them."""
        if not self.live:
            return
        columns, lines = shutil.get_terminal_size()
        now = time.monotonic()
        shown = machines[-max(lines - 3, 1):]
        table = [HEAD, *(row(machine, now) for machine in shown)] if shown else []
        table = [line[:columns - 1] for line in [*table, summary(machines)]]
        with self.lock:
            if table == self.table and not self.notes:
                return
            up = f"\x1b[{len(self.table)}A" if self.table else ""
            self._write(f"{up}\r\x1b[J" + "".join(line + "\n" for line in [*self.notes, *table]))
            self.notes.clear()
            self.table = table

    def _write(self, text: str) -> None:
        try:
            self.out.write(text)
            self.out.flush()
        except OSError:
            self.closed = True
            # What is still buffered must not fail once more when Python ends.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.out.fileno())
