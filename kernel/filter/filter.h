// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Packet filters, as a sans-IO core: which frames a ring takes, and which it
// may send.
//
// A filter is given as a list of atoms (kernel/abi/ring.h). All of them look at
// the first FILTER_WINDOW bytes, so any list comes down to one mask and one
// value of that many bytes: a frame is accepted when its window, and-ed with
// the mask, is the value. Conditions that share words merge, the order of atoms
// does not matter, and the questions that decide authority (can two filters
// accept the same frame? is one within the other?) have exact answers by
// comparing bits. This is what DPF's merging of atoms leaves when offsets are
// fixed (Engler and Kaashoek, SIGCOMM '96). Filters meet each other in claim.h, and
// frames meet all of them in trie.h.
//
// Bytes past the end of a frame read as 0.

#include "kernel/abi/ring.h"
#include "kernel/base/types.h"

#define FILTER_WINDOW 64u
#define FILTER_WORDS (FILTER_WINDOW / 8u)

// All zero it accepts every frame.
struct filter {
	u64 mask[FILTER_WORDS];		// in memory order
	u64 value[FILTER_WORDS];	// within the mask
};

// The window of one frame, loaded once and matched against many filters.
struct filter_window {
	u64 word[FILTER_WORDS];
};

// Adds conditions. Returns true when done; false, and leaves the filter as it
// was, when an atom is malformed (offset above 60, value outside its mask) or
// contradicts another so that no frame could be accepted.
must_check bool
filter_add(struct filter *f, const struct ring_atom *atoms, u32 count);

// Loads the window of a frame of `len` bytes (any length).
void
filter_load(struct filter_window *w, const u8 *frame, u32 len);

// Does the frame whose window this is meet every condition?
must_check bool
filter_accepts(const struct filter *f, const struct filter_window *w);

// Is there a frame that both accept?
must_check bool
filter_overlap(const struct filter *a, const struct filter *b);

// Does `wide` accept every frame that `narrow` accepts?
must_check bool
filter_within(const struct filter *narrow, const struct filter *wide);

// Bytes from the start of a frame that the filter looks at: 0..FILTER_WINDOW.
u32
filter_extent(const struct filter *f);
