// SPDX-License-Identifier: BSD-2-Clause
// Exercises the disk through a block queue: BLOCKS blocks at the end of the
// disk are read and kept, overwritten with a pattern, read back and compared,
// and then written back as they were. Reads are timed one at a time and
// QUEUE_SLOTS deep. Losing power half-way leaves the pattern there.
//
//	diskio			all of that
//	diskio read		only reads
//	diskio many		reads MANY times, QUEUE_SLOTS at once, for what goes wrong rarely
//	diskio overlap		reads while it computes: an upcall at each completion
//				starts the next operation

#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/io/queue.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/text/text.h"

#define BLOCKS 128u
#define TIMED 256u
#define MANY (1u << 20)
#define PATIENCE_NS (20 * NS_PER_SECOND)
#define WORDS (BLOCK_SIZE / sizeof(u64))

static struct queue queue;
static struct frame_run kept, work;	// BLOCKS frames each, in one run
static struct frame_run memory;
static u64 first_block;

static i64
wait_for_completion(u64 *tag)
{
	struct wait_set set;
	i32 status;

	while (!queue_take(&queue, tag, &status)) {
		wait_begin(&set);
		queue_watch(&queue, &set);
		wait_sleep(&set);
	}
	return status;
}

// Moves all blocks, `step` a time, as many operations at once as the queue
// takes. Returns the first error.
static i64
transfer(enum queue_op op, const struct frame_run *run, u32 step)
{
	i64 failure = 0;
	u64 tag;

	for (u32 next = 0; next < BLOCKS || queue.open;) {
		i64 error;

		while (next < BLOCKS &&
		       queue_put(&queue, op, first_block + next,
				 run->frame + next, MIN(step, BLOCKS - next),
				 next))
			next += step;
		error = queue_flush(&queue);
		if (error)
			return error;
		error = wait_for_completion(&tag);
		failure = failure ? failure : error;
	}
	return failure;
}

static u64
pattern(u64 block, u64 word)
{
	return (block << 32 | word) * 0x9e3779b97f4a7c15ull;
}

static void
fill(const struct frame_run *run)
{
	u64 *at = direct_address(run->frame);

	for (u64 i = 0; i < BLOCKS * WORDS; i++)
		at[i] = pattern(first_block + i / WORDS, i % WORDS);
}

// Returns the number of blocks that do not hold the pattern.
static u32
count_wrong(const struct frame_run *run)
{
	const u64 *at = direct_address(run->frame);
	u32 wrong = 0;

	for (u64 b = 0; b < BLOCKS; b++) {
		u64 w = 0;

		while (w < WORDS &&
		       at[b * WORDS + w] == pattern(first_block + b, w))
			w++;
		wrong += w < WORDS;
	}
	return wrong;
}

static i64
time_reads(u32 deep)
{
	u64 start_ns = now_ns();
	i64 error;

	for (u32 i = 0; i < TIMED; i++) {
		error = queue_run(&queue, QUEUE_READ, first_block + i % BLOCKS,
				  work.frame, 1, NEVER);
		if (error)
			return error;
	}
	print("diskio: read 4KiB d1: %lu ns\n", (now_ns() - start_ns) / TIMED);
	start_ns = now_ns();
	for (u32 i = 0; i < deep / BLOCKS; i++) {
		error = transfer(QUEUE_READ, &work, 1);
		if (error)
			return error;
	}
	print("diskio: read 4KiB d%u: %lu ns\n", QUEUE_SLOTS,
	      (now_ns() - start_ns) / deep);
	return 0;
}

static i64
write_and_verify(u32 *wrong)
{
	i64 error = transfer(QUEUE_READ, &kept, 7);

	if (error)
		return error;
	fill(&work);
	error = transfer(QUEUE_WRITE, &work, 3);
	memset(direct_address(work.frame), 0xee, BLOCKS * BLOCK_SIZE);
	if (!error)
		error = transfer(QUEUE_READ, &work, 5);
	*wrong = count_wrong(&work);
	// Whatever happened, the disk gets its content back.
	i64 restored = transfer(QUEUE_WRITE, &kept, 8);

	if (!restored)
		restored = queue_run(&queue, QUEUE_FLUSH, 0, 0, 0, NEVER);
	return error ? error : restored;
}

static struct {
	u32 next;			// block
	u32 done;
	u32 upcalls;
	i64 error;
} overlap;

static void
start_more(void)
{
	i64 error;

	while (overlap.next < BLOCKS &&
	       queue_put(&queue, QUEUE_READ, first_block + overlap.next,
			 work.frame + overlap.next, 1, overlap.next))
		overlap.next++;
	error = queue_flush(&queue);
	if (error)
		overlap.error = error;
}

static void
on_completion(struct upcall_context *context)
{
	u64 tag;
	i32 status;

	(void)context;
	overlap.upcalls++;
	while (queue_take(&queue, &tag, &status)) {
		overlap.error = status ? status : overlap.error;
		__atomic_store_n(&overlap.done, overlap.done + 1, __ATOMIC_RELEASE);
	}
	start_more();
}

// Reads all blocks while the program makes no system call, and compares them with what
// a program that waits reads.
static i64
read_overlapped(u32 *wrong)
{
	u64 until = now_ns() + PATIENCE_NS, steps = 0;
	i64 error = transfer(QUEUE_READ, &kept, 7);
	struct wait_set set;

	if (error)
		return error;
	memset(direct_address(work.frame), 0xee, BLOCKS * BLOCK_SIZE);
	wait_begin(&set);
	queue_watch(&queue, &set);
	error = wait_interrupt(&set, on_completion);
	if (error)
		return error;
	upcall_hold();
	start_more();
	upcall_release();
	while (__atomic_load_n(&overlap.done, __ATOMIC_ACQUIRE) < BLOCKS &&
	       now_ns() < until)
		steps++;
	wait_begin(&set);
	error = wait_interrupt(&set, NULL);
	if (overlap.done < BLOCKS)
		return -E_TIMEOUT;
	for (u32 i = 0; i < BLOCKS; i++)
		*wrong += memcmp((u8 *)direct_address(work.frame + i),
				 direct_address(kept.frame + i), BLOCK_SIZE) != 0;
	print("diskio: %u upcalls in %lu steps of the program\n", overlap.upcalls,
	      steps);
	return overlap.error ? overlap.error : error;
}

static i64
prepare(void)
{
	u32 blocks_slot = startup_slot(ROLE_BLOCKS);
	u64 blocks = sys_info()->disk_blocks;
	i64 error;

	if (blocks_slot == SLOT_NONE || blocks < BLOCKS)
		return -E_ABSENT;
	first_block = blocks - BLOCKS;
	error = frames_take(2 * BLOCKS, &memory);
	if (error)
		return error;
	kept = (struct frame_run){ memory.frame, BLOCKS, memory.slot };
	work = (struct frame_run){ memory.frame + BLOCKS, BLOCKS, memory.slot };
	return queue_open(&queue, blocks_slot, &memory);
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	bool overlaps = !strcmp(mode, "overlap"), reads_many = !strcmp(mode, "many");
	bool only_read = overlaps || reads_many || !strcmp(mode, "read");
	u32 wrong = 0;
	i64 error = prepare();

	if (!error)
		error = overlaps ? read_overlapped(&wrong)
				 : time_reads(reads_many ? MANY : TIMED);
	if (!error && !only_read)
		error = write_and_verify(&wrong);
	if (error)
		print("diskio: FAIL %s\n", error_text(error));
	else if (wrong)
		print("diskio: FAIL %u of %u blocks did not hold what was "
		      "written\n", wrong, BLOCKS);
	else
		print("diskio: PASS %u blocks from %lu %s\n", BLOCKS, first_block,
		      only_read ? "read" : "written, read, restored");
	return error || wrong ? STATUS_FAILED : STATUS_OK;
}
