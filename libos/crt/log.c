// SPDX-License-Identifier: BSD-2-Clause
// Logs shared with the parent. A reader that runs beside the writer may see a line
// half overwritten; it never leaves the log.

#include "libos/crt/log.h"

void
log_write(struct log *log, const char *text, u32 len)
{
	u64 at = log->written;

	for (u32 i = 0; i < len; i++)
		log->bytes[(at + i) % LOG_BYTES] = text[i];
	__atomic_store_n(&log->written, at + len, __ATOMIC_RELEASE);
}

u32
log_read(const volatile struct log *log, char *text, u32 size)
{
	u64 end = __atomic_load_n(&log->written, __ATOMIC_ACQUIRE);
	u64 count = MIN(MIN(end, (u64)LOG_BYTES), (u64)size);

	for (u64 i = 0; i < count; i++)
		text[i] = log->bytes[(end - count + i) % LOG_BYTES];
	return (u32)count;
}
