// SPDX-License-Identifier: BSD-2-Clause
// The core's front: what comes in goes to the part that it concerns, and what the
// parts want done comes out, one action at a time. Answers to others come before what
// this member wants itself.

#include "dsm/core/coh.h"
#include "dsm/core/state.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define PAUSE_DOUBLINGS 6u

void
coh_init(struct coh *coh, const struct coh_config *config,
	 const struct coh_memory *memory, u64 now)
{
	ASSERT(config->pages && config->pages <= COH_PAGES_MAX);
	ASSERT(config->self < COH_MEMBERS_MAX && config->life);
	*coh = (struct coh){
		.config = *config, .memory = *memory, .now = now, .began = now,
		.alive_since = now, .tick_at = now,
	};
	prng_seed(&coh->prng, config->seed);
	for (u32 i = 0; i < config->pages; i++) {
		ASSERT(!memory->words[i].low && !memory->holdings[i].valid);
		// A life before this one may have marked pages as lost.
		memory->pages[i] = (struct coh_page){
			.lost = memory->pages[i].lost,
			.lost_version = memory->pages[i].lost_version,
		};
		memory->gathers[i] = (struct coh_gather){ 0 };
	}
}

u64
coh_pause(struct coh *coh, u32 tries, u64 began)
{
	u64 base = coh->config.retry_ns << MIN(tries, PAUSE_DOUBLINGS);
	u64 age = coh->now - began;

	// Who has waited longer than many pauses looks as often as a beginner.
	if (age > coh->config.retry_ns << (PAUSE_DOUBLINGS + 2))
		base = coh->config.retry_ns;
	return coh->now + base / 2 + prng_below(&coh->prng, base / 2 + 1);
}

void
coh_bind(struct coh *coh, u32 page, u8 bind, u32 version)
{
	struct coh_holding *h = &coh->memory.holdings[page];

	ASSERT(bind == COH_BIND_READ || bind == COH_BIND_WRITE);
	h->bind = bind;
	h->version = version;
	h->valid = true;
	h->has_promise = h->spoiled = false;
	coh->memory.pages[page].mapped = bind;
	coh->memory.pages[page].hold_until = coh->now + coh->config.hold_ns;
}

void
coh_hold(struct coh *coh, u32 page, u64 until)
{
	struct coh_page *p = &coh->memory.pages[page];

	ASSERT(page < coh->config.pages);
	p->hold_until = MAX(p->hold_until, until);
}

// Places are drawn for each (page, member): a member that goes leaves the order of the
// others as it is, so its second is the next home.
static u64
draw(u32 page, u32 member)
{
	u64 z = ((u64)page << 8 | member) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

u32
coh_home(const struct coh *coh, u32 page, u32 rank)
{
	u32 first = COH_DEAD, second = COH_DEAD;
	u64 first_draw = 0, second_draw = 0;

	ASSERT(page < coh->config.pages && rank < 2);
	for (u64 left = coh->epoch.members; left; left &= left - 1) {
		u32 member = (u32)__builtin_ctzll(left);
		u64 drawn = draw(page, member);

		if (first == COH_DEAD || drawn > first_draw) {
			second = first;
			second_draw = first_draw;
			first = member;
			first_draw = drawn;
		} else if (second == COH_DEAD || drawn > second_draw) {
			second = member;
			second_draw = drawn;
		}
	}
	return rank ? second : first;
}

struct coh_message *
coh_letter(struct coh *coh, u32 member, enum coh_say say,
	   struct coh_action *action)
{
	struct coh_letter *letter = &coh->letter;

	ASSERT(member < COH_MEMBERS_MAX && member != coh->config.self);
	letter->message = (struct coh_message){
		.say = (u8)say,
		.round = coh->phase,
		.life = coh->config.life,
		.epoch = coh->epoch.id,
		.opened = coh->opened,
		.cleared = coh->cleared,
	};
	if (say == COH_SAY_EPOCH)
		letter->epoch = coh->epoch;
	*action = (struct coh_action){
		.what = COH_DO_SEND,
		.member = (u8)member,
		.letter = letter,
		.length = say == COH_SAY_EPOCH ? sizeof(*letter)
					       : sizeof(letter->message),
	};
	return &letter->message;
}

void
coh_alive(struct coh *coh, u64 now, u64 here, u64 alive,
	  const u32 life[COH_MEMBERS_MAX], bool may_change)
{
	bool changed = alive != coh->alive;

	ASSERT(!(alive & ~here));
	coh->now = now;
	if (here != coh->here)
		coh->dark_ticks = 0;
	coh->here = here;
	for (u32 i = 0; i < COH_MEMBERS_MAX; i++) {
		changed |= coh->alive_life[i] != life[i];
		coh->alive_life[i] = life[i];
		// What it said before it went may be long past when it comes again.
		coh->peer[i].heard &= (alive & coh_bit(i)) != 0;
	}
	coh->alive = alive;
	coh->may_change = may_change;
	group_met(coh);
	if (changed) {
		coh->alive_since = now;
		coh->tick_at = now;
	}
}

// A message about pages or the barrier counts among members of one epoch that is open.
static bool
is_current(const struct coh *coh, u32 from, const struct coh_message *m)
{
	return coh->phase == COH_OPEN && m->epoch == coh->epoch.id &&
	       coh_is_member(coh, from) && m->life == coh->epoch.life[from] &&
	       m->page < coh->config.pages;
}

void
coh_message(struct coh *coh, u64 now, u32 from, const void *bytes, u32 len)
{
	struct coh_letter letter;
	const struct coh_message *m = &letter.message;

	coh->now = now;
	if (len > sizeof(letter) || len < sizeof(*m) ||
	    from >= COH_MEMBERS_MAX || from == coh->config.self)
		return;
	memcpy(&letter, bytes, len);
	if (m->say == COH_SAY_STATUS)
		group_status(coh, from, m);
	else if (m->say == COH_SAY_EPOCH && len == sizeof(letter))
		group_epoch(coh, &letter.epoch);
	else if (!is_current(coh, from, m))
		return;
	else if (m->say == COH_SAY_REVOKE)
		serve_revoke(coh, from, m);
	else if (m->say == COH_SAY_GONE)
		tx_gone(coh, from, m);
	else if (m->say == COH_SAY_ARRIVED || m->say == COH_SAY_RELEASED)
		barrier_message(coh, from, m);
}

void
coh_done(struct coh *coh, u64 now, u32 tag, const struct coh_result *result)
{
	ASSERT(coh->open_count > 0);
	coh->now = now;
	coh->open_count--;
	switch (tag >> 24) {
	case TAG_TX:
		tx_done(coh, tag & 0xffffff, result);
		break;
	case TAG_SERVE:
		serve_done(coh, tag & 0xffffff, result);
		break;
	default:
		rebuild_done(coh, tag, result);
	}
}

bool
coh_next(struct coh *coh, u64 now, struct coh_action *action)
{
	coh->now = now;
	if (coh->phase == COH_FENCED)
		return false;
	group_tick(coh);
	group_advance(coh);
	if (group_next(coh, action) || serve_next(coh, action) ||
	    tx_next(coh, action) || barrier_next(coh, action))
		return coh->open_count += action->tag != 0, true;
	if (!rebuild_next(coh, action)) {
		group_advance(coh);
		return group_next(coh, action);
	}
	coh->open_count++;
	return true;
}

u64
coh_due(const struct coh *coh)
{
	u64 due;

	if (coh->phase == COH_FENCED)
		return COH_NEVER;
	due = MIN(coh->tick_at, MIN(serve_due(coh), tx_due(coh)));
	if (coh->phase == COH_STOPPED && coh->gather_due > coh->now)
		due = MIN(due, coh->gather_due);
	return due;
}

void
coh_check(const struct coh *coh)
{
	for (u32 i = 0; i < coh->config.pages; i++) {
		const struct coh_page *p = &coh->memory.pages[i];
		const struct coh_holding *h = &coh->memory.holdings[i];

		ASSERT(p->mapped <= h->bind || p->serve);
		ASSERT(!p->tx || (p->tx <= COH_TX_MAX &&
				  coh->tx[p->tx - 1].page == i));
		ASSERT(!p->serve || (p->serve <= COH_SERVE_MAX &&
				     coh->serve[p->serve - 1].page == i));
	}
	ASSERT(coh->open_count <= COH_TX_MAX + COH_SERVE_MAX + 1 +
					  COH_GATHER_READS);
}
