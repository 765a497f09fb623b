# SPDX-License-Identifier: BSD-2-Clause
"""One node on this terminal: `make qemu`, `make qemu-gdb`, and `make gdb`.

No switch, no supervisor: QEMU takes this process's place, so that its own keys
work (Ctrl-A X quits) and nothing is left when it ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from . import unixpath
from .client import request
from .failure import Failure, Usage
from .machine import NICS, QEMU, Machine
from .options import ROOT, build_folder, check_port
from .process import need
from .site import read_site, write_archive
from .state import State

GDB_SOCKET = "gdb"


def number(name: str, default: str) -> int:
    """A number from make's variables."""
    text = os.environ.get(name) or default
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise Usage(f"{name}={text} is not a number")
    return int(text)


def choice(name: str, known: dict[str, str]) -> str:
    """A word from make's variables; the first that is known by default."""
    word = os.environ.get(name) or next(iter(known))
    if word not in known:
        raise Usage(f"{name}={word} is none of {', '.join(known)}")
    return word


def network(port: int) -> str:
    """QEMU's own user network, which reaches the node's web server if the port is free."""
    try:
        check_port(port)
    except Failure as error:
        print(f"qemu: {error}; the site is not reached from here")
        return "user,id=net"
    print(f"qemu: the site is at http://127.0.0.1:{port}/")
    return f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:80"


def memory() -> int:
    """MEM in MiB."""
    text = os.environ.get("MEM") or "256M"
    units = {"M": 1, "G": 1 << 10}
    digits, unit = text[:-1], text[-1:].upper()
    if not digits.isdigit() or unit not in units or int(digits) * units[unit] < 32:
        raise Usage(f"MEM={text} is not a size like 256M; a node needs 32M")
    return int(digits) * units[unit]


def run(stopped: bool) -> None:
    """Becomes QEMU. `stopped` waits for `make gdb` before the first instruction."""
    build = build_folder()
    folder = build / "qemu"
    folder.mkdir(parents=True, exist_ok=True)
    write_archive(read_site(Path(os.environ.get("SITE") or ROOT / "docs" / "site")),
                  folder / "site.cpio")
    machine = Machine(folder, "node", memory_mib=memory(), smp=number("SMP", "1"),
                      netdev=network(number("PORT", "8080")), kernel=build / "deos.elf",
                      nic=choice("NIC", NICS),
                      modules=[build / "boot.cpio", folder / "site.cpio"], on_terminal=True)
    if stopped:
        machine.extra += ["-S", "-gdb", f"unix:{GDB_SOCKET},server=on,wait=off"]
        print("qemu: stopped before its first instruction: make gdb, in another terminal")
    print("qemu: Ctrl-A X quits", flush=True)
    os.chdir(folder)
    os.execv(need(QEMU), machine.command())


def target(node: str) -> Path:
    """The socket on which gdb finds the node: of `make qemu-gdb`, or of a cluster's node."""
    build = build_folder()
    if not node:
        socket = build / "qemu" / GDB_SOCKET
        try:
            unixpath.connect(socket, 1.0).close()
        except OSError as error:
            raise Failure("no stopped node is there: make qemu-gdb starts one, and "
                          "NODE=2 means a node of the cluster that is up") from error
        return socket
    state = State(Path(os.environ.get("STATE") or build / "cluster").absolute())
    answer = request(state, "gdb", node=number("NODE", ""))
    return state.folder / answer["socket"]


def debug() -> None:
    """Becomes gdb."""
    socket = target(os.environ.get("NODE", ""))
    build = build_folder()
    os.chdir(socket.parent)
    os.execv(need("gdb"), [
        "gdb", "-q", str(build / "deos.debug"), "-ex", f"set substitute-path . {ROOT}",
        "-ex", f"directory {ROOT}", "-x", str(Path(__file__).with_name("gdb_commands.py")),
        "-ex", f"target remote {socket.name}"])


def main() -> int:
    """qemu, qemu-gdb or gdb."""
    try:
        {"qemu": lambda: run(False), "qemu-gdb": lambda: run(True), "gdb": debug}[sys.argv[1]]()
    except Failure as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
