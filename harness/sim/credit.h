// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Invariant K2 seen from outside: what all requesters together have open at an
// owner never exceeds what it has set aside to receive it.

#include "harness/sim/sim.h"

void
credit_check(struct sim_node *owner);
