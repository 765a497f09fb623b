// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// User-level paging: a range of addresses larger than the frames behind it. A touch of
// a page that is not there is a fault upcall, which finds a frame, by sending other pages
// to disk blocks if it must, and fills it. The kernel gives the mechanism only: faults,
// mappings, and the accessed and dirty bits (page_bits); what goes and where to is
// decided here.
//
// One pager a program. Its pages are not for system calls that write: what the kernel
// writes leaves no dirty bit. They may be for those that read, when they are present.

#include "libos/io/queue.h"
#include "libos/pager/clock.h"

#define PAGER_PAGES_MAX 8192u
#define PAGER_FRAMES_MAX 1024u
#define PAGER_BATCH 8u		// pages that go at once, with one doorbell

enum pager_policy {
	PAGER_CLOCK,
	PAGER_FIFO,		// the accessed bits do not count: to compare
};

struct pager_counts {
	u64 faults;
	u64 reads;		// pages read from disk
	u64 writes;		// pages written to disk
	u64 clean;		// pages that went without a write
};

struct pager_spec {
	u64 base;		// page aligned
	u32 pages;		// at most PAGER_PAGES_MAX, a block each
	u32 frames;		// PAGER_BATCH..PAGER_FRAMES_MAX
	u32 blocks_slot;	// READ and WRITE
	u64 first_block;	// of `pages` blocks, which are overwritten
	enum pager_policy policy;
};

// Begins to serve faults in the range. Returns 0, -E_ARGUMENT, -E_TABLE (one is open),
// or an error of frames_take() or queue_open().
must_check i64
pager_open(const struct pager_spec *spec);

// Ends it, and the content of the range.
void
pager_close(void);

// What it has done since it was opened.
struct pager_counts
pager_counts(void);
