// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/member/member.c cluster/member/state.c cluster/member/probe.c
// links: cluster/member/message.c cluster/member/send.c
// links: kernel/base/string.c harness/testing/host_assert.c
// Membership, step by step: nodes on a network without faults, of which some are cut
// off or stand still. Many nodes and every kind of fault are in harness/quorum.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/member/member.h"
#include "cluster/member/parts.h"

#define NODES 4u
#define STEP_NS (10 * NS_PER_MS)

struct node {
	struct members members;
	struct member_id id;
	bool off;		// hears nothing, says nothing
	bool paused;		// likewise, and its timer does not come
};

static struct node node[NODES];
static u32 nodes;
static u64 now;
static u32 messages;

static void
boot(u32 i, u64 life)
{
	memset(node[i].id.uuid, 0x20, MEMBER_UUID);
	node[i].id.uuid[0] = (u8)(i + 1);
	node[i].id.incarnation = life;
	node[i].off = node[i].paused = false;
	members_init(&node[i].members, now, &node[i].id, life);
}

static void
link_all(void)
{
	for (u32 a = 0; a < nodes; a++) {
		for (u32 b = 0; b < nodes; b++) {
			if (a != b && !node[a].off && !node[b].off)
				members_link(&node[a].members, now, &node[b].id, true);
		}
	}
}

static void
start(u32 count)
{
	nodes = count;
	messages = 0;
	now = NS_PER_SECOND;
	for (u32 i = 0; i < nodes; i++)
		boot(i, 1000 + i);
	link_all();
}

static void
deliver(u32 from)
{
	u8 bytes[MEMBER_MESSAGE_MAX];
	struct member_id to;
	u32 len;

	while ((len = members_output(&node[from].members, now, &to, bytes)) != 0) {
		u32 i = to.uuid[0] - 1u;

		messages++;
		if (i < nodes && !node[from].off && !node[i].off && !node[i].paused &&
		    node[i].id.incarnation == to.incarnation)
			members_input(&node[i].members, now, &node[from].id, bytes, len);
	}
}

static void
pass(u64 ns)
{
	for (u64 end = now + ns; now < end; now += STEP_NS) {
		for (u32 round = 0; round < 4; round++) {
			for (u32 i = 0; i < nodes; i++) {
				if (node[i].paused)
					continue;
				if (members_deadline(&node[i].members) <= now)
					members_timer(&node[i].members, now);
				deliver(i);
				members_check(&node[i].members);
			}
		}
	}
}

static const struct member *
view(u32 of, u32 on)
{
	u8 slot = members_find(&node[of].members, node[on].id.uuid);

	assert_int_not_equal(slot, MEMBER_NONE);
	return &node[of].members.member[slot];
}

static void
know_one_another(void **state)
{
	(void)state;
	start(3);
	pass(NS_PER_SECOND);
	for (u32 a = 0; a < 3; a++) {
		for (u32 b = 0; b < 3; b++) {
			assert_int_equal(view(a, b)->life, MEMBER_ALIVE);
			assert_int_equal(view(a, b)->id.incarnation, node[b].id.incarnation);
			assert_true(view(a, b)->first_heard > 0);
		}
	}
	assert_int_equal(node[0].members.count.failed_probes, 0);
}

static void
cost_little_in_peace(void **state)
{
	u32 before;

	(void)state;
	start(3);
	pass(3 * NS_PER_SECOND);
	before = messages;
	pass(4 * NS_PER_SECOND);
	// A ping and an answer a round and node, and nothing else.
	assert_in_range(messages - before, 100, 126);
}

static void
tell_a_death(void **state)
{
	u64 before;

	(void)state;
	start(3);
	pass(2 * NS_PER_SECOND);
	before = node[0].members.epoch;
	node[2].off = true;
	pass(800 * NS_PER_MS);
	assert_int_equal(view(0, 2)->life, MEMBER_SUSPECT);
	assert_int_equal(node[0].members.epoch, before);
	pass(1200 * NS_PER_MS);
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(view(i, 2)->life, MEMBER_DEAD);
		assert_int_equal(view(i, 1 - i)->life, MEMBER_ALIVE);
		assert_true(strlen(member_reason_sentence(view(i, 2)->reason)) > 0);
	}
	assert_int_equal(node[0].members.epoch, before + 1);
}

static void
come_back_from_the_dead(void **state)
{
	(void)state;
	start(3);
	pass(2 * NS_PER_SECOND);
	node[2].off = true;
	pass(5 * NS_PER_SECOND);
	assert_int_equal(view(2, 0)->life, MEMBER_DEAD);
	node[2].off = false;
	// No hint comes: the dead are visited.
	pass(3 * NS_PER_SECOND);
	for (u32 a = 0; a < 3; a++) {
		for (u32 b = 0; b < 3; b++)
			assert_int_equal(view(a, b)->life, MEMBER_ALIVE);
	}
	assert_int_equal(view(0, 2)->reason, MEMBER_ANSWERED);
}

static void
take_a_new_life_for_the_old_one(void **state)
{
	(void)state;
	start(3);
	pass(2 * NS_PER_SECOND);
	// The old life has refuted often: what is said of it has a high turn.
	for (u32 i = 0; i < 5; i++)
		state_refute(&node[2].members, now, node[2].members.member[0].turn);
	pass(NS_PER_SECOND);
	boot(2, 1);		// a lower number than before, too
	link_all();
	pass(NS_PER_SECOND);
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(view(i, 2)->id.incarnation, 1);
		assert_int_equal(view(i, 2)->life, MEMBER_ALIVE);
	}
	assert_true(node[2].members.member[0].turn > 5);
	pass(5 * NS_PER_SECOND);
	assert_int_equal(view(0, 2)->life, MEMBER_ALIVE);
}

static void
blame_nobody_after_a_pause(void **state)
{
	u64 failed, suspicions;

	(void)state;
	start(3);
	pass(2 * NS_PER_SECOND);
	failed = node[0].members.count.failed_probes;
	suspicions = node[0].members.count.suspicions;
	node[0].paused = true;
	pass(700 * NS_PER_MS);
	node[0].paused = false;
	pass(NS_PER_SECOND);
	assert_int_equal(node[0].members.count.pauses, 1);
	assert_int_equal(node[0].members.count.failed_probes, failed);
	assert_int_equal(node[0].members.count.suspicions, suspicions);
	assert_true(node[0].members.member[0].turn > 1);
	for (u32 i = 1; i < 3; i++)
		assert_int_equal(view(i, 0)->life, MEMBER_ALIVE);
}

static void
ask_others_before_they_blame(void **state)
{
	(void)state;
	start(4);
	pass(2 * NS_PER_SECOND);
	// Node 0 and node 3 do not hear each other; the others hear both.
	for (u32 round = 0; round < 300; round++) {
		u8 bytes[MEMBER_MESSAGE_MAX];
		struct member_id to;
		u32 len;

		for (u32 i = 0; i < 4; i++) {
			if (members_deadline(&node[i].members) <= now)
				members_timer(&node[i].members, now);
		}
		for (u32 i = 0; i < 16; i++) {
			u32 from = i % 4;

			while ((len = members_output(&node[from].members, now, &to, bytes))) {
				u32 target = to.uuid[0] - 1u;

				if (from + target != 3 || from % 3)
					members_input(&node[target].members, now,
						      &node[from].id, bytes, len);
			}
		}
		now += STEP_NS;
	}
	assert_int_equal(view(0, 3)->life, MEMBER_ALIVE);
	assert_int_equal(view(3, 0)->life, MEMBER_ALIVE);
	assert_true(node[0].members.count.indirect > 0);
	assert_int_equal(node[0].members.count.deaths, 0);
}

static void
tell_the_note(void **state)
{
	(void)state;
	start(2);
	members_note(&node[1].members, 42);
	pass(NS_PER_SECOND);
	assert_int_equal(view(0, 1)->note, 42);
}

static void
give_each_change_once(void **state)
{
	u8 slot;

	(void)state;
	start(2);
	pass(NS_PER_SECOND);
	assert_int_equal(members_event(&node[0].members), 0);
	slot = members_event(&node[0].members);
	assert_int_equal(slot, 1);
	assert_int_equal(members_event(&node[0].members), MEMBER_NONE);
	node[1].off = true;
	pass(5 * NS_PER_SECOND);
	assert_int_equal(members_event(&node[0].members), 1);
	assert_int_equal(members_event(&node[0].members), MEMBER_NONE);
}

static void
stand_in_order(void **state)
{
	u8 slots[MEMBERS_MAX];

	(void)state;
	start(4);
	pass(NS_PER_SECOND);
	assert_int_equal(members_sorted(&node[2].members, slots), 4);
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(node[2].members.member[slots[i]].id.uuid[0], i + 1);
	assert_int_equal(slots[2], 0);
}

// More nodes than there is room for: the longest dead goes, the living stay.
static void
bound_their_number(void **state)
{
	struct member_message m = { .kind = MEMBER_TELL, .turn = 1 };
	u8 bytes[MEMBER_HEADER];
	struct member_id id = { .incarnation = 5 };

	(void)state;
	start(1);
	member_message_store(&m, bytes);
	for (u32 i = 1; i < MEMBERS_MAX + 9; i++) {
		memset(id.uuid, 0x30, MEMBER_UUID);
		id.uuid[1] = (u8)i;
		members_input(&node[0].members, now, &id, bytes, MEMBER_HEADER);
		members_check(&node[0].members);
	}
	assert_int_equal(members_alive(&node[0].members), MEMBERS_MAX);
	assert_int_equal(members_find(&node[0].members, id.uuid), MEMBER_NONE);
	pass(200 * NS_PER_SECOND);
	assert_int_equal(members_alive(&node[0].members), 1);
	members_input(&node[0].members, now, &id, bytes, MEMBER_HEADER);
	assert_int_not_equal(members_find(&node[0].members, id.uuid), MEMBER_NONE);
}

static void
take_only_whole_messages(void **state)
{
	struct member_message m = { .kind = MEMBER_TELL, .turn = 3, .rumours = 1 }, read;
	struct member_rumour r = { .id = { .incarnation = 4 }, .turn = 2,
				   .life = MEMBER_SUSPECT, .reason = MEMBER_SILENT };
	u8 bytes[MEMBER_MESSAGE_MAX];
	u32 len = MEMBER_HEADER + MEMBER_RUMOUR;

	(void)state;
	member_message_store(&m, bytes);
	member_rumour_store(&r, bytes + MEMBER_HEADER);
	assert_true(member_message_load(&read, bytes, len));
	for (u32 i = 0; i < len; i++)
		assert_false(member_message_load(&read, bytes, i));
	assert_false(member_message_load(&read, bytes, len + 1));
	r.life = 4;
	member_rumour_store(&r, bytes + MEMBER_HEADER);
	assert_false(member_message_load(&read, bytes, len));
	r.life = MEMBER_DEAD;
	r.turn = 0;
	member_rumour_store(&r, bytes + MEMBER_HEADER);
	assert_false(member_message_load(&read, bytes, len));
	r.turn = 0x80000000;
	member_rumour_store(&r, bytes + MEMBER_HEADER);
	assert_false(member_message_load(&read, bytes, len));
}

static void
refuse_their_own_name(void **state)
{
	struct member_message m = { .kind = MEMBER_TELL, .turn = 1 };
	struct member_id twin;
	u8 bytes[MEMBER_HEADER];

	(void)state;
	start(1);
	twin = node[0].id;
	twin.incarnation++;
	member_message_store(&m, bytes);
	members_input(&node[0].members, now, &twin, bytes, MEMBER_HEADER);
	assert_int_equal(node[0].members.count.strange, 1);
	assert_int_equal(node[0].members.member[0].id.incarnation, node[0].id.incarnation);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(know_one_another),
		cmocka_unit_test(cost_little_in_peace),
		cmocka_unit_test(tell_a_death),
		cmocka_unit_test(come_back_from_the_dead),
		cmocka_unit_test(take_a_new_life_for_the_old_one),
		cmocka_unit_test(blame_nobody_after_a_pause),
		cmocka_unit_test(ask_others_before_they_blame),
		cmocka_unit_test(tell_the_note),
		cmocka_unit_test(give_each_change_once),
		cmocka_unit_test(stand_in_order),
		cmocka_unit_test(bound_their_number),
		cmocka_unit_test(take_only_whole_messages),
		cmocka_unit_test(refuse_their_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
