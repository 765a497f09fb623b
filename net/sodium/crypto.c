// SPDX-License-Identifier: BSD-2-Clause
// net/link/crypto.h on libsodium, and the two functions that libsodium's files
// call outside of themselves. Its entry points are declared here, as its headers
// have them: those want a whole C library.

#include "net/link/crypto.h"
#include "kernel/base/assert.h"
#include "net/sodium/libc.h"

int
crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n,
			     const unsigned char *p);
int
crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n);
int
crypto_generichash_blake2b(unsigned char *out, size_t out_len,
			   const unsigned char *in, unsigned long long in_len,
			   const unsigned char *key, size_t key_len);
int
crypto_stream_chacha20_ietf_xor_ic(unsigned char *c, const unsigned char *m,
				   unsigned long long len, const unsigned char *n,
				   u32 counter, const unsigned char *k);
void
sodium_memzero(void *const memory, const size_t len);
noreturn_ void
sodium_misuse(void);

void
sodium_memzero(void *const memory, const size_t len)
{
	memset(memory, 0, len);
	__asm__ volatile("" : : "r"(memory) : "memory");
}

// Only lengths outside of their range lead here.
void
sodium_misuse(void)
{
	ASSERT(false);
	__builtin_unreachable();
}

void
crypto_public(u8 public_key[CRYPTO_KEY], const u8 secret_key[CRYPTO_KEY])
{
	int failed = crypto_scalarmult_curve25519_base(public_key, secret_key);

	ASSERT(!failed);
}

bool
crypto_shared(u8 shared[CRYPTO_KEY], const u8 secret_key[CRYPTO_KEY],
	      const u8 public_key[CRYPTO_KEY])
{
	return !crypto_scalarmult_curve25519(shared, secret_key, public_key);
}

void
crypto_hash(u8 *hash, u32 hash_len, const u8 key[CRYPTO_KEY], const void *data,
	    u32 len)
{
	int failed = crypto_generichash_blake2b(hash, hash_len, data, len, key,
						CRYPTO_KEY);

	ASSERT(!failed);
}

void
crypto_stream(u8 *out, const u8 *in, u32 len, const u8 nonce[CRYPTO_NONCE],
	      const u8 key[CRYPTO_KEY])
{
	int failed = crypto_stream_chacha20_ietf_xor_ic(out, in, len, nonce, 0, key);

	ASSERT(!failed);
}
