// SPDX-License-Identifier: BSD-2-Clause
// Where the kernel enters: at the start, and at every upcall. An upcall is how threads
// are switched: all registers go to where the thread keeps them (struct registers of
// mini.h), and mini_upcall() says whose come back.

#define FRAME 120		// what the kernel pushed, in struct registers
#define FRAME_RIP 24
#define FRAME_RFLAGS 40
#define FRAME_RSP 48
#define GAP 256			// a frame, registers and alignment fit in

	.section .text.mini_entry, "ax", @progbits
	.globl mini_entry
mini_entry:
	lea mini_boot_stack_end(%rip), %rsp
	xor %ebp, %ebp
	call mini_main
	ud2

	.text
	.globl mini_upcall_entry
mini_upcall_entry:
	push %rax
	push %rbx
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %rbp
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	cld
	call mini_upcall

	// Back by POPF and RET from below the stack that is resumed: QEMU before 9.1
	// faults in IRETQ under SMAP. The gap is for an upcall that comes meanwhile.
	mov FRAME + FRAME_RSP(%rsp), %rax
	sub $(GAP + 16), %rax
	mov FRAME + FRAME_RFLAGS(%rsp), %rcx
	mov %rcx, (%rax)
	mov FRAME + FRAME_RIP(%rsp), %rcx
	mov %rcx, 8(%rax)
	mov %rax, FRAME + FRAME_RSP(%rsp)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rbp
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	mov FRAME_RSP(%rsp), %rsp
	popfq
	ret $GAP

	.bss
	.balign 4096
	.skip 16384
mini_boot_stack_end:

	.section .note.GNU-stack, "", @progbits
