#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Attacks nodes until the time is up: `make attack SECONDS=60`.

Two nodes, with one processor and with two, serve a site and run hostile programs
in turn, the fuzzer with fresh seeds most of the time. After each program the node
must serve the site byte for byte and hold what it held before. The first thing
that goes wrong ends the campaign and says how to see it again.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from pathlib import Path

import accounts
import replay
from clusters.failure import Failure
from guest import Guest, GuestError

ROUNDS = 20             # children of one run of the fuzzer
BESIDE = 50             # of the one beside it, which is silent and lasts longer
PROGRAMS = ["faults", "wild", "thief", "forge", "raid", "exhaust"]
ENDINGS = ["sending", "reading", "writing", "upcall", "writing-child", "waiting-child",
           "yielding", "deep"]
SITE = {"index.html": b"<!doctype html><title>a</title>\n",
        "large.bin": random.Random(4).randbytes(200_000)}


class Attacker:
    """One node under attack."""

    def __init__(self, processors: int, folder: Path):
        disk = folder / f"disk{processors}"
        disk.write_bytes(bytes(1 << 20))
        self.guest = Guest(smp=processors, memory_mib=128, site=SITE, disk=disk)
        self.guest.wait_prompt()
        self.before = accounts.everything(self.guest)
        self.calls = self.runs = 0

    def run(self, command: str, beside: str):
        """Runs one program, and where there is room a fuzzer beside it; looks at what
        they left."""
        since = len(self.guest.log())
        beside_id = self.guest.background(beside, "") if self.guest.smp > 1 else 0
        said = self.guest.run(command)
        if beside_id:
            self.guest.wait_for(rf"^\[{beside_id}\] fuzz: exited with status 0\n(?:.*\n)*?deos> ",
                                since=since)
        name = command.split()[0]
        found = re.search(rf"^{name}: PASS (\d+) attempts$", said, re.M)
        if not found and not re.search(r"^\[\d+\] quit: (exited with status 42|died)", said, re.M):
            raise GuestError(said)
        self.calls += int(found[1]) if found else 1
        self.runs += 1
        self.guest.check()
        accounts.check_restored(self.guest, self.before)
        if self.guest.get("/large.bin") != SITE["large.bin"]:
            raise GuestError("the site was not served byte for byte")


def commands(seed: int):
    """What to run, without end: every program once, then mostly the fuzzer."""
    chance = random.Random(seed)
    yield from PROGRAMS
    while True:
        for _ in range(4):
            yield f"fuzz {chance.randrange(1 << 32)} {ROUNDS}"
        yield f"quit {chance.choice(ENDINGS)}{chance.choice(['', ' fault'])}"
        yield chance.choice(PROGRAMS)


def attack(seconds: float, seed: int) -> str:
    """Attacks until the time is up; returns what was done."""
    until = time.monotonic() + seconds
    chance = random.Random(-seed)
    with tempfile.TemporaryDirectory(prefix="deos-attack-") as folder:
        attackers = [Attacker(processors, Path(folder)) for processors in (1, 2)]
        try:
            for command in commands(seed):
                for attacker in attackers:
                    if time.monotonic() > until:
                        return (f"{sum(a.runs for a in attackers)} runs, "
                                f"{sum(a.calls for a in attackers)} attempts")
                    try:
                        attacker.run(command,
                                     f"fuzz {chance.randrange(1 << 32)} {BESIDE} quiet")
                    except (AssertionError, Failure) as error:
                        raise GuestError(
                            f"{command} on {attacker.guest.smp} processors:\n{error}") from None
        finally:
            for attacker in attackers:
                attacker.guest.__exit__()
    raise AssertionError("commands() has no end")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Attack nodes with hostile programs.")
    parser.add_argument("--seconds", type=float, default=60, metavar="N")
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32), metavar="N")
    options = parser.parse_args()
    again = f"make attack SECONDS={options.seconds:g} SEED={options.seed}"
    return replay.run("attack", again, lambda: attack(options.seconds, options.seed))


if __name__ == "__main__":
    sys.exit(main())
