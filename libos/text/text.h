// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Words that people typed: comparing them, and the numbers among them. The kernel does
// neither, so this is not in kernel/base; what is copied and measured there is.
//
// Stateless; any context.

#include "kernel/base/types.h"

// As in ISO C (compare.c). A host build links its own libc's.
int
strcmp(const char *a, const char *b);
int
strncmp(const char *a, const char *b, size_t len);

// The value of a hexadecimal digit; 99 for what is none.
u32
text_digit(char c);

// Parses an unsigned number in base 10, or 16 after "0x", that fills the whole
// string. Returns false, and leaves *value alone, on anything else or overflow.
bool
text_to_u64(const char *s, u64 *value);

// Reads a decimal number up to `max` without leading zeros from the front of *text. True:
// *text is behind it.
must_check bool
text_take_number(const char **text, u32 max, u32 *value);

// The same with an IPv4 address, "A.B.C.D"; *address is in host order.
must_check bool
text_take_address(const char **text, u32 *address);
