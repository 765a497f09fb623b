// SPDX-License-Identifier: BSD-2-Clause
// The switch itself: see core.h for the picture and the invariants.
//
// A frame crosses two links, its sender's and its receiver's, and meets the
// faults of both. Where a link has no faults and nothing under way, the lane
// is bypassed: then a unicast frame costs a hash lookup and a queue slot.

#include "harness/switch/core.h"

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/text/text.h"

static u64
bit(u32 port)
{
	ASSERT(port < CORE_PORTS_MAX);
	return 1ull << port;
}

static struct lane_host
lane_host_of(struct core *core, u32 port)
{
	struct lane_host host = {
		.plan = &core->ports[port].plan,
		.prng = &core->prng,
		.pool = &core->pool,
	};

	return host;
}

static void
set_time(struct core *core, u64 now_ns)
{
	ASSERT(now_ns >= core->now_ns); // C5
	core->now_ns = now_ns;
}

void
core_init(struct core *core, u64 seed)
{
	ASSERT(core->port_count == 0 && core->pool.total == 0);
	core_seed(core, seed);
}

void
core_seed(struct core *core, u64 seed)
{
	core->seed = seed;
	prng_seed(&core->prng, seed);
}

int
core_port_add(struct core *core, const char *name, struct frame *slab)
{
	struct core_port *port = &core->ports[core->port_count];

	if (core->port_count == CORE_PORTS_MAX)
		return -1;
	ASSERT(strlen(name) < CORE_NAME_MAX);
	memcpy(port->name, name, strlen(name) + 1);
	frame_pool_add(&core->pool, slab, CORE_FRAMES_PER_PORT);
	return (int)core->port_count++;
}

int
core_port_find(const struct core *core, const char *name)
{
	for (u32 i = 0; i < core->port_count; i++)
		if (strcmp(core->ports[i].name, name) == 0)
			return (int)i;
	return -1;
}

void
core_port_up(struct core *core, u32 port)
{
	ASSERT(port < core->port_count && !core->ports[port].connected);
	core->ports[port].connected = true;
	core->connected_mask |= bit(port);
}

static void
forget_stations(struct core *core, u32 port)
{
	for (u32 i = 0; i < MAC_SETS * MAC_WAYS; i++) {
		const struct mac_entry *entry = &core->macs.entries[i];

		if (entry->address && entry->port == port)
			snoop_forget(&core->snoop, entry->address);
	}
	mac_forget_port(&core->macs, port);
}

void
core_port_down(struct core *core, u32 port)
{
	struct core_port *p = &core->ports[port];
	struct frame *frame;

	ASSERT(port < core->port_count && p->connected);
	p->connected = false;
	core->connected_mask &= ~bit(port);
	core->dirty_mask &= ~bit(port);
	while ((frame = frame_queue_pop(&p->queue))) {
		p->counters.down++;
		frame_release(&core->pool, frame);
	}
	p->counters.down += lane_flush(&p->in, &core->pool);
	p->counters.down += lane_flush(&p->out, &core->pool);
	forget_stations(core, port);
}

void
core_set_plan(struct core *core, u32 port, const struct fault_plan *plan)
{
	ASSERT(port < core->port_count);
	ASSERT(MAX(plan->loss_ppm, plan->duplicate_ppm) <= LANE_PPM);
	ASSERT(MAX(plan->reorder_ppm, plan->corrupt_ppm) <= LANE_PPM);
	core->ports[port].plan = *plan;
}

void
core_cut(struct core *core, u64 from_mask, u64 to_mask)
{
	for (u32 i = 0; i < core->port_count; i++)
		if (from_mask & bit(i))
			core->ports[i].cut_mask |= to_mask & ~bit(i);
}

void
core_heal(struct core *core)
{
	for (u32 i = 0; i < core->port_count; i++)
		core->ports[i].cut_mask = 0;
}

struct frame *
core_frame(struct core *core, u32 port)
{
	struct frame *frame = frame_alloc(&core->pool);

	ASSERT(port < core->port_count);
	if (frame)
		frame->from = port;
	else
		core->ports[port].counters.no_buffer++;
	return frame;
}

// The last step out: the queue that the port's client reads.
static void
enqueue(struct core *core, u32 port, struct frame *frame)
{
	struct core_port *p = &core->ports[port];

	ASSERT(frame->from != port && p->connected);
	if (core->ports[frame->from].cut_mask & bit(port)) {
		// Cut while it was under way.
		p->counters.partition++;
		frame_release(&core->pool, frame);
	} else if (!frame_queue_push(&p->queue, frame)) {
		p->counters.queue_full++;
		frame_release(&core->pool, frame);
	} else {
		core->dirty_mask |= bit(port);
	}
}

// Onto the receiver's link. Consumes one reference.
static void
send_to(struct core *core, u32 port, struct frame *frame, u64 now_ns)
{
	struct core_port *p = &core->ports[port];
	struct lane_host host = lane_host_of(core, port);

	if (lane_plan_is_clear(&p->plan) && lane_is_empty(&p->out))
		enqueue(core, port, frame);
	else
		lane_put(&p->out, &host, frame, now_ns);
}

// The ports that a frame is meant for, before partitions.
static u64
targets_of(struct core *core, const struct frame *frame, u64 now_ns)
{
	struct core_counters *counters = &core->ports[frame->from].counters;
	u64 target = mac_load(frame->data);
	int port = MAC_NO_PORT;

	if (!mac_is_group(target))
		port = mac_find(&core->macs, target, now_ns);
	if (port == MAC_NO_PORT) {
		counters->flooded++;
		return core->connected_mask & ~bit(frame->from);
	}
	ASSERT(core->connected_mask & bit((u32)port));
	if ((u32)port == frame->from) {
		counters->filtered++;
		return 0;
	}
	return bit((u32)port);
}

static void
mirror(struct core *core, struct frame *frame)
{
	frame_hold(frame);
	if (!frame_queue_push(&core->mirror, frame)) {
		core->mirror_missed++;
		frame_release(&core->pool, frame);
	}
}

// A frame has come off its sender's link. Consumes the reference.
static void
switch_frame(struct core *core, struct frame *frame, u64 now_ns)
{
	u64 cut = core->ports[frame->from].cut_mask;
	u64 targets;

	ASSERT(frame->len >= FRAME_LEN_MIN && frame->len <= FRAME_LEN_MAX);
	mac_learn(&core->macs, mac_load(frame->data + 6), frame->from, now_ns);
	snoop_frame(&core->snoop, frame->data, frame->len, now_ns);
	targets = targets_of(core, frame, now_ns);
	if (core->mirroring)
		mirror(core, frame);
	for (; targets; targets &= targets - 1) {
		u32 port = (u32)__builtin_ctzll(targets);

		if (cut & bit(port)) {
			core->ports[port].counters.partition++;
			continue;
		}
		frame_hold(frame);
		send_to(core, port, frame, now_ns);
	}
	frame_release(&core->pool, frame);
}

void
core_input(struct core *core, u32 port, struct frame *frame, u64 now_ns)
{
	struct core_port *p = &core->ports[port];
	struct lane_host host = lane_host_of(core, port);

	ASSERT(port < core->port_count && p->connected);
	ASSERT(frame->from == port && frame->len <= FRAME_LEN_MAX);
	set_time(core, now_ns);
	if (frame->len < FRAME_LEN_MIN) {
		p->counters.runt++;
		frame_release(&core->pool, frame);
		return;
	}
	p->counters.rx_frames++;
	p->counters.rx_bytes += frame->len;
	if (lane_plan_is_clear(&p->plan) && lane_is_empty(&p->in))
		switch_frame(core, frame, now_ns);
	else
		lane_put(&p->in, &host, frame, now_ns);
}

// Empties one lane of what is due, up to `budget`. Returns what is left of it.
static u32
lane_in_tick(struct core *core, u32 port, u32 budget, u64 now_ns)
{
	struct lane_host host = lane_host_of(core, port);
	struct frame *frame;

	while (budget > 0 &&
	       (frame = lane_take(&core->ports[port].in, &host, now_ns))) {
		switch_frame(core, frame, now_ns);
		budget--;
	}
	return budget;
}

static void
lane_out_tick(struct core *core, u32 port, u64 now_ns)
{
	struct lane_host host = lane_host_of(core, port);
	struct frame *frame;

	for (u32 i = 0; i < CORE_BATCH; i++) {
		frame = lane_take(&core->ports[port].out, &host, now_ns);
		if (!frame)
			return;
		enqueue(core, port, frame);
	}
}

void
core_tick(struct core *core, u64 now_ns)
{
	u32 budget = CORE_BATCH;

	set_time(core, now_ns);
	for (u32 i = 0; i < core->port_count && budget > 0; i++) {
		u32 port = (core->tick_first + i) % core->port_count;

		if (!lane_is_empty(&core->ports[port].in))
			budget = lane_in_tick(core, port, budget, now_ns);
	}
	core->tick_first++;
	for (u32 port = 0; port < core->port_count; port++)
		if (!lane_is_empty(&core->ports[port].out))
			lane_out_tick(core, port, now_ns);
}

u64
core_deadline(const struct core *core)
{
	u64 deadline_ns = CORE_NEVER;

	for (u32 i = 0; i < core->port_count; i++) {
		const struct core_port *p = &core->ports[i];

		deadline_ns = MIN(deadline_ns, lane_deadline(&p->in));
		deadline_ns = MIN(deadline_ns, lane_deadline(&p->out));
	}
	return deadline_ns;
}

u64
core_dirty(const struct core *core)
{
	return core->dirty_mask;
}

struct frame *
core_take(struct core *core, u32 port)
{
	struct core_port *p = &core->ports[port];
	struct frame *frame = frame_queue_pop(&p->queue);

	if (p->queue.count == 0)
		core->dirty_mask &= ~bit(port);
	if (frame) {
		p->counters.tx_frames++;
		p->counters.tx_bytes += frame->len;
	}
	return frame;
}

void
core_mirror(struct core *core, bool on)
{
	struct frame *frame;

	core->mirroring = on;
	while (!on && (frame = frame_queue_pop(&core->mirror)))
		frame_release(&core->pool, frame);
}

static void
check_port(const struct core *core, u32 port)
{
	const struct core_port *p = &core->ports[port];
	u64 under_way = p->queue.count;

	ASSERT(p->in.count <= LANE_LINE_MAX && p->out.count <= LANE_LINE_MAX);
	ASSERT(p->in.held_count <= LANE_HELD_MAX);
	ASSERT(p->out.held_count <= LANE_HELD_MAX);
	ASSERT(p->queue.count <= FRAME_QUEUE_MAX);
	under_way += p->in.count + p->in.held_count;
	under_way += p->out.count + p->out.held_count;
	ASSERT(p->connected || under_way == 0); // C2
	ASSERT(p->connected == !!(core->connected_mask & bit(port)));
	ASSERT((p->queue.count > 0) == !!(core->dirty_mask & bit(port)));
	for (u32 i = 0; i < p->queue.count; i++)
		ASSERT(frame_queue_at(&p->queue, i)->from != port); // C3
}

void
core_check(const struct core *core)
{
	ASSERT(core->pool.total == core->port_count * CORE_FRAMES_PER_PORT);
	ASSERT(core->pool.free_count <= core->pool.total);
	for (u32 i = 0; i < core->port_count; i++)
		check_port(core, i);
	for (u32 i = 0; i < MAC_SETS * MAC_WAYS; i++) {
		const struct mac_entry *entry = &core->macs.entries[i];

		if (entry->address)
			ASSERT(core->ports[entry->port].connected);
	}
}
