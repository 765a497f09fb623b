# SPDX-License-Identifier: BSD-2-Clause
"""What leads from nodes to a website, and what judges it, without a machine: forming and
deployment, clients under load, copies on disks."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from clusters import disk, service
from clusters.api import lacks_disks, why_not_formed
from clusters.failure import Failure
from clusters.load import WRONG, Client, Failed, Load, Refused
from clusters.report import Report
from clusters.rig import wait_for
from clusters.site import Member, Site, check_bounds, read_site

FORMED = {"formed": True, "reason": None, "virtual_address": "10.0.2.200", "voters": 2,
          "site": {"generation": 4}, "nodes": [{"life": "alive"}, {"life": "suspect"}]}


class FakeNode:
    """A node as Service looks at it."""

    state, address = "up", "10.0.2.15"

    def __init__(self, port: int) -> None:
        self.api_port = port


@contextmanager
def server(*answers: bytes):
    """Answers one request after another, each on a connection of its own unless it says so; the
    last answer again and again. Gives its port and the list of requests."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        requests: list[bytes] = []

        def serve() -> None:
            number = 0
            while True:
                try:
                    link = listener.accept()[0]
                except OSError:
                    return
                with link:
                    while said := link.recv(4096):
                        requests.append(said)
                        answer = answers[min(number, len(answers) - 1)]
                        number += 1
                        link.sendall(answer)
                        if b"close" in answer or not answer:
                            break
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], requests
        listener.shutdown(socket.SHUT_RDWR)


def page(content: bytes, fields: bytes = b"") -> bytes:
    """An answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(content), fields, content)


def told(content: dict) -> bytes:
    """An answer of the control interface."""
    return page(json.dumps(content).encode(), b"Connection: close\r\n")


@pytest.mark.parametrize("change, text", [
    ({}, ""),
    ({"nodes": [{"life": "alive"}, {"life": "dead"}]}, "1 of 2 nodes have found one another"),
    ({"formed": False, "reason": "no disk"}, "no disk"),
    ({"formed": False}, "have not agreed yet"),
    ({"virtual_address": None}, "no virtual address yet")])
def test_when_a_cluster_is_one(change, text):
    assert text in why_not_formed(FORMED | change, 2)
    assert bool(text) == bool(why_not_formed(FORMED | change, 2))


@pytest.mark.parametrize("voters, nodes, lacks", [(1, 3, True), (2, 3, False), (1, 1, False)])
def test_what_is_deployed_shall_lie_on_two_disks(voters, nodes, lacks):
    assert lacks_disks(FORMED | {"voters": voters}, nodes) == lacks


@pytest.fixture(name="make")
def fixture_make(tmp_path, monkeypatch):
    """Makes a Service over a site of one file, with a deosctl that is a script."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    (tmp_path / "state").mkdir()

    def make_one(script: str) -> service.Service:
        (tmp_path / "deosctl").write_text("import sys\n" + script)
        monkeypatch.setattr(service, "DEOSCTL", tmp_path / "deosctl")
        return service.Service(tmp_path / "state", read_site(tmp_path / "site"),
                               tmp_path / "site", Report(io.StringIO(), io.StringIO()))
    return make_one


def advance(one: service.Service, port: int) -> None:
    """Until nothing is left to do."""
    nodes = [FakeNode(port), FakeNode(port)]
    wait_for(lambda: not one.advance(nodes, "http://127.0.0.1:1"), "the way's end")
    one.stop()


def test_deploys_once_and_again_after_a_change(make, tmp_path):
    log = tmp_path / "log"
    script = f"open({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
    unready = FORMED | {"formed": False}
    with server(told(unready), b"", told(FORMED)) as (port, _):
        advance(make(script), port)
        line = f"--cluster http://127.0.0.1:1 deploy site {tmp_path / 'site'}\n"
        assert log.read_text() == line
        advance(make(script), port)
        assert log.read_text() == line, "deployed twice"
        (tmp_path / "site" / "index.html").write_text("other")
        advance(make(script), port)
        assert log.read_text() == line * 2
    with server(told(FORMED | {"site": {"generation": 5}})) as (port, _):
        advance(make(script), port)
        assert log.read_text() == line * 3, "somebody else has deployed since"


def test_deployment_that_fails_ends_the_run_with_its_words(make):
    with server(told(FORMED)) as (port, _):
        with pytest.raises(Failure, match="could not be deployed: deosctl: no room"):
            advance(make("sys.exit('deosctl: no room')\n"), port)


def test_cluster_has_a_key_of_its_own(tmp_path):
    one = service.Identity(tmp_path)
    assert one.words == service.Identity(tmp_path).words
    assert (tmp_path / "cluster.json").stat().st_mode & 0o77 == 0
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(Failure, match="harness/cluster down removes it"):
        service.Identity(tmp_path)


def test_bounds_of_a_site(tmp_path):
    check_bounds(Site([Member("x" * 1024, tmp_path, 0, 0)]))
    with pytest.raises(Failure, match="more than 1024 bytes"):
        check_bounds(Site([Member("x" * 1025, tmp_path, 0, 0)]))
    with pytest.raises(Failure, match="65537 files"):
        check_bounds(Site([Member("x", tmp_path, 0, 0)] * 65537))


# ---- clients ----

def test_client_keeps_a_connection_and_asks_again_once():
    with server(page(b"one"), page(b"two"), b"", page(b"three"), b"") as (port, requests):
        client = Client(port, 5.0)
        assert [client.get("/a b"), client.get("/"), client.get("/")] == [b"one", b"two", b"three"]
        assert len(requests) == 4 and requests[0].startswith(b"GET /a%20b HTTP/1.1\r\n")
        with pytest.raises(Refused, match="the connection broke"):
            client.get("/")     # the second connection breaks as well


@pytest.mark.parametrize("answer, text", [
    (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "status 503"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nshort", "broke"),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "no answer that can be read"),
    (b"nonsense close\r\n\r\n", "no answer that can be read")])
def test_client_refuses(answer, text):
    with server(answer) as (port, _), pytest.raises(Refused, match=text):
        Client(port, 5.0).get("/")


def test_client_has_patience_and_no_more():
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort") as (port, _):
        with pytest.raises(Refused, match="no end in 0.2 s"):
            Client(port, 0.2).get("/")


def test_load_finds_wrong_bytes_and_nothing_else():
    with server(page(b"right"), page(b"wrong"), page(b"right")) as (port, _):
        load = Load(port, {"/": b"right"}, clients=1)
        with load:
            wait_for(lambda: load.done > 5, "requests")
    assert [one.why for one in load.failures] == [WRONG]
    assert load.unexcused([(0.0, 1e12)]) == load.failures == load.wrong()


@pytest.mark.parametrize("began, ended, excused", [
    (9.0, 9.5, False), (9.0, 10.5, True), (11.0, 40.0, True), (13.5, 14.0, False)])
def test_what_excuses_a_failure(began, ended, excused):
    load = Load(1, {"/": b""}, clients=0)
    load.failures.append(Failed(began, ended, "/", "status 503"))
    assert (load.unexcused([(10.0, 13.0)]) == []) == excused


# ---- disks ----

def put_object(image: bytearray, first: int, content: bytes) -> bytes:
    """Writes an object as a node would, but for the sums, which this reader does not need."""
    name = disk.object_id(content)
    struct.pack_into("<QII32sQQ", image, first * 4096, disk.OBJECT_MAGIC, 1, 0, name,
                     len(content), first)
    at = (first + disk.header_blocks(len(content))) * 4096
    image[at:at + len(content)] = content
    return name


def test_copies_are_counted_where_they_lie(tmp_path):
    a, b = (f"{0:08}-0000-0000-0000-{0:011}{node}" for node in "ab")
    images = {a: bytearray(4096 * 64), b: bytearray(4096 * 64)}
    name = put_object(images[a], 20, b"file")
    put_object(images[b], 30, b"file")
    entry = struct.pack("<32sQQQQHHIH6x", name, 4, 0, 20, 30, 0, 1, 0, 1)
    manifest = (struct.pack("<QIIIIQ32x", disk.MANIFEST_MAGIC, 1, 1, 2, 1, 4)
                + bytes(15) + b"\x0a" + bytes(15) + b"\x0b" + entry + b"x")
    for node in (a, b):
        put_object(images[node], 40, manifest)
        (tmp_path / node).write_bytes(images[node])
    site = {"manifest": {"id": disk.object_id(manifest).hex(), "bytes": len(manifest),
                         "copies": [{"node": a, "block": 40}, {"node": b, "block": 40}]}}
    disks = disk.Disks({node: tmp_path / node for node in (a, b)})
    assert disks.whole(site) == {"": [a, b], "x": [a, b]} and not disks.lacking(site)
    copy = disks.copies(site)["x"][1]
    disks.disks[b].damage(copy.content_at, 1)
    assert disks.lacking(site) == {"x": [a]}
    disks.disks[b].damage(copy.content_at, 1)
    disks.disks[a].damage(40 * 4096)
    assert disks.lacking(site) == {"": [b]}
