// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Checked reading of static x86-64 ELF executables (System V gABI, chapter 5):
// what the kernel needs to start the first environment and the libOS to spawn
// others. Nothing is loaded here; the caller maps what the segments say.

#include "kernel/base/types.h"

#define ELF_SEGMENTS_MAX 8

struct elf_segment {
	u64 va;			// page aligned
	u64 pages;
	const u8 *data;		// file bytes; they start `lead` bytes into the pages
	u64 lead;		// bytes between va and the first file byte
	u64 data_len;		// the rest of the pages is zero
	bool write;
	bool execute;
};

struct elf_image {
	u64 entry;
	u32 segment_count;
	struct elf_segment segment[ELF_SEGMENTS_MAX];
};

// Checks `len` bytes at `file` and fills *image, whose pointers refer into
// `file`. Refuses (false): not a static x86-64 executable, a segment outside
// [va_min, va_max), overlapping pages, one both writable and executable, an
// entry outside every executable segment, anything that reaches past the file.
must_check bool
elf_read(const void *file, u64 len, u64 va_min, u64 va_max,
	 struct elf_image *image);
