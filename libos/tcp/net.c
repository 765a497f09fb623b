// SPDX-License-Identifier: BSD-2-Clause
// The stack as a whole: memory, the way in, the way out, the clock.
//
// Memory is cut once: struct net, then per-connection state, hash buckets, the
// timer heap, and the buffers. Frames that are built at once (ARP, ICMP, resets,
// handshakes) wait in the control ring; connections that have something to send
// wait in a list and build their segments when net_output() asks.
//
// Invariants: state.h.

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/parts.h"

static u32
bucket_count(u32 conn_max)
{
	u32 buckets = 16;

	while (buckets < conn_max)
		buckets *= 2;
	return buckets;
}

struct layout {
	u64 conns, buckets, heap, buffers, size;
};

static struct layout
lay_out(const struct net_config *c)
{
	struct layout l;

	l.conns = ALIGN_UP(sizeof(struct net), 64);
	l.buckets = l.conns + ALIGN_UP(c->conn_max * sizeof(struct tcp_conn), 64);
	l.heap = l.buckets + ALIGN_UP(bucket_count(c->conn_max) * sizeof(u32), 64);
	l.buffers = ALIGN_UP(l.heap + c->conn_max * sizeof(struct heap_entry), 4096);
	l.size = l.buffers +
		 (u64)c->conn_max * (c->receive_size + TCP_COPY_SIZE);
	return l;
}

u64
net_memory_needed(const struct net_config *config)
{
	return lay_out(config).size;
}

static bool
config_ok(const struct net_config *c)
{
	return c->conn_max >= 1 && c->conn_max <= 65535 && c->mtu >= 576 &&
	       c->mtu <= 1500 && c->receive_size >= 2048 &&
	       c->receive_size <= 1 << 20 && c->mode <= NET_GUEST &&
	       c->cut_max <= NET_CUT_MAX && (!c->cut_max || c->checksum_offload) &&
	       (c->mode != NET_REMEMBERED || c->address) &&
	       (c->mode != NET_GUEST || !c->address);
}

static void
start(struct net *net, const struct net_config *c)
{
	const struct net_own own = { .address = c->address };

	if (c->address) {
		own_set(net, &own, 1, c->mask, c->gateway);
		arp_announce(net);
	}
	if (c->mode == NET_REMEMBERED)
		dhcp_confirm(net);
	else if (c->mode == NET_HOST && !c->address)
		dhcp_start(net);
}

struct net *
net_init(void *memory, u64 size, const struct net_config *config, u64 now_ns)
{
	struct layout l = lay_out(config);
	struct net *net = memory;
	u8 *base = memory;

	if (!config_ok(config) || size < l.size)
		return NULL;
	ASSERT((uintptr_t)memory % 16 == 0);
	net->config = *config;
	net->now_ns = now_ns;
	prng_seed(&net->prng, config->seed);
	net->clock_offset = (u32)prng_u64(&net->prng);
	net->conn = (struct tcp_conn *)(void *)(base + l.conns);
	net->bucket = (u32 *)(void *)(base + l.buckets);
	net->bucket_mask = bucket_count(config->conn_max) - 1;
	net->heap = (struct heap_entry *)(void *)(base + l.heap);
	for (u32 i = 0; i <= net->bucket_mask; i++)
		net->bucket[i] = NIL;
	for (u32 i = 0; i < config->conn_max; i++) {
		struct tcp_conn *conn = &net->conn[i];
		u8 *buffer = base + l.buffers +
			     (u64)i * (config->receive_size + TCP_COPY_SIZE);

		conn->hash_next = i + 1 < config->conn_max ? i + 1 : NIL;
		conn->heap_index = NIL;
		conn->buffer = buffer;
		conn->copy = buffer + config->receive_size;
	}
	net->ready_first = net->out_first = NIL;
	net->ready_last = net->out_last = NIL;
	start(net, config);
	return net;
}

bool
ration_take(struct net *net, struct ration *ration, u32 each_second)
{
	u64 second = net->now_ns / NS_PER_SECOND;

	ASSERT(each_second > 1);
	if (second != ration->second) {
		ration->second = second;
		ration->left = each_second / 2 +
			       (u32)prng_below(&net->prng, each_second);
	}
	if (!ration->left)
		return false;
	ration->left--;
	return true;
}

bool
control_put(struct net *net, const void *frame, u32 len)
{
	u32 need = ALIGN_UP(len + 2, 2);
	u32 at = net->control_head % CONTROL_RING;
	u32 to_end = CONTROL_RING - at;

	ASSERT(len >= ETHERNET_LEN && len <= NET_HEADER_MAX);
	// A record does not wrap: the rest of the ring is skipped instead.
	if (to_end < need) {
		if (CONTROL_RING - (net->control_head - net->control_tail) <
		    to_end + need)
			return false;
		le16_store(net->control + at, 0);
		net->control_head += to_end;
		at = 0;
	}
	if (CONTROL_RING - (net->control_head - net->control_tail) < need)
		return false;
	le16_store(net->control + at, (u16)len);
	memcpy(net->control + at + 2, frame, len);
	net->control_head += need;
	ASSERT(net->control_head - net->control_tail <= CONTROL_RING);
	return true;
}

static bool
control_take(struct net *net, struct net_packet *packet)
{
	while (net->control_tail != net->control_head) {
		u32 at = net->control_tail % CONTROL_RING;
		u32 len = le16_load(net->control + at);

		if (len == 0) {
			net->control_tail += CONTROL_RING - at;
			continue;
		}
		memcpy(packet->header, net->control + at + 2, len);
		packet->header_len = len;
		net->control_tail += ALIGN_UP(len + 2, 2);
		return true;
	}
	return false;
}

static void
out_pop(struct net *net)
{
	struct tcp_conn *conn = &net->conn[net->out_first];

	ASSERT(conn->queued_out);
	conn->queued_out = false;
	net->out_first = conn->out_next;
	if (net->out_first == NIL)
		net->out_last = NIL;
}

bool
net_output(struct net *net, u64 now_ns, struct net_packet *packet)
{
	u8 *header = packet->header;

	net->now_ns = now_ns;
	*packet = (struct net_packet){ .header = header };
	if (control_take(net, packet)) {
		net->counters.sent++;
		return true;
	}
	while (net->out_first != NIL) {
		struct tcp_conn *conn = &net->conn[net->out_first];

		if (conn->state != TCP_CLOSED && tcp_output(net, conn, packet)) {
			net->counters.sent++;
			return true;
		}
		out_pop(net);
		if (conn->state != TCP_CLOSED)
			timer_update(net, conn);
	}
	return false;
}

void
net_input(struct net *net, u64 now_ns, const void *frame, u32 len)
{
	const u8 *at = frame;

	net->now_ns = now_ns;
	net->stray = false;
	net->counters.received++;
	if (len < ETHERNET_LEN) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	if (!(at[0] & 1) && memcmp(at, net->config.mac, 6)) {
		drop(net, NET_DROP_ADDRESS);
		return;
	}
	switch (be16_load(at + 12)) {
	case ETHERTYPE_IPV4:
		ip_input(net, at, len);
		break;
	case ETHERTYPE_ARP:
		arp_input(net, at, len);
		break;
	default:
		drop(net, NET_DROP_ETHERTYPE);
	}
}

bool
net_stray(const struct net *net)
{
	return net->stray;
}

void
net_refuse(struct net *net, u64 now_ns, const void *frame, u32 len)
{
	net->refusing = true;
	net_input(net, now_ns, frame, len);
	net->refusing = false;
	ASSERT(!net->stray);
}

void
net_tick(struct net *net, u64 now_ns)
{
	struct tcp_conn *conn;

	net->now_ns = now_ns;
	dhcp_tick(net);
	// Each due connection moves its deadline past now, so this ends.
	while ((conn = timer_due(net)))
		tcp_timer(net, conn);
}

u64
net_next_deadline(const struct net *net)
{
	u64 at = net->heap_count ? net->heap[0].key : NEVER_NS;

	return MIN(at, dhcp_deadline(net));
}

u32
net_address(const struct net *net)
{
	return net->address;
}

u32
net_mask(const struct net *net)
{
	return net->mask;
}

u32
net_gateway(const struct net *net)
{
	return net->gateway;
}

const struct net_counters *
net_counters(const struct net *net)
{
	return &net->counters;
}
