// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The uplink on a tap device, in the network namespace where the switch runs.
//
// The device's addresses, and whether it is up, are its owner's business
// (harness/cluster): the switch only moves frames.

#include "harness/switch/core.h"
#include "harness/switch/poll_set.h"

struct tap {
	int fd;
	u32 port;
	bool blocked;
	int poll_index;
};

// Attaches to the tap device `name`, or makes it where the caller may. Returns
// 0, or -1 with one line in `error`.
must_check int
tap_open(struct tap *tap, u32 port, const char *name, char *error,
	 size_t error_size);

void
tap_close(struct tap *tap);

void
tap_poll_add(struct tap *tap, struct poll_set *set);

// After the wait: returns true when frames are waiting for tap_input().
bool
tap_poll_done(struct tap *tap, const struct poll_set *set);

// Reads up to CORE_BATCH frames into the core. Returns true when there may be
// more.
bool
tap_input(struct tap *tap, struct core *core, u64 now_ns);

// Writes what the port's queue holds, as far as the device takes it. A frame
// that it refuses (longer than its MTU, or the device is down) is dropped and
// counted as `refused`.
void
tap_flush(struct tap *tap, struct core *core);
