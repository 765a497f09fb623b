#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of the TCP forwarder: data, half-close, resets, bounds, namespaces."""
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from clusters.options import free_port  # noqa: E402
from switchbed import FORWARD  # noqa: E402

TIMEOUT_S = 60


class Forward:
    """A running forwarder from fresh ports to the given ones."""

    def __init__(self, *targets: str, options: tuple[str, ...] = ()):
        self.ports = [free_port() for _ in targets]
        words = []
        for port, target in zip(self.ports, targets):
            words += ["--listen", f"127.0.0.1:{port}", "--to", target]
        self.process = subprocess.Popen([str(FORWARD), *words, *options], stdout=subprocess.PIPE,
                                        text=True)
        self.line = self.process.stdout.readline()

    def connect(self, index: int = 0) -> socket.socket:
        """A client of one of the ports."""
        return socket.create_connection(("127.0.0.1", self.ports[index]), TIMEOUT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert self.process.poll() is None, "the forwarder died"
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(TIMEOUT_S) == 0
        self.process.stdout.close()


@pytest.fixture(name="server")
def server_fixture():
    """A listening server; tests accept by hand."""
    with socket.create_server(("127.0.0.1", 0), backlog=2000) as server:
        server.settimeout(TIMEOUT_S)
        yield server


def target_of(server: socket.socket) -> str:
    """What --to needs."""
    return f"127.0.0.1:{server.getsockname()[1]}"


def accept(server: socket.socket) -> socket.socket:
    """The next connection, with a time limit."""
    peer = server.accept()[0]
    peer.settimeout(TIMEOUT_S)
    return peer


def read_all(peer: socket.socket) -> bytes:
    """Everything up to the end."""
    parts = []
    while part := peer.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def reset(peer: socket.socket):
    """Closes with a reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def test_megabytes_cross_both_ways_at_once(server):
    there, back = os.urandom(5 << 20), os.urandom(5 << 20)
    with Forward(target_of(server)) as forward:
        client, peer = forward.connect(), accept(server)

        def send(end, data):
            end.sendall(data)
            end.shutdown(socket.SHUT_WR)

        senders = [threading.Thread(target=send, args=pair)
                   for pair in ((client, there), (peer, back))]
        got = {}
        readers = [threading.Thread(target=lambda e=e, n=n: got.update({n: read_all(e)}))
                   for e, n in ((peer, "there"), (client, "back"))]
        for thread in senders + readers:
            thread.start()
        for thread in senders + readers:
            thread.join()
        assert got == {"there": there, "back": back}
        client.close()
        peer.close()


def test_half_close_reaches_the_server_and_its_answer_the_client(server):
    with Forward(target_of(server)) as forward, forward.connect() as client:
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        with accept(server) as peer:
            assert read_all(peer) == b"request"
            time.sleep(0.1)
            peer.sendall(b"answer")
        assert read_all(client) == b"answer"


def test_end_from_the_server_leaves_the_client_free_to_send(server):
    with Forward(target_of(server)) as forward, forward.connect() as client:
        with accept(server) as peer:
            peer.shutdown(socket.SHUT_WR)
            assert read_all(client) == b""
            client.sendall(b"still here")
            client.shutdown(socket.SHUT_WR)
            assert read_all(peer) == b"still here"


def test_resets_cross_both_ways(server):
    with Forward(target_of(server)) as forward:
        client, peer = forward.connect(), accept(server)
        client.sendall(b"x")
        assert peer.recv(1) == b"x"
        reset(client)
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
        peer.close()
        client, peer = forward.connect(), accept(server)
        client.sendall(b"x")
        assert peer.recv(1) == b"x"
        reset(peer)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        client.close()


def test_data_before_a_reset_arrives(server):
    with Forward(target_of(server)) as forward, forward.connect() as client:
        peer = accept(server)
        peer.sendall(b"last words")
        reset(peer)
        assert client.recv(100) == b"last words"
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_refused_connection_resets_the_client():
    with Forward(f"127.0.0.1:{free_port()}") as forward:
        for _ in range(3):
            with pytest.raises(ConnectionResetError), forward.connect() as client:
                client.recv(1)


def test_client_that_does_not_read_blocks_nobody(server):
    with Forward(target_of(server)) as forward:
        slow, slow_peer = forward.connect(), accept(server)
        slow_peer.setblocking(False)
        sent = 0
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 0.3:
            try:
                sent += slow_peer.send(b"x" * 65536)
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        with forward.connect() as client, accept(server) as peer:
            client.sendall(b"ping")
            assert peer.recv(4) == b"ping"
        got = 0
        while got < sent:
            got += len(slow.recv(1 << 20))
        assert got == sent
        slow.close()
        slow_peer.close()


def test_connections_are_bounded_and_the_rest_wait(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    with Forward(target_of(server)) as forward:
        clients = [forward.connect() for _ in range(1024)]
        peers = [accept(server) for _ in range(1024)]
        extra = forward.connect()
        extra.sendall(b"me too")
        server.settimeout(0.3)
        with pytest.raises(socket.timeout):
            server.accept()
        server.settimeout(TIMEOUT_S)
        clients[7].close()
        peers[0].close()  # whichever of the two pairs ends first frees a slot
        clients[0].close()
        for peer in peers:
            peer.close()
        assert accept(server).recv(6) == b"me too"
        for client in [*clients, extra]:
            client.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_connections_leave_nothing_behind(server):
    def serve():
        for _ in range(2000):
            with accept(server) as peer:
                peer.sendall(peer.recv(10))

    thread = threading.Thread(target=serve)
    thread.start()
    with Forward(target_of(server)) as forward:
        open_before = len(os.listdir(f"/proc/{forward.process.pid}/fd"))
        for _ in range(2000):
            with forward.connect() as client:
                client.sendall(b"hello")
                assert client.recv(10) == b"hello"
        thread.join()
        time.sleep(0.1)
        assert len(os.listdir(f"/proc/{forward.process.pid}/fd")) == open_before


def test_several_pairs_and_a_line_of_ones_own(server):
    with socket.create_server(("127.0.0.1", 0)) as other:
        targets = (target_of(server), target_of(other))
        with Forward(*targets, options=("--ready=up and running",)) as forward:
            assert forward.line == "up and running\n"
            for index, listener in enumerate((server, other)):
                with forward.connect(index) as client:
                    client.sendall(b"abc")
                    assert accept(listener).recv(3) == b"abc"


def test_idle_forwarder_takes_no_time(server):
    """Also with a connection that is half closed both in buffer and in socket."""
    with Forward(target_of(server)) as forward, forward.connect() as client:
        with accept(server) as peer:
            client.shutdown(socket.SHUT_WR)
            assert peer.recv(1) == b""
            schedstat = Path(f"/proc/{forward.process.pid}/schedstat")
            before = int(schedstat.read_text().split()[0])
            time.sleep(0.5)
            assert int(schedstat.read_text().split()[0]) - before < 10**7


# Namespaces.

INSIDE = """
import socket, subprocess
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.create_server(("127.0.0.1", 80))
print("ready", flush=True)
while True:
    peer = server.accept()[0]
    peer.sendall(b"from inside: " + peer.recv(100))
    peer.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="entering a network namespace needs root")
def test_connects_from_inside_a_namespace():
    with subprocess.Popen(["unshare", "--net", "/usr/bin/python3", "-c", INSIDE],
                          stdout=subprocess.PIPE, text=True) as inside:
        assert inside.stdout.readline() == "ready\n"
        path = f"/proc/{inside.pid}/ns/net"
        with Forward("127.0.0.1:80", options=("--netns", path)) as forward:
            assert forward.line == "forward: ready\n"
            with forward.connect() as client:
                client.sendall(b"hello")
                assert read_all(client) == b"from inside: hello"
        inside.kill()


# The program.

@pytest.mark.parametrize("words, status, error", [
    ([], 2, "every --listen wants its --to"),
    (["--listen", "127.0.0.1:1"], 2, "every --listen wants its --to"),
    (["--listen", "localhost:1", "--to", "127.0.0.1:2"], 2, "--listen localhost:1: not IP:PORT"),
    (["--listen", "127.0.0.1:1", "--to", "127.0.0.1"], 2, "--to 127.0.0.1: not IP:PORT"),
    (["--listen", "192.0.2.1:1", "--to", "127.0.0.1:2"], 1, "cannot listen on 192.0.2.1:1"),
    (["--listen", "127.0.0.1:0", "--to", "127.0.0.1:2"], 2, "not IP:PORT"),
    (["--what"], 2, "unrecognized option '--what'"),
    (["word"], 2, "Too many arguments"),
])
def test_bad_arguments_are_told(words, status, error):
    result = subprocess.run([str(FORWARD), *words], capture_output=True, text=True, timeout=60,
                            check=False)
    assert result.returncode == status and error in result.stderr and result.stdout == ""
    assert ("forward --help" in result.stderr) == (status == 2)


def test_taken_port_and_absent_namespace_are_named(server):
    taken = target_of(server)
    result = subprocess.run([str(FORWARD), "--listen", taken, "--to", "127.0.0.1:2"],
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert f"cannot listen on {taken}: Address already in use" in result.stderr
    words = ["--listen", f"127.0.0.1:{free_port()}", "--to", "127.0.0.1:2",
             "--netns", "deos-absent"]
    result = subprocess.run([str(FORWARD), *words], capture_output=True, text=True, timeout=60,
                            check=False)
    assert result.returncode == 1 and "no network namespace 'deos-absent'" in result.stderr
