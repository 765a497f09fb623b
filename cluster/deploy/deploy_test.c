// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/deploy/copies.c
// links: cluster/deploy/deploy.c cluster/deploy/job.c cluster/deploy/pairs.c
// links: cluster/deploy/put.c cluster/deploy/site.c cluster/deploy/writer.c
// links: cluster/storage/disk.c cluster/storage/lend.c cluster/storage/reach.c
// links: cluster/storage/read.c cluster/storage/repair.c cluster/storage/room.c
// links: cluster/storage/site.c cluster/storage/storage.c cluster/storage/used.c
// links: cluster/storage/verify.c
// links: cluster/storage/test_machine_rig.c cluster/storage/test_nodes_rig.c
// links: cluster/record/change.c cluster/record/codec.c cluster/record/record.c
// links: libos/store/label.c libos/store/object.c libos/store/hash.c
// links: libos/store/manifest.c libos/store/build.c libos/store/space.c
// links: libos/store/bundle.c kernel/base/fmt.c
// links: kernel/base/siphash.c kernel/base/string.c
// links: net/sodium/crypto.c net/sodium/libsodium.o harness/testing/host_assert.c
// Deployments on a simulated machine: every object lies whole on two nodes, and
// whatever goes wrong, the old site stays and the reason is told. Node 0 runs the real
// storage, the others are the rig's. Each test is a life of its own.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/agent/register.h"
#include "cluster/deploy/deploy.h"
#include "cluster/deploy/test_deploying.h"
#include "cluster/storage/state.h"
#include "cluster/storage/test_machine_rig.h"
#include "kernel/base/assert.h"

static void
make_small_bundle(u8 seed)
{
	char path[] = "f0";

	bundle_start();
	for (u32 i = 0; i < 8; i++) {
		path[1] = (char)('0' + i);
		bundle_file(path, 5000 * (u64)i, (u8)(seed + i));
	}
	bundle_stop();
}

static void
expect_failure(const char *words)
{
	if (report.state != DEPLOY_FAILED || !strstr(report.sentence, words)) {
		print_message("state %u: %s\n", report.state, report.sentence);
		ASSERT(false);
	}
	deploy_release();
}

// ---- what works

static void
deploy_whole(void *argument)
{
	u64 bytes[RIG_NODES];

	(void)argument;
	open_ready();
	make_bundle();
	deploy_stream();
	if (report.state != DEPLOY_DONE)
		print_message("%s\n", report.sentence);
	ASSERT(report.state == DEPLOY_DONE && report.generation == 1);
	ASSERT(report.files == file_count && report.bytes == content_bytes);
	expect_site(file_count, MIN(rig.nodes, 2u), bytes);
	for (u32 i = 1; i < rig.nodes; i++) {
		ASSERT(rig.node[i].told[DROP_COMMITTED] == 1 && !rig_rooms(i));
		ASSERT(!rig.node[i].bad_seals);
		ASSERT(bytes[i] > content_bytes / 8);
	}
	// Small files go to the disk many at a time.
	ASSERT(rig.page_writes_max == TASK_BATCH_MAX);
	ASSERT(rig.ops < rig.disk_writes / 4);
	ASSERT(!rig_grants());
	// What the record names here is what is in use, and was checked as it came.
	rig_pass(STORAGE_GRACE_NS + 10 * NS_PER_SECOND);
	struct storage_status status;

	storage_status(&status);
	ASSERT(status.objects_fine == status.objects && status.objects > 5);
	ASSERT(!status.blocks_bad && !status.rooms);
	deploy_release();
}

static void
a_site_lies_whole_on_two_nodes(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(deploy_whole, NULL));
	rig_end();
}

static void
a_single_node_has_one_copy(void **state)
{
	(void)state;
	rig_begin(1, BLOCKS, 1);
	assert_true(rig_in_child(deploy_whole, NULL));
	rig_end();
}

static void
deploy_far(void *argument)
{
	u64 bytes[RIG_NODES];

	(void)argument;
	storage_open(false);		// no disk of the cluster here
	make_bundle();
	rig.node[0].dead = true;	// as a voter
	deploy_stream();
	ASSERT(report.state == DEPLOY_DONE);
	expect_site(file_count, 2, bytes);
	ASSERT(!rig.disk_writes);
}

static void
a_node_without_a_disk_deploys_to_others(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(deploy_far, NULL));
	rig_end();
}

static void
deploy_an_image(void *argument)
{
	static u8 image[300000], target[sizeof(image)];
	struct record_new_job job = {
		.name = "count", .arguments = "1 2", .count = 2, .frames = 64,
		.slices = 1,
	};
	struct record_new_object o;
	u64 at = 0;

	(void)argument;
	open_ready();
	for (u32 i = 0; i < sizeof(image); i++)
		image[i] = (u8)(i * i >> 5);
	ASSERT(!deploy_begin_job(&job, sizeof(image)));
	while (at < sizeof(image)) {
		at += deploy_feed(image + at, (u32)(sizeof(image) - at));
		task_sleep(rig.now + NS_PER_MS);
	}
	stream_len = 0;
	feed(0, true);
	ASSERT(report.state == DEPLOY_DONE && report.job == rig.record.job[0].id);
	o = storage_object_of(&rig.record, &rig.record.job[0].image);
	ASSERT(!storage_fetch(&o, target) && !memcmp(image, target, sizeof(image)));
	deploy_release();
	// Too short.
	ASSERT(!deploy_begin_job(&job, sizeof(image)));
	deploy_feed(image, 1000);
	feed(0, true);
	expect_failure("ended before the image did");
}

static void
a_job_is_one_object(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(deploy_an_image, NULL));
	rig_end();
}

// Sessions end and come back, and this node's own storage loses answers: it goes on.
static void
deploy_through_silence(void *argument)
{
	u64 bytes[RIG_NODES];

	(void)argument;
	open_ready();
	make_bundle();
	ASSERT(!deploy_begin_site());
	for (u32 i = 0; i < 4; i++) {
		feed_some(stream_len * i / 4, stream_len * (i + 1) / 4);
		rig.node[1 + i % 2].silent_until = rig.now + 4 * NS_PER_SECOND;
		rig.node[0].loses_answers = 1;
		rig_pass(NS_PER_SECOND);
	}
	feed(0, true);
	if (report.state != DEPLOY_DONE)
		print_message("%s\n", report.sentence);
	ASSERT(report.state == DEPLOY_DONE);
	expect_site(file_count, 2, bytes);
}

static void
lost_sessions_and_answers_are_overcome(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(deploy_through_silence, NULL));
	rig_end();
}

// ---- what fails

// The first site is deployed whole; the second fails with these words, and the first
// is still there, whole, with nothing else in use.
struct failing {
	void (*prepare)(void);
	const char *words;
	bool passes;		// another try may go through
	bool abort;
};

static void
prepare_bad_id(void)
{
	stream[stream_len - 16 - 1] ^= 1;	// the last byte of f7
}

static void
prepare_cut(void)
{
	stream_len -= 40;
}

static void
prepare_tail(void)
{
	stream[stream_len++] = 'x';
}

static void
prepare_order(void)
{
	bundle_start();
	bundle_file("b", 10, 1);
	bundle_file("a", 10, 1);
	bundle_stop();
}

static void
prepare_no_majority(void)
{
	rig.no_majority = true;
}

static void
prepare_full(void)
{
	rig.node[1].limit = rig.node[1].next + 3;
	rig.node[2].limit = rig.node[2].next;
}

static void
prepare_death(void)
{
	rig.node[1].dies_after = rig.node[1].writes + 5;
	rig.node[2].dies_after = rig.node[2].writes + 5;
}

static void
prepare_refused_writes(void)
{
	rig.node[1].refuses_writes = rig.node[2].refuses_writes = true;
}

static void
prepare_busy(void)
{
	rig.node[1].answer = rig.node[2].answer = ROOM_BUSY;
}

static void
prepare_alone(void)
{
	rig.node[1].dead = rig.node[2].dead = true;
}

static void
fail_second(void *argument)
{
	const struct failing *f = argument;
	struct record before;
	u64 bytes[RIG_NODES], used;
	u32 files;

	open_ready();
	make_small_bundle(3);
	deploy_stream();
	ASSERT(report.state == DEPLOY_DONE);
	deploy_release();
	files = file_count;
	rig_pass(STORAGE_GRACE_NS + 10 * NS_PER_SECOND);
	used = storage_space.used_count;
	before = rig.record;
	make_small_bundle(100);
	if (f->prepare)
		f->prepare();
	ASSERT(!deploy_begin_site());
	feed(f->abort ? stream_len / 2 : stream_len, !f->abort);
	if (f->abort) {
		deploy_abort();
		rig_pass(NS_PER_SECOND);
		deploy_report(&report);
		ASSERT(report.state == DEPLOY_IDLE);
	} else {
		expect_failure(f->words);
	}
	ASSERT(f->abort || report.retry == f->passes);
	ASSERT(!memcmp(&before, &rig.record, sizeof(before)));
	ASSERT(!rig_grants());
	rig_pass(10 * NS_PER_SECOND);
	ASSERT(storage_space.used_count == used);
	for (u32 i = 1; i < rig.nodes; i++) {
		rig.node[i].dead = false;
		ASSERT(rig.node[i].told[DROP_COMMITTED] <= 1);
		ASSERT(!rig.node[i].told[DROP_UNKNOWN]);
	}
	expect_site(files, 2, bytes);
	// And another one goes through.
	rig.no_majority = false;
	for (u32 i = 1; i < rig.nodes; i++) {
		struct rig_node *n = &rig.node[i];

		n->limit = n->blocks;
		n->dies_after = n->answer = 0;
		n->refuses_writes = false;
		memset(n->room, 0, sizeof(n->room));
	}
	make_small_bundle(50);
	deploy_stream();
	ASSERT(report.state == DEPLOY_DONE && report.generation == 2);
	expect_site(file_count, 2, bytes);
}

static void
failures_leave_the_old_site(void **state)
{
	static const struct failing cases[] = {
		{ prepare_bad_id, "f7 changed while it was sent", false, false },
		{ prepare_cut, "ended before the bundle did", false, false },
		{ prepare_tail, "something follows", false, false },
		{ prepare_order, "paths do not ascend", false, false },
		{ prepare_full, "room left", false, false },
		{ prepare_no_majority, "too few voters answer", true, false },
		{ prepare_death, "", true, false },
		{ prepare_refused_writes, "a copy cannot be written: gone", true, false },
		{ prepare_busy, "takes part in another deployment", true, false },
		{ prepare_alone, "only one is there", true, false },
		{ NULL, "", true, true },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		rig_begin(3, BLOCKS, i + 1);
		if (!rig_in_child(fail_second, (void *)&cases[i])) {
			print_message("case %u: %s\n", i, cases[i].words);
			fail();
		}
		rig_end();
	}
}

static enum record_error
overtake(void *argument, struct record *record)
{
	struct record_new_object object = { .bytes = 100 };

	(void)argument;
	memcpy(object.copy[0].uuid, rig.node[1].uuid, STORE_UUID);
	object.copy[0].block = 5000;
	return record_deploy_site(record, record->site.generation, 0, 0, &object);
}

// Another node's deployment is committed between the beginning and the end of this one.
static void
lose_the_race(void *argument)
{
	(void)argument;
	open_ready();
	make_small_bundle(3);
	ASSERT(!deploy_begin_site());
	feed(stream_len / 2, false);
	rig_pass(NS_PER_SECOND);
	ASSERT(!record_change(overtake, NULL));
	ASSERT(deploy_feed(stream + stream_len / 2, (u32)(stream_len - stream_len / 2)));
	feed(0, true);
	expect_failure("another change came first");
	ASSERT(rig.record.site.generation == 1);
	ASSERT(rig.node[1].told[DROP_UNKNOWN] + rig.node[2].told[DROP_UNKNOWN] >= 1);
}

static void
the_first_to_commit_wins(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(lose_the_race, NULL));
	rig_end();
}

static void
stop_feeding(void *argument)
{
	(void)argument;
	open_ready();
	make_small_bundle(3);
	ASSERT(!deploy_begin_site());
	feed(stream_len / 2, false);
	rig_pass(50 * NS_PER_SECOND);
	deploy_report(&report);
	ASSERT(report.state == DEPLOY_RUNNING);
	// Owners hear of it meanwhile, or they would give up after 30 seconds.
	ASSERT(rig.node[1].told[DROP_NOTHING] + rig.node[2].told[DROP_NOTHING] >= 4);
	rig_pass(12 * NS_PER_SECOND);
	deploy_report(&report);
	expect_failure("nothing came for 60 seconds");
}

static void
a_silent_client_is_given_up(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(stop_feeding, NULL));
	rig_end();
}

// ---- power cuts

static struct record *shared_record;

static void
cut_second(void *argument)
{
	u64 at = *(u64 *)argument;

	open_ready();
	make_small_bundle(3);
	deploy_stream();
	ASSERT(report.state == DEPLOY_DONE);
	deploy_release();
	rig_pass(5 * NS_PER_SECOND);
	*shared_record = rig.record;
	rig.power_cut_at = rig.disk_writes + at;
	make_small_bundle(100);
	deploy_stream();
	*shared_record = rig.record;
}

static void
expect_after_cut(void *argument)
{
	u64 bytes[RIG_NODES];

	(void)argument;
	rig.record = *shared_record;
	rig.node[1].lends = false;
	storage_open(false);
	ASSERT(storage_state() == STORAGE_READY);
	// Whatever the record names is whole on this disk, without help of the other.
	expect_site(8, 2, bytes);
}

// Node 0 loses power at its n-th write of a deployment: the site that the record names
// afterwards, the old one or the new one, lies whole on its disk.
static void
a_cut_at_any_write_leaves_a_whole_site(void **state)
{
	(void)state;
	shared_record = NULL;
	for (u64 at = 1; at < 60; at += 1 + at / 8) {
		rig_begin(2, BLOCKS, at);
		shared_record = (void *)(rig.node[1].disk + 7000 * STORE_BLOCK);
		rig.node[1].limit = 7000;
		assert_true(rig_in_child(cut_second, &at));
		assert_true(rig_in_child(expect_after_cut, NULL));
		rig_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_site_lies_whole_on_two_nodes),
		cmocka_unit_test(a_single_node_has_one_copy),
		cmocka_unit_test(a_node_without_a_disk_deploys_to_others),
		cmocka_unit_test(a_job_is_one_object),
		cmocka_unit_test(lost_sessions_and_answers_are_overcome),
		cmocka_unit_test(failures_leave_the_old_site),
		cmocka_unit_test(the_first_to_commit_wins),
		cmocka_unit_test(a_silent_client_is_given_up),
		cmocka_unit_test(a_cut_at_any_write_leaves_a_whole_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
