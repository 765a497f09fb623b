// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Filling a table by Maglev (Eisenbud et al., NSDI 2016, section 3.4): each entry
// walks the slots in an order of its own, and they claim free ones in turn.

#include "cluster/balance/balance.h"

// An order of all slots: offset, offset + skip, ... modulo BALANCE_SLOTS.
struct maglev_order {
	u16 offset;		// 0..BALANCE_SLOTS-1
	u16 skip;		// 1..BALANCE_SLOTS-1
};

// The order of what is called by these bytes.
struct maglev_order
maglev_order(const u8 key[SIPHASH_KEY_LEN], const void *name, u32 len);

// Fills `slot` from the entries index[0..count), which number orders[], but not with
// the entry `without` (BALANCE_NONE: with all). None left: all BALANCE_NONE.
void
maglev_fill(const struct maglev_order *orders, const u8 *index, u32 count,
	    u8 without, u8 slot[BALANCE_SLOTS]);
