// SPDX-License-Identifier: BSD-2-Clause
// A node: the host of the cores, as the agent is on a machine. It hands events in and
// outputs on, and decides only what the agent decides; what it draws at random stands
// in node_work().
//
// A node that has no processor takes nothing in. When it gets one again, messages
// that waited and its timer come in any order.

#include <string.h>

#include "harness/quorum/quorum.h"
#include "kernel/base/assert.h"

#define NEVER (~0ull)
#define WORK_NS (100 * NS_PER_MS)
#define DISK_LEAST (200 * NS_PER_US)
#define DISK_SPREAD (20 * NS_PER_MS)
#define STALL_MOST (500 * NS_PER_MS)
#define RUN_MOST (60 * NS_PER_MS)
#define FRAMES 64u
#define SLICES 16u

static struct record scratch;

// ---- life and death

void
node_boot(struct qnode *node)
{
	struct member_id self = { .incarnation = prng_u64(&q.prng) | 1 };
	u32 index = index_of(node);

	if (node->up)
		return;
	memcpy(self.uuid, node->uuid, RECORD_UUID);
	node->up = true;
	node->boot++;
	node->life = self.incarnation;
	node->up_since = node->disturbed = now();
	node->stalled_until = node->writing_until = 0;
	node->timer_at = NEVER;
	node->backlog_count = 0;
	memset(node->work, 0, sizeof(node->work));
	members_init(&node->members, now(), &self, prng_u64(&q.prng));
	agree_init(&node->agree, now(), node->uuid, node->life, prng_u64(&q.prng),
		   node->has_disk);
	if (node->has_disk)
		TRACE(index, "boots, register %lu",
		      agree_load(&node->agree, (const u8(*)[AGREE_SLOT])node->disk));
	for (u32 i = 0; i < q.nodes; i++)
		q.way[index][i].linked = 0;
	event_add(now() + below(WORK_NS), EVENT_WORK, index, node->boot, 0);
	if (q.starving)
		event_add(now() + below(RUN_MOST), EVENT_STALL, index, node->boot, 0);
	node_pump(node);
}

// What is left of a write that was under way.
static void
break_write(struct qnode *node)
{
	u8 *slot = node->disk[node->write_slot];
	u32 len = (u32)below(AGREE_SLOT);

	if (!node->writing_until || below(3) == 0)
		return;
	if (hit(q.rate[FAULT_TEAR])) {
		memcpy(slot, node->write, len);
		for (u32 i = len; i < MIN(len + 512, AGREE_SLOT); i++)
			slot[i] = (u8)below(256);
		TRACE(index_of(node), "leaves a torn slot", 0);
	} else {
		memcpy(slot, node->write, AGREE_SLOT);
	}
}

void
node_crash(struct qnode *node, bool forget)
{
	ASSERT(node->up);
	TRACE(index_of(node), "crashes, forgets %lu", forget);
	break_write(node);
	if (forget && node->has_disk) {
		memset(node->disk, 0, sizeof(node->disk));
		q.result->lost_disks++;
	}
	for (u32 i = 0; i < node->backlog_count; i++)
		network_free(node->backlog[i]);
	node->backlog_count = 0;
	node->up = false;
	node->disturbed = now();
	q.result->suspicions += node->members.count.suspicions;
	q.result->deaths += node->members.count.deaths;
	q.result->refutations += node->members.count.refutations;
	q.result->pauses += node->members.count.pauses;
}

// ---- processor time

static bool
is_stalled(const struct qnode *node)
{
	return node->stalled_until > now();
}

void
node_stall(struct qnode *node, u64 ns)
{
	if (!node->up || node->stalled_until >= now() + ns)
		return;
	if (ns > STALL_MOST)
		TRACE(index_of(node), "stands still for %lu us", ns / 1000);
	if (!is_stalled(node))
		node->stall_from = now();
	node->stalled_until = now() + ns;
	event_add(node->stalled_until, EVENT_RESUME, index_of(node), node->boot, 0);
}

static void
take_packet(struct qnode *node, u32 index)
{
	const struct packet *p = &q.packet[index];
	struct member_id from = { .incarnation = p->from_life };
	u64 version;
	u8 slot;

	memcpy(from.uuid, q.node[p->from].uuid, RECORD_UUID);
	if (p->to_life == node->life &&
	    q.way[index_of(node)][p->from].linked == p->from_life) {
		if (p->is_member) {
			members_input(&node->members, now(), &from, p->bytes, p->len);
			slot = members_find(&node->members, from.uuid);
			version = slot == MEMBER_NONE ? 0 : node->members.member[slot].note;
			agree_heard(&node->agree, now(), from.uuid, version);
		} else {
			agree_input(&node->agree, now(), from.uuid, p->bytes, p->len);
		}
	}
	network_free(index);
	node_pump(node);
}

void
node_packet(struct qnode *node, u32 packet)
{
	if (!node->up) {
		network_free(packet);
	} else if (is_stalled(node)) {
		if (node->backlog_count < BACKLOG_MAX)
			node->backlog[node->backlog_count++] = packet;
		else
			network_free(packet);
	} else {
		take_packet(node, packet);
	}
}

// A node whose own timer is late by more than two rounds blames nobody for it.
static void
time_members(struct qnode *node)
{
	u64 late = now() - members_deadline(&node->members);
	u64 failures = node->members.count.failed_probes;

	members_timer(&node->members, now());
	if (late > 2 * MEMBER_INTERVAL_NS && node->members.count.failed_probes != failures)
		failed(index_of(node), "a node that stood still blames another one");
}

void
node_timer(struct qnode *node)
{
	node->timer_at = NEVER;
	if (is_stalled(node))
		return;
	if (members_deadline(&node->members) <= now())
		time_members(node);
	if (agree_deadline(&node->agree) <= now())
		agree_timer(&node->agree, now());
	node_pump(node);
}

void
node_resume(struct qnode *node)
{
	bool timer_first = below(2);

	if (!node->up || is_stalled(node))
		return;
	if (now() - node->stall_from > STALL_MOST)
		node->disturbed = now();
	node->stall_from = now();
	if (timer_first)
		node_timer(node);
	for (u32 i = 0; i < node->backlog_count; i++)
		take_packet(node, node->backlog[i]);
	node->backlog_count = 0;
	node_timer(node);
	if (node->writing_until && node->writing_until <= now())
		node_disk(node);
	if (q.starving)
		event_add(now() + 1 + below(RUN_MOST), EVENT_STALL, index_of(node),
			  node->boot, 0);
}

void
node_disk(struct qnode *node)
{
	if (!node->writing_until || node->writing_until > now() || is_stalled(node))
		return;
	node->writing_until = 0;
	memcpy(node->disk[node->write_slot], node->write, AGREE_SLOT);
	agree_written(&node->agree, now(), true);
	node_pump(node);
}

void
node_link(struct qnode *node, u32 other, bool up)
{
	struct member_id id = { .incarnation = q.node[other].life };

	memcpy(id.uuid, q.node[other].uuid, RECORD_UUID);
	members_link(&node->members, now(), &id, up);
	node_pump(node);
}

// ---- outputs

static void
start_write(struct qnode *node, const struct agree_output *out)
{
	u64 at = now() + DISK_LEAST + below(DISK_SPREAD);

	ASSERT(!node->writing_until && out->len == AGREE_SLOT);
	if (now() < node->slow_disk_until)
		at += node->slow_disk_ns;
	node->write_slot = out->slot;
	node->writing_until = at;
	memcpy(node->write, out->bytes, AGREE_SLOT);
	event_add(at, EVENT_DISK, index_of(node), node->boot, 0);
}

static void
take_outcome(struct qnode *node, const struct agree_outcome *outcome)
{
	if (outcome->tag < WORK_MAX) {
		ASSERT(node->work[outcome->tag].used);
		node->work[outcome->tag].used = false;
		if (outcome->result == AGREE_DONE &&
		    !agree_known(&node->agree, &scratch))
			failed(index_of(node), "a change is done and no record is known");
	}
	model_ended(index_of(node), (u32)outcome->tag, outcome);
}

static void
tell_all(struct qnode *node, const struct agree_output *out)
{
	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		const struct member *member = &node->members.member[i];

		if (member->used && member->life != MEMBER_DEAD)
			network_send(index_of(node), member->id.uuid, false, out->bytes,
				     out->len);
	}
}

static void
take_output(struct qnode *node, const struct agree_output *out)
{
	switch ((enum agree_output_kind)out->kind) {
	case AGREE_SEND:
		network_send(index_of(node), out->to, false, out->bytes, out->len);
		break;
	case AGREE_TELL:
		tell_all(node, out);
		break;
	case AGREE_WRITE:
		start_write(node, out);
		break;
	case AGREE_NEWS:
		if (!agree_known(&node->agree, &scratch))
			failed(index_of(node), "there is news and no record");
		TRACE(index_of(node), "knows version %lu", scratch.version);
		members_note(&node->members, scratch.version);
		model_learned(index_of(node), &scratch);
		break;
	case AGREE_ENDED:
		take_outcome(node, &out->outcome);
		break;
	case AGREE_STRANGER:
		failed(index_of(node), "there are two clusters");
	case AGREE_NOTHING:
		break;
	}
}

static void
take_members(struct qnode *node)
{
	u8 bytes[MEMBER_MESSAGE_MAX], slot;
	struct member_id to;
	u32 len;

	for (;;) {
		len = members_output(&node->members, now(), &to, bytes);
		if (!len)
			break;
		network_send(index_of(node), to.uuid, true, bytes, len);
	}
	for (;;) {
		slot = members_event(&node->members);
		if (slot == MEMBER_NONE)
			break;

		const struct member *member = &node->members.member[slot];

		TRACE(index_of(node), "n%lu is in state %lu, reason %lu, health here %lu",
		      network_find(member->id.uuid), member->life, member->reason,
		      node->members.health);
		if (member->life == MEMBER_DEAD)
			model_died(index_of(node), slot);
	}
	q.result->health_most = MAX(q.result->health_most, node->members.health);
}

void
node_pump(struct qnode *node)
{
	static struct agree_output out;
	u64 at;

	take_members(node);
	if (node->agree.count.broken)
		failed(index_of(node), "voters have forgotten what they agreed on");
	while (agree_output(&node->agree, now(), &out))
		take_output(node, &out);
	at = MIN(members_deadline(&node->members), agree_deadline(&node->agree));
	if (at < node->timer_at) {
		node->timer_at = at;
		event_add(at + below(2 * NS_PER_MS), EVENT_TIMER, index_of(node),
			  node->boot, 0);
	}
}

// ---- work

static enum record_error
mark(const struct work *work, struct record *record)
{
	struct record_new_object manifest = { .bytes = 1, .id = { 1 } };
	u32 voter = 0;

	while (!record->node[voter].voter)
		voter++;
	memcpy(manifest.copy[0].uuid, record->node[voter].uuid, RECORD_UUID);
	return record_deploy_site(record, record->site.generation, work->tag, 1, &manifest);
}

static enum record_error
deploy_job(const struct work *work, struct record *record)
{
	char name[] = { 'j', (char)('a' + work->tag % 5), 0 };
	struct record_new_job job = { .name = name, .arguments = "", .frames = 8,
				      .count = (u16)(1 + work->tag % 4), .slices = 1,
				      .image = { .bytes = 1, .id = { 2 } } };
	u32 voter = 0;

	while (!record->node[voter].voter)
		voter++;
	memcpy(job.image.copy[0].uuid, record->node[voter].uuid, RECORD_UUID);
	return record_deploy_job(record, &job);
}

static enum record_error
change(void *argument, struct record *record)
{
	const struct work *work = argument;

	switch ((enum work_kind)work->kind) {
	case WORK_MARK:
		return mark(work, record);
	case WORK_ADD_VOTER:
		return record_add_voter(record, work->uuid);
	case WORK_REMOVE_VOTER:
		return record_remove_voter(record, work->uuid);
	case WORK_JOB:
		return deploy_job(work, record);
	case WORK_PLACE:
		return place_apply(&work->place, work->member, work->members, record);
	}
	return RECORD_BAD;
}

bool
node_submit(struct qnode *node, u8 kind, const u8 *uuid)
{
	for (u32 i = 0; i < WORK_MAX; i++) {
		struct work *work = &node->work[i];

		if (work->used)
			continue;
		work->kind = kind;
		work->tag = model_tag();
		if (uuid)
			memcpy(work->uuid, uuid, RECORD_UUID);
		work->used = agree_submit(&node->agree, now(), change, work, i);
		return work->used;
	}
	return false;
}

static bool
is_lowest(const struct qnode *node, bool with_disk)
{
	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		const struct member *member = &node->members.member[i];

		if (!member->used || member->life == MEMBER_DEAD)
			continue;
		if (with_disk && !q.node[network_find(member->id.uuid)].has_disk)
			continue;
		if (memcmp(member->id.uuid, node->uuid, RECORD_UUID) < 0)
			return false;
	}
	return true;
}

// Is there a disk in sight that still has something?
static bool
sees_voter(const struct qnode *node)
{
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		const struct member *member = &node->members.member[i];

		if (member->used && member->life != MEMBER_DEAD &&
		    q.node[network_find(member->id.uuid)].agree.acceptor.value.len)
			return true;
	}
	return false;
}

// The first record: the lowest UUID, when all have been there for long enough. A node
// that lost its disk and sees no other one then would make a second cluster, and nobody
// could tell it: that is not tried.
static void
maybe_found(struct qnode *node)
{
	u8 voter[NODES_MAX][AGREE_UUID], cluster[AGREE_UUID] = { 0 };
	u32 voters = 0;

	if (!node->has_disk || !is_lowest(node, true) || agree_version(&node->agree) ||
	    now() - node->up_since < AGREE_SEEN_NS)
		return;
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		const struct member *member = &node->members.member[i];

		if (!member->used || member->life == MEMBER_DEAD ||
		    !q.node[network_find(member->id.uuid)].has_disk)
			continue;
		if (!member->first_heard || now() - member->first_heard < AGREE_SEEN_NS ||
		    member->note)
			return;
		memcpy(voter[voters++], member->id.uuid, AGREE_UUID);
	}
	if (q.formed && !sees_voter(node))
		return;
	for (u32 i = 0; i < sizeof(cluster); i++)
		cluster[i] = (u8)(1 + below(255));
	if (agree_found(&node->agree, now(), cluster, (const u8(*)[AGREE_UUID])voter, voters,
			WORK_MAX))
		TRACE(index_of(node), "makes the first record, %lu voters", voters);
}

// A live node with a disk that does not vote yet.
static const u8 *
next_voter(const struct qnode *node)
{
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		const struct member *member = &node->members.member[i];
		u8 at = record_find_node(&scratch, member->id.uuid);

		if (member->used && member->life == MEMBER_ALIVE &&
		    q.node[network_find(member->id.uuid)].has_disk &&
		    (at == RECORD_NONE || !scratch.node[at].voter))
			return member->id.uuid;
	}
	return NULL;
}

static bool
is_idle(const struct qnode *node)
{
	for (u32 i = 0; i < WORK_MAX; i++) {
		if (node->work[i].used)
			return false;
	}
	return true;
}

static void
place(struct qnode *node)
{
	struct work *work = &node->work[0];

	work->members = 0;
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		const struct member *member = &node->members.member[i];
		struct place_member *m = &work->member[work->members];

		if (!member->used)
			continue;
		*m = (struct place_member){ .dead = member->life == MEMBER_DEAD,
					    .frames = FRAMES, .slices = SLICES };
		memcpy(m->uuid, member->id.uuid, RECORD_UUID);
		work->members++;
	}
	place_jobs(&work->place, &scratch, work->member, work->members);
	if (work->place.changes)
		node_submit(node, WORK_PLACE, NULL);
}

// What the coordinator does when nothing else is under way.
static void
coordinate(struct qnode *node)
{
	const u8 *uuid = next_voter(node);

	if (!is_lowest(node, false) || !is_idle(node))
		return;
	if (uuid) {
		node_submit(node, WORK_ADD_VOTER, uuid);
	} else if (!q.healed && record_voters(&scratch) > 2 && below(8) == 0) {
		const struct record_node *victim = &scratch.node[below(scratch.node_count)];

		if (victim->voter)
			node_submit(node, WORK_REMOVE_VOTER, victim->uuid);
	} else {
		place(node);
	}
}

void
node_work(struct qnode *node)
{
	event_add(now() + 1 + below(2 * WORK_NS), EVENT_WORK, index_of(node), node->boot, 0);
	if (is_stalled(node))
		return;
	members_check(&node->members);
	agree_check(&node->agree);
	if (!agree_known(&node->agree, &scratch)) {
		maybe_found(node);
	} else {
		if (!q.healed && below(6) == 0)
			node_submit(node, WORK_MARK, NULL);
		if (!q.healed && below(30) == 0)
			node_submit(node, WORK_JOB, NULL);
		if (!q.quiet)
			coordinate(node);
	}
	node_pump(node);
}
