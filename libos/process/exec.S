// SPDX-License-Identifier: BSD-2-Clause
// void exec_leave(const struct leave *leave)
//
// The last steps of exec(), on a page of their own, copied from here: the old program
// is gone while they run. No stack: only registers that a system call keeps.

#define SYS_env_exit 3
#define SYS_cap_drop 6
#define SYS_page_batch 11
#define E_AGAIN 15
#define EXEC_STATUS_LOST 126
#define UAREA_BASE 0x7f0000000000
#define LEAVE_ENTRY 0
#define LEAVE_OPS 8
#define LEAVE_DROPS 12
#define LEAVE_UAREA 16
#define LEAVE_OP 24
#define LEAVE_DROP 32
#define LEAVE_WORDS 40

	.section .text.exec_leave, "ax", @progbits
	.globl	exec_leave
	.globl	exec_leave_end
	.type	exec_leave, @function
exec_leave:
	mov	%rdi, %rbx
	mov	LEAVE_UAREA(%rbx), %rsi
	movabs	$UAREA_BASE, %rdi
	mov	LEAVE_WORDS(%rbx), %rcx
	cld
	rep movsq			// from here on there is no upcall handler
	mov	$SYS_page_batch, %eax
	xor	%edi, %edi		// CAP_SLOT_SELF
	mov	LEAVE_OP(%rbx), %rsi
	mov	LEAVE_OPS(%rbx), %edx
	syscall
	test	%rax, %rax
	jnz	2f
	mov	LEAVE_DROPS(%rbx), %r12d
	mov	LEAVE_DROP(%rbx), %r13
1:	test	%r12d, %r12d
	jz	3f
	movzwl	(%r13), %edi
	mov	$SYS_cap_drop, %eax
	syscall
	cmp	$-E_AGAIN, %rax
	je	1b
	add	$2, %r13
	dec	%r12d
	jmp	1b
2:	mov	$EXEC_STATUS_LOST, %edi
	mov	$SYS_env_exit, %eax
	syscall
	ud2
3:	mov	LEAVE_ENTRY(%rbx), %rax
	movabs	$UAREA_BASE, %rdi
	jmp	*%rax
exec_leave_end:
	.size	exec_leave, . - exec_leave

	.section .note.GNU-stack, "", @progbits
