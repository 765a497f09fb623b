// SPDX-License-Identifier: BSD-2-Clause
// Blocks to both copies: a ring of pages, filled by the deployment's task in the order
// of the blocks, and a task for each copy that writes what is filled, up to
// TASK_BATCH_MAX at a time.
//
// A header names the block where its object begins, which differs between the copies:
// pages hold the first copy's, and the second's writer makes its own of a copy.
//
// Invariant: done[i] <= filled <= taken <= done[i] + RING_PAGES for each lane i.

#include "cluster/deploy/work.h"
#include "kernel/base/assert.h"
#include "libos/remote/far.h"

#define FAR_BATCH 10u		// two of them fit into what tasks may have open
#define AGAIN_NS (12 * NS_PER_SECOND)
#define PAUSE_NS (200 * NS_PER_MS)

struct place {
	u64 block;		// from the pair's first
	bool is_header;
};

struct writer {
	struct thread *task;
	u64 done;
	bool ended;
};

struct pair writer_pair;

static u8 *ring;		// RING_PAGES, then STAGING_PAGES
static struct place places[RING_PAGES];
static struct writer writers[LANES_MAX];
static u64 taken, filled;
static struct thread *filler;	// waits for a writer
static const char *failure;
static bool ending;

static u64
slowest(void)
{
	u64 done = filled;

	for (u32 i = 0; i < writer_pair.lanes; i++)
		done = MIN(done, writers[i].done);
	return done;
}

void *
writer_page(u64 position)
{
	return ring + position % RING_PAGES * STORE_BLOCK;
}

// ---- a copy's task

static i64
write_far(const struct lane *lane, u64 from, u32 count, u8 *const page[])
{
	struct fabric_submit submit[TASK_BATCH_MAX];
	struct fabric_complete complete[TASK_BATCH_MAX];

	for (u32 i = 0; i < count; i++) {
		submit[i] = (struct fabric_submit){
			.op = FABRIC_BLOCK_WRITE,
			.slot = lane->slot,
			.offset = places[(from + i) % RING_PAGES].block * STORE_BLOCK,
			.local = machine_local(page[i]),
			.length = STORE_BLOCK,
		};
	}
	return task_fabric(submit, complete, count);
}

// Runs of blocks whose pages follow one another go in one operation.
static i64
write_here(const struct lane *lane, u64 from, u32 count, u8 *const page[])
{
	i64 error = 0;
	u32 run;

	for (u32 i = 0; i < count && !error; i += run) {
		u64 block = places[(from + i) % RING_PAGES].block;

		run = 1;
		while (i + run < count && page[i + run] == page[i] + run * STORE_BLOCK &&
		       places[(from + i + run) % RING_PAGES].block == block + run)
			run++;
		error = task_disk_write(lane->first + block, page[i], run);
	}
	return error;
}

// The pages to write for a lane: the ring's, but headers of the second copy.
static void
list_pages(u32 index, u64 from, u32 count, u8 *page[])
{
	const struct lane *lanes = writer_pair.lane;

	for (u32 i = 0; i < count; i++) {
		struct object_header *header;

		page[i] = writer_page(from + i);
		if (!index || !places[(from + i) % RING_PAGES].is_header)
			continue;
		header = (void *)(ring + (RING_PAGES + i) * STORE_BLOCK);
		memcpy(header, page[i], STORE_BLOCK);
		header->first = header->first - lanes[0].first + lanes[index].first;
		object_header_end(header);
		page[i] = (u8 *)header;
	}
}

// Far ones again when only the session ended: the same blocks with the same bytes.
static i64
write_pages(const struct lane *lane, u64 from, u32 count, u8 *const page[])
{
	u64 until = machine_now() + AGAIN_NS;
	i64 error;

	if (lane->slot == SLOT_NONE)
		return write_here(lane, from, count, page);
	while ((error = write_far(lane, from, count, page)) && !ending && !failure &&
	       machine_may_pass(error) && machine_now() < until &&
	       candidate_lives(lane->candidate))
		task_sleep(machine_now() + PAUSE_NS);
	return error;
}

static void
write_batch(u32 index)
{
	struct writer *w = &writers[index];
	const struct lane *lane = &writer_pair.lane[index];
	u32 most = lane->slot == SLOT_NONE ? TASK_BATCH_MAX : FAR_BATCH;
	u32 count = (u32)MIN(filled - w->done, most);
	u8 *page[TASK_BATCH_MAX];
	i64 error;

	list_pages(index, w->done, count, page);
	error = write_pages(lane, w->done, count, page);
	if (error && !failure)
		failure = sentence("a copy cannot be written: %s",
				   far_error_text(error));
	w->done += count;
	if (filler)
		task_wake(filler);
}

static void
writer_task(void *argument)
{
	struct writer *w = argument;
	u32 index = (u32)(w - writers);

	w->task = task_self();
	while (!ending) {
		if (index >= writer_pair.lanes || failure)
			w->done = filled;
		if (w->done < filled)
			write_batch(index);
		else
			task_wait(NEVER);
	}
	w->ended = true;
	if (filler)
		task_wake(filler);
}

static void
wake_writers(void)
{
	for (u32 i = 0; i < LANES_MAX; i++) {
		if (writers[i].task && !writers[i].ended)
			task_wake(writers[i].task);
	}
}

// ---- the deployment's side

const char *
writer_begin(void)
{
	ring = task_buffer_take(DEPLOY_PAGES);
	if (!ring)
		return "this node has no memory for a deployment now";
	writer_pair = (struct pair){ 0 };
	memset(writers, 0, sizeof(writers));
	taken = filled = 0;
	failure = NULL;
	ending = false;
	for (u32 i = 0; i < LANES_MAX; i++) {
		if (task_start(writer_task, &writers[i]))
			continue;
		writers[i].ended = true;
		failure = "this node has too much to do";
	}
	return failure;
}

void
writer_end(void)
{
	filler = task_self();
	ending = true;
	for (u32 i = 0; i < LANES_MAX && ring; i++) {
		while (!writers[i].ended) {
			wake_writers();
			task_wait(machine_now() + NS_PER_MS);
		}
	}
	filler = NULL;
	if (ring)
		task_buffer_give(ring, DEPLOY_PAGES);
	ring = NULL;
}

// Waits until the slowest copy has written all before `position`.
static const char *
wait_for(u64 position)
{
	filler = task_self();
	while (slowest() < position && !failure) {
		wake_writers();
		task_wait(NEVER);
	}
	filler = NULL;
	return failure;
}

const char *
writer_take(u32 count, u64 *position)
{
	const char *error = NULL;

	ASSERT(count <= RING_PAGES && writer_pair.lanes);
	if (taken + count > RING_PAGES)
		error = wait_for(taken + count - RING_PAGES);
	if (error || failure)
		return failure;
	*position = taken;
	taken += count;
	ASSERT(taken <= slowest() + RING_PAGES);
	return NULL;
}

void
writer_place(u64 position, u64 block, bool is_header)
{
	ASSERT(position >= filled && position < taken && block < writer_pair.count);
	places[position % RING_PAGES] = (struct place){ block, is_header };
}

void
writer_submit(u64 position)
{
	ASSERT(position >= filled && position <= taken);
	filled = position;
	wake_writers();
}

const char *
writer_drain(void)
{
	ASSERT(filled == taken);
	return wait_for(filled);
}
