# SPDX-License-Identifier: BSD-2-Clause
"""A website through a bad network: 5% loss both ways, duplicates, reordering.

The node hangs on the project's switch, as harness/cluster runs it, and faults
come from a seed, which is printed: SEED=n replays it. Clients are those that
people use: curl, wget and wrk, each checking every byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from guest import ROOT
from clusters.switch import ask

pytestmark = pytest.mark.qemu

CLUSTER = ROOT / "harness" / "cluster"
SEED = int(os.environ.get("SEED", "1"))
SIDE_BY_SIDE = 8
LARGE_BYTES = 5 << 20
DOWNLOADS = 100
SHORT_REQUESTS = 1000
FAULTS = ["--loss", "5", "--dup", "2", "--reorder", "5", "--corrupt", "0.1"]


class Cluster:
    """One node behind the switch, serving a folder."""

    def __init__(self, folder: Path, site: Path):
        self.state = str(folder / "state")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.run("up", "--standalone", "-n", "1", "--site", str(site), "--port", str(port),
                 "--boot", "direct", "--mem", "64M", "--detach")
        self.url = json.loads(self.run("status", "--json"))["url"]

    def run(self, *words: str) -> str:
        """One harness/cluster command, which must succeed."""
        done = subprocess.run([CLUSTER, words[0], "--state", self.state, *words[1:]],
                              capture_output=True, text=True, timeout=250, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def state_of_node(self) -> str:
        """up, down or paused."""
        return json.loads(self.run("status", "--json"))["nodes"][0]["state"]


def write_site(folder: Path) -> dict[str, str]:
    """A site of odd names and sizes; returns each name's digest."""
    rng = random.Random(SEED)
    sizes = {"large.bin": LARGE_BYTES, "empty": 0, "one": 1, "mit ümlaut & blank.txt": 1447,
             "sub/1448": 1448, "sub/1449 +%41.html": 1449, "short.bin": 900}
    digests = {}
    for name, size in sizes.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(rng.randbytes(size))
        digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


@pytest.fixture(scope="module", name="site")
def fixture_site(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The folder, and what must come of each file."""
    folder = tmp_path_factory.mktemp("site")
    return folder, write_site(folder)


@pytest.fixture(scope="module", name="cluster")
def fixture_cluster(tmp_path_factory, site):
    """A node whose link has all faults on."""
    cluster = Cluster(tmp_path_factory.mktemp("bad-network"), site[0])
    try:
        print(f"SEED={SEED}")
        cluster.run("link", *FAULTS, "--seed", str(SEED))
        yield cluster
        assert cluster.state_of_node() == "up"
    finally:
        cluster.run("down")


def fetch(command: list[str], url: str, expected: str) -> str:
    """Fetches a URL to standard output; returns what was wrong, or nothing."""
    done = subprocess.run([*command, url], capture_output=True, timeout=280, check=False)
    if done.returncode:
        return f"{command[0]} {url}: exit status {done.returncode}: {done.stderr.decode()}"
    if hashlib.sha256(done.stdout).hexdigest() != expected:
        return f"{command[0]} {url}: wrong bytes ({len(done.stdout)} of them)"
    return ""


CURL = ["curl", "-sS", "--fail"]
WGET = ["wget", "-q", "-O", "-", "--tries=1"]


def fetch_many(jobs: list[tuple[list[str], str, str]]):
    """Runs fetches side by side; each must be right."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        wrong = [text for text in pool.map(lambda job: fetch(*job), jobs) if text]
    assert not wrong, f"{len(wrong)} of {len(jobs)}: " + "; ".join(wrong[:5])


def test_large_files_arrive_whole(cluster, site):
    digest = site[1]["large.bin"]
    fetch_many([(WGET if i % 4 == 3 else CURL, cluster.url + "large.bin", digest)
                for i in range(DOWNLOADS)])


def test_every_name_and_size_arrives_whole(cluster, site):
    """A connection each."""
    names = [name for name in site[1] if name != "large.bin"]
    fetch_many([(CURL if i % 2 else WGET, cluster.url + quote(name), site[1][name])
                for i, name in enumerate(names * 20)])


def test_short_requests_on_lasting_connections(cluster, site, tmp_path):
    """curl fetches them all over a few connections."""
    folder, digests = site
    urls = "".join(f'url = "{cluster.url}short.bin"\noutput = "{tmp_path}/{i}"\n'
                   for i in range(SHORT_REQUESTS))
    done = subprocess.run(["curl", "-sS", "--fail", "-Z", "--parallel-max", str(SIDE_BY_SIDE),
                           "-K", "-"], input=urls, capture_output=True, text=True, timeout=280,
                          check=False)
    assert done.returncode == 0, done.stderr
    expected = (folder / "short.bin").read_bytes()
    assert all((tmp_path / str(i)).read_bytes() == expected for i in range(SHORT_REQUESTS))
    assert digests["short.bin"] == hashlib.sha256(expected).hexdigest()


def test_many_connections_at_once(cluster, site):
    """wrk checks each body itself (verify.lua)."""
    done = subprocess.run(
        ["wrk", "-t1", "-c32", "-d5s", "--timeout", "20s", "-s",
         str(Path(__file__).with_name("verify.lua")), cluster.url + "short.bin", "--",
         str(site[0] / "short.bin")], capture_output=True, text=True, timeout=250, check=False)
    found = re.search(r"^bodies (\d+) wrong (\d+)$", done.stdout, re.M)
    assert found, done.stdout + done.stderr
    assert int(found[1]) >= SHORT_REQUESTS / 4 and int(found[2]) == 0, done.stdout
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", done.stdout)
    assert not errors or errors.groups() == ("0", "0", "0"), done.stdout


def test_the_faults_were_there(cluster):
    """The switch counted what it did, or the tests above prove nothing."""
    ports = ask(Path(cluster.state) / "switch", "status")["ports"]
    counters = next(port for port in ports if port["name"] == "1")["counters"]
    for fault in ("lost", "duplicated", "reordered", "corrupted"):
        assert counters[fault + "_in"] > 10 and counters[fault + "_out"] > 10, (fault, counters)
