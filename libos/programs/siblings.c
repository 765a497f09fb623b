// SPDX-License-Identifier: BSD-2-Clause
// One computation on all processors: an environment on each, with the same memory at
// the same address, so that they pass plain pointers.
//
//	siblings LIMIT
//
// counts the primes below LIMIT. Each sibling takes the next part that nobody has,
// counts, and puts its result in front of a list; the list lies in the memory that
// all map, under capabilities derived from the parent's. Prints "siblings: N primes
// below LIMIT, N parts" and, for each processor, how many of the parts it did.

#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/text/text.h"

#define LIMIT_MAX 1000000u
#define PART 500u			// numbers in a part
#define PARTS_MAX (LIMIT_MAX / PART)
#define CHILD_FRAMES 200u

struct part {
	struct part *next;
	u32 primes;
	u32 processor;
};

// At REGION_BASE in every sibling and in the parent.
struct common {
	struct part *done;		// newest first
	u32 limit;
	u32 next;			// part that nobody has taken
	u32 awaited;			// siblings that have yet to arrive
	u32 reserved;
	struct part part[PARTS_MAX];
};

#define COMMON_PAGES (ALIGN_UP(sizeof(struct common), PAGE_SIZE) / PAGE_SIZE)

static struct common *const common = (struct common *)REGION_BASE;
static struct child children[CPUS_MAX];

static void
must(i64 result, const char *what)
{
	if (result >= 0)
		return;
	print("siblings: %s: %s\n", what, error_text(result));
	sys_env_exit(STATUS_FAILED);
}

static bool
is_prime(u32 n)
{
	for (u32 d = 2; d * d <= n; d++) {
		if (n % d == 0)
			return false;
	}
	return n > 1;
}

static void
count_part(u32 number)
{
	struct part *part = &common->part[number];
	u32 end = MIN((number + 1) * PART, common->limit);

	part->processor = env_table()[self_index()].processor;
	for (u32 n = number * PART; n < end; n++)
		part->primes += is_prime(n);
	part->next = __atomic_load_n(&common->done, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&common->done, &part->next, part, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void
map_common(u32 slot, u64 frame)
{
	must(sys_page_map(CAP_SLOT_SELF, REGION_BASE, slot, frame, COMMON_PAGES,
			  PROT_READ | PROT_WRITE), "map the common memory");
}

// All begin together, so that each has something to do.
static int
work(void)
{
	const struct startup_cap *cap = startup_find(ROLE_SHARED, 0);
	u32 number;

	if (!cap)
		return STATUS_USAGE;
	map_common(cap->slot, cap->base);
	__atomic_fetch_sub(&common->awaited, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&common->awaited, __ATOMIC_SEQ_CST))
		sys_yield(SLOT_NONE);
	while ((number = __atomic_fetch_add(&common->next, 1, __ATOMIC_RELAXED)) * PART <
	       common->limit)
		count_part(number);
	return STATUS_OK;
}

static void
start_on(u32 cpu, const struct archive *boot, const struct frame_run *run)
{
	char *argv[] = { "siblings", "work", NULL };
	struct spawn_grant grant = {
		.role = ROLE_SHARED,
		.slot = run->slot,
		.rights = CAP_READ | CAP_WRITE,
		.base = run->frame,
		.count = run->count,
	};
	struct spawn_spec spec = {
		.archive = boot,
		.argc = 2,
		.argv = argv,
		.grants = &grant,
		.grant_count = 1,
		.quota = { .frames = CHILD_FRAMES },
		.cpu = cpu,
		.slices = 1,
	};

	must(program_start(&spec, &children[cpu]), "start");
}

static void
report(u32 processors)
{
	u32 primes = 0, parts = 0, by[CPUS_MAX] = { 0 };

	for (const struct part *p = common->done; p; p = p->next) {
		primes += p->primes;
		parts++;
		by[p->processor % CPUS_MAX]++;
	}
	print("siblings: %u primes below %u, %u parts\n", primes, common->limit, parts);
	for (u32 i = 0; i < processors; i++)
		print("siblings: processor %u: %u parts\n", i, by[i]);
}

int
main(int argc, char **argv)
{
	u32 count = sys_info()->cpu_count;
	struct archive boot = { 0 };
	struct frame_run run;
	u64 limit;

	if (argc == 2 && !strcmp(argv[1], "work"))
		return work();
	if (argc != 2 || !text_to_u64(argv[1], &limit) || limit > LIMIT_MAX) {
		print("usage: siblings LIMIT (at most %u)\n", LIMIT_MAX);
		return STATUS_USAGE;
	}
	must(archive_open(ROLE_BOOT_ARCHIVE, &boot), "boot archive");
	must(frames_take(COMMON_PAGES, &run), "the common memory");
	map_common(run.slot, run.frame);
	memset(common, 0, sizeof(*common));
	common->limit = (u32)limit;
	common->awaited = count;
	for (u32 i = 0; i < count; i++)
		start_on(i, &boot, &run);
	for (u32 i = 0; i < count; i++) {
		must(child_wait(&children[i], NEVER), "wait");
		child_reap(&children[i], NULL);
	}
	report(count);
	return STATUS_OK;
}
