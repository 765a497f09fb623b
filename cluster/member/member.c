// SPDX-License-Identifier: BSD-2-Clause
// The host's side: what comes in, and time.
//
// A pause shows in the core's own timer: it was due, and the host comes much later.
// Whatever did not arrive meanwhile is nobody's fault, so the open probe is void, those
// who are suspect get the time back, and this node says at once that it lives: others
// will have missed it.

#include "cluster/member/member.h"
#include "cluster/member/parts.h"
#include "cluster/planted/planted.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define LATE_NS (2 * MEMBER_INTERVAL_NS)
#define SYNC_NS (30 * NS_PER_SECOND)
#define VISIT_NS NS_PER_SECOND

static const char *const sentences[MEMBER_REASON_COUNT] = {
#define X(name, sentence) [MEMBER_##name] = (sentence),
#include "cluster/member/reasons.def"
#undef X
};

const char *
member_reason_sentence(enum member_reason reason)
{
	return (u32)reason < MEMBER_REASON_COUNT ? sentences[reason] : "an unknown reason";
}

void
members_init(struct members *m, u64 now, const struct member_id *self, u64 seed)
{
	ASSERT(self->incarnation);
	memset(m, 0, sizeof(*m));
	m->member[0] = (struct member){ .id = *self, .used = true, .life = MEMBER_ALIVE,
					.reason = MEMBER_SELF, .accuser = MEMBER_NONE,
					.turn = 1, .since = now, .heard = now,
					.first_heard = now };
	prng_seed(&m->prng, seed);
	m->sequence = (u32)prng_u64(&m->prng);
	m->rtt = MEMBER_INTERVAL_NS / 8;
	m->rtt_spread = MEMBER_INTERVAL_NS / 8;
	m->tick_at = now + prng_below(&m->prng, MEMBER_INTERVAL_NS);
	m->gossip_at = MEMBER_NEVER;
	m->visit_at = now + VISIT_NS / 4;
	m->sync_at = now + SYNC_NS / 2 + prng_below(&m->prng, SYNC_NS);
}

u8
members_find(const struct members *m, const u8 uuid[MEMBER_UUID])
{
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		if (m->member[i].used && !memcmp(m->member[i].id.uuid, uuid, MEMBER_UUID))
			return (u8)i;
	}
	return MEMBER_NONE;
}

u32
members_sorted(const struct members *m, u8 slots[MEMBERS_MAX])
{
	u32 count = 0;

	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		u32 at = count;

		if (!m->member[i].used)
			continue;
		for (; at > 0 && memcmp(m->member[slots[at - 1]].id.uuid,
					m->member[i].id.uuid, MEMBER_UUID) > 0; at--)
			slots[at] = slots[at - 1];
		slots[at] = (u8)i;
		count++;
	}
	return count;
}

// ---- time

u64
members_deadline(const struct members *m)
{
	u64 at = MIN(probe_deadline(m), state_deadline(m));

	at = MIN(at, m->sync_at);
	if (m->gossip_at != MEMBER_NEVER)
		at = MIN(at, m->gossip_at);
	return MIN(at, m->visit_at);
}

static void
notice_pause(struct members *m, u64 now)
{
	u64 due = members_deadline(m);

	if (HAS_BUG(PAUSE) || now <= due + LATE_NS)
		return;
	m->count.pauses++;
	health_add(m, 1);
	probe_void(m);
	state_extend(m, now - due);
	m->tick_at = now;
	state_refute(m, now, m->member[0].turn);
}

// One of those that count as alive, or MEMBER_NONE.
static u8
any_member(struct members *m, bool dead)
{
	u8 chosen = MEMBER_NONE;
	u32 count = 0;

	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		const struct member *member = &m->member[i];

		if (member->used && (member->life == MEMBER_DEAD) == dead &&
		    !prng_below(&m->prng, ++count))
			chosen = (u8)i;
	}
	return chosen;
}

// Greets one whom the host has a path to and who has not answered yet.
static void
greet(struct members *m)
{
	for (u32 i = 0; i < m->linked_count; i++) {
		const struct member_id *id = &m->linked[m->linked_next++ % m->linked_count];
		u8 slot = members_find(m, id->uuid);

		if (slot == MEMBER_NONE || !id_same(&m->member[slot].id, id) ||
		    m->member[slot].life == MEMBER_DEAD) {
			send_sync(m, id, true);
			return;
		}
	}
}

// The dead may live: a network that was parted comes together again.
static void
visit(struct members *m, u64 now)
{
	u8 slot = any_member(m, true);

	m->visit_at = now + VISIT_NS;
	if (HAS_BUG(REVISIT))
		return;
	greet(m);
	if (slot != MEMBER_NONE)
		send_sync(m, &m->member[slot].id, true);
}

static void
synchronize(struct members *m, u64 now)
{
	u8 slot = any_member(m, false);

	m->sync_at = now + SYNC_NS;
	if (slot != MEMBER_NONE)
		send_sync(m, &m->member[slot].id, true);
}

void
members_timer(struct members *m, u64 now)
{
	notice_pause(m, now);
	probe_timer(m, now);
	state_expire(m, now);
	if (now >= m->sync_at)
		synchronize(m, now);
	if (now >= m->visit_at)
		visit(m, now);
	if (now >= m->gossip_at) {
		if (send_has_rumours(m))
			send_gossip(m, now);
		else
			m->gossip_at = MEMBER_NEVER;
	}
}

// ---- what comes in

static u32
find_link(const struct members *m, const struct member_id *peer)
{
	u32 i = 0;

	while (i < m->linked_count && memcmp(m->linked[i].uuid, peer->uuid, MEMBER_UUID))
		i++;
	return i;
}

void
members_link(struct members *m, u64 now, const struct member_id *peer, bool up)
{
	u32 at = find_link(m, peer);
	u8 slot = members_find(m, peer->uuid);

	notice_pause(m, now);
	if (slot == 0)
		return;
	if (!up) {
		if (at < m->linked_count && id_same(&m->linked[at], peer))
			m->linked[at] = m->linked[--m->linked_count];
		if (slot != MEMBER_NONE && id_same(&m->member[slot].id, peer))
			probe_next(m, slot);
		return;
	}
	if (at < MEMBERS_MAX) {
		m->linked[at] = *peer;
		m->linked_count = MAX(m->linked_count, at + 1);
	}
	send_sync(m, peer, true);
}

// What the sender says of itself by sending. False: it is not that life of it that is
// known here, and was told so, or it has no slot.
static bool
hear_sender(struct members *m, u64 now, const struct member_id *from,
	    const struct member_message *message)
{
	const struct member_rumour claim = { .id = *from, .turn = message->turn,
					     .life = MEMBER_ALIVE };
	bool older = state_rumour(m, now, MEMBER_NONE, &claim);
	u8 slot = members_find(m, from->uuid);
	struct member *member = &m->member[slot == MEMBER_NONE ? 0 : slot];

	if (slot == MEMBER_NONE)
		return false;
	if (older || (member->life == MEMBER_SUSPECT && message->kind == MEMBER_ACK))
		send_simple(m, MEMBER_TELL, from);
	if (!id_same(&member->id, from))
		return false;
	member->heard = now;
	member->note = message->note;
	if (!member->first_heard && member->life != MEMBER_DEAD)
		member->first_heard = now;
	return true;
}

static void
hear_rumours(struct members *m, u64 now, const struct member_id *from,
	     const struct member_message *message)
{
	u8 slot = members_find(m, from->uuid);
	bool knows_better = false;

	for (u32 i = 0; i < message->rumours; i++) {
		struct member_rumour rumour;

		member_rumour_load(&rumour, message->rumour + i * (u64)MEMBER_RUMOUR);
		if (state_rumour(m, now, slot, &rumour))
			knows_better = true;
	}
	if (knows_better && message->kind == MEMBER_TELL)
		send_simple(m, MEMBER_TELL, from);
}

static void
answer_ping(struct members *m, const struct member_id *from,
	    const struct member_message *message)
{
	const struct member_intent ack = { .kind = MEMBER_ACK,
					   .sequence = message->sequence, .to = *from,
					   .subject = m->member[0].id };

	send_add(m, &ack);
}

static void
dispatch(struct members *m, u64 now, const struct member_id *from,
	 const struct member_message *message)
{
	switch ((enum member_kind)message->kind) {
	case MEMBER_PING:
		answer_ping(m, from, message);
		break;
	case MEMBER_ACK:
		probe_ack(m, now, from, message);
		break;
	case MEMBER_ASK:
		probe_ask(m, now, from, message);
		break;
	case MEMBER_NACK:
		probe_nack(m, message);
		break;
	case MEMBER_SYNC:
		if (message->flags & MEMBER_FLAG_ANSWER)
			send_sync(m, from, false);
		break;
	case MEMBER_TELL:
	case MEMBER_KINDS:
		break;
	}
}

void
members_input(struct members *m, u64 now, const struct member_id *from, const void *bytes,
	      u32 len)
{
	struct member_message message;

	notice_pause(m, now);
	m->count.received++;
	if (!member_message_load(&message, bytes, len)) {
		m->count.malformed++;
		return;
	}
	// The second: another machine with this UUID.
	if (!from->incarnation || !memcmp(from->uuid, m->member[0].id.uuid, MEMBER_UUID)) {
		m->count.strange++;
		return;
	}
	if (hear_sender(m, now, from, &message))
		hear_rumours(m, now, from, &message);
	else
		m->count.strange++;
	dispatch(m, now, from, &message);
}

u8
members_event(struct members *m)
{
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		struct member *member = &m->member[i];

		if (!member->used || (member->told_life == member->life &&
				      member->told_incarnation == member->id.incarnation))
			continue;
		member->told_life = member->life;
		member->told_incarnation = member->id.incarnation;
		return (u8)i;
	}
	return MEMBER_NONE;
}

void
members_check(const struct members *m)
{
	const struct member *self = &m->member[0];

	ASSERT(self->used && self->life == MEMBER_ALIVE);
	ASSERT(m->health <= MEMBER_HEALTH_MAX && m->output_count <= MEMBER_OUTPUTS);
	ASSERT(m->linked_count <= MEMBERS_MAX && m->order_count <= MEMBERS_MAX);
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		const struct member *member = &m->member[i];

		if (!member->used)
			continue;
		ASSERT(members_find(m, member->id.uuid) == i);
		ASSERT(member->turn && member->id.incarnation);
		ASSERT((member->life == MEMBER_SUSPECT) == (member->accusers != 0));
		ASSERT(member->life != MEMBER_SUSPECT ||
		       member->dead_at >= member->suspect_since);
	}
}
