// SPDX-License-Identifier: BSD-2-Clause
// A program's own congestion control on a path that is one server behind a fixed way:
// what is under way beyond what the way holds stands before the server.
//
// links: libos/remote/pace.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libos/remote/pace.h"

#define WAY_NS 100000u		// there and back
#define FRAME_NS 5000u		// of the server: the way holds 20 frames
#define PAGE 4u			// frames

// How long a page takes when so many frames are under way.
static u64
took(u32 window, u64 way, u64 frame)
{
	return MAX(way, window * frame);
}

static u32
rounds(struct far_pace *pace, u32 count, u64 way, u64 frame)
{
	for (u32 i = 0; i < count; i++)
		far_pace_took(pace, PAGE, took(pace->window, way, frame));
	return pace->window;
}

// The way is full, and the queue short.
static void
finds_what_the_way_holds(void **state)
{
	struct far_pace pace;

	(void)state;
	far_pace_begin(&pace);
	assert_in_range(rounds(&pace, 2000, WAY_NS, FRAME_NS), 20, 20 + 12 + 2);
	assert_in_range(rounds(&pace, 2000, WAY_NS, FRAME_NS), 20, 20 + 12 + 2);
}

// Others take three quarters of the server: the window follows, and comes back.
static void
gives_way_and_comes_back(void **state)
{
	struct far_pace pace;

	(void)state;
	far_pace_begin(&pace);
	rounds(&pace, 2000, WAY_NS, FRAME_NS);
	assert_in_range(rounds(&pace, 2000, WAY_NS, FRAME_NS * 4), 5, 5 + 12 + 2);
	assert_in_range(rounds(&pace, 2000, WAY_NS, FRAME_NS), 20, 20 + 12 + 2);
}

static void
stays_within_its_bounds(void **state)
{
	struct far_pace pace;

	(void)state;
	far_pace_begin(&pace);
	assert_int_equal(rounds(&pace, 10000, WAY_NS, 1), FAR_PACE_MOST);
	assert_in_range(rounds(&pace, 100000, WAY_NS, WAY_NS * 100ull), FAR_PACE_LEAST,
			12 + 2);
	for (u32 i = 0; i < 1000; i++)
		assert_in_range(far_pace_took(&pace, i % 7, i % 3 ? 0 : ~0ull >> 8),
				FAR_PACE_LEAST, FAR_PACE_MOST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_the_way_holds),
		cmocka_unit_test(gives_way_and_comes_back),
		cmocka_unit_test(stays_within_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
