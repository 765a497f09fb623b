// SPDX-License-Identifier: BSD-2-Clause
// A child that holds two parts of HOLDER_PAGES frames, each page with contents of
// its own, and looks, when its test orders so, at what is left: the children of
// authority.c. It counts all the while, which shows that it lives.

#include "kernel/base/string.h"
#include "libos/crt/attempt.h"
#include "libos/crt/start.h"
#include "libos/io/queue.h"
#include "libos/io/ring.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"

static volatile struct shared *const shared = (volatile struct shared *)REGION_BASE;

static struct frame_run part[2];
static volatile u32 given;		// pages of part 0

static u64
contents(u64 frame)
{
	return frame * 0x9e3779b97f4a7c15ull;
}

static void
take_parts(void)
{
	for (u32 i = 0; i < 2; i++) {
		i64 slot = sys_frame_alloc(FRAME_ANY, HOLDER_PAGES);

		must(slot, "frame_alloc");
		must(run_of_slot((u32)slot, &part[i]), "cap_inspect");
		must(map_direct(&part[i], PROT_READ | PROT_WRITE), "map");
		for (u64 f = part[i].frame; f < part[i].frame + HOLDER_PAGES; f++)
			*(volatile u64 *)direct_address(f) = contents(f);
		shared->slot[i] = part[i].slot;
		shared->base[i] = part[i].frame;
	}
}

static void
read_page(void *frame)
{
	if (*(volatile u64 *)direct_address((u64)frame) != contents((u64)frame))
		shared->vector = 1;
}

static void
note_records(void)
{
	struct revoke_taken taken;

	while (revoke_record_next(&taken)) {
		if (shared->records < 4)
			shared->record[shared->records] = taken;
		shared->records++;
	}
}

static void
look(void)
{
	struct upcall_frame fault;

	for (u32 i = 0; i < 2; i++) {
		u32 whole = 0;

		for (u64 f = part[i].frame; f < part[i].frame + HOLDER_PAGES; f++)
			whole += !attempt(read_page, (void *)f, &fault);
		shared->whole[i] = whole;
	}
	note_records();
}

// From the order that was `seen` last.
noreturn_ static void
serve(u32 seen)
{
	if (shared->state == 0)
		announce(&shared->state, 1);
	for (;;) {
		shared->count++;
		if (shared->order != seen) {
			seen = shared->order;
			look();
			announce(&shared->state, seen + 1);
		}
		sys_yield(SLOT_NONE);
	}
}

void
hold(void)
{
	take_parts();
	serve(0);
}

// Derives so much from the second that to shorten it takes more than a round.
void
hold_parts(void)
{
	take_parts();
	for (u32 i = 0; i < 200; i++)
		must(sys_cap_derive(part[1].slot, CAP_SLOT_SELF, CAP_READ, part[1].frame,
				    HOLDER_PAGES), "cap_derive");
	serve(0);
}

void
hold_declared(void)
{
	take_parts();
	revoke_declare(255, 0);			// nothing there: passed over
	revoke_declare(part[0].slot, HOLDER_KEEPS);
	serve(0);
}

// In the upcall.
static void
give(void)
{
	u64 owed = revoke_owed(CAP_FRAMES);

	if (owed == 0 || given + owed >= HOLDER_PAGES)
		return;
	given += (u32)owed;
	must(sys_cap_trim(part[0].slot, HOLDER_PAGES - given), "cap_trim");
}

// Scribbles over all that the kernel reads and writes there.
void
hold_scribbling(void)
{
	u8 *bytes = (u8 *)&uarea()->revoke;

	take_parts();
	announce(&shared->state, 1);
	for (u8 value = 1; shared->order == 0; value += 37) {
		memset(bytes, value, sizeof(uarea()->revoke));
		sys_yield(SLOT_NONE);
	}
	memset(bytes, 0, sizeof(uarea()->revoke));
	serve(0);
}

// Asleep until it was asked: nobody wakes it but the upcall.
void
hold_politely(void)
{
	struct wait_word word = { .va = (u64)&given };

	take_parts();
	revoke_handler_set(give);
	announce(&shared->state, 1);
	while (given == 0) {
		if (sys_wait(&word, 1, NEVER) == -E_AGAIN)
			shared->value = given;
	}
	revoke_handler_set(NULL);
	serve(0);
}

// Has two children of its own, with nearly all that it was given.
void
hold_family(void)
{
	struct quota quota = { .frames = 100 };
	struct helper first, second;

	helper_start_with(&first, "count", 0, NULL, quota);
	helper_start_with(&second, "count", 0, NULL, quota);
	take_parts();
	shared->value = first.child.id;
	shared->address = second.child.id;
	serve(0);
}

// Two slices and two rings. At the first order it says in `whole` whether the first
// ring works and the second is closed.
void
hold_others(void)
{
	struct ring_config config = {
		.nic_slot = startup_slot(ROLE_NIC),
		.narrows = SLOT_NONE,
	};
	static struct ring ring[2];

	for (u32 i = 0; i < 2; i++) {
		must(sys_slice_alloc(0, SLICE_ANY), "slice_alloc");
		config.mac_index = 5 + i;
		must(ring_open(&ring[i], &config), "bind a ring");
		shared->slot[i] = ring[i].slot;
	}
	announce(&shared->state, 1);
	while (shared->order == 0)
		sys_yield(SLOT_NONE);
	look();
	shared->whole[0] = sys_ring_kick(ring[0].slot) == 0;
	shared->whole[1] = sys_ring_kick(ring[1].slot) == -E_SLOT;
	announce(&shared->state, 2);
	serve(1);
}

// How many of its blocks a queue reads, from the first on.
static u32
readable(struct queue *queue, const struct frame_run *page)
{
	u32 count = 0;

	while (count < HOLDER_BLOCKS &&
	       !queue_run(queue, QUEUE_READ, shared->base[0] + count, page->frame, 1, NEVER))
		count++;
	return count;
}

// Blocks in slot[0] from base[0] on, which its test gave. At each order it says in
// `whole` how many its queue reads, and how many one that is bound anew.
static void
serve_blocks(void)
{
	struct frame_run page;
	struct queue queue;

	must(frames_take(1, &page), "a page");
	announce(&shared->state, 1);
	while (shared->order == 0)
		sys_yield(SLOT_NONE);
	must(queue_open(&queue, shared->slot[0], &page), "bind a queue");
	for (u32 seen = 0;;) {
		if (shared->order == seen) {
			sys_yield(SLOT_NONE);
			continue;
		}
		seen = shared->order;
		shared->whole[0] = readable(&queue, &page);
		queue_close(&queue);
		must(queue_open(&queue, shared->slot[0], &page), "bind a queue");
		shared->whole[1] = readable(&queue, &page);
		note_records();
		announce(&shared->state, seen + 1);
	}
}

void
hold_blocks(void)
{
	serve_blocks();
}

// In the upcall.
static void
give_blocks(void)
{
	u64 owed = revoke_owed(CAP_BLOCKS);

	if (owed)
		must(sys_cap_trim(shared->slot[0], HOLDER_BLOCKS - owed), "cap_trim");
}

void
hold_blocks_politely(void)
{
	revoke_handler_set(give_blocks);
	serve_blocks();
}
