// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The answering side of libos/remote/ask.h: fresh pages, and blocks of the disk,
// lent to whoever of the cluster asks. For tests, trials and measurements, and
// started only where somebody says so. What is granted comes from one capability
// each, so that taking it back is one call.

#include "libos/remote/far.h"
#include "libos/remote/node.h"

#define LEND_PAGES_MAX 1024u
#define LEND_POSTS 8u
#define LEND_POST_BYTES 256u
#define LEND_BUFFER_BYTES (LEND_POSTS * LEND_POST_BYTES + 2048u)	// holders

// What is granted from; SLOT_NONE when there is none.
struct lend_offer {
	u32 root;
	u32 slot;		// derived from it: revoked as a whole
	u32 rights;
	u64 base;
	u64 count;
};

struct lend {
	struct far_io *io;
	u8 *buffers;
	u32 endpoint;
	struct lend_offer pages;
	struct lend_offer blocks;
	struct lend_offer handler;	// the endpoint, for who wants its program run
	u32 weight;		// of what is granted to `weighed`, among all that is
	u16 weighed;		// a node, or NODE_NONE
	struct lend_offer pool;		// pages that others take frames out of
	struct fabric_holders *holders;	// of the pool, in a page of the region
	u64 copies_until;		// of what was taken back; 0: there are none
};

// Takes `pages` fresh pages, if any, and opens FAR_SERVICE; with block_rights the disk's
// blocks are offered too, where there is a disk. `buffers` are LEND_BUFFER_BYTES of
// the region. Returns 0 or an error, and the program is to end.
must_check i64
lend_open(struct lend *lend, struct far_io *io, u8 *buffers, u32 pages,
	  u32 block_rights);

// Offers frames that the caller has, in place of fresh ones.
must_check i64
lend_pages(struct lend *lend, const struct frame_run *run);

// Puts a verified program on the endpoint, with a fresh frame of its own, and offers
// it. Before lend_run().
must_check i64
lend_handler(struct lend *lend, u32 program);

// Takes `pages` more, and offers them as a pool: others allocate there without asking
// again. What nodes hold that have been silent for longer than a lease comes back, once a
// second. `buffer` is a page of the region. Before lend_run().
must_check i64
lend_pool(struct lend *lend, u32 pages, void *buffer);

// Answers until that cannot go on. Returns why; 0 when the endpoint ended.
i64
lend_run(struct lend *lend);

// Answers until one grant has come about.
must_check i64
lend_once(struct lend *lend);
