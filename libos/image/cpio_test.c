// SPDX-License-Identifier: BSD-2-Clause
// The archive reader: archives made here come back member by member, whatever
// their names and sizes; damaged and cut ones end the walk without a read
// outside. Each archive lies in a heap block of its exact size. SEED=n replays.
//
// links: libos/image/cpio.c libos/text/text.c kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/image/cpio.h"

#define MEMBERS_MAX 5u
#define ROUNDS 20000
#define ARCHIVE_MAX 4096u

static struct prng prng;

struct member {
	char name[24];
	u32 data_len;
	u8 data[64];
	u32 mtime;
	bool file;
};

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

static u32
append(u8 *archive, u32 at, const struct member *m)
{
	u32 name_size = (u32)strlen(m->name) + 1;

	at += (u32)snprintf((char *)archive + at, ARCHIVE_MAX - at,
			    "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X"
			    "%08X", 1u, m->file ? 0100644u : 0040755u, 0u, 0u, 1u,
			    m->mtime, m->data_len, 0u, 0u, 0u, 0u, name_size, 0u);
	memcpy(archive + at, m->name, name_size);
	for (at += name_size; at % 4; at++)
		archive[at] = 0;
	memcpy(archive + at, m->data, m->data_len);
	for (at += m->data_len; at % 4; at++)
		archive[at] = 0;
	return at;
}

static u32
make(u8 *archive, struct member *m, u32 count)
{
	u32 at = 0;

	for (u32 i = 0; i < count; i++) {
		u32 len = 1 + below(sizeof(m->name) - 2);

		m[i] = (struct member){ .file = below(4) != 0,
					.mtime = (u32)prng_u64(&prng) };
		for (u32 j = 0; j < len; j++)
			m[i].name[j] = (char)('a' + below(26));
		m[i].data_len = m[i].file ? below(sizeof(m->data)) : 0;
		for (u32 j = 0; j < m[i].data_len; j++)
			m[i].data[j] = (u8)prng_u64(&prng);
		at = append(archive, at, &m[i]);
	}
	return append(archive, at, &(struct member){ .name = "TRAILER!!!" });
}

static void
test_members_come_back(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct member m[MEMBERS_MAX];
		u8 archive[ARCHIVE_MAX];
		u32 count = below(MEMBERS_MAX + 1);
		u32 len = make(archive, m, count);
		u8 *exact = malloc(len);
		struct cpio_walk walk;
		struct cpio_entry e;

		memcpy(exact, archive, len);
		cpio_start(&walk, exact, len);
		for (u32 j = 0; j < count; j++) {
			assert_int_equal(cpio_next(&walk, &e), CPIO_ENTRY);
			assert_string_equal(e.name, m[j].name);
			assert_int_equal(e.name_len, strlen(m[j].name));
			assert_int_equal(e.data_len, m[j].data_len);
			assert_memory_equal(e.data, m[j].data, e.data_len);
			assert_int_equal(e.mtime, m[j].mtime);
			assert_int_equal(cpio_is_file(&e), m[j].file);
		}
		assert_int_equal(cpio_next(&walk, &e), CPIO_END);
		assert_int_equal(cpio_next(&walk, &e), CPIO_END);
		if (count && m[count - 1].file) {
			assert_true(cpio_find(exact, len, m[count - 1].name, &e));
			assert_string_equal(e.name, m[count - 1].name);
		}
		assert_false(cpio_find(exact, len, "NOT THERE", &e));
		free(exact);
	}
}

static void
test_damage_ends_the_walk(void **state)
{
	u32 bad = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct member m[MEMBERS_MAX];
		u8 archive[ARCHIVE_MAX];
		u32 len = make(archive, m, 1 + below(MEMBERS_MAX));
		u64 sum = 0;
		struct cpio_walk walk;
		struct cpio_entry e;
		enum cpio_result result;

		for (u32 n = below(4); n; n--)
			archive[below(len)] = below(2)
				? (u8)"0123456789aFg"[below(13)]
				: (u8)prng_u64(&prng);
		if (below(2))
			len = below(len + 1);

		u8 *exact = malloc(len ? len : 1);

		memcpy(exact, archive, len);
		cpio_start(&walk, exact, len);
		for (u32 steps = 0;; steps++) {
			assert_true(steps <= ARCHIVE_MAX / 110 + 1);
			result = cpio_next(&walk, &e);
			if (result != CPIO_ENTRY)
				break;
			sum += e.name[e.name_len];
			for (u32 j = 0; j < e.data_len; j++)
				sum += e.data[j];
			assert_int_equal(e.name_len, strlen(e.name));
		}
		assert_true(sum < UINT64_MAX);
		bad += result == CPIO_BAD;
		free(exact);
	}
	assert_true(bad > ROUNDS / 20);
}

static void
test_names_lose_their_prefix(void **state)
{
	static const char *const names[][2] = {
		{ "./a", "a" }, { "/a", "a" }, { "././/a", "a" }, { "../a", "../a" },
		{ ".", "." }, { "./", "" },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		u8 archive[ARCHIVE_MAX];
		struct member m = { .file = true };
		struct cpio_walk walk;
		struct cpio_entry e;

		snprintf(m.name, sizeof(m.name), "%s", names[i][0]);
		cpio_start(&walk, archive, append(archive, 0, &m));
		assert_int_equal(cpio_next(&walk, &e), CPIO_ENTRY);
		assert_string_equal(e.name, names[i][1]);
		assert_int_equal(e.name_len, strlen(names[i][1]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_come_back),
		cmocka_unit_test(test_damage_ends_the_walk),
		cmocka_unit_test(test_names_lose_their_prefix),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
