# SPDX-License-Identifier: BSD-2-Clause
"""The switch's control line, from Python (docs/switch.md)."""

from __future__ import annotations

import json
from pathlib import Path

from . import unixpath
from .failure import Failure

SECONDS = 10.0


def ask(control: Path, command: str) -> dict:
    """Sends one command to a switch; its answer, or its error as a Failure."""
    try:
        with unixpath.connect(control, SECONDS) as link, link.makefile("rw") as lines:
            lines.write(command + "\n")
            lines.flush()
            line = lines.readline()
    except OSError as error:
        raise Failure(f"the switch does not answer ({error.strerror or error})") from error
    if not line.endswith("\n"):
        raise Failure("the switch ended")
    answer = json.loads(line)
    if not answer["ok"]:
        raise Failure(f"switch: {answer['error']}")
    return answer
