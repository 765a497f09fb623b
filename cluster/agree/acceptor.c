// SPDX-License-Identifier: BSD-2-Clause
// The voter: promises, accepts, and says so when it is on disk. It may run ahead of
// its disk; each answer names the generation that has to be there first.
//
// A voter that has accepted nothing may be new, or have lost what it voted; the two
// cannot be told apart here. It takes a value that names it as new, takes part in making
// the first record, and refuses everything else: its own proposer brings it back by the
// answers of enough other voters (has_enough_others()).

#include "cluster/agree/parts.h"
#include "cluster/planted/planted.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

static const u8 nobody[AGREE_UUID];

bool
acceptor_is_blank(const struct agree_acceptor *acceptor)
{
	return ballot_none(acceptor->accepted);
}

void
agree_reply_add(struct agree *a, const struct agree_reply *reply)
{
	for (u32 i = 0; i < a->reply_count; i++) {
		const struct agree_reply *r = &a->reply[i];

		if (r->kind == reply->kind && ballot_same(r->ballot, reply->ballot) &&
		    !memcmp(r->to, reply->to, AGREE_UUID))
			return;
	}
	if (a->reply_count == AGREE_REPLIES) {
		a->count.dropped++;
		return;
	}
	a->reply[a->reply_count++] = *reply;
}

// Of the value that this node has, or zero.
static const u8 *
own_cluster(const struct agree *a)
{
	if (a->known.len)
		return a->known_head.cluster;
	return a->acceptor.value.len ? a->acceptor.head.cluster : nobody;
}

static enum agree_why
why_not_blank(const struct agree *a, const struct agree_message *m)
{
	if (HAS_BUG(AMNESIA))
		return WHY_NONE;
	if (m->kind == MESSAGE_ACCEPT) {
		bool first = m->head.version == 1 && !a->known.len;

		return m->flags & FLAG_JOINS || first ? WHY_NONE : WHY_LOST;
	}
	return memcmp(m->cluster, nobody, AGREE_UUID) || a->known.len ? WHY_LOST : WHY_NONE;
}

static enum agree_why
why_not(const struct agree *a, const struct agree_message *m)
{
	const struct agree_acceptor *acceptor = &a->acceptor;
	const u8 *mine = own_cluster(a);

	if (!acceptor->votes || acceptor->failed)
		return WHY_NO_DISK;
	if (memcmp(mine, nobody, AGREE_UUID) && memcmp(m->cluster, nobody, AGREE_UUID) &&
	    memcmp(mine, m->cluster, AGREE_UUID))
		return WHY_STRANGER;
	if (acceptor_is_blank(acceptor) && why_not_blank(a, m))
		return WHY_LOST;
	if (ballot_less(m->ballot, acceptor->promised) &&
	    !(HAS_BUG(PROMISE) && m->kind == MESSAGE_ACCEPT))
		return WHY_BALLOT;
	return WHY_NONE;
}

static void
accept(struct agree *a, u64 now, const struct agree_message *m)
{
	struct agree_acceptor *acceptor = &a->acceptor;

	if (ballot_same(acceptor->accepted, m->ballot))
		return;
	acceptor->promised = acceptor->accepted = m->ballot;
	acceptor->head = m->head;
	acceptor->value.len = m->len;
	memcpy(acceptor->value.bytes, m->value, m->len);
	acceptor->generation++;
	a->settle_at = now + AGREE_SETTLE_NS + prng_below(&a->prng, 2 * AGREE_SETTLE_NS);
}

void
acceptor_input(struct agree *a, u64 now, const u8 from[AGREE_UUID],
	       const struct agree_message *m)
{
	struct agree_acceptor *acceptor = &a->acceptor;
	struct agree_reply reply = { .ballot = m->ballot };

	ASSERT(m->kind == MESSAGE_PREPARE || m->kind == MESSAGE_ACCEPT);
	memcpy(reply.to, from, AGREE_UUID);
	reply.why = (u8)why_not(a, m);
	if (reply.why) {
		reply.kind = MESSAGE_REFUSE;
		a->count.refused++;
		agree_reply_add(a, &reply);
		return;
	}
	if (m->kind == MESSAGE_ACCEPT) {
		reply.kind = MESSAGE_ACCEPTED;
		accept(a, now, m);
	} else {
		reply.kind = MESSAGE_PROMISE;
		if (ballot_less(acceptor->promised, m->ballot)) {
			acceptor->promised = m->ballot;
			acceptor->generation++;
		}
	}
	reply.generation = HAS_BUG(NOT_DURABLE) ? 0 : acceptor->generation;
	agree_reply_add(a, &reply);
}
