// SPDX-License-Identifier: BSD-2-Clause
// What other nodes have granted to environments here: a REMOTE capability in an
// environment's list, and a record of what it is called at its owner. Those
// numbers never enter user memory.
//
// The owner's kernel checks every access. This one checks what it alone knows:
// that the capability is in the caller's list, and how far a part of it that was
// derived here is narrower than what the owner granted. Such a part is used under
// the name of the environment that the owner granted to.
//
// A record whose capability went tells the owner so (DROP) as soon as there is
// room, a few at a time; one whose capability got shorter, too (RELEASE). What the
// end of a session has swallowed is told again in the next, until the owner has
// answered or its life is over; only a new grant that finds no other record makes
// one forget it. What the owner asks for becomes a request of kernel/sys/revoke.c.
// Copies by it (leases.c) are gone before the owner hears of it.

#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"
#include "kernel/sys/revoke.h"

#define REMOTES_MAX FABRIC_HELD_MAX
#define TELLINGS_MAX 16u		// DROPs and RELEASEs on their way
#define TELLINGS_EACH 4u		// of these, to one owner: it may never answer
#define RECORDS_LEFT 8u	// the last are for environments that hold hardly any,
#define RECORDS_FEW 4u		// less than this
#define AGAIN_NS NS_PER_SECOND	// to an owner that did not hear, or is away
#define NO_ROOM_NS NS_PER_MS

enum { REMOTE_FREE, REMOTE_HELD, REMOTE_DROPPING };

static struct remote {
	struct rcap_remote name;
	u32 environment;	// id of whom it was granted to
	u32 node;		// of the capability here
	u32 tickets;		// that were made from it
	u8 state;
	bool secret_known;
	bool telling;		// a DROP or RELEASE is on its way
	struct rcap_secret secret;
	u64 release;		// units that stay, to be told; 0: nothing is
	u64 told;		// what `release` was for the one on its way
	u64 left;		// that the owner has not said to be gone
} remotes[REMOTES_MAX];
static u64 tell_at = NEVER;	// when some record has to tell its owner something
static u32 tellings;		// on their way
static u8 tellings_to[FABRIC_LINKS_MAX];	// of these, by owner

STATIC_ASSERT(REMOTES_MAX <= 1u << (64 - REMOTE_UNIT_BITS));

static u64
unit_bytes(const struct cap *cap)
{
	return cap->count << PAGE_SHIFT;
}

// Pieces count from the operation's offset, behind which there are `bytes`.
static bool
pieces_inside(const struct rcap_piece *piece, u32 count, u64 bytes)
{
	for (u32 i = 0; i < count; i++) {
		if (piece[i].offset > bytes || piece[i].length > bytes - piece[i].offset)
			return false;
	}
	return true;
}

// A part of what the capability names, counted from its start, with some of its rights.
static enum wire_code
narrow_part(const struct cap *cap, u32 rights, u64 *base, u64 count)
{
	if (rights & ~(u32)cap->rights)
		return CODE_RIGHTS;
	if (!count || *base >= cap->count || count > cap->count - *base)
		return CODE_RANGE;
	*base += REMOTE_UNIT(cap->base);
	return CODE_NONE;
}

// Shifts and bounds an operation through a part that was derived here.
static enum wire_code
narrow(const struct cap *cap, const struct fabric_submit *s, struct rcap_submit *r)
{
	u64 shift = REMOTE_UNIT(cap->base) << PAGE_SHIFT;
	const struct wire_op_info *info = &wire_op_info[r->op];

	if ((cap->rights & info->rights) != info->rights)
		return CODE_RIGHTS;
	if (r->op == OP_DERIVE)
		return narrow_part(cap, r->derive.rights, &r->derive.base,
				   r->derive.count);
	// The whole of it is not the part's to give up or to take back.
	if (s->op == FABRIC_REVOKE || s->op == FABRIC_DROP ||
	    s->op == FABRIC_HOLDERS || s->op == FABRIC_EXPEL ||
	    s->op == FABRIC_PROTECT)
		return CODE_RIGHTS;
	if (s->op == FABRIC_ALLOC)
		return narrow_part(cap, r->alloc.rights, &r->alloc.base, r->alloc.range);
	if (s->offset > unit_bytes(cap) ||
	    s->length > unit_bytes(cap) - s->offset)
		return CODE_RANGE;
	r->offset += shift;
	if (s->op == FABRIC_READV || s->op == FABRIC_PUTV)
		return pieces_inside(s->op == FABRIC_READV ? r->piece
							   : r->change.piece,
				     MIN(r->pieces, WIRE_PIECES_MAX),
				     unit_bytes(cap) - s->offset)
			       ? CODE_NONE : CODE_RANGE;
	if (s->op != FABRIC_MCAS)
		return CODE_NONE;
	for (u32 i = 0; i < MIN(r->pieces, WIRE_CLAUSES_MAX); i++) {
		struct rcap_clause *c = &r->clause[i];

		if (c->chain_offset > unit_bytes(cap) ||
		    c->chain_length > unit_bytes(cap) - c->chain_offset)
			return CODE_RANGE;
		c->chain_offset += shift;
	}
	return CODE_NONE;
}

enum wire_code
remote_check(const struct fabric_queue *queue, const struct fabric_submit *s,
	     struct rcap_submit *r, u32 *record)
{
	const struct remote *remote;
	const struct cap *cap;
	i64 error = cap_lookup(&caps, queue->owner, s->slot, CAP_REMOTE, 0, &cap);

	if (error)
		return wire_code_of(error);
	*record = (u32)(cap->base >> REMOTE_UNIT_BITS);
	remote = &remotes[*record];
	ASSERT(remote->state == REMOTE_HELD);
	r->remote = remote->name;
	r->environment = envs[queue->owner].info->id;
	r->holder = remote->environment;
	if (s->op == FABRIC_DROP && leases_left(*record, 0))
		return CODE_LEASED;
	return cap->depth ? narrow(cap, s, r) : CODE_NONE;
}

enum wire_code
remote_pass(const struct fabric_queue *queue, const struct fabric_submit *s,
	    struct rcap_submit *r, struct rcap_ticket_terms *terms)
{
	struct remote *remote;
	const struct cap *cap;
	i64 error = cap_lookup(&caps, queue->owner, s->slot, CAP_REMOTE, 0, &cap);
	enum wire_code code;

	if (error)
		return wire_code_of(error);
	remote = &remotes[cap->base >> REMOTE_UNIT_BITS];
	ASSERT(remote->state == REMOTE_HELD && r->op == OP_DERIVE);
	code = narrow(cap, s, r);
	if (code != CODE_NONE)
		return code;
	if (!remote->secret_known)
		return CODE_VERSION;
	if (SCARCE(remote->tickets == ~0u))
		return CODE_TABLE;
	*terms = (struct rcap_ticket_terms){
		.remote = &remote->name,
		.secret = &remote->secret,
		.to = &r->derive,
		.environment = remote->environment,
		.serial = ++remote->tickets,
	};
	return CODE_NONE;
}

// A free one; else one whose owner still has to hear that it went. NONE also when the last
// are left to environments that hold less than this one, by its id.
static u32
record_find(u32 environment)
{
	u32 found = NONE, left = 0, has = 0;

	for (u32 i = 0; i < REMOTES_MAX; i++) {
		const struct remote *r = &remotes[i];

		has += r->state == REMOTE_HELD && r->environment == environment;
		if (r->state != REMOTE_FREE &&
		    (r->state == REMOTE_HELD || r->telling || leases_left(i, 0)))
			continue;
		left++;
		if (found == NONE || r->state < remotes[found].state)
			found = i;
	}
	return left > RECORDS_LEFT || has < RECORDS_FEW ? found : NONE;
}

u32
fabric_env_of(u32 id)
{
	for (u64 left = env_started; left; left &= left - 1) {
		u32 i = (u32)__builtin_ctzll(left);

		if (envs[i].info->id == id)
			return i;
	}
	return NONE;
}

enum wire_code
rcap_host_granted(void *host, const struct rcap_remote *remote,
		  const struct wire_grant *grant)
{
	u32 env = fabric_env_of(grant->environment), record = record_find(grant->environment);
	const struct rcap_secret *secret = rcap_granted(fabric.rcap);
	struct pending *place;
	i64 slot;

	(void)host;
	if (env == NONE)
		return CODE_ENVIRONMENT;
	place = pending_accept(env);
	if (!place || cap_room(&caps, env))
		return CODE_PLACE;
	if (SCARCE(record == NONE) || grant->count >> REMOTE_UNIT_BITS)
		return CODE_TABLE;
	slot = cap_mint(&caps, env, SLOT_NONE, CAP_REMOTE, grant->rights,
			(u64)record << REMOTE_UNIT_BITS, grant->count);
	ASSERT(slot > 0);
	remotes[record] = (struct remote){
		.name = *remote,
		.environment = grant->environment,
		.node = cap_node(&caps, cap_at(&caps, env, (u32)slot)),
		.state = REMOTE_HELD,
		.secret_known = secret != NULL,
		.left = grant->count,
	};
	if (secret)
		remotes[record].secret = *secret;
	rcap_hold(fabric.rcap, remote->peer);
	held_begin(record, remote, grant);
	pending_end(place, &(struct fabric_complete){
		.outcome = FABRIC_DONE,
		.old = { grant->count },
		.incarnation = remote->incarnation,
		.word = grant->word,
		.slot = (u32)slot,
		.node = remote->peer,
		.type = grant->type,
		.rights = grant->rights,
	});
	return CODE_NONE;
}

void
remote_gone(u64 base)
{
	struct remote *remote = &remotes[base >> REMOTE_UNIT_BITS];

	ASSERT(remote->state == REMOTE_HELD);
	remote->state = REMOTE_DROPPING;
	rcap_let(fabric.rcap, remote->name.peer);
	held_end((u32)(base >> REMOTE_UNIT_BITS));
	remote->release = 0;
	tell_at = fabric.due = 0;
}

void
remote_shortened(const struct cap *was, u64 count)
{
	struct remote *remote = &remotes[was->base >> REMOTE_UNIT_BITS];

	ASSERT(remote->state == REMOTE_HELD && count > 0);
	if (was->depth)
		return;
	remote->release = count;
	tell_at = fabric.due = 0;
}

u64
remote_base(u64 base)
{
	u64 owner = remotes[base >> REMOTE_UNIT_BITS].name.peer;

	return owner << REMOTE_UNIT_BITS | REMOTE_UNIT(base);
}

static bool
is_same(const struct rcap_remote *a, const struct rcap_remote *b)
{
	return a->peer == b->peer && a->slot == b->slot &&
	       a->generation == b->generation && a->incarnation == b->incarnation;
}

// The deadline is the owner's, who says what it has taken then. When it cannot, for
// the link is cut or it is dead, it goes here all the same, a little later.
enum wire_code
rcap_host_asked(void *host, const struct rcap_remote *remote,
		const struct wire_recall *recall, u64 deadline)
{
	struct remote *held;
	u32 i = 0;

	(void)host;
	while (i < REMOTES_MAX && (remotes[i].state != REMOTE_HELD ||
				   remotes[i].environment != recall->environment ||
				   !is_same(&remotes[i].name, remote)))
		i++;
	if (i == REMOTES_MAX)
		return CODE_ENTRY;
	held = &remotes[i];
	held->left = MIN(held->left, caps.pool[held->node].count);
	if (recall->keep >= held->left)
		return CODE_NONE;
	if (recall->gone) {
		leases_cut(i, recall->keep);
		revoke_lost(held->node, recall->keep, held->left);
		held->left = recall->keep;
		return CODE_NONE;
	}
	if (!env_lives(&envs[caps.pool[held->node].list]))
		return CODE_ENVIRONMENT;	// it drops all of it in a moment
	deadline = MIN(deadline, clock_ns() + REVOKE_DELAY_MAX_NS);
	return revoke_remote(held->node, recall->keep, deadline + REVOKE_FAR_NS)
		       ? CODE_NONE : CODE_TABLE;
}

static bool
has_word(const struct remote *remote)
{
	return !remote->telling && (remote->state == REMOTE_DROPPING || remote->release);
}

// False: there is no operation for it.
static bool
tell(struct remote *remote, u64 now)
{
	struct rcap_submit r = {
		.tag = PENDING_MAX + (u64)(remote - remotes),
		.environment = remote->environment,
		.queue = NONE,
		.op = remote->state == REMOTE_DROPPING ? OP_DROP : OP_RELEASE,
		.remote = remote->name,
		.offset = remote->release,
	};

	if (rcap_submit(fabric.rcap, now, &r) == RCAP_NONE)
		return false;
	remote->telling = true;
	remote->told = remote->release;
	remote->release = 0;
	tellings++;
	tellings_to[remote->name.peer]++;
	return true;
}

u64
remotes_tell(u64 now)
{
	u64 again = NEVER;

	if (now < tell_at)
		return tell_at;
	for (u32 i = 0; i < REMOTES_MAX && tellings < TELLINGS_MAX; i++) {
		struct remote *remote = &remotes[i];

		if (!has_word(remote) ||
		    tellings_to[remote->name.peer] == TELLINGS_EACH)
			continue;
		// Who hears of it may take copies of what went for gone.
		if (leases_left(i, remote->release))
			again = now;
		else if (!links_session(fabric.links, remote->name.peer))
			again = min_u64(again, now + AGAIN_NS);
		else if (!tell(remote, now))
			again = min_u64(again, now + NO_ROOM_NS);
	}
	tell_at = again;
	return again;
}

// Whether the owner may not know: all else is its answer, or the end of its life.
static bool
is_unheard(const struct rcap_completion *c)
{
	return c->outcome != RCAP_DONE &&
	       (c->code == CODE_SESSION || c->code == CODE_PEER ||
		c->code == CODE_WINDOWS || c->code == CODE_CANCELLED);
}

void
remote_told(u32 record, const struct rcap_completion *c, u64 now)
{
	struct remote *remote = &remotes[record];
	u8 *to_owner = &tellings_to[remote->name.peer];
	bool unheard = is_unheard(c);

	ASSERT(remote->telling && tellings > 0 && *to_owner > 0);
	remote->telling = false;
	if (c->op == OP_DROP && !unheard)
		remote->state = REMOTE_FREE;
	else if (remote->state == REMOTE_HELD && unheard && !remote->release)
		remote->release = remote->told;
	if (tellings == TELLINGS_MAX || *to_owner == TELLINGS_EACH)
		tell_at = 0;		// others waited for that
	tellings--;
	--*to_owner;
	if (has_word(remote))
		tell_at = min_u64(tell_at, unheard ? now + AGAIN_NS : 0);
	fabric.due = min_u64(fabric.due, tell_at);
}
