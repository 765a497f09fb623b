// SPDX-License-Identifier: BSD-2-Clause
// The short path of a protected control transfer (kernel/abi/transfer.h): from
// address space to address space in as few instructions, and touching as few pages,
// as SYSCALL, a page-table switch and SYSRET allow. Nothing is saved but where the
// reply goes: what a caller wants to keep, it keeps on its own stack.
//
// It serves the usual case: the capability was used before (a gate), the door is
// open, nobody waits for the processor or the kernel lock, the FPU is unused. In
// any other it has changed nothing and joins the long path, kernel/sys/transfer.c,
// which decides everything anew. door.h has the data and its invariants.
//
// The kernel lock is taken if it is free, and not waited for: so a processor need not
// say that it is in the kernel (shootdown.h). With the lock held nobody waits for a
// flush, and the change of address space is one. Nor does it wait for who runs beside
// the lock (lock.h): these neither change nor need what changes here. Interrupts are
// off throughout.

#define CALL_FAST 0x80000000

#define OFFSET(name, structure, field, bytes) .set name, bytes;
#include "kernel/arch/x86_64/offsets.def"
#undef OFFSET

#define RFLAGS_USER 0x202

#define X(number, name, arguments, sentence) .set SYS_##name, number;
#include "kernel/abi/syscalls.def"
#undef X

	// lock.h: takes the ticket that is being served, if nobody has it. Leaves in
	// ebp what ends the hold. Changes eax.
	.macro TRY_LOCK otherwise
	mov lock_serving(%rip), %eax
	lea 1(%rax), %ebp
	lock cmpxchg %ebp, lock_next_ticket(%rip)
	jne \otherwise
	.endm

	.macro UNLOCK
	mov %ebp, lock_serving(%rip)
	.endm

	// The processor goes from the door in rbx to the one in r14, whose address
	// space is loaded at the end. Changes rax.
	.macro GO
	mov %r14, %gs:CPU_DOOR
	mov INDEX(%r14), %eax
	mov %eax, %gs:CPU_SPACE
	mov CONTEXT_END(%r14), %rax
	mov %rax, %gs:CPU_CONTEXT_END
	mov %rax, %gs:CPU_RSP0
	cmpb $0, %gs:CPU_FSGSBASE
	jne 8f
7:	mov ROOT(%r14), %rax
	UNLOCK
	mov %rax, %cr3
	mov $RFLAGS_USER, %r11d
	.subsection 1
8:	rdfsbase %rax
	mov %rax, FS_BASE(%rbx)
	mov FS_BASE(%r14), %rax
	wrfsbase %rax
	swapgs
	rdgsbase %rax
	mov %rax, GS_BASE(%rbx)
	mov GS_BASE(%r14), %rax
	wrgsbase %rax
	swapgs
	jmp 7b
	.previous
	.endm

	// Of the kernel's nothing goes out in these.
	.macro CLEAR_KEPT
	xor %ebx, %ebx
	xor %ebp, %ebp
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	.endm

	// From syscall_entry: gs is the processor's, every other register still the
	// program's, rax negative.
	.section .text.entry, "ax"
	.globl transfer_entry
	.balign 64
transfer_entry:
	cmp $(CALL_FAST | SYS_entry_call), %eax
	jne reply

	TRY_LOCK call_slowly
	cmpw $0, %gs:CPU_ATTENTION
	jne call_unlock
	cmp %gs:CPU_TIMER_AT, %rsi	// the timer comes in time for the deadline
	jb call_unlock
	mov %gs:CPU_DOOR, %rbx
	mov %edi, %r12d
	and $3, %r12d
	shl $5, %r12d
	add %rbx, %r12			// the gate, less where the first is
	cmp %rdi, GATE_SLOT(%r12)
	jne call_unlock
	mov transfer_epoch(%rip), %rax
	cmp %rax, GATE_EPOCH(%r12)
	jne call_unlock
	mov GATE_CALLEE(%r12), %r14
	cmpl $1, OPEN(%r14)
	jne call_unlock
	mov ROOM(%rbx), %eax
	sub $1, %eax
	js call_unlock

	mov %eax, ROOM(%r14)
	movl $0, OPEN(%r14)
	mov %rbx, CALLER(%r14)
	mov %rcx, RIP(%rbx)
	mov %rsp, RSP(%rbx)
	mov %rsi, DEADLINE(%rbx)
	mov GATE_BADGE(%r12), %rdi
	mov ID(%rbx), %esi
	mov ENTRY(%r14), %rcx
	mov STACK(%r14), %rsp
	GO
	xor %eax, %eax
	CLEAR_KEPT
	swapgs
	sysretq

reply:
	cmp $(CALL_FAST | SYS_entry_reply), %eax
	jne syscall_slowly
	TRY_LOCK reply_slowly
	cmpw $0, %gs:CPU_ATTENTION
	jne reply_unlock
	mov %gs:CPU_DOOR, %rbx
	mov CALLER(%rbx), %r14
	test %r14, %r14
	jz reply_unlock

	movq $0, CALLER(%rbx)
	movl $1, OPEN(%rbx)
	mov RIP(%r14), %rcx
	mov RSP(%r14), %rsp
	GO
	xor %eax, %eax
	xor %edi, %edi
	xor %esi, %esi
	CLEAR_KEPT
	swapgs
	sysretq

call_unlock:
	UNLOCK
call_slowly:
	mov $SYS_entry_call, %eax
	CLEAR_KEPT
	jmp syscall_slowly

reply_unlock:
	UNLOCK
reply_slowly:
	mov $SYS_entry_reply, %eax
	CLEAR_KEPT
	jmp syscall_slowly

	.section .note.GNU-stack, "", @progbits
