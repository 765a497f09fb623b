// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A seeded generator for tests, simulators, jitter and fault plans:
// xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. It is not a
// source of secrets: those come from the kernel's entropy call.

#include "kernel/base/types.h"

struct prng {
	u64 s[4];
};

static inline u64
prng_rotate(u64 x, int k)
{
	return (x << k) | (x >> (64 - k));
}

// The same seed gives the same sequence on every host.
static inline void
prng_seed(struct prng *p, u64 seed)
{
	for (int i = 0; i < 4; i++) {
		u64 z = (seed += 0x9e3779b97f4a7c15ull);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
		p->s[i] = z ^ (z >> 31);
	}
}

// The next number: all 64 bits are good.
static inline u64
prng_u64(struct prng *p)
{
	u64 result = prng_rotate(p->s[1] * 5, 7) * 9;
	u64 t = p->s[1] << 17;

	p->s[2] ^= p->s[0];
	p->s[3] ^= p->s[1];
	p->s[1] ^= p->s[2];
	p->s[0] ^= p->s[3];
	p->s[2] ^= t;
	p->s[3] = prng_rotate(p->s[3], 45);
	return result;
}

// A number below `bound` (at least 1). The bias of the multiply-shift method
// is under bound / 2^64.
static inline u64
prng_below(struct prng *p, u64 bound)
{
	return (u64)(((unsigned __int128)prng_u64(p) * bound) >> 64);
}
