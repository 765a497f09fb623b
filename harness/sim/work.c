// SPDX-License-Identifier: BSD-2-Clause
// Drawing operations, submitting them, and telling the model how they ended.
//
// Each operation has one page frame for its data, taken from kernel/own and
// pinned until it completes; a free one is full of POISON, so that what lands
// late, or beyond an operation's length, is seen.

#include <string.h>

#include "harness/sim/delegate.h"
#include "harness/sim/endpoint.h"
#include "harness/sim/export.h"
#include "harness/sim/held.h"
#include "harness/sim/lease.h"
#include "harness/sim/node.h"
#include "harness/sim/recall.h"
#include "harness/sim/work.h"
#include "kernel/base/assert.h"

#define POISON 0xa5

// Lines of the time-line: an operation's beginning, and its end by each code.
#define ASKED(word) "op %lu: " word " on n%lu, row %ld, from byte %lu"
static const char *const asked_lines[DO_KINDS] = {
	ASKED("READ"), ASKED("WRITE"), ASKED("MCAS"), ASKED("FETCH_ADD"),
	ASKED("NOTIFY"), ASKED("SEND"), ASKED("BLOCK_READ"), ASKED("BLOCK_WRITE"),
	ASKED("BLOCK_FLUSH"), ASKED("DERIVE"), ASKED("REVOKE"), ASKED("DROP"),
	ASKED("PUTV"), ASKED("INVOKE"), ASKED("HOLDERS"), ASKED("EXPEL"), ASKED("PROTECT"),
	ASKED("ALLOC"), ASKED("REDEEM"), ASKED("RELEASE"),
};
static const char *const refused_lines[CODE_COUNT] = {
#define X(name, number, sentence) [number] = "op %lu: NOT_DONE: " sentence,
#include "net/wire/codes.def"
#undef X
};
static const char *const unknown_lines[CODE_COUNT] = {
#define X(name, number, sentence) [number] = "op %lu: UNKNOWN_FINAL: " sentence,
#include "net/wire/codes.def"
#undef X
};

// From the last sign of life to the answer, with what clocks may run apart, a
// timer's grain and the longest that a frame is on its way.
#define ANSWER_MOST_NS (2250 * NS_PER_MS * 105 / 100 + 60 * NS_PER_MS + 2 * STEP_NS)

void
work_boot(struct sim_node *node)
{
	node->pending_count = 0;
	memset(node->pending, 0, sizeof(node->pending));
	memset(node->memory[PAGES], POISON, OP_FRAMES * UNIT);
	held_boot(node);
	sim_event(sim.trace.now + 1 + sim_below(2 * sim.work_ns), EVENT_WORK,
		  node_index(node), 0, node->boot);
}

static bool
is_poisoned(const u8 *bytes, u32 len)
{
	return !len || (bytes[0] == POISON && !memcmp(bytes, bytes + 1, len - 1));
}

// A frame for the data of an operation, or NULL.
static struct pending *
take_pending(struct sim_node *node, u32 env)
{
	u64 frame = own_find(&node->own, FRAME_ANY, 1);

	if (frame == FRAME_ANY)
		return NULL;
	for (u32 i = 0; i < OP_FRAMES; i++) {
		struct pending *pending = &node->pending[i];

		if (pending->used)
			continue;
		own_take(&node->own, frame, 1, (u16)env, FRAME_OWNED);
		own_pin(&node->own, frame, 1);
		if (!is_poisoned(node->memory[frame], UNIT))
			sim_failed(node_index(node), "memory was changed after its "
				   "operation had ended");
		*pending = (struct pending){ .used = true, .frame = (u32)frame };
		node->pending_count++;
		return pending;
	}
	return NULL;
}

static void
give_pending(struct sim_node *node, struct pending *pending)
{
	memset(node->memory[pending->frame], POISON, UNIT);
	own_unpin(&node->own, pending->frame, 1);
	own_release(&node->own, pending->frame, 1);
	pending->used = false;
	node->pending_count--;
}

static void
submit(struct sim_node *node, u32 env, const struct operation *o)
{
	struct pending *pending = take_pending(node, env);
	struct rcap_submit submit = o->submit;
	const struct model_op *op;

	if (!pending)
		return;
	pending->op = model_submit(&sim.model, &o->op);
	op = &sim.model.op[pending->op];
	operation_fill(op, pending->op, node->memory[pending->frame]);
	submit.tag = pending->op;
	submit.local = (u64)pending->frame * UNIT;
	pending->id = rcap_submit(node->rcap, node_now(node), &submit);
	if (pending->id == RCAP_NONE) {
		model_withdrawn(&sim.model, pending->op);
		give_pending(node, pending);
		return;
	}
	TRACE(node_index(node), asked_lines[op->kind], pending->op, op->owner,
	      (i64)(i32)op->cap, op->offset);
	if (sim_below(25) == 0)
		sim_event(sim.trace.now + 1 + sim_below(5 * NS_PER_MS), EVENT_CANCEL,
			  node_index(node), pending->op, node->boot);
}

static void
operate(struct sim_node *node)
{
	u32 env = (u32)sim_below(ENVS);
	u32 other = (u32)sim_below(sim.nodes);
	struct target target;
	struct operation o;

	if (sim_below(10) == 0) {
		if (other != node_index(node) && held_service(node, other, &target)) {
			operation_message(node, env, &target, &o);
			submit(node, env, &o);
		}
		return;
	}
	if (sim_below(16) == 0) {
		if (ticket_redeem(node, env, &o))
			submit(node, env, &o);
		return;
	}
	if (!held_choose(node, env, &target))
		return;
	operation_draw(node, env, &target, &o);
	submit(node, env, &o);
}

static enum model_store
draw_object(void)
{
	u64 at = sim_below(16);

	return at < 9 ? STORE_PAGES : at < 12 ? STORE_DISK :
	       at < 14 ? OBJECT_POOL : OBJECT_ENDPOINT;
}

static void
draw_range(u32 env, struct authority_cap *wanted)
{
	switch (wanted->store) {
	case OBJECT_POOL:
		wanted->count = 2 + (u32)sim_below(ENV_POOL - 1);
		wanted->base = OWN_PAGES + env * ENV_POOL +
			       (u32)sim_below(ENV_POOL - wanted->count + 1);
		break;
	case OBJECT_ENDPOINT:
		wanted->count = 1;
		wanted->base = env;
		break;
	default:
		wanted->count = 1 + (u32)sim_below(2);
		wanted->base = env * ENV_PAGES +
			       (u32)sim_below(ENV_PAGES - wanted->count + 1);
		break;
	}
}

static void
grant(struct sim_node *node)
{
	u32 env = (u32)sim_below(ENVS);
	u32 other = (u32)sim_below(sim.nodes);
	struct authority_cap wanted = { 0 };

	if (other == node_index(node) || sim.node[other].state == NODE_OFF)
		return;
	wanted.holder.node = other;
	wanted.holder.env = sim.node[other].env[sim_below(ENVS)].id;
	wanted.store = draw_object();
	wanted.rights = (u32)sim_below(3) + 1;
	if (sim_below(3))
		wanted.rights = CAP_READ | CAP_WRITE;
	if (sim_below(wanted.store == OBJECT_POOL ? 8 : 2))
		wanted.rights |= CAP_DERIVE;
	draw_range(env, &wanted);
	export_grant(node, env, &wanted);
}

// One that its owner has asked for.
static void
give_back(struct sim_node *node, u32 env)
{
	for (u32 i = 0; i < HELD_MAX; i++) {
		struct held *held = &node->env[env].held[i];
		struct target target;
		struct operation o;

		if (!held->used || !held->asked)
			continue;
		held->asked = false;
		held_target(node, held, &target);
		operation_give_back(node, env, &target, &o);
		submit(node, env, &o);
		return;
	}
}

static void
act(struct sim_node *node)
{
	u64 what = sim_below(1000);
	u32 env = (u32)sim_below(ENVS);
	u32 held;

	if (what < 120) {
		grant(node);
	} else if (what < 150) {
		held = export_pick(node);
		if (held != CAP_NIL)
			export_revoke(node, held);
	} else if (what < 153) {
		export_revoke_all(node, env);
	} else if (what < 156) {
		work_env_ends(node, env);
	} else if (what < 200) {
		held_forget_dead(node, env);
	} else if (what < 210) {
		recall_begin(node);
	} else if (what < 240) {
		give_back(node, env);
	} else if (what < 250) {
		lease_act(node, env);
	} else if (what < 280) {
		ticket_make(node, env);
	} else {
		operate(node);
	}
}

void
work_burst(struct sim_node *node)
{
	u64 actions = 1 + sim_below(6);

	endpoint_post(node);
	for (u64 i = 0; i < actions; i++)
		act(node);
	node_settle(node);
}

void
work_env_ends(struct sim_node *node, u32 env)
{
	for (u32 i = 0; i < OP_FRAMES; i++) {
		const struct pending *pending = &node->pending[i];

		if (pending->used && sim.model.op[pending->op].by.env ==
				     node->env[env].id)
			sim.model.op[pending->op].cancelled = true;
	}
	held_restart(node, env);
}

void
work_cancel(struct sim_node *node, u32 op, u32 boot)
{
	if (node->state != NODE_UP || node->boot != boot)
		return;
	for (u32 i = 0; i < OP_FRAMES; i++) {
		const struct pending *pending = &node->pending[i];

		if (!pending->used || pending->op != op)
			continue;
		TRACE(node_index(node), "op %lu is cancelled", op);
		sim.model.op[op].cancelled = true;
		rcap_cancel(node->rcap, node_now(node), pending->id);
		node_settle(node);
		return;
	}
}

void
work_probe(struct sim_node *node)
{
	struct operation o;
	struct target target;

	for (u32 env = 0; env < ENVS; env++) {
		for (u32 i = 0; i < HELD_MAX; i++) {
			struct held *held = &node->env[env].held[i];

			if (!held->used)
				continue;
			held_target(node, held, &target);
			operation_probe(node, env, &target, &o);
			submit(node, env, &o);
		}
	}
	node_settle(node);
}

// What the core may have changed in an operation's memory, and what not.
static void
judge_memory(const struct sim_node *node, const struct pending *pending)
{
	const struct model_op *op = &sim.model.op[pending->op];
	const u8 *memory = node->memory[pending->frame];
	u32 end = operation_memory(op);
	u8 wanted[UNIT];

	if (!is_poisoned(memory + end, UNIT - end))
		sim_failed(node_index(node), "an answer reached beyond its length");
	if (!operation_writes(op->kind))
		return;
	operation_fill(op, pending->op, wanted);
	if (memcmp(memory, wanted, end))
		sim_failed(node_index(node), "the bytes to be written were changed");
}

static struct pending *
find_pending(struct sim_node *node, u64 tag)
{
	for (u32 i = 0; i < OP_FRAMES; i++) {
		if (node->pending[i].used && node->pending[i].op == tag)
			return &node->pending[i];
	}
	sim_failed(node_index(node), "a completion of no open operation");
}

// Capabilities that are known to be gone are let go, or used on, at random.
static void
forget_refused(struct sim_node *node, const struct model_op *op,
	       const struct model_answer *answer)
{
	bool gone = answer->outcome == NOT_DONE && (answer->reason == WHY_SLOT ||
						    answer->reason == WHY_REVOKED);

	if (op->kind == DO_REDEEM)
		return;
	if (op->kind == DO_DROP && answer->outcome != NOT_DONE)
		gone = true;
	else if (!gone || sim_below(2))
		return;
	for (u32 env = 0; env < ENVS; env++) {
		for (u32 i = 0; i < HELD_MAX; i++) {
			struct held *held = &node->env[env].held[i];

			if (held->used && held->row == op->cap)
				held_give_up(node, held);
		}
	}
}

static void
tell_completion(const struct sim_node *node, const struct rcap_completion *completion)
{
	const char *line = "op %lu: DONE";

	ASSERT(completion->code < CODE_COUNT);
	if (completion->outcome == RCAP_NOT_DONE)
		line = refused_lines[completion->code];
	else if (completion->outcome == RCAP_UNKNOWN_FINAL)
		line = unknown_lines[completion->code];
	TRACE(node_index(node), line, completion->tag);
}

// The bytes of an answer to HOLDERS.
static void
read_holders(const struct sim_node *node, const u8 *bytes, struct model_holder *told,
	     struct model_answer *answer)
{
	struct wire_holders head;
	struct wire_holder h;

	wire_holders_load(&head, bytes);
	if (head.count > WIRE_HOLDERS_MAX ||
	    WIRE_LENGTH(holders) + head.count * WIRE_LENGTH(holder) > answer->len)
		sim_failed(node_index(node), "an answer names more holders than it has");
	for (u32 i = 0; i < head.count; i++) {
		wire_holder_load(&h, bytes + WIRE_LENGTH(holders) +
				     (u64)i * WIRE_LENGTH(holder));
		if (node_of_uuid(h.uuid) >= sim.nodes)
			sim_failed(node_index(node), "an answer names a node that is none");
		told[i] = (struct model_holder){
			.slot = h.slot, .generation = h.generation,
			.party = { node_of_uuid(h.uuid),
				   node_boot_of(node_of_uuid(h.uuid), h.incarnation),
				   h.environment },
			.rights = h.rights, .base = (u32)h.base, .count = (u32)h.count };
	}
	answer->holder = told;
	answer->holders = head.count;
	answer->next = head.next;
}

void
work_completed(struct sim_node *node, const struct rcap_completion *completion)
{
	struct pending *pending = find_pending(node, completion->tag);
	const struct model_op *op = &sim.model.op[pending->op];
	struct model_answer answer = {
		.outcome = completion->outcome == RCAP_DONE ? DONE :
			   completion->outcome == RCAP_NOT_DONE ? NOT_DONE :
			   UNKNOWN_FINAL,
		.reason = operation_reason(completion->code),
		.old = { completion->old[0], completion->old[1] },
		.clause = completion->clause,
		.bytes = node->memory[pending->frame],
		.len = completion->length,
	};
	struct model_holder told[WIRE_HOLDERS_MAX];

	tell_completion(node, completion);
	if (completion->id != pending->id || completion->environment != op->by.env)
		sim_failed(node_index(node), "a completion names another operation");
	judge_memory(node, pending);
	if (op->kind == DO_HOLDERS && answer.outcome == DONE)
		read_holders(node, answer.bytes, told, &answer);
	model_answered(&sim.model, pending->op, &answer);
	forget_refused(node, op, &answer);
	if (answer.outcome == DONE)
		held_narrow(node, op);
	give_pending(node, pending);
}

void
work_audit(const struct sim_node *node)
{
	if (node->state != NODE_UP)
		return;
	for (u32 i = 0; i < OP_FRAMES; i++) {
		const struct model_op *op = &sim.model.op[node->pending[i].op];
		u64 since;

		if (!node->pending[i].used)
			continue;
		since = MAX(op->submitted, node->idle_since);
		since = MAX(since, sim.heard[node_index(node)][op->owner]);
		if (sim.trace.now > since + ANSWER_MOST_NS)
			model_failed(&sim.model, node->pending[i].op,
				     "its waiter has had no answer within the lease");
	}
}
