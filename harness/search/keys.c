// SPDX-License-Identifier: BSD-2-Clause
// What stands for libsodium in a search: an agreement on keys as ideal as it is cheap.
// A public key is its secret one, scrambled; what two share is a hash of both public
// ones. Nobody here guesses keys, and crashes would cost more in X25519 than all else.

#include <string.h>

#include "harness/search/search.h"
#include "kernel/base/assert.h"
#include "net/link/crypto.h"

static void
scramble(u8 *to, u32 to_len, u64 seed, const void *from, u32 len)
{
	u8 padded[512] = { 0 };

	memcpy(padded, from, MIN(len, (u32)sizeof(padded)));
	for (u32 at = 0; at < to_len; at += 8) {
		u64 word = search_hash(seed + at + 1, padded, sizeof(padded));

		memcpy(to + at, &word, MIN(8u, to_len - at));
	}
}

void
crypto_public(u8 public_key[CRYPTO_KEY], const u8 secret_key[CRYPTO_KEY])
{
	scramble(public_key, CRYPTO_KEY, 1, secret_key, CRYPTO_KEY);
}

bool
crypto_shared(u8 shared[CRYPTO_KEY], const u8 secret_key[CRYPTO_KEY],
	      const u8 public_key[CRYPTO_KEY])
{
	u8 own[CRYPTO_KEY], both[CRYPTO_KEY];

	crypto_public(own, secret_key);
	for (u32 i = 0; i < CRYPTO_KEY; i++)
		both[i] = own[i] ^ public_key[i];
	scramble(shared, CRYPTO_KEY, 2, both, CRYPTO_KEY);
	return true;
}

void
crypto_hash(u8 *hash, u32 hash_len, const u8 key[CRYPTO_KEY], const void *data, u32 len)
{
	u64 seed = search_hash(3, key, CRYPTO_KEY);

	scramble(hash, hash_len, seed, data, len);
}

// Nothing is hidden in these worlds.
void
crypto_stream(u8 *out, const u8 *in, u32 len, const u8 nonce[CRYPTO_NONCE],
	      const u8 key[CRYPTO_KEY])
{
	(void)out, (void)in, (void)len, (void)nonce, (void)key;
	ASSERT(false);
}
