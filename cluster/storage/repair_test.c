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
// A node's objects on a simulated machine: what repair mends and from where, which
// blocks are in use after changes of the record, and reading from whichever copy is
// right. Each test is a life of its own; a failed assertion ends it.

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
	struct record_new_job job = {
		.name = "count", .arguments = "", .count = 1, .frames = 1, .slices = 1,
		.image = { .bytes = 3 * STORE_BLOCK },
	};
	u64 blocks = site_blocks();
	struct room_answer a;

	for (u32 n = 0; n < 2; n++) {
		memcpy(job.image.copy[n].uuid, rig.node[n].uuid, STORE_UUID);
		job.image.copy[n].block = 3000;
	}

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
	// So does the image of a job that is no more.
	ASSERT(!record_deploy_job(&rig.record, &job));
	rig.record.version++;
	storage_record_changed();
	rig_pass(2 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK + blocks + 4);
	ASSERT(!record_remove(&rig.record, "count"));
	rig.record.version++;
	storage_record_changed();
	rig_pass(STORAGE_GRACE_NS - 3 * NS_PER_SECOND);
	ASSERT(used_blocks() == STORE_FIRST_BLOCK + blocks + 4);
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
		cmocka_unit_test(bad_blocks_are_mended),
		cmocka_unit_test(a_lost_disk_is_filled_again),
		cmocka_unit_test(repair_waits_for_the_other_copy),
		cmocka_unit_test(rot_is_found_while_it_runs),
		cmocka_unit_test(blocks_in_use_follow_the_record),
		cmocka_unit_test(objects_are_read_from_any_right_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
