// SPDX-License-Identifier: BSD-2-Clause
// The right to read other nodes' disks. A node's agent is asked once for all of its
// object area (READ_BLOCKS of cluster/agent/message.h), with a random word that comes
// back with the grant; it grants to instances that its view shows, so a question that
// comes too early is dropped and asked again.
//
// Grants go to whichever place of this environment is the oldest, be it another
// queue's; who gets one that it did not ask for drops it, and the question is
// repeated. That is why patience is short here.
//
// Invariants:
//  N1  The reader has a capability exactly of the nodes that are OPEN.
//  N2  The cache may read a node exactly while it is SELF (with a disk) or OPEN.

#include "cluster/agent/message.h"
#include "cluster/programs/web/job.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

#define TAG_ACCEPT 0x616363657074ull
#define TAG_ASK 0x61736b000000ull	// and the node
#define PATIENCE_NS (300 * NS_PER_MS)
#define ASKS_MAX 5u			// in a row
#define AGAIN_NS (2 * NS_PER_SECOND)
#define MESSAGE_SIZE 64u		// of a node, in the page for messages

STATIC_ASSERT(sizeof(struct message_head) + sizeof(struct message_read_blocks) <=
	      MESSAGE_SIZE);
STATIC_ASSERT(NODES_MAX * MESSAGE_SIZE <= PAGE_SIZE);

static const u8 content_states[] = {
	[NODE_FREE] = CONTENT_ABSENT,	  [NODE_GONE] = CONTENT_ABSENT,
	[NODE_SELF] = CONTENT_LOCAL,	  [NODE_ASKING] = CONTENT_OPENING,
	[NODE_REFUSING] = CONTENT_ABSENT, [NODE_OPEN] = CONTENT_REMOTE,
};

static void
set_life(struct job *job, u16 index, enum node_life life)
{
	struct node *node = &job->node[index];

	if (node->life == NODE_OPEN && life != NODE_OPEN)
		reader_set_remote(&job->reader, index, SLOT_NONE);
	node->life = (u8)life;
	content_set_node(&job->content, index,
			 (enum content_node)content_states[life]);
}

u16
nodes_find(const struct job *job, const u8 uuid[16])
{
	for (u16 i = 0; i < NODES_MAX; i++) {
		if (job->node[i].life != NODE_FREE &&
		    !memcmp(job->node[i].uuid, uuid, 16))
			return i;
	}
	return CONTENT_NOBODY;
}

// The index of a node, which gets one now if it has none; NODES_MAX: no more fit.
static u16
find_or_add(struct job *job, const u8 uuid[16])
{
	u16 known = nodes_find(job, uuid), index = 0;

	if (known < NODES_MAX)
		return known;
	while (index < NODES_MAX && job->node[index].life != NODE_FREE)
		index++;
	if (index < NODES_MAX) {
		memcpy(job->node[index].uuid, uuid, 16);
		set_life(job, index, NODE_GONE);
	}
	return index;
}

static bool
is_linked(const struct view_member *member)
{
	return member->life != VIEW_DEAD && member->agent &&
	       member->link < fabric_info()->links &&
	       link_table()[member->link].state == FABRIC_LINK_UP;
}

static void
update_node(struct job *job, const struct view_member *member, bool is_self)
{
	u16 index = find_or_add(job, member->uuid);
	struct node *node;

	if (index >= NODES_MAX)
		return;
	node = &job->node[index];
	if (is_self) {
		set_life(job, index, job->reader.disk.slot == SLOT_NONE ?
				     NODE_GONE : NODE_SELF);
		return;
	}
	if (!is_linked(member) || !job->has_fabric || !member->blocks) {
		set_life(job, index, NODE_GONE);
		return;
	}
	if (node->life > NODE_SELF && node->incarnation == member->incarnation &&
	    node->link == member->link)
		return;
	node->incarnation = member->incarnation;
	node->link = member->link;
	node->asked = 0;
	node->word = 0;
	node->deadline_ns = 0;
	set_life(job, index, NODE_ASKING);
}

void
nodes_update(struct job *job)
{
	for (u16 i = 0; i < NODES_MAX; i++) {
		bool known = false;

		if (job->node[i].life == NODE_FREE)
			continue;
		for (u32 k = 0; k < job->view.member_count && !known; k++)
			known = !memcmp(job->view.member[k].uuid,
					job->node[i].uuid, 16);
		if (!known)
			set_life(job, i, NODE_FREE);
	}
	for (u32 i = 0; i < job->view.member_count; i++)
		update_node(job, &job->view.member[i], i == job->view.self);
}

static bool
accept(struct job *job)
{
	struct fabric_submit s = { .tag = TAG_ACCEPT, .op = FABRIC_ACCEPT };

	if (!job->accepting)
		job->accepting = fabric_put(&job->fabric, &s);
	return job->accepting;
}

// The capability that lets a job send to agents; the other one is for its own services.
static u32
agent_slot(void)
{
	const struct startup_cap *cap;

	for (u32 i = 0; (cap = startup_find(ROLE_FABRIC, i)); i++) {
		if (cap->base == AGENT_SERVICE)
			return cap->slot;
	}
	return SLOT_NONE;
}

// Writes the question and puts it. False: no room in the queue now.
static bool
ask(struct job *job, u16 index)
{
	struct node *node = &job->node[index];
	u8 *at = (u8 *)direct_address(job->region.frame) + index * MESSAGE_SIZE;
	struct message_head head = {
		.kind = MESSAGE_READ_BLOCKS,
		.parts = 1,
		.len = sizeof(struct message_read_blocks),
		.id = index,
		.total = sizeof(struct message_read_blocks),
	};
	struct message_read_blocks body;
	struct fabric_submit s = {
		.tag = TAG_ASK + index,
		.op = FABRIC_SEND,
		.node = node->link,
		.slot = agent_slot(),
		.offset = AGENT_SERVICE,
		.local = fabric_local(at),
		.length = sizeof(head) + sizeof(body),
	};

	// One word for all questions: the answer to an earlier one is as good.
	if (!node->word && sys_entropy_read(&node->word, sizeof(node->word)))
		return false;
	if (!accept(job))
		return false;
	body.word = node->word;
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), &body, sizeof(body));
	return fabric_put(&job->fabric, &s);
}

static void
run_node(struct job *job, u16 index, u64 now_ns)
{
	struct node *node = &job->node[index];

	if (node->life != NODE_ASKING && node->life != NODE_REFUSING)
		return;
	if (now_ns < node->deadline_ns)
		return;
	if (node->life == NODE_REFUSING) {
		node->asked = 0;
		node->life = NODE_ASKING;
	}
	// The first rounds are waited for; then the other copy is good enough.
	if (node->asked == ASKS_MAX) {
		set_life(job, index, NODE_REFUSING);
		node->deadline_ns = now_ns + AGAIN_NS;
		return;
	}
	node->deadline_ns = now_ns + PATIENCE_NS;
	if (ask(job, index))
		node->asked++;
}

void
nodes_run(struct job *job, u64 now_ns)
{
	u32 before = job->fabric.submit_head;

	if (!job->has_fabric)
		return;
	for (u16 i = 0; i < NODES_MAX; i++)
		run_node(job, i, now_ns);
	// The queue is gone only when the program is being ended.
	if (job->fabric.submit_head != before && fabric_flush(&job->fabric))
		job->has_fabric = false;
}

// The node that this grant is the answer of, or CONTENT_NOBODY.
static u16
asked_node(const struct job *job, const struct fabric_complete *complete)
{
	for (u16 i = 0; i < NODES_MAX; i++) {
		const struct node *node = &job->node[i];

		if ((node->life == NODE_ASKING || node->life == NODE_REFUSING) &&
		    node->word == complete->word && node->link == complete->node &&
		    node->incarnation == complete->incarnation)
			return i;
	}
	return CONTENT_NOBODY;
}

bool
nodes_take(struct job *job, const struct fabric_complete *complete)
{
	u16 index = asked_node(job, complete);

	if (index == CONTENT_NOBODY || complete->type != FABRIC_BLOCKS ||
	    !(complete->rights & CAP_READ))
		return false;
	reader_set_remote(&job->reader, index, complete->slot);
	set_life(job, index, NODE_OPEN);
	return true;
}

bool
nodes_complete(struct job *job, const struct fabric_complete *complete)
{
	if (complete->tag == TAG_ACCEPT && complete->op == FABRIC_ACCEPT) {
		job->accepting = false;
		if (complete->outcome == FABRIC_DONE)
			job_granted(job, complete);
		for (u32 i = 0; i < NODES_MAX && !job->accepting; i++) {
			if (job->node[i].life == NODE_ASKING && !accept(job))
				break;
		}
		return true;
	}
	return complete->op == FABRIC_SEND && complete->tag >= TAG_ASK &&
	       complete->tag < TAG_ASK + NODES_MAX;
}

void
nodes_refused(struct job *job, u64 refused)
{
	for (u16 i = 0; i < NODES_MAX; i++) {
		if (!(refused & 1ull << i) || job->node[i].life != NODE_OPEN)
			continue;
		job->node[i].asked = 0;
		job->node[i].word = 0;
		job->node[i].deadline_ns = 0;
		set_life(job, i, NODE_ASKING);
	}
}

u64
nodes_deadline(const struct job *job)
{
	u64 deadline = NEVER;

	for (u32 i = 0; i < NODES_MAX; i++) {
		if (job->node[i].life == NODE_ASKING ||
		    job->node[i].life == NODE_REFUSING)
			deadline = MIN(deadline, job->node[i].deadline_ns);
	}
	return deadline;
}
