// SPDX-License-Identifier: BSD-2-Clause
// Mapping of start-up archives. They stay mapped while the program runs.
//
// Stateless.

#include "libos/mem/archive.h"
#include "kernel/abi/errors.h"
#include "libos/crt/start.h"
#include "libos/mem/layout.h"

i64
archive_open(enum startup_role role, struct archive *archive)
{
	const struct startup_cap *cap = startup_find(role, 0);
	i64 error;

	if (!cap)
		return -E_ABSENT;
	error = run_of_slot(cap->slot, &archive->run);
	if (error)
		return error;
	if (cap->argument > archive->run.count * PAGE_SIZE)
		return -E_RANGE;
	error = map_direct(&archive->run, PROT_READ);
	if (error)
		return error;
	archive->data = direct_address(archive->run.frame);
	archive->len_bytes = cap->argument;
	return 0;
}
