// SPDX-License-Identifier: BSD-2-Clause
// Frames between two rings of this node (ring_loop() of kernel/sys/ring_rx.c): they arrive as the
// sender meant them and the filter wants them, and what may not be sent to the wire
// may not be sent here.

#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/crt/start.h"
#include "libos/io/ring.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"

#define FROM_INDEX 3u
#define TO_INDEX 4u
#define ETHERTYPE_IPV4 0x0800u
#define SOME_TYPE 0x88b6u		// local experimental, not the fabric's
#define OTHER_TYPE 0x88b7u
#define CHECKSUM_START 34u
#define CHECKSUM_OFFSET 16u

static struct ring from, to;
static struct frame_run memory;
static u8 *bytes;

static void
open_rings(void)
{
	static const struct ring_atom type = { 12, 0xffff0000, SOME_TYPE << 16 };
	struct ring_config config = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = FROM_INDEX,
		.narrows = SLOT_NONE,
		.regions = &memory,
		.region_count = 1,
	};

	must(frames_take(2, &memory), "take frames");
	bytes = direct_address(memory.frame);
	must(ring_open(&from, &config), "bind a ring");
	config.mac_index = TO_INDEX;
	config.filter = &type;
	config.filter_count = 1;
	must(ring_open(&to, &config), "bind another ring");
}

static void
make_frame(const struct ring *target, u16 type, u32 len)
{
	for (u32 i = 0; i < len; i++)
		bytes[i] = (u8)(i * 7 + len);
	for (u32 i = 0; i < 6; i++) {
		bytes[i] = target->control->mac[i];
		bytes[i + 6] = from.control->mac[i];
	}
	be16_store(bytes + 12, type);
}

// Sends what make_frame() made, cut into pieces. Returns what the kernel said.
static enum ring_tx_status
send(u32 first, u32 second, u32 third, bool checksum)
{
	struct ring_part parts[3] = {
		{ bytes, first }, { bytes + first, second },
		{ bytes + first + second, third },
	};
	u32 at = from.tx_head % RING_SLOTS;
	struct ring_offload c = { 0 };

	if (checksum)
		c = (struct ring_offload){ CHECKSUM_START, CHECKSUM_OFFSET, 0 };
	if (!check(ring_put(&from, parts, third ? 3 : second ? 2 : 1, c), "put"))
		return RING_TX_OPEN;
	must(ring_flush(&from), "kick");
	for (u64 until = now_ns() + PATIENCE_NS;
	     ring_sent(&from) != from.tx_head && now_ns() < until; )
		must(sys_ring_kick(from.slot), "kick");
	return from.tx[at].status;
}

static bool
arrived(const struct ring *ring, u32 len)
{
	const u8 *frame;

	return ring_peek(ring, &frame) == len && !memcmp(frame, bytes, len);
}

static bool
nothing_arrived(void)
{
	const u8 *frame;

	return ring_peek(&to, &frame) == 0 && ring_peek(&from, &frame) == 0;
}

static u32
sum(const u8 *at, u32 len)
{
	u32 total = 0;

	for (u32 i = 0; i < len; i++)
		total += i % 2 ? at[i] : (u32)at[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static void
what_is_sent_arrives(void)
{
	make_frame(&to, SOME_TYPE, 60);
	check(send(60, 0, 0, false) == RING_TX_SENT && arrived(&to, 60),
	      "a short frame arrives");
	ring_consume(&to);
	make_frame(&to, SOME_TYPE, RING_MTU_MAX);
	check(send(RING_MTU_MAX, 0, 0, false) == RING_TX_SENT &&
	      arrived(&to, RING_MTU_MAX), "and a long one");
	ring_consume(&to);
	check(send(14, 500, 1000, false) == RING_TX_SENT &&
	      arrived(&to, RING_MTU_MAX), "and one of three pieces");
	ring_consume(&to);
	make_frame(&from, SOME_TYPE, 60);
	check(send(60, 0, 0, false) == RING_TX_SENT && arrived(&from, 60),
	      "and one to oneself");
	ring_consume(&from);
	check(nothing_arrived(), "each once");
}

static void
checksums_are_completed(void)
{
	const u8 *frame;
	u32 len = 701;

	if (!sys_info()->nic_checksum)
		return;
	make_frame(&to, SOME_TYPE, len);
	check(send(54, 300, len - 354, true) == RING_TX_SENT, "sent");
	if (!check(ring_peek(&to, &frame) == len, "it arrives"))
		return;
	check(!memcmp(frame, bytes, CHECKSUM_START + CHECKSUM_OFFSET) &&
	      !memcmp(frame + 52, bytes + 52, len - 52),
	      "with nothing changed but the checksum");
	// What stood in its place counts as the sum of the pseudo header.
	check(sum(frame + CHECKSUM_START, len - CHECKSUM_START) ==
	      0xffff - sum(bytes + CHECKSUM_START + CHECKSUM_OFFSET, 2), "which is right");
	ring_consume(&to);
}

// A device cannot cut what never reaches it.
static void
segments_are_for_the_wire(void)
{
	struct ring_part part = { bytes, 2000 };
	u32 at = from.tx_head % RING_SLOTS;

	if (!sys_info()->nic_segments)
		return;
	make_frame(&to, ETHERTYPE_IPV4, part.len);
	bytes[14] = 0x45;
	be16_store(bytes + 20, 0);
	bytes[23] = 6;
	bytes[46] = 0x50;
	if (!check(ring_put(&from, &part, 1, (struct ring_offload){
			CHECKSUM_START, CHECKSUM_OFFSET, 1000 }), "put"))
		return;
	must(ring_flush(&from), "kick");
	check(from.tx[at].status == RING_TX_LOCAL && nothing_arrived(),
	      "segments for a ring of this node are refused");
}

static void
filters_decide(void)
{
	u64 unclaimed = sys_info()->nic_rx_unclaimed;

	make_frame(&to, OTHER_TYPE, 60);
	check(send(60, 0, 0, false) == RING_TX_SENT && nothing_arrived(),
	      "a frame that the filter does not want stays out");
	check(sys_info()->nic_rx_unclaimed > unclaimed, "and is counted");
}

static void
checks_hold_here_too(void)
{
	struct ring_atom atom = { 16, 0xffff0000, 0x12340000 };

	make_frame(&to, SOME_TYPE, 60);
	bytes[11] ^= 1;
	check(send(60, 0, 0, false) == RING_TX_FORGED, "another's address");
	make_frame(&to, ETHERTYPE_FABRIC, 60);
	check(send(60, 0, 0, false) == RING_TX_FORGED, "the fabric's type");
	must(sys_ring_narrow(from.slot, &atom, 1), "narrow");
	make_frame(&to, SOME_TYPE, 60);
	check(send(60, 0, 0, false) == RING_TX_FORGED, "what was given up");
	check(nothing_arrived(), "none of them arrives");
	be16_store(bytes + 16, 0x1234);
	check(send(60, 0, 0, false) == RING_TX_SENT && arrived(&to, 60),
	      "what is left arrives");
	ring_consume(&to);
}

static void
a_full_ring_drops(void)
{
	const u8 *frame;
	u32 count = 0;

	make_frame(&to, SOME_TYPE, 60);
	be16_store(bytes + 16, 0x1234);
	for (u32 i = 0; i < RING_SLOTS + 10; i++)
		check(send(60, 0, 0, false) == RING_TX_SENT, "sent");
	while (ring_peek(&to, &frame)) {
		ring_consume(&to);
		count++;
	}
	check(count == RING_SLOTS && to.control->rx_dropped == 10,
	      "what finds the ring full is dropped and counted");
}

void
test_loop(void)
{
	open_rings();
	what_is_sent_arrives();
	checksums_are_completed();
	segments_are_for_the_wire();
	filters_decide();
	checks_hold_here_too();
	a_full_ring_drops();
	ring_close(&to);
	ring_close(&from);
	frames_give(&memory);
}
