// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the archive reader: a walk over any bytes ends, and whatever it yields
// lies inside the archive, with names that end where they say.
//
// links: libos/image/cpio.c libos/text/text.c kernel/base/string.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "libos/image/cpio.h"

static void
check_entry(const u8 *archive, size_t size, const struct cpio_entry *e)
{
	const u8 *name = (const u8 *)e->name;

	ASSERT(name >= archive && e->name_len < (size_t)(archive + size - name));
	ASSERT(strlen(e->name) == e->name_len);
	ASSERT(e->data >= archive && e->data <= archive + size);
	ASSERT(e->data_len <= (size_t)(archive + size - e->data));
	ASSERT(e->name_len == 0 || e->name[0] != '/');
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 *archive = malloc(size ? size : 1);
	struct cpio_entry entry, found;
	struct cpio_walk walk;
	u64 offset = 0;

	if (!archive)
		abort();
	memcpy(archive, data, size);
	cpio_start(&walk, archive, size);
	while (cpio_next(&walk, &entry) == CPIO_ENTRY) {
		ASSERT(walk.offset > offset && walk.offset <= size);
		offset = walk.offset;
		check_entry(archive, size, &entry);
		// The first file of a name is found by it.
		if (cpio_is_file(&entry)) {
			ASSERT(cpio_find(archive, size, entry.name, &found));
			ASSERT(!strcmp(found.name, entry.name));
			ASSERT(found.data <= entry.data);
		}
	}
	ASSERT(cpio_next(&walk, &entry) != CPIO_ENTRY);
	free(archive);
	return 0;
}
