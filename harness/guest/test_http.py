# SPDX-License-Identifier: BSD-2-Clause
"""What clients do to a web server: bad requests, slow ones, vanished ones.

libos/http/conformance_test.c has the rules of HTTP in full, on the host. Here a
sample of them goes through a node's own TCP, and the node must serve on.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import time

import pytest

from conftest import SITE
from guest import PATIENCE_S

pytestmark = pytest.mark.qemu

HOST = b"Host: node\r\n"

# What is sent, the status that must come, whether the connection then ends.
CASES = [
    (b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", 200, False),
    (b"GET /absent HTTP/1.1\r\n" + HOST + b"\r\n", 404, False),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", 405, False),
    (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 200, True),
    (b"GET / HTTP/1.0\r\n\r\n", 200, True),
    (b"GET / HTTP/1.1\r\n\r\n", 400, True),
    (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, True),
    (b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 400, True),
    (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 400, True),
    (b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n", 400, True),
    (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400, True),
    (b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", 501, True),
    (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", 505, True),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, True),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40000 + b"\r\n\r\n", 431, True),
    (b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501, True),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, True),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400, True),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, True),
]


@pytest.fixture(name="guest")
def fixture_guest(node):
    """A node with a site."""
    return node(site=SITE)


def connect(guest) -> socket.socket:
    """A connection to the node's web server."""
    guest.get("/")
    return socket.create_connection(("127.0.0.1", guest.port), PATIENCE_S)


def status_of(answer: bytes) -> int:
    """The status of the last response in what came."""
    head = answer[answer.rindex(b"HTTP/1.1 "):]
    return int(head[9:12])


LAST = b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


def exchange(link: socket.socket, request: bytes, closes: bool = False) -> tuple[bytes, bool]:
    """Sends, and reads until the connection ends. Where the request does not end it, one
    more behind it does. What came, without that one's answer; and whether there was none.
    A server that refuses early may reset what is still being sent."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        link.sendall(request if closes else request + LAST)
    answer = b""
    link.settimeout(PATIENCE_S)
    with contextlib.suppress(ConnectionResetError):
        while piece := link.recv(65536):
            answer += piece
    heads = answer.split(b"HTTP/1.1 ")
    if len(heads) > 2 and heads[-1].startswith(b"404 "):
        return b"HTTP/1.1 ".join(heads[:-1]), False
    return answer, True


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}-{case[0][:24]!r}")
def test_bad_requests_get_their_status(guest, case):
    request, status, closes = case
    with connect(guest) as link:
        answer, ended = exchange(link, request, closes)
    assert status_of(answer) == status and ended == closes
    assert guest.get("/") == SITE["index.html"]


def test_pipelined_requests_are_answered_in_order(guest):
    names = ["/", "/empty", "/with%20space.txt", "/absent", "/"]
    requests = b"".join(b"GET " + name.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n"
                        for name in names)
    with connect(guest) as link:
        answer, _ = exchange(link, requests)
    heads = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert heads == [200, 200, 200, 404, 200]
    assert answer.endswith(SITE["index.html"])


def test_a_range_is_cut_out_of_the_file(guest):
    with connect(guest) as link:
        answer, _ = exchange(link, b"GET /folder/large.bin HTTP/1.1\r\n" + HOST +
                             b"Range: bytes=299990-\r\n\r\n")
    assert status_of(answer) == 206
    assert answer.endswith(b"\r\n\r\n" + SITE["folder/large.bin"][299990:])


def test_noise_does_not_stop_the_server(guest):
    """Random bytes, in random pieces, over many connections."""
    seed = int(os.environ.get("SEED", "1"))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    for _ in range(60):
        with connect(guest) as link, contextlib.suppress(OSError):
            for _ in range(rng.randrange(4)):
                link.sendall(rng.randbytes(rng.randrange(3000)))
            if rng.random() < 0.5:      # a reset in place of an end
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]


def test_clients_that_do_nothing_keep_nobody_out(guest):
    """Heads that never end, answers that are never read; others are served meanwhile."""
    with contextlib.ExitStack() as stack:
        for number in range(120):
            link = stack.enter_context(connect(guest))
            if number % 3 == 0:
                link.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"X: ")
            elif number % 3 == 1:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                link.sendall((b"GET /folder/large.bin HTTP/1.1\r\n" + HOST + b"\r\n") * 4)
        assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]


def test_a_slow_head_is_cut_off(guest):
    """One byte now and then does not keep a connection: a head has ten seconds."""
    with connect(guest) as link, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        link.settimeout(0.5)
        until = time.monotonic() + 3 * PATIENCE_S
        for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * 1000:
            assert time.monotonic() < until, "still open"
            link.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if status_of(link.recv(4096)) == 408:
                    return
    pytest.fail("the connection was cut without a status")
