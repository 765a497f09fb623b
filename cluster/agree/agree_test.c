// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/agree/agree.c cluster/agree/message.c cluster/agree/slot.c
// links: cluster/agree/acceptor.c cluster/agree/proposer.c cluster/agree/request.c
// links: cluster/record/record.c cluster/record/codec.c cluster/record/change.c
// links: kernel/base/string.c kernel/base/siphash.c harness/testing/host_assert.c
// The register, step by step: what is on disk before what is said, what slots survive,
// how a voter comes back, how requests end. What no hand thinks of is left to the
// simulator (harness/quorum).

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/agree/agree.h"
#include "cluster/agree/parts.h"

#define NODES 3u

struct node {
	struct agree agree;
	bool off, no_disk_answer;	// the second: writes do not end
	bool writing;
	u8 slot[AGREE_SLOTS][AGREE_SLOT];
	struct agree_outcome ended;
	u32 endings, told, strangers;
};

static struct node node[NODES];
static u64 now;
static u8 cluster[AGREE_UUID];

static void
uuid(u32 i, u8 id[AGREE_UUID])
{
	memset(id, 0, AGREE_UUID);
	id[0] = (u8)(i + 1);
}

static void
start(u32 i, u64 life)
{
	u8 id[AGREE_UUID];

	uuid(i, id);
	agree_init(&node[i].agree, now, id, life, life, true);
	node[i].writing = false;
	node[i].endings = node[i].told = 0;
}

static int
setup(void **state)
{
	(void)state;
	memset(node, 0, sizeof(node));
	memset(cluster, 7, sizeof(cluster));
	now = NS_PER_SECOND;
	for (u32 i = 0; i < NODES; i++)
		start(i, 100 + i);
	return 0;
}

// Carries out what one node has to say. True: there was something.
static bool
step(u32 i)
{
	static struct agree_output out;
	u8 id[AGREE_UUID];

	uuid(i, id);
	if (node[i].off || !agree_output(&node[i].agree, now, &out))
		return false;
	switch (out.kind) {
	case AGREE_SEND:
		if (out.to[0] <= NODES && !node[out.to[0] - 1].off)
			agree_input(&node[out.to[0] - 1].agree, now, id, out.bytes, out.len);
		break;
	case AGREE_TELL:
		node[i].told++;
		for (u32 k = 0; k < NODES; k++) {
			if (k != i && !node[k].off)
				agree_input(&node[k].agree, now, id, out.bytes, out.len);
		}
		break;
	case AGREE_WRITE:
		memcpy(node[i].slot[out.slot], out.bytes, AGREE_SLOT);
		node[i].writing = true;
		if (!node[i].no_disk_answer) {
			node[i].writing = false;
			agree_written(&node[i].agree, now, true);
		}
		break;
	case AGREE_ENDED:
		node[i].ended = out.outcome;
		node[i].endings++;
		break;
	case AGREE_STRANGER:
		node[i].strangers++;
		break;
	default:
		break;
	}
	agree_check(&node[i].agree);
	return true;
}

// Lets time pass, a tenth of a second at a time.
static void
pass(u32 tenths)
{
	for (u32 t = 0; t <= tenths; t++) {
		bool busy = true;

		for (u32 i = 0; i < NODES; i++) {
			if (!node[i].off && agree_deadline(&node[i].agree) <= now)
				agree_timer(&node[i].agree, now);
		}
		while (busy) {
			busy = false;
			for (u32 i = 0; i < NODES; i++)
				busy = step(i) || busy;
		}
		now += 100 * NS_PER_MS;
	}
}

static void
found(u32 by, u32 voters)
{
	u8 voter[NODES][AGREE_UUID];

	for (u32 i = 0; i < voters; i++)
		uuid(i, voter[i]);
	assert_true(agree_found(&node[by].agree, now, cluster,
				(const u8(*)[AGREE_UUID])voter, voters, 1));
	pass(20);
}

// A change that counts sites, and one that nothing allows.
static enum record_error
count_up(void *argument, struct record *record)
{
	struct record_new_object o = { .bytes = 1 };
	u32 *calls = argument;

	(*calls)++;
	memcpy(o.copy[0].uuid, record->node[0].uuid, AGREE_UUID);
	return record_deploy_site(record, record->site.generation, 1, 1, &o);
}

static enum record_error
refuse(void *argument, struct record *record)
{
	(void)argument;
	return record_remove(record, "nothing");
}

static u64
generation(u32 i)
{
	static struct record record;

	return agree_known(&node[i].agree, &record) ? record.site.generation : 0;
}

static void
makes_a_record_and_changes_it(void **state)
{
	u32 calls = 0;

	(void)state;
	assert_false(agree_version(&node[0].agree));
	found(0, NODES);
	for (u32 i = 0; i < NODES; i++)
		assert_int_equal(agree_version(&node[i].agree), 1);
	assert_true(agree_submit(&node[2].agree, now, count_up, &calls, 77));
	pass(5);
	assert_int_equal(node[2].ended.tag, 77);
	assert_int_equal(node[2].ended.result, AGREE_DONE);
	assert_int_equal(node[2].ended.version, 2);
	assert_int_equal(calls, 1);
	for (u32 i = 0; i < NODES; i++)
		assert_int_equal(generation(i), 1);
}

static void
says_why_it_does_not(void **state)
{
	u32 calls = 0;

	(void)state;
	assert_true(agree_submit(&node[0].agree, now, count_up, &calls, 1));
	pass(1);
	assert_int_equal(node[0].ended.result, AGREE_NO_RECORD);
	found(0, NODES);
	assert_true(agree_submit(&node[0].agree, now, refuse, NULL, 2));
	pass(5);
	assert_int_equal(node[0].ended.result, AGREE_REFUSED);
	assert_int_equal(node[0].ended.error, RECORD_NO_SUCH_JOB);
	node[1].off = node[2].off = true;
	assert_true(agree_submit(&node[0].agree, now, count_up, &calls, 3));
	pass(100);
	assert_int_equal(node[0].ended.result, AGREE_NO_MAJORITY);
	assert_int_equal(node[0].ended.voters, 3);
	assert_int_equal(node[0].ended.silent, 2);
	assert_int_equal(calls, 0);
	assert_true(strlen(agree_sentence(AGREE_NO_MAJORITY)) > 0);
}

static void
takes_eight_requests_at_a_time(void **state)
{
	u32 calls = 0;

	(void)state;
	found(0, NODES);
	for (u32 i = 0; i < AGREE_REQUESTS; i++)
		assert_true(agree_submit(&node[0].agree, now, count_up, &calls, i));
	assert_false(agree_submit(&node[0].agree, now, count_up, &calls, 9));
	pass(10);
	assert_int_equal(node[0].endings, 1 + AGREE_REQUESTS);
	assert_int_equal(generation(0), AGREE_REQUESTS);
	assert_int_equal(calls, AGREE_REQUESTS);
}

static void
says_nothing_before_it_is_on_disk(void **state)
{
	(void)state;
	node[1].no_disk_answer = node[2].no_disk_answer = true;
	found(0, NODES);
	assert_true(node[1].writing);
	assert_int_equal(agree_version(&node[0].agree), 0);
	node[1].no_disk_answer = node[2].no_disk_answer = false;
	for (u32 i = 1; i < NODES; i++) {
		node[i].writing = false;
		agree_written(&node[i].agree, now, true);
	}
	pass(20);
	assert_int_equal(agree_version(&node[0].agree), 1);
}

static void
a_disk_that_fails_is_silent_for_good(void **state)
{
	u32 calls = 0;

	(void)state;
	node[2].no_disk_answer = true;
	found(0, 2);
	node[1].no_disk_answer = true;
	assert_true(agree_submit(&node[0].agree, now, count_up, &calls, 3));
	pass(2);
	assert_true(node[1].writing);
	agree_written(&node[1].agree, now, false);
	pass(100);
	assert_int_equal(node[0].ended.result, AGREE_NO_MAJORITY);
}

static void
knows_its_record_again_after_all_have_started_anew(void **state)
{
	u32 calls = 0;

	(void)state;
	found(0, NODES);
	assert_true(agree_submit(&node[0].agree, now, count_up, &calls, 3));
	pass(5);
	for (u32 i = 0; i < NODES; i++) {
		start(i, 200 + i);
		assert_int_equal(agree_load(&node[i].agree,
					    (const u8(*)[AGREE_SLOT])node[i].slot),
				 AGREE_LOADED);
		assert_int_equal(agree_version(&node[i].agree), 0);
	}
	pass(60);
	for (u32 i = 0; i < NODES; i++)
		assert_int_equal(generation(i), 1);
}

// What a crash in the middle of a write leaves.
static void
takes_the_older_slot_when_the_newer_is_torn(void **state)
{
	u32 newest;

	(void)state;
	found(0, NODES);
	newest = (u32)(node[0].agree.acceptor.written % AGREE_SLOTS);
	start(0, 300);
	node[0].slot[newest][4000] ^= 1;
	assert_int_equal(agree_load(&node[0].agree, (const u8(*)[AGREE_SLOT])node[0].slot),
			 AGREE_LOADED);
	start(0, 301);
	node[0].slot[1 - newest][20] ^= 1;
	assert_int_equal(agree_load(&node[0].agree, (const u8(*)[AGREE_SLOT])node[0].slot),
			 AGREE_DAMAGED);
	start(0, 302);
	memset(node[0].slot, 0, sizeof(node[0].slot));
	assert_int_equal(agree_load(&node[0].agree, (const u8(*)[AGREE_SLOT])node[0].slot),
			 AGREE_BLANK);
}

static void
a_voter_without_its_disk_does_not_vote_and_comes_back(void **state)
{
	u32 calls = 0;

	(void)state;
	found(0, NODES);
	start(2, 400);
	node[1].off = true;
	// One voter and one that lost what it voted are no majority.
	assert_true(agree_submit(&node[0].agree, now, count_up, &calls, 5));
	pass(120);
	assert_int_equal(node[0].ended.result, AGREE_NO_MAJORITY);
	assert_true(agree_is_lost(&node[2].agree));
	node[1].off = false;
	pass(120);
	assert_false(agree_is_lost(&node[2].agree));
	node[1].off = true;
	assert_true(agree_submit(&node[0].agree, now, count_up, &calls, 6));
	pass(20);
	assert_int_equal(node[0].ended.result, AGREE_DONE);
}

static enum record_error
add_third(void *argument, struct record *record)
{
	u8 id[AGREE_UUID];

	(void)argument;
	uuid(2, id);
	return record_add_voter(record, id);
}

static void
a_new_voter_counts_at_once(void **state)
{
	u32 calls = 0;

	(void)state;
	found(0, 2);
	assert_int_equal(node[0].agree.known_head.voters, 2);
	assert_true(agree_submit(&node[0].agree, now, add_third, NULL, 4));
	pass(5);
	assert_int_equal(node[0].ended.result, AGREE_DONE);
	assert_int_equal(node[2].agree.known_head.voters, 3);
	node[0].off = true;
	assert_true(agree_submit(&node[2].agree, now, count_up, &calls, 4));
	pass(20);
	assert_int_equal(node[2].ended.result, AGREE_DONE);
}

static void
asks_for_what_others_know(void **state)
{
	u8 id[AGREE_UUID];

	(void)state;
	node[2].off = true;
	found(0, 2);
	node[2].off = false;
	assert_int_equal(agree_version(&node[2].agree), 0);
	uuid(1, id);
	agree_heard(&node[2].agree, now, id, 1);
	pass(2);
	assert_int_equal(agree_version(&node[2].agree), 1);
}

static void
knows_a_stranger(void **state)
{
	(void)state;
	node[2].off = true;
	found(0, 2);
	for (u32 i = 0; i < 2; i++)
		node[i].off = true;
	node[2].off = false;
	memset(cluster, 8, sizeof(cluster));
	{
		u8 voter[1][AGREE_UUID];

		uuid(2, voter[0]);
		assert_true(agree_found(&node[2].agree, now, cluster,
					(const u8(*)[AGREE_UUID])voter, 1, 1));
	}
	pass(5);
	assert_int_equal(agree_version(&node[2].agree), 1);
	node[0].off = node[1].off = false;
	assert_true(agree_read(&node[2].agree, now, 8));
	node[2].agree.tell = true;	// as if it had just been made
	pass(5);
	assert_true(node[0].strangers && node[1].strangers);
	assert_memory_equal(node[0].agree.known_head.cluster, node[1].agree.known_head.cluster,
			    AGREE_UUID);
	assert_int_equal(node[0].agree.known_head.cluster[0], 7);
}

// ---- messages

static void
takes_only_whole_messages(void **state)
{
	static u8 bytes[AGREE_MESSAGE_MAX];
	static struct record scratch;
	struct agree_message m = { .kind = MESSAGE_NEWS }, read;
	u32 len;

	(void)state;
	found(0, NODES);
	m.value = node[0].agree.known.bytes;
	m.len = node[0].agree.known.len;
	len = agree_message_store(&m, bytes);
	assert_true(agree_message_load(&read, bytes, len, &scratch));
	assert_int_equal(read.head.voters, NODES);
	for (u32 i = 0; i < len; i++)
		assert_false(agree_message_load(&read, bytes, i, &scratch));
	for (u8 kind = 0; kind < 255; kind++) {
		bytes[1] = kind;
		assert_int_equal(agree_message_load(&read, bytes, len, &scratch),
				 kind == MESSAGE_NEWS || kind == MESSAGE_HINT);
	}
	bytes[1] = MESSAGE_NEWS;
	bytes[AGREE_HEADER + 8] ^= 2;	// another version: still a record
	assert_true(agree_message_load(&read, bytes, len, &scratch));
	bytes[AGREE_HEADER] ^= 1;
	assert_false(agree_message_load(&read, bytes, len, &scratch));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(makes_a_record_and_changes_it, setup),
		cmocka_unit_test_setup(says_why_it_does_not, setup),
		cmocka_unit_test_setup(takes_eight_requests_at_a_time, setup),
		cmocka_unit_test_setup(says_nothing_before_it_is_on_disk, setup),
		cmocka_unit_test_setup(a_disk_that_fails_is_silent_for_good, setup),
		cmocka_unit_test_setup(knows_its_record_again_after_all_have_started_anew, setup),
		cmocka_unit_test_setup(takes_the_older_slot_when_the_newer_is_torn, setup),
		cmocka_unit_test_setup(a_voter_without_its_disk_does_not_vote_and_comes_back,
				       setup),
		cmocka_unit_test_setup(a_new_voter_counts_at_once, setup),
		cmocka_unit_test_setup(asks_for_what_others_know, setup),
		cmocka_unit_test_setup(knows_a_stranger, setup),
		cmocka_unit_test_setup(takes_only_whole_messages, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
