// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A volume in memory, with the core and the engine that the kernel's part of it uses:
// programs of types are verified when they are met, and interpreted.

#include <stdio.h>

#include "kernel/volume/volume.h"

struct image {
	struct volume volume;
	u8 *bytes;		// the volume's blocks
	struct code_verifier *verifier;
	struct code_insn text[VOLUME_TYPES_MAX][VOLUME_INSNS_MAX];
	struct code_program program[VOLUME_TYPES_MAX];
	struct volume_block block[VOLUME_BLOCKS_MAX];
	u8 mark[VOLUME_BLOCKS_MAX];
	u16 tally[2 * VOLUME_BLOCKS_MAX];	// for volume_check()
	u8 cache[VOLUME_CACHE_MAX][BLOCK_SIZE];
};

// A volume of `count` blocks at `bytes`. NULL: no memory.
struct image *
image_open(u8 *bytes, u32 count);
void
image_close(struct image *image);

// Takes a program for a type: true, or it was refused.
must_check bool
image_program(struct image *image, u32 type, u32 shift, const struct code_insn *text,
	      u32 insn_count);

// Walks the volume; says on `out` what is wrong, or what there is. Returns whether it is
// consistent.
must_check bool
image_check(struct image *image, FILE *out);
