// SPDX-License-Identifier: BSD-2-Clause
// The rig of test_rig.h: what its hosts do when something is asked for, comes back or
// gets shorter, and when leases of copies begin and end. All is kept for the test to look
// at.

#include "kernel/base/assert.h"
#include "net/rcap/test_rig.h"

static bool
is_at_or_below(struct rig_node *n, u32 node, u32 above)
{
	return node == above || rcap_host_below(n, node, above);
}

// What has no entry yet is left as it is.
void
rcap_host_shorten(void *host, u32 node, u64 keep)
{
	struct rig_node *n = host;
	u64 end = rcap_entry(n->rcap, n->tree[node].entry)->base + keep;

	for (u32 i = 0; i < RIG_TREE; i++) {
		u32 entry = n->tree[i].entry;
		const struct rcap_export *e = rcap_entry(n->rcap, entry);

		if (!n->tree[i].used || !e || !is_at_or_below(n, i, node))
			continue;
		if (e->base >= end) {
			n->tree[i].revoked = true;
			n->tree[i].entry = RCAP_NONE;
			rcap_taken(n->rcap, entry);
			rcap_unexport(n->rcap, entry);
		} else if (e->base + e->count > end) {
			n->tree[i].count = end - e->base;
			rcap_shortened(n->rcap, entry, end - e->base);
		}
	}
	rcap_revoked(n->rcap);
}

void
rcap_host_recalled(void *host, const struct rcap_recalled *recalled)
{
	struct rig_node *n = host;

	n->recalled[n->recalled_count++ % ARRAY_SIZE(n->recalled)] = *recalled;
	n->recalled_at = n->rig->now;
}

enum wire_code
rcap_host_asked(void *host, const struct rcap_remote *remote,
		const struct wire_recall *recall, u64 deadline)
{
	struct rig_node *n = host;

	for (u32 i = 0; i < n->places && !n->asked_full; i++) {
		const struct rcap_remote *has = &n->place[i].remote;

		if (has->peer != remote->peer || has->slot != remote->slot ||
		    has->generation != remote->generation ||
		    has->incarnation != remote->incarnation ||
		    n->place[i].grant.environment != recall->environment)
			continue;
		n->asked[n->asked_count++ % ARRAY_SIZE(n->asked)] =
			(struct rig_asked){ *remote, *recall, deadline, n->rig->now };
		return CODE_NONE;
	}
	return n->asked_full ? CODE_TABLE : CODE_ENTRY;
}

void
rcap_host_leased(void *host, u32 tag)
{
	struct rig_lease *l = &((struct rig_node *)host)->lease[tag];

	ASSERT(tag < RIG_LEASES && !l->holds);
	l->holds = true;
	l->begun++;
}

void
rcap_host_lapsed(void *host, u32 tag, enum wire_code code)
{
	struct rig_node *n = host;
	struct rig_lease *l = &n->lease[tag];

	ASSERT(tag < RIG_LEASES);
	l->holds = false;
	l->ended++;
	l->code = code;
	l->at = n->rig->now;
}
