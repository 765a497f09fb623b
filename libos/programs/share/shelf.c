// SPDX-License-Identifier: BSD-2-Clause
// One layout: a single block of metadata with PLACES extents, each replaced by turns. A
// round takes free blocks for a new extent in the place of an old one, writes them, and
// has that durable before the metadata that says so.

#include "kernel/base/assert.h"
#include "libos/programs/share/share.h"

#define PLACES 16u
#define LENGTH_MAX 3u

static u32
root_block(const struct share_task *task)
{
	return volume_table()[task->user.index].root[task->user.root].block;
}

// What stands at a place. The root was read into the memory's last frame.
static struct volume_extent *
extents(const struct share_task *task)
{
	return (struct volume_extent *)(void *)volume_memory(&task->user, LENGTH_MAX);
}

static i64
read_root(struct share_task *task)
{
	struct volume_user *u = &task->user;

	return queue_run(&u->queue, QUEUE_READ, root_block(task),
			 u->memory.frame + LENGTH_MAX, 1, NEVER);
}

// Asks for free blocks until it has some: the other keeper may be faster, and what was
// given up is free only when the disk says so too.
static i64
replace(struct share_task *task, u64 round, struct volume_extent *now)
{
	u32 place = (u32)(round % PLACES);
	struct volume_extent old = extents(task)[place];
	struct volume_update update;
	i64 error;

	*now = (struct volume_extent){ .count = (u16)(1 + round % LENGTH_MAX) };
	do {
		u32 block = volume_find_free(&task->user, (u32)round * 7 % SHARE_BLOCKS,
					     now->count);

		if (block == VOLUME_NONE)
			return -E_QUOTA;
		now->block = block;
		volume_begin_update(&update, root_block(task));
		volume_put(&update, place * (u32)sizeof(*now), now, sizeof(*now));
		volume_gain(&update, block, now->count, VOLUME_DATA);
		if (old.block)
			volume_lose(&update, old.block, old.count, VOLUME_DATA);
		error = volume_make(&task->user, &update);
	} while (error == -E_TAKEN);
	if (!error)
		extents(task)[place] = *now;
	return error;
}

static void
keep(struct share_task *task, u64 round)
{
	struct volume_extent e;

	share_must(replace(task, round, &e), "replace an extent");
	for (u32 i = 0; i < e.count; i++)
		share_fill(volume_memory(&task->user, i), ROOT_SHELF, round, i);
	share_must(volume_run(&task->user, QUEUE_WRITE, e.block, e.count), "write");
	share_must(volume_sync(&task->user), "flush");
	share_must(volume_save(&task->user, root_block(task)), "save the shelf");
	share_say_durable(round);
}

static int
look(struct share_task *task, u64 *newest)
{
	u32 found = 0, wrong = 0;

	*newest = 0;
	for (u32 place = 0; place < PLACES; place++) {
		struct volume_extent e = extents(task)[place];
		u64 round;

		if (!e.block)
			continue;
		found++;
		share_must(volume_run(&task->user, QUEUE_READ, e.block, e.count), "read");
		round = *(u64 *)(void *)volume_memory(&task->user, 0);
		for (u32 i = 0; i < e.count; i++)
			wrong += round % PLACES != place ||
				 !share_is_filled(volume_memory(&task->user, i),
						  ROOT_SHELF, round, i);
		*newest = MAX(*newest, round);
	}
	return share_say_checked(found, *newest, wrong);
}

int
shelf_main(struct share_task *task)
{
	u64 newest;
	int status;

	share_must(read_root(task), "read the root");
	status = look(task, &newest);
	if (task->check || status)
		return status;
	for (u64 i = 0; !task->rounds || i < task->rounds; i++)
		keep(task, ++newest);
	return STATUS_OK;
}
