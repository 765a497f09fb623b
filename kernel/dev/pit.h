// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The interval timer of a PC (8254): a clock of known rate to measure another against.

#include "kernel/base/types.h"

// Ticks of the TSC in a second, measured for some milliseconds. Boot only; panics when
// the timer does not count.
u64
pit_tsc_rate(void);
