// SPDX-License-Identifier: BSD-2-Clause
// Two writers in turn, as ib_write_lat has them: each sleeps until what the other wrote
// lies in its own page, and then writes. What is timed is from a write to the answer,
// two ways; neither waits to hear that its own write was done.
//
// The last word of what is written is the number of the exchange, from 1, and END after
// the last. The first exchange brings a pattern back, and is compared byte by byte.

#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/remote-bench/bench.h"
#include "libos/remote/lend.h"

#define WARM_UP 64u
#define END (~0u)
#define PATIENCE_NS (5 * NS_PER_SECOND)
#define ASK_PAGE 1u		// of the region; the first has the lender's buffers
#define DATA_PAGE 2u

static struct lend lend;
static struct frame_run mine;	// the page that is lent
static u32 sample_ns[COUNT_MAX];
static bool waiting;		// a write was put that the kernel does not have

static u8 *
region_page(u32 page)
{
	return direct_address(region.frame + page);
}

static u32 *
last_word(u8 *page, u32 bytes)
{
	return (u32 *)(void *)(page + bytes - PING_STEP);
}

static void
must(i64 error)
{
	if (error)
		fail(far_error_text(error));
}

static void
lend_mine(void)
{
	prepare();
	must(lend_open(&lend, &io, region_page(0), 0, 0));
	must(frames_take(1, &mine));
	must(lend_pages(&lend, &mine));
}

static void
ask_theirs(const char *name)
{
	struct far_ask ask = {
		.kind = FAR_ASK_PAGES, .rights = CAP_READ | CAP_WRITE,
	};

	ask_target(name, &ask, region_page(ASK_PAGE));
}

// Of writes that have ended.
static void
take_completions(void)
{
	struct fabric_complete c;

	while (fabric_take(&fabric, &c)) {
		if (c.op == FABRIC_WRITE && c.outcome != FABRIC_DONE)
			fail(far_error_text(far_result(&c)));
	}
}

static void
write_theirs(u32 bytes, u32 number)
{
	u8 *data = region_page(DATA_PAGE);

	*last_word(data, bytes) = number;
	if (!fabric_put(&fabric, &(struct fabric_submit){
			.op = FABRIC_WRITE,
			.slot = target.slot,
			.length = bytes,
			.local = fabric_local(data),
		}))
		fail("the queue has no room");
	waiting = true;
}

// Hands over what was put, if anything, and sleeps.
static void
sleep_for(const struct wait_set *set)
{
	if (waiting)
		must(fabric_flush_sleep(&fabric, set));
	else
		wait_sleep(set);
	waiting = false;
}

// Until another number than `before` lies there. `patient`: for ever.
static u32
wait_for_theirs(u32 bytes, u32 before, bool patient)
{
	const u32 *word = last_word(direct_address(mine.frame), bytes);
	u64 until = patient ? NEVER : now_ns() + PATIENCE_NS;
	struct wait_set set;
	u32 found;

	for (;;) {
		take_completions();
		wait_begin(&set);
		wait_word_add(&set, word, before);
		wait_until(&set, until);
		sleep_for(&set);
		found = __atomic_load_n(word, __ATOMIC_ACQUIRE);
		if (found != before)
			return found;
		if (now_ns() >= until)
			fail("no answer from that node");
	}
}

// One who pings, from its question to its END.
static void
pong_session(const char *name)
{
	u8 *page = direct_address(mine.frame), *data = region_page(DATA_PAGE);
	u32 bytes, number = 0;

	memset(page, 0, PAGE_SIZE);
	must(lend_once(&lend));
	ask_theirs(name);
	// How many bytes there will be, at the page's beginning.
	bytes = wait_for_theirs(PING_STEP, 0, true);
	if (bytes > PAGE_SIZE || bytes % PING_STEP)
		fail("that node pings with too many bytes");
	memset(page, 0, PAGE_SIZE);
	write_theirs(PING_STEP, bytes);
	while ((number = wait_for_theirs(bytes, number, true)) != END) {
		if (number == 1)
			memcpy(data, page, bytes);
		write_theirs(bytes, number);
	}
	cap_drop_all(target.slot);
}

noreturn_ void
pong(const char *name)
{
	lend_mine();
	print("remote-bench: serving\n");
	for (;;)
		pong_session(name);
}

static void
exchange(u32 bytes, u32 number)
{
	write_theirs(bytes, number);
	if (wait_for_theirs(bytes, number - 1, false) != number)
		fail("another exchange came back than was begun");
}

static void
first_exchange(u32 bytes)
{
	u8 *page = direct_address(mine.frame), *data = region_page(DATA_PAGE);

	write_theirs(PING_STEP, bytes);
	if (wait_for_theirs(PING_STEP, 0, false) != bytes)
		fail("that node pongs with another number of bytes");
	memset(page, 0, PAGE_SIZE);
	for (u32 i = 0; i < bytes; i++)
		data[i] = (u8)(i * 7 + (i >> 8) + 1);
	exchange(bytes, 1);
	if (memcmp(page, data, bytes))
		fail("other bytes came back than were written");
}

void
ping(const char *name, u32 bytes, u32 count)
{
	u64 from_ns = 0, began_ns, now;

	lend_mine();
	ask_theirs(name);
	must(lend_once(&lend));
	first_exchange(bytes);
	for (u32 i = 0; i < count + WARM_UP; i++) {
		began_ns = now_ns();
		if (i == WARM_UP)
			from_ns = began_ns;
		exchange(bytes, i + 2);
		now = now_ns();
		if (i >= WARM_UP)
			sample_ns[i - WARM_UP] = (u32)MIN(now - began_ns,
							  (u64)0xffffffff);
	}
	*last_word(region_page(DATA_PAGE), bytes) = END;
	must(far_write(&target, 0, region_page(DATA_PAGE), bytes));
	report(sample_ns, count, now_ns() - from_ns);
}
