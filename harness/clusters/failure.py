# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong in a way that a person can act on: one line, no traceback."""


class Failure(Exception):
    """Exit status 1."""

    status = 1


class Usage(Failure):
    """The command itself was wrong: exit status 2."""

    status = 2
