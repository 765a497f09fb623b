// SPDX-License-Identifier: BSD-2-Clause
// Frames between the packet ring and the TCP/IP stack.
//
// Headers that the stack builds go into buffers of the program's own, one for
// each descriptor of the ring: buffer i is free again when descriptor i is.
// What follows the header is lent memory, sent from where it lies.

#include "cluster/programs/web/web.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define HEADER_SIZE 2048u
#define RECEIVE_MAX RING_SLOTS		// frames of one round

STATIC_ASSERT(HEADER_SIZE >= NET_HEADER_MAX);
STATIC_ASSERT(NET_SPANS_MAX + 1 <= RING_PIECES_MAX);

i64
link_open(struct link *link, u32 nic_slot, u32 mac_index,
	  const struct frame_run *regions, u32 region_count)
{
	struct frame_run all[RING_REGIONS_MAX];
	struct ring_config config = {
		.nic_slot = nic_slot,
		.mac_index = mac_index,
		.narrows = SLOT_NONE,
		.regions = all,
		.region_count = region_count + 1,
	};
	i64 error;

	ASSERT(region_count < RING_REGIONS_MAX);
	error = frames_take(RING_SLOTS * HEADER_SIZE / PAGE_SIZE,
			    &link->headers);
	if (error)
		return error;
	all[0] = link->headers;
	for (u32 i = 0; i < region_count; i++)
		all[i + 1] = regions[i];
	error = ring_open(&link->ring, &config);
	if (error)
		frames_give(&link->headers);
	return error;
}

// Of the descriptor that comes next.
static u8 *
header_buffer(const struct link *link)
{
	return (u8 *)direct_address(link->headers.frame) +
	       link->ring.tx_head % RING_SLOTS * HEADER_SIZE;
}

// A segment of a connection that another instance may have: sends it on, or resets
// it when nobody can know it. What finds no room in the ring is lost, like any frame.
static void
pass_on(struct link *link, u64 now_ns, const u8 *frame, u32 len)
{
	const u8 *own = link->ring.control->mac;
	const struct balance_place *place =
		balance_redirect(link->table, own, link->virtual_mac, frame, len);
	struct ring_part part;
	u8 *copy;

	if (!place) {
		link->turned_away++;
		net_refuse(link->net, now_ns, frame, len);
		return;
	}
	if (!ring_room(&link->ring) || len > HEADER_SIZE)
		return;
	copy = header_buffer(link);
	memcpy(copy, frame, len);
	if (!balance_pass_on(copy, place->mac, own))
		return;
	part = (struct ring_part){ copy, len };
	if (ring_put(&link->ring, &part, 1, (struct ring_offload){ 0 }))
		link->passed_on++;
}

u32
link_receive(struct link *link, u64 now_ns)
{
	const u8 *frame;
	u32 count = 0, len;

	while (count < RECEIVE_MAX && (len = ring_peek(&link->ring, &frame))) {
		net_input(link->net, now_ns, frame, len);
		if (link->table && net_stray(link->net))
			pass_on(link, now_ns, frame, len);
		ring_consume(&link->ring);
		count++;
	}
	return count;
}

static void
put_frame(struct link *link, const struct net_packet *packet)
{
	struct ring_part parts[RING_PIECES_MAX] = {
		{ packet->header, packet->header_len },
	};
	bool placed;

	ASSERT(packet->span_count <= NET_SPANS_MAX);
	for (u32 i = 0; i < packet->span_count; i++) {
		parts[i + 1] = (struct ring_part){
			packet->span[i].at, packet->span[i].len,
		};
	}
	placed = ring_put(&link->ring, parts, packet->span_count + 1,
			  (struct ring_offload){ packet->checksum_start,
						 packet->checksum_offset,
						 packet->segment });
	// All that is lent lies in the archive, the index or the image.
	ASSERT(placed);
}

// For a program of this node, which no device reaches: each segment is a frame. What
// finds no room in the ring is lost, like any frame.
static void
put_cut(struct link *link, struct net_packet *whole)
{
	static u8 header[NET_HEADER_MAX];
	struct net_packet part = { .header = header_buffer(link) };
	u32 done = 0;

	memcpy(header, whole->header, whole->header_len);
	whole->header = header;
	while (ring_room(&link->ring) && net_cut(whole, &done, &part)) {
		put_frame(link, &part);
		part.header = header_buffer(link);
	}
}

static void
put(struct link *link, struct net_packet *packet)
{
	if (unlikely(packet->segment && ring_is_near(packet->header)))
		put_cut(link, packet);
	else
		put_frame(link, packet);
}

// A refusal is a bug of this program or a capability taken away: said once.
static void
report_refused(struct link *link)
{
	u32 refused = link->ring.control->tx_refused;

	if (refused != link->refused && !link->refused)
		print("web: the kernel refused to send %u frames\n", refused);
	link->refused = refused;
}

void
link_send(struct link *link, u64 now_ns)
{
	struct net_packet packet;

	link->starved = true;
	while (ring_room(&link->ring)) {
		packet.header = header_buffer(link);
		if (!net_output(link->net, now_ns, &packet)) {
			link->starved = false;
			break;
		}
		put(link, &packet);
	}
	ring_flush(&link->ring);
	link->given += link->ring.tx_head - (u32)link->given;
	link->passed = link->given - (link->ring.tx_head - ring_sent(&link->ring));
	report_refused(link);
}

void
link_watch(struct link *link, struct wait_set *set)
{
	u32 sent = ring_sent(&link->ring);

	ring_watch(&link->ring, set);
	if (link->starved)
		ring_watch_sent(&link->ring, set, sent);
}
