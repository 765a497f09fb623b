// SPDX-License-Identifier: BSD-2-Clause
// The loop: run what is due, let tasks go on, put what they left before the kernel,
// sleep when nothing is left.
//
// Invariant: the loop sleeps only when no task can go on; every part has run since
// the last word changed.

#include "cluster/agent/loop.h"
#include "cluster/agent/hosts.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/thread/thread.h"

static const struct loop_part *parts[LOOP_PARTS_MAX];
static u32 part_count;

void
loop_add(const struct loop_part *part)
{
	ASSERT(part_count < LOOP_PARTS_MAX && part->run);
	parts[part_count++] = part;
}

static void
sleep_for_all(u64 due)
{
	struct wait_set set;

	wait_begin(&set);
	for (u32 i = 0; i < part_count; i++) {
		if (parts[i]->watch)
			parts[i]->watch(&set);
	}
	wait_until(&set, due);
	wait_until(&set, now_ns() + LOOP_TICK_NS);
	wait_sleep(&set);
}

void
loop_run(void)
{
	for (;;) {
		u64 now = now_ns();

		for (u32 i = 0; i < part_count; i++)
			parts[i]->run(now);
		if (threads_due() == 0)
			thread_yield();
		tasks_reap();
		operations_flush();
		if (threads_due() != 0)
			sleep_for_all(threads_due());
	}
}
