// SPDX-License-Identifier: BSD-2-Clause
// Sending: from a descriptor in shared memory to the device, and back.
//
//   descriptor --copied--> judged --> header --copied--> judged --> device
//   --nic_sent()--> tx_done
//
// Nothing that a program can still change decides anything: the descriptor is
// copied before it is looked at, and the header is judged in the very copy that
// the device sends (kernel/filter/egress.h). Pieces behind the header are sent from where they lie;
// their frames are pinned, so that they belong to nobody else while the device
// reads them, whatever happens to the ring or its owner.
//
// The device's queue is shared fairly: with n rings bound each may occupy one
// n-th of its descriptors, and rings that had to wait go on in turn.
//
// A frame whose bytes were all copied counts as done at once. So does one for the
// address of a ring of this node, which ring_rx.c takes instead of the device.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/ring_state.h"

#define DESCRIPTORS_A_FRAME (RING_PIECES_MAX + 1u)
#define FLUSH_ROUNDS_MAX 3u


STATIC_ASSERT(RING_HEADER_COPY <= NIC_HEADER_MAX);
STATIC_ASSERT(RING_CHECKSUM_END <= NIC_CHECKSUM_END);
STATIC_ASSERT(RING_HEADER_COPY >= FILTER_WINDOW);
STATIC_ASSERT(EGRESS_LEN_MIN == NIC_ETHERNET_LEN);
STATIC_ASSERT(RING_PIECES_MAX <= NIC_PIECES_MAX);
STATIC_ASSERT(sizeof(struct ring_tx) % sizeof(u64) == 0);

// A frame with the device.
struct flight {
	bool open;
	bool copied;		// was done when it was sent
	u8 descriptors;
	u8 pin_count;
	u32 ring;		// RING_NONE: its ring is gone
	u32 sequence;		// position of its descriptor in the ring
	struct {
		u64 frame;
		u64 count;
	} pin[RING_PIECES_MAX];
};

static struct flight flights[NIC_FLIGHTS_MAX];
static u32 free_flights[NIC_FLIGHTS_MAX];
static u32 free_count;
static u32 capacity;		// descriptors of the device's queue
static u32 turn;		// the ring that goes on first

bool ring_tx_waiting;

void
ring_tx_init(void)
{
	capacity = nic_room();
	for (u32 i = 0; i < NIC_FLIGHTS_MAX; i++)
		free_flights[free_count++] = i;
	ASSERT(free_count == NIC_FLIGHTS_MAX && capacity > 0);
}

// Descriptors that one ring may occupy. Half are the fabric's, where there is one.
static u32
share(void)
{
	u32 shared = fabric_on() ? capacity / 2 : capacity;
	u32 bound = 0;

	for (u32 i = 0; i < RINGS_MAX; i++)
		bound += rings[i].bound;
	ASSERT(bound > 0);
	return MAX(shared / bound, DESCRIPTORS_A_FRAME);
}

// Marks the descriptor at `sequence` done and advances tx_done past everything
// that is, in order.
static void
mark_done(struct ring *ring, u32 sequence)
{
	u32 bit = sequence % RING_SLOTS;

	ASSERT(sequence - ring->tx_done < RING_SLOTS);
	ring->sent[bit / 64] |= 1ull << bit % 64;
	for (u32 i = 0; i < RING_SLOTS; i++) {
		bit = ring->tx_done % RING_SLOTS;
		if (!(ring->sent[bit / 64] >> bit % 64 & 1))
			return;
		ring->sent[bit / 64] &= ~(1ull << bit % 64);
		ring->tx_done++;
	}
}

// Shows the owner how far things are.
static void
show_progress(struct ring *ring)
{
	if (!ring->running)
		return;
	shared_store(&ring->control->tx_refused, ring->tx_refused);
	shared_store(&ring->control->tx_done, ring->tx_done);
	env_hint(ring->owner);
}

// Turns the bytes behind the copied header into pieces for the device and pins.
static void
add_pieces(const struct ring_tx *t, struct nic_frame *frame, struct flight *f)
{
	u32 skip = frame->header_len;

	for (u32 i = 0; i < t->piece_count; i++) {
		const struct ring_piece *p = &t->piece[i];
		u64 physical = ((u64)p->frame << PAGE_SHIFT) + p->offset + skip;
		u32 len = p->len - skip;

		skip = 0;
		if (len == 0)
			continue;
		f->pin[f->pin_count].frame = physical >> PAGE_SHIFT;
		f->pin[f->pin_count].count =
			egress_last_frame(p) - (physical >> PAGE_SHIFT) + 1;
		f->pin_count++;
		frame->piece[frame->piece_count++] =
			(struct nic_piece){ physical, len };
	}
	ASSERT(frame->piece_count <= RING_PIECES_MAX);
}

// Checks one descriptor and, when all is well, gives the frame to the device, or
// to a ring of this node.
static enum ring_tx_status
send_one(struct ring *ring, const struct ring_tx *t, u32 flight_index)
{
	struct nic_frame frame = {
		.header_len = MIN(t->piece[0].len, RING_HEADER_COPY),
		.checksum_start = t->checksum_start,
		.checksum_offset = t->checksum_offset,
	};
	struct flight *f = &flights[flight_index];
	u32 total;
	enum ring_tx_status status = egress_descriptor(&ring->egress, t, &total);

	ASSERT(!f->open && ring->tx_taken - ring->tx_done < RING_SLOTS);
	if (status != RING_TX_SENT)
		return status;

	const u8 *source = frame_memory(t->piece[0].frame);
	u8 *header = nic_header();

	memcpy(header, source + t->piece[0].offset, frame.header_len);
	if (!egress_header(&ring->egress, header, frame.header_len, total))
		return RING_TX_FORGED;
	if (t->segment) {
		frame.segment = t->segment;
		frame.segment_header = (u16)egress_segments(&ring->egress, t, header,
							    frame.header_len);
		if (!frame.segment_header)
			return RING_TX_MALFORMED;
		if (ring_is_here(header))
			return RING_TX_LOCAL;
	} else if (ring_loop(t, header, frame.header_len)) {
		return RING_TX_SENT;
	}
	*f = (struct flight){ .open = true };
	f->ring = (u32)(ring - rings);
	f->sequence = ring->tx_taken;
	add_pieces(t, &frame, f);
	f->descriptors = (u8)(frame.piece_count + 1);
	f->copied = frame.piece_count == 0;
	for (u32 i = 0; i < f->pin_count; i++)
		own_pin(&frames, f->pin[i].frame, f->pin[i].count);	// G5
	ring->in_flight += f->descriptors;
	nic_send(&frame, flight_index);
	return RING_TX_SENT;
}

static void
take_descriptor(struct ring *ring)
{
	struct ring_tx *shared = &ring->tx[ring->tx_taken % RING_SLOTS];
	u32 flight_index = free_flights[free_count - 1];
	struct ring_tx t;

	memcpy(&t, shared, sizeof(t));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);

	enum ring_tx_status status = send_one(ring, &t, flight_index);
	const struct flight *f = &flights[flight_index];

	shared->status = (u8)status;
	if (f->open) {
		free_count--;
		sys_info.nic_tx_frames++;
	}
	if (status == RING_TX_SENT) {
		ring->info->tx_frames++;
	} else {
		ring->info->tx_refused++;
		ring->tx_refused++;
	}
	if (!f->open || f->copied)
		mark_done(ring, ring->tx_taken);
	ring->tx_taken++;
}

bool
ring_tx_plausible(const struct ring *ring, u32 head)
{
	return head - ring->tx_done <= RING_SLOTS &&
	       head - ring->tx_taken <= RING_SLOTS;
}

void
ring_tx_send(struct ring *ring, u32 head)
{
	u32 before = ring->tx_done;

	ring->stalled = false;
	if (!ring->running || !ring->sends || !ring_tx_plausible(ring, head))
		return;

	u32 limit = share();

	for (u32 i = 0; i < RING_SLOTS && ring->tx_taken != head; i++) {
		if (nic_room() < DESCRIPTORS_A_FRAME || free_count == 0 ||
		    ring->in_flight + DESCRIPTORS_A_FRAME > limit) {
			ring->stalled = ring_tx_waiting = true;
			break;
		}
		take_descriptor(ring);
	}
	if (ring->tx_done != before)
		show_progress(ring);
}

// The device is done with a frame. Returns its ring, or RING_NONE.
static u32
land(u32 flight_index)
{
	struct flight *f = &flights[flight_index];
	u32 index = f->ring;

	ASSERT(flight_index < NIC_FLIGHTS_MAX && f->open);
	ASSERT(free_count < NIC_FLIGHTS_MAX);
	for (u32 i = 0; i < f->pin_count; i++)
		own_unpin(&frames, f->pin[i].frame, f->pin[i].count);
	f->open = false;
	free_flights[free_count++] = flight_index;
	if (index == RING_NONE)
		return RING_NONE;

	struct ring *ring = &rings[index];

	ASSERT(ring->bound && ring->in_flight >= f->descriptors);
	ring->in_flight -= f->descriptors;
	if (f->copied)
		return RING_NONE;
	mark_done(ring, f->sequence);
	return index;
}

bool
ring_tx_sent(void)
{
	return (free_count < NIC_FLIGHTS_MAX || ring_tx_waiting || fabric_short()) &&
	       nic_sent_waiting();
}

void
ring_tx_collect(void)
{
	u32 moved = 0, flight_index;

	if (!ring_tx_sent())
		return;
	for (u32 i = 0; i < NIC_FLIGHTS_MAX && nic_sent(&flight_index); i++) {
		u32 index = RING_NONE;

		if (flight_index >= NIC_FLIGHTS_MAX)
			fabric_sent(flight_index);
		else
			index = land(flight_index);
		if (index != RING_NONE)
			moved |= 1u << index;
	}
	for (; moved; moved &= moved - 1)
		show_progress(&rings[__builtin_ctz(moved)]);
}

void
ring_tx_reply(struct ring *ring, const u8 *bytes, u32 len)
{
	static const struct ring_tx whole;	// no pieces: all of it is header
	struct nic_frame frame = { .header_len = len };
	u32 flight_index;

	ASSERT(len <= RING_HEADER_COPY);
	if (ring_loop(&whole, bytes, len)) {
		ring->info->tx_frames++;
		return;
	}
	if (nic_room() < DESCRIPTORS_A_FRAME || free_count == 0 ||
	    ring->in_flight + 1 > share()) {
		ring->info->tx_refused++;
		return;
	}
	flight_index = free_flights[--free_count];
	memcpy(nic_header(), bytes, len);
	flights[flight_index] = (struct flight){
		.open = true,
		.copied = true,		// no descriptor of the ring waits for it
		.descriptors = 1,
		.ring = (u32)(ring - rings),
	};
	ring->in_flight++;
	ring->info->tx_frames++;
	sys_info.nic_tx_frames++;
	nic_send(&frame, flight_index);
}

// Lets rings that had to wait go on, a different one first each time. Returns
// whether somebody still waits for completions.
static bool
resume(void)
{
	bool waiting = false;

	if (likely(!ring_tx_waiting))
		return false;
	turn = (turn + 1) % RINGS_MAX;
	for (u32 i = 0; i < RINGS_MAX; i++) {
		struct ring *ring = &rings[(turn + i) % RINGS_MAX];

		if (ring->stalled)
			ring_tx_send(ring, shared_load(&ring->control->tx_head));
		ring->watched &= ring->in_flight > 0;
		waiting |= ring->stalled || ring->watched;
	}
	ring_tx_waiting = waiting;
	return waiting;
}

void
ring_tx_flush(void)
{
	for (u32 i = 0; i < FLUSH_ROUNDS_MAX; i++) {
		bool wanted = ring_tx_waiting, waiting = resume();

		// Also to what went on just now, to a ring of this node.
		if (unlikely(ring_handler_replies))
			ring_handler_send();
		nic_push();
		// As it stands already, when nobody waited before either.
		if ((!wanted && !waiting) || !nic_want_sent(waiting))
			return;
		ring_tx_collect();
	}
}

void
ring_tx_forget(u32 index)
{
	for (u32 i = 0; i < NIC_FLIGHTS_MAX; i++) {
		if (flights[i].open && flights[i].ring == index)
			flights[i].ring = RING_NONE;
	}
}

u64
ring_pins(void)
{
	u64 pins = 0;
	u32 open = 0;

	for (u32 i = 0; i < NIC_FLIGHTS_MAX; i++) {
		const struct flight *f = &flights[i];

		open += f->open;
		for (u32 p = 0; f->open && p < f->pin_count; p++)
			pins += f->pin[p].count;
	}
	ASSERT(!capacity || open + free_count == NIC_FLIGHTS_MAX);
	return pins;
}
