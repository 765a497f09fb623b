// SPDX-License-Identifier: BSD-2-Clause
// The model: what may be true of the register and of verdicts, whatever the cores say.
//
//	one cluster id
//	one value for each version, whoever learns it
//	each version is made by one change, and no change makes two: the ids that a
//	record carries of its last changes must be those of the versions before it
//	a change that was reported done stands in the history; one that was reported
//	not done never does
//	a life that ran, was heard and had a processor is not declared dead

#include <string.h>

#include "harness/quorum/quorum.h"
#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"

#define RECENT_NS (12 * NS_PER_SECOND)

struct known_version {
	u64 hash;		// 0: nobody has learned it
	u64 id;			// of the change that made it; 0: not known
};

static struct known_version version[VERSIONS_MAX];
static u64 undone[TAGS_MAX];	// ids that were reported not done
static u32 undone_count, tags;
static u64 newest;
static u8 cluster[RECORD_UUID];

void
model_init(void)
{
	memset(version, 0, sizeof(version));
	undone_count = tags = 0;
	newest = 0;
}

u32
model_tag(void)
{
	return ++tags;
}

u64
model_newest(void)
{
	return newest;
}

// The change `id` made version `at`.
static void
made(u32 node, u64 at, u64 id)
{
	ASSERT(at < VERSIONS_MAX);
	if (version[at].id && version[at].id != id)
		failed(node, "two changes made one version: an agreed change is lost");
	if (version[at].id)
		return;
	for (u64 v = 1; v <= newest; v++) {
		if (version[v].id == id && v != at)
			failed(node, "a change was made twice");
	}
	version[at].id = id;
}

void
model_learned(u32 node, const struct record *record)
{
	static const u8 key[SIPHASH_KEY_LEN];
	static u8 bytes[RECORD_MAX];
	u64 v = record->version, hash;
	u32 len;

	if (record_encode(record, bytes, &len) != RECORD_OK)
		failed(node, "a record that was agreed on cannot be encoded");
	hash = siphash64(key, bytes, len) | 1;
	if (v >= VERSIONS_MAX)
		failed(node, "too many versions for the model");
	if (newest && memcmp(cluster, record->cluster, RECORD_UUID) != 0)
		failed(node, "there are two clusters");
	memcpy(cluster, record->cluster, RECORD_UUID);
	if (version[v].hash && version[v].hash != hash)
		failed(node, "one version has two values");
	version[v].hash = hash;
	newest = MAX(newest, v);
	for (u32 i = 0; i < RECORD_RECENT && i < v; i++)
		made(node, v - i, record->recent[i]);
}

// Where the change stands in the newest record of the node, or 0.
static u64
version_of(u64 id)
{
	for (u64 v = 1; v <= newest; v++) {
		if (version[v].id == id)
			return v;
	}
	return 0;
}

void
model_ended(u32 node, u32 tag, const struct agree_outcome *outcome)
{
	TRACE(node, "change %lu ends: %lu, version %lu", tag, outcome->result,
	      outcome->version);
	switch ((enum agree_result)outcome->result) {
	case AGREE_DONE:
		q.result->done++;
		if (tag < WORK_MAX && !version_of(outcome->id))
			failed(node, "a change is reported done, and no version has it");
		return;
	case AGREE_UNKNOWN:
		q.result->unknown++;
		return;
	case AGREE_REFUSED:
		q.result->refused++;
		break;
	default:
		q.result->not_done++;
	}
	ASSERT(undone_count < TAGS_MAX);
	undone[undone_count++] = outcome->id;
}

void
model_died(u32 node, u32 slot)
{
	const struct member *member = &q.node[node].members.member[slot];
	const struct qnode *other = &q.node[network_find(member->id.uuid)];

	if (!other->up || other->life != member->id.incarnation)
		return;
	// Paths that are cut or slow, and standing still for long, are reasons.
	if (q.paths && (!q.healed || now() - q.healed_at < RECENT_NS))
		return;
	if (now() - other->disturbed < RECENT_NS || now() - q.node[node].disturbed < RECENT_NS)
		return;
	if (other->stalled_until >= now() &&
	    other->stalled_until - other->stall_from > 500 * NS_PER_MS)
		return;
	failed(node, "a node that lives was declared dead");
}

void
model_check(void)
{
	for (u32 i = 0; i < undone_count; i++) {
		if (version_of(undone[i]))
			failed(TRACE_NO_NODE, "a change that was reported not done was made");
	}
}
