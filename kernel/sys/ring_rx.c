// SPDX-License-Identifier: BSD-2-Clause
// Receiving: demultiplex, copy into the ring's buffer, advance rx_head.
//
// A frame for one address goes to the ring of that address whose filter accepts it,
// the narrowest if there are several; a broadcast or multicast to every ring with
// one that accepts it. One trie of all filters tells (kernel/filter/trie.h).
//
// A frame that a ring of this node sent to another's address comes by the same way
// (ring_loop): the filter decides, whoever sent it. What the device would have done is
// done here: the pieces are put together and the checksum is completed, in memory of the
// kernel. A sender may change its pieces meanwhile, or name its own receive buffers as
// pieces; what the receiver gets is what its filter saw. The fabric's frames never go to
// a ring, not from one that may forge either.
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
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/fabric.h"
#include "kernel/filter/complete.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/ring_state.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/wait.h"

// Batches that one call takes while more keeps coming. Of what is left the device tells
// nothing: the next kick, or a processor that wants to halt, finds it, and where programs
// compute and do neither, a timer.
#define BATCHES_MAX 4u
#define MORE_NS NS_PER_MS

#define LOOK_NS (10 * NS_PER_MS)
#define ETHERTYPE_OFFSET 12u

STATIC_ASSERT(RING_MTU_MAX == NIC_MTU_STANDARD + NIC_ETHERNET_LEN);
STATIC_ASSERT(RING_MTU_MAX <= RING_BUFFER_SIZE);

static u32 receivers[RINGS_MAX];
static u32 receiver_count;
static bool quiet;		// receive interrupts are off
static bool more;		// frames wait, of which no interrupt will tell
static u64 looked_at;
static u8 whole[RING_MTU_MAX];	// a frame of this node, put together

void
ring_rx_list(void)
{
	receiver_count = 0;
	for (u32 i = 0; i < RINGS_MAX; i++) {
		if (rings[i].bound && rings[i].running && rings[i].receives)
			receivers[receiver_count++] = i;
	}
	ASSERT(receiver_count <= RINGS_MAX);
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

// The rings that accept a frame, as bits. Apart, for its memory is cleared first.
static __attribute__((noinline)) u32
takers_of_short(const u8 *frame, u32 len)
{
	struct filter_window padded;

	filter_load(&padded, frame, len);
	return claims_takers(&claims, (const u8 *)&padded);
}

// Gives a frame to the rings that accept it; returns those whose owners have
// something to look at, as bits.
static u32
demultiplex(const u8 *frame, u32 len)
{
	u32 claimants = len < FILTER_WINDOW ? takers_of_short(frame, len)
					    : claims_takers(&claims, frame);
	u32 takers = 0;

	for (u32 left = claimants; left; left &= left - 1) {
		u32 index = (u32)__builtin_ctz(left);

		takers |= (u32)put(&rings[index], frame, len) << index;
	}
	sys_info.nic_rx_unclaimed += claimants == 0;
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
	for (; takers; takers &= takers - 1)
		env_hint(rings[__builtin_ctz(takers)].owner);
}

// Is there a running ring with that address?
static bool
has_mac(u64 mac)
{
	for (u32 i = 0; i < receiver_count; i++) {
		if (rings[receivers[i]].egress.mac == mac)
			return true;
	}
	return false;
}

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
ring_is_here(const u8 *header)
{
	return !(header[0] & 1) && has_mac(egress_mac(header)) &&
	       be16_load(header + ETHERTYPE_OFFSET) != ETHERTYPE_FABRIC;
}

bool
ring_loop(const struct ring_tx *t, const u8 *header, u32 header_len)
{
	u32 total;

	ASSERT(header_len >= NIC_ETHERNET_LEN && header_len <= RING_HEADER_COPY);
	if (!ring_is_here(header))
		return false;
	total = put_together(t, header, header_len);
	if (t->checksum_start)
		complete_checksum(whole, t->checksum_start, t->checksum_offset,
				  total);
	hint_owners(demultiplex(whole, total));
	return true;
}

// Is nobody asleep, or told of completions, for whom a frame may come? One that was
// hinted counts as awake: if it sleeps on, ring_rx_settle() notices.
static bool
all_awake(void)
{
	for (u32 i = 0; i < receiver_count; i++) {
		u32 owner = rings[receivers[i]].owner;

		if (rings[receivers[i]].handler)
			return false;	// it is wide awake
		if ((env_table[owner].state == ENV_ASLEEP ||
		     envs[owner].watch_count) &&
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
	fabric_input_end();
	hint_owners(takers);
	looked_at = clock_ns();
	quiet = (receiver_count || !fabric_on()) && all_awake() &&
		!fabric_expects(looked_at);
	return nic_receive_end(!quiet);
}

void
ring_rx_poll(void)
{
	more = true;
	for (u32 i = 0; i < BATCHES_MAX && more; i++)
		more = batch();
	if (unlikely(ring_handler_replies)) {
		ring_handler_send();
		nic_push();
	}
	if (fabric_deadline() <= looked_at)
		fabric_work(looked_at);
	// The boot processor's timer keeps the time.
	if (ring_look_deadline() < cpus[0].timer_at_ns)
		sched_kick(0);
}

void
ring_look(u64 now)
{
	if (now < ring_look_deadline())
		return;
	looked_at = now;
	more = nic_receive_waiting();
	if (more)
		ring_rx_poll();
}

u64
ring_look_deadline(void)
{
	if (quiet)
		return fabric_on() ? looked_at + LOOK_NS : NEVER;
	return more ? looked_at + MORE_NS : NEVER;
}

void
ring_look_end(void)
{
	if (nic_receive_waiting() || nic_receive_end(!quiet))
		ring_rx_poll();
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
