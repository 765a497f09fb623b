// SPDX-License-Identifier: BSD-2-Clause
// The ELF reader. The file comes from outside, so every field is checked
// before it is used; all offsets are compared without overflow.
//
// Invariant E1: after success the segments are disjoint, page aligned, inside
// [va_min, va_max) and never both writable and executable.

#include "libos/image/elf.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define PAGE 4096ull
#define FILE_HEADER_LEN 64u
#define PROGRAM_HEADER_LEN 56u
#define TYPE_EXECUTABLE 2
#define MACHINE_X86_64 62
#define SEGMENT_LOAD 1
#define FLAG_EXECUTE 1u
#define FLAG_WRITE 2u

static bool
header_ok(const u8 *file, u64 len)
{
	static const u8 ident[7] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

	return len >= FILE_HEADER_LEN && !memcmp(file, ident, sizeof(ident)) &&
	       le16_load(file + 16) == TYPE_EXECUTABLE &&
	       le16_load(file + 18) == MACHINE_X86_64 &&
	       le16_load(file + 54) == PROGRAM_HEADER_LEN;
}

static bool
overlaps(const struct elf_image *image, const struct elf_segment *new)
{
	for (u32 i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segment[i];

		if (new->va < s->va + s->pages * PAGE &&
		    s->va < new->va + new->pages * PAGE)
			return true;
	}
	return false;
}

static bool
read_segment(const u8 *file, u64 len, const u8 *ph, u64 va_min, u64 va_max,
	     struct elf_segment *s)
{
	u32 flags = le32_load(ph + 4);
	u64 offset = le64_load(ph + 8), va = le64_load(ph + 16);
	u64 file_size = le64_load(ph + 32), mem_size = le64_load(ph + 40);

	if (offset > len || file_size > len - offset || file_size > mem_size)
		return false;
	if (va < va_min || va >= va_max || mem_size > va_max - va)
		return false;
	s->va = ALIGN_DOWN(va, PAGE);
	s->lead = va - s->va;
	s->pages = ALIGN_UP(s->lead + mem_size, PAGE) / PAGE;
	s->data = file + offset;
	s->data_len = file_size;
	s->write = flags & FLAG_WRITE;
	s->execute = flags & FLAG_EXECUTE;
	return s->va >= va_min && !(s->write && s->execute);
}

static bool
entry_ok(const struct elf_image *image)
{
	for (u32 i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segment[i];

		if (s->execute && image->entry >= s->va + s->lead &&
		    image->entry < s->va + s->lead + s->data_len)
			return true;
	}
	return false;
}

bool
elf_read(const void *file_start, u64 len, u64 va_min, u64 va_max,
	 struct elf_image *image)
{
	const u8 *file = file_start;

	ASSERT(va_min % PAGE == 0 && va_min < va_max);
	if (!header_ok(file, len))
		return false;

	u64 ph_at = le64_load(file + 32);
	u64 ph_count = le16_load(file + 56);

	if (ph_at > len || ph_count * PROGRAM_HEADER_LEN > len - ph_at)
		return false;
	*image = (struct elf_image){ .entry = le64_load(file + 24) };
	for (u64 i = 0; i < ph_count; i++) {
		const u8 *ph = file + ph_at + i * PROGRAM_HEADER_LEN;
		struct elf_segment s;

		if (le32_load(ph) != SEGMENT_LOAD || le64_load(ph + 40) == 0)
			continue;
		if (image->segment_count == ELF_SEGMENTS_MAX ||
		    !read_segment(file, len, ph, va_min, va_max, &s) ||
		    overlaps(image, &s))
			return false;
		image->segment[image->segment_count++] = s;
	}
	ASSERT(image->segment_count <= ELF_SEGMENTS_MAX);
	return entry_ok(image);
}
