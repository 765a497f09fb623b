// SPDX-License-Identifier: BSD-2-Clause
// From the boot loader to C, and from reset to C for the other processors.
//
// The loader (multiboot 1: iPXE on BIOS, qemu -kernel) leaves us in 32-bit
// protected mode without paging, magic in eax, information in ebx. We make page
// tables that map the first 4 GiB twice (at 0 and at the direct map) and the
// image at KERNEL_BASE, enter long mode and call kernel_main(magic, info).
// kernel_map.c replaces these tables by ones that obey W^X at once.
//
// Another processor starts in real mode at the trampoline, which smp.c copies
// to physical TRAMPOLINE; smp.c writes the page-table root and the stack for it
// into the trampoline's last words.

#define TRAMPOLINE 0x8000

#define CR0_PE 0x1
#define CR0_PG_WP 0x80010000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME_NXE 0x900
#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_CODE32 0x18

	.section .multiboot, "a"
	.balign 4
	.long 0x1badb002		// magic
	.long 0x00000003		// page-align modules, give a memory map
	.long -(0x1badb002 + 0x00000003)

	.section .boot, "awx"
	.code32
	.globl boot_entry
boot_entry:
	cli
	cld
	mov $boot_stack_end, %esp
	push %ebx			// information
	push %eax			// magic

	mov $0x80000000, %eax
	cpuid
	cmp $0x80000001, %eax
	jb no_long_mode
	mov $0x80000001, %eax
	cpuid
	bt $29, %edx			// long mode
	jnc no_long_mode
	bt $20, %edx			// no-execute
	jnc no_long_mode

	// Four page directories of 2 MiB pages: 4 GiB.
	xor %ecx, %ecx
1:	mov %ecx, %eax
	shl $21, %eax
	or $0x83, %eax			// present, writable, large
	mov %eax, boot_directories(, %ecx, 8)
	inc %ecx
	cmp $2048, %ecx
	jb 1b

	mov $boot_directories + 3, %eax
	mov %eax, boot_pointers_high + 510 * 8
	xor %ecx, %ecx
1:	mov %eax, boot_pointers_low(, %ecx, 8)
	add $4096, %eax
	inc %ecx
	cmp $4, %ecx
	jb 1b
	movl $boot_pointers_low + 3, boot_root
	movl $boot_pointers_low + 3, boot_root + 256 * 8
	movl $boot_pointers_high + 3, boot_root + 511 * 8

	mov $boot_root, %eax
	mov %eax, %cr3
	mov $CR4_PAE, %eax
	mov %eax, %cr4
	mov $MSR_EFER, %ecx
	xor %edx, %edx
	mov $EFER_LME_NXE, %eax
	wrmsr
	mov $CR0_PG_WP + CR0_PE, %eax
	mov %eax, %cr0
	pop %edi
	pop %esi
	lgdt boot_gdt_pointer
	ljmp $SELECTOR_CODE64, $boot_entry64

no_long_mode:
	mov $no_long_mode_text, %esi
	mov $0x3f8, %edx
1:	lodsb
	test %al, %al
	jz 2f
	outb %al, %dx
	jmp 1b
2:	hlt
	jmp 2b
no_long_mode_text:
	.asciz "DEOS needs an x86-64 processor with long mode and NX\r\n"

	.code64
boot_entry64:
	mov $SELECTOR_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $boot_kernel_stack_end, %rsp
	mov %edi, %edi			// upper halves are not defined
	mov %esi, %esi
	xor %ebp, %ebp			// the end of every backtrace
	mov $kernel_main, %rax
	call *%rax
	ud2

	.balign 8
boot_gdt:
	.quad 0
	.quad 0x00af9a000000ffff	// 64-bit code
	.quad 0x00cf92000000ffff	// data
	.quad 0x00cf9a000000ffff	// 32-bit code
boot_gdt_pointer:
	.word . - boot_gdt - 1
	.quad boot_gdt

	// The other processors. Position: copied to TRAMPOLINE.
	.balign 16
	.globl trampoline_start, trampoline_end
	.globl trampoline_root, trampoline_stack, trampoline_argument
	.code16
trampoline_start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	lgdtl (TRAMPOLINE + trampoline_gdt_pointer - trampoline_start)
	mov $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl $SELECTOR_CODE32, $(TRAMPOLINE + trampoline32 - trampoline_start)
	.code32
trampoline32:
	mov $SELECTOR_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $CR4_PAE, %eax
	mov %eax, %cr4
	mov (TRAMPOLINE + trampoline_root - trampoline_start), %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	xor %edx, %edx
	mov $EFER_LME_NXE, %eax
	wrmsr
	mov $CR0_PG_WP + CR0_PE, %eax
	mov %eax, %cr0
	ljmp $SELECTOR_CODE64, $(TRAMPOLINE + trampoline64 - trampoline_start)
	.code64
trampoline64:
	mov (TRAMPOLINE + trampoline_stack - trampoline_start), %rsp
	mov (TRAMPOLINE + trampoline_argument - trampoline_start), %rdi
	xor %ebp, %ebp
	mov $kernel_secondary, %rax
	call *%rax
	ud2
	.balign 8
trampoline_gdt:				// its own: only this page is identity mapped
	.quad 0
	.quad 0x00af9a000000ffff
	.quad 0x00cf92000000ffff
	.quad 0x00cf9a000000ffff
trampoline_gdt_pointer:
	.word 31
	.long TRAMPOLINE + trampoline_gdt - trampoline_start
	.balign 8
trampoline_root:
	.quad 0
trampoline_stack:
	.quad 0
trampoline_argument:
	.quad 0
trampoline_end:

	// The early tables. Zeroed by being in the file image: the loader clears
	// only what lies behind it.
	.balign 4096
boot_root:
	.fill 4096, 1, 0
boot_pointers_low:
	.fill 4096, 1, 0
boot_pointers_high:
	.fill 4096, 1, 0
boot_directories:
	.fill 4096 * 4, 1, 0
	.fill 256, 1, 0
boot_stack_end:

	.section .bss
	.balign 4096
	.globl boot_kernel_stack_end
boot_kernel_stack:
	.skip 16384
boot_kernel_stack_end:

	.section .note.GNU-stack, "", @progbits
