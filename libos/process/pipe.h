// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A pipe: a ring of bytes in frames that its processes share, and who holds its ends.
// A sans-IO core: the host (descriptor.c) maps it, sleeps and wakes.
//
// An end is held by environments, each named by its index and id in the exported
// table. It is open while one of them lives: so the end of a process that was killed
// or died of a fault closes like that of one that closed it, and nobody has to say so.
//
// Nobody trusts the other side: counts that cannot be are a broken pipe.
//
// Invariants:
//   P1  writer.count - reader.count is the bytes in the ring, at most PIPE_BYTES
//   P2  reader.count is changed by readers only, writer.count by writers only, under
//       the lock of the end

#include "kernel/abi/layout.h"

#define PIPE_BYTES 8192u
#define PIPE_FRAMES 3u
#define PIPE_HOLDERS_MAX 6u	// with the two words of an end, what one wait takes
#define PIPE_BAD 0xffffffffu

struct pipe_end {
	u32 count;		// bytes, ever; wraps
	u32 closes;		// changes when somebody lets go
	u64 lock;		// the holder that works on it, or 0
	u64 holder[PIPE_HOLDERS_MAX];	// 0: none
};

struct pipe {
	struct pipe_end reader;
	struct pipe_end writer;
	u8 reserved[PAGE_SIZE - 2 * sizeof(struct pipe_end)];
	u8 bytes[PIPE_BYTES];
};

STATIC_ASSERT(sizeof(struct pipe) == PIPE_FRAMES * PAGE_SIZE);

static inline u64
pipe_holder(u32 index, u32 id)
{
	return (u64)index << 32 | id;
}

// The bytes in the ring, or PIPE_BAD.
u32
pipe_used(const struct pipe *pipe);

// Puts bytes in, or takes some out, as many as there is room or as there are. Returns
// how many, or PIPE_BAD.
u32
pipe_put(struct pipe *pipe, const void *bytes, u64 len);
u32
pipe_get(struct pipe *pipe, void *bytes, u64 len);

// Adds a holder of an end, once. False when there are too many.
must_check bool
pipe_hold(struct pipe_end *end, u64 holder);

// Takes one away, if he is one.
void
pipe_release(struct pipe_end *end, u64 holder);
