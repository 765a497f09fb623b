// SPDX-License-Identifier: BSD-2-Clause
// links: libos/store/bundle.c libos/store/manifest.c libos/store/object.c
// links: kernel/base/siphash.c harness/testing/host_assert.c
// A bundle gives the same events however it is cut into pieces, and each broken one is
// told from the others.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/byteorder.h"
#include "libos/store/bundle.h"

static u8 stream[4096];
static u64 stream_len;

static void
put(const void *data, u64 len)
{
	memcpy(stream + stream_len, data, len);
	stream_len += len;
}

static void
put32(u32 value)
{
	put(&value, sizeof(value));
}

static void
put64(u64 value)
{
	put(&value, sizeof(value));
}

static void
put_file(const char *path, u64 len)
{
	u8 id[STORE_ID] = { (u8)len };

	put32((u32)strlen(path));
	put32(0);
	put64(len);
	put64(77);
	put(id, sizeof(id));
	put(path, strlen(path));
	for (u64 i = 0; i < len; i++)
		put(&(u8){ (u8)(i + len) }, 1);
}

static void
put_end(u32 files, u64 bytes)
{
	put32(0);
	put32(files);
	put64(bytes);
}

static void
start(void)
{
	stream_len = 0;
	put(BUNDLE_MAGIC, 8);
	put32(BUNDLE_VERSION);
	put32(0);
}

// What came, as text; content is added up in `sum`.
static char log_[1024];
static u64 sum;

static void
note(const struct bundle *b, enum bundle_event event)
{
	u64 at = strlen(log_);

	if (event == BUNDLE_FILE)
		snprintf(log_ + at, sizeof(log_) - at, "%.*s %lu %lu %u;",
			 (int)b->path_len, b->path, b->length, b->mtime, b->id[0]);
	if (event == BUNDLE_FILE_END)
		snprintf(log_ + at, sizeof(log_) - at, "end %.*s;", (int)b->path_len,
			 b->path);
	if (event == BUNDLE_DATA) {
		for (u64 i = 0; i < b->data_len; i++)
			sum = sum * 31 + b->data[i];
	}
	if (event == BUNDLE_DONE)
		snprintf(log_ + at, sizeof(log_) - at, "done");
}

// Feeds all in pieces of `step`. Returns the error, or NULL.
static const char *
parse(u64 step)
{
	static struct bundle b;
	u64 at = 0, taken;

	log_[0] = 0;
	sum = 0;
	bundle_begin(&b);
	while (at < stream_len || b.left) {
		u64 len = MIN(step, stream_len - at);
		enum bundle_event event = bundle_next(&b, stream + at, len, &taken);

		assert_true(taken <= len);
		if (event == BUNDLE_BAD) {
			assert_int_equal(bundle_next(&b, stream, 1, &taken), BUNDLE_BAD);
			return b.error;
		}
		note(&b, event);
		at += taken;
		if (event == BUNDLE_MORE && at == stream_len)
			break;
	}
	return bundle_is_done(&b) ? NULL : "not done";
}

static void
pieces_do_not_matter(void **state)
{
	char whole[sizeof(log_)];
	u64 whole_sum;

	(void)state;
	start();
	put_file("a", 0);
	put_file("a/b.html", 1000);
	put_file("b", 1);
	put_end(3, 1001);
	assert_null(parse(stream_len));
	assert_string_equal(log_, "a 0 77 0;end a;a/b.html 1000 77 232;"
			    "end a/b.html;b 1 77 1;end b;done");
	snprintf(whole, sizeof(whole), "%s", log_);
	whole_sum = sum;
	for (u64 step = 1; step < stream_len; step++) {
		assert_null(parse(step));
		assert_string_equal(log_, whole);
		assert_int_equal(sum, whole_sum);
	}
}

static void
an_empty_site_is_a_bundle(void **state)
{
	(void)state;
	start();
	put_end(0, 0);
	assert_null(parse(7));
	assert_string_equal(log_, "done");
}

static void
a_cut_one_is_not_done(void **state)
{
	(void)state;
	start();
	put_file("a", 10);
	put_end(1, 10);
	for (u64 len = stream_len; stream_len > 0;) {
		stream_len = --len;
		assert_non_null(parse(5));
	}
}

static void
refused(const char *words)
{
	const char *error = parse(11);

	assert_non_null(error);
	assert_non_null(strstr(error, words));
}

static void
broken_ones_are_refused(void **state)
{
	(void)state;
	start();
	stream[0] = 'd';
	refused("not a bundle");
	start();
	stream[8] = 2;
	refused("another version");
	start();
	put_file("b", 1);
	put_file("a", 1);
	refused("ascend");
	start();
	put_file("b", 1);
	put_file("b", 1);
	refused("ascend");
	start();
	put_file("../x", 1);
	refused("none that a site can have");
	start();
	put32(MANIFEST_PATH_MAX + 1);
	put(stream, 12);
	refused("longer than 1024");
	start();
	put32(1);
	put32(0);
	put64(OBJECT_LENGTH_MAX + 1);
	refused("too long");
	start();
	put_file("a", 1);
	put_end(2, 1);
	refused("totals");
	start();
	put_file("a", 1);
	put_end(1, 2);
	refused("totals");
	start();
	put_end(0, 0);
	put("x", 1);
	refused("something follows");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_do_not_matter),
		cmocka_unit_test(an_empty_site_is_a_bundle),
		cmocka_unit_test(a_cut_one_is_not_done),
		cmocka_unit_test(broken_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
