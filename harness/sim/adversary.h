// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What goes wrong, and when: episodes of the kinds in faults.def, and the
// stranger on the wire who repeats what was captured and makes frames up.

#include "harness/sim/sim.h"

// Draws all episodes up to `until`, and the stranger's first appearance.
void
adversary_start(u64 until);

void
adversary_begins(enum fault_kind kind);
void
adversary_ends(enum fault_kind kind, u32 node);
void
adversary_stranger(void);

// Cuts or joins what lies between two nodes; has a node start anew.
void
adversary_path(u32 a, u32 b, bool cut);
void
adversary_reboot(struct sim_node *node, bool empty);

// Everything is mended: paths joined, nodes running.
void
adversary_heal(void);
