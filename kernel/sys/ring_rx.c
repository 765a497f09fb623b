// SPDX-License-Identifier: BSD-2-Clause
// Receiving: demultiplex, copy into the ring's buffer, advance rx_head.
//
// A frame for one address goes to the first ring in `order` that has that
// address and accepts it; the order is by the number of bits that filters fix,
// so of two rings that accept the same frame the narrower comes first (G4). A
// broadcast or multicast goes to every ring that accepts it. With at most
// RINGS_MAX rings a scan of eight-word compares is as good as a trie.
//
// A frame that a ring of this node sent to another's address comes by the same way
// (ring_rx_loop): the filter decides, whoever sent it.
//
// The fabric's frames are the kernel's and go to no ring. Neither do frames that
// are longer than RING_MTU_MAX, which an interface with a larger MTU may take.
//
// The device interrupts only while somebody sleeps who may want a frame. A
// program that is awake takes what has come when it kicks its ring or waits, and
// under load that is all it does: an interrupt would only stop it on its way
// there. What it does not fetch waits at the device.
//
// The fabric does not wait for programs: while frames for it are expected the
// device interrupts whoever is awake, and otherwise it is looked at each LOOK_NS.
//
// A ring's handler (ring_handler.c) wants frames when they come, whoever is awake.
//
// Invariant R1: a processor leaves the scheduler with receive interrupts off
// only when the owner of every receiving ring is awake and none has a handler.

#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/env.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/ring_state.h"
#include "kernel/sys/wait.h"

// Batches that one call takes while more keeps coming. What is left is found by
// the next interrupt, kick, or processor that wants to halt.
#define BATCHES_MAX 4u

#define LOOK_NS (10 * NS_PER_MS)
#define ETHERTYPE_OFFSET 12u
#define MAC_MASK 0xffffffffffffull

STATIC_ASSERT(RING_MTU_MAX == NIC_MTU_STANDARD + NIC_ETHERNET_LEN);
STATIC_ASSERT(RING_MTU_MAX <= RING_BUFFER_SIZE);

static u32 order[RINGS_MAX];
static u32 order_count;
static bool quiet;		// receive interrupts are off
static u64 looked_at;

void
ring_rx_order(void)
{
	order_count = 0;
	for (u32 i = 0; i < RINGS_MAX; i++) {
		u32 at = order_count;

		if (!rings[i].bound || !rings[i].running || !rings[i].receives)
			continue;
		for (; at > 0 && rings[order[at - 1]].weight < rings[i].weight; at--)
			order[at] = order[at - 1];
		order[at] = i;
		order_count++;
	}
	ASSERT(order_count <= RINGS_MAX);
}

// Returns whether its owner has anything to look at.
static bool
put(struct ring *ring, const u8 *frame, u32 len)
{
	u32 slot = ring->rx_head % RING_SLOTS;
	u32 tail = shared_load(&ring->control->rx_tail);
	u8 *buffer = ring->buffers + slot * RING_BUFFER_SIZE;

	ASSERT(ring->running && len <= RING_MTU_MAX);
	if (ring->rx_head - tail >= RING_SLOTS) {
		ring->info->rx_dropped++;
		shared_store(&ring->control->rx_dropped,
			     (u32)ring->info->rx_dropped);
		return true;
	}
	memcpy(buffer, frame, len);
	if (unlikely(ring->handler != NULL) &&
	    ring_handler_consumes(ring, buffer, len))
		return false;
	ring->control->rx_len[slot] = (u16)len;
	ring->rx_head++;
	shared_store(&ring->control->rx_head, ring->rx_head);
	ring->info->rx_frames++;
	return true;
}

// Gives a frame to the rings that accept it; returns those whose owners have
// something to look at, as bits.
static u32
demultiplex(const u8 *frame, u32 len)
{
	u64 target = le64_load(frame) & MAC_MASK;
	bool many = frame[0] & 1;
	struct filter_window window;
	u32 takers = 0;
	bool claimed = false;

	filter_load(&window, frame, len);
	for (u32 i = 0; i < order_count; i++) {
		struct ring *ring = &rings[order[i]];

		if (!(many || ring->egress.mac == target) ||
		    !filter_accepts(&ring->filter, &window))
			continue;
		claimed = true;
		takers |= (u32)put(ring, frame, len) << order[i];
		if (!many)
			break;
	}
	sys_info.nic_rx_unclaimed += !claimed;
	return takers;
}

// Gives a frame from the wire to whom it belongs.
static u32
deliver(const struct nic_received *r)
{
	ASSERT(r->len >= NIC_ETHERNET_LEN);
	if (be16_load(r->frame + ETHERTYPE_OFFSET) == ETHERTYPE_FABRIC) {
		fabric_input(r->frame, r->len);
		return 0;
	}
	if (r->len > RING_MTU_MAX) {
		sys_info.nic_rx_too_long++;
		return 0;
	}
	return demultiplex(r->frame, r->len);
}

static void
hint_owners(u32 takers)
{
	for (u32 i = 0; i < RINGS_MAX; i++) {
		if (takers >> i & 1)
			env_hint(rings[i].owner);
	}
}

bool
ring_rx_has(u64 mac)
{
	for (u32 i = 0; i < order_count; i++) {
		if (rings[order[i]].egress.mac == mac)
			return true;
	}
	return false;
}

void
ring_rx_loop(const u8 *frame, u32 len)
{
	ASSERT(len >= NIC_ETHERNET_LEN && len <= RING_MTU_MAX);
	ASSERT(!(frame[0] & 1));
	hint_owners(demultiplex(frame, len));
}

// Is nobody asleep for whom a frame may come? One that was hinted counts as
// awake: if it sleeps on, ring_rx_settle() notices.
static bool
all_awake(void)
{
	for (u32 i = 0; i < order_count; i++) {
		u32 owner = rings[order[i]].owner;

		if (rings[order[i]].handler)
			return false;	// it is wide awake
		if (env_table[owner].state == ENV_ASLEEP &&
		    !(wait_hinted >> owner & 1))
			return false;
	}
	return true;
}

// Takes what the device has now, at most as many frames as it has buffers.
static bool
batch(void)
{
	struct nic_received r;
	u32 takers = 0;

	nic_receive_begin();
	while (nic_receive(&r)) {
		u32 who = deliver(&r);

		sys_info.nic_rx_frames++;
		takers |= who;
		nic_give_back(r.buffer);
	}
	hint_owners(takers);
	looked_at = clock_ns();
	quiet = (order_count || !fabric_on()) && all_awake() &&
		!fabric_expects(looked_at);
	return nic_receive_end(!quiet);
}

void
ring_rx_poll(void)
{
	if (!nic_receive_waiting())
		return;
	for (u32 i = 0; i < BATCHES_MAX && batch(); i++)
		;
	if (unlikely(ring_handler_replies)) {
		ring_handler_send();
		nic_push();
	}
	if (fabric_deadline() <= looked_at)
		fabric_work(looked_at);
}

void
ring_look(u64 now)
{
	if (now < ring_look_deadline())
		return;
	looked_at = now;
	ring_rx_poll();
}

u64
ring_look_deadline(void)
{
	return quiet && fabric_on() ? looked_at + LOOK_NS : NEVER;
}

void
ring_rx_settle(void)
{
	if (!quiet || all_awake())
		return;
	quiet = false;
	nic_receive_begin();
	if (nic_receive_end(true))
		ring_rx_poll();
}
