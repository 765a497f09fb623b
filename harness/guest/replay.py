# SPDX-License-Identifier: BSD-2-Clause
"""How what takes long begins and ends: with the command that does it again."""

from __future__ import annotations

import sys
from typing import Callable

from guest import GuestError
from clusters.failure import Failure    # found by what guest has added to the path


def run(name: str, again: str, what: Callable[[], str]) -> int:
    """Does it; what it returns is told behind PASS. Returns the exit status."""
    print(f"{name}: {again}", flush=True)
    try:
        done = what()
    except (GuestError, Failure, AssertionError) as error:
        print(f"{error}\n{name}: FAIL; again: {again}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{name}: PASS {done}")
    return 0
