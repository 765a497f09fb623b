// SPDX-License-Identifier: BSD-2-Clause
// Entry of upcalls, in user mode on the upcall stack. The kernel has pushed a
// struct upcall_frame; the other registers are the interrupted code's.
//
// Saved: all general registers. The C code below is built with general
// registers only, so the FPU and SSE state stays the interrupted code's.
//
// Resumed without the kernel, by POPF and RET from a place below the stack
// pointer that is resumed. IRETQ would do on hardware, but QEMU before 9.1
// reads its stack as if the kernel did, and faults under SMAP.
//
//   resumed rsp ->  |                        |
//                   |  RESUME_GAP bytes      |  a nested upcall's frame and
//                   |                        |  registers lie in here
//                   |  rip                   |
//                   |  rflags                |
//           slot -> |  rax                   |
//
// What comes while this runs on the upcall stack may leave a bit in the uarea instead of
// entering (kernel/abi/uarea.h). So the bits are looked at after that stack was left: what
// comes later enters. Only then, and unless somebody holds upcalls back or is nested in
// another upcall that will look, it enters itself as the kernel would have.

#define FRAME 120			// struct upcall_frame in the context
#define FRAME_RIP 24
#define FRAME_RFLAGS 40
#define FRAME_RSP 48
#define RESUME_GAP 256			// > alignment + frame + registers: 247

// Words of the uarea (upcall.c asserts them).
#define UAREA 0x00007f0000000000
#define STACK_BOTTOM 8
#define STACK_TOP 16
#define HELD 24
#define PENDING 28
#define MADE_UP 6			// UPCALL_CAUSES

	.section .text.upcall, "ax", @progbits
	.globl	upcall_entry
	.type	upcall_entry, @function
upcall_entry:
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi		// struct upcall_context *
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	upcall_dispatch
	mov	%rbp, %rsp

	mov	FRAME + FRAME_RSP(%rsp), %rax
	sub	$(RESUME_GAP + 24), %rax
	mov	FRAME - 8(%rsp), %rcx	// rax
	mov	%rcx, (%rax)
	mov	FRAME + FRAME_RFLAGS(%rsp), %rcx
	mov	%rcx, 8(%rax)
	mov	FRAME + FRAME_RIP(%rsp), %rcx
	mov	%rcx, 16(%rax)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	mov	%rax, %rsp		// the slot
	movabs	$UAREA, %rax
	cmpl	$0, PENDING(%rax)
	jne	2f
1:	pop	%rax
	popfq
	ret	$RESUME_GAP

2:	cmpl	$0, HELD(%rax)
	jne	1b
	cmp	STACK_BOTTOM(%rax), %rsp
	jb	3f
	cmp	STACK_TOP(%rax), %rsp
	jbe	1b
3:	push	%rcx
	mov	%rsp, %rcx		// rcx, and then the slot
	mov	STACK_TOP(%rax), %rsp
	and	$-16, %rsp
	sub	$64, %rsp		// struct upcall_frame
	movq	$MADE_UP, (%rsp)
	mov	16(%rcx), %rax
	mov	%rax, FRAME_RFLAGS(%rsp)
	mov	24(%rcx), %rax
	mov	%rax, FRAME_RIP(%rsp)
	lea	32 + RESUME_GAP(%rcx), %rax
	mov	%rax, FRAME_RSP(%rsp)
	mov	8(%rcx), %rax
	mov	(%rcx), %rcx
	jmp	upcall_entry
	.size	upcall_entry, . - upcall_entry

	.section .note.GNU-stack, "", @progbits
