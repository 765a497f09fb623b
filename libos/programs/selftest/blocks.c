// SPDX-License-Identifier: BSD-2-Clause
// Blocks of the disk that were lent and are asked for again: by the deadline a holder
// that listens has given them, and one that does not has lost exactly those, by a record.
// holder.c is the other side. Without a disk nothing is tested, which is said.

#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/programs/selftest/selftest.h"

#define SOON_NS (100 * NS_PER_MS)
#define LATE_NS (9 * NS_PER_SECOND)
#define OWED 5u
#define LEFT (HOLDER_BLOCKS - OWED)

static struct helper h;
static u32 blocks;
static u64 first;

// Has the holder look: its queue reads `by_queue` blocks, a new one `by_another`.
static void
look(u32 order, u32 by_queue, u32 by_another)
{
	announce(&h.shared->order, order);
	check(changed(&h.shared->state, order), "the holder lives and looked");
	check(h.shared->whole[0] == by_queue, "its queue reads what it may");
	check(h.shared->whole[1] == by_another, "one bound anew reads what is left");
}

static u64
count_left(void)
{
	struct cap_info info = { 0 };

	must(sys_cap_inspect(h.child.env, h.shared->slot[0], &info), "cap_inspect");
	return info.type == CAP_BLOCKS && info.base == first ? info.count : 0;
}

// A holder with HOLDER_BLOCKS of our blocks, all of which it reads.
static void
start(char *what)
{
	i64 slot;

	helper_start_with(&h, what, processor(), NULL,
			  (struct quota){ .frames = 300, .rings = 1 });
	check(changed(&h.shared->state, 0), "the holder is ready");
	slot = sys_cap_derive(blocks, h.child.env, CAP_READ, first, HOLDER_BLOCKS);
	must(slot, "derive");
	h.shared->slot[0] = (u32)slot;
	h.shared->base[0] = first;
	look(1, HOLDER_BLOCKS, HOLDER_BLOCKS);
}

static void
ask(u64 deadline_ns)
{
	check(sys_revoke_ask(h.child.env, blocks, CAP_BLOCKS, OWED, deadline_ns) == OWED,
	      "blocks are owed");
}

static void
are_taken(void)
{
	u64 deadline;

	start("hold-blocks");
	deadline = now_ns() + SOON_NS;
	ask(deadline);
	check(count_left() == HOLDER_BLOCKS, "nothing goes before its time");
	helper_settled(&h);
	check(now_ns() >= deadline && count_left() == LEFT, "at the deadline they go");
	look(2, 0, LEFT);
	check(h.shared->records == 1, "with one record");
	helper_recorded(&h, 0, CAP_BLOCKS, h.shared->slot[0], first + LEFT, OWED);
	helper_end(&h);
}

static void
are_given(void)
{
	u64 deadline;

	start("hold-blocks-politely");
	deadline = now_ns() + LATE_NS;
	ask(deadline);
	helper_settled(&h);
	check(now_ns() < deadline && count_left() == LEFT, "they are given before");
	look(2, 0, LEFT);
	check(h.shared->records == 0 && env_table()[h.child.index].taken == 0,
	      "and nothing is taken");
	helper_end(&h);
}

void
test_blocks(void)
{
	struct cap_info info = { 0 };

	blocks = startup_slot(ROLE_BLOCKS);
	if (blocks == SLOT_NONE) {
		print("selftest: no disk\n");
		return;
	}
	must(sys_cap_inspect(CAP_SLOT_SELF, blocks, &info), "cap_inspect");
	first = info.base;
	are_taken();
	are_given();
}
