// SPDX-License-Identifier: BSD-2-Clause
// A cache that gives memory back: what revocation is for (docs/revocation.md).
//
//	cache			starts three copies of itself, asks each for half of
//				its pages, and says what became of them
//
// A copy keeps pages of a made-up file, each of which takes a while to make. One
// `gives` pages when it is asked; one `declares` them, and lets the kernel take
// them; one `ignores` all that, loses what it owes at the deadline, and finds out by
// a fault. All three go on serving from what they have left.
//
// The cache is one capability for frames, used from its beginning, so that giving
// pages back is shortening it: nothing else has to be moved.

#include "libos/crt/attempt.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/program.h"
#include "libos/crt/revoke.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/text/text.h"

#define CACHE_PAGES 96u
#define FILE_PAGES 400u			// the file is larger
#define CHILD_FRAMES 200u
#define DELAY_NS (100 * NS_PER_MS)
#define PATIENT_DELAY_NS (9 * NS_PER_SECOND)	// for the one who will give
#define LOOKUPS 2000u			// that a copy must serve afterwards
#define PATIENCE_NS (20 * NS_PER_SECOND)
#define SHARED_VA REGION_BASE

// Shared with the one who started it.
struct report {
	u32 lookups;		// served right
	u32 wrong;
	u32 pages;		// that the cache has
	u32 taken;		// of it by force, as the records say
};

static volatile struct report *const report = (volatile struct report *)SHARED_VA;

static struct frame_run memory;
static volatile u32 capacity;		// pages of it that are left
static u32 page_key[CACHE_PAGES];	// key + 1, or 0
static struct {				// of the look-up that may fault
	u32 key;
	u32 page;
} now;

static u64
word_of(u32 key, u32 i)
{
	return (u64)(key + 1) * 0x9e3779b97f4a7c15ull + i;
}

static void
make(u32 key, u64 *page)
{
	for (u32 i = 0; i < PAGE_SIZE / sizeof(u64); i++)
		page[i] = word_of(key, i);
}

static bool
is_right(u32 key, const volatile u64 *page)
{
	for (u32 i = 0; i < PAGE_SIZE / sizeof(u64); i += 37) {
		if (page[i] != word_of(key, i))
			return false;
	}
	return true;
}

static void
serve_one(void *argument)
{
	u64 *page = direct_address(memory.frame + now.page);

	(void)argument;
	if (page_key[now.page] != now.key + 1) {
		page_key[now.page] = 0;		// until it is whole
		make(now.key, page);
		page_key[now.page] = now.key + 1;
	}
	if (is_right(now.key, page))
		report->lookups++;
	else
		report->wrong++;
}

// What is left of the memory: its capability says so.
static void
learn(void)
{
	struct revoke_taken taken;
	struct frame_run left;

	capacity = run_of_slot(memory.slot, &left) ? 0 : (u32)left.count;
	while (revoke_record_next(&taken))
		report->taken += taken.slot == memory.slot ? (u32)taken.count : 0;
}

// The page may go while it is read: then it is looked up again in what is left.
static void
look_up(u32 key)
{
	struct upcall_frame fault;

	do {
		if (capacity == 0)
			return;
		now.key = key;
		now.page = key % capacity;
		if (!attempt(serve_one, NULL, &fault))
			break;
		learn();
	} while (capacity > 0);
	report->pages = capacity;
}

// In the upcall: gives what is owed, if that leaves anything.
static void
give(void)
{
	u64 owed = revoke_owed(CAP_FRAMES);

	if (owed == 0 || owed >= capacity)
		return;
	if (!sys_cap_trim(memory.slot, capacity - owed))
		capacity -= (u32)owed;
}

static bool
gives(const char *manner)
{
	return !strcmp(manner, "gives");
}

static int
keep_cache(const char *manner)
{
	const struct startup_cap *shared = startup_find(ROLE_SHARED, 0);
	i64 slot;

	if (!shared || sys_page_map(CAP_SLOT_SELF, SHARED_VA, shared->slot,
				    shared->base, 1, PROT_READ | PROT_WRITE))
		return STATUS_USAGE;
	slot = sys_frame_alloc(FRAME_ANY, CACHE_PAGES);
	if (slot < 0 || run_of_slot((u32)slot, &memory) ||
	    map_direct(&memory, PROT_READ | PROT_WRITE))
		return STATUS_FAILED;
	capacity = CACHE_PAGES;
	if (gives(manner))
		revoke_handler_set(give);
	if (!strcmp(manner, "declares") && !revoke_declare(memory.slot, 0))
		return STATUS_FAILED;
	for (u32 key = 0;; key = (key + 7) % FILE_PAGES)
		look_up(key);
}

static bool
wait_lookups(const volatile struct report *r, u32 more)
{
	u32 goal = r->lookups + more;

	for (u64 until = now_ns() + PATIENCE_NS; now_ns() < until;) {
		if (r->lookups >= goal)
			return true;
		if (sys_wait(NULL, 0, now_ns() + NS_PER_MS) != -E_TIMEOUT)
			return false;
	}
	return false;
}

// Asks for half, waits until nothing is owed. Returns how many were owed at first.
static i64
ask(const struct child *child, u64 delay_ns)
{
	const volatile struct env_info *info = &env_table()[child->index];
	u32 unused = info->quota.frames - info->used.frames;
	i64 owed = sys_revoke_ask(child->env, SLOT_NONE, CAP_FRAMES,
				  unused + CACHE_PAGES / 2, now_ns() + delay_ns);

	while (owed > 0 && info->requests) {
		struct wait_word word = {
			.va = (u64)&info->requests,
			.expected = 1,
		};

		if (sys_wait(&word, 1, now_ns() + PATIENCE_NS) == -E_TIMEOUT)
			return -E_TIMEOUT;
	}
	return owed;
}

static i64
start(char *manner, const struct frame_run *page, struct child *child)
{
	static struct archive boot;
	char *argv[] = { "cache", manner, NULL };
	struct spawn_grant grant = {
		.role = ROLE_SHARED,
		.slot = page->slot,
		.rights = CAP_READ | CAP_WRITE,
		.base = page->frame,
		.count = 1,
	};
	struct spawn_spec spec = {
		.archive = &boot,
		.argc = 2,
		.argv = argv,
		.grants = &grant,
		.grant_count = 1,
		.quota = { .frames = CHILD_FRAMES },
		.slices = 1,
	};
	i64 error = boot.data ? 0 : archive_open(ROLE_BOOT_ARCHIVE, &boot);

	return error ? error : program_start(&spec, child);
}

static bool
show(char *manner)
{
	volatile struct report *r;
	const char *trouble = NULL;
	struct frame_run page;
	struct child child;
	i64 owed;

	if (frames_take(1, &page)) {
		print("cache: no memory\n");
		return false;
	}
	r = direct_address(page.frame);
	*r = (struct report){ 0 };
	owed = start(manner, &page, &child);
	if (owed) {
		print("cache: cannot start a copy: %s\n", error_text(owed));
		frames_give(&page);
		return false;
	}
	if (!wait_lookups(r, LOOKUPS))
		trouble = "did not serve";
	owed = ask(&child, gives(manner) ? PATIENT_DELAY_NS : DELAY_NS);
	if (!wait_lookups(r, LOOKUPS))
		trouble = "does not serve any more";
	print("cache: %s: owed %ld, has %u of %u pages, %u taken by force, %s\n",
	      manner, owed, r->pages, CACHE_PAGES, r->taken,
	      trouble ? trouble : r->wrong ? "spoilt" : "all look-ups right");
	child_reap(&child, NULL);
	frames_give(&page);
	return !trouble && owed >= 0;
}

int
main(int argc, char **argv)
{
	static char *manners[] = { "gives", "declares", "ignores" };
	bool good = true;

	if (argc > 1)
		return keep_cache(argv[1]);
	for (u32 i = 0; i < ARRAY_SIZE(manners); i++)
		good &= show(manners[i]);
	return good ? STATUS_OK : STATUS_FAILED;
}
