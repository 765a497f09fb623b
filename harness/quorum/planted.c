// SPDX-License-Identifier: BSD-2-Clause
// The bugs of cluster/planted/bugs.def by name, and the switch that the cores read:
// this build of them has CLUSTER_PLANTED defined.

#include <stdio.h>
#include <strings.h>

#include "cluster/planted/planted.h"
#include "harness/quorum/quorum.h"

u32 cluster_planted;

static const struct {
	const char *name;
	const char *text;
} bugs[CLUSTER_BUG_COUNT] = {
	{ "none", "nothing is wrong" },
#define X(name, sentence) { #name, sentence },
#include "cluster/planted/bugs.def"
#undef X
};

bool
planted_find(const char *name, u32 *bug)
{
	for (u32 i = 0; i < CLUSTER_BUG_COUNT; i++) {
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
	cluster_planted = bug;
}

const char *
planted_name(u32 bug)
{
	return bugs[bug].name;
}

void
planted_list(void)
{
	for (u32 i = 1; i < CLUSTER_BUG_COUNT; i++)
		printf("  %-14s %s\n", bugs[i].name, bugs[i].text);
}
