// SPDX-License-Identifier: BSD-2-Clause
// The battery-backed clock. Its registers change while they are read, so they
// are read until two readings in a row agree (MC146818A data sheet, "update
// cycle"); the number of tries is bounded.
//
// Stateless.

#include "kernel/dev/rtc.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/base/string.h"

#define PORT_INDEX 0x70
#define PORT_DATA 0x71
#define STATUS_A 0x0a
#define STATUS_A_UPDATING 0x80u
#define STATUS_B 0x0b
#define STATUS_B_BINARY 0x04u
#define STATUS_B_24_HOURS 0x02u
#define HOURS_PM 0x80u
#define TRIES 1000u

struct reading {
	u8 second, minute, hour, day, month, year;
};

static u8
cmos(u8 index)
{
	port_out8(PORT_INDEX, index);
	return port_in8(PORT_DATA);
}

static struct reading
read_once(void)
{
	return (struct reading){ cmos(0), cmos(2), cmos(4), cmos(7), cmos(8),
				 cmos(9) };
}

static bool
read_settled(struct reading *r)
{
	for (u32 i = 0; i < TRIES; i++) {
		struct reading again;

		if (cmos(STATUS_A) & STATUS_A_UPDATING)
			continue;
		*r = read_once();
		again = read_once();
		if (!memcmp(r, &again, sizeof(again)))
			return true;
	}
	return false;
}

static u8
from_bcd(u8 v)
{
	return (u8)((v >> 4) * 10 + (v & 15));
}

static void
decode(struct reading *r, u8 status_b)
{
	bool pm = !(status_b & STATUS_B_24_HOURS) && r->hour & HOURS_PM;

	if (!(status_b & STATUS_B_24_HOURS))
		r->hour &= (u8)~HOURS_PM;
	if (!(status_b & STATUS_B_BINARY)) {
		r->second = from_bcd(r->second);
		r->minute = from_bcd(r->minute);
		r->hour = from_bcd(r->hour);
		r->day = from_bcd(r->day);
		r->month = from_bcd(r->month);
		r->year = from_bcd(r->year);
	}
	if (!(status_b & STATUS_B_24_HOURS))
		r->hour = (u8)(r->hour % 12 + (pm ? 12 : 0));
}

// Days since 1970 in the Gregorian calendar, by counting years from March.
static u64
days(u32 year, u32 month, u32 day)
{
	u32 y = month <= 2 ? year - 1 : year;
	u32 from_march = (month + 9) % 12;

	return 365ull * y + y / 4 - y / 100 + y / 400 +
	       (153 * from_march + 2) / 5 + day - 1 - 719468;
}

u64
rtc_read_unix(void)
{
	struct reading r;

	if (!read_settled(&r))
		return 0;
	decode(&r, cmos(STATUS_B));
	if (r.second > 59 || r.minute > 59 || r.hour > 23 || r.day < 1 ||
	    r.day > 31 || r.month < 1 || r.month > 12 || r.year > 99)
		return 0;
	return days(2000u + r.year, r.month, r.day) * 86400 + r.hour * 3600u +
	       r.minute * 60u + r.second;
}
