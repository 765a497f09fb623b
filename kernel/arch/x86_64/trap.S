// SPDX-License-Identifier: BSD-2-Clause
// Entries into the kernel and the way back.
//
// From user mode the processor, or the SYSCALL path below, pushes straight into
// the environment's own struct context (context.h): TSS.rsp0 and gs:CONTEXT_END
// point at its end. C then runs on the processor's kernel stack, and never
// returns here: it leaves by context_resume(). From kernel mode only an
// interrupt of the halted processor comes back; an exception is a panic.
//
// Double fault, NMI and machine check may come between any two instructions,
// also between `swapgs` and the mode that it belongs to. They run on stacks of
// their own (cpu.c), at whose top stands the processor's structure, so that
// nothing has to be guessed about gs; none of them returns.

#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE 0x2b
#define TRAP_SYSCALL 256

#define OFFSET(name, structure, field, bytes) .set name, bytes;
#include "kernel/arch/x86_64/offsets.def"
#undef OFFSET

#define MSR_GS_BASE 0xc0000101
#define CONTEXT_PUSHED 176	// bytes of struct context that an entry pushes

	.section .text.entry, "ax"
	.macro PUSH_REGISTERS
	push %r15
	push %r14
	push %r13
	push %r12
	push %r11
	push %r10
	push %r9
	push %r8
	push %rbp
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rbx
	push %rax
	.endm

	.macro POP_REGISTERS
	pop %rax
	pop %rbx
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	pop %rbp
	pop %r8
	pop %r9
	pop %r10
	pop %r11
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	.endm

	.globl syscall_entry
syscall_entry:
	swapgs
	test %eax, %eax
	js transfer_entry		// CALL_FAST: transfer.S
	.globl syscall_slowly
syscall_slowly:
	mov %rsp, %gs:CPU_SCRATCH
	mov %gs:CPU_CONTEXT_END, %rsp
	push $SELECTOR_USER_DATA
	push %gs:CPU_SCRATCH
	push %r11			// rflags
	push $SELECTOR_USER_CODE
	push %rcx			// rip
	push $0
	push $TRAP_SYSCALL
	PUSH_REGISTERS
	mov %rsp, %rdi
	mov %gs:CPU_STACK, %rsp
	xor %ebp, %ebp
	call user_trap
	ud2

	// Every vector's stub pushes an error code where the processor does not,
	// and its number.
	.altmacro
	.macro STUB vector
	.balign 16
stub_\vector:
	.if \vector != 8 && (\vector < 10 || \vector > 14) && \vector != 17 && \
	    \vector != 21 && \vector != 29 && \vector != 30
	push $0
	.endif
	push $\vector
	.if \vector == 2 || \vector == 8 || \vector == 18
	jmp trap_fatal
	.else
	jmp trap_common
	.endif
	.endm

	.set i, 0
	.rept 256
	STUB %i
	.set i, i + 1
	.endr

	.balign 16
trap_common:
	testb $3, 24(%rsp)		// from user mode?
	jz from_kernel
	swapgs
	PUSH_REGISTERS
	mov %rsp, %rdi
	mov %gs:CPU_STACK, %rsp
	cld
	xor %ebp, %ebp
	call user_trap
	ud2

trap_fatal:
	PUSH_REGISTERS
	mov CONTEXT_PUSHED + 8(%rsp), %rax	// the word at the stack's top
	mov %rax, %rdx
	shr $32, %rdx
	mov $MSR_GS_BASE, %ecx
	wrmsr
	mov %rsp, %rdi
	cld
	xor %ebp, %ebp
	call panic_trap
	ud2

from_kernel:
	PUSH_REGISTERS
	mov %rsp, %rdi
	cld
	mov %rsp, %rbp
	and $-16, %rsp
	call kernel_trap
	mov %rbp, %rsp
	POP_REGISTERS
	add $16, %rsp
	iretq

	// noreturn void context_resume(struct context *context)
	.globl context_resume
context_resume:
	mov %rdi, %rsp
	cmpq $TRAP_SYSCALL, CONTEXT_VECTOR(%rsp)
	POP_REGISTERS
	jne 1f
	mov 16(%rsp), %rcx		// rip
	mov 32(%rsp), %r11		// rflags
	mov 40(%rsp), %rsp
	swapgs
	sysretq
1:	add $16, %rsp
	swapgs
	iretq

	.section .rodata
	.balign 8
	.globl trap_stubs
trap_stubs:
	.macro STUB_ADDRESS vector
	.quad stub_\vector
	.endm
	.set i, 0
	.rept 256
	STUB_ADDRESS %i
	.set i, i + 1
	.endr

	.section .note.GNU-stack, "", @progbits
