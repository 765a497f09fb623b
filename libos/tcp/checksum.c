// SPDX-License-Identifier: BSD-2-Clause
// One's complement sums. The sum is kept in the byte order of memory, 32 bits at
// a time into 64, so no carry is lost before the fold; RFC 1071 section 2(B)
// shows that the byte order only needs swapping once, at the end.

#include "libos/tcp/checksum.h"
#include "kernel/base/byteorder.h"

typedef u32 word32 __attribute__((may_alias, aligned(1)));

u64
checksum_add(u64 sum, const void *bytes, u32 len)
{
	const u8 *at = bytes;

	for (; len >= 32; len -= 32, at += 32) {
		const word32 *w = (const word32 *)at;

		sum += (u64)w[0] + w[1] + w[2] + w[3];
		sum += (u64)w[4] + w[5] + w[6] + w[7];
	}
	for (; len >= 4; len -= 4, at += 4)
		sum += *(const word32 *)at;
	if (len >= 2) {
		sum += le16_load(at);
		at += 2;
		len -= 2;
	}
	return len ? sum + *at : sum;
}

static u16
fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

u64
checksum_add_odd(u64 sum, const void *bytes, u32 len)
{
	return sum + __builtin_bswap16(fold(checksum_add(0, bytes, len)));
}

u16
checksum_finish(u64 sum)
{
	return (u16)~__builtin_bswap16(fold(sum));
}

u64
checksum_pseudo(u32 source, u32 target, u8 protocol, u32 len)
{
	u8 header[12] = { 0 };

	be32_store(header, source);
	be32_store(header + 4, target);
	header[9] = protocol;
	be16_store(header + 10, (u16)len);
	return checksum_add(0, header, sizeof(header));
}
