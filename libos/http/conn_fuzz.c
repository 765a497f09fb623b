// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes parser, content, responder and connection together.
//
// The first eight bytes of an input seed how the rest is split, how much the
// transport takes at a time, and when time passes; the rest is what a client
// sends. After every step all invariants are checked. Input is shown in memory
// of exactly its size; what is lent must lie in the archive or be a constant
// page; every complete response must be as long as its Content-Length says;
// and without timeouts the output must not depend on the splits.
//
// links: libos/http/conn.c libos/http/respond.c libos/http/parse.c
// links: libos/http/target.c libos/http/path.c libos/http/range.c
// links: libos/http/condition.c libos/http/date.c libos/http/body.c
// links: libos/http/head.c libos/http/response.c libos/http/catalog.c
// links: libos/store/manifest.c libos/store/object.c
// links: libos/http/site.c libos/http/mime.c kernel/base/siphash.c
// links: libos/http/status.c libos/http/text.c libos/image/cpio.c libos/text/text.c
// links: kernel/base/fmt.c kernel/base/string.c harness/testing/host_assert.c
// links: libos/http/pace.c

#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/base/prng.h"
#include "libos/http/conn.h"
#include "libos/http/test_site.h"

#define OUTPUT_MAX (1u << 22)

struct transcript {
	char *bytes;		// OUTPUT_MAX, and a terminator
	u32 len;
	u32 response_at;	// where the current response begins
	bool over;		// FIN sent, or the connection is gone
};

static struct test_archive archive;
static struct site site;
static struct http_service service;

static void
set_up(void)
{
	if (archive.bytes)
		return;
	test_archive_text(&archive, "index.html", "home");
	test_archive_text(&archive, "d.txt", "0123456789");
	test_archive_text(&archive, "empty", "");
	test_archive_text(&archive, "dir/index.html", "dir");
	test_archive_text(&archive, "a b.txt", "space");
	test_archive_end(&archive);
	test_site_build(&site, &archive);
	http_service_init(&service, &site, TEST_NOW);
}

static void
check_lent(const struct http_conn *conn, const struct http_piece *piece)
{
	const struct http_status_text *page =
		http_status_text(conn->response.status);
	const u8 *at = piece->bytes, *end = at + piece->len_bytes;
	const u8 *text = (const u8 *)page->page;

	ASSERT((at >= archive.bytes && end <= archive.bytes + archive.len) ||
	       (at >= text && end <= text + page->page_len));
}

// A response is complete: its length must be what it says.
static void
check_response(struct transcript *t, bool head_only)
{
	const char *start = t->bytes + t->response_at;
	const char *end = strstr(start, "\r\n\r\n");
	const char *length = strstr(start, "\r\nContent-Length: ");
	u64 content = t->len - t->response_at;

	ASSERT(end && !strncmp(start, "HTTP/1.1 ", 9));
	content -= (u64)(end + 4 - start);
	if (length && length < end && !head_only)
		ASSERT(content == strtoull(length + 18, NULL, 10));
	else
		ASSERT(content == 0);
	t->response_at = t->len;
}

static void
take(struct http_conn *conn, struct transcript *t, u64 now, u64 room)
{
	struct http_output out;

	while (room && http_conn_output(conn, now, &out)) {
		if (out.kind != HTTP_OUTPUT_SEND) {
			t->over = true;
			return;
		}
		// Only of a response that was begun.
		bool head_only = conn->response.head_only;
		u64 n = MIN(out.piece.len_bytes, room);

		ASSERT(!t->over && n > 0 && n < OUTPUT_MAX - t->len);
		if (out.piece.lent)
			check_lent(conn, &out.piece);
		memcpy(t->bytes + t->len, out.piece.bytes, n);
		t->len += (u32)n;
		t->bytes[t->len] = 0;
		room -= n;
		http_conn_sent(conn, now, n);
		http_conn_check(conn);
		if (conn->state != HTTP_CONN_SEND)
			check_response(t, head_only);
	}
}

// Shows `len` bytes in memory of exactly that size.
static u32
show(struct http_conn *conn, u64 now, const u8 *bytes, u32 len)
{
	u8 *exact = malloc(len ? len : 1);
	u32 used;

	if (!exact)
		abort();
	memcpy(exact, bytes, len);
	used = http_conn_input(conn, now, exact, len);
	http_conn_check(conn);
	free(exact);
	ASSERT(used <= len);
	return used;
}

static void
run_whole(struct transcript *t, const u8 *bytes, u32 len)
{
	struct http_conn conn;
	u32 used;

	http_conn_init(&conn, &service, &http_limits_default, 0);
	do {
		used = show(&conn, 0, bytes, len);
		bytes += used;
		len -= used;
		take(&conn, t, 0, UINT64_MAX);
	} while (used);
}

// `timed`: time passes too, the client may end, and may acknowledge little.
static void
run_split(struct transcript *t, struct prng *prng, bool timed, const u8 *bytes,
	  u32 len)
{
	struct http_conn conn;
	u32 used = 0, come = 0;
	u64 now = 0;

	http_conn_init(&conn, &service, &http_limits_default, 0);
	for (u32 idle = 0; idle < 3;) {
		u32 before = used;
		u64 sent = conn.pace.sent_bytes;

		come += (u32)prng_below(prng, MIN(len - come, 200u) + 1);
		used += show(&conn, now, bytes + used, come - used);
		take(&conn, t, now, prng_below(prng, 1 << prng_below(prng, 12)));
		if (timed) {
			now += prng_below(prng, 12 * NS_PER_SECOND);
			if (prng_below(prng, 20) == 0)
				http_conn_input_end(&conn);
			http_conn_tick(&conn, now,
				       prng_below(prng, conn.pace.sent_bytes + 1));
			http_conn_check(&conn);
			ASSERT(http_conn_deadline(&conn) >= now ||
			       conn.state >= HTTP_CONN_RELEASE);
		}
		idle = come < len || used > before || conn.pace.sent_bytes > sent ||
		       conn.state == HTTP_CONN_SEND ? 0 : idle + 1;
		if (conn.state >= HTTP_CONN_RELEASE)
			break;
	}
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct transcript whole, split;
	struct prng prng;
	u64 seed;

	if (size < 8 || size > 65536)
		return 0;
	set_up();
	if (!whole.bytes) {
		whole.bytes = malloc(OUTPUT_MAX + 1);
		split.bytes = malloc(OUTPUT_MAX + 1);
	}
	memcpy(&seed, data, 8);
	prng_seed(&prng, seed);
	whole.len = whole.response_at = split.len = split.response_at = 0;
	whole.over = split.over = false;
	run_split(&split, &prng, seed & 1, data + 8, (u32)size - 8);
	if (seed & 1)
		return 0;
	run_whole(&whole, data + 8, (u32)size - 8);
	ASSERT(whole.len == split.len);
	ASSERT(!memcmp(whole.bytes, split.bytes, whole.len));
	return 0;
}
