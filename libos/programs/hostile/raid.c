// SPDX-License-Identifier: BSD-2-Clause
// Reaches for blocks and memory that are not its own through a block queue, and
// spoils the queue. It is granted the whole disk, gives itself ALLOWED blocks
// from FIRST on, and must not get beyond them: whoever looks at the disk finds
// the byte MARK in those blocks and everything else as it was.

#include "kernel/base/string.h"
#include "libos/io/wait.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/taken.h"
#include "libos/programs/hostile/verdict.h"

#define FIRST 10u
#define ALLOWED 10u
#define MARK 0xd1
#define REGION_FRAMES 40u

static struct frame_run region, control_frame;
static struct queue_control *control;
static u32 queue, blocks;
static u32 head, tail;

static u32
bind(u32 blocks_slot)
{
	struct queue_spec spec = {
		.blocks_slot = blocks_slot,
		.queue_slot = control_frame.slot,
		.queue_frame = control_frame.frame,
		.region_slot = region.slot,
		.region_frame = region.frame,
		.region_count = region.count,
	};

	head = tail = 0;
	return (u32)need("bind a queue", sys_queue_bind(&spec));
}

static void
put(struct queue_submit submit)
{
	control->submit[head % QUEUE_SLOTS] = submit;
	head++;
	__atomic_store_n(&control->submit_head, head, __ATOMIC_RELEASE);
}

// Takes the next completion; its status, or 1 when none came.
static i64
take_completion(void)
{
	u64 until = now_ns() + 10 * NS_PER_SECOND;
	i64 status;

	while (control->complete_head == tail) {
		struct wait_word word = {
			.va = (u64)&control->complete_head, .expected = tail };

		if (sys_wait(&word, 1, until) == -E_TIMEOUT)
			return 1;
	}
	status = control->complete[tail % QUEUE_SLOTS].status;
	tail++;
	__atomic_store_n(&control->complete_tail, tail, __ATOMIC_RELEASE);
	return status;
}

static i64
run(struct queue_submit submit)
{
	put(submit);
	need("kick", sys_queue_kick(queue));
	return take_completion();
}

static struct queue_submit
operation(u8 op, u64 block, u64 frame, u32 count)
{
	return (struct queue_submit){
		.block = block, .frame = (u32)frame, .count = (u16)count, .op = op,
	};
}

static void
honest(void)
{
	memset(direct_address(region.frame), MARK, region.count * PAGE_SIZE);
	holds("to write what is allowed",
	      run(operation(QUEUE_WRITE, FIRST, region.frame, ALLOWED)) == 0);
	memset(direct_address(region.frame), 0, region.count * PAGE_SIZE);
	holds("to read it",
	      run(operation(QUEUE_READ, FIRST, region.frame, ALLOWED)) == 0);
	holds("and find it", *(u8 *)direct_address(region.frame) == MARK);
	holds("to flush", run(operation(QUEUE_FLUSH, 0, 0, 0)) == 0);
}

// What the disk may still write belongs to nobody else meanwhile. One attempt, however
// often it takes to see it.
static void
under_way(void)
{
	bool pinned = false;

	for (u32 i = 0; i < 2 * QUEUE_SLOTS && !pinned; i++) {
		put(operation(QUEUE_READ, FIRST, region.frame, ALLOWED));
		need("kick", sys_queue_kick(queue));
		pinned = frame_table()[region.frame].pins > 0;
		if (take_completion())
			holds("it completes", false);
	}
	holds("frames under way are pinned", pinned);
}

static void
foreign_blocks(void)
{
	static const struct { u64 block; u32 count; } ranges[] = {
		{ 0, 1 }, { FIRST - 1, 1 }, { FIRST - 1, 2 }, { FIRST + ALLOWED, 1 },
		{ FIRST + ALLOWED - 1, 2 }, { 1ull << 32, 1 }, { 1ull << 52, 1 },
		{ 1ull << 61, 1 }, { 1ull << 63, 1 }, { ~0ull, 1 }, { ~0ull, 2 },
		{ ~0ull - FIRST, 32 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(ranges); i++) {
		refused("to write other blocks",
			run(operation(QUEUE_WRITE, ranges[i].block, region.frame,
				      ranges[i].count)), E_RANGE);
		refused("to read other blocks",
			run(operation(QUEUE_READ, ranges[i].block, region.frame,
				      ranges[i].count)), E_RANGE);
		refused("to trim other blocks",
			run(operation(QUEUE_TRIM, ranges[i].block, 0,
				      ranges[i].count)), E_RANGE);
		refused("to clear other blocks",
			run(operation(QUEUE_ZERO, ranges[i].block, 0,
				      ranges[i].count)), E_RANGE);
	}
}

static void
foreign_frames(void)
{
	u64 count = sys_info()->frame_count;

	refused("the frame before", run(operation(QUEUE_READ, FIRST,
		region.frame - 1, 1)), E_RANGE);
	refused("the frame behind", run(operation(QUEUE_READ, FIRST,
		region.frame + region.count, 1)), E_RANGE);
	refused("frames across the end", run(operation(QUEUE_READ, FIRST,
		region.frame + region.count - 1, 2)), E_RANGE);
	refused("the last number", run(operation(QUEUE_READ, FIRST,
		0xffffffff, 1)), E_RANGE);
	for (u64 f = 0; f < count; f += 127) {
		bool own = f - region.frame < region.count;

		refused("to read into any other frame",
			run(operation(QUEUE_READ, FIRST, own ? 0 : f, 1)), E_RANGE);
	}
}

static void
bad_operations(void)
{
	static const u32 counts[] = { 0, QUEUE_BLOCKS_MAX + 1, 255, 65535 };

	refused("to store metadata of no volume",
		run(operation(QUEUE_STORE, FIRST, region.frame, 1)), E_ARGUMENT);
	for (u32 op = QUEUE_ZERO + 1; op < 256; op++)
		refused("an operation that is none",
			run(operation((u8)op, FIRST, region.frame, 1)), E_ARGUMENT);
	refused("to trim too many blocks",
		run(operation(QUEUE_TRIM, FIRST, 0, QUEUE_CLEAR_MAX + 1)), E_ARGUMENT);
	for (u32 i = 0; i < ARRAY_SIZE(counts); i++)
		refused("a number of blocks",
			run(operation(QUEUE_READ, FIRST, region.frame, counts[i])),
			E_ARGUMENT);
	refused("to flush some blocks",
		run(operation(QUEUE_FLUSH, FIRST, region.frame, 1)), E_ARGUMENT);
}

static void
bad_indices(void)
{
	static const u32 steps[] = { QUEUE_SLOTS + 1, 1u << 16, 1u << 31, ~0u };

	for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
		control->submit_head = head + steps[i];
		refused("a head far away", sys_queue_kick(queue), E_ARGUMENT);
	}
	control->submit_head = head;
	for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
		control->complete_tail = tail + steps[i];
		control->submit_tail += steps[i];
		holds("indices overwritten", sys_queue_kick(queue) == 0);
	}
	control->complete_tail = tail;
	need("kick", sys_queue_kick(queue));
	holds("the queue works on", run(operation(QUEUE_READ, FIRST, region.frame,
						  1)) == 0);
}

// Completions that nobody reads: the ring must not run over.
static void
unread_completions(void)
{
	for (u32 round = 0; round < 4; round++) {
		u32 taken = control->submit_tail;

		for (u32 i = 0; head - taken < QUEUE_SLOTS && i < QUEUE_SLOTS; i++)
			put(operation(QUEUE_READ, FIRST + i % ALLOWED,
				      region.frame + i, 1));
		need("kick", sys_queue_kick(queue));
		holds("completions wait for their reader",
		      control->complete_head - tail <= QUEUE_SLOTS);
	}
	while (tail != head) {
		if (!holds("each completes", take_completion() == 0))
			return;
		need("kick", sys_queue_kick(queue));
	}
}

static void
lesser_queue(void)
{
	i64 slot = need("derive", sys_cap_derive(blocks, CAP_SLOT_SELF, CAP_READ,
						 FIRST, ALLOWED));

	need("drop the queue", sys_cap_drop(queue));
	queue = bind((u32)slot);
	refused("to write through a queue that reads",
		run(operation(QUEUE_WRITE, FIRST, region.frame, 1)), E_RIGHTS);
	holds("to read through it",
	      run(operation(QUEUE_READ, FIRST, region.frame, 1)) == 0);
	need("drop the queue", sys_cap_drop(queue));
	slot = need("derive", sys_cap_derive(blocks, CAP_SLOT_SELF, CAP_WRITE, FIRST,
					     ALLOWED));
	queue = bind((u32)slot);
	refused("to read through a queue that writes",
		run(operation(QUEUE_READ, FIRST, region.frame, 1)), E_RIGHTS);
	need("drop the queue", sys_cap_drop(queue));
}

// The disk is told to write into the queue itself: the kernel goes by its own
// copies, whatever then stands there.
static void
disk_into_queue(void)
{
	struct queue_spec spec = {
		.blocks_slot = blocks,
		.queue_slot = control_frame.slot,
		.queue_frame = control_frame.frame,
		.region_slot = control_frame.slot,
		.region_frame = control_frame.frame,
		.region_count = 1,
	};
	i64 slot = need("bind a queue", sys_queue_bind(&spec));
	u64 until = now_ns() + 10 * NS_PER_SECOND;

	head = 0;
	put(operation(QUEUE_READ, FIRST, control_frame.frame, 1));
	need("kick", sys_queue_kick((u32)slot));
	while (control->submit_head == head && now_ns() < until)
		sys_yield(SLOT_NONE);
	refused("a kick of what the disk left", sys_queue_kick((u32)slot),
		E_ARGUMENT);
	need("drop the queue", sys_cap_drop((u32)slot));
}

// Memory and authority go while the device works.
static void
gone_in_flight(void)
{
	i64 slot;

	for (u32 i = 0; i < QUEUE_SLOTS; i++)
		put(operation(QUEUE_READ, FIRST, region.frame + i, ALLOWED > 8 ? 8 : 1));
	need("kick", sys_queue_kick(queue));
	need("drop the region", sys_cap_drop(region.slot));
	refused("a kick of a queue without memory", sys_queue_kick(queue), E_STATE);
	need("drop the queue", sys_cap_drop(queue));
	region = take(REGION_FRAMES);
	slot = bind(blocks);
	queue = (u32)slot;
	for (u32 i = 0; i < QUEUE_SLOTS; i++)
		put(operation(QUEUE_READ, FIRST, region.frame + i % 8, 8));
	need("kick", sys_queue_kick(queue));
	need("drop the blocks", sys_cap_drop(blocks));
	refused("a kick of a queue without blocks", sys_queue_kick(queue), E_STATE);
}

int
main(int argc, char **argv)
{
	u32 disk = startup_slot(ROLE_BLOCKS);

	(void)argc;
	(void)argv;
	if (disk == SLOT_NONE)
		need("find a disk", -E_ABSENT);
	blocks = (u32)need("derive", sys_cap_derive(disk, CAP_SLOT_SELF,
		CAP_READ | CAP_WRITE | CAP_DERIVE, FIRST, ALLOWED));
	region = take(REGION_FRAMES);
	control_frame = take(1);
	need("map", map_direct(&region, PROT_READ | PROT_WRITE));
	need("map", map_direct(&control_frame, PROT_READ | PROT_WRITE));
	control = direct_address(control_frame.frame);
	queue = bind(blocks);
	honest();
	under_way();
	foreign_blocks();
	foreign_frames();
	bad_operations();
	bad_indices();
	unread_completions();
	lesser_queue();
	disk_into_queue();
	queue = bind(blocks);
	gone_in_flight();
	return verdict_end();
}
