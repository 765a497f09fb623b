// SPDX-License-Identifier: BSD-2-Clause
// SipHash: four 64-bit lanes, two rounds a word of input, four at the end.
//
// Stateless. Reads eight bytes at a time at any alignment, never past `len`.

#include "kernel/base/siphash.h"
#include "kernel/base/byteorder.h"

struct lanes {
	u64 a, b, c, d;
};

static inline u64
rotate(u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void
mix(struct lanes *v, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		v->a += v->b;
		v->c += v->d;
		v->b = rotate(v->b, 13) ^ v->a;
		v->d = rotate(v->d, 16) ^ v->c;
		v->a = rotate(v->a, 32);
		v->c += v->b;
		v->a += v->d;
		v->b = rotate(v->b, 17) ^ v->c;
		v->d = rotate(v->d, 21) ^ v->a;
		v->c = rotate(v->c, 32);
	}
}

static inline void
absorb(struct lanes *v, u64 word)
{
	v->d ^= word;
	mix(v, 2);
	v->a ^= word;
}

// The bytes that do not fill a word, below the length's low byte.
static u64
last_word(const u8 *tail, u64 len)
{
	u64 word = len << 56;

	for (u64 i = 0; i < len % 8; i++)
		word |= (u64)tail[i] << (8 * i);
	return word;
}

// Everything up to the finish; the variants differ by one initial bit pattern.
static struct lanes
absorb_all(const u8 key[SIPHASH_KEY_LEN], const void *data, u64 len, u64 variant)
{
	const u8 *at = data;
	const u8 *end = at + (len & ~7ull);
	u64 k0 = le64_load(key), k1 = le64_load(key + 8);
	struct lanes v = {
		k0 ^ 0x736f6d6570736575ull,
		k1 ^ 0x646f72616e646f6dull ^ variant,
		k0 ^ 0x6c7967656e657261ull,
		k1 ^ 0x7465646279746573ull,
	};

	for (; at != end; at += 8)
		absorb(&v, le64_load(at));
	absorb(&v, last_word(at, len));
	return v;
}

u64
siphash64(const u8 key[SIPHASH_KEY_LEN], const void *data, u64 len)
{
	struct lanes v = absorb_all(key, data, len, 0);

	v.c ^= 0xff;
	mix(&v, 4);
	return v.a ^ v.b ^ v.c ^ v.d;
}

void
siphash128(const u8 key[SIPHASH_KEY_LEN], const void *data, u64 len,
	   u8 hash[SIPHASH128_LEN])
{
	struct lanes v = absorb_all(key, data, len, 0xee);

	v.c ^= 0xee;
	mix(&v, 4);
	le64_store(hash, v.a ^ v.b ^ v.c ^ v.d);
	v.b ^= 0xdd;
	mix(&v, 4);
	le64_store(hash + 8, v.a ^ v.b ^ v.c ^ v.d);
}
