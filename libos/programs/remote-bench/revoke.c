// SPDX-License-Identifier: BSD-2-Clause
// Taking back, timed at the owner. `own` lends one page until as many capabilities for it
// are held as it is told; who holds them (`hold`, on other nodes) adds to its words all
// the time. Then it revokes them in one call: when that returns, no addition may land
// any more. So it looks at the words right after the call and again a while later, and
// fails when they differ. What is left to be cleaned up is not timed: it is refused.
//
// With `silent` only the last call is timed, and made when no holder's node has a session
// any more: they are dead.

#include "kernel/abi/errors.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/rank.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/remote-bench/bench.h"
#include "libos/remote/lend.h"
#include "libos/remote/node.h"

#define WORDS (PAGE_SIZE / sizeof(u64))
#define ADDING_NS (50 * NS_PER_MS)	// before the call
#define LATE_NS (50 * NS_PER_MS)	// after it
#define LOOK_NS (5 * NS_PER_MS)
#define ADDS_OPEN 8u
#define REFUSED_ENOUGH 64u		// in a row, of a holder's: all is gone
#define PATIENCE_NS (10 * NS_PER_SECOND)

enum {
#define X(name, number, sentence) name = number,
#include "net/wire/codes.def"
#undef X
};

static struct lend lend;
static u32 sample_ns[ROUNDS_MAX];
static u32 slots[HOLD_MAX];

static void
pause_ns(u64 ns)
{
	wait_sleep(&(struct wait_set){ .deadline_ns = now_ns() + ns });
}

static u64
sum(const u64 *words)
{
	u64 total = 0;

	for (u32 i = 0; i < WORDS; i++)
		total += __atomic_load_n(&words[i], __ATOMIC_RELAXED);
	return total;
}

static bool
anybody_alive(void)
{
	const volatile struct fabric_link *links = link_table();

	for (u32 i = 0; i < fabric_info()->links; i++) {
		if (links[i].state == FABRIC_LINK_UP)
			return true;
	}
	return false;
}

// One call, and what it is to have brought about.
static u32
revoke_once(const u64 *words, bool silent)
{
	u64 before, called, returned, after;
	i64 error;

	pause_ns(ADDING_NS);
	before = sum(words);
	while (silent && anybody_alive())
		pause_ns(LOOK_NS);
	called = now_ns();
	error = sys_cap_revoke(lend.pages.slot);
	returned = now_ns();
	after = sum(words);
	pause_ns(LATE_NS);
	if (sum(words) != after)
		fail("an addition landed after the call");
	if (!before)
		fail("nobody has added anything");
	if (error == -E_AGAIN)
		error = cap_revoke_all(lend.pages.slot);
	if (error)
		fail(far_error_text(error));
	return (u32)MIN(returned - called, ~0u);
}

void
own(u32 holders, u32 rounds, bool silent)
{
	struct frame_run page;
	const u64 *words;
	u32 from = silent ? rounds - 1 : 0;
	u64 took = 0;
	i64 error;

	prepare();
	error = lend_open(&lend, &io, direct_address(region.frame), 0, 0);
	if (!error)
		error = frames_take(1, &page);
	if (!error)
		error = lend_pages(&lend, &page);
	if (error)
		fail(far_error_text(error));
	words = direct_address(page.frame);
	print("remote-bench: serving\n");
	for (u32 round = 0; round < rounds; round++) {
		for (u32 i = 0; i < holders; i++) {
			error = lend_once(&lend);
			if (error)
				fail(far_error_text(error));
		}
		print("remote-bench: %u hold it\n", fabric_info()->exports);
		sample_ns[round] = revoke_once(words, silent && round == from);
		took += round >= from ? sample_ns[round] : 0;
	}
	report(sample_ns + from, rounds - from, took);
}

static void
put_add(u32 count, u64 *tags)
{
	struct fabric_submit s = {
		.tag = ++*tags,
		.op = FABRIC_FETCH_ADD,
		.slot = slots[random_below(count)],
		.offset = random_below(WORDS) * sizeof(u64),
		.length = sizeof(u64),
		.addend = 1,
	};

	if (!fabric_put(&fabric, &s))
		fail("the queue has no room");
}

// Adds until it is refused all along.
static void
add_on(u32 count)
{
	u32 refused = 0, open = 0;
	struct fabric_complete c;
	static u64 tags;

	while (refused < REFUSED_ENOUGH || open) {
		for (; open < ADDS_OPEN && refused < REFUSED_ENOUGH; open++)
			put_add(count, &tags);
		if (fabric_flush(&fabric))
			fail("the queue stopped");
		if (!fabric_next(&fabric, &c, NEVER))
			continue;
		open--;
		refused = c.outcome == FABRIC_DONE ? 0 : refused + 1;
	}
}

void
hold(const char *name, u32 count)
{
	struct far_ask ask = {
		.kind = FAR_ASK_PAGES, .rights = CAP_READ | CAP_WRITE, .count = 1,
	};
	u16 node;
	i64 error;

	prepare();
	node = node_wait(name, now_ns() + PATIENCE_NS);
	if (node == NODE_NONE)
		fail("no session with that node");
	print("remote-bench: holding\n");
	for (;;) {
		for (u32 i = 0; i < count; i++) {
			do {
				error = far_ask(&io, node, &ask,
						direct_address(region.frame), &slots[i]);
			} while (error == FAR_CODE(CODE_BUFFER));
			if (error)
				fail(far_error_text(error));
		}
		add_on(count);
		for (u32 i = 0; i < count; i++)
			cap_drop_all(slots[i]);
	}
}
