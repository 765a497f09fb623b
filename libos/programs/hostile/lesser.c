// SPDX-License-Identifier: BSD-2-Clause
// Uses capabilities that lack the one right that an operation needs: of each type that
// it holds it derives one without that right, and every call must say E_RIGHTS. Which
// right is needed stands here once more, not in the kernel's own table
// (kernel/sys/authority.def): a line that changes there by mistake is noticed.

#include "kernel/base/string.h"
#include "libos/code/program.h"
#include "libos/crt/start.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/verdict.h"

#define SELF CAP_SLOT_SELF
#define VA REGION_BASE
#define MAC_INDEX 9u
#define BLOCKS (VOLUME_CATALOGUE_BLOCKS + 8u)

static struct frame_run memory;		// a ring's, and more
static u32 blind, mute;			// itself, without READ and without WRITE

// The same capability less some rights, in another slot.
static u32
without(u32 slot, u32 rights)
{
	struct cap_info info;

	need("look", sys_cap_inspect(SELF, slot, &info));
	holds("it has what is taken away", (info.rights & rights) == rights);
	return (u32)need("derive", sys_cap_derive(slot, SELF, info.rights & ~rights,
						  info.base, info.count));
}

static void
environments(void)
{
	struct map_op op = { .va = VA, .frame = memory.frame, .slot = memory.slot,
			     .count = 1, .prot = PROT_READ };
	struct cap_info info;
	u8 bits = 0;

	refused("to start it", sys_env_start(mute, IMAGE_BASE, 0, 0), E_RIGHTS);
	refused("to look into its list", sys_cap_inspect(blind, 0, &info), E_RIGHTS);
	refused("to give it something",
		sys_cap_derive(memory.slot, mute, CAP_READ, memory.frame, 1), E_RIGHTS);
	refused("to map a page", sys_page_map(mute, VA, memory.slot, memory.frame, 1,
					      PROT_READ), E_RIGHTS);
	refused("to map pages", sys_page_batch(mute, &op, 1), E_RIGHTS);
	refused("to unmap a page", sys_page_unmap(mute, VA, 1), E_RIGHTS);
	refused("to see what it used", sys_page_bits(blind, VA, 1, &bits, 0), E_RIGHTS);
	refused("to forget what it used",
		sys_page_bits(mute, VA, 1, &bits, PAGE_ACCESSED), E_RIGHTS);
	refused("to ask it for its quota",
		sys_revoke_ask(mute, SLOT_NONE, CAP_FRAMES, 1, NEVER), E_RIGHTS);
	refused("to ask it for anything",
		sys_revoke_ask(blind, memory.slot, CAP_FRAMES, 1, NEVER), E_RIGHTS);
	refused("to give it time", sys_yield(blind), E_RIGHTS);
	refused("to make its entry", sys_entry_make(mute), E_RIGHTS);
}

static void
slices_and_entries(void)
{
	u32 slice = (u32)need("take a slice", sys_slice_alloc(0, SLICE_ANY));
	u32 entry = (u32)need("make an entry", sys_entry_make(SELF));
	u32 closed = without(entry, CAP_EXECUTE);
	struct transfer m = { { 0 } };

	refused("to bind a slice", sys_slice_bind(without(slice, CAP_WRITE), SELF),
		E_RIGHTS);
	refused("to bind it to another", sys_slice_bind(slice, mute), E_RIGHTS);
	refused("a call", sys_entry_call(closed, NEVER, &m, 0), E_RIGHTS);
	refused("a fast call", sys_entry_call(closed, NEVER, &m, CALL_FAST), E_RIGHTS);
	refused("a call of who has no door", sys_entry_call(entry, NEVER, &m, 0), E_BUSY);
}

static u32
program(enum program_type type)
{
	static const struct code_insn zero[] = { { 0xb7, 0, 0, 0 }, { 0x95, 0, 0, 0 } };
	struct program_verdict v = { 0 };
	u32 slot = (u32)need("load", program_load(zero, ARRAY_SIZE(zero), type, &v));

	holds("it is accepted", v.reason == 0 && v.steps > 0);
	return slot;
}

static void
programs(u32 predicate, u32 handler)
{
	struct program_verdict v;

	refused("to verify", sys_code_verify(without(predicate, CAP_WRITE), &v), E_RIGHTS);
	refused("to be woken by it",
		sys_wait_for(without(predicate, CAP_READ), NULL, 0, 0, 0), E_RIGHTS);
	refused("to be woken by a handler", sys_wait_for(handler, NULL, 0, 0, 0),
		E_ARGUMENT);
}

static void
ring_bindings(struct ring_spec s)
{
	u32 nic = s.nic_slot, ring = s.ring_slot;

	s.nic_slot = without(nic, CAP_READ | CAP_WRITE);
	refused("a ring of no direction", sys_ring_bind(&s), E_RIGHTS);
	s.nic_slot = nic;
	s.ring_slot = without(ring, CAP_WRITE);
	refused("a ring in memory to read", sys_ring_bind(&s), E_RIGHTS);
	s.ring_slot = without(ring, CAP_READ);
	refused("a ring in memory to write", sys_ring_bind(&s), E_RIGHTS);
	s.ring_slot = ring;
	s.region_count = 1;
	s.region[0] = (struct ring_region){
		without(ring, CAP_READ), 0, memory.frame, 1 };
	refused("to send what it may not read", sys_ring_bind(&s), E_RIGHTS);
}

static void
rings(u32 predicate, u32 handler)
{
	static const struct ring_atom atom = { 12, 0xffff0000, 0x08000000 };
	static const struct ring_filter filter = { .narrows = SLOT_NONE };
	struct ring_spec spec = {
		.nic_slot = startup_slot(ROLE_NIC), .mac_index = MAC_INDEX,
		.ring_slot = memory.slot, .ring_frame = memory.frame,
		.narrows = SLOT_NONE,
	};
	u64 spare = memory.frame + RING_FRAMES;
	u32 ring, deaf;

	ring_bindings(spec);
	ring = (u32)need("bind", sys_ring_bind(&spec));
	deaf = without(ring, CAP_READ);
	refused("to narrow", sys_ring_narrow(without(ring, CAP_WRITE), &atom, 1), E_RIGHTS);
	refused("to receive more", sys_ring_filter(deaf, &filter), E_RIGHTS);
	refused("to receive less", sys_ring_unfilter(deaf, 0), E_RIGHTS);
	refused("to handle", sys_ring_handle(deaf, handler, memory.slot, spare), E_RIGHTS);
	refused("to handle by what is no handler",
		sys_ring_handle(ring, predicate, memory.slot, spare), E_ARGUMENT);
	refused("to handle by what it may not use",
		sys_ring_handle(ring, without(handler, CAP_READ), memory.slot, spare),
		E_RIGHTS);
	refused("a handler with memory to read",
		sys_ring_handle(ring, handler, without(memory.slot, CAP_WRITE), spare),
		E_RIGHTS);
}

static void
queues(u32 blocks)
{
	const struct queue_spec good = {
		.blocks_slot = blocks, .queue_slot = memory.slot,
		.queue_frame = memory.frame, .region_slot = memory.slot,
		.region_frame = memory.frame + 1, .region_count = 1,
	};

	for (u32 right = CAP_READ; right <= CAP_WRITE; right <<= 1) {
		struct queue_spec s = good;

		s.queue_slot = without(memory.slot, right);
		refused("a queue in lesser memory", sys_queue_bind(&s), E_RIGHTS);
		s = good;
		s.region_slot = without(memory.slot, right);
		refused("a queue over lesser memory", sys_queue_bind(&s), E_RIGHTS);
		s = good;
		s.blocks_slot = without(blocks, CAP_READ | CAP_WRITE);
		refused("a queue of no direction", sys_queue_bind(&s), E_RIGHTS);
	}
}

static void
volumes(u32 blocks)
{
	static const u32 needed[] = { CAP_READ, CAP_WRITE, CAP_DERIVE };
	struct cap_info info;
	struct volume_spec s = { .flags = VOLUME_FORMAT, .count = BLOCKS,
				 .cache_count = VOLUME_CACHE_MIN };
	u32 volume, mute_volume, part;

	need("look", sys_cap_inspect(SELF, blocks, &info));
	s.first = info.base;
	for (u32 i = 0; i < ARRAY_SIZE(needed); i++) {
		s.blocks_slot = without(blocks, needed[i]);
		refused("to open", sys_volume_open(&s), E_RIGHTS);
	}
	s.blocks_slot = blocks;
	volume = (u32)need("open a volume", sys_volume_open(&s));
	mute_volume = without(volume, CAP_WRITE);
	refused("to walk it", sys_volume_walk(mute_volume), E_RIGHTS);
	refused("to register a type", sys_volume_type(mute_volume, 1, 6, 0, 2), E_RIGHTS);
	refused("to plant a root", sys_volume_root(mute_volume, 0, 0, 2, false), E_RIGHTS);
	refused("to limit a root", sys_volume_limit(mute_volume, 0, 1), E_RIGHTS);
	refused("to change it",
		sys_volume_update(mute_volume, 0,
				  &(struct volume_update){ .block = 2 }), E_RIGHTS);
	need("look", sys_cap_inspect(SELF, volume, &info));
	part = (u32)need("derive", sys_cap_derive(volume, SELF, info.rights, info.base, 1));
	refused("to register with a part of the roots",
		sys_volume_type(part, 1, 6, 0, 2), E_RIGHTS);
	refused("to limit with a part of the roots", sys_volume_limit(part, 0, 1), E_RIGHTS);
}

static void
machine(void)
{
	u32 console = startup_slot(ROLE_CONSOLE), node = startup_slot(ROLE_MACHINE);
	struct trace_event event;
	char byte = 0;

	refused("to write", sys_console_write(without(console, CAP_WRITE), "!", 1), E_RIGHTS);
	refused("to read", sys_console_read(console, &byte, 1), E_RIGHTS);
	refused("to count all", sys_machine_audit(node), E_RIGHTS);
	refused("to see the trace", sys_trace_read(without(node, CAP_READ), &event, 1),
		E_RIGHTS);
	refused("to stop the node", sys_machine_stop(node, MACHINE_REBOOT), E_RIGHTS);
}

int
main(int argc, char **argv)
{
	i64 slot = need("take frames", sys_frame_alloc(FRAME_ANY, RING_FRAMES + 1));
	u32 blocks = startup_slot(ROLE_BLOCKS), predicate, handler;

	(void)argc;
	(void)argv;
	need("look", run_of_slot((u32)slot, &memory));
	blind = without(SELF, CAP_READ);
	mute = without(SELF, CAP_WRITE);
	environments();
	slices_and_entries();
	predicate = program(PROGRAM_PREDICATE);
	handler = program(PROGRAM_HANDLER);
	programs(predicate, handler);
	rings(predicate, handler);
	queues(blocks);
	volumes(blocks);
	machine();
	return verdict_end();
}
