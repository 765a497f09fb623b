// SPDX-License-Identifier: BSD-2-Clause
// Drawing a seed's faults, and reading FAULTS=. A seed draws as many numbers
// whatever is allowed, so that a narrower FAULTS= leaves the others as they were.

#include <string.h>

#include "harness/sim/faults.h"

static const struct {
	const char *word;
	u32 most;
} kinds[FAULT_KINDS] = {
#define X(name, word, most, text) { word, most },
#include "harness/sim/faults.def"
#undef X
};

u32
faults_on(const struct faults *faults)
{
	u32 on = 0;

	for (u32 i = 0; i < FAULT_KINDS; i++)
		on |= (u32)(faults->rate[i] > 0) << i;
	return on;
}

const char *
faults_word(enum fault_kind kind)
{
	return kinds[kind].word;
}

static bool
find_kind(const char *word, size_t len, u32 *kind)
{
	for (u32 i = 0; i < FAULT_KINDS; i++) {
		if (strlen(kinds[i].word) == len &&
		    !memcmp(kinds[i].word, word, len)) {
			*kind = i;
			return true;
		}
	}
	return false;
}

bool
faults_parse(const char *text, struct fault_choice *choice, const char **why)
{
	u32 kind;

	*choice = (struct fault_choice){ (1u << FAULT_KINDS) - 1, true };
	if (!strcmp(text, "swarm"))
		return true;
	choice->swarm = false;
	if (!strcmp(text, "all"))
		return true;
	choice->allowed = 0;
	if (!strcmp(text, "none"))
		return true;
	for (;;) {
		size_t len = strcspn(text, ",");

		if (!find_kind(text, len, &kind)) {
			*why = "no such kind of fault";
			return false;
		}
		choice->allowed |= 1u << kind;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

// What the tests in QEMU have, and nothing else.
static void
draw_plain(struct faults *faults)
{
	faults->rate[FAULT_LOSS] = 50000;
	faults->rate[FAULT_DUPLICATE] = 20000;
	faults->rate[FAULT_REORDER] = 50000;
	faults->rate[FAULT_CORRUPT] = 1000;
}

void
faults_draw(struct faults *faults, struct prng *prng, struct fault_choice choice)
{
	bool plain = choice.swarm && prng_below(prng, 4) == 0;

	*faults = (struct faults){ 0 };
	for (u32 i = 0; i < FAULT_KINDS; i++) {
		// The same numbers are drawn whatever is allowed.
		bool on = prng_below(prng, 2) == 0;
		u32 rate = 1 + (u32)prng_below(prng, kinds[i].most);

		if ((choice.allowed >> i & 1) && (on || !choice.swarm))
			faults->rate[i] = rate;
	}
	if (plain) {
		u32 allowed = choice.allowed;

		*faults = (struct faults){ 0 };
		draw_plain(faults);
		for (u32 i = 0; i < FAULT_KINDS; i++)
			faults->rate[i] *= allowed >> i & 1;
	}
}
