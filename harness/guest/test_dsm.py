# SPDX-License-Identifier: BSD-2-Clause
"""Memory shared by programs on several nodes: litmus tests, and a computation that
members join and leave. The programs are started by hand, from the shells.
"""

from __future__ import annotations

import os
import re

import pytest

from fabricbed import FAULTS, Fabric

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

SEED = int(os.environ.get("SEED", "1"))


def peers(fabric) -> str:
    """The argument that names all instances' nodes, in order."""
    return "peers=" + ",".join(node.mac for node in fabric.nodes)


def litmus(fabric, rounds: int):
    """Runs the litmus tests on all nodes; every instance must pass."""
    since = []
    for number, node in enumerate(fabric.nodes):
        since.append(len(node.log()))
        node.type(f"litmus instance={number} {peers(fabric)} rounds={rounds} seed={SEED}")
    said = []
    for node, start in zip(fabric.nodes, since):
        found = node.wait_for(r"^litmus: (PASS|FAIL) .*\n", 280, start)
        assert found[1] == "PASS", found[0] + node.log()[start:]
        said.append(found[0])
    return said


@pytest.mark.parametrize("faults", ["", FAULTS], ids=["clean", "faults"])
def test_litmus_on_three_nodes(faults):
    """Only what sequential consistency allows; and outcomes next to the forbidden ones do
    come up, so that the tests can tell."""
    with Fabric(3, seed=SEED, faults=faults) as fabric:
        said = litmus(fabric, 60)
        near = [int(n) for n in re.findall(r"(?:SB|MP|WRC) (\d+)", said[0])]
        assert len(near) == 3 and sum(near) > 0, said[0]
        assert int(re.search(r"(\d+) revoked", said[0])[1]) > 50


def test_litmus_on_four_nodes():
    """Two readers do not see two writes in different orders."""
    with Fabric(4, seed=SEED, memory_mib=48) as fabric:
        litmus(fabric, 25)


def heat(node, number: int, fabric, more: str = "") -> int:
    """Starts an instance of the computation; returns where its output begins."""
    since = len(node.log())
    node.type(f"heat instance={number} {peers(fabric)} pause=200 {more}")
    return since


def result(node, since: int, instances: int) -> int:
    """Waits for a round by so many instances; its number. No result may be wrong."""
    found = node.wait_for(rf"^heat: round (\d+), \d+ steps by {instances} instances: .*, right\n",
                          since=since)
    assert "WRONG" not in node.log()
    return int(found[1])


def test_a_computation_survives_its_members():
    """Members die, among them the first one, and one comes back: the rest goes on from the
    step that was complete, and every result is right."""
    with Fabric(3, seed=SEED) as fabric:
        one, two, three = fabric.nodes
        starts = [heat(node, number, fabric) for number, node in enumerate(fabric.nodes)]
        result(one, starts[0], 3)
        three.kill()
        result(one, len(one.log()), 2)
        three.start()
        three.wait_prompt()
        heat(three, 2, fabric)
        last = result(one, len(one.log()), 3)
        one.kill()
        assert result(two, starts[1], 2) > last - 1


def test_a_member_that_stood_still_changes_nothing():
    """A node is paused until the others have gone on without it; then it starts again."""
    with Fabric(3, seed=SEED) as fabric:
        one, _, three = fabric.nodes
        starts = [heat(node, number, fabric) for number, node in enumerate(fabric.nodes)]
        result(one, starts[0], 3)
        three.pause()
        result(one, len(one.log()), 2)
        three.resume()
        result(one, len(one.log()), 3)


def test_what_was_computed_before_does_not_come_into_the_next_life():
    """A node stands still in the middle of a computation, and stores its result when the
    others have gone on: they never see it."""
    with Fabric(3, seed=SEED) as fabric:
        one, _, three = fabric.nodes
        for number, node in enumerate(fabric.nodes):
            node.type(f"stale instance={number} {peers(fabric)}")
        three.wait_for("^stale: instance 2 computes\n", 60)
        three.pause()
        one.wait_for("^stale: 2 instances go on\n", 60)
        three.resume()
        three.wait_for("^stale: instance 2 has stored, left out\n", 60)
        for node in fabric.nodes:
            assert node.wait_for("^stale: (PASS|FAIL) .*\n", 60)[1] == "PASS", node.log()


def test_two_instances_on_one_node():
    """They reach each other within the node; one ends, and the other goes on."""
    with Fabric(2, seed=SEED, memory_mib=96) as fabric:
        one, two = fabric.nodes
        names = f"peers={one.mac},{two.mac},{two.mac} pause=200"
        two.background(f"heat instance=2 {names}")
        job = two.background(f"heat instance=1 {names}")
        since = len(one.log())
        one.type(f"heat instance=0 {names}")
        result(one, since, 3)
        two.run(f"kill {job}")
        result(one, len(one.log()), 2)
        assert "page fault" not in two.log()


def test_a_round_begins_anew_when_two_members_die_at_once():
    """Both had what was published of some rows: that is said, and nothing is computed from
    what is left of them."""
    with Fabric(2, seed=SEED, memory_mib=96) as fabric:
        one, two = fabric.nodes
        names = "peers=" + ",".join([one.mac] * 3 + [two.mac] * 2) + " pause=200"
        for number in (3, 4):
            two.background(f"heat instance={number} {names}")
        for number in (1, 2):
            one.background(f"heat instance={number} {names}")
        since = len(one.log())
        one.type(f"heat instance=0 {names}")
        result(one, since, 5)
        since = len(one.log())
        two.kill()
        one.wait_for(r"^heat: something was lost: round \d+ begins anew\n", since=since)
        result(one, since, 3)
