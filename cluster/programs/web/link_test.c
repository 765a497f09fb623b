// SPDX-License-Identifier: BSD-2-Clause
// What the web server frame_count into its ring: a packet of many segments whole where the device
// cuts it, and segment by segment, each in a buffer of its own, for a receiver on the same
// node. The ring and the stack above are stand-ins; the cutting is the real one.
//
// links: cluster/programs/web/link.c libos/tcp/cut.c libos/tcp/checksum.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/programs/web/web.h"
#include "kernel/base/byteorder.h"
#include "libos/crt/console.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/tcp/checksum.h"

#define HEADERS (14u + 20u + 20u)
#define SEGMENT 1448u
#define LENT 9000u		// behind the 100 bytes that stand in the header
#define INLINE 100u
#define TOTAL (INLINE + LENT)
#define FRAMES ((TOTAL + SEGMENT - 1) / SEGMENT)
#define SEQ 0xfffff000u		// it wraps on the way
#define FIN_PSH_ACK 0x19u
#define ACK 0x10u

static _Alignas(PAGE_SIZE) u8 buffers[RING_SLOTS * 2048];
static u8 lent[LENT];
static struct link link;
static struct ring_control control;
static u32 room;
static bool near, pending_packet;

static struct {
	struct ring_part part[RING_PIECES_MAX];
	u32 count;
	struct ring_offload offload;
} frames[RING_SLOTS];
static u32 frame_count;

// ---- the ring, and what stands above it

u32
ring_room(const struct ring *ring)
{
	(void)ring;
	return room - frame_count;
}

bool
ring_put(struct ring *ring, const struct ring_part *parts, u32 count,
	 struct ring_offload offload)
{
	assert_true(frame_count < room && count <= RING_PIECES_MAX);
	memcpy(frames[frame_count].part, parts, count * sizeof(*parts));
	frames[frame_count].count = count;
	frames[frame_count++].offload = offload;
	ring->tx_head++;
	return true;
}

bool
ring_is_near(const u8 mac[6])
{
	assert_int_equal(mac[0], 0x52);
	return near;
}

i64
ring_flush(struct ring *ring)
{
	(void)ring;
	return 0;
}

// One packet of TOTAL bytes, to be cut.
bool
net_output(struct net *net, u64 now_ns, struct net_packet *packet)
{
	static const u8 headers[HEADERS] = {
		0x52, 1, 2, 3, 4, 5, 0x52, 6, 7, 8, 9, 10, 8, 0,
		[14] = 0x45, [22] = 64, [23] = 6, [26] = 10, 0, 0, 1, 10, 0, 0, 2,
		[14 + 20 + 12] = 5 << 4, FIN_PSH_ACK,
	};

	(void)net;
	(void)now_ns;
	if (!pending_packet)
		return false;
	pending_packet = false;
	memcpy(packet->header, headers, HEADERS);
	be32_store(packet->header + 14 + 20 + 4, SEQ);
	for (u32 i = 0; i < INLINE; i++)
		packet->header[HEADERS + i] = (u8)(i * 3);
	packet->header_len = HEADERS + INLINE;
	packet->span_count = 2;
	packet->span[0] = (struct net_span){ lent, 5000 };
	packet->span[1] = (struct net_span){ lent + 5000, LENT - 5000 };
	packet->checksum_start = 14 + 20;
	packet->checksum_offset = 16;
	packet->segment = SEGMENT;
	return true;
}

// What is not called here.

#pragma GCC diagnostic ignored "-Wunused-parameter"
#define UNUSED_CALL(type, name, ...) \
	type name(__VA_ARGS__) { fail_msg(#name " was called"); __builtin_unreachable(); }

UNUSED_CALL(i64, ring_open, struct ring *ring, const struct ring_config *config)
UNUSED_CALL(u32, ring_peek, const struct ring *ring, const u8 **frame)
UNUSED_CALL(void, ring_consume, struct ring *ring)
UNUSED_CALL(void, ring_watch, const struct ring *ring, struct wait_set *set)
UNUSED_CALL(void, ring_watch_sent, const struct ring *ring, struct wait_set *set, u32 seen)
UNUSED_CALL(i64, frames_take, u32 count, struct frame_run *run)
UNUSED_CALL(void, frames_give, const struct frame_run *run)
UNUSED_CALL(void, print, const char *format, ...)
UNUSED_CALL(void, net_input, struct net *net, u64 now_ns, const void *frame, u32 len)
UNUSED_CALL(bool, net_stray, const struct net *net)
UNUSED_CALL(void, net_refuse, struct net *net, u64 now_ns, const void *frame, u32 len)
UNUSED_CALL(const struct balance_place *, balance_redirect, const struct balance_table *table,
	    const u8 own[6], const u8 virtual_mac[6], const u8 *frame, u32 len)
UNUSED_CALL(bool, balance_pass_on, u8 *frame, const u8 to[6], const u8 own[6])

// ---- tests

static void
send_one(u32 descriptors, bool to_this_node)
{
	frame_count = 0;
	room = descriptors;
	near = to_this_node;
	pending_packet = true;
	for (u32 i = 0; i < LENT; i++)
		lent[i] = (u8)(i * 7 + i / 251);
	link = (struct link){
		.ring = { .control = &control },
		.headers = { .frame = ((u64)(uintptr_t)buffers - DIRECT_BASE) >> PAGE_SHIFT },
	};
	link_send(&link, NS_PER_SECOND);
}

static u8
payload(u32 at)
{
	return at < INLINE ? (u8)(at * 3) : lent[at - INLINE];
}

// Frame i as it lies in the ring when all were put; returns the bytes of its payload.
static u32
check_segment(u32 i)
{
	const u8 *header = frames[i].part[0].at, *ip = header + 14, *tcp = ip + 20;
	u32 at = i * SEGMENT, len = MIN(SEGMENT, TOTAL - at), seen = 0;

	assert_ptr_equal(header, buffers + i * 2048);
	assert_int_equal(frames[i].offload.segment, 0);
	assert_int_equal(frames[i].offload.start, 14 + 20);
	assert_int_equal(be32_load(tcp + 4), (u32)(SEQ + at));
	assert_int_equal(tcp[13], at + len == TOTAL ? FIN_PSH_ACK : ACK);
	assert_int_equal(be16_load(ip + 2), 40 + len);
	assert_int_equal(checksum_finish(checksum_add(0, ip, 20)), 0);
	for (u32 p = 0; p < frames[i].count; p++) {
		const u8 *bytes = frames[i].part[p].at;

		for (u32 b = p ? 0 : HEADERS; b < frames[i].part[p].len; b++)
			assert_int_equal(bytes[b], payload(at + seen++));
	}
	assert_int_equal(seen, len);
	return len;
}

static void
a_device_gets_it_whole(void **state)
{
	(void)state;
	send_one(RING_SLOTS, false);
	assert_int_equal(frame_count, 1);
	assert_int_equal(frames[0].offload.segment, SEGMENT);
	assert_int_equal(frames[0].count, 3);
	assert_int_equal(frames[0].part[0].len + frames[0].part[1].len + frames[0].part[2].len,
			 HEADERS + TOTAL);
	assert_false(link.starved);
}

static void
a_receiver_on_this_node_gets_segments(void **state)
{
	u32 sum = 0;

	(void)state;
	send_one(RING_SLOTS, true);
	assert_int_equal(frame_count, FRAMES);
	for (u32 i = 0; i < frame_count; i++)
		sum += check_segment(i);
	assert_int_equal(sum, TOTAL);
}

// The rest is lost, like any frame, and nothing else is written over.
static void
what_finds_no_room_is_lost(void **state)
{
	(void)state;
	for (u32 descriptors = 1; descriptors < FRAMES; descriptors++) {
		send_one(descriptors, true);
		assert_int_equal(frame_count, descriptors);
		for (u32 i = 0; i < frame_count; i++)
			assert_int_equal(check_segment(i), SEGMENT);
		assert_true(link.starved);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_gets_it_whole),
		cmocka_unit_test(a_receiver_on_this_node_gets_segments),
		cmocka_unit_test(what_finds_no_room_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
