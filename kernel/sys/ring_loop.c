// SPDX-License-Identifier: BSD-2-Clause
// Frames from one ring of this node to another's address. The sender's checks are
// over when one comes here; the receiver's filter is asked by ring_rx.c, as for a
// frame from the wire. In between this does what the device would have done: it
// puts the pieces together and completes the checksum.
//
// The frame is put together in memory of the kernel first. A sender may change its
// pieces meanwhile, or name its own receive buffers as pieces; what the receiver
// gets is what its filter saw.
//
// The fabric's frames never go to a ring, not from one that may forge either.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"
#include "kernel/filter/complete.h"
#include "kernel/sys/ring_state.h"

#define ETHERTYPE_OFFSET 12u

static u8 whole[RING_MTU_MAX];		// under the kernel lock

static u32
put_together(const struct ring_tx *t, const u8 *header, u32 header_len)
{
	u32 total = header_len, skip = header_len;

	memcpy(whole, header, header_len);
	for (u32 i = 0; i < t->piece_count; i++) {
		const struct ring_piece *p = &t->piece[i];
		const u8 *from = frame_memory(p->frame);
		u32 len = p->len - skip;

		// The frames of a piece lie side by side in the direct map.
		ASSERT(total + len <= sizeof(whole));
		memcpy(whole + total, from + p->offset + skip, len);
		total += len;
		skip = 0;
	}
	return total;
}

bool
ring_loop(const struct ring_tx *t, const u8 *header, u32 header_len)
{
	u32 total;

	ASSERT(header_len >= NIC_ETHERNET_LEN && header_len <= RING_HEADER_COPY);
	if (header[0] & 1 || !ring_rx_has(egress_mac(header)) ||
	    be16_load(header + ETHERTYPE_OFFSET) == ETHERTYPE_FABRIC)
		return false;
	total = put_together(t, header, header_len);
	if (t->checksum_start)
		complete_checksum(whole, t->checksum_start, t->checksum_offset,
				  total);
	ring_rx_loop(whole, total);
	return true;
}
