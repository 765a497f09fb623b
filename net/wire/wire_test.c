// SPDX-License-Identifier: BSD-2-Clause
// The tables, the encoders and the parser: every field's round trip, every shape that
// the parser refuses, of several requests in one frame too. vectors_test.c has whole
// frames, written by another hand.
//
// links: net/wire/wire.c kernel/base/siphash.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/prng.h"
#include "kernel/base/siphash.h"
#include "net/wire/planted.h"
#include "net/wire/wire.h"

#define FRAME_MAX (WIRE_FRAME_MAX + 64)

static u8 frame[FRAME_MAX];
static u32 frame_len;

// ---- building

static struct wire_header
header_of(u8 kind)
{
	return (struct wire_header){
		.version = WIRE_VERSION, .kind = kind, .sender = 0x0102,
		.grant = 3, .want = 4, .from = 0x05060708, .to = 0x090a0b0c,
		.sequence = 0x0d0e0f101112, .turn = 0x13, .turn_seen = 0x14,
		.clock = 0x15161718, .echo = 0x191a1b1c, .done = 0x1d1e1f20,
		.seen_newest = 0x21222324, .seen = 0x25262728292a2b2c,
	};
}

static void
seal(u8 kind, u32 body_len, const void *payload, u32 len)
{
	static const u8 key[16] = { 0, 1, 2, 3, 4, 5, 6, 7,
				    8, 9, 10, 11, 12, 13, 14, 15 };
	struct wire_header header = header_of(kind);
	u32 tagged = WIRE_HEADER + body_len + len;

	header.length = (u16)(tagged + WIRE_TAG);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, "\2\0\0\0\0\1", 6);
	be16_store(frame + 12, WIRE_ETHERTYPE);
	wire_header_store(frame + WIRE_ETHERNET, &header);
	if (len)
		memcpy(frame + WIRE_BODY_AT + body_len, payload, len);
	le64_store(frame + WIRE_ETHERNET + tagged,
		   siphash64(key, frame + WIRE_ETHERNET, tagged));
	frame_len = WIRE_ETHERNET + tagged + WIRE_TAG;
}

// Bytes that count from `from`, so that swapped fields show.
static void
pattern(u8 *at, u32 len, u8 from)
{
	for (u32 i = 0; i < len; i++)
		at[i] = (u8)(from + i);
}

static void
make_beacon(void)
{
	struct wire_beacon beacon = { .incarnation = 0x3132333435363738,
				      .mtu = 9000 };

	pattern(beacon.uuid, 16, 0x40);
	pattern(beacon.public_key, 32, 0x50);
	pattern(beacon.mac, 6, 0x70);
	wire_beacon_store(frame + WIRE_BODY_AT, &beacon);
	seal(WIRE_BEACON, WIRE_LENGTH(beacon), NULL, 0);
}

static void
make_idle(void)
{
	struct wire_idle idle = { .carries = WIRE_WHOLE_MTU, .answer = 1 };

	wire_idle_store(frame + WIRE_BODY_AT, &idle);
	seal(WIRE_IDLE, WIRE_LENGTH(idle), NULL, 0);
}

static struct wire_request
request_of(u8 op, u32 length)
{
	return (struct wire_request){
		.number = 0x61626364, .op = op, .environment = 0x65666768,
		.slot = 0x696a6b, .generation = 0x6c6d6e6f,
		.offset = 0x7071727374757677, .length = length,
	};
}

static void
put_request(const struct wire_request *request, const void *payload, u32 len)
{
	wire_request_store(frame + WIRE_BODY_AT, request);
	seal(WIRE_REQUEST, WIRE_LENGTH(request), payload, len);
}

static void
make_read(void)
{
	struct wire_request request = request_of(OP_READ, 4096);

	put_request(&request, NULL, 0);
}

static void
make_write(void)
{
	struct wire_request request = request_of(OP_WRITE, WIRE_PART + 11);
	u8 data[11];

	request.part = 1;
	pattern(data, sizeof(data), 0xa0);
	put_request(&request, data, sizeof(data));
}

static void
make_mcas(void)
{
	struct wire_request request = request_of(OP_MCAS, 16);
	struct wire_clause clause = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 4096, 0
	};
	u8 data[WIRE_LENGTH(clause)];

	wire_clause_store(data, &clause);
	put_request(&request, data, sizeof(data));
}

static void
make_response(void)
{
	struct wire_response response = {
		.number = 0x61626364, .execution = 0x81828384,
		.status = STATUS_DONE, .code = CODE_NONE, .part = 2, .parts = 3,
		.clause = 1, .held = 7, .length = 2 * WIRE_PART + 5,
		.old_low = 0x9192939495969798, .old_high = 0xa1a2a3a4a5a6a7a8,
	};
	u8 data[5];

	pattern(data, sizeof(data), 0xc0);
	wire_response_store(frame + WIRE_BODY_AT, &response);
	seal(WIRE_RESPONSE, WIRE_LENGTH(response), data, sizeof(data));
}

// ---- round trips

static void
every_structure_survives_the_wire(void **state)
{
	struct prng prng;
	u8 bytes[256], again[256];

	(void)state;
	prng_seed(&prng, 3);
#define STRUCT(name, sentence) {					    \
		struct wire_##name v;					    \
		u32 len = WIRE_LENGTH(name);				    \
		for (u32 i = 0; i < len; i++)				    \
			bytes[i] = (u8)prng_u64(&prng);			    \
		wire_##name##_load(&v, bytes);				    \
		wire_##name##_store(again, &v);				    \
		assert_memory_equal(bytes, again, len);			    \
	}
#define FIELD(bits, name, sentence)
#define BYTES(len, name, sentence)
#define END(name)
#include "net/wire/frames.def"
#undef STRUCT
#undef FIELD
#undef BYTES
#undef END
}

// ---- refusals

static enum wire_flaw
parse(u32 len)
{
	struct wire_frame parsed;
	u8 *exact = malloc(len ? len : 1);
	enum wire_flaw flaw;

	assert_non_null(exact);
	memcpy(exact, frame, len);
	flaw = wire_parse(&parsed, exact, len);
	free(exact);
	return flaw;
}

static void
frames_of_wrong_length_are_refused(void **state)
{
	(void)state;
	make_write();
	for (u32 len = 0; len < frame_len; len++)
		assert_int_equal(parse(len), len < WIRE_BODY_AT + WIRE_TAG
						     ? WIRE_SHORT
						     : WIRE_LENGTH_WRONG);
	memset(frame + frame_len, 0xee, 30);		// padding is no part of it
	assert_int_equal(parse(frame_len + 30), WIRE_FINE);
	make_idle();
	le16_store(frame + WIRE_ETHERNET + 2, WIRE_HEADER + WIRE_TAG);
	assert_int_equal(parse(frame_len), WIRE_LENGTH_WRONG);
	make_beacon();
	frame[WIRE_ETHERNET + 2]++;
	assert_int_equal(parse(frame_len + 1), WIRE_LENGTH_WRONG);
}

static void
strangers_are_refused(void **state)
{
	(void)state;
	make_read();
	frame[12] = 8;
	assert_int_equal(parse(frame_len), WIRE_ALIEN);
	make_read();
	frame[WIRE_ETHERNET] = 2;
	assert_int_equal(parse(frame_len), WIRE_VERSION_WRONG);
	make_read();
	frame[WIRE_ETHERNET + 1] = 0;
	assert_int_equal(parse(frame_len), WIRE_KIND_WRONG);
	frame[WIRE_ETHERNET + 1] = 6;
	assert_int_equal(parse(frame_len), WIRE_KIND_WRONG);
}

static void
expect_shape(struct wire_request request, u32 len, enum wire_flaw flaw)
{
	static u8 zeros[WIRE_DATA_MAX];

	put_request(&request, zeros, len);
	assert_int_equal(parse(frame_len), flaw);
}

// For each operation: the lengths just inside and just outside of its bounds.
static void
lengths_are_bounded_by_the_table(void **state)
{
	(void)state;
	for (u8 op = 1; op < OP_COUNT; op++) {
		const struct wire_op_info *info = &wire_op_info[op];
		struct wire_request r = request_of(op, wire_op_longest[op]);
		u32 data;

		if (op == OP_READV || op == OP_PUTV || op == OP_HOLDERS ||
		    op == OP_ALLOC)
			continue;	// pieces_test.c
		r.flags = WIRE_FLAG_WHOLE;
		data = op == OP_MCAS ? WIRE_LENGTH(clause) : wire_request_data(&r);
		expect_shape(r, data, WIRE_FINE);
		r.length = wire_op_longest[op] + 1u;
		expect_shape(r, data, WIRE_SHAPE_WRONG);
		r.length = info->shortest;
		data = op == OP_MCAS ? WIRE_LENGTH(clause) : wire_request_data(&r);
		expect_shape(r, data, WIRE_FINE);
		if (info->shortest) {
			r.length = info->shortest - 1u;
			expect_shape(r, data, WIRE_SHAPE_WRONG);
		}
	}
}

static void
shapes_are_checked(void **state)
{
	struct wire_request r;

	(void)state;
	expect_shape(request_of(0, 8), 0, WIRE_SHAPE_WRONG);
	expect_shape(request_of(OP_COUNT, 8), 0, WIRE_SHAPE_WRONG);
	r = request_of(OP_READ, 8);
	r.flags = 4;
	expect_shape(r, 0, WIRE_SHAPE_WRONG);
	r = request_of(OP_READ, 8);
	r.slot = 1u << WIRE_SLOT_BITS;
	expect_shape(r, 0, WIRE_SHAPE_WRONG);
	r = request_of(OP_READ, 8);
	r.offset = ~0ull;
	expect_shape(r, 0, WIRE_SHAPE_WRONG);
	r.offset = ~0ull - WIRE_DATA_MAX;
	expect_shape(r, 0, WIRE_FINE);
	expect_shape(r, 1, WIRE_SHAPE_WRONG);
	r = request_of(OP_WRITE, 2 * WIRE_PART);
	expect_shape(r, WIRE_PART - 1, WIRE_SHAPE_WRONG);
	r.part = 2;
	expect_shape(r, 0, WIRE_SHAPE_WRONG);
	r.part = 1;
	expect_shape(r, WIRE_PART, WIRE_FINE);
	r.flags = WIRE_FLAG_WHOLE;
	expect_shape(r, WIRE_PART, WIRE_SHAPE_WRONG);
	r.part = 0;
	expect_shape(r, 2 * WIRE_PART, WIRE_FINE);
	r.flags = WIRE_FLAG_CANCEL;
	expect_shape(r, WIRE_PART, WIRE_SHAPE_WRONG);
	expect_shape(r, 0, WIRE_FINE);
	r = request_of(OP_MCAS, 12);
	expect_shape(r, WIRE_LENGTH(clause), WIRE_SHAPE_WRONG);
	r = request_of(OP_MCAS, 8);
	expect_shape(r, 0, WIRE_SHAPE_WRONG);
	expect_shape(r, 4 * WIRE_LENGTH(clause), WIRE_SHAPE_WRONG);
	expect_shape(r, WIRE_LENGTH(clause) + 1, WIRE_SHAPE_WRONG);
	make_mcas();
	le32_store(frame + frame_len - WIRE_TAG - 8, 4097);	// chain_length
	assert_int_equal(parse(frame_len), WIRE_SHAPE_WRONG);
}

// So many requests in one frame, each with MORE but the last; `odd` is the one at `at`.
static void
expect_several(u32 count, u32 at, struct wire_request odd, enum wire_flaw flaw)
{
	u8 further[(WIRE_TOGETHER_MAX + 1) * WIRE_LENGTH(request)];
	struct wire_request first = at ? request_of(OP_READ, 8) : odd;

	first.flags |= WIRE_FLAG_MORE;
	for (u32 i = 1; i < count; i++) {
		struct wire_request r = i == at ? odd : request_of(OP_READ, 8);

		r.flags |= i + 1 < count ? WIRE_FLAG_MORE : 0;
		wire_request_store(further + (i - 1) * WIRE_LENGTH(request), &r);
	}
	put_request(&first, further, (count - 1) * WIRE_LENGTH(request));
	assert_int_equal(parse(frame_len), flaw);
}

static void
several_requests_only_read(void **state)
{
	struct wire_request good = request_of(OP_BLOCK_READ, 4096), r;

	(void)state;
	for (u32 count = 2; count <= WIRE_TOGETHER_MAX + 1; count++)
		expect_several(count, 1, good, count <= WIRE_TOGETHER_MAX
							? WIRE_FINE : WIRE_SHAPE_WRONG);
	expect_several(1, 1, good, WIRE_SHAPE_WRONG);		// none follows
	for (u32 at = 0; at < 3; at++) {
		expect_several(3, at, good, WIRE_FINE);
		expect_several(3, at, request_of(OP_NOTIFY, 4), WIRE_SHAPE_WRONG);
		expect_several(3, at, request_of(OP_WRITE, 8), WIRE_SHAPE_WRONG);
		expect_several(3, at, request_of(OP_READV, 8), WIRE_SHAPE_WRONG);
		expect_several(3, at, request_of(OP_READ, 4097), WIRE_SHAPE_WRONG);
		r = good;
		r.flags = WIRE_FLAG_CANCEL;
		expect_several(3, at, r, WIRE_SHAPE_WRONG);
		r.flags = WIRE_FLAGS + 1;
		expect_several(3, at, r, WIRE_SHAPE_WRONG);
		r = good;
		r.part = 1;
		expect_several(3, at, r, WIRE_SHAPE_WRONG);
	}
	r = good;
	r.flags = WIRE_FLAG_MORE;				// the last has no next
	expect_several(3, 2, r, WIRE_SHAPE_WRONG);
	expect_several(2, 1, good, WIRE_FINE);
	r = good;
	r.flags = WIRE_FLAG_MORE;
	expect_shape(r, WIRE_LENGTH(request) + 1, WIRE_SHAPE_WRONG);
	expect_shape(r, 0, WIRE_SHAPE_WRONG);
	r.flags = 0;
	expect_shape(r, WIRE_LENGTH(request), WIRE_SHAPE_WRONG);
}

static void
answers_are_checked(void **state)
{
	static const struct {
		u32 at;		// byte in the body
		u8 value;
	} bad[] = {
		{ 8, STATUS_COUNT }, { 9, CODE_COUNT }, { 10, 3 }, { 11, 0 },
		{ 11, 2 }, { 11, 4 }, { 14, 6 }, { 15, 0x20 },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		make_response();
		frame[WIRE_BODY_AT + bad[i].at] = bad[i].value;
		assert_int_equal(parse(frame_len), WIRE_SHAPE_WRONG);
	}
}

static void
codes_and_operations_have_words(void **state)
{
	(void)state;
	for (u32 code = 0; code < CODE_COUNT; code++)
		assert_true(strlen(wire_code_text(code)) > 5);
	assert_string_equal(wire_op_name(OP_FETCH_ADD), "FETCH_ADD");
	assert_string_equal(wire_op_name(OP_COUNT), "?");
	assert_true(strlen(wire_code_text(CODE_COUNT)) > 5);
}

// The kernel's build and the tests' hold no planted bug.
static void
nothing_is_planted(void **state)
{
	(void)state;
	for (u32 bug = 0; bug < BUG_COUNT; bug++)
		assert_false(PLANTED(bug));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_structure_survives_the_wire),
		cmocka_unit_test(frames_of_wrong_length_are_refused),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(lengths_are_bounded_by_the_table),
		cmocka_unit_test(shapes_are_checked),
		cmocka_unit_test(several_requests_only_read),
		cmocka_unit_test(answers_are_checked),
		cmocka_unit_test(codes_and_operations_have_words),
		cmocka_unit_test(nothing_is_planted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
