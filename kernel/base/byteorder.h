// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Loads and stores of multi-byte values at any alignment and in a stated byte
// order. Wire and disk formats are read and written only through these, so
// that no structure overlay depends on alignment or host order.

#include "kernel/base/types.h"

// be16_load(), be16_store() and so on: one pair for each order and width. `turn` takes
// a value from this machine's order to that one, and back.
#define BYTE_ORDER_PAIR(order, bits, turn) \
	static inline u##bits order##bits##_load(const void *at) \
	{ \
		u##bits v; \
		__builtin_memcpy(&v, at, sizeof(v)); \
		return turn(v); \
	} \
	static inline void order##bits##_store(void *at, u##bits v) \
	{ \
		v = turn(v); \
		__builtin_memcpy(at, &v, sizeof(v)); \
	}

BYTE_ORDER_PAIR(be, 16, __builtin_bswap16)
BYTE_ORDER_PAIR(be, 32, __builtin_bswap32)
BYTE_ORDER_PAIR(be, 64, __builtin_bswap64)
BYTE_ORDER_PAIR(le, 16, )
BYTE_ORDER_PAIR(le, 32, )
BYTE_ORDER_PAIR(le, 64, )
#undef BYTE_ORDER_PAIR

STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
