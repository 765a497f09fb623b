// SPDX-License-Identifier: BSD-2-Clause
// The node's memory, as net/rcap asks its host about it: what was changed is exported,
// and sixteen bytes are swapped at once, since nobody else runs meanwhile.

#include "harness/sim/node.h"

void
rcap_host_changed(void *host, u64 local, u32 len)
{
	struct sim_node *node = host;

	if (!len || local >= PAGES * UNIT || len > PAGES * UNIT - local)
		sim_failed(node_index(node), "memory that is not exported was changed");
}

bool
rcap_host_cas16(void *host, u64 *at, u64 expected[2], const u64 desired[2])
{
	const bool same = at[0] == expected[0] && at[1] == expected[1];

	(void)host;
	expected[0] = at[0];
	expected[1] = at[1];
	if (same) {
		at[0] = desired[0];
		at[1] = desired[1];
	}
	return same;
}
