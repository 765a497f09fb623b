// SPDX-License-Identifier: BSD-2-Clause
// The bugs of cluster/planted/bugs.def by name, and the switch that the cores read:
// this build of them has CLUSTER_PLANTED defined.

#include "cluster/planted/planted.h"
#include "harness/quorum/quorum.h"

u32 cluster_planted;

const char *const planted_names[CLUSTER_BUG_COUNT] = {
	"none",
#define X(name, sentence) #name,
#include "cluster/planted/bugs.def"
#undef X
};

void
planted_set(u32 bug)
{
	cluster_planted = bug;
}
