// SPDX-License-Identifier: BSD-2-Clause
// Episodes and the stranger. They draw from a generator that only disks share, so
// that what environments do is drawn alike whatever goes wrong.
//
// The stranger sees every frame and can send any, but has no key: what it
// repeats is old, what it makes up has no tag that is right.

#include <string.h>

#include "harness/sim/adversary.h"
#include "harness/sim/node.h"
#include "kernel/base/assert.h"

#define EPISODE_STEP (100 * NS_PER_MS)
#define STRANGER_PAUSE (50 * NS_PER_MS)

static u64 healed_at;

static u64
below(u64 bound)
{
	return prng_below(&sim.fault_prng, bound);
}

void
adversary_start(u64 until)
{
	healed_at = until;
	for (u64 at = EPISODE_STEP; at < until; at += EPISODE_STEP) {
		for (u32 kind = FAULT_EPISODES; kind < FAULT_EPISODES_END; kind++) {
			// As many in a hundred seconds: a thousandth of it a step.
			if (faults_hit(&sim.fault_prng, sim.faults.rate[kind] * 1000))
				sim_event(at + below(EPISODE_STEP), EVENT_FAULT, 0,
					  kind, 0);
		}
	}
	if (sim.faults.rate[FAULT_REPLAY] || sim.faults.rate[FAULT_FORGE])
		sim_event(STRANGER_PAUSE, EVENT_STRANGER, 0, 0, 0);
}

// A node in that state, or NULL.
static struct sim_node *
any_node(enum node_state state)
{
	u32 start = (u32)below(sim.nodes);

	for (u32 i = 0; i < sim.nodes; i++) {
		struct sim_node *node = &sim.node[(start + i) % sim.nodes];

		if (node->state == state)
			return node;
	}
	return NULL;
}

static void
block(u32 from, u32 to, bool blocked)
{
	network_block(&sim.network, from, to, blocked);
}

static void
partition(void)
{
	u64 one_side = 1 + below((1ull << MIN(sim.nodes, 32u)) - 2);

	TRACE(TRACE_NO_NODE, "partition: nodes %lx from the others", one_side);
	for (u32 a = 0; a < sim.nodes; a++) {
		for (u32 b = 0; b < sim.nodes; b++) {
			if ((one_side >> a % 32 & 1) != (one_side >> b % 32 & 1))
				block(a, b, true);
		}
	}
}

// One node is not heard, by anybody or by one other; what it hears itself may come
// late, so that others' last requests arrive when they have given up.
static void
one_way(u64 until)
{
	u32 from = (u32)below(sim.nodes);
	u32 only = below(2) ? (u32)below(sim.nodes) : SIM_NODES_MAX;

	TRACE(from, only == SIM_NODES_MAX ? "is not heard by anybody" :
					    "is not heard by n%lu", only);
	for (u32 to = 0; to < sim.nodes; to++) {
		u32 late = (u32)below(100 * NS_PER_MS);

		if (only != SIM_NODES_MAX && to != only)
			continue;
		block(from, to, true);
		if (below(2))
			network_slow(&sim.network, to, from, late, until);
	}
}

static void
slow(void)
{
	u32 from = (u32)below(sim.nodes);
	u32 extra = (u32)(NS_PER_MS + below(150 * NS_PER_MS));
	u64 until = sim.trace.now + 10 * NS_PER_MS + below(500 * NS_PER_MS);

	TRACE(from, "is slow by %lu ns", extra);
	for (u32 to = 0; to < sim.nodes; to++) {
		if (below(2))
			network_slow(&sim.network, from, to, extra, until);
	}
}

static void
join_all(void)
{
	for (u32 from = 0; from < sim.nodes; from++) {
		for (u32 to = 0; to < sim.nodes; to++)
			block(from, to, false);
	}
	TRACE(TRACE_NO_NODE, "all paths are joined", 0);
}

// Short ones hit what is under way, long ones outlast leases, and some end just
// about when a lease does.
static u64
duration(void)
{
	switch (below(3)) {
	case 0:
		return 5 * NS_PER_MS + below(300 * NS_PER_MS);
	case 1:
		return LINK_LEASE_NS * 7 / 8 + below(LINK_LEASE_NS / 2);
	default:
		return 300 * NS_PER_MS + below(3700 * NS_PER_MS);
	}
}

// Two sets that cannot speak, and one node between them that speaks with both.
static void
bridge(void)
{
	u64 one_side = below(1ull << MIN(sim.nodes, 32u));
	u32 between = (u32)below(sim.nodes);

	TRACE(between, "is the bridge between nodes %lx and the others", one_side);
	for (u32 a = 0; a < sim.nodes; a++) {
		for (u32 b = 0; b < sim.nodes; b++) {
			if (a != between && b != between &&
			    (one_side >> a % 32 & 1) != (one_side >> b % 32 & 1))
				block(a, b, true);
		}
	}
}

// From one node to some others, or between it and them.
static void
clog_paths(u64 until)
{
	u32 from = (u32)below(sim.nodes);
	bool both = below(2);

	until = MIN(until, healed_at);
	TRACE(from, both ? "is clogged both ways until %lu" : "is clogged until %lu",
	      until);
	for (u32 to = 0; to < sim.nodes; to++) {
		if (below(3) == 0)
			continue;
		network_clog(&sim.network, from, to, until);
		if (both)
			network_clog(&sim.network, to, from, until);
	}
}

// Up and down in quick turn, or about as often as a lease is renewed.
static void
flap(void)
{
	u32 node = (u32)below(sim.nodes), turns = 3 + (u32)below(10);
	u64 period = (below(2) ? 5 + below(40) : 150 + below(300)) * NS_PER_MS;
	u32 only = below(2) ? (u32)below(sim.nodes) : SIM_NODES_MAX;

	TRACE(node, "its paths flap, %lu times", turns);
	for (u32 to = 0; to < sim.nodes; to++) {
		u64 at = sim.trace.now;

		if (to == node || (only != SIM_NODES_MAX && to != only))
			continue;
		for (u32 i = 0; i < turns; i++) {
			sim_event(at, EVENT_PATH, node, to, true);
			sim_event(at + 1 + below(period), EVENT_PATH, node, to, false);
			at += period;
		}
	}
}

void
adversary_path(u32 a, u32 b, bool cut)
{
	if (sim.healed)
		return;
	block(a, b, cut);
	block(b, a, cut);
}

void
adversary_reboot(struct sim_node *node, bool empty)
{
	if (sim.healed || node->state == NODE_OFF || node->boot >= BOOTS_MAX - 2)
		return;
	node_crash(node, empty);
	sim_event(sim.trace.now + 1 + below(50 * NS_PER_MS), EVENT_BOOT,
		  node_index(node), 0, 0);
}

static void
storm(void)
{
	TRACE(TRACE_NO_NODE, "a storm of reboots", 0);
	for (u32 i = 0; i < sim.nodes; i++) {
		u64 times = below(2) ? 0 : 1 + below(4);

		for (u64 n = 0; n < times; n++)
			sim_event(sim.trace.now + below(700 * NS_PER_MS), EVENT_REBOOT,
				  i, (u32)below(2), 0);
	}
}

static void
step_clock(void)
{
	struct sim_node *node = any_node(NODE_UP);
	u64 ns = 1 + below(STEP_NS);
	bool ahead = below(2);

	if (!node || !node_step(node, ns, ahead))
		sim.result->episodes[FAULT_STEP]--;
}

static void
crash(bool empty)
{
	struct sim_node *node = any_node(below(8) ? NODE_UP : NODE_PAUSED);

	if (!node || node->boot >= BOOTS_MAX - 2)
		return;
	node_crash(node, empty);
	sim_event(sim.trace.now + duration(), EVENT_BOOT, node_index(node), 0, 0);
}

// One leaves for good; another with a name of its own boots in its place.
static void
replace(void)
{
	struct sim_node *node = any_node(below(8) ? NODE_UP : NODE_PAUSED);

	if (!node || node->boot >= BOOTS_MAX - 2 || sim.members_more == MEMBERS_MORE)
		return;
	sim.members_more++;
	sim.result->episodes[FAULT_MEMBER]++;
	node_crash(node, true);
	node->generation++;
	sim_event(sim.trace.now + duration(), EVENT_BOOT, node_index(node), 0, 0);
}

// Starts again as another version, or as this one. One of another major version hears
// only its like; one of an older minor version works with all.
static void
change_version(struct sim_node *node, bool other)
{
	bool minor = other && below(2);

	node->other = other && !minor;
	node->behind = minor ? WIRE_MINOR : 0;
	if (node->state == NODE_OFF)
		return;		// it starts soon
	node_crash(node, false);
	sim_event(sim.trace.now + 1 + below(100 * NS_PER_MS), EVENT_BOOT,
		  node_index(node), 0, 0);
}

// What happens to all at once, to paths, or to clocks.
static void
begins_outside(enum fault_kind kind, u64 end)
{
	switch (kind) {
	case FAULT_DELAY:
		slow();
		break;
	case FAULT_CLOG:
		clog_paths(end);
		break;
	case FAULT_PARTITION:
		partition();
		break;
	case FAULT_ONEWAY:
		one_way(end);
		break;
	case FAULT_BRIDGE:
		bridge();
		break;
	case FAULT_FLAP:
		flap();
		break;
	case FAULT_STEP:
		step_clock();
		break;
	default:
		ASSERT(kind == FAULT_STORM);
		storm();
	}
	if (kind == FAULT_PARTITION || kind == FAULT_ONEWAY || kind == FAULT_BRIDGE)
		sim_event(end, EVENT_FAULT_END, 0, kind, 0);
}

// What happens to one node, and is over at `end`.
static void
begins_inside(enum fault_kind kind, u64 end)
{
	struct sim_node *node = any_node(NODE_UP);

	if (!node || (kind == FAULT_VERSION && node->boot >= BOOTS_MAX - 4))
		return;
	sim.result->episodes[kind]++;
	if (kind == FAULT_SLOW)
		node_serve(node, 100 * NS_PER_US + below(2 * NS_PER_MS),
			   SLOW_RING);
	else if (kind == FAULT_OVERRUN)
		node_serve(node, 10 * NS_PER_US + below(200 * NS_PER_US),
			   1 + (u32)below(12));
	else if (kind == FAULT_PAUSE)
		node_pause(node);
	else
		change_version(node, true);
	sim_event(end, EVENT_FAULT_END, node_index(node), kind, 0);
}

void
adversary_begins(enum fault_kind kind)
{
	u64 end = sim.trace.now + duration();

	if (sim.healed)
		return;
	switch (kind) {
	case FAULT_SLOW:
	case FAULT_OVERRUN:
	case FAULT_PAUSE:
	case FAULT_VERSION:
		begins_inside(kind, end);
		return;
	case FAULT_MEMBER:
		replace();
		return;
	case FAULT_CRASH:
	case FAULT_EMPTY:
		sim.result->episodes[kind]++;
		crash(kind == FAULT_EMPTY);
		return;
	default:
		sim.result->episodes[kind]++;
		begins_outside(kind, end);
	}
}

void
adversary_ends(enum fault_kind kind, u32 index)
{
	struct sim_node *node = &sim.node[index];

	if (kind == FAULT_SLOW || kind == FAULT_OVERRUN)
		node_serve(node, 0, 0);
	else if (kind == FAULT_VERSION && (node->other || node->behind) && !sim.healed)
		change_version(node, false);
	else if (kind == FAULT_PAUSE && node->state == NODE_PAUSED)
		node_resume(node);
	else if (kind == FAULT_PARTITION || kind == FAULT_ONEWAY || kind == FAULT_BRIDGE)
		join_all();
}

void
adversary_heal(void)
{
	sim.healed = true;
	sim.faults.rate[FAULT_DISK] = 0;
	network_heal(&sim.network);
	TRACE(TRACE_NO_NODE, "healed", 0);
	for (u32 i = 0; i < sim.nodes; i++) {
		struct sim_node *node = &sim.node[i];

		node_serve(node, 0, 0);
		if (node->other || node->behind)
			change_version(node, false);
		if (node->state == NODE_PAUSED)
			node_resume(node);
		else if (node->state == NODE_OFF)
			node_boot(node);
	}
}

static const struct capture *
any_capture(void)
{
	u32 kept = MIN(sim.network.captured, CAPTURES);

	return kept ? &sim.network.capture[below(kept)] : NULL;
}

// To whom it was, back to who sent it, or to somebody else.
static u32
destination(const struct capture *capture)
{
	switch (below(6)) {
	case 0:
		return capture->from;
	case 1:
		return (u32)below(sim.nodes);
	default:
		return capture->to;
	}
}

static void
replay(void)
{
	const struct capture *capture = any_capture();
	u32 to;

	if (!capture)
		return;
	to = destination(capture);
	TRACE(to, "a frame of n%lu, %lu ns old, comes again", capture->from,
	      sim.trace.now - capture->at);
	network_inject(&sim.network, to, capture, capture->bytes, capture->len);
	sim.network.count.replayed++;
}

static void
scramble(u8 *bytes, u32 from, u32 len, u64 count)
{
	while (count-- && len > from)
		bytes[from + below(len - from)] = (u8)below(256);
}

// A captured frame, changed, cut or lengthened; or one of nothing but noise.
static void
forge(void)
{
	const struct capture *capture = any_capture();
	static u8 bytes[FRAME_ROOM];
	u32 len, to;

	if (!capture)
		return;
	len = capture->len;
	memcpy(bytes, capture->bytes, len);
	switch (below(5)) {
	case 0:
		len = WIRE_ETHERNET + (u32)below(len - WIRE_ETHERNET);
		break;
	case 1:
		scramble(bytes, WIRE_ETHERNET + 2, len, len);
		break;
	case 2:
		scramble(bytes, WIRE_ETHERNET, len, 1 + below(4));
		break;
	case 3:
		scramble(bytes, WIRE_ETHERNET, MIN(len, WIRE_BODY_AT), 1 + below(4));
		break;
	default:
		bytes[WIRE_ETHERNET + 1] = (u8)(1 + below(5));
		break;
	}
	to = destination(capture);
	TRACE(to, "a forged frame comes, %lu bytes", len);
	network_inject(&sim.network, to, capture, bytes, (u16)len);
	sim.network.count.forged++;
}

void
adversary_stranger(void)
{
	// Rates are for a hundred seconds; this comes about every STRANGER_PAUSE.
	u32 each = 100 * NS_PER_SECOND / STRANGER_PAUSE;
	u32 replays = sim.faults.rate[FAULT_REPLAY] / each + 1;
	u32 forgeries = sim.faults.rate[FAULT_FORGE] / each + 1;

	for (u32 i = 0; sim.faults.rate[FAULT_REPLAY] && i < replays; i++)
		replay();
	for (u32 i = 0; sim.faults.rate[FAULT_FORGE] && i < forgeries; i++)
		forge();
	sim_event(sim.trace.now + 1 + below(2 * STRANGER_PAUSE), EVENT_STRANGER, 0, 0, 0);
}
