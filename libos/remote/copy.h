// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Copies of another node's memory, read here by plain loads, under a lease
// (docs/remote-capabilities.md, "Copies"). The kernel proves the lease again and again,
// and takes the copy away when it cannot: so what is read was not taken back longer ago
// than FABRIC_LEASE_NS. Changes of the owner's are not seen: who wants to change what
// others have copies of takes it back first, and waits so long.
//
// Each copy lies at a place of its own, outside the direct window: when its frames are
// gone, nothing else is there.

#include "libos/remote/far.h"

#define COPIES_MAX FABRIC_LEASES_EACH
#define COPY_PAGES_MAX 256u

struct far_copy {
	u8 *at;			// NULL: none
	u64 bytes;
	u32 slot;
};

// Copies `pages` pages from `offset` on, a multiple of a page, through a page of the
// region. Returns 0 once the copy is under a lease; -E_TABLE when COPIES_MAX are open.
must_check i64
far_copy(struct far *far, u64 offset, u32 pages, void *buffer, struct far_copy *copy);

// Reads from it, without a word to anybody. False: the lease is over, and the copy gone.
// Not inside attempt().
must_check bool
far_copy_read(const struct far_copy *copy, u64 offset, void *to, u32 len);

// Gives it up, gone or not.
void
far_copy_drop(struct far_copy *copy);
