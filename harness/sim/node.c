// SPDX-License-Identifier: BSD-2-Clause
// The host of one node's cores, and its life.
//
// Clocks run up to four parts in a hundred fast or slow, begin anywhere, jump ahead
// and stand still, but never go back: that is what kernels promise of theirs. A paused
// node's card goes on receiving into BACKLOG frames; what it has missed it takes
// when it goes on, late by its own clock as well. A slow one's frames wait in a ring.

#include <stdlib.h>
#include <string.h>

#include "harness/sim/credit.h"
#include "harness/sim/disk.h"
#include "harness/sim/export.h"
#include "harness/sim/hear.h"
#include "harness/sim/lease.h"
#include "harness/sim/lie.h"
#include "harness/sim/node.h"
#include "harness/sim/record.h"
#include "harness/sim/work.h"
#include "kernel/base/assert.h"

#define STEPS_APART (3 * NS_PER_SECOND / 2)	// of clocks, longer than a lease
#define CREDIT_EACH 4u
#define LOOK_EACH 8u
#define WALK_EACH 64u
#define REKEY_BITS 8u		// so that every session goes through several keys
#define BATCH_ONE_IN 8u
#define BATCH_NS (20 * NS_PER_US)

// What its clock would show if it never stood still.
static u64
running_clock(const struct sim_node *node)
{
	i64 now = (i64)sim.trace.now;

	return node->clock_offset + (u64)(now + now / 1000000 * node->clock_drift +
					  now % 1000000 * node->clock_drift / 1000000);
}

u64
node_now(const struct sim_node *node)
{
	return MAX(running_clock(node), node->stands_until);
}

// Once in longer than a lease: steps must not add up in one.
bool
node_step(struct sim_node *node, u64 ns, bool ahead)
{
	if (sim.trace.now < node->stepped_at + STEPS_APART)
		return false;
	node->stepped_at = sim.trace.now;
	TRACE(node_index(node), ahead ? "its clock jumps ahead by %lu ns" :
					"its clock stands still for %lu ns", ns);
	if (ahead) {
		node->clock_offset += ns;
	} else {
		node->stands_until = node_now(node);
		node->clock_offset -= ns;
	}
	return true;
}

void
node_serve(struct sim_node *node, u64 ns, u32 ring)
{
	node->service_ns = ns;
	node->ring = ring;
}

// When the node's clock will show `local`.
static u64
global_time(const struct sim_node *node, u64 local)
{
	u64 now = running_clock(node);		// behind, while the clock stands still
	u64 wait = local > now ? MIN(local - now, 1000 * NS_PER_SECOND) : 0;

	return sim.trace.now + wait * 1000000 / (u64)(1000000 + node->clock_drift) + 1;
}

u32
node_boot_of(u32 node, u64 incarnation)
{
	for (u32 boot = sim.node[node].boot; boot > 0; boot--) {
		if (sim.node[node].incarnation[boot] == incarnation)
			return boot;
	}
	return 0;
}

void
node_uuid(u32 node, u8 uuid[16])
{
	memset(uuid, 0x5d, 16);
	uuid[0] = (u8)node;
	uuid[1] = (u8)(node >> 8);
	uuid[2] = (u8)sim.node[node].generation;
}

u32
node_of_uuid(const u8 uuid[16])
{
	return (u32)uuid[1] << 8 | uuid[0];
}

// Mostly where it was found before: in its boot a node keeps its place.
u16
node_peer(const struct sim_node *node, u32 other)
{
	static u16 guess[SIM_NODES_MAX][SIM_NODES_MAX];
	u16 *place = &guess[node_index(node)][other];
	struct link_info info;
	u8 uuid[16];

	node_uuid(other, uuid);
	if (links_info(node->links, *place, &info) && !memcmp(info.uuid, uuid, 16))
		return *place;
	*place = links_find(node->links, uuid);
	return *place;
}

bool
node_session(const struct sim_node *node, u32 other, struct link_info *info)
{
	u16 peer = node->state == NODE_UP ? node_peer(node, other) : LINK_NONE;

	return peer != LINK_NONE && links_info(node->links, peer, info) &&
	       info->state == LINK_STATE_UP;
}

u32
node_of_peer(const struct sim_node *node, u16 peer)
{
	struct link_info info;

	if (!links_info(node->links, peer, &info) ||
	    node_of_uuid(info.uuid) >= sim.nodes)
		sim_failed(node_index(node), "the core names a peer that is nobody");
	return node_of_uuid(info.uuid);
}

static void
fill_random(u8 *bytes, u32 len)
{
	for (u32 i = 0; i < len; i++)
		bytes[i] = (u8)prng_u64(&sim.prng);
}

static struct links_config
make_links_config(struct sim_node *node)
{
	struct links_config config = {
		.incarnation = prng_u64(&sim.prng) | 1,
		.mtu = sim.mtu,
		.peers_max = sim.places,
		.forget_ns = FORGET_NS,
		.windows_max = (u16)MIN(sim.nodes, 24u),
		.handshakes_max = sim.handshakes,
		.key_agreements_max = sim.agreements,
		.grant_pool = sim.grant_pool,
		.landing_pool = sim.landing_pool,
		.rekey_bits = REKEY_BITS,
		.cover = sim.hidden ? LINK_HIDDEN : LINK_TAGGED,
		.behind = node->behind,
		.trace = record_ring(node_index(node)),
	};

	node_uuid(node_index(node), config.uuid);
	network_mac(node_index(node), config.mac);
	memset(config.cluster_key, 0x77, sizeof(config.cluster_key));
	fill_random(config.secret_key, sizeof(config.secret_key));
	fill_random(config.entropy, sizeof(config.entropy));
	return config;
}

static void *
fresh_memory(void **memory, u64 size)
{
	u64 room = ALIGN_UP(size, 64ull);

	free(*memory);
	*memory = aligned_alloc(64, room);
	if (!*memory)
		sim_failed(TRACE_NO_NODE, "out of memory");
	memset(*memory, 0, room);
	return *memory;
}

static void
start_cores(struct sim_node *node)
{
	struct links_config links = make_links_config(node);
	const struct rcap_config rcap = {
		.memory = node->memory[0],
		.staging = node->staging[0],
		.staging_count = STAGING,
		.exports_max = EXPORTS,
		.ops_max = OP_FRAMES - 1,	// so that there may be too many
		.grants_max = 16, .recalls_max = 8, .leases_max = LEASES,
		.lease_byte = LEASE_BYTE,
		.endpoints_max = ENVS,
		.buffers_max = ENVS * 2, .services_max = ENVS,
	};
	u64 size = links_memory_needed(&links);

	node->incarnation[node->boot] = links.incarnation;
	node->links = links_init(fresh_memory(&node->memory_links, size), size,
				 &links, node_now(node));
	if (!node->links)
		sim_failed(node_index(node), "the links do not start");
	size = rcap_memory_needed(&rcap, &links);
	node->rcap = rcap_init(fresh_memory(&node->memory_rcap, size), size, &rcap,
			       &links, node->links, node);
	if (!node->rcap)
		sim_failed(node_index(node), "the remote capabilities do not start");
}

// Where clocks step, they run together: the protocol bears an eighth of a lease in
// all. The same numbers are drawn whatever is on.
static void
draw_clock(struct sim_node *node)
{
	const u32 *rate = sim.faults.rate;
	u32 drift = rate[FAULT_STEP] ? MIN(rate[FAULT_DRIFT], 1000u) :
				       rate[FAULT_DRIFT];
	u64 offset = sim_below(1ull << 43), apart = sim_below(MILLION);

	node->clock_offset = offset & ((1ull << rate[FAULT_SKEW]) - 1);
	node->clock_drift = (i64)(apart * (2 * drift + 1) / MILLION) - (i64)drift;
	node->stands_until = 0;
	node->stepped_at = sim.trace.now;
	sim.result->episodes[FAULT_SKEW] += rate[FAULT_SKEW] > 0;
	sim.result->episodes[FAULT_DRIFT] += rate[FAULT_DRIFT] > 0;
}

// What the registers hold, as a boot found or left them.
static void
note_registers(struct sim_node *node, u64 boot[ENVS])
{
	for (u32 env = 0; env < ENVS; env++)
		memcpy(&boot[env], node->memory[env * ENV_PAGES + ENV_PAGES - 1], 8);
}

void
node_end(struct sim_node *node)
{
	sim.result->sessions += links_counters(node->links)->sessions;
	note_registers(node, node->register_last[node->boot]);
}

void
node_boot(struct sim_node *node)
{
	u32 index = node_index(node);

	ASSERT(node->state == NODE_OFF);
	node->boot++;
	ASSERT(node->boot <= BOOTS_MAX);
	sim.boot[index] = node->boot;
	node->state = NODE_UP;
	network_speaks(&sim.network, index, node->other);
	draw_clock(node);
	felt_boot(node);
	node->service_ns = node->busy_until = 0;
	node->waiting = 0;
	node->timer_at = NEVER;
	node->idle_since = sim.trace.now;
	start_cores(node);
	TRACE(index, "boots, boot %lu, incarnation %lx", node->boot,
	      node->incarnation[node->boot]);
	note_registers(node, node->register_first[node->boot]);
	export_boot(node);
	work_boot(node);
	node_settle(node);
}

static void
drop_backlog(struct sim_node *node)
{
	for (u32 i = 0; i < node->backlog_count; i++)
		network_done(&sim.network, node->backlog[i], false);
	node->backlog_count = 0;
}

void
node_crash(struct sim_node *node, bool empty)
{
	u32 index = node_index(node);

	ASSERT(node->state != NODE_OFF);
	felt_crash(node);
	TRACE(index, empty ? "crashes and forgets" : "crashes", 0);
	record_drain(node);
	node->state = NODE_OFF;
	node_end(node);
	disk_crash(node, empty);
	model_crashed(&sim.model, index);
	sim.boot[index] = 0;
	drop_backlog(node);
	if (empty)
		memset(node->memory, 0, PAGES * UNIT);
	model_wrote(&sim.model, index, STORE_PAGES);
}

void
node_pause(struct sim_node *node)
{
	ASSERT(node->state == NODE_UP);
	node->state = NODE_PAUSED;
	TRACE(node_index(node), "stands still", 0);
}

void
node_resume(struct sim_node *node)
{
	u32 count = node->backlog_count, backlog[BACKLOG];

	ASSERT(node->state == NODE_PAUSED);
	node->state = NODE_UP;
	node->idle_since = sim.trace.now;
	node->timer_at = NEVER;		// the one that came meanwhile was not heard
	TRACE(node_index(node), "goes on, with %lu frames", count);
	memcpy(backlog, node->backlog, count * sizeof(backlog[0]));
	node->backlog_count = 0;
	for (u32 i = 0; i < count; i++) {
		if (sim.network.frame[backlog[i]].came_at < sim.trace.now)
			felt(FELT_BACKLOG);
		node_frame(node, backlog[i]);
	}
	disk_resume(node);
	node_settle(node);
}

// What the core has done so far: derivations, changes, completions.
static void
tell_model(struct sim_node *node)
{
	struct rcap_completion completion;

	export_record(node);
	// Most frames ask for nothing: what one of those changes, and none may, is seen a few
	// steps later; among very many nodes, when the next request has come.
	if (node->asked || (sim.nodes <= LARGE && node->steps % LOOK_EACH == 0))
		model_look(&sim.model, node_index(node), STORE_PAGES, sim.trace.now);
	node->asked = false;
	while (rcap_completion(node->rcap, &completion))
		work_completed(node, &completion);
}

// A driver takes several frames before it goes on: this was not the last one.
static void
wait_for_more(struct sim_node *node)
{
	tell_model(node);
	node->timer_at = sim.trace.now + 1 + sim_below(BATCH_NS);
	sim_event(node->timer_at, EVENT_TIMER, node_index(node), 0, 0);
}

// A slow node's frames wait in its ring until it has time. True: this one waits, or is
// lost because the ring is full.
static bool
waits_in_ring(struct sim_node *node, struct sim_frame *frame, u32 index)
{
	if (!node->service_ns || frame->ring_boot)
		return false;
	if (node->waiting >= node->ring) {
		sim.network.count.overrun++;
		if (node->ring < SLOW_RING)
			felt(FELT_OVERRUN);
		network_done(&sim.network, index, false);
		return true;
	}
	node->waiting++;
	frame->ring_boot = (u16)node->boot;
	node->busy_until = MAX(node->busy_until, sim.trace.now) + node->service_ns;
	sim_event(node->busy_until, EVENT_FRAME, node_index(node), index, 0);
	return true;
}

void
node_frame(struct sim_node *node, u32 index)
{
	struct sim_frame *frame = &sim.network.frame[index];

	felt_arrival(frame);
	if (node->state != NODE_OFF && waits_in_ring(node, frame, index))
		return;
	if (frame->ring_boot && frame->ring_boot == node->boot)
		node->waiting--;
	if (node->state == NODE_OFF ||
	    (frame->ring_boot && frame->ring_boot != node->boot) ||
	    (node->state == NODE_PAUSED && node->backlog_count == BACKLOG)) {
		network_done(&sim.network, index, false);
		return;
	}
	if (node->state == NODE_PAUSED) {
		node->backlog[node->backlog_count++] = index;
		return;
	}
	trace_bytes(&sim.trace, frame->bytes, frame->len);
	if (frame->ring_boot && frame->came_at < sim.trace.now)
		felt(FELT_WAITED);
	hear_frame(node, frame);
	network_done(&sim.network, index, true);
	if (sim_below(BATCH_ONE_IN))
		node_settle(node);
	else
		wait_for_more(node);
}

void
node_timer(struct sim_node *node)
{
	if (node->state != NODE_UP || node->timer_at != sim.trace.now)
		return;		// another one was set since
	node->timer_at = NEVER;
	if (sim.trace.now < node->busy_until && !node->timer_waited) {
		node->timer_waited = true;
		node->timer_at = node->busy_until;
		sim_event(node->timer_at, EVENT_TIMER, node_index(node), 0, 0);
		return;
	}
	if (node->timer_waited)
		felt(FELT_TIMER);
	node->timer_waited = false;
	node_settle(node);
}

static void
set_timer(struct sim_node *node)
{
	u64 deadline = rcap_deadline(node->rcap), at;

	if (deadline == NEVER)
		return;
	at = global_time(node, deadline);
	if (at < node->timer_at) {
		node->timer_at = at;
		sim_event(at, EVENT_TIMER, node_index(node), 0, 0);
	}
}

// Among many nodes a walk over all peers would cost more than the step that it follows:
// the more there are, the rarer it is.
static void
walk_invariants(struct sim_node *node)
{
	u32 each = sim.nodes > LARGE ? sim.nodes : WALK_EACH;
	bool all = ++node->steps % each == 0;

	if (sim.nodes > LARGE && !all)
		return;
	sim.result->checks++;
	links_check(node->links);
	rcap_check(node->rcap);
	if (node->steps % CREDIT_EACH == 0)
		credit_check(node);
	if (all) {
		cap_check(&node->tree);
		own_check(&node->own);
		export_check(node);
	}
}

static void
send(struct sim_node *node, u8 *bytes, u32 len)
{
	lie(node, bytes, len);
	network_send(&sim.network, node_index(node), bytes, (u16)len);
}

void
node_settle(struct sim_node *node)
{
	static u8 buffer[WIRE_FRAME_MAX];
	u64 now = node_now(node);
	u32 len;

	ASSERT(node->state == NODE_UP);
	felt_clock(node);
	tell_model(node);
	node->ticks = true;
	rcap_tick(node->rcap, now);
	node->ticks = false;
	tell_model(node);
	export_on_time(node);
	lease_check(node);
	while ((len = rcap_output(node->rcap, now, buffer)))
		send(node, buffer, len);
	walk_invariants(node);
	record_drain(node);
	set_timer(node);
}

// ---- what net/rcap asks of its host, as far as it is not the tree's or the disk's

static u8 frame_buffer[WIRE_FRAME_MAX];
static bool frame_buffer_used, buffer_asked;

u8 *
rcap_host_buffer(void *host)
{
	(void)host;
	ASSERT(!frame_buffer_used);
	if (buffer_asked)
		felt(FELT_NO_BUFFER);	// for the last frame
	buffer_asked = true;
	if (faults_hit(&sim.network.prng, sim.network.faults.rate[FAULT_EXHAUST])) {
		sim.result->episodes[FAULT_EXHAUST]++;
		return NULL;
	}
	frame_buffer_used = true;
	return frame_buffer;
}

void
rcap_host_send(void *host, u8 *buffer, u32 len)
{
	struct sim_node *node = host;

	ASSERT(frame_buffer_used && buffer == frame_buffer && len <= WIRE_FRAME_MAX);
	frame_buffer_used = buffer_asked = false;
	if (len)
		send(node, buffer, len);
}
