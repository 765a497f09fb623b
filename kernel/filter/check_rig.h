// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Walks every invariant of claim.h and trie.h; asserts.

#include "kernel/filter/claim.h"

void
claims_check(const struct claims *c);
