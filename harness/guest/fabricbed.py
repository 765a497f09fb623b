# SPDX-License-Identifier: BSD-2-Clause
"""Nodes on the project's switch, each driven by its serial console.

    with Fabric(2, seed=7) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 64")
        assert "PASS" in one.run(f"remote hammer {two.mac} 1000 7")

Faults of the link come from the seed, which is printed. Every node's console is
looked at for a panic when it ends, and its kernel counts what it gave out.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from guest import PATIENCE_S, ROOT, Guest, build_folder, kernel_image
from clusters.machine import Machine

sys.path.insert(0, str(ROOT / "harness" / "switch"))
from switchbed import Switch            # noqa: E402

FAULTS = "loss=5 dup=2 reorder=5 corrupt=0.1"


class Node(Guest):
    """A Guest on a port of a switch, without the user network."""

    def __init__(self, switch: Switch, number: int, append: str, *, agent: bool = False,
                 words: list[str] | None = None, images: Path | None = None,
                 checked: bool = False, **options):
        # What Guest adds for its website does not apply: a Machine's start is enough.
        # Without its agent, the programs that a test starts use the fabric alone.
        folder = Path(tempfile.mkdtemp(prefix="deos-node-"))
        images = images or build_folder()       # of another release, for some
        options.setdefault("memory_mib", 64)
        mac = f"52:54:00:fa:00:{number:02x}"
        Machine.__init__(self, folder, f"node-{number}", mac=mac,
                         kernel=kernel_image(images, checked),
                         netdev="stream,id=net,server=off,addr.type=unix,addr.path="
                                + switch.path(number),
                         modules=[images / "boot.cpio"],
                         append=append if agent else f"{append} agent=off", **options)
        self.extra += words or []
        self.broken = False
        self.start()

    def wait_prompt(self):
        """Also until what `far=` starts says so, lest that falls into a command's echo."""
        super().wait_prompt()
        if "far=" in self.append:
            self.wait_for("remote: serving")

    def restart(self):
        """Power off, power on: another life."""
        self.kill()
        self.start()
        self.wait_prompt()


class Fabric:
    """A switch and its nodes, which are one cluster. `options` go to every node;
    `each` has more for some, by number from 1; `spare` ports are left for others;
    `uplink` are options of the switch. They have met when this returns, but for nodes with
    agents, which say so themselves, and with `strangers`."""

    def __init__(self, count: int, *, seed: int = 1, faults: str = "",
                 append: str = "cluster=test", each: dict[int, dict] | None = None, spare: int = 1,
                 uplink: tuple[str, ...] = (), strangers: bool = False, **options):
        print(f"SEED={seed}")
        self.switch = Switch(count + spare, *uplink)
        self.switch.control.must(f"seed {seed}")
        if faults:
            self.switch.control.must(f"link all {faults}")
        self.nodes: list[Node] = []
        try:
            for number in range(1, count + 1):
                more = {"append": append, **options, **(each or {}).get(number, {})}
                self.nodes.append(Node(self.switch, number, **more))
            for node in self.nodes:
                node.wait_prompt()
            if not strangers and not options.get("agent"):
                self.meet()
        except BaseException:
            self.end()
            raise

    def meet(self):
        """Waits until each node has a session with each other: on a host that is too busy
        that takes longer than programs wait for one."""
        for node in self.nodes:
            until = time.monotonic() + PATIENCE_S
            while (said := node.run("links")).count(" up ") < len(self.nodes) - 1:
                assert time.monotonic() < until, said
                time.sleep(0.1)

    def end(self):
        """Ends everything."""
        for node in self.nodes:
            node.kill()
            shutil.rmtree(node.folder, ignore_errors=True)
        self.switch.__exit__()

    def __enter__(self) -> Fabric:
        return self

    def __exit__(self, kind, *_):
        try:
            for node in self.nodes:
                if node.alive():
                    node.check()
                    if kind is None:
                        node.audit()
        finally:
            self.end()
