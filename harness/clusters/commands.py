# SPDX-License-Identifier: BSD-2-Clause
"""harness/cluster: the verbs, and what each prints."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from . import console, doctor
from .client import NotUp, request
from .failure import Failure, Usage
from .drive import DISKS
from .machine import MTU, NICS, QEMU
from .options import NODES_MAX, ROOT, Options, build_folder, tools_folder
from .probe import asks_well
from .process import is_alive, need
from .report import Report
from .state import State
from .words import UNITS, Parser, whole

DOWN_SECONDS = 20.0
START_SECONDS = 150.0
WAIT_TICK = 0.1
NODES = 3
ANSWER_SECONDS = 5.0  # in which a node that serves answers `status`
GROUPS = re.compile(r"\w+(,\w+)*([:>]\w+(,\w+)*)+")
FAULTS = {"loss": "frames lost, in percent", "delay": "ms on the way",
          "jitter": "ms of random delay more", "dup": "frames doubled, in percent",
          "reorder": "frames held back behind later ones, in percent",
          "corrupt": "frames with a flipped bit, in percent",
          "mtu": "bytes: longer frames are lost; 0: none"}


# ---- words of the command line ----

def size(text: str) -> int:
    """Bytes, from 64M or 1G; a plain number is MiB."""
    found = re.fullmatch(r"(\d{1,9})([KMG]?)(i?B)?", text.upper().replace("IB", "iB"))
    if not found or not int(found[1]):
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 256M or 1G")
    return int(found[1]) * UNITS[found[2]]


def fault(text: str) -> str:
    """A number of the switch's: percent, milliseconds or bytes."""
    if not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number like 5 or 0.5")
    return text


def groups(text: str) -> str:
    """Who is cut from whom."""
    if not GROUPS.fullmatch(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a partition like 1,2:3 or 1>2")
    return text


# ---- up and down ----

def up(words: argparse.Namespace) -> int:
    """Runs a cluster."""
    if words.firmware == "uefi":
        raise Usage("--firmware uefi is not there yet: BIOS machines are "
                    "what there is (--firmware bios)")
    nodes = words.nodes or (1 if words.standalone else NODES)
    options = Options(nodes, words.site, words.port, words.api_port, words.boot, words.net,
                      words.smp, words.mem >> 20, words.disk or 0, words.append, words.mtu,
                      words.standalone, words.nic, words.disk_bus)
    if options.net == "socket" and options.nodes > NODES_MAX["socket"]:
        raise Usage(f"--net socket carries at most {NODES_MAX['socket']} nodes")
    need(QEMU)
    tools = tools_folder()
    state = State(words.state.absolute())
    state.make()
    if not state.lock():
        return already_up(state)
    state.kill_processes()  # what an earlier run left; the lock is ours
    state.clean(logs=True, disks=options.standalone)
    state.make()
    # What only this verb needs takes most of the time to import.
    from .detach import run_detached
    from .supervisor import Supervisor
    if words.detach:
        return run_detached(options, state, tools)
    return Supervisor(options, state, Report(), tools).run()


def already_up(state: State) -> int:
    """A second `up` waits for the first one's READY and repeats it."""
    report = Report()
    report.step(f"already up in {state.folder} (harness/cluster down ends it)")
    while True:
        try:
            line = request(state, "status")["ready_line"]
            if line:
                report.answer(line)
                return 0
        except Failure:
            if state.supervisor() is None:
                raise
        report.live("waiting for it to be ready")
        time.sleep(WAIT_TICK)


def down(words: argparse.Namespace) -> int:
    """Ends a cluster, whatever state it is in."""
    state = State(words.state.absolute())
    if not state.folder.is_dir():
        print("nothing is up")
        return 0
    supervisor = state.supervisor()
    was_there = bool(state.read())
    if words.keep and supervisor is not None:
        request(state, "keep")
    if supervisor is not None:
        signal_process(supervisor.pid, signal.SIGTERM)
        deadline = time.monotonic() + DOWN_SECONDS
        while is_alive(supervisor) and time.monotonic() < deadline:
            time.sleep(0.02)
        if is_alive(supervisor):
            signal_process(supervisor.pid, signal.SIGKILL)
    if not state.lock(DOWN_SECONDS):
        raise Failure(f"the cluster in {state.folder} does not end: see {state.folder}/up.log")
    killed = state.kill_processes()
    state.clean(disks=not words.keep)
    state.unlock()
    print("down" + (f"; {killed} processes were left over" if killed else "") if was_there
          else "nothing is up")
    return 0


def signal_process(pid: int, number: int) -> None:
    """Signals the supervisor."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise Failure(f"the cluster belongs to another user (process {pid}): run this as that "
                      "user or as root") from error


# ---- questions ----

def read_status(state: State) -> dict:
    """What runs; the nodes are asked whether they serve."""
    told = request(state, "status")
    ask_nodes(told["status"], told["probe"], told["may_lack"])
    return told["status"]


def status(words: argparse.Namespace) -> int:
    """What runs, as a table or as JSON."""
    try:
        answer = read_status(State(words.state.absolute()))
    except NotUp:
        if words.json:
            print(json.dumps({"ready": False, "url": "", "api": "", "nodes": [], "net": ""}))
        raise
    if words.json:
        print(json.dumps(answer, indent=1))
        return 0
    ready = "READY" if answer["ready"] else "not ready"
    print(f"{ready} {answer['url']} net={answer['net']}")
    rows = [("node", "state", "address", "its own url", "incarnation", "pid", "")]
    for node in answer["nodes"]:
        what = node["reason"] or ("" if node["serving"] else "does not serve yet")
        rows.append((str(node["id"]), node["state"], node["ip"] or "-", node["url"],
                     node["incarnation"] or "-", str(node["pid"] or "-"), what))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    return 0


def ask_nodes(answer: dict, path: str, may_lack: bool) -> None:
    """Whether a node serves is what its web server says now, not what it once said."""
    def ask(node: dict) -> None:
        port = urlsplit(node["url"]).port
        node["serving"] = not asks_well(port, path, may_lack, ANSWER_SECONDS)

    asked = [node for node in answer["nodes"] if node["state"] == "up" and node["serving"]]
    threads = [threading.Thread(target=ask, args=(node,), daemon=True) for node in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer["ready"] &= all(node["serving"] for node in asked)


def find_node(state: State, number: int) -> dict:
    """A node's part of the status."""
    for node in request(state, "status")["status"]["nodes"]:
        if node["id"] == number:
            return node
    raise Failure(f"no node {number} in {state.folder}")


def attach(words: argparse.Namespace) -> int:
    """console."""
    state = State(words.state.absolute())
    node = find_node(state, words.node)
    if not node["pid"]:
        raise Failure(f"node {words.node} is down ({node['reason']})")
    folder, name = state.folder, f"node-{words.node}"
    if os.isatty(0):
        print(f"node {words.node}: Ctrl-] detaches")
    console.attach(folder / f"{name}.log", folder / f"{name}.in",
                   lambda: Path(f"/proc/{node['pid']}").exists())
    return 0


def execute(words: argparse.Namespace) -> int:
    """exec: the program's own exit status."""
    from .execute import execute as run_program
    state = State(words.state.absolute())
    node = find_node(state, words.node)
    if node["state"] != "up":
        raise Failure(f"node {words.node} is {node['state']} ({node['reason']})")
    name = f"node-{words.node}"
    return run_program(state.folder / f"{name}.log", state.folder / f"{name}.in",
                       [words.program, *words.arguments],
                       lambda: Path(f"/proc/{node['pid']}").exists(),
                       lambda line: print(line, flush=True))


# ---- changes ----

def change(words: argparse.Namespace) -> int:
    """kill, pause, freeze, resume."""
    request(State(words.state.absolute()), words.verb, node=words.node)
    return 0


def start(words: argparse.Namespace) -> int:
    """start: returns when the node serves."""
    state = State(words.state.absolute())
    request(state, "start", node=words.node)
    return wait_until_serves(state, words.node)


def add(words: argparse.Namespace) -> int:
    """add: returns when the new node serves."""
    state = State(words.state.absolute())
    return wait_until_serves(state, request(state, "add")["node"])


def wait_until_serves(state: State, number: int) -> int:
    """Waits for a node's web server, and says where it is."""
    report = Report()
    started = time.monotonic()
    while True:
        node = find_node(state, number)
        waited = time.monotonic() - started
        if node["serving"]:
            report.answer(f"node {number} serves at {node['url']}")
            return 0
        if node["state"] != "up":
            raise Failure(f"node {number} is {node['state']}: {node['reason']}")
        if waited > START_SECONDS:
            raise Failure(f"node {number} does not serve after {waited:.0f} s: "
                          f"harness/cluster console {number}")
        report.live(f"node {number} boots; {waited:.0f} s")
        time.sleep(WAIT_TICK)


def switch(words: argparse.Namespace, *commands: str) -> dict:
    """Commands for the switch; the last one's answer."""
    state = State(words.state.absolute())
    return request(state, "switch", commands=commands)["answer"]


def partition(words: argparse.Namespace) -> int:
    """partition."""
    switch(words, f"partition {words.groups}")
    return 0


def heal(words: argparse.Namespace) -> int:
    """heal."""
    switch(words, "heal")
    return 0


def link(words: argparse.Namespace) -> int:
    """link: sets faults, or shows them."""
    name = str(words.node) if words.node else "all"
    faults = [f"{key}={getattr(words, key)}" for key in FAULTS
              if getattr(words, key) is not None]
    commands = [f"seed {words.seed}"] if words.seed is not None else []
    if faults:
        commands.append(f"link {name} {' '.join(faults)}")
    answer = switch(words, *commands, "status")
    print(f"seed {answer['seed']}")
    for port in answer["ports"]:
        if port["socket"] and name in ("all", port["name"]):
            shown = " ".join(f"{key}={value:g}" for key, value in port["link"].items())
            cut = f" cut from {','.join(port['cut'])}" if port["cut"] else ""
            print(f"node {port['name']}: {shown}{cut}")
    return 0


def pcap(words: argparse.Namespace) -> int:
    """pcap: begins or ends a capture."""
    if words.file == "off":
        answer = switch(words, "pcap off")
        print(f"{answer['frames']} frames, {answer['bytes']} bytes captured")
        return 0
    path = Path(words.file).absolute()
    switch(words, f"pcap {path}")
    print(f"capturing to {path} until: harness/cluster pcap off")
    return 0


def examine(_words: argparse.Namespace) -> int:
    """doctor."""
    return doctor.examine(build_folder())


# ---- the command ----

def make_parser() -> Parser:
    """Every verb with its words."""
    parser = Parser(prog="harness/cluster", description="Runs clusters of DEOS nodes under QEMU.",
                    epilog="docs/cluster.md is its manual.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, run, text: str, *, node: bool = False) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        one.set_defaults(run=run)
        one.add_argument("--state", type=Path, default=build_folder() / "cluster", metavar="DIR",
                         help="the run's folder (default build/cluster): one cluster each")
        if node:
            one.add_argument("node", type=whole(1, 255), metavar="NODE")
        return one

    add_up(verb("up", up, "boots nodes that are one cluster and serve a website"))
    verb("down", down, "ends everything, after a crash too").add_argument(
        "--keep", action="store_true", help="leave the disks: the next `up` goes on with them")
    verb("status", status, "shows the nodes").add_argument(
        "--json", action="store_true", help="for programs")
    verb("add", add, "boots one node more")
    verb("kill", change, "powers a node off at once, as kill -9", node=True)
    verb("start", start, "boots a node that is down", node=True)
    verb("pause", change, "stops a node (SIGSTOP); its clock goes on", node=True)
    verb("freeze", change, "stops a node and its clock", node=True)
    verb("resume", change, "undoes pause and freeze", node=True)
    verb("partition", partition, "cuts nodes from each other").add_argument(
        "groups", type=groups, metavar="1,2:3",
        help="groups between colons; 1>2 cuts one way; the rest of the world is 'uplink'")
    verb("heal", heal, "undoes all partitions")
    add_link(verb("link", link, "sets the faults of nodes' links, or shows them"))
    verb("pcap", pcap, "captures all frames, until `pcap off`").add_argument(
        "file", metavar="FILE|off", help="a pcap file for Wireshark or tcpdump")
    verb("console", attach, "attaches this terminal to a node's console; Ctrl-] detaches",
         node=True)
    add_exec(verb("exec", execute, "runs a program on a node's shell: its output, its status",
                  node=True))
    verb("doctor", examine, "says what is missing on this machine")
    return parser


def add_up(parser: argparse.ArgumentParser) -> None:
    """The options of `up`."""
    option = parser.add_argument
    option("-n", "--nodes", type=whole(1, 60), metavar="N",
           help=f"default {NODES}; with --standalone 1")
    option("--site", type=Path, default=ROOT / "docs" / "site", metavar="DIR",
           help="the website (default docs/site)")
    option("--port", type=whole(1, 65535), default=8080, metavar="P",
           help="of 127.0.0.1 where the website is (default 8080)")
    option("--api-port", type=whole(1, 65535), default=0, metavar="P",
           help="of 127.0.0.1 where the cluster is controlled (default: one that is free)")
    option("--boot", choices=("pxe", "direct"), default="pxe",
           help="over the network, or handed over by QEMU (default pxe)")
    option("--firmware", choices=("bios", "uefi"), default="bios", help="default bios")
    option("--net", choices=("auto", "tap", "socket", "bridge"), default="auto",
           help="auto is tap for root, socket for others (at most 16 nodes)")
    option("--smp", type=whole(1, 64), default=1, metavar="K", help="processors of a node")
    option("--nic", choices=tuple(NICS), default="virtio", help="network card (default virtio)")
    option("--mem", type=size, default=size("256M"), metavar="M", help="default 256M")
    option("--mtu", type=whole(MTU, 9000), default=MTU, metavar="M",
           help=f"bytes that a node's interface takes, for the fabric's frames (default {MTU})")
    option("--disk", type=size, metavar="SIZE", help="of each node; a file that takes what is "
           "written to it (default 2G or four times the site, with --standalone none)")
    option("--disk-bus", choices=tuple(DISKS), default="virtio",
           help="what the disk hangs on (default virtio)")
    option("--standalone", action="store_true",
           help="no cluster: each node serves its own copy of the site, from its memory")
    option("--append", default="", metavar="WORDS", help="words for the kernel's command line")
    option("--detach", action="store_true", help="return when it is ready; `down` ends it")


def add_exec(parser: argparse.ArgumentParser) -> None:
    """The words of `exec`: what follows the program is the program's."""
    parser.add_argument("program", metavar="PROGRAM", help="of the boot archive, or a command of "
                        "the shell; `exec NODE help` and `exec NODE ls` list them")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG")


def add_link(parser: argparse.ArgumentParser) -> None:
    """The options of `link`."""
    parser.add_argument("node", type=whole(1, 255), nargs="?", metavar="NODE",
                        help="default: all nodes, those to come included")
    for name, text in FAULTS.items():
        metavar = "P" if "percent" in text else "M" if "bytes" in text else "MS"
        parser.add_argument(f"--{name}", type=fault, metavar=metavar,
                            help=text.replace("%", "%%"))
    parser.add_argument("--seed", type=whole(0, (1 << 64) - 1), metavar="S",
                        help="begins the random draws anew")


def main() -> int:
    """The command; every error is one line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        words = make_parser().parse_args()
        return words.run(words)
    except Failure as error:
        print(f"cluster: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"cluster: {where}{error.strerror or error}", file=sys.stderr)
        return 1
