// SPDX-License-Identifier: BSD-2-Clause
// One of the oracle's intruders (oracle.c starts them, and says what it is all about):
//
//	intruder SEED CALLS GROUP MEMBER TARGET...
//
// Makes random calls (calls.h), aimed at the targets, which are frames and blocks
// of others. Whatever it gets mapped it reads, and marks where it can; it sends
// packets and moves blocks from and to where it must not. A word of somebody whose
// memory it may not read ends it with STATUS_READ_FOREIGN. The arena is the
// group's; a group's other member is in league with it. Its rings have the group's
// addresses only: a packet for another's would be a path to there.

#include "libos/crt/attempt.h"
#include "libos/mem/frames.h"
#include "libos/programs/hostile/calls.h"
#include "libos/programs/hostile/control.h"
#include "libos/programs/hostile/tags.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/text/text.h"

#define ARENA_FRAMES 300u
#define QUEUE_PAGE 262u			// of the arena: behind two rings
#define DATA_PAGE 264u
#define READ_ONLY_PAGE (ARENA_FRAMES + 80u)	// an address behind the arena
#define SCAN_PAGES 8u			// of one call
#define MEMBERS 2u			// of a group, and its addresses
#define PIECE 512u			// of a foreign frame in a packet
#define TARGETS_MAX 24u
#define GIB (1ull << 30)
#define ALL_PROTS (PROT_READ | PROT_WRITE | PROT_EXECUTE)

static struct generator g;
static u32 group, member;
static u32 made;			// calls
static bool looking;			// a fault now is one that was expected
static bool lent_is_mine;

// ---- what it must not see ----

static bool
is_foreign(u32 owner)
{
	switch (owner) {
	case 0:
	case TAG_PUBLIC:
		return false;
	case TAG_LENT:
		return !lent_is_mine;
	default:
		return owner != TAG_GROUP + group;
	}
}

static void
examine(const volatile u64 *words, u64 first)
{
	for (u64 i = first; i < PAGE_SIZE / 8; i += TAG_STEP) {
		u64 word = words[i];

		if (!is_foreign(tag_owner(word)))
			continue;
		print("intruder: read a word of owner %u at 0x%lx\n",
		      tag_owner(word), (u64)&words[i]);
		sys_env_exit(STATUS_READ_FOREIGN);
	}
}

static void
look_at_page(void *page)
{
	examine(page, below(&g, TAG_STEP));
	// And a mark, where it may write.
	((volatile u64 *)page)[below(&g, PAGE_SIZE / 8)] =
		tag(TAG_GROUP + group, made);
}

static void
intrude(u64 va, u64 pages)
{
	struct upcall_frame fault;

	for (u64 i = 0; i < MIN(pages, SCAN_PAGES); i++) {
		looking = true;
		attempt(look_at_page, (void *)(va + i * PAGE_SIZE), &fault);
		looking = false;
	}
}

// Everything that others may have put into the group's own memory.
static void
examine_arena(void)
{
	for (u32 i = 0; i < ARENA_FRAMES; i++)
		examine((const u64 *)(g.arena + i * PAGE_SIZE),
			below(&g, TAG_STEP));
}

// ---- calls ----

static bool
mend(struct upcall_context *context)
{
	if (looking)
		return false;		// attempt() takes it
	if (context->frame.vector == VECTOR_PAGE_FAULT &&
	    arena_mend(&g, context->frame.address))
		return true;
	sys_env_exit(STATUS_FAILED);
}

// A mapping of its own that was made: does the list say that it may be?
static void
check_map(const u64 *a)
{
	struct cap_info info;
	u32 needed = CAP_READ | (a[5] & PROT_WRITE ? CAP_WRITE : 0) |
		     (a[5] & PROT_EXECUTE ? CAP_EXECUTE : 0);

	// The other one may have revoked it meanwhile.
	if (a[0] != CAP_SLOT_SELF ||
	    sys_cap_inspect(CAP_SLOT_SELF, (u32)a[2], &info) ||
	    info.type != CAP_FRAMES)
		return;
	if ((info.rights & needed) == needed && a[3] >= info.base &&
	    a[3] + a[4] <= info.base + info.count &&
	    (a[5] & ALL_PROTS) != ALL_PROTS && a[5] != (PROT_WRITE | PROT_EXECUTE))
		return;
	print("intruder: mapped frame 0x%lx without the right\n", a[3]);
	sys_env_exit(STATUS_READ_FOREIGN);
}

// What was derived has its source's rights at most. A right that it has gained is tried,
// where it is one for memory, so that what it is worth is seen too.
static void
check_derived(const struct cap_info *source, u32 slot)
{
	static const struct { u32 right, prot; } worth[] = {
		{ CAP_WRITE, PROT_READ | PROT_WRITE }, { CAP_EXECUTE, PROT_READ | PROT_EXECUTE },
	};
	u64 va = g.arena + (ARENA_FRAMES + 64) * PAGE_SIZE;
	struct cap_info info;
	u32 gained;

	if (sys_cap_inspect(CAP_SLOT_SELF, slot, &info) || info.type != source->type ||
	    info.depth != source->depth + 1 || !(info.rights & ~source->rights))
		return;
	gained = info.rights & ~source->rights;
	for (u32 i = 0; i < ARRAY_SIZE(worth); i++) {
		if (info.type != CAP_FRAMES || !(gained & worth[i].right) ||
		    sys_page_map(CAP_SLOT_SELF, va, slot, info.base, 1, worth[i].prot))
			continue;
		intrude(va, 1);
		print("intruder: had page 0x%lx mapped with a right that its source lacks\n",
		      info.base);
	}
	print("intruder: had rights 0x%x more than its source of type %u\n", gained, info.type);
	sys_env_exit(STATUS_READ_FOREIGN);
}

// The same capability before and after a call? The other member may change the list.
static bool
is_still(u32 slot, const struct cap_info *before)
{
	struct cap_info now;

	return !sys_cap_inspect(CAP_SLOT_SELF, slot, &now) && now.type == before->type &&
	       now.rights == before->rights && now.base == before->base &&
	       now.depth == before->depth;
}

// Of something that it holds and may derive from: a unit, with every right there is.
static void
ask_for_rights(void)
{
	u32 from = (u32)below(&g, KNOWN_MAX), all = CAP_ALL;

	for (u32 i = 0; i < KNOWN_MAX; i++) {
		u32 slot = g.known[(from + i) % KNOWN_MAX].slot;
		struct cap_info info;
		i64 result;

		if (sys_cap_inspect(CAP_SLOT_SELF, slot, &info) || info.type == CAP_NONE ||
		    !(info.rights & CAP_DERIVE) || info.rights == all)
			continue;
		made++;
		result = sys_cap_derive(slot, CAP_SLOT_SELF, all, info.base, 1);
		if (result < 0)
			return;
		if (is_still(slot, &info))
			check_derived(&info, (u32)result);
		cap_drop_all((u32)result);
		return;
	}
}

// By a capability for frames: the first one past its end, or with a right that it lacks, or
// with two that nobody has together, now and then where no program's pages may lie.
static void
ask_for_frames(void)
{
	u32 from = (u32)below(&g, KNOWN_MAX), slot = SLOT_NONE;
	struct cap_info info;

	for (u32 i = 0; i < KNOWN_MAX && slot == SLOT_NONE; i++) {
		u32 at = g.known[(from + i) % KNOWN_MAX].slot;

		if (!sys_cap_inspect(CAP_SLOT_SELF, at, &info) && info.type == CAP_FRAMES)
			slot = at;
	}
	for (u32 prot = PROT_READ; slot != SLOT_NONE && prot <= ALL_PROTS; prot++) {
		u64 va = below(&g, 4) ? g.arena + (ARENA_FRAMES + 65) * PAGE_SIZE
				      : USER_END + (below(&g, 4) - 1) * PAGE_SIZE;
		u64 beyond = info.base + info.count - below(&g, 2);
		u64 a[] = { CAP_SLOT_SELF, va, slot, beyond, 1 + below(&g, 2), prot };

		made++;
		if (sys_page_map(CAP_SLOT_SELF, va, slot, a[3], (u32)a[4], prot))
			continue;
		check_map(a);
		intrude(va, a[4]);
	}
}

// New capabilities for frames are tried at once, to see what is in them and whether
// they can be written or run; few are kept.
static void
try_frames(u32 slot)
{
	u64 va = g.arena + (ARENA_FRAMES + below(&g, 64)) * PAGE_SIZE;
	static const u32 prots[] = { PROT_READ | PROT_WRITE, PROT_READ | PROT_EXECUTE };
	struct cap_info info;

	if (sys_cap_inspect(CAP_SLOT_SELF, slot, &info) ||
	    info.type != CAP_FRAMES)
		return;
	for (u32 i = 0; i < 2; i++) {
		u64 count = MIN(info.count, SCAN_PAGES);
		u64 a[] = { CAP_SLOT_SELF, va, slot, info.base, count, prots[i] };

		if (sys_page_map(CAP_SLOT_SELF, va, slot, info.base, (u32)count,
				 prots[i]))
			continue;
		check_map(a);
		intrude(va, count);
	}
	if (below(&g, 4))
		cap_drop_all(slot);
}

// Everything that its quota has left, so that the next call finds nothing; then page tables
// more, for a place where there are none.
static void
take_all(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u64 far = g.arena + (1 + below(&g, 500)) * GIB;

	made += 2;
	(void)(sys_frame_alloc(FRAME_ANY,
			       self->quota.frames - self->used.frames) < 0);
	(void)(sys_page_map(CAP_SLOT_SELF, far, g.arena_slot, g.arena_frame, 1,
			    PROT_READ) < 0);
}

static void
one_call(void)
{
	u64 a[CALL_ARGUMENTS];
	u64 number = calls_next(&g, a);
	struct cap_info source = { 0 };
	i64 result;

	if (calls_unwanted(&g, number, a, 12, 64))
		return;
	made++;
	if (number == SYS_cap_derive && sys_cap_inspect(CAP_SLOT_SELF, (u32)a[0], &source))
		source.type = CAP_NONE;
	result = calls_make(&g, number, a);
	if (result < 0)
		return;
	if (source.type != CAP_NONE && a[1] == CAP_SLOT_SELF &&
	    is_still((u32)a[0], &source))
		check_derived(&source, (u32)result);
	if (number == SYS_page_map) {
		check_map(a);
		intrude(a[1], a[4]);
	}
	if (number == SYS_page_batch) {
		for (u32 i = 0; i < 4; i++) {
			struct map_op op = ((const struct map_op *)a[1])[i];

			intrude(op.va, op.count);
		}
	}
	if (number == SYS_frame_alloc || number == SYS_cap_derive)
		try_frames((u32)result);
}

// The kernel writes for a program only where the program itself may. The other member may
// have mapped something else there meanwhile.
static void
have_it_written(void)
{
	u64 va = g.arena + READ_ONLY_PAGE * PAGE_SIZE;
	u8 bits = 0;

	if (sys_page_map(CAP_SLOT_SELF, va, g.arena_slot, g.arena_frame + DATA_PAGE, 1,
			 PROT_READ))
		return;
	made++;
	if (sys_cap_inspect(CAP_SLOT_SELF, 0, (struct cap_info *)va) ||
	    sys_page_bits(CAP_SLOT_SELF, va, 1, &bits, 0) || bits & PROT_WRITE)
		return;
	print("intruder: had a page written that it may only read\n");
	sys_env_exit(STATUS_READ_FOREIGN);
}

// ---- packets and blocks ----

static struct ring_control *
ring_of(u32 which)
{
	return (struct ring_control *)(g.arena + which * RING_FRAMES * PAGE_SIZE);
}

// Its memory and its region are the arena's, or one of them a target.
static void
bind_ring(void)
{
	static struct ring_spec s;
	u64 frame = g.arena_frame + member * RING_FRAMES;

	s = (struct ring_spec){
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = g.mac_first + member,
		.ring_slot = g.arena_slot,
		.narrows = SLOT_NONE,
		.ring_frame = below(&g, 8) ? frame : random_frame(&g),
		.region_count = 1,
		.region = { { g.arena_slot, 0, g.arena_frame, ARENA_FRAMES } },
	};
	if (below(&g, 2))
		s.region[0] = (struct ring_region){ g.arena_slot, 0,
						    random_frame(&g), 1 };
	made++;
	(void)(sys_ring_bind(&s) < 0);
}

// A frame for the other member whose second piece is whatever a target holds.
static void
send_packet(u32 slot)
{
	struct ring_control *own = ring_of(member), *other = ring_of(1 - member);
	struct ring_tx *tx = (struct ring_tx *)((u64)own + PAGE_SIZE);
	u8 *header = (u8 *)(g.arena + (DATA_PAGE + member) * PAGE_SIZE);
	u32 head = __atomic_load_n(&own->tx_head, __ATOMIC_RELAXED);

	memset(header, 0, RING_HEADER_COPY);
	memcpy(header, other->mac, 6);
	memcpy(header + 6, own->mac, 6);
	header[12] = 8;			// IPv4
	tx[head % RING_SLOTS] = (struct ring_tx){
		.piece = {
			{ (u32)(g.arena_frame + DATA_PAGE + member), 0,
			  RING_HEADER_COPY },
			{ (u32)random_frame(&g), 0, PIECE },
		},
		.piece_count = 2,
	};
	__atomic_store_n(&own->tx_head, head + 1, __ATOMIC_RELEASE);
	made++;
	sys_ring_kick(slot);
}

static void
bind_queue(void)
{
	static struct queue_spec s;
	u64 blocks = startup_slot(ROLE_BLOCKS);

	s = (struct queue_spec){
		.blocks_slot = (u32)blocks,
		.queue_slot = g.arena_slot,
		.queue_frame = below(&g, 8) ? g.arena_frame + QUEUE_PAGE + member
					    : random_frame(&g),
		.region_slot = g.arena_slot,
		.region_frame = below(&g, 4) ? g.arena_frame : random_frame(&g),
		.region_count = below(&g, 4) ? ARENA_FRAMES : 1,
	};
	made++;
	(void)(sys_queue_bind(&s) < 0);
}

static void
move_blocks(u32 slot)
{
	struct queue_control *q =
		(void *)(g.arena + (QUEUE_PAGE + member) * PAGE_SIZE);
	u32 head = q->submit_head;

	q->submit[head % QUEUE_SLOTS] = (struct queue_submit){
		.block = below(&g, 40),
		.frame = (u32)(below(&g, 2) ? g.arena_frame + DATA_PAGE + 2 +
			       below(&g, 16) : random_frame(&g)),
		.count = 1,
		.op = (u8)below(&g, 2),
	};
	q->complete_tail = q->complete_head;
	__atomic_store_n(&q->submit_head, head + 1, __ATOMIC_RELEASE);
	made++;
	sys_queue_kick(slot);
}

// What it holds of a kind, or SLOT_NONE.
static u32
held(enum cap_type type)
{
	for (u32 i = 0; i < KNOWN_MAX; i++) {
		struct cap_info info;

		if (g.known[i].info.type == type &&
		    !sys_cap_inspect(CAP_SLOT_SELF, g.known[i].slot, &info) &&
		    info.type == type)
			return g.known[i].slot;
	}
	return SLOT_NONE;
}

static void
use_devices(void)
{
	u32 ring = held(CAP_RING), queue = held(CAP_QUEUE);

	if (startup_slot(ROLE_NIC) != SLOT_NONE && ring == SLOT_NONE)
		bind_ring();
	else if (ring != SLOT_NONE)
		send_packet(ring);
	if (startup_slot(ROLE_BLOCKS) != SLOT_NONE && queue == SLOT_NONE)
		bind_queue();
	else if (queue != SLOT_NONE)
		move_blocks(queue);
	if (below(&g, 16) == 0)
		take_all();
	for (u32 slot = 10; slot < 40; slot++)
		look(&g, slot);
	// A ring that stands in the way of the next is dropped now and then.
	if (ring != SLOT_NONE && below(&g, 16) == 0)
		cap_drop_all(ring);
	if (queue != SLOT_NONE && below(&g, 16) == 0)
		cap_drop_all(queue);
}

int
main(int argc, char **argv)
{
	static u64 targets[TARGETS_MAX];
	const struct startup_cap *arena = startup_find(ROLE_SHARED, 0);
	u64 seed, calls, numbers[2];

	if (argc < 5 || !arena || !text_to_u64(argv[1], &seed) ||
	    !text_to_u64(argv[2], &calls) ||
	    !text_to_u64(argv[3], &numbers[0]) ||
	    !text_to_u64(argv[4], &numbers[1])) {
		print("intruder: the oracle starts it\n");
		return STATUS_USAGE;
	}
	group = (u32)numbers[0];
	member = (u32)numbers[1];
	lent_is_mine = member == 0;
	for (int i = 5; i < argc && g.target_count < TARGETS_MAX; i++)
		g.target_count += text_to_u64(argv[i], &targets[g.target_count]);
	g.target = targets;
	g.arena = REGION_BASE;
	g.arena_frame = arena->base;
	g.arena_frames = ARENA_FRAMES;
	g.arena_slot = arena->slot;
	g.mac_first = 1 + group * MEMBERS;
	g.mac_count = MEMBERS;
	prng_seed(&g.prng, seed);
	calls_learn(&g);
	fault_handler_add(mend);
	need("map the arena", sys_page_map(CAP_SLOT_SELF, g.arena, arena->slot,
					   arena->base, ARENA_FRAMES,
					   PROT_READ | PROT_WRITE));
	for (u32 slot = 0; slot < 32; slot++)
		look(&g, slot);
	for (u32 turn = 1; made < calls; turn++) {
		one_call();
		if (turn % 16 == 0)
			intrude(random_va(&g) & ~(PAGE_SIZE - 1), 4);
		if (turn % 8 == 0)
			use_devices();
		if (turn % 64 == 0)
			have_it_written();
		if (turn % 64 == 16)
			ask_for_rights();
		if (turn % 64 == 48)
			ask_for_frames();
		if (turn % 256 == 0)
			examine_arena();
	}
	examine_arena();
	return STATUS_OK;
}
