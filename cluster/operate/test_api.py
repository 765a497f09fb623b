# SPDX-License-Identifier: BSD-2-Clause
"""docs/api.md against the routes of the code, and against what they answer."""

from __future__ import annotations

import http.client
import json
import re
from pathlib import Path

import pytest

from operate.rigbed import BUILD, Rig

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r'^X\((\w+),\s*(\w+),\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)"\)$', re.MULTILINE)
SECTION = re.compile(r"^### (\w+) (\S+)\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)
PARAMETERS = re.compile(r"^\| parameter \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
DEFINED = {(method, path): words.split() for _, method, path, words, _ in ROW.findall(
    (ROOT / "cluster/api/routes.def").read_text())}
DOCUMENTED = {(method, path): text for method, path, text in SECTION.findall(
    (ROOT / "docs/api.md").read_text())}


@pytest.fixture(scope="module")
def rig():
    """A server with a job and a site."""
    with Rig() as server:
        image = (BUILD / "libos/bin/hello").read_bytes()
        assert ask(server, "PUT", "/api/jobs/hello?count=2", image)[0] == 200
        yield server


def ask(rig: Rig, method: str, path: str, content: bytes | None = None, **fields: str
        ) -> tuple[int, dict]:
    """One request: status and answer."""
    link = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=30)
    link.request(method, path, content, fields)
    answer = link.getresponse()
    told = json.loads(answer.read() or b"{}")
    link.close()
    return answer.status, told


def test_every_route_is_documented_and_no_other():
    assert DEFINED and set(DEFINED) == set(DOCUMENTED)


@pytest.mark.parametrize("route", DEFINED, ids=" ".join)
def test_parameters_and_an_example(route):
    text = DOCUMENTED[route]
    table = PARAMETERS.search(text)
    named = re.findall(r"^\| `(\w+)`", table[1], re.MULTILINE) if table else []
    if route[1].endswith("/scale"):
        assert "`count`" in text
        named = ["count"]
    assert sorted(named) == sorted(DEFINED[route])
    assert re.search(r"^    (curl|cluster/deosctl) ", text, re.MULTILINE)


def keys(value: object) -> set[str]:
    """All names of fields in an answer."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("path", ["/api", "/api/status", "/api/nodes", "/api/jobs", "/api/events",
                                  "/api/logs/hello", "/api/caps/1010", "/api/fabric/1010",
                                  "/api/trace/1010"])
def test_every_field_is_documented(rig, path):
    status, told = ask(rig, "GET", path)
    assert status == 200
    route = next(route for route in DEFINED if route[0] == "GET" and re.fullmatch(
        re.sub(r"[A-Z]+", r"[^/]+", route[1]), path))
    text = DOCUMENTED[route]
    told.pop("executed", None)  # its names are those of operations
    if path == "/api/nodes":  # "the four fields that the status has"
        text += DOCUMENTED["GET", "/api/status"]
    assert keys(told) - set(re.findall(r"`(\w+)`", text)) == set()


def test_a_change_answers_as_documented(rig):
    assert keys(ask(rig, "POST", "/api/jobs/hello/scale?count=1")[1]) == {"name", "id"}
    image = (BUILD / "libos/bin/hello").read_bytes()
    assert keys(ask(rig, "PUT", "/api/jobs/x?count=1", image)[1]) == {"name", "id"}
    assert keys(ask(rig, "DELETE", "/api/jobs/x")[1]) == {"name", "id"}


def test_the_statuses_of_errors(rig):
    assert ask(rig, "GET", "/api/none")[0] == 404
    assert ask(rig, "POST", "/api/status")[0] == 405
    assert ask(rig, "DELETE", "/api/jobs/none")[0] == 404
    assert ask(rig, "DELETE", "/api/jobs/hello", Origin="http://x")[0] == 403
    assert ask(rig, "PUT", "/api/jobs/x", b"")[0] == 400
    assert ask(rig, "PUT", "/api/site", b"no bundle")[0] == 400
    assert ask(rig, "PUT", "/api/jobs/Upper?count=1", b"\x7fELF")[0] == 409
    status, told = ask(rig, "GET", "/api/logs/hello?lines=x")
    assert status == 400 and told == {"error": "lines is given once, as 1 to 10000"}


def test_an_image_needs_its_length(rig):
    link = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=30)
    link.request("PUT", "/api/jobs/x?count=1", iter([b"\x7fELF"]), encode_chunked=True,
                 headers={"Transfer-Encoding": "chunked"})
    assert link.getresponse().status == 411
    link.close()


def test_one_connection_serves_many_requests(rig):
    link = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=30)
    link.connect()
    sock = link.sock
    for _ in range(20):
        link.request("GET", "/api/nodes")
        assert link.getresponse().read().endswith(b"}\n")
        assert link.sock is sock
    link.close()
