// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Timers of a program that has one event loop: a list ordered by deadline. The
// loop waits until timers_next() and then takes the expired ones.

#include "kernel/base/types.h"

struct timer {
	u64 deadline_ns;
	struct timer *next;
	bool is_set;
};

struct timers {
	struct timer *first;
};

// Arms a timer, which the caller keeps, for a time since boot; one that is
// armed already is moved. Linear in the number of armed timers.
void
timer_arm(struct timers *timers, struct timer *timer, u64 deadline_ns);

// Disarms a timer; nothing happens to one that is not armed.
void
timer_disarm(struct timers *timers, struct timer *timer);

// The earliest deadline, or NEVER.
u64
timers_next(const struct timers *timers);

// Takes one expired timer off the list, the earliest first, or returns NULL.
struct timer *
timers_expired(struct timers *timers, u64 now_ns);
