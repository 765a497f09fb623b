// SPDX-License-Identifier: BSD-2-Clause
// Rings that share an address (docs/filters.md): one has all UDP and hands ports to
// others, in both directions; what was handed out is taken back; nobody takes a port
// alone. At the end a hundred filters at once, each of which gets its own frame and no
// other.
//
// The frames come from a ring with another address, and never leave the node.

#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/crt/start.h"
#include "libos/io/ring.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"

#define SENDER_INDEX 5u
#define SHARED_INDEX 6u
#define FRAME_LEN 64u
#define SOURCE_PORT 34u
#define TARGET_PORT 36u
#define MANY 100u
#define MANY_RINGS 12u			// the wide ring has the last four

static struct ring sender, wide, narrow;
static struct frame_run memory;
static u8 *bytes;

static const struct ring_atom udp[] = {
	{ 12, 0xffff0000, 0x08000000 }, { 20, 0xff, 17 },
};

static struct ring_filter
target_port(u32 port, u32 narrows)
{
	return (struct ring_filter){
		.narrows = narrows, .count = 3,
		.atom = { udp[0], udp[1], { TARGET_PORT, 0xffff0000, port << 16 } },
	};
}

// Of a ring, in the kernel's table.
static u32
index_of(u32 slot)
{
	struct cap_info info;

	must(sys_cap_inspect(CAP_SLOT_SELF, slot, &info), "inspect");
	return (u32)info.base;
}

static struct ring_config
config_for(u32 mac_index)
{
	return (struct ring_config){
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = mac_index,
		.narrows = SLOT_NONE,
		.regions = &memory,
		.region_count = 1,
	};
}

// From `ring` to the shared address. Returns what the kernel said.
static enum ring_tx_status
send(struct ring *ring, u16 from_port, u16 to_port)
{
	struct ring_part part = { bytes, FRAME_LEN };
	u32 at = ring->tx_head % RING_SLOTS;

	memset(bytes, 0, FRAME_LEN);
	for (u32 i = 0; i < 6; i++) {
		bytes[i] = wide.control->mac[i];
		bytes[i + 6] = ring->control->mac[i];
	}
	be16_store(bytes + 12, 0x0800);
	bytes[23] = 17;
	be16_store(bytes + SOURCE_PORT, from_port);
	be16_store(bytes + TARGET_PORT, to_port);
	if (!check(ring_put(ring, &part, 1, (struct ring_offload){ 0 }), "put"))
		return RING_TX_OPEN;
	must(ring_flush(ring), "kick");
	return ring->tx[at].status;
}

// Did that ring get a frame, alone?
static bool
got(struct ring *ring)
{
	struct ring *other = ring == &wide ? &narrow : &wide;
	const u8 *frame;

	if (ring_peek(ring, &frame) != FRAME_LEN)
		return false;
	ring_consume(ring);
	return other->slot == SLOT_NONE || ring_peek(other, &frame) == 0;
}

static i64
try_bind(struct ring_config config)
{
	struct ring ring;
	i64 result = ring_open(&ring, &config);

	if (result == 0)
		ring_close(&ring);
	return result;
}

// What would meet another's claims without authority, wholly or by halves.
static void
nobody_takes_a_port(void)
{
	static const struct ring_atom half = { TARGET_PORT, 0xffff0000, 80u << 16 };
	struct ring_filter port = target_port(80, SLOT_NONE);
	struct ring_config config = config_for(SHARED_INDEX);
	i64 reader;

	config.filter = port.atom;
	config.filter_count = port.count;
	check(try_bind(config) == -E_TAKEN, "a narrower filter takes authority");
	config.filter = &half;
	config.filter_count = 1;
	config.narrows = wide.slot;
	check(try_bind(config) == -E_TAKEN, "half of it is not within");
	config.narrows = sender.slot;
	config.filter = port.atom;
	config.filter_count = port.count;
	check(try_bind(config) == -E_TAKEN, "authority over another ring is none");
	reader = sys_cap_derive(wide.slot, CAP_SLOT_SELF, CAP_READ,
				index_of(wide.slot), 1);
	must(reader, "derive");
	config.narrows = (u32)reader;
	check(try_bind(config) == -E_TAKEN, "to send like it takes WRITE");
	must(sys_cap_drop((u32)reader), "drop");
}

static void
a_port_is_handed_out(void)
{
	static const struct ring_atom from_80 = {
		SOURCE_PORT, 0xffff0000, 80u << 16,
	};
	struct ring_filter port = target_port(80, SLOT_NONE);
	struct ring_config config = config_for(SHARED_INDEX);
	i64 lent = sys_cap_derive(wide.slot, CAP_SLOT_SELF, CAP_READ | CAP_WRITE,
				  index_of(wide.slot), 1);

	must(lent, "derive");
	config.narrows = (u32)lent;
	config.filter = port.atom;
	config.filter_count = port.count;
	config.send = &from_80;
	config.send_count = 1;
	must(ring_open(&narrow, &config), "bind a narrower ring");
	check(send(&sender, 1, 80) == RING_TX_SENT && got(&narrow),
	      "the port's frames go to whom it was handed");
	check(send(&sender, 1, 81) == RING_TX_SENT && got(&wide),
	      "others to the wide ring");
	check(send(&narrow, 81, 81) == RING_TX_FORGED, "it sends from its port");
	check(send(&narrow, 80, 81) == RING_TX_SENT && got(&wide), "alone");

	port = target_port(443, SLOT_NONE);
	check(sys_ring_filter(narrow.slot, &port) == -E_TAKEN, "a second port asks too");
	port.narrows = (u32)lent;
	check(sys_ring_filter(narrow.slot, &port) == 1, "and is had");
	check(send(&sender, 1, 443) == RING_TX_SENT && got(&narrow), "with its frames");
	check(sys_ring_unfilter(narrow.slot, 1) == 0, "it is given back");
	check(sys_ring_unfilter(narrow.slot, 1) == -E_ARGUMENT, "once");
	check(send(&sender, 1, 443) == RING_TX_SENT && got(&wide), "with its frames");

	must(sys_cap_revoke(wide.slot), "revoke");
	check(send(&sender, 1, 80) == RING_TX_SENT && got(&wide),
	      "what was handed out is taken back");
	check(send(&narrow, 80, 81) == RING_TX_OPEN, "in both directions");
	ring_close(&narrow);
}

// Binds rings over the memory of one, which is enough to see by the table who gets
// what, and spreads the filters over them.
static void
spread_filters(const struct frame_run *run, u32 *slot)
{
	struct ring_spec spec = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = SHARED_INDEX,
		.ring_slot = run->slot,
		.ring_frame = run->frame,
		.narrows = wide.slot,
		.filter_count = 3,
		.send_count = 3,
	};

	slot[MANY_RINGS] = wide.slot;
	for (u32 i = 0; i < MANY; i++) {
		struct ring_filter f = target_port(1000 + i, wide.slot);
		u32 ring = i / RING_FILTERS_MAX;
		i64 result;

		memcpy(spec.filter, f.atom, sizeof(f.atom));
		memcpy(spec.send, f.atom, sizeof(f.atom));
		if (ring == MANY_RINGS || i % RING_FILTERS_MAX) {
			must(sys_ring_filter(slot[ring], &f), "filter");
			continue;
		}
		result = sys_ring_bind(&spec);
		must(result, "bind one of many");
		slot[ring] = (u32)result;
	}
}

static u64
received(u32 slot)
{
	const volatile struct ring_info *info = &ring_table()[index_of(slot)];

	return info->rx_frames + info->rx_dropped;
}

static void
a_hundred_filters(void)
{
	struct ring_filter more = target_port(2000, wide.slot);
	u32 slot[MANY_RINGS + 1];
	struct frame_run run;
	const u8 *frame;

	must(frames_take(RING_FRAMES, &run), "take frames");
	spread_filters(&run, slot);
	check(sys_ring_filter(slot[0], &more) == -E_TABLE, "a ring has eight");
	for (u32 i = 0; i < MANY; i++) {
		u64 before = received(slot[i / RING_FILTERS_MAX]);

		check(send(&sender, 1, (u16)(1000 + i)) == RING_TX_SENT &&
		      received(slot[i / RING_FILTERS_MAX]) == before + 1,
		      "each frame reaches its filter among a hundred");
	}
	for (u32 i = 0; i < MANY % RING_FILTERS_MAX; i++)
		ring_consume(&wide);
	check(ring_peek(&wide, &frame) == 0, "and no other");
	for (u32 ring = 0; ring < MANY_RINGS; ring++)
		must(sys_cap_drop(slot[ring]), "drop");
	check(send(&sender, 1, 1000) == RING_TX_SENT && got(&wide),
	      "then they are the wide ring's again");
	frames_give(&run);
}

// Whoever has a ring's capability may narrow it and kick it; what it receives, and what
// is done with that, is its owner's to say.
static void
only_its_owner_filters(void)
{
	struct helper h;
	i64 lent;

	helper_start(&h, "filter-lent", processor(), NULL);
	lent = sys_cap_derive(wide.slot, h.child.env, CAP_READ | CAP_WRITE,
			      index_of(wide.slot), 1);
	must(lent, "lend the ring");
	h.shared->slot[0] = (u32)lent;
	announce(&h.shared->order, 1);
	check(changed(&h.shared->state, 0), "the child tried");
	check((i64)h.shared->value == -E_RIGHTS, "another gives a ring no filters");
	check((i64)h.shared->address == -E_RIGHTS, "nor takes them");
	check((i64)h.shared->base[0] == -E_RIGHTS, "nor handles what comes");
	helper_end(&h);
	check(send(&sender, 1, 80) == RING_TX_SENT && got(&wide), "it has what it had");
}

void
test_filters(void)
{
	struct ring_config config = config_for(SENDER_INDEX);

	must(frames_take(2, &memory), "take frames");
	bytes = direct_address(memory.frame);
	narrow.slot = SLOT_NONE;
	must(ring_open(&sender, &config), "bind a ring");
	config = config_for(SHARED_INDEX);
	config.filter = udp;
	config.filter_count = ARRAY_SIZE(udp);
	must(ring_open(&wide, &config), "bind a wide ring");
	nobody_takes_a_port();
	a_port_is_handed_out();
	only_its_owner_filters();
	a_hundred_filters();
	ring_close(&wide);
	ring_close(&sender);
	frames_give(&memory);
}
