// SPDX-License-Identifier: BSD-2-Clause
// Sites whose content lies elsewhere: every answer is compared with that of an
// archive of the same files, while blocks come late, out of order, or never.
//
// links: libos/http/conn.c libos/http/respond.c libos/http/parse.c
// links: libos/http/target.c libos/http/path.c libos/http/range.c
// links: libos/http/condition.c libos/http/date.c libos/http/body.c
// links: libos/http/head.c libos/http/response.c libos/http/catalog.c
// links: libos/store/manifest.c libos/store/object.c libos/store/build.c
// links: libos/http/site.c libos/http/mime.c kernel/base/siphash.c
// links: libos/http/status.c libos/http/text.c libos/image/cpio.c libos/text/text.c
// links: kernel/base/fmt.c kernel/base/string.c harness/testing/host_assert.c
// links: libos/http/pace.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/prng.h"
#include "libos/http/conn.h"
#include "libos/http/test_site.h"

#define BLOCK 4096u
#define FILES ARRAY_SIZE(files)
#define SLOTS 4u
#define CONNS 8u
#define OUTPUT_MAX (1u << 20)
#define LONG_NAME "d \xc3\xa9" "p/" NAME_100 NAME_100 NAME_100 NAME_100
#define NAME_100 "0123456789 123456789 123456789 123456789 123456789 " \
		 "123456789 123456789 123456789 123456789 12345678/"

// In order of their paths.
static const struct {
	const char *path;
	u32 len;
} files[] = {
	{ "a.txt", 10 },
	{ "big.bin", 100000 },
	{ "block.bin", 2 * BLOCK },
	{ LONG_NAME "index.html", 30 },
	{ "dir/index.html", 5000 },
	{ "empty.css", 0 },
	{ "index.html", 77 },
	{ "x", 1 },
	{ "x/index.html", 9 },
};

static u8 *content[FILES];
static struct test_archive archive;
static struct site site;
static void *site_memory;
static u8 *manifest_bytes;
static struct manifest manifest;
static struct catalog_slot slots[SLOTS];
static struct catalog catalog;
static struct http_service archive_service, service;

struct run {
	struct http_conn conn;
	const char *request;
	u32 request_len, used;
	char output[OUTPUT_MAX];
	u32 output_len;
	char ending;
	struct http_fetch wanted;	// len_bytes 0: nothing
	u8 block[BLOCK];		// what was brought last
};

static struct run runs[CONNS], reference;

static void
build_manifest(void)
{
	static struct manifest_entry room[FILES];
	static char paths[FILES * 512];
	static const u8 uuid[2][STORE_UUID] = { { 1 }, { 2 } };
	struct manifest_builder b;
	u64 len, block = STORE_FIRST_BLOCK;

	manifest_begin(&b);
	b.file = room, b.file_room = FILES;
	b.paths = paths, b.paths_room = sizeof(paths);
	assert_int_equal(manifest_add_voter(&b, uuid[0]), 0);
	assert_int_equal(manifest_add_voter(&b, uuid[1]), 1);
	for (u32 i = 0; i < FILES; i++) {
		struct manifest_entry file = {
			.length = files[i].len,
			.mtime = TEST_MTIME,
			.block = { block, block },
			.voter = { 0, 1 },
		};

		memset(file.id, (int)(i * 0x11 + 5), STORE_ID);
		block += object_blocks(files[i].len);
		assert_int_equal(manifest_add(&b, &file, files[i].path,
					      (u32)strlen(files[i].path)),
				 MANIFEST_ADDED);
	}
	len = manifest_len(&b);
	manifest_bytes = malloc(len);
	assert_non_null(manifest_bytes);
	manifest_copy(&b, 0, manifest_bytes, len);
	assert_null(manifest_open(&manifest, manifest_bytes, len));
}

static int
set_up(void **state)
{
	(void)state;
	for (u32 i = 0; i < FILES; i++) {
		content[i] = malloc(files[i].len + 1);
		assert_non_null(content[i]);
		for (u32 k = 0; k < files[i].len; k++)
			content[i][k] = (u8)(i * 31 + k * 7 + k / 251);
		test_archive_file(&archive, files[i].path, content[i],
				  files[i].len);
	}
	test_archive_end(&archive);
	site_memory = test_site_build(&site, &archive);
	build_manifest();
	http_service_init(&archive_service, &site, TEST_NOW);
	http_service_init(&service, NULL, TEST_NOW);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (u32 i = 0; i < FILES; i++)
		free(content[i]);
	free(archive.bytes);
	free(site_memory);
	free(manifest_bytes);
	return 0;
}

static void
fresh_catalog(void)
{
	memset(slots, 0, sizeof(slots));
	catalog_init(&catalog, &manifest, slots, SLOTS, TEST_NOW);
	service.catalog = &catalog;
	service.page_count = 0;
}

static void
begin(struct run *run, const struct http_service *of, const char *request)
{
	*run = (struct run){
		.request = request,
		.request_len = (u32)strlen(request),
	};
	http_conn_init(&run->conn, of, &http_limits_default, 0);
}

// Brings at most one block of what is wanted, from memory that is overwritten by
// the next: what TCP took was copied before.
static void
bring(struct run *run)
{
	const struct http_fetch *w = &run->wanted;
	u64 n = MIN(w->len_bytes, BLOCK - w->offset % BLOCK);
	u32 file = (u32)(w->file - manifest.file);

	assert_true(w->offset + w->len_bytes <= files[file].len);
	memcpy(run->block, content[file] + w->offset, n);
	http_conn_fetched(&run->conn, run->block, n, true);
	http_conn_check(&run->conn);
	run->wanted.len_bytes = 0;
}

static void
put(struct run *run, const struct http_piece *piece, u64 n)
{
	assert_true(run->output_len + n < OUTPUT_MAX);
	memcpy(run->output + run->output_len, piece->bytes, n);
	run->output_len += (u32)n;
	http_conn_sent(&run->conn, 0, n);
	http_conn_check(&run->conn);
}

// Takes output, at most `room` bytes a piece, until something is wanted.
static void
take(struct run *run, u64 room)
{
	struct http_output out;

	while (!run->wanted.len_bytes && run->ending != 'A' &&
	       http_conn_output(&run->conn, 0, &out)) {
		switch (out.kind) {
		case HTTP_OUTPUT_SEND:
			put(run, &out.piece, MIN(out.piece.len_bytes, room));
			break;
		case HTTP_OUTPUT_FETCH:
			assert_true(out.fetch.len_bytes > 0);
			run->wanted = out.fetch;
			return;
		case HTTP_OUTPUT_PAGE:
			http_conn_page(&run->conn, "{\"n\": 1}", 8);
			break;
		case HTTP_OUTPUT_SHUTDOWN:
			run->ending = 'F';
			break;
		default:
			run->ending = 'A';
		}
	}
}

// Lets the connection read and write until it waits. True: for content.
static bool
step(struct run *run, u64 room)
{
	u32 used;

	do {
		take(run, room);
		if (run->wanted.len_bytes || run->ending == 'A')
			return run->wanted.len_bytes;
		used = http_conn_input(&run->conn, 0, run->request + run->used,
				       run->request_len - run->used);
		http_conn_check(&run->conn);
		run->used += used;
		take(run, room);
	} while (used && run->used < run->request_len);
	return run->wanted.len_bytes;
}

static void
finish(struct run *run, u64 room)
{
	while (step(run, room))
		bring(run);
	run->output[run->output_len] = 0;
}

// Entity tags and the order of a redirect's lines are all that may differ.
static void
forget_tags(struct run *run)
{
	char *at = run->output, *end = at + run->output_len;

	for (; at + 32 <= end; at++) {
		u32 n = 0;

		while (n < 32 && ((at[n] >= '0' && at[n] <= '9') ||
				  (at[n] >= 'a' && at[n] <= 'f')))
			n++;
		if (n == 32)
			memset(at, '#', 32);
	}
}

#define HOST "Host: a\r\n"

static const char *const requests[] = {
	"GET /a.txt HTTP/1.1\r\n" HOST "\r\n",
	"HEAD /a.txt HTTP/1.1\r\n" HOST "\r\n",
	"GET /big.bin HTTP/1.1\r\n" HOST "\r\n",
	"HEAD /big.bin HTTP/1.1\r\n" HOST "\r\n",
	"GET /block.bin HTTP/1.0\r\n\r\n",
	"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
	"GET /dir/ HTTP/1.1\r\n" HOST "\r\n",
	"GET /dir/index.html HTTP/1.1\r\n" HOST "\r\n",
	"GET /empty.css HTTP/1.1\r\n" HOST "\r\n",
	"GET /x HTTP/1.1\r\n" HOST "\r\n",
	"GET /x/ HTTP/1.1\r\n" HOST "\r\n",
	"GET /no HTTP/1.1\r\n" HOST "\r\n",
	"GET /dir/no/ HTTP/1.1\r\n" HOST "\r\n",
	"GET /a.txt/ HTTP/1.1\r\n" HOST "\r\n",
	"POST /a.txt HTTP/1.1\r\n" HOST "\r\n",
	"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
	"GET /big.bin HTTP/1.1\r\n" HOST "Range: bytes=4090-4100\r\n\r\n",
	"GET /big.bin HTTP/1.1\r\n" HOST "Range: bytes=-1\r\n\r\n",
	"GET /big.bin HTTP/1.1\r\n" HOST "Range: bytes=100000-\r\n\r\n",
	"GET /big.bin HTTP/1.1\r\n" HOST
		"Range: bytes=0-0,9000-20000,50000-50001,-5\r\n\r\n",
	"GET /block.bin HTTP/1.1\r\n" HOST "Range: bytes=4095-4096,0-1\r\n\r\n",
	"GET /a.txt HTTP/1.1\r\n" HOST
		"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
	"GET /a.txt HTTP/1.1\r\n" HOST
		"If-Unmodified-Since: Sat, 05 Nov 1994 08:49:37 GMT\r\n\r\n",
	"GET /a.txt HTTP/1.1\r\n" HOST "\r\nGET /big.bin HTTP/1.1\r\n" HOST
		"\r\nGET /dir/ HTTP/1.1\r\n" HOST "\r\n",
	"PUT /a.txt HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
		"GET /block.bin HTTP/1.1\r\n" HOST "\r\n",
};

static void
compare(const struct run *run, const char *request)
{
	if (run->output_len != reference.output_len ||
	    memcmp(run->output, reference.output, run->output_len))
		fail_msg("differs: %s", request);
	assert_int_equal(run->ending, reference.ending);
}

static void
answers_are_those_of_an_archive(void **state)
{
	static const u64 rooms[] = { UINT64_MAX, 1000, 7 };

	(void)state;
	fresh_catalog();
	for (u32 i = 0; i < ARRAY_SIZE(requests); i++) {
		begin(&reference, &archive_service, requests[i]);
		finish(&reference, UINT64_MAX);
		forget_tags(&reference);
		for (u32 k = 0; k < ARRAY_SIZE(rooms); k++) {
			begin(&runs[0], &service, requests[i]);
			finish(&runs[0], rooms[k]);
			forget_tags(&runs[0]);
			compare(&runs[0], requests[i]);
			catalog_check(&catalog);
		}
	}
	assert_true(catalog.hits > 0 && catalog.misses > SLOTS);
}

// Connections wait side by side; which one's block comes next is random.
static void
blocks_come_in_any_order(void **state)
{
	u64 seed = test_seed();
	struct prng random;

	(void)state;
	prng_seed(&random, seed);
	fresh_catalog();
	for (u32 round = 0; round < 20; round++) {
		u32 waiting = 0;

		for (u32 i = 0; i < CONNS; i++) {
			begin(&runs[i], &service,
			      requests[prng_below(&random, ARRAY_SIZE(requests))]);
			waiting += step(&runs[i], UINT64_MAX);
		}
		while (waiting) {
			struct run *run = &runs[prng_below(&random, CONNS)];

			if (!run->wanted.len_bytes)
				continue;
			bring(run);
			waiting -= !step(run, 1 + prng_below(&random, 5000));
		}
		for (u32 i = 0; i < CONNS; i++) {
			begin(&reference, &archive_service, runs[i].request);
			finish(&reference, UINT64_MAX);
			forget_tags(&reference);
			forget_tags(&runs[i]);
			compare(&runs[i], runs[i].request);
		}
	}
}

static void
the_head_waits_for_the_first_block(void **state)
{
	(void)state;
	fresh_catalog();
	for (u32 i = 0; i < ARRAY_SIZE(requests); i++) {
		begin(&runs[0], &service, requests[i]);
		if (!step(&runs[0], UINT64_MAX) || runs[0].output_len)
			continue;
		assert_ptr_equal(http_conn_catalog(&runs[0].conn), &catalog);
		http_conn_failed(&runs[0].conn, 0, HTTP_INTERNAL_ERROR);
		http_conn_check(&runs[0].conn);
		assert_null(http_conn_catalog(&runs[0].conn));
		runs[0].wanted.len_bytes = 0;
		take(&runs[0], UINT64_MAX);
		assert_memory_equal(runs[0].output, "HTTP/1.1 500 ", 13);
		assert_int_equal(runs[0].ending, 'F');
	}
}

// What fails after the head left can only be told by ending the connection.
static void
a_later_failure_aborts(void **state)
{
	static const char *const late[] = {
		"GET /big.bin HTTP/1.1\r\n" HOST "\r\n",
		"GET /big.bin HTTP/1.1\r\n" HOST "Range: bytes=0-0,9000-9001\r\n\r\n",
	};

	(void)state;
	fresh_catalog();
	for (u32 i = 0; i < ARRAY_SIZE(late); i++) {
		struct http_output out;

		begin(&runs[0], &service, late[i]);
		assert_true(step(&runs[0], UINT64_MAX));
		bring(&runs[0]);
		assert_true(step(&runs[0], UINT64_MAX));
		assert_true(runs[0].output_len > 0);
		http_conn_failed(&runs[0].conn, 0, HTTP_INTERNAL_ERROR);
		http_conn_check(&runs[0].conn);
		assert_true(http_conn_output(&runs[0].conn, 0, &out));
		assert_int_equal(out.kind, HTTP_OUTPUT_ABORT);
	}
}

// Waiting is not the client's fault: neither its pace nor its idleness ends it.
static void
waiting_is_not_timed(void **state)
{
	u64 now = 0;

	(void)state;
	fresh_catalog();
	begin(&runs[0], &service, requests[2]);
	assert_true(step(&runs[0], UINT64_MAX));
	for (u32 i = 0; i < 100; i++) {
		now += 19 * NS_PER_SECOND;
		http_conn_tick(&runs[0].conn, now, 0);
		http_conn_check(&runs[0].conn);
	}
	bring(&runs[0]);
	finish(&runs[0], UINT64_MAX);
	assert_true(runs[0].output_len > files[1].len);
}

// The longest paths need several texts for one Location.
static void
redirects_of_any_length(void **state)
{
	static char whole[4096];
	const char *path = LONG_NAME;
	u32 len = (u32)strlen(path) - 1, n;
	char *location, *end;

	(void)state;
	fresh_catalog();
	n = (u32)snprintf(whole, sizeof(whole), "GET /");
	n += site_escape(path, len, whole + n);
	snprintf(whole + n, sizeof(whole) - n, " HTTP/1.1\r\n" HOST "\r\n");
	begin(&runs[0], &service, whole);
	finish(&runs[0], 100);
	assert_memory_equal(runs[0].output, "HTTP/1.1 301 ", 13);
	location = strstr(runs[0].output, "\r\nLocation: /");
	assert_non_null(location);
	location += 13;
	end = strstr(location, "\r\n\r\n");
	assert_non_null(end);
	assert_int_equal(end - location, n - 5 + 1);
	assert_memory_equal(location, whole + 5, n - 5);
	assert_int_equal(end[-1], '/');
	assert_non_null(strstr(end, "<h1>301"));
	// Only the directory of an index redirects.
	begin(&runs[0], &service, "GET /d%20%c3%a9p HTTP/1.1\r\n" HOST "\r\n");
	finish(&runs[0], UINT64_MAX);
	assert_memory_equal(runs[0].output, "HTTP/1.1 404 ", 13);
}

static void
without_a_site_it_says_so(void **state)
{
	(void)state;
	service.catalog = NULL;
	begin(&runs[0], &service, requests[0]);
	finish(&runs[0], UINT64_MAX);
	assert_memory_equal(runs[0].output, "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(runs[0].output, "Nothing has been deployed"));
	assert_int_equal(runs[0].ending, 0);
}

static void
pages_are_made_by_the_host(void **state)
{
	static const struct http_page pages[] = {
		{ "/_deos/counters", "application/json" },
	};

	(void)state;
	fresh_catalog();
	service.pages = pages;
	service.page_count = 1;
	begin(&runs[0], &service, "GET /_deos/counters HTTP/1.0\r\n\r\n");
	finish(&runs[0], 3);
	assert_memory_equal(runs[0].output, "HTTP/1.1 200 OK\r\n"
			    "Content-Length: 8\r\n"
			    "Content-Type: application/json\r\n", 68);
	assert_non_null(strstr(runs[0].output, "Cache-Control: no-store\r\n"));
	assert_non_null(strstr(runs[0].output, "Connection: close\r\n\r\n{\"n\": 1}"));
	begin(&runs[0], &service, "HEAD /_deos/counters HTTP/1.1\r\n" HOST "\r\n");
	finish(&runs[0], UINT64_MAX);
	assert_non_null(strstr(runs[0].output, "Content-Length: 8\r\n"));
	assert_null(strstr(runs[0].output, "{"));
}

// A response that has begun keeps its catalogue when the service has a newer one.
static void
an_old_catalogue_lasts_as_long_as_its_responses(void **state)
{
	static struct catalog_slot new_slots[SLOTS];
	static struct catalog newer;

	(void)state;
	fresh_catalog();
	begin(&runs[0], &service, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n"
	      "GET /block.bin HTTP/1.1\r\n" HOST "\r\n");
	assert_true(step(&runs[0], UINT64_MAX));
	catalog_init(&newer, &manifest, new_slots, SLOTS, TEST_NOW);
	service.catalog = &newer;
	assert_ptr_equal(http_conn_catalog(&runs[0].conn), &catalog);
	while (runs[0].wanted.file == &manifest.file[1]) {
		bring(&runs[0]);
		assert_true(step(&runs[0], UINT64_MAX));
	}
	assert_ptr_equal(http_conn_catalog(&runs[0].conn), &newer);
	finish(&runs[0], UINT64_MAX);
	assert_null(http_conn_catalog(&runs[0].conn));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_those_of_an_archive),
		cmocka_unit_test(blocks_come_in_any_order),
		cmocka_unit_test(the_head_waits_for_the_first_block),
		cmocka_unit_test(a_later_failure_aborts),
		cmocka_unit_test(waiting_is_not_timed),
		cmocka_unit_test(redirects_of_any_length),
		cmocka_unit_test(without_a_site_it_says_so),
		cmocka_unit_test(pages_are_made_by_the_host),
		cmocka_unit_test(an_old_catalogue_lasts_as_long_as_its_responses),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
