// SPDX-License-Identifier: BSD-2-Clause
// What a dynamic connection says in its own words. All texts of one answer fit
// into HTTP_DYNAMIC_TEXT_MAX beside an interim line that was not sent yet; only
// the text around chunks is written again and again, each time when the one
// before was sent.
//
// Invariants:
//  X1  text_sent <= text_len <= HTTP_DYNAMIC_TEXT_MAX, and text that was not
//      sent is never moved.
//  X2  Exactly one of a length, chunks and the end of the connection delimits
//      the content of an answer.

#include "libos/http/dynamic_text.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"

#define STAMP_TIME 20u		// where the date stands in a stamp

typedef unsigned long long number_t;	// what %llu prints

void
http_dynamic_service_init(struct http_dynamic_service *service,
			  const struct http_handler *handler,
			  const struct http_limits *limits, u64 content_max,
			  u64 unix_seconds)
{
	ASSERT(limits->requests >= 1 && limits->pace_bytes >= 1);
	service->handler = handler;
	service->limits = limits;
	service->content_max = content_max;
	memcpy(service->stamp, "Server: DEOS\r\nDate: ", STAMP_TIME);
	memcpy(service->stamp + HTTP_STAMP_LEN - 2, "\r\n", 2);
	http_dynamic_set_time(service, unix_seconds);
}

void
http_dynamic_set_time(struct http_dynamic_service *service, u64 unix_seconds)
{
	http_date_write(unix_seconds, service->stamp + STAMP_TIME);
}

static void printf_like(2, 3)
add_format(struct http_dynamic *conn, const char *format, ...)
{
	size_t room = HTTP_DYNAMIC_TEXT_MAX - conn->text_len;
	va_list args;

	va_start(args, format);
	size_t n = fmt_into_va(conn->text + conn->text_len, room, format, args);
	va_end(args);
	ASSERT(n < room);
	conn->text_len += (u32)n;
}

// What was sent of the text makes room for more.
static void
renew_text(struct http_dynamic *conn)
{
	if (conn->text_sent == conn->text_len)
		conn->text_len = conn->text_sent = 0;
}

static bool
has_content(enum http_status status)
{
	return status != HTTP_NO_CONTENT && status != HTTP_NOT_MODIFIED;
}

void
dynamic_write_head(struct http_dynamic *conn, const struct http_answer *answer)
{
	bool chunked = answer->len_bytes == HTTP_LEN_CHUNKED;

	conn->answered = true;
	conn->first_chunk = true;
	// HTTP/1.0 knows no chunks: the end of the connection ends the content.
	conn->close |= chunked && conn->minor == 0;
	conn->chunked_answer = chunked && conn->minor > 0;
	conn->content_left = answer->len_bytes;
	conn->ended = conn->head_only || !has_content(answer->status);
	renew_text(conn);
	add_format(conn, "%s", http_status_text(answer->status)->line);
	if (has_content(answer->status)) {
		add_format(conn, "Content-Type: %s\r\nX-Content-Type-Options: "
			   "nosniff\r\n", answer->type);
		if (conn->chunked_answer)
			add_format(conn, "Transfer-Encoding: chunked\r\n");
		else if (!chunked)
			add_format(conn, "Content-Length: %llu\r\n",
				   (number_t)answer->len_bytes);
	}
	add_format(conn, "Cache-Control: no-store\r\n%s%.*s", answer->fields,
		   HTTP_STAMP_LEN, conn->service->stamp);
	if (conn->close)
		add_format(conn, "Connection: close\r\n");
	else if (conn->minor == 0)
		add_format(conn, "Connection: keep-alive\r\n");
	add_format(conn, "\r\n");
}

void
dynamic_write_refusal(struct http_dynamic *conn, enum http_status status)
{
	const char *sentence = http_status_text(status)->sentence;
	struct http_answer answer = { status, "application/json", "", 0 };

	answer.len_bytes = strlen("{\"error\":\"\"}\n") + strlen(sentence);
	dynamic_write_head(conn, &answer);
	if (!conn->head_only)
		add_format(conn, "{\"error\":\"%s\"}\n", sentence);
	conn->ended = true;
}

void
dynamic_write_continue(struct http_dynamic *conn)
{
	add_format(conn, "%s\r\n", http_status_text(HTTP_CONTINUE)->line);
}

void
dynamic_write_chunk(struct http_dynamic *conn, u64 len)
{
	ASSERT(conn->text_sent == conn->text_len);
	renew_text(conn);
	if (!conn->first_chunk)
		add_format(conn, "\r\n");
	conn->first_chunk = false;
	add_format(conn, "%llx\r\n", (number_t)len);
	if (len == 0)
		add_format(conn, "\r\n");
}
