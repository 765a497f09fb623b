# SPDX-License-Identifier: BSD-2-Clause
"""A supervisor in the background: its progress is shown until it is ready."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TextIO

from .options import Options
from .report import Report
from .state import State
from .supervisor import Supervisor

LOG = "up.log"


def run_detached(options: Options, state: State, tools: Path) -> int:
    """Starts the supervisor; returns when it is ready or has failed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        supervise(options, state, tools, os.fdopen(writer, "w"))
    os.close(writer)
    with os.fdopen(reader) as lines:
        try:
            if follow(lines):
                return 0
        except KeyboardInterrupt:
            os.kill(child, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def follow(lines: TextIO) -> bool:
    """Repeats what the supervisor says. True when it got ready."""
    ready = False
    for line in lines:
        ready = line.startswith("READY ")
        print(line, end="", file=sys.stdout if ready else sys.stderr, flush=True)
    return ready


def supervise(options: Options, state: State, tools: Path, teller: TextIO) -> None:
    """The child: a session of its own, its output in a log. Does not return."""
    status = 1
    try:
        os.setsid()
        log = os.open(state.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        supervisor = Supervisor(options, state, Report(teller, teller), tools)

        def talk_to_log() -> None:
            supervisor.say = Report()
            teller.close()

        supervisor.on_ready = talk_to_log
        status = supervisor.run()
    except BaseException:  # the log is the only place for it
        traceback.print_exc()
    finally:
        teller.close()
        sys.stderr.flush()
        os._exit(status)
