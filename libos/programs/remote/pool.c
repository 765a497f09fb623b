// SPDX-License-Identifier: BSD-2-Clause
// Frames of another node: taken out of its pool, used, given back, all of them twice;
// and the end of what was taken alone.
// Nobody's program runs there meanwhile; its kernel does it, within what was lent.

#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

#define TAKEN_MAX 64u
#define RUN 3u			// pages in a row
#define LOOKS 100u
#define LOOK_NS (20 * NS_PER_MS)

static struct far lent;		// the pool

static bool
refused(i64 result, u32 code)
{
	return result == FAR_CODE(code);
}

enum {
#define X(name, number, sentence) name = number,
#include "net/wire/codes.def"
#undef X
};

static bool
all_are(const u8 *bytes, u32 len, u8 value)
{
	for (u32 i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

// Fresh pages hold nothing of who had them before.
static void
use(u32 slot)
{
	u8 *page = region_page(1);
	struct far far;

	holds("it opens", far_open(&far, &io, slot) == 0 && far.units == RUN);
	for (u64 i = 0; i < RUN; i++) {
		holds("it is read", far_read(&far, i * PAGE_SIZE, page, PAGE_SIZE) == 0);
		holds("it is zero", all_are(page, PAGE_SIZE, 0));
		memset(page, 0x5a, PAGE_SIZE);
		holds("it is written",
		      far_write(&far, i * PAGE_SIZE, page, PAGE_SIZE) == 0);
	}
	holds("no page behind it is", refused(far_write(&far, RUN * PAGE_SIZE - 7, page, 8),
					      CODE_RANGE));
	holds("what was written is read", far_read(&far, PAGE_SIZE, page, PAGE_SIZE) == 0 &&
					  all_are(page, PAGE_SIZE, 0x5a));
	holds("a right is given up", far_protect(&io, slot, NULL, CAP_READ) == 0);
	holds("it is gone", refused(far_write(&far, 0, page, 8), CODE_RIGHTS));
	holds("the other stays", far_read(&far, 0, page, 8) == 0);
	holds("and does not come back",
	      refused(far_protect(&io, slot, NULL, CAP_READ | CAP_WRITE), CODE_RIGHTS));
}

// Takes what there is, page by page, and gives it back. Returns how many.
static u32
take_all(void)
{
	static u32 slot[TAKEN_MAX];
	u32 count = 0;
	i64 error = 0;

	while (count < TAKEN_MAX && !error) {
		error = far_alloc(&io, lent.slot, 1, &slot[count]);
		count += !error;
	}
	if (!refused(error, CODE_FRAMES))
		print("remote: after %u: %s\n", count, far_error_text(error));
	holds("it ends when nothing is left", refused(error, CODE_FRAMES));
	for (u32 i = 0; i < count; i++)
		holds("it is given back", far_free(&io, slot[i]) == 0);
	return count;
}

// A capability gets shorter: its owner hears of that a little later.
static void
give_part_back(u32 all)
{
	u32 slot, left = 0;

	if (far_alloc(&io, lent.slot, RUN, &slot)) {
		holds("pages in a row are taken again", false);
		return;
	}
	holds("all but one are given up", sys_cap_trim(slot, 1) == 0);
	for (u32 i = 0; i < LOOKS && left != all - 1; i++) {
		left = take_all();
		pause_ns(LOOK_NS);
	}
	holds("they are the pool's again", left == all - 1);
	holds("the one is given back", far_free(&io, slot) == 0);
}

// Takes some and keeps them: until somebody ends this node.
static int
keep(u64 pages)
{
	struct wait_set for_ever = { .deadline_ns = NEVER };
	u32 slot;
	i64 error;

	for (u64 i = 0; i < pages; i++) {
		error = far_alloc(&io, lent.slot, 1, &slot);
		if (error) {
			print("remote: FAIL after %lu: %s\n", i, far_error_text(error));
			return STATUS_FAILED;
		}
	}
	print("remote: keeps %lu pages\n", pages);
	for (;;)
		wait_sleep(&for_ever);
}

int
use_pool(int argc, char **argv)
{
	u64 pages = 0;
	u32 slot, first, second;
	i64 error;

	if (argc > 3 && !text_to_u64(argv[3], &pages))
		return STATUS_USAGE;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_POOL,
		    CAP_READ | CAP_WRITE | CAP_DERIVE, 0, 0, &lent);
	if (pages)
		return keep(pages);
	holds("the pool itself is not read",
	      refused(far_read(&lent, 0, region_page(1), 8), CODE_TYPE));
	for (u32 i = 0; i < 2; i++) {
		error = far_alloc(&io, lent.slot, RUN, &slot);
		if (error) {
			print("remote: pages in a row: %s\n", far_error_text(error));
			failures++;
			break;
		}
		use(slot);
		holds("they are given back", far_free(&io, slot) == 0);
	}
	first = take_all();
	if (first > RUN)
		give_part_back(first);
	second = take_all();
	holds("as many came back as were taken", first && first == second);
	print("remote: %s %u pages were taken, given back and taken again\n",
	      failures ? "FAIL" : "PASS", second);
	return failures ? STATUS_FAILED : STATUS_OK;
}
