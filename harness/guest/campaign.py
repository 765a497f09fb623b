#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What takes longer than `make test` may, on the checked kernel:

    campaign.py storm [--calls N] [--seed N]    random system calls (make fuzz)
    campaign.py oracle [--calls N] [--seed N]   hostile environments (make attack)
    campaign.py planted [--seed N] [--only NAME ...]    every planted bug must be found

Each prints the command that does it again, and how many calls were made.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

import accounts
from clusters.failure import Failure
from guest import ADDRESS, ROOT, Guest, GuestError

sys.path.insert(0, str(ROOT / "harness/checked"))
from planted import PLANTS      # noqa: E402

SITE = {"index.html": b"<!doctype html><title>c</title>\n", "large.bin": bytes(200_000)}
AT_ONCE = 20_000        # calls of one command
PATIENCE_S = 300.0      # for these
PLANT_CALLS = 200_000   # in which a planted bug must be found


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
            said = guest.run(command, PATIENCE_S)
            found = re.search(rf"^{program}: PASS (\d+) attempts$", said, re.M)
            if not found:
                raise GuestError(f"{command}: {said}")
            made += int(found[1])
            guest.check()
            accounts.check_restored(guest, before)
            if guest.get("/large.bin") != SITE["large.bin"]:
                raise GuestError("the site was not served byte for byte")
    return f"{made} calls"


def find(number: int, seed: int) -> str:
    """Switches a planted bug on; returns what found it, or "" when nothing did."""
    with tempfile.TemporaryDirectory(prefix="deos-campaign-") as folder, \
            node(Path(folder)) as guest:
        guest.wait_prompt()
        guest.type(f"oracle {seed} {PLANT_CALLS} {number}")
        found = guest.wait_for(r"^PANIC: .+$|^oracle: does not hold: .*$|^oracle: FAIL, .*$|"
                               r"^intruder: (?:read|mapped|had) .*$|^oracle: PASS .*$", PATIENCE_S)
        return "" if "PASS" in found[0] else found[0]


def find_all(seed: int, only: list[str]) -> str:
    """Every planted bug, one node each; or those of some names."""
    missed, tried = [], 0
    for number, plant in enumerate(PLANTS, 1):
        if only and plant.name not in only:
            continue
        since = time.monotonic()
        tried += 1
        try:
            what = find(number, seed)
        except Failure:             # its calls took too long: the others are looked for still
            what = ""
        print(f"  {plant.name:14} {time.monotonic() - since:5.1f} s  {what or 'NOT FOUND'}",
              flush=True)
        if not what:
            missed.append(plant.name)
    if missed:
        raise GuestError("not found: " + ", ".join(missed))
    return f"{tried} planted bugs found"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Long attacks on the checked kernel.")
    parser.add_argument("what", choices=["storm", "oracle", "planted"])
    parser.add_argument("--calls", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 31), metavar="N")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME",
                        choices=[plant.name for plant in PLANTS],
                        help="planted: these alone")
    options = parser.parse_args()
    again = f"harness/guest/campaign.py {options.what} --calls {options.calls} " \
            f"--seed {options.seed}"
    print(f"{options.what}: {again}", flush=True)
    try:
        done = find_all(options.seed, options.only) if options.what == "planted" else \
            run(options.what, options.calls, options.seed)
    except (GuestError, Failure) as error:
        print(f"{error}\n{options.what}: FAIL; again: {again}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{options.what}: PASS {done}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
