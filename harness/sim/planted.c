// SPDX-License-Identifier: BSD-2-Clause
// This build of the cores has NET_PLANTED defined: they ask net_planted.

#include <stdio.h>
#include <strings.h>

#include "harness/sim/planted.h"
#include "net/wire/planted.h"

u32 net_planted;

static const struct {
	const char *name;
	const char *text;
} bugs[BUG_COUNT] = {
	{ "none", "nothing is wrong" },
#define X(name, sentence) { #name, sentence },
#include "net/wire/bugs.def"
#undef X
};

bool
planted_find(const char *name, u32 *bug)
{
	for (u32 i = 0; i < BUG_COUNT; i++) {
		if (!strcasecmp(bugs[i].name, name)) {
			*bug = i;
			return true;
		}
	}
	return false;
}

void
planted_set(u32 bug)
{
	net_planted = bug;
}

const char *
planted_name(u32 bug)
{
	return bugs[bug].name;
}

void
planted_list(void)
{
	for (u32 i = 1; i < BUG_COUNT; i++)
		printf("  %-14s %s\n", bugs[i].name, bugs[i].text);
}
