// SPDX-License-Identifier: BSD-2-Clause
// A new epoch's homes: each gathers, from all members' holdings, what there is of its
// pages, decides what the words are, fetches contents that are elsewhere, and puts the
// words into use when everybody has forgotten the earlier homes.
//
// What is believed of a page, in this order:
//   1. who is bound M has it; the home's frame waits
//   2. the word of the earlier home, if that member is still here: the frame there is
//      the content, unless the word's owner is gone (then: lost)
//   3. who is bound S: nobody can have written without asking them
//   4. the newest copy of those who gave it up, if all for whom they did are still
//      here: these speak for themselves (else: lost)
//
// Lost means that something newer may have existed. The newest content that is left
// stays in the home's frame, and the word says `lost` until somebody resets it. A
// region with COH_PUBLISHED goes on with the newest frame, or what was published: that was
// in two places, so a page is lost only when two members are gone at once. Such a page's
// second is told (COH_NOTE_LOST), so that it stays lost when its home dies.

#include "dsm/core/state.h"
#include "kernel/base/assert.h"

// ---- freezing

static void
summarize(struct coh *coh, u32 index, const struct coh_entry *e)
{
	struct coh_holding *h = &coh->memory.holdings[index];
	bool current = e->state != COH_M && !(e->state == COH_B && e->from_owner);

	h->was_home = true;
	h->home_state = e->state;
	h->home_owner = e->state == COH_M ? e->owner
			: e->from_owner && e->sharers
				? (u8)__builtin_ctzll(e->sharers)
				: 0;
	h->home_from_owner = e->from_owner;
	h->home_lost = e->lost;
	h->home_version = e->version;
	h->home_epoch = e->epoch;
	if (h->bind != COH_BIND_NONE)
		return;
	h->valid = current && !e->lost;
	if (current)
		h->version = e->state == COH_B ? e->version - 1 : e->version;
}

void
rebuild_forget(struct coh *coh)
{
	for (u32 i = 0; i < coh->config.pages; i++) {
		ASSERT(!coh->memory.words[i].low);
		coh->memory.holdings[i] = (struct coh_holding){ 0 };
	}
	coh->has_gathered = false;
}

void
rebuild_freeze(struct coh *coh)
{
	for (u32 i = 0; i < coh->config.pages; i++) {
		struct coh_word *word = &coh->memory.words[i];
		struct coh_word was;
		struct coh_entry e;

		// Once the low half is zero no clause fits, so the high one stays.
		was.low = __atomic_exchange_n(&word->low, 0, __ATOMIC_SEQ_CST);
		was.high = __atomic_exchange_n(&word->high, 0, __ATOMIC_SEQ_CST);
		if (!was.low && coh->has_gathered &&
		    coh->memory.gathers[i].word.low)
			was = coh->memory.gathers[i].word;
		e = coh_word_unpack(was);
		if (e.epoch)
			summarize(coh, i, &e);
	}
}

// ---- gathering

static void
raise(u32 *top, bool has, u32 version)
{
	if (!has || coh_older(*top, version))
		*top = version;
}

static void
gather_top(struct coh_gather *g, u32 version)
{
	raise(&g->top_version, g->has_top, version);
	g->has_top = true;
}

// Several may speak when an epoch did not open. Nothing has changed since the one before,
// and its home knows of those who were left out, too. It cannot be older than that: who
// has cleared a later one says nothing any more.
static void
gather_home(struct coh_gather *g, u32 member, const struct coh_holding *h)
{
	gather_top(g, h->home_version);
	if (g->has_home && g->home_epoch < h->home_epoch)
		return;
	g->has_home = true;
	g->home = (u8)member;
	g->home_state = h->home_state & COH_B;
	g->home_owner = h->home_owner;
	g->home_from_owner = h->home_from_owner;
	g->home_lost = h->home_lost;
	g->home_version = h->home_version;
	g->home_epoch = h->home_epoch;
}

static void
gather_copy(struct coh_gather *g, u32 member, const struct coh_holding *h)
{
	gather_top(g, h->version);
	if (!g->has_best || coh_older(g->best_version, h->version)) {
		g->has_best = true;
		g->best = (u8)member;
		g->best_version = h->version;
	}
	ASSERT(member < COH_MEMBERS_MAX);
	if (h->bind == COH_BIND_READ)
		g->bound |= coh_bit(member);
	if (h->bind == COH_BIND_WRITE) {
		g->has_owner = true;
		g->owner = (u8)member;
	}
}

static void
gather_spoiled(struct coh_gather *g, u32 member, u32 version)
{
	gather_top(g, version);
	if (!g->has_spoiled || coh_older(g->spoiled_version, version)) {
		g->has_spoiled = true;
		g->spoiled = (u8)member;
		g->spoiled_version = version;
	}
}

static void
gather(struct coh *coh, u32 page, u32 member, const struct coh_holding *h)
{
	struct coh_gather *g = &coh->memory.gathers[page];
	u32 shadow = (u32)h->shadow;

	ASSERT(page < coh->config.pages && coh_is_member(coh, member));
	if (h->valid)
		gather_copy(g, member, h);
	if (h->spoiled)
		gather_spoiled(g, member, h->version);
	if (h->was_home)
		gather_home(g, member, h);
	if (h->has_promise && h->bind == COH_BIND_NONE) {
		gather_top(g, h->promised);
		g->dead_promise |= h->promised_to == COH_DEAD;
	}
	if (h->shadow >> 32 &&
	    (!g->has_shadow || coh_older(g->shadow_version, shadow))) {
		g->has_shadow = true;
		g->shadow_lost = (h->shadow & COH_NOTE_LOST) != 0;
		g->shadow = (u8)member;
		g->shadow_version = shadow;
		gather_top(g, shadow);
	}
}

void
rebuild_begin(struct coh *coh)
{
	for (u32 i = 0; i < coh->config.pages; i++) {
		coh->memory.gathers[i] = (struct coh_gather){ .fetch = COH_DEAD };
		if (coh_home(coh, i, 0) == coh->config.self)
			gather(coh, i, coh->config.self,
			       &coh->memory.holdings[i]);
	}
	coh->table_left = coh->epoch.members & ~coh_bit(coh->config.self);
	coh->table_page = coh->fetch_page = coh->spread_page = 0;
	coh->tables_done = coh->spread_noted = false;
	coh->gather_due = 0;
}

// ---- deciding

static bool
home_frame_is_current(const struct coh *coh, const struct coh_gather *g)
{
	bool owned = g->home_state == COH_M || g->home_from_owner;

	if (g->home_lost)
		return false;
	if (!owned || coh->config.flags & COH_PUBLISHED ||
	    DSM_BUG_IS(SILENT_LOSS))
		return true;
	// The owner is here and is not bound: it has written back, or never began.
	return coh_is_member(coh, g->home_owner) &&
	       coh->epoch.since[g->home_owner] <= g->home_epoch;
}

// By words: each word of a copy that is spoiled is the one of its version, or newer. Sets
// whether what was published may be newer than that.
static u8
newest_published(const struct coh *coh, const struct coh_gather *g, bool *lost)
{
	u8 newest = g->has_best ? g->best : (u8)COH_DEAD;
	u32 version = g->best_version;

	*lost = (coh->epoch.gone > 1 && !DSM_BUG_IS(PAIR_UNSAID)) ||
		(g->has_home && g->home_lost);
	if (g->has_spoiled && !DSM_BUG_IS(SPOILED_WASTED) &&
	    (newest == COH_DEAD || coh_older(version, g->spoiled_version))) {
		newest = g->spoiled;
		version = g->spoiled_version;
	}
	if (g->has_shadow &&
	    (newest == COH_DEAD || !coh_older(g->shadow_version, version))) {
		newest = g->shadow;
		*lost |= g->shadow_lost && !DSM_BUG_IS(LOSS_FORGOTTEN);
	}
	return newest;
}

// Nothing newer was spoiled; or nothing is known of the page: nobody ever had it.
static bool
best_is_newest(const struct coh_gather *g)
{
	if (!g->has_best)
		return !g->has_top;
	return !g->has_spoiled || !coh_older(g->best_version, g->spoiled_version);
}

// Without an owner: whose frame is the content? Sets whether it is lost.
static u8
source_of(const struct coh *coh, const struct coh_gather *g, bool *lost)
{
	u8 best = g->has_best ? g->best : (u8)COH_DEAD;

	*lost = false;
	if (g->has_home && home_frame_is_current(coh, g))
		return g->home;
	if (g->bound)
		return (u8)__builtin_ctzll(g->bound);
	if (!g->has_home && !g->dead_promise && best_is_newest(g))
		return best;
	if (coh->config.flags & COH_PUBLISHED)
		return newest_published(coh, g, lost);
	*lost = !DSM_BUG_IS(SILENT_LOSS);
	return best;
}

static void
decide(struct coh *coh, u32 page)
{
	struct coh_gather *g = &coh->memory.gathers[page];
	u32 top = g->has_top ? g->top_version : coh->config.first_version;
	struct coh_entry e = {
		.version = top + 1, .epoch = coh->epoch.id, .state = COH_M,
		.owner = g->owner,
	};

	if (!g->has_owner) {
		u8 source = source_of(coh, g, &e.lost);

		e.owner = 0;
		e.state = g->bound ? COH_S : COH_U;
		e.sharers = g->bound;
		if (source != coh->config.self &&
		    !(g->bound & coh_bit(coh->config.self)))
			g->fetch = source;
	} else if (coh->config.flags & COH_PUBLISHED &&
		   g->owner != coh->config.self) {
		// What the owner publishes from now on, it writes over this.
		g->fetch = g->owner;
	}
	// Planted: somebody who is not here any more stays in the word.
	if (DSM_BUG_IS(DEAD_SHARER) && e.state == COH_S)
		e.sharers |= coh_bit(COH_MEMBERS_MAX - 1);
	if (DSM_BUG_IS(BUSY_STAYS) && g->has_home && g->home_state == COH_B) {
		e.state = COH_B;
		e.lost = false;
		e.owner = COH_MEMBERS_MAX - 1;
	}
	g->word = coh_word_pack(&e);
}

static void
decide_all(struct coh *coh)
{
	for (u32 i = 0; i < coh->config.pages; i++) {
		if (coh_home(coh, i, 0) == coh->config.self)
			decide(coh, i);
	}
	coh->tables_done = true;
	coh->fetch_page = 0;
}

// ---- actions

static bool
table_next(struct coh *coh, struct coh_action *action)
{
	u32 left = coh->config.pages - coh->table_page;

	if (coh->table_open || coh->now < coh->gather_due)
		return false;
	if (!coh->table_left) {
		decide_all(coh);
		return false;
	}
	*action = (struct coh_action){
		.what = COH_DO_TABLE,
		.member = (u8)__builtin_ctzll(coh->table_left),
		.tag = COH_TAG(TAG_TABLE, 0),
		.page = coh->table_page,
		.count = MIN(left, COH_TABLE_ENTRIES),
	};
	coh->table_open = true;
	return true;
}

static bool
fetch_next(struct coh *coh, struct coh_action *action)
{
	if (coh->fetch_open == COH_GATHER_READS || coh->now < coh->gather_due)
		return false;
	while (coh->fetch_page < coh->config.pages) {
		u32 page = coh->fetch_page++;
		struct coh_gather *g = &coh->memory.gathers[page];

		if (g->fetch == COH_DEAD)
			continue;
		*action = (struct coh_action){
			.what = COH_DO_READ,
			.member = g->fetch,
			.tag = COH_TAG(TAG_FETCH, page),
			.page = page,
		};
		g->fetch = COH_DEAD;
		coh->fetch_open++;
		return true;
	}
	return false;
}

// A region with COH_PUBLISHED has two of everything again before it goes on: what a
// home has goes to the member that would be the next home, and then is noted there. So
// is that a page is lost of which nothing is left.
static bool
spreads(const struct coh *coh, u32 page)
{
	const struct coh_gather *g = &coh->memory.gathers[page];

	return coh_home(coh, page, 0) == coh->config.self &&
	       coh_home(coh, page, 1) != COH_DEAD &&
	       (g->has_best || g->has_shadow || g->has_home ||
		(g->word.low & COH_WORD_LOST && !DSM_BUG_IS(LOSS_UNTOLD))) &&
	       (!g->has_owner || g->owner == coh->config.self);
}

static u64
note_of(const struct coh *coh, struct coh_word word)
{
	return (u64)coh->epoch.id << 32 | (u32)word.low |
	       (word.low & COH_WORD_LOST ? COH_NOTE_LOST : 0);
}

static bool
spread_next(struct coh *coh, struct coh_action *action)
{
	if (coh->spread_open || coh->now < coh->gather_due ||
	    !(coh->config.flags & COH_PUBLISHED))
		return false;
	while (coh->spread_page < coh->config.pages &&
	       !spreads(coh, coh->spread_page))
		coh->spread_page++;
	if (coh->spread_page == coh->config.pages)
		return false;
	*action = (struct coh_action){
		.what = coh->spread_noted ? COH_DO_NOTE : COH_DO_WRITE,
		.member = (u8)coh_home(coh, coh->spread_page, 1),
		.tag = COH_TAG(TAG_SPREAD, coh->spread_page),
		.page = coh->spread_page,
		.length = coh->config.page_size,
		.note = note_of(coh, coh->memory.gathers[coh->spread_page].word),
	};
	coh->spread_open = true;
	return true;
}

static bool
all_fetched(const struct coh *coh)
{
	return coh->tables_done && !coh->fetch_open &&
	       coh->fetch_page == coh->config.pages;
}

bool
rebuild_next(struct coh *coh, struct coh_action *action)
{
	if (!group_stopped(coh))
		return false;
	if (!coh->tables_done && table_next(coh, action))
		return true;
	if (!coh->tables_done)
		return false;
	return fetch_next(coh, action) ||
	       (all_fetched(coh) && spread_next(coh, action));
}

bool
rebuild_ended(const struct coh *coh)
{
	return all_fetched(coh) && !coh->spread_open &&
	       (coh->spread_page == coh->config.pages ||
		!(coh->config.flags & COH_PUBLISHED));
}

static void
spread_done(struct coh *coh, bool done)
{
	ASSERT(coh->spread_open);
	coh->spread_open = false;
	if (!done || coh->phase != COH_STOPPED)
		return;
	coh->spread_page += coh->spread_noted;
	coh->spread_noted = !coh->spread_noted;
}

static void
table_read(struct coh *coh)
{
	u32 member = (u32)__builtin_ctzll(coh->table_left);
	u32 end = MIN(coh->table_page + COH_TABLE_ENTRIES, coh->config.pages);

	for (u32 i = coh->table_page; i < end; i++) {
		if (coh_home(coh, i, 0) == coh->config.self)
			gather(coh, i, member,
			       &coh->memory.scratch[i - coh->table_page]);
	}
	coh->table_page = end;
	if (end == coh->config.pages) {
		coh->table_page = 0;
		coh->table_left &= coh->table_left - 1;
	}
}

// A read that belongs to an epoch that was left meanwhile brings nothing.
void
rebuild_done(struct coh *coh, u32 tag, const struct coh_result *result)
{
	bool done = result->outcome == COH_DONE;
	u32 page = tag & 0xffffff;

	ASSERT(page < coh->config.pages);
	if (tag >> 24 == TAG_TABLE) {
		ASSERT(coh->table_open);
		coh->table_open = false;
		if (done && coh->phase == COH_STOPPED)
			table_read(coh);
	} else if (tag >> 24 == TAG_SPREAD) {
		spread_done(coh, done);
	} else {
		ASSERT(coh->fetch_open > 0);
		coh->fetch_open--;
	}
	if (done)
		return;
	if (tag >> 24 == TAG_FETCH && result->outcome == COH_UNKNOWN)
		tx_spoil(coh, page);
	coh->gather_due = coh_pause(coh, 3, coh->now);
	if (tag >> 24 == TAG_FETCH && coh->phase == COH_STOPPED) {
		struct coh_gather *g = &coh->memory.gathers[page];
		bool lost;

		g->fetch = g->has_owner ? g->owner : source_of(coh, g, &lost);
		coh->fetch_page = MIN(coh->fetch_page, page);
	}
}

// ---- the last two rounds

void
rebuild_clear(struct coh *coh)
{
	for (u32 i = 0; i < coh->config.pages; i++) {
		struct coh_holding *h = &coh->memory.holdings[i];
		u32 home = coh_home(coh, i, 0);
		struct coh_entry e = coh_word_unpack(coh->memory.gathers[i].word);

		if (!DSM_BUG_IS(OLD_SUMMARY))
			h->was_home = false;
		if (home == coh->config.self && e.state != COH_M &&
		    h->bind == COH_BIND_NONE) {
			h->valid = !e.lost;
			h->spoiled = false;
			h->version = e.version;
		}
		// Versions of notes compare within an epoch only.
		if ((h->shadow & ~COH_NOTE_LOST) >> 32 != coh->epoch.id)
			h->shadow = 0;
		h->has_promise = h->bind == COH_BIND_NONE;
		h->promised = h->version + 1;
		h->promised_to = (u8)home;
	}
}

void
rebuild_open(struct coh *coh)
{
	for (u32 i = 0; i < coh->config.pages; i++) {
		struct coh_word *word = &coh->memory.words[i];
		struct coh_word next = coh->memory.gathers[i].word;

		if (coh_home(coh, i, 0) != coh->config.self)
			continue;
		ASSERT(next.low && !word->low);
		// The low half makes it valid.
		__atomic_store_n(&word->high, next.high, __ATOMIC_SEQ_CST);
		__atomic_store_n(&word->low, next.low, __ATOMIC_SEQ_CST);
		coh->memory.pages[i].lost = false;
	}
}
