// SPDX-License-Identifier: BSD-2-Clause
// The program that loads the first one (libos/loader), as bytes.

	.section .rodata
	.balign 16
	.globl loader_image, loader_image_end
loader_image:
	.incbin LOADER
loader_image_end:

	.section .note.GNU-stack, "", @progbits
