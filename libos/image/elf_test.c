// SPDX-License-Identifier: BSD-2-Clause
// The ELF reader: a good executable is read as it was made; every single field
// that is wrong is refused; and whatever a damaged file says, what is accepted
// keeps E1: disjoint page-aligned segments in range, inside the file, never both
// writable and executable. SEED=n replays a run.
//
// links: libos/image/elf.c kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/prng.h"
#include "libos/image/elf.h"

#define ROUNDS 200000
#define VA_MIN 0x1000ull
#define VA_MAX 0x700000000000ull
#define PAGE 4096ull
#define FILE_LEN 0x300u
#define PH(i) (64u + 56u * (i))

static struct prng prng;

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

static void
put_segment(u8 *ph, u32 flags, u64 offset, u64 va, u64 file_size, u64 mem_size)
{
	le32_store(ph, 1);
	le32_store(ph + 4, flags);
	le64_store(ph + 8, offset);
	le64_store(ph + 16, va);
	le64_store(ph + 32, file_size);
	le64_store(ph + 40, mem_size);
}

// Text at 0x400000, data in the next pages with zeros behind.
static void
make(u8 *file)
{
	static const u8 ident[7] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

	memset(file, 0, FILE_LEN);
	memcpy(file, ident, sizeof(ident));
	le16_store(file + 16, 2);
	le16_store(file + 18, 62);
	le64_store(file + 24, 0x400120);
	le64_store(file + 32, PH(0));
	le16_store(file + 54, 56);
	le16_store(file + 56, 2);
	put_segment(file + PH(0), 5, 0x100, 0x400100, 0x80, 0x80);
	put_segment(file + PH(1), 6, 0x180, 0x401010, 0x40, 0x2000);
}

static bool
read(const u8 *file, u32 len, struct elf_image *image)
{
	u8 *exact = malloc(len ? len : 1);
	bool ok;

	memcpy(exact, file, len);
	ok = elf_read(exact, len, VA_MIN, VA_MAX, image);
	for (u32 i = 0; ok && i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segment[i];

		assert_true(s->data >= exact && s->data_len <= len &&
			    (u64)(s->data - exact) <= len - s->data_len);
	}
	free(exact);
	return ok;
}

static void
test_good(void **state)
{
	u8 file[FILE_LEN];
	struct elf_image image;

	(void)state;
	make(file);
	assert_true(read(file, FILE_LEN, &image));
	assert_int_equal(image.entry, 0x400120);
	assert_int_equal(image.segment_count, 2);
	assert_int_equal(image.segment[0].va, 0x400000);
	assert_int_equal(image.segment[0].pages, 1);
	assert_int_equal(image.segment[0].lead, 0x100);
	assert_true(image.segment[0].execute && !image.segment[0].write);
	assert_int_equal(image.segment[1].va, 0x401000);
	assert_int_equal(image.segment[1].pages, 3);
	assert_int_equal(image.segment[1].data_len, 0x40);
	assert_true(image.segment[1].write && !image.segment[1].execute);
}

static void
test_wrong_fields(void **state)
{
	static const struct {
		const char *what;
		u32 at, size;
		u64 v;
	} wrong[] = {
		{ "magic", 0, 1, 0x7e },
		{ "class", 4, 1, 1 },
		{ "order", 5, 1, 2 },
		{ "position independent", 16, 2, 3 },
		{ "machine", 18, 2, 3 },
		{ "entry in no segment", 24, 8, 0x400080 },
		{ "entry in data", 24, 8, 0x401010 },
		{ "headers past the end", 32, 8, FILE_LEN - 100 },
		{ "headers far away", 32, 8, ~0ull - 10 },
		{ "header size", 54, 2, 64 },
		{ "too many headers", 56, 2, 0xffff },
		{ "writable text", PH(0) + 4, 4, 7 },
		{ "bytes past the end", PH(0) + 8, 8, FILE_LEN - 0x7f },
		{ "bytes far away", PH(0) + 8, 8, ~0ull - 4 },
		{ "va too low", PH(0) + 16, 8, 0x100 },
		{ "va too high", PH(1) + 16, 8, VA_MAX - 0x1000 },
		{ "va wraps", PH(1) + 16, 8, ~0ull - 0x1000 },
		{ "more in the file than in memory", PH(0) + 40, 8, 0x7f },
		{ "memory wraps", PH(1) + 40, 8, ~0ull - 0x1000 },
		{ "overlap", PH(1) + 16, 8, 0x400ff0 },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		u8 file[FILE_LEN];
		struct elf_image image;

		make(file);
		memcpy(file + wrong[i].at, &wrong[i].v, wrong[i].size);
		if (read(file, FILE_LEN, &image))
			fail_msg("accepted: %s", wrong[i].what);
	}
}

static void
check(const struct elf_image *image)
{
	bool in_text = false;

	assert_true(image->segment_count <= ELF_SEGMENTS_MAX);
	for (u32 i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segment[i];

		assert_int_equal(s->va % PAGE, 0);
		assert_true(s->va >= VA_MIN && s->pages > 0 &&
			    s->pages <= (VA_MAX - s->va) / PAGE);
		assert_true(s->lead + s->data_len <= s->pages * PAGE);
		assert_false(s->write && s->execute);
		in_text |= s->execute && image->entry >= s->va &&
			   image->entry < s->va + s->pages * PAGE;
		for (u32 j = 0; j < i; j++) {
			const struct elf_segment *t = &image->segment[j];

			assert_true(s->va + s->pages * PAGE <= t->va ||
				    t->va + t->pages * PAGE <= s->va);
		}
	}
	assert_true(in_text);
}

static void
test_damage(void **state)
{
	u32 accepted = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		u8 file[FILE_LEN];
		struct elf_image image;

		make(file);
		for (u32 n = below(4); n; n--) {
			u32 at = PH(below(2)) + 8 * below(7);
			u64 v = prng_u64(&prng) >> below(64);

			if (below(3) == 0)
				v = 0 - v;
			memcpy(file + at + below(4), &v, 1 + below(8));
		}
		if (!read(file, below(8) ? FILE_LEN : below(FILE_LEN), &image))
			continue;
		check(&image);
		accepted++;
	}
	assert_true(accepted > ROUNDS / 20 && accepted < ROUNDS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong_fields),
		cmocka_unit_test(test_damage),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
