// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// HTTP dates (RFC 9110 section 5.6.7). Times are whole seconds since the
// beginning of 1970 in UTC, without leap seconds.

#include "kernel/base/types.h"

#define HTTP_DATE_LEN 29
#define HTTP_DATE_MAX 253402300799ull	// the last second of the year 9999

// Writes an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT", without terminator.
// `seconds` is at most HTTP_DATE_MAX.
void
http_date_write(u64 seconds, char text[HTTP_DATE_LEN]);

// Reads any of the three formats a recipient must accept: IMF-fixdate, RFC 850
// (a year that would lie more than 50 years after `now` is in the century
// before) and asctime. The name of the day must be one, but is not compared
// with the date. Returns false, *seconds untouched, for anything else; a date
// before 1970 is negative.
must_check bool
http_date_read(const char *text, u32 len, u64 now, i64 *seconds);
