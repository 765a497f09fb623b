// SPDX-License-Identifier: BSD-2-Clause
// The suffix table. It is read once a file, when a site is indexed, so a
// linear search is enough. Stateless.

#include "libos/http/mime.h"
#include "libos/http/text.h"

static const struct {
	char suffix[12];
	char type[MIME_TYPE_MAX];
} types[] = {
	{ "html", "text/html; charset=utf-8" },
	{ "htm", "text/html; charset=utf-8" },
	{ "css", "text/css; charset=utf-8" },
	{ "js", "text/javascript; charset=utf-8" },
	{ "mjs", "text/javascript; charset=utf-8" },
	{ "txt", "text/plain; charset=utf-8" },
	{ "md", "text/markdown; charset=utf-8" },
	{ "csv", "text/csv; charset=utf-8" },
	{ "ics", "text/calendar; charset=utf-8" },
	{ "vtt", "text/vtt; charset=utf-8" },
	{ "xml", "application/xml" },
	{ "xhtml", "application/xhtml+xml" },
	{ "atom", "application/atom+xml" },
	{ "rss", "application/rss+xml" },
	{ "json", "application/json" },
	{ "map", "application/json" },
	{ "webmanifest", "application/manifest+json" },
	{ "wasm", "application/wasm" },
	{ "pdf", "application/pdf" },
	{ "zip", "application/zip" },
	{ "gz", "application/gzip" },
	{ "png", "image/png" },
	{ "jpg", "image/jpeg" },
	{ "jpeg", "image/jpeg" },
	{ "gif", "image/gif" },
	{ "webp", "image/webp" },
	{ "avif", "image/avif" },
	{ "svg", "image/svg+xml" },
	{ "ico", "image/vnd.microsoft.icon" },
	{ "bmp", "image/bmp" },
	{ "woff", "font/woff" },
	{ "woff2", "font/woff2" },
	{ "ttf", "font/ttf" },
	{ "otf", "font/otf" },
	{ "mp3", "audio/mpeg" },
	{ "ogg", "audio/ogg" },
	{ "wav", "audio/wav" },
	{ "flac", "audio/flac" },
	{ "mp4", "video/mp4" },
	{ "webm", "video/webm" },
};

const char *
mime_type(const char *name, u32 name_len)
{
	u32 dot = name_len;

	while (dot > 0 && name[dot - 1] != '.')
		dot--;

	struct http_text suffix = { name + dot, dot ? name_len - dot : 0 };

	for (u32 i = 0; i < ARRAY_SIZE(types); i++) {
		if (http_text_is(suffix, types[i].suffix))
			return types[i].type;
	}
	return "application/octet-stream";
}
