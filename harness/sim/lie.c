// SPDX-License-Identifier: BSD-2-Clause
// The node's own core has sealed the frame: its echo is written over, and it gets a new tag
// under the key of the session, which no host is told.

#include <stddef.h>

#include "harness/sim/lie.h"
#include "harness/sim/node.h"
#include "net/link/state.h"

// In microseconds: somewhat ahead, so that a lease would outlast whatever happens to a seed.
#define AHEAD_MOST (60u * 1000 * 1000)

static bool
in_session(const u8 *at)
{
	u8 kind = at[offsetof(struct wire_header_layout, kind)];

	return kind == WIRE_IDLE || kind == WIRE_REQUEST || kind == WIRE_RESPONSE;
}

// What the other one's clock may show a while from now, or anything at all.
static u32
made_up(const struct sim_node *other)
{
	struct prng *prng = &sim.network.prng;
	u32 clock = clock_us(node_now(other));

	return (u32)prng_below(prng, 2) ? clock + (u32)prng_below(prng, AHEAD_MOST)
					: (u32)prng_u64(prng);
}

// With whom the frame's session is, unless another node has taken that one's place.
static const struct link_peer *
receiver(const struct sim_node *node, u32 to, const u8 *at)
{
	u16 index = node_peer(node, to);
	const struct link_peer *peer = &node->links->peer[index];

	return index != LINK_NONE &&
			       le32_load(at + offsetof(struct wire_header_layout, to)) ==
				       (u32)peer->incarnation
		       ? peer : NULL;
}

void
lie(struct sim_node *node, u8 *bytes, u32 len)
{
	u8 *at = bytes + WIRE_ETHERNET;
	u32 tagged = len - WIRE_ETHERNET - WIRE_TAG;
	u32 to = network_node(&sim.network, bytes);
	const struct link_peer *peer;

	if (!in_session(at) || to == SIM_NODES_MAX ||
	    !faults_hit(&sim.network.prng, sim.network.faults.rate[FAULT_LIE]))
		return;
	peer = receiver(node, to, at);
	if (!peer)
		return;
	le32_store(at + offsetof(struct wire_header_layout, echo),
		   made_up(&sim.node[to]));
	le64_store(at + tagged, session_tag(node->links, peer->tx_key, at, tagged));
	sim.result->episodes[FAULT_LIE]++;
	TRACE(node_index(node), "lies to n%lu", to);
}
