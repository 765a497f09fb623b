// SPDX-License-Identifier: BSD-2-Clause
// The switch between threads. What a C call keeps anyway (rax, rcx, rdx, rsi,
// rdi, r8 to r11) needs no saving; the rest goes onto the stack that is left.

	.section .text.thread_switch, "ax", @progbits

// void thread_switch(u64 *saved_rsp, u64 next_rsp)
	.globl	thread_switch
	.type	thread_switch, @function
thread_switch:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	thread_switch, . - thread_switch

// Where a new thread begins: thread_start() put this address on its stack. The
// call leaves the stack aligned as C expects; thread_main() does not return.
	.globl	thread_first
	.type	thread_first, @function
thread_first:
	xor	%ebp, %ebp
	call	thread_main
	ud2
	.size	thread_first, . - thread_first

	.section .note.GNU-stack, "", @progbits
