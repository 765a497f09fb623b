// SPDX-License-Identifier: BSD-2-Clause
// Another layout: folders in a folder, whose named entries own a block each, a folder or
// data. A round puts data under a new name in a folder, which is made when it is not
// there, in the place of an older one. What lies deeper is durable first.

#include "kernel/base/byteorder.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/programs/share/share.h"

#define FOLDERS 4u
#define ENTRIES 12u			// in each

static u32
root_block(const struct share_task *task)
{
	return volume_table()[task->user.index].root[task->user.root].block;
}

static u32
block_of(const struct folder_entry *e)
{
	return be32_load((const u8 *)&e->block);
}

// Reads an entry of a folder; it is then in the volume's cache.
static struct folder_entry
entry_at(struct share_task *task, u32 folder, u32 number)
{
	share_must(volume_run(&task->user, QUEUE_READ, folder, 1), "read a folder");
	return ((struct folder_entry *)(void *)volume_memory(&task->user, 0))[number];
}

// Puts a new block under a name, in the place of what was there. Returns the block.
static u32
put(struct share_task *task, u32 folder, u32 number, u32 type, u64 round)
{
	struct folder_entry old = entry_at(task, folder, number), e = { 0 };
	struct volume_update update;
	i64 error;

	e.type = (u8)type;
	e.round = round;
	fmt_into(e.name, sizeof(e.name), "round %lu", round);
	do {
		u32 block = volume_find_free(&task->user, (u32)round * 11 % SHARE_BLOCKS, 1);

		if (block == VOLUME_NONE)
			share_must(-E_QUOTA, "find a free block");
		be32_store((u8 *)&e.block, block);
		volume_begin_update(&update, folder);
		volume_put(&update, number * (u32)sizeof(e), &e, VOLUME_MOD_BYTES);
		volume_gain(&update, block, 1, type);
		if (old.block)
			volume_lose(&update, block_of(&old), 1, old.type);
		error = volume_make(&task->user, &update);
	} while (error == -E_TAKEN);
	share_must(error, "put an entry");
	return block_of(&e);
}

static u32
folder_of(struct share_task *task, u64 round)
{
	u32 number = (u32)(round % FOLDERS);
	struct folder_entry e = entry_at(task, root_block(task), number);

	return e.block ? block_of(&e)
		       : put(task, root_block(task), number, TYPE_FOLDER, round);
}

static void
keep(struct share_task *task, u64 round)
{
	u32 folder = folder_of(task, round);
	u32 block = put(task, folder, (u32)(round / FOLDERS % ENTRIES), VOLUME_DATA, round);

	share_fill(volume_memory(&task->user, 0), ROOT_FOLDER, round, 0);
	share_must(volume_run(&task->user, QUEUE_WRITE, block, 1), "write");
	share_must(volume_sync(&task->user), "flush");
	share_must(volume_save(&task->user, folder), "save a folder");
	share_must(volume_save(&task->user, root_block(task)), "save the root");
	share_say_durable(round);
}

static int
look(struct share_task *task, u64 *newest)
{
	u32 found = 0, wrong = 0;

	*newest = 0;
	for (u32 f = 0; f < FOLDERS; f++) {
		struct folder_entry folder = entry_at(task, root_block(task), f);

		for (u32 i = 0; folder.block && i < ENTRIES; i++) {
			struct folder_entry e = entry_at(task, block_of(&folder), i);

			if (!e.block)
				continue;
			found++;
			share_must(volume_run(&task->user, QUEUE_READ, block_of(&e), 1),
				   "read");
			wrong += e.type != VOLUME_DATA || e.round % FOLDERS != f ||
				 !share_is_filled(volume_memory(&task->user, 0),
						  ROOT_FOLDER, e.round, 0);
			*newest = MAX(*newest, e.round);
		}
	}
	return share_say_checked(found, *newest, wrong);
}

int
folder_main(struct share_task *task)
{
	u64 newest;
	int status = look(task, &newest);

	if (task->check || status)
		return status;
	for (u64 i = 0; !task->rounds || i < task->rounds; i++)
		keep(task, ++newest);
	return STATUS_OK;
}
