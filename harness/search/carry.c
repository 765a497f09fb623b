// SPDX-License-Identifier: BSD-2-Clause
// What is on the way between the nodes of shared memory's worlds. An operation runs
// whole; only one that ends as unknown may have run by half, and of what it read only
// the first half has landed.

#include <string.h>

#include "harness/search/shared.h"
#include "kernel/base/assert.h"

// ---- operations

bool
operation_can_run(const struct operation *op)
{
	const struct node *to = &shared.node[op->to];

	return op->state == OP_SENT && is_there(op->to) && !shared.node[op->from].cut &&
	       to->life == op->to_life && to->lent[op->from] == op->from_life;
}

// Nobody waits for its end any more.
bool
operation_is_orphan(const struct operation *op)
{
	const struct node *from = &shared.node[op->from];

	return !from->up || from->life != op->from_life;
}

static void
drop(struct operation *op)
{
	memset(op, 0, sizeof(*op));
}

static void
copy(u64 *to, const u64 *from, u32 words)
{
	memcpy(to, from, words * 8);
}

static void
swap(struct operation *op, u32 at)
{
	struct coh_word *word = &shared.node[at].words[op->page], next;
	struct coh_entry before = coh_word_unpack(*word);

	op->result.old = *word;
	op->result.matched = coh_clause_apply(&op->clause, *word, &next);
	if (!op->result.matched)
		return;
	*word = next;
	if (before.lost && !coh_word_unpack(next).lost)
		witness_reset(at, op->page);
}

// What is written is what the sender's memory holds now, while it lives.
static void
write(struct operation *op, u32 words)
{
	u64 *to = shared.node[op->to].frames[op->page];
	u32 first = op->offset / 8, end = (op->offset + op->length) / 8;

	if (!operation_is_orphan(op))
		copy(op->data, shared.node[op->from].frames[op->page], WORDS);
	for (u32 i = first; i < MIN(end, words); i++)
		to[i] = op->data[i];
}

void
operation_run(struct operation *op, bool by_half)
{
	struct node *to = node_touch(op->to);

	ASSERT(operation_can_run(op) && (!by_half || op->what == COH_DO_WRITE));
	op->state = OP_RAN;
	if (op->what == COH_DO_SWAP)
		swap(op, op->to);
	if (op->what == COH_DO_READ || (op->chain && op->result.matched))
		copy(op->data, to->frames[op->page], WORDS);
	if (op->what == COH_DO_WRITE)
		write(op, by_half ? WORDS / 2 : WORDS);
	if (op->what == COH_DO_NOTE)
		to->holdings[op->page].shadow = op->note;
	if (op->what == COH_DO_TABLE)
		memcpy(op->table, &to->holdings[op->page],
		       op->count * sizeof(struct coh_holding));
	op->hash = operation_hash(op);
	if (operation_is_orphan(op))
		drop(op);
}

void
operation_end(struct operation *op, enum coh_outcome outcome)
{
	const struct operation was = *op;
	struct node *from = node_touch(op->from);
	bool reads = was.what == COH_DO_READ || (was.chain && was.result.matched);
	struct coh_result result = was.result;

	drop(op);
	if (was.state == OP_RAN && reads && outcome != COH_NOT_DONE)
		copy(from->frames[was.page], was.data,
		     outcome == COH_DONE ? WORDS : WORDS / 2);
	if (was.what == COH_DO_TABLE && outcome == COH_DONE)
		memcpy(from->scratch, was.table, was.count * sizeof(struct coh_holding));
	ASSERT(outcome != COH_DONE || was.state == OP_RAN);
	result.outcome = (u8)outcome;
	coh_done(&from->coh, CLOCK_NS, was.tag, &result);
	node_pump(was.from, CLOCK_NS);
}

// In the node's own memory: at once.
static void
local(u32 node, const struct coh_action *action)
{
	struct operation op = { .page = action->page, .clause = action->clause };
	struct coh *coh = &shared.node[node].coh;

	ASSERT(!action->chain);
	if (action->what == COH_DO_SWAP)
		swap(&op, node);
	coh_done(coh, coh->now, action->tag, &op.result);
}

static void
submit(u32 node, const struct coh_action *a)
{
	const struct node *from = &shared.node[node];
	u32 i = 0;

	while (i < OPS && shared.op[i].state)
		i++;
	ASSERT(i < OPS && node_of(a->member) < NODES);
	shared.op[i] = (struct operation){
		.state = OP_SENT, .from = (u8)node, .to = (u8)node_of(a->member),
		.what = a->what, .chain = a->chain, .tag = a->tag, .page = a->page,
		.offset = a->offset, .length = a->length, .count = a->count,
		.from_life = from->life, .to_life = from->coh.epoch.life[a->member],
		.note = a->note, .clause = a->clause };
	if (a->what == COH_DO_WRITE)
		copy(shared.op[i].data, from->frames[a->page], WORDS);
	shared.op[i].hash = operation_hash(&shared.op[i]);
}

// ---- letters

static bool
says_the_same(const struct post *a, const struct post *b)
{
	return a->from == b->from && a->to == b->to &&
	       a->message.say == b->message.say && a->message.page == b->message.page;
}

// What is said again, or anew, replaces what has not come: that is lost. Else letters that
// mean nothing any more would come at any time, and tell one state in many ways.
static struct post *
place_of(const struct post *post)
{
	struct post *free = NULL;

	for (u32 i = 0; i < POSTS; i++) {
		struct post *p = &shared.post[i];

		if (p->hash == post->hash)
			return NULL;
		if (!p->hash && !free)
			free = p;
		if (p->hash && !p->came && says_the_same(p, post))
			return p;
	}
	return free;
}

static void
send(u32 node, const struct coh_action *action)
{
	u32 to = node_of(action->member);
	struct post post = { .from = (u8)node, .to = (u8)to,
			     .message = action->letter->message };
	const struct coh_epoch *epoch = &action->letter->epoch;
	struct post *place;

	if (to == NODES || !is_there(to) || !is_there(node))
		return;
	post.to_life = shared.node[to].life;
	if (post.message.say == COH_SAY_EPOCH) {
		post.id = epoch->id;
		post.members = epoch->members;
		post.gone = epoch->gone;
		for (u32 i = 0; i < NODES; i++) {
			post.life[i] = epoch->life[member_of(i)];
			post.since[i] = epoch->since[member_of(i)];
		}
	}
	post.hash = post_hash(&post);
	place = place_of(&post);
	if (place)
		*place = post;
}

void
post_come(struct post *post, bool stays)
{
	static struct coh_letter letter;
	const struct post was = *post;
	struct node *to = node_touch(was.to);

	letter.message = was.message;
	letter.epoch = (struct coh_epoch){ .id = was.id, .gone = was.gone,
					   .members = was.members };
	for (u32 i = 0; i < NODES; i++) {
		letter.epoch.life[member_of(i)] = was.life[i];
		letter.epoch.since[member_of(i)] = was.since[i];
	}
	if (stays) {
		post->came = true;
		post->hash = post_hash(post);
	} else {
		memset(post, 0, sizeof(*post));
	}
	if (!is_there(was.to) || to->life != was.to_life)
		return;
	coh_message(&to->coh, CLOCK_NS, member_of(was.from), &letter,
		    was.message.say == COH_SAY_EPOCH ? sizeof(letter)
						     : sizeof(letter.message));
	node_pump(was.to, CLOCK_NS);
}

void
post_drop_all(u32 node, bool from_it)
{
	for (u32 i = 0; i < POSTS; i++) {
		if (shared.post[i].to == node || (from_it && shared.post[i].from == node))
			memset(&shared.post[i], 0, sizeof(shared.post[i]));
	}
}

// ---- what a core wants done

static void
fence(u32 node, const struct coh_action *action)
{
	struct node *n = &shared.node[node];
	u32 other = node_of(action->member);

	ASSERT(other < NODES);
	n->banned[other] = action->count;
	if (!action->count)
		node_view(node);
	else if (n->lent[other] == action->count)
		n->lent[other] = 0;
}

void
carry(u32 node, const struct coh_action *action)
{
	switch (action->what) {
	case COH_DO_MAP:
		shared.node[node].mapped[action->page] = action->bind;
		break;
	case COH_DO_SEND:
		send(node, action);
		break;
	case COH_DO_FENCE:
		fence(node, action);
		break;
	default:
		if (node_of(action->member) == node)
			local(node, action);
		else
			submit(node, action);
	}
}
