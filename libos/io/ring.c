// SPDX-License-Identifier: BSD-2-Clause
// Packet ring glue: indices, memory order, and names of memory. No protocol.
//
// Invariants:
//   K1  tx_head - tx_done <= RING_SLOTS: a descriptor is refilled only when
//       the kernel is done with it
//   K2  rx_tail here equals the one in shared memory

#include "libos/io/ring.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/mem/locate.h"

static i64
bind(struct ring *ring, const struct ring_config *config)
{
	struct ring_spec spec = {
		.nic_slot = config->nic_slot,
		.mac_index = config->mac ? RING_MAC_GIVEN : config->mac_index,
		.ring_slot = ring->memory.slot,
		.narrows = config->narrows,
		.ring_frame = ring->memory.frame,
		.region_count = config->region_count,
		.filter_count = config->filter_count,
		.send_count = config->send_count,
	};

	for (u32 i = 0; config->mac && i < sizeof(spec.mac); i++)
		spec.mac[i] = config->mac[i];
	ASSERT(config->region_count <= RING_REGIONS_MAX);
	ASSERT(config->filter_count <= RING_ATOMS_MAX);
	ASSERT(config->send_count <= RING_ATOMS_MAX);
	for (u32 i = 0; i < config->region_count; i++) {
		const struct frame_run *run = &config->regions[i];

		spec.region[i] = (struct ring_region){
			.slot = run->slot,
			.frame = run->frame,
			.count = run->count,
		};
	}
	for (u32 i = 0; i < config->filter_count; i++)
		spec.filter[i] = config->filter[i];
	for (u32 i = 0; i < config->send_count; i++)
		spec.send[i] = config->send[i];
	return sys_ring_bind(&spec);
}

i64
ring_open(struct ring *ring, const struct ring_config *config)
{
	u8 *memory;
	i64 result;

	*ring = (struct ring){ .slot = SLOT_NONE };
	result = frames_take(RING_FRAMES, &ring->memory);
	if (result)
		return result;
	result = bind(ring, config);
	if (result < 0) {
		frames_give(&ring->memory);
		return result;
	}
	memory = direct_address(ring->memory.frame);
	ring->slot = (u32)result;
	ring->control = (struct ring_control *)(void *)memory;
	ring->tx = (struct ring_tx *)(void *)(memory + PAGE_SIZE);
	ring->buffers = memory + RING_CONTROL_FRAMES * PAGE_SIZE;
	return 0;
}

void
ring_close(struct ring *ring)
{
	ASSERT(ring->slot != SLOT_NONE);
	cap_drop_all(ring->slot);
	frames_give(&ring->memory);
	ring->slot = SLOT_NONE;
}

u32
ring_peek(const struct ring *ring, const u8 **frame)
{
	return ring_peek_after(ring, 0, frame);
}

u32
ring_peek_after(const struct ring *ring, u32 nth, const u8 **frame)
{
	u32 head = __atomic_load_n(&ring->control->rx_head, __ATOMIC_ACQUIRE);
	u32 at = (ring->rx_tail + nth) % RING_SLOTS;

	ASSERT(nth <= head - ring->rx_tail);
	if (head == ring->rx_tail + nth)
		return 0;
	*frame = ring->buffers + at * RING_BUFFER_SIZE;
	return MIN(ring->control->rx_len[at], RING_BUFFER_SIZE);
}

void
ring_consume(struct ring *ring)
{
	ring->rx_tail++;
	__atomic_store_n(&ring->control->rx_tail, ring->rx_tail,
			 __ATOMIC_RELEASE);
}

u32
ring_room(const struct ring *ring)
{
	u32 open = ring->tx_head - ring_sent(ring);

	ASSERT(open <= RING_SLOTS);				// K1
	return RING_SLOTS - open;
}

bool
ring_put(struct ring *ring, const struct ring_part *parts, u32 count,
	 struct ring_offload offload)
{
	struct ring_tx *tx = &ring->tx[ring->tx_head % RING_SLOTS];

	ASSERT(count > 0 && count <= RING_PIECES_MAX && ring_room(ring) > 0);
	for (u32 i = 0; i < count; i++) {
		struct place place;

		ASSERT(parts[i].len > 0 && parts[i].len <= RING_LONG_MAX);
		if (!locate(parts[i].at, parts[i].len, &place)) {
			ring->unplaced++;
			return false;
		}
		tx->piece[i] = (struct ring_piece){
			.frame = (u32)place.frame,
			.offset = (u16)place.offset,
			.len = (u16)parts[i].len,
		};
	}
	tx->piece_count = (u8)count;
	tx->status = RING_TX_OPEN;
	tx->checksum_start = offload.start;
	tx->checksum_offset = offload.offset;
	tx->segment = offload.segment;
	tx->reserved = 0;
	ring->tx_head++;
	__atomic_store_n(&ring->control->tx_head, ring->tx_head,
			 __ATOMIC_RELEASE);
	return true;
}

bool
ring_is_near(const u8 mac[6])
{
	const volatile struct ring_info *info = ring_table();

	for (u32 i = 0; i < RINGS_MAX; i++) {
		u32 same = 0;

		for (u32 b = 0; b < 6; b++)
			same += info[i].mac[b] == mac[b];
		if (info[i].owner && same == 6)
			return true;
	}
	return false;
}

i64
ring_flush(struct ring *ring)
{
	if (ring->tx_flushed == ring->tx_head)
		return 0;
	ring->tx_flushed = ring->tx_head;
	return sys_ring_kick(ring->slot);
}

void
ring_watch(const struct ring *ring, struct wait_set *set)
{
	ring_watch_after(ring, 0, set);
}

void
ring_watch_after(const struct ring *ring, u32 nth, struct wait_set *set)
{
	wait_word_add(set, &ring->control->rx_head, ring->rx_tail + nth);
}

void
ring_watch_sent(const struct ring *ring, struct wait_set *set, u32 seen)
{
	wait_word_add(set, &ring->control->tx_done, seen);
}
