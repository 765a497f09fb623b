#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints where the instructions of one operation between two nodes are: for owner and
requester the functions of the kernel, how often they are entered, and how many accesses
to devices they make. Says nothing about time, so that it may run on a busy host.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import counting  # noqa: E402 (the path above comes first)
import remote  # noqa: E402
import rig  # noqa: E402
from deos import Build  # noqa: E402
from session import Session  # noqa: E402


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="where.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("verb", choices=remote.VERBS, metavar="OPERATION",
                        help=", ".join(remote.VERBS))
    parser.add_argument("bytes", type=int, metavar="BYTES", help="of an operation; cas: 8")
    parser.add_argument("flights", type=int, nargs="?", default=1, metavar="FLIGHTS",
                        help="operations under way at a time (1)")
    parser.add_argument("--mtu", type=int, default=rig.MTU, help=f"of the link ({rig.MTU})")
    parser.add_argument("--untagged", action="store_true", help="frames carry no tags")
    parser.add_argument("--cpu", default="qemu64,+rdrand", help="QEMU's -cpu (qemu64,+rdrand)")
    parser.add_argument("--nic", choices=rig.NICS, default=os.environ.get("BENCH_NIC", "virtio"),
                        help=f"network card of both: {', '.join(rig.NICS)} (virtio)")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    chosen = arguments(words)
    operation = remote.Operation(chosen.verb, chosen.verb, chosen.bytes, "mean",
                                 flights=chosen.flights)
    folder = ROOT / "build/bench"
    rig.DEVICES.nic = chosen.nic
    try:
        session = Session(("deos",), 1, 1, chosen.cpu, folder,
                          Build(ROOT / "build", folder), None, None)
        rig.guarantee_cleanup()
        rig.enter_private_network()
        counted = remote.Counted(session, counting.build_plugin(folder))
        costs = counted.deos(operation, chosen.mtu, not chosen.untagged)
    except (rig.BenchError, OSError) as error:
        print(f"where: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("where: interrupted", file=sys.stderr)
        return 1
    print(counting.table("owner", costs.owner))
    print(counting.table("requester", costs.requester))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
