// SPDX-License-Identifier: BSD-2-Clause
// The holder's side: revocations that others have asked for. At most one a page and
// COH_SERVE_MAX at a time; what finds no room is asked again by the requester.
//
//	WAITS -> (unmapped, or made read-only) -> COPY -> ANSWER
//
// A revocation names the version that its requester's B has. Who is bound at that
// version or a later one answers without doing anything: the message is old, or has
// been served. Of what is served here the requester may believe every answer: when it
// comes, no store of this member's can change the page any more.

#include "dsm/core/state.h"
#include "kernel/base/assert.h"

static void
serve_end(struct coh *coh, struct coh_serve *serve)
{
	ASSERT(!serve->open);
	coh->memory.pages[serve->page].serve = 0;
	serve->stage = SERVE_FREE;
}

static struct coh_serve *
find_free(struct coh *coh)
{
	for (u32 i = 0; i < COH_SERVE_MAX; i++) {
		if (coh->serve[i].stage == SERVE_FREE)
			return &coh->serve[i];
	}
	return NULL;
}

void
serve_revoke(struct coh *coh, u32 from, const struct coh_message *m)
{
	struct coh_page *page = &coh->memory.pages[m->page];
	struct coh_serve *serve = page->serve ? &coh->serve[page->serve - 1]
					      : find_free(coh);

	ASSERT(m->page < coh->config.pages && from < COH_MEMBERS_MAX);
	if (!serve || (page->serve && (serve->stage != SERVE_WAITS ||
				       coh_older(m->version, serve->version))))
		return;
	*serve = (struct coh_serve){
		.stage = SERVE_WAITS,
		.from = (u8)from,
		.to_read = m->to_read,
		.page = m->page,
		.version = m->version,
	};
	page->serve = (u8)(serve - coh->serve + 1);
}

void
serve_forget_all(struct coh *coh)
{
	for (u32 i = 0; i < COH_SERVE_MAX; i++) {
		if (coh->serve[i].stage != SERVE_FREE &&
		    !(coh->serve[i].open && DSM_BUG_IS(MOVED_EARLY)))
			serve_end(coh, &coh->serve[i]);
	}
}

// What is left to this member afterwards.
static void
give_up(struct coh *coh, const struct coh_serve *serve)
{
	struct coh_holding *h = &coh->memory.holdings[serve->page];
	bool old;

	coh->counters.revoked++;
	if (serve->to_read && h->bind == COH_BIND_WRITE) {
		h->bind = COH_BIND_READ;
		h->version = serve->version;
		return;
	}
	// A message that comes again must not take back a later promise.
	old = h->bind == COH_BIND_NONE && h->has_promise &&
	      !coh_older(h->promised, serve->version);
	h->bind = COH_BIND_NONE;
	if (DSM_BUG_IS(NO_PROMISE) || old)
		return;
	h->promised = serve->version;
	h->promised_to = serve->from;
	h->has_promise = true;
}

// Nothing to take away: was it asked before, or is the page gone by itself?
static bool
nothing_held(const struct coh *coh, const struct coh_serve *serve)
{
	const struct coh_holding *h = &coh->memory.holdings[serve->page];

	return h->bind == COH_BIND_NONE || !coh_older(h->version, serve->version);
}

static void
map_action(struct coh *coh, const struct coh_serve *serve,
	   struct coh_action *action)
{
	const struct coh_holding *h = &coh->memory.holdings[serve->page];
	bool keeps = serve->to_read && h->bind == COH_BIND_WRITE;
	struct coh_page *page = &coh->memory.pages[serve->page];

	*action = (struct coh_action){
		.what = COH_DO_MAP,
		.page = serve->page,
		.bind = keeps ? MIN(page->mapped, (u8)COH_BIND_READ)
			      : (u8)COH_BIND_NONE,
	};
	page->mapped = action->bind;
}

// The first step, when nothing holds it up any more.
static bool
take_away(struct coh *coh, struct coh_serve *serve, struct coh_action *action)
{
	struct coh_holding *h = &coh->memory.holdings[serve->page];
	bool away = coh_home(coh, serve->page, 0) != coh->config.self;

	if (nothing_held(coh, serve)) {
		if (h->bind == COH_BIND_NONE && !serve->to_read)
			give_up(coh, serve);
		else
			coh->counters.stale++;
		if (DSM_BUG_IS(NO_ABSENT_ACK) && h->bind == COH_BIND_NONE)
			serve_end(coh, serve);
		else
			serve->stage = SERVE_ANSWER;
		return false;
	}
	if (DSM_BUG_IS(UNMAP_LATE) && h->bind == COH_BIND_READ) {
		serve->stage = SERVE_ANSWER;
		return false;
	}
	map_action(coh, serve, action);
	if (h->bind == COH_BIND_WRITE && away && !DSM_BUG_IS(NO_WRITEBACK)) {
		serve->stage = SERVE_COPY;
		return true;
	}
	give_up(coh, serve);
	serve->stage = SERVE_ANSWER;
	return true;
}

static bool
answer(struct coh *coh, struct coh_serve *serve, struct coh_action *action)
{
	struct coh_message *m = coh_letter(coh, serve->from, COH_SAY_GONE, action);

	m->page = serve->page;
	m->version = serve->version;
	if (DSM_BUG_IS(UNMAP_LATE) &&
	    coh->memory.pages[serve->page].mapped == COH_BIND_READ &&
	    !serve->to_read) {
		serve->stage = SERVE_UNMAP_LATE;
		serve->due = coh->now + coh->config.hold_ns;
	} else {
		serve_end(coh, serve);
	}
	return true;
}

static bool
copy_out(struct coh *coh, struct coh_serve *serve, struct coh_action *action)
{
	*action = (struct coh_action){
		.what = COH_DO_WRITE,
		.member = (u8)coh_home(coh, serve->page, 0),
		.tag = COH_TAG(TAG_SERVE, serve - coh->serve),
		.page = serve->page,
		.length = coh->config.page_size,
	};
	serve->open = true;
	return true;
}

static bool
serve_step(struct coh *coh, struct coh_serve *serve, struct coh_action *action)
{
	switch (serve->stage) {
	case SERVE_WAITS:
		return take_away(coh, serve, action) ||
		       (serve->stage == SERVE_ANSWER &&
			answer(coh, serve, action));
	case SERVE_COPY:
		return copy_out(coh, serve, action);
	case SERVE_UNMAP_LATE:
		map_action(coh, serve, action);
		give_up(coh, serve);
		serve_end(coh, serve);
		return true;
	default:
		return answer(coh, serve, action);
	}
}

// When it may go on; the hold counts only for what is mapped.
static u64
ready_at(const struct coh *coh, const struct coh_serve *serve)
{
	const struct coh_page *page = &coh->memory.pages[serve->page];

	if (serve->stage == SERVE_FREE || serve->open || coh->phase != COH_OPEN)
		return COH_NEVER;
	if (serve->stage != SERVE_WAITS)
		return serve->due;
	if (tx_defers(coh, serve->page))
		return COH_NEVER;
	return page->mapped && !nothing_held(coh, serve) ? page->hold_until : 0;
}

bool
serve_next(struct coh *coh, struct coh_action *action)
{
	for (u32 i = 0; i < COH_SERVE_MAX; i++) {
		struct coh_serve *serve = &coh->serve[i];

		if (ready_at(coh, serve) <= coh->now &&
		    serve_step(coh, serve, action))
			return true;
	}
	return false;
}

void
serve_done(struct coh *coh, u32 index, const struct coh_result *result)
{
	struct coh_serve *serve = &coh->serve[index];

	ASSERT(index < COH_SERVE_MAX && serve->open);
	ASSERT(serve->stage == SERVE_COPY);
	serve->open = false;
	if (result->outcome != COH_DONE) {
		// Still the owner: write it again, whole.
		serve->due = coh_pause(coh, 1, coh->now);
		return;
	}
	give_up(coh, serve);
	serve->stage = SERVE_ANSWER;
	serve->due = 0;
}

u64
serve_due(const struct coh *coh)
{
	u64 due = COH_NEVER;

	for (u32 i = 0; i < COH_SERVE_MAX; i++)
		due = MIN(due, ready_at(coh, &coh->serve[i]));
	return due;
}
