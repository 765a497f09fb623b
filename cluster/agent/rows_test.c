// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/agent/rows.c kernel/base/string.c harness/testing/host_assert.c
// Rows of an agent whose kernel's tables have more in a row, or less, are read as far as
// both know them; of an agent of another ABI, or of release 1.1, none is read or sent.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/agent/rows.h"

#define HEAD ((u32)offsetof(struct fabric_answer, row))

static union {
	struct fabric_answer answer;
	u8 bytes[MESSAGE_MAX];
} m;

static u8
byte_of(u32 row, u32 at)
{
	return (u8)(1 + (row * 7 + at) % 250);
}

// An answer of an agent whose rows have so many bytes. Its length.
static u32
answer_of(u32 count, u32 row_size)
{
	memset(&m, 0, sizeof(m));
	m.answer.abi = ABI_VERSION;
	m.answer.row_size = (u16)row_size;
	m.answer.count = count;
	for (u32 row = 0; row < count; row++) {
		for (u32 at = 0; at < row_size; at++)
			m.bytes[HEAD + row * row_size + at] = byte_of(row, at);
	}
	return HEAD + count * row_size;
}

static void
expect_rows(enum fabric_what what, u32 count, u32 known)
{
	u32 own = fabric_row_size(what);

	for (u32 row = 0; row < count; row++) {
		for (u32 at = 0; at < own; at++)
			assert_int_equal(m.bytes[HEAD + row * own + at],
					 at < known ? byte_of(row, at) : 0);
	}
}

static void
rows_of_any_size_are_read_as_far_as_both_know_them(void **state)
{
	static const i32 more[] = { 0, 8, -8, 48, -48 };

	(void)state;
	for (u32 what = FABRIC_ASK_INFO; what < FABRIC_ASK_TRACE; what++) {
		for (u32 i = 0; i < ARRAY_SIZE(more); i++) {
			u32 own = fabric_row_size((enum fabric_what)what), count;
			u32 theirs = (u32)((i32)own + more[i]);
			struct fabric_question q;

			// What an agent with such rows asks for, and gets.
			rows_ask(&q, (enum fabric_what)what, 0);
			q.row_size = (u16)theirs;
			u32 most = rows_most(&q);
			u32 len = answer_of(most, theirs);

			assert_true(most > 0 && len <= MESSAGE_MAX);
			assert_true(HEAD + most * own <= MESSAGE_MAX);
			assert_null(rows_take(&m.answer, len, (enum fabric_what)what,
					      &count));
			assert_int_equal(count, most);
			expect_rows((enum fabric_what)what, count, MIN(own, theirs));
		}
	}
}

static void
who_counts_otherwise_is_refused(void **state)
{
	struct fabric_question q;
	u32 count, len = answer_of(1, 1248);

	(void)state;
	m.answer.abi = 0;		// as 1.1 answers, whose totals were so long
	m.answer.row_size = 0;
	assert_non_null(strstr(rows_take(&m.answer, len, FABRIC_ASK_INFO, &count),
			       "another version"));
	len = answer_of(1, 64);
	m.answer.abi = ABI_VERSION + 1;
	assert_non_null(strstr(rows_take(&m.answer, len, FABRIC_ASK_EXPORTS, &count),
			       "another version"));
	rows_ask(&q, FABRIC_ASK_EXPORTS, 0);
	assert_true(rows_most(&q) > 0);
	q.abi = 0;
	assert_int_equal(rows_most(&q), 0);
	q.abi = ABI_VERSION + 1;
	assert_int_equal(rows_most(&q), 0);
}

static void
what_makes_no_sense_is_refused(void **state)
{
	u32 own = fabric_row_size(FABRIC_ASK_HELD), count, len;

	(void)state;
	len = answer_of(3, own);
	assert_non_null(rows_take(&m.answer, HEAD - 1, FABRIC_ASK_HELD, &count));
	m.answer.count = 1000000;	// more than came
	assert_null(rows_take(&m.answer, len - 1, FABRIC_ASK_HELD, &count));
	assert_int_equal(count, 2);
	m.answer.row_size = 0;
	assert_non_null(rows_take(&m.answer, len, FABRIC_ASK_HELD, &count));
	m.answer.row_size = FABRIC_ROOM + 1;
	assert_non_null(rows_take(&m.answer, len, FABRIC_ASK_HELD, &count));
	len = answer_of(1000, 8);	// more than there is room for
	assert_null(rows_take(&m.answer, len, FABRIC_ASK_HELD, &count));
	assert_int_equal(count, fabric_rows_max(FABRIC_ASK_HELD));
	expect_rows(FABRIC_ASK_HELD, count, 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_any_size_are_read_as_far_as_both_know_them),
		cmocka_unit_test(who_counts_otherwise_is_refused),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
