// SPDX-License-Identifier: BSD-2-Clause
// What the API tells, gathered from the parts of the agent: the view, the record,
// membership's reasons, the statuses of nodes. Made anew for each request; it holds
// until the loop goes on.

#include "cluster/agent/coordinator.h"
#include "cluster/agent/membership.h"
#include "cluster/agent/message.h"
#include "cluster/agent/publish.h"
#include "cluster/agent/register.h"
#include "cluster/agent/serve.h"
#include "cluster/agent/status.h"
#include "cluster/storage/storage.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"

static struct api_state state;
static struct api_tables tables;

static void
take_status(struct api_node *node, const struct status *s)
{
	node->told = true;
	node->blocks_free = s->blocks_free;
	node->objects = s->objects;
	node->objects_fine = s->objects_fine;
	node->blocks_bad = s->blocks_bad;
	node->blocks_mended = s->blocks_mended;
	node->frames_free = s->frames_free;
	node->frames_jobs = s->frames_jobs;
	node->slices_free = s->slices_free;
	node->slices_jobs = s->slices_jobs;
	node->restarts = s->restarts;
}

static void
take_node(struct api_node *node, const struct view_member *member, u64 now)
{
	const struct members *all = membership();
	u8 slot = members_find(all, member->uuid);
	const struct member *m = slot == MEMBER_NONE ? NULL : &all->member[slot];
	const struct status *s;
	struct peer peer;

	*node = (struct api_node){ .reason = "nobody has heard of it yet" };
	if (!m || m->id.incarnation != member->incarnation)
		return;
	peer = member_peer(m);
	node->reason = member_reason_sentence((enum member_reason)m->reason);
	node->since_ns = now - MIN(m->since, now);
	node->heard_ns = slot && m->heard ? now - MIN(m->heard, now) : 0;
	s = status_of(&peer);
	if (s)
		take_status(node, s);
}

static struct api_messages
count_messages(void)
{
	const struct message_counts *c = &message_counts;

	return (struct api_messages){
		.sent = c->sent, .received = c->received, .asked = c->asked,
		.timed_out = c->timed_out, .retried = c->retried, .expired = c->expired,
		.dropped = c->dropped_full + c->dropped_shape + c->dropped_parts,
		.strangers = c->dropped_stranger, .waiting = c->waiting, .open = c->open,
	};
}

// Why nothing can be changed, "" when it can.
static const char *
why_not(const struct record *record)
{
	if (record)
		return record_has_majority() ? "" :
		       "too few of the voters are alive: what runs goes on, and nothing "
		       "can be changed until more of them are back";
	if (storage_state() == STORAGE_REFUSED || storage_state() == STORAGE_FAILED)
		return storage_reason();
	return "the nodes have not agreed on a first record yet: one of them needs a disk "
	       "of this cluster, or a blank one and disk=claim";
}

// The live member with the lowest UUID proposes changes.
static u16
find_coordinator(const struct view *view)
{
	for (u16 i = 0; view->has_majority && i < view->member_count; i++) {
		if (view->member[i].life != VIEW_DEAD)
			return i;
	}
	return VIEW_NONE;
}

const struct api_state *
serve_state(void)
{
	static char reason[RECORD_JOBS][COORDINATOR_WHY];
	u64 now = now_ns();

	tables = (struct api_tables){
		.sys = sys_info(), .cpus = cpu_table(), .fabric = fabric_info(),
		.links = link_table(), .counts = counts_table(),
		.exports = exports_table(), .held = held_table(), .now_ns = now,
	};
	state.view = view_now();
	state.record = record_now();
	state.reason = why_not(state.record);
	state.coordinator = find_coordinator(state.view);
	state.tables = &tables;
	state.messages = count_messages();
	for (u32 i = 0; i < state.view->member_count; i++)
		take_node(&state.node[i], &state.view->member[i], now);
	for (u32 i = 0; state.record && i < state.record->job_count; i++)
		state.job_reason[i] = coordinator_why(state.record->job[i].name,
						      reason[i]);
	return &state;
}
