# SPDX-License-Identifier: BSD-2-Clause
"""What init does for its services, and that a node with nothing to do does nothing."""

from __future__ import annotations

import re
import socket
import subprocess
import time

import pytest

import accounts
from conftest import SITE
from guest import PATIENCE_S, Guest, build_folder
from memory import GDB, Memory, code_of, find

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

UNDEFINED = b"\x0f\x0b"         # ud2
IDLE_S = 4.0
IDLE_SHARE = 0.08               # of a host core; 0.04 is the aim on a quiet host


@pytest.mark.parametrize("processors", [1, 2])
def test_web_comes_back(processors):
    """The web service meets a fault of its memory, dies of it, and init starts it again;
    when the memory is well, the site is served, and nothing of the dead one is left."""
    symbols = subprocess.run(["nm", build_folder() / "libos/web.debug"], capture_output=True,
                             text=True, check=True).stdout.splitlines()
    code = code_of("web", "net_input", symbols)
    with Guest(smp=processors, site=SITE, options=GDB) as guest:
        guest.wait_prompt()
        assert guest.get("/") == SITE["index.html"]
        before = accounts.everything(guest)
        places = find(guest, code)
        assert places
        with Memory(guest) as memory:
            for place in places:
                memory.write(place, UNDEFINED)
        with socket.create_connection(("127.0.0.1", guest.port), PATIENCE_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            guest.wait_for("web: invalid opcode")
        guest.wait_for(r"^init: web died of a fault: invalid opcode \(vector 6\)")
        with Memory(guest) as memory:
            for place in places:
                memory.write(place, code[:2])
        again = guest.wait_for("^init: starting web again in 100 ms$")
        guest.wait_for("^web: serving 5 files", since=again.end())
        assert guest.get("/folder/large.bin") == SITE["folder/large.bin"]
        after = accounts.everything(guest)
        web = [[row for row in state.pop("environments") if row[1] == "web"]
               for state in (before, after)]
        assert len(web[0]) == len(web[1]) == 1 and web[0] != web[1]
        assert after == before
        guest.check()


@pytest.mark.parametrize("processors", [1, 2])
def test_idle(processors):
    """A node that serves nobody halts."""
    with Guest(smp=processors, site=SITE) as guest:
        guest.wait_prompt()
        assert guest.get("/") == SITE["index.html"]
        time.sleep(1)
        began, used = time.monotonic(), guest.cpu_seconds()
        time.sleep(IDLE_S)
        share = (guest.cpu_seconds() - used) / (time.monotonic() - began)
        print(f"idle, {processors} processors: {share:.1%} of a host core")
        assert share < IDLE_SHARE
        assert re.search(r"halted for \d+ us", guest.run("trace 100"))
