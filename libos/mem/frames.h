// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The frame pool: page frames taken from the kernel in big capabilities
// (chunks) and carved here, so that neither the capability list nor the number
// of system calls grows with the number of allocations.
//
// Frames of the pool are mapped readable and writable at their place in the
// direct window (libos/mem/layout.h) from the moment they are taken.
//
// Not for upcall handlers: they may have interrupted it.

#include "libos/mem/map.h"

#define POOL_CHUNKS_MAX 48u
#define POOL_CHUNK_FRAMES 512u		// of an ordinary chunk, at most

// Takes `count` consecutive frames; *run names them and the capability that
// covers them. Fresh frames are zero, used ones hold what they held. Returns 0,
// or -E_QUOTA, -E_FRAMES, -E_LIST, or -E_TABLE when the pool's own is full.
must_check i64
frames_take(u32 count, struct frame_run *run);

// Gives back exactly what frames_take() returned. A chunk of which nothing is
// in use any more goes back to the kernel, but for one that is kept.
void
frames_give(const struct frame_run *run);

// Frames of the pool now in use, and held in all.
u64
frames_in_use(void);
u64
frames_held(void);

// Forgets all: in a copy of the program, where what the pool had is somebody else's.
void
frames_forget(void);

// Walks the invariants; asserts.
void
frames_check(void);
