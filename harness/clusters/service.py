# SPDX-License-Identifier: BSD-2-Clause
"""From nodes that run to a website that they serve together.

    forming    the nodes find one another and agree: the control interface says so
    deploying  cluster/deosctl puts the site on their disks, as a person would
    serving    the virtual address and each node's own answer: the supervisor's part

What this folder's disks hold already is not deployed again: what was put there last
is written down as a digest of the files, with the generation that the cluster gave
it. Another digest, or another generation, and the site is deployed.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
import time
from pathlib import Path

from .api import Watcher, get
from .failure import Failure
from .node import Node
from .options import ROOT
from .process import end, last_line, spawn
from .report import Report
from .site import CHUNK, Site, fail_os

IDENTITY = "cluster.json"  # name and key of the cluster, and what was deployed
DEPLOY_LOG = "deploy.errors"
DEOSCTL = ROOT / "cluster" / "deosctl"
# How long a deployment may take: a disk and a fabric under an emulator are slow.
DEPLOY_SECONDS = 300.0
DEPLOY_BYTES_PER_SECOND = 512 << 10


class Identity:
    """Which cluster the disks of a state folder belong to."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / IDENTITY
        try:
            self.known = json.loads(self.path.read_text())
        except FileNotFoundError:
            self.known = {"name": secrets.token_hex(8), "key": secrets.token_hex(32)}
            self.write()
        except ValueError as error:
            raise Failure(f"{self.path} cannot be read: harness/cluster down removes it, and the "
                          "disks of that cluster") from error

    @property
    def words(self) -> str:
        """For the kernel's command line."""
        return f"cluster={self.known['name']} key={self.known['key']} disk=claim"

    def is_deployed(self, digest: str, generation: int) -> bool:
        """True if the cluster serves just that."""
        return self.known.get("deployed") == [digest, generation]

    def deployed(self, digest: str, generation: int) -> None:
        """Remembers it."""
        self.known["deployed"] = [digest, generation]
        self.write()

    def write(self) -> None:
        """Replaces the file as a whole."""
        new = self.path.with_suffix(".json.new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(self.known) + "\n")
        new.replace(self.path)


def digest_of(site: Site) -> str:
    """Of names, times and contents."""
    digest = hashlib.blake2b(digest_size=32)
    try:
        for member in site.members:
            digest.update(f"{member.name}\0{member.size}\0{member.mtime}\0".encode())
            with open(member.path, "rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
    except OSError as error:
        raise fail_os(error) from error
    return digest.hexdigest()


class Service:
    """The way there; advance() takes one step of it, without waiting."""

    def __init__(self, folder: Path, site: Site, where: Path, say: Report) -> None:
        self.identity = Identity(folder)
        self.log = folder / DEPLOY_LOG
        self.site = site
        self.where = where.absolute()
        self.say = say
        self.digest = digest_of(site)
        self.watcher: Watcher | None = None
        self.deployment: subprocess.Popen | None = None
        self.deadline = 0.0
        self.is_done = False  # the site is on the cluster's disks

    @property
    def is_deploying(self) -> bool:
        """deosctl runs; it has a limit of its own."""
        return self.deployment is not None and not self.is_done

    def advance(self, nodes: list[Node], url: str) -> str:
        """One step; what is waited for, "" when there is nothing left."""
        if self.is_done:
            return ""
        if self.deployment is not None:
            return self._deploying(nodes)
        if self.watcher is None:
            self.watcher = Watcher(lambda: [node.api_port for node in nodes
                                            if node.address and node.state == "up"], len(nodes))
        status = self.watcher.status
        if status is None or not url:
            return self.watcher.why
        self.say.step(f"{len(nodes)} node{'s' * (len(nodes) > 1)} "
                      f"{'are' if len(nodes) > 1 else 'is'} one cluster, at "
                      f"{status['virtual_address']}")
        if self.identity.is_deployed(self.digest, status["site"]["generation"]):
            self.say.step("the site is on its disks already")
            self.is_done = True
            return ""
        self._deploy(url)
        return "the site is being deployed"

    def _deploy(self, url: str) -> None:
        self.log.write_bytes(b"")
        words = [sys.executable, str(DEOSCTL), "--cluster", url, "deploy", "site",
                 str(self.where)]
        self.deployment = spawn(words, self.log.parent, self.log)
        self.deadline = (time.monotonic() + DEPLOY_SECONDS
                         + self.site.content_bytes / DEPLOY_BYTES_PER_SECOND)

    def _deploying(self, nodes: list[Node]) -> str:
        assert self.deployment is not None
        status = self.deployment.poll()
        if status is None:
            if time.monotonic() > self.deadline:
                raise Failure(f"the site is not deployed in time: {last_line(self.log)}")
            said = last_line(self.log)
            return said if self.log.stat().st_size else "the site is being deployed"
        if status:
            raise Failure(f"the site could not be deployed: {last_line(self.log)}")
        self.say.step(last_line(self.log).removeprefix("deosctl: "))
        self._remember(nodes)
        self.is_done = True
        return ""

    def _remember(self, nodes: list[Node]) -> None:
        """Which generation it became; where nobody says, it is deployed again next time."""
        try:
            status = get(nodes[0].api_port, "/api/status")
            self.identity.deployed(self.digest, status["site"]["generation"])
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def stop(self) -> None:
        """Ends what is under way."""
        if self.watcher is not None:
            self.watcher.stop()
        if self.deployment is not None:
            end(self.deployment)
