// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Making the copy: what process.c asks of fork.c.

#include "libos/crt/spawn.h"

// One forked child: its environment, and the block of frames that its parent filled
// for it (the uarea, then the pages that are copied).
struct forked {
	struct child child;		// child.memory is SLOT_NONE
	struct frame_run block;
};

// Copies this process as it is with the stack pointer `rsp`. Returns the child's id or
// an error, with nothing left behind. *spare is a block to use again, or has count 0;
// it is taken when it is long enough. `on_fork`, or NULL, is called when the child is
// made and does not run yet.
must_check i64
fork_copy(u64 rsp, const struct quota *quota, u32 cpu, struct frame_run *spare,
	  struct forked *forked, void (*on_fork)(u32 index, u32 id));
