// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Bugs that the simulator plants in the cores to see that it finds them. Only
// its own build defines NET_PLANTED; anywhere else PLANTED() is false before the
// compiler has even looked at the code.

#include "kernel/base/types.h"

enum net_bug {
	BUG_NONE,
#define X(name, sentence) BUG_##name,
#include "net/wire/bugs.def"
#undef X
	BUG_COUNT
};

#ifdef NET_PLANTED
extern u32 net_planted;		// enum net_bug; the simulator's
#define PLANTED(bug) (net_planted == (bug))
#else
#define PLANTED(bug) false
#endif
