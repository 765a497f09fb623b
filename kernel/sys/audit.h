// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Conservation: nothing that the kernel gives out is lost or there twice.

#include "kernel/base/types.h"

// Walks all that is owned, lent and in transit, and asserts that it adds up: a leak
// is a panic. The call machine_audit; the ways `panic=leak-*` plant what it must
// find. Bounded by the node's frames and the capability pool.
void
audit_run(void);
