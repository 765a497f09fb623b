// SPDX-License-Identifier: BSD-2-Clause
// The exported tables of the fabric: refreshed when a session begins or ends, and
// from time to time for the rest. Programs may wait on `changes`.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/wait.h"

#define REFRESH_NS (100 * NS_PER_MS)

STATIC_ASSERT((int)LINK_DROP_COUNT <= (int)FABRIC_DROPS_MAX);
STATIC_ASSERT((int)RCAP_DROP_COUNT <= (int)FABRIC_STRAYS_MAX);
STATIC_ASSERT((int)FABRIC_LOST_COUNT <= (int)FABRIC_LOST_MAX);
STATIC_ASSERT((int)CODE_COUNT <= (int)FABRIC_CODES_MAX);
STATIC_ASSERT((int)OP_COUNT <= (int)FABRIC_WIRE_OPS_MAX);
STATIC_ASSERT(FABRIC_LINK_DOWN == (int)LINK_STATE_DOWN);
STATIC_ASSERT(FABRIC_LINK_UP == (int)LINK_STATE_UP);
STATIC_ASSERT(FABRIC_LINK_LAPSED == (int)LINK_STATE_LAPSED);
STATIC_ASSERT((int)FABRIC_FRAMES == TYPE_FRAMES &&
	      (int)FABRIC_BLOCKS == TYPE_BLOCKS &&
	      (int)FABRIC_ENDPOINT == TYPE_ENDPOINT);

static u64 shown_at, sessions, lapses;

static bool
show_link(u16 peer)
{
	struct fabric_link *shown = &link_table[peer];
	struct link_info info;
	u32 before = shown->session;
	u8 state = shown->state;

	if (!links_info(fabric.links, peer, &info))
		return false;
	*shown = (struct fabric_link){
		.incarnation = info.incarnation,
		.state = info.state,
		.open = info.open,
		.grant = info.grant,
		.credit = info.credit,
		.carries = info.carries,
		.session = info.session,
		.rtt_us = info.rtt_us,
		.window = (u16)MIN(info.window, 0xffffu),
		.base_us = (u16)MIN(info.base_us, 0xffffu),
		.heard_at = info.heard_at,
	};
	memcpy(shown->uuid, info.uuid, sizeof(info.uuid));
	memcpy(shown->mac, info.mac, sizeof(info.mac));
	fabric_info.links = MAX(fabric_info.links, peer + 1u);
	return state != info.state || before != info.session;
}

static void
show_counters(void)
{
	const struct links_counters *l = links_counters(fabric.links);
	const struct rcap_counters *r = rcap_counters(fabric.rcap);

	fabric_info.operations = 0;
	for (u32 i = 0; i < FABRIC_QUEUES_MAX; i++)
		fabric_info.operations += fabric_queues[i].open;
	fabric_info.received = l->received;
	fabric_info.sent = l->sent;
	fabric_info.accepted = l->accepted;
	memcpy(fabric_info.dropped, l->dropped, sizeof(l->dropped));
	memcpy(fabric_info.strays, r->dropped, sizeof(r->dropped));
	fabric_info.sessions = l->sessions;
	fabric_info.lapses = l->lapses;
	fabric_info.resends = l->resends;
	fabric_info.timeouts = l->timeouts;
	memcpy(fabric_info.completed, r->completed, sizeof(r->completed));
	memcpy(fabric_info.executed, r->executed, sizeof(r->executed));
	fabric_info.repeated = r->repeated;
	memcpy(fabric_info.refused, r->refused, sizeof(r->refused));
	fabric_info.walks = r->walks;
	fabric_info.key_agreements = l->key_agreements;
	fabric_info.rekeys = l->rekeys;
	fabric_info.slowed = l->slowed;
	fabric_info.leased = r->leased;
	fabric_info.lapsed = r->lapsed;
}

u64
show_due(void)
{
	return shown_at + REFRESH_NS;
}

u64
show_links(u64 now)
{
	const struct links_counters *l = links_counters(fabric.links);
	bool changed = false;

	if (now - shown_at < REFRESH_NS && l->sessions == sessions &&
	    l->lapses == lapses)
		return show_due();
	shown_at = now;
	sessions = l->sessions;
	lapses = l->lapses;
	// A new one is the next: the table of links grows by one at a time.
	for (u16 peer = 0; peer <= fabric_info.links && peer < FABRIC_LINKS_MAX; peer++)
		changed |= show_link(peer);
	show_counters();
	if (changed) {
		__atomic_fetch_add(&fabric_info.changes, 1, __ATOMIC_RELEASE);
		wait_hint_table(&fabric_info.changes, sizeof(fabric_info.changes));
	}
	return NEVER;
}
