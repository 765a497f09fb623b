// SPDX-License-Identifier: BSD-2-Clause
// Fuzz target: any bytes as a boot archive. The walk ends, and reads nothing
// outside; every name is terminated and every member's data lies inside.
//
// links: kernel/base/cpio.c kernel/base/string.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/base/cpio.h"

int
LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct cpio_walk walk;
	struct cpio_entry e;
	u64 before = 0;

	cpio_start(&walk, data, len);
	while (cpio_next(&walk, &e) == CPIO_ENTRY) {
		ASSERT(walk.offset > before && walk.offset <= len);
		ASSERT(strlen(e.name) == e.name_len);
		ASSERT(e.data >= data && e.data_len <= len &&
		       (size_t)(e.data - data) <= len - e.data_len);
		before = walk.offset;
	}
	return 0;
}
