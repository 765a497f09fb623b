// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Loads and stores of multi-byte values at any alignment and in a stated byte
// order. Wire and disk formats are read and written only through these, so
// that no structure overlay depends on alignment or host order.

#include "kernel/base/types.h"

static inline u16
be16_load(const void *at)
{
	u16 v;
	__builtin_memcpy(&v, at, sizeof(v));
	return __builtin_bswap16(v);
}

static inline u32
be32_load(const void *at)
{
	u32 v;
	__builtin_memcpy(&v, at, sizeof(v));
	return __builtin_bswap32(v);
}

static inline u64
be64_load(const void *at)
{
	u64 v;
	__builtin_memcpy(&v, at, sizeof(v));
	return __builtin_bswap64(v);
}

static inline void
be16_store(void *at, u16 v)
{
	v = __builtin_bswap16(v);
	__builtin_memcpy(at, &v, sizeof(v));
}

static inline void
be32_store(void *at, u32 v)
{
	v = __builtin_bswap32(v);
	__builtin_memcpy(at, &v, sizeof(v));
}

static inline void
be64_store(void *at, u64 v)
{
	v = __builtin_bswap64(v);
	__builtin_memcpy(at, &v, sizeof(v));
}

static inline u16
le16_load(const void *at)
{
	u16 v;
	__builtin_memcpy(&v, at, sizeof(v));
	return v;
}

static inline u32
le32_load(const void *at)
{
	u32 v;
	__builtin_memcpy(&v, at, sizeof(v));
	return v;
}

static inline u64
le64_load(const void *at)
{
	u64 v;
	__builtin_memcpy(&v, at, sizeof(v));
	return v;
}

static inline void
le16_store(void *at, u16 v)
{
	__builtin_memcpy(at, &v, sizeof(v));
}

static inline void
le32_store(void *at, u32 v)
{
	__builtin_memcpy(at, &v, sizeof(v));
}

static inline void
le64_store(void *at, u64 v)
{
	__builtin_memcpy(at, &v, sizeof(v));
}

STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
