// SPDX-License-Identifier: BSD-2-Clause
// Groups: who is a member, and the rounds by which all enter an epoch together.
//
// The lowest member that is alive makes the next epoch when those who are alive are
// others than its members. Its number is higher than any that it has heard of, and has
// its maker in it, so no two groups have the same one. Whoever hears of a higher epoch
// enters it, or, when it is left out, knows that it is fenced. What each member says
// of itself (life, epoch, round) is all that is sent, again and again: a message that
// was lost, came late or came twice changes nothing.
//
// Rounds, each begun when all members have ended the one before: (1) stopped: no
// operation open, words frozen, the dead fenced; (2) rebuilt: each home has read what
// all have of its pages; (3) cleared: nobody speaks for an earlier home; (4) open.

#include "dsm/core/state.h"
#include "kernel/base/assert.h"

static u32
lowest(u64 members)
{
	ASSERT(members);
	return (u32)__builtin_ctzll(members);
}

static u64
others(const struct coh *coh, u64 members)
{
	return members & ~coh_bit(coh->config.self);
}

// Members of the epoch that are alive in the life that it knows.
static u64
living(const struct coh *coh)
{
	u64 alive = 0;

	for (u64 left = coh->epoch.members & coh->alive; left; left &= left - 1) {
		u32 member = lowest(left);

		if (coh->alive_life[member] == coh->epoch.life[member])
			alive |= coh_bit(member);
	}
	return alive;
}

static bool
heard(const struct coh *coh, u32 member)
{
	const struct coh_peer *peer = &coh->peer[member];

	return member == coh->config.self ||
	       (peer->heard && peer->life == coh->alive_life[member]);
}

// Those who wait to be taken in.
static u64
newcomers(const struct coh *coh)
{
	u64 fresh = 0;

	for (u64 left = coh->alive; left; left &= left - 1) {
		u32 member = lowest(left);

		if (heard(coh, member) && member != coh->config.self &&
		    !coh->peer[member].epoch)
			fresh |= coh_bit(member);
	}
	return fresh;
}

// ---- entering

static void
promises_of_the_dead(struct coh *coh)
{
	for (u32 i = 0; i < coh->config.pages; i++) {
		struct coh_holding *h = &coh->memory.holdings[i];

		if (h->has_promise && h->promised_to != COH_DEAD &&
		    !coh_continues(&coh->epoch, &coh->last, h->promised_to))
			h->promised_to = COH_DEAD;
	}
}

// Round 1: nothing of the last epoch is under way, and nothing can begin.
static void
stop(struct coh *coh)
{
	ASSERT(!coh->open_count || DSM_BUG_IS(MOVED_EARLY));
	serve_forget_all(coh);
	tx_restart_all(coh);
	rebuild_freeze(coh);
	promises_of_the_dead(coh);
	for (u64 left = coh->last.members; left; left &= left - 1) {
		u32 member = lowest(left);

		if (!coh_continues(&coh->epoch, &coh->last, member) &&
		    !DSM_BUG_IS(NO_FENCE)) {
			coh->fence |= coh_bit(member);
			coh->fence_life[member] = coh->last.life[member];
		}
	}
	coh->last = coh->epoch;
	coh->phase = COH_STOPPED;
	coh->has_gathered = false;
	rebuild_begin(coh);
}

static void
enter(struct coh *coh, const struct coh_epoch *epoch)
{
	ASSERT(epoch->id > coh->epoch.id && epoch->members);
	coh->epoch = *epoch;
	coh->top_counter = MAX(coh->top_counter, epoch->id >> COH_COORDINATOR_BITS);
	coh->phase = COH_STOPPING;
	coh->tick_at = coh->now;
	barrier_reset(coh);
}

void
group_epoch(struct coh *coh, const struct coh_epoch *epoch)
{
	u32 self = coh->config.self;

	if (epoch->id <= coh->epoch.id || epoch->id > COH_EPOCH_MAX ||
	    coh->phase == COH_FENCED)
		return;
	coh->top_counter = MAX(coh->top_counter, epoch->id >> COH_COORDINATOR_BITS);
	if (epoch->members >> self & 1 && epoch->life[self] == coh->config.life)
		enter(coh, epoch);
	else if (coh->epoch.id)
		coh->phase = COH_FENCED;
}

static bool
all_at(const struct coh *coh, enum coh_phase phase)
{
	for (u64 left = others(coh, coh->epoch.members); left; left &= left - 1) {
		const struct coh_peer *peer = &coh->peer[lowest(left)];

		if (!peer->heard || peer->epoch != coh->epoch.id ||
		    peer->life != coh->epoch.life[lowest(left)] ||
		    peer->round < phase)
			return false;
	}
	return true;
}

static bool
may_advance(struct coh *coh)
{
	switch (coh->phase) {
	case COH_STOPPING:
		return !coh->fence &&
		       (!coh->open_count || DSM_BUG_IS(MOVED_EARLY));
	case COH_STOPPED:
		return rebuild_ended(coh);
	case COH_REBUILT:
		return all_at(coh, COH_REBUILT);
	case COH_CLEARED:
		return all_at(coh, COH_CLEARED);
	default:
		return false;
	}
}

void
group_advance(struct coh *coh)
{
	while (may_advance(coh)) {
		coh->say_status |= others(coh, coh->epoch.members);
		coh->tick_at = coh->now + coh->config.tick_ns;
		switch (coh->phase) {
		case COH_STOPPING:
			stop(coh);
			break;
		case COH_STOPPED:
			coh->has_gathered = true;
			coh->phase = COH_REBUILT;
			break;
		case COH_REBUILT:
			rebuild_clear(coh);
			coh->phase = COH_CLEARED;
			coh->cleared = coh->epoch.id;
			break;
		default:
			rebuild_open(coh);
			coh->has_gathered = false;
			coh->phase = COH_OPEN;
			coh->opened = coh->epoch.id;
			coh->counters.epochs++;
		}
	}
}

// Somebody in the epoch has missed one that was open (C8). It starts again.
static bool
somebody_missed(const struct coh *coh)
{
	u32 opened = coh->opened;
	bool missed = false;

	for (u64 left = others(coh, coh->epoch.members); left; left &= left - 1)
		opened = MAX(opened, coh->peer[lowest(left)].opened);
	for (u64 left = others(coh, coh->epoch.members); left; left &= left - 1) {
		u32 cleared = coh->peer[lowest(left)].cleared;

		missed |= cleared && cleared < opened;
	}
	return missed || (coh->cleared && coh->cleared < opened);
}

bool
group_stopped(const struct coh *coh)
{
	return coh->phase == COH_STOPPED &&
	       (DSM_BUG_IS(HASTY_HOME) ||
		(all_at(coh, COH_STOPPED) && !somebody_missed(coh)));
}

// This member itself is the one.
static void
fence_self(struct coh *coh)
{
	if (coh->phase != COH_STOPPED || !coh->cleared)
		return;
	for (u64 left = others(coh, coh->epoch.members); left; left &= left - 1) {
		if (coh->peer[lowest(left)].epoch == coh->epoch.id &&
		    coh->peer[lowest(left)].opened > coh->cleared)
			coh->phase = COH_FENCED;
	}
}

// ---- making an epoch

static void
make(struct coh *coh, u64 stay, u64 come)
{
	struct coh_epoch next = { .members = stay | come };
	u32 counter = coh->top_counter + 1;

	if (counter > COH_COUNTER_MAX)
		return;
	next.id = counter << COH_COORDINATOR_BITS | coh->config.self;
	for (u64 left = next.members; left; left &= left - 1) {
		u32 member = lowest(left);

		next.life[member] = member == coh->config.self
					    ? coh->config.life
					    : coh->alive_life[member];
		next.since[member] = stay & coh_bit(member)
					     ? coh->epoch.since[member]
					     : next.id;
	}
	enter(coh, &next);
	coh->say_epoch |= others(coh, next.members);
}

// The first epoch is made when all who are there have been heard of, and none has one.
static void
make_first(struct coh *coh)
{
	u64 fresh = newcomers(coh) | coh_bit(coh->config.self);

	if (fresh != coh->alive || lowest(coh->alive) != coh->config.self ||
	    coh->now - coh->alive_since < coh->config.form_ns)
		return;
	make(coh, 0, fresh);
}

static void
make_next(struct coh *coh)
{
	u64 alive = living(coh), fresh = newcomers(coh);
	bool somebody_died = alive != coh->epoch.members;

	if (!alive || lowest(alive) != coh->config.self ||
	    coh->now - coh->alive_since < coh->config.settle_ns)
		return;
	if (somebody_died || (fresh && coh->phase == COH_OPEN))
		make(coh, alive, fresh & ~alive);
}

static bool
all_open(const struct coh *coh)
{
	return coh->phase == COH_OPEN && all_at(coh, COH_OPEN);
}

void
group_tick(struct coh *coh)
{
	if (coh->phase == COH_FENCED || coh->now < coh->tick_at)
		return;
	coh->tick_at = coh->now + coh->config.tick_ns *
		(all_open(coh) && coh->alive == coh->epoch.members ? 8 : 1);
	coh->say_status |= others(coh, coh->alive | coh->epoch.members);
	barrier_tick(coh);
	if (!coh->may_change || !(coh->alive >> coh->config.self & 1))
		return;
	if (coh->epoch.id)
		make_next(coh);
	else
		make_first(coh);
}

void
group_status(struct coh *coh, u32 from, const struct coh_message *m)
{
	struct coh_peer *peer = &coh->peer[from];

	ASSERT(from < COH_MEMBERS_MAX && from != coh->config.self);
	if (m->epoch > COH_EPOCH_MAX)
		return;
	coh->top_counter = MAX(coh->top_counter, m->epoch >> COH_COORDINATOR_BITS);
	*peer = (struct coh_peer){
		.life = m->life, .epoch = m->epoch, .round = m->round,
		.opened = m->opened, .cleared = m->cleared, .heard = true,
	};
	if (m->life == coh->fence_life[from] && m->life)
		coh->say_fenced |= coh_bit(from);
	if (m->epoch > coh->epoch.id)
		coh->say_status |= coh_bit(from);
	if (m->epoch < coh->epoch.id &&
	    (m->epoch || (coh_is_member(coh, from) &&
			  coh->epoch.life[from] == m->life)))
		coh->say_epoch |= coh_bit(from);
	if (m->epoch == coh->epoch.id && m->round < coh->phase)
		coh->say_status |= coh_bit(from);
	fence_self(coh);
}

bool
group_next(struct coh *coh, struct coh_action *action)
{
	u64 *mask = coh->fence ? &coh->fence
		    : coh->say_fenced ? &coh->say_fenced
		    : coh->say_epoch ? &coh->say_epoch : &coh->say_status;
	enum coh_say say = mask == &coh->say_epoch ? COH_SAY_EPOCH
			   : mask == &coh->say_fenced ? COH_SAY_FENCED
						      : COH_SAY_STATUS;
	u32 to;

	if (!*mask)
		return false;
	to = lowest(*mask);
	*mask &= ~coh_bit(to);
	if (mask == &coh->fence) {
		*action = (struct coh_action){
			.what = COH_DO_FENCE,
			.member = (u8)to,
			.count = coh->fence_life[to],
		};
		return true;
	}
	coh_letter(coh, to, say, action)->version = coh->fence_life[to];
	return true;
}
