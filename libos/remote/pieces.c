// SPDX-License-Identifier: BSD-2-Clause
// Far memory in several pieces, and who else holds it. Here the pieces of a change are
// written before its word counts on, as the kernel does it for peers: who sees the new
// word sees them.

#include "kernel/base/string.h"
#include "libos/crt/syscall.h"
#include "libos/remote/far.h"

// Bytes of all pieces; 0 when one lies outside, or there are too many.
static u32
pieces_bytes(const struct far *far, u64 offset, const struct fabric_piece *piece,
	     u32 count)
{
	u64 bytes = far->units * PAGE_SIZE, sum = 0;

	if (count > FABRIC_PIECES_MAX || offset > bytes)
		return 0;
	bytes -= offset;
	for (u32 i = 0; i < count; i++) {
		if (piece[i].offset > bytes ||
		    piece[i].length > bytes - piece[i].offset)
			return 0;
		sum += piece[i].length;
	}
	return sum <= PAGE_SIZE ? (u32)sum : 0;
}

static i64
gather_here(const struct far *far, u64 offset, const struct fabric_piece *piece,
	    u32 count, u8 *to)
{
	if (far->kind != FAR_FRAMES)
		return -E_TYPE;
	for (u32 i = 0; i < count; to += piece[i++].length)
		memcpy(to, far->memory + offset + piece[i].offset, piece[i].length);
	return 0;
}

i64
far_gather(struct far *far, u64 offset, const struct fabric_piece *piece, u32 count,
	   void *buffer)
{
	u32 bytes = pieces_bytes(far, offset, piece, count);
	struct fabric_submit s = {
		.op = FABRIC_READV, .slot = far->slot, .offset = offset,
		.length = bytes, .clause_count = count,
	};
	struct fabric_complete complete;

	if (!bytes)
		return -E_RANGE;
	if (far->kind != FAR_REMOTE)
		return gather_here(far, offset, piece, count, buffer);
	memcpy(s.piece, piece, count * sizeof(*piece));
	s.local = fabric_local(buffer);
	return far_run(far->io, &s, &complete);
}

static i64
change_here(const struct far *far, u64 offset, const struct fabric_change *change,
	    u32 count, const u8 *from, u64 *old, bool *changed)
{
	u64 *word = (u64 *)(void *)(far->memory + offset);

	if (far->kind != FAR_FRAMES)
		return -E_TYPE;
	*old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	*changed = !((*old ^ change->compare) & change->compare_mask);
	if (!*changed)
		return 0;
	for (u32 i = 0; i < count; from += change->piece[i++].length)
		memcpy(far->memory + offset + change->piece[i].offset, from,
		       change->piece[i].length);
	*old = __atomic_fetch_add(word, change->add, __ATOMIC_SEQ_CST);
	return sys_wake((u32 *)(void *)word);
}

i64
far_change(struct far *far, u64 offset, const struct fabric_change *change, u32 count,
	   const void *data, u64 *old, bool *changed)
{
	u32 bytes = pieces_bytes(far, offset, change->piece, count);
	struct fabric_submit s = {
		.op = FABRIC_PUTV, .slot = far->slot, .offset = offset, .length = 8,
		.clause_count = count, .change = *change,
	};
	struct fabric_complete complete = { 0 };
	i64 error;

	if (!bytes || offset % sizeof(u64) ||
	    offset > far->units * PAGE_SIZE - sizeof(u64))
		return -E_RANGE;
	if (far->kind != FAR_REMOTE)
		return change_here(far, offset, change, count, data, old, changed);
	s.local = fabric_local(data);
	error = far_run(far->io, &s, &complete);
	*old = complete.old[0];
	*changed = complete.clause == 0;
	return error;
}

i64
far_holders(struct far_io *io, u32 slot, u32 next, struct fabric_holders *holders)
{
	struct fabric_submit s = {
		.op = FABRIC_HOLDERS, .slot = slot, .offset = next,
		.length = sizeof(*holders), .local = fabric_local(holders),
	};
	struct fabric_complete complete;

	return far_run(io, &s, &complete);
}

i64
far_expel(struct far_io *io, u32 slot, const struct fabric_holder *holder)
{
	struct fabric_submit s = {
		.op = FABRIC_EXPEL, .slot = slot,
		.expel = { holder->slot, holder->generation },
	};
	struct fabric_complete complete;

	return far_run(io, &s, &complete);
}

i64
far_recall(struct far_io *io, u32 slot, const struct fabric_holder *holder, u64 count,
	   u64 deadline_ns, struct far_recalled *recalled)
{
	struct fabric_submit s = {
		.op = FABRIC_RECALL, .slot = slot,
		.recall = { holder->slot, holder->generation, count, deadline_ns },
	};
	struct fabric_complete complete = { 0 };
	i64 error = far_run(io, &s, &complete);

	*recalled = (struct far_recalled){
		complete.old[0], complete.old[1], complete.word,
	};
	return error;
}
