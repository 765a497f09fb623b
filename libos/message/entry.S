// SPDX-License-Identifier: BSD-2-Clause
// Where calls come in: rdi badge, rsi caller, the message in rdx, r10, r8, r9, an
// empty stack. The handler's is entry_handler in entry.h.

#define CALL_FAST 0x80000000

#define X(number, name, arguments, sentence) .set SYS_##name, number;
#include "kernel/abi/syscalls.def"
#undef X

	.section .text.entry_begin, "ax", @progbits
	.globl	entry_begin
	.type	entry_begin, @function
entry_begin:
	push	%r9
	push	%r8
	push	%r10
	push	%rdx
	mov	%rsp, %rdx		// struct transfer *
	call	*entry_current(%rip)
	pop	%rdx
	pop	%r10
	pop	%r8
	pop	%r9
	mov	$(CALL_FAST + SYS_entry_reply), %eax
	syscall
	ud2				// a call was served
	.size	entry_begin, . - entry_begin

	.section .note.GNU-stack, "", @progbits
