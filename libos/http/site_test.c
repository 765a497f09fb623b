// SPDX-License-Identifier: BSD-2-Clause
// The index: what is found under which name, what the heads say, and that
// hostile or large archives do no harm.
//
// links: libos/http/head.c
// links: libos/http/site.c libos/http/mime.c kernel/base/siphash.c
// links: libos/http/status.c libos/http/text.c libos/http/path.c
// links: libos/http/date.c libos/image/cpio.c libos/text/text.c kernel/base/fmt.c
// links: kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/prng.h"
#include "libos/http/mime.h"
#include "libos/http/site.h"
#include "libos/http/test_site.h"

static const struct site_object *
find(const struct site *site, const char *path)
{
	return site_find(site, path, (u32)strlen(path));
}

static void
assert_data(const struct site_object *o, const char *text)
{
	assert_non_null(o);
	assert_int_equal(o->kind, SITE_FILE);
	assert_int_equal(o->len_bytes, strlen(text));
	assert_memory_equal(o->data, text, o->len_bytes);
}

static void
files_and_directories_are_found(void **state)
{
	struct test_archive a = { 0 };
	struct site site;
	void *memory;

	(void)state;
	test_archive_add(&a, ".", 040755, 0, "", 0);
	test_archive_add(&a, "dir", 040755, 0, "", 0);
	test_archive_text(&a, "./index.html", "home");
	test_archive_text(&a, "dir/index.html", "dir");
	test_archive_text(&a, "dir/sub/index.html", "sub");
	test_archive_text(&a, "dir/a b.txt", "space");
	test_archive_text(&a, "\xe2\x82\xac", "euro");
	test_archive_text(&a, "empty", "");
	test_archive_text(&a, "myindex.html", "mine");
	test_archive_add(&a, "link", 0120777, 0, "empty", 5);
	test_archive_end(&a);
	memory = test_site_build(&site, &a);
	assert_data(find(&site, "/"), "home");
	assert_data(find(&site, "/index.html"), "home");
	assert_ptr_equal(find(&site, "/"), find(&site, "/index.html"));
	assert_data(find(&site, "/dir/"), "dir");
	assert_data(find(&site, "/dir/sub/"), "sub");
	assert_data(find(&site, "/dir/a b.txt"), "space");
	assert_data(find(&site, "/\xe2\x82\xac"), "euro");
	assert_data(find(&site, "/empty"), "");
	assert_int_equal(find(&site, "/dir")->kind, SITE_REDIRECT);
	assert_int_equal(find(&site, "/dir/sub")->kind, SITE_REDIRECT);
	assert_null(find(&site, "/my"));
	assert_null(find(&site, "/link"));
	assert_null(find(&site, "/dir/sub/x"));
	assert_null(find(&site, "/di"));
	assert_null(find(&site, "//"));
	assert_int_equal(site.content_bytes, 4 + 3 + 3 + 5 + 4 + 4);
	free(memory);
	free(a.bytes);
}

static void
heads_say_everything(void **state)
{
	static const char expected[] =
		"HTTP/1.1 200 OK\r\n"
		"Content-Length: 10\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Accept-Ranges: bytes\r\n"
		"ETag: \"9c574c1c784950fc137571cd7504988e\"\r\n"
		"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
	static const char location[] = "\r\nLocation: /%C3%BC%20b/\r\n";
	struct test_archive a = { 0 };
	const struct site_object *o;
	struct site site;
	void *memory;

	(void)state;
	test_archive_text(&a, "d.txt", "0123456789");
	test_archive_text(&a, "\xc3\xbc b/index.html", "");
	test_archive_add(&a, "future", 0100644, UINT32_MAX, "", 0);
	test_archive_end(&a);
	memory = test_site_build(&site, &a);
	o = find(&site, "/d.txt");
	assert_int_equal(o->head_len, sizeof(expected) - 1);
	assert_memory_equal(o->head, expected, o->head_len);
	assert_memory_equal(o->head + o->type_at, "Content-Type", 12);
	assert_memory_equal(o->head + o->accept_at, "X-Content", 9);
	assert_memory_equal(o->head + o->validators_at, "ETag", 4);
	assert_memory_equal(o->etag, "\"9c574c1c", 9);
	o = find(&site, "/\xc3\xbc b");
	assert_int_equal(o->kind, SITE_REDIRECT);
	assert_memory_equal(o->head + o->head_len - (sizeof(location) - 1),
			    location, sizeof(location) - 1);
	assert_int_equal(find(&site, "/future")->modified_seconds, TEST_NOW);
	free(memory);
	free(a.bytes);
}

static void
names_that_clash(void **state)
{
	struct test_archive a = { 0 };
	struct site site;
	void *memory;

	(void)state;
	test_archive_text(&a, "a", "the file a");
	test_archive_text(&a, "a/index.html", "index");
	test_archive_text(&a, "twice", "old");
	test_archive_text(&a, "twice", "new");
	test_archive_text(&a, "d/index.html", "old index");
	test_archive_text(&a, "d/index.html", "new index");
	test_archive_text(&a, "/abs", "abs");
	test_archive_text(&a, "bad\\name", "x");
	test_archive_text(&a, "bad\xff", "x");
	test_archive_text(&a, "bad\nname", "x");
	test_archive_end(&a);
	memory = test_site_build(&site, &a);
	assert_data(find(&site, "/a"), "the file a");
	assert_data(find(&site, "/a/"), "index");
	assert_data(find(&site, "/twice"), "new");
	assert_data(find(&site, "/d/"), "new index");
	assert_data(find(&site, "/abs"), "abs");
	assert_int_equal(site.skipped_count, 3);
	free(memory);
	free(a.bytes);
}

static void
equal_content_has_equal_tags(void **state)
{
	struct test_archive a = { 0 };
	struct site site;
	void *memory;

	(void)state;
	test_archive_text(&a, "a", "same");
	test_archive_text(&a, "b", "same");
	test_archive_text(&a, "c", "Same");
	test_archive_end(&a);
	memory = test_site_build(&site, &a);
	assert_memory_equal(find(&site, "/a")->etag, find(&site, "/b")->etag,
			    SITE_ETAG_LEN);
	assert_memory_not_equal(find(&site, "/a")->etag, find(&site, "/c")->etag,
				SITE_ETAG_LEN);
	free(memory);
	free(a.bytes);
}

static void
ten_thousand_files(void **state)
{
	struct test_archive a = { 0 };
	struct site site;
	char name[64];
	void *memory;

	(void)state;
	for (u32 i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "d%u/%s", i,
			 i % 2 ? "index.html" : "page.html");
		test_archive_text(&a, name, name);
	}
	test_archive_end(&a);
	memory = test_site_build(&site, &a);
	for (u32 i = 0; i < 10000; i++) {
		char path[80];

		snprintf(name, sizeof(name), "d%u/%s", i,
			 i % 2 ? "index.html" : "page.html");
		snprintf(path, sizeof(path), "/%s", name);
		assert_data(find(&site, path), name);
		snprintf(path, sizeof(path), "/d%u/", i);
		assert_int_equal(find(&site, path) != NULL, i % 2);
		snprintf(path, sizeof(path), "/d%u/none", i);
		assert_null(find(&site, path));
	}
	free(memory);
	free(a.bytes);
}

static void
bad_archives_are_refused(void **state)
{
	struct test_archive a = { 0 };
	struct site site;
	u64 needed;
	u8 memory[4096] aligned_(16);

	(void)state;
	assert_int_equal(site_memory_needed("not an archive", 14, &needed),
			 SITE_ARCHIVE_BAD);
	test_archive_text(&a, "a", "content");
	assert_int_equal(site_build(&site, a.bytes, a.len - 4, memory,
				    sizeof(memory), TEST_NOW), SITE_ARCHIVE_BAD);
	test_archive_end(&a);
	assert_int_equal(site_memory_needed(a.bytes, a.len, &needed), SITE_OK);
	assert_int_equal(site_build(&site, a.bytes, a.len, memory, needed - 1,
				    TEST_NOW), SITE_NO_MEMORY);
	assert_int_equal(site_build(&site, a.bytes, a.len, memory, needed,
				    TEST_NOW), SITE_OK);
	assert_int_equal(site_build(&site, a.bytes, 0, memory, sizeof(memory),
				    TEST_NOW), SITE_OK);
	assert_int_equal(site.object_count, 0);
	assert_null(find(&site, "/"));
	free(a.bytes);
}

// One flipped byte anywhere, or a cut: refused or served, never harmful.
static void
damaged_archives_do_no_harm(void **state)
{
	struct test_archive a = { 0 };
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	test_archive_text(&a, "index.html", "home");
	test_archive_text(&a, "dir/index.html", "dir");
	test_archive_end(&a);
	for (u32 round = 0; round < 20000; round++) {
		u64 len = a.len - prng_below(&prng, 2) * prng_below(&prng, a.len);
		u8 *copy = malloc(len);
		struct site site;
		u64 needed;

		assert_non_null(copy);
		memcpy(copy, a.bytes, len);
		copy[prng_below(&prng, len)] = (u8)prng_u64(&prng);
		if (site_memory_needed(copy, len, &needed) == SITE_OK) {
			struct test_archive damaged = { copy, len, len };

			free(test_site_build(&site, &damaged));
		}
		free(copy);
	}
	free(a.bytes);
}

static void
types_by_suffix(void **state)
{
	static const char *const types[][2] = {
		{ "a.html", "text/html; charset=utf-8" },
		{ "A.HTML", "text/html; charset=utf-8" },
		{ "a.tar.gz", "application/gzip" },
		{ "dir.html/file", "application/octet-stream" },
		{ "html", "application/octet-stream" },
		{ ".html", "text/html; charset=utf-8" },
		{ "a.", "application/octet-stream" },
		{ "", "application/octet-stream" },
		{ "a.htmlx", "application/octet-stream" },
		{ "x.svg", "image/svg+xml" },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(types); i++)
		assert_string_equal(mime_type(types[i][0],
					      (u32)strlen(types[i][0])),
				    types[i][1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_directories_are_found),
		cmocka_unit_test(heads_say_everything),
		cmocka_unit_test(names_that_clash),
		cmocka_unit_test(equal_content_has_equal_tags),
		cmocka_unit_test(ten_thousand_files),
		cmocka_unit_test(bad_archives_are_refused),
		cmocka_unit_test(damaged_archives_do_no_harm),
		cmocka_unit_test(types_by_suffix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
