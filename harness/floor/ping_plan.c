// SPDX-License-Identifier: BSD-2-Clause
// Reads the plan of `floor=ping` (ping.h) from the command line's words, which
// are input: anything that is not exactly a plan within the bounds is refused.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "harness/floor/echo.h"
#include "harness/floor/ping.h"

#define DIGITS_MAX 9u	// fits into 32 bits
#define MAC_LEN 6u

static bool
take(const char **at, char wanted)
{
	if (**at != wanted)
		return false;
	(*at)++;
	return true;
}

// A number from 1 to max.
static bool
take_number(const char **at, u32 max, u32 *value)
{
	u32 digits = 0, v = 0;

	while (**at >= '0' && **at <= '9' && digits++ < DIGITS_MAX)
		v = v * 10 + (u32)(*(*at)++ - '0');
	*value = v;
	return v >= 1 && v <= max;
}

static bool
take_nibble(const char **at, u32 *value)
{
	char c = **at;

	if (c >= '0' && c <= '9')
		*value = *value << 4 | (u32)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*value = *value << 4 | (u32)(c - 'a' + 10);
	else
		return false;
	(*at)++;
	return true;
}

static bool
take_mac(const char **at, u8 *mac)
{
	for (u32 i = 0; i < MAC_LEN; i++) {
		u32 byte = 0;

		if ((i > 0 && !take(at, ':')) || !take_nibble(at, &byte) ||
		    !take_nibble(at, &byte))
			return false;
		mac[i] = (u8)byte;
	}
	return take(at, ',') && !(mac[0] & 1);
}

// COUNTxLEN,
static bool
take_frames(const char **at, u32 count_max, u32 len_max, u32 *count, u32 *len)
{
	return take_number(at, count_max, count) && take(at, 'x') &&
	       take_number(at, len_max, len) && *len >= ECHO_FRAME_MIN &&
	       take(at, ',');
}

static bool
take_spin(const char **at)
{
	static const char word[] = ",spin";
	bool there = string_starts(*at, word);

	*at += there ? sizeof(word) - 1 : 0;
	return there;
}

bool
ping_plan_read(const char *words, u32 frame_max, struct ping_plan *plan)
{
	const char *at = words;
	struct ping_plan p;

	ASSERT(words && plan && frame_max >= ECHO_FRAME_MIN);
	if (!take_mac(&at, p.mac) ||
	    !take_frames(&at, PING_FRAMES_MAX, frame_max, &p.asks, &p.ask_len) ||
	    !take_frames(&at, ECHO_ANSWERS_MAX, frame_max, &p.answers,
			 &p.answer_len) ||
	    !take_number(&at, PING_FLIGHTS_MAX, &p.flights) || !take(&at, ',') ||
	    !take_number(&at, PING_OPERATIONS_MAX, &p.operations) ||
	    p.flights > p.operations ||
	    p.flights * MAX(p.asks, p.answers) > PING_FRAMES_OPEN_MAX)
		return false;
	p.spin = take_spin(&at);
	if (*at && *at != ' ')
		return false;
	*plan = p;
	return true;
}
