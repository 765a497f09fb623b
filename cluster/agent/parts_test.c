// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/agent/parts.c harness/testing/host_assert.c
// Messages come together from parts in any order; what does not fit together, comes
// twice, or comes too late does not; and no sender takes the places of others.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/agent/parts.h"

static struct parts parts;
static u8 bytes[MESSAGE_MAX];
static const struct parts_from alice = { 1, 11, 111 };
static const struct parts_from bob = { 2, 22, 222 };

static int
setup(void **state)
{
	(void)state;
	memset(&parts, 0, sizeof(parts));
	for (u32 i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)(i * 7 + i / 256);
	return 0;
}

static struct message_head
head_of(u32 id, u32 total, u32 part)
{
	u32 count = (total + MESSAGE_PART_MAX - 1) / MESSAGE_PART_MAX;
	u32 left = total - part * MESSAGE_PART_MAX;

	return (struct message_head){
		.kind = MESSAGE_STATUS,
		.part = (u8)part,
		.parts = (u8)count,
		.len = (u16)MIN(left, MESSAGE_PART_MAX),
		.id = id,
		.total = total,
	};
}

static const struct parts_place *
take(const struct parts_from *from, u32 id, u32 total, u32 part, u64 now)
{
	struct message_head head = head_of(id, total, part);

	assert_true(parts_head_ok(&head, (u32)sizeof(head) + head.len));
	return parts_take(&parts, from, &head, bytes + part * MESSAGE_PART_MAX,
			  now);
}

static void
parts_in_any_order_make_the_message(void **state)
{
	const struct parts_place *whole;

	(void)state;
	assert_null(take(&alice, 5, 2500, 2, 0));
	assert_null(take(&alice, 5, 2500, 0, 0));
	whole = take(&alice, 5, 2500, 1, 0);
	assert_non_null(whole);
	assert_int_equal(whole->head.total, 2500);
	assert_memory_equal(whole->bytes, bytes, 2500);
	assert_int_equal(parts.dropped, 0);
}

static void
the_longest_message_fits(void **state)
{
	const struct parts_place *whole = NULL;

	(void)state;
	for (u32 i = 0; i < MESSAGE_PARTS_MAX; i++) {
		assert_null(whole);
		whole = take(&alice, 5, MESSAGE_MAX, i, 0);
	}
	assert_non_null(whole);
	assert_memory_equal(whole->bytes, bytes, MESSAGE_MAX);
}

static void
messages_of_two_senders_do_not_mix(void **state)
{
	(void)state;
	assert_null(take(&alice, 5, 2000, 0, 0));
	assert_null(take(&bob, 5, 2000, 1, 0));
	assert_non_null(take(&bob, 5, 2000, 0, 0));
	assert_non_null(take(&alice, 5, 2000, 1, 0));
}

static void
another_life_of_a_sender_is_another_sender(void **state)
{
	struct parts_from reborn = alice;

	(void)state;
	reborn.incarnation++;
	assert_null(take(&alice, 5, 2000, 0, 0));
	assert_null(take(&reborn, 5, 2000, 1, 0));
}

static void
a_part_that_comes_twice_ends_the_message(void **state)
{
	(void)state;
	assert_null(take(&alice, 5, 3000, 0, 0));
	assert_null(take(&alice, 5, 3000, 0, 0));
	assert_int_equal(parts.dropped, 1);
	assert_null(take(&alice, 5, 3000, 1, 0));
	assert_null(take(&alice, 5, 3000, 2, 0));
}

static void
other_lengths_end_the_message(void **state)
{
	(void)state;
	assert_null(take(&alice, 5, 3000, 0, 0));
	assert_null(take(&alice, 5, 2500, 1, 0));
	assert_int_equal(parts.dropped, 1);
}

static void
a_sender_gets_its_own_places_only(void **state)
{
	(void)state;
	assert_null(take(&bob, 1, 2000, 0, 0));
	for (u32 id = 1; id <= 20; id++)
		assert_null(take(&alice, id, 2000, 0, id));
	assert_int_equal(parts.dropped, 20 - PARTS_PER_LINK);
	assert_non_null(take(&bob, 1, 2000, 1, 30));
	assert_non_null(take(&alice, 20, 2000, 1, 30));
}

static void
old_messages_make_room(void **state)
{
	struct parts_from from = alice;

	(void)state;
	for (u16 link = 0; link < PARTS_PLACES; link++) {
		from.link = link;
		assert_null(take(&from, 1, 2000, 0, 0));
	}
	assert_null(take(&bob, 9, 2000, 0, PARTS_PATIENCE_NS));
	assert_int_equal(parts.dropped, PARTS_PLACES);
	assert_non_null(take(&bob, 9, 2000, 1, PARTS_PATIENCE_NS));
}

static void
full_places_give_up_the_oldest(void **state)
{
	struct parts_from from = alice;

	(void)state;
	for (u16 link = 10; link < 10 + PARTS_PLACES; link++) {
		from.link = link;
		assert_null(take(&from, 1, 2000, 0, link));
	}
	assert_null(take(&bob, 9, 2000, 0, 100));
	assert_int_equal(parts.dropped, 1);
	from.link = 11;
	assert_non_null(take(&from, 1, 2000, 1, 101));
}

static void
refuses(struct message_head head, u32 received)
{
	assert_false(parts_head_ok(&head, received));
}

static void
malformed_heads_are_refused(void **state)
{
	const u32 size = sizeof(struct message_head);
	struct message_head good = head_of(1, 2000, 1), bad;

	(void)state;
	assert_true(parts_head_ok(&good, size + good.len));
	refuses(good, size + good.len - 1u);
	refuses(good, size - 1);
	refuses(good, 0);
	bad = good, bad.kind = 0, refuses(bad, size + good.len);
	bad = good, bad.kind = MESSAGE_KINDS, refuses(bad, size + good.len);
	bad = good, bad.part = 2, refuses(bad, size + good.len);
	bad = good, bad.parts = 3, refuses(bad, size + good.len);
	bad = good, bad.total = MESSAGE_MAX + 1, refuses(bad, size + good.len);
	bad = good, bad.total = ~0u, refuses(bad, size + good.len);
	bad = good, bad.len = 1, refuses(bad, size + 1u);
	bad = good, bad.is_answer = bad.is_question = 1;
	refuses(bad, size + good.len);
}

static void
an_empty_message_is_one_part(void **state)
{
	struct message_head head = { .kind = MESSAGE_HELLO, .parts = 1 };

	(void)state;
	assert_true(parts_head_ok(&head, sizeof(head)));
	head.parts = 0;
	refuses(head, sizeof(head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(parts_in_any_order_make_the_message, setup),
		cmocka_unit_test_setup(the_longest_message_fits, setup),
		cmocka_unit_test_setup(messages_of_two_senders_do_not_mix, setup),
		cmocka_unit_test_setup(another_life_of_a_sender_is_another_sender, setup),
		cmocka_unit_test_setup(a_part_that_comes_twice_ends_the_message, setup),
		cmocka_unit_test_setup(other_lengths_end_the_message, setup),
		cmocka_unit_test_setup(a_sender_gets_its_own_places_only, setup),
		cmocka_unit_test_setup(old_messages_make_room, setup),
		cmocka_unit_test_setup(full_places_give_up_the_oldest, setup),
		cmocka_unit_test_setup(malformed_heads_are_refused, setup),
		cmocka_unit_test_setup(an_empty_message_is_one_part, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
