// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Which faults a seed has. Each kind is on or off, and its rate is drawn, so that
// seeds differ in kind and not only in detail (swarm testing, Groce et al., 2012);
// one seed in four has just the loss, duplication, reordering and corruption
// that the tests in QEMU have.

#include "kernel/base/prng.h"
#include "kernel/base/types.h"

enum fault_kind {
#define X(name, word, most, text) name,
#include "harness/sim/faults.def"
#undef X
	FAULT_KINDS
};

#define FAULT_EPISODES FAULT_DELAY	// from here...
#define FAULT_EPISODES_END FAULT_SKEW	// ...up to here they begin and end
#define MILLION 1000000u

struct faults {
	u32 rate[FAULT_KINDS];	// as in faults.def; 0: off
};

// What may be on: a bit for each kind. FAULTS_SWARM lets the seed choose among
// them; otherwise all of them are on.
struct fault_choice {
	u32 allowed;
	bool swarm;
};

// Reads "swarm", "all", "none", or a list of kinds, "loss,crash". False with a
// sentence in *why when it is none of these.
must_check bool
faults_parse(const char *text, struct fault_choice *choice, const char **why);

void
faults_draw(struct faults *faults, struct prng *prng, struct fault_choice choice);

// A bit for each kind that is on.
u32
faults_on(const struct faults *faults);

// True for about `rate` of a million calls.
static inline bool
faults_hit(struct prng *prng, u32 rate)
{
	return rate && prng_below(prng, MILLION) < rate;
}

const char *
faults_word(enum fault_kind kind);
