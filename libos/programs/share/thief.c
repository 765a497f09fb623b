// SPDX-License-Identifier: BSD-2-Clause
// Wants what is another root's, and its own before its time. The registry tells it where
// all blocks of the others are; each attempt is answered with the error that it deserves,
// and in the end nothing of its own is left. It keeps to a shelf.

#include "kernel/base/string.h"
#include "libos/crt/attempt.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/programs/share/share.h"

static struct volume_user *me;
static u32 root_block;

// A block of another root, of data or of metadata.
static u32
find_foreign(bool data)
{
	const volatile struct volume_block *b = volume_registry(me->index);

	for (u32 i = 0; i < SHARE_BLOCKS; i++) {
		if (b[i].state == VOLUME_USED && b[i].root != me->root &&
		    (b[i].type == VOLUME_DATA) == data && !b[i].busy)
			return i;
	}
	need("find something to steal", -E_ABSENT);
	return 0;
}

// Claims an extent at a place of the own root, as it is declared; 0 bytes are put there
// when `lies`.
static i64
claim(u32 place, u32 block, u32 type, bool lies)
{
	struct volume_extent e = { block, 1, (u16)type };
	struct volume_update u;

	volume_begin_update(&u, root_block);
	if (lies)
		e = (struct volume_extent){ 0 };
	volume_put(&u, place * (u32)sizeof(e), &e, sizeof(e));
	volume_gain(&u, block, 1, type);
	return volume_make(me, &u);
}

static i64
release(u32 place, u32 block, u32 type)
{
	struct volume_extent e = { 0 };
	struct volume_update u;

	volume_begin_update(&u, root_block);
	volume_put(&u, place * (u32)sizeof(e), &e, sizeof(e));
	volume_lose(&u, block, 1, type);
	return volume_make(me, &u);
}

static void
others_blocks(void)
{
	u32 data = find_foreign(true), meta = find_foreign(false);
	struct volume_update u;

	refused("to read another's data", volume_run(me, QUEUE_READ, data, 1), E_RANGE);
	refused("to write it", volume_run(me, QUEUE_WRITE, data, 1), E_RANGE);
	refused("to read another's metadata", volume_run(me, QUEUE_READ, meta, 1), E_RANGE);
	refused("to write it", volume_run(me, QUEUE_WRITE, meta, 1), E_RANGE);
	refused("to write it out", volume_run(me, QUEUE_STORE, meta, 1), E_RANGE);
	refused("to own it too", claim(1, meta, TYPE_SHELF, false), E_TAKEN);
	refused("to give it up", release(1, meta, TYPE_SHELF), E_OWNS);
	volume_begin_update(&u, meta);
	volume_put(&u, 0, "x", 1);
	refused("to change it", volume_make(me, &u), E_RANGE);
	refused("to write the catalogue", volume_run(me, QUEUE_WRITE, 0, 1), E_RANGE);
	refused("to read a program", volume_run(me, QUEUE_READ, LAST_BLOCK - 1, 1), E_RANGE);
	refused("to read what is free", volume_run(me, QUEUE_READ, LAST_BLOCK, 1), E_RANGE);
	refused("to read behind the volume",
		volume_run(me, QUEUE_READ, SHARE_BLOCKS, 1), E_RANGE);
	refused("to read across its end",
		volume_run(me, QUEUE_READ, LAST_BLOCK, 2), E_RANGE);
}

static void
others_roots(void)
{
	struct volume_update u;

	volume_begin_update(&u, root_block);
	for (u32 root = 0; root < VOLUME_ROOTS_MAX + 1; root++) {
		if (root == me->root)
			continue;
		me->queue.root = (u8)root;
		refused("to read by another root", volume_run(me, QUEUE_READ, 10, 1),
			E_RANGE);
		refused("to update by it", sys_volume_update(me->slot, root, &u), E_RANGE);
		refused("to take it",
			sys_volume_root(me->slot, root, TYPE_SHELF, 100, false), E_RANGE);
	}
	me->queue.root = (u8)me->root;
	refused("to raise its limit", sys_volume_limit(me->slot, me->root, 100), E_RIGHTS);
	refused("to add a type", sys_volume_type(me->slot, 5, 6, 0, 100), E_RIGHTS);
	refused("to walk", sys_volume_walk(me->slot), E_RIGHTS);
	refused("a second root block",
		sys_volume_root(me->slot, me->root, TYPE_SHELF, 100, false), E_TAKEN);
}

// Metadata of a type whose program says what it is told to.
static void
forged_function(void)
{
	u32 data = find_foreign(true), liar = 0;
	u8 bytes[8] = { 1, 0, 0, 0, (u8)data, (u8)(data >> 8) };
	struct volume_update u;
	i64 result;

	do {
		liar = volume_find_free(me, 60, 1);
		result = claim(2, liar, TYPE_LIAR, false);
	} while (result == -E_TAKEN);
	need("own metadata of a liar", result);
	need("have it in the cache", volume_run(me, QUEUE_READ, liar, 1));
	volume_begin_update(&u, liar);
	volume_put(&u, 0, bytes, sizeof(bytes));
	refused("to say nothing and own it", volume_make(me, &u), E_OWNS);
	volume_gain(&u, data, 1, VOLUME_DATA);
	refused("to say so", volume_make(me, &u), E_TAKEN);
	u.change[0].removes = 1;
	refused("to say that it goes", volume_make(me, &u), E_OWNS);
	do {
		volume_begin_update(&u, liar);
		volume_put(&u, 0, bytes, sizeof(bytes));
		volume_gain(&u, volume_find_free(me, 60, 1), 1, VOLUME_DATA);
		result = volume_make(me, &u);
	} while (result == -E_TAKEN);
	refused("to say another one", result, E_OWNS);
	do
		result = claim(3, volume_find_free(me, 60, 1), VOLUME_DATA, true);
	while (result == -E_TAKEN);
	refused("to own and not to say so in the metadata", result, E_OWNS);
	refused("a type that is none", claim(3, LAST_BLOCK, 6, false), E_ARGUMENT);
	need("let go of it", release(2, liar, TYPE_LIAR));
}

// What comes before its time.
static void
out_of_order(void)
{
	const volatile struct volume_block *b = volume_registry(me->index);
	u32 block;
	i64 result;

	do {
		block = volume_find_free(me, 90, 1);
		result = claim(0, block, VOLUME_DATA, false);
	} while (result == -E_TAKEN);
	need("own a block", result);
	refused("to read what another left there", volume_run(me, QUEUE_READ, block, 1),
		E_STATE);
	refused("metadata before its data", volume_run(me, QUEUE_STORE, root_block, 1),
		E_STATE);
	need("write", volume_run(me, QUEUE_WRITE, block, 1));
	// Somebody else's flush may come first, which is as good.
	result = volume_run(me, QUEUE_STORE, root_block, 1);
	holds("metadata waits until its data is durable", result == -E_STATE ||
	      !(b[block].flags & VOLUME_UNSETTLED));
	need("flush", volume_sync(me));
	result = b[root_block].flags & VOLUME_DIRTY
		? volume_run(me, QUEUE_STORE, root_block, 1) : 0;
	need("store", result);
	result = release(0, block, VOLUME_DATA);
	holds("metadata on its way does not change", result == -E_AGAIN ||
	      !(b[root_block].flags & VOLUME_LEAVING));
	need("flush", volume_sync(me));
	need("read", result ? volume_run(me, QUEUE_READ, block, 1) : 0);
	need("let go of it", result ? release(0, block, VOLUME_DATA) : 0);
	refused("to use what was given up", volume_run(me, QUEUE_WRITE, block, 1), E_RANGE);
	refused("to take again what the disk still owns",
		claim(1, block, VOLUME_DATA, false), E_TAKEN);
	need("flush", volume_sync(me));
	refused("to take it before that is durable",
		claim(1, block, VOLUME_DATA, false), E_TAKEN);
	need("save", volume_save(me, root_block));
	holds("now it is free", volume_registry(me->index)[block].state != VOLUME_LIMBO);
	refused("to store what is as it was", volume_run(me, QUEUE_STORE, root_block, 1),
		E_STATE);
}

static void
malformed(void)
{
	struct volume_update u;
	u8 bytes[8] = { 0 };

	volume_begin_update(&u, root_block);
	u.mod_count = VOLUME_MODS_MAX + 1;
	refused("too many changes of bytes", volume_make(me, &u), E_ARGUMENT);
	volume_begin_update(&u, root_block);
	volume_put(&u, BLOCK_SIZE - 4, bytes, sizeof(bytes));
	refused("bytes across the end", volume_make(me, &u), E_ARGUMENT);
	volume_begin_update(&u, root_block);
	for (u32 i = 0; i < VOLUME_PARTS_MAX + 1; i++)
		volume_put(&u, i << SHELF_SHIFT, bytes, sizeof(bytes));
	refused("too many partitions", volume_make(me, &u), E_ARGUMENT);
	refused("an update that is nowhere",
		sys_volume_update(me->slot, me->root, (const void *)8), E_ADDRESS);
}

static void
write_registry(void *at)
{
	*(volatile u8 *)at = 0;
}

static void
forge_registry(void)
{
	struct upcall_frame fault;

	holds("the registry cannot be written",
	      attempt(write_registry, (void *)&volume_registry(me->index)[root_block],
		      &fault));
	holds("nor the table", attempt(write_registry,
				       (void *)&volume_table()[me->index], &fault));
}

int
thief_main(struct share_task *task)
{
	me = &task->user;
	root_block = volume_table()[me->index].root[me->root].block;
	need("read the root", volume_run(me, QUEUE_READ, root_block, 1));
	others_blocks();
	others_roots();
	forged_function();
	out_of_order();
	malformed();
	forge_registry();
	return verdict_end();
}
