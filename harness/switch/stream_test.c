// SPDX-License-Identifier: BSD-2-Clause
// links: harness/switch/stream.c harness/switch/frame.c
// links: harness/testing/host_assert.c
//
// Tests of QEMU's stream framing: a stream may be cut anywhere, a giant is
// skipped whole, an impossible length ends it, and what the writer gathers
// reads back the same however the socket cuts it.

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/switch/stream.h"
#include "kernel/base/byteorder.h"

static struct stream_reader reader;

static void
feed(const u8 *bytes, u32 len)
{
	u32 room;
	u8 *space = stream_space(&reader, &room);

	assert_true(room >= len);
	memcpy(space, bytes, len);
	stream_filled(&reader, len);
}

// Writes a frame of `len` bytes, each its own index, and returns its end.
static u8 *
put_frame(u8 *at, u32 len)
{
	be32_store(at, len);
	for (u32 i = 0; i < len; i++)
		at[4 + i] = (u8)i;
	return at + 4 + len;
}

static void
must_be_frame(u32 expected_len)
{
	const u8 *bytes;
	u32 len;

	assert_int_equal(stream_next(&reader, &bytes, &len), STREAM_FRAME);
	assert_int_equal(len, expected_len);
	for (u32 i = 0; i < len; i++)
		assert_int_equal(bytes[i], (u8)i);
}

static void
must_be(enum stream_result expected)
{
	const u8 *bytes;
	u32 len;

	assert_int_equal(stream_next(&reader, &bytes, &len), expected);
}

static void
stream_may_be_cut_at_every_byte(void **state)
{
	u8 stream[256];
	u8 *end = put_frame(put_frame(put_frame(stream, 60), 0), 61);
	u32 total = (u32)(end - stream);

	(void)state;
	for (u32 cut = 0; cut <= total; cut++) {
		u32 frames = cut < 64 ? 0 : cut < 68 ? 1 : cut < total ? 2 : 3;
		static const u32 lens[] = { 60, 0, 61 };

		stream_reset(&reader);
		feed(stream, cut);
		for (u32 i = 0; i < frames; i++)
			must_be_frame(lens[i]);
		must_be(STREAM_MORE);
		feed(stream + cut, total - cut);
		for (u32 i = frames; i < 3; i++)
			must_be_frame(lens[i]);
		must_be(STREAM_MORE);
	}
}

static void
stream_may_come_byte_by_byte(void **state)
{
	u8 *stream = malloc(4 + FRAME_LEN_MAX);
	u32 total = (u32)(put_frame(stream, FRAME_LEN_MAX) - stream);

	(void)state;
	stream_reset(&reader);
	for (u32 i = 0; i < total; i++) {
		must_be(STREAM_MORE);
		feed(stream + i, 1);
	}
	must_be_frame(FRAME_LEN_MAX);
	must_be(STREAM_MORE);
	free(stream);
}

static void
giant_is_skipped_and_the_stream_goes_on(void **state)
{
	u32 giant_len = FRAME_LEN_MAX + 1;
	u8 *stream = malloc(4 + giant_len + 64);
	u8 *end = put_frame(put_frame(stream, giant_len), 60);
	u32 total = (u32)(end - stream);

	(void)state;
	for (u32 cut = 0; cut < total; cut += 1 + cut / 9) {
		const u8 *bytes;
		u32 len;
		u32 giants = 0;

		stream_reset(&reader);
		feed(stream, cut);
		while (stream_next(&reader, &bytes, &len) == STREAM_OVERSIZE)
			giants++;
		feed(stream + cut, total - cut);
		while (giants == 0 && stream_next(&reader, &bytes, &len) ==
					      STREAM_OVERSIZE)
			giants++;
		assert_int_equal(giants, 1);
		must_be_frame(60);
		must_be(STREAM_MORE);
	}
	free(stream);
}

static void
longest_that_qemu_sends_is_skipped(void **state)
{
	static u8 zeros[STREAM_LEN_MAX];
	u8 prefix[4];
	u8 small[64];

	(void)state;
	stream_reset(&reader);
	be32_store(prefix, STREAM_LEN_MAX);
	feed(prefix, sizeof(prefix));
	must_be(STREAM_MORE);
	feed(zeros, STREAM_LEN_MAX);
	must_be(STREAM_OVERSIZE);
	put_frame(small, 60);
	feed(small, sizeof(small));
	must_be_frame(60);
}

static void
impossible_length_breaks_the_stream(void **state)
{
	static const u32 lens[] = { STREAM_LEN_MAX + 1, 0x7fffffff, 0x80000000,
				    0xffffffff, 0x48545450 };
	u8 prefix[4];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(lens); i++) {
		stream_reset(&reader);
		be32_store(prefix, lens[i]);
		feed(prefix, sizeof(prefix));
		must_be(STREAM_BROKEN);
		must_be(STREAM_BROKEN); // and stays so
	}
}

static void
reader_always_offers_room(void **state)
{
	u8 *stream = malloc(4 + FRAME_LEN_MAX);
	u32 room;

	(void)state;
	put_frame(stream, FRAME_LEN_MAX);
	stream_reset(&reader);
	// The worst case: all but one byte of the longest frame is waiting.
	feed(stream, 4 + FRAME_LEN_MAX - 1);
	must_be(STREAM_MORE);
	stream_space(&reader, &room);
	assert_true(room >= STREAM_SPACE_MIN);
	free(stream);
}

static void
gathered_frames_read_back_after_any_partial_write(void **state)
{
	static const u32 lens[] = { 60, 14, 61, 0 };
	struct frame *frames = calloc(ARRAY_SIZE(lens), sizeof(*frames));
	struct frame_queue queue = { 0 };
	struct iovec iov[8];
	u32 first_bytes = STREAM_PREFIX + lens[0];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(lens); i++) {
		frames[i].references = 1;
		frames[i].len = lens[i];
		for (u32 b = 0; b < lens[i]; b++)
			frames[i].data[b] = (u8)b;
		assert_true(frame_queue_push(&queue, &frames[i]));
	}
	assert_int_equal(stream_gather(&queue, 0, iov, 2), 2);
	for (u32 sent = 0; sent < first_bytes; sent++) {
		u32 count;

		// `sent` bytes went out in an earlier write, the rest in this.
		stream_reset(&reader);
		count = stream_gather(&queue, 0, iov, ARRAY_SIZE(iov));
		feed(iov[0].iov_base, sent);
		count = stream_gather(&queue, sent, iov, ARRAY_SIZE(iov));
		assert_int_equal(count, ARRAY_SIZE(lens));
		for (u32 i = 0; i < count; i++)
			feed(iov[i].iov_base, (u32)iov[i].iov_len);
		for (u32 i = 0; i < ARRAY_SIZE(lens); i++)
			must_be_frame(lens[i]);
		must_be(STREAM_MORE);
	}
	free(frames);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_may_be_cut_at_every_byte),
		cmocka_unit_test(stream_may_come_byte_by_byte),
		cmocka_unit_test(giant_is_skipped_and_the_stream_goes_on),
		cmocka_unit_test(longest_that_qemu_sends_is_skipped),
		cmocka_unit_test(impossible_length_breaks_the_stream),
		cmocka_unit_test(reader_always_offers_room),
		cmocka_unit_test(
			gathered_frames_read_back_after_any_partial_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
