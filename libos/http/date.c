// SPDX-License-Identifier: BSD-2-Clause
// Dates by pattern: one small matcher walks the three formats, and the civil
// calendar is counted in days from 1 March of year 0, so that a leap day is
// the last of its year. Stateless.

#include "libos/http/date.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/http/text.h"

#define DAY 86400u
#define ERA_DAYS 146097		// days in 400 years
#define DAYS_TO_1970 719468	// from 1 March of year 0

static const char day_names[7][10] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
	"Saturday",
};
static const char month_names[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};
static const u8 month_days[12] = {
	31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31,
};

struct date {
	u32 year;
	u32 month;	// 0 to 11
	u32 day;	// 1 to 31
	u32 hour, minute, second;
};

struct reader {
	const char *at;
	const char *end;
};

// Days from 1970-01-01 to the date.
static i64
days_from_date(const struct date *d)
{
	// March is month 0; January and February belong to the year before.
	i64 year = (i64)d->year - (d->month < 2);
	i64 month = (d->month + 10) % 12;
	i64 era = (year >= 0 ? year : year - 399) / 400;
	i64 of_era = year - era * 400;
	i64 of_year = (153 * month + 2) / 5 + (i64)d->day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - DAYS_TO_1970;
}

static void
date_from_days(u32 days, struct date *d)
{
	u32 shifted = days + DAYS_TO_1970;
	u32 era = shifted / ERA_DAYS;
	u32 of_era = shifted % ERA_DAYS;
	u32 year = (of_era - of_era / 1460 + of_era / 36524 -
		    of_era / (ERA_DAYS - 1)) / 365;
	u32 of_year = of_era - (365 * year + year / 4 - year / 100);
	u32 month = (5 * of_year + 2) / 153;

	d->day = of_year - (153 * month + 2) / 5 + 1;
	d->month = (month + 2) % 12;
	d->year = year + era * 400 + (d->month < 2);
}

static void
put_number(char *at, u32 value, u32 digits)
{
	while (digits--) {
		at[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

void
http_date_write(u64 seconds, char text[HTTP_DATE_LEN])
{
	u32 days = (u32)(seconds / DAY), rest = (u32)(seconds % DAY);
	struct date d;

	ASSERT(seconds <= HTTP_DATE_MAX);
	date_from_days(days, &d);
	memcpy(text, "ddd, DD MMM YYYY hh:mm:ss GMT", HTTP_DATE_LEN);
	memcpy(text, day_names[(days + 4) % 7], 3);
	put_number(text + 5, d.day, 2);
	memcpy(text + 8, month_names[d.month], 3);
	put_number(text + 12, d.year, 4);
	put_number(text + 17, rest / 3600, 2);
	put_number(text + 20, rest / 60 % 60, 2);
	put_number(text + 23, rest % 60, 2);
}

static bool
take_number(struct reader *r, u32 digits, u32 *value)
{
	*value = 0;
	for (; digits; digits--, r->at++) {
		if (r->at == r->end || !http_char_is(*r->at, HTTP_CHAR_DIGIT))
			return false;
		*value = *value * 10 + (u32)(*r->at - '0');
	}
	return true;
}

static bool
take_text(struct reader *r, const char *text, size_t len)
{
	if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len))
		return false;
	r->at += len;
	return true;
}

static bool
take_day_name(struct reader *r, bool whole)
{
	for (u32 i = 0; i < 7; i++) {
		size_t len = whole ? strlen(day_names[i]) : 3;

		if (take_text(r, day_names[i], len))
			return true;
	}
	return false;
}

static bool
take_month(struct reader *r, u32 *month)
{
	for (*month = 0; *month < 12; ++*month) {
		if (take_text(r, month_names[*month], 3))
			return true;
	}
	return false;
}

// One conversion of a pattern: a short or Whole day name, a day of two digits
// or one after a space (e), a month, a year of two or four digits, a time.
static bool
take_part(struct reader *r, char part, struct date *d)
{
	switch (part) {
	case 'a':
	case 'A':
		return take_day_name(r, part == 'A');
	case 'd':
		return take_number(r, 2, &d->day);
	case 'e':
		if (take_text(r, " ", 1))
			return take_number(r, 1, &d->day);
		return take_number(r, 2, &d->day);
	case 'b':
		return take_month(r, &d->month);
	case 'y':
		return take_number(r, 2, &d->year);
	case 'Y':
		return take_number(r, 4, &d->year);
	default:
		ASSERT(part == 'T');
		return take_number(r, 2, &d->hour) && take_text(r, ":", 1) &&
		       take_number(r, 2, &d->minute) && take_text(r, ":", 1) &&
		       take_number(r, 2, &d->second);
	}
}

static bool
matches(const char *text, u32 len, const char *pattern, struct date *d)
{
	struct reader r = { text, text + len };

	for (const char *p = pattern; *p; p++) {
		if (*p == '%' ? !take_part(&r, *++p, d) : !take_text(&r, p, 1))
			return false;
	}
	return r.at == r.end;
}

static bool
is_leap(u32 year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// A second of 60 is a leap second, and counts as the one that follows.
static bool
exists(const struct date *d)
{
	if (d->day < 1 || d->day > month_days[d->month])
		return false;
	if (d->month == 1 && d->day == 29 && !is_leap(d->year))
		return false;
	return d->hour < 24 && d->minute < 60 && d->second <= 60;
}

static void
complete_year(struct date *d, u64 now)
{
	struct date today;

	date_from_days((u32)(now / DAY), &today);
	d->year += today.year - today.year % 100;
	today.year += 50;
	if (days_from_date(d) > days_from_date(&today))
		d->year -= 100;
}

bool
http_date_read(const char *text, u32 len, u64 now, i64 *seconds)
{
	struct date d;

	ASSERT(now <= HTTP_DATE_MAX);
	if (matches(text, len, "%A, %d-%b-%y %T GMT", &d))
		complete_year(&d, now);
	else if (!matches(text, len, "%a, %d %b %Y %T GMT", &d) &&
		 !matches(text, len, "%a %b %e %T %Y", &d))
		return false;
	if (!exists(&d))
		return false;
	*seconds = days_from_date(&d) * DAY + (i64)d.hour * 3600 +
		   (i64)d.minute * 60 + d.second;
	return true;
}
