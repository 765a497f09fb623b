// SPDX-License-Identifier: BSD-2-Clause
// A sorted list of timers: programs have a handful.
//
// Invariant: the list is ordered by deadline and holds exactly the timers whose
// is_set is true; equal deadlines keep the order of arming.

#include "libos/io/timer.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/assert.h"

void
timer_disarm(struct timers *timers, struct timer *timer)
{
	struct timer **at = &timers->first;

	if (!timer->is_set)
		return;
	while (*at && *at != timer)
		at = &(*at)->next;
	ASSERT(*at == timer);
	*at = timer->next;
	timer->is_set = false;
}

void
timer_arm(struct timers *timers, struct timer *timer, u64 deadline_ns)
{
	struct timer **at = &timers->first;

	timer_disarm(timers, timer);
	while (*at && (*at)->deadline_ns <= deadline_ns)
		at = &(*at)->next;
	timer->deadline_ns = deadline_ns;
	timer->next = *at;
	timer->is_set = true;
	*at = timer;
}

u64
timers_next(const struct timers *timers)
{
	return timers->first ? timers->first->deadline_ns : NEVER;
}

struct timer *
timers_expired(struct timers *timers, u64 now_ns)
{
	struct timer *timer = timers->first;

	if (!timer || timer->deadline_ns > now_ns)
		return NULL;
	timers->first = timer->next;
	timer->is_set = false;
	return timer;
}
