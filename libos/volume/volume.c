// SPDX-License-Identifier: BSD-2-Clause
// Volumes at user level. Opening one is a loop: read the block that the kernel wants to
// see next, and have it looked at; a program of a type is loaded from what was read.

#include "libos/volume/volume.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/code/program.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define WALK_FRAMES VOLUME_CATALOGUE_BLOCKS

static const volatile struct volume_info *
info_of(u32 index)
{
	return &volume_table()[index];
}

i64
volume_use(struct volume_user *user, u32 slot, u32 root, u32 frames)
{
	struct cap_info cap;
	i64 error = sys_cap_inspect(CAP_SLOT_SELF, slot, &cap);

	if (error)
		return error;
	if (cap.type != CAP_VOLUME)
		return -E_TYPE;
	*user = (struct volume_user){
		.slot = slot, .index = (u32)cap.base / VOLUME_ROOTS_MAX, .root = root };
	error = frames_take(frames, &user->memory);
	if (error)
		return error;
	error = queue_open(&user->queue, slot, &user->memory);
	if (error) {
		frames_give(&user->memory);
		return error;
	}
	user->queue.root = (u8)root;
	return 0;
}

void
volume_leave(struct volume_user *user)
{
	queue_close(&user->queue);
	frames_give(&user->memory);
}

u8 *
volume_memory(const struct volume_user *user, u32 frame)
{
	ASSERT(frame < user->memory.count);
	return direct_address(user->memory.frame + frame);
}

i64
volume_run(struct volume_user *user, enum queue_op op, u32 block, u32 count)
{
	return queue_run(&user->queue, op, block, user->memory.frame, count, NEVER);
}

i64
volume_sync(struct volume_user *user)
{
	return volume_run(user, QUEUE_FLUSH, 0, 0);
}

i64
volume_save(struct volume_user *user, u32 block)
{
	const volatile struct volume_block *b = &volume_registry(user->index)[block];
	i64 error = b->flags & VOLUME_DIRTY ? volume_run(user, QUEUE_STORE, block, 1) : 0;

	return error ? error : volume_sync(user);
}

u32
volume_find_free(const struct volume_user *user, u32 from, u32 count)
{
	const volatile struct volume_block *registry = volume_registry(user->index);
	u32 blocks = info_of(user->index)->count, run = 0;

	for (u32 i = 0; i < blocks + count; i++) {
		u32 at = (from + i) % blocks;

		run = at && registry[at].state == VOLUME_FREE ? run + 1
			: registry[at].state == VOLUME_FREE;
		if (run == count)
			return at + 1 - count;
	}
	return VOLUME_NONE;
}

// ---- opening ----

static i64
give_program(u32 slot, u32 type, const u8 *text, const volatile struct volume_info *info)
{
	struct program_verdict verdict;
	u32 shift = info->type[type].shift;
	i64 program = program_load(text, info->type[type].insn_count,
				   PROGRAM_OWNS_64 + shift - VOLUME_SHIFT_MIN, &verdict);

	if (program < 0)
		return program;
	return sys_volume_type(slot, type, shift, (u32)program, 0);
}

static i64
walk(struct volume_user *user)
{
	const volatile struct volume_info *info = info_of(user->index);
	i64 result = -E_AGAIN;

	while (result == -E_AGAIN && info->stage == VOLUME_OPENING) {
		u32 block = info->wanted;
		const volatile struct volume_block *b =
			&volume_registry(user->index)[block];

		result = volume_run(user, QUEUE_READ, block, block ? 1 : WALK_FRAMES);
		if (result)
			break;
		result = b->state == VOLUME_PROGRAM
			? give_program(user->slot, b->type, volume_memory(user, 0), info)
			: sys_volume_walk(user->slot);
	}
	return result;
}

i64
volume_bring_up(const struct volume_spec *spec)
{
	struct volume_user user;
	i64 slot = sys_volume_open(spec), error;

	if (slot < 0 || spec->flags & VOLUME_FORMAT)
		return slot;
	error = volume_use(&user, (u32)slot, 0, WALK_FRAMES);
	if (!error) {
		error = walk(&user);
		volume_leave(&user);
	}
	if (!error)
		return slot;
	cap_drop_all((u32)slot);
	return error;
}

// ---- updates ----

void
volume_begin_update(struct volume_update *update, u32 block)
{
	*update = (struct volume_update){ .block = block };
}

void
volume_put(struct volume_update *update, u32 offset, const void *bytes, u32 len)
{
	struct volume_mod *mod = &update->mod[update->mod_count++];

	ASSERT(update->mod_count <= VOLUME_MODS_MAX && len <= VOLUME_MOD_BYTES);
	mod->offset = (u16)offset;
	mod->len = (u16)len;
	memcpy(mod->bytes, bytes, len);
}

static void
change(struct volume_update *update, u32 block, u32 count, u32 type, bool removes)
{
	ASSERT(update->change_count < VOLUME_CHANGES_MAX);
	update->change[update->change_count++] = (struct volume_change){
		.block = (u16)block, .count = (u16)count, .type = (u8)type,
		.removes = removes,
	};
}

void
volume_gain(struct volume_update *update, u32 block, u32 count, u32 type)
{
	change(update, block, count, type, false);
}

void
volume_lose(struct volume_update *update, u32 block, u32 count, u32 type)
{
	change(update, block, count, type, true);
}

i64
volume_make(const struct volume_user *user, const struct volume_update *update)
{
	return sys_volume_update(user->slot, user->root, update);
}
