// SPDX-License-Identifier: BSD-2-Clause
// The echo loop of `floor=echo`, and the frames that the floor's two sides make.
// Of a frame that is sent back, what fits into the driver's header slot is
// copied; the rest is sent from the receive buffer, which goes back to the
// device once the frame is out. A frame that is made here has its rest in
// memory that nobody writes, as a page that is read has. One notification and
// at most one halt for each batch.

#include "harness/floor/echo.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"

#define NO_BUFFER 0xffffffffu	// cookie of a frame that was copied whole
#define ADDRESS_LEN 6u
#define ASK_AT NIC_ETHERNET_LEN
#define FRAME_MAX (NIC_ETHERNET_LEN + NIC_MTU_MAX)
#define DESCRIPTORS_AN_ANSWER (ECHO_ANSWERS_MAX * ECHO_FRAME_DESCRIPTORS)

STATIC_ASSERT(ASK_AT + sizeof(struct echo_ask) <= ECHO_FRAME_MIN);

static u64 rest_physical;	// FRAME_MAX bytes behind every made frame's header

void
echo_init(void)
{
	ASSERT(!rest_physical && nic_facts());
	rest_physical = physical_of(
		boot_frames(ALIGN_UP(FRAME_MAX, PAGE_SIZE) / PAGE_SIZE));
}

bool
echo_read(const struct nic_received *received, struct echo_ask *ask)
{
	if (received->len < ASK_AT + sizeof(*ask) ||
	    be16_load(received->frame + 2 * ADDRESS_LEN) != ECHO_ETHERTYPE)
		return false;
	memcpy(ask, received->frame + ASK_AT, sizeof(*ask));
	return true;
}

void
echo_send(const u8 *target, const struct echo_ask *ask, u32 len)
{
	struct nic_frame out = { .header_len = MIN(len, NIC_HEADER_MAX) };
	u8 *header = nic_header();

	ASSERT(len >= ECHO_FRAME_MIN && len <= FRAME_MAX);
	memset(header, 0, out.header_len);
	memcpy(header, target, ADDRESS_LEN);
	memcpy(header + ADDRESS_LEN, nic_facts()->mac, ADDRESS_LEN);
	be16_store(header + 2 * ADDRESS_LEN, ECHO_ETHERTYPE);
	memcpy(header + ASK_AT, ask, sizeof(*ask));
	if (len > out.header_len)
		out.piece[out.piece_count++] = (struct nic_piece){
			rest_physical, len - out.header_len,
		};
	nic_send(&out, NO_BUFFER);
}

void
echo_interrupt(void)
{
}

void
echo_reclaim(void)
{
	u32 buffer;

	while (nic_sent(&buffer)) {
		if (buffer != NO_BUFFER)
			nic_give_back(buffer);
	}
}

// Sends the frame back. The buffer is kept while the device reads it.
static void
send_back(const struct nic_received *r)
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

static void
answer(const struct nic_received *r, const struct echo_ask *ask)
{
	struct echo_ask out = { .kind = ECHO_ANSWER, .number = ask->number };
	u32 answers = MIN(ask->answers, ECHO_ANSWERS_MAX);

	if (ask->answer_len >= ECHO_FRAME_MIN &&
	    ask->answer_len <= NIC_ETHERNET_LEN + nic_facts()->mtu)
		for (u32 i = 0; i < answers; i++)
			echo_send(r->frame + ADDRESS_LEN, &out, ask->answer_len);
	nic_give_back(r->buffer);
}

// Is there room for one more answer, if need be after taking completions?
static bool
has_room(void)
{
	if (nic_room() >= DESCRIPTORS_AN_ANSWER)
		return true;
	nic_push();
	echo_reclaim();
	return nic_room() >= DESCRIPTORS_AN_ANSWER;
}

// Answers what has come, as far as there is room; the rest waits at the device.
// Returns true when more is there.
static bool
batch(void)
{
	struct nic_received r;
	struct echo_ask ask;

	nic_receive_begin();
	while (has_room() && nic_receive(&r)) {
		if (!echo_read(&r, &ask))
			nic_give_back(r.buffer);
		else if (ask.kind == ECHO_BACK)
			send_back(&r);
		else if (ask.kind == ECHO_ASK)
			answer(&r, &ask);
		else
			nic_give_back(r.buffer);
	}
	nic_push();
	echo_reclaim();
	return nic_receive_end(true);
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
