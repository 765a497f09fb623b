#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A cluster under load and faults, judged by what it promises.

    make chaos SECONDS=600 SEED=7

Clients check every byte of every answer (clusters/load.py) while nodes are killed,
paused, frozen, cut off and given bad links (faults.py). It fails when

    an answer has wrong bytes, at any time;
    a request fails that began later than the limit (3 s with tap, 10 s with socket)
    after the last thing that may disturb it: a kill, a pause, a resume; a partition
    disturbs from its beginning until the limit after its end; bad links are no excuse;
    a node's request counter goes backwards;
    after the end, a file does not come byte for byte from everywhere, an object does
    not lie whole on exactly two disks, or nodes disagree about the holder.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "harness"))
sys.dont_write_bytecode = True

from clusters.load import Load  # noqa: E402
from clusters.options import choose  # noqa: E402
from clusters.servicebed import Service, write_site  # noqa: E402
from faults import Step, plan  # noqa: E402

LIMIT = {"tap": 3.0, "socket": 10.0}
COUNTER_PAUSE = 1.0
SHOWN = 12


class Counters:
    """Looks at /_deos/counters again and again: no node's count may become smaller."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.highest: dict[str, int] = {}
        self.looks = 0
        self.began = time.monotonic()
        self.backwards: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Counters:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(COUNTER_PAUSE):
            told = self.service.quietly(self.service.counters)
            if told is not None:
                self.looks += 1
                self.look(told)

    def look(self, told: dict) -> None:
        """One answer."""
        now = {node["uuid"]: node["requests"] for node in told["nodes"]}
        for uuid, before in self.highest.items():
            if now.get(uuid, 0) < before:
                self.backwards.append(
                    f"{uuid[:8]}: {before}, then {now.get(uuid, 'nothing')}, as "
                    f"{told['shown_by'][:8]} shows {time.monotonic() - self.began:.1f} s "
                    f"after the beginning (written through: {told['written_through']})")
        self.highest |= {uuid: max(count, self.highest.get(uuid, 0))
                         for uuid, count in now.items()}


class Campaign:
    """One run of the plan."""

    def __init__(self, service: Service, files: dict[str, bytes], limit: float) -> None:
        self.service = service
        self.files = files
        self.limit = limit
        self.windows: list[tuple[float, float]] = []
        self.disturbed: list[tuple[float, str]] = []  # when, what: for the report
        self.began = time.monotonic()
        self.steps = 0

    def say(self, text: str) -> None:
        """A line with the time."""
        print(f"{time.monotonic() - self.began:7.1f}  {text}", flush=True)

    def choose(self, step: Step) -> int:
        """The node that a step is about."""
        numbers = [node["id"] for node in self.service.nodes()]
        holder = self.service.holder()
        if step.at_holder:
            return holder
        numbers.remove(holder)
        return numbers[int(step.choice * len(numbers))]

    def disturb(self, what: str, *words: object, until: float = 0.0) -> float:
        """One command that clients may notice."""
        begin = time.monotonic()
        self.service.run(*words)
        now = time.monotonic()
        self.windows.append((begin, now + (until or self.limit)))
        self.disturbed.append((begin, what))
        return begin

    def step(self, step: Step) -> None:
        """One fault from its beginning until everybody is well again."""
        number = 0 if step.kind == "link" else self.choose(step)
        about = f"node {number}" + " (the holder)" * step.at_holder if number else "all links"
        self.say(f"{about}: {step.text()}")
        getattr(self, step.kind)(number, step)
        self.service.wait_alive(len(self.service.nodes()), 240)
        self.say("all nodes agree")
        self.steps += 1
        time.sleep(step.rest)

    def kill(self, number: int, step: Step) -> None:
        """Power off, power on."""
        self.disturb(f"kill {number}", "kill", number)
        time.sleep(step.seconds)
        self.service.run("start", number)

    def pause(self, number: int, step: Step) -> None:
        """SIGSTOP: its clock goes on."""
        self.disturb(f"pause {number}", "pause", number)
        time.sleep(step.seconds)
        self.disturb(f"resume {number}", "resume", number)

    def freeze(self, number: int, step: Step) -> None:
        """Stopped with its clock."""
        self.disturb(f"freeze {number}", "freeze", number)
        time.sleep(step.seconds)
        self.disturb(f"resume {number}", "resume", number)

    def partition(self, number: int, step: Step) -> None:
        """One against all others; the world sees both sides."""
        others = ",".join(str(node["id"]) for node in self.service.nodes()
                          if node["id"] != number)
        begin = self.disturb(f"partition {number}", "partition", f"{number}:{others}")
        time.sleep(step.seconds)
        self.disturb("heal", "heal")
        self.windows.append((begin, time.monotonic() + self.limit))

    def link(self, _number: int, step: Step) -> None:
        """Bad links for everybody."""
        words = [word for key, value in step.link.items() for word in (f"--{key}", value)]
        self.service.run("link", *words)
        time.sleep(step.seconds)
        self.service.run("link", *[word for key in step.link for word in (f"--{key}", 0)])

    def lateness(self, load: Load) -> str:
        """How long after a disturbance the last request began that failed for it."""
        after = [one.began - max(when for when, _ in self.disturbed if when <= one.ended)
                 for one in load.failures if any(when <= one.ended for when, _ in self.disturbed)]
        return f"{max(after):.1f} s after the last disturbance" if after else "never"

    def verdict(self, load: Load, counters: Counters) -> list[str]:
        """Everything that was promised and did not hold."""
        late = load.unexcused(self.windows)
        found = [f"a request that began at {one.began - self.began:.1f} and ended "
                 f"{one.ended - one.began:.1f} s later: {one.path}: {one.why}"
                 for one in late[:SHOWN]]
        if len(late) > SHOWN:
            found.append(f"and {len(late) - SHOWN} requests more")
        found += [f"a counter went backwards: {text}" for text in counters.backwards[:SHOWN]]
        return found

    def aftermath(self) -> list[str]:
        """What is left when everything is over."""
        found = []
        try:
            self.service.wait_serving()
            self.service.wait_whole(240)
            self.service.check(self.files)
        except AssertionError as error:
            found.append(str(error))
        holders = self.service.quietly(self.service.holders) or set()
        if len(holders) != 1:
            found.append(f"nodes disagree about the holder: {holders}")
        return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="A cluster under load and faults.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0, help="0: a fresh one")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--net", choices=("auto", "tap", "socket"), default="auto")
    parser.add_argument("--mem", default="64M", help="of a node")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--limit", type=float, default=0.0,
                        help="seconds after which no request may fail (3 with tap, 10 with socket)")
    return parser.parse_args()


def run(options: argparse.Namespace, folder: Path, seed: int) -> list[str]:
    """The whole of it; what did not hold."""
    net = choose(options.net)
    files = write_site(folder / "site", seed)
    service = Service(folder / "state", folder / "site", "--net", net, "--mem", options.mem,
                      nodes=options.nodes)
    with service:
        service.wait_alive(options.nodes)
        campaign = Campaign(service, files, options.limit or LIMIT[net])
        steps = plan(seed)
        load = Load(service.port, files, clients=options.clients, seed=seed)
        with load, Counters(service) as counters:
            while time.monotonic() < campaign.began + options.seconds:
                campaign.step(next(steps))
        found = campaign.verdict(load, counters) + campaign.aftermath()
    print(f"{campaign.steps} faults, {load.done} requests, {load.bytes >> 20} MiB, "
          f"{len(load.failures)} failed, the last one {campaign.lateness(load)}; "
          f"counters looked at {counters.looks} times")
    for why, count in load.reasons.most_common():
        print(f"  {count} x {why}")
    return found


def main() -> int:
    """Exit status 0 when everything held."""
    options = arguments()
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    replay = f"make chaos SECONDS={options.seconds:g} SEED={seed} NODES={options.nodes}"
    print(f"chaos: {replay}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="deos-chaos-"))
    try:
        found = run(options, folder, seed)
    except AssertionError as error:
        found = [str(error)]
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        print("chaos: ended")
        return 130
    for text in found:
        print(f"chaos: {text}")
    if found:
        print(f"chaos: FAILED; consoles are in {folder / 'state'}; again: {replay}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    print("chaos: everything held")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DEOS_BUILD", "build")
    sys.exit(main())
