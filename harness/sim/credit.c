// SPDX-License-Identifier: BSD-2-Clause
// The owner's own sum of grants is checked by links_check(). Here the requesters
// are asked: their open requests, of which each is one frame at least. One that has
// no credit may have one open all the same, which takes no buffer that was granted.
//
// A requester counts when both sides are in the session that they have been in for
// a while. Just after a new one the other side may still be in the old one, and
// what it has open there is not heard any more.

#include "harness/sim/credit.h"
#include "harness/sim/node.h"

#define SETTLED_NS (3 * NS_PER_SECOND)

// Is the owner's session with the other one an old one?
static bool
is_settled(struct sim_node *owner, u32 other, u32 session)
{
	struct known_session *known = &owner->session[other];

	if (known->session != session || known->boot != sim.boot[other])
		*known = (struct known_session){ session, sim.boot[other], sim.trace.now };
	return sim.trace.now > known->since + SETTLED_NS;
}

void
credit_check(struct sim_node *owner)
{
	struct link_info here, there;
	u32 open = 0;

	for (u32 other = 0; other < sim.nodes; other++) {
		if (node_session(owner, other, &here) &&
		    is_settled(owner, other, here.session) &&
		    node_session(&sim.node[other], node_index(owner), &there) &&
		    here.incarnation == sim.node[other].incarnation[sim.boot[other]] &&
		    there.incarnation == owner->incarnation[owner->boot])
			open += there.credit ? there.open : 0;
	}
	if (open > sim.grant_pool)
		sim_failed(node_index(owner), "more requests are open here than there "
			   "are buffers for");
}
