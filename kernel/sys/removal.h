// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What follows when capabilities go.

#include "kernel/base/types.h"

// Blocks of the disk that no root capability has any more: they are nobody's.
extern u64 removal_blocks;

// Once, at boot, when frames can be taken.
void
removal_init(void);

// Withdraws everything derived from a capability at once, and with `self` the
// capability too; then removes it, and applies the consequences of each: mappings
// that nothing covers any more go, rings and queues that stood on it stop, the
// resource of a root capability is freed. Bounded: REMOVAL_STEPS capabilities, and of
// those who lost some a look through the page tables, REMOVAL_TABLES of them or one
// environment's, and through the frames that they may map, in however many ways.
// Returns false when some is left: call again, with the same capability.
#define REMOVAL_STEPS 128u
#define REMOVAL_TABLES 1024u
must_check bool
removal_run(u32 list, u32 slot, bool self);

// The same for every capability of a list.
must_check bool
removal_run_all(u32 list);

// Takes from a capability for frames, blocks or slices all behind its first
// `count` units (at least 1), and likewise from all that came from it. What is taken is in
// use until its turn comes, the capability's own units last, but nobody derives from it any
// more. Bounded and gone on with as the above; first with what was begun in that list, which
// is all that a slot without a capability, such as SLOT_NONE, is good for.
must_check bool
removal_trim(u32 list, u32 slot, u64 count);
