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
// A node's disk on a simulated machine: which disks are written, who gets room and for
// how long, what is in use after changes of the record, and what repair mends.
// Each test is a life of its own; a failed assertion ends it.

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
	a = ask_room(1, 10, 100, 1);
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
	ASSERT(ask_seal(1, 10, a.room, 2).status == ROOM_GONE);
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

// ---- repair

#define FILES 12u
#define BIG (OBJECT_SUMS + 40u)		// blocks of file 5: two headers

static u8 content[BIG * STORE_BLOCK];
static u8 image[64 * STORE_BLOCK];
static struct manifest_entry files[FILES];

static u64
file_len(u32 i)
{
	return i == 5 ? sizeof(content) - 99 : i * 3000u;
}

static void
fill(u32 i)
{
	for (u64 at = 0; at < file_len(i); at++)
		content[at] = (u8)(at * (i + 3) + (at >> 9));
}

// A site whose copies lie on nodes 0 and 1, from `first` on each disk (another block on
// the second); its manifest is the record's.
static void
make_site(u64 first, u32 shift)
{
	struct manifest_builder builder;
	static struct manifest_entry room[FILES];
	static char paths[FILES * 8];
	struct record_new_object object = { 0 };
	u64 at = first;

	manifest_begin(&builder);
	builder.file = room;
	builder.file_room = FILES;
	builder.paths = paths;
	builder.paths_room = sizeof(paths);
	for (u32 i = 0; i < FILES; i++) {
		struct manifest_entry *f = &files[i];
		char path[] = { 'f', (char)('a' + i) };

		*f = (struct manifest_entry){ .length = file_len(i) };
		fill(i);
		for (u32 n = 0; n < 2; n++) {
			f->voter[n] = manifest_add_voter(&builder, rig.node[n].uuid);
			f->block[n] = at + n * shift;
			rig_put_object(n, content, f->length, f->block[n], f->id);
		}
		at += object_blocks(f->length);
		ASSERT(!manifest_add(&builder, f, path, sizeof(path)));
	}
	object.bytes = manifest_len(&builder);
	ASSERT(object.bytes <= sizeof(image));
	manifest_copy(&builder, 0, image, object.bytes);
	for (u32 n = 0; n < 2; n++) {
		memcpy(object.copy[n].uuid, rig.node[n].uuid, STORE_UUID);
		object.copy[n].block = at + n * shift;
		rig_put_object(n, image, object.bytes, at + n * shift, object.id);
	}
	ASSERT(!record_deploy_site(&rig.record, rig.record.site.generation,
				   builder.head.content_bytes, FILES, &object));
	rig.record.version++;
}

static void
expect_whole(u64 blocks_bad)
{
	struct storage_status status;

	storage_status(&status);
	ASSERT(status.objects == FILES + 1 && status.objects_fine == FILES + 1);
	ASSERT(!status.objects_short && status.blocks_bad == blocks_bad);
	ASSERT(status.blocks_mended == blocks_bad);
	for (u32 i = 0; i < FILES; i++)
		ASSERT(rig_object_is_whole(0, files[i].id, files[i].length,
					   files[i].block[0]));
}

static void
mend(void *argument)
{
	u64 bad = *(u64 *)argument;

	storage_open(true);
	rig_pass(20 * NS_PER_SECOND);
	expect_whole(bad);
	if (bad)
		ASSERT(rig.node[1].reads >= bad);
}

static u8 *
block_of_file(u32 i, u64 block)
{
	return rig.node[0].disk + (files[i].block[0] + block) * STORE_BLOCK;
}

// Damage of every kind, mended from the other copy; what was fine is not written.
static void
bad_blocks_are_mended(void **state)
{
	u64 none = 0, bad = 6;

	(void)state;
	rig_begin(2, BLOCKS, 1);
	make_site(100, 7);
	assert_true(rig_in_child(mend, &none));
	block_of_file(3, 1)[5] ^= 1;				// content
	block_of_file(4, 0)[9] ^= 1;				// a header
	block_of_file(5, 1)[100] ^= 1;				// the second header
	memset(block_of_file(5, 2 + 510), 0, STORE_BLOCK);
	memcpy(block_of_file(6, 2), block_of_file(7, 2), STORE_BLOCK);
	memcpy(block_of_file(8, 0), block_of_file(2, 0), STORE_BLOCK);
	assert_true(rig_in_child(mend, &bad));
	rig_end();
}

// A node that lost its disk fills a new one: its manifest too.
static void
a_lost_disk_is_filled_again(void **state)
{
	u64 all = 0;

	(void)state;
	rig_begin(2, BLOCKS, 1);
	make_site(100, 7);
	for (u32 i = 0; i < FILES; i++)
		all += object_blocks(files[i].length);
	all += object_blocks(rig.record.site.manifest.bytes);
	memset(rig.node[0].disk, 0, BLOCKS * STORE_BLOCK);
	assert_true(rig_in_child(mend, &all));
	rig_end();
}

static void
mend_later(void *argument)
{
	struct storage_status status;

	(void)argument;
	rig.node[1].lends = false;
	storage_open(true);
	rig_pass(10 * NS_PER_SECOND);
	storage_status(&status);
	ASSERT(status.objects_short == 1 && status.objects_fine == FILES);
	ASSERT(!status.blocks_mended);
	rig.node[1].lends = true;
	rig_pass(10 * NS_PER_SECOND);
	storage_status(&status);
	ASSERT(!status.objects_short && status.objects_fine == FILES + 1);
	ASSERT(status.blocks_mended == 1);
}

static void
repair_waits_for_the_other_copy(void **state)
{
	(void)state;
	rig_begin(2, BLOCKS, 1);
	make_site(100, 7);
	block_of_file(9, 2)[0] ^= 1;
	assert_true(rig_in_child(mend_later, NULL));
	rig_end();
}

// Rot while it runs is found by the slow pass; wrong bytes of the other copy, whose sum
// does not fit, are not written.
static void
mend_rot(void *argument)
{
	struct storage_status status;
	u8 *theirs = rig.node[1].disk + (files[7].block[1] + 2) * STORE_BLOCK;

	(void)argument;
	storage_open(true);
	rig_pass(20 * NS_PER_SECOND);
	block_of_file(7, 2)[40] ^= 1;
	theirs[41] ^= 1;
	rig_pass(120 * NS_PER_SECOND);
	storage_status(&status);
	ASSERT(status.objects_short == 1 && !status.blocks_mended);
	theirs[41] ^= 1;
	rig_pass(120 * NS_PER_SECOND);
	storage_status(&status);
	ASSERT(!status.objects_short && status.blocks_mended == 1);
}

static void
rot_is_found_while_it_runs(void **state)
{
	(void)state;
	rig_begin(2, BLOCKS, 1);
	make_site(100, 7);
	assert_true(rig_in_child(mend_rot, NULL));
	rig_end();
}

// ---- what is in use

static u64
site_blocks(void)
{
	u64 blocks = object_blocks(rig.record.site.manifest.bytes);

	for (u32 i = 0; i < FILES; i++)
		blocks += object_blocks(files[i].length);
	return blocks;
}

static void
follow_the_record(void *argument)
{
	u64 blocks = site_blocks();
	struct room_answer a;

	(void)argument;
	storage_open(true);
	rig_pass(2 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK + blocks);
	a = ask_room(1, 10, 10, 1);
	ASSERT(!a.status && (a.first + a.count <= 100 || a.first >= 100 + blocks));
	ASSERT(!ask_drop(1, 10, DROP_ALL));
	rig_pass(6 * NS_PER_SECOND);
	// The old site stays until it can no longer be read.
	make_site(2000, 3);
	storage_record_changed();
	rig_pass(STORAGE_GRACE_NS - 3 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK + 2 * blocks);
	rig_pass(5 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK + blocks);
	// A deployer that knows more than this node gets nothing here yet.
	rig.record.version++;
	a = ask_room(1, 11, 10, 1);
	ASSERT(!a.status);
	rig.record.version--;
}

static void
blocks_in_use_follow_the_record(void **state)
{
	(void)state;
	rig_begin(2, BLOCKS, 1);
	make_site(100, 7);
	assert_true(rig_in_child(follow_the_record, NULL));
	rig_end();
}

static void
read_whole_objects(void *argument)
{
	static u8 target[sizeof(content)];
	struct record_new_object object = { .bytes = files[5].length };

	(void)argument;
	storage_open(true);
	memcpy(object.id, files[5].id, STORE_ID);
	for (u32 n = 0; n < 2; n++) {
		memcpy(object.copy[n].uuid, rig.node[n].uuid, STORE_UUID);
		object.copy[n].block = files[5].block[n];
	}
	// Each copy is bad in another place: together they are whole.
	block_of_file(5, 0)[77] ^= 1;
	block_of_file(5, 2 + 300)[1] ^= 1;
	rig.node[1].disk[(files[5].block[1] + 2 + 100) * STORE_BLOCK] ^= 1;
	ASSERT(!storage_fetch(&object, target));
	fill(5);
	ASSERT(!memcmp(target, content, file_len(5)));
	rig.node[1].dead = true;
	ASSERT(storage_fetch(&object, target));
}

static void
objects_are_read_from_any_right_copy(void **state)
{
	(void)state;
	rig_begin(2, BLOCKS, 1);
	make_site(100, 7);
	rig.record.site.generation = 0;		// nothing repairs meanwhile
	assert_true(rig_in_child(read_whole_objects, NULL));
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
		cmocka_unit_test(a_silent_deployer_loses_its_rooms),
		cmocka_unit_test(what_may_be_committed_is_kept),
		cmocka_unit_test(spoiled_rooms_are_refused),
		cmocka_unit_test(bad_blocks_are_mended),
		cmocka_unit_test(a_lost_disk_is_filled_again),
		cmocka_unit_test(repair_waits_for_the_other_copy),
		cmocka_unit_test(rot_is_found_while_it_runs),
		cmocka_unit_test(blocks_in_use_follow_the_record),
		cmocka_unit_test(objects_are_read_from_any_right_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
