// SPDX-License-Identifier: BSD-2-Clause
//
// The machine half of the primitives' floors; floor.h says what they are.
//
// Register conventions of ring 3, so that no step touches memory it need not:
//	rbx	rounds left			r12	ticks at the start
//	r13	where a fault is delivered	r14	where the fault was
//	eax	number of the call		rdi	page stored to
// A call clobbers rcx and r11 (the processor does); rax, rdx where it says so.

#include "harness/bench/floor/floor.h"

	.set MULTIBOOT_MAGIC, 0x1badb002
	.set MSR_EFER, 0xc0000080
	.set MSR_STAR, 0xc0000081
	.set MSR_LSTAR, 0xc0000082
	.set MSR_FMASK, 0xc0000084
	.set KERNEL_CODE, 0x08
	.set KERNEL_DATA, 0x10
	.set USER_DATA, 0x18 | 3
	.set USER_CODE, 0x20 | 3
	.set TSS, 0x28
	.set TEST_BASE, 0x40000000
	.set GUARD_PAGE, TEST_BASE + 0x1000
	.set PAGE_WRITE, 2
	.set PAGE_ALL, 7
	.set CALL_NULL, 0
	.set CALL_PROTECT, 1
	.set CALL_UNPROTECT, 2
	.set CALL_MAP, 3
	.set CALL_UNMAP, 4
	.set CALL_CREATE, 5
	.set CALL_DESTROY, 6
	.set CALL_DONE, 7
	.set CALL_GO, 8
	.set CALL_BACK, 9
	.set CALL_FORK, 10

	.section .header, "a"
	.balign 4
	.long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC

// ---- start-up: 32 bits, then long mode ----
	.text
	.code32
	.globl start
start:
	cli
	movl $stack_end, %esp
	movl $pml4, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x20, %eax			// PAE
	movl %eax, %cr4
	movl $MSR_EFER, %ecx
	rdmsr
	orl $0x101, %eax		// LME, SCE
	wrmsr
	movl %cr0, %eax
	orl $0x80010000, %eax		// paging; ring 0 obeys read-only too
	movl %eax, %cr0
	lgdt gdt_pointer
	ljmp $KERNEL_CODE, $start_64

	.code64
start_64:
	movw $KERNEL_DATA, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	call load_tables
	call floor_main
1:	hlt
	jmp 1b

// The TSS descriptor and the page-fault gate hold addresses in pieces, which
// the assembler cannot relocate.
load_tables:
	movq $tss, %rax
	movw %ax, gdt + TSS + 2
	shrq $16, %rax
	movb %al, gdt + TSS + 4
	movb %ah, gdt + TSS + 7
	movq $stack_end, %rax
	movq %rax, tss + 4
	movw $TSS, %ax
	ltr %ax
	movq $page_fault, %rax
	movw %ax, idt + 14 * 16
	shrq $16, %rax
	movw %ax, idt + 14 * 16 + 6
	movw $KERNEL_CODE, idt + 14 * 16 + 2
	movw $0x8e00, idt + 14 * 16 + 4
	lidt idt_pointer
	movl $MSR_STAR, %ecx
	xorl %eax, %eax
	movl $(KERNEL_DATA << 16 | KERNEL_CODE), %edx
	wrmsr
	movl $MSR_LSTAR, %ecx
	movq $system_call, %rax
	xorl %edx, %edx
	wrmsr
	movl $MSR_FMASK, %ecx
	movl $0x700, %eax
	wrmsr
	ret

// ---- the two ways into ring 0 ----

// Delivers the fault to r13 in ring 3, with the place of the fault in r14.
page_fault:
	addq $8, %rsp
	movq (%rsp), %r14
	movq %r13, (%rsp)
	iretq

system_call:
	testl %eax, %eax
	jnz 1f
	sysretq
1:	jmp *call_table(, %rax, 8)

call_protect:
	andb $~PAGE_WRITE, test_table
	invlpg TEST_BASE
	sysretq

call_unprotect:
	orb $PAGE_WRITE, test_table	// more rights need no flush
	sysretq

// Enters BATCH frames. Clobbers rax, rdx, r8.
call_map:
	movl $batch_frames + PAGE_ALL, %eax
	movl $batch_tables, %edx
	movl $BATCH, %r8d
1:	movq %rax, (%rdx)
	addq $4096, %rax
	addq $8, %rdx
	decl %r8d
	jnz 1b
	sysretq

// Removes them; one flush for all. Clobbers rax, rdx, r8.
call_unmap:
	movl $batch_tables, %edx
	movl $BATCH, %r8d
1:	movq $0, (%rdx)
	addq $8, %rdx
	decl %r8d
	jnz 1b
	movq %cr3, %rax
	movq %rax, %cr3
	sysretq

// Clears the page tables of an address space, joins them to each other and to
// what is mapped everywhere, and continues the caller inside. Clobbers rax,
// rdx, rdi, r8.
call_create:
	movq %rcx, %rdx
	movl $new_tables, %edi
	movl $4 * 512, %ecx
	xorl %eax, %eax
	rep stosq
	movq $new_tables + 0x1000 + PAGE_ALL, new_tables + 511 * 8
	movq $new_tables + 0x2000 + PAGE_ALL, new_tables + 0x1000
	movq $new_tables + 0x3000 + PAGE_ALL, new_tables + 0x2000
	movq $batch_frames + PAGE_ALL, new_tables + 0x3000
	movq pml4, %rax
	movq %rax, new_tables
	movl $new_tables, %eax
	movq %rax, %cr3
	movq %rdx, %rcx
	sysretq

// Copies what call_create clears, and the tables of 16 MiB, whose entries lose the
// right to write: the copy's side of copy on write. Clobbers rax, rdx, rdi, rsi, r8.
call_fork:
	movq %rcx, %rdx
	movl $new_tables, %edi
	movl $3 * 512, %ecx
	xorl %eax, %eax
	rep stosq
	movq $new_tables + 0x1000 + PAGE_ALL, new_tables + 511 * 8
	movq $new_tables + 0x2000 + PAGE_ALL, new_tables + 0x1000
	movl $large_copies + PAGE_ALL, %eax
	movl $LARGE_TABLES, %r8d
	movl $new_tables + 0x2000, %edi
1:	movq %rax, (%rdi)
	addq $4096, %rax
	addq $8, %rdi
	decl %r8d
	jnz 1b
	movl $large_tables, %esi
	movl $large_copies, %edi
	movl $LARGE_TABLES * 512, %r8d
1:	movq (%rsi), %rax
	andq $~PAGE_WRITE, %rax
	movq %rax, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	decl %r8d
	jnz 1b
	movq pml4, %rax
	movq %rax, new_tables
	movl $new_tables, %eax
	movq %rax, %cr3
	movq %rdx, %rcx
	sysretq

call_destroy:
	movl $pml4, %eax
	movq %rax, %cr3
	sysretq

// Continues in another address space, at `entry`, and from there where it came from.
// The caller's place waits in r15. Clobbers rax.
call_go:
	movq %rcx, %r15
	movl $entry, %ecx
	movl $pml4_other, %eax
	movq %rax, %cr3
	sysretq

call_back:
	movq %r15, %rcx
	movl $pml4, %eax
	movq %rax, %cr3
	sysretq

// Back to run_in_ring_3()'s caller with the ticks in rax.
call_done:
	movq saved_stack, %rsp
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	subq %r12, %rax
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	.globl run_in_ring_3
run_in_ring_3:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, saved_stack
	movq %rsi, %rbx
	movq %rdi, %rcx
	movl $2, %r11d
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, %r12
	sysretq

// ---- the timed loops, ring 3 ----
	.macro LOOP_END label
	decq %rbx
	jnz \label
	movl $CALL_DONE, %eax
	syscall
	.endm

	.globl loop_empty, loop_null, loop_fault, loop_protect, loop_batch
	.globl loop_environment, loop_transfer, loop_fork
loop_empty:
1:	LOOP_END 1b

loop_null:
1:	xorl %eax, %eax
	syscall
	LOOP_END 1b

// A store to the guard page; the fault is delivered, the handler steps over.
loop_fault:
	movl $step_over, %r13d
	movl $GUARD_PAGE, %edi
1:	movb %al, (%rdi)
2:	LOOP_END 1b
step_over:
	addq $2b - 1b, %r14
	jmp *%r14

// Protects a page by a call, stores, and the handler unprotects by a call.
loop_protect:
	movl $unprotect, %r13d
	movl $TEST_BASE, %edi
1:	movl $CALL_PROTECT, %eax
	syscall
	movb %al, (%rdi)
	LOOP_END 1b
unprotect:
	movl $CALL_UNPROTECT, %eax
	syscall
	jmp *%r14

loop_batch:
1:	movl $CALL_MAP, %eax
	syscall
	movl $CALL_UNMAP, %eax
	syscall
	LOOP_END 1b

loop_environment:
1:	movl $CALL_CREATE, %eax
	syscall
	movl $CALL_DESTROY, %eax
	syscall
	LOOP_END 1b

loop_fork:
1:	movl $CALL_FORK, %eax
	syscall
	movl $CALL_DESTROY, %eax
	syscall
	LOOP_END 1b

loop_transfer:
1:	movl $CALL_GO, %eax
	syscall
	LOOP_END 1b
entry:	movl $CALL_BACK, %eax
	syscall

// ---- tables ----
	.data
	.balign 16
gdt:
	.quad 0, 0x00209a0000000000, 0x0000920000000000
	.quad 0x0000f20000000000, 0x0020fa0000000000
	.quad 0x0000890000000067, 0
gdt_pointer:
	.word . - gdt - 1
	.quad gdt
idt_pointer:
	.word 15 * 16 - 1
	.quad idt
	.balign 8
call_table:
	.quad 0, call_protect, call_unprotect, call_map, call_unmap
	.quad call_create, call_destroy, call_done, call_go, call_back
	.quad call_fork

	// 1 GiB one to one in 2 MiB pages; above it, the test pages.
	.balign 4096
pml4:	.quad pdpt + PAGE_ALL
	.fill 511, 8, 0
pml4_other:
	.quad pdpt + PAGE_ALL
	.fill 511, 8, 0
pdpt:	.quad directory + PAGE_ALL, test_directory + PAGE_ALL
	.fill 510, 8, 0
directory:
	.set address, 0
	.rept 512
	.quad address | 0x80 | PAGE_ALL
	.set address, address + 0x200000
	.endr
test_directory:
	.quad test_table + PAGE_ALL
	.quad batch_tables + PAGE_ALL, batch_tables + 0x1000 + PAGE_ALL
	.fill 509, 8, 0
test_table:
	.quad test_frame + PAGE_ALL
	.fill 511, 8, 0

	.bss
	.balign 4096
test_frame:	.skip 4096
new_tables:	.skip 4 * 4096
batch_tables:	.skip BATCH * 8
large_tables:	.skip LARGE_TABLES * 4096
large_copies:	.skip LARGE_TABLES * 4096
batch_frames:	.skip BATCH * 4096
idt:		.skip 15 * 16
tss:		.skip 104
saved_stack:	.skip 8
	.balign 16
	.skip 16384
stack_end:
	.section .note.GNU-stack, "", @progbits
