// SPDX-License-Identifier: BSD-2-Clause
// Names what is not its own: slots that it does not hold, ranges beyond what it
// holds, frames, slices and environments of others; and asks for more than a
// capability gives. Everything must be refused, each with its own error, and
// what is taken back must be gone.

#include "libos/crt/attempt.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/verdict.h"

#define VA REGION_BASE
#define SELF CAP_SLOT_SELF
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXECUTE)

static struct frame_run own;		// four frames, every right
static u32 read_only, no_execute;	// parts of it

static const u64 bad_slots[] = {
	255, CAP_LIST_SLOTS, CAP_LIST_SLOTS + 1, 65535, 1u << 31, SLOT_NONE - 1,
	SLOT_NONE,
};

static void
forged_slots(void)
{
	static const u64 calls[] = {
		SYS_env_start, SYS_cap_derive, SYS_cap_revoke, SYS_cap_drop,
		SYS_cap_inspect, SYS_page_map, SYS_page_unmap, SYS_page_batch,
		SYS_slice_bind, SYS_ring_kick, SYS_ring_narrow, SYS_queue_kick,
		SYS_ring_filter, SYS_ring_unfilter,
		SYS_console_write, SYS_console_read, SYS_machine_stop,
		SYS_trace_read, SYS_revoke_ask, SYS_cap_trim, SYS_page_bits,
		SYS_code_verify, SYS_wait_for, SYS_ring_handle,
		SYS_machine_audit,
	};

	for (u32 c = 0; c < ARRAY_SIZE(calls); c++) {
		for (u32 s = 0; s < ARRAY_SIZE(bad_slots); s++)
			refused("a slot that is empty or none",
				syscall_raw(calls[c], bad_slots[s], 0, 0, 0, 0, 0),
				E_SLOT);
	}
	// Whatever this program holds, none of it is the machine's switch.
	for (u64 s = 0; s < CAP_LIST_SLOTS; s++)
		denied("machine_stop", syscall_raw(SYS_machine_stop, s, 1, 0, 0, 0, 0));
	refused("yield to a slot that is empty", sys_yield(255), E_SLOT);
	refused("a part into a list that is not there",
		sys_cap_derive(own.slot, 255, CAP_READ, own.frame, 1), E_SLOT);
	refused("slices that are frames",
		sys_slice_bind(own.slot, SELF), E_TYPE);
	refused("an environment that is frames",
		sys_page_unmap(own.slot, VA, 1), E_TYPE);
	refused("frames that are an environment",
		sys_page_map(SELF, VA, SELF, own.frame, 1, PROT_READ), E_TYPE);
	refused("a ring that is frames", sys_ring_kick(own.slot), E_TYPE);
}

static void
forged_ranges(void)
{
	static const u64 counts[] = { 5, 1ull << 32, 1ull << 52, 1ull << 63, ~0ull };
	static const u64 frames[] = { 0, 1, 255, ~0ull >> 12, 1ull << 63, ~0ull };

	for (u32 i = 0; i < ARRAY_SIZE(counts); i++)
		refused("a part longer than the whole",
			sys_cap_derive(own.slot, SELF, CAP_READ, own.frame,
				       counts[i]), E_RANGE);
	for (u32 i = 0; i < ARRAY_SIZE(frames); i++)
		refused("a part elsewhere",
			sys_cap_derive(own.slot, SELF, CAP_READ, frames[i], 1),
			E_RANGE);
	refused("a part that wraps around",
		sys_cap_derive(own.slot, SELF, CAP_READ, own.frame + 1, ~0ull),
		E_RANGE);
	refused("an empty part",
		sys_cap_derive(own.slot, SELF, CAP_READ, own.frame, 0), E_RANGE);
	for (u32 i = 0; i < ARRAY_SIZE(frames); i++)
		refused("a frame elsewhere",
			sys_page_map(SELF, VA, own.slot, frames[i], 1, PROT_READ),
			E_RANGE);
	refused("the frame before",
		sys_page_map(SELF, VA, own.slot, own.frame - 1, 1, PROT_READ),
		E_RANGE);
	refused("the frame behind",
		sys_page_map(SELF, VA, own.slot, own.frame, 5, PROT_READ),
		E_RANGE);
}

// Every frame of the node, through the capability for four of them.
static void
every_frame(void)
{
	u64 count = sys_info()->frame_count;
	u32 mapped = 0;

	for (u64 f = 0; f < count; f++) {
		if (f - own.frame >= own.count)
			mapped += sys_page_map(SELF, VA, own.slot, f, 1,
					       PROT_READ) == 0;
	}
	holds("no frame of another could be mapped", mapped == 0);
}

// Frames that somebody has cannot be allocated again.
static void
taken_frames(void)
{
	u64 count = sys_info()->frame_count;
	u32 taken = 0;

	for (u64 f = 0; f < count; f++) {
		if (frame_table()[f].state != FRAME_FREE)
			taken += sys_frame_alloc(f, 1) >= 0;
	}
	holds("no frame was given out twice", taken == 0);
	refused("frames behind the last", sys_frame_alloc(count, 1), E_RANGE);
	refused("frames at the end of numbers", sys_frame_alloc(~1ull, 1), E_RANGE);
	refused("a run past the last", sys_frame_alloc(count - 1, 2), E_FRAMES);
	refused("no frames", sys_frame_alloc(FRAME_ANY, 0), E_ARGUMENT);
	refused("too many frames", syscall_raw(SYS_frame_alloc, FRAME_ANY, ~0ull, 0,
					       0, 0, 0), E_ARGUMENT);
	refused("frames that wrap around",
		syscall_raw(SYS_frame_alloc, own.frame, 1ull << 32 | 1, 0, 0, 0, 0),
		E_ARGUMENT);
}

static void
more_rights(void)
{
	refused("FORGE, which was not there",
		sys_cap_derive(own.slot, SELF, CAP_FORGE, own.frame, 1), E_RIGHTS);
	refused("WRITE from READ",
		sys_cap_derive(read_only, SELF, CAP_WRITE, own.frame, 1), E_RIGHTS);
	refused("a part without DERIVE",
		sys_cap_derive(read_only, SELF, CAP_READ, own.frame, 1), E_RIGHTS);
	refused("rights that do not exist",
		sys_cap_derive(own.slot, SELF, 0x20, own.frame, 1), E_ARGUMENT);
	refused("rights beyond 32 bits",
		syscall_raw(SYS_cap_derive, own.slot, SELF, 1ull << 32 | CAP_READ,
			    own.frame, 1, 0), E_ARGUMENT);
	refused("a writable page from READ",
		sys_page_map(SELF, VA, read_only, own.frame, 1, RW), E_RIGHTS);
	refused("an executable page from READ",
		sys_page_map(SELF, VA, read_only, own.frame, 1, RX), E_RIGHTS);
	refused("an executable page without EXECUTE",
		sys_page_map(SELF, VA, no_execute, own.frame, 1, RX), E_RIGHTS);
}

static void
bad_protections(void)
{
	static const u64 protections[] = {
		0, PROT_WRITE, PROT_EXECUTE, PROT_WRITE | PROT_EXECUTE,
		RW | PROT_EXECUTE, 8, 8 | PROT_READ, 1ull << 32 | PROT_READ, ~0ull,
	};
	struct map_op op = {
		.va = VA, .frame = own.frame, .slot = own.slot, .count = 1,
	};

	for (u32 i = 0; i < ARRAY_SIZE(protections); i++) {
		refused("a page so protected",
			syscall_raw(SYS_page_map, SELF, VA, own.slot, own.frame, 1,
				    protections[i]), E_ARGUMENT);
		op.prot = (u32)protections[i];
		if (op.prot & ~PROT_READ)
			refused("a page so protected, in a batch",
				sys_page_batch(SELF, &op, 1), E_ARGUMENT);
	}
}

static void
bad_places(void)
{
	static const u64 places[] = {
		0, USER_END, USER_END + PAGE_SIZE, TABLES_BASE, UAREA_BASE,
		0x00007ffffffff000, 0x0000800000000000, 0xffff7ffffffff000,
		0xffff800000000000, 0xffffffff80000000, 0xfffffffffffff000,
	};

	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		refused("a page there", sys_page_map(SELF, places[i], own.slot,
						     own.frame, 1, RW), E_RANGE);
		refused("no page there", sys_page_unmap(SELF, places[i], 1),
			E_RANGE);
	}
	refused("pages across the end",
		sys_page_map(SELF, USER_END - PAGE_SIZE, own.slot, own.frame, 2,
			     RW), E_RANGE);
	refused("a page between pages",
		sys_page_map(SELF, VA + 1, own.slot, own.frame, 1, RW), E_ARGUMENT);
	refused("no pages", sys_page_map(SELF, VA, own.slot, own.frame, 0, RW),
		E_ARGUMENT);
	refused("too many pages", sys_page_unmap(SELF, VA, MAP_PAGES_MAX + 1),
		E_ARGUMENT);
}

// A batch is done as a whole or not at all.
static void
half_a_batch(void)
{
	struct map_op ops[2] = {
		{ .va = VA, .frame = own.frame, .slot = own.slot, .count = 1,
		  .prot = RW },
		{ .va = VA + PAGE_SIZE, .frame = own.frame - 1, .slot = own.slot,
		  .count = 1, .prot = RW },
	};
	u64 word = 0;

	need("unmap", sys_page_unmap(SELF, VA, 2));
	refused("a batch with one bad operation", sys_page_batch(SELF, ops, 2),
		E_RANGE);
	refused("so its first page is not there", sys_wake((const u32 *)VA),
		E_ADDRESS);
	(void)word;
}

static void
others_slices(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		for (u32 i = 0; i < SLICES_PER_CPU; i++) {
			if (slice_table()[cpu * SLICES_PER_CPU + i].owner !=
			    OWNER_NONE)
				refused("a slice that is taken",
					sys_slice_alloc(cpu, i), E_TAKEN);
		}
	}
	refused("a processor that is not there",
		sys_slice_alloc(sys_info()->cpu_count, 0), E_RANGE);
	refused("a processor far away",
		syscall_raw(SYS_slice_alloc, ~0ull, 0, 0, 0, 0, 0), E_RANGE);
	refused("a slice that is not there",
		sys_slice_alloc(0, SLICES_PER_CPU), E_RANGE);
}

static void
bad_children(void)
{
	const struct env_spec good = {
		.uarea_slot = own.slot,
		.uarea_frame = own.frame,
		.quota = { .frames = 8 },
		.name = "child",
	};
	struct env_spec spec = good;

	spec.uarea_slot = read_only;
	refused("a uarea that is not writable", sys_env_create(&spec), E_RIGHTS);
	spec = good;
	spec.uarea_frame = own.frame - 1;
	refused("another's uarea", sys_env_create(&spec), E_RANGE);
	spec = good;
	spec.quota.frames = 3;
	refused("a child without page tables", sys_env_create(&spec), E_ARGUMENT);
	spec.quota.frames = ~0u;
	refused("a child with everything", sys_env_create(&spec), E_QUOTA);
	spec = good;
	spec.quota.slices = ~0u;
	refused("a child with every slice", sys_env_create(&spec), E_QUOTA);
	spec = good;
	spec.quota.envs = ~0u;
	refused("a child with every child", sys_env_create(&spec), E_QUOTA);
	spec = good;
	spec.quota.rings = ~0u;
	refused("a child with every ring", sys_env_create(&spec), E_QUOTA);
	refused("to start itself again",
		sys_env_start(SELF, IMAGE_BASE, 0, 0), E_STATE);
}

static void
start_badly(void)
{
	struct env_spec spec = {
		.uarea_slot = own.slot,
		.uarea_frame = own.frame,
		.quota = { .frames = 8 },
		.name = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
	};
	u32 child = (u32)need("make a child", sys_env_create(&spec));

	refused("a start in the kernel",
		sys_env_start(child, 0xffffffff80100000, 0, 0), E_ARGUMENT);
	refused("a start nowhere",
		sys_env_start(child, 0x0000800000000000, 0, 0), E_ARGUMENT);
	refused("a stack in the kernel",
		sys_env_start(child, IMAGE_BASE, 0xffffffff80100000, 0),
		E_ARGUMENT);
	refused("frames that the child does not hold",
		sys_page_map(child, VA, 1, own.frame, 1, RW), E_SLOT);
	need("end the child", sys_cap_drop(child));
	refused("a child that is gone", sys_env_start(child, IMAGE_BASE, 0, 0),
		E_SLOT);
}

static void
touch(void *va)
{
	*(volatile u8 *)va = 1;
}

// What a mapping stood on goes: so does the mapping, at once.
static void
use_after_revoke(void)
{
	struct upcall_frame fault;
	i64 part = need("derive", sys_cap_derive(own.slot, SELF, CAP_READ | CAP_WRITE,
						 own.frame, 1));

	need("map", sys_page_map(SELF, VA, (u32)part, own.frame, 1, RW));
	holds("it is there", !attempt(touch, (void *)VA, &fault));
	need("revoke", sys_cap_revoke(own.slot));
	refused("the part that was revoked",
		sys_page_map(SELF, VA, (u32)part, own.frame, 1, RW), E_SLOT);
	// The capability above still covers the page, so it may stay.
	need("drop", sys_cap_drop(own.slot));
	holds("a page after its last capability went",
	      attempt(touch, (void *)VA, &fault) &&
	      fault.vector == VECTOR_PAGE_FAULT);
}

// Without the capability for itself a program can do nothing to itself any more.
static void
give_up_self(void)
{
	need("drop itself", sys_cap_drop(SELF));
	refused("its own pages, without itself", sys_page_unmap(SELF, VA, 1),
		E_SLOT);
	refused("parts for itself, without itself",
		sys_cap_derive(1, SELF, CAP_READ, 0, 1), E_SLOT);
}

static void
take_own(void)
{
	struct cap_info info;
	i64 slot = need("take frames", sys_frame_alloc(FRAME_ANY, 4));

	need("look", sys_cap_inspect(SELF, (u32)slot, &info));
	own = (struct frame_run){ info.base, 4, (u32)slot };
	read_only = (u32)need("derive", sys_cap_derive(own.slot, SELF, CAP_READ,
						       own.frame, 1));
	no_execute = (u32)need("derive",
			       sys_cap_derive(own.slot, SELF, CAP_READ | CAP_WRITE,
					      own.frame, 1));
}

int
main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	take_own();
	forged_slots();
	forged_ranges();
	every_frame();
	taken_frames();
	more_rights();
	bad_protections();
	bad_places();
	half_a_batch();
	others_slices();
	bad_children();
	start_badly();
	use_after_revoke();
	give_up_self();
	return verdict_end();
}
