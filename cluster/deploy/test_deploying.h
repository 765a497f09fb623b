// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Deploying a bundle on the simulated machine, and looking where it lies: for the tests
// of deployments. A file that includes this is one of them.

#include "cluster/deploy/deploy.h"
#include "cluster/deploy/test_bundle.h"
#include "cluster/storage/state.h"
#include "cluster/storage/test_machine_rig.h"
#include "kernel/base/assert.h"

#define BLOCKS 8192u

// ---- deploying

static struct deploy_report report;

// Feeds bytes of the stream in pieces of odd sizes.
static void
feed_some(u64 at, u64 end)
{
	u32 piece = 1;

	for (;;) {
		deploy_report(&report);
		if (report.state != DEPLOY_RUNNING || at == end)
			break;
		at += deploy_feed(stream + at, (u32)MIN(end - at, piece));
		piece = piece * 7 % 50021 + 1;
		if (!deploy_room())
			task_sleep(rig.now + 200 * NS_PER_US);
	}
}

// Feeds the first `len` bytes, and waits for the end.
static void
feed(u64 len, bool finish)
{
	feed_some(0, len);
	if (!finish)
		return;
	deploy_finish();
	for (deploy_report(&report); report.state == DEPLOY_RUNNING;
	     deploy_report(&report))
		task_sleep(rig.now + NS_PER_MS);
}

static void
deploy_stream(void)
{
	const char *error;

	error = deploy_begin_site();
	ASSERT(!error);
	ASSERT(deploy_begin_site());		// one at a time
	feed(stream_len, true);
}

static void
open_ready(void)
{
	storage_open(true);
	ASSERT(storage_state() == STORAGE_READY);
	rig_pass(NS_PER_SECOND);
}

static u32
node_of(const u8 *uuid)
{
	for (u32 i = 0; i < rig.nodes; i++) {
		if (!memcmp(rig.node[i].uuid, uuid, STORE_UUID))
			return i;
	}
	return RIG_NODES;
}

// The site of the record: all of its objects lie whole on `copies` different nodes.
// Returns how many bytes each node has of them.
static void
expect_site(u32 files, u32 copies, u64 bytes[RIG_NODES])
{
	static u8 manifest_bytes[1 << 20];
	struct record_new_object o =
		storage_object_of(&rig.record, &rig.record.site.manifest);
	struct manifest m;
	const char *error = storage_fetch(&o, manifest_bytes);

	ASSERT(!error);
	error = manifest_open(&m, manifest_bytes, o.bytes);
	ASSERT(!error);
	ASSERT(m.head->file_count == files && rig.record.site.files == files);
	memset(bytes, 0, RIG_NODES * sizeof(u64));
	for (u32 i = 0; i < files; i++) {
		const struct manifest_entry *f = &m.file[i];

		ASSERT((f->voter[1] != MANIFEST_NOBODY) == (copies == 2));
		for (u32 c = 0; c < copies; c++) {
			u32 node = node_of(m.voter[f->voter[c]]);

			ASSERT(rig_object_is_whole(node, f->id, f->length, f->block[c]));
			bytes[node] += f->length;
		}
	}
	for (u32 c = 0; c < copies; c++)
		ASSERT(rig_object_is_whole(node_of(o.copy[c].uuid), o.id, o.bytes,
					   o.copy[c].block));
	ASSERT(copies == 2 || !copy_exists(&o, 1));
}
