// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/storage/disk.c cluster/storage/lend.c cluster/storage/reach.c
// links: cluster/storage/read.c cluster/storage/repair.c cluster/storage/room.c
// links: cluster/storage/site.c cluster/storage/storage.c cluster/storage/used.c
// links: cluster/storage/verify.c
// links: cluster/storage/test_machine_rig.c cluster/storage/test_nodes_rig.c
// links: cluster/record/change.c cluster/record/codec.c cluster/record/record.c
// links: libos/store/label.c libos/store/object.c libos/store/hash.c
// links: libos/store/manifest.c libos/store/build.c libos/store/space.c
// links: kernel/base/siphash.c kernel/base/string.c
// links: net/sodium/crypto.c net/sodium/libsodium.o harness/testing/host_assert.c
// A node's disk on a simulated machine: which disks are written, what a power cut
// leaves, who gets room and for how long. Each test is a life of its own; a failed
// assertion ends it.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/storage/state.h"
#include "cluster/storage/test_machine_rig.h"
#include "kernel/base/assert.h"

#define BLOCKS 4096u

// ---- which disks are written

static void
open_and_expect(void *argument)
{
	enum storage_state expected = *(enum storage_state *)argument;

	storage_open(true);
	ASSERT(storage_state() == expected);
	rig_pass(3 * NS_PER_SECOND);
	ASSERT(storage_state() == expected);
}

static void
open_without_claim(void *argument)
{
	(void)argument;
	storage_open(false);
	ASSERT(storage_state() == STORAGE_REFUSED);
	ASSERT(!rig.disk_writes);
}

static void
a_blank_disk_is_claimed_once(void **state)
{
	enum storage_state ready = STORAGE_READY;

	(void)state;
	rig_begin(1, BLOCKS, 1);
	assert_true(rig_in_child(open_without_claim, NULL));
	assert_true(label_is_zero(rig.node[0].disk, BLOCKS * STORE_BLOCK));
	assert_true(rig_in_child(open_and_expect, &ready));
	assert_false(label_is_zero(rig.node[0].disk, STORE_BLOCK));
	// The cluster's id came with the record, and stays.
	rig.has_record = false;
	assert_true(rig_in_child(open_and_expect, &ready));
	rig_end();
}

static void
claimed_for(void *argument)
{
	storage_open(false);
	ASSERT(storage_state() == STORAGE_READY);
	ASSERT(!memcmp(storage_cluster(), argument, STORE_UUID));
	ASSERT(!storage_suits((const u8 *)"another cluster"));
}

// The record is another cluster's: the disk is left alone from then on.
static void
leave_alone(void *argument)
{
	u64 writes = rig.disk_writes;

	(void)argument;
	storage_open(true);
	ASSERT(storage_state() == STORAGE_READY);
	rig_pass(2 * NS_PER_SECOND);
	ASSERT(storage_state() == STORAGE_REFUSED);
	ASSERT(storage_slot_write(0, (u8[STORAGE_SLOT_BYTES]){ 0 }));
	ASSERT(rig.disk_writes == writes);
}

static void
the_label_learns_the_cluster(void **state)
{
	enum storage_state ready = STORAGE_READY;

	(void)state;
	rig_begin(1, BLOCKS, 1);
	assert_true(rig_in_child(open_and_expect, &ready));
	assert_true(rig_in_child(claimed_for, rig.record.cluster));
	rig.record.cluster[0] ^= 1;
	assert_true(rig_in_child(leave_alone, NULL));
	rig_end();
}

static void
open_foreign(void *argument)
{
	(void)argument;
	storage_open(true);
	ASSERT(storage_state() == STORAGE_REFUSED);
	rig_pass(3 * NS_PER_SECOND);
	ASSERT(!rig.disk_writes);
}

// One byte anywhere where somebody's data may begin or end.
static void
a_foreign_disk_is_never_written(void **state)
{
	static const u64 places[] = {
		0, 511, 1024, 4096, 6 * STORE_BLOCK, 65536,
		LABEL_PROBE_BLOCKS * STORE_BLOCK - 1,
		(BLOCKS - LABEL_PROBE_BLOCKS) * STORE_BLOCK,
		BLOCKS * STORE_BLOCK - 1,
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		rig_begin(1, BLOCKS, 1);
		rig.node[0].disk[places[i]] = 1;
		assert_true(rig_in_child(open_foreign, NULL));
		rig.node[0].disk[places[i]] = 0;
		assert_true(label_is_zero(rig.node[0].disk, BLOCKS * STORE_BLOCK));
		rig_end();
	}
}

static void
another_nodes_disk_is_never_written(void **state)
{
	struct label label = { .blocks = BLOCKS, .node = { 9 } };

	(void)state;
	rig_begin(1, BLOCKS, 1);
	label_make(&label, rig.node[0].disk);
	assert_true(rig_in_child(open_foreign, NULL));
	rig_end();
}

// ---- power cuts

static u8 slot_bytes[STORAGE_SLOT_BYTES];

// What a register does: slots in turn, each with a number that is everywhere in it.
static void
claim_and_write_slots(void *argument)
{
	(void)argument;
	storage_open(true);
	for (u32 n = 1; n <= 6 && storage_state() == STORAGE_READY; n++) {
		memset(slot_bytes, (int)n, sizeof(slot_bytes));
		if (storage_slot_write(n % 2, slot_bytes))
			break;
		rig.node[1].told[0] = n;	// acknowledged
	}
}

static bool
slot_is(u32 slot, u8 n)
{
	i64 error = storage_slot_read(slot, slot_bytes);

	ASSERT(!error);
	for (u32 i = 0; i < sizeof(slot_bytes); i++) {
		if (slot_bytes[i] != n)
			return false;
	}
	return true;
}

// The disk is blank still, or ours; what was acknowledged is there or newer.
static void
reopen_after_cut(void *argument)
{
	u32 acknowledged = *(u32 *)argument, newest = 0;

	storage_open(true);
	ASSERT(storage_state() == STORAGE_READY);
	for (u8 n = 1; n <= 6; n++) {
		if (slot_is(n % 2, n))
			newest = n;
	}
	ASSERT(newest >= acknowledged);
}

struct cut {
	u64 at;
	u32 *acknowledged;
};

static void
cut_life(void *argument)
{
	const struct cut *cut = argument;

	rig.power_cut_at = cut->at;
	claim_and_write_slots(NULL);
	*cut->acknowledged = rig.node[1].told[0];
}

static void
labels_and_slots_survive_a_cut_at_any_write(void **state)
{
	(void)state;
	for (u64 at = 1; at <= 20; at++) {
		for (u64 seed = 1; seed <= 6; seed++) {
			rig_begin(2, BLOCKS, seed * 100 + at);
			// A page that both lives see.
			struct cut cut = {
				at, (u32 *)(rig.node[1].disk + STORE_BLOCK) };

			assert_true(rig_in_child(cut_life, &cut));
			assert_true(rig_in_child(reopen_after_cut, cut.acknowledged));
			rig_end();
		}
	}
}

// ---- rooms

static struct room_answer
ask_room(u32 node, u64 deployment, u64 want, u64 least)
{
	struct room_ask ask = {
		.deployment = deployment, .version = rig.record.version,
		.want = want, .least = least, .word = 1,
	};
	struct room_answer answer;
	u32 len = rig_ask_own(node, MESSAGE_ROOM, &ask, sizeof(ask), (void *)&answer);

	ASSERT(len == sizeof(answer));
	return answer;
}

static struct seal_answer
ask_seal(u32 node, u64 deployment, u32 room, u64 used)
{
	struct seal_ask ask = { .deployment = deployment, .room = room, .used = used };
	struct seal_answer answer;
	u32 len = rig_ask_own(node, MESSAGE_SEAL, &ask, sizeof(ask), (void *)&answer);

	ASSERT(len == sizeof(answer));
	return answer;
}

static u32
ask_drop(u32 node, u64 deployment, enum drop_what what)
{
	struct drop_ask ask = {
		.deployment = deployment, .what = what,
		.version = rig.record.version, .generation = rig.record.site.generation,
	};
	struct drop_answer answer;
	u32 len = rig_ask_own(node, MESSAGE_DROP, &ask, sizeof(ask), (void *)&answer);

	ASSERT(len == sizeof(answer));
	return answer.status;
}

static u64
used_blocks(void)
{
	struct storage_status status;

	storage_status(&status);
	ASSERT(space_count(&storage_space) == status.blocks_used);
	return status.blocks_used;
}

static void
open_ready(void)
{
	storage_open(true);
	ASSERT(storage_state() == STORAGE_READY);
	rig_pass(NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK);
}

static void
give_and_take_rooms(void *argument)
{
	u8 id[STORE_ID];
	struct room_answer a, b;

	(void)argument;
	open_ready();
	ASSERT(ask_room(2, 9, BLOCKS, BLOCKS).status == ROOM_FULL);
	a = ask_room(1, 10, 100, 1);		// who got nothing is in nobody's way
	ASSERT(!a.status && a.count == 100 && a.first >= STORE_FIRST_BLOCK);
	b = ask_room(1, 10, 5000, 50);	// halved until it fits
	ASSERT(!b.status && b.count == 2500 && b.first >= a.first + a.count);
	ASSERT(rig_grants() == 2 && used_blocks() == STORE_FIRST_BLOCK + 2600);
	ASSERT(ask_room(1, 10, 3000, 3000).status == ROOM_FULL);
	ASSERT(ask_room(2, 11, 1, 1).status == ROOM_BUSY);
	ASSERT(ask_room(2, 10, 1, 1).status == ROOM_BAD_ASK);	// not its deployment
	ASSERT(ask_room(1, 10, 1, 2).status == ROOM_BAD_ASK);
	// What is sealed stays, the rest of its room is free again.
	rig_put_object(0, "hello", 5, a.first, id);
	ASSERT(ask_seal(2, 10, a.room, 2).status == ROOM_GONE);
	ASSERT(ask_seal(1, 10, a.room, a.count + 1).status == ROOM_BAD_ASK);
	ASSERT(!ask_seal(1, 10, a.room, 2).status);
	ASSERT(rig_grants() == 1 && used_blocks() == STORE_FIRST_BLOCK + 2502);
	ASSERT(!ask_seal(1, 10, a.room, 2).status);	// its answer was lost
	ASSERT(ask_seal(1, 10, a.room + 9, 2).status == ROOM_GONE);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK + 2502);
	// Over: nothing of it is left, but not before what is on its way has landed.
	ASSERT(!ask_drop(1, 10, DROP_ALL));
	ASSERT(!rig_grants() && used_blocks() == STORE_FIRST_BLOCK + 2502);
	rig_pass(8 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK);
	ASSERT(ask_drop(1, 10, DROP_ALL) == ROOM_GONE);
	ASSERT(!ask_room(2, 11, 1, 1).status);
}

static void
rooms_are_given_and_taken(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(give_and_take_rooms, NULL));
	rig_end();
}

static void
forget_a_deployer(void *argument)
{
	struct room_answer a;

	(void)argument;
	open_ready();
	a = ask_room(1, 10, 100, 1);
	ASSERT(!a.status);
	rig_pass(20 * NS_PER_SECOND);
	ASSERT(!ask_drop(1, 10, DROP_NOTHING));		// it lives
	rig_pass(20 * NS_PER_SECOND);
	ASSERT(rig_grants() == 1);
	rig_pass(20 * NS_PER_SECOND);
	ASSERT(!rig_grants());
	ASSERT(ask_seal(1, 10, a.room, 0).status == ROOM_GONE);
	rig_pass(6 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK);
}

static void
forget_a_dead_deployer(void *argument)
{
	(void)argument;
	open_ready();
	ASSERT(!ask_room(1, 10, 100, 1).status);
	ASSERT(ask_room(2, 11, 100, 1).status == ROOM_BUSY);
	rig.node[1].dead = true;
	ASSERT(!ask_room(2, 11, 100, 1).status);
	ASSERT(rig_grants() == 1);
}

static void
a_dead_deployer_is_in_nobodys_way(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(forget_a_dead_deployer, NULL));
	rig_end();
}

static void
a_silent_deployer_loses_its_rooms(void **state)
{
	(void)state;
	rig_begin(2, BLOCKS, 1);
	assert_true(rig_in_child(forget_a_deployer, NULL));
	rig_end();
}

// Sealed, and then its deployer died: the record may still come to name it.
static void
keep_what_may_be_committed(void *argument)
{
	struct room_answer a;
	u8 id[STORE_ID];

	(void)argument;
	open_ready();
	a = ask_room(1, 10, 100, 1);
	rig_put_object(0, "hello", 5, a.first, id);
	ASSERT(!ask_seal(1, 10, a.room, 2).status);
	rig_pass(100 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK + 2);
	a = ask_room(2, 11, 100, 1);			// others are served
	ASSERT(!a.status && a.first >= STORE_FIRST_BLOCK + 2);
	ASSERT(!ask_drop(2, 11, DROP_ALL));
	rig_pass(10 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK + 2);
	rig_pass(700 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK);
}

static void
what_may_be_committed_is_kept(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(keep_what_may_be_committed, NULL));
	rig_end();
}

static u32
seal_what(u32 (*spoil)(u8 *at, u64 first))
{
	struct room_answer a = ask_room(1, 10, 100, 1);
	static u8 content[3 * STORE_BLOCK];
	struct seal_answer sealed;
	u8 id[STORE_ID];
	u32 used;

	ASSERT(!a.status);
	memset(content, 7, sizeof(content));
	rig_put_object(0, "hello", 5, a.first, id);
	rig_put_object(0, content, sizeof(content), a.first + 2, id);
	used = spoil(rig.node[0].disk + a.first * STORE_BLOCK, a.first);
	sealed = ask_seal(1, 10, a.room, used);
	rig_pass(6 * NS_PER_SECOND);
	ASSERT(!sealed.status || used_blocks() == STORE_FIRST_BLOCK);
	return sealed.status;
}

static u32
spoil_content(u8 *at, u64 first)
{
	(void)first;
	at[4 * STORE_BLOCK + 17] ^= 4;
	return 6;
}

static u32
spoil_header(u8 *at, u64 first)
{
	(void)first;
	at[2 * STORE_BLOCK + 1000] ^= 4;
	return 6;
}

static u32
spoil_length(u8 *at, u64 first)
{
	(void)at, (void)first;
	return 5;
}

static u32
spoil_place(u8 *at, u64 first)
{
	u8 id[STORE_ID];

	(void)at;
	rig_put_object(0, "hello", 5, first + 50, id);
	memcpy(at, at + 50 * STORE_BLOCK, 2 * STORE_BLOCK);
	return 2;
}

// Sums that fit, of bytes that are not what the id says.
static u32
spoil_id(u8 *at, u64 first)
{
	struct object object = { .length = 5, .first = first };
	struct object_header *header = (void *)at;

	memcpy(object.id, header->id, STORE_ID);
	at[STORE_BLOCK] = 'j';
	object_header_begin(header, &object, 0);
	object_header_add(header, 0, object_sum(&object, 0, at + STORE_BLOCK));
	object_header_end(header);
	return 2;
}

static void
refuse_spoiled_rooms(void *argument)
{
	(void)argument;
	open_ready();
	ASSERT(seal_what(spoil_content) == ROOM_BAD_SUM);
	ASSERT(seal_what(spoil_header) == ROOM_BAD_SUM);
	ASSERT(seal_what(spoil_length) == ROOM_BAD_ASK);
	ASSERT(seal_what(spoil_place) == ROOM_BAD_ASK);
	ASSERT(seal_what(spoil_id) == ROOM_BAD_ID);
}

static void
spoiled_rooms_are_refused(void **state)
{
	(void)state;
	rig_begin(2, BLOCKS, 1);
	assert_true(rig_in_child(refuse_spoiled_rooms, NULL));
	rig_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blank_disk_is_claimed_once),
		cmocka_unit_test(the_label_learns_the_cluster),
		cmocka_unit_test(a_foreign_disk_is_never_written),
		cmocka_unit_test(another_nodes_disk_is_never_written),
		cmocka_unit_test(labels_and_slots_survive_a_cut_at_any_write),
		cmocka_unit_test(rooms_are_given_and_taken),
		cmocka_unit_test(a_dead_deployer_is_in_nobodys_way),
		cmocka_unit_test(a_silent_deployer_loses_its_rooms),
		cmocka_unit_test(what_may_be_committed_is_kept),
		cmocka_unit_test(spoiled_rooms_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
