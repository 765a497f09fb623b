// SPDX-License-Identifier: BSD-2-Clause
// Long mappings, MAP_PAGES_MAX pages a call.
//
// Stateless.

#include "libos/mem/map.h"
#include "kernel/base/assert.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

i64
unmap_run(u32 env, u64 va, u64 count)
{
	i64 first = 0;

	for (u64 done = 0; done < count;) {
		u32 part = (u32)MIN(count - done, (u64)MAP_PAGES_MAX);
		i64 error = sys_page_unmap(env, va + done * PAGE_SIZE, part);

		if (error && !first)
			first = error;
		done += part;
	}
	return first;
}

i64
map_run(u32 env, u64 va, u32 slot, u64 frame, u64 count, u32 prot)
{
	ASSERT(count > 0);
	for (u64 done = 0; done < count;) {
		u32 part = (u32)MIN(count - done, (u64)MAP_PAGES_MAX);
		i64 error = sys_page_map(env, va + done * PAGE_SIZE, slot,
					 frame + done, part, prot);

		if (error) {
			unmap_run(env, va, done);
			return error;
		}
		done += part;
	}
	return 0;
}

i64
map_direct(const struct frame_run *run, u32 prot)
{
	return map_run(CAP_SLOT_SELF, (u64)direct_address(run->frame), run->slot,
		       run->frame, run->count, prot);
}

i64
run_of_slot(u32 slot, struct frame_run *run)
{
	struct cap_info info;
	i64 error = sys_cap_inspect(CAP_SLOT_SELF, slot, &info);

	if (error)
		return error;
	if (info.type != CAP_FRAMES)
		return -E_TYPE;
	*run = (struct frame_run){ info.base, info.count, slot };
	return 0;
}
