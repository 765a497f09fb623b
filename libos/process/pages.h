// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The memory of a process as a table: which frame is behind each page, whose it is,
// and what of it a fork shares. A sans-IO core: the host (memory.c, fork.c) makes the
// mappings that this table says.
//
// A page is one of
//
//   NONE     nothing is mapped
//   OWN      the process's own frame, writable
//   LENT     its own frame, mapped read-only: children that it forked read it
//   FOREIGN  a frame that it inherited read-only from who forked it
//
// A write to LENT or FOREIGN memory gets the page a frame of its own. The frame of a
// LENT page then stays behind for the children, and may be used again when all
// children that were forked before are gone: forks are numbered, so that is a queue.
//
// What a fork shares are runs: pages that follow each other, on frames that do, under
// one capability, of one kind. A run costs a derivation and an operation of page_batch; short runs
// are copied instead, the shorter the more runs there are, so that a plan never has
// more than PLAN_RUNS_MAX. Exactly the frames of the runs are derived, no others.
//
// Invariants, checked by pages_check():
//   S1  areas are disjoint, in order of their pages, and tile [0, page_count)
//   S2  a page of kind NONE has no frame and no slot

#include "kernel/abi/layout.h"

#define PAGES_MAX 6144u		// 24 MiB
#define PAGES_AREAS_MAX 4u
#define PAGES_NONE 0xffffffffu
#define PAGES_LEFT_MAX 512u
#define PLAN_RUNS_MAX 40u
#define PLAN_RUN_MIN 4u			// pages; grows where there are too many runs

enum page_kind {
	PAGE_NONE,
	PAGE_OWN,
	PAGE_LENT,
	PAGE_FOREIGN,
};

// As one word, a page that continues the run of the one before is that one's plus one.
union page {
	struct {
		u32 frame;
		u16 slot;	// the capability that covers it, in the own list
		u8 kind;	// enum page_kind
		u8 copied;	// not 0: a fork copies it, whatever its run
	};
	u64 word;
};

STATIC_ASSERT(sizeof(union page) == sizeof(u64));
STATIC_ASSERT(offsetof(union page, frame) == 0);	// the low half of the word

struct area {
	u64 va;
	u32 first;		// its first page in the table
	u32 pages;
};

struct left_frame {
	u32 frame;
	u32 slot;
	u32 fork;		// the newest at the time that it was left
};

struct pages {
	union page page[PAGES_MAX];
	struct area area[PAGES_AREAS_MAX];
	u32 area_count;
	u32 page_count;
	u32 left_head;		// runs freely, modulo PAGES_LEFT_MAX
	u32 left_count;
	struct left_frame left[PAGES_LEFT_MAX];
};

struct run {
	u32 first;
	u32 count;
};

struct plan {
	u32 run_count;
	u32 copies;		// pages of no run that have something
	struct run run[PLAN_RUNS_MAX];
};

// Adds an area of pages that have nothing. Returns the number of its first page, or
// PAGES_NONE when there is no room.
must_check u32
pages_add(struct pages *pages, u64 va, u64 count);

// The page of an address, or PAGES_NONE.
u32
pages_find(const struct pages *pages, u64 va);

// The address of a page.
u64
pages_address(const struct pages *pages, u32 page);

// The first page from `page` on that does not continue its run (for kind NONE: that
// has something), at most `end`.
u32
pages_run_end(const struct pages *pages, u32 page, u32 end);

// Decides what a fork shares and what it copies.
void
pages_plan(const struct pages *pages, struct plan *plan);

// Marks a range of addresses, as far as it lies in areas, to be copied by every fork
// from now on, or no more.
void
pages_copy_always(struct pages *pages, u64 va, u64 len, bool always);

// Remembers that a frame was left behind for children up to the fork of that number.
// When there is no room, the frame is lost to the process until it ends.
void
pages_leave(struct pages *pages, u32 frame, u32 slot, u32 fork);

// Takes a frame that was left behind and that no living child reads: the oldest of
// them was the fork `oldest` (PAGES_NONE: there is none). False when there is none.
must_check bool
pages_reuse(struct pages *pages, u32 oldest, u32 *frame, u32 *slot);

// Walks the invariants; asserts.
void
pages_check(const struct pages *pages);
