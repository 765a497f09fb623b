# SPDX-License-Identifier: BSD-2-Clause
"""Booting machines over the network: what they are told, what they fetch, how far they got.

    serve          the command                  interface.py   the interface to serve on
    boot.py        the boot folder, by HTTP     probe.py       other DHCP servers on the link
    dnsmasq.py     dnsmasq's configuration      progress.py    how far each machine got
    wire.py        frames; dhcp.py: messages    display.py     what a person sees of it

Import as `pxe.NAME` with the repository's root on the path.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "harness"))       # clusters
