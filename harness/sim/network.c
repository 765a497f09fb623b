// SPDX-License-Identifier: BSD-2-Clause
// Sending, with faults: each copy of a frame draws its own fate.
//
// A path has a latency of 5 to 25 us and hands frames on in order, one in a
// microsecond at most. A reordered frame waits up to 3 ms by itself, and those
// behind it pass. Faults draw from the network's own generator: a narrower
// FAULTS= leaves the nodes' work what it was.

#include <string.h>

#include "harness/sim/network.h"
#include "kernel/base/assert.h"

#define LATENCY_LEAST 5000u
#define LATENCY_SPREAD 20000u
#define FRAME_GAP 1000u
#define ETHERNET 14u
#define REORDER_MOST 3000000u
#define NONE 0xffffffffu
#define OTHER_VERSION 0x40u	// flipped in a frame's first byte
#define CAPTURE_RATE 40000u	// of a million frames

void
network_init(struct network *net, struct heap *heap, struct trace *trace,
	     u32 nodes, u32 event_kind, u64 seed)
{
	ASSERT(nodes >= 1 && nodes <= SIM_NODES_MAX);
	net->heap = heap;
	net->trace = trace;
	prng_seed(&net->prng, seed);
	net->faults = (struct faults){ 0 };
	net->nodes = nodes;
	net->event_kind = event_kind;
	net->on_way = 0;
	net->captured = 0;
	net->count = (struct network_counts){ 0 };
	memset(net->path, 0, (u64)nodes * nodes * sizeof(net->path[0]));
	memset(net->other, 0, nodes * sizeof(net->other[0]));
	net->free = NONE;
	net->fresh = 0;
}

void
network_mac(u32 node, u8 mac[6])
{
	const u8 bytes[] = { 0x02, 0xde, 0x05, 0, (u8)(node >> 8), (u8)node };

	memcpy(mac, bytes, 6);
}

u32
network_node(const struct network *net, const u8 mac[6])
{
	u8 own[6];
	u32 node = (u32)mac[4] << 8 | mac[5];

	if (node >= net->nodes)
		return SIM_NODES_MAX;
	network_mac(node, own);
	return memcmp(own, mac, 6) ? SIM_NODES_MAX : node;
}

static struct path *
path_of(struct network *net, u32 from, u32 to)
{
	ASSERT(from < net->nodes && to < net->nodes);
	return &net->path[from * net->nodes + to];
}

static u64
arrival(struct network *net, struct path *path, bool reordered)
{
	u64 at = net->trace->now + LATENCY_LEAST +
		 prng_below(&net->prng, LATENCY_SPREAD);

	if (net->trace->now < path->slow_until) {
		at += path->slow_ns;
		net->count.slowed++;
	}
	if (net->trace->now < path->clog_until) {
		at = MAX(at, path->clog_until);
		net->count.clogged++;
	}
	if (reordered)
		return at + prng_below(&net->prng, REORDER_MOST);
	at = MAX(at, path->last_arrival + FRAME_GAP);
	path->last_arrival = at;
	return at;
}

static bool
is_altered(const struct sim_frame *frame, const u8 *bytes, u16 len)
{
	return frame->len != len ||
	       memcmp(frame->bytes + ETHERNET, bytes + ETHERNET, len - ETHERNET);
}

static void
corrupt(struct network *net, struct sim_frame *frame)
{
	u64 bits = 1 + prng_below(&net->prng, 8);

	while (bits--) {
		u64 bit = prng_below(&net->prng, frame->len * 8ull);

		frame->bytes[bit / 8] ^= (u8)(1u << bit % 8);
	}
	net->count.corrupted++;
}

static u32
take_frame(struct network *net)
{
	u32 index = net->free;

	if (index == NONE) {
		ASSERT(net->fresh < FRAMES_ON_WAY_MAX);
		index = net->fresh++;
	} else {
		net->free = net->frame[index].next_free;
	}
	net->on_way++;
	return index;
}

// Puts one copy on its way.
static struct sim_frame *
put(struct network *net, u32 from, u32 to, const u8 *bytes, u16 len)
{
	bool reordered = faults_hit(&net->prng, net->faults.rate[FAULT_REORDER]);
	u32 index = take_frame(net);
	struct sim_frame *frame = &net->frame[index];

	ASSERT(len <= FRAME_ROOM);
	frame->len = len;
	frame->from = (u16)from;
	frame->to = (u16)to;
	frame->ring_boot = 0;
	frame->strange = frame->altered = false;
	frame->order = path_of(net, from, to)->sent;
	frame->sent_at = net->trace->now;
	frame->came_at = 0;
	memcpy(frame->bytes, bytes, len);
	if (net->other[from] != net->other[to]) {
		frame->bytes[ETHERNET] ^= OTHER_VERSION;
		net->count.foreign++;
	}
	if (faults_hit(&net->prng, net->faults.rate[FAULT_CORRUPT])) {
		corrupt(net, frame);
		trace_add(net->trace, from, "frame to n%lu is corrupted", to, 0, 0, 0);
	}
	frame->altered = is_altered(frame, bytes, len);
	net->count.reordered += reordered;
	heap_add(net->heap, (struct event){
		.at = arrival(net, path_of(net, from, to), reordered),
		.kind = net->event_kind, .node = to, .a = index });
	return frame;
}

static void
send_to(struct network *net, u32 from, u32 to, const u8 *bytes, u16 len)
{
	net->count.sent++;
	path_of(net, from, to)->sent++;
	if (path_of(net, from, to)->blocked) {
		net->count.blocked++;
		return;
	}
	if (faults_hit(&net->prng, net->faults.rate[FAULT_LOSS])) {
		net->count.lost++;
		trace_add(net->trace, from, "frame to n%lu is lost, %lu bytes", to,
			  len, 0, 0);
		return;
	}
	if (faults_hit(&net->prng, net->faults.rate[FAULT_DUPLICATE])) {
		net->count.duplicated++;
		put(net, from, to, bytes, len);
	}
	put(net, from, to, bytes, len);
}

static void
capture(struct network *net, u32 from, u32 to, const u8 *bytes, u16 len)
{
	struct capture *kept;

	if (!faults_hit(&net->prng, CAPTURE_RATE))
		return;
	kept = &net->capture[net->captured++ % CAPTURES];
	*kept = (struct capture){ .len = len, .from = (u16)from, .to = (u16)to,
				  .at = net->trace->now };
	memcpy(kept->bytes, bytes, len);
}

void
network_send(struct network *net, u32 from, const u8 *bytes, u16 len)
{
	static const u8 everyone[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	ASSERT(from < net->nodes && len >= ETHERNET);
	trace_bytes(net->trace, bytes, len);
	if (memcmp(bytes, everyone, 6)) {
		u32 to = network_node(net, bytes);

		if (to == SIM_NODES_MAX || to == from)
			return;
		capture(net, from, to, bytes, len);
		send_to(net, from, to, bytes, len);
		return;
	}
	for (u32 to = 0; to < net->nodes; to++) {
		if (to != from)
			send_to(net, from, to, bytes, len);
	}
}

void
network_inject(struct network *net, u32 to, const struct capture *from,
	       const u8 *bytes, u16 len)
{
	struct faults faults = net->faults;
	struct sim_frame *frame;

	net->count.injected++;
	trace_bytes(net->trace, bytes, len);
	net->faults = (struct faults){ 0 };
	frame = put(net, from->from, to, bytes, len);
	frame->strange = true;
	frame->sent_at = from->at;
	frame->altered = is_altered(frame, from->bytes, from->len);
	net->faults = faults;
}

void
network_done(struct network *net, u32 index, bool delivered)
{
	ASSERT(index < FRAMES_ON_WAY_MAX && net->on_way > 0);
	if (delivered)
		net->count.delivered++;
	else
		net->count.dropped++;
	net->frame[index].next_free = net->free;
	net->free = index;
	net->on_way--;
}

void
network_block(struct network *net, u32 from, u32 to, bool blocked)
{
	path_of(net, from, to)->blocked = blocked;
}

bool
network_is_blocked(const struct network *net, u32 from, u32 to)
{
	ASSERT(from < net->nodes && to < net->nodes);
	return net->path[from * net->nodes + to].blocked;
}

void
network_slow(struct network *net, u32 from, u32 to, u32 extra_ns, u64 until)
{
	struct path *path = path_of(net, from, to);

	path->slow_ns = extra_ns;
	path->slow_until = until;
}

void
network_clog(struct network *net, u32 from, u32 to, u64 until)
{
	path_of(net, from, to)->clog_until = until;
}

void
network_speaks(struct network *net, u32 node, bool other)
{
	ASSERT(node < net->nodes);
	net->other[node] = other;
}

void
network_heal(struct network *net)
{
	net->faults = (struct faults){ 0 };
	for (u32 i = 0; i < net->nodes * net->nodes; i++) {
		net->path[i].blocked = false;
		net->path[i].slow_until = net->path[i].clog_until = 0;
	}
}

void
network_check(const struct network *net)
{
	const struct network_counts *c = &net->count;
	u32 free = 0;

	ASSERT(c->sent + c->duplicated + c->injected ==
	       c->delivered + c->lost + c->blocked + c->dropped + net->on_way);
	for (u32 i = net->free; i != NONE; i = net->frame[i].next_free)
		ASSERT(++free <= net->fresh);
	ASSERT(free + net->on_way == net->fresh);
}
