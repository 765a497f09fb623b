// SPDX-License-Identifier: BSD-2-Clause
// Passing on: a holder (node 1) has the owner (node 0) derive a page for a third node
// (node 2), which reads by it as soon as it has it. The owner tells both at once, so the
// third need not wait for word of the holder's.

#include <stdlib.h>

#include "harness/flow/delegate.h"
#include "kernel/base/assert.h"

#define OWNER 0u
#define HOLDER 1u
#define THIRD 2u
#define ENVIRONMENT 7u
#define LIMIT NS_PER_SECOND

enum what {
	DERIVED,		// tags of the two operations
	READ_BY,
	WHAT_COUNT,
};

static u64 ended_at[WHAT_COUNT];
static u32 had;			// that the third node held before

static void
done(u32 node, const struct rcap_completion *c)
{
	ASSERT(c->tag < WHAT_COUNT && node == (c->tag == DERIVED ? HOLDER : THIRD));
	if (c->outcome != RCAP_DONE)
		flow_fail(wire_code_text(c->code));
	ended_at[c->tag] = flow.now;
}

static bool
third_has_it(void)
{
	return flow.node[THIRD].held_count > had;
}

static bool
all_ended(void)
{
	return ended_at[DERIVED] && ended_at[READ_BY];
}

static void
pass_on(u32 held, u64 *told, u64 *got, u64 *used)
{
	struct rcap_submit derive = {
		.tag = DERIVED, .environment = ENVIRONMENT, .op = OP_DERIVE,
		.derive = {
			.incarnation = flow.node[THIRD].incarnation,
			.environment = ENVIRONMENT, .rights = WIRE_RIGHT_READ, .count = 1,
		},
	};
	struct rcap_submit read = {
		.tag = READ_BY, .environment = ENVIRONMENT, .op = OP_READ, .length = 8,
	};
	u64 begun = flow.now;

	flow_uuid(THIRD, derive.derive.uuid);
	had = flow.node[THIRD].held_count;
	ended_at[DERIVED] = ended_at[READ_BY] = 0;
	flow_submit(HOLDER, held, &derive);
	flow_until(third_has_it, LIMIT);
	*got = flow.now - begun;
	flow_submit(THIRD, had, &read);
	flow_until(all_ended, LIMIT);
	*told = ended_at[DERIVED] - begun;
	*used = ended_at[READ_BY] - begun;
}

static int
compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64
median(u64 *of, u32 count)
{
	qsort(of, count, sizeof(*of), compare);
	return of[count / 2];
}

void
delegate_run(u32 times, struct delegated *found)
{
	u64 told[DELEGATE_TIMES_MAX], got[DELEGATE_TIMES_MAX], used[DELEGATE_TIMES_MAX];
	u32 held = flow_grant(OWNER, HOLDER, ENVIRONMENT, 0, 16);

	ASSERT(times && times <= DELEGATE_TIMES_MAX && flow.setup.nodes == THIRD + 1);
	flow.done = done;
	for (u32 i = 0; i < times; i++) {
		flow_until(NULL, NS_PER_MS);
		pass_on(held, &told[i], &got[i], &used[i]);
	}
	*found = (struct delegated){
		.told_ns = median(told, times),
		.held_ns = median(got, times),
		.used_ns = median(used, times),
	};
}
