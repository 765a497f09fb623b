# SPDX-License-Identifier: BSD-2-Clause
"""harness/trace: shows a trace file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from clusters.failure import Failure, Usage

from . import align, events, file, names, show


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message}; see {self.prog} --help")


def digits(text: str) -> str:
    """The beginning of a UUID."""
    text = text.replace("-", "").lower()
    if not text or len(text) > 16 or any(c not in "0123456789abcdef" for c in text):
        raise argparse.ArgumentTypeError(f"'{text}' is not the beginning of a UUID (1 to 16 "
                                         "digits)")
    return text


def kinds(text: str) -> set[int]:
    """Words for kinds of events."""
    wrong = [word for word in text.split(",") if word not in names.BY_WORD]
    if wrong:
        raise argparse.ArgumentTypeError(f"no kind of event is called '{wrong[0]}': there are "
                                         + " ".join(names.BY_WORD))
    return {names.BY_WORD[word] for word in text.split(",")}


def parser() -> Parser:
    """The command line."""
    top = Parser(prog="trace", description="Show what the fabric of nodes did: files that "
                 "`deosctl trace` has written, or the simulator with --record.",
                 epilog="Times are seconds from the first event. Clocks of nodes are set to one "
                 "another by the frames that they exchanged. docs/observability.md has the format.")
    top.add_argument("file", type=Path, metavar="FILE")
    top.add_argument("--node", type=digits, metavar="UUID", help="only events of this node")
    top.add_argument("--peer", type=digits, metavar="UUID", help="only events with this peer")
    top.add_argument("--slot", type=int, metavar="N", help="only events about the capability in "
                     "this slot of its owner")
    top.add_argument("--kind", type=kinds, metavar="WORDS", help="only these kinds, as "
                     "drop,stray,refused")
    top.add_argument("--last", type=int, metavar="N", help="only the newest N")
    top.add_argument("--chrome", type=Path, metavar="OUT", help="write Chrome's trace JSON there, "
                     "for chrome://tracing or Perfetto, and no lines")
    return top


def wanted(seen: events.Seen, words: argparse.Namespace, uuids: list[bytes]) -> bool:
    """Does it pass the filters?"""
    return ((not words.node or uuids[seen.node].hex().startswith(words.node))
            and (not words.peer or (seen.peer or b"").hex().startswith(words.peer))
            and (words.slot is None or seen.slot == words.slot)
            and (words.kind is None or seen.event.kind in words.kind))


def run(arguments: list[str]) -> None:
    """The command."""
    words = parser().parse_args(arguments)
    try:
        trace = file.read(words.file)
    except file.Malformed as error:
        raise Failure(f"{words.file}: {error}") from error
    except OSError as error:
        raise Failure(f"{words.file}: {error.strerror or error}") from error
    uuids = [node.uuid for node in trace.nodes]
    told = events.seen_by(trace)
    offsets, known = [0] * len(uuids), [True] * len(uuids)
    if not trace.one_clock:
        offsets, known = align.offsets(told, uuids)
    for uuid, sure in zip(uuids, known):
        if not sure:
            print(f"trace: node {uuid.hex()[:8]} exchanged no frame that was kept with the first "
                  "one: its times are its own", file=sys.stderr)
    every = events.merged(told, offsets)
    start_ns = every[0].time_ns if every else 0
    shown = [seen for seen in every if wanted(seen, words, uuids)]
    shown = shown[-words.last:] if words.last else shown
    short = [uuid.hex()[:8] for uuid in uuids]
    if words.chrome:
        try:
            words.chrome.write_text(json.dumps(show.chrome(shown, short, start_ns)))
        except OSError as error:
            raise Failure(f"{words.chrome}: {error.strerror or error}") from error
        print(f"{words.chrome}: {len(shown)} events")
        return
    for seen in shown:
        print(show.line(seen, short, start_ns))


def main() -> int:
    """Exit status 0, 2 for a command that was wrong, 1 for anything else."""
    try:
        run(sys.argv[1:])
        sys.stdout.flush()
        return 0
    except Failure as failure:
        print(f"trace: {' '.join(str(failure).split())}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
