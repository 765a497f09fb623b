// SPDX-License-Identifier: BSD-2-Clause
// SipHash-2-4, both widths, against vectors made with OpenSSL 3 (mac -macopt
// size:8 and size:16, SIPHASH), which agree with the authors' own: key 00 01 ..
// 0f, input 00 01 .. of each length, at every alignment.
//
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/byteorder.h"
#include "kernel/base/siphash.h"

static const struct {
	u32 len;
	u64 high, low;		// the wide hash, read as two big-endian numbers
	u64 narrow;		// the other, read as one little-endian number
} vectors[] = {
	{ 0, 0xa3817f04ba25a8e6, 0x6df67214c7550293,
	  0x726fdb47dd0e0e31 },
	{ 1, 0xda87c1d86b99af44, 0x347659119b22fc45,
	  0x74f839c593dc67fd },
	{ 2, 0x8177228da4a45dc7, 0xfca38bdef60affe4,
	  0x0d6c8009d9a94f5a },
	{ 7, 0xa1f1ebbed8dbc153, 0xc0b84aa61ff08239,
	  0xab0200f58b01d137 },
	{ 8, 0x3b62a9ba6258f561, 0x0f83e264f31497b4,
	  0x93f5f5799a932462 },
	{ 9, 0x264499060ad9baab, 0xc47f8b02bb6d71ed,
	  0x9e0082df0ba9e4b0 },
	{ 15, 0x5493e99933b0a811, 0x7e08ec0f97cfc3d9,
	  0xa129ca6149be45e5 },
	{ 16, 0x6ee2a4ca67b054bb, 0xfd3315bf85230577,
	  0x3f2acc7f57c29bdb },
	{ 17, 0x473d06e8738db898, 0x54c066c47ae47740,
	  0x699ae9f52cbe4794 },
	{ 63, 0x5150d1772f50834a, 0x503e069a973fbd7c,
	  0x958a324ceb064572 },
};

static void
vectors_hold_at_every_alignment(void **state)
{
	u8 key[SIPHASH_KEY_LEN], input[80], hash[SIPHASH128_LEN];

	(void)state;
	for (u32 i = 0; i < sizeof(key); i++)
		key[i] = (u8)i;
	for (u32 v = 0; v < ARRAY_SIZE(vectors); v++) {
		for (u32 shift = 0; shift < 8; shift++) {
			for (u32 i = 0; i < vectors[v].len; i++)
				input[shift + i] = (u8)i;
			siphash128(key, input + shift, vectors[v].len, hash);
			assert_int_equal(be64_load(hash), vectors[v].high);
			assert_int_equal(be64_load(hash + 8), vectors[v].low);
			assert_int_equal(siphash64(key, input + shift,
						   vectors[v].len),
					 vectors[v].narrow);
		}
	}
}

// Split at every multiple of eight, copied or not: the same hash, the same bytes.
static void
pieces_hash_like_the_whole(void **state)
{
	u8 key[SIPHASH_KEY_LEN] = { 7 }, input[80], copy[81];

	(void)state;
	for (u32 i = 0; i < sizeof(input); i++)
		input[i] = (u8)(i * 7);
	for (u32 len = 0; len <= 72; len++) {
		for (u32 split = 0; split <= len; split += 8) {
			struct siphash hash;
			u32 rest = len - split;

			memset(copy, 0xee, sizeof(copy));
			siphash_begin(&hash, key);
			siphash_words(&hash, input, split);
			siphash_copy(&hash, copy + 1, input + split, rest);
			assert_int_equal(
				siphash_end(&hash, copy + 1 + (rest & ~7u), len),
				siphash64(key, input, len));
			assert_memory_equal(copy + 1, input + split, rest);
			assert_int_equal(copy[0], 0xee);
			assert_int_equal(copy[1 + rest], 0xee);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_hold_at_every_alignment),
		cmocka_unit_test(pieces_hash_like_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
