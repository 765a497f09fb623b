// SPDX-License-Identifier: BSD-2-Clause
// The exported tables from the inside: what they say about this environment and the
// node is so, and nothing in them is a secret: no address of the kernel, no byte of
// anybody's memory.

#include "kernel/base/prng.h"
#include "kernel/base/string.h"
#include "libos/crt/attempt.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"

#define KERNEL_HALF 0xffff800000000000ull
#define WORDS (PAGE_SIZE / sizeof(u64))

static u64 page[WORDS];			// a copy of one page of a table

static void
copy_page(void *from)
{
	memcpy(page, from, PAGE_SIZE);
}

static bool
is_env(u16 index)
{
	return index < ENVS_MAX || index == OWNER_NONE;
}

// Two slices: four indices, which may look like an address of the kernel.
static bool
is_slices(u64 word)
{
	for (u32 i = 0; i < 4; i++) {
		if (!is_env((u16)(word >> i * 16)))
			return false;
	}
	return true;
}

struct scan {
	u32 pages;
	u32 pointers;
	u32 secrets;
	u64 secret[2];
};

static void
scan_page(struct scan *scan, u64 offset)
{
	bool slices = offset >= TABLE_SLICES_OFFSET && offset < TABLE_RINGS_OFFSET;

	scan->pages++;
	for (u32 i = 0; i < WORDS; i++) {
		if (page[i] >= KERNEL_HALF && page[i] != NEVER &&
		    !(slices && is_slices(page[i])))
			scan->pointers++;
		scan->secrets += page[i] == scan->secret[0] ||
				 page[i] == scan->secret[1];
	}
}

// Every page that can be read from the first table to behind the last.
static void
scan_tables(struct scan *scan)
{
	u64 frames = sys_info()->frame_count * sizeof(struct frame_info);
	u64 end = TABLE_FRAMES_OFFSET + ALIGN_UP(frames, PAGE_SIZE) + 16 * PAGE_SIZE;
	struct upcall_frame fault;

	for (u64 at = 0; at < end; at += PAGE_SIZE) {
		if (!attempt(copy_page, (void *)(TABLES_BASE + at), &fault))
			scan_page(scan, at);
	}
}

// Secrets of our own and of another environment: numbers that nobody could guess.
void
test_secrets(void)
{
	static u64 mine;
	struct helper h;
	struct scan scan = { 0 };

	must(sys_entropy_read(scan.secret, sizeof(scan.secret)), "entropy_read");
	mine = scan.secret[0];
	helper_start(&h, "count", processor(), NULL);
	h.shared->value = scan.secret[1];
	scan_tables(&scan);
	check(scan.pages > 16, "the tables can be read");
	check(scan.pointers == 0, "no address of the kernel");
	check(scan.secrets == 0, "nor anybody's memory");
	copy_page(h.page.slot ? direct_address(h.page.frame) : &mine);
	scan_page(&scan, 0);
	check(scan.secrets == 1, "which the search would have found");
	helper_end(&h);
}

static bool
has_class(u8 base_class)
{
	for (u32 i = 0; i < DEVICES_MAX && device_table()[i].vendor; i++) {
		if (device_table()[i].base_class == base_class &&
		    device_table()[i].masters)
			return true;
	}
	return false;
}

// One's own state, the processors' and the devices', without a call.
void
test_tables(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u64 free = 0, owned = 0, idle = 0, before = 0;

	for (u64 f = 0; f < sys_info()->frame_count; f++) {
		free += frame_table()[f].state == FRAME_FREE;
		owned += frame_table()[f].owner == self_index();
	}
	check(free == sys_info()->frames_free, "free frames are counted");
	check(owned == self->used.frames, "and one's own");
	check(self->processor == processor(), "this processor runs it");
	check(self->state == ENV_RUNNABLE, "now");
	for (u32 i = 0; i < sys_info()->cpu_count; i++)
		before += cpu_table()[i].idle_ns;
	must(sys_wait(NULL, 0, now_ns() + 5 * NS_PER_MS) == -E_TIMEOUT ? 0 : -E_STATE,
	     "a nap");
	for (u32 i = 0; i < sys_info()->cpu_count; i++)
		idle += cpu_table()[i].idle_ns;
	check(idle > before, "time without work is counted");
	check(has_class(2) == (sys_info()->nic_count > 0), "the interface is listed");
	check(has_class(1) || !sys_info()->disk_blocks, "so is the disk");
}
