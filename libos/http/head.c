// SPDX-License-Identifier: BSD-2-Clause
// Header lines of objects. A head of a file is bounded because its only texts of
// varying length are ours; that of a redirect carries a path, and is not.
//
// Stateless.

#include "libos/http/head.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/http/status.h"

u32
site_path_hash(const char *key, u32 len)
{
	u64 h = len;

	for (; len >= 8; len -= 8, key += 8) {
		h = (h ^ le64_load(key)) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	for (; len; len--)
		h = (h ^ (u8)*key++) * 0x9e3779b97f4a7c15ull;
	return (u32)(h >> 32);
}

bool
site_is_index(const char *name, u32 len)
{
	return len >= SITE_INDEX_LEN &&
	       !memcmp(name + len - SITE_INDEX_LEN, SITE_INDEX, SITE_INDEX_LEN) &&
	       (len == SITE_INDEX_LEN || name[len - SITE_INDEX_LEN - 1] == '/');
}

u32
site_escape(const char *name, u32 len, char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	u32 n = 0;

	for (u32 i = 0; i < len; i++) {
		u8 c = (u8)name[i];
		bool plain = (c >= '0' && c <= '9') || c == '-' || c == '.' ||
			     c == '_' || c == '~' || c == '/' ||
			     ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

		if (text && plain) {
			text[n] = (char)c;
		} else if (text) {
			text[n] = '%';
			text[n + 1] = digits[c >> 4];
			text[n + 2] = digits[c & 15];
		}
		n += plain ? 1 : 3;
	}
	return n;
}

// Appends header lines to a head that is in the making.
static void printf_like(3, 4)
add(struct site_object *o, char *text, const char *format, ...)
{
	size_t room = SITE_HEAD_MAX - o->head_len;
	va_list args;

	va_start(args, format);
	size_t n = fmt_into_va(text + o->head_len, room, format, args);
	va_end(args);
	ASSERT(n < room);
	o->head_len += (u32)n;
}

void
site_head_write(struct site_object *o, const char *etag, char *text)
{
	char date[HTTP_DATE_LEN];

	http_date_write(o->modified_seconds, date);
	o->head_len = 0;
	add(o, text, "%sContent-Length: %llu\r\n",
	    http_status_text(HTTP_OK)->line, (unsigned long long)o->len_bytes);
	o->type_at = (u16)o->head_len;
	add(o, text, "Content-Type: %s\r\n", o->type);
	o->accept_at = (u16)o->head_len;
	add(o, text, "X-Content-Type-Options: nosniff\r\nAccept-Ranges: bytes\r\n");
	o->validators_at = (u16)o->head_len;
	add(o, text, "ETag: %.*s\r\n", SITE_ETAG_LEN, etag);
	add(o, text, "Last-Modified: %.*s\r\n", HTTP_DATE_LEN, date);
	o->head = text;
	o->etag = text + o->validators_at + strlen("ETag: ");
}

u32
site_head_moved(char text[SITE_HEAD_MAX])
{
	const struct http_status_text *moved =
		http_status_text(HTTP_MOVED_PERMANENTLY);
	u32 n = (u32)fmt_into(text, SITE_HEAD_MAX,
			      "%sContent-Length: %u\r\n"
			      "Content-Type: text/html; charset=utf-8\r\n"
			      "X-Content-Type-Options: nosniff\r\n"
			      "Location: /", moved->line, moved->page_len);

	ASSERT(n < SITE_HEAD_MAX);
	return n;
}

u32
site_head_redirect(const char *name, u32 len, char *text)
{
	char start[SITE_HEAD_MAX];
	u32 n = site_head_moved(start);

	if (text)
		memcpy(text, start, n);
	n += site_escape(name, len, text ? text + n : NULL);
	if (text)
		memcpy(text + n, "/\r\n", 3);
	return n + 3;
}
