// SPDX-License-Identifier: BSD-2-Clause
// Loads: see load.h. A flight's tag names its load and its number. Bytes land in the
// page of their flight, and come from one of the first four pages that were granted.

#include <stdlib.h>
#include <string.h>

#include "harness/flow/load.h"
#include "kernel/base/assert.h"

#define FLIGHTS_MAX 64u

static struct load loads[LOADS_MAX];
static u64 begun_at[LOADS_MAX][FLIGHTS_MAX];
static u32 load_count, unfinished;
static u64 samples[SAMPLES_MAX];
static u32 sample_count;

void
loads_clear(void)
{
	load_count = unfinished = sample_count = 0;
}

struct load *
load_add(const struct load *load)
{
	ASSERT(load_count < LOADS_MAX && load->flights <= FLIGHTS_MAX);
	loads[load_count] = *load;
	return &loads[load_count++];
}

static void
begin(u32 index, u32 flight)
{
	struct load *l = &loads[index];
	struct rcap_submit s = {
		.tag = (u64)index << 32 | flight,
		.environment = l->environment,
		.op = l->op,
		.offset = prng_below(&flow.prng, 4) * 4096,
		.length = l->bytes,
		.local = (u64)flight * 4096,
		.window = l->window,
	};

	if (l->count && l->begun == l->count)
		return;
	l->begun++;
	begun_at[index][flight] = flow.now;
	flow_submit(l->node, l->held, &s);
}

static void
begin_later(u32 index, u32 flight)
{
	u64 pause = loads[index].pause_ns;

	if (!pause)
		begin(index, flight);
	else
		flow_call(flow.now + pause / 2 + prng_below(&flow.prng, pause),
			  index * FLIGHTS_MAX + flight);
}

static void
called(u32 what)
{
	begin(what / FLIGHTS_MAX, what % FLIGHTS_MAX);
}

static void
done(u32 node, const struct rcap_completion *c)
{
	u32 index = (u32)(c->tag >> 32), flight = (u32)c->tag;
	struct load *l = &loads[index];

	ASSERT(index < load_count && l->node == node);
	if (c->outcome != RCAP_DONE)
		flow_fail(wire_code_text(c->code));
	l->last_at = flow.now;
	if (l->noted && sample_count < SAMPLES_MAX)
		samples[sample_count++] = flow.now - begun_at[index][flight];
	if (++l->ended == l->count)
		unfinished--;
	else
		begin_later(index, flight);
}

static bool
all_ended(void)
{
	return !unfinished;
}

void
loads_run(u64 limit)
{
	flow.done = done;
	flow.called = called;
	for (u32 i = 0; i < load_count; i++) {
		loads[i].first_at = flow.now;
		unfinished += loads[i].count > 0;
	}
	for (u32 i = 0; i < load_count; i++) {
		for (u32 flight = 0; flight < loads[i].flights; flight++)
			begin_later(i, flight);
	}
	flow_until(all_ended, limit);
}

double
loads_rate(void)
{
	u64 bytes = 0, first = ~0ull, last = 0;

	for (u32 i = 0; i < load_count; i++) {
		bytes += (u64)loads[i].ended * loads[i].bytes;
		first = MIN(first, loads[i].first_at);
		last = MAX(last, loads[i].last_at);
	}
	return (double)bytes * 1e9 / (double)(last - first);
}

static int
compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

u64
loads_quantile(double part)
{
	ASSERT(sample_count > 0);
	qsort(samples, sample_count, sizeof(*samples), compare);
	return samples[MIN((u32)(part * sample_count), sample_count - 1)];
}
