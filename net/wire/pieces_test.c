// SPDX-License-Identifier: BSD-2-Clause
// Payloads that say themselves how long they are: what the parser takes of clauses
// with chains, of pieces, of questions about holders, of what is wanted of a pool and of
// blocks that are cleared, and every way in which it does not. And the byte that tells
// how long an owner worked.
//
// links: net/wire/wire.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/wire/wire.h"

// Parses a request whose payload is `len` bytes, in memory of just that length.
static enum wire_flaw
parse(const struct wire_request *request, const void *payload, u32 len)
{
	u32 total = WIRE_BODY_AT + WIRE_LENGTH(request) + len + WIRE_TAG;
	struct wire_header header = {
		.version = WIRE_VERSION, .kind = WIRE_REQUEST,
		.length = (u16)(total - WIRE_ETHERNET),
	};
	struct wire_frame parsed;
	enum wire_flaw flaw;
	u8 *frame = calloc(1, total);

	assert_non_null(frame);
	be16_store(frame + 12, WIRE_ETHERTYPE);
	wire_header_store(frame + WIRE_ETHERNET, &header);
	wire_request_store(frame + WIRE_BODY_AT, request);
	if (len)
		memcpy(frame + WIRE_BODY_AT + WIRE_LENGTH(request), payload, len);
	flaw = wire_parse(&parsed, frame, total);
	free(frame);
	return flaw;
}

static void
takes(const struct wire_request *request, const void *payload, u32 len)
{
	assert_int_equal(parse(request, payload, len), WIRE_FINE);
	if (len)
		assert_int_equal(parse(request, payload, len - 1), WIRE_SHAPE_WRONG);
}

static void
refuses(const struct wire_request *request, const void *payload, u32 len)
{
	assert_int_equal(parse(request, payload, len), WIRE_SHAPE_WRONG);
}

static u8 bytes[WIRE_FRAME_MAX];

static u32
put_pieces(u32 at, u32 count, u32 length)
{
	struct wire_piece piece = { .length = length };

	for (u32 i = 0; i < count; i++, at += WIRE_LENGTH(piece))
		wire_piece_store(bytes + at, &piece);
	return at;
}

static void
readv_is_as_long_as_its_pieces(void **state)
{
	struct wire_request r = { .op = OP_READV, .length = 60 };
	struct wire_piece piece = { .length = 4 };
	u32 len;

	(void)state;
	for (r.pieces = 1; r.pieces <= WIRE_PIECES_MAX; r.pieces++) {
		len = put_pieces(0, r.pieces, 60);
		r.length = 60u * r.pieces;
		takes(&r, bytes, len);
		refuses(&r, bytes, len + WIRE_LENGTH(piece));
		r.length++;
		refuses(&r, bytes, len);
	}
	len = put_pieces(0, r.pieces, 60);		// one too many
	r.length = 60u * r.pieces;
	refuses(&r, bytes, len);
	r.pieces = 0;
	r.length = 60;
	refuses(&r, bytes, 0);
	r.pieces = 2;
	r.length = WIRE_DATA_MAX;
	len = put_pieces(0, 2, WIRE_DATA_MAX / 2);
	takes(&r, bytes, len);
	put_pieces(0, 2, ~0u);				// whose sum wraps
	refuses(&r, bytes, len);
	put_pieces(0, 2, WIRE_DATA_MAX);
	refuses(&r, bytes, len);
	r.length = 4;
	piece.length = 0;
	put_pieces(0, 1, 4);
	wire_piece_store(bytes + WIRE_LENGTH(piece), &piece);
	refuses(&r, bytes, len);
	r.pieces = 1;
	takes(&r, bytes, WIRE_LENGTH(piece));
	piece = (struct wire_piece){ .offset = ~0ull, .length = 4 };
	wire_piece_store(bytes, &piece);
	refuses(&r, bytes, WIRE_LENGTH(piece));
	put_pieces(0, 1, 4);
	r.part = 1;
	refuses(&r, bytes, WIRE_LENGTH(piece));
}

static void
putv_brings_what_its_pieces_take(void **state)
{
	struct wire_request r = { .op = OP_PUTV, .length = 8, .pieces = 2 };
	u32 head = WIRE_LENGTH(change), len = put_pieces(head, 2, 10);

	(void)state;
	takes(&r, bytes, len + 20);
	refuses(&r, bytes, len + 21);
	refuses(&r, bytes, head);
	len = put_pieces(head, 2, WIRE_SEND_MAX / 2);
	takes(&r, bytes, len + WIRE_SEND_MAX);
	put_pieces(head, 2, WIRE_SEND_MAX / 2 + 1);
	refuses(&r, bytes, len + WIRE_SEND_MAX + 2);
	r.pieces = WIRE_PIECES_MAX;
	len = put_pieces(head, r.pieces, 8);
	takes(&r, bytes, len + r.pieces * 8u);
	r.pieces++;
	len = put_pieces(head, r.pieces, 8);
	refuses(&r, bytes, len + r.pieces * 8u);
	r.pieces = 0;
	refuses(&r, bytes, head);
	r.pieces = 1;
	r.length = 4;
	len = put_pieces(head, 1, 8);
	refuses(&r, bytes, len + 8);
}

static void
chains_are_of_three_kinds(void **state)
{
	struct wire_request r = { .op = OP_MCAS, .length = 8, .pieces = 1 };
	struct wire_clause c = { .chain = CHAIN_WRITE, .chain_length = 100 };
	u32 len = WIRE_LENGTH(clause);

	(void)state;
	wire_clause_store(bytes, &c);
	takes(&r, bytes, len + 100);
	refuses(&r, bytes, len + 101);
	r.pieces = 0;			// as before there were chained writes
	refuses(&r, bytes, len + 100);
	r.pieces = 2;			// the longer one says how much comes
	c.chain_length = WIRE_SEND_MAX;
	wire_clause_store(bytes + len, &c);
	takes(&r, bytes, 2 * len + WIRE_SEND_MAX);
	c.chain_length++;
	wire_clause_store(bytes + len, &c);
	refuses(&r, bytes, 2 * len + WIRE_SEND_MAX + 1);
	r.pieces = 1;
	c = (struct wire_clause){ .chain = CHAIN_NOTIFY, .chain_length = 4 };
	wire_clause_store(bytes, &c);
	takes(&r, bytes, len);
	c.chain_offset = 2;
	wire_clause_store(bytes, &c);
	refuses(&r, bytes, len);
	c = (struct wire_clause){ .chain = CHAIN_NOTIFY, .chain_length = 8 };
	wire_clause_store(bytes, &c);
	refuses(&r, bytes, len);
	c = (struct wire_clause){ .chain = CHAIN_COUNT };
	wire_clause_store(bytes, &c);
	refuses(&r, bytes, len);
	c = (struct wire_clause){ .chain_length = WIRE_DATA_MAX };
	wire_clause_store(bytes, &c);
	takes(&r, bytes, len);
	r.pieces = WIRE_CLAUSES_MAX + 1;
	memset(bytes, 0, sizeof(bytes));
	refuses(&r, bytes, r.pieces * len);
}

static void
holders_are_asked_for_by_number(void **state)
{
	struct wire_request r = { .op = OP_HOLDERS };
	u32 head = WIRE_LENGTH(holders), each = WIRE_LENGTH(holder);

	(void)state;
	for (u32 count = 1; count <= WIRE_HOLDERS_MAX; count++) {
		r.length = head + count * each;
		takes(&r, NULL, 0);
		refuses(&r, bytes, 1);
		r.length--;
		refuses(&r, NULL, 0);
	}
	r.length = head;
	refuses(&r, NULL, 0);
	r.length = head + (WIRE_HOLDERS_MAX + 1) * each;
	refuses(&r, NULL, 0);
}

static void
allocations_are_bounded(void **state)
{
	static const struct { u32 range, count; bool fine; } asked[] = {
		{ 1, 1, true }, { 4096, 16, true }, { 16, 16, true },
		{ 4097, 1, false }, { 4096, 17, false }, { 4096, 0, false },
		{ 0, 0, false }, { 3, 4, false },
	};
	struct wire_request r = { .op = OP_ALLOC };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(asked); i++) {
		struct wire_alloc a = { .base = ~0ull, .range = asked[i].range,
					.count = asked[i].count };

		wire_alloc_store(bytes, &a);
		if (asked[i].fine)
			takes(&r, bytes, WIRE_LENGTH(alloc));
		else
			refuses(&r, bytes, WIRE_LENGTH(alloc));
	}
	refuses(&r, bytes, 0);
}

static void
blocks_are_cleared_whole(void **state)
{
	struct wire_request r = { .op = OP_BLOCK_TRIM };

	(void)state;
	for (u32 i = 0; i < 2; i++, r.op = OP_BLOCK_ZERO) {
		for (u32 count = 1; count <= 256; count++) {
			r.length = count * WIRE_DATA_MAX;
			takes(&r, NULL, 0);
			refuses(&r, bytes, 1);
			r.length -= 8;
			refuses(&r, NULL, 0);
		}
		r.length = 257 * WIRE_DATA_MAX;
		refuses(&r, NULL, 0);
	}
}

// Within a sixteenth, never longer than it was, and never a step back.
static void
a_time_fits_a_byte(void **state)
{
	u32 before = 0;

	(void)state;
	for (u32 us = 0; us < 600000; us++) {
		u32 told = wire_time_unpack(wire_time_pack(us));

		assert_true(told >= before && told <= us);
		if (us < 16)
			assert_int_equal(told, us);
		if (us < 1u << 19)
			assert_true(us - told <= us / 16);
		before = told;
	}
	assert_int_equal(wire_time_unpack(wire_time_pack(~0ull)), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readv_is_as_long_as_its_pieces),
		cmocka_unit_test(putv_brings_what_its_pieces_take),
		cmocka_unit_test(chains_are_of_three_kinds),
		cmocka_unit_test(holders_are_asked_for_by_number),
		cmocka_unit_test(allocations_are_bounded),
		cmocka_unit_test(blocks_are_cleared_whole),
		cmocka_unit_test(a_time_fits_a_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
