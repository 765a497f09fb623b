// SPDX-License-Identifier: BSD-2-Clause
// One row a status. Only refusals and the redirect carry a page. Stateless.

#include "libos/http/status.h"
#include "kernel/base/assert.h"

#define LINE(code, reason) "HTTP/1.1 " #code " " reason "\r\n"
#define PAGE(title, sentence)                                            \
	"<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"  \
	"<title>" title "</title>\n<h1>" title "</h1>\n<p>" sentence "</p>\n"
#define WITH_PAGE(code, reason, sentence)                                \
	{ code, LINE(code, reason), PAGE(#code " " reason, sentence),    \
	  sizeof(PAGE(#code " " reason, sentence)) - 1, sentence }
#define WITHOUT_PAGE(code, reason) { code, LINE(code, reason), "", 0, "" }

static const struct http_status_text texts[] = {
	WITHOUT_PAGE(100, "Continue"),
	WITHOUT_PAGE(200, "OK"),
	WITHOUT_PAGE(204, "No Content"),
	WITHOUT_PAGE(206, "Partial Content"),
	WITH_PAGE(301, "Moved Permanently", "This is a directory: its address ends in a slash."),
	WITHOUT_PAGE(304, "Not Modified"),
	WITH_PAGE(400, "Bad Request", "The request is not valid HTTP."),
	WITH_PAGE(403, "Forbidden", "This is not allowed from here."),
	WITH_PAGE(404, "Not Found", "There is nothing at this address."),
	WITH_PAGE(405, "Method Not Allowed", "This server answers GET, HEAD and OPTIONS."),
	WITH_PAGE(408, "Request Timeout", "The request did not arrive in time."),
	WITH_PAGE(409, "Conflict", "The state of things does not allow this."),
	WITH_PAGE(411, "Length Required", "The request does not say how long its content is."),
	WITH_PAGE(412, "Precondition Failed", "The object is not in the state that was asked for."),
	WITH_PAGE(413, "Content Too Large", "The request carries too much content."),
	WITH_PAGE(414, "URI Too Long", "The address is too long."),
	WITH_PAGE(416, "Range Not Satisfiable", "No byte of the object is in the range."),
	WITH_PAGE(417, "Expectation Failed", "The expectation is not known here."),
	WITH_PAGE(421, "Misdirected Request", "This connection does not serve that scheme."),
	WITH_PAGE(431, "Request Header Fields Too Large", "The header section is too large."),
	WITH_PAGE(500, "Internal Server Error", "The server failed."),
	WITH_PAGE(501, "Not Implemented", "The method or the transfer coding is not known here."),
	WITH_PAGE(503, "Service Unavailable", "This cannot be done now."),
	WITH_PAGE(504, "Gateway Timeout", "Another node did not answer in time."),
	WITH_PAGE(505, "HTTP Version Not Supported", "This server speaks HTTP/1.1."),
	WITH_PAGE(507, "Insufficient Storage", "There is too little room."),
};

const struct http_status_text *
http_status_text(enum http_status status)
{
	u32 i = 0;

	while (i < ARRAY_SIZE(texts) && texts[i].status != status)
		i++;
	ASSERT(i < ARRAY_SIZE(texts));
	return &texts[i];
}
