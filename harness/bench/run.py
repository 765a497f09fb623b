#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the benchmarks: DEOS, Linux and the floor by turns in one session.

Prints a table and writes NAME.json (record.py names its fields) and NAME.png to
build/bench. Without DEOS (--systems peer) nothing is written: a report is about
DEOS. docs/benchmarks.md says what each figure means.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import time
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import bench_block  # noqa: E402 (the path above comes first)
import bench_boot  # noqa: E402
import bench_fabric  # noqa: E402
import bench_http  # noqa: E402
import bench_loss  # noqa: E402
import bench_primitives  # noqa: E402
import bench_revocation  # noqa: E402
import record  # noqa: E402
import remote  # noqa: E402
import rig  # noqa: E402
from clusters.drive import DISKS  # noqa: E402
from deos import Build, boot_programs  # noqa: E402
from linux import Peer  # noqa: E402
from pair import PairRoot  # noqa: E402
from session import LABELS, Session  # noqa: E402

BENCHES = {"http": bench_http.run, "boot": bench_boot.run, "primitives": bench_primitives.run,
           "fabric": bench_fabric.run, "block": bench_block.run, "loss": bench_loss.run,
           "revocation": bench_revocation.run}
BETWEEN_NODES = ("fabric", "block", "loss", "revocation")
BUILD = ROOT / "build"


def offered() -> list[str]:
    """The benchmarks that this build can run whole."""
    whole = remote.PROGRAM in boot_programs(BUILD / "boot.cpio")
    return [name for name in BENCHES if whole or name not in BETWEEN_NODES]


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def systems(text: str) -> tuple[str, ...]:
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in LABELS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(LABELS)}")
    return tuple(label for label in LABELS if label in chosen)


def expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {error}") from error
    return text


def one_of(known: dict[str, str]):
    """A word of a table; unlike `choices`, also where it comes from the environment."""
    def parse(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}")
        return text
    return parse


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py", description="DEOS, Linux and the floor, measured by turns.",
        epilog="RUNS, SECS, IDLE_SECS, BENCH_CPU, BENCH_NIC and BENCH_DISK in the environment "
               "set the defaults.")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"which benchmarks: {', '.join(offered())} (all)")
    parser.add_argument("--runs", type=positive, default=os.environ.get("RUNS", "5"),
                        help="rounds; the median of them is reported (5)")
    parser.add_argument("--secs", type=positive, default=os.environ.get("SECS", "1"),
                        help="seconds of load a measurement (1)")
    parser.add_argument("--cpu", default=os.environ.get("BENCH_CPU", "qemu64,+rdrand"),
                        help="QEMU's -cpu for every system (qemu64,+rdrand: Linux's best)")
    parser.add_argument("--nic", type=one_of(rig.NICS),
                        default=os.environ.get("BENCH_NIC", "virtio"),
                        help=f"network card of every machine: {', '.join(rig.NICS)} (virtio)")
    parser.add_argument("--disk", type=one_of(DISKS),
                        default=os.environ.get("BENCH_DISK", "virtio"),
                        help=f"disk of DEOS nodes that have one: {', '.join(DISKS)} (virtio)")
    parser.add_argument("--systems", type=systems, default=LABELS, metavar="LIST",
                        help="which of deos,peer,floor (all)")
    parser.add_argument("--cases", type=expression, default="", metavar="REGEX",
                        help="only cases that match")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench",
                        help="where reports go (build/bench)")
    chosen = parser.parse_args(words)
    for name in chosen.names:
        if name not in BENCHES:
            parser.error(f"no benchmark {name!r}; there are {', '.join(BENCHES)}")
        if "deos" in chosen.systems and name not in offered():
            parser.error(f"{name}: the boot archive has no program {remote.PROGRAM}; measure "
                         "the other systems with --systems peer,floor")
    chosen.names = chosen.names or offered()
    return chosen


def cell(value: object) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def system_cell(row: dict, label: str) -> str:
    """The median, and from where to where the rounds reach."""
    prefix = "" if label == "deos" else label + "_"
    low, high = row.get(prefix + "min"), row.get(prefix + "max")
    if row[label] is None or low is None:
        return cell(row[label])
    return f"{cell(row[label])} ({cell(low)}..{cell(high)})"


def optional_columns(rows: list[dict]) -> list[tuple[str, str]]:
    """Headings and keys of what only some rows have."""
    out: list[tuple[str, str]] = []
    if any(row["instructions"] or row.get("peer_instructions") for row in rows):
        out += [("instr.", "instructions"), ("peer instr.", "peer_instructions"),
                ("floor instr.", "floor_instructions")]
    if any(row.get("owner_untagged") for row in rows):
        out += [("owner", "owner_instructions"), ("untagged", "owner_untagged"),
                ("check", "check_share"), ("requester", "requester_instructions"),
                ("devices", "owner_devices"), ("requester's", "requester_devices")]
    if any(row.get("p99_us") for row in rows):
        out += [("p99", "p99_us"), ("peer p99", "peer_p99_us"), ("floor p99", "floor_p99_us"),
                ("x floor p99", "p99_to_floor")]
    if any(row.get("instruction_ratio") for row in rows):
        out.append(("x instr.", "instruction_ratio"))
    if any(row.get("wanted") for row in rows):
        out.append(("wanted", "wanted"))
    if any(row.get("errors") or row.get("peer_errors") for row in rows):
        out += [("errors", "errors"), ("peer errors", "peer_errors")]
    return out


def table(name: str, rows: list[dict]) -> str:
    """The report as text; every row, whichever way it came out."""
    optional = optional_columns(rows)
    ways = sorted({way for row in rows for way in row.get("peer_ways", {})})
    lines = [["case", "unit", "better", "DEOS", "peer", "floor", "x peer", "x floor",
              *(heading for heading, _ in optional), *ways]]
    for row in rows:
        systems_of = [system_cell(row, label) for label in LABELS]
        lines.append([row["case"], row["unit"], row["better"], *systems_of,
                      cell(row["ratio_to_peer"]), cell(row["ratio_to_floor"]),
                      *(cell(row.get(key)) for _, key in optional),
                      *(cell(row.get("peer_ways", {}).get(way)) for way in ways)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [f"\n{name}"]
    for line in lines:
        text.append("  ".join(word.ljust(width) if i < 3 else word.rjust(width)
                              for i, (word, width) in enumerate(zip(line, widths))))
    text += [f"falls short: {row['case']}: {'; '.join(row['short'])}"
             for row in rows if row.get("short")]
    return "\n".join(text)


def describe(session: Session, chosen: argparse.Namespace, other: float) -> dict:
    """The environment of a report."""
    machine = f"q35, 1 vCPU, {chosen.nic} network card, {chosen.disk} disk, tap"
    more: dict[str, object] = {"cpu_model": session.cpu, "machine": machine,
                               "accelerator": "tcg,thread=multi", "runs": session.rounds,
                               "seconds": session.seconds, "other_load_percent": other}
    if session.peer is not None:
        more["peer_kernel"] = f"Debian linux-image-{session.peer.version}"
        more["peer_server"] = f"nginx {session.peer.nginx}"
        more["peer_command_line"] = session.peer.web().append
    if session.pair is not None:
        more["pair_kernel"] = f"Debian linux-image-{session.pair.version}"
        more["pair_packages"] = session.pair.versions()
    if session.build is not None:
        more["deos_build"] = session.build.identity()
    if chosen.cases:
        more["cases"] = chosen.cases
    return record.environment(**more)


def plot() -> ModuleType:
    """The plotting module: imported late, --help does without matplotlib."""
    try:
        return importlib.import_module("plot")
    except ImportError as error:
        raise rig.BenchError(f"{error.name} is missing: run 'make setup'") from error


def report(session: Session, chosen: argparse.Namespace, name: str) -> None:
    """Runs one benchmark, prints its table, and writes its files if DEOS was in it."""
    began, others = time.monotonic(), record.OtherLoad()
    rows = BENCHES[name](session)
    session.progress_end()
    if not rows:
        raise rig.BenchError(f"no case of {name} matches {session.cases!r}")
    print(table(name, rows), flush=True)
    other = others.percent()
    print(f"{name}: {time.monotonic() - began:.0f} s, other processes used {other} % of the host")
    if "deos" not in session.systems:
        return
    environment = describe(session, chosen, other)
    path = record.write_report(chosen.out, name, environment, rows)
    plot().draw({"name": name, "environment": environment, "rows": rows}, path.with_suffix(".png"))
    print(f"{name}: wrote {path} and {path.with_suffix('.png').name}")


def main(words: list[str]) -> int:
    chosen = arguments(words)
    try:
        wanted = set(chosen.systems)
        if "deos" in wanted:
            plot()  # what is missing is said before the work, not after it
        between = [name for name in chosen.names if name in BETWEEN_NODES]
        compared = [name for name in between if name != "revocation"]
        peer = pair = None
        if "peer" in wanted and len(between) < len(chosen.names):
            peer = Peer(chosen.out / "linux")
            peer.build()
        if "peer" in wanted and compared:
            pair = PairRoot(chosen.out / "pair")
            pair.build()
        build = None
        if wanted & {"deos", "floor"}:
            build = Build(BUILD, chosen.out, serves="deos" in wanted)
        rig.DEVICES.nic, rig.DEVICES.disk = chosen.nic, chosen.disk
        session = Session(chosen.systems, chosen.runs, chosen.secs, chosen.cpu, chosen.out,
                          build, peer, pair, chosen.cases)
        rig.guarantee_cleanup()
        rig.enter_private_network()
        rig.use_core(rig.LOAD_CORE)
        for label in chosen.systems if len(between) < len(chosen.names) else []:
            rig.add_port(session.web(label))
        for name in chosen.names:
            report(session, chosen, name)
    except rig.BenchError as error:
        print(f"\nbench: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nbench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
