// SPDX-License-Identifier: BSD-2-Clause
// Alive, suspect, dead: every change of them is made here.
//
// What is said of a node has a turn, which only the node itself counts on. A higher
// turn is news; for the same turn and life, dead beats suspect beats alive. A suspect
// has until dead_at, which comes nearer with each member that accuses it, and is
// farther away while this node itself is slow: its health, and the longest round trip
// that it saw lately, stretch the wait.

#include "cluster/member/parts.h"
#include "cluster/planted/planted.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define SUSPICION_INTERVALS 4u
#define SUSPICION_STRETCH 6u	// longest over shortest
#define CONFIRMATIONS 2u	// that make it the shortest
#define ROUND_TRIPS 3u
#define TELL_TIMES 4u

u32
members_alive(const struct members *m)
{
	u32 alive = 0;

	for (u32 i = 0; i < MEMBERS_MAX; i++)
		alive += m->member[i].used && m->member[i].life != MEMBER_DEAD;
	return alive;
}

void
health_add(struct members *m, u32 by)
{
	m->health = MIN(m->health + by, MEMBER_HEALTH_MAX);
}

// A thousand times max(1, log10 n), by lines between powers of two.
static u64
scale(u32 n)
{
	static const u16 at[] = { 1000, 1204, 1505, 1806 };	// 10, 16, 32, 64

	if (n <= 10)
		return at[0];
	if (n <= 16)
		return at[0] + (at[1] - at[0]) * (n - 10) / 6;
	if (n <= 32)
		return at[1] + (at[2] - at[1]) * (n - 16) / 16;
	return at[2] + (at[3] - at[2]) * (MIN(n, 64u) - 32) / 32;
}

static u64
shortest_suspicion(const struct members *m)
{
	u64 ns = SUSPICION_INTERVALS * MEMBER_INTERVAL_NS / 1000 * scale(members_alive(m));

	if (HAS_BUG(HEALTH))
		return ns;
	return MAX(ns, ROUND_TRIPS * m->slowest) * (2 + m->health) / 2;
}

static u64
suspicion(const struct members *m, const struct member *member)
{
	// ln(c + 1) / ln(k + 1) in thousandths, for c accusers besides the first.
	static const u16 nearer[CONFIRMATIONS + 1] = { 0, 631, 1000 };
	u64 least = shortest_suspicion(m), most = least * SUSPICION_STRETCH;
	u32 more = (u32)__builtin_popcountll(member->accusers) - 1;

	// Two members besides the suspect and this node are needed to confirm.
	if (members_alive(m) < CONFIRMATIONS + 2)
		return least;
	return most - (most - least) / 1000 * nearer[MIN(more, CONFIRMATIONS)];
}

static void
tell(struct members *m, struct member *member)
{
	u32 digits = members_alive(m) + 1 <= 10 ? 1 : 2;

	member->tell = (u8)(TELL_TIMES * digits);
}

static void
set_life(struct members *m, u64 now, struct member *member, enum member_life life,
	 enum member_reason reason)
{
	bool was_dead = !member->life || member->life == MEMBER_DEAD;

	if (member->life != life)
		member->since = now;
	member->life = (u8)life;
	member->reason = (u8)reason;
	if (was_dead != (life == MEMBER_DEAD))
		m->epoch++;
	if (life == MEMBER_DEAD)
		member->first_heard = 0;
	if (life != MEMBER_SUSPECT)
		member->accusers = 0;
	tell(m, member);
	send_gossip(m, now);
}

static void
set_alive(struct members *m, u64 now, struct member *member, enum member_reason reason)
{
	member->accuser = MEMBER_NONE;
	set_life(m, now, member, MEMBER_ALIVE, reason);
}

static void
die(struct members *m, u64 now, struct member *member, u8 by, enum member_reason reason)
{
	ASSERT(member != m->member && member->life != MEMBER_DEAD);
	m->count.deaths++;
	member->accuser = by;
	set_life(m, now, member, MEMBER_DEAD, reason);
}

static void
accuse(struct members *m, u64 now, struct member *member, u8 by, enum member_reason reason)
{
	u64 bit = 1ull << by;

	ASSERT(member != m->member && by < MEMBERS_MAX && member->life != MEMBER_DEAD);
	if (member->life == MEMBER_ALIVE) {
		m->count.suspicions++;
		member->suspect_since = now;
		member->accusers = bit;
		member->accuser = by;
		set_life(m, now, member, MEMBER_SUSPECT, reason);
	} else if (member->accusers & bit) {
		return;
	} else {
		member->accusers |= bit;
		member->accuser = by;
		tell(m, member);
		send_gossip(m, now);
	}
	member->dead_at = member->suspect_since + suspicion(m, member);
}

void
state_accuse(struct members *m, u64 now, u8 slot)
{
	struct member *member = &m->member[slot];

	ASSERT(slot > 0 && slot < MEMBERS_MAX && member->used);
	if (member->life != MEMBER_DEAD)
		accuse(m, now, member, 0, MEMBER_SILENT);
}

void
state_expire(struct members *m, u64 now)
{
	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		struct member *member = &m->member[i];

		if (member->used && member->life == MEMBER_SUSPECT && now >= member->dead_at)
			die(m, now, member, member->accuser, MEMBER_EXPIRED);
	}
}

void
state_extend(struct members *m, u64 ns)
{
	for (u32 i = 1; i < MEMBERS_MAX; i++)
		m->member[i].dead_at += ns;
}

void
state_postpone(struct members *m, u64 now, struct member *member)
{
	if (member->life == MEMBER_SUSPECT)
		member->dead_at = MAX(member->dead_at, now + shortest_suspicion(m));
}

u64
state_deadline(const struct members *m)
{
	u64 at = MEMBER_NEVER;

	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		if (m->member[i].used && m->member[i].life == MEMBER_SUSPECT)
			at = MIN(at, m->member[i].dead_at);
	}
	return at;
}

void
state_refute(struct members *m, u64 now, u32 turn)
{
	struct member *self = &m->member[0];

	if (HAS_BUG(REFUTATION) || turn < self->turn)
		return;
	m->count.refutations++;
	self->turn = turn + 1;
	tell(m, self);
	send_gossip(m, now);
}

// A slot for a node that was not known: a free one, or that of the longest dead.
static struct member *
take_slot(struct members *m)
{
	struct member *oldest = NULL;

	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		struct member *member = &m->member[i];

		if (!member->used)
			return member;
		if (member->life == MEMBER_DEAD && (!oldest || member->since < oldest->since))
			oldest = member;
	}
	return oldest;
}

static struct member *
add_member(struct members *m, u64 now, const struct member_rumour *r, enum member_reason why)
{
	struct member *member = r->life == MEMBER_DEAD ? NULL : take_slot(m);

	if (!member)
		return NULL;
	for (u32 i = 1; i < MEMBERS_MAX; i++)
		m->member[i].accusers &= ~(1ull << slot_of(m, member));
	memset(member, 0, sizeof(*member));
	member->id = r->id;
	member->turn = r->turn;
	member->used = true;
	member->told_life = 0;
	set_alive(m, now, member, why);
	return member;
}

// Something said of this node.
static void
hear_of_self(struct members *m, u64 now, const struct member_rumour *r)
{
	bool other = r->id.incarnation != m->member[0].id.incarnation;

	if (r->turn < m->member[0].turn || (!other && r->life == MEMBER_ALIVE))
		return;
	if (!other)
		health_add(m, 1);
	state_refute(m, now, r->turn);
}

static bool
is_news(const struct member *member, const struct member_rumour *r)
{
	if (HAS_BUG(TURN))
		return r->turn != member->turn || r->life != member->life;
	if (r->turn != member->turn)
		return r->turn > member->turn;
	return r->id.incarnation > member->id.incarnation;
}

// By whom a rumour accuses: who says so first, if it is known, else who brought it.
static u8
accuser_of(const struct members *m, u8 from, const struct member_rumour *r)
{
	u8 by = members_find(m, r->accuser);

	return by == MEMBER_NONE || by == members_find(m, r->id.uuid) ? from : by;
}

static void
take_news(struct members *m, u64 now, u8 from, struct member *member,
	  const struct member_rumour *r)
{
	bool reborn = member->id.incarnation != r->id.incarnation;

	member->id.incarnation = r->id.incarnation;
	member->turn = r->turn;
	if (reborn) {
		member->heard = member->first_heard = 0;
		m->epoch++;
	}
	if (r->life == MEMBER_DEAD) {
		if (member->life != MEMBER_DEAD)
			die(m, now, member, accuser_of(m, from, r), MEMBER_TOLD_DEAD);
		return;
	}
	set_alive(m, now, member, reborn ? MEMBER_REBORN : MEMBER_ANSWERED);
}

bool
state_rumour(struct members *m, u64 now, u8 from, const struct member_rumour *r)
{
	u8 slot = members_find(m, r->id.uuid);
	struct member *member = &m->member[slot == MEMBER_NONE ? 0 : slot];

	if (slot == 0) {
		hear_of_self(m, now, r);
		return false;
	}
	if (slot == MEMBER_NONE) {
		member = add_member(m, now, r,
				    from == MEMBER_NONE ? MEMBER_GREETED : MEMBER_TOLD_OF);
		if (!member)
			return false;
	} else if (is_news(member, r)) {
		take_news(m, now, from, member, r);
	} else if (r->turn < member->turn || r->id.incarnation != member->id.incarnation) {
		member->tell = MAX(member->tell, 1);
		return true;
	}
	if (from == MEMBER_NONE || member->life == MEMBER_DEAD)
		return r->life != MEMBER_DEAD && member->life == MEMBER_DEAD;
	if (r->life == MEMBER_SUSPECT)
		accuse(m, now, member, accuser_of(m, from, r), MEMBER_ACCUSED);
	else if (r->life == MEMBER_DEAD)
		die(m, now, member, accuser_of(m, from, r), MEMBER_TOLD_DEAD);
	return false;
}
