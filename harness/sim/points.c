// SPDX-License-Identifier: BSD-2-Clause
// This build of the cores has NET_SIMULATED defined: they ask net_point_fires(), and
// count in net_marks. The generator is the points' own, so that what environments
// do and what goes wrong is drawn alike whichever points there are.

#include <string.h>

#include "harness/sim/points.h"
#include "kernel/base/assert.h"
#include "kernel/base/prng.h"

#define MILLION 1000000u
#define ON_ONE_IN 3u
#define RATES 8u		// each half of the one before

u64 net_marks[MARK_COUNT];

static u32 rate_of[POINT_COUNT];
static u64 fired_of[POINT_COUNT];
static struct prng generator;

static const char *const point_names[POINT_COUNT] = {
#define X(name, sentence) #name,
#include "net/wire/points.def"
#undef X
};

static const struct {
	const char *name, *text;
} marks_of[MARK_COUNT] = {
#define X(name, sentence) { #name, sentence },
#include "net/wire/marks.def"
#undef X
};

void
points_draw(u64 seed, u32 rate)
{
	memset(net_marks, 0, sizeof(net_marks));
	memset(fired_of, 0, sizeof(fired_of));
	prng_seed(&generator, seed);
	for (u32 i = 0; i < POINT_COUNT; i++) {
		bool on = prng_below(&generator, ON_ONE_IN) == 0;
		u32 less = (u32)prng_below(&generator, RATES);

		rate_of[i] = on ? rate >> less : 0;
	}
}

void
points_stop(void)
{
	memset(rate_of, 0, sizeof(rate_of));
}

bool
net_point_fires(enum net_point point)
{
	ASSERT(point < POINT_COUNT);
	if (!rate_of[point] || prng_below(&generator, MILLION) >= rate_of[point])
		return false;
	fired_of[point]++;
	return true;
}

void
points_tell(u64 fired[POINT_COUNT], u64 marks[MARK_COUNT])
{
	memcpy(fired, fired_of, sizeof(fired_of));
	memcpy(marks, net_marks, sizeof(net_marks));
}

const char *
points_name(u32 point)
{
	return point_names[point];
}

const char *
marks_name(u32 mark)
{
	return marks_of[mark].name;
}

const char *
marks_text(u32 mark)
{
	return marks_of[mark].text;
}
