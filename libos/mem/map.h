// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Mapping of long runs of frames, in as many system calls as it takes.

#include "kernel/abi/syscalls.h"

// A run of frames under one capability of the caller.
struct frame_run {
	u64 frame;
	u64 count;
	u32 slot;
};

// Maps a run at `va` of `env`; `slot` is the capability in that environment's
// list. Returns 0, or the error of the call that failed, after undoing those
// before it.
must_check i64
map_run(u32 env, u64 va, u32 slot, u64 frame, u64 count, u32 prot);

// Removes the mappings of `count` pages. Returns 0 or the first error.
i64
unmap_run(u32 env, u64 va, u64 count);

// Maps a run of the caller's own at its place in the direct window.
must_check i64
map_direct(const struct frame_run *run, u32 prot);

// Finds the frames that a capability of the caller covers: *run is
// filled in. Returns 0, -E_TYPE, or the error of cap_inspect.
must_check i64
run_of_slot(u32 slot, struct frame_run *run);
