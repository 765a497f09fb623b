// SPDX-License-Identifier: BSD-2-Clause
// Sends what it may not: frames under another's address, the fabric's frames,
// memory that is not its own; and spoils its ring in every way it can. Frames
// that must not get out carry the word FORGED, others HONEST, so that whoever
// listens on the wire can tell.
//
// Each attempt is one descriptor; what the kernel said of it stands in its
// status (kernel/abi/ring.h). At the end the ring's memory goes under way.

#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/io/ring.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/taken.h"
#include "libos/programs/hostile/verdict.h"

#define MAC_INDEX 7u
#define FRAME_LEN 64u
#define FLOODS 6u
#define REGION_FRAMES 4u
#define TAG 0x8100u
#define OUTER_TAG 0x88a8u
#define SOME_TYPE 0x88b6u		// local experimental, not the fabric's

static struct ring ring;
static struct frame_run region;		// what the ring may send from
static struct frame_run secret;		// what it may not
static u8 *bytes;			// of the region

// A broadcast frame at the region's start: source, EtherType, a word.
static void
make_frame(const u8 *source, u16 type, const char *word)
{
	memset(bytes, 0, FRAME_LEN);
	memset(bytes, 0xff, 6);
	memcpy(bytes + 6, source, 6);
	be16_store(bytes + 12, type);
	memcpy(bytes + 32, word, strlen(word));
}

static struct ring_tx
whole_frame(void)
{
	return (struct ring_tx){
		.piece = { { (u32)region.frame, 0, FRAME_LEN } },
		.piece_count = 1,
	};
}

static void
kick(void)
{
	need("kick", sys_ring_kick(ring.slot));
}

static void
put_raw(const struct ring_tx *tx)
{
	ring.tx[ring.tx_head % RING_SLOTS] = *tx;
	ring.tx_head++;
	__atomic_store_n(&ring.control->tx_head, ring.tx_head, __ATOMIC_RELEASE);
}

// Sleeps until everything that was put is done with. No attempt, since how often it takes
// that depends on the device.
static void
drain(void)
{
	u64 until = now_ns() + 10 * NS_PER_SECOND;
	u32 done;

	while ((done = ring_sent(&ring)) != ring.tx_head && now_ns() < until) {
		struct wait_set set;

		wait_begin(&set);
		ring_watch_sent(&ring, &set, done);
		wait_until(&set, now_ns() + 10 * NS_PER_MS);
		wait_sleep(&set);
		kick();
	}
	if (done != ring.tx_head)
		holds("everything put is done with", false);
}

// One descriptor must end with that status.
static void
put_for(const char *what, const struct ring_tx *tx, enum ring_tx_status status)
{
	u32 at = ring.tx_head % RING_SLOTS;

	put_raw(tx);
	kick();
	drain();
	holds(what, ring.tx[at].status == status);
}

static void
forged(const char *what)
{
	struct ring_tx tx = whole_frame();

	put_for(what, &tx, RING_TX_FORGED);
}

static void
foreign_sources(void)
{
	u8 own[6], source[6];

	for (u32 i = 0; i < 6; i++)
		own[i] = ring.control->mac[i];
	make_frame((const u8 *)sys_info()->nic_mac, SOME_TYPE, "FORGED");
	forged("the node's own address");
	make_frame((const u8 *)"\xff\xff\xff\xff\xff\xff", SOME_TYPE, "FORGED");
	forged("everybody's address");
	make_frame((const u8 *)"\0\0\0\0\0\0", SOME_TYPE, "FORGED");
	forged("nobody's address");
	for (u32 bit = 0; bit < 48; bit++) {
		memcpy(source, own, 6);
		source[bit / 8] ^= (u8)(1u << bit % 8);
		make_frame(source, SOME_TYPE, "FORGED");
		forged("an address one bit off");
	}
	make_frame(own, SOME_TYPE, "HONEST");
}

static void
tag(u32 nth, u16 type)
{
	be16_store(bytes + 12 + 4 * nth, type);
}

static void
fabric_frames(void)
{
	struct ring_tx split = whole_frame();
	u8 own[6];

	for (u32 i = 0; i < 6; i++)
		own[i] = ring.control->mac[i];
	make_frame(own, ETHERTYPE_FABRIC, "FORGED");
	forged("the fabric's type");
	make_frame(own, TAG, "FORGED");
	tag(1, ETHERTYPE_FABRIC);
	forged("the fabric's type behind a tag");
	make_frame(own, OUTER_TAG, "FORGED");
	tag(1, TAG);
	tag(2, ETHERTYPE_FABRIC);
	forged("behind two");
	tag(2, TAG);
	tag(3, ETHERTYPE_FABRIC);
	forged("behind three");
	make_frame(own, TAG, "FORGED");
	tag(1, ETHERTYPE_FABRIC);
	split.piece_count = 2;
	for (u16 cut = 14; cut < 18; cut++) {
		split.piece[0].len = cut;
		split.piece[1] = (struct ring_piece){
			(u32)region.frame, cut, (u16)(FRAME_LEN - cut) };
		put_for("the type in the second piece", &split, RING_TX_FORGED);
	}
	make_frame(own, SOME_TYPE, "HONEST");
}

static void
malformed(const char *what, struct ring_tx tx)
{
	put_for(what, &tx, RING_TX_MALFORMED);
}

static void
bad_lengths(void)
{
	static const u16 offsets[] = { 4096, 4097, 32768, 65535 };
	static const u8 counts[] = { 0, 4, 5, 128, 255 };
	struct ring_tx tx;

	for (u32 i = 0; i < ARRAY_SIZE(counts); i++) {
		tx = whole_frame();
		tx.piece_count = counts[i];
		malformed("a number of pieces", tx);
	}
	for (u32 i = 0; i < ARRAY_SIZE(offsets); i++) {
		tx = whole_frame();
		tx.piece[0].offset = offsets[i];
		malformed("an offset", tx);
	}
	tx = whole_frame();
	tx.piece[0].len = 13;
	malformed("a frame that is too short", tx);
	tx.piece[0].len = 0;
	malformed("an empty piece", tx);
	tx.piece[0].len = RING_MTU_MAX + 1;
	malformed("a frame that is too long", tx);
	tx.piece[0].len = 65535;
	malformed("a frame that is far too long", tx);
	tx = whole_frame();
	tx.piece_count = 3;
	tx.piece[1] = tx.piece[2] = (struct ring_piece){ tx.piece[0].frame, 0, 65535 };
	malformed("pieces that are too long together", tx);
	tx = whole_frame();
	tx.checksum_start = 13;
	malformed("a checksum in the header", tx);
	tx.checksum_start = 60;
	tx.checksum_offset = 255;
	malformed("a checksum behind the end", tx);
	tx = whole_frame();
	tx.segment = RING_SEGMENT_MIN;
	malformed("segments without a checksum", tx);
	tx.checksum_start = 34;
	tx.checksum_offset = 16;
	malformed("segments of what is not TCP", tx);
	tx.segment = RING_SEGMENT_MIN - 1;
	malformed("segments that are too short", tx);
}

static void
outside(const char *what, u64 frame, u16 offset)
{
	struct ring_tx tx = whole_frame();

	tx.piece[0].frame = (u32)frame;
	tx.piece[0].offset = offset;
	put_for(what, &tx, RING_TX_OUTSIDE);
	tx = whole_frame();
	tx.piece_count = 2;
	tx.piece[1] = (struct ring_piece){ (u32)frame, offset, 20 };
	put_for(what, &tx, RING_TX_OUTSIDE);
}

static void
foreign_memory(void)
{
	u64 count = sys_info()->frame_count;
	u64 last = region.frame + region.count - 1;

	outside("frame 0", 0, 0);
	outside("the kernel's image", 0x110, 0);
	outside("frames that are not there", count, 0);
	outside("the last number", 0xffffffff, 0);
	outside("a frame of its own that the ring was not given", secret.frame, 0);
	outside("the frame before", region.frame - 1, 0);
	outside("the frame behind", last + 1, 0);
	outside("bytes that run out of the region", last, 4090);
	for (u64 f = 0; f < count; f += 257) {
		u64 own = f - ring.memory.frame < RING_FRAMES ||
			  f - region.frame < region.count;

		outside("any other frame", own ? 0 : f, 0);
	}
}

static void
bad_indices(void)
{
	static const u32 steps[] = {
		RING_SLOTS + 1, RING_SLOTS + 2, 1u << 16, 1u << 31, ~0u,
	};
	u32 head = ring.tx_head;

	for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
		ring.control->tx_head = head + steps[i];
		refused("a head far away", sys_ring_kick(ring.slot), E_ARGUMENT);
	}
	ring.control->tx_head = head;
	for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
		ring.control->rx_tail = ring.control->rx_head + steps[i];
		ring.control->tx_done += steps[i];
		ring.control->rx_head += steps[i];
		holds("indices of others overwritten",
		      sys_ring_kick(ring.slot) == 0);
	}
	put_raw(&(struct ring_tx){ .piece_count = 9 });
	kick();
	holds("the kernel writes its own indices", ring_sent(&ring) == ring.tx_head);
}

// More than the device takes, honest and not, again and again.
static void
flood(void)
{
	struct ring_tx good = whole_frame(), bad = whole_frame();
	u32 sent = 0;

	good.piece_count = 3;
	good.piece[1] = good.piece[2] =
		(struct ring_piece){ (u32)region.frame + 1, 9, 700 };
	bad.piece[0].frame = 0;
	for (u32 i = 0; i < FLOODS; i++) {
		for (u32 j = 0; j < RING_SLOTS; j++)
			put_raw(j % 4 ? &good : &bad);
		kick();
		drain();
		for (u32 j = 0; j < RING_SLOTS; j++)
			sent += ring.tx[j].status == RING_TX_SENT;
	}
	holds("three in four of a flood went out", sent == FLOODS * RING_SLOTS * 3 / 4);
}

// What the device may still read belongs to nobody else meanwhile.
static void
under_way(void)
{
	struct ring_tx tx = whole_frame();
	bool pinned = false;

	tx.piece_count = 2;
	tx.piece[1] = (struct ring_piece){ (u32)region.frame + 1, 9, 700 };
	for (u32 i = 0; i < RING_SLOTS && !pinned; i++) {
		put_raw(&tx);
		kick();
		pinned = frame_table()[region.frame + 1].pins > 0;
		drain();
	}
	holds("frames under way are pinned", pinned);
}

static void
bad_bindings(void)
{
	const struct ring_spec good = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = MAC_INDEX + 1,
		.ring_slot = ring.memory.slot,
		.ring_frame = ring.memory.frame,
		.narrows = SLOT_NONE,
	};
	struct ring_spec s = good;

	s.mac_index = 0;
	refused("the node's own address", sys_ring_bind(&s), E_TAKEN);
	s.mac_index = RINGS_MAX;
	refused("an address that is none", sys_ring_bind(&s), E_ARGUMENT);
	s.mac_index = RING_MAC_GIVEN;
	refused("no address", sys_ring_bind(&s), E_ARGUMENT);
	memcpy(s.mac, "\3\0\0\0\0\1", 6);
	refused("the address of a group", sys_ring_bind(&s), E_ARGUMENT);
	s.mac[0] = 2;
	refused("a foreign address without FORGE", sys_ring_bind(&s), E_RIGHTS);
	for (u32 i = 0; i < 6; i++)
		s.mac[i] = ring.control->mac[i];
	refused("even its own so", sys_ring_bind(&s), E_RIGHTS);
	s = good;
	s.mac_index = MAC_INDEX;
	refused("an address twice", sys_ring_bind(&s), E_TAKEN);
	s = good;
	s.nic_slot = CAP_SLOT_SELF;
	refused("an interface that is none", sys_ring_bind(&s), E_TYPE);
	s = good;
	s.ring_frame++;
	refused("a ring in frames of others", sys_ring_bind(&s), E_RANGE);
	s.ring_frame = ~0ull;
	refused("a ring nowhere", sys_ring_bind(&s), E_RANGE);
	s = good;
	s.narrows = startup_slot(ROLE_NIC);
	refused("a narrowing of what is no ring", sys_ring_bind(&s), E_TYPE);
	s = good;
	s.region_count = RING_REGIONS_MAX + 1;
	refused("too many regions", sys_ring_bind(&s), E_ARGUMENT);
	s.region_count = 1;
	s.region[0] = (struct ring_region){ region.slot, 0, region.frame, ~0ull };
	refused("a region with everything", sys_ring_bind(&s), E_RANGE);
	s.region[0] = (struct ring_region){ 255, 0, region.frame, 1 };
	refused("a region under no capability", sys_ring_bind(&s), E_SLOT);
	s = good;
	s.filter_count = RING_ATOMS_MAX + 1;
	refused("too many atoms", sys_ring_bind(&s), E_ARGUMENT);
	s.filter_count = 1;
	s.filter[0] = (struct ring_atom){ 61, 1, 1 };
	refused("an atom past the window", sys_ring_bind(&s), E_ARGUMENT);
}

// The node's own address is the web server's: no part of what it receives or sends is
// to be had without authority over its ring, which another ring is not.
static void
bad_claims(void)
{
	static const struct ring_atom port_80[] = {
		{ 12, 0xffff0000, 0x08000000 }, { 20, 0xff, 6 },
		{ 36, 0xffff0000, 80u << 16 },
	};
	struct ring_spec s = {
		.nic_slot = startup_slot(ROLE_NIC),
		.ring_slot = ring.memory.slot,
		.ring_frame = ring.memory.frame,
		.narrows = SLOT_NONE,
	};
	struct ring_filter filter = { .narrows = SLOT_NONE, .count = 1 };
	u64 nic = startup_find(ROLE_NIC, 0)->base;

	for (u32 i = 0; i <= ARRAY_SIZE(port_80); i++) {
		s.filter_count = s.send_count = i;
		memcpy(s.filter, port_80, sizeof(port_80));
		memcpy(s.send, port_80, sizeof(port_80));
		s.narrows = SLOT_NONE;
		refused("a part of the server's frames", sys_ring_bind(&s), E_TAKEN);
		s.narrows = ring.slot;
		refused("the same by showing another ring", sys_ring_bind(&s), E_TAKEN);
	}
	for (u32 right = CAP_READ; right <= CAP_WRITE; right <<= 1) {
		s.nic_slot = (u32)need("derive", sys_cap_derive(startup_slot(ROLE_NIC),
				CAP_SLOT_SELF, right, nic, 1));
		refused("one direction of them", sys_ring_bind(&s), E_TAKEN);
		need("drop", sys_cap_drop(s.nic_slot));
	}
	filter.atom[0] = port_80[0];
	filter.narrows = startup_slot(ROLE_NIC);
	refused("a filter over what is no ring", sys_ring_filter(ring.slot, &filter),
		E_TYPE);
	filter.narrows = SLOT_NONE;
	filter.count = RING_ATOMS_MAX + 1;
	refused("a filter of too many atoms", sys_ring_filter(ring.slot, &filter),
		E_ARGUMENT);
	refused("the end of a filter that is none", sys_ring_unfilter(ring.slot, 7),
		E_ARGUMENT);
	refused("the end of the claim to send",
		sys_ring_unfilter(ring.slot, RING_FILTERS_MAX), E_ARGUMENT);
}

// A second ring in the very frames of the first: it may spoil itself.
static void
ring_in_ring(void)
{
	struct ring_spec s = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = MAC_INDEX + 1,
		.ring_slot = ring.memory.slot,
		.ring_frame = ring.memory.frame,
		.narrows = SLOT_NONE,
	};
	u32 head = ring.control->tx_head;
	u32 twin = (u32)need("bind a ring over it", sys_ring_bind(&s));

	ring.control->tx_head = 1;
	holds("a kick of the twin", sys_ring_kick(twin) == 0);
	need("drop the twin", sys_cap_drop(twin));
	ring.control->tx_head = head;
	holds("a kick of the first", sys_ring_kick(ring.slot) == 0);
}

// To a ring of this very node, which the kernel serves: what is forged does not get
// there either.
static void
to_a_neighbour(void)
{
	static struct ring neighbour;
	struct ring_config config = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = MAC_INDEX + 1,
		.narrows = SLOT_NONE,
	};
	struct ring_tx tx = whole_frame();
	u8 own[6], target[6];
	const u8 *frame;

	need("a neighbour", ring_open(&neighbour, &config));
	for (u32 i = 0; i < 6; i++) {
		own[i] = ring.control->mac[i];
		target[i] = neighbour.control->mac[i];
	}
	make_frame(target, SOME_TYPE, "FORGED");
	memcpy(bytes, target, 6);
	forged("the neighbour's address, to the neighbour");
	make_frame(own, ETHERTYPE_FABRIC, "FORGED");
	memcpy(bytes, target, 6);
	forged("the fabric's type, to the neighbour");
	make_frame(own, SOME_TYPE, "FORGED");
	memcpy(bytes, target, 6);
	tx.piece[0].frame = (u32)secret.frame;
	put_for("memory of others, to the neighbour", &tx, RING_TX_OUTSIDE);
	holds("nothing got there", ring_peek(&neighbour, &frame) == 0);
	tx = whole_frame();		// not to the wire: whoever listens is told
	put_for("a frame to the neighbour", &tx, RING_TX_SENT);
	holds("it got there, and unchanged",
	      ring_peek(&neighbour, &frame) == FRAME_LEN &&
	      !memcmp(frame, bytes, FRAME_LEN));
	ring_close(&neighbour);
	make_frame(own, SOME_TYPE, "HONEST");
}

// Conditions only grow.
static void
narrow(void)
{
	static const struct ring_atom type = { 12, 0xffff0000, 0x08000000 };
	static const struct ring_atom other = { 12, 0xffff0000, SOME_TYPE << 16 };

	need("narrow", sys_ring_narrow(ring.slot, &type, 1));
	refused("to widen again", sys_ring_narrow(ring.slot, &other, 1),
		E_ARGUMENT);
	memcpy(bytes + 32, "FORGED", 6);
	forged("a type that was given up");
}

// The ring's memory goes while frames are on their way.
static void
memory_gone(void)
{
	struct ring_tx good = whole_frame();
	u64 va = (u64)direct_address(ring.memory.frame);

	memcpy(bytes + 32, "HONEST", 6);
	be16_store(bytes + 12, 0x0800);
	need("unmap the ring", sys_page_unmap(CAP_SLOT_SELF, va, RING_FRAMES));
	kick();
	need("map it again", sys_page_map(CAP_SLOT_SELF, va, ring.memory.slot,
					  ring.memory.frame, RING_FRAMES,
					  PROT_READ | PROT_WRITE));
	for (u32 j = 0; j < RING_SLOTS; j++)
		put_raw(&good);
	kick();
	need("drop the memory", sys_cap_drop(ring.memory.slot));
	refused("a kick of a ring without memory", sys_ring_kick(ring.slot),
		E_STATE);
}

// A ring in frames of a capability of its own, which can be dropped.
static void
open_ring(void)
{
	struct ring_spec spec = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = MAC_INDEX,
		.narrows = SLOT_NONE,
		.region_count = 1,
	};

	region = take(REGION_FRAMES);
	secret = take(2);
	ring.memory = take(RING_FRAMES);
	need("map", map_direct(&region, PROT_READ | PROT_WRITE));
	need("map", map_direct(&ring.memory, PROT_READ | PROT_WRITE));
	bytes = direct_address(region.frame);
	ring.control = direct_address(ring.memory.frame);
	ring.tx = direct_address(ring.memory.frame + 1);
	spec.ring_slot = ring.memory.slot;
	spec.ring_frame = ring.memory.frame;
	spec.region[0] = (struct ring_region){
		region.slot, 0, region.frame, region.count };
	ring.slot = (u32)need("bind a ring", sys_ring_bind(&spec));
}

int
main(int argc, char **argv)
{
	struct ring_tx honest;

	(void)argc;
	(void)argv;
	open_ring();
	foreign_sources();
	honest = whole_frame();
	put_for("an honest frame", &honest, RING_TX_SENT);
	fabric_frames();
	bad_lengths();
	foreign_memory();
	under_way();
	bad_bindings();
	bad_claims();
	to_a_neighbour();
	ring_in_ring();
	bad_indices();
	flood();
	narrow();
	memory_gone();
	return verdict_end();
}
