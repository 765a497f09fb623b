// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the simulator has in the cores besides planted bugs. Only its build defines
// NET_SIMULATED; anywhere else all of this is nothing before the compiler has looked
// at the code.
//
//	FAULT_POINT(name)	true when the simulator wants what is rare there to
//				happen now: a table is full, a timer runs out early, the
//				slow way is gone. Nothing that a core promises may hang on
//				its being false
//	SOMETIMES(name)		this was reached: a long run fails when it never was
//	SOMETIMES_WHEN(name, c)	... if c holds, which nobody else asks
//	SOMETIMES_IF(name, c)	c; and when it holds, this was reached
//
// points.def and marks.def say what each name is.

#include "kernel/base/types.h"

enum net_point {
#define X(name, sentence) POINT_##name,
#include "net/wire/points.def"
#undef X
	POINT_COUNT
};

enum net_mark {
#define X(name, sentence) MARK_##name,
#include "net/wire/marks.def"
#undef X
	MARK_COUNT
};

#ifdef NET_SIMULATED
extern u64 net_marks[MARK_COUNT];	// how often; the simulator's

// The simulator's answer: whether it happens now.
bool
net_point_fires(enum net_point point);

#define FAULT_POINT(name) net_point_fires(POINT_##name)
#define SOMETIMES(name) ((void)net_marks[MARK_##name]++)
#define SOMETIMES_WHEN(name, condition) \
	((void)((condition) && ++net_marks[MARK_##name]))
#define SOMETIMES_IF(name, condition) ((condition) && ++net_marks[MARK_##name])
#else
#define FAULT_POINT(name) false
#define SOMETIMES(name) ((void)0)
#define SOMETIMES_WHEN(name, condition) ((void)0)
#define SOMETIMES_IF(name, condition) (condition)
#endif
