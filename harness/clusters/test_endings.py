# SPDX-License-Identifier: BSD-2-Clause
"""How clusters end: by signal, by kill -9, by the death of a part; and what is left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from clusters import unixpath
from clusters.options import free_port
from clusters.rig import (ALONE, DIRECT, FRONT_PAGE, Cluster, Foreground, links, namespaces,
                          needs_tap, one_line, page, processes_of, run, wait_for)

pytestmark = [pytest.mark.qemu, pytest.mark.apart]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_takes_everything_down(number, tmp_path):
    code, said = Foreground(tmp_path / "s", *DIRECT).end(number)
    assert code == 0 and said.endswith("cluster: taking everything down\n")
    assert processes_of(tmp_path / "s") == []
    assert {path.suffix for path in (tmp_path / "s").iterdir()} == {".log", ".qemu"}


@pytest.mark.parametrize("net", ["socket", "tap"])
def test_kill_9_leaves_no_process_and_down_cleans_up(net, tmp_path):
    needs_tap(net)
    before = links()
    up = Foreground(tmp_path / "s", "--boot", "direct", "--net", net)
    assert len(processes_of(tmp_path / "s")) >= 2
    inside = Cluster(tmp_path / "s").namespaces()
    assert bool(inside) == (net == "tap")
    assert up.end(signal.SIGKILL)[0] == -signal.SIGKILL
    wait_for(lambda: processes_of(tmp_path / "s") == [], "the end of all processes")
    wait_for(lambda: not namespaces() & inside, "the end of the namespace")
    assert "was killed: harness/cluster down cleans up" in one_line(
        run("status", "--state", tmp_path / "s"), 1)
    assert run("down", "--state", tmp_path / "s").stdout == "down\n"
    assert {path.suffix for path in (tmp_path / "s").iterdir()} == {".log", ".qemu"}
    assert links() == before
    done = run("up", ALONE, "--state", tmp_path / "s", "--port", free_port(), "--detach",
               *DIRECT)
    assert done.returncode == 0
    run("down", "--state", tmp_path / "s")


def test_switch_that_dies_fails_the_run(tmp_path):
    up = Foreground(tmp_path / "s", *DIRECT)
    recorded = json.loads((tmp_path / "s" / "state.json").read_text())["processes"]
    os.kill(recorded["switch"][0], signal.SIGKILL)
    code, said = up.wait()
    assert code == 1 and "cluster: the switch died (SIGKILL" in said
    assert processes_of(tmp_path / "s") == []
    assert "failed: the switch died (SIGKILL" in one_line(
        run("status", "--state", tmp_path / "s"), 1)
    assert run("down", "--state", tmp_path / "s").returncode == 0
    assert "no cluster is up" in one_line(run("status", "--state", tmp_path / "s"), 1)


def test_node_that_ends_by_itself_is_down_with_its_last_words(tmp_path):
    with Cluster(tmp_path / "state", "-n", 3, *DIRECT) as cluster:
        cluster.run("console", 1, input="poweroff\n")
        os.kill(cluster.node(2)["pid"], signal.SIGSEGV)
        wait_for(lambda: [node["state"] for node in cluster.status()["nodes"]] == [
            "down", "down", "up"], "two ends")
        assert cluster.node(1)["reason"] == "it powered itself off"
        assert "QEMU ended (SIGSEGV)" in cluster.node(2)["reason"]
        log = (cluster.state / "up.log").read_text()
        assert "node 1 went down: it powered itself off\n    | " in log
        assert "poweroff\n" in log     # behind the prompt, or behind what web said after it
        assert page(cluster.node(3)["url"]) == FRONT_PAGE


def test_node_that_panics_is_down_until_it_is_started(tmp_path):
    with Cluster(tmp_path / "state", "-n", 2, *DIRECT) as cluster:
        with unixpath.connect(cluster.state / "node-1.qmp", 10) as link, \
                link.makefile("rw") as lines:
            for command in ("qmp_capabilities", "inject-nmi"):
                lines.write(json.dumps({"execute": command}) + "\n")
                lines.flush()
                wait_for(lambda: "return" in json.loads(lines.readline()), command)
        node = wait_for(lambda: (found := cluster.node(1))["state"] == "down" and found, "panic")
        assert node["reason"].startswith("the kernel panicked: exception 2")
        assert "    | PANIC: exception 2" in (cluster.state / "up.log").read_text()
        assert Path(f"/proc/{node['pid']}").exists()
        cluster.run("start", 1)
        assert page(cluster.node(1)["url"]) == FRONT_PAGE
        assert not Path(f"/proc/{node['pid']}").exists()
