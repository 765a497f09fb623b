#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs very many seeds of the simulator in pieces, side by side, and adds up what they did.

    harness/sim/long.py --program build/harness/sim --seeds 1..50000 --jobs 2

Each piece's sums are kept in a folder that is named after the program's bytes and the
options, so that a run which was broken off goes on where it stood, and two programs
never mix. A seed that fails is told with the command that replays it, and the seeds
around it are run all the same. Fails when a seed failed, when a fault point never fired,
when a mark was never reached and when a fault was never felt."""
import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PIECE = 250         # seeds
NICE = 19
MARKS_FROM = 2000   # so many seeds are enough to reach every mark


class Run:
    """The pieces of one run, done or to be done."""

    def __init__(self, program: Path, options: list[str], folder: Path):
        digest = hashlib.sha256(program.read_bytes() + "\0".join(options).encode())
        self.program, self.options = program, options
        self.folder = folder / digest.hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.failures: list[str] = []
        self.done = 0

    def piece(self, first: int, last: int) -> list[Path]:
        """The files of sums of these seeds; runs them unless they are there."""
        if first > last:
            return []
        kept = self.folder / f"{first}-{last}.totals"
        if kept.exists():
            return [kept]
        part = kept.with_suffix(f".{os.getpid()}")
        ran = subprocess.run(
            ["nice", "-n", str(NICE), self.program, "--seeds", f"{first}..{last}",
             "--totals", part, *self.options], capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            part.rename(kept)
            return [kept]
        failed = re.search(r"^seed (\d+) failed", ran.stdout, re.MULTILINE)
        if not failed:
            raise RuntimeError(f"seeds {first}..{last}: {ran.stdout[-2000:]}{ran.stderr}")
        self.failures.append(ran.stdout)
        print(ran.stdout, flush=True)
        bad = int(failed[1])
        return self.piece(first, bad - 1) + self.piece(bad + 1, last)

    def all(self, first: int, last: int, jobs: int) -> list[Path]:
        """Runs every piece, `jobs` at a time."""
        pieces = [(at, min(at + PIECE - 1, last)) for at in range(first, last + 1, PIECE)]
        began = time.monotonic()

        def one(piece: tuple[int, int]) -> list[Path]:
            files = self.piece(*piece)
            self.done += 1
            if self.done % 20 == 0 or self.done == len(pieces):
                print(f"{self.done} of {len(pieces)} pieces after "
                      f"{time.monotonic() - began:.0f} s, {len(self.failures)} failures",
                      flush=True)
            return files
        with ThreadPoolExecutor(jobs) as pool:
            return [path for files in pool.map(one, pieces) for path in files]


def add_up(files: list[Path]) -> dict[str, int]:
    """The sums, the most and the least of all files."""
    how = {"sum": lambda a, b: a + b, "most": max, "least": min}
    total: dict[str, int] = {}
    for path in files:
        for line in path.read_text(encoding="ascii").splitlines():
            rule, name, count = line.split()
            total[name] = how[rule](total[name], int(count)) if name in total else int(count)
    return total


def group(total: dict[str, int], head: str) -> dict[str, int]:
    """What is counted by kind: {"loss": 3} of {"frames.loss": 3}."""
    return {name[len(head) + 1:]: count for name, count in total.items()
            if name.startswith(head + ".")}


def never(total: dict[str, int]) -> list[str]:
    """Fault points that never fired, marks that were never reached, faults never felt."""
    return ([f"fault point {name} never fired" for name, n in group(total, "point").items()
             if not n] +
            [f"mark {name} was never reached" for name, n in group(total, "mark").items()
             if not n] +
            [f"{name} of felt.def was never felt" for name, n in group(total, "felt").items()
             if not n])


def listing(counts: dict[str, int]) -> str:
    """Counts by name, in one line."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def report(total: dict[str, int]) -> str:
    """What the run did, as it is written down in docs/simulator.md."""
    seconds, virtual = total["processor_us"] / 1e6, total["virtual_ns"] / 1e9
    rows = [("seeds", f"{total['seeds']:,}"),
            ("operations", f"{total['operations']:,}, at least "
                           f"{total['operations_of_a_seed']:,} in a seed"),
            ("effects seen", f"{total['effects']:,}"),
            ("histories of words, all linearizable",
             f"{total['histories']:,}, of {total['history_ops']:,} operations, the longest of "
             f"{total['history_longest']:,}"),
            ("sessions begun", f"{total['sessions']:,}"),
            ("all invariants of a node walked", f"{total['checks']:,} times"),
            ("events", f"{total['events']:,}"),
            ("virtual time", f"{virtual:,.0f} s"),
            ("processor time", f"{seconds:,.0f} s: {virtual / max(seconds, 1e-9):,.0f} times "
                               "as fast"),
            ("longest from the heal until all was answered",
             f"{total['settle_ns'] / 1e9:.2f} s, of which 1 s is new work")]
    lines = ["| | |", "|---|---|", *(f"| {name} | {what} |" for name, what in rows), "",
             "| operation | DONE | NOT_DONE | UNKNOWN_FINAL | requester died |",
             "|---|---|---|---|---|"]
    answered = group(total, "answered")
    for kind in dict.fromkeys(name.split(".")[0] for name in answered):
        counts = group(answered, kind).values()
        lines.append(f"| {kind} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    pairs = group(total, "together")
    least = min(pairs, key=pairs.get)
    marked = group(total, "marked")
    rare = sorted(marked, key=marked.get)[:5]
    lines += ["", f"Refusals by reason: {listing(group(total, 'refused'))}.",
              "", f"Frames: {listing(group(total, 'frames'))}.",
              "", f"Episodes: {listing(group(total, 'episodes'))}.",
              "", f"Felt by nodes: {listing(group(total, 'felt'))}.",
              "", f"The two kinds that met least: {' and '.join(least.split('.'))}, in "
                  f"{pairs[least]:,} seeds. Fault points fired "
                  f"{sum(group(total, 'point').values()):,} times. Marks that the fewest seeds "
                  f"reached: {listing({name: marked[name] for name in rare})}."]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(prog="long.py", description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("build/sim-long"))
    parser.add_argument("--seeds", default="1..50000")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--nodes", default="3..7")
    parser.add_argument("--faults", default="swarm")
    words = parser.parse_args()
    if not re.fullmatch(r"\d{1,15}\.\.\d{1,15}", words.seeds):
        parser.error(f"{words.seeds}: seeds are a range like 1..50000")
    words.first, words.last = (int(end) for end in words.seeds.split(".."))
    if words.first > words.last or words.jobs < 1:
        parser.error("nothing is to be run")
    if not words.program.exists():
        parser.error(f"{words.program}: there is no such program")
    return words


def main() -> int:
    """Runs, adds up, reports."""
    words = arguments()
    run = Run(words.program, ["--nodes", words.nodes, "--faults", words.faults], words.folder)
    try:
        files = run.all(words.first, words.last, words.jobs)
    except RuntimeError as error:
        sys.exit(f"long.py: {error}")
    total = add_up(files)
    missing = never(total) if total.get("seeds", 0) >= MARKS_FROM else []
    if total:
        print(report(total))
    print("\n".join([*missing, f"{len(run.failures)} seeds failed"]))
    return 1 if missing or run.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("long.py: broken off; the same command goes on from here")
