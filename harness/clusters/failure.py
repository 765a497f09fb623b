# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong in a way that a person can act on: one line, no traceback."""

import traceback
from pathlib import Path


class Failure(Exception):
    """Exit status 1."""

    status = 1


class Usage(Failure):
    """The command itself was wrong: exit status 2."""

    status = 2


def in_a_line(error: Exception) -> str:
    """What went wrong; of what nobody foresaw, also where."""
    if isinstance(error, Failure):
        return str(error)
    where = ", ".join(f"{Path(frame.filename).name}:{frame.lineno}"
                      for frame in traceback.extract_tb(error.__traceback__))
    return f"{type(error).__name__}: {error} (at {where})"
