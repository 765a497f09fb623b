# SPDX-License-Identifier: BSD-2-Clause
"""Asks the supervisor of a run."""

from __future__ import annotations

import json

from . import unixpath
from .failure import Failure, Usage
from .state import State

SECONDS = 30.0


class NotUp(Failure):
    """Nothing runs in that folder."""


def not_up(state: State) -> NotUp:
    """Why there is nobody to ask, in one line."""
    recorded = state.read() if state.folder.is_dir() else {}
    if recorded.get("failed"):
        return NotUp(f"the cluster in {state.folder} failed: {recorded['failed']}")
    if recorded:
        return NotUp(f"the cluster in {state.folder} was killed: harness/cluster down cleans up")
    return NotUp(f"no cluster is up in {state.folder}: harness/cluster up starts one")


def request(state: State, verb: str, **words: object) -> dict:
    """One command; its answer, or its error as a Failure."""
    if state.supervisor() is None:
        raise not_up(state)
    try:
        with unixpath.connect(state.control, SECONDS) as link, link.makefile("rwb") as lines:
            lines.write(json.dumps({"verb": verb, **words}).encode() + b"\n")
            lines.flush()
            line = lines.readline()
    except FileNotFoundError as error:
        raise Failure(f"the cluster in {state.folder} is only coming up: try again") from error
    except OSError as error:
        raise Failure(f"the cluster in {state.folder} does not answer "
                      f"({error.strerror or error})") from error
    if not line:
        raise Failure(f"the cluster in {state.folder} ended just now")
    answer = json.loads(line)
    if not answer["ok"]:
        raise (Usage if answer.get("status") == 2 else Failure)(answer["error"])
    return answer
