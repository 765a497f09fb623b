// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the reader of executables: what it accepts keeps its promise (invariant
// E1 of elf.c) and can be loaded without leaving the file or the pages. An input
// may be a whole file, or program headers behind a right file header.
//
// links: libos/image/elf.c kernel/base/string.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "libos/image/elf.h"

#define PAGE 4096ull
#define VA_MIN 0x10000ull
#define VA_MAX 0x800000000000ull

static void
check_segment(const u8 *file, size_t size, const struct elf_segment *s)
{
	ASSERT(s->va % PAGE == 0 && s->va >= VA_MIN && s->va < VA_MAX);
	ASSERT(s->pages > 0 && s->pages <= (VA_MAX - s->va) / PAGE);
	ASSERT(s->data >= file && s->data <= file + size);
	ASSERT(s->data_len <= (size_t)(file + size - s->data));
	ASSERT(s->lead < PAGE && s->lead + s->data_len <= s->pages * PAGE);
	ASSERT(!(s->write && s->execute));
}

static void
check_image(const u8 *file, size_t size, const struct elf_image *image)
{
	bool entered = false;

	ASSERT(image->segment_count <= ELF_SEGMENTS_MAX);
	for (u32 i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segment[i];

		check_segment(file, size, s);
		entered |= s->execute && image->entry >= s->va &&
			   image->entry - s->va < s->pages * PAGE;
		for (u32 j = 0; j < i; j++) {
			const struct elf_segment *t = &image->segment[j];

			ASSERT(s->va + s->pages * PAGE <= t->va ||
			       t->va + t->pages * PAGE <= s->va);
		}
	}
	ASSERT(entered);
}

// A file header that is right, for `count` program headers behind it.
static void
put_header(u8 *file, u16 count)
{
	memset(file, 0, 64);
	memcpy(file, "\177ELF\2\1\1", 7);
	le16_store(file + 16, 2);
	le16_store(file + 18, 62);
	le64_store(file + 24, VA_MIN + 64);
	le64_store(file + 32, 64);
	le16_store(file + 54, 56);
	le16_store(file + 56, count);
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 *file = malloc(size ? size : 1);
	struct elf_image image;

	if (!file)
		abort();
	memcpy(file, data, size);
	if (size > 64 && !(data[0] & 1))
		put_header(file, data[1] % 12);
	if (elf_read(file, size, VA_MIN, VA_MAX, &image))
		check_image(file, size, &image);
	free(file);
	return 0;
}
