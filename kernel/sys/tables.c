// SPDX-License-Identifier: BSD-2-Clause
// Storage of the exported tables. They lie in pages of their own: each object
// is page aligned and the linker script pads behind the last one, so that
// nothing else shows through the mapping.
//
// Invariant T1: environments see these pages read-only; only the kernel writes.

#include "kernel/sys/tables.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/base/assert.h"
#include "kernel/sys/env.h"

#define X(type, name, dimensions, offset) \
	struct type name dimensions aligned_(4096) __attribute__((section(".bss.tables")));
EXPORTED_TABLES
#undef X

STATIC_ASSERT(TABLE_REGISTRY_OFFSET + sizeof(volume_blocks) <= TABLE_HELD_OFFSET);

void
tables_share(void)
{
	ASSERT(frames.count > 0);
#define X(type, name, dimensions, offset) kernel_map_share(offset, &name, sizeof(name));
	EXPORTED_TABLES
#undef X
	kernel_map_share(TABLE_FRAMES_OFFSET, frames.frame,
			 frames.count * sizeof(struct frame_info));
}
