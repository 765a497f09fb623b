// SPDX-License-Identifier: BSD-2-Clause
// A long packet as the segments that a device with segmentation offload makes of it:
// for receivers that no device reaches, and for the tests, which have none.
//
// Each has the headers of the whole, but for its lengths, its sequence number, and
// PSH and FIN, which only the last one keeps. Nothing lent is copied.

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/checksum.h"
#include "libos/tcp/parts.h"

#define IP_AT ETHERNET_LEN
#define TCP_AT (ETHERNET_LEN + IPV4_LEN)

static u32
headers_len(const struct net_packet *whole)
{
	u32 len = TCP_AT + (u32)(whole->header[TCP_AT + 12] >> 4) * 4;

	ASSERT(len <= whole->header_len);
	return len;
}

static u32
payload_len(const struct net_packet *whole)
{
	u32 len = whole->header_len - headers_len(whole);

	for (u32 i = 0; i < whole->span_count; i++)
		len += whole->span[i].len;
	return len;
}

// Adds `len` bytes of the payload, from its `from`-th on.
static void
take(const struct net_packet *whole, u32 from, u32 len, struct net_packet *part)
{
	u32 skip = headers_len(whole), in_header = whole->header_len - skip;
	u32 here = from < in_header ? MIN(len, in_header - from) : 0;

	memcpy(part->header + part->header_len, whole->header + skip + from, here);
	part->header_len += here;
	len -= here;
	from = from < in_header ? 0 : from - in_header;
	for (u32 i = 0; i < whole->span_count && len; i++) {
		const struct net_span *span = &whole->span[i];

		if (from >= span->len) {
			from -= span->len;
			continue;
		}
		here = MIN(len, span->len - from);
		part->span[part->span_count++] =
			(struct net_span){ (const u8 *)span->at + from, here };
		len -= here;
		from = 0;
	}
	ASSERT(!len);
}

static void
correct_headers(struct net_packet *part, u32 done, u32 tcp_len, bool last)
{
	u8 *ip = part->header + IP_AT, *tcp = part->header + TCP_AT;
	u64 sum = checksum_pseudo(be32_load(ip + 12), be32_load(ip + 16), IPPROTO_TCP,
				  tcp_len);

	be16_store(ip + 2, (u16)(IPV4_LEN + tcp_len));
	be16_store(ip + 10, 0);
	be16_store(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_LEN)));
	be32_store(tcp + 4, be32_load(tcp + 4) + done);
	if (!last)
		tcp[13] &= (u8)~(FLAG_FIN | FLAG_PSH);
	be16_store(tcp + part->checksum_offset, (u16)~checksum_finish(sum));
}

bool
net_cut(const struct net_packet *whole, u32 *done, struct net_packet *part)
{
	u32 headers = headers_len(whole), total = payload_len(whole), len;
	u8 *header = part->header;

	ASSERT(whole->segment && whole->checksum_start == TCP_AT && header != whole->header);
	if (*done == total)
		return false;
	len = MIN(total - *done, whole->segment);
	*part = (struct net_packet){
		.header = header,
		.header_len = headers,
		.checksum_start = whole->checksum_start,
		.checksum_offset = whole->checksum_offset,
	};
	memcpy(header, whole->header, headers);
	take(whole, *done, len, part);
	correct_headers(part, *done, headers - TCP_AT + len, *done + len == total);
	*done += len;
	return true;
}
