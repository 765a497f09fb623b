# SPDX-License-Identifier: BSD-2-Clause
"""Words of command lines, as harness/cluster and deosctl read them."""

from __future__ import annotations

import argparse
from typing import NoReturn

from .failure import Usage

UNITS = {"": 1 << 20, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}     # of sizes: plain is MiB


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message}; see {self.prog} --help")


def whole(least: int, most: int):
    """A whole number within bounds."""
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from {least} to {most}")
        return int(text)
    return parse
