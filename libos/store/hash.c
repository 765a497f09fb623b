// SPDX-License-Identifier: BSD-2-Clause
// The streaming half of libsodium's BLAKE2b. Its entry points are declared here,
// as its headers have them: those want a whole C library.

#include "libos/store/hash.h"
#include "kernel/base/assert.h"

int
crypto_generichash_blake2b_init(void *state, const unsigned char *key,
				const size_t key_len, const size_t out_len);
int
crypto_generichash_blake2b_update(void *state, const unsigned char *in,
				  unsigned long long in_len);
int
crypto_generichash_blake2b_final(void *state, unsigned char *out,
				 const size_t out_len);

void
store_hash_begin(struct store_hash *hash)
{
	int failed = crypto_generichash_blake2b_init(hash->state, NULL, 0,
						     STORE_ID);

	ASSERT(!failed);
}

void
store_hash_add(struct store_hash *hash, const void *data, u64 len)
{
	int failed = crypto_generichash_blake2b_update(hash->state, data, len);

	ASSERT(!failed);
}

void
store_hash_end(struct store_hash *hash, u8 id[STORE_ID])
{
	int failed = crypto_generichash_blake2b_final(hash->state, id, STORE_ID);

	ASSERT(!failed);
}

void
store_hash(const void *data, u64 len, u8 id[STORE_ID])
{
	struct store_hash hash;

	store_hash_begin(&hash);
	store_hash_add(&hash, data, len);
	store_hash_end(&hash, id);
}
