#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of the switch's uplinks with a hand-made station (station.py) as the node."""
import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from clusters.options import free_port  # noqa: E402
from switchbed import BROADCAST, SWITCH, Control, Node, Switch, frame, wait_for  # noqa: E402
from station import FIN, RST, SYN, Connection, Station  # noqa: E402

BOOT_URL = "http://10.0.2.2:8081/boot.ipxe"


# libslirp.

def test_slirp_leases_an_address_and_the_switch_sees_it():
    with Switch(2, "--slirp", "--bootfile", BOOT_URL) as switch:
        stations = [Station(switch.connect(number)) for number in (1, 2)]
        leases = [station.lease() for station in stations]
        assert [lease["ip"] for lease in leases] == ["10.0.2.15", "10.0.2.16"]
        assert leases[0]["router"] == "10.0.2.2"
        assert leases[0]["bootfile"] == BOOT_URL
        known = switch.control.port("1")["stations"]
        assert [(s["mac"], s["ip"], s["by"]) for s in known] == [
            ("52:54:00:00:00:01", "10.0.2.15", "dhcp")]
        assert stations[0].ping("10.0.2.2")


def test_slirp_serves_files_by_tftp(tmp_path):
    (tmp_path / "hello.txt").write_text("hello from the host")
    with Switch(1, "--slirp", "--tftp", str(tmp_path), "--bootfile", "hello.txt") as switch:
        station = Station(switch.connect(1))
        assert station.lease()["bootfile"] == "hello.txt"
        assert station.fetch_tftp("10.0.2.2", "hello.txt") == b"hello from the host"
        assert b"not found" in station.fetch_tftp("10.0.2.2", "absent").lower()
        assert b"violation" in station.fetch_tftp("10.0.2.2", "../../etc/passwd").lower()


def test_slirp_forwards_a_port_to_the_node():
    port = free_port()
    with Switch(1, "--slirp") as switch:
        station = Station(switch.connect(1))
        ip = station.lease()["ip"]
        switch.control.must(f"forward 127.0.0.1:{port} {ip}:80")
        assert switch.control.must("status")["forwards"] == [
            {"host": f"127.0.0.1:{port}", "guest": f"{ip}:80"}]
        client = socket.create_connection(("127.0.0.1", port), 5)
        connection = Connection(station, 80)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.receive_data()[0] == b"GET / HTTP/1.1\r\n\r\n"
        body = os.urandom(30000)
        connection.send_data(body)
        got = b""
        while len(got) < len(body):
            got += client.recv(65536)
        assert got == body
        client.close()
        assert connection.receive_data()[1] & (FIN | RST)
        switch.control.must(f"unforward 127.0.0.1:{port}")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)


def test_slirp_reaches_this_hosts_loopback():
    """10.0.2.2 is where a node fetches its boot image."""
    with socket.create_server(("127.0.0.1", 0)) as server, Switch(1, "--slirp") as switch:
        station = Station(switch.connect(1))
        station.lease()
        server.settimeout(60)
        station.send_tcp("10.0.2.2", (3000, server.getsockname()[1], 1, 0), SYN)
        server.accept()[0].close()


def test_slirp_forward_errors():
    with socket.create_server(("127.0.0.1", 0)) as server, Switch(1, "--slirp") as switch:
        taken = server.getsockname()[1]
        port = free_port()
        fails = switch.control.fails
        assert "Address already in use" in fails(f"forward 127.0.0.1:{taken} 10.0.2.15:80")
        assert "not HOSTIP:PORT" in fails("forward localhost:80 10.0.2.15:80")
        assert "not HOSTIP:PORT" in fails("forward 127.0.0.1:0 10.0.2.15:80")
        assert "not GUESTIP:PORT" in fails(f"forward 127.0.0.1:{port} 10.0.2.15:99999")
        assert "must be in 10.0.2.0/24" in fails(f"forward 127.0.0.1:{port} 192.168.1.1:80")
        assert "not forwarded" in fails(f"unforward 127.0.0.1:{port}")
        switch.control.must(f"forward 127.0.0.1:{port} 10.0.2.15:80")
        assert "forwarded already" in fails(f"forward 127.0.0.1:{port} 10.0.2.16:80")
        assert "no faults of its own" in fails("link uplink loss=5")


def test_slirp_is_not_given_what_it_does_not_know():
    with Switch(1, "--slirp") as switch:
        node = switch.connect(1)
        node.send(frame(BROADCAST, node.mac, bytes(100)),
                  frame(BROADCAST, node.mac, bytes(5000), 0x0800),
                  frame(BROADCAST, node.mac, bytes(100), 0x0800),
                  frame(BROADCAST, node.mac, os.urandom(1000), 0x0800),
                  frame(BROADCAST, node.mac, os.urandom(1000), 0x86DD),
                  frame(BROADCAST, node.mac, os.urandom(30), 0x0806))
        assert Station(node).lease()["ip"] == "10.0.2.15"
        assert switch.control.port("uplink")["counters"]["refused"] == 2


def test_uplink_can_be_partitioned_from_a_node():
    with Switch(2, "--slirp") as switch:
        one, two = (Station(switch.connect(number)) for number in (1, 2))
        one.lease()
        two.lease()
        switch.control.must("partition 1:uplink")
        assert two.ping("10.0.2.2")
        one.neighbours["10.0.2.2"] = two.neighbours["10.0.2.2"]
        with pytest.raises(AssertionError, match="no packet"):
            one.ping("10.0.2.2", timeout=0.3)


# tap: in a network namespace of its own, as the cluster runs it.

TAP_SCRIPT = """
ip link set lo up && ip tuntap add tap0 mode tap && ip addr add 10.77.0.1/24 dev tap0 &&
ip link set tap0 up && exec "$0" --control "$1" --port 1="$2" --tap tap0
"""


def in_namespace(*command: str) -> list[str]:
    """A command line that runs in a fresh network namespace."""
    return ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"]), *command]


def needs_tap():
    """Skips where no tap device can be made."""
    probe = subprocess.run(in_namespace("ip", "tuntap", "add", "t0", "mode", "tap"),
                           capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"no tap device here: {probe.stderr.decode().strip()}")


def test_tap_carries_frames_to_the_kernel_and_back():
    needs_tap()
    folder = tempfile.mkdtemp(prefix="deos-switch-")
    control_path, port_path = f"{folder}/control", f"{folder}/port1"
    command = in_namespace("sh", "-c", TAP_SCRIPT, str(SWITCH), control_path, port_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "switch: ready\n"
        control = Control(control_path)
        node = Node(port_path, 1)
        wait_for(lambda: control.port("1")["connected"])
        station = Station(node, "10.77.0.9")
        assert station.ping("10.77.0.1")
        known = control.port("1")["stations"]
        assert [(s["ip"], s["by"]) for s in known] == [("10.77.0.9", "arp")]
        # Longer than the tap's MTU: refused there, and nothing else suffers.
        node.send(frame(station.neighbours["10.77.0.1"], node.mac, bytes(9000)))
        assert station.ping("10.77.0.1")
        for _ in range(300):
            assert station.ping("10.77.0.1")
        assert "only with --slirp" in control.fails("forward 127.0.0.1:1 10.77.0.9:80")
        control.must("quit")
        assert process.wait(60) == 0
        control.close()
        node.close()
    shutil.rmtree(folder)


def test_tap_that_cannot_be_opened_is_named():
    unprivileged = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    result = subprocess.run([*unprivileged, str(SWITCH), "--control", "C", "--port", "1=P",
                             "--tap", "tap0"],
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "tap0" in result.stderr and result.stderr.count("\n") == 1


# A whole machine: firmware that boots over libslirp.

class BootServer(http.server.BaseHTTPRequestHandler):
    """Serves an iPXE script and notes who asked."""
    asked = threading.Event()

    def do_GET(self):
        """Any path."""
        body = b"#!ipxe\necho fetched through the switch\npoweroff\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.asked.set()

    def log_message(self, *_):
        """Quiet."""


@pytest.mark.qemu
def test_firmware_boots_through_slirp():
    BootServer.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), BootServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://10.0.2.2:{server.server_port}/boot.ipxe"
    with Switch(1, "--slirp", "--bootfile", url) as switch:
        command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "64", "-display", "none",
                   "-nodefaults", "-no-reboot", "-boot", "n",
                   "-netdev", f"stream,id=n,server=off,addr.type=unix,addr.path={switch.path(1)}",
                   "-device", "virtio-net-pci,netdev=n,mac=52:54:00:00:00:01"]
        with subprocess.Popen(command) as qemu:
            try:
                assert BootServer.asked.wait(60), "the firmware never asked for its script"
                known = switch.control.port("1")["stations"]
                assert [(s["ip"], s["by"]) for s in known] == [("10.0.2.15", "dhcp")]
            finally:
                qemu.kill()
        wait_for(lambda: not switch.control.port("1")["connected"])
    server.shutdown()
    server.server_close()
