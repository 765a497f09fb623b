#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Turns `nm -n` of the kernel (standard input) into the assembly source of the
symbol table that backtraces use: sorted addresses, name offsets, names."""

import sys


def main() -> None:
    symbols = []
    for line in sys.stdin:
        address, kind, *names = line.split()    # what debuggers need alone may have no name
        if names and kind in "tT" and not names[0].startswith("."):
            symbols.append((int(address, 16), names[0].partition(".lto_priv")[0]))
    out = ['.section .symbols, "a"', ".balign 8",
           ".globl symbol_count, symbol_addresses, symbol_names, symbol_text",
           "symbol_count: .quad %d" % len(symbols), "symbol_addresses:"]
    out += [".quad %#x" % address for address, _ in symbols]
    out.append("symbol_names:")
    offset = 0
    for _, name in symbols:
        out.append(".long %d" % offset)
        offset += len(name) + 1
    out.append("symbol_text:")
    out += ['.asciz "%s"' % name for _, name in symbols]
    out.append('.section .note.GNU-stack, "", @progbits')
    print("\n".join(out))


if __name__ == "__main__":
    main()
