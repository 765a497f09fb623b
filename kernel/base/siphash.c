// SPDX-License-Identifier: BSD-2-Clause
// SipHash: four 64-bit lanes, two rounds a word of input, four at the end.
//
// Stateless. Reads eight bytes at a time at any alignment, never past `len`. The loops
// over words take four at a time without a branch: an emulator keeps registers in memory
// between two branches. Each lies within one page, since it has to look for the block
// behind a branch that leaves one.

#include "kernel/base/siphash.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"

#define STEP 4ull		// words
#define IN_A_PAGE aligned_(1024)	// what is shorter than that

static inline u64
rotate(u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline __attribute__((always_inline)) void
turn(struct siphash *v)
{
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

static inline void
mix_last(struct siphash *v)
{
	for (int i = 0; i < 4; i++)
		turn(v);
}

static inline __attribute__((always_inline)) void
absorb(struct siphash *v, u64 word)
{
	v->d ^= word;
	turn(v);
	turn(v);
	v->a ^= word;
}

// No access to memory stands among the turns: before each one, an emulator would find
// out the flags that the last rotation has left, which nobody wants.
static inline __attribute__((always_inline)) void
absorb_step(struct siphash *v, const u64 word[STEP])
{
	__asm__ volatile("" ::: "memory");
#pragma GCC unroll 4
	for (u64 i = 0; i < STEP; i++)
		absorb(v, word[i]);
	__asm__ volatile("" ::: "memory");
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

void
siphash_begin(struct siphash *hash, const u8 key[SIPHASH_KEY_LEN])
{
	u64 k0 = le64_load(key), k1 = le64_load(key + 8);

	*hash = (struct siphash){
		k0 ^ 0x736f6d6570736575ull,
		k1 ^ 0x646f72616e646f6dull,
		k0 ^ 0x6c7967656e657261ull,
		k1 ^ 0x7465646279746573ull,
	};
}

static u64
finish64(struct siphash v)
{
	v.c ^= 0xff;
	mix_last(&v);
	return v.a ^ v.b ^ v.c ^ v.d;
}

static inline __attribute__((always_inline)) void
absorb_all(struct siphash *v, const u8 *at, u64 len)
{
	const u8 *end = at + len;

	for (; (u64)(end - at) >= 8 * STEP; at += 8 * STEP) {
		u64 word[STEP];

#pragma GCC unroll 4
		for (u64 i = 0; i < STEP; i++)
			word[i] = le64_load(at + 8 * i);
		absorb_step(v, word);
	}
	for (; at != end; at += 8)
		absorb(v, le64_load(at));
}

IN_A_PAGE void
siphash_words(struct siphash *hash, const void *data, u64 len)
{
	struct siphash v = *hash;

	ASSERT(len % 8 == 0);
	absorb_all(&v, data, len);
	*hash = v;
}

// A word at any alignment, loaded exactly once.
static inline u64
load_once(const u8 *at)
{
	struct packed_ word {
		u64 value;
	} __attribute__((may_alias));

	return ((const volatile struct word *)at)->value;
}

static inline __attribute__((always_inline)) u64
copy_word(u8 *to, const u8 *from)
{
	u64 word = load_once(from);

	le64_store(to, word);
	return word;
}

IN_A_PAGE void
siphash_copy(struct siphash *hash, void *target, const void *source, u64 len)
{
	const u8 *at = source;
	const u8 *end = at + (len & ~7ull);
	u8 *to = target;
	struct siphash v = *hash;

	for (; (u64)(end - at) >= 8 * STEP; at += 8 * STEP, to += 8 * STEP) {
		u64 word[STEP];

#pragma GCC unroll 4
		for (u64 i = 0; i < STEP; i++)
			word[i] = copy_word(to + 8 * i, at + 8 * i);
		absorb_step(&v, word);
	}
	for (; at != end; at += 8, to += 8)
		absorb(&v, copy_word(to, at));
	for (u64 i = 0; i < len % 8; i++)
		to[i] = ((const volatile u8 *)at)[i];
	*hash = v;
}

u64
siphash_end(struct siphash *hash, const void *tail, u64 len)
{
	absorb(hash, last_word(tail, len));
	return finish64(*hash);
}

IN_A_PAGE u64
siphash64(const u8 key[SIPHASH_KEY_LEN], const void *data, u64 len)
{
	u64 whole = len & ~7ull;
	struct siphash v;

	siphash_begin(&v, key);
	absorb_all(&v, data, whole);
	absorb(&v, last_word((const u8 *)data + whole, len));
	return finish64(v);
}

// It differs by an initial bit pattern, and in the finish.
void
siphash128(const u8 key[SIPHASH_KEY_LEN], const void *data, u64 len,
	   u8 hash[SIPHASH128_LEN])
{
	u64 whole = len & ~7ull;
	struct siphash v;

	siphash_begin(&v, key);
	v.b ^= 0xee;
	siphash_words(&v, data, whole);
	absorb(&v, last_word((const u8 *)data + whole, len));
	v.c ^= 0xee;
	mix_last(&v);
	le64_store(hash, v.a ^ v.b ^ v.c ^ v.d);
	v.b ^= 0xdd;
	mix_last(&v);
	le64_store(hash + 8, v.a ^ v.b ^ v.c ^ v.d);
}
