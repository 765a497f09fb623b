#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What takes longer than `make test` may, on the checked kernel:

    campaign.py storm [--calls N] [--seed N]    random system calls (make fuzz)
    campaign.py oracle [--calls N] [--seed N]   hostile environments (make attack)
    campaign.py planted [--seed N] [--seeds N] [--only NAME ...]
                                                every planted bug must be found, with each seed

Each prints the command that does it again, and how many calls were made. None has a limit
of time in all: what prints nothing for SILENCE_S has failed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import accounts
import replay
from clusters.failure import Failure
from guest import ADDRESS, ROOT, Guest, GuestError

sys.path.insert(0, str(ROOT / "harness/checked"))
from planted import PLANTS      # noqa: E402

SITE = {"index.html": b"<!doctype html><title>c</title>\n", "large.bin": bytes(200_000)}
AT_ONCE = 20_000        # calls of one command
SILENCE_S = 300.0       # without a word of them; they announce each round
ROUND_CALLS = 8_000     # of one round of the oracle, at most
PLANT_CALLS = 200_000   # in which a planted bug must be found
APART = 1_000           # between seeds: round n of one is round 1 of the nth after it


def node(folder: Path) -> Guest:
    """A checked node with everything that there is to attack."""
    disk = folder / "disk"
    disk.write_bytes(bytes(1 << 20))
    return Guest(memory_mib=128, site=SITE, disk=disk, checked=True,
                 append=ADDRESS + " cluster=test agent=off")


def run(program: str, calls: int, seed: int) -> str:
    """Runs a program until so many calls are made; nothing may be found, nor left behind."""
    made = 0
    with tempfile.TemporaryDirectory(prefix="deos-campaign-") as folder, \
            node(Path(folder)) as guest:
        guest.wait_prompt()
        before = accounts.everything(guest)
        while made < calls:
            command = f"{program} {seed + made} {min(AT_ONCE, calls - made)}"
            said = guest.run(command, SILENCE_S, goes_on=True)
            found = re.search(rf"^{program}: PASS (\d+) attempts$", said, re.M)
            if not found:
                raise GuestError(f"{command}: {said}")
            made += int(found[1])
            guest.check()
            accounts.check_restored(guest, before)
            if guest.get("/large.bin") != SITE["large.bin"]:
                raise GuestError("the site was not served byte for byte")
    return f"{made} calls"


class Found(NamedTuple):
    """What found a planted bug, and in how many calls at most."""

    what: str
    calls: int


def find(number: int, seed: int) -> Found | None:
    """Switches a planted bug on; None when nothing found it."""
    with tempfile.TemporaryDirectory(prefix="deos-campaign-") as folder, \
            node(Path(folder)) as guest:
        guest.wait_prompt()
        guest.type(f"oracle {seed} {PLANT_CALLS} {number}")
        found = guest.wait_on(r"^PANIC: .+$|^oracle: does not hold: .*$|^oracle: FAIL, .*$|"
                              r"^intruder: (?:read|mapped|had) .*$|^oracle: PASS .*$", SILENCE_S)
        rounds = len(re.findall(r"^oracle: round \d+$", guest.log()[:found.start()], re.M))
        return None if "PASS" in found[0] else Found(found[0], rounds * ROUND_CALLS)


def find_all(seeds: list[int], only: list[str]) -> str:
    """Every planted bug, or those of some names, with each seed; a node for each."""
    missed, most = [], 0
    for number, plant in enumerate(PLANTS, 1):
        if only and plant.name not in only:
            continue
        for seed in seeds:
            since = time.monotonic()
            try:
                found = find(number, seed)
            except Failure:         # it fell silent: the others are looked for still
                found = None
            if found:
                most = max(most, found.calls)
            else:
                missed.append(f"{plant.name} with {seed}")
            print(f"  {plant.name:14} seed {seed:<10} {time.monotonic() - since:5.1f} s  "
                  + (f"{found.calls:6} calls  {found.what}" if found else "NOT FOUND"),
                  flush=True)
    if missed:
        raise GuestError("not found: " + ", ".join(missed))
    return f"each found with {len(seeds)} seeds, in at most {most} calls"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Long attacks on the checked kernel.")
    parser.add_argument("what", choices=["storm", "oracle", "planted"])
    parser.add_argument("--calls", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 31), metavar="N")
    parser.add_argument("--seeds", type=int, default=1, metavar="N",
                        help="planted: so many, each to find every bug")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME",
                        choices=[plant.name for plant in PLANTS],
                        help="planted: these alone")
    options = parser.parse_args()
    seeds = [options.seed + APART * i for i in range(options.seeds)]
    more = f"--seeds {options.seeds}" if options.what == "planted" else f"--calls {options.calls}"
    again = f"harness/guest/campaign.py {options.what} {more} --seed {options.seed}"
    if options.what == "planted":
        return replay.run(options.what, again, lambda: find_all(seeds, options.only))
    return replay.run(options.what, again,
                      lambda: run(options.what, options.calls, options.seed))


if __name__ == "__main__":
    sys.exit(main())
