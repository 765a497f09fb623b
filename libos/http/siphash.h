// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// SipHash-2-4 with a 128-bit result (Aumasson and Bernstein, 2012; the wide
// variant of the authors' reference code). Content is named by it: 128 bits
// make an accidental collision between two objects of a site impossible in
// practice. Under a public key it does not withstand a chosen collision.

#include "kernel/base/types.h"

#define SIPHASH_KEY_LEN 16
#define SIPHASH128_LEN 16

// Hashes `len` bytes at `data` under `key` into `hash`, in the byte order of
// the reference vectors.
void
siphash128(const u8 key[SIPHASH_KEY_LEN], const void *data, u64 len,
	   u8 hash[SIPHASH128_LEN]);
