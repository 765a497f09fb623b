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
// What has one copy on the disks gets two, when a second disk comes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/deploy/test_deploying.h"

static void
deploy_then_copy(void *argument)
{
	struct record_new_job job = { .name = "j", .arguments = "", .count = 1,
				      .frames = 1, .slices = 1 };
	static u8 image[50000], target[sizeof(image)];
	u64 bytes[RIG_NODES];
	struct record_new_object o;

	(void)argument;
	// Until the others' disks come.
	for (u32 i = 1; i < 3; i++)
		ASSERT(!record_remove_voter(&rig.record, rig.node[i].uuid));
	open_ready();
	make_bundle();
	deploy_stream();
	deploy_release();
	memset(image, 7, sizeof(image));
	ASSERT(!deploy_begin_job(&job, sizeof(image)));
	for (u64 at = 0; at < sizeof(image); task_sleep(rig.now + NS_PER_MS))
		at += deploy_feed(image + at, (u32)(sizeof(image) - at));
	feed(0, true);
	deploy_release();
	expect_site(file_count, 1, bytes);
	ASSERT(record_has_single_copies(&rig.record));
	for (u32 i = 1; i < 3; i++)
		ASSERT(!record_add_voter(&rig.record, rig.node[i].uuid));
	rig_pass(NS_PER_SECOND);
	ASSERT(!deploy_begin_copies() && deploy_begin_site());
	do {
		task_sleep(rig.now + NS_PER_MS);
		deploy_report(&report);
	} while (report.state == DEPLOY_RUNNING);
	ASSERT(report.state == DEPLOY_IDLE && strstr(rig.event, "deployed"));
	ASSERT(!record_has_single_copies(&rig.record));
	expect_site(file_count, 2, bytes);
	ASSERT(rig.record.site.generation == 2);
	o = storage_object_of(&rig.record, &rig.record.job[0].image);
	for (u32 i = 0; i < 2; i++)
		ASSERT(rig_object_is_whole(node_of(o.copy[i].uuid), o.id, o.bytes,
					   o.copy[i].block));
	ASSERT(!storage_fetch(&o, target) && !memcmp(image, target, sizeof(image)));
}

static void
what_has_one_copy_gets_two(void **state)
{
	(void)state;
	rig_begin(3, BLOCKS, 1);
	assert_true(rig_in_child(deploy_then_copy, NULL));
	rig_end();
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(what_has_one_copy_gets_two),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
