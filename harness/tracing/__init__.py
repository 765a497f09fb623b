# SPDX-License-Identifier: BSD-2-Clause
"""Traces of the fabric (docs/observability.md): their file, their names, the viewer.

    file.py       reads and writes trace files     names.py    kinds, operations, reasons
    events.py     events with what they are about   align.py    clocks of nodes, made one
    show.py       as lines, or as Chrome's JSON      command.py  harness/trace

Arrows: command -> show, align -> events -> names, file.
"""
