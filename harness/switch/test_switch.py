#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of the real switch with fake nodes on its sockets (rig.py)."""
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from switchbed import BROADCAST, SWITCH, Switch, frame, wait_for  # noqa: E402

FLOOR_FRAMES_PER_SECOND = 100_000


def serial(number: int) -> bytes:
    """A payload that tells frames apart."""
    return struct.pack("!I", number)


def serial_of(data: bytes) -> int:
    """The number in a frame from serial()."""
    return struct.unpack_from("!I", data, 14)[0]


def read_pcap(path: Path) -> list[tuple[int, bytes]]:
    """The (nanosecond stamp, frame) records of a capture."""
    data = path.read_bytes()
    assert struct.unpack_from("<IHHIIII", data) == (0xA1B23C4D, 2, 4, 0, 0, 9600, 1)
    records, at = [], 24
    while at < len(data):
        seconds, nanoseconds, captured, original = struct.unpack_from("<IIII", data, at)
        assert captured == original and nanoseconds < 10**9
        records.append((seconds * 10**9 + nanoseconds, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    assert at == len(data)
    return records


# Frames.

@pytest.mark.parametrize("size", [14, 60, 1514, 9014, 9600])
def test_frames_cross_unchanged(size):
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        head = two.mac + one.mac + b"\x88\xb5"
        sent = head + os.urandom(size - len(head))
        one.send(sent)
        assert two.receive() == sent
        assert one.receive(0.05) is None


def test_flood_then_learned():
    with Switch(3) as switch:
        one, two, three = (switch.connect(n) for n in (1, 2, 3))
        one.send(frame(two.mac, one.mac, serial(1)))
        assert serial_of(two.receive()) == serial_of(three.receive()) == 1
        two.send(frame(one.mac, two.mac, serial(2)))
        assert serial_of(one.receive()) == 2
        assert three.receive(0.05) is None
        stations = switch.control.port("2")["stations"]
        assert [s["mac"] for s in stations] == ["52:54:00:00:00:02"]


def test_burst_arrives_whole_and_in_order():
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        for start in range(0, 6000, 200):
            one.send(*(frame(two.mac, one.mac, serial(i)) for i in range(start, start + 200)))
            for i in range(start, start + 200):
                assert serial_of(two.receive()) == i


def test_slow_reader_blocks_nobody():
    with Switch(3) as switch:
        one, two, three = switch.connect_all(3)
        for start in range(0, 4000, 40):
            to_two = [frame(two.mac, one.mac, serial(i).ljust(1000))
                      for i in range(start, start + 40)]
            to_three = [frame(three.mac, one.mac, serial(i)) for i in range(start, start + 40)]
            one.send(*to_two, *to_three)
            for i in range(start, start + 40):
                assert serial_of(three.receive()) == i
        port = switch.control.port("2")
        assert port["queued"] == 256
        assert port["counters"]["queue_full"] > 1000
        got = [serial_of(f) for f in two.receive_all()]
        assert got == list(range(len(got)))
        assert len(got) == 4000 - port["counters"]["queue_full"]
        one.send(frame(two.mac, one.mac, serial(9999)))
        assert serial_of(two.receive()) == 9999


def test_reading_starts_again_in_the_middle_of_a_frame():
    """A socket that fills takes part of a frame; the rest follows when there is room."""
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        sent = [frame(two.mac, one.mac, serial(i) + os.urandom(8996)) for i in range(200)]
        for data in sent:
            one.send(data)
        wait_for(lambda: switch.control.port("2")["queued"] > 0)
        assert two.receive_all() == sent


def test_killed_client_comes_back():
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        two.socket.sendall(struct.pack("!I", 60) + b"half a frame")
        two.close()
        wait_for(lambda: not switch.control.port("2")["connected"])
        assert switch.control.port("2")["stations"] == []
        one.send(frame(two.mac, one.mac, serial(1)))
        again = switch.connect(2)
        assert again.receive(0.05) is None
        one.send(frame(again.mac, one.mac, serial(2)))
        assert serial_of(again.receive()) == 2
        again.send(frame(one.mac, again.mac, serial(3)))
        assert serial_of(one.receive()) == 3
        assert switch.control.port("2")["connects"] == 2


def test_newest_client_has_the_port():
    with Switch(2) as switch:
        one, old = switch.connect_all(2)
        new = switch.connect(2)
        with pytest.raises(ConnectionError):
            old.receive()
        one.send(frame(new.mac, one.mac, serial(5)))
        assert serial_of(new.receive()) == 5


def test_giants_and_runts_cost_only_themselves():
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        giant = frame(two.mac, one.mac, bytes(20000))
        one.send(giant, b"", b"short", frame(two.mac, one.mac, serial(1)))
        assert serial_of(two.receive()) == 1
        counters = switch.counters(1)
        assert counters["oversize"] == 1 and counters["runt"] == 2


def test_stream_that_is_none_loses_only_its_port():
    with Switch(3) as switch:
        one, two, three = switch.connect_all(3)
        two.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionError):
            two.receive()
        one.send(frame(three.mac, one.mac, serial(1)))
        assert serial_of(three.receive()) == 1


# Faults.

def crossing(seed: int, faults: str, count: int = 2000) -> list[int]:
    """The serials that arrive when `count` frames go from 1 to 2."""
    with Switch(2, "--seed", str(seed)) as switch:
        one, two = switch.connect_all(2)
        switch.control.must(f"link all {faults}")
        got = []
        for start in range(0, count, 100):
            one.send(*(frame(two.mac, one.mac, serial(i)) for i in range(start, start + 100)))
            got += [serial_of(f) for f in two.receive_all(0.03)]
        return got + [serial_of(f) for f in two.receive_all()]


def test_seed_decides_loss_and_duplication():
    first = crossing(7, "loss=5 dup=5")
    assert first == crossing(7, "loss=5 dup=5")
    assert first != crossing(8, "loss=5 dup=5")
    lost = 2000 - len(set(first))
    assert 195 - 80 < lost < 195 + 80  # 1 - 0.95^2; deviation 13
    doubled = len(first) - len(set(first))
    assert 185 - 90 < doubled < 185 + 90


def test_reordering_loses_nothing():
    got = crossing(1, "reorder=20")
    assert sorted(got) == list(range(2000))
    assert got != sorted(got)


def test_delay_is_felt_both_ways():
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        switch.control.must("link 2 delay=30 jitter=10")
        for _ in range(5):
            start = time.monotonic()
            one.send(frame(two.mac, one.mac, serial(1)))
            assert two.receive()
            there = time.monotonic()
            two.send(frame(one.mac, two.mac, serial(2)))
            assert one.receive()
            assert there - start >= 0.030
            assert time.monotonic() - there >= 0.030
            assert time.monotonic() - start < 0.5
        assert switch.control.port("1")["link"]["delay"] == 0


def test_frames_longer_than_a_path_are_counted_and_gone():
    with Switch(3) as switch:
        one, two, three = switch.connect_all(3)
        switch.control.must("link 2 mtu=1500")
        assert switch.control.port("2")["link"]["mtu"] == 1500
        sent = [frame(two.mac, one.mac, bytes(length)) for length in (1500, 1501, 9000)]
        one.send(*sent)
        assert two.receive_all() == sent[:1]
        two.send(frame(one.mac, two.mac, bytes(1501)), frame(one.mac, two.mac, b"short"))
        assert len(one.receive()) == 60
        assert switch.counters(2)["too_long_out"] == 2
        assert switch.counters(2)["too_long_in"] == 1
        one.send(frame(three.mac, one.mac, bytes(9000)))
        assert len(three.receive()) == 9014
        assert "up to 9586, or 0 for all" in switch.control.fails("link 2 mtu=9587")
        switch.control.must("link all mtu=0")
        one.send(sent[1])
        assert two.receive() == sent[1]


def test_corruption_is_counted_and_carried():
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        switch.control.must("link 1 corrupt=100")
        sent = frame(two.mac, one.mac, serial(1))
        one.send(sent)
        got = two.receive()
        wrong = bin(int.from_bytes(sent, "big") ^ int.from_bytes(got, "big")).count("1")
        assert wrong == 1 and got[:12] == sent[:12]
        assert switch.counters(1)["corrupted_in"] == 1


def test_partitions_and_heal():
    with Switch(3) as switch:
        one, two, three = switch.connect_all(3)
        switch.control.must("partition 1,2:3")
        one.send(frame(BROADCAST, one.mac, serial(1)))
        three.send(frame(one.mac, three.mac, serial(2)))
        assert serial_of(two.receive()) == 1
        assert three.receive(0.05) is None and one.receive(0.05) is None
        assert switch.control.port("3")["cut"] == ["1", "2"]
        switch.control.must("heal")
        switch.control.must("partition 3>1")
        three.send(frame(one.mac, three.mac, serial(3)))
        one.send(frame(three.mac, one.mac, serial(4)))
        assert serial_of(three.receive()) == 4
        assert one.receive(0.05) is None
        switch.control.must("heal")
        three.send(frame(one.mac, three.mac, serial(5)))
        assert serial_of(one.receive()) == 5


def test_port_that_is_added_begins_with_the_faults_of_all():
    with Switch(1) as switch:
        switch.control.must("link all loss=12.5 delay=3")
        switch.control.must(f"port 2={switch.path(2)}")
        port = switch.control.port("2")
        assert port["link"]["loss"] == 12.5 and port["link"]["delay"] == 3
        switch.control.must("link all loss=0 delay=0")
        one, two = switch.connect_all(2)
        one.send(frame(two.mac, one.mac, serial(6)))
        assert serial_of(two.receive()) == 6


# The control line.

BAD_COMMANDS = {
    "": "empty line",
    "frobnicate": "unknown command 'frobnicate'",
    "status now": "usage: status",
    "link": "usage: link",
    "link 1": "usage: link",
    "link 9 loss=1": "no port named '9'",
    "link 1 loss": "'loss' is not KEY=VALUE",
    "link 1 loss=101": "loss wants a percentage",
    "link 1 loss=-1": "loss wants a percentage",
    "link 1 loss=1e3": "loss wants a percentage",
    "link 1 loss=0.00001": "loss wants a percentage",
    "link 1 delay=10001": "delay wants milliseconds",
    "link 1 speed=9": "unknown fault 'speed'",
    "link all dup=5 speed=9": "unknown fault 'speed'",
    "seed": "usage: seed",
    "seed x": "a seed is a whole number",
    "seed 18446744073709551616": "a seed is a whole number",
    "partition 1": "a partition is",
    "partition 1:9": "no port named '9'",
    "partition 1:1": "a port is named twice",
    "partition 1>2>1": "a port is named twice",
    "partition :": "no port named ''",
    "pcap": "usage: pcap",
    "pcap /nonexistent/x.pcap": "cannot write /nonexistent/x.pcap: No such file",
    "pcap /dev/null": "is not a regular file",
    "pcap /": "cannot write /",
    "port 3": "is not NAME=SOCKETPATH",
    "port 1=/tmp/x": "there is a port '1' already",
    "port all=/tmp/x": "port name 'all'",
    "port a/b=/tmp/x": "port name 'a/b'",
    "port 3=/nonexistent/x": "cannot listen on /nonexistent/x",
    "port 3=" + "x" * 120: "must have 1 to 107 bytes",
    "forward 127.0.0.1:1 10.0.2.15:80": "only with --slirp",
    "unforward 127.0.0.1:1": "only with --slirp",
    "quit now": "usage: quit",
}


def test_bad_commands_say_what_is_wrong_and_change_nothing():
    with Switch(2) as switch:
        def shape():
            status = switch.control.must("status")
            return [(p["name"], p["link"], p["cut"]) for p in status["ports"]]

        before = shape()
        for command, error in BAD_COMMANDS.items():
            assert error in switch.control.fails(command), command
        assert shape() == before


def test_lines_are_cut_and_joined_as_they_come():
    with Switch(1) as switch:
        raw = socket.socket(socket.AF_UNIX)
        raw.settimeout(60)
        raw.connect(switch.control_path)
        answers = raw.makefile("rb")
        raw.sendall(b"seed 5\r\n  seed   6 \nse")
        raw.sendall(b"ed 7\n" + b"x" * 5000 + b"\nseed 8\n")
        seeds = [answers.readline() for _ in range(5)]
        assert [b'"seed":%d' % n in s for n, s in zip((5, 6, 7), seeds)] == [True] * 3
        assert b"longer than 1023 bytes" in seeds[3]
        assert b'"seed":8' in seeds[4]
        raw.close()


def test_client_that_reads_no_answers_stops_nothing():
    with Switch(2) as switch:
        rude = socket.socket(socket.AF_UNIX)
        rude.setblocking(False)
        rude.connect(switch.control_path)
        try:
            while True:
                rude.send(b"status\n" * 1000)
        except BlockingIOError:
            pass
        one, two = switch.connect_all(2)
        one.send(frame(two.mac, one.mac, serial(1)))
        assert serial_of(two.receive()) == 1
        rude.close()


def test_more_control_clients_than_slots():
    with Switch(1) as switch:
        others = []
        for _ in range(20):
            other = socket.socket(socket.AF_UNIX)
            other.connect(switch.control_path)
            others.append(other)
        assert switch.control.must("status")
        for other in others[:15]:
            other.close()
        others[-1].sendall(b"seed 3\n")
        others[-1].settimeout(60)
        assert b'"ok":true' in others[-1].recv(100)
        for other in others[15:]:
            other.close()


def test_quit_ends_the_switch():
    switch = Switch(1)
    assert switch.control.must("quit")
    assert switch.process.wait(60) == 0
    assert switch.end() == 0


# Capture.

def test_capture_has_everything_that_crossed():
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        path = switch.folder / "a capture.pcap"
        path.write_bytes(b"old" * 10000)
        begin = time.time_ns()
        assert switch.control.must(f"pcap {path}")["file"] == str(path)
        sent = [frame(two.mac, one.mac, serial(i) + bytes(i)) for i in range(500)]
        for data in sent:
            one.send(data)
            assert two.receive() == data
        assert switch.control.must("pcap off")["frames"] == 500
        one.send(frame(two.mac, one.mac, serial(1)))
        assert two.receive()
        records = read_pcap(path)
        assert [data for _, data in records] == sent
        stamps = [stamp for stamp, _ in records]
        assert stamps == sorted(stamps)
        assert begin - 10**7 < stamps[0] <= stamps[-1] < time.time_ns() + 10**7


def test_capture_is_whole_while_nothing_moves():
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        path = switch.folder / "x.pcap"
        switch.control.must(f"pcap {path}")
        one.send(frame(two.mac, one.mac, serial(1)))
        assert two.receive()
        wait_for(lambda: path.stat().st_size == 24 + 16 + 60)
        assert len(read_pcap(path)) == 1


# The program.

def run_switch(*words: str) -> subprocess.CompletedProcess:
    """Runs the program with arguments that make it stop at once."""
    return subprocess.run([str(SWITCH), *words], capture_output=True, text=True, timeout=60,
                          check=False)


@pytest.mark.parametrize("words, status, error", [
    ([], 2, "--control PATH is missing"),
    (["--control", "C"], 2, "there is no --port"),
    (["--control", "C", "--port", "1"], 2, "not NAME=SOCKETPATH"),
    (["--control", "C", "--port", "1=P", "--port", "1=Q"], 1, "there is a port '1' already"),
    (["--control", "C", "--port", "=P"], 1, "port name ''"),
    (["--control", "C", "--port", "1=no/where"], 1, "cannot listen on no/where"),
    (["--control", "C", "--port", "1=" + "p" * 200], 1, "must have 1 to 107 bytes"),
    (["--control", "C", "--port", "1=P", "--port", "2=P"], 1, "P is in use"),
    (["--control", "no/C", "--port", "1=P"], 1, "cannot listen on no/C"),
    (["--control", "C", "--port", "1=P", "--seed", "x"], 2, "'x' is no number"),
    (["--control", "C", "--port", "1=P", "--tap", "t", "--slirp"], 2, "exclude each other"),
    (["--control", "C", "--port", "1=P", "--bootfile", "b"], 2, "need --slirp"),
    (["--control", "C", "--port", "1=P", "--slirp", "--tftp", "nowhere"], 2, "no such directory"),
    (["--control", "C", "--port", "1=P", "--slirp", "--bootfile", "b" * 200], 1, "longer than 127"),
    (["--control", "C", "--port", "uplink=P", "--slirp"], 1, "there is a port 'uplink' already"),
    (["--control", "C", "--port", "1=P", "--tap", "t" * 40], 1, "must have 1 to 15 bytes"),
    (["--what"], 2, "unrecognized option '--what'"),
    (["--control", "C", "--port", "1=P", "word"], 2, "Too many arguments"),
])
def test_bad_arguments_are_told(words, status, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run_switch(*words)
    assert result.returncode == status
    assert error in result.stderr
    assert result.stdout == ""
    assert not list(tmp_path.iterdir()), "something was left behind"


def test_help_is_there():
    result = run_switch("--help")
    assert result.returncode == 0 and result.stdout.startswith("Usage: switch")


def test_sockets_of_a_dead_switch_are_replaced_and_others_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = [str(SWITCH), "--control", "C", "--port", "1=P"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "switch: ready\n"
        assert "in use" in run_switch(*command[1:]).stderr
        first.kill()
    assert Path("P").is_socket() and Path("C").is_socket()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout.readline() == "switch: ready\n"
        second.send_signal(signal.SIGINT)
        assert second.wait(60) == 0
    Path("P").write_text("precious")
    assert "is not a socket" in run_switch(*command[1:]).stderr
    assert Path("P").read_text() == "precious"


def test_sockets_are_for_this_user_only():
    with Switch(1) as switch:
        for path in (switch.path(1), switch.control_path):
            assert os.stat(path).st_mode & 0o077 == 0


def test_idle_switch_takes_no_time():
    with Switch(2) as switch:
        switch.connect_all(2)
        before = cpu_ns(switch.process.pid)
        time.sleep(0.5)
        assert cpu_ns(switch.process.pid) - before < 10**7


def cpu_ns(pid: int) -> int:
    """Processor time that a process has used."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


@pytest.mark.parametrize("size", [60, 1514, 9014])
def test_a_core_carries_enough_frames(size):
    """Frames a second of the switch's own processor time, so that the machine's load and the
    speed of this test do not count."""
    with Switch(2) as switch:
        one, two = switch.connect_all(2)
        data = frame(two.mac, one.mac, bytes(size - 14))
        count = min(200_000 // len(data), 250)  # what a queue holds: nothing is dropped
        burst = (struct.pack("!I", len(data)) + data) * count
        before = cpu_ns(switch.process.pid)
        for _ in range(300):
            one.socket.sendall(burst)
            left = len(burst)
            while left > 0:
                left -= len(two.socket.recv(min(left, 1 << 20)))
        spent_s = (cpu_ns(switch.process.pid) - before) / 1e9
        rate = 300 * count / spent_s
        print(f"{size} B: {rate:.0f} frames a second of processor time")
        assert switch.counters(2)["queue_full"] == 0
        assert rate > FLOOR_FRAMES_PER_SECOND
