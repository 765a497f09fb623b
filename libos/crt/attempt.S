// SPDX-License-Identifier: BSD-2-Clause
// u64 attempt_run(void (*body)(void *), void *argument, u64 *rsp)
//
// The stack pointer stored in *rsp finds the registers that a C call keeps, so
// that attempt_failed, resumed after a fault in the body, can return for it.

	.section .text.attempt_run, "ax", @progbits
	.globl	attempt_run
	.type	attempt_run, @function
attempt_run:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$8, %rsp
	mov	%rsp, (%rdx)
	mov	%rdi, %rax
	mov	%rsi, %rdi
	call	*%rax
	xor	%eax, %eax
	jmp	1f
	.globl	attempt_failed
attempt_failed:
	mov	$1, %eax
1:	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	attempt_run, . - attempt_run

	.section .note.GNU-stack, "", @progbits
