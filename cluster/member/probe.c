// SPDX-License-Identifier: BSD-2-Clause
// One probe a round, in a shuffled round robin over all that are not dead. A ping; when
// it is not answered within a few round trips, three others are asked to ping as well,
// and say within the round that they got no answer: if they do not even say that, it
// is this node that is slow, and its health tells it to be patient.
//
// Health lengthens rounds: well is 0, each point is one interval more. A round that
// went well halves it: Lifeguard takes one point off, and after a bad time a death
// would be seen late for seven long rounds.

#include "cluster/member/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define ANSWER_LEAST_NS (20 * NS_PER_MS)
#define ANSWER_MOST_NS (MEMBER_INTERVAL_NS / 2)
#define SLOWEST_MOST_NS (5 * MEMBER_INTERVAL_NS)
#define NACK_AFTER_NS (MEMBER_INTERVAL_NS / 4)

void
probe_void(struct members *m)
{
	m->probe.open = false;
	memset(m->old, 0, sizeof(m->old));
	memset(m->relay, 0, sizeof(m->relay));
}

// ---- the round robin

static void
shuffle(struct members *m)
{
	m->order_count = m->order_next = 0;
	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		if (!m->member[i].used || m->member[i].life == MEMBER_DEAD)
			continue;

		u32 at = (u32)prng_below(&m->prng, m->order_count + 1);

		m->order[m->order_count++] = m->order[at];
		m->order[at] = (u8)i;
	}
}

static u8
choose(struct members *m)
{
	for (u32 pass = 0; pass < 2; pass++) {
		while (m->order_next < m->order_count) {
			u8 slot = m->order[m->order_next++];

			if (m->member[slot].used && m->member[slot].life != MEMBER_DEAD)
				return slot;
		}
		shuffle(m);
	}
	return MEMBER_NONE;
}

void
probe_next(struct members *m, u8 slot)
{
	if (m->order_next > 0)
		m->order[--m->order_next] = slot;
	else if (m->order_next < m->order_count)
		m->order[m->order_next] = slot;
}

// ---- a round

// Longer than this is no round trip but somebody who stood still.
static void
saw_round_trip(struct members *m, u64 ns)
{
	m->slowest = MAX(m->slowest, MIN(ns, SLOWEST_MOST_NS));
}

static void
learn_round_trip(struct members *m, u64 ns)
{
	u64 off = ns > m->rtt ? ns - m->rtt : m->rtt - ns;

	m->rtt_spread += off / 4;
	m->rtt_spread -= m->rtt_spread / 4;
	m->rtt += ns / 8;
	m->rtt -= m->rtt / 8;
}

static void
begin(struct members *m, u64 now)
{
	u8 slot = choose(m);
	u64 wait = m->rtt + 4 * m->rtt_spread;
	struct member_intent ping = { .kind = MEMBER_PING };

	m->probe.open = false;
	if (slot == MEMBER_NONE)
		return;
	m->probe = (struct member_probe){ .open = true, .slot = slot, .began = now,
					  .sequence = ++m->sequence,
					  .incarnation = m->member[slot].id.incarnation };
	m->ask_at = now + MIN(MAX(wait, ANSWER_LEAST_NS), ANSWER_MOST_NS);
	m->count.probes++;
	ping.sequence = m->sequence;
	ping.to = ping.subject = m->member[slot].id;
	send_add(m, &ping);
}

static void
remember(struct members *m)
{
	for (u32 i = MEMBER_OLD_PROBES - 1; i > 0; i--)
		m->old[i] = m->old[i - 1];
	m->old[0] = m->probe;
	m->old[0].open = true;
}

static void
end(struct members *m, u64 now)
{
	const struct member_probe *p = &m->probe;
	const struct member *member = &m->member[p->slot];

	if (!p->open)
		return;
	m->probe.open = false;
	if (p->acked) {
		m->health /= 2;
		return;
	}
	m->count.failed_probes++;
	health_add(m, p->helpers ? (u32)p->helpers - MIN(p->nacks, p->helpers) : 1);
	remember(m);
	if (member->used && member->id.incarnation == p->incarnation)
		state_accuse(m, now, p->slot);
}

static void
ask_others(struct members *m)
{
	struct member_intent ask = { .kind = MEMBER_ASK, .sequence = m->probe.sequence,
				     .subject = m->member[m->probe.slot].id };
	u8 slots[MEMBERS_MAX];
	u32 count = 0;

	m->probe.asked = true;
	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		if (m->member[i].used && m->member[i].life == MEMBER_ALIVE &&
		    i != m->probe.slot)
			slots[count++] = (u8)i;
	}
	while (m->probe.helpers < MEMBER_ASKED && count) {
		u32 at = (u32)prng_below(&m->prng, count);

		ask.to = m->member[slots[at]].id;
		send_add(m, &ask);
		slots[at] = slots[--count];
		m->probe.helpers++;
	}
	m->count.indirect++;
}

static void
send_nacks(struct members *m, u64 now)
{
	for (u32 i = 0; i < MEMBER_RELAYS; i++) {
		struct member_relay *relay = &m->relay[i];
		struct member_intent nack = { .kind = MEMBER_NACK,
					      .sequence = relay->theirs,
					      .to = relay->requester,
					      .subject = relay->target };

		if (!relay->used || !relay->nack_at || now < relay->nack_at)
			continue;
		send_add(m, &nack);
		relay->nack_at = 0;	// an answer is still passed on
	}
}

void
probe_timer(struct members *m, u64 now)
{
	const struct member_probe *p = &m->probe;

	send_nacks(m, now);
	if (p->open && !p->acked && !p->asked && now >= m->ask_at)
		ask_others(m);
	if (now < m->tick_at)
		return;
	end(m, now);
	m->slowest -= m->slowest / 8;
	m->tick_at = now + MEMBER_INTERVAL_NS * (m->health + 1);
	begin(m, now);
}

u64
probe_deadline(const struct members *m)
{
	u64 at = m->tick_at;

	if (m->probe.open && !m->probe.acked && !m->probe.asked)
		at = MIN(at, m->ask_at);
	for (u32 i = 0; i < MEMBER_RELAYS; i++) {
		if (m->relay[i].used && m->relay[i].nack_at)
			at = MIN(at, m->relay[i].nack_at);
	}
	return at;
}

// ---- messages

// An answer to an earlier round: it lives, and this node waits too shortly.
static void
late_ack(struct members *m, u64 now, const struct member_message *message)
{
	for (u32 i = 0; i < MEMBER_OLD_PROBES; i++) {
		struct member_probe *old = &m->old[i];

		if (!old->open || old->sequence != message->sequence)
			continue;
		old->open = false;
		saw_round_trip(m, now - old->began);
		if (m->member[old->slot].id.incarnation == old->incarnation)
			state_postpone(m, now, &m->member[old->slot]);
	}
}

// An answer to a ping for another member.
static bool
pass_on(struct members *m, const struct member_message *message)
{
	for (u32 i = 0; i < MEMBER_RELAYS; i++) {
		struct member_relay *relay = &m->relay[i];
		struct member_intent ack = { .kind = MEMBER_ACK, .sequence = relay->theirs,
					     .to = relay->requester,
					     .subject = relay->target };

		if (!relay->used || relay->sequence != message->sequence)
			continue;
		relay->used = false;
		if (id_same(&message->subject, &relay->target))
			send_add(m, &ack);
		return true;
	}
	return false;
}

void
probe_ack(struct members *m, u64 now, const struct member_id *from,
	  const struct member_message *message)
{
	struct member_probe *p = &m->probe;

	if (pass_on(m, message))
		return;
	if (!p->open || p->sequence != message->sequence) {
		late_ack(m, now, message);
		return;
	}
	if (p->acked || !id_same(&message->subject, &m->member[p->slot].id) ||
	    p->incarnation != message->subject.incarnation)
		return;
	p->acked = true;
	saw_round_trip(m, now - p->began);
	if (id_same(from, &message->subject))
		learn_round_trip(m, now - p->began);
}

void
probe_nack(struct members *m, const struct member_message *message)
{
	if (m->probe.open && m->probe.sequence == message->sequence)
		m->probe.nacks++;
}

void
probe_ask(struct members *m, u64 now, const struct member_id *from,
	  const struct member_message *message)
{
	struct member_intent ping = { .kind = MEMBER_PING, .sequence = ++m->sequence,
				      .to = message->subject,
				      .subject = message->subject };
	struct member_relay *relay = &m->relay[0];

	// A free place, or that of the one that waits longest.
	for (u32 i = 0; i < MEMBER_RELAYS && relay->used; i++) {
		if (!m->relay[i].used || m->relay[i].sequence < relay->sequence)
			relay = &m->relay[i];
	}
	*relay = (struct member_relay){ .used = true, .sequence = m->sequence,
					.theirs = message->sequence,
					.nack_at = now + NACK_AFTER_NS,
					.requester = *from,
					.target = message->subject };
	send_add(m, &ping);
}
