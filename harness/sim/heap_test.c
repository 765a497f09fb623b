// SPDX-License-Identifier: BSD-2-Clause
// links: harness/sim/heap.c harness/testing/host_assert.c
//
// What every run stands on: events come by time, and those of one instant in the
// order in which they were added.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "harness/sim/heap.h"
#include "kernel/base/prng.h"

static void
order_of_events(void **state)
{
	static struct event room[2000];
	struct heap heap;
	struct event event;
	struct prng prng;
	u64 at = 0, order = 0;
	u32 taken = 0;

	(void)state;
	prng_seed(&prng, 1);
	heap_init(&heap, room, ARRAY_SIZE(room));
	for (u32 i = 0; i < 1500; i++)
		heap_add(&heap, (struct event){ .at = prng_below(&prng, 200) });
	heap_check(&heap);
	while (heap_take(&heap, &event)) {
		assert_true(event.at > at || (event.at == at && (!taken || event.order > order)));
		at = event.at;
		order = event.order;
		taken++;
	}
	assert_int_equal(taken, 1500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_of_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
