// SPDX-License-Identifier: BSD-2-Clause
// Drawing one operation. Most make sense; one in some twenty lacks the right, is
// out of range, or is not aligned, and has to be refused with that reason.
//
// So that the model can tell effects apart: a WRITE has at least eight bytes, an
// MCAS swaps and a FETCH_ADD adds random words, open NOTIFYs have a word each.

#include <string.h>

#include "harness/sim/delegate.h"
#include "harness/sim/node.h"
#include "harness/sim/operation.h"
#include "kernel/base/assert.h"

#define HOT_WORDS 4u		// of a page, for MCAS and FETCH_ADD
#define NOTIFY_AT 2048u

static const u8 wire_ops[DO_KINDS] = {
	[DO_READ] = OP_READ, [DO_WRITE] = OP_WRITE, [DO_MCAS] = OP_MCAS,
	[DO_ADD] = OP_FETCH_ADD, [DO_NOTIFY] = OP_NOTIFY, [DO_SEND] = OP_SEND,
	[DO_BLOCK_READ] = OP_BLOCK_READ, [DO_BLOCK_WRITE] = OP_BLOCK_WRITE,
	[DO_FLUSH] = OP_BLOCK_FLUSH, [DO_DERIVE] = OP_DERIVE,
	[DO_REVOKE] = OP_REVOKE, [DO_DROP] = OP_DROP, [DO_PUTV] = OP_PUTV,
	[DO_INVOKE] = OP_INVOKE, [DO_HOLDERS] = OP_HOLDERS, [DO_EXPEL] = OP_EXPEL,
	[DO_PROTECT] = OP_PROTECT, [DO_ALLOC] = OP_ALLOC, [DO_REDEEM] = OP_REDEEM,
	[DO_RELEASE] = OP_RELEASE,
};

// How often each kind is drawn, of a capability for each object; one in a hundred for
// another kind of object.
static const u8 weight[OBJECT_COUNT][DO_KINDS] = {
	[STORE_PAGES] = {
		[DO_READ] = 26, [DO_WRITE] = 26, [DO_MCAS] = 14, [DO_ADD] = 10,
		[DO_PUTV] = 8, [DO_NOTIFY] = 4, [DO_DERIVE] = 5, [DO_HOLDERS] = 1,
		[DO_EXPEL] = 1, [DO_PROTECT] = 1, [DO_REVOKE] = 1, [DO_DROP] = 1,
		[DO_RELEASE] = 1, [DO_BLOCK_READ] = 1,
	},
	[STORE_DISK] = {
		[DO_BLOCK_READ] = 39, [DO_BLOCK_WRITE] = 38, [DO_FLUSH] = 9,
		[DO_DERIVE] = 6, [DO_HOLDERS] = 1, [DO_EXPEL] = 1, [DO_PROTECT] = 1,
		[DO_REVOKE] = 1, [DO_DROP] = 1, [DO_RELEASE] = 2, [DO_READ] = 1,
	},
	[OBJECT_POOL] = {
		[DO_ALLOC] = 66, [DO_DERIVE] = 12, [DO_HOLDERS] = 8, [DO_EXPEL] = 4,
		[DO_PROTECT] = 2, [DO_REVOKE] = 3, [DO_DROP] = 2, [DO_RELEASE] = 2,
		[DO_WRITE] = 1,
	},
	[OBJECT_ENDPOINT] = {
		[DO_INVOKE] = 60, [DO_SEND] = 20, [DO_DERIVE] = 10, [DO_HOLDERS] = 3,
		[DO_EXPEL] = 2, [DO_PROTECT] = 1, [DO_REVOKE] = 1, [DO_DROP] = 1,
		[DO_RELEASE] = 1, [DO_ALLOC] = 1,
	},
};

static enum model_kind
draw_kind(const struct held *held)
{
	enum model_kind kind = DO_READ;
	const u8 *weights = weight[held->store];

	for (u32 tries = 0; tries < 6; tries++) {
		u64 at = sim_below(100);

		for (kind = 0; at >= weights[kind]; kind++)
			at -= weights[kind];
		if (!(model_rights(kind) & ~held->rights) || sim_below(20) == 0)
			break;
	}
	return kind;
}

static u32
draw_len(void)
{
	switch (sim_below(8)) {
	case 0:
		return UNIT;
	case 1:
		return WIRE_PART - 8 + (u32)sim_below(16);
	case 2:
	case 3:
		return 8 + (u32)sim_below(UNIT - 8);
	default:
		return 8 + (u32)sim_below(64);
	}
}

// Bytes of the capability's range, and now and then bytes that are not.
static u64
draw_offset(const struct held *held, u32 len)
{
	u64 size = (u64)held->count * UNIT;

	switch (sim_below(60)) {
	case 0:
		return size - len + 1 + sim_below(len);
	case 1:
		return UINT64_MAX - sim_below(len);
	default:
		return sim_below(size - len + 1);
	}
}

u64
operation_word(const struct held *held, u32 len)
{
	u64 offset = sim_below(held->count) * UNIT + sim_below(HOT_WORDS) * 16;

	if (len == 8)
		offset += 8 * sim_below(2);
	switch (sim_below(60)) {
	case 0:
		return offset + 4;
	case 1:
		return (u64)held->count * UNIT + offset;
	default:
		return offset;
	}
}

// What the words hold now, if the guess is to be good.
void
operation_guess(const struct target *target, u64 offset, u32 len, u64 word[2])
{
	const struct held *held = target->held;
	const struct authority_cap *row = &sim.model.authority.cap[held->row];
	u64 at = (u64)row->base * UNIT + offset;

	word[0] = prng_u64(&sim.prng);
	word[1] = prng_u64(&sim.prng);
	if (sim_below(4) && at + len <= PAGES * UNIT)
		memcpy(word, sim.node[held->owner].memory[0] + at, len);
	if (len == 8)
		word[1] = 0;
}

static void
draw_clause(const struct target *target, struct model_op *op,
	    struct model_clause *clause)
{
	u64 upper = op->len == 16 ? UINT64_MAX : 0;
	u64 size = (u64)target->held->count * UNIT;

	*clause = (struct model_clause){ 0 };
	operation_guess(target, op->offset, op->len, clause->compare);
	clause->compare_mask[0] = sim_below(3) ? UINT64_MAX : 0xffffffff;
	clause->compare_mask[1] = upper;
	clause->swap[0] = prng_u64(&sim.prng);
	clause->swap[1] = prng_u64(&sim.prng) & upper;
	clause->swap_mask[0] = sim_below(3) ? UINT64_MAX :
					      prng_u64(&sim.prng) | 0xffffffff;
	clause->swap_mask[1] = prng_u64(&sim.prng) & upper;
	if (sim_below(3) == 0) {
		clause->chain_len = sim_below(4) ? 8 + (u32)sim_below(200) : UNIT;
		clause->chain_offset = sim_below(size - clause->chain_len + 1);
	}
}

static void
draw_mcas(const struct target *target, struct operation *o)
{
	struct model_op *op = &o->op;

	op->len = sim_below(3) ? 8 : 16;
	op->offset = operation_word(target->held, op->len);
	op->clauses = 1 + (u32)sim_below(CLAUSES_MAX);
	o->submit.pieces = op->clauses;
	for (u32 i = 0; i < op->clauses; i++) {
		const struct model_clause *from = &op->clause[i];
		struct rcap_clause *to = &o->submit.clause[i];

		draw_clause(target, op, &op->clause[i]);
		memcpy(to->compare, from->compare, sizeof(to->compare));
		memcpy(to->compare_mask, from->compare_mask, sizeof(to->compare_mask));
		memcpy(to->swap, from->swap, sizeof(to->swap));
		memcpy(to->swap_mask, from->swap_mask, sizeof(to->swap_mask));
		to->chain_offset = from->chain_offset;
		to->chain_length = from->chain_len;
	}
}

void
operation_begin(struct sim_node *node, u32 env, const struct target *target,
		enum model_kind kind, struct operation *o)
{
	*o = (struct operation){ 0 };
	o->op = (struct model_op){
		.kind = kind,
		.by = { node_index(node), node->boot, node->env[env].id },
		.owner = target->owner, .owner_boot = target->owner_boot,
		.cap = target->row,
		.slot = target->remote.slot, .generation = target->remote.generation,
		.forged = target->row == AUTHORITY_NONE && target->held,
		.queue = (u32)sim_below(2),
		.fenced = sim_below(6) == 0,
		.payload = prng_u64(&sim.prng),
		.add = prng_u64(&sim.prng),
	};
	o->submit.environment = o->op.by.env;
	o->submit.remote = target->remote;
}

// The same bytes, asked for in two pieces: what no older version understands.
static void
read_in_pieces(struct operation *o)
{
	u32 first = 1 + (u32)sim_below(o->op.len - 1);

	o->submit.op = OP_READV;
	o->submit.pieces = 2;
	o->submit.piece[0] = (struct rcap_piece){ .offset = 0, .length = first };
	o->submit.piece[1] = (struct rcap_piece){ .offset = first,
						  .length = o->op.len - first };
}

void
operation_finish(struct operation *o)
{
	o->submit.op = wire_ops[o->op.kind];
	o->submit.queue = o->op.queue;
	o->submit.fenced = o->op.fenced;
	o->submit.offset = o->op.offset;
	o->submit.length = o->op.len;
	if (o->op.kind == DO_ADD)
		o->submit.addend = o->op.add;
	if (o->op.kind == DO_READ && o->op.len > 1 && sim_below(4) == 0)
		read_in_pieces(o);
}

bool
operation_register(const struct held *held)
{
	const struct authority_cap *row = &sim.model.authority.cap[held->row];

	return held->store == STORE_PAGES && REGISTER_PAGE(row->base + held->count - 1);
}

// An operation on the whole of a register: what registers.c can judge.
static void
draw_register(const struct target *target, struct operation *o)
{
	struct model_op *op = &o->op;
	struct model_clause *clause = &op->clause[0];
	struct rcap_clause *to = &o->submit.clause[0];

	op->len = 8;
	op->offset = (u64)(target->held->count - 1) * UNIT;
	if (op->kind != DO_MCAS)
		return;
	op->clauses = o->submit.pieces = 1;
	operation_guess(target, op->offset, 8, clause->compare);
	clause->compare_mask[0] = clause->swap_mask[0] = UINT64_MAX;
	clause->swap[0] = prng_u64(&sim.prng);
	to->compare[0] = clause->compare[0];
	to->compare_mask[0] = to->swap_mask[0] = UINT64_MAX;
	to->swap[0] = clause->swap[0];
}

// What goes to a page beside the register's.
static void
draw_beside(const struct target *target, struct operation *o)
{
	struct held part = *target->held;
	struct target beside = *target;

	part.count--;
	beside.held = &part;
	if (o->op.kind == DO_MCAS) {
		draw_mcas(&beside, o);
		return;
	}
	o->op.len = o->op.kind == DO_WRITE ? draw_len() : 8;
	o->op.offset = o->op.kind == DO_WRITE ?
		       sim_below((u64)part.count * UNIT - o->op.len + 1) :
		       operation_word(&part, 8);
}

// Where a register is, most operations are on it. False: this one is not about it.
static bool
draw_at_register(const struct target *target, struct operation *o)
{
	enum model_kind kind = o->op.kind;
	bool changes = kind == DO_WRITE || kind == DO_MCAS || kind == DO_ADD;

	if (!operation_register(target->held) || (!changes && kind != DO_READ))
		return false;
	if (sim_below(4) || (changes && target->held->count == 1))
		draw_register(target, o);
	else if (changes)
		draw_beside(target, o);
	else
		return false;
	return true;
}

void
operation_draw(struct sim_node *node, u32 env, const struct target *target,
	       struct operation *o)
{
	const struct held *held = target->held;
	enum model_kind kind = draw_kind(held);

	operation_begin(node, env, target, kind, o);
	if (draw_at_register(target, o)) {
		operation_finish(o);
		return;
	}
	switch (kind) {
	case DO_READ:
	case DO_WRITE:
		o->op.len = draw_len();
		o->op.offset = draw_offset(held, o->op.len);
		break;
	case DO_MCAS:
		draw_mcas(target, o);
		break;
	case DO_ADD:
		o->op.len = 8;
		o->op.offset = operation_word(held, 8);
		break;
	case DO_NOTIFY:
		o->op.len = 4;
		o->op.offset = sim_below(held->count) * UNIT + NOTIFY_AT +
			       4 * (sim.model.ops % 512);
		break;
	case DO_BLOCK_READ:
	case DO_BLOCK_WRITE:
		o->op.len = UNIT;
		o->op.offset = sim_below(held->count + (sim_below(20) == 0)) * UNIT;
		break;
	case DO_PUTV:
		putv_draw(target, o);
		break;
	case DO_SEND:
	case DO_INVOKE:
		o->op.len = 8 + (u32)sim_below(MESSAGE_ROOM - 7);
		break;
	default:
		delegate_draw(node, target, o);
		break;
	}
	operation_finish(o);
}

void
operation_give_back(struct sim_node *node, u32 env, const struct target *target,
		    struct operation *o)
{
	operation_begin(node, env, target, target->held->keep ? DO_RELEASE : DO_DROP, o);
	o->op.offset = target->held->keep;
	operation_finish(o);
}

void
operation_message(struct sim_node *node, u32 env, const struct target *target,
		  struct operation *o)
{
	operation_begin(node, env, target, DO_SEND, o);
	o->op.len = 8 + (u32)sim_below(MESSAGE_ROOM - 7);
	operation_finish(o);
	o->submit.offset = SERVICE + sim_below(ENVS);
}

void
operation_probe(struct sim_node *node, u32 env, const struct target *target,
		struct operation *o)
{
	enum model_store object = target->held->store;

	operation_begin(node, env, target, object == STORE_DISK ? DO_BLOCK_READ :
			object == STORE_PAGES ? DO_READ :
			object == OBJECT_POOL ? DO_HOLDERS : DO_INVOKE, o);
	o->op.len = object == STORE_DISK ? UNIT : 64;
	o->op.fenced = false;
	operation_finish(o);
}

bool
operation_writes(enum model_kind kind)
{
	return kind == DO_WRITE || kind == DO_BLOCK_WRITE || kind == DO_SEND ||
	       kind == DO_INVOKE || kind == DO_PUTV;
}

void
operation_fill(const struct model_op *op, u32 index, u8 *memory)
{
	u64 name = index;

	if (!operation_writes(op->kind))
		return;
	model_payload(op, memory);
	if (op->kind == DO_SEND || op->kind == DO_INVOKE)
		memcpy(memory, &name, 8);
}

u32
operation_memory(const struct model_op *op)
{
	u32 most = 0;

	switch (op->kind) {
	case DO_READ:
	case DO_WRITE:
	case DO_SEND:
	case DO_INVOKE:
	case DO_HOLDERS:
	case DO_BLOCK_READ:
	case DO_BLOCK_WRITE:
		return op->len;
	case DO_PUTV:
		return model_payload_len(op);
	case DO_MCAS:
		for (u32 i = 0; i < op->clauses; i++)
			most = MAX(most, op->clause[i].chain_len);
		return most;
	default:
		return 0;
	}
}

enum model_reason
operation_reason(u8 code)
{
	static const u8 reasons[CODE_COUNT] = {
		[CODE_SLOT] = WHY_SLOT, [CODE_GENERATION] = WHY_SLOT,
		[CODE_INCARNATION] = WHY_LIFE, [CODE_HOLDER] = WHY_HOLDER,
		[CODE_REVOKED] = WHY_REVOKED, [CODE_TYPE] = WHY_TYPE,
		[CODE_RIGHTS] = WHY_RIGHTS, [CODE_RANGE] = WHY_RANGE,
		[CODE_ALIGNMENT] = WHY_ARGUMENT, [CODE_SHAPE] = WHY_ARGUMENT,
		[CODE_CANCELLED] = WHY_CANCELLED, [CODE_DEVICE] = WHY_DEVICE,
		[CODE_PEER] = WHY_SESSION, [CODE_SESSION] = WHY_SESSION,
		[CODE_WINDOWS] = WHY_SESSION, [CODE_VERSION] = WHY_SESSION,
		[CODE_ENTRY] = WHY_ENTRY, [CODE_TICKET] = WHY_TICKET,
		[CODE_EXPIRED] = WHY_EXPIRED, [CODE_SPENT] = WHY_SPENT,
		[CODE_LIFE] = WHY_MAKER,
	};

	ASSERT(code < CODE_COUNT);
	// The others: something of the owner's, or of a third node's, is not there.
	return code == CODE_NONE || reasons[code] ? reasons[code] : WHY_ROOM;
}
