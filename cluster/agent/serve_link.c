// SPDX-License-Identifier: BSD-2-Clause
// Frames between the API's ring and its stack. Everything that the stack sends is
// copied into the header's buffer: answers are small and few. Buffer i belongs to frame
// number i modulo SERVE_HEADERS, and is free again when that frame is done with.
//
// Invariant: at most SERVE_HEADERS frames are between ring_put() and ring_sent().

#include "cluster/agent/serve.h"
#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "libos/crt/start.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define HEADER_SIZE 2048u

STATIC_ASSERT(HEADER_SIZE >= NET_HEADER_MAX);

i64
serve_link_open(struct serve_link *link)
{
	struct ring_config config = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = VIEW_AGENT_MAC,
		.narrows = SLOT_NONE,
		.regions = &link->headers,
		.region_count = 1,
	};
	i64 error;

	if (config.nic_slot == SLOT_NONE)
		return -E_ABSENT;
	error = frames_take(SERVE_HEADERS * HEADER_SIZE / PAGE_SIZE, &link->headers);
	if (error)
		return error;
	error = ring_open(&link->ring, &config);
	if (error)
		frames_give(&link->headers);
	return error;
}

void
serve_link_receive(struct serve_link *link, u64 now_ns)
{
	const u8 *frame;
	u32 len;

	for (u32 i = 0; i < RING_SLOTS && (len = ring_peek(&link->ring, &frame)); i++) {
		net_input(link->net, now_ns, frame, len);
		ring_consume(&link->ring);
	}
}

static bool
has_room(const struct serve_link *link)
{
	return link->ring.tx_head - ring_sent(&link->ring) < SERVE_HEADERS &&
	       ring_room(&link->ring);
}

void
serve_link_send(struct serve_link *link, u64 now_ns)
{
	u8 *headers = direct_address(link->headers.frame);

	link->starved = true;
	while (has_room(link)) {
		struct net_packet packet = {
			.header = headers +
				  link->ring.tx_head % SERVE_HEADERS * HEADER_SIZE,
		};
		struct ring_part part;
		bool placed;

		if (!net_output(link->net, now_ns, &packet)) {
			link->starved = false;
			break;
		}
		ASSERT(packet.span_count == 0);		// nothing is lent
		part = (struct ring_part){ packet.header, packet.header_len };
		placed = ring_put(&link->ring, &part, 1,
				  (struct ring_offload){ packet.checksum_start,
							 packet.checksum_offset, 0 });
		ASSERT(placed);
	}
	ring_flush(&link->ring);
}

void
serve_link_watch(struct serve_link *link, struct wait_set *set)
{
	u32 sent = ring_sent(&link->ring);

	ring_watch(&link->ring, set);
	if (link->starved)
		ring_watch_sent(&link->ring, set, sent);
	wait_until(set, net_next_deadline(link->net));
}
