# SPDX-License-Identifier: BSD-2-Clause
"""deosctl: a cluster's control interface (docs/api.md) for people and scripts.

    commands.py   the verbs' command line       client.py   requests and answers
    verbs.py      what the verbs do             bundle.py   a website as one stream
    find.py       which cluster is meant        show.py     tables for people
    fabric.py     the verbs about the fabric

Arrows: commands -> fabric -> verbs -> find, bundle, client, show. What is about websites and
about the runs of harness/cluster is imported from harness/clusters.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "harness"))       # clusters
