# SPDX-License-Identifier: BSD-2-Clause
"""deosctl and the control API on nodes: jobs from deployment to removal, logs, events and
capabilities asked through either node, requests that make no sense, many connections.

One cluster of two nodes for all of it. What deployments survive is tested where the
website is served (harness/clusters/test_service.py)."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

from operate.rigbed import BUILD, deosctl
from clusters.options import ROOT
from clusters.rig import wait_for
from clusters.servicebed import SECONDS, Service

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

HELLO = BUILD / "libos" / "bin" / "hello"
CLIENTS = 24  # cluster/agent/serve.h


class Nodes:
    """Two nodes and their control interfaces; addresses are asked for once."""

    def __init__(self, service: Service) -> None:
        self.service = service
        status = service.status()
        self.known = status["nodes"]
        self.urls = [status["api"], *(node["api"] for node in self.known)]

    def deosctl(self, *words: object, node: int = 0, status: int = 0) -> str:
        """deosctl at one node, or at the virtual address (0); what it says."""
        done = deosctl(None, "--cluster", self.urls[node], *words, status=status)
        return done.stderr if status else done.stdout

    def connect(self, node: int) -> socket.socket:
        """A connection to a node's control interface."""
        parts = urlsplit(self.urls[node])
        return socket.create_connection((parts.hostname, parts.port), 30)


@pytest.fixture(scope="module", name="nodes")
def fixture_nodes(tmp_path_factory):
    """Two nodes that serve a website."""
    with Service(tmp_path_factory.mktemp("operate") / "state", ROOT / "docs" / "site",
                 "--boot", "direct", "--mem", "64M", "--disk", "32M", nodes=2) as service:
        service.wait_alive(2)
        yield Nodes(service)


def told(nodes: Nodes, *words: object, node: int = 0) -> dict:
    """What a verb says in JSON."""
    return json.loads(nodes.deosctl("--json", *words, node=node))


def job(nodes: Nodes, name: str, node: int = 0) -> dict | None:
    """A job, as `jobs` shows it; None: there is none."""
    return next((one for one in told(nodes, "jobs", node=node)["jobs"] if one["name"] == name),
                None)


def test_up_deployed_the_web_server(nodes):
    web = job(nodes, "web")
    assert (web["count"], web["port"], web["state"], web["running"]) == ("every", 80, "running", 2)
    assert web["reason"] is None and len(web["image"]["copies"]) == 2
    assert {one["node"] for one in web["instances"]} == {
        one["uuid"] for one in told(nodes, "nodes")["nodes"]}
    text = nodes.deosctl("status")
    assert "2 voters, a majority of them answers" in text and "generation 1" in text


def test_a_job_is_deployed_scaled_and_removed(nodes):
    nodes.deosctl("deploy", "job", HELLO, "--count", 2, "--memory", "1M", "--", "one", "two")
    assert job(nodes, "hello")["arguments"] == "one two"
    assert wait_for(lambda: said(nodes) >= 2, "two greetings", SECONDS)
    assert "hello 3" not in nodes.deosctl("jobs", node=2)
    nodes.deosctl("scale", "hello", 3, node=2)
    assert wait_for(lambda: said(nodes) >= 3, "a third one", SECONDS)
    assert job(nodes, "hello")["count"] == 3
    nodes.deosctl("remove", "hello")
    assert job(nodes, "hello") is None
    for words in (("scale", "hello", 2), ("remove", "hello")):
        assert "no job of that name" in nodes.deosctl(*words, status=1)
    assert "no job or node" in nodes.deosctl("logs", "hello", status=1)


def said(nodes: Nodes) -> int:
    """How many instances of hello have greeted."""
    return sum("hello" in (log["text"] or "") for log in told(nodes, "logs", "hello")["logs"])


def test_a_job_that_fits_nowhere_says_why(nodes):
    nodes.deosctl("deploy", "job", HELLO, "--name", "large", "--memory", "1G")
    waiting = wait_for(lambda: (one := job(nodes, "large"))["state"] == "waiting" and one,
                       "a reason", SECONDS)
    assert waiting["reason"] == "no live node has enough frames left"
    assert waiting["running"] == 0 and waiting["instances"] == []
    wait_for(lambda: job(nodes, "large", 2)["reason"] == waiting["reason"],
             "the other node to know", SECONDS)
    nodes.deosctl("remove", "large")


def test_events_of_both_nodes(nodes):
    text = nodes.deosctl("events")
    for node in told(nodes, "nodes")["nodes"]:
        assert f"  {node['uuid'][:8]}  node {node['uuid'][:8]}: started" in text
    assert "job web" in text and "record record: version" in text
    other = told(nodes, "nodes")["nodes"][1]["uuid"]
    one = told(nodes, "events", other, node=1)["nodes"][0]
    assert one["node"] == other
    numbers = [event["number"] for event in one["events"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    later = told(nodes, "events", other, "--since", numbers[-2])["nodes"][0]["events"]
    assert later[0]["number"] == numbers[-1]


def test_logs_of_a_node_that_is_not_asked(nodes):
    for node in nodes.known:
        logs = told(nodes, "logs", node["ip"], "--lines", 1000, node=3 - node["id"])["logs"]
        programs = {log["program"] for log in logs}
        assert {"agent", "front", "web"} <= programs
        web = next(log["text"] for log in logs if log["program"] == "web")
        assert f"web: serving 4 files at http://{node['ip']}/" in web


def test_capabilities_of_either_node(nodes):
    for node in nodes.known:
        found = told(nodes, "caps", node["uuid"][:8], node=3 - node["id"])
        assert found["node"] == node["uuid"] and not found["truncated"]
        held = {(cap["program"].split("/")[0], cap["type"]) for cap in found["capabilities"]}
        assert {("agent", "blocks"), ("agent", "nic"), ("agent", "ring"), ("front", "ring"),
                ("web", "ring")} <= held
        web = [cap for cap in found["capabilities"] if cap["program"].startswith("web")]
        assert all("w" not in cap["rights"] for cap in web if cap["type"] == "blocks")


def moved(nodes: Nodes, number: int, name: str) -> dict:
    """What a node's fabric counts, through the other one."""
    node = nodes.known[number - 1]
    return told(nodes, name, node["uuid"][:8], node=3 - number)["nodes"][0]


def balanced(node: dict) -> dict | None:
    """A node's counters, if what came is what was accepted and what was dropped."""
    dropped = sum(drop["count"] for drop in node["drops"] if drop["layer"] == "link")
    return node if node["received"] == node["accepted"] + dropped else None


def test_fabric_counts_what_is_done(nodes):
    # The tables may change while they are read: once in a while they do not.
    one, two = (wait_for(lambda number=number: balanced(moved(nodes, number, "fabric")),
                         "every frame to be accounted for", SECONDS) for number in (1, 2))
    for node in (one, two):
        link, = [link for link in node["links"] if link["state"] == "up"]
        assert link["rtt_us"] > 0 and link["credit"] + link["grant"] > 0
        assert link["sessions"] == 1 and link["lapses"] == 0
        assert link["received"] > 100 and node["accepted"] > 100
    assert one["links"][0]["peer"] == two["node"] and two["links"][0]["peer"] == one["node"]
    # What one sent the other took, but for what was on its way and what was dropped there.
    sent, came = one["links"][0]["sent"], moved(nodes, 2, "fabric")["links"][0]["received"]
    assert came >= sent * 0.9
    # The site's second copy was written through capabilities: both ends counted it alike.
    lent = {(cap["environment"], cap["slot"]): cap for cap in two["exports"]}
    held = [cap for cap in one["held"] if cap["type"] == "blocks"]
    for node in (one, two):
        for cap in node["held"]:
            assert sum(cap["latency"]) == cap["operations"]
            assert bool(cap["operations"]) == bool(cap["latency_us"])
    assert lent or held


def test_metrics_agree_with_the_tables(nodes):
    text = nodes.deosctl("metrics", node=1)
    uuid = nodes.known[1]["uuid"]
    shown = moved(nodes, 1, "fabric")

    def sample(name: str) -> float:
        return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])

    assert f'deos_node{{node="{nodes.known[0]["uuid"]}",' in text
    assert sample(f'deos_link_up{{peer="{uuid}"}}') == 1
    before, after = sample("deos_fabric_received_total"), shown["received"]
    assert before > 0 and after > 0
    assert sample(f'deos_link_sessions_total{{peer="{uuid}"}}') == 1
    assert sample('deos_fabric_dropped_total{layer="link",reason="tag"}') == 0
    assert sample("deos_memory_free_bytes") < sample("deos_memory_bytes") <= 64 << 20


def test_a_frame_that_is_none_is_counted(nodes):
    def short() -> int:
        return sum(drop["count"] for drop in moved(nodes, 2, "fabric")["drops"]
                   if drop["layer"] == "link" and drop["reason"] == "sequence")

    before = short()
    nodes.service.run("link", "--dup", 100)
    try:
        wait_for(lambda: short() > before + 10, "doubled frames to be dropped", SECONDS)
    finally:
        nodes.service.run("link", "--dup", 0)


def test_a_trace_of_both_nodes(nodes, tmp_path):
    path = tmp_path / "trace"
    told(nodes, "caps", nodes.known[1]["uuid"][:8], node=1)
    assert "of 2 nodes" in nodes.deosctl("trace", path)
    done = subprocess.run([ROOT / "harness" / "trace", path, "--kind", "in,out"],
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""  # both clocks are known
    lines = [line.split() for line in done.stdout.splitlines()]
    asked: dict[tuple, float] = {}
    taken = 0
    for at, node, way, _, peer, kind, *rest in (line for line in lines if len(line) > 6):
        if kind != "REQUEST":
            continue
        if way == "out":
            asked.setdefault((node, peer, *rest[:2]), float(at))
        elif (peer, node, *rest[:2]) in asked:
            taken += 1
            assert float(at) >= asked[peer, node, *rest[:2]]
    assert taken > 20


def ask(nodes: Nodes, raw: bytes) -> tuple[int, dict]:
    """Bytes to node 1's control interface; status and JSON of the answer."""
    with nodes.connect(1) as link:
        link.sendall(raw)
        answer = http.client.HTTPResponse(link)
        answer.begin()
        return answer.status, json.loads(answer.read())


def request(line: str, *fields: str) -> bytes:
    """A request without content."""
    return "\r\n".join((f"{line} HTTP/1.1", "Host: a", *fields, "", "")).encode()


def test_what_makes_no_sense_is_refused_with_a_sentence(nodes):
    for raw, status in ((b"\x16\x03\x01\x02\x00\r\n\r\n", 400), (request("GET /nothing"), 404),
                        (request("GET /api/../etc"), 404), (request("POST /api/status"), 405),
                        (request("PUT /api/jobs/x"), 400),
                        (request("PUT /api/jobs/x?count=1"), 409),
                        (request("POST /api/jobs/web/scale?count=65"), 400),
                        (request("DELETE /api/jobs/web", "Origin: http://evil"), 403),
                        (request("GET /api/caps/ffff"), 404),
                        (request("PUT /api/site", "Content-Length: 2") + b"no", 409),
                        (request("PUT /api/site", "Transfer-Encoding: chunked") + b"x\r\n", 400)):
        got, error = ask(nodes, raw)
        assert got == status and isinstance(error["error"], str) and error["error"], (raw, error)
    assert job(nodes, "web")["running"] == 2


def test_more_connections_than_there_is_room_for(nodes):
    with ExitStack() as stack:
        for _ in range(CLIENTS + 16):
            link = stack.enter_context(nodes.connect(2))
            with suppress(ConnectionError):
                link.sendall(b"GET /api/status HT")
        assert told(nodes, "status", node=2)["formed"]  # one that waits made room
    assert told(nodes, "status", node=2)["formed"]
