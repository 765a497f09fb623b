// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that an attacker who
// does not know the key cannot steer. The 64-bit form protects tables and
// sequence numbers against strangers; the 128-bit form (the wide variant of the
// authors' reference code) names content, where an accidental collision must be
// impossible in practice.

#include "kernel/base/types.h"

#define SIPHASH_KEY_LEN 16
#define SIPHASH128_LEN 16

// Hashes `len` bytes at `data` under `key`. Results agree with the reference
// vectors. Stateless.
must_check u64
siphash64(const u8 key[SIPHASH_KEY_LEN], const void *data, u64 len);

// The wide variant: 16 bytes at `hash`, in the order of the reference code.
void
siphash128(const u8 key[SIPHASH_KEY_LEN], const void *data, u64 len,
	   u8 hash[SIPHASH128_LEN]);

// The same 64-bit hash in pieces, for frames: all pieces but the last are a
// multiple of eight bytes. siphash_copy() moves what it hashes, and reads each
// word of the source once, so that memory which others change meanwhile is
// hashed as it was copied.
struct siphash {
	u64 a, b, c, d;
};

void
siphash_begin(struct siphash *hash, const u8 key[SIPHASH_KEY_LEN]);
void
siphash_words(struct siphash *hash, const void *data, u64 len);
void
siphash_copy(struct siphash *hash, void *target, const void *source, u64 len);

// `tail` are the last `len` % 8 bytes of the `len` that were hashed in all.
must_check u64
siphash_end(struct siphash *hash, const void *tail, u64 len);
