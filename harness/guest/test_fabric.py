# SPDX-License-Identifier: BSD-2-Clause
"""Two and three nodes on the switch: pages and blocks of one used by another.

`remote hammer` compares every byte, old value and clause with a model, so that an
operation that ran twice, or not at all, fails it. SEED=n replays.
"""

from __future__ import annotations

import os
import random
import re
import struct
import time

import pytest

import accounts
from fabricbed import FAULTS, Fabric
from guest import PATIENCE_S, ROOT, archive
from switchbed import wait_for

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

SEED = int(os.environ.get("SEED", "1"))
BLOCK = 4096
OPERATIONS = 10_000
TRIES = 5
OLD = "seen before"
GONE = "the capability was revoked, or given up"
STALE = "(?:from or to another life|no session)"


@pytest.fixture(name="disk")
def fixture_disk(tmp_path):
    """Makes disks, by name, from their content."""
    def make(name: str, content: bytes):
        path = tmp_path / name
        path.write_bytes(content.ljust(256 * BLOCK, b"\0"))
        return path
    return make


def counted(node, *sentences: str, verb: str = "links") -> str:
    """What the verb shows, once it has these sentences: the table lags a little."""
    until = time.monotonic() + PATIENCE_S
    while True:
        said = node.run(verb)
        if all(sentence in said for sentence in sentences) or time.monotonic() > until:
            assert [sentence for sentence in sentences if sentence not in said] == [], said
            return said
        time.sleep(0.05)


def passed(said: str) -> bool:
    """Whether a program's verdict is good."""
    return re.search(r"^remote: PASS ", said, re.M) is not None


def in_a_session(node, command: str) -> str:
    """What a program says whose sessions last; one that lapsed while the host was busy
    with others is no failure of the program's, and it is run again."""
    for _ in range(TRIES):
        lapsed = lapses(node)
        said = node.run(command)
        if passed(said) or lapses(node) == lapsed:
            break
    return said


def lapses(node) -> int:
    """Sessions of the node's that ended without a word."""
    return int(re.search(r", (\d+) lapsed$", node.run("links"), re.M)[1])


def test_read_and_write():
    """What one node writes another reads; afterwards nothing is left behind."""
    with Fabric(3) as fabric:
        one, two, three = fabric.nodes
        before = [accounts.everything(node) for node in (one, three)]
        job = two.background("remote serve 16", "remote: serving 16 pages\n")
        assert "remote: wrote 6 bytes" in one.run(f"remote write {two.mac} 3 hello")
        said = three.run(f"remote read {two.mac} 3 16")
        assert "68 65 6c 6c 6f 00" in said and "remote: read 16 bytes" in said
        assert "no session with a node" in one.run("remote read ff:ff 0")
        assert [accounts.everything(node) for node in (one, three)] == before
        counted(two, ", 0 of ")
        two.run(f"kill {job}")


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_hammer_through_faults(disk, mtu):
    """10,000 mixed operations on pages and blocks through a bad network."""
    with Fabric(2, seed=SEED, faults=FAULTS, mtu=mtu,
                each={2: {"disk": disk("disk", b"")}}) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 16 rw", "serving 16 pages and the disk\n")
        said = one.run(f"remote hammer {two.mac} {OPERATIONS} {SEED}", 280)
        assert passed(said), said
        assert f"PASS {OPERATIONS} operations" in said
        # A node that its host lets stand still loses its lease; else nothing is in doubt.
        assert " 0 not done, 0 unknown" in said or ", 0 lapsed" not in one.run("links"), said
        counted(one, "a wrong tag")
        counted(two, "a wrong tag")


def test_three_nodes_hammer_each_other(disk):
    """Each node serves one and hammers another, at the same time."""
    each = {number: {"disk": disk(f"disk{number}", b"")} for number in (1, 2, 3)}
    with Fabric(3, seed=SEED, faults=FAULTS, each=each) as fabric:
        for node in fabric.nodes:
            node.background("remote serve 16 rw", "serving 16 pages and the disk\n")
        since = []
        for node, other in zip(fabric.nodes, fabric.nodes[1:] + fabric.nodes[:1]):
            since.append(len(node.log()))
            node.type(f"remote hammer {other.mac} {OPERATIONS // 3} {SEED}")
        for node, start in zip(fabric.nodes, since):
            said = node.wait_for(r"^remote: (PASS|FAIL) .*\n", 280, start)
            assert said[1] == "PASS", said[0]


def test_completions_by_upcall():
    """Completions interrupt a program that makes no call, on one processor and on two: the
    handler takes each, finds what was to be there and begins the next."""
    with Fabric(2, seed=SEED, each={2: {"smp": 2}}) as fabric:
        one, two = fabric.nodes
        for node, other in ((one, two), (two, one)):
            other.background("remote serve 4", "remote: serving 4 pages\n")
            said = in_a_session(node, f"remote told {other.mac} 100")
            assert re.search(r"^remote: PASS 100 adds by [1-9]\d* upcalls in [1-9]\d* steps "
                             r"of the program, 0 wrong$", said, re.M), said


def test_weighted_service():
    """One holder is served three times what the other is, in operations and bytes, while
    both wait; both get all they ask for. A host that is busy with others lets the one who
    counts miss most of it: they ask until enough was seen."""
    with Fabric(3, seed=SEED) as fabric:
        one, two, three = fabric.nodes
        two.background(f"remote serve 16 rw {one.mac} 48", "remote: serving 16 pages\n")
        start = len(two.log())
        two.type(f"remote shares {one.mac} {three.mac} 400")
        while not (told := re.search(r"^remote: (PASS|FAIL) .*\n", two.log()[start:], re.M)):
            ask_both((one, three), f"remote pace {two.mac} 4000")
        assert told[1] == "PASS", told[0]
        served = [int(number) for number in re.findall(r"\d+", told[0])]
        assert served[1] == BLOCK * served[0] and served[3] == BLOCK * served[2], told[0]
        assert 3 * 0.97 <= served[0] / served[2] <= 3 * 1.03, told[0]


def ask_both(nodes, command: str):
    """Both run the command at the same time, and it passes where no session lapsed."""
    lapsed, since = [lapses(node) for node in nodes], [len(node.log()) for node in nodes]
    for node in nodes:
        node.type(command)
    for node, before, start in zip(nodes, lapsed, since):
        said = node.wait_for(r"((?:^remote: .*\n)+)^deos> ", 280, start)[1]
        assert passed(said) or lapses(node) != before, said


def test_atomic_with_instructions():
    """Words that a program changes with its processor's instructions, while another node
    changes them through the kernel on another processor, lose nothing of either."""
    with Fabric(2, seed=SEED, each={2: {"smp": 2}}) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 1", "remote: serving 1 pages\n")
        since = len(two.log())
        two.background("remote atomics here", "remote: adds here\n")
        assert passed(in_a_session(one, f"remote atomics {two.mac} 10000"))
        said = two.wait_for(r"remote: (PASS|FAIL) \d+ rounds here, (\d+) there\n", 100, since)
        assert said[1] == "PASS" and int(said[2]) == 10000, two.log()[since:]


def test_own_pace():
    """A program's window takes effect, and a control of its own takes the kernel's place."""
    with Fabric(2, seed=SEED) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 16", "remote: serving 16 pages\n")
        said = one.run(f"remote pace {two.mac} 500")
        assert re.search(r"^remote: PASS 500 pages with its own control, which ended at "
                         r"[1-9]\d* frames; of 16 at once 1 went with a window of one frame",
                         said, re.M), said


@pytest.mark.parametrize("faults", ["", FAULTS], ids=["clean", "faults"])
def test_refusals(faults):
    """What must be refused is, with its own code; it touches nothing and the link stays."""
    with Fabric(2, seed=SEED, faults=faults) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        free = accounts.frames(two)["total"]["free"]
        said = one.run(f"remote refuse {two.mac}")
        assert passed(said), said
        wait_for(lambda: accounts.frames(two)["total"]["free"] == free + 8, PATIENCE_S)
        counted(two, "outside the range", "lacks a right", "another kind of object",
                "not aligned", "nobody offers that service")


def test_the_lender_ends():
    """Whoever reads what a program lent is refused from when that ends on, whoever has the
    frames next; the session goes on."""
    with Fabric(2) as fabric:
        one, two = fabric.nodes
        job = two.background("remote serve 8", "remote: serving 8 pages\n")
        one.background(f"remote pulse {two.mac}", "remote: pulse begins\n")
        two.run(f"kill {job}")
        gone = re.escape(GONE)
        one.wait_for(rf"remote: pulse ended after \d+ ms: {gone}\n")
        one.wait_for(rf"remote: it is back, as it was: {gone}\n")
        two.background("remote serve 8", "remote: serving 8 pages\n")
        assert "remote: wrote 6 bytes" in one.run(f"remote write {two.mac} 3 hello")


def test_file_of_a_remote_disk(disk):
    """A file is read from another node's disk, block by block; unasked, nothing is lent."""
    text = "".join(random.Random(SEED).choices("abcdefgh\n", k=20_000))
    image = archive({"readme": b"short\n", "folder/text": text.encode()})
    each = {2: {"disk": disk("disk", image), "append": "cluster=test far=8"}}
    with Fabric(2, each=each) as fabric:
        one, two = fabric.nodes
        two.wait_for("remote: serving 8 pages and the disk\n")
        assert text in one.run(f"remote cat {two.mac} folder/text")
        assert "no file 'none' on that disk" in one.run(f"remote cat {two.mac} none")
        assert "nobody offers that service" in two.run(f"remote cat {one.mac} readme")


# What has each operation of net/wire/ops.def run, by the program that checks what came of
# it; and whether it runs at the owner, or at who holds.
RUN_BY = {
    "every": "READ WRITE MCAS FETCH_ADD NOTIFY READV PUTV SEND",
    "hammer": "BLOCK_READ BLOCK_WRITE BLOCK_FLUSH",
    "blocks": "BLOCK_FUA BLOCK_TRIM BLOCK_ZERO",
    "count": "INVOKE",
    "pool": "ALLOC PROTECT DROP",
    "pass": "DERIVE HOLDERS REVOKE",
    "expel": "EXPEL",
    "hand": "REDEEM",
    "recall": "RELEASE",
}
AT_THE_HOLDER = {"GRANT", "RECALL"}


def ran(node) -> set[str]:
    """Operations that the node has run for others: the table lags a little."""
    time.sleep(0.3)
    return set(re.findall(r"^ran \d+: (\w+)$", node.run("links"), re.M))


def awaits(node, verb: str, ready: str) -> str:
    """Starts what waits for something of another node; its environment."""
    since = len(node.log())
    node.type(f"remote {verb}")
    return node.wait_for(rf"{ready} as environment (\d+)", since=since)[1]


def run_all(one, two, three):
    """Each program of RUN_BY but `every`, and what it says when all is well."""
    assert passed(one.run(f"remote hammer {two.mac} 500 {SEED}", 100))
    assert passed(one.run(f"remote blocks {two.mac} 40"))
    assert "remote: apples is 5\n" in one.run(f"remote count {two.mac} apples 5")
    assert passed(one.run(f"remote pool {two.mac}"))
    for how in ("", " expel"):
        taker = awaits(three, "take", "takes")
        said = one.run(f"remote pass {two.mac} {three.mac} {taker}{how}")
        assert "taken back, own access stays" in said, said
        three.wait_prompt()
    taker = awaits(three, "redeem", "redeems")
    assert "remote: taken back" in one.run(f"remote hand {two.mac} {three.mac} {taker}")
    one.background(f"remote keep {two.mac} 8 gives", "remote: keeps 8 pages\n")
    since = len(two.log())
    assert "they are asked" in three.run(f"remote recall {two.mac} 4 20000")
    two.wait_for(r"gave 4 pages, 0 were taken", since=since)


def test_every_operation(disk):
    """Each operation of the protocol does what it must: a new one wants a program here.
    What is done to memory says where its time went."""
    text = (ROOT / "net" / "wire" / "ops.def").read_text()
    names = set(re.findall(r"^X\((\w+),", text, re.M))
    covered = set(" ".join(RUN_BY.values()).split())
    assert names == covered | AT_THE_HOLDER
    with Fabric(3, each={2: {"disk": disk("disk", b"")}}) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 16 rw pool 12", "remote: serving 16 pages")
        said = one.run(f"remote every {two.mac}")
        assert "remote: PASS each operation" in said, said
        spent = re.findall(r"(\d+) us waiting, +(\d+) on the way, +(\d+) there", said)
        assert len(spent) == 12 and all(int(way) for _, way, _ in spent), said
        run_all(one, two, three)
        assert covered - ran(two) == set()
        assert AT_THE_HOLDER - ran(one) == set()


def test_program_at_the_owner():
    """A program in another node's kernel keeps counters by name; loss runs none of it twice."""
    with Fabric(2, seed=SEED, faults=FAULTS) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 4", "remote: serving 4 pages\n")
        total = 0
        for add in (5, 70, 900):
            total += add
            assert f"remote: apples is {total}\n" in one.run(f"remote count {two.mac} apples {add}")
        assert "remote: pears is 1\n" in one.run(f"remote count {two.mac} pears")
        assert f"remote: apples is {total}\n" in one.run(f"remote count {two.mac} apples 0")


def test_pool():
    """Frames of another node are taken out of its pool and given back, through loss; those
    of a node that dies come back, whether it begins another life or stays away."""
    with Fabric(3, seed=SEED, faults=FAULTS) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 4 ro pool 12", "remote: serving 4 pages\n")
        for node in (one, three):
            said = node.run(f"remote pool {two.mac}")
            assert "remote: PASS 12 pages were taken, given back and taken again\n" in said, said
        for back in (True, False):
            three.background(f"remote pool {two.mac} 12", "remote: keeps 12 pages\n")
            assert "FAIL" in one.run(f"remote pool {two.mac}")      # nothing is left
            since = len(two.log())
            three.kill()
            if back:
                three.start()
                three.wait_prompt()
            else:
                two.wait_for("pages come back from a silent node", since=since)
            wait_for(lambda: passed(one.run(f"remote pool {two.mac}")), PATIENCE_S)


@pytest.mark.parametrize("bus", ["virtio", "ahci"])
def test_blocks_for_good(disk, bus):
    """Blocks of another node's disk are written for good, zeroed and trimmed; what its
    disk cannot do is refused, and says so."""
    path = disk("disk", b"")
    with Fabric(2, each={2: {"disk": path, "disk_bus": bus}}) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 4 rw", "and the disk\n")
        said = one.run(f"remote blocks {two.mac} 40")
        assert passed(said), said
        assert "remote: trim: done\n" in said, said
        zero = "done" if bus == "virtio" else "the owner's disk cannot do that"
        assert f"remote: zero: {zero}\n" in said, said
    content = path.read_bytes()
    assert content[40 * BLOCK:48 * BLOCK] == b"\x33" * (8 * BLOCK)
    assert content[:40 * BLOCK].strip(b"\0") == content[48 * BLOCK:].strip(b"\0") == b""


@pytest.mark.parametrize("how", ["", " expel"], ids=["revoke", "expel"])
def test_derived_for_a_third_node(how):
    """A holder has the owner derive a part for a third node, sees it among the holders,
    and takes it back from all or from that one."""
    with Fabric(3) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 4", "remote: serving 4 pages\n")
        since = len(three.log())
        three.type("remote take")
        number = three.wait_for(r"takes as environment (\d+)", since=since)[1]
        said = one.run(f"remote pass {two.mac} {three.mac} {number}{how}")
        assert f"environment {number} holds 1 from 1" in said, said
        assert "taken back, own access stays" in said, said
        three.wait_for("took 1 pages with word 7a55 from node .; its bytes are 5a", since=since)
        three.wait_for("beyond it: outside the range.*; to write: .*lacks a right", since=since)
        three.wait_for("it is refused: (the capability was revoked|no capability|the slot holds)",
                       since=since)
        counted(two, ", 0 of ")


def test_ticket_of_a_holder():
    """A holder makes a ticket without the owner; whom it names redeems it there, once."""
    with Fabric(3) as fabric:
        one, two, three = fabric.nodes
        two.background("remote serve 4", "remote: serving 4 pages\n")
        since = len(three.log())
        three.type("remote redeem")
        number = three.wait_for(r"redeems as environment (\d+)", since=since)[1]
        said = one.run(f"remote hand {two.mac} {three.mac} {number}")
        assert "ticket 1 handed on" in said and f"environment {number} holds 1 from 1" in said, said
        assert "remote: taken back" in said, said
        three.wait_for("altered: the ticket is not as its maker made it", since=since)
        three.wait_for("redeemed 1 pages, its bytes are 5a; again: the ticket was redeemed before",
                       since=since)
        three.wait_for("beyond it: outside the range.*; to write: .*lacks a right", since=since)
        three.wait_for("it is refused: (the capability was revoked|no capability|the slot holds)",
                       since=since)
        counted(two, ", 0 of ")


def test_given_up_while_nobody_hears():
    """What is given up in a session that ends, and without one, is the owner's in the next."""
    with Fabric(2, seed=SEED) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        jobs = [one.background(f"remote keep {two.mac} 2 ignores", "remote: keeps 2 pages\n")
                for _ in range(2)]
        counted(two, ", 2 of ")
        fabric.switch.control.must("partition 1:2")
        one.run(f"kill {jobs[0]}")
        counted(one, " 1 lapsed")
        one.run(f"kill {jobs[1]}")
        assert ", 2 of " in two.run("links")
        fabric.switch.control.must("heal")
        counted(two, ", 0 of ")


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_whole_pages_where_the_path_carries_them(mtu):
    """A page goes in one frame where interfaces and switch take it, in parts elsewhere."""
    with Fabric(2, seed=SEED, mtu=mtu) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        one.wait_for("deos> ")
        if mtu > 1500:
            # Later it may not: a link that was kept waiting does without for a while.
            wait_for(lambda: longest_frame(one) > BLOCK, PATIENCE_S)
        said = one.run(f"remote hammer {two.mac} 500 {SEED}")
        assert passed(said), said
        assert mtu > 1500 or longest_frame(one) < BLOCK


def longest_frame(node) -> int:
    """What the path of the first link is known to carry."""
    found = re.search(r" up +\S+ +\d+ +\d+ +\d+ +(\d+)", node.run("links"))
    return int(found[1]) if found else 0


def test_without_a_cluster(tmp_path):
    """Without a name nothing is sent; another name is another cluster."""
    each = {2: {"append": ""}, 3: {"append": "cluster=other"},
            4: {"append": "cluster=test key=00ff"}}
    capture = tmp_path / "frames"
    with Fabric(4, each=each, strangers=True) as fabric:
        one, two, three, four = fabric.nodes
        fabric.switch.control.must(f"pcap {capture}")
        two.run("uptime")
        one.wait_for("deos> ")
        assert "names no cluster" in two.run("links")
        assert "joined no cluster" in two.run("remote read 0 0")
        assert "no session" in one.run(f"remote read {three.mac} 0")
        for node in (three, four):
            said = node.run("links")
            assert "fabric on" in said and one.mac not in said
        fabric.switch.control.must("pcap off")
        frames = capture.read_bytes()
        sent = bytes.fromhex(two.mac.replace(":", "")) + b"\x88\xb5"
        assert sent not in frames
        assert bytes.fromhex(one.mac.replace(":", "")) + b"\x88\xb5" in frames


def test_no_entropy():
    """A node without entropy does not join, and says so."""
    with Fabric(1, cpu="max,-rdrand", entropy=False) as fabric:
        assert "no source of entropy" in fabric.nodes[0].run("links")
        assert "this node joins no cluster" in fabric.nodes[0].log()


def test_node_paused():
    """A node stands still: the one who waits hears it within the lease; then no add is
    lost or has run twice."""
    with Fabric(2) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 4", "remote: serving 4 pages\n")
        since = len(one.log())
        one.type(f"remote pulse {two.mac}")
        one.wait_for("pulse begins", since=since)
        two.pause()
        one.wait_for(r"pulse ended after \d+ ms: the session ended", since=since)
        two.resume()
        one.wait_for("it is back, as it was: no add was lost or ran twice", since=since)


def test_node_killed():
    """A node loses power and comes back: another life, where old capabilities are void."""
    with Fabric(2) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 4", "remote: serving 4 pages\n")
        since = len(one.log())
        one.type(f"remote pulse {two.mac}")
        one.wait_for("pulse begins", since=since)
        two.kill()
        one.wait_for(r"pulse ended after \d+ ms: the session ended", since=since)
        two.start()
        two.wait_prompt()
        one.wait_for("it is back, another life: the capability is of an earlier life", since=since)


def captured(path) -> list[bytes]:
    """The fabric's frames of a capture file (pcap)."""
    data, at, frames = path.read_bytes(), 24, []
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return [frame for frame in frames if frame[12:14] == b"\x88\xb5"]


def dropped(node, why: str) -> int:
    """Frames that had no effect, by what `links` says of them."""
    return sum(int(n) for n in re.findall(rf"^dropped (\d+): {why}", node.run("links"), re.M))


def session(node) -> str:
    """The first link's incarnation and the number of sessions."""
    said = node.run("links")
    return re.search(r" up +(\S+)", said)[1] + re.search(r"sessions: (\d+)", said)[1]


def send_again(intruder, frames: list[bytes]):
    """All of them, no faster than a switch's queue takes them, from the intruder's own
    address, so that the switch goes on to bring each node what is for it."""
    for at in range(0, len(frames), 50):
        intruder.send(*[frame[:6] + intruder.mac + frame[12:] for frame in frames[at:at + 50]])
        time.sleep(0.02)


def ended_unasked(node) -> int:
    """Waits of an idle processor that no interrupt has ended, of some 500 that were traced."""
    found = 0
    for _ in range(10):
        lines = node.run("trace 256").splitlines()
        found += sum("halted" in line and "interrupt" not in before
                     for before, line in zip(lines, lines[1:]))
    return found


def test_processors_look_for_frames_before_they_halt():
    """With `look=` on one node, so that answers come without an interrupt; and with a word
    there that is no number on the other, which is interrupted for each request."""
    with Fabric(2, seed=SEED, append="cluster=test look=10000",
                each={2: {"append": "cluster=test look=never"}}) as fabric:
        one, two = fabric.nodes
        assert "fabric: look= is not a number of microseconds up to 10000" in two.log()
        assert "look=" not in one.log()
        two.background("remote serve 8", "remote: serving 8 pages\n")
        one.background(f"remote pulse {two.mac}", "remote: pulse begins\n")
        # A frame that came just before it would have halted ends a wait unasked, too.
        wait_for(lambda: ended_unasked(one) >= 200, PATIENCE_S)
        assert ended_unasked(two) < 100


def test_replayed_frames(tmp_path):
    """Frames of before, sent again by somebody on the link, have no effect; nor have they
    in a node's next life."""
    path = tmp_path / "frames"
    with Fabric(2, seed=SEED) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        fabric.switch.control.must(f"pcap {path}")
        assert passed(one.run(f"remote hammer {two.mac} 300 {SEED}"))
        one.run(f"remote write {two.mac} 0 before")
        fabric.switch.control.must("pcap off")
        frames = captured(path)
        assert len(frames) > 400
        said = one.run(f"remote write {two.mac} 0 after") + \
            one.run(f"remote read {two.mac} 0 16")
        assert "after" in said
        before, lost, intruder = session(two), dropped(two, OLD), fabric.switch.connect(3)
        send_again(intruder, frames)
        wait_for(lambda: dropped(two, OLD) >= lost + len(frames) // 3, PATIENCE_S)
        assert "after" in one.run(f"remote read {two.mac} 0 16")
        assert session(two) == before
        two.restart()
        two.background("remote serve 8", "remote: serving 8 pages\n")
        counted(two, " up ")
        lost = dropped(two, STALE)
        send_again(intruder, frames)
        wait_for(lambda: dropped(two, STALE) >= lost + len(frames) // 3, PATIENCE_S)
        assert "00 00 00 00" in one.run(f"remote read {two.mac} 0 16")
        assert "0 of " in two.run("links")


def test_hostile_programs():
    """Fabric queues abused: alone, and with operations on another node open at the end."""
    with Fabric(2, smp=2) as fabric:
        one, two = fabric.nodes
        two.background("remote serve 8", "remote: serving 8 pages\n")
        one.run(f"remote read {two.mac} 0")
        before = accounts.everything(one)
        said = one.run("trespass")
        assert re.search(r"^trespass: PASS \d{4} attempts$", said, re.M), said
        for how in ("leave", "fault"):
            for _ in range(5):
                assert "trespass: leaves" in one.run(f"trespass {how} {two.mac}")
        said = one.run(f"fuzz {SEED} 40")
        assert re.search(r"^fuzz: PASS \d+ attempts$", said, re.M), said
        wait_for(lambda: accounts.everything(one) == before, PATIENCE_S)
        counted(two, ", 0 of ")
