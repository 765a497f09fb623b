// SPDX-License-Identifier: BSD-2-Clause
// Programs by name. Members whose name begins with a dot are no programs: the
// archive's padding is among them.

#include "libos/crt/program.h"
#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "libos/image/cpio.h"

i64
program_start(struct spawn_spec *spec, struct child *child)
{
	struct cpio_entry entry;

	ASSERT(spec->archive && spec->argc > 0);
	spec->name = spec->argv[0];
	if (spec->name[0] == '.' ||
	    !cpio_find(spec->archive->data, spec->archive->len_bytes,
		       spec->name, &entry))
		return -E_ABSENT;
	spec->image = entry.data;
	spec->image_len = entry.data_len;
	return spawn(spec, child);
}
