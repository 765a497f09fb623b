// SPDX-License-Identifier: BSD-2-Clause
// links: libos/store/object.c libos/store/hash.c kernel/base/siphash.c
// links: net/sodium/crypto.c net/sodium/libsodium.o harness/testing/host_assert.c
// Ids are what Python computes, sums and headers find whatever rots, moves or belongs
// to another object, and lengths around the limits of a header block are right.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "libos/store/hash.h"
#include "libos/store/object.h"

// hashlib.blake2b(b"abc", digest_size=32), and of b"".
static const char abc_id[] =
	"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
static const char empty_id[] =
	"0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8";

static void
assert_id(const u8 id[STORE_ID], const char *text)
{
	char found[2 * STORE_ID + 1];

	for (u32 i = 0; i < STORE_ID; i++) {
		static const char digit[] = "0123456789abcdef";

		found[2 * i] = digit[id[i] >> 4];
		found[2 * i + 1] = digit[id[i] & 15];
	}
	found[2 * STORE_ID] = 0;
	assert_string_equal(found, text);
}

static void
ids_are_blake2b(void **state)
{
	struct store_hash hash;
	u8 id[STORE_ID];

	(void)state;
	store_hash("abc", 3, id);
	assert_id(id, abc_id);
	store_hash(NULL, 0, id);
	assert_id(id, empty_id);
	store_hash_begin(&hash);
	store_hash_add(&hash, "a", 1);
	store_hash_add(&hash, "bc", 2);
	store_hash_end(&hash, id);
	assert_id(id, abc_id);
}

static void
ids_do_not_depend_on_the_pieces(void **state)
{
	static u8 data[5000];
	struct store_hash hash;
	u8 whole[STORE_ID], pieces[STORE_ID];

	(void)state;
	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7);
	store_hash(data, sizeof(data), whole);
	for (u32 step = 1; step < 400; step += 13) {
		store_hash_begin(&hash);
		for (u32 at = 0; at < sizeof(data); at += step)
			store_hash_add(&hash, data + at, MIN(step, sizeof(data) - at));
		store_hash_end(&hash, pieces);
		assert_memory_equal(whole, pieces, STORE_ID);
	}
}

static void
counts_blocks(void **state)
{
	u64 full = (u64)OBJECT_SUMS * STORE_BLOCK;

	(void)state;
	assert_int_equal(object_blocks(0), 1);
	assert_int_equal(object_blocks(1), 2);
	assert_int_equal(object_blocks(STORE_BLOCK), 2);
	assert_int_equal(object_blocks(STORE_BLOCK + 1), 3);
	assert_int_equal(object_header_blocks(full), 1);
	assert_int_equal(object_header_blocks(full + 1), 2);
	assert_int_equal(object_blocks(full + 1), OBJECT_SUMS + 1 + 2);
}

static void
fits_only_within_the_object_area(void **state)
{
	struct object object = { .length = 3 * STORE_BLOCK, .first = 8 };

	(void)state;
	assert_true(object_fits(&object, 12));
	assert_false(object_fits(&object, 11));
	assert_false(object_fits(&object, 3));
	object.first = 7;
	assert_false(object_fits(&object, 100));
	object.first = ~0ull;
	assert_false(object_fits(&object, 100));
	object.first = 8;
	object.length = OBJECT_LENGTH_MAX + 1;
	assert_false(object_fits(&object, ~0ull));
}

#define BLOCKS (OBJECT_SUMS + 2)

// An object of two header blocks, as it would lie on disk.
struct image {
	struct object object;
	struct object_header header[2];
	u8 block[BLOCKS][STORE_BLOCK];
};

static struct image *
make_image(u8 seed, u64 first)
{
	struct image *image = calloc(1, sizeof(*image));
	u8 *at = &image->block[0][0];

	image->object.length = BLOCKS * STORE_BLOCK - 100;
	image->object.first = first;
	for (u64 i = 0; i < image->object.length; i++)
		at[i] = (u8)(i * seed + (i >> 8));
	store_hash(at, image->object.length, image->object.id);
	for (u64 i = 0; i < BLOCKS; i++) {
		struct object_header *header = &image->header[i / OBJECT_SUMS];

		if (i % OBJECT_SUMS == 0)
			object_header_begin(header, &image->object, i / OBJECT_SUMS);
		object_header_add(header, i,
				  object_sum(&image->object, i, image->block[i]));
	}
	object_header_end(&image->header[0]);
	object_header_end(&image->header[1]);
	return image;
}

static enum object_fault
check_block(const struct image *image, u64 index, const void *block)
{
	return object_block_check(&image->header[index / OBJECT_SUMS], index, block);
}

static void
whole_objects_are_fine(void **state)
{
	struct image *image = make_image(3, 70);
	struct object found;
	u64 number;

	(void)state;
	for (u64 n = 0; n < 2; n++) {
		assert_int_equal(object_header_check(&image->header[n],
						     &image->object, n),
				 OBJECT_FINE);
		assert_int_equal(object_header_read(&image->header[n], &found,
						    &number),
				 OBJECT_FINE);
		assert_int_equal(number, n);
		assert_memory_equal(&found, &image->object, sizeof(found));
	}
	for (u64 i = 0; i < BLOCKS; i++)
		assert_int_equal(check_block(image, i, image->block[i]), OBJECT_FINE);
	assert_int_equal(object_header_at(&image->object, 1), 71);
	assert_int_equal(object_content_at(&image->object, 5), 77);
	free(image);
}

static void
any_flipped_bit_is_found(void **state)
{
	struct image *image = make_image(3, 70);
	u8 *header = (u8 *)&image->header[1];

	(void)state;
	for (u32 bit = 0; bit < STORE_BLOCK * 8; bit += 5) {
		header[bit / 8] ^= (u8)(1 << bit % 8);
		assert_int_not_equal(object_header_check(&image->header[1],
							 &image->object, 1),
				     OBJECT_FINE);
		header[bit / 8] ^= (u8)(1 << bit % 8);
		image->block[7][bit / 8] ^= (u8)(1 << bit % 8);
		assert_int_equal(check_block(image, 7, image->block[7]),
				 OBJECT_ROTTEN);
		image->block[7][bit / 8] ^= (u8)(1 << bit % 8);
	}
	// The padding of the last block counts too.
	image->block[BLOCKS - 1][STORE_BLOCK - 1] = 1;
	assert_int_equal(check_block(image, BLOCKS - 1, image->block[BLOCKS - 1]),
			 OBJECT_ROTTEN);
	free(image);
}

static void
misplaced_blocks_are_found(void **state)
{
	struct image *image = make_image(3, 70), *other = make_image(5, 70);
	struct image *moved = make_image(3, 71);
	static const u8 zero[STORE_BLOCK];

	(void)state;
	// The same index of another object, another index of the same.
	assert_int_equal(check_block(image, 9, other->block[9]), OBJECT_ROTTEN);
	memcpy(image->block[10], image->block[9], STORE_BLOCK);
	assert_int_equal(check_block(image, 10, image->block[10]), OBJECT_ROTTEN);
	// Headers of another object, another number, another place.
	assert_int_equal(object_header_check(&other->header[0], &image->object, 0),
			 OBJECT_MISPLACED);
	assert_int_equal(object_header_check(&image->header[1], &image->object, 0),
			 OBJECT_MISPLACED);
	assert_int_equal(object_header_check(&moved->header[0], &image->object, 0),
			 OBJECT_MISPLACED);
	assert_int_equal(object_header_check((const void *)zero, &image->object, 0),
			 OBJECT_NONE);
	free(image);
	free(other);
	free(moved);
}

// Whole by its checksum, senseless by its content: no reader may follow it.
static void
senseless_headers_are_refused(void **state)
{
	struct image *image = make_image(3, 70);
	struct object_header *header = &image->header[1];
	struct object found;
	u64 number;

	(void)state;
	header->number = 2;
	object_header_end(header);
	assert_int_equal(object_header_read(header, &found, &number), OBJECT_ROTTEN);
	header->number = 1;
	header->sum[2] = 1;
	object_header_end(header);
	assert_int_equal(object_header_read(header, &found, &number), OBJECT_ROTTEN);
	header->sum[2] = 0;
	header->length = OBJECT_LENGTH_MAX + 1;
	object_header_end(header);
	assert_int_equal(object_header_read(header, &found, &number), OBJECT_ROTTEN);
	free(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_blake2b),
		cmocka_unit_test(ids_do_not_depend_on_the_pieces),
		cmocka_unit_test(counts_blocks),
		cmocka_unit_test(fits_only_within_the_object_area),
		cmocka_unit_test(whole_objects_are_fine),
		cmocka_unit_test(any_flipped_bit_is_found),
		cmocka_unit_test(misplaced_blocks_are_found),
		cmocka_unit_test(senseless_headers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
