// SPDX-License-Identifier: BSD-2-Clause
// Who of two nodes is served how much by this one, while both have asked for more than
// they have got: what the weights of service divide (docs/service.md). Time does not come
// into it. The fabric's trace tells what reads came and were run, in their order. What is
// added up is what the first node got between two turns of the second, in whole, when
// something of both waited all that time: who comes back after it had nothing to ask is
// owed nothing.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"
#include "net/wire/wire.h"

#define WAITING_MAX 128u		// requests of a node; more are not taken in
#define LOOK_NS NS_PER_MS
#define STUCK_NS (60 * NS_PER_SECOND)

struct served {
	u64 operations, bytes;
};

static struct side {
	u16 node;
	u32 waiting;
	u32 number[WAITING_MAX];	// of the reads that wait, in their order
	struct served since;		// the second's last turn
	struct served doubted;		// before that, since the first's last turn
	struct served all;
} sides[2];

// Turns of the second since both have waited. The time until the first, and from there to
// the next, still shows what was before.
static u32 turns;

static void
came(struct side *side, u32 number)
{
	for (u32 i = 0; i < side->waiting; i++) {
		if (side->number[i] == number)
			return;
	}
	if (side->waiting < WAITING_MAX)
		side->number[side->waiting++] = number;
}

// Reads under one capability are run in the order in which they came. So what came before
// this one waits no more, for whatever reason: its answer had arrived after all, when it
// was asked for once more. False: nobody knows whether this side did wait until now.
static bool
went(struct side *side, u32 number)
{
	u32 at = 0;

	while (at < side->waiting && side->number[at] != number)
		at++;
	if (at == side->waiting)
		return false;
	side->waiting -= at + 1;
	for (u32 i = 0; i < side->waiting; i++)
		side->number[i] = side->number[at + 1 + i];
	return !at;
}

static void
add(struct served *to, const struct served *what)
{
	to->operations += what->operations;
	to->bytes += what->bytes;
}

static void
forget(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(sides); i++)
		sides[i].since = sides[i].doubted = (struct served){ 0 };
	turns = 0;
}

// A turn of the second: what both got since its last one counts, when the first is seen
// to have waited until then; that is, with the first's next turn.
static void
turn(bool second)
{
	for (u32 i = 0; i < ARRAY_SIZE(sides); i++) {
		struct served *from = second ? &sides[i].since : &sides[i].doubted;

		if (!second || turns > 1)
			add(second ? &sides[i].doubted : &sides[i].all, from);
		*from = (struct served){ 0 };
	}
	turns += second;
}

static void
ran(u32 index, const struct trace_event *event)
{
	struct side *side = &sides[index];

	if (!went(side, event->a)) {
		forget();
		return;
	}
	if (!index)
		turn(false);
	add(&side->since, &(struct served){ 1, (u16)(event->b >> 32) });
	if (index)
		turn(true);
	if (!side->waiting || !sides[1 - index].waiting)
		turns = 0;
}

// Whatever its requests were, none of them waits any more.
static void
end(struct side *side)
{
	side->waiting = 0;
	forget();
}

static void
tell(const struct trace_event *event)
{
	for (u32 i = 0; i < ARRAY_SIZE(sides); i++) {
		if (event->peer != sides[i].node)
			continue;
		if (event->kind == TRACE_RAN)
			ran(i, event);
		else if (event->kind == TRACE_SESSION || event->kind == TRACE_REFUSED)
			end(&sides[i]);
		else if (event->kind == TRACE_IN &&
			 (u16)(event->b >> 48) == (OP_READ << 8 | WIRE_REQUEST))
			came(&sides[i], event->a);
	}
}

// Takes what is new. What was overwritten before it was read leaves nobody waiting.
static u64
tell_new(u64 next)
{
	const volatile struct trace_ring *ring = trace_ring();

	for (u64 head = ring->head; next < head; next++) {
		const volatile struct trace_event *at = &ring->at[next & ring->mask];
		struct trace_event event = { .kind = at->kind, .peer = at->peer,
					     .a = at->a, .b = at->b };

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (ring->head > next + ring->mask) {
			end(&sides[0]);
			end(&sides[1]);
			return ring->head;
		}
		tell(&event);
	}
	return next;
}

static u64
operations(void)
{
	return sides[0].all.operations + sides[1].all.operations;
}

int
shares(int argc, char **argv)
{
	u64 wanted = 1000, counted = 0, until, next;

	if (argc > 4 && (!text_to_u64(argv[4], &wanted) || !wanted))
		return STATUS_USAGE;
	for (u32 i = 0; i < ARRAY_SIZE(sides); i++)
		sides[i].node = node_or_exit(argv[2 + i]);
	until = now_ns() + STUCK_NS;
	next = trace_ring()->head;
	while (counted < wanted) {
		next = tell_new(next);
		if (counted != operations()) {
			counted = operations();
			until = now_ns() + STUCK_NS;
		} else if (now_ns() > until) {
			print("remote: FAIL %lu and %lu operations, and then not both "
			      "waited\n", sides[0].all.operations,
			      sides[1].all.operations);
			return STATUS_FAILED;
		}
		pause_ns(LOOK_NS);
	}
	print("remote: PASS while both waited, %lu operations and %lu bytes of the first, "
	      "%lu and %lu of the second\n", sides[0].all.operations, sides[0].all.bytes,
	      sides[1].all.operations, sides[1].all.bytes);
	return STATUS_OK;
}
