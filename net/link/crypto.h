// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the link needs of a library, and no more: X25519 (RFC 7748), keyed BLAKE2b
// (RFC 7693) and ChaCha20 (RFC 8439). net/sodium/crypto.c binds them to libsodium's
// sources, which the build fetches (docs/decisions/0008-fabric-crypto.md). Stateless,
// no allocation. Secret keys are 32 random bytes; X25519 clamps them itself.

#include "kernel/base/types.h"

#define CRYPTO_KEY 32u

// The public key that belongs to a secret one.
void
crypto_public(u8 public_key[CRYPTO_KEY], const u8 secret_key[CRYPTO_KEY]);

// The secret that two key pairs share. False when the other's public key is one
// of the few that make it constant.
must_check bool
crypto_shared(u8 shared[CRYPTO_KEY], const u8 secret_key[CRYPTO_KEY],
	      const u8 public_key[CRYPTO_KEY]);

// BLAKE2b of `len` bytes under a key, `hash_len` bytes (1..64) long.
void
crypto_hash(u8 *hash, u32 hash_len, const u8 key[CRYPTO_KEY], const void *data,
	    u32 len);

// The stream of ChaCha20 from its first block on, upon `len` bytes of `in`: hides them,
// and shows them again. `out` may be `in`. Under one key, a nonce is for one text.
#define CRYPTO_NONCE 12u

void
crypto_stream(u8 *out, const u8 *in, u32 len, const u8 nonce[CRYPTO_NONCE],
	      const u8 key[CRYPTO_KEY]);
