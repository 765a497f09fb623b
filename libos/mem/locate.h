// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// From an address of this program to the frame behind it, without the kernel:
// what rings and queues name memory by.

#include "libos/mem/map.h"

struct place {
	u64 frame;
	u32 offset;		// in that frame
};

// Finds `len` bytes (at least 1) at `at`, which must lie in one physically
// contiguous run: in the direct window (frame pool, heap, archives), or in one
// segment of the program's image. Memory of demand-zero regions and stacks has
// no such place: false.
must_check bool
locate(const void *at, u64 len, struct place *place);

// From now on nothing of the image is found: in a program that forks, its pages do not
// stay where they are.
void
locate_forget(void);

// The capability for the image segment that holds `at`: its slot, first frame
// and number of frames. False when `at` is not in the image.
must_check bool
locate_segment(const void *at, struct frame_run *run);
