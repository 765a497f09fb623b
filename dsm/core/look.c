// SPDX-License-Identifier: BSD-2-Clause
// What became of a step: completions, holders' answers, and what a word that was seen
// means for the transaction that looked. A swap that fitted is done; one that did not
// shows the word as it is, and the transaction goes on from that; one that ended as
// unknown is cleared up by a probe, and until then the page is not given away (C9).

#include "dsm/core/tx.h"
#include "kernel/base/assert.h"

static void
ask_holders(struct coh_tx *tx, const struct coh_entry *e)
{
	ASSERT(e->state == COH_B);
	tx->stage = STAGE_REVOKE;
	tx->version = e->version;
	tx->send = tx->wait = e->sharers;
	tx->unsure = false;
	tx->tries = 0;
	tx->due = 0;
}

static void
lose(struct coh *coh, struct coh_tx *tx, const struct coh_entry *e)
{
	struct coh_page *page = &coh->memory.pages[tx->page];

	if (!page->lost)
		coh->counters.lost++;
	page->lost = true;
	page->lost_version = e->version;
	tx_end(coh, tx);
}

// A word that an eviction finds: still ours, not ours any more, or about to be taken.
static void
look_evict(struct coh *coh, struct coh_tx *tx, const struct coh_entry *e)
{
	u32 self = coh->config.self;
	bool mine = (e->state == COH_M && e->owner == self) ||
		    (e->state == COH_S && e->sharers >> self & 1);

	tx->unsure = false;
	if (mine && e->state == COH_M && !tx->copied &&
	    coh_home(coh, tx->page, 0) != self && !DSM_BUG_IS(LATE_WRITEBACK)) {
		tx->stage = STAGE_COPY;
		return;
	}
	if (!mine)
		tx_end(coh, tx);
}

static void
look_reset(struct coh *coh, struct coh_tx *tx, const struct coh_entry *e)
{
	tx->unsure = false;
	if (e->lost)
		return;
	coh->memory.pages[tx->page].lost = false;
	tx_end(coh, tx);
}

// A page that is wanted: what others have, or what is ours although we did not know.
static void
look_fetch(struct coh *coh, struct coh_tx *tx, const struct coh_entry *e)
{
	bool own = e->owner == coh->config.self;

	if (e->lost) {
		lose(coh, tx, e);
	} else if (e->state == COH_B && own) {
		ask_holders(tx, e);
	} else if (e->state == COH_B) {
		tx->unsure = false;
		tx_again(coh, tx);
	} else if (e->state == COH_M && own &&
		   tx_holding(coh, tx)->bind == COH_BIND_WRITE) {
		tx_grant(tx, COH_BIND_WRITE, tx_holding(coh, tx)->version);
	} else if (e->state == COH_M && own) {
		tx->bind = COH_BIND_WRITE;
		tx->version = e->version;
		tx->stage = STAGE_DATA;
	} else {
		tx->unsure = false;
	}
}

static void
look(struct coh *coh, struct coh_tx *tx, struct coh_word word)
{
	struct coh_entry e = coh_word_unpack(word);

	tx->seen = word;
	tx->known = true;
	tx->stage = STAGE_TRY;
	if (e.epoch != coh->epoch.id) {
		tx_again(coh, tx);
		return;
	}
	if (tx->kind == TX_EVICT)
		look_evict(coh, tx, &e);
	else if (tx->kind == TX_RESET)
		look_reset(coh, tx, &e);
	else
		look_fetch(coh, tx, &e);
}

// ---- completions

static void
swapped_try(struct coh *coh, struct coh_tx *tx, struct coh_word old)
{
	struct coh_entry e = coh_word_unpack(tx->next);
	bool joined = tx->kind == TX_READ &&
		      (!tx->known || !(tx->seen.low >> 63));

	if (joined) {
		tx_grant(tx, COH_BIND_READ, (u32)old.low);
	} else if (tx_is_fetch(tx) && e.state == COH_B) {
		tx->seen = tx->next;
		ask_holders(tx, &e);
	} else if (tx->kind == TX_WRITE) {
		tx_grant(tx, COH_BIND_WRITE, e.version);
	} else if (tx->kind == TX_EVICT && DSM_BUG_IS(LATE_WRITEBACK) &&
		   coh_word_unpack(tx->seen).state == COH_M && !tx->copied) {
		tx->stage = STAGE_COPY;
	} else {
		look(coh, tx, tx->next);
	}
}

static void
swapped(struct coh *coh, struct coh_tx *tx, const struct coh_result *result)
{
	if (result->outcome == COH_UNKNOWN && DSM_BUG_IS(UNKNOWN_DONE) &&
	    tx->stage == STAGE_TRY && tx->kind == TX_WRITE && tx->known)
		swapped_try(coh, tx, tx->seen);
	else if (result->outcome == COH_NOT_DONE && tx->stage == STAGE_FINISH)
		tx->due = coh_pause(coh, ++tx->tries & 15, tx->began);
	else if (result->outcome == COH_NOT_DONE)
		tx_again(coh, tx);
	else if (result->outcome == COH_UNKNOWN) {
		tx->unsure = true;
		tx->known = false;
		tx->stage = STAGE_TRY;
		tx->due = coh_pause(coh, 0, tx->began);
	} else if (!result->matched) {
		look(coh, tx, result->old);
	} else if (tx->stage == STAGE_FINISH) {
		tx_grant(tx, tx->kind == TX_WRITE ? COH_BIND_WRITE : COH_BIND_READ,
		      tx->version);
	} else {
		swapped_try(coh, tx, result->old);
	}
}

static void
copied(struct coh *coh, struct coh_tx *tx, bool done)
{
	if (!done) {
		tx->due = coh_pause(coh, ++tx->tries & 15, tx->began);
		return;
	}
	tx->copied = true;
	if (tx->kind == TX_EVICT)
		look(coh, tx, DSM_BUG_IS(LATE_WRITEBACK) ? tx->next : tx->seen);
	else if (tx->whole)
		tx->stage = STAGE_NOTE;
	else
		tx_publish_end(coh, tx, PUBLISH_DONE);
}

static void
noted(struct coh *coh, struct coh_tx *tx)
{
	struct coh_page *page = &coh->memory.pages[tx->page];

	page->shadow_epoch = coh->phase == COH_OPEN ? coh->epoch.id : 0;
	page->shadow_version = tx_holding(coh, tx)->version;
	tx_publish_end(coh, tx, PUBLISH_DONE);
}

void
tx_done(struct coh *coh, u32 index, const struct coh_result *result)
{
	struct coh_tx *tx = &coh->tx[index];
	bool done = result->outcome == COH_DONE;

	ASSERT(index < COH_TX_MAX && tx->kind != TX_FREE && tx->open);
	tx->open = false;
	if (result->outcome == COH_UNKNOWN && tx->stage != STAGE_COPY &&
	    tx->stage != STAGE_NOTE)
		tx_spoil(coh, tx->page);
	switch (tx->stage) {
	case STAGE_TRY:
	case STAGE_FINISH:
		swapped(coh, tx, result);
		break;
	case STAGE_COPY:
		copied(coh, tx, done);
		break;
	case STAGE_NOTE:
		if (done)
			noted(coh, tx);
		else
			tx->due = coh_pause(coh, ++tx->tries & 15, tx->began);
		break;
	default:
		ASSERT(tx->stage == STAGE_DATA);
		if (done)
			tx_grant(tx, tx->bind, tx->version);
		else
			tx->due = coh_pause(coh, ++tx->tries & 15, tx->began);
	}
}

// A holder's answer.
void
tx_gone(struct coh *coh, u32 from, const struct coh_message *message)
{
	u32 index = coh->memory.pages[message->page].tx;
	struct coh_tx *tx = &coh->tx[index ? index - 1 : 0];

	if (!index || tx->stage != STAGE_REVOKE ||
	    (message->version != tx->version && !DSM_BUG_IS(ACK_ANY)))
		return;
	ASSERT(from < COH_MEMBERS_MAX);
	tx->wait &= ~coh_bit(from);
	tx->send &= ~coh_bit(from);
	if (!tx->wait || DSM_BUG_IS(ONE_ACK)) {
		tx->wait = tx->send = 0;
		tx->stage = STAGE_FINISH;
		tx->due = 0;
	}
}

