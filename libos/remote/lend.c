// SPDX-License-Identifier: BSD-2-Clause
// Lending: buffers for questions are always posted, each question is answered with
// a grant or not at all, and grants that did not come about are told on the console.
// What is granted is derived from what lies in an offer, never from more. Of a pool, what
// silent nodes hold is taken back once a second.

#include "libos/remote/lend.h"
#include "kernel/abi/revoke.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/remote/ask.h"

#define TAG_GRANT 0xffffull
#define TAG_HANDLE 0xfffeull
#define TEND_NS NS_PER_SECOND
#define TAG_RECALL 0xfffdull
#define RECALL_MOST_MS (REVOKE_DELAY_MAX_NS / NS_PER_MS - 1)

STATIC_ASSERT(LEND_POSTS * LEND_POST_BYTES + sizeof(struct fabric_holders) <=
	      LEND_BUFFER_BYTES);

static i64
offer_part(struct lend_offer *offer, u32 root, u32 rights, u64 base, u64 count)
{
	i64 result = sys_cap_derive(root, CAP_SLOT_SELF, rights | CAP_DERIVE, base,
				    count);

	*offer = (struct lend_offer){
		.root = root,
		.slot = result < 0 ? SLOT_NONE : (u32)result,
		.rights = rights | CAP_DERIVE,
		.base = base,
		.count = count,
	};
	return MIN(result, 0);
}

static i64
offer_open(struct lend_offer *offer, u32 root, u32 rights)
{
	struct cap_info info;
	i64 error = sys_cap_inspect(CAP_SLOT_SELF, root, &info);

	return error ? error : offer_part(offer, root, rights, info.base, info.count);
}

static u8 *
post_buffer(const struct lend *lend, u64 tag)
{
	return lend->buffers + tag * LEND_POST_BYTES;
}

static bool
post(struct lend *lend, u64 tag)
{
	struct fabric_submit s = {
		.tag = tag,
		.op = FABRIC_POST,
		.slot = lend->endpoint,
		.local = fabric_local(post_buffer(lend, tag)),
		.length = LEND_POST_BYTES,
	};

	return fabric_put(lend->io->fabric, &s);
}

static void
give(struct lend *lend, const struct lend_offer *offer, const struct far_ask *ask,
     const struct fabric_complete *from)
{
	struct fabric_submit s = {
		.tag = TAG_GRANT,
		.op = offer == &lend->pool ? FABRIC_POOL : FABRIC_GRANT,
		.slot = offer->slot,
		.node = from->node,
		.target = {
			.incarnation = from->incarnation,
			.environment = from->environment,
			.rights = ask->rights & offer->rights,
			.base = offer->base + ask->first,
			.count = ask->count ? ask->count
					    : offer->count - ask->first,
			.word = ask->word,
			.weight = from->node == lend->weighed ? lend->weight : 0,
		},
	};

	if (offer->slot == SLOT_NONE || ask->first >= offer->count ||
	    !fabric_put(lend->io->fabric, &s))
		print("%s: node %u asked for what is not offered\n",
		      program_name(), from->node);
}

static void
take_back(const struct lend_offer *offer)
{
	if (offer->slot != SLOT_NONE && cap_revoke_all(offer->slot))
		print("%s: cannot revoke\n", program_name());
}

// What comes of it is told when it completes.
static void
recall(struct lend *lend, const struct far_ask *ask)
{
	struct fabric_holders *holders = (void *)post_buffer(lend, LEND_POSTS);
	struct fabric_submit s = {
		.tag = TAG_RECALL, .op = FABRIC_RECALL, .slot = lend->pages.slot,
		.recall = {
			.count = ask->count,
			.deadline_ns = now_ns() + MIN(ask->first, RECALL_MOST_MS) *
							  NS_PER_MS,
		},
	};
	i64 error;
	u32 next = 0;

	do {
		error = far_holders(lend->io, lend->pages.slot, next, holders);
		next = holders->next;
		for (u32 i = 0; i < holders->count && !error; i++) {
			s.recall.slot = holders->holder[i].slot;
			s.recall.generation = holders->holder[i].generation;
			if (!fabric_put(lend->io->fabric, &s))
				error = -E_STATE;
		}
	} while (next && !error);
	if (error)
		print("%s: cannot ask them: %s\n", program_name(),
		      far_error_text(error));
}

static void
tell_recalled(const struct fabric_complete *c)
{
	if (c->outcome != FABRIC_DONE)
		print("%s: not asked: %s\n", program_name(),
		      far_error_text(far_result(c)));
	else
		print("%s: environment %u of node %u gave %lu pages, %lu were taken\n",
		      program_name(), c->environment, c->node, c->old[0], c->old[1]);
}

static void
answer(struct lend *lend, const struct fabric_complete *from)
{
	struct far_ask ask;

	if (from->length != sizeof(ask))
		return;
	memcpy(&ask, post_buffer(lend, from->tag), sizeof(ask));
	switch (ask.kind) {
	case FAR_ASK_PAGES:
		give(lend, &lend->pages, &ask, from);
		break;
	case FAR_ASK_BLOCKS:
		give(lend, &lend->blocks, &ask, from);
		break;
	case FAR_ASK_HANDLER:
		give(lend, &lend->handler, &ask, from);
		break;
	case FAR_ASK_POOL:
		give(lend, &lend->pool, &ask, from);
		break;
	case FAR_ASK_REVOKE:
		take_back(&lend->pool);
		take_back(&lend->handler);
		take_back(&lend->pages);
		take_back(&lend->blocks);
		lend->copies_until = now_ns() + FABRIC_LEASE_NS;
		break;
	case FAR_ASK_RECALL:
		recall(lend, &ask);
		break;
	case FAR_ASK_FREE:
		cap_drop_all(lend->pages.root);
		lend->pages.slot = SLOT_NONE;
		break;
	default:
		break;
	}
}

i64
lend_pages(struct lend *lend, const struct frame_run *run)
{
	return offer_part(&lend->pages, run->slot, CAP_READ | CAP_WRITE, run->frame,
			  run->count);
}

i64
lend_open(struct lend *lend, struct far_io *io, u8 *buffers, u32 pages,
	  u32 block_rights)
{
	static const struct lend_offer none = { SLOT_NONE, SLOT_NONE, 0, 0, 0 };
	u32 disk = block_rights ? startup_slot(ROLE_BLOCKS) : SLOT_NONE;
	i64 result = pages ? sys_frame_alloc(FRAME_ANY, pages) : 0;

	*lend = (struct lend){
		.io = io, .buffers = buffers, .pages = none, .blocks = none,
		.handler = none, .pool = none, .weighed = NODE_NONE,
	};
	if (result > 0)
		result = offer_open(&lend->pages, (u32)result,
				    CAP_READ | CAP_WRITE);
	if (!result && disk != SLOT_NONE)
		result = offer_open(&lend->blocks, disk, block_rights);
	if (!result)
		result = sys_endpoint_open(io->fabric->fabric_slot,
					   io->fabric->slot, FAR_SERVICE);
	lend->endpoint = (u32)result;
	for (u64 i = 0; i < LEND_POSTS && result >= 0; i++)
		result = post(lend, i) ? 0 : -E_STATE;
	return MIN(result, 0);
}

i64
lend_handler(struct lend *lend, u32 program)
{
	struct fabric_submit s = {
		.tag = TAG_HANDLE, .op = FABRIC_HANDLE, .slot = lend->endpoint,
		.handler = { .program_slot = program },
	};
	struct fabric_complete complete;
	struct frame_run frame;
	i64 error = frames_take(1, &frame);

	if (error)
		return error;
	memset(direct_address(frame.frame), 0, PAGE_SIZE);
	s.handler.frame_slot = frame.slot;
	s.handler.frame = frame.frame;
	error = fabric_run(lend->io->fabric, &s, &complete);
	if (!error)
		error = far_result(&complete);
	if (!error)
		error = offer_open(&lend->handler, lend->endpoint, CAP_WRITE);
	return error;
}

i64
lend_pool(struct lend *lend, u32 pages, void *buffer)
{
	i64 result = sys_frame_alloc(FRAME_ANY, pages);

	if (result < 0)
		return result;
	lend->holders = buffer;
	return offer_open(&lend->pool, (u32)result, CAP_READ | CAP_WRITE);
}

// Takes back what nodes hold that are silent: the rest of the cluster has use for it.
static void
tend_pool(struct lend *lend)
{
	u32 next = 0;

	do {
		if (far_holders(lend->io, lend->pool.slot, next, lend->holders))
			return;
		next = lend->holders->next;
		for (u32 i = 0; i < lend->holders->count; i++) {
			const struct fabric_holder *h = &lend->holders->holder[i];

			if (h->alive || far_expel(lend->io, lend->pool.slot, h))
				continue;
			print("%s: %lu pages come back from a silent node\n",
			      program_name(), h->count);
		}
	} while (next);
}

// Nothing came until it was time to look after something.
static void
tend(struct lend *lend)
{
	if (lend->copies_until && now_ns() >= lend->copies_until) {
		print("%s: no copy is left of what was taken back\n", program_name());
		lend->copies_until = 0;
	}
	if (lend->pool.slot != SLOT_NONE)
		tend_pool(lend);
}

// The next completion. False: it cannot go on, and *error says why.
static bool
step(struct lend *lend, i64 *error, bool *granted)
{
	u64 until = lend->pool.slot != SLOT_NONE ? now_ns() + TEND_NS : NEVER;
	struct fabric_complete complete;

	if (lend->copies_until)
		until = MIN(until, lend->copies_until);
	*error = fabric_flush(lend->io->fabric);
	if (*error)
		return false;
	if (!fabric_next(lend->io->fabric, &complete, until)) {
		tend(lend);
		return true;
	}
	if (complete.op == FABRIC_POST) {
		if (complete.outcome != FABRIC_DONE)
			return false;
		answer(lend, &complete);
		return post(lend, complete.tag);
	}
	if (complete.op == FABRIC_RECALL)
		tell_recalled(&complete);
	if (complete.op != FABRIC_GRANT)
		return true;		// the caller's, and nobody waits for it
	*granted = complete.outcome == FABRIC_DONE;
	if (!*granted)
		print("%s: a grant ended: %s\n", program_name(),
		      far_error_text(far_result(&complete)));
	return true;
}

i64
lend_run(struct lend *lend)
{
	bool granted;
	i64 error;

	while (step(lend, &error, &granted))
		;
	return error;
}

i64
lend_once(struct lend *lend)
{
	bool granted = false;
	i64 error = 0;

	while (!granted && step(lend, &error, &granted))
		;
	return granted ? 0 : error ? error : -E_STATE;
}
