# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams from the host to an address in the node's network, through QEMU's own."""

from __future__ import annotations

import re
import socket

from guest import Guest

TRIES = 60


class Datagrams:
    """A socket that QEMU forwards to a port of an address behind the interface."""

    def __init__(self, guest: Guest, address: str, port: int):
        guest.qmp("human-monitor-command",
                  **{"command-line": f"hostfwd_add net udp:127.0.0.1:0-{address}:{port}"})
        table = str(guest.qmp("human-monitor-command", **{"command-line": "info usernet"}))
        found = re.search(rf"UDP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+"
                          rf"{re.escape(address)}\s+{port}\s", table)
        assert found, table
        self.link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.link.connect(("127.0.0.1", int(found[1])))
        self.link.settimeout(1)

    def ask(self, datagram: bytes, prefix: bytes | None = None) -> bytes:
        """Sends until it is answered; returns the answer, which must begin so."""
        for _ in range(TRIES):
            self.link.send(datagram)
            try:
                while True:
                    answer = self.link.recv(2048)
                    if answer.startswith(datagram if prefix is None else prefix):
                        return answer
            except (TimeoutError, ConnectionRefusedError):
                continue
        raise AssertionError(f"no answer to {datagram[:20]!r}")
