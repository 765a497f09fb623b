// SPDX-License-Identifier: BSD-2-Clause
// First instruction of every program. The stack is a segment of the image
// (program.ld), so whoever loads the image has nothing to prepare: the stack
// pointer at entry is not used.

	.section .text.start, "ax", @progbits
	.globl	_start
	.type	_start, @function
_start:
	lea	stack_top(%rip), %rsp
	xor	%ebp, %ebp
	call	start
	ud2				// start() does not return
	.size	_start, . - _start

	.section .note.GNU-stack, "", @progbits
