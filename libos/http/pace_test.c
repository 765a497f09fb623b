// SPDX-License-Identifier: BSD-2-Clause
// links: libos/http/pace.c
//
// Tests of how slowly a client may take what it is sent.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libos/http/conn.h"

static const struct http_limits limits = { .pace_interval_ns = 20, .pace_bytes = 100 };
static struct http_pace pace;

static int
setup(void **state)
{
	(void)state;
	http_pace_init(&pace);
	return 0;
}

static bool
kept(u64 now_ns, u64 unacked, bool more)
{
	return http_pace_kept(&pace, &limits, now_ns, unacked, more);
}

static void
a_clock_that_runs_is_not_set_back(void **state)
{
	(void)state;
	assert_true(pace.deadline_ns == HTTP_NEVER);
	http_pace_start(&pace, &limits, 7);
	assert_int_equal(pace.deadline_ns, 27);
	http_pace_start(&pace, &limits, 9);
	assert_int_equal(pace.deadline_ns, 27);
}

static void
what_is_owed_is_asked_for_at_the_next_deadline(void **state)
{
	(void)state;
	http_pace_start(&pace, &limits, 0);
	pace.sent_bytes = 1000;
	assert_true(kept(19, 1000, true));
	assert_int_equal(pace.deadline_ns, 20);
	assert_true(kept(20, 1000, true));	// the first time nothing was owed
	assert_int_equal(pace.target_bytes, 100);
	assert_int_equal(pace.deadline_ns, 40);
	assert_true(kept(40, 900, true));
	assert_int_equal(pace.target_bytes, 200);
	assert_true(kept(59, 900, true));
	assert_false(kept(60, 801, true));
}

static void
no_more_is_owed_than_was_sent(void **state)
{
	(void)state;
	http_pace_start(&pace, &limits, 0);
	pace.sent_bytes = 30;
	assert_true(kept(20, 30, false));
	assert_int_equal(pace.target_bytes, 30);
	assert_false(kept(40, 1, false));
	assert_true(kept(40, 0, false));
}

static void
the_clock_stops_when_all_is_taken(void **state)
{
	(void)state;
	http_pace_start(&pace, &limits, 0);
	pace.sent_bytes = 30;
	assert_true(kept(20, 0, true));		// there is more to come
	assert_int_equal(pace.deadline_ns, 40);
	assert_true(kept(40, 0, false));
	assert_true(pace.deadline_ns == HTTP_NEVER);
}

// A FIN is outstanding too, and no byte of what was sent.
static void
more_may_be_outstanding_than_was_sent(void **state)
{
	(void)state;
	http_pace_start(&pace, &limits, 0);
	assert_true(kept(20, 1, false));
	assert_int_equal(pace.target_bytes, 0);
	assert_int_equal(pace.deadline_ns, 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_clock_that_runs_is_not_set_back, setup),
		cmocka_unit_test_setup(what_is_owed_is_asked_for_at_the_next_deadline, setup),
		cmocka_unit_test_setup(no_more_is_owed_than_was_sent, setup),
		cmocka_unit_test_setup(the_clock_stops_when_all_is_taken, setup),
		cmocka_unit_test_setup(more_may_be_outstanding_than_was_sent, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
