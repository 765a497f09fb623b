// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes parser, content and the dynamic connection together.
//
// The first eight bytes of an input seed how the rest is split, how much the
// handler and the transport take at a time, when answers come and when time
// passes; the rest is what a client sends. After every step all invariants are
// checked; every exchange begins and ends exactly once; the content of a request
// lies in the bytes shown; and without time and chance in the answers the output
// must not depend on the splits.
//
// links: libos/http/head.c libos/http/response.c libos/http/catalog.c
// links: libos/store/manifest.c libos/store/object.c
// links: libos/http/dynamic.c libos/http/dynamic_text.c
// links: libos/http/parse.c libos/http/target.c
// links: libos/http/date.c libos/http/body.c libos/http/status.c
// links: libos/http/text.c kernel/base/fmt.c kernel/base/string.c
// links: libos/http/conn.c libos/http/respond.c libos/http/path.c
// links: libos/http/range.c libos/http/condition.c libos/http/site.c
// links: libos/http/mime.c kernel/base/siphash.c libos/image/cpio.c libos/text/text.c
// links: harness/testing/host_assert.c libos/http/pace.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/base/prng.h"
#include "libos/http/dynamic.h"

#define OUTPUT_MAX (1u << 22)
#define CONTENT_MAX 20000u

// One run: the connection, what it said, and its handler's state.
struct run {
	struct http_dynamic conn;
	struct prng *prng;	// NULL: everything at once
	bool lazy;		// answers come late, early or not whole
	const u8 *shown;
	u32 shown_len;
	u64 now;
	char *output;
	u32 output_len;
	bool over;		// FIN sent, or the connection is gone
	bool in_exchange;
	u32 content_len, produced, pieces;
};

static bool
chance(struct run *run, u32 one_in)
{
	return run->prng && prng_below(run->prng, one_in) == 0;
}

static void
answer(struct run *run, u64 len)
{
	const struct http_answer a = { HTTP_OK, "text/plain", "", len };

	run->produced = 0;
	http_dynamic_answer(&run->conn, run->now, &a);
}

static bool
on_request(void *user, struct http_dynamic *conn, const struct http_request *r,
	   const char *head)
{
	struct run *run = user;

	ASSERT(conn == &run->conn && !run->in_exchange);
	run->in_exchange = true;
	run->content_len = run->pieces = 0;
	if (r->path_len)
		ASSERT(memchr(head, '/', r->path_at + 1));
	if (r->method == HTTP_METHOD_PUT)
		return true;
	if (!run->lazy || chance(run, 2))
		answer(run, r->method == HTTP_METHOD_POST ? HTTP_LEN_CHUNKED : 10);
	return false;
}

static u32
on_content(void *user, struct http_dynamic *conn, const char *bytes, u32 len)
{
	struct run *run = user;
	const u8 *at = (const u8 *)bytes;

	(void)conn;
	ASSERT(run->in_exchange && len > 0);
	ASSERT(at >= run->shown && at + len <= run->shown + run->shown_len);
	if (run->lazy && chance(run, 8)) {
		answer(run, 3);
		return 0;
	}
	if (run->prng)
		len = (u32)prng_below(run->prng, len + 1);
	run->content_len += len;
	ASSERT(run->content_len <= CONTENT_MAX);
	return len;
}

static void
on_complete(void *user, struct http_dynamic *conn)
{
	struct run *run = user;

	(void)conn;
	ASSERT(run->in_exchange);
	if (!run->lazy || chance(run, 2))
		answer(run, run->content_len);
}

static enum http_produced
on_produce(void *user, struct http_dynamic *conn, struct http_piece *piece)
{
	static const char bytes[CONTENT_MAX];
	struct run *run = user;
	u64 left = conn->content_left;

	ASSERT(run->in_exchange);
	if (run->lazy && chance(run, 4))
		return chance(run, 4) ? HTTP_PRODUCED_FAILED :
					HTTP_PRODUCED_LATER;
	if (left == HTTP_LEN_CHUNKED)
		left = 3 - run->pieces;
	if (left == 0)
		return HTTP_PRODUCED_END;
	run->pieces++;
	*piece = (struct http_piece){ bytes, left, false };
	if (conn->content_left == HTTP_LEN_CHUNKED)
		piece->len_bytes = run->pieces;
	return HTTP_PRODUCED_PIECE;
}

static void
on_over(void *user, struct http_dynamic *conn, bool whole)
{
	struct run *run = user;

	(void)conn;
	(void)whole;
	ASSERT(run->in_exchange);
	run->in_exchange = false;
}

static const struct http_handler handler = {
	on_request, on_content, on_complete, on_produce, on_over,
};

static void
take(struct run *run, u64 room)
{
	struct http_output out;

	while (room && http_dynamic_output(&run->conn, run->now, &out)) {
		http_dynamic_check(&run->conn);
		if (out.kind != HTTP_OUTPUT_SEND) {
			run->over = true;
			return;
		}
		u64 n = MIN(out.piece.len_bytes, room);

		ASSERT(!run->over && n > 0 && n < OUTPUT_MAX - run->output_len);
		memcpy(run->output + run->output_len, out.piece.bytes, n);
		run->output_len += (u32)n;
		room -= n;
		http_dynamic_sent(&run->conn, run->now, n);
		http_dynamic_check(&run->conn);
	}
	http_dynamic_check(&run->conn);
}

// Shows `len` bytes in memory of exactly that size.
static u32
show(struct run *run, const u8 *bytes, u32 len)
{
	u8 *exact = malloc(len ? len : 1);
	u32 used;

	if (!exact)
		abort();
	memcpy(exact, bytes, len);
	run->shown = exact;
	run->shown_len = len;
	used = http_dynamic_input(&run->conn, run->now, exact, len);
	http_dynamic_check(&run->conn);
	free(exact);
	ASSERT(used <= len);
	return used;
}

static void
begin(struct run *run, const struct http_dynamic_service *service,
      struct prng *prng, bool lazy)
{
	char *output = run->output ? run->output : malloc(OUTPUT_MAX);

	*run = (struct run){ .prng = prng, .lazy = lazy, .output = output };
	http_dynamic_init(&run->conn, service, run, 0);
}

static void
run_whole(struct run *run, const u8 *bytes, u32 len)
{
	u32 used, before;

	do {
		before = run->output_len;
		used = show(run, bytes, len);
		bytes += used;
		len -= used;
		take(run, UINT64_MAX);
	} while (used || run->output_len > before);
}

static void
pass_time(struct run *run)
{
	struct http_dynamic *conn = &run->conn;

	run->now += prng_below(run->prng, 12 * NS_PER_SECOND);
	if (chance(run, 20))
		http_dynamic_input_end(conn);
	if (http_dynamic_is_waiting(conn) && chance(run, 3))
		answer(run, 7);
	http_dynamic_tick(conn, run->now,
			  prng_below(run->prng, conn->pace.sent_bytes + 1));
	http_dynamic_check(conn);
	ASSERT(http_dynamic_deadline(conn) >= run->now ||
	       conn->state >= HTTP_DYNAMIC_RELEASE);
}

static void
run_split(struct run *run, const u8 *bytes, u32 len)
{
	u32 used = 0, come = 0;

	for (u32 idle = 0; idle < 50 && run->conn.state < HTTP_DYNAMIC_RELEASE;) {
		u32 before = used;
		u64 sent = run->conn.pace.sent_bytes;

		come += (u32)prng_below(run->prng, MIN(len - come, 200u) + 1);
		used += show(run, bytes + used, come - used);
		take(run, prng_below(run->prng, 1 << prng_below(run->prng, 12)));
		if (run->lazy)
			pass_time(run);
		idle = come < len || used > before ||
		       run->conn.pace.sent_bytes > sent ? 0 : idle + 1;
	}
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct run whole, split;
	struct http_dynamic_service service;
	struct prng prng;
	u64 seed;

	if (size < 8 || size > 65536)
		return 0;
	memcpy(&seed, data, 8);
	prng_seed(&prng, seed);
	http_dynamic_service_init(&service, &handler, &http_limits_default,
				  CONTENT_MAX, 1700000000);
	begin(&split, &service, &prng, seed & 1);
	run_split(&split, data + 8, (u32)size - 8);
	if (!(seed & 1)) {
		begin(&whole, &service, NULL, false);
		run_whole(&whole, data + 8, (u32)size - 8);
		ASSERT(whole.output_len == split.output_len);
		ASSERT(!memcmp(whole.output, split.output, whole.output_len));
		http_dynamic_gone(&whole.conn);
		ASSERT(!whole.in_exchange);
	}
	http_dynamic_gone(&split.conn);
	ASSERT(!split.in_exchange);
	return 0;
}
