// SPDX-License-Identifier: BSD-2-Clause
// What kernel/fabric is on a machine, without disks, endpoints and revocation: the
// cases of this rig move memory. A node's name and address are its number; every
// node's pages may be granted, and passed on, and a capability that comes stands in
// `held`. What is not here is net/rcap/default_rig.c.

#include <stdlib.h>
#include <string.h>

#include "harness/flow/host.h"
#include "kernel/base/assert.h"

#define NODE(host) ((u32)((struct flow_node *)(host) - flow.node))

static u8 buffer[WIRE_FRAME_MAX];

// ---- what the core asks for

enum wire_code
rcap_host_granted(void *host, const struct rcap_remote *remote,
		  const struct wire_grant *grant)
{
	struct flow_node *n = host;

	(void)grant;
	if (n->held_count == FLOW_HELD)
		return CODE_PLACE;
	n->held[n->held_count++] = *remote;
	return CODE_NONE;
}

// Nothing is taken back here, so nobody needs to know what came from what.
enum wire_code
rcap_host_derive(void *host, u32 parent, u32 rights, u64 base, u64 count, u32 *node,
		 u32 *node_generation)
{
	(void)host, (void)parent, (void)rights, (void)base, (void)count;
	*node = *node_generation = 0;
	return CODE_NONE;
}

void
rcap_host_grant_ended(void *host, u32 entry, u32 node, u32 node_generation,
		      enum wire_code code)
{
	(void)host;
	(void)entry;
	(void)node;
	(void)node_generation;
	ASSERT(code == CODE_NONE);
}

u8 *
rcap_host_buffer(void *host)
{
	return flow_can_send(NODE(host)) ? buffer : NULL;
}

bool
rcap_host_room(void *host)
{
	return flow_has_room(NODE(host));
}

void
rcap_host_send(void *host, u8 *bytes, u32 len)
{
	if (len)
		flow_send(NODE(host), bytes, len);
}

// ---- names

u32
host_node_of(const u8 mac[6])
{
	return mac[0] == 2 ? (u32)mac[4] << 8 | mac[5] : FLOW_NONE;
}

void
flow_uuid(u32 node, u8 uuid[16])
{
	memset(uuid, 0x5d, 16);
	uuid[0] = (u8)node;
	uuid[1] = (u8)(node >> 8);
}

u16
flow_peer(u32 node, u32 other)
{
	u8 uuid[16];

	flow_uuid(other, uuid);
	return links_find(flow.node[node].links, uuid);
}

// ---- life

static void *
zeroed(u64 size)
{
	void *memory = aligned_alloc(4096, ALIGN_UP(size, 4096ull));

	if (!memory)
		flow_fail("out of memory");
	memset(memory, 0, ALIGN_UP(size, 4096ull));
	return memory;
}

static void
configure(u32 index, struct links_config *lc, struct rcap_config *rc)
{
	const struct flow_setup *s = &flow.setup;
	bool hub = index < s->hub;

	*lc = (struct links_config){
		.incarnation = prng_u64(&flow.prng) | 1,
		.mac = { 2, 0, 0, 0, (u8)(index >> 8), (u8)index },
		.mtu = s->mtu,
		.peers_max = (u16)(hub ? s->nodes : s->hub + 1),
		.windows_max = hub ? s->hub_windows : (u16)s->hub,
		.handshakes_max = 32,
		.key_agreements_max = 2000,
		.grant_pool = s->grant_pool,
		.landing_pool = s->landing_pool,
	};
	flow_uuid(index, lc->uuid);
	memcpy(lc->cluster_key, s->cluster_key, sizeof(lc->cluster_key));
	for (u32 i = 0; i < 32; i++) {
		lc->secret_key[i] = (u8)prng_u64(&flow.prng);
		lc->entropy[i] = (u8)prng_u64(&flow.prng);
	}
	*rc = (struct rcap_config){
		.memory = flow.node[index].memory,
		// With what the table keeps for other environments, and to derive from.
		.exports_max = MAX(hub ? s->nodes + s->nodes / 32 + 1 : 32, 64),
		.ops_max = hub ? 512 : 64,
		.grants_max = (u32)(hub ? s->nodes : 32),
		.endpoints_max = 1,
		.buffers_max = 1,
		.services_max = 1,
	};
}

void
host_boot(u32 index)
{
	struct flow_node *n = &flow.node[index];
	struct links_config lc;
	struct rcap_config rc;
	u64 size;

	n->memory = zeroed(flow.setup.pages * 4096ull);
	configure(index, &lc, &rc);
	n->incarnation = lc.incarnation;
	size = links_memory_needed(&lc);
	n->links = links_init(zeroed(size), size, &lc, flow.now);
	ASSERT(n->links);
	size = rcap_memory_needed(&rc, &lc);
	n->rcap = rcap_init(zeroed(size), size, &rc, &lc, n->links, n);
	ASSERT(n->rcap);
}

void
host_end(u32 index)
{
	struct flow_node *n = &flow.node[index];

	free(n->rcap);
	free(n->links);
	free(n->memory);
}

void
host_input(u32 node, const u8 *bytes, u32 len)
{
	rcap_input(flow.node[node].rcap, flow.now, bytes, len);
}

void
host_settle(u32 node)
{
	struct flow_node *n = &flow.node[node];
	struct rcap_completion completion;
	u32 len;

	rcap_tick(n->rcap, flow.now);
	while (flow_can_send(node) && (len = rcap_output(n->rcap, flow.now, buffer)))
		flow_send(node, buffer, len);
	while (rcap_completion(n->rcap, &completion))
		flow.done(node, &completion);
}

u32
flow_grant_weighed(u32 owner, u32 holder, u32 environment, u64 base, u64 count,
		   u16 granter, u8 weight)
{
	struct flow_node *o = &flow.node[owner], *h = &flow.node[holder];
	u32 held = h->held_count;
	struct rcap_grant grant = {
		.type = TYPE_FRAMES,
		.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE | WIRE_RIGHT_DERIVE,
		.peer = flow_peer(owner, holder),
		.incarnation = h->incarnation,
		.environment = environment,
		.base = base,
		.count = count,
		.granter = granter,
		.weight = weight,
	};

	if (rcap_export(o->rcap, flow.now, &grant) == RCAP_NONE)
		flow_fail("a capability could not be granted");
	for (u32 i = 0; i < 1000 && h->held_count == held; i++) {
		host_settle(owner);
		flow_until(NULL, NS_PER_MS);
	}
	if (h->held_count == held)
		flow_fail("a capability has not come");
	return held;
}

u32
flow_grant(u32 owner, u32 holder, u32 environment, u64 base, u64 count)
{
	return flow_grant_weighed(owner, holder, environment, base, count, 0, 0);
}
