// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Which frames each node has taken in this seed, by their bytes: the second time
// none of them may have any effect.

#include "kernel/base/types.h"

#define SEEN_ROOM (1u << 20)	// a power of two

// Forgets all.
void
seen_clear(void);

// True when the node has taken these bytes before.
must_check bool
seen_before(u32 node, const u8 *bytes, u32 len);

// The node has taken these bytes, whatever it made of them.
void
seen_now(u32 node, const u8 *bytes, u32 len);
