// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// For the tests of this folder only: a stack in memory of its own, its frames as
// flat bytes as a device would send them, and the seed of what is random.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/checksum.h"
#include "libos/tcp/parts.h"

#define WIRE_FRAME_MAX 2048u

// SEED from the environment, else the time. Printed, so that it can be given.
static inline u64
test_seed(void)
{
	const char *text = getenv("SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : (u64)time(NULL);

	printf("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static inline struct net_config
wire_config(u8 number)
{
	return (struct net_config){
		.mac = { 2, 0, 0, 0, 0, number },
		.mtu = 1500,
		.conn_max = 8,
		.receive_size = 32768,
		.secret = { 1, 2, 3, number },
		.seed = number,
		.address = 0x0a000000u + number,	// 10.0.0.number
		.mask = 0xffffff00,
	};
}

// Memory of exactly the size that the stack asks for.
static inline struct net *
wire_net(const struct net_config *config, u64 now_ns)
{
	u64 size = net_memory_needed(config);
	void *memory = calloc(1, size);
	struct net *net = memory ? net_init(memory, size, config, now_ns) : NULL;

	if (!net)
		abort();
	return net;
}

// What the device does when it was asked to complete a checksum.
static inline void
wire_complete(const struct net_packet *packet, u8 *frame, u32 len)
{
	u32 start = packet->checksum_start;
	u16 sum;

	if (!start)
		return;
	ASSERT(start + packet->checksum_offset + 2u <= len);
	sum = checksum_finish(checksum_add(0, frame + start, len - start));
	be16_store(frame + start + packet->checksum_offset, sum);
}

static inline u32
wire_flatten(const struct net *net, const struct net_packet *packet,
	     u8 frame[WIRE_FRAME_MAX])
{
	u32 len = packet->header_len;

	ASSERT(len <= NET_HEADER_MAX);
	memcpy(frame, packet->header, len);
	for (u32 i = 0; i < packet->span_count; i++) {
		ASSERT(len + packet->span[i].len <= WIRE_FRAME_MAX);
		memcpy(frame + len, packet->span[i].at, packet->span[i].len);
		len += packet->span[i].len;
	}
	ASSERT(len <= ETHERNET_LEN + net->config.mtu);
	wire_complete(packet, frame, len);
	return len;
}

// A packet that is being cut, as it lies in a device that has read all of it: the
// stack may already forget what it lent.
struct wire_long {
	const struct net *net;
	struct net_packet packet;
	u32 done;
	u8 header[NET_HEADER_MAX];
	u8 bytes[NET_CUT_MAX];
};

static inline struct wire_long *
wire_long_of(const struct net *net)
{
	static struct wire_long longs[2];

	for (u32 i = 0; i < ARRAY_SIZE(longs); i++) {
		if (longs[i].net == net)
			return &longs[i];
	}
	return NULL;
}

// Takes a long packet in; there are at most two at a time.
static inline void
wire_read_long(const struct net *net, const struct net_packet *packet)
{
	struct wire_long *l = wire_long_of(NULL);
	u32 len = 0;

	ASSERT(l && packet->header_len <= NET_HEADER_MAX);
	l->net = net;
	l->done = 0;
	l->packet = *packet;
	l->packet.header = l->header;
	memcpy(l->header, packet->header, packet->header_len);
	for (u32 i = 0; i < packet->span_count; i++) {
		ASSERT(len + packet->span[i].len <= sizeof(l->bytes));
		memcpy(l->bytes + len, packet->span[i].at, packet->span[i].len);
		l->packet.span[i].at = l->bytes + len;
		len += packet->span[i].len;
	}
	ASSERT(packet->header_len + len <= ETHERNET_LEN + 0xffff);
}

// The next segment of a long packet that was begun. Returns its length, or 0.
static inline u32
wire_cut(const struct net *net, u8 *header, u8 frame[WIRE_FRAME_MAX])
{
	struct wire_long *l = wire_long_of(net);
	struct net_packet part = { .header = header };

	if (!l)
		return 0;
	if (net_cut(&l->packet, &l->done, &part))
		return wire_flatten(net, &part, frame);
	l->net = NULL;
	return 0;
}

// Takes the next frame that the stack wants to send. Returns its length, or 0.
static inline u32
wire_take(struct net *net, u64 now_ns, u8 frame[WIRE_FRAME_MAX])
{
	u8 *header = malloc(NET_HEADER_MAX);
	struct net_packet packet = { .header = header };
	u32 len;

	if (!header)
		abort();
	len = wire_cut(net, header, frame);
	packet.header = header;
	if (!len && net_output(net, now_ns, &packet)) {
		if (packet.segment) {
			wire_read_long(net, &packet);
			len = wire_cut(net, header, frame);
		} else {
			len = wire_flatten(net, &packet, frame);
		}
	}
	free(header);
	return len;
}

// Shows a frame in memory of exactly its size.
static inline void
wire_give(struct net *net, u64 now_ns, const u8 *frame, u32 len)
{
	u8 *exact = malloc(len ? len : 1);

	if (!exact)
		abort();
	memcpy(exact, frame, len);
	net_input(net, now_ns, exact, len);
	free(exact);
}
