# SPDX-License-Identifier: BSD-2-Clause
"""A cluster that serves one website, as its tests and the chaos campaign see it.

    with Service(tmp_path / "state", site, nodes=3) as service:
        service.run("kill", service.holder())
        service.wait_whole()

What the nodes say of themselves is asked through their control interface; what lies
on their disks is read from the disks (disk.py).
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from . import api
from .client import request
from .disk import Disks
from .load import Client, Refused
from .options import ROOT
from .rig import Cluster, wait_for
from .state import State

DEOSCTL = ROOT / "cluster" / "deosctl"
SECONDS = 120.0  # for anything that a cluster does on a busy machine
EVIDENCE = ["/api/status", "/api/nodes", "/api/events", "/api/fabric/{uuid}"]
EDGES = [0, 1, 4095, 4096, 4097, 65536]
NAMES = ["page", "über uns", "a b", "100%", "q&a", "deep/er/still", "#1", "x"]


def write_site(folder: Path, seed: int, files: int = 40, large: int = 3 << 20) -> dict[str, bytes]:
    """A site of odd names and sizes; its files by path, with the slash in front."""
    draw = random.Random(seed)
    content = {"/index.html": b"<!doctype html><title>front</title>" + draw.randbytes(200).hex()
               .encode()}
    for number in range(files - 2):
        size = EDGES[number] if number < len(EDGES) else draw.randrange(1 << draw.randrange(1, 16))
        content[f"/{draw.choice(NAMES)}/{number}.bin"] = draw.randbytes(size)
    content["/large.bin"] = draw.randbytes(large)
    for path, data in content.items():
        place = folder / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return content


class Service(Cluster):
    """A cluster that serves one site."""

    mode = ()

    def __init__(self, state: Path, site: Path, *words: object, nodes: int = 3) -> None:
        super().__init__(state, "-n", nodes, "--site", site, *words)

    # ---- what the nodes say ----

    def nodes(self) -> list[dict]:
        """The harness's nodes; `serving` is what it once said."""
        return request(State(self.state), "status")["status"]["nodes"]

    def known(self, number: int) -> dict:
        """One of them."""
        return next(node for node in self.nodes() if node["id"] == number)

    def ask(self, number: int, path: str) -> dict:
        """One node's control interface."""
        return api.get(urlsplit(self.known(number)["api"]).port, path)

    def ask_any(self, path: str) -> dict:
        """The control interface of any node that is up and answers."""
        last: Exception | None = None
        for node in self.nodes():
            if node["state"] == "up":
                try:
                    return api.get(urlsplit(node["api"]).port, path)
                except (OSError, ValueError) as error:
                    last = error
        raise AssertionError(f"no node answers {path}: {last!r}")

    def told(self, number: int | None = None) -> dict:
        """GET /api/status: of a node, or of any that is up."""
        return self.ask(number, "/api/status") if number is not None else self.ask_any(
            "/api/status")

    def holders(self) -> set[str | None]:
        """Who holds the virtual address, as all nodes that are up see it."""
        return {api.get(urlsplit(node["api"]).port, "/api/status")["holder"]
                for node in self.nodes() if node["state"] == "up"}

    def number_of(self, uuid: str) -> int:
        """The harness's number of a node."""
        return next(node["id"] for node in self.nodes() if node["uuid"] == uuid)

    def holder(self) -> int:
        """The one holder's number."""
        holders = wait_for(lambda: one_only(self.quietly(self.holders)), "one holder", SECONDS)
        return self.number_of(holders)

    def wait_alive(self, count: int, seconds: float = SECONDS) -> None:
        """Until all nodes that are up see so many alive, one holder and a majority."""
        def fine() -> bool:
            told = [api.get(urlsplit(node["api"]).port, "/api/status") for node in self.nodes()
                    if node["state"] == "up"]
            return all(one["alive"] == count and one["majority"] and one["formed"] for one in told
                       ) and len({one["holder"] for one in told}) == 1 and len(
                           {one["record"] for one in told}) == 1
        wait_for(lambda: self.quietly(fine), f"{count} nodes that agree", seconds, 0.1)

    @staticmethod
    def quietly(question):
        """Its answer; None while somebody does not answer."""
        try:
            return question()
        except (OSError, ValueError, AssertionError, KeyError, Refused):
            return None

    def evidence(self) -> str:
        """What each node tells of members, links and the fabric, for who looks at a failure
        later; in place of an answer, why there is none."""
        lines = []
        for node in self.nodes():
            lines.append(f"node {node['id']}: {node['state']}")
            for path in EVIDENCE if node["state"] == "up" else ():
                try:
                    told = json.dumps(self.ask(node["id"], path.format_map(node)))
                except (OSError, ValueError, KeyError) as error:
                    told = repr(error)
                lines.append(f"{path}: {told}")
        return "\n".join(lines)

    # ---- what it serves ----

    def ports(self) -> dict[str, int]:
        """Where the website is reached: the virtual address, and every node that is up."""
        return {"virtual": self.port} | {
            f"node {node['id']}": urlsplit(node["url"]).port for node in self.nodes()
            if node["state"] == "up"}

    def wrong(self, files: dict[str, bytes], port: int) -> list[str]:
        """What is not served byte for byte."""
        client, found = Client(port), []
        for path, content in files.items():
            try:
                if client.get(path) != content:
                    found.append(f"{path}: wrong bytes")
            except Refused as error:
                found.append(f"{path}: {error}")
        client.close()
        return found

    def check(self, files: dict[str, bytes]) -> None:
        """Every file, from everywhere."""
        for name, port in self.ports().items():
            assert not (wrong := self.wrong(files, port)), (
                name, wrong[:5], self.quietly(lambda at=port: self.counters(at)))

    def counters(self, port: int | None = None) -> dict:
        """/_deos/counters."""
        return json.loads(Client(port or self.port).get("/_deos/counters"))

    def begin_start(self, number: int) -> None:
        """Switches a node on without waiting for it: alone, it may not be able to serve."""
        request(State(self.state), "start", node=number)

    def wait_serving(self, seconds: float = SECONDS) -> None:
        """Until every node that is up answers."""
        wait_for(lambda: self.quietly(lambda: all(
            node["serving"] for node in self.status()["nodes"] if node["state"] == "up")),
            "answers from every node", seconds, 0.1)

    # ---- what it keeps ----

    def disk(self, number: int) -> Path:
        """A node's disk."""
        return self.state / f"node-{number}.disk"

    def disks(self) -> Disks:
        """All of them."""
        return Disks({node["uuid"]: self.disk(node["id"]) for node in self.nodes()})

    def wait_whole(self, seconds: float = SECONDS) -> None:
        """Until every object of the site lies whole on exactly two disks."""
        lacking: dict = {}
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            lacking = self.disks().lacking(self.told()["site"])
            if not lacking:
                return
            time.sleep(0.5)
        raise AssertionError(f"not on two disks: {dict(list(lacking.items())[:5])}")

    # ---- what a person does ----

    def deosctl(self, *words: object, node: int | None = None,
                fails: bool = False) -> subprocess.CompletedProcess[str]:
        """cluster/deosctl, at one node or at the virtual address."""
        url = self.known(node)["api"] if node else request(
            State(self.state), "status")["status"]["api"]
        done = subprocess.run(
            [sys.executable, str(DEOSCTL), "--cluster", url, *map(str, words)],
            capture_output=True, text=True, timeout=SECONDS * 2, check=False)
        assert (done.returncode != 0) == fails, (words, done.stdout, done.stderr)
        return done

    def deploy(self, site: Path, **options) -> subprocess.CompletedProcess[str]:
        """deosctl deploy site."""
        return self.deosctl("deploy", "site", site, **options)


def one_only(holders: set | None) -> str | None:
    """The only member of a set that has just one."""
    return next(iter(holders)) if holders and len(holders) == 1 else None
