// SPDX-License-Identifier: BSD-2-Clause
// The library as net/link/crypto.h shows it, against vectors made with OpenSSL 3
// (pkey, pkeyutl -derive, enc -chacha20) and Python's hashlib (blake2b).
//
// links: net/sodium/crypto.c net/sodium/libsodium.o harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/link/crypto.h"

static void
expect_hex(const u8 *bytes, const char *hex)
{
	for (u32 i = 0; hex[2 * i]; i++) {
		char byte[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		assert_int_equal(bytes[i], strtoul(byte, NULL, 16));
	}
}

static void
the_library_computes_what_others_do(void **state)
{
	static const char shared_hex[] =
		"a4c5f5fe3672e9f903cbfdf32077dcf2112b10aac0526cf195ed589932f27069";
	u8 a[32], b[32], a_public[32], b_public[32], shared[32], hash[48], key[32];
	static const u8 zeros[300], nonce[CRYPTO_NONCE] = { [7] = 0x4a };
	u8 stream[178];

	(void)state;
	memset(a, 0x01, 32);
	memset(b, 0x5a, 32);
	crypto_public(a_public, a);
	crypto_public(b_public, b);
	expect_hex(a_public, "a4e09292b651c278b9772c569f5fa9bb"
			     "13d906b46ab68c9df9dc2b4409f8a209");
	expect_hex(b_public, "b0d08f35b4683381489afb32825e5915"
			     "2d47d19bc9e050d6d5a954984c9d1e2c");
	assert_true(crypto_shared(shared, a, b_public));
	expect_hex(shared, shared_hex);
	assert_true(crypto_shared(shared, b, a_public));
	expect_hex(shared, shared_hex);
	assert_false(crypto_shared(shared, a, zeros));
	for (u32 i = 0; i < 32; i++)
		key[i] = (u8)i;
	crypto_hash(hash, 48, key, "deos fabric", 11);
	expect_hex(hash, "64f89bce32053e838fbeb355083284d368106020e3770ede"
			 "2ceacd1cb5e7a97c41542ced698a31f3152a04d1ff246e91");
	crypto_hash(hash, 16, key, zeros, 300);
	expect_hex(hash, "921c3d6c10d6a000bf4afb4723575d14");
	crypto_stream(stream, zeros, sizeof(stream), nonce, key);
	expect_hex(stream, "af051e40bba0354981329a806a140eaf");
	expect_hex(stream + 64, "224f51f3401bd9e12fde276fb8631ded");	// RFC 8439, 2.4.2
	expect_hex(stream + 170, "eacd901d7e2bf363");
	crypto_stream(stream, stream, sizeof(stream), nonce, key);
	assert_memory_equal(stream, zeros, sizeof(stream));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_library_computes_what_others_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
