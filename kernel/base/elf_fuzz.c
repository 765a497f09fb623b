// SPDX-License-Identifier: BSD-2-Clause
// Fuzz target: any bytes as a program. What is accepted keeps E1 of elf.c and
// lies within the file.
//
// links: kernel/base/elf.c kernel/base/string.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/base/elf.h"

#define VA_MIN 0x1000ull
#define VA_MAX 0x700000000000ull
#define PAGE 4096ull

int
LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct elf_image image;

	if (!elf_read(data, len, VA_MIN, VA_MAX, &image))
		return 0;
	for (u32 i = 0; i < image.segment_count; i++) {
		const struct elf_segment *s = &image.segment[i];

		ASSERT(s->va % PAGE == 0 && s->va >= VA_MIN);
		ASSERT(s->pages > 0 && s->pages <= (VA_MAX - s->va) / PAGE);
		ASSERT(!(s->write && s->execute));
		ASSERT(s->data >= data && s->data_len <= len &&
		       (size_t)(s->data - data) <= len - s->data_len);
		for (u32 j = 0; j < i; j++) {
			const struct elf_segment *t = &image.segment[j];

			ASSERT(s->va + s->pages * PAGE <= t->va ||
			       t->va + t->pages * PAGE <= s->va);
		}
	}
	return 0;
}
