// SPDX-License-Identifier: BSD-2-Clause
// Beginnings and ends of transactions, and what the host asks of the core. A page has
// at most one transaction; whoever wants another one of it waits, and asks again. A
// publication's end is kept in the page until it is asked for, or not wanted any more.

#include "dsm/core/tx.h"
#include "kernel/base/assert.h"

struct coh_holding *
tx_holding(const struct coh *coh, const struct coh_tx *tx)
{
	ASSERT(tx->page < coh->config.pages);
	return &coh->memory.holdings[tx->page];
}

void
tx_end(struct coh *coh, struct coh_tx *tx)
{
	struct coh_page *page = &coh->memory.pages[tx->page];

	ASSERT(tx->kind != TX_FREE && !tx->open);
	ASSERT(page->tx == (u8)(tx - coh->tx) + 1);
	page->tx = 0;
	tx->kind = TX_FREE;
}

static struct coh_tx *
tx_begin(struct coh *coh, u32 page, enum tx_kind kind)
{
	ASSERT(!coh->memory.pages[page].tx);
	for (u32 i = 0; i < COH_TX_MAX; i++) {
		struct coh_tx *tx = &coh->tx[i];

		if (tx->kind != TX_FREE)
			continue;
		*tx = (struct coh_tx){
			.kind = (u8)kind,
			.stage = kind == TX_EVICT ? STAGE_UNMAP : STAGE_TRY,
			.page = page,
			.began = coh->now,
			.had_copy = coh->memory.holdings[page].bind ==
				    COH_BIND_READ,
		};
		coh->memory.pages[page].tx = (u8)(i + 1);
		return tx;
	}
	return NULL;
}

void
tx_spoil(struct coh *coh, u32 page)
{
	struct coh_holding *h = &coh->memory.holdings[page];

	if (h->bind != COH_BIND_NONE || !h->valid)
		return;
	h->valid = false;
	h->spoiled = true;
}

void
tx_again(struct coh *coh, struct coh_tx *tx)
{
	tx->stage = STAGE_TRY;
	tx->known = false;
	tx->tries = (u8)MIN(tx->tries + 1u, 255u);
	tx->due = coh_pause(coh, tx->tries, tx->began);
	coh->counters.retries++;
}

void
tx_grant(struct coh_tx *tx, enum coh_bind bind, u32 version)
{
	tx->bind = (u8)bind;
	tx->version = version;
	tx->unsure = false;
	tx->stage = STAGE_MAP;
}

void
tx_publish_end(struct coh *coh, struct coh_tx *tx, enum publish_state state)
{
	u8 *publish = &coh->memory.pages[tx->page].publish;

	*publish = *publish == PUBLISH_STALE ? PUBLISH_NONE : (u8)state;
	if (state == PUBLISH_DONE)
		coh->counters.published++;
	tx_end(coh, tx);
}

bool
tx_defers(const struct coh *coh, u32 page)
{
	u32 index = coh->memory.pages[page].tx;
	const struct coh_tx *tx = &coh->tx[index ? index - 1 : 0];

	if (!index || DSM_BUG_IS(EARLY_ACK))
		return false;
	return tx->open || tx->unsure || tx->stage == STAGE_FINISH ||
	       tx->stage == STAGE_DATA || tx->stage == STAGE_MAP;
}

void
tx_restart_all(struct coh *coh)
{
	for (u32 i = 0; i < COH_TX_MAX; i++) {
		struct coh_tx *tx = &coh->tx[i];

		if (tx->kind == TX_FREE || (tx->open && DSM_BUG_IS(MOVED_EARLY)))
			continue;
		ASSERT(!tx->open);
		// What was asked for about one loss must not end another one.
		if (tx->kind == TX_RESET && !DSM_BUG_IS(RESET_STAYS)) {
			tx_end(coh, tx);
			continue;
		}
		tx->stage = tx->kind == TX_EVICT ? STAGE_UNMAP : STAGE_TRY;
		tx->known = tx->unsure = tx->copied = false;
		tx->send = tx->wait = tx->due = 0;
		tx->tries = 0;
	}
}

// ---- what the host asks

enum coh_get
coh_want(struct coh *coh, u64 now, u32 page, bool write)
{
	const struct coh_holding *h = &coh->memory.holdings[page];
	struct coh_page *p = &coh->memory.pages[page];
	u8 need = write ? COH_BIND_WRITE : COH_BIND_READ;
	struct coh_tx *tx;

	ASSERT(page < coh->config.pages);
	coh->now = now;
	if (p->mapped >= need)
		return COH_HERE;
	if (p->lost)
		return COH_LOST;
	if (p->tx)
		return COH_WAITS;
	tx = tx_begin(coh, page, write ? TX_WRITE : TX_READ);
	if (tx && h->bind >= need && !p->serve)
		tx_grant(tx, h->bind, h->version);
	return COH_WAITS;
}

void
coh_evict(struct coh *coh, u64 now, u32 page)
{
	struct coh_page *p = &coh->memory.pages[page];

	ASSERT(page < coh->config.pages);
	coh->now = now;
	if (coh->memory.holdings[page].bind && !p->tx && !p->serve)
		(void)tx_begin(coh, page, TX_EVICT);
}

enum coh_get
coh_reset(struct coh *coh, u64 now, u32 page, u32 epoch)
{
	ASSERT(page < coh->config.pages);
	coh->now = now;
	if (epoch && (coh->phase != COH_OPEN || epoch != coh->epoch.id))
		return COH_LOST;
	if (!coh->memory.pages[page].lost)
		return COH_HERE;
	if (!coh->memory.pages[page].tx)
		(void)tx_begin(coh, page, TX_RESET);
	return COH_WAITS;
}

void
coh_publish_anew(struct coh *coh, u32 page)
{
	u8 *state = &coh->memory.pages[page].publish;

	ASSERT(page < coh->config.pages);
	if (*state == PUBLISH_RUNS)
		*state = PUBLISH_STALE;
	else if (*state != PUBLISH_STALE)
		*state = PUBLISH_NONE;
}

enum coh_get
coh_publish(struct coh *coh, u64 now, u32 page, u32 offset, u32 length)
{
	struct coh_page *p = &coh->memory.pages[page];
	u8 state = p->publish;
	struct coh_tx *tx;

	ASSERT(page < coh->config.pages && offset <= coh->config.page_size);
	ASSERT(length <= coh->config.page_size - offset);
	coh->now = now;
	if (state == PUBLISH_DONE || state == PUBLISH_FAILED) {
		p->publish = PUBLISH_NONE;
		return state == PUBLISH_DONE ? COH_HERE : COH_LOST;
	}
	if (state != PUBLISH_NONE || p->tx || coh->phase != COH_OPEN)
		return COH_WAITS;
	if (coh_home(coh, page, 1) == COH_DEAD)
		return COH_ALONE;
	if (coh->memory.holdings[page].bind != COH_BIND_WRITE)
		return COH_LOST;
	tx = tx_begin(coh, page, TX_PUBLISH);
	if (tx) {
		tx->offset = offset;
		tx->length = length;
		p->publish = PUBLISH_RUNS;
	}
	return COH_WAITS;
}
