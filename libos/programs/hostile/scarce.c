// SPDX-License-Identifier: BSD-2-Clause
// Every shortage once: a scenario that makes each kind of thing is run again and
// again, and in the nth run the nth place in the kernel that could lack something
// says that it does (SCARCE() of kernel/base/scarce.h, in the checked kernel). That
// call must fail with an error that means it, and what was made before it must go
// away without a trace: used quotas and the capability list are as before, and the
// kernel's tables hold together. It ends with the run in which nothing failed.
//
// `scarce FILE LINE` has the place in kernel/.../FILE whose mark begins in that line say
// so once, whoever comes there next: what this scenario does not do, others do then.

#include "kernel/abi/code.h"
#include "kernel/abi/program.h"
#include "libos/crt/program.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/control.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/text/text.h"

#define VA REGION_BASE
#define FAR (REGION_BASE + (1ull << 39))	// where no page tables are
#define MADE_MAX 20u
#define RUNS_MAX 400u

static u32 made[MADE_MAX], made_count;
static u32 failures_seen;
static u32 arena;
static u64 arena_frame;

static i64
control(enum control what, u64 argument)
{
	return syscall_3(SYS_null, CONTROL_MAGIC, what, argument);
}

// The result of a step: a slot to be dropped later, or a shortage.
static i64
step(const char *what, i64 result)
{
	if (result > 0 && made_count < MADE_MAX)
		made[made_count++] = (u32)result;
	if (result >= 0)
		return result;
	failures_seen++;
	holds(what, result == -E_FRAMES || result == -E_TABLE ||
		    result == -E_LIST || result == -E_QUOTA);
	return result;
}

static void
make_environment(void)
{
	struct env_spec spec = {
		.uarea_slot = arena, .uarea_frame = arena_frame + 150,
		.quota = { .frames = 16 }, .name = "scarce",
	};
	i64 env = step("env_create", sys_env_create(&spec));

	if (env < 0)
		return;
	i64 slot = sys_cap_derive(arena, (u32)env, CAP_READ | CAP_WRITE,
				  arena_frame, 1);

	if (step("cap_derive", slot < 0 ? slot : 0) < 0)
		return;
	step("page_map", sys_page_map((u32)env, VA, (u32)slot, arena_frame, 1,
				      PROT_READ));
	slot = sys_revoke_ask((u32)env, SLOT_NONE, CAP_FRAMES, 1,
			      now_ns() + NS_PER_SECOND);
	step("revoke_ask", slot < 0 ? slot : 0);
}

static void
make_devices(void)
{
	struct ring_spec ring = {
		.nic_slot = startup_slot(ROLE_NIC), .mac_index = 9,
		.ring_slot = arena, .narrows = SLOT_NONE,
		.ring_frame = arena_frame,
	};
	struct queue_spec queue = {
		.blocks_slot = startup_slot(ROLE_BLOCKS), .queue_slot = arena,
		.queue_frame = arena_frame + 140, .region_slot = arena,
		.region_frame = arena_frame, .region_count = 8,
	};
	struct fabric_spec fabric = {
		.fabric_slot = startup_slot(ROLE_FABRIC), .queue_slot = arena,
		.queue_frame = arena_frame + 142, .region_slot = arena,
		.region_frame = arena_frame, .region_count = 8,
	};
	struct ring_filter filter = {
		.narrows = SLOT_NONE, .count = 1,
		.atom = { { 12, 0xffff0000, 0x08000000 } },
	};
	struct volume_spec volume = {
		.blocks_slot = startup_slot(ROLE_BLOCKS), .flags = VOLUME_FORMAT,
		.count = 8, .cache_count = VOLUME_CACHE_MIN,
	};
	i64 slot = step("ring_bind", sys_ring_bind(&ring));

	if (slot > 0) {
		slot = sys_ring_filter((u32)slot, &filter);
		step("ring_filter", slot < 0 ? slot : 0);
	}
	step("queue_bind", sys_queue_bind(&queue));
	step("volume_open", sys_volume_open(&volume));
	slot = step("fabric_bind", sys_fabric_bind(&fabric));
	if (slot > 0)
		step("endpoint_open", sys_endpoint_open(fabric.fabric_slot, (u32)slot,
							FABRIC_SERVICE_NONE));
}

static void
scenario(void)
{
	static const struct code_insn text[] = {
		{ .opcode = 0xb7, .immediate = 1 },		// r0 = 1
		{ .opcode = 0x95 },				// exit
	};
	struct program_spec program = { (u64)text, ARRAY_SIZE(text), 0 };

	step("frame_alloc", sys_frame_alloc(FRAME_ANY, 2));
	step("page_map", sys_page_map(CAP_SLOT_SELF, FAR, arena, arena_frame, 1,
				      PROT_READ));
	step("cap_derive", sys_cap_derive(arena, CAP_SLOT_SELF, CAP_READ,
					  arena_frame, 1));
	step("slice_alloc", sys_slice_alloc(0, SLICE_ANY));
	step("code_load", sys_code_load(&program));
	make_environment();
	make_devices();
}

static void
undo(void)
{
	while (made_count)
		holds("what was made can be dropped",
		      cap_drop_all(made[--made_count]) == 0);
	need("unmap", sys_page_unmap(CAP_SLOT_SELF, FAR, 1));
}

// Capabilities that the program holds.
static u32
held(void)
{
	u32 count = 0;

	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++) {
		struct cap_info info;

		count += !sys_cap_inspect(CAP_SLOT_SELF, slot, &info) &&
			 info.type != CAP_NONE;
	}
	return count;
}

struct account {
	struct quota used;
	u32 held;
};

static struct account
account(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];

	return (struct account){
		{ .frames = self->used.frames, .slices = self->used.slices,
		  .rings = self->used.rings, .envs = self->used.envs },
		held(),
	};
}

// Page tables stay where they were made: none at first, all from then on.
static bool
is_as_before(const struct account *before)
{
	struct account now = account();

	return now.used.frames - before->used.frames <= 3 &&
	       now.used.slices == before->used.slices &&
	       now.used.envs == before->used.envs &&
	       now.used.rings == before->used.rings && now.held == before->held;
}

static int
name_place(int argc, char **argv)
{
	u64 line;

	if (argc != 3 || !text_to_u64(argv[2], &line)) {
		print("usage: scarce [FILE LINE]\n");
		return STATUS_USAGE;
	}
	control(CONTROL_SCARCE_FILE, control_word(argv[1]));
	control(CONTROL_SCARCE_LINE, line);
	return STATUS_OK;
}

int
main(int argc, char **argv)
{
	struct account before;
	struct cap_info info;
	u32 runs = 0;
	bool failed_one = true;

	if (control(CONTROL_PRESENT, 0) != 1) {
		print("scarce: this is not the checked kernel\n");
		return STATUS_USAGE;
	}
	if (argc > 1)
		return name_place(argc, argv);
	arena = (u32)need("take frames", sys_frame_alloc(FRAME_ANY, 160));
	need("look", sys_cap_inspect(CAP_SLOT_SELF, arena, &info));
	arena_frame = info.base;
	before = account();
	while (failed_one && runs < RUNS_MAX) {
		runs++;
		failures_seen = 0;
		control(CONTROL_SCARCE, runs);
		scenario();
		failed_one = control(CONTROL_SCARCE_LEFT, 0) == 0;
		control(CONTROL_SCARCE, 0);
		holds("one call failed, or none", failures_seen == failed_one);
		undo();
		holds("nothing is left of it", is_as_before(&before));
		control(CONTROL_AUDIT, 0);
	}
	print("scarce: %u runs, %ld places\n", runs, control(CONTROL_SITES, 0));
	holds("it came to its end", !failed_one);
	return verdict_end();
}
