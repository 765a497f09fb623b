# SPDX-License-Identifier: BSD-2-Clause
"""One website from many nodes: what survives deaths, pauses, partitions and bad disks.

One cluster of three nodes for all of it; each test leaves it with three that serve.
How soon a fault is noticed `make chaos` judges; here it is waited for, and after it
no request may fail. SEED=n replays the site and the order of requests.
"""

from __future__ import annotations

import http.client
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clusters.load import Load, Refused
from clusters.options import build_folder
from clusters.rig import wait_for
from clusters.servicebed import DEOSCTL, SECONDS, Service, write_site

pytestmark = [pytest.mark.qemu, pytest.mark.early, pytest.mark.timeout(400)]

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
NOTICE_SECONDS = 60.0   # in which a fault must be noticed on the busiest machine
CALM_SECONDS = 5.0      # after that, for requests that were on their way
MEMORY_TRIES = 6
DISK = "48M"
TOO_LARGE = 80 << 20    # for three such disks with two copies of everything


@pytest.fixture(scope="module", name="site")
def fixture_site(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """The folder, and what must come of each path."""
    print(f"SEED={SEED}")
    folder = tmp_path_factory.mktemp("site")
    return folder, write_site(folder, SEED)


@pytest.fixture(scope="module", name="cluster")
def fixture_cluster(tmp_path_factory, site):
    """Three nodes that serve it."""
    with Service(tmp_path_factory.mktemp("service") / "state", site[0], "--boot", "direct",
                 "--mem", "64M", "--disk", DISK) as cluster:
        yield cluster


@pytest.fixture(name="service")
def fixture_service(cluster, site):
    """Three nodes that agree, and serve the site."""
    cluster.wait_alive(len(cluster.nodes()))
    yield cluster
    cluster.run("heal")
    for node in cluster.nodes():
        if node["state"] == "paused":
            cluster.run("resume", node["id"])
        if node["state"] == "down":
            cluster.run("start", node["id"])


class Watch:
    """Load, and what the counters say meanwhile: they never go backwards."""

    def __init__(self, service: Service, files: dict[str, bytes]) -> None:
        self.service = service
        self.load = Load(service.port, files, clients=4, seed=SEED)

    def __enter__(self) -> Watch:
        self.load.__enter__()
        self.until(20)
        return self

    def until(self, requests: int) -> None:
        """Until so many more requests have been answered."""
        wanted = self.load.done + requests
        wait_for(lambda: self.load.done >= wanted, f"{requests} requests", SECONDS)

    def __exit__(self, *_: object) -> None:
        self.load.__exit__()

    def judge(self, *windows: tuple[float, float]) -> None:
        """No failure outside of these times, and no wrong bytes at all."""
        begin = min(begin for begin, _ in windows) if windows else 0.0
        late = self.load.unexcused(list(windows))
        assert not late, [f"began {one.began - begin:+.1f} s, took {one.ended - one.began:.1f} s: "
                          f"{one.path}: {one.why}" for one in late[:8]]


def noticed(service: Service, began: float, count: int) -> tuple[float, float]:
    """Waits until all that are up see so many alive and one holder; the time meanwhile, in
    which requests may fail."""
    service.wait_alive(count, NOTICE_SECONDS)
    calm = time.monotonic() + CALM_SECONDS
    wait_for(lambda: time.monotonic() > calm, "calm")
    return began, calm


def total(counters: dict) -> int:
    """All requests that the cluster counts."""
    return sum(node["requests"] for node in counters["nodes"])


def not_backwards(before: dict, after: dict) -> None:
    """No node's counter is smaller than it was."""
    now = {node["uuid"]: node["requests"] for node in after["nodes"]}
    for node in before["nodes"]:
        assert now.get(node["uuid"], -1) >= node["requests"], (node, after)


def test_every_file_from_everywhere(service, site):
    """From the virtual address and from each node, with two copies of each object, and blocks
    that came from another node's disk."""
    service.check(site[1])
    assert service.told()["site"]["files"] == len(site[1])
    whole = service.disks().whole(service.told()["site"])
    assert set(whole) == {path[1:] for path in site[1]} | {""}
    assert {len(set(nodes)) for nodes in whole.values()} == {2}
    caches = [service.counters(port)["cache"] for port in service.ports().values()]
    assert sum(cache["remote_reads"] for cache in caches) > 0, caches


def test_blocks_from_memory(service, site, tmp_path):
    """What others have read from their disks, a node without a copy takes from their memory.
    The directory is hints, which may come late: then again, with another site."""
    for number in range(MEMORY_TRIES):
        draw = random.Random(SEED + 1 + number)
        if read_from_memory(service, tmp_path / str(number), draw):
            break
    else:
        pytest.fail(f"{MEMORY_TRIES} sites, and not one block from a peer's memory")
    service.deploy(site[0])


def read_from_memory(service: Service, folder: Path, draw: random.Random) -> bool:
    """Deploys a site, has two nodes read it, then the third. Were blocks from their memory?"""
    files = {f"/{number}.bin": draw.randbytes(1 << 16) for number in range(24)}
    folder.mkdir()
    for path, content in files.items():
        (folder / path[1:]).write_bytes(content)
    service.deploy(folder)
    whole = service.disks().whole(service.told()["site"])
    nodes = sorted(service.nodes(), key=lambda node: -sum(
        node["uuid"] in holders for holders in whole.values()))
    ports = [urlsplit(node["url"]).port for node in nodes]
    before = [service.counters(port)["cache"] for port in ports]
    for port, was in zip(ports[:2], before):
        wait_for(lambda at=port: not service.wrong(files, at), "the new site", SECONDS)
        wait_for(lambda at=port, last=was["entered"]:
                 service.counters(at)["cache"]["entered"] > last, "entries", SECONDS)
    wait_for(lambda: not service.wrong(files, ports[2]), "the new site", SECONDS)
    after = service.counters(ports[2])["cache"]
    assert after["failed"] == before[2]["failed"]
    return after["peer_reads"] > before[2]["peer_reads"]


def test_status_is_what_nodes_answer(service):
    status = service.shown()
    assert status["ready"] and status["api"].startswith("http://127.0.0.1:")
    for node in status["nodes"]:
        assert node["serving"] and node["api"], node
        told = service.ask(node["id"], "/api/status")
        assert told["self"] == node["uuid"] and told["alive"] == 3 and told["majority"]
    assert service.told()["virtual_address"]


@pytest.mark.parametrize("who", ["holder", "other"])
def test_death_under_load(who, service, site):
    """Any node dies: a moment later nobody notices; it comes back and keeps its copies."""
    holder = service.holder()
    number = holder if who == "holder" else next(
        node["id"] for node in service.nodes() if node["id"] != holder)
    with Watch(service, site[1]) as watch:
        before = service.counters()
        service.run("kill", number)
        excused = noticed(service, time.monotonic(), 2)
        not_backwards(before, service.counters())
        watch.until(50)
        assert service.holder() != number
        service.run("start", number)
        service.wait_alive(3)
        watch.until(50)
    watch.judge(excused)
    not_backwards(before, service.counters())
    service.wait_whole()
    service.check(site[1])


def test_pause(service, site):
    """A node sleeps for five seconds: it comes back as who it was, and wrote nothing stale."""
    record = service.told()["record"]
    number = service.holder()
    with Watch(service, site[1]) as watch:
        service.run("pause", number)
        paused = time.monotonic()
        wait_for(lambda: time.monotonic() > paused + 5, "five seconds", 60)
        service.run("resume", number)
        excused = noticed(service, paused, 3)
        watch.until(50)
    watch.judge(excused)
    assert service.told()["record"] >= record
    service.wait_whole()
    service.check(site[1])


def test_partition_and_heal(service, site, tmp_path):
    """One against two: the one refuses what needs a majority and says why, and shows no
    counters, for its own may be old; after it, one holder, one record."""
    holder = service.holder()
    others = [node["id"] for node in service.nodes() if node["id"] != holder]
    generation = service.told()["site"]["generation"]
    service.run("partition", f"{holder}:{others[0]},{others[1]}")
    wait_for(lambda: service.quietly(lambda: not service.told(holder)["majority"]),
             "the minority to notice", SECONDS)
    wait_for(lambda: service.quietly(lambda: service.told(others[0])["alive"] == 2
                                     and service.told(others[0])["majority"]),
             "the majority to notice", SECONDS)
    write_site(tmp_path / "site", SEED + 1, files=4, large=1000)
    refused = service.deploy(tmp_path / "site", node=holder, fails=True)
    assert "too few of the voters" in refused.stderr.splitlines()[-1], refused.stderr
    with pytest.raises(Refused, match="status 503"):
        service.counters(service.ports()[f"node {holder}"])
    service.counters(service.ports()[f"node {others[0]}"])
    assert service.told(others[0])["holder"] not in (None, service.told(holder)["self"])
    service.run("heal")
    service.wait_alive(3)
    assert len(service.holders()) == 1
    assert {service.told(node["id"])["site"]["generation"] for node in service.nodes()} == {
        generation}
    service.wait_whole()
    service.check(site[1])


def test_interrupted_deploy(service, site, tmp_path):
    """deosctl is killed in the middle, or the connection ends: the old site is served whole, or
    the new one, if the last byte had been sent by then."""
    new = write_site(tmp_path / "new", SEED + 2, files=8, large=6 << 20)
    with subprocess.Popen([sys.executable, str(DEOSCTL), "--cluster", service.status()["api"],
                           "deploy", "site", str(tmp_path / "new")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as child:
        time.sleep(1.0)     # anywhere in the middle; after its end would do as well
        child.kill()
    link = http.client.HTTPConnection(urlsplit(service.status()["api"]).netloc, timeout=20)
    link.putrequest("PUT", "/api/site")
    link.putheader("Content-Length", "1000000")
    link.endheaders()
    link.send(b"DEOSPACK\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0")
    link.close()
    wait_for(lambda: service.quietly(lambda: any(
        not any(service.wrong(files, port) for port in service.ports().values())
        for files in (site[1], new))), "one of the sites, whole and everywhere", SECONDS)
    service.deploy(tmp_path / "new")
    service.deploy(site[0])
    service.check(site[1])
    service.wait_whole()


def test_full_disks(service, site, tmp_path):
    """What does not fit is refused with a reason, and the old site stays."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("too much")
    with open(tmp_path / "site" / "large", "wb") as file:
        for number in range(TOO_LARGE >> 20):
            file.write(random.Random(number).randbytes(1 << 20))
    refused = service.deploy(tmp_path / "site", fails=True)
    assert any(word in refused.stderr.splitlines()[-1] for word in ("room", "full", "space")
               ), refused.stderr
    service.check(site[1])
    service.deploy(site[0])
    service.wait_whole()


def test_rotten_block(service, site):
    """A block is damaged on the disk of a node that is off: it is served right all the same, and
    written again from its copy."""
    told = service.told()["site"]
    copies = service.disks().copies(told)
    victim = copies["large.bin"][0]
    number = service.number_of(victim.node)
    service.run("kill", number)
    disk = service.disks().disks[victim.node]
    for offset in (0, 4096 * 7, victim.length // 2):
        disk.damage(victim.content_at + offset)
    disk.damage(copies["index.html"][0].block * 4096)       # a header, wherever it is
    assert disk.content(victim) is None
    service.run("start", number)
    service.check(site[1])
    service.wait_whole()
    assert disk.content(victim) == site[1]["/large.bin"]


def test_foreign_disk(service, site):
    """A disk that is not the cluster's is never written; the node serves without it. A blank one
    in its place is filled again."""
    number = service.nodes()[-1]["id"]
    disk = service.disk(number)
    own = disk.read_bytes()
    foreign = random.Random(SEED).randbytes(len(own))
    service.run("kill", number)
    disk.write_bytes(foreign)
    service.run("start", number)
    service.wait_alive(3)
    service.check(site[1])
    assert disk.read_bytes() == foreign, "a foreign disk was written"
    service.run("kill", number)
    disk.write_bytes(bytes(len(own)))
    service.run("start", number)
    service.wait_alive(3)
    service.wait_whole()
    service.check(site[1])


def test_all_nodes_off_and_on(service, site):
    """The site is on the disks."""
    before = service.told()
    for node in service.nodes():
        service.run("kill", node["id"])
    for node in service.nodes():
        service.begin_start(node["id"])
    service.wait_alive(3)
    after = service.told()
    assert (after["cluster"], after["site"]) == (before["cluster"], before["site"])
    service.wait_serving()
    service.check(site[1])


def test_fourth_node(service, site):
    """It joins with no edit anywhere, and serves."""
    service.run("add")
    service.wait_alive(4)
    service.check(site[1])
    assert service.node(4)["serving"]
    messages = service.ask(4, "/api/status")["messages"]
    assert messages["sent"] > 0 and messages["received"] > 0, messages
    assert messages["open"] <= 10 and messages["waiting"] <= 64, messages


def said_by_heat(service: Service) -> str:
    """What all instances of the computation print."""
    return "".join(log.get("text") or "" for log in
                   service.ask_any("/api/logs/heat?lines=200")["logs"])


def wait_rounds(service: Service, *instances: int) -> None:
    """Until so many compute together, two rounds long, and nothing is wrong."""
    def newest() -> int:
        found = re.findall(rf"heat: round (\d+), \d+ steps by (?:{'|'.join(map(str, instances))}) "
                           r"instances: .*, right", said_by_heat(service))
        return max(map(int, found), default=0)
    before = wait_for(lambda: service.quietly(lambda: newest() + 1), "its output", SECONDS)
    wait_for(lambda: (service.quietly(newest) or 0) > before,
             f"{instances} instances that compute together", SECONDS, 0.25)
    assert "WRONG" not in said_by_heat(service)


def test_job_that_is_no_web_server(service):
    """A computation over shared memory on four nodes: deployed, scaled, and it survives a death:
    the instance that died is started on another node."""
    program = build_folder() / "libos" / "bin" / "heat"
    service.deosctl("deploy", "job", program, "--count", 3, "--", "pause=800")
    wait_rounds(service, 3)
    service.deosctl("scale", "heat", 2)
    wait_rounds(service, 2)
    service.deosctl("scale", "heat", 4)
    wait_rounds(service, 4)
    job = instances_of(service)
    uuid = next(uuid for uuid in job if uuid != service.told()["holder"])
    number = service.number_of(uuid)
    service.run("kill", number)
    wait_for(lambda: service.quietly(lambda: uuid not in instances_of(service)
                                     and len(instances_of(service)) == 4),
             "an instance in the place of the one that died", SECONDS)
    wait_rounds(service, 3, 4)
    service.run("start", number)
    service.wait_alive(4)
    wait_rounds(service, 3, 4)
    service.deosctl("remove", "heat")


def instances_of(service: Service) -> list[str]:
    """The nodes on which the computation runs, one for each instance."""
    jobs = service.ask(service.holder(), "/api/jobs")["jobs"]
    return [one["node"] for job in jobs if job["name"] == "heat" for one in job["instances"]
            if one["state"] == "running"]
