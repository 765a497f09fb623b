// SPDX-License-Identifier: BSD-2-Clause
// Where the kernel enters the loader: its first bytes, on the stack below them.

	.section .text.start, "ax", @progbits
	.globl loader_start
loader_start:
	xor	%ebp, %ebp
	call	loader
	ud2

	.section .note.GNU-stack, "", @progbits
