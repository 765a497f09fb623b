// SPDX-License-Identifier: BSD-2-Clause
// The echo loop of `floor=echo`. A frame that fits into the driver's header
// slot is copied; of a longer one the rest is sent from the receive buffer,
// which goes back to the device once the frame is out. One notification and at
// most one halt for each batch.

#include "kernel/dev/echo.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"

#define ETHERTYPE_ECHO 0x88b6u
#define NO_BUFFER 0xffffffffu	// cookie of a frame that was copied whole
#define ADDRESS_LEN 6u
#define DESCRIPTORS_AN_ANSWER 2u

void
echo_interrupt(u32 argument)
{
	(void)argument;
}

static void
reclaim(void)
{
	u32 buffer;

	while (nic_sent(&buffer)) {
		if (buffer != NO_BUFFER)
			nic_give_back(buffer);
	}
}

// Sends the frame back. The buffer is kept while the device reads it.
static void
answer(const struct nic_received *r)
{
	struct nic_frame out = { .header_len = MIN(r->len, NIC_HEADER_MAX) };
	u8 *header = nic_header();

	ASSERT(r->len >= NIC_ETHERNET_LEN);
	memcpy(header, r->frame + ADDRESS_LEN, ADDRESS_LEN);
	memcpy(header + ADDRESS_LEN, r->frame, ADDRESS_LEN);
	memcpy(header + 2 * ADDRESS_LEN, r->frame + 2 * ADDRESS_LEN,
	       out.header_len - 2 * ADDRESS_LEN);
	if (r->len > out.header_len) {
		out.piece[out.piece_count++] = (struct nic_piece){
			physical_of(r->frame + out.header_len),
			r->len - out.header_len,
		};
		nic_send(&out, r->buffer);
		return;
	}
	nic_send(&out, NO_BUFFER);
	nic_give_back(r->buffer);
}

// Is there room for one more answer, if need be after taking completions?
static bool
has_room(void)
{
	if (nic_room() >= DESCRIPTORS_AN_ANSWER)
		return true;
	nic_push();
	reclaim();
	return nic_room() >= DESCRIPTORS_AN_ANSWER;
}

// Answers what has come, as far as there is room; the rest waits at the device.
// Returns true when more is there.
static bool
batch(void)
{
	struct nic_received r;

	nic_receive_begin();
	while (has_room() && nic_receive(&r)) {
		if (be16_load(r.frame + 2 * ADDRESS_LEN) == ETHERTYPE_ECHO)
			answer(&r);
		else
			nic_give_back(r.buffer);
	}
	nic_push();
	reclaim();
	return nic_receive_end();
}

noreturn_ void
echo_loop(void)
{
	bool more = true;

	for (;;) {
		if (!more)
			cpu_halt_for_interrupt();
		more = batch();
		// Buffers that wait for completions cannot receive: with few
		// descriptors free, completions must interrupt too.
		more |= nic_want_sent(nic_room() < NIC_FLIGHTS_MAX / 2);
	}
}
