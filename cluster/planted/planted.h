// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Bugs that the simulator (harness/quorum) plants in the cluster's cores to see that it
// finds them. Only its own build defines CLUSTER_PLANTED; anywhere else HAS_BUG() is
// false before the compiler has even looked at the code.

#include "kernel/base/types.h"

enum cluster_bug {
	CLUSTER_BUG_NONE,
#define X(name, sentence) CLUSTER_BUG_##name,
#include "cluster/planted/bugs.def"
#undef X
	CLUSTER_BUG_COUNT
};

#ifdef CLUSTER_PLANTED
extern u32 cluster_planted;	// enum cluster_bug; the simulator's
#define HAS_BUG(name) (cluster_planted == CLUSTER_BUG_##name)
#else
#define HAS_BUG(name) false
#endif
