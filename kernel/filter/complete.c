// SPDX-License-Identifier: BSD-2-Clause
// The Internet checksum (RFC 1071) of a part of a frame. A sum of zero is written as
// 0xffff, which is the same number: zero would mean that a datagram has no checksum
// (RFC 768).
//
// Stateless.

#include "kernel/filter/complete.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"

void
complete_checksum(u8 *frame, u32 start, u32 offset, u32 total)
{
	u32 sum = 0;

	// 32 bits hold the sum of that many words.
	ASSERT(start + offset + 2 <= total && total <= 65536);
	for (u32 i = start; i + 1 < total; i += 2)
		sum += be16_load(frame + i);
	if ((total - start) % 2)
		sum += (u32)frame[total - 1] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	be16_store(frame + start + offset, (u16)(sum ? sum : 0xffff));
}
