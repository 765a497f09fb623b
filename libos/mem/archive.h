// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Archives granted at start-up (ROLE_BOOT_ARCHIVE, ROLE_SITE_ARCHIVE): read-only
// memory, physically contiguous, mapped in the direct window.

#include "kernel/abi/uarea.h"
#include "libos/mem/map.h"

struct archive {
	const u8 *data;
	u64 len_bytes;
	struct frame_run run;
};

// Maps the archive granted for `role`. Returns 0; -E_ABSENT when none was
// granted; -E_RANGE when the grant says more bytes than it covers; or the
// error of a system call.
must_check i64
archive_open(enum startup_role role, struct archive *archive);
