// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// For the tests of this folder only: views of made-up clusters, frames of made-up
// connections.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cluster/balance/balance.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/prng.h"
#include "kernel/base/string.h"

#define WORLD_PORT 80
#define WORLD_API 7077
#define WORLD_NODE 0x0a000001u
#define WORLD_VIRTUAL 0x0a000080u
#define WORLD_FRAME 60u

static const u8 world_virtual_mac[6] = { 2, 0xde, 0x05, 0, 0, 1 };

static inline u64
world_seed(void)
{
	const char *text = getenv("SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : (u64)time(NULL);

	printf("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

// Members 0..count-1, each with one running instance of the only job, as seen by
// member `self`. Their UUIDs are made from `seed`.
static inline void
world_view(struct view *view, u32 count, u32 self, u64 seed)
{
	memset(view, 0, sizeof(*view));
	view->self = self;
	view->api_port = WORLD_API;
	view->virtual_address = WORLD_VIRTUAL;
	memcpy(view->virtual_mac, world_virtual_mac, 6);
	memset(view->hash_key, 0x5a, sizeof(view->hash_key));
	view->member_count = view->instance_count = count;
	view->job_count = 1;
	view->job[0] = (struct view_job){ .id = 7, .port = WORLD_PORT };
	for (u32 i = 0; i < count; i++) {
		struct view_member *m = &view->member[i];

		m->uuid[0] = (u8)(i + 1);
		be64_store(m->uuid + 8, seed * 0x9e3779b97f4a7c15ull + i);
		m->incarnation = 1;
		m->life = VIEW_ALIVE;
		memcpy(m->mac, (u8[6]){ 0x52, 0x54, 0, 0, 1, (u8)(i + 1) }, 6);
		view->instance[i] = (struct view_instance){
			.number = (u16)i, .member = (u16)i, .mac_index = 2,
			.state = VIEW_RUNNING, .environment = 100 + i,
		};
	}
}

// Instance i is not there (any more, or yet).
static inline void
world_remove(struct view *view, u32 number)
{
	u32 kept = 0;

	for (u32 i = 0; i < view->instance_count; i++) {
		if (view->instance[i].number != number)
			view->instance[kept++] = view->instance[i];
	}
	view->instance_count = kept;
}

static inline struct balance_flow
world_flow(struct prng *prng)
{
	return (struct balance_flow){
		.peer = (u32)prng_u64(prng) | 0x0b000000,
		.local = WORLD_VIRTUAL,
		.peer_port = (u16)prng_u64(prng),
		.local_port = WORLD_PORT,
	};
}

// A segment of that connection, 60 bytes.
static inline void
world_segment(const struct balance_flow *flow, u8 frame[WORLD_FRAME])
{
	u8 *ip = frame + 14;
	u32 sum = 0;

	memset(frame, 0, WORLD_FRAME);
	memcpy(frame, world_virtual_mac, 6);
	frame[6] = 0x52;
	be16_store(frame + 12, 0x0800);
	ip[0] = 0x45;
	be16_store(ip + 2, 40);
	ip[8] = 64;
	ip[9] = 6;
	be32_store(ip + 12, flow->peer);
	be32_store(ip + 16, flow->local);
	for (u32 i = 0; i < 20; i += 2)
		sum += be16_load(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	be16_store(ip + 10, (u16)~(sum + (sum >> 16)));
	be16_store(ip + 20, flow->peer_port);
	be16_store(ip + 22, flow->local_port);
	ip[32] = 0x50;
}
