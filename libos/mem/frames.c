// SPDX-License-Identifier: BSD-2-Clause
// The frame pool. An ordinary chunk has a bitmap; a run longer than
// POOL_CHUNK_FRAMES becomes a chunk of its own that is used as a whole.
//
// Invariants, checked by frames_check():
//   F1  a chunk with count 0 is an unused entry
//   F2  in an ordinary chunk, `used` counts the set bits of the bitmap, all of
//       which are below count
//   F3  in a whole chunk (count > POOL_CHUNK_FRAMES), used is count
//   F4  an ordinary chunk's frames are mapped at their direct addresses

#include "libos/mem/frames.h"
#include "kernel/base/assert.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

#define MAP_WORDS (POOL_CHUNK_FRAMES / 64u)
#define FIRST_CHUNK_FRAMES 16u

struct chunk {
	struct frame_run run;
	u64 used;
	u64 map[MAP_WORDS];	// set: in use
};

static struct chunk chunks[POOL_CHUNKS_MAX];
static u32 next_chunk_frames = FIRST_CHUNK_FRAMES;

static bool
is_whole(const struct chunk *chunk)
{
	return chunk->run.count > POOL_CHUNK_FRAMES;
}

static bool
is_used(const struct chunk *chunk, u64 i)
{
	return chunk->map[i / 64] >> (i % 64) & 1;
}

static void
set_used(struct chunk *chunk, u64 first, u64 count, bool used)
{
	for (u64 i = first; i < first + count; i++) {
		ASSERT(is_used(chunk, i) != used);
		chunk->map[i / 64] ^= 1ull << (i % 64);
	}
	chunk->used += used ? count : 0 - count;
	ASSERT(chunk->used <= chunk->run.count);
}

// First fit. Returns the index of the first frame, or count when none fits.
static u64
find_gap(const struct chunk *chunk, u64 count)
{
	u64 length = 0;

	for (u64 i = 0; i < chunk->run.count; i++) {
		if (i % 64 == 0 && chunk->map[i / 64] == ~0ull) {
			i += 63;
			length = 0;
			continue;
		}
		length = is_used(chunk, i) ? 0 : length + 1;
		if (length == count)
			return i + 1 - count;
	}
	return chunk->run.count;
}

static struct chunk *
free_entry(void)
{
	for (u32 i = 0; i < POOL_CHUNKS_MAX; i++) {
		if (chunks[i].run.count == 0)
			return &chunks[i];
	}
	return NULL;
}

static i64
chunk_open(struct chunk *chunk, u64 count)
{
	i64 slot = sys_frame_alloc(FRAME_ANY, (u32)count);
	i64 error;

	if (slot < 0)
		return slot;
	*chunk = (struct chunk){ 0 };
	error = run_of_slot((u32)slot, &chunk->run);
	ASSERT(error || chunk->run.count == count);
	if (!error)
		error = map_direct(&chunk->run, PROT_READ | PROT_WRITE);
	if (error) {
		*chunk = (struct chunk){ 0 };
		cap_drop_all((u32)slot);
	}
	return error;
}

// Dropping the capability takes the mappings with it.
static void
chunk_close(struct chunk *chunk)
{
	i64 error = cap_drop_all(chunk->run.slot);

	ASSERT(!error);
	*chunk = (struct chunk){ 0 };
}

// Gets a chunk of at least `count` frames; of more where there are, so that
// the next calls find some.
static i64
grow(u64 count, struct chunk **grown)
{
	struct chunk *chunk = free_entry();
	u64 size = count;
	i64 error;

	if (!chunk)
		return -E_TABLE;
	if (count <= POOL_CHUNK_FRAMES)
		size = MAX(count, (u64)next_chunk_frames);
	for (;;) {
		error = chunk_open(chunk, size);
		if (!error || size == count)
			break;
		size = MAX(size / 2, count);
	}
	if (!error && next_chunk_frames < POOL_CHUNK_FRAMES)
		next_chunk_frames *= 2;
	*grown = chunk;
	return error;
}

static void
carve(struct chunk *chunk, u64 first, u64 count, struct frame_run *run)
{
	if (is_whole(chunk))
		chunk->used = count;
	else
		set_used(chunk, first, count, true);
	*run = (struct frame_run){
		chunk->run.frame + first, count, chunk->run.slot,
	};
}

i64
frames_take(u32 count, struct frame_run *run)
{
	struct chunk *grown;
	i64 error;

	ASSERT(count > 0);
	for (u32 i = 0; i < POOL_CHUNKS_MAX; i++) {
		struct chunk *chunk = &chunks[i];
		u64 first;

		if (is_whole(chunk) || chunk->run.count - chunk->used < count)
			continue;
		first = find_gap(chunk, count);
		if (first < chunk->run.count) {
			carve(chunk, first, count, run);
			return 0;
		}
	}
	error = grow(count, &grown);
	if (!error)
		carve(grown, 0, count, run);
	return error;
}

static struct chunk *
chunk_of(const struct frame_run *run)
{
	for (u32 i = 0; i < POOL_CHUNKS_MAX; i++) {
		const struct frame_run *r = &chunks[i].run;

		if (r->slot == run->slot && run->frame >= r->frame &&
		    run->frame + run->count <= r->frame + r->count)
			return &chunks[i];
	}
	return NULL;
}

// True when another chunk than this stands empty.
static bool
other_is_empty(const struct chunk *chunk)
{
	for (u32 i = 0; i < POOL_CHUNKS_MAX; i++) {
		const struct chunk *c = &chunks[i];

		if (c != chunk && c->run.count && c->used == 0)
			return true;
	}
	return false;
}

void
frames_give(const struct frame_run *run)
{
	struct chunk *chunk = chunk_of(run);

	ASSERT(chunk && run->count > 0);
	if (is_whole(chunk)) {
		ASSERT(run->count == chunk->run.count);
		chunk_close(chunk);
		return;
	}
	set_used(chunk, run->frame - chunk->run.frame, run->count, false);
	if (chunk->used == 0 && other_is_empty(chunk))
		chunk_close(chunk);
}

u64
frames_in_use(void)
{
	u64 sum = 0;

	for (u32 i = 0; i < POOL_CHUNKS_MAX; i++)
		sum += chunks[i].used;
	return sum;
}

u64
frames_held(void)
{
	u64 sum = 0;

	for (u32 i = 0; i < POOL_CHUNKS_MAX; i++)
		sum += chunks[i].run.count;
	return sum;
}

void
frames_forget(void)
{
	for (u32 i = 0; i < POOL_CHUNKS_MAX; i++)
		chunks[i] = (struct chunk){ 0 };
	next_chunk_frames = FIRST_CHUNK_FRAMES;
}

static void
chunk_check(const struct chunk *chunk)
{
	u64 set = 0;

	if (is_whole(chunk)) {
		ASSERT(chunk->used == chunk->run.count);	// F3
		return;
	}
	for (u64 i = 0; i < POOL_CHUNK_FRAMES; i++) {
		if (!is_used(chunk, i))
			continue;
		ASSERT(i < chunk->run.count);			// F1, F2
		set++;
	}
	ASSERT(set == chunk->used);				// F2
}

void
frames_check(void)
{
	for (u32 i = 0; i < POOL_CHUNKS_MAX; i++)
		chunk_check(&chunks[i]);
}
