// SPDX-License-Identifier: BSD-2-Clause
// QEMU's stream framing: see stream.h.
//
// The reader keeps one buffer and moves only what is left of an incomplete
// frame, so a read of 100 KiB costs one system call for some 70 full frames or
// a thousand small ones. The writer describes a batch without copying a byte:
// the length prefix lies in the headroom directly before the frame.

#include "harness/switch/stream.h"

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

STATIC_ASSERT(FRAME_HEADROOM == STREAM_PREFIX);

void
stream_reset(struct stream_reader *reader)
{
	reader->start = 0;
	reader->end = 0;
	reader->skip_bytes = 0;
}

u8 *
stream_space(struct stream_reader *reader, u32 *len)
{
	u32 left = reader->end - reader->start;

	ASSERT(reader->start <= reader->end && reader->end <= STREAM_BUFFER);
	if (reader->start > 0) {
		memmove(reader->buffer, reader->buffer + reader->start, left);
		reader->start = 0;
		reader->end = left;
	}
	*len = STREAM_BUFFER - reader->end;
	return reader->buffer + reader->end;
}

void
stream_filled(struct stream_reader *reader, u32 len)
{
	ASSERT(len <= STREAM_BUFFER - reader->end);
	reader->end += len;
}

// Drops bytes of an oversize frame. Returns true when all of it is gone.
static bool
skip(struct stream_reader *reader)
{
	u32 here = MIN(reader->skip_bytes, reader->end - reader->start);

	reader->start += here;
	reader->skip_bytes -= here;
	return reader->skip_bytes == 0;
}

enum stream_result
stream_next(struct stream_reader *reader, const u8 **bytes, u32 *len)
{
	const u8 *at = reader->buffer + reader->start;
	u32 left = reader->end - reader->start;
	u32 frame_len;

	if (reader->skip_bytes > 0)
		return skip(reader) ? STREAM_OVERSIZE : STREAM_MORE;
	if (left < STREAM_PREFIX)
		return STREAM_MORE;
	frame_len = be32_load(at);
	if (frame_len > STREAM_LEN_MAX)
		return STREAM_BROKEN;
	if (frame_len > FRAME_LEN_MAX) {
		reader->start += STREAM_PREFIX;
		reader->skip_bytes = frame_len;
		return skip(reader) ? STREAM_OVERSIZE : STREAM_MORE;
	}
	if (left - STREAM_PREFIX < frame_len)
		return STREAM_MORE;
	reader->start += STREAM_PREFIX + frame_len;
	ASSERT(reader->start <= reader->end);
	*bytes = at + STREAM_PREFIX;
	*len = frame_len;
	return STREAM_FRAME;
}

u32
stream_bytes(const struct frame *frame)
{
	return STREAM_PREFIX + frame->len;
}

u32
stream_gather(const struct frame_queue *queue, u32 sent_bytes,
	      struct iovec *iov, u32 iov_max)
{
	u32 count = MIN(queue->count, iov_max);

	for (u32 i = 0; i < count; i++) {
		struct frame *frame = frame_queue_at(queue, i);

		ASSERT(frame->len <= FRAME_LEN_MAX);
		be32_store(frame->headroom, frame->len);
		iov[i].iov_base = frame->headroom;
		iov[i].iov_len = stream_bytes(frame);
	}
	if (count > 0 && sent_bytes > 0) {
		ASSERT(sent_bytes < iov[0].iov_len);
		iov[0].iov_base = (u8 *)iov[0].iov_base + sent_bytes;
		iov[0].iov_len -= sent_bytes;
	}
	return count;
}
