// SPDX-License-Identifier: BSD-2-Clause
// What volume_rig.h declares: memory for two volumes, the
// one that is used and the one that a mount after a power cut makes.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/abi/errors.h"
#include "kernel/volume/volume_rig.h"

struct prng prng;
struct volume v, after;
struct volume_block registry[BLOCKS], registry_after[BLOCKS];
u8 marks[BLOCKS], marks_after[BLOCKS];
u16 tally[2 * BLOCKS];
u8 cache[CACHE * BLOCK_SIZE], cache_after[CACHE * BLOCK_SIZE];

// What is durable on the disk.
u8 durable[BLOCKS][BLOCK_SIZE];

u32 generation[BLOCKS];	// counts allocations

u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

u32
entry_size(u32 type)
{
	return type == LIST ? ENTRY : 2 * ENTRY;
}

struct volume_extent
entry_at(u32 type, const u8 *at)
{
	struct volume_extent e;
	u32 hidden = type == PAIRS ? HIDDEN : 0;

	memcpy(&e, at, sizeof(e));
	if (hidden && e.block)
		e.block ^= hidden;
	return e;
}

static void
owns(void *host, u32 type, struct volume_context *context, u64 *found)
{
	u32 size = type == LIST ? 64 : 256;

	(void)host;
	*found = 0;
	for (u32 at = 0; at < size; at += entry_size(type)) {
		struct volume_extent e = entry_at(type, context->part + at);

		if (e.block && *found < VOLUME_EXTENTS_MAX)
			context->out[(*found)++] = e;
	}
}

void
put_entry(struct volume_update *u, u32 type, u32 offset, struct volume_extent e)
{
	struct volume_mod *m = &u->mod[u->mod_count++];

	if (type == PAIRS && e.block)
		e.block ^= HIDDEN;
	m->offset = (u16)offset;
	m->len = sizeof(e);
	memcpy(m->bytes, &e, sizeof(e));
}

static void
attach(struct volume *volume, struct volume_block *blocks, u8 *mark, u8 *memory)
{
	memset(volume, 0, sizeof(*volume));
	volume->block = blocks;
	volume->mark = mark;
	volume->cache = memory;
	volume->cache_count = CACHE;
	volume->cache_frame = 1000;
	volume->count = BLOCKS;
	volume->owns = owns;
}

// Formats, registers the types and makes that durable.
void
begin_history(void)
{
	static const struct code_insn text[1] = { { .opcode = 0x95 } };
	u32 slot, target;

	attach(&v, registry, marks, cache);
	attach(&after, registry_after, marks_after, cache_after);
	memset(generation, 0, sizeof(generation));
	for (u32 b = 0; b < BLOCKS; b++) {
		for (u32 i = 0; i < BLOCK_SIZE; i++)
			durable[b][i] = (u8)below(256);
	}
	volume_format(&v);
	assert_int_equal(volume_type_check(&v, LIST, 6, 1, 2), 0);
	assert_int_equal(volume_type_add(&v, LIST, 6, text, 1, 2), 0);
	assert_int_equal(volume_type_check(&v, PAIRS, 8, 1, 3), 0);
	assert_int_equal(volume_type_add(&v, PAIRS, 8, text, 1, 3), 0);
	assert_int_equal(volume_store(&v, 0, 0, &slot, &target), -E_STATE);	// N1
	for (u32 b = 2; b < 4; b++) {
		assert_int_equal(volume_store(&v, 0, b, &slot, &target), 0);
		memcpy(durable[b], cache + slot * BLOCK_SIZE, BLOCK_SIZE);
		volume_stored(&v, b, true);
	}
	assert_int_equal(volume_flush(&v), 0);
	volume_flushed(&v, true);
	assert_int_equal(volume_store(&v, 0, 0, &slot, &target), 0);
	volume_catalogue(&v, durable[target]);
	volume_stored(&v, 0, true);
	assert_int_equal(volume_flush(&v), 0);
	volume_flushed(&v, true);
}
