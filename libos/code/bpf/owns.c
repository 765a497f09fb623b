// SPDX-License-Identifier: BSD-2-Clause
// What metadata of a volume owns (docs/volume.md): two layouts that have nothing in
// common, and some that a volume must withstand.

#include "libos/code/bpf/bpf.h"

#define ENTRIES 16u

// Partitions of 128 bytes, sixteen extents as struct volume_extent; block 0: none.
u32
shelf_owns(const struct volume_context *c)
{
	const struct volume_extent *in = (const void *)c->part;
	struct volume_extent *out = c->out;
	u32 found = 0;

	for (u32 i = 0; i < ENTRIES; i++) {
		if (in[i].block) {
			*out++ = in[i];
			found++;
		}
	}
	return found;
}

// Partitions of 64 bytes, each a named entry (libos/programs/share/share.h) of one
// block, whose number is stored in big endian.
u32
folder_owns(const struct volume_context *c)
{
	u32 number = __builtin_bswap32(*(const u32 *)c->part);

	if (!number)
		return 0;
	c->out[0].block = number;
	c->out[0].count = 1;
	c->out[0].type = c->part[4];
	return 1;
}

// Claims a block of anybody's choice when its first byte says so.
u32
liar_owns(const struct volume_context *c)
{
	if (c->part[0] != 1)
		return 0;
	c->out[0].block = *(const u32 *)(c->part + 4);
	c->out[0].count = 1;
	return 1;
}

// Claims block 20 from the beginning.
u32
greedy_owns(const struct volume_context *c)
{
	c->out[0].block = 20;
	c->out[0].count = 1;
	return 1;
}

// Reaches for what lies behind its partition.
u32
wild_owns(const struct volume_context *c)
{
	return c->part[64] & 1;
}
