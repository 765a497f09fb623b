// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Bugs that the simulator plants in the core to see that it finds them. Only its own
// build defines DSM_PLANTED; anywhere else DSM_BUG_IS() is false before the compiler
// has even looked at the code.

#include "kernel/base/types.h"

enum dsm_bug {
	DSM_BUG_NONE,
#define X(name, sentence) DSM_BUG_##name,
#include "dsm/core/bugs.def"
#undef X
	DSM_BUG_COUNT
};

#ifdef DSM_PLANTED
extern u32 dsm_planted;		// enum dsm_bug; the simulator's
#define DSM_BUG_IS(name) (dsm_planted == (DSM_BUG_##name))
#else
#define DSM_BUG_IS(name) false
#endif
