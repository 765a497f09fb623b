# SPDX-License-Identifier: BSD-2-Clause
"""Hostile programs (libos/programs/hostile) on a node that serves a site: each must
have made its attempts and been refused, harm nobody, and leave nothing behind."""

from __future__ import annotations

import re
import struct
import time
from pathlib import Path
from typing import Iterator

import pytest

import accounts
from conftest import SITE
from guest import MAC, PATIENCE_S

pytestmark = pytest.mark.qemu


@pytest.fixture(name="scratch", scope="module")
def fixture_scratch(tmp_path_factory):
    """A folder with disks that nobody will miss."""
    folder = tmp_path_factory.mktemp("attack")
    for processors in (1, 2):
        (folder / f"disk{processors}").write_bytes(bytes(1 << 20))
    return folder


@pytest.fixture(name="guest", params=[1, 2], ids=["smp1", "smp2"])
def fixture_guest(node, scratch, request):
    """A node that serves, with one processor and with two; what it holds is the same
    after each test as before, and it still serves."""
    guest = node(smp=request.param, memory_mib=128, site=SITE,
                 disk=scratch / f"disk{request.param}")
    before = accounts.everything(guest)
    yield guest
    if guest.broken:
        return          # the test has failed and says why
    guest.check()
    accounts.check_restored(guest, before)
    assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]
    guest.check()


def verdict(guest, command: str, attempts: int) -> str:
    """Runs a program to its verdict, which must be PASS after exactly that many attempts:
    one that is not made any more is missed."""
    said = guest.run(command)
    name = command.split()[0]
    found = re.search(rf"^{name}: PASS (\d+) attempts$", said, re.M)
    assert found and int(found[1]) == attempts, said
    return said


def test_wild_pointers(guest):
    """Pointers to nowhere, and calls that there are not."""
    said = verdict(guest, "wild", 580)
    assert re.findall(r"^wild: (\w+)$", said, re.M) == [
        "env_create", "cap_inspect", "page_batch", "wait", "wake", "watch", "ring_bind",
        "ring_narrow", "ring_filter", "queue_bind", "volume_open", "console_write", "console_read",
        "entropy_read", "trace_read", "page_bits", "code_load", "code_verify", "wait_for",
        "entry_wait"]


def test_theft(guest):
    """Slots, ranges, rights, frames, slices and places of others."""
    verdict(guest, "thief", 576)


def test_lesser_rights(guest):
    """Capabilities without the one right that an operation needs."""
    verdict(guest, "lesser", 80)


def test_leaks(guest):
    """Registers, FPU state, frames, answers and tables tell nothing of others."""
    verdict(guest, "leak", 7804)


# How the environment ends; a broken handler is found at the fault or one later.
WAYS = {
    **dict.fromkeys(["no-handler", "handler-low", "handler-kernel", "handler-tables",
                     "handler-uarea", "handler-non-canonical"], "died of a fault"),
    **dict.fromkeys(["handler-unmapped", "handler-data", "handler-faults", "stack-none",
                     "stack-upside-down", "stack-tiny", "stack-unmapped", "stack-constant",
                     "stack-text", "stack-kernel", "stack-tables", "stack-uarea",
                     "stack-non-canonical", "stack-everything", "stack-low"],
                    "died: its upcall stack could not take a"),
}


def test_broken_upcalls(guest):
    """An upcall handler or stack that is none ends its own environment, and says how."""
    for way, end in WAYS.items():
        said = guest.run(f"die {way}")
        assert re.fullmatch(rf"die: trying {way}\n\[\d+\] die: {end}.* \(vector 14\), .*\n", said)


@pytest.mark.parametrize("cause", ["timer", "slice"])
def test_broken_timers(guest, cause):
    """The same when the upcall is that of a timer, or of the start of a slice."""
    for way, end in WAYS.items():
        said = guest.run(f"die {way} {cause}")
        found = re.fullmatch(rf"die: trying {way}\n\[\d+\] die: {end}(.*) "
                             r"\(vector (\d+)\), .*\n", said)
        assert found, said
        # A handler that can be entered meets its own fault next. Who is always on its
        # upcall stack is never told of a slice.
        enters = way in ("handler-unmapped", "handler-data", "handler-faults")
        untold = way == "stack-everything" and cause == "slice"
        assert (found[1].split()[-1], int(found[2])) == (
            ("fault", 14) if enters or untold else ("timer", 0xffff)), said


@pytest.mark.parametrize("call", ["nothing", "null", "yield", "wait", "timer", "map", "fault",
                                  "overrun", "cling"])
def test_endless_loops(guest, call):
    """Loops for ever, more than there are processors, take nobody else's time."""
    spinners = [guest.background(f"spin {call}") for _ in range(guest.smp + 1)]
    for _ in range(3):
        assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]
    envs = accounts.environments(guest)
    assert all(envs[number]["name"] == "spin" for number in spinners)
    assert "hello: environment" in guest.run("hello")
    for number in spinners:
        assert guest.run(f"kill {number}") == f"[{number}] spin: killed\n"


def frames_on_the_wire(path: Path) -> Iterator[bytes]:
    """What QEMU saw on the node's interface, both ways (libpcap's format)."""
    data = path.read_bytes()
    assert struct.unpack_from("<IHH", data) == (0xa1b2c3d4, 2, 4)
    at = 24
    while at + 16 <= len(data):
        kept = struct.unpack_from("<I", data, at + 8)[0]
        if at + 16 + kept > len(data):
            return      # being written
        yield data[at + 16:at + 16 + kept]
        at += 16 + kept


def types_of(frame: bytes) -> list[int]:
    """The EtherTypes of a frame, tags included, outermost first."""
    found, at = [], 12
    while at + 2 <= len(frame):
        found.append(int.from_bytes(frame[at:at + 2], "big"))
        if found[-1] not in (0x8100, 0x88a8, 0x9100):
            break
        at += 4
    return found


def test_forgery(guest):
    """Frames under another's address, of the fabric, or from memory of others do not
    get out; honest ones of the same program do, in numbers."""
    verdict(guest, "forge", 405)
    own = bytes.fromhex(MAC.replace(":", ""))
    derived = bytes([(own[0] ^ 7 << 4) & 0xf0 | 2]) + own[1:]
    gateway = bytes.fromhex("52550a000202")     # QEMU's
    honest = 0
    for frame in frames_on_the_wire(guest.pcap):
        assert b"FORGED" not in frame
        assert 0x88b5 not in types_of(frame)
        assert frame[6:12] in (own, derived, gateway), frame[:32].hex()
        honest += frame[6:12] == derived and b"HONEST" in frame
    assert honest >= 6 * 192
    refused = re.search(r"^ +0 web .* (\d+)$", guest.run("rings"), re.M)
    assert refused and refused[1] == "0", "the site's own ring is not blamed"


def test_exhaustion(guest):
    """Everything that a program may take it takes, and exits without giving it back."""
    verdict(guest, "exhaust", 16)


def test_exhaustion_held(guest):
    """While one holds everything that it may, others run and the site is served."""
    number = guest.background("exhaust hold", "exhaust: holding on")
    verdict(guest, "exhaust", 16)
    assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]
    assert "hello: environment" in guest.run("hello")
    guest.run(f"kill {number}")


def test_fork_bomb(guest):
    """Environments that make environments come to an end at the quota, and all of them
    end with the first."""
    number = guest.background("bomb", r"bomb: \d+ environments, then: .*\n")
    names = [row["name"] for row in accounts.environments(guest).values()]
    assert names.count("bomb") >= 3
    assert guest.get("/") == SITE["index.html"]
    assert "hello: environment" in guest.run("hello")
    guest.run(f"kill {number}")
    names = [row["name"] for row in accounts.environments(guest).values()]
    assert "bomb" not in names


@pytest.mark.parametrize("way", ["sending", "reading", "writing", "upcall", "writing-child",
                                 "waiting-child", "yielding", "deep"])
def test_end_in_the_middle(guest, way):
    """A program that ends while others, or devices, are busy with what it holds."""
    for _ in range(3):
        assert re.fullmatch(r"\[\d+\] quit: exited with status 42\n", guest.run(f"quit {way}"))
        assert "quit: died of a fault: page fault" in guest.run(f"quit {way} fault")


def test_killed_asleep(guest):
    """A program is ended while it sleeps on everything that can be waited for."""
    number = guest.background("quit sleeping", "quit: asleep\n")
    end = time.monotonic() + PATIENCE_S     # it says so just before it is
    while accounts.environments(guest)[number]["state"] != "asleep":
        assert time.monotonic() < end
    assert guest.run(f"kill {number}") == f"[{number}] quit: killed\n"


def test_random_calls(guest):
    """Some thousand random system calls, always the same ones; `make attack` makes others."""
    said = guest.run(f"fuzz {7000 * guest.smp} 20")
    passed = re.search(r"^fuzz: PASS (\d+) attempts$", said, re.M)
    assert passed and int(passed[1]) >= 2000, said
    made = re.search(r"(\d+) accepted; (\d+) rings, (\d+) queues, (\d+) children$", said, re.M)
    assert made and min(map(int, made.groups())) > 10, said
