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

// Takes the next frame that the stack wants to send. Returns its length, or 0.
static inline u32
wire_take(struct net *net, u64 now_ns, u8 frame[WIRE_FRAME_MAX])
{
	u8 *header = malloc(NET_HEADER_MAX);
	struct net_packet packet = { .header = header };
	u32 len = 0;

	if (!header)
		abort();
	if (net_output(net, now_ns, &packet)) {
		len = packet.header_len;
		ASSERT(len <= NET_HEADER_MAX);
		memcpy(frame, header, len);
		for (u32 i = 0; i < packet.span_count; i++) {
			ASSERT(len + packet.span[i].len <= WIRE_FRAME_MAX);
			memcpy(frame + len, packet.span[i].at,
			       packet.span[i].len);
			len += packet.span[i].len;
		}
		ASSERT(len <= ETHERNET_LEN + net->config.mtu);
		wire_complete(&packet, frame, len);
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
