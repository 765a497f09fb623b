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
//           slot -> |  rflags                |

#define FRAME 120			// struct upcall_frame in the context
#define FRAME_RIP 24
#define FRAME_RFLAGS 40
#define FRAME_RSP 48
#define RESUME_GAP 256			// > alignment + frame + registers: 247

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
	sub	$(RESUME_GAP + 16), %rax
	mov	FRAME + FRAME_RFLAGS(%rsp), %rcx
	mov	%rcx, (%rax)
	mov	FRAME + FRAME_RIP(%rsp), %rcx
	mov	%rcx, 8(%rax)
	mov	%rax, FRAME + FRAME_RSP(%rsp)
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
	pop	%rax
	mov	FRAME_RSP(%rsp), %rsp	// the slot
	popfq
	ret	$RESUME_GAP
	.size	upcall_entry, . - upcall_entry

	.section .note.GNU-stack, "", @progbits
