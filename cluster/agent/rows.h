// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Rows of the kernel's tables between agents of different builds. Question and answer name
// their ABI and the bytes of a row: within an ABI what is new in a row stands at its end
// (kernel/abi/released-*.layout), so each reads what it knows, and zeros where the other
// has nothing. Who has another ABI gets no row and reads none; agents up to release 1.1
// named none, and their rows of exports and totals are not these. Pure.

#include "cluster/agent/watched.h"

void
rows_ask(struct fabric_question *q, enum fabric_what what, u64 next);

// How many rows an answer may have, so that there is room for them on both sides.
u32
rows_most(const struct fabric_question *q);

// Makes the rows of an answer this build's. NULL, or why it has none that can be read.
const char *
rows_take(struct fabric_answer *a, u32 len, enum fabric_what what, u32 *count);
