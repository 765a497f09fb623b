// SPDX-License-Identifier: BSD-2-Clause
// Congestion control in the hands of a program: pages of another node are read with a
// window of the smallest size, with the kernel's control, and with that of
// libos/remote/pace.h.
//
// Whether a window has taken effect is told by completions of pages that are asked for
// in one call: what the window let go did not wait (queue_ns is 0), the rest did.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/remote/pace.h"
#include "libos/text/text.h"

#define PAGES 16u		// at a time; the owner lends as many
#define MOST 4096u		// reads of one run
#define STUCK_NS (30 * NS_PER_SECOND)

static struct far pages;

static bool
put(u32 index)
{
	struct fabric_submit s = {
		.tag = index,
		.op = FABRIC_READ,
		.slot = pages.slot,
		.offset = (u64)index * PAGE_SIZE,
		.local = fabric_local(region_page(1 + index)),
		.length = PAGE_SIZE,
	};

	return fabric_put(&fabric, &s);
}

static bool
answered(struct fabric_complete *c)
{
	return fabric_next(&fabric, c, now_ns() + STUCK_NS) && c->outcome == FABRIC_DONE;
}

// Asks for all pages in one call. Returns how many went out at once; 0: it failed.
static u32
at_once(u32 window)
{
	struct fabric_complete c;
	u32 went = 0;

	fabric_window(&fabric, window);
	for (u32 i = 0; i < PAGES; i++) {
		if (!put(i))
			return 0;
	}
	if (fabric_flush(&fabric))
		return 0;
	for (u32 i = 0; i < PAGES; i++) {
		if (!answered(&c))
			return 0;
		went += !c.queue_ns;
	}
	return went;
}

// Reads so many with a control of its own. Returns the window at the end, 0: it failed.
static u32
own(u32 count)
{
	struct fabric_complete c;
	struct far_pace pace;
	u32 begun = 0;

	far_pace_begin(&pace);
	fabric_window(&fabric, pace.window);
	for (; begun < PAGES && begun < count; begun++) {
		if (!put(begun))
			return 0;
	}
	for (u32 ended = 0; ended < count; ended++) {
		if (fabric_flush(&fabric) || !answered(&c))
			return 0;
		fabric_window(&fabric, far_pace_took(&pace, FAR_PACE_LEAST, c.wire_ns));
		if (begun < count && ++begun && !put((u32)c.tag))
			return 0;
	}
	fabric_window(&fabric, 0);
	return pace.window;
}

int
pace(int argc, char **argv)
{
	u64 count = 1000;
	u32 one, many, window;

	if (argc > 3 && (!text_to_u64(argv[3], &count) || !count || count > MOST))
		return STATUS_USAGE;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_PAGES, CAP_READ, 0, PAGES, &pages);
	at_once(0);		// by then there is credit
	many = at_once(0);
	one = at_once(1);
	window = own((u32)count);
	if (one != 1 || many < 2 || !window) {
		print("remote: FAIL %u went at once with a window of one frame, %u by the "
		      "kernel's control; %u frames at the end of %lu pages\n", one, many,
		      window, count);
		return STATUS_FAILED;
	}
	print("remote: PASS %lu pages with its own control, which ended at %u frames; of "
	      "%u at once 1 went with a window of one frame, %u by the kernel's control\n",
	      count, window, PAGES, many);
	return STATUS_OK;
}
