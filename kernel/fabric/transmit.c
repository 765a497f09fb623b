// SPDX-License-Identifier: BSD-2-Clause
// Frames on their way out, each in a buffer of the kernel's. When all are with the
// interface, a frame is as good as lost: the link sends it again.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/tables.h"

#define BUFFERS_MAX 128u
#define PUSH_FRAMES 12u		// of one turn: so that the peer need not wait for its end

static struct {
	u8 *memory;
	u64 physical;
	u32 size;		// of a buffer: what the driver has before a frame, and a frame
	u32 longest;		// frame that the interface takes
	u32 count;
	u32 free_count;
	u16 free[BUFFERS_MAX];
	u32 out;		// the one that is being filled, or NONE
	u32 untold;		// frames that the interface does not know of
	bool starved;		// something could not be sent
} pool;

void
transmit_init(u32 buffers, u32 size)
{
	u64 pages = ALIGN_UP((u64)buffers * size, PAGE_SIZE) / PAGE_SIZE;

	ASSERT(buffers <= BUFFERS_MAX && size % 64 == 0);
	pool.memory = boot_frames(pages);
	pool.physical = physical_of(pool.memory);
	pool.size = size;
	pool.longest = MIN(NIC_ETHERNET_LEN + nic_facts()->mtu, size - NIC_HEADROOM);
	pool.count = buffers;
	pool.out = NONE;
	for (u32 i = 0; i < buffers; i++)
		pool.free[pool.free_count++] = (u16)i;
}

static void
give_back(u32 index)
{
	ASSERT(index < pool.count && pool.free_count < pool.count);
	pool.free[pool.free_count++] = (u16)index;
}

// One at a time, and at once sent or given back: what room there is for it stays.
u8 *
rcap_host_buffer(void *host)
{
	(void)host;
	ASSERT(pool.out == NONE);
	if (!pool.free_count)
		ring_tx_collect();
	if (!pool.free_count || !nic_room()) {
		fabric_info.lost[FABRIC_LOST_FULL] += pool.free_count > 0;
		pool.starved = true;
		return NULL;
	}
	pool.out = pool.free[--pool.free_count];
	return pool.memory + pool.out * pool.size + NIC_HEADROOM;
}

// Few frames are with the interface. Else its end of one makes a turn due.
bool
rcap_host_room(void *host)
{
	(void)host;
	if (pool.count - pool.free_count >= PUSH_FRAMES)
		ring_tx_collect();
	if (pool.count - pool.free_count < PUSH_FRAMES)
		return true;
	pool.starved = true;
	return false;
}

void
rcap_host_send(void *host, u8 *buffer, u32 len)
{
	u32 at = (u32)(buffer - pool.memory), index = pool.out;

	(void)host;
	ASSERT(index != NONE && at == index * pool.size + NIC_HEADROOM);
	pool.out = NONE;
	if (unlikely(len <= NIC_ETHERNET_LEN || len > pool.longest)) {
		fabric_info.lost[FABRIC_LOST_LONG] += len > pool.longest;
		give_back(index);
		return;
	}
	nic_send_whole(buffer, pool.physical + at, len, NIC_FLIGHTS_MAX + index);
	sys_info.nic_tx_frames++;
	if (++pool.untold >= PUSH_FRAMES)
		transmit_push();
}

void
fabric_sent(u32 cookie)
{
	give_back(cookie - NIC_FLIGHTS_MAX);
	if (pool.starved)
		fabric.due = 0;
	pool.starved = false;
}

void
transmit_push(void)
{
	if (!pool.untold)
		return;
	pool.untold = 0;
	nic_push();
}

bool
fabric_short(void)
{
	return pool.starved || pool.free_count < pool.count / 2;
}

bool
transmit_starved(void)
{
	return pool.starved;
}
