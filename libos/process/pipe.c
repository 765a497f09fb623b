// SPDX-License-Identifier: BSD-2-Clause
// The ring of a pipe, and the lists of its holders (pipe.h).
//
// Counts are stored after the bytes that they speak of, and loaded before them.

#include "libos/process/pipe.h"
#include "kernel/base/string.h"

u32
pipe_used(const struct pipe *pipe)
{
	u32 read = __atomic_load_n(&pipe->reader.count, __ATOMIC_ACQUIRE);
	u32 written = __atomic_load_n(&pipe->writer.count, __ATOMIC_ACQUIRE);
	u32 used = written - read;

	return used <= PIPE_BYTES ? used : PIPE_BAD;
}

u32
pipe_put(struct pipe *pipe, const void *bytes, u64 len)
{
	u32 used = pipe_used(pipe);
	u32 at = pipe->writer.count;
	u32 count, first;

	if (used == PIPE_BAD)
		return PIPE_BAD;
	count = (u32)MIN(len, (u64)(PIPE_BYTES - used));
	first = MIN(count, PIPE_BYTES - at % PIPE_BYTES);
	memcpy(pipe->bytes + at % PIPE_BYTES, bytes, first);
	memcpy(pipe->bytes, (const u8 *)bytes + first, count - first);
	__atomic_store_n(&pipe->writer.count, at + count, __ATOMIC_RELEASE);
	return count;
}

u32
pipe_get(struct pipe *pipe, void *bytes, u64 len)
{
	u32 used = pipe_used(pipe);
	u32 at = pipe->reader.count;
	u32 count, first;

	if (used == PIPE_BAD)
		return PIPE_BAD;
	count = (u32)MIN(len, (u64)used);
	first = MIN(count, PIPE_BYTES - at % PIPE_BYTES);
	memcpy(bytes, pipe->bytes + at % PIPE_BYTES, first);
	memcpy((u8 *)bytes + first, pipe->bytes, count - first);
	__atomic_store_n(&pipe->reader.count, at + count, __ATOMIC_RELEASE);
	return count;
}

static bool
replace(u64 *place, u64 was, u64 is)
{
	return __atomic_compare_exchange_n(place, &was, is, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool
pipe_hold(struct pipe_end *end, u64 holder)
{
	for (u32 i = 0; i < PIPE_HOLDERS_MAX; i++) {
		if (__atomic_load_n(&end->holder[i], __ATOMIC_SEQ_CST) == holder)
			return true;
	}
	for (u32 i = 0; i < PIPE_HOLDERS_MAX; i++) {
		if (replace(&end->holder[i], 0, holder))
			return true;
	}
	return false;
}

void
pipe_release(struct pipe_end *end, u64 holder)
{
	for (u32 i = 0; i < PIPE_HOLDERS_MAX; i++) {
		if (replace(&end->holder[i], holder, 0))
			__atomic_fetch_add(&end->closes, 1, __ATOMIC_SEQ_CST);
	}
}
