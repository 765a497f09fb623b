// SPDX-License-Identifier: BSD-2-Clause
// Takes everything that it can get, of each kind to the very end, and exits
// without giving anything back. Each kind must end with its own error, at the
// quota, the list's length or the depth that kernel/abi names; what was left
// over for others is theirs. `exhaust hold` keeps it all until it is killed.

#include "libos/mem/layout.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/text/text.h"

#define FAR_STEP 0x8000000000ull		// one table of each level a page
#define TABLES_A_PAGE 3u

static const volatile struct env_info *
self(void)
{
	return &env_table()[self_index()];
}

static u64
base_of(u32 slot)
{
	struct cap_info info;

	need("look", sys_cap_inspect(CAP_SLOT_SELF, slot, &info));
	return info.base;
}

static void
children(u32 frame_slot)
{
	struct env_spec spec = {
		.uarea_slot = frame_slot,
		.uarea_frame = base_of(frame_slot),
		.quota = { .frames = 8 },
		.name = "bystander",
	};
	u32 quota = self()->quota.envs - self()->used.envs, made = 0;
	i64 result;

	while ((result = sys_env_create(&spec)) >= 0)
		made++;
	refused("one child more", result, E_QUOTA);
	holds("as many children as the quota says", made == quota);
}

static void
slices(void)
{
	u32 quota = self()->quota.slices - self()->used.slices, got = 0;
	i64 result;

	while ((result = sys_slice_alloc(0, SLICE_ANY)) >= 0)
		got++;
	refused("one slice more", result, E_QUOTA);
	holds("as many slices as the quota says", got == quota);
}

static void
rings(void)
{
	i64 memory = need("take frames", sys_frame_alloc(FRAME_ANY, RING_FRAMES));
	u32 quota = self()->quota.rings - self()->used.rings, bound = 0;
	struct ring_spec spec = {
		.nic_slot = startup_slot(ROLE_NIC),
		.ring_slot = (u32)memory,
		.ring_frame = base_of((u32)memory),
		.narrows = SLOT_NONE,
	};
	u32 denials = 0;
	i64 result = 0;

	// Addresses that another one has are passed over.
	for (u32 i = 1; i < RINGS_MAX && result != -E_QUOTA; i++) {
		spec.mac_index = i;
		result = sys_ring_bind(&spec);
		bound += result >= 0;
		denials += result < 0;
	}
	refused("one ring more", result, E_QUOTA);
	holds("as many rings as the quota says", bound == quota && denials > 0);
}

static void
depth(u32 frame_slot)
{
	u64 frame = base_of(frame_slot);
	i64 slot = frame_slot, next;
	u32 deep = 0;

	while ((next = sys_cap_derive((u32)slot, CAP_SLOT_SELF,
				      CAP_READ | CAP_DERIVE, frame, 1)) >= 0) {
		slot = next;
		deep++;
	}
	refused("one derivation deeper", next, E_DEPTH);
	holds("as deep as the tree goes", deep == CAP_DEPTH_MAX);
}

static void
list(u32 frame_slot)
{
	u64 frame = base_of(frame_slot);
	u32 used = 0;
	i64 result;

	while ((result = sys_cap_derive(frame_slot, CAP_SLOT_SELF, CAP_READ, frame,
					1)) >= 0)
		;
	refused("one capability more", result, E_LIST);
	for (u32 i = 0; i < CAP_LIST_SLOTS; i++) {
		struct cap_info info;

		need("look", sys_cap_inspect(CAP_SLOT_SELF, i, &info));
		used += info.type != CAP_NONE;
	}
	holds("the list is full", used == CAP_LIST_SLOTS);
}

// Pages far from one another need page tables, which count, and of which there are not
// as many as it may have frames.
static void
tables(u32 frame_slot)
{
	u32 most = PAGE_TABLES_MAX(self()->quota.frames), before = self()->used.frames;
	u64 frame = base_of(frame_slot), va = FAR_STEP;
	u32 made, left;
	i64 result = 0;

	for (; va < USER_END && result == 0; va += FAR_STEP)
		result = sys_page_map(CAP_SLOT_SELF, va, frame_slot, frame, 1, PROT_READ);
	made = self()->used.frames - before;
	left = self()->quota.frames - self()->used.frames;
	refused("page tables for everything that is scattered", result, E_QUOTA);
	holds("page tables are charged", made > most / 2 && made <= most);
	holds("it could have had as many frames", left > TABLES_A_PAGE);
}

static void
frames(void)
{
	u32 count = ALLOC_FRAMES_MAX;
	i64 result = 0;

	while (count) {
		result = sys_frame_alloc(FRAME_ANY, count);
		if (result < 0)
			count /= 2;
	}
	refused("one frame more", result, E_QUOTA);
	holds("as many frames as the quota says",
	      self()->used.frames == self()->quota.frames);
	denied("page tables beyond it",
	       sys_page_map(CAP_SLOT_SELF, USER_END - PAGE_SIZE, 1, base_of(1), 1,
			    PROT_READ));
}

int
main(int argc, char **argv)
{
	i64 frame = need("take a frame", sys_frame_alloc(FRAME_ANY, 1));

	children((u32)frame);
	slices();
	rings();
	depth((u32)frame);
	tables((u32)frame);
	frames();
	list((u32)frame);
	if (argc > 1 && !strcmp(argv[1], "hold")) {
		print("exhaust: holding on\n");
		for (;;)
			need("sleep", sys_wait(NULL, 0, NEVER));
	}
	return verdict_end();
}
