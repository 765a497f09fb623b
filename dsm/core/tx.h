// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the requester's three files share: want.c (beginnings, ends, what the host asks),
// fetch.c (the next step of a transaction), look.c (what became of a step).

#include "dsm/core/state.h"

// The member's own holding of the transaction's page.
struct coh_holding *
tx_holding(const struct coh *coh, const struct coh_tx *tx);

void
tx_end(struct coh *coh, struct coh_tx *tx);

// Back to TRY, after a pause.
void
tx_again(struct coh *coh, struct coh_tx *tx);

// What is to be bound, as the next step.
void
tx_grant(struct coh_tx *tx, enum coh_bind bind, u32 version);

void
tx_publish_end(struct coh *coh, struct coh_tx *tx, enum publish_state state);

static inline bool
tx_is_fetch(const struct coh_tx *tx)
{
	return tx->kind == TX_READ || tx->kind == TX_WRITE;
}
