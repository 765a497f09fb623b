// SPDX-License-Identifier: BSD-2-Clause
// i64 fork_enter(const struct quota *quota)
//
// Puts what a C call keeps on the stack, and calls fork_parent() with the stack
// pointer that finds it, and the quota. A child begins at fork_resume with the same stack pointer,
// in its own copy of the stack, and returns 0 from the same call.

	.section .text.fork_enter, "ax", @progbits
	.globl	fork_enter
	.type	fork_enter, @function
fork_enter:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rsi
	mov	%rsp, %rdi
	sub	$8, %rsp
	call	fork_parent
	add	$8, %rsp
	jmp	1f
	.globl	fork_resume
fork_resume:
	xor	%eax, %eax
1:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	fork_enter, . - fork_enter

	.section .note.GNU-stack, "", @progbits
