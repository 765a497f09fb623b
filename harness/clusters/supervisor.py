# SPDX-License-Identifier: BSD-2-Clause
"""The process that owns a run: it starts everything, watches it, and ends it.

One thread does all of it, so a process's parent never ends before the run does
(whoever's parent thread ends is killed). Commands come in on a unix socket, a
line of JSON each, and are answered at once: what takes long (a node's start) is
watched by whoever asked. Only probes of web servers, and the boot server's
transfers, run in threads.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from . import unixpath
from .api import AGENT_PORT
from .failure import Failure, Usage, in_a_line
from .machine import Machine, mtu_word
from .node import WEB_PORT, Node, mac_of, uuid_of
from .options import NODES_MAX, Options, check_port, choose, free_port
from .probe import Probe
from .process import identity
from .report import Report
from .service import Service
from .site import Site, check_bounds, read_site, write_archive
from .state import BOOT, State
from .switch import ask
from .uplink import UPLINKS, Uplink

from pxe.boot import BootError, write_script  # found through uplink's path

BUSY_TICK = 0.02
IDLE_TICK = 0.5
# How long nodes may take to their first answer; many share few processors.
BOOT_SECONDS = 90.0
BOOT_SECONDS_EACH = 20.0
# A disk that nobody chose the size of: it takes no more room than its content.
DISK_BYTES = 2 << 30
DISK_TIMES_SITE = 4
PORT_ATTEMPTS = 5
REQUEST_MAX = 64 << 10
MEMORY_MIN_MIB = 32
# What a node needs beside its site's archive: kernel, programs, connections; and
# for each file an entry of the web server's index. iPXE holds an image a second
# time while it moves it into place. Found by booting sites of many sizes.
MEMORY_BESIDE_MIB = 8
MEMORY_BESIDE_PXE_MIB = 4
INDEX_BYTES = 512


class Stop(BaseException):
    """A signal or a command ends the run."""


class Supervisor:
    """One run, from up to down."""

    def __init__(self, options: Options, state: State, report: Report, tools: Path) -> None:
        self.options = options
        self.state = state
        self.say = report
        self.tools = tools
        self.nodes: dict[int, Node] = {}
        self.uplink: Uplink | None = None
        self.service: Service | None = None  # None: --standalone
        self.site: Site | None = None
        self.keep = False  # the disks, for the next `up`
        self.listener: socket.socket | None = None
        self.selector = selectors.DefaultSelector()
        self.main_probe: Probe | None = None
        self.probe_path = "/"
        self.ready = False
        self.failed = ""
        self.deadline = 0.0
        self.api_port = 0
        self.modules: list[Path] = []
        self.has_address = False  # the website's port leads to the virtual address
        self.written: dict | None = None
        self.on_ready = lambda: None
        self.append = options.append

    # ---- the run ----

    def run(self) -> int:
        """Everything; returns the exit status."""
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in signals:
            signal.signal(number, self._stop)
        try:
            self.begin()
            while True:
                self.turn()
        except Stop:
            self.say.step("taking everything down")
            return 0
        except Exception as error:  # whatever it is, a line says so, and `status` repeats it
            self.failed = in_a_line(error)
            self.keep |= self.ready and self.service is not None
            self.say.step(self.failed)
            return error.status if isinstance(error, Failure) else 1
        finally:
            for number in signals:
                signal.signal(number, signal.SIG_IGN)
            self.finish()

    def _stop(self, _number: int, _frame: object) -> None:
        raise Stop

    def begin(self) -> None:
        """Brings up everything but the nodes' own part of it."""
        options = self.options
        self.save()
        net = choose(options.net)
        if options.nodes > NODES_MAX[net]:
            raise Usage(f"--net {net} carries at most {NODES_MAX[net]} nodes, "
                        f"not {options.nodes}")
        for port in options.ports():
            check_port(port)
        self.api_port = 0 if options.standalone else options.api_port or free_port()
        self.uplink = UPLINKS[net](self.state.folder, self.tools, options.mtu)
        self.prepare_boot()
        self.uplink.start(list(range(1, options.nodes + 1)))
        self.listener = unixpath.listen(self.state.control)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.say.step(f"network: {net}; {options.nodes} "
                      f"node{'s' * (options.nodes > 1)}, boot {options.boot}")
        for number in range(1, options.nodes + 1):
            self.add_node(number)
        self.save()

    def prepare_boot(self) -> None:
        """The folder that nodes boot from: images and script."""
        folder = self.state.folder / BOOT
        self.say.live("reading the site")
        self.site = read_site(self.options.site)
        self.probe_path = "/" + quote(self.site.probe_name())
        check_memory(self.site, self.options)
        modules = [self.tools.parent / "boot.cpio"]
        if self.options.standalone:
            # The nodes of one run know of each other, and of no other run on the same link.
            words = f"cluster={secrets.token_hex(8)}"
            modules.append(folder / "site.cpio")
            write_archive(self.site, modules[-1])
        else:
            words = self.prepare_service(self.site)
        self.append = f"{words} {self.options.append}".rstrip()
        self.say.step(f"site {self.options.site}: {len(self.site.members)} files, "
                      f"{max(self.site.content_bytes >> 10, 1)} KiB")
        try:
            mtu = mtu_word(self.options.nic, self.options.mtu)
            write_script(folder, self.tools.parent / "deos.elf", modules,
                         f"{self.append} {mtu}".rstrip())
        except BootError as error:
            raise Failure(str(error)) from error
        self.modules = [folder / module.name for module in modules]

    def prepare_service(self, site: Site) -> str:
        """What turns nodes into a cluster; the words that tell it to their kernels."""
        assert self.uplink is not None
        check_bounds(site)
        if any(self.state.folder.glob("node-*.disk")):
            self.say.step("going on with the disks of the run before "
                          "(harness/cluster down removes them)")
        self.service = Service(self.state.folder, site, self.options.site, self.say)
        words = self.service.identity.words
        return f"{words} vip={self.uplink.virtual}" if self.uplink.virtual else words

    def add_node(self, number: int) -> Node:
        """Makes a node and switches it on."""
        options, folder = self.options, self.state.folder
        assert self.uplink is not None
        direct = options.boot == "direct"
        boot = folder / BOOT
        machine = Machine(
            folder, f"node-{number}", memory_mib=options.memory_mib, smp=options.smp,
            mac=mac_of(folder, number), uuid=uuid_of(folder, number),
            netdev=self.uplink.netdev(number), inside=self.uplink.inside(), mtu=options.mtu,
            nic=options.nic, disk_bus=options.disk_bus,
            kernel=boot / "deos.elf" if direct else None,
            modules=self.modules if direct else [],
            append=self.append, disk=self.make_disk(number))
        node = Node(number, machine, options.standalone)
        self.nodes[number] = node
        self.start_node(node)
        return node

    def make_disk(self, number: int) -> Path | None:
        """An empty disk, as large as asked for and as small as its content; in a cluster, the
        one that the node had."""
        size = self.options.disk_bytes
        path = self.state.folder / f"node-{number}.disk"
        if self.service is not None:
            if path.exists():
                return path
            assert self.site is not None
            size = size or max(DISK_BYTES, DISK_TIMES_SITE * self.site.content_bytes)
        if not size:
            return None
        try:
            with open(path, "wb") as file:
                file.truncate(size)
        except OSError as error:
            raise Failure(f"{path}: {error.strerror}") from error
        return path

    def start_node(self, node: Node) -> None:
        """Switches a node on; turn() watches it from here on."""
        node.start()
        self.deadline = time.monotonic() + BOOT_SECONDS + BOOT_SECONDS_EACH * len(self.nodes)

    def finish(self) -> None:
        """Ends everything. Of a run that failed after it was ready, a word stays for `status`."""
        for node in self.nodes.values():
            node.stop_probe()
            node.machine.kill()
        if self.main_probe is not None:
            self.main_probe.stop()
        if self.service is not None:
            self.service.stop()
        if self.listener is not None:
            self.listener.close()
        if self.uplink is not None:
            self.uplink.stop()
        self.state.clean(disks=not self.keep)
        if self.failed and self.ready:
            with suppress(OSError):  # its folder may be why it failed
                self.state.write({"failed": self.failed})

    # ---- a turn of the loop ----

    def turn(self) -> None:
        """Waits a moment or for a command; then looks at everything once."""
        busy = not self.ready or any(node.state == "up" and not node.is_serving
                                     for node in self.nodes.values())
        for _key, _events in self.selector.select(BUSY_TICK if busy else IDLE_TICK):
            self.serve_command()
        assert self.uplink is not None
        self.uplink.check()
        for node in self.nodes.values():
            self.watch(node)
        if not self.ready:
            self.become_ready()
        self.save()

    def watch(self, node: Node) -> None:
        """One node: its death, its address, its first answer."""
        node.look()
        if node.state == "down":
            self.tell_down(node)
            return
        if node.state != "up" or not node.address:
            return
        self.reach(node)
        if node.served_after is None and node.probe is None and self.is_deployed():
            node.probe = Probe(node.port, self.probe_path, self.may_lack())
        if node.probe is not None and node.probe.answered:
            node.stop_probe()
            node.served_after = time.monotonic() - node.started
            self.say.step(f"node {node.number} serves at {node.url} ({node.address}), "
                          f"{node.served_after:.1f} s after its start")

    def reach(self, node: Node) -> None:
        """The ports that lead to the node. Once the run is ready, one that cannot be had ends
        nothing: that is said, and it is tried again, as long as nothing has died."""
        assert self.uplink is not None
        why = ""
        try:
            self.forward_own_ports(node)
            self.forward_website(node)
        except Failure as error:
            self.uplink.check()  # what died is the better reason
            if not self.ready:
                raise
            why = str(error)
        if why and why != node.unreached:
            self.say.step(f"node {node.number} is not reached: {why}")
        node.unreached = why

    def forward_own_ports(self, node: Node) -> None:
        """The node's own ports, or others if somebody took one meanwhile."""
        assert self.uplink is not None
        for _attempt in range(PORT_ATTEMPTS):
            try:
                self.uplink.forward(str(node.number), node.ways())
                return
            except Failure:
                node.choose_ports()
        self.uplink.forward(str(node.number), node.ways())

    def forward_website(self, node: Node) -> None:
        """The website's port leads to the virtual address; without one, to the first node."""
        assert self.uplink is not None
        port = self.options.port
        if self.service is None:
            if node.number == min(self.nodes):
                self.uplink.forward("website", {port: f"{node.address}:{WEB_PORT}"})
        elif node.virtual_address:
            self.uplink.forward("website", {port: f"{node.virtual_address}:{WEB_PORT}",
                                            self.api_port: f"{node.virtual_address}:{AGENT_PORT}"})
            self.has_address = True

    def is_deployed(self) -> bool:
        """There is a site to ask for."""
        return self.service is None or self.service.is_done

    def may_lack(self) -> bool:
        """A page that is not there is as good an answer: another site was deployed since."""
        return self.service is not None and self.ready

    def tell_down(self, node: Node) -> None:
        """Says once that a node went down by itself."""
        node.stop_probe()
        if node.killed or node.told_down:
            return
        node.told_down = True
        lines = [f"node {node.number} went down: {node.reason()}", *node.last_lines()]
        if not self.ready:
            raise Failure("\n".join(lines))
        self.say.step("\n".join(lines))

    def become_ready(self) -> None:
        """Ready is: every node has answered, and the website's own port has."""
        now = time.monotonic()
        if self.service is not None and not self.form(now):
            return
        waited = [node for node in self.nodes.values() if not node.is_serving and not node.killed]
        if waited and now > self.deadline:
            node = waited[0]
            why = node.probe.why if node.probe else "it has no address yet"
            raise Failure("\n".join([
                f"node {node.number} did not serve in {now - node.started:.0f} s: {why}",
                *node.last_lines()]))
        if waited:
            self.say.live(f"{len(self.nodes) - len(waited)} of {len(self.nodes)} nodes serve; "
                          f"{now - waited[0].started:.0f} s")
            return
        if self.main_probe is None:
            self.main_probe = Probe(self.options.port, self.probe_path)
        if self.main_probe.answered:
            self.ready = True
            self.save()
            self.say.answer(self.ready_line())
            self.on_ready()
        elif now > self.deadline:
            raise Failure(f"{self.url} is not reached: {self.main_probe.why}")

    def form(self, now: float) -> bool:
        """A cluster comes first, and a site on its disks. True when both are there."""
        assert self.service is not None
        if self.service.is_done:
            return True
        nodes = [node for node in self.nodes.values() if not node.killed]
        what = self.service.advance(nodes, self.api if self.has_address else "")
        if self.service.is_deploying or not what:
            self.deadline = max(self.deadline, now + BOOT_SECONDS)
        elif now > self.deadline:
            quiet = next((node for node in nodes if not node.address), nodes[0])
            raise Failure("\n".join([f"no cluster: {what}; node {quiet.number} said last:",
                                     *quiet.last_lines()]))
        self.say.live(what)
        return not what

    # ---- what others are told ----

    @property
    def api(self) -> str:
        """The cluster's control interface; "" when there is none."""
        return f"http://127.0.0.1:{self.api_port}" if self.api_port else ""

    @property
    def url(self) -> str:
        """The website."""
        return f"http://127.0.0.1:{self.options.port}/"

    def ready_line(self) -> str:
        """The line that scripts wait for."""
        return f"READY {self.url} nodes={len(self.nodes)}"

    def status(self) -> dict:
        """What `status --json` shows."""
        ups = [node for node in self.nodes.values() if node.state == "up"]
        return {"ready": self.ready and bool(ups) and all(node.is_serving for node in ups),
                "url": self.url, "api": self.api,
                "nodes": [node.report() for node in self.nodes.values()],
                "net": self.uplink.name if self.uplink else ""}

    def save(self) -> None:
        """Writes down what runs, for whoever has to clean up after a kill -9."""
        pids = {f"node-{node.number}": node.machine.pid for node in self.nodes.values()}
        if self.uplink is not None:
            pids |= {name: process.pid for name, process in self.uplink.processes.items()}
        if self.service is not None and self.service.deployment is not None:
            pids["deosctl"] = self.service.deployment.pid
        if pids == self.written:
            return
        known = {name: identity(pid) for name, pid in pids.items() if pid}
        self.state.write({"supervisor": identity(os.getpid()), "api": self.api,
                          "processes": {name: one for name, one in known.items() if one}})
        self.written = pids

    # ---- commands ----

    def serve_command(self) -> None:
        """One client: a line in, a line out."""
        assert self.listener is not None
        try:
            client, _ = self.listener.accept()
            with client:
                client.settimeout(2.0)
                request = json.loads(client.makefile("rb").readline(REQUEST_MAX))
                client.sendall(json.dumps(self.answer(request)).encode() + b"\n")
        except (OSError, ValueError, RecursionError):
            return  # a client that went away, or never was one

    def answer(self, request: object) -> dict:
        """Runs a command; errors are part of the answer, and none ends the run."""
        try:
            if not isinstance(request, dict):
                raise Usage("a command is an object with a verb")
            verb = getattr(self, "verb_" + str(request.get("verb")), None)
            if verb is None:
                raise Usage(f"the cluster that runs knows no '{request.get('verb')}'")
            return {"ok": True} | (verb(request) or {})
        except Failure as error:
            return {"ok": False, "error": str(error), "status": error.status}
        except Exception as error:
            return {"ok": False, "error": in_a_line(error), "status": 1}

    def find(self, request: dict) -> Node:
        """The node that a command names."""
        node = self.nodes.get(request.get("node", 0))
        if node is None:
            there = ", ".join(str(number) for number in self.nodes)
            raise Failure(f"no node {request.get('node')}: there are {there}")
        node.look()
        return node

    def find_running(self, request: dict) -> Node:
        """A node whose QEMU runs."""
        node = self.find(request)
        if not node.machine.alive():
            raise Failure(f"node {node.number} is down ({node.reason()})")
        return node

    def verb_status(self, _request: dict) -> dict:
        """What runs."""
        return {"status": self.status(), "ready_line": self.ready_line() if self.ready else "",
                "probe": self.probe_path, "may_lack": self.may_lack(),
                "has_switch": bool(self.uplink and self.uplink.has_switch)}

    def verb_keep(self, _request: dict) -> None:
        """The disks outlive this run."""
        if self.service is None:
            raise Usage("--keep: with --standalone no node keeps anything on its disk")
        self.keep = True

    def verb_kill(self, request: dict) -> None:
        """Power off at once."""
        self.find_running(request).kill()

    def verb_start(self, request: dict) -> None:
        """Switches a node on that is down."""
        node = self.find(request)
        if node.state != "down":
            raise Failure(f"node {node.number} is {node.state}, not down")
        node.kill()
        self.start_node(node)

    def verb_add(self, _request: dict) -> dict:
        """One node more."""
        assert self.uplink is not None
        number = max(self.nodes) + 1
        if number > NODES_MAX[self.uplink.name]:
            raise Failure(f"--net {self.uplink.name} carries at most "
                          f"{NODES_MAX[self.uplink.name]} nodes")
        self.uplink.add(number)
        self.add_node(number)
        return {"node": number}

    def verb_pause(self, request: dict) -> None:
        """SIGSTOP."""
        node = self.find_running(request)
        node.machine.pause()
        node.paused = "paused"

    def verb_freeze(self, request: dict) -> None:
        """Stops the processors and the guest's clock."""
        node = self.find_running(request)
        if node.paused == "paused":
            node.machine.resume()
        node.machine.qmp("stop")
        node.paused = "frozen"

    def verb_resume(self, request: dict) -> None:
        """Undoes pause and freeze."""
        node = self.find_running(request)
        if not node.paused:
            raise Failure(f"node {node.number} is neither paused nor frozen")
        node.machine.resume()
        if node.paused == "frozen":
            node.machine.qmp("cont")
        node.paused = ""

    def verb_gdb(self, request: dict) -> dict:
        """Lets a debugger attach to a node."""
        node = self.find_running(request)
        if node.paused == "paused":
            raise Failure(f"node {node.number} is paused, its QEMU too: resume it first")
        name = f"{node.machine.name}.gdb"
        (self.state.folder / name).unlink(missing_ok=True)
        node.machine.qmp("human-monitor-command", **{
            "command-line": f"gdbserver unix:{name},server=on,wait=off"})
        return {"socket": name}

    def verb_switch(self, request: dict) -> dict:
        """Hands commands to the switch."""
        assert self.uplink is not None
        if not self.uplink.has_switch:
            raise Failure("--net bridge has no switch: no faults and no capture there")
        answer: dict = {}
        for command in request["commands"]:
            answer = ask(self.uplink.control, command)
        return {"answer": answer}


def memory_needed_mib(site: Site, boot: str) -> int:
    """The least memory with which a node boots and serves this site from its memory."""
    archive = site.archive_bytes
    needed = (archive + INDEX_BYTES * len(site.members) >> 20) + 1 + MEMORY_BESIDE_MIB
    if boot == "pxe":
        needed = max(needed, (2 * archive >> 20) + 1 + MEMORY_BESIDE_PXE_MIB)
    return max(needed, MEMORY_MIN_MIB)


def check_memory(site: Site, options: Options) -> None:
    """A site that does not fit its nodes is refused before anything starts."""
    if options.memory_mib < MEMORY_MIN_MIB:
        raise Usage(f"a node needs at least {MEMORY_MIN_MIB}M of memory, "
                    f"not {options.memory_mib}M (--mem, MEM=)")
    if not options.standalone:
        return  # the site stays on disks
    needed = memory_needed_mib(site, options.boot)
    if needed > options.memory_mib:
        raise Failure(f"site {options.site} has {site.content_bytes >> 20} MiB: with --boot "
                      f"{options.boot} it needs nodes of {needed}M, not {options.memory_mib}M "
                      "(--mem, MEM=)")
