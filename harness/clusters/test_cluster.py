# SPDX-License-Identifier: BSD-2-Clause
"""harness/cluster with machines: each verb does what it says, and nothing is left."""

from __future__ import annotations

import http.client
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import urllib.error
from pathlib import Path
from urllib.parse import quote

import pytest

from clusters.options import ROOT, free_port
from clusters.rig import (COMMAND, DIRECT, FRONT_PAGE, SECONDS, Cluster, Terminal, is_silent,
                          links, namespaces, needs_tap, one_line, page, processes_of, run,
                          wait_for)

WHOLE_PAGE = 4184   # bytes behind the Ethernet header of a page's frame
SEGMENT = 1448      # bytes of TCP payload in a frame

pytestmark = [pytest.mark.qemu, pytest.mark.apart]


@pytest.mark.parametrize("net, boot, nodes", [
    ("socket", "direct", 2), ("socket", "pxe", 1), ("tap", "direct", 2), ("tap", "pxe", 2),
    ("bridge", "direct", 2)])
def test_up_status_down(net, boot, nodes, tmp_path):
    needs_tap(net)
    before = links()
    cluster = Cluster(tmp_path / "state", "-n", nodes, "--net", net, "--boot", boot)
    done = cluster.up()
    assert done.stdout == f"READY {cluster.url} nodes={nodes}\n"
    try:
        status = cluster.shown()
        assert set(status) == {"ready", "url", "api", "nodes", "net"}
        assert (status["ready"], status["url"], status["net"]) == (True, cluster.url, net)
        assert [node["id"] for node in status["nodes"]] == list(range(1, nodes + 1))
        for node in status["nodes"]:
            assert re.fullmatch(r"52:54:00(:[0-9a-f]{2}){3}", node["mac"])
            assert re.fullmatch(r"10\.\d+\.\d+\.\d+", node["ip"])
            assert re.fullmatch(r"[0-9a-f]{16}", node["incarnation"])
            assert node["state"] == "up" and Path(f"/proc/{node['pid']}").exists()
            assert page(node["url"]) == FRONT_PAGE
        for field in ("mac", "ip", "url", "incarnation", "pid", "uuid"):
            assert len({node[field] for node in status["nodes"]}) == nodes
        assert cluster.get() == FRONT_PAGE
        assert links() == before, "an interface of this machine's own"
        pids = [pid for pid, _start in cluster.recorded().values()]
        inside = cluster.namespaces()
        assert bool(inside) == (net != "socket")
    finally:
        assert cluster.run("down").stdout == "down\n"
    assert processes_of(cluster.state) == []
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert links() == before
    assert not namespaces() & inside
    assert sorted(path.name for path in cluster.state.iterdir()) == sorted(
        [f"node-{n}.{end}" for n in range(1, nodes + 1) for end in ("log", "qemu")] + ["up.log"])
    assert "no cluster is up" in cluster.fails("status")


@pytest.mark.parametrize("net", ["socket", "bridge"])
def test_long_frames(net, tmp_path):
    """The fabric has them, the website beside it stays at 1500 bytes."""
    needs_tap(net)
    with Cluster(tmp_path / "state", "-n", 2, "--net", net, "--boot", "direct", "--mtu", 9000,
                 "--append", "far=8") as cluster:
        assert cluster.get() == page(cluster.node(2)["url"]) == FRONT_PAGE
        line = rf"{cluster.node(2)['mac']} up( +\w+){{4}} +{WHOLE_PAGE} "
        wait_for(lambda: re.search(line, cluster.run("console", 1, input="links\n").stdout),
                 "a page in one frame")
    assert "is not a number from 1500 to 9000" in one_line(run("up", "--mtu", "1499"), 2)


def test_segments(tmp_path):
    """Where the device can, it cuts what TCP sends into segments: a file takes far fewer
    packets than frames, and arrives whole, from memory and from a disk's blocks."""
    needs_tap("bridge")
    site = tmp_path / "site"
    site.mkdir()
    body = random.Random(7).randbytes(3 << 20)
    (site / "large").write_bytes(body)
    for more in (("--standalone",), ()):
        with Cluster(tmp_path / "state", "-n", 1, "--net", "bridge", "--boot", "direct",
                     "--site", site, *more) as cluster:
            sent = packets_sent(cluster)
            assert page(cluster.url, "/large") == body
            assert 0 < packets_sent(cluster) - sent < len(body) / SEGMENT / 3


def packets_sent(cluster: Cluster) -> int:
    """What node 1 has given to its network card."""
    shown = cluster.run("console", 1, input="run net\n").stdout
    return int(re.findall(r"interface .* sent (\d+)", shown)[-1])


@pytest.mark.parametrize("net, boot", [("socket", "pxe"), ("tap", "direct")])
def test_e1000e_and_ahci(net, boot, tmp_path):
    """Nodes with Intel's card and SATA disks: the card's ROM boots them, they form a cluster
    whose site lies on their disks, and long frames pass where the command line asks for them."""
    needs_tap(net)
    with Cluster(tmp_path / "state", "-n", 2, "--nic", "e1000e", "--disk-bus", "ahci", "--net", net,
                 "--boot", boot, "--mtu", 9000, "--append", "far=8") as cluster:
        assert cluster.get() == page(cluster.node(2)["url"]) == FRONT_PAGE
        line = rf"{cluster.node(2)['mac']} up( +\w+){{4}} +{WHOLE_PAGE} "
        wait_for(lambda: re.search(line, cluster.run("console", 1, input="links\n").stdout),
                 "a page in one frame")
    for option in ("--nic", "--disk-bus"):
        assert f"{option}: invalid choice" in one_line(run("up", option, "scsi"), 2)


def test_life_of_a_node(tmp_path):
    with Cluster(tmp_path / "state", "-n", 2, *DIRECT) as cluster:
        first = cluster.node(2)
        cluster.run("kill", 2)
        killed = cluster.node(2)
        assert not Path(f"/proc/{first['pid']}").exists()
        assert (killed["state"], killed["reason"], killed["pid"]) == ("down", "killed", None)
        assert is_silent(first["url"]) and page(cluster.node(1)["url"]) == FRONT_PAGE
        assert "node 2 is down (killed)" in cluster.fails("kill", 2)
        assert "node 2 is down" in cluster.fails("pause", 2)
        assert "node 2 is down" in cluster.fails("console", 2)
        assert "no node 3: there are 1, 2" in cluster.fails("kill", 3)
        cluster.run("start", 2)
        again = cluster.node(2)
        assert again["state"] == "up" and page(again["url"]) == FRONT_PAGE
        assert again["incarnation"] != first["incarnation"]
        assert [again[key] for key in ("mac", "uuid", "ip")] == [
            first[key] for key in ("mac", "uuid", "ip")]
        assert "node 2 is up, not down" in cluster.fails("start", 2)
        cluster.run("add")
        third = cluster.node(3)
        assert third["state"] == "up" and page(third["url"]) == FRONT_PAGE


def test_pause_and_freeze(tmp_path):
    with Cluster(tmp_path / "state", *DIRECT) as cluster:
        node = cluster.node(1)
        assert "neither paused nor frozen" in cluster.fails("resume", 1)
        for verb, letter in (("pause", "T"), ("freeze", "S")):
            cluster.run(verb, 1)
            assert cluster.node(1)["state"] == "paused"
            stat = Path(f"/proc/{node['pid']}/stat").read_text().rsplit(")", 1)[1].split()[0]
            assert stat in (letter, "R")
            assert is_silent(node["url"])
            cluster.run("resume", 1)
            assert cluster.node(1)["state"] == "up"
            assert page(node["url"]) == FRONT_PAGE
        cluster.run("pause", 1)     # and down takes a stopped node as well


def test_up_twice_and_side_by_side(tmp_path):
    with Cluster(tmp_path / "one", *DIRECT) as one, Cluster(tmp_path / "two", *DIRECT) as two:
        done = run("up", "--state", one.state, "--port", two.port, "-n", 5)
        assert (done.returncode, done.stdout) == (0, f"READY {one.url} nodes=1\n")
        assert f"already up in {one.state}" in done.stderr
        assert one.node(1)["mac"] != two.node(1)["mac"]
        assert one.node(1)["uuid"] != two.node(1)["uuid"]
        assert one.get() == two.get() == FRONT_PAGE
        assert "is taken by another program" in one_line(
            run("up", "--state", tmp_path / "three", "--port", one.port), 1)


def test_console_takes_input_and_shows_output(tmp_path):
    with Cluster(tmp_path / "state", *DIRECT) as cluster:
        said = cluster.run("console", 1, input="envs\n").stdout
        assert re.search(r"^ +\d+ +\d+ web ", said, re.MULTILINE)
        with Terminal([str(COMMAND), "console", "1", "--state", str(cluster.state)]) as person:
            person.wait_for(b"Ctrl-] detaches")
            person.wait_for(b"deos> ")
            person.type(b"uptime\r")
            person.wait_for(b"\nup ")
            person.type(b"\x1d")
            person.wait_for(b"detached")
            assert person.process.wait(SECONDS) == 0
        assert cluster.node(1)["state"] == "up"


def test_exec_gives_output_and_status(tmp_path):
    with Cluster(tmp_path / "state", *DIRECT) as cluster:
        words = ["exec", "--state", cluster.state, 1]
        done = run(*words, "hello", "a b", "-c")
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"hello: .*, 2 arguments: a b -c\n", done.stdout), done.stdout
        done = run(*words, "envs")
        assert done.returncode == 0 and re.search(r"^ +\d+ +\d+ web ", done.stdout, re.MULTILINE)
        done = run(*words, "nothing")
        assert (done.returncode, done.stdout.splitlines()) == (
            127, ["sh: no command or program 'nothing'; try `help` or `ls`"])
        done = run(*words, "remote", "fly")
        assert done.returncode not in (0, 127) and done.stdout, done
        cluster.run("kill", 1)
        assert "node 1 is down (killed)" in one_line(run(*words, "hello"), 1)


def frames(path: Path) -> list[bytes]:
    """The frames of a pcap file."""
    data = path.read_bytes()
    assert struct.unpack_from("<IHH", data) == (0xA1B23C4D, 2, 4)
    found, at = [], 24
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        found.append(data[at + 16:at + 16 + length])
        assert len(found[-1]) == length
        at += 16 + length
    return found


def test_pcap_holds_the_conversation(tmp_path):
    with Cluster(tmp_path / "state", *DIRECT) as cluster:
        said = cluster.run("pcap", tmp_path / "a file.pcap").stdout
        assert "harness/cluster pcap off" in said
        assert cluster.get() == FRONT_PAGE
        said = cluster.run("pcap", "off").stdout
        captured = frames(tmp_path / "a file.pcap")
        assert said.startswith(f"{len(captured)} frames, ")
        to_port_80 = [one for one in captured if one[12:14] == b"\x08\0" and one[23] == 6
                      and one[36:38] == b"\0\x50"]
        assert any(b"GET / HTTP/1.1" in one for one in to_port_80)
        assert "absent" in cluster.fails("pcap", tmp_path / "absent" / "x.pcap")


def test_faults_reach_the_links(tmp_path):
    with Cluster(tmp_path / "state", "-n", 2, *DIRECT) as cluster:
        cluster.run("partition", "1:uplink")
        assert is_silent(cluster.node(1)["url"])
        assert page(cluster.node(2)["url"]) == FRONT_PAGE
        assert "cut from uplink" in cluster.run("link", 1).stdout
        cluster.run("heal")
        assert page(cluster.node(1)["url"]) == FRONT_PAGE
        said = cluster.run("link", 2, "--loss", "100", "--delay", "1.5", "--seed", 77).stdout
        assert said == ("seed 77\n"
                        "node 2: loss=100 dup=0 reorder=0 corrupt=0 delay=1.5 jitter=0 mtu=0\n")
        assert is_silent(cluster.node(2)["url"])
        cluster.run("link", "--loss", "0", "--dup", "10", "--reorder", "10")
        for node in cluster.status()["nodes"]:
            assert page(node["url"]) == FRONT_PAGE
        assert "no port named '9'" in cluster.fails("partition", "1:9")


def test_least_memory_more_processors_and_a_disk(tmp_path):
    with Cluster(tmp_path / "state", "--mem", "32M", "--smp", 2, "--disk", "8M",
                 *DIRECT) as cluster:
        log = (cluster.state / "node-1.log").read_text()
        assert re.search(r"^DEOS: 2 processors, 31 MiB", log)
        assert (cluster.state / "node-1.disk").stat().st_size == 8 << 20
        assert cluster.get() == FRONT_PAGE
        # Found by the kernel: the shell grants it on.
        assert "blocks" in cluster.run("console", 1, input="caps\n").stdout
    assert not (cluster.state / "node-1.disk").exists()


def test_site_without_front_page_is_ready_as_well(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "only page.txt").write_text("here")
    with Cluster(tmp_path / "state", "--site", tmp_path / "site", *DIRECT) as cluster:
        assert cluster.get("only%20page.txt") == b"here"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            cluster.get()


def test_a_thousand_files_byte_for_byte(tmp_path):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    words = ["page", "über uns", "日本 語", "a b", "naïve", "100%", "q&a", "c++", "#1", "x"]
    files = {}
    for number in range(1000):
        name = f"{draw.choice(words)}/{draw.choice(words)} {number}.{draw.choice(['html', 'bin'])}"
        size = 5 << 20 if number == 500 else 0 if number % 100 == 0 else draw.randrange(
            1, 1 << draw.randrange(1, 17))
        files[name] = draw.randbytes(size)
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
    with Cluster(tmp_path / "state", "--site", tmp_path / "site", *DIRECT) as cluster:
        link = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=60)
        for name, content in files.items():
            link.request("GET", "/" + quote(name))
            answer = link.getresponse()
            assert answer.status == 200 and answer.read() == content, name
        link.close()


def test_long_state_path(tmp_path):
    """Longer than a unix socket's path may be."""
    state = tmp_path / ("x" * 100) / ("y" * 100)
    with Cluster(state, *DIRECT) as cluster:
        assert cluster.get() == FRONT_PAGE


def test_make_run(tmp_path):
    port = free_port()
    state = tmp_path / "it's a state"
    words = ["make", "-s", "run", "NODES=1", f"STATE={state}", f"PORT={port}", "NET=socket",
             "BOOT=direct", f"B={os.environ.get('DEOS_BUILD', 'build')}"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env={**os.environ, "MAKEFLAGS": ""},
                          start_new_session=True) as make:
        lines = iter(make.stdout.readline, "")
        assert f"READY http://127.0.0.1:{port}/ nodes=1\n" in lines, make.stderr.read()
        os.killpg(make.pid, signal.SIGINT)       # as Ctrl-C does
        make.communicate(timeout=SECONDS)
    assert processes_of(state) == []
    for words, text in (("FIRMWARE=uefi", "BIOS machines are"),
                        ("NODES=0", "'0' is not a number"),
                        ("SITE=/absent", "/absent: no such directory"),
                        (f"PORT={port} MEM=1", "at least 32M")):
        done = subprocess.run(["make", "-s", "run", f"STATE={state}", "NET=socket",
                               *words.split()], cwd=ROOT, capture_output=True, text=True,
                              check=False, env={**os.environ, "MAKEFLAGS": ""})
        told = [line for line in done.stderr.splitlines() if line.startswith("cluster: ")]
        assert done.returncode and len(told) == 1 and text in told[0], done.stderr


def test_one_node_on_a_terminal(tmp_path):
    """make qemu."""
    port = free_port()
    env = {**os.environ, "PORT": str(port), "SITE": str(ROOT / "docs" / "site"), "MEM": "64M",
           "PYTHONPATH": str(ROOT / "harness"), "PYTHONPYCACHEPREFIX": str(tmp_path)}
    with Terminal(["/usr/bin/python3", "-m", "clusters.single", "qemu"], cwd=ROOT,
                  env=env) as person:
        person.wait_for(b"web: serving")
        assert page(f"http://127.0.0.1:{port}/") == FRONT_PAGE
        person.type(b"\x01x")
        assert person.process.wait(SECONDS) == 0


def test_debugger_attaches_to_a_node(tmp_path):
    """make gdb NODE=1, with its own commands."""
    if not shutil.which("gdb"):
        pytest.skip("gdb is not installed")
    env = {**os.environ, "NODE": "1", "STATE": str(tmp_path / "state"),
           "PYTHONPATH": str(ROOT / "harness"), "PYTHONPYCACHEPREFIX": str(tmp_path)}
    words = ["/usr/bin/python3", "-m", "clusters.single", "gdb"]
    with Cluster(tmp_path / "state", *DIRECT) as cluster:
        done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True,
                              timeout=SECONDS, check=False,
                              input="deos envs\ndeos trace\ndeos program nothing\ndetach\n")
        assert re.search(r"^ +\d+ +\d+ asleep +\d+  web$", done.stdout, re.MULTILINE), done
        assert re.search(r"^ +\d+ ns env +\d+ halt ", done.stdout, re.MULTILINE), done
        assert "no program 'nothing': there are" in done.stderr
        assert cluster.get() == FRONT_PAGE
        done = subprocess.run(words, cwd=ROOT, env={**env, "NODE": "7"}, capture_output=True,
                              text=True, timeout=SECONDS, check=False)
        assert (done.returncode, done.stderr) == (1, "gdb: no node 7: there are 1\n")
