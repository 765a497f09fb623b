// SPDX-License-Identifier: BSD-2-Clause
// Frames of another node, taken out of a pool that it lends, and rights that are taken
// away again.

#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/remote/far.h"

#define PATIENCE_NS (3 * NS_PER_SECOND)

i64
far_protect(struct far_io *io, u32 slot, const struct fabric_holder *holder, u8 rights)
{
	struct fabric_submit s = {
		.op = FABRIC_PROTECT, .slot = slot,
		.protect = {
			.slot = holder ? holder->slot : FABRIC_SLOT_OWN,
			.generation = holder ? holder->generation : 0,
			.rights = rights,
		},
	};
	struct fabric_complete complete;

	return far_run(io, &s, &complete);
}

// The capability for what was taken comes by itself; the word tells it from others,
// which are dropped.
static i64
wait_for_it(struct far_io *io, u64 tag, u64 word, u32 *slot)
{
	u64 until = now_ns() + PATIENCE_NS;
	struct fabric_complete complete;

	while (fabric_next(io->fabric, &complete, until)) {
		if (complete.tag != tag)
			continue;
		if (complete.outcome != FABRIC_DONE)
			return far_result(&complete);
		if (complete.word != word) {
			cap_drop_all(complete.slot);
			return -E_TIMEOUT;
		}
		*slot = complete.slot;
		return 0;
	}
	return -E_TIMEOUT;
}

// Takes the place back; what came into it meanwhile is dropped.
static void
withdraw(struct far_io *io, u64 tag)
{
	struct fabric_submit s = { .op = FABRIC_CANCEL, .offset = tag };
	struct fabric_complete complete;

	if (far_run(io, &s, &complete))
		return;
	while (fabric_take(io->fabric, &complete)) {
		if (complete.tag == tag && complete.outcome == FABRIC_DONE)
			cap_drop_all(complete.slot);
	}
}

i64
far_alloc(struct far_io *io, u32 pool, u32 count, u32 *slot)
{
	struct fabric_submit place = { .tag = --io->tags, .op = FABRIC_ACCEPT };
	struct fabric_submit s = { .op = FABRIC_ALLOC, .slot = pool };
	struct fabric_complete complete;
	struct cap_info info;
	i64 error = sys_cap_inspect(CAP_SLOT_SELF, pool, &info);

	if (error)
		return error;
	s.alloc = (struct fabric_alloc){
		.word = place.tag,
		.range = (u32)MIN(info.count, FABRIC_ALLOC_RANGE),
		.count = count,
		.rights = CAP_READ | CAP_WRITE,
	};
	if (!fabric_put(io->fabric, &place))
		return -E_STATE;
	error = far_run(io, &s, &complete);
	if (!error)
		error = wait_for_it(io, place.tag, place.tag, slot);
	if (error)
		withdraw(io, place.tag);
	return error;
}

i64
far_free(struct far_io *io, u32 slot)
{
	struct fabric_submit s = { .op = FABRIC_DROP, .slot = slot };
	struct fabric_complete complete;
	i64 error = far_run(io, &s, &complete);

	if (!error)
		cap_drop_all(slot);
	return error;
}
