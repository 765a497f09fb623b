// SPDX-License-Identifier: BSD-2-Clause
// Messages between lives of nodes, and the sessions that carry them.
//
// A session begins some while after two nodes that both run can hear each other, and
// is over when they could not for as long as the fabric's lease; then a life is known
// by its host, and messages to and from an earlier one go nowhere.

#include <string.h>

#include "harness/quorum/quorum.h"
#include "kernel/base/assert.h"

#define NONE 0xffffffffu
#define LATENCY_LEAST (100 * NS_PER_US)
#define LATENCY_SPREAD (3 * NS_PER_MS)
#define REORDER_MOST (50 * NS_PER_MS)
#define LAPSE_NS (1125 * NS_PER_MS)
#define JOIN_SPREAD (300 * NS_PER_MS)
#define LINKS_NS (100 * NS_PER_MS)

void
network_init(void)
{
	memset(q.way, 0, sizeof(q.way));
	q.packets_fresh = 0;
	q.packet_free = NONE;
	event_add(LINKS_NS, EVENT_LINKS, 0, 0, 0);
}

u32
network_find(const u8 uuid[RECORD_UUID])
{
	u32 i = 0;

	while (i < q.nodes && memcmp(q.node[i].uuid, uuid, RECORD_UUID))
		i++;
	return i;
}

static u32
take_packet(void)
{
	u32 index = q.packet_free;

	if (index != NONE) {
		q.packet_free = q.packet[index].next_free;
		return index;
	}
	if (q.packets_fresh == PACKETS_MAX)
		failed(TRACE_NO_NODE, "there is no end of messages");
	return q.packets_fresh++;
}

void
network_free(u32 packet)
{
	q.packet[packet].next_free = q.packet_free;
	q.packet_free = packet;
}

static u64
arrival(struct way *way)
{
	u64 at = now() + LATENCY_LEAST + below(LATENCY_SPREAD);

	if (now() < way->slow_until)
		at += way->slow_ns;
	if (now() < q.lag_until)
		at += below(500 * NS_PER_MS);
	if (hit(q.rate[FAULT_REORDER]))
		return at + below(REORDER_MOST);
	at = MAX(at, way->last + 1);
	way->last = at;
	return at;
}

static void
put(u32 from, u32 to, bool is_member, const void *bytes, u32 len)
{
	u32 index = take_packet();
	struct packet *p = &q.packet[index];

	p->from = (u8)from;
	p->to = (u8)to;
	p->is_member = is_member;
	p->from_life = q.node[from].life;
	p->to_life = q.way[from][to].linked;
	p->len = len;
	memcpy(p->bytes, bytes, len);
	event_add(arrival(&q.way[from][to]), EVENT_PACKET, to, index, 0);
}

void
network_send(u32 from, const u8 uuid[RECORD_UUID], bool is_member, const void *bytes, u32 len)
{
	u32 to = network_find(uuid);

	trace_bytes(&q.trace, bytes, len);
	if (!is_member)
		TRACE(from, "register to n%lu: kind %lu, why %lu, %lu bytes", to,
		      ((const u8 *)bytes)[1], ((const u8 *)bytes)[2], len);
	if (to == q.nodes || !q.way[from][to].linked || q.way[from][to].blocked ||
	    hit(q.rate[FAULT_LOSS]))
		return;
	if (hit(q.rate[FAULT_DUPLICATE]))
		put(from, to, is_member, bytes, len);
	put(from, to, is_member, bytes, len);
}

bool
network_joined(u32 a, u32 b)
{
	return q.node[a].up && q.node[b].up && !q.way[a][b].blocked && !q.way[b][a].blocked;
}

// A session ends on both sides when its time is over, and at once on that of a new life.
static void
lapse(u32 a, u32 b)
{
	struct way *way = &q.way[a][b];

	if (!way->linked || now() - way->apart_since < LAPSE_NS)
		return;
	way->linked = 0;
	if (q.node[a].up)
		node_link(&q.node[a], b, false);
}

static void
join(u32 a, u32 b)
{
	struct way *way = &q.way[a][b];

	if (way->linked == q.node[b].life)
		return;
	if (!way->join_at) {
		way->join_at = q.way[b][a].join_at ? q.way[b][a].join_at
						   : now() + below(JOIN_SPREAD);
	} else if (now() >= way->join_at) {
		way->join_at = 0;
		way->linked = q.node[b].life;
		node_link(&q.node[a], b, true);
	}
}

void
network_links(void)
{
	for (u32 a = 0; a < q.nodes; a++) {
		for (u32 b = 0; b < q.nodes; b++) {
			struct way *way = &q.way[a][b];
			bool joined = a != b && network_joined(a, b);

			if (joined) {
				way->apart_since = 0;
				join(a, b);
				continue;
			}
			if (!way->apart_since)
				way->apart_since = now();
			way->join_at = 0;
			lapse(a, b);
		}
	}
	event_add(now() + LINKS_NS, EVENT_LINKS, 0, 0, 0);
}
