// SPDX-License-Identifier: BSD-2-Clause
// Weighted service. While some export has a weight of its own, requests for more than a
// little data do not run as they come: they wait in their share's list, and shares are
// served in proportion, whoever asks for more. What waits is bounded by WAITERS_MAX, of
// which a share has at most three times what it leaves to others; what finds no place is
// to be asked again, and so goes before none that waits. Without such an export nothing
// waits, and a request pays one look at a word.
//
// While something waits, everything that runs by a capability is paid for by its share,
// whether or not it has waited: each byte that came with it, that it tells, zeroes or
// takes out of a pool, and its steps (moved()). What tells little runs at once, as long as
// its share is not more than a page ahead of the one whose turn it is; then it waits too.
// Only what changes nothing waits: what has an effect has it when it comes, or is to be
// asked again. Parts of a write have crossed the line when they come: they are paid for,
// and not held up.
//
// A share is an entry that was granted here, with all that its holder derived from it.
// Its rate is its granter's part, the same for each granter of which something waits,
// times its weight among that granter's. That is stride scheduling (Waldspurger, 1995):
// each share has a pass, the one with the least goes next, and the pass moves on by what
// it was served divided by its rate. Passes are in units of 64 bytes and wrap around.
//
// A request that waits counts as one at work elsewhere: copies of it are told so, and it
// is checked when its turn comes, like one that has just come. So what was revoked
// meanwhile is refused.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

#define PASS_SHIFT 6
// The furthest that a pass is ahead of the last: two pages at the smallest rate.
#define PASS_AHEAD ((2 * WIRE_DATA_MAX >> PASS_SHIFT) * WAITERS_MAX * RCAP_WEIGHT_MAX)

// Work of an owner's that is not the moving of bytes, in bytes that take as long.
#define STEP_BYTES 256u		// any request, before its first byte
#define LOOK_BYTES 4u		// an entry that HOLDERS looks at
#define NS_A_BYTE 4u		// of a program that INVOKE runs
#define MOVED_MAX (1u << 20)	// by one request, as far as it is paid for

STATIC_ASSERT(PASS_AHEAD < 1u << 31);
STATIC_ASSERT((u64)((MOVED_MAX >> PASS_SHIFT) + 1) * WAITERS_MAX * RCAP_WEIGHT_MAX <
	      1u << 31);

void
serve_init(struct rcap *rcap)
{
	for (u32 i = 0; i < WAITERS_MAX; i++)
		rcap->serve.waiter[i].next = i + 1 < WAITERS_MAX ? (u16)(i + 1) : NIL16;
	rcap->serve.free = 0;
}

// ---- shares

// Of those of which something waits.
static struct rcap_share *
share_find(struct rcap *rcap, u32 entry, u32 generation)
{
	for (u32 i = 0; i < rcap->serve.shares; i++) {
		struct rcap_share *share = &rcap->serve.share[i];

		if (share->entry == entry && share->generation == generation)
			return share;
	}
	return NULL;
}

static struct rcap_share *
share_of(struct rcap *rcap, const struct rcap_export *entry)
{
	return share_find(rcap, entry->share, rcap->exports[entry->share].generation);
}

// How far an entry's share is ahead of the one that was served last. Who has waited for
// nothing since is not behind the others for that, and who was served much before stays
// ahead of them for a while: at most by PASS_AHEAD, so one that seems further off was left
// behind long ago, and passes have gone half around since.
static u32
share_lead(struct rcap *rcap, const struct rcap_export *entry)
{
	const struct rcap_export *root = &rcap->exports[entry->share];
	const struct rcap_share *share = share_of(rcap, entry);
	i32 ahead;

	if (!share && root->type == TYPE_NONE)
		return 0;
	ahead = (i32)((share ? share->pass : root->pass) - rcap->serve.pass);
	return ahead > 0 && ahead <= (i32)PASS_AHEAD ? (u32)ahead : 0;
}

static struct rcap_share *
share_add(struct rcap *rcap, const struct rcap_export *entry)
{
	u32 pass = rcap->serve.pass + share_lead(rcap, entry);
	struct rcap_share *share = &rcap->serve.share[rcap->serve.shares++];

	ASSERT(rcap->serve.shares <= WAITERS_MAX);
	*share = (struct rcap_share){
		.entry = entry->share,
		.generation = rcap->exports[entry->share].generation,
		.pass = pass,
		.head = NIL16,
		.tail = NIL16,
		.granter = entry->granter,
		.weight = entry->weight,
	};
	return share;
}

static void
share_end(struct rcap *rcap, struct rcap_share *share)
{
	struct rcap_export *root = &rcap->exports[share->entry];

	ASSERT(share->head == NIL16);
	if (root->type != TYPE_NONE && root->generation == share->generation)
		root->pass = share->pass;
	*share = rcap->serve.share[--rcap->serve.shares];
}

// How far the pass of an entry's share goes on for so many bytes: by its part of all
// weights of the same granter of which something waits.
static u32
price(struct rcap *rcap, const struct rcap_export *entry, u32 bytes)
{
	u32 units = (MIN(bytes, MOVED_MAX) + (1u << PASS_SHIFT) - 1) >> PASS_SHIFT;
	u32 weights = share_of(rcap, entry) ? 0 : entry->weight;

	for (u32 i = 0; i < rcap->serve.shares; i++) {
		const struct rcap_share *other = &rcap->serve.share[i];

		if (other->granter == entry->granter)
			weights += other->weight;
	}
	return (units * weights + entry->weight - 1) / entry->weight;
}

static void
pay(struct rcap *rcap, const struct rcap_export *entry, u32 bytes)
{
	struct rcap_export *root = &rcap->exports[entry->share];
	struct rcap_share *share = share_of(rcap, entry);
	u32 pass = rcap->serve.pass +
		   MIN(share_lead(rcap, entry) + price(rcap, entry, bytes), PASS_AHEAD);

	if (share)
		share->pass = pass;
	else if (root->type != TYPE_NONE)
		root->pass = pass;
	if (share && rcap->serve.shares == 1)
		rcap->serve.pass = pass;	// nobody is behind it
}

// Further than it may be without waiting.
static bool
too_far(struct rcap *rcap, const struct rcap_export *entry)
{
	return share_lead(rcap, entry) > price(rcap, entry, WIRE_DATA_MAX);
}

static struct rcap_share *
share_next(struct rcap *rcap)
{
	struct rcap_share *first = &rcap->serve.share[0];

	for (u32 i = 1; i < rcap->serve.shares; i++) {
		struct rcap_share *share = &rcap->serve.share[i];

		if ((i32)(share->pass - first->pass) < 0)
			first = share;
	}
	return first;
}

// ---- waiters

// It comes in parts, which are kept as they come.
static bool
gathers(const struct asked *asked)
{
	enum wire_op op = (enum wire_op)asked->request->op;

	return op == OP_WRITE || op == OP_BLOCK_WRITE || op == OP_BLOCK_FUA;
}

// What a request that runs makes the owner move, in bytes; of what it gathers, its parts
// have paid.
static u32
moved(const struct asked *asked, u32 told)
{
	u32 bytes = STEP_BYTES + told + (gathers(asked) ? 0 : asked->payload_len);
	struct wire_alloc alloc;

	switch (asked->request->op) {
	case OP_BLOCK_ZERO:
		return bytes + asked->request->length;
	case OP_HOLDERS:
		return bytes + RCAP_LOOKED * LOOK_BYTES;
	case OP_INVOKE:
		return bytes + (u32)MIN(asked->worked_ns / NS_A_BYTE, MOVED_MAX);
	case OP_ALLOC:
		wire_alloc_load(&alloc, asked->payload);
		return bytes + (alloc.count << UNIT_BITS);
	default:
		return bytes;
	}
}

void
serve_pay(struct rcap *rcap, const struct asked *asked, u32 told)
{
	if (unlikely(rcap->serve.count))
		pay(rcap, asked->entry, moved(asked, told));
}

bool
serve_again(struct rcap *rcap, const struct asked *asked, u32 told)
{
	if (rcap->serve.count && too_far(rcap, asked->entry))
		return false;
	serve_pay(rcap, asked, told);
	return true;
}

static struct rcap_waiter *
waiter_fill(struct rcap *rcap, const struct asked *asked)
{
	struct rcap_waiter *waiter = &rcap->serve.waiter[rcap->serve.free];

	ASSERT(asked->payload_len <= WAITER_PAYLOAD);
	rcap->serve.free = waiter->next;
	rcap->serve.count++;
	waiter->request = *asked->request;
	waiter->came = asked->now;
	waiter->session = links_session(rcap->links, asked->peer);
	waiter->peer = asked->peer;
	waiter->next = NIL16;
	waiter->payload_len = asked->payload_len;
	__builtin_memcpy(waiter->payload, asked->payload, asked->payload_len);
	return waiter;
}

static void
waiter_append(struct rcap *rcap, struct rcap_share *share, struct rcap_waiter *waiter)
{
	u16 index = (u16)(waiter - rcap->serve.waiter);

	share->waiters++;
	if (share->tail == NIL16)
		share->head = index;
	else
		rcap->serve.waiter[share->tail].next = index;
	share->tail = index;
}

static bool
room_to_wait(const struct rcap *rcap, const struct rcap_share *share)
{
	u32 left = WAITERS_MAX - rcap->serve.count;

	return left && (!share || share->waiters < 3 * left);
}

// Whether it runs now, ahead of what waits.
static bool
runs_now(struct rcap *rcap, const struct asked *asked, bool large)
{
	bool may_wait = wire_op_info[asked->request->op].again;

	return gathers(asked) ||
	       ((!large || !may_wait) && !too_far(rcap, asked->entry));
}

static void
let_wait(struct rcap *rcap, struct asked *asked)
{
	struct rcap_share *share = share_of(rcap, asked->entry);
	struct rcap_waiter *waiter;

	if (!wire_op_info[asked->request->op].again || !room_to_wait(rcap, share)) {
		owner_say(rcap, asked, STATUS_BUSY, CODE_NONE);
		return;
	}
	if (!share)
		share = share_add(rcap, asked->entry);
	waiter = waiter_fill(rcap, asked);
	waiter_append(rcap, share, waiter);
	asked->slot->op = asked->request->op;
	asked->slot->state = LINK_SLOT_RUNNING;
	asked->slot->ticket = (u32)(waiter - rcap->serve.waiter);
	links_taken(rcap->links, asked->peer, asked->slot->number);
}

bool
serve_later(struct rcap *rcap, struct asked *asked)
{
	const struct wire_request *request = asked->request;
	bool large = wire_op_info[request->op].answers_data &&
		     request->length > LINK_QUICK_BYTES;

	if ((!large && !rcap->serve.count) || owner_check(rcap, asked) != CODE_NONE)
		return false;
	if (gathers(asked))
		pay(rcap, asked->entry, asked->payload_len);
	if (runs_now(rcap, asked, large))
		return false;
	let_wait(rcap, asked);
	return true;
}

// The request runs as if it had come now, unless its session or its number is over.
static void
waiter_run(struct rcap *rcap, u64 now, const struct rcap_waiter *waiter)
{
	u32 index = (u32)(waiter - rcap->serve.waiter);
	u32 number = waiter->request.number;
	struct asked asked = {
		.now = now,
		.peer = waiter->peer,
		.request = &waiter->request,
		.payload = waiter->payload,
		.payload_len = waiter->payload_len,
		.slot = links_slot(rcap->links, waiter->peer, number),
		.worked_ns = MAX(now - waiter->came, NS_PER_US),
	};

	if (!links_live(rcap->links, now, waiter->peer) || !asked.slot ||
	    links_session(rcap->links, waiter->peer) != waiter->session ||
	    asked.slot->state != LINK_SLOT_RUNNING || asked.slot->ticket != index)
		return;
	asked.slot->state = LINK_SLOT_FRESH;
	asked.slot->ticket = 0;
	owner_run(rcap, &asked);
}

// The first of the share whose turn it is. Returns the frames of its answer.
static u32
serve_one(struct rcap *rcap, u64 now)
{
	struct rcap_share *share = share_next(rcap);
	u16 index = share->head;

	ASSERT(index < WAITERS_MAX && rcap->serve.count);

	struct rcap_waiter *waiter = &rcap->serve.waiter[index];
	u32 told = waiter->request.length;

	rcap->serve.pass = share->pass;
	share->head = waiter->next;
	share->waiters--;
	if (share->head == NIL16)
		share->tail = NIL16;
	waiter_run(rcap, now, waiter);
	waiter->next = rcap->serve.free;
	rcap->serve.free = index;
	rcap->serve.count--;
	if (share->head == NIL16)
		share_end(rcap, share);
	return wire_parts(told, waiter->request.flags & WIRE_FLAG_WHOLE);
}

void
serve_some(struct rcap *rcap, u64 now)
{
	rcap->serve.blocked = false;
	for (u32 frames = 0; rcap->serve.count && frames < SERVE_FRAMES;) {
		if (!rcap_host_room(rcap->host)) {
			rcap->serve.blocked = true;
			return;
		}
		frames += serve_one(rcap, now);
	}
}

void
serve_check(const struct rcap *rcap)
{
	u32 count = 0, free = 0;

	ASSERT(rcap->serve.shares <= rcap->serve.count);
	for (u32 i = 0; i < rcap->serve.shares; i++) {
		const struct rcap_share *share = &rcap->serve.share[i];

		ASSERT(share->head != NIL16 && share->weight && share->waiters);
		ASSERT(share->pass - rcap->serve.pass <= PASS_AHEAD);
		for (u16 at = share->head; at != NIL16; at = rcap->serve.waiter[at].next)
			count++;
	}
	for (u16 at = rcap->serve.free; at != NIL16; at = rcap->serve.waiter[at].next)
		free++;
	ASSERT(count == rcap->serve.count && count + free == WAITERS_MAX);
}
