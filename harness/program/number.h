// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Numbers and addresses as people type them, checked to the last character.

#include "kernel/base/types.h"

// Parses a decimal number such as "12" or "0.125" into units of
// 10^-decimals: with decimals 4, "0.5" is 5000. At most `decimals` digits may
// stand behind the point. Returns false, and leaves *value alone, on anything
// else and above `max`.
must_check bool
number_parse_decimal(const char *s, u32 decimals, u64 max, u64 *value);

// Parses a whole number up to `max`.
must_check bool
number_parse(const char *s, u64 max, u64 *value);

// Parses "7" as 7 and 7, "3..7" as 3 and 7: `first` is not above `last`, nor that above
// `max`.
must_check bool
number_parse_range(const char *s, u64 max, u64 *first, u64 *last);

// Parses "a.b.c.d:port" with port 1 to 65535, both into host order.
must_check bool
number_parse_endpoint(const char *s, u32 *ip, u16 *port);
