// SPDX-License-Identifier: BSD-2-Clause
// Before the timing: one operation of the plan's size, through the same capability
// and buffers, compared byte by byte.

#include "kernel/base/string.h"
#include "libos/programs/remote-bench/bench.h"

static void
must(i64 error)
{
	if (error)
		fail(far_error_text(error));
}

static u8
pattern(u64 offset, u32 i)
{
	return (u8)((offset >> 3) * 31 + i * 7 + (i >> 8) + 1);
}

static void
write_part(const struct plan *plan, u64 offset, u8 *buffer)
{
	for (u32 i = 0; i < plan->part_bytes; i++)
		buffer[i] = pattern(offset, i);
	must(plan->blocks ? far_block_write(&target, offset / BLOCK_SIZE, buffer)
			  : far_write(&target, offset, buffer, plan->part_bytes));
}

static void
read_part(const struct plan *plan, u64 offset, u8 *buffer)
{
	memset(buffer, 0, plan->part_bytes);
	must(plan->blocks ? far_block_read(&target, offset / BLOCK_SIZE, buffer)
			  : far_read(&target, offset, buffer, plan->part_bytes));
	for (u32 i = 0; i < plan->part_bytes; i++) {
		if (buffer[i] != pattern(offset, i))
			fail("other bytes came back than were written");
	}
}

static void
check_bytes(const struct plan *plan)
{
	u64 offset = random_below(plan->places) * plan->bytes;

	for (u32 part = 0; part < plan->parts; part++)
		write_part(plan, offset + part * plan->part_bytes,
			   flight_buffer(plan, 0, part));
	for (u32 part = 0; part < plan->parts; part++)
		read_part(plan, offset + part * plan->part_bytes,
			  flight_buffer(plan, 0, part));
}

static void
check_swap(const struct plan *plan)
{
	u8 *page = flight_buffer(plan, 0, 0);
	u64 old, value = 0;

	memset(page, 0, PAGE_SIZE);
	must(far_write(&target, 0, page, PAGE_SIZE));
	must(far_cas(&target, 8, 1, 2, &old));
	if (old != 0)
		fail("a swap found another value than was written");
	must(far_cas(&target, 8, 0, 3, &old));
	must(far_read(&target, 8, page, sizeof(value)));
	memcpy(&value, page, sizeof(value));
	if (old != 0 || value != 3)
		fail("a swap ran where it must not, or not where it must");
	must(far_cas(&target, 8, 3, 0, &old));
}

void
check(const struct plan *plan)
{
	if (plan->op == FABRIC_MCAS)
		check_swap(plan);
	else
		check_bytes(plan);
}
