// SPDX-License-Identifier: BSD-2-Clause
// Groups: who is a member, and the rounds by which all enter an epoch together.
//
// The lowest member that is alive makes the next epoch when those who are alive are
// others than its members. Its number is higher than any that it has heard of, and has
// its maker in it, so no two groups have the same one. Whoever hears of a higher epoch
// by a maker from the last one that it cleared enters it. Several may be made at once by
// members that see different ones; one that does not open changes nothing, and what
// follows is made from the last that may have opened. An epoch opens only when all its
// members have cleared it, so whoever hears of one that is open, and higher than what it
// has cleared, was left out and is fenced. What each member says of itself (life, epoch,
// round, opened, cleared) is all that is sent, again and again: a message that was lost,
// came late or came twice changes nothing.
//
// Rounds, each begun when all members have ended the one before: (1) stopped: no
// operation open, words frozen, the dead fenced; (2) rebuilt: each home has read what
// all have of its pages; (3) cleared: nobody speaks for an earlier home; (4) open.

#include "dsm/core/state.h"
#include "kernel/base/assert.h"

#define UNSEEN_FORMS 2u		// times form_ns
#define UNHEARD_TICKS 64u

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

// Members of an epoch that are alive in the life that it knows.
static u64
living(const struct coh *coh, const struct coh_epoch *epoch)
{
	u64 alive = 0;

	for (u64 left = epoch->members & coh->alive; left; left &= left - 1) {
		u32 member = lowest(left);

		if (coh->alive_life[member] == epoch->life[member])
			alive |= coh_bit(member);
	}
	return alive;
}

void
group_met(struct coh *coh)
{
	coh->met = (coh->met & coh->epoch.members) | living(coh, &coh->epoch);
}

static bool
heard(const struct coh *coh, u32 member)
{
	const struct coh_peer *peer = &coh->peer[member];

	return member == coh->config.self ||
	       (peer->heard && peer->life == coh->alive_life[member]);
}

// Those who wait to be taken in: they have nothing.
static u64
newcomers(const struct coh *coh)
{
	u64 fresh = 0;

	for (u64 left = coh->alive; left; left &= left - 1) {
		u32 member = lowest(left);

		if (heard(coh, member) && member != coh->config.self &&
		    !coh->peer[member].cleared)
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
	if (coh->epoch.since[coh->config.self] > coh->last.id &&
	    !DSM_BUG_IS(OLD_NEWS))
		rebuild_forget(coh);
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

// An epoch that did not open may have left out whom this one has.
static void
lend_again(struct coh *coh)
{
	for (u64 left = coh->epoch.members; left; left &= left - 1) {
		u32 member = lowest(left);

		if (!coh->fence_life[member] ||
		    coh->fence_life[member] != coh->epoch.life[member])
			continue;
		coh->fence_life[member] = 0;
		coh->fence |= coh_bit(member);
	}
}

static void
enter(struct coh *coh, const struct coh_epoch *epoch)
{
	ASSERT(epoch->id > coh->epoch.id && epoch->members);
	coh->epoch = *epoch;
	coh->top_counter = MAX(coh->top_counter, epoch->id >> COH_COORDINATOR_BITS);
	coh->phase = COH_STOPPING;
	coh->tick_at = coh->entered_at = coh->now;
	coh->met = 0;
	group_met(coh);
	lend_again(coh);
	barrier_reset(coh);
}

// The epoch that the next one comes from: the last that may have opened, as far as this
// member knows. When others have cleared the present one, it is that for them.
static const struct coh_epoch *
base(const struct coh *coh)
{
	bool cleared = false;

	for (u64 left = others(coh, coh->epoch.members); left; left &= left - 1) {
		u32 member = lowest(left);
		const struct coh_peer *peer = &coh->peer[member];

		// It cannot open.
		if (peer->life == coh->epoch.life[member] &&
		    peer->epoch > coh->epoch.id && peer->cleared < coh->epoch.id)
			return &coh->base;
		cleared |= peer->cleared == coh->epoch.id;
	}
	return cleared ? &coh->epoch : &coh->base;
}

// Its maker was with us in the last one that may have opened, or is in the present one:
// then it may have heard that this one was cleared, and we not yet. One that was in neither
// has missed something: nodes hear of a heal at different times, and whoever comes back may
// see a part of us and believe itself the lowest.
static bool
is_ours(const struct coh *coh, const struct coh_epoch *epoch)
{
	u32 maker = epoch->id & ((1u << COH_COORDINATOR_BITS) - 1);
	const struct coh_epoch *from = base(coh);

	STATIC_ASSERT(1u << COH_COORDINATOR_BITS == COH_MEMBERS_MAX);
	return !from->id || coh_continues(epoch, from, maker) ||
	       coh_continues(epoch, &coh->epoch, maker);
}

void
group_epoch(struct coh *coh, const struct coh_epoch *epoch)
{
	u32 self = coh->config.self;

	if (epoch->id <= coh->epoch.id || epoch->id > COH_EPOCH_MAX ||
	    coh->phase == COH_FENCED)
		return;
	coh->top_counter = MAX(coh->top_counter, epoch->id >> COH_COORDINATOR_BITS);
	if (is_ours(coh, epoch) && epoch->members >> self & 1 &&
	    epoch->life[self] == coh->config.life)
		enter(coh, epoch);
	else if (DSM_BUG_IS(EARLY_FENCE) && coh->cleared)
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
			coh->prior = coh->base;
			coh->base = coh->epoch;
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

// Somebody has left what this member has cleared, and had not: it cannot open, and has
// changed nothing.
static void
go_back(struct coh *coh, u32 from)
{
	const struct coh_peer *peer = &coh->peer[from];

	if (coh->opened == coh->cleared || !(coh->base.members >> from & 1) ||
	    coh->base.life[from] != peer->life || peer->epoch <= coh->base.id ||
	    peer->cleared >= coh->base.id || DSM_BUG_IS(NO_WAY_BACK))
		return;
	coh->base = coh->prior;
	coh->cleared = coh->base.id;
}

// An epoch opens only when all its members have cleared it: this one was left out.
static void
fence_self(struct coh *coh, u32 from)
{
	if (coh->cleared && coh->peer[from].opened > coh->cleared)
		coh->phase = COH_FENCED;
}

// ---- making an epoch

// The epoch that a member of the next one joined with. Who came with the present one, which
// did not open, may have gathered for it what others have forgotten since.
static u32
since(const struct coh *coh, const struct coh_epoch *next, u32 member, bool stays)
{
	if (stays)
		return base(coh)->since[member];
	return coh_continues(next, &coh->epoch, member) ? coh->epoch.since[member]
							: next->id;
}

// How many were in the last epoch that may have opened, and are gone: what was published in
// it has two copies, so one death has left one.
static u32
gone(const struct coh *coh, const struct coh_epoch *next)
{
	u32 count = 0;

	for (u64 left = base(coh)->members; left; left &= left - 1)
		count += !coh_continues(next, base(coh), lowest(left));
	return count;
}

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
		next.since[member] = since(coh, &next, member,
					   stay & coh_bit(member));
	}
	next.gone = gone(coh, &next);
	enter(coh, &next);
	coh->say_epoch |= others(coh, next.members);
}

// Members that were here and are not any more. One that this node has not seen yet is
// no such: nodes hear of a change at different times, and who has just come in would
// leave out those who took it in: one more change, and they begin anew. But not for ever:
// it may have died before.
static bool
somebody_died(const struct coh *coh)
{
	u64 missing = coh->epoch.members & ~living(coh, &coh->epoch);

	if (coh->now - coh->entered_at < UNSEEN_FORMS * coh->config.form_ns)
		missing &= coh->met;
	return missing != 0;
}

// Somebody has gone on to another epoch, so this one cannot open. That one may, and
// gets the time for it.
static bool
is_deserted(const struct coh *coh)
{
	if (coh->phase == COH_OPEN ||
	    coh->now - coh->entered_at < coh->config.form_ns)
		return false;
	for (u64 left = others(coh, coh->epoch.members); left; left &= left - 1) {
		if (coh->peer[lowest(left)].epoch > coh->epoch.id)
			return true;
	}
	return false;
}

// The first epoch is made when all who are there have been heard of, and none has one.
static void
make_first(struct coh *coh)
{
	u64 fresh = newcomers(coh) | coh_bit(coh->config.self);

	if (fresh != coh->alive || lowest(coh->alive) != coh->config.self ||
	    coh->now - coh->alive_since < coh->config.form_ns)
		return;
	if (!coh->epoch.id || somebody_died(coh) || is_deserted(coh))
		make(coh, 0, fresh);
}

// An epoch that did not open changes nothing: the next one, too, is made of those who
// were in the last that may have.
static void
make_next(struct coh *coh)
{
	u64 alive = living(coh, base(coh)), fresh = newcomers(coh);

	if (!alive || lowest(alive) != coh->config.self ||
	    coh->now - coh->alive_since < coh->config.settle_ns)
		return;
	if (somebody_died(coh) || is_deserted(coh) ||
	    (fresh && coh->phase == COH_OPEN))
		make(coh, alive, fresh & ~alive);
}

// Whoever runs and has not said yet where it is may know of an epoch that this member
// missed: nothing is decided before. Nor before a life that is over has begun its next one,
// for the majority that this node reaches is to be one of members. What may last for ever is
// waited for so long only: one that was never a member may not open its region at all. That
// is counted in ticks, since time goes on while this node stands still.
static bool
is_in_the_dark(struct coh *coh)
{
	const struct coh_epoch *from = base(coh);
	u64 members = living(coh, from) | newcomers(coh), unheard = 0, over = 0;

	for (u64 left = others(coh, coh->here); left; left &= left - 1) {
		u64 bit = left & -left;

		if (!(coh->alive & bit) || !heard(coh, lowest(left)))
			unheard |= bit;
		else if (!(members & bit))
			over |= bit;
	}
	coh->dark_ticks = unheard | over ? coh->dark_ticks + 1 : 0;
	if (coh->dark_ticks > UNHEARD_TICKS)
		return (unheard & (coh->alive | from->members)) != 0;
	return (unheard | over) != 0;
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
	if (!coh->may_change || !(coh->alive >> coh->config.self & 1) ||
	    (is_in_the_dark(coh) && !DSM_BUG_IS(UNHEARD_DEAD)))
		return;
	if (base(coh)->id)
		make_next(coh);
	else
		make_first(coh);
}

// Letters overtake each other, and a life only goes forward: what an older one says of it
// would make it a newcomer once more, and a new epoch for nothing.
static bool
is_overtaken(const struct coh_peer *peer, const struct coh_message *m)
{
	return peer->heard && m->life == peer->life &&
	       (m->epoch < peer->epoch ||
		(m->epoch == peer->epoch && m->round < peer->round)) &&
	       !DSM_BUG_IS(OLD_STATUS);
}

void
group_status(struct coh *coh, u32 from, const struct coh_message *m)
{
	struct coh_peer *peer = &coh->peer[from];

	ASSERT(from < COH_MEMBERS_MAX && from != coh->config.self);
	if (m->epoch > COH_EPOCH_MAX || is_overtaken(peer, m))
		return;
	coh->top_counter = MAX(coh->top_counter, m->epoch >> COH_COORDINATOR_BITS);
	*peer = (struct coh_peer){
		.life = m->life, .epoch = m->epoch, .round = m->round,
		.opened = m->opened, .cleared = m->cleared, .heard = true,
	};
	if (m->epoch > coh->epoch.id ||
	    (m->cleared && m->cleared < coh->opened))
		coh->say_status |= coh_bit(from);
	if (m->epoch < coh->epoch.id &&
	    (m->epoch || (coh_is_member(coh, from) &&
			  coh->epoch.life[from] == m->life)))
		coh->say_epoch |= coh_bit(from);
	if (m->epoch == coh->epoch.id && m->round < coh->phase)
		coh->say_status |= coh_bit(from);
	go_back(coh, from);
	fence_self(coh, from);
}

bool
group_next(struct coh *coh, struct coh_action *action)
{
	u64 *mask = coh->fence ? &coh->fence
		    : coh->say_epoch ? &coh->say_epoch : &coh->say_status;
	enum coh_say say = mask == &coh->say_epoch ? COH_SAY_EPOCH : COH_SAY_STATUS;
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
	(void)coh_letter(coh, to, say, action);
	return true;
}
