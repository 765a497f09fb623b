// SPDX-License-Identifier: BSD-2-Clause
// The rig's engine: frames on their way, and time. flow.h says what the way is.
//
// Every server knows when it is free again, so a frame's whole stay there is one
// addition; counts of who waits go up when a frame comes and down at its end. Each
// frame is at one place at a time, and goes back to the pool at the end of its way.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/flow/host.h"
#include "kernel/base/assert.h"

#define NEVER (~0ull)
#define FRAMES_MAX 65536u
#define EVENTS_MAX (2 * FRAMES_MAX + 8 * FLOW_NODES)
#define ROOM_FRAMES 12u			// with the line: answers by weight wait beyond
#define LATE_NS (200 * NS_PER_US)	// at most
#define TRANSMITS_MAX 128u		// buffers for frames on their way out, as the kernel's

enum event_kind {
	EVENT_SENT,		// a frame has left its sender's line; a: frame
	EVENT_LATE,		// one that others have overtaken is before its port
	EVENT_PASSED,		// it has left the port's queue
	EVENT_ARRIVED,		// it is before its receiver
	EVENT_TAKEN,		// its processor has come to it
	EVENT_TIMER,
	EVENT_CALL,		// a: what
};

struct flow flow;

static struct frame {
	u32 next_free;
	u32 from, to, len;
	bool counted;		// it holds a transmit buffer
	u8 bytes[WIRE_FRAME_MAX];
} *frames;
static u32 frames_free, frames_fresh;
static struct event *events;
static struct heap heap;

void
flow_fail(const char *why)
{
	fprintf(stderr, "flow: after %.3f s of its time: %s\n", (double)flow.now / 1e9, why);
	exit(1);
}

static void
at(u64 when, enum event_kind kind, u32 node, u32 a)
{
	if (heap.count == EVENTS_MAX)
		flow_fail("too much is going on");
	heap_add(&heap, (struct event){ .at = when, .kind = kind, .node = node, .a = a });
}

void
flow_call(u64 when, u32 what)
{
	at(MAX(when, flow.now), EVENT_CALL, 0, what);
}

static u32
frame_take(void)
{
	u32 index = frames_free;

	if (index == FLOW_NONE) {
		if (frames_fresh == FRAMES_MAX)
			flow_fail("too many frames are on their way");
		return frames_fresh++;
	}
	frames_free = frames[index].next_free;
	return index;
}

static void
frame_free(u32 index)
{
	frames[index].next_free = frames_free;
	frames_free = index;
}

// Serves so long from when the server is free; returns the end.
static u64
serve(u64 *server, u64 ns)
{
	*server = MAX(*server, flow.now) + ns;
	return *server;
}

static u64
frame_cost(u32 len)
{
	return flow.costs.frame_ns + len * flow.costs.byte_ps / 1000;
}

static u64
line_cost(u32 len)
{
	return (len + 24) * flow.costs.line_ps / 1000;	// preamble, checksum, gap
}

// ---- sending

bool
flow_can_send(u32 node)
{
	return flow.node[node].transmits < TRANSMITS_MAX;
}

bool
flow_has_room(u32 node)
{
	struct flow_node *n = &flow.node[node];

	if (n->transmits < ROOM_FRAMES && n->processor_free <= flow.now)
		return true;
	n->wants_room = true;
	return false;
}

static void
timer_set(u32 node, u64 due)
{
	struct flow_node *n = &flow.node[node];

	if (due >= n->timer_at)
		return;
	n->timer_at = due;
	at(due, EVENT_TIMER, node, 0);
}

// Where it was missed, there is room again as soon as the processor is free.
static void
room_tell(u32 node)
{
	struct flow_node *n = &flow.node[node];

	if (!n->wants_room || n->transmits >= ROOM_FRAMES)
		return;
	n->wants_room = false;
	timer_set(node, MAX(n->processor_free, flow.now + 1));
}

static void
send_to(u32 from, u32 to, const u8 *bytes, u32 len, u64 sent, bool counted)
{
	u32 index = frame_take();
	struct frame *f = &frames[index];

	f->from = from;
	f->to = to;
	f->len = len;
	f->counted = counted;
	memcpy(f->bytes, bytes, len);
	at(sent, EVENT_SENT, from, index);
}

static bool
meet(u32 a, u32 b)
{
	return a != b && (a < flow.setup.hub || b < flow.setup.hub);
}

void
flow_send(u32 from, const u8 *bytes, u32 len)
{
	struct flow_node *n = &flow.node[from];
	u32 to = host_node_of(bytes);
	u64 ready = serve(&n->processor_free, frame_cost(len)), sent;

	n->line_free = MAX(n->line_free, ready);
	sent = serve(&n->line_free, line_cost(len));
	if (to != FLOW_NONE) {
		n->transmits++;
		send_to(from, to, bytes, len, sent, true);
		return;
	}
	for (to = 0; to < flow.setup.nodes; to++) {
		if (meet(from, to))
			send_to(from, to, bytes, len, sent, false);
	}
}

static bool
fault(u32 of_million, u64 *count)
{
	if (!of_million || prng_below(&flow.prng, 1000000) >= of_million)
		return false;
	(*count)++;
	return true;
}

static void
port_queue(u32 index)
{
	struct frame *f = &frames[index];
	struct flow_node *to = &flow.node[f->to];

	if (to->queue == FLOW_PORT_QUEUE) {
		to->queue_drops++;
		frame_free(index);
		return;
	}
	to->queue++;
	to->queue_most = MAX(to->queue_most, to->queue);
	at(serve(&to->port_free, line_cost(f->len)), EVENT_PASSED, f->to, index);
}

static void
frame_late(u32 index)
{
	at(flow.now + prng_below(&flow.prng, LATE_NS), EVENT_LATE, frames[index].to, index);
}

// A copy comes at any time behind the frame; a bit behind the Ethernet header turns.
static void
frame_sent(u32 index)
{
	struct frame *f = &frames[index];
	u32 copy;

	flow.node[f->from].transmits -= f->counted;
	room_tell(f->from);
	if (fault(flow.loss, &flow.lost)) {
		frame_free(index);
		return;
	}
	if (fault(flow.duplication, &flow.duplicated)) {
		copy = frame_take();
		frames[copy] = *f;
		frame_late(copy);
	}
	if (fault(flow.corruption, &flow.corrupted))
		f->bytes[WIRE_ETHERNET + prng_below(&flow.prng, f->len - WIRE_ETHERNET)] ^=
			(u8)(1u << prng_below(&flow.prng, 8));
	if (fault(flow.reordering, &flow.reordered))
		frame_late(index);
	else
		port_queue(index);
}

static void
frame_arrived(u32 index)
{
	struct frame *f = &frames[index];
	struct flow_node *to = &flow.node[f->to];

	if (to->waits == FLOW_RING) {
		to->ring_drops++;
		frame_free(index);
		return;
	}
	to->waits++;
	at(serve(&to->processor_free, frame_cost(f->len)), EVENT_TAKEN, f->to, index);
}

// ---- nodes

static void
settle(u32 node)
{
	host_settle(node);
	timer_set(node, MAX(rcap_deadline(flow.node[node].rcap), flow.now + NS_PER_US));
	room_tell(node);
}

static void
frame_taken(u32 node, u32 index)
{
	struct flow_node *n = &flow.node[node];

	n->waits--;
	n->frames++;
	host_input(node, frames[index].bytes, frames[index].len);
	frame_free(index);
	settle(node);
}

static void
timer(u32 node)
{
	struct flow_node *n = &flow.node[node];

	if (n->timer_at > flow.now)
		return;			// an earlier one has taken its place
	n->timer_at = NEVER;
	settle(node);
}

static void
happen(const struct event *event)
{
	switch ((enum event_kind)event->kind) {
	case EVENT_SENT:
		frame_sent(event->a);
		break;
	case EVENT_LATE:
		port_queue(event->a);
		break;
	case EVENT_PASSED:
		flow.node[event->node].queue--;
		at(flow.now + flow.costs.way_ns, EVENT_ARRIVED, event->node, event->a);
		break;
	case EVENT_ARRIVED:
		frame_arrived(event->a);
		break;
	case EVENT_TAKEN:
		frame_taken(event->node, event->a);
		break;
	case EVENT_TIMER:
		timer(event->node);
		break;
	case EVENT_CALL:
		flow.called(event->a);
		break;
	}
}

void
flow_until(bool (*done)(void), u64 limit)
{
	u64 end = flow.now + limit;
	struct event event;

	while (!done || !done()) {
		if (!heap.count || heap.event[0].at > end) {
			flow.now = end;
			if (!done)
				return;
			flow_fail("what was waited for has not come");
		}
		if (!heap_take(&heap, &event))
			return;
		flow.now = event.at;
		happen(&event);
	}
}

void
flow_submit(u32 node, u32 held, struct rcap_submit *submit)
{
	struct flow_node *n = &flow.node[node];

	submit->remote = n->held[held];
	serve(&n->processor_free, flow.costs.frame_ns / 2);
	if (rcap_submit(n->rcap, flow.now, submit) == RCAP_NONE)
		flow_fail("an operation was not taken");
	settle(node);
}

// ---- beginning and end

static bool
all_met(void)
{
	for (u32 a = 0; a < flow.setup.nodes; a++) {
		u32 others = a < flow.setup.hub ? flow.setup.nodes : flow.setup.hub;

		for (u32 b = 0; b < others; b++) {
			u16 peer = a == b ? LINK_NONE : flow_peer(a, b);

			if (a != b && (peer == LINK_NONE ||
				       !links_session(flow.node[a].links, peer)))
				return false;
		}
	}
	return true;
}

void
flow_begin(const struct flow_setup *setup)
{
	ASSERT(setup->nodes >= 2 && setup->nodes <= FLOW_NODES);
	memset(&flow, 0, sizeof(flow));
	flow.setup = *setup;
	flow.now = NS_PER_SECOND;
	flow.costs = (struct flow_costs){ 3000, 2000, 4000, 15000 };
	prng_seed(&flow.prng, setup->seed);
	frames = calloc(FRAMES_MAX, sizeof(*frames));
	events = calloc(EVENTS_MAX, sizeof(*events));
	if (!frames || !events)
		flow_fail("out of memory");
	frames_free = FLOW_NONE;
	frames_fresh = 0;
	heap_init(&heap, events, EVENTS_MAX);
	for (u32 i = 0; i < setup->nodes; i++) {
		host_boot(i);
		flow.node[i].timer_at = flow.now + prng_below(&flow.prng, NS_PER_SECOND);
		at(flow.node[i].timer_at, EVENT_TIMER, i, 0);
	}
	for (u32 i = 0; i < 600 && !all_met(); i++)
		flow_until(NULL, 100 * NS_PER_MS);
	if (!all_met())
		flow_fail("not all nodes have met");
	flow_until(NULL, NS_PER_SECOND);	// what the paths carry is found out
}

void
flow_end(void)
{
	for (u32 i = 0; i < flow.setup.nodes; i++)
		host_end(i);
	free(frames);
	free(events);
}
