#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What takes long: large sites, many nodes, idle nodes. `make endure WHAT=large`.

    large   a site of 1 GiB in 10,000 files on three nodes of 64 MiB: every file from
            everywhere, two copies of each object, a reboot of all nodes, a fourth node
    crowd   16 nodes of 32 MiB for ten minutes: nobody is suspected
    idle    three nodes: how much of a processor they use together

Each prints its figures, and a line for everything that did not hold; exit status 1
then. SECONDS, MIB, FILES and NODES make it smaller for a try.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "harness"))
sys.dont_write_bytecode = True

from clusters.load import Client, Refused  # noqa: E402
from clusters.servicebed import Service  # noqa: E402

IDLE_SHARE = 15.0       # percent of one processor, three nodes together
LOOK_SECONDS = 60.0     # the nodes' lists of events are finite
JOIN_SECONDS = 15.0     # from a node's boot to its first answer
UP_SECONDS = 1200.0     # to boot, form and deploy the large site
TICKS = os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    """A line at once."""
    print(text, flush=True)


class Timer:
    """How long something took, as a line."""

    def __init__(self, what: str, size: int = 0) -> None:
        self.what, self.size = what, size
        self.began = self.seconds = 0.0

    def __enter__(self) -> Timer:
        self.began = time.monotonic()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.seconds = time.monotonic() - self.began
        speed = f", {self.size / self.seconds / (1 << 20):.1f} MiB/s" if self.size else ""
        if kind is None:
            say(f"{self.what}: {self.seconds:.1f} s{speed}")


# ---- a large site ----

def write_large(folder: Path, size: int, files: int, seed: int) -> dict[str, tuple[int, bytes]]:
    """Files of all sizes, which sum up to `size`; length and digest of each path."""
    draw = random.Random(seed)
    weights = [draw.paretovariate(1.1) for _ in range(files)]
    scale = size / sum(weights)
    digests = {}
    for number, weight in enumerate(weights):
        content = draw.randbytes(max(1, int(weight * scale)))
        path = f"/{number % 100:02}/{number}.bin"
        place = folder / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        digests[path] = len(content), hashlib.sha256(content).digest()
    return digests


def wrong_of(digests: dict[str, tuple[int, bytes]], port: int) -> list[str]:
    """Every file that does not come as it should."""
    client, wrong = Client(port, 60.0), []
    for path, (_, digest) in digests.items():
        try:
            if hashlib.sha256(client.get(path)).digest() != digest:
                wrong.append(f"{path}: wrong bytes")
        except Refused as error:
            wrong.append(f"{path}: {error}")
    client.close()
    return wrong


def fetch_all(service: Service, digests: dict[str, tuple[int, bytes]]) -> list[str]:
    """From everywhere."""
    found = []
    total = sum(length for length, _ in digests.values())
    for name, port in service.ports().items():
        with Timer(f"all files from the {name}", total):
            wrong = wrong_of(digests, port)
        found += [f"{name}: {text}" for text in wrong[:3]]
        if len(wrong) > 3:
            found.append(f"{name}: {len(wrong)} files in all")
    return found


def large(options: argparse.Namespace, folder: Path) -> list[str]:
    """The first point of the list."""
    with Timer(f"writing {options.files} files, {options.mib} MiB"):
        digests = write_large(folder / "site", options.mib << 20, options.files, options.seed)
    service = Service(folder / "state", folder / "site", "--mem", options.mem or "64M",
                      nodes=options.nodes or 3)
    with Timer("boot, forming, deployment"):
        service.up(timeout=UP_SECONDS)
    try:
        return check_large(service, digests)
    finally:
        service.run("down")


def check_large(service: Service, digests: dict[str, tuple[int, bytes]]) -> list[str]:
    """Bytes, copies, reads from afar, a reboot, one node more."""
    nodes = len(service.nodes())
    found = fetch_all(service, digests)
    with Timer("reading all copies on the disks"):
        lacking = service.disks().lacking(service.told()["site"])
    found += [f"{path}: on {nodes_}, not on two disks" for path, nodes_ in
              list(lacking.items())[:3]]
    counters = service.counters()
    say(f"counters: {counters}")
    with Timer("all nodes off and on"):
        for node in service.nodes():
            service.run("kill", node["id"])
        for node in service.nodes():
            service.begin_start(node["id"])
        service.wait_serving(240)
        service.wait_alive(nodes)
    found += fetch_all(service, digests)
    with Timer("one node more, from its boot to its answer") as timer:
        service.run("add")
    if timer.seconds > JOIN_SECONDS:
        found.append(f"the new node took {timer.seconds:.1f} s")
    return found + [f"the new node: {text}"
                    for text in wrong_of(digests, service.ports()[f"node {nodes + 1}"])[:3]]


# ---- many nodes, idle nodes ----

def reports(service: Service, to: str, since: float) -> list[str]:
    """What the nodes said of one another's lives after a moment: `suspect` or `dead`."""
    found = []
    for node in service.nodes():
        for event in service.ask(node["id"], "/api/events")["events"]:
            began = time.monotonic() - event["ago_ms"] / 1000
            if event["kind"] == "member" and event["to"] == to and began > since:
                found.append(f"node {node['id']}, {event['ago_ms'] // 1000} s ago: "
                             f"{event['who']} {to}: {event['reason']}")
    return found


def cpu_seconds(service: Service) -> float:
    """Of all nodes' QEMUs."""
    total = 0
    for node in service.nodes():
        fields = Path(f"/proc/{node['pid']}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def watch_idle(service: Service, seconds: float) -> float:
    """Percent of a processor that the nodes use while nobody asks them anything."""
    time.sleep(5)
    before, began = cpu_seconds(service), time.monotonic()
    time.sleep(seconds)
    share = 100 * (cpu_seconds(service) - before) / (time.monotonic() - began)
    say(f"{len(service.nodes())} idle nodes: {share:.1f}% of a processor together")
    return share


def crowd(options: argparse.Namespace, folder: Path) -> list[str]:
    """Many nodes on few processors."""
    nodes = options.nodes or 16
    with Service(folder / "state", ROOT / "docs" / "site", "--mem", options.mem or "32M",
                 "--boot", "direct", nodes=nodes) as service:
        service.wait_alive(nodes, 300)
        say(f"{nodes} nodes are up")
        dead, suspected = [], 0
        for _ in range(max(1, int((options.seconds or 600) / LOOK_SECONDS))):
            began = time.monotonic()
            watch_idle(service, LOOK_SECONDS)
            dead += reports(service, "dead", began)
            suspected += len(reports(service, "suspect", began))
        say(f"{len(dead)} reports of a failure; suspicions, all refuted, as all nodes tell "
            f"them: {suspected}")
        service.wait_alive(nodes)
        return dead[:10]


def idle(options: argparse.Namespace, folder: Path) -> list[str]:
    """Three nodes and nothing to do."""
    nodes = options.nodes or 3
    with Service(folder / "state", ROOT / "docs" / "site", "--mem", options.mem or "64M",
                 "--boot", "direct", nodes=nodes) as service:
        service.wait_alive(nodes)
        share = watch_idle(service, options.seconds or 60)
        return [f"more than {IDLE_SHARE}% of a processor"] if share > IDLE_SHARE else []


def main() -> int:
    """Exit status 0 when everything held."""
    parser = argparse.ArgumentParser(description="Long trials of clusters.")
    parser.add_argument("what", choices=("large", "crowd", "idle"))
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--nodes", type=int, default=0)
    parser.add_argument("--mem", default="")
    parser.add_argument("--mib", type=int, default=1024, help="of the large site")
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="deos-endure-"))
    try:
        found = {"large": large, "crowd": crowd, "idle": idle}[options.what](options, folder)
    except AssertionError as error:
        found = [str(error)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for text in found:
        say(f"endure: {text}")
    say(f"endure: {options.what}: " + ("FAILED" if found else "everything held"))
    return 1 if found else 0


if __name__ == "__main__":
    os.environ.setdefault("DEOS_BUILD", "build")
    sys.exit(main())
