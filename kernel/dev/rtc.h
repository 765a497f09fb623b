// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The battery-backed clock of a PC (MC146818 and successors), read once at boot.

#include "kernel/base/types.h"

// Seconds since 1970 (UTC, as the clock is taken to be), or 0 when the chip
// shows no sensible time.
u64
rtc_read_unix(void);
