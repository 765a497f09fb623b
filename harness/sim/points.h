// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Which fault points of the cores (net/wire/points.def) fire, and what the cores have
// marked. Of the points one in three fires in a seed at all, and each at a rate of its
// own, as FoundationDB does with its BUGGIFY: a point that fires everywhere and always
// hides what lies behind it.

#include "kernel/base/types.h"
#include "net/wire/points.h"

// Draws for a seed. `rate`: how often in a million a point fires at most; 0: never.
void
points_draw(u64 seed, u32 rate);

// From now on none fires.
void
points_stop(void);

// What happened since points_draw().
void
points_tell(u64 fired[POINT_COUNT], u64 marks[MARK_COUNT]);

const char *
points_name(u32 point);
const char *
marks_name(u32 mark);

// What has happened when the mark is reached.
const char *
marks_text(u32 mark);
