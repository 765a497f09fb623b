// SPDX-License-Identifier: BSD-2-Clause
// Numbers and addresses as people type them: see number.h.
//
// No strtol: it takes signs, blanks and overflow for valid.

#include "harness/program/number.h"

#include <arpa/inet.h>
#include <string.h>

#include "kernel/base/assert.h"

#define IP_TEXT_MAX 16
#define NUMBER_TEXT_MAX 32

bool
number_parse_decimal(const char *s, u32 decimals, u64 max, u64 *value)
{
	bool after_point = false;
	u32 digits = 0;
	u32 places = 0;
	u64 v = 0;

	ASSERT(decimals <= 9);
	for (; *s; s++) {
		if (*s == '.' && !after_point && digits > 0) {
			after_point = true;
			continue;
		}
		if (*s < '0' || *s > '9' || (after_point && ++places > decimals))
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (u64)(*s - '0'), &v))
			return false;
		digits++;
	}
	if (digits == 0 || (after_point && places == 0))
		return false;
	for (; places < decimals; places++)
		if (__builtin_mul_overflow(v, 10, &v))
			return false;
	if (v > max)
		return false;
	*value = v;
	return true;
}

bool
number_parse(const char *s, u64 max, u64 *value)
{
	return number_parse_decimal(s, 0, max, value) && !strchr(s, '.');
}

bool
number_parse_range(const char *s, u64 max, u64 *first, u64 *last)
{
	const char *dots = strstr(s, "..");
	char text[NUMBER_TEXT_MAX] = "";
	u64 from, to;

	if (!dots) {
		if (!number_parse(s, max, &from))
			return false;
		*first = *last = from;
		return true;
	}
	if (dots - s >= NUMBER_TEXT_MAX)
		return false;
	memcpy(text, s, (size_t)(dots - s));
	if (!number_parse(text, max, &from) || !number_parse(dots + 2, max, &to) || from > to)
		return false;
	*first = from;
	*last = to;
	return true;
}

bool
number_parse_endpoint(const char *s, u32 *ip, u16 *port)
{
	const char *colon = strchr(s, ':');
	char text[IP_TEXT_MAX] = "";
	struct in_addr address;
	u64 number;

	if (!colon || colon - s >= IP_TEXT_MAX)
		return false;
	memcpy(text, s, (size_t)(colon - s));
	if (inet_pton(AF_INET, text, &address) != 1 ||
	    !number_parse(colon + 1, 65535, &number) || number == 0)
		return false;
	*ip = ntohl(address.s_addr);
	*port = (u16)number;
	return true;
}
