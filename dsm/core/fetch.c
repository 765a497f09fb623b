// SPDX-License-Identifier: BSD-2-Clause
// The requester's side: at most one transaction a page, COH_TX_MAX at a time, each
// with at most one operation open. A transaction knows nothing but the word as it was
// seen; every step is a swap that compares what was seen, so whoever was faster is
// noticed, and an operation that ended as unknown is cleared up by looking again.
//
//	         join                                    (data come with the swap)
//	TRY ------------------------------------------------> MAP -> bound
//	 |  \    claim, alone                                ^ ^
//	 |   '----------------------------------------------'  |
//	 |  B   REVOKE  --all answered-->  FINISH -------------'
//	 |        |ask again                  | unknown: it is ours, the data are to come
//	 '--> pause, busy or elsewhere        '--> DATA
//
// A transaction ends bound, or lost, or with its epoch; never half-way.

#include "dsm/core/tx.h"
#include "kernel/base/assert.h"

static u32
tag_of(const struct coh *coh, const struct coh_tx *tx)
{
	return COH_TAG(TAG_TX, tx - coh->tx);
}

// ---- what a word leads to

static bool
swap_action(struct coh *coh, struct coh_tx *tx, struct coh_clause clause,
	    bool chain, struct coh_action *action)
{
	u32 home = coh_home(coh, tx->page, 0);

	ASSERT(home != COH_DEAD);
	*action = (struct coh_action){
		.what = COH_DO_SWAP,
		.member = (u8)home,
		.tag = tag_of(coh, tx),
		.page = tx->page,
		.clause = clause,
		.chain = chain && home != coh->config.self,
	};
	tx->open = true;
	return true;
}

static bool
has_copy(const struct coh *coh, const struct coh_tx *tx)
{
	if (DSM_BUG_IS(UPGRADE_KEEPS))
		return tx->had_copy;
	return tx_holding(coh, tx)->bind == COH_BIND_READ;
}

// The entry for a claim of what was seen: M when nobody else is in the way, else B.
static struct coh_entry
claim_of(const struct coh *coh, const struct coh_entry *e)
{
	u64 self = coh_bit(coh->config.self);
	struct coh_entry next = {
		.version = e->version + 1,
		.epoch = e->epoch,
		.owner = (u8)coh->config.self,
		.state = COH_M,
	};

	ASSERT(e->state != COH_B);
	if (e->state == COH_M) {
		next.state = COH_B;
		next.from_owner = true;
		next.sharers = coh_bit(e->owner);
	} else if (e->sharers & ~self && !DSM_BUG_IS(CLAIM_LOOSE)) {
		next.state = COH_B;
		next.sharers = e->sharers & ~self;
	}
	return next;
}

static bool
try_swap(struct coh *coh, struct coh_tx *tx, struct coh_entry next,
	 struct coh_action *action)
{
	bool chain = tx->kind == TX_WRITE && next.state == COH_M &&
		     !has_copy(coh, tx);

	tx->next = coh_word_pack(&next);
	tx->version = next.version;
	return swap_action(coh, tx, coh_clause_exact(tx->seen, tx->next), chain,
			   action);
}

// What an eviction makes of the word.
static struct coh_entry
without_self(const struct coh *coh, struct coh_entry e)
{
	e.sharers &= ~coh_bit(coh->config.self);
	if (e.state == COH_M || !e.sharers) {
		e.state = COH_U;
		e.owner = 0;
	}
	return e;
}

// Before the word says so: should nobody ever learn how the swap ended, then the home's
// frame has all that there is, and its word (or nobody) speaks for the page.
static void
let_go(struct coh *coh, const struct coh_tx *tx, const struct coh_entry *e)
{
	struct coh_holding *h = tx_holding(coh, tx);

	ASSERT(coh->memory.pages[tx->page].mapped == COH_BIND_NONE);
	if (h->bind == COH_BIND_NONE)
		return;
	h->bind = COH_BIND_NONE;
	h->promised = e->version + 1;
	h->promised_to = (u8)coh_home(coh, tx->page, 0);
	h->has_promise = true;
}

static bool
try_known(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	struct coh_entry e = coh_word_unpack(tx->seen);

	switch (tx->kind) {
	case TX_RESET:
		e.lost = false;
		e.version++;
		return try_swap(coh, tx, e, action);
	case TX_EVICT:
		let_go(coh, tx, &e);
		return try_swap(coh, tx, without_self(coh, e), action);
	case TX_READ:
		if (e.state == COH_U || e.state == COH_S)
			break;
		// fall through
	default:
		return try_swap(coh, tx, claim_of(coh, &e), action);
	}
	return swap_action(coh, tx,
			   coh_clause_join(coh->epoch.id, coh->config.self), true,
			   action);
}

static bool
try_next(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	if (tx->known)
		return try_known(coh, tx, action);
	if (tx->kind == TX_READ && !tx->unsure)
		return swap_action(coh, tx,
				   coh_clause_join(coh->epoch.id,
						   coh->config.self),
				   true, action);
	return swap_action(coh, tx, coh_clause_probe(), false, action);
}

// ---- emission

static bool
revoke_next(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	u32 to;
	struct coh_message *m;

	if (!tx->send)
		tx->send = tx->wait;
	to = (u32)__builtin_ctzll(tx->send);
	tx->send &= ~coh_bit(to);
	ASSERT(to != coh->config.self);
	if (!tx->send)
		tx->due = coh_pause(coh, 4, tx->began);
	m = coh_letter(coh, to, COH_SAY_REVOKE, action);
	m->page = tx->page;
	m->version = tx->version;
	m->to_read = tx->kind == TX_READ;
	return true;
}

// The end of B: M, or S with those who had it.
static struct coh_word
finish_word(const struct coh *coh, const struct coh_tx *tx)
{
	struct coh_entry e = coh_word_unpack(tx->seen);

	ASSERT(e.state == COH_B && e.owner == coh->config.self);
	if (tx->kind == TX_WRITE) {
		e.state = COH_M;
		e.sharers = 0;
	} else {
		e.state = COH_S;
		e.sharers |= coh_bit(coh->config.self);
		e.owner = 0;
	}
	e.from_owner = false;
	return coh_word_pack(&e);
}

static bool
finish_next(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	struct coh_entry e = coh_word_unpack(tx->seen);
	bool data = tx->kind == TX_READ || e.from_owner || !has_copy(coh, tx);

	return swap_action(coh, tx,
			   coh_clause_exact(tx->seen, finish_word(coh, tx)), data,
			   action);
}

static bool
data_next(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	u32 home = coh_home(coh, tx->page, 0);

	if (home == coh->config.self) {
		tx_grant(tx, tx->bind, tx->version);
		return false;
	}
	*action = (struct coh_action){
		.what = COH_DO_READ,
		.member = (u8)home,
		.tag = tag_of(coh, tx),
		.page = tx->page,
	};
	tx->open = true;
	return true;
}

static bool
map_next(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	*action = (struct coh_action){
		.what = COH_DO_MAP, .page = tx->page, .bind = tx->bind,
	};
	coh_bind(coh, tx->page, tx->bind, tx->version);
	if (tx->bind == COH_BIND_WRITE)
		coh->counters.writes++;
	else
		coh->counters.reads++;
	tx_end(coh, tx);
	return true;
}

static bool
unmap_next(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	*action = (struct coh_action){ .what = COH_DO_MAP, .page = tx->page };
	coh->memory.pages[tx->page].mapped = COH_BIND_NONE;
	tx->stage = STAGE_TRY;
	return true;
}

// A write to the home must not be under way when a revocation is answered, and not
// begin afterwards: then the home's frame is somebody else's.
static bool
may_copy(struct coh *coh, struct coh_tx *tx)
{
	u32 serve = coh->memory.pages[tx->page].serve;

	if (DSM_BUG_IS(LATE_WRITEBACK))
		return true;
	if (serve && coh->serve[serve - 1].stage != SERVE_WAITS) {
		tx->due = coh_pause(coh, 0, tx->began);
		return false;
	}
	if (tx_holding(coh, tx)->bind == COH_BIND_WRITE)
		return true;
	if (tx->kind == TX_PUBLISH) {
		tx_publish_end(coh, tx, PUBLISH_FAILED);
	} else {
		tx->stage = STAGE_TRY;
		tx->known = false;
	}
	return false;
}

static bool
copy_next(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	bool evict = tx->kind == TX_EVICT;

	if (!may_copy(coh, tx))
		return false;
	*action = (struct coh_action){
		.what = tx->stage == STAGE_NOTE ? COH_DO_NOTE : COH_DO_WRITE,
		.member = evict ? (u8)coh_home(coh, tx->page, 0) : tx->target,
		.tag = tag_of(coh, tx),
		.page = tx->page,
		.offset = evict || tx->whole ? 0 : tx->offset,
		.length = evict || tx->whole ? coh->config.page_size : tx->length,
		.note = (u64)coh->epoch.id << 32 | tx_holding(coh, tx)->version,
	};
	tx->open = true;
	return true;
}

// Where a publication goes: to the home, or, from the home, to whoever would be it.
static bool
publish_begin(struct coh *coh, struct coh_tx *tx)
{
	const struct coh_page *page = &coh->memory.pages[tx->page];
	u32 home = coh_home(coh, tx->page, 0);
	bool second = home == coh->config.self;

	tx->target = (u8)(second ? coh_home(coh, tx->page, 1) : home);
	if (tx->target == COH_DEAD) {
		tx_publish_end(coh, tx, PUBLISH_FAILED);
		return false;
	}
	tx->whole = second && (page->shadow_epoch != coh->epoch.id ||
			       page->shadow_version !=
				       tx_holding(coh, tx)->version);
	tx->stage = STAGE_COPY;
	return true;
}

static bool
tx_step(struct coh *coh, struct coh_tx *tx, struct coh_action *action)
{
	if (tx->kind == TX_PUBLISH && tx->stage == STAGE_TRY &&
	    !publish_begin(coh, tx))
		return false;
	switch (tx->stage) {
	case STAGE_TRY:
		return try_next(coh, tx, action);
	case STAGE_REVOKE:
		return revoke_next(coh, tx, action);
	case STAGE_FINISH:
		return finish_next(coh, tx, action);
	case STAGE_DATA:
		return data_next(coh, tx, action) || map_next(coh, tx, action);
	case STAGE_MAP:
		return map_next(coh, tx, action);
	case STAGE_UNMAP:
		return unmap_next(coh, tx, action);
	default:
		return copy_next(coh, tx, action);
	}
}

// A transaction that may go on now.
static bool
tx_ready(const struct coh *coh, const struct coh_tx *tx)
{
	if (tx->kind == TX_FREE || tx->open || tx->due > coh->now)
		return false;
	return coh->phase == COH_OPEN;
}

bool
tx_next(struct coh *coh, struct coh_action *action)
{
	for (u32 i = 0; i < COH_TX_MAX; i++) {
		struct coh_tx *tx = &coh->tx[i];

		if (tx_ready(coh, tx) && tx_step(coh, tx, action))
			return true;
	}
	return false;
}

u64
tx_due(const struct coh *coh)
{
	u64 due = COH_NEVER;

	for (u32 i = 0; i < COH_TX_MAX; i++) {
		if (coh->tx[i].kind != TX_FREE && !coh->tx[i].open &&
		    coh->phase == COH_OPEN)
			due = MIN(due, coh->tx[i].due);
	}
	return due;
}

