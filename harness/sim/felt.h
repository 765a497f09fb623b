// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What nodes feel of faults (felt.def), counted apart from what the seed drew: a kind of
// fault that is drawn and does nothing is found out. Nothing here changes a run.

#include "kernel/base/types.h"

enum felt {
#define X(name, kind, sentence) FELT_##name,
#include "harness/sim/felt.def"
#undef X
	FELT_COUNT
};

struct sim_node;
struct sim_frame;

void
felt_begin(void);

// Counts what has no better place.
void
felt(enum felt what);

// A frame is at a node's card, for the first time or out of its ring.
void
felt_arrival(struct sim_frame *frame);

// A core hears a frame of a stranger's.
void
felt_stranger(const struct sim_node *node, const struct sim_frame *frame);

// A node is about to die; it has started; it looks at its clock.
void
felt_crash(const struct sim_node *node);
void
felt_boot(const struct sim_node *node);
void
felt_clock(const struct sim_node *node);

// Looks at all paths, again and again.
void
felt_paths(void);

// What is known when a seed is over.
void
felt_end(void);

const char *
felt_word(u32 what);
const char *
felt_text(u32 what);
