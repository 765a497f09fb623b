// SPDX-License-Identifier: BSD-2-Clause
// One direction of one link: see lane.h for the picture and the invariants.
//
// The line is a ring in order of due time: because jitter never reorders, no
// heap is needed, and putting and taking are constant time. Frames held back
// by reordering wait beside the line, in a table small enough to scan.

#include "harness/switch/lane.h"

#include "kernel/base/assert.h"

// The first byte behind the destination and source addresses.
#define CORRUPT_FROM_BYTE 12u

static bool
draw(struct prng *prng, u32 ppm)
{
	ASSERT(ppm <= LANE_PPM);
	return ppm > 0 && prng_below(prng, LANE_PPM) < ppm;
}

bool
lane_plan_is_clear(const struct fault_plan *plan)
{
	return !(plan->mtu | plan->loss_ppm | plan->duplicate_ppm | plan->reorder_ppm |
		 plan->corrupt_ppm | plan->delay_ns | plan->jitter_ns);
}

bool
lane_is_empty(const struct lane *lane)
{
	return lane->count + lane->held_count == 0;
}

static void
line_append(struct lane *lane, const struct lane_host *host,
	    struct frame *frame, u64 now_ns)
{
	const struct fault_plan *plan = host->plan;
	u64 due_ns = now_ns + plan->delay_ns;
	struct lane_late *slot;

	if (lane->count == LANE_LINE_MAX) {
		lane->counters.line_full++;
		frame_release(host->pool, frame);
		return;
	}
	if (plan->jitter_ns > 0)
		due_ns += prng_below(host->prng, plan->jitter_ns + 1);
	if (lane->count > 0)
		due_ns = MAX(due_ns, lane->last_due_ns);
	lane->last_due_ns = due_ns;
	slot = &lane->line[(lane->head + lane->count) % LANE_LINE_MAX];
	slot->frame = frame;
	slot->due_ns = due_ns;
	lane->count++;
}

// Lets held frame `index` go on. The order of the others stays.
static void
held_let_go(struct lane *lane, const struct lane_host *host, u32 index,
	    u64 now_ns)
{
	struct frame *frame = lane->held[index].frame;

	ASSERT(index < lane->held_count);
	lane->held_count--;
	for (u32 i = index; i < lane->held_count; i++)
		lane->held[i] = lane->held[i + 1];
	line_append(lane, host, frame, now_ns);
}

// A frame has passed: those held back have one fewer to wait for.
static void
held_count_pass(struct lane *lane, const struct lane_host *host, u64 now_ns)
{
	for (u32 i = 0; i < lane->held_count;) {
		ASSERT(lane->held[i].passes_left > 0);
		if (--lane->held[i].passes_left == 0)
			held_let_go(lane, host, i, now_ns);
		else
			i++;
	}
}

static void
hold_back(struct lane *lane, const struct lane_host *host,
	  struct frame *frame, u64 now_ns)
{
	struct lane_held *held = &lane->held[lane->held_count++];

	ASSERT(lane->held_count <= LANE_HELD_MAX);
	held->frame = frame;
	held->deadline_ns = now_ns + LANE_HOLD_NS;
	held->passes_left = 1 + (u32)prng_below(host->prng, LANE_PASSES_MAX);
	lane->counters.reordered++;
}

// Flips one bit. Returns NULL when the frame was shared and no buffer is left.
static struct frame *
corrupt(struct lane *lane, const struct lane_host *host, struct frame *frame)
{
	u32 bit_count = (frame->len - CORRUPT_FROM_BYTE) * 8;
	u32 bit = (u32)prng_below(host->prng, bit_count);

	ASSERT(frame->len >= FRAME_LEN_MIN);
	frame = frame_make_private(host->pool, frame);
	if (!frame) {
		lane->counters.no_buffer++;
		return NULL;
	}
	frame->data[CORRUPT_FROM_BYTE + bit / 8] ^= (u8)(1u << (bit % 8));
	lane->counters.corrupted++;
	return frame;
}

static void
put_copy(struct lane *lane, const struct lane_host *host, struct frame *frame,
	 u64 now_ns)
{
	if (draw(host->prng, host->plan->corrupt_ppm))
		frame = corrupt(lane, host, frame);
	if (!frame)
		return;
	if (draw(host->prng, host->plan->reorder_ppm) &&
	    lane->held_count < LANE_HELD_MAX) {
		hold_back(lane, host, frame, now_ns);
		return;
	}
	line_append(lane, host, frame, now_ns);
	held_count_pass(lane, host, now_ns);
}

void
lane_put(struct lane *lane, const struct lane_host *host, struct frame *frame,
	 u64 now_ns)
{
	u32 mtu = host->plan->mtu;
	bool twice;

	ASSERT(frame->len >= FRAME_LEN_MIN);
	if (mtu > 0 && frame->len - FRAME_LEN_MIN > mtu) {
		lane->counters.too_long++;
		frame_release(host->pool, frame);
		return;
	}
	if (draw(host->prng, host->plan->loss_ppm)) {
		lane->counters.lost++;
		frame_release(host->pool, frame);
		return;
	}
	twice = draw(host->prng, host->plan->duplicate_ppm);
	if (twice) {
		lane->counters.duplicated++;
		frame_hold(frame);
	}
	put_copy(lane, host, frame, now_ns);
	if (twice)
		put_copy(lane, host, frame, now_ns);
}

struct frame *
lane_take(struct lane *lane, const struct lane_host *host, u64 now_ns)
{
	struct frame *frame;
	u64 due_ns;

	// Held frames are in the order of their deadlines.
	while (lane->held_count > 0 && lane->held[0].deadline_ns <= now_ns)
		held_let_go(lane, host, 0, now_ns);
	if (lane->count == 0 || lane->line[lane->head].due_ns > now_ns)
		return NULL;
	frame = lane->line[lane->head].frame;
	due_ns = lane->line[lane->head].due_ns;
	lane->head = (lane->head + 1) % LANE_LINE_MAX;
	lane->count--;
	ASSERT(lane->count == 0 || lane->line[lane->head].due_ns >= due_ns);
	return frame;
}

u64
lane_deadline(const struct lane *lane)
{
	u64 deadline_ns = LANE_NEVER;

	if (lane->count > 0)
		deadline_ns = lane->line[lane->head].due_ns;
	if (lane->held_count > 0)
		deadline_ns = MIN(deadline_ns, lane->held[0].deadline_ns);
	return deadline_ns;
}

u32
lane_flush(struct lane *lane, struct frame_pool *pool)
{
	u32 dropped = lane->count + lane->held_count;

	while (lane->count > 0) {
		frame_release(pool, lane->line[lane->head].frame);
		lane->head = (lane->head + 1) % LANE_LINE_MAX;
		lane->count--;
	}
	while (lane->held_count > 0)
		frame_release(pool, lane->held[--lane->held_count].frame);
	return dropped;
}
