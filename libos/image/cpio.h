// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Reader for cpio archives of the "newc" format (cpio(5), magic 070701 and
// 070702): the boot archive of programs and, without a cluster, the website.
//
// The archive is input from outside: every length is checked against the
// archive's end, and a malformed entry ends the walk with CPIO_BAD. The walk
// never reads outside the archive and always terminates.

#include "kernel/base/types.h"

enum cpio_result {
	CPIO_ENTRY,		// *entry holds the next member
	CPIO_END,		// the trailer, or the end of the archive
	CPIO_BAD,		// malformed here; the walk is over
};

struct cpio_entry {
	const char *name;	// points into the archive, terminated
	u32 name_len;		// without the terminator
	const u8 *data;		// points into the archive
	u32 data_len;
	u32 mtime;		// seconds since 1970
	u32 mode;		// st_mode: type and permission bits
};

struct cpio_walk {
	const u8 *archive;
	u64 len;
	u64 offset;
};

// Starts a walk over `len` bytes at `archive`, which the caller keeps.
void
cpio_start(struct cpio_walk *walk, const void *archive, u64 len);

// Reads the next member. Names lose a leading "./" or "/".
must_check enum cpio_result
cpio_next(struct cpio_walk *walk, struct cpio_entry *entry);

// Finds a regular file by name. Returns false when it is not there.
must_check bool
cpio_find(const void *archive, u64 len, const char *name,
	  struct cpio_entry *entry);

// True for a regular file.
bool
cpio_is_file(const struct cpio_entry *entry);
