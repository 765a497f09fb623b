// SPDX-License-Identifier: BSD-2-Clause
// links: libos/store/manifest.c libos/store/build.c libos/store/object.c
// links: kernel/base/siphash.c harness/testing/host_assert.c
// What is built is read back the same, every file is found and nothing else is; what
// breaks a promise of the format is refused, with a sentence.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libos/store/manifest.h"

#define FILES 300u

static struct manifest_entry files[FILES];
static char paths[FILES * 32];
static struct manifest_builder builder;
static u64 bytes[32768];
static u64 len;
static struct manifest manifest;

static void
path_of(u32 i, char path[32])
{
	snprintf(path, 32, "%c/%03u%s", 'a' + i / 100, i, i % 2 ? ".html" : "");
}

static int
setup(void **state)
{
	u8 uuid[3][STORE_UUID] = { { 1 }, { 2 }, { 3 } };

	(void)state;
	manifest_begin(&builder);
	builder.file = files;
	builder.file_room = FILES;
	builder.paths = paths;
	builder.paths_room = sizeof(paths);
	for (u32 i = 0; i < FILES; i++) {
		struct manifest_entry entry = {
			.length = i * 1000, .mtime = i, .id = { (u8)i, 9 },
			.block = { 100 + i * 300, 200 + i * 300 },
		};
		char path[32];

		path_of(i, path);
		entry.voter[0] = manifest_add_voter(&builder, uuid[i % 3]);
		entry.voter[1] = manifest_add_voter(&builder, uuid[(i + 1) % 3]);
		assert_int_equal(manifest_add(&builder, &entry, path,
					      (u32)strlen(path)),
				 MANIFEST_ADDED);
	}
	len = manifest_len(&builder);
	assert_true(len <= sizeof(bytes));
	manifest_copy(&builder, 0, bytes, len);
	assert_null(manifest_open(&manifest, bytes, len));
	return 0;
}

static void
what_was_built_is_read(void **state)
{
	(void)state;
	assert_int_equal(manifest.head->file_count, FILES);
	assert_int_equal(manifest.head->voter_count, 3);
	assert_int_equal(manifest.head->content_bytes, FILES * (FILES - 1) / 2 * 1000);
	for (u32 i = 0; i < FILES; i++) {
		const struct manifest_entry *file;
		struct object object;
		char path[32];

		path_of(i, path);
		file = manifest_find(&manifest, path, (u32)strlen(path));
		assert_ptr_equal(file, &manifest.file[i]);
		object = manifest_object(file, 1);
		assert_int_equal(object.first, 200 + i * 300);
		assert_int_equal(object.id[0], (u8)i);
		assert_int_equal(manifest.voter[file->voter[1]][0], (i + 1) % 3 + 1);
	}
	assert_int_equal(manifest_voter(&manifest, (const u8[16]){ 2 }), 1);
	assert_int_equal(manifest_voter(&manifest, (const u8[16]){ 4 }),
			 MANIFEST_NOBODY);
}

static void
nothing_else_is_found(void **state)
{
	static const char *const none[] = {
		"", "a", "a/", "a/000x", "a/00", "d/400", "0", "a/001.htm",
		"a/001.html/", "/a/000",
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(none); i++)
		assert_null(manifest_find(&manifest, none[i], (u32)strlen(none[i])));
}

// Any part of the bytes, wherever it begins and ends.
static void
parts_are_those_of_the_whole(void **state)
{
	static u8 part[sizeof(bytes)];

	(void)state;
	for (u64 at = 0; at < len; at += 37) {
		u64 n = MIN(len - at, 1 + at % 500);

		memset(part, 0xee, n + 1);
		manifest_copy(&builder, at, part, n);
		assert_memory_equal(part, (u8 *)bytes + at, n);
		assert_int_equal(part[n], 0xee);
	}
}

static void
rooms_and_order_are_kept(void **state)
{
	struct manifest_entry entry = { .voter = { 0, 1 }, .block = { 8, 8 } };

	(void)state;
	assert_int_equal(manifest_add(&builder, &entry, "z", 1), MANIFEST_FULL);
	builder.head.file_count--;
	builder.head.paths_len -= files[FILES - 1].path_len;
	assert_int_equal(manifest_add(&builder, &entry, "b", 1), MANIFEST_ORDER);
	assert_int_equal(manifest_add(&builder, &entry, "c/298", 5), MANIFEST_ORDER);
	builder.paths_room = builder.head.paths_len;
	assert_int_equal(manifest_add(&builder, &entry, "z", 1), MANIFEST_FULL);
	builder.paths_room = sizeof(paths);
	assert_int_equal(manifest_add(&builder, &entry, "z", 1), MANIFEST_ADDED);
	for (u8 i = 4; i < 65; i++)
		assert_int_equal(manifest_add_voter(&builder, (const u8[16]){ i }), i - 1);
	assert_int_equal(manifest_add_voter(&builder, (const u8[16]){ 99 }),
			 MANIFEST_NOBODY);
	assert_int_equal(manifest_add_voter(&builder, (const u8[16]){ 2 }), 1);
}

static void
paths_are_checked(void **state)
{
	static const char *const good[] = {
		"a", "a/b", ".a", "..a", "a..", "a/...", "\xc3\xa4/\xe2\x82\xac", "a b",
	};
	static const char *const bad[] = {
		"", "/", "/a", "a/", "a//b", ".", "..", "a/.", "a/..", "./a", "../a",
		"a/../b", "a/./b", "a\nb", "a\x7f",
	};
	static char longest[MANIFEST_PATH_MAX + 1];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(manifest_path_is_good(good[i], (u32)strlen(good[i])));
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(manifest_path_is_good(bad[i], (u32)strlen(bad[i])));
	assert_false(manifest_path_is_good("a\0b", 3));
	memset(longest, 'x', sizeof(longest));
	assert_true(manifest_path_is_good(longest, MANIFEST_PATH_MAX));
	assert_false(manifest_path_is_good(longest, MANIFEST_PATH_MAX + 1));
}

// Changes one field of what setup() built, and expects a sentence that has the words.
#define REFUSED(change, words) \
	do { \
		struct manifest_head *head = (void *)bytes; \
		struct manifest_entry *file = (void *)manifest.file; \
		(void)head, (void)file; \
		change; \
		const char *error = manifest_open(&manifest, bytes, len); \
		assert_non_null(error); \
		assert_non_null(strstr(error, words)); \
		setup(NULL); \
	} while (0)

static void
broken_ones_are_refused(void **state)
{
	(void)state;
	REFUSED(head->magic ^= 1, "not a manifest");
	REFUSED(head->version = 2, "not a manifest");
	REFUSED(head->file_count--, "length");
	REFUSED(head->file_count = MANIFEST_FILES_MAX + 1, "too many");
	REFUSED(head->voter_count = MANIFEST_VOTERS_MAX + 1, "too many");
	REFUSED(head->paths_len++, "length");
	REFUSED(len--, "length");
	REFUSED(len = 63, "that long");
	REFUSED(len = MANIFEST_BYTES_MAX + 1, "that long");
	REFUSED(head->content_bytes++, "totals");
	REFUSED(file[3].length++, "totals");
	REFUSED(file[3].length = OBJECT_LENGTH_MAX + 1, "too long");
	REFUSED(file[3].path_at++, "path");
	REFUSED(file[3].path_len--, "path");
	REFUSED(file[FILES - 1].path_len++, "path");
	REFUSED(file[3].voter[0] = 3, "lies nowhere");
	REFUSED(file[3].voter[1] = 3, "lies nowhere");
	REFUSED(file[3].voter[0] = MANIFEST_NOBODY, "lies nowhere");
	REFUSED(file[3].voter[1] = file[3].voter[0], "on one node");
	REFUSED(file[3].block[1] = STORE_FIRST_BLOCK - 1, "lies nowhere");
	REFUSED(file[3].block[0] = STORE_BLOCKS_MAX, "lies nowhere");
	REFUSED(file[3].block[0] = ~0ull, "lies nowhere");
	REFUSED(memcpy((char *)manifest.paths, "b/999", 5), "ascend");
	REFUSED(*(char *)manifest.paths = '/', "path");
}

static void
one_copy_is_enough_where_there_is_one_node(void **state)
{
	(void)state;
	struct manifest_entry *file = (void *)manifest.file;

	file[3].voter[1] = MANIFEST_NOBODY;
	file[3].block[1] = 0;
	assert_null(manifest_open(&manifest, bytes, len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_built_is_read, setup),
		cmocka_unit_test_setup(nothing_else_is_found, setup),
		cmocka_unit_test_setup(parts_are_those_of_the_whole, setup),
		cmocka_unit_test_setup(rooms_and_order_are_kept, setup),
		cmocka_unit_test_setup(paths_are_checked, setup),
		cmocka_unit_test_setup(broken_ones_are_refused, setup),
		cmocka_unit_test_setup(one_copy_is_enough_where_there_is_one_node, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
