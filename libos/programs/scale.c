// SPDX-License-Identifier: BSD-2-Clause
// Calls and faults on all processors at once, by environments that share nothing:
//
//	scale OPERATIONS
//
// starts one environment on each processor. When all are there, each does OPERATIONS
// null calls, faults that its handler steps over, and pairs of page_map and
// page_unmap of a page of its own. Prints for each processor, by the exported table,
//
//	scale: processor P: N beside the lock, N locks, N waits, N ns waited
//
// Before and after each kind a marker is executed, an instruction that does nothing,
// by which a plugin of QEMU counts instructions (harness/guest/count.c). What an
// environment shares with its parent, a page, it does not touch in between.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/text/text.h"

#define OPERATIONS_MAX 1000000u
#define CHILD_FRAMES 200u
#define SHARED_VA REGION_BASE
#define PAGE_VA (REGION_BASE + REGION_SIZE_MAX)
#define NOTHING_VA (PAGE_VA + PAGE_SIZE)

struct shared {
	u32 operations;
	u32 awaited[2];		// environments that have yet to begin, and to end
	struct cpu_info used[CPUS_MAX];
};

static struct child children[CPUS_MAX];

static void
must(i64 result, const char *what)
{
	if (result >= 0)
		return;
	print("scale: %s: %s\n", what, error_text(result));
	sys_env_exit(STATUS_FAILED);
}

// nopl MARKER + number(%rax)
#define MARK(number) \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x5ca1e000 + " #number)

static bool
step_over(struct upcall_context *context)
{
	context->frame.rip += 2;
	return true;
}

static void
null_calls(u32 count)
{
	MARK(0);
	for (u32 i = 0; i < count; i++)
		sys_null();
	MARK(1);
}

static void
faults(u32 count)
{
	MARK(2);
	for (u32 i = 0; i < count; i++)		// mov %al, (%rdi): two bytes
		__asm__ volatile(".byte 0x88, 0x07" : : "D"(NOTHING_VA) : "memory");
	MARK(3);
}

static void
mappings(const struct frame_run *page, u32 count)
{
	i64 errors = 0;

	MARK(4);
	for (u32 i = 0; i < count; i++) {
		errors |= sys_page_map(CAP_SLOT_SELF, PAGE_VA, page->slot, page->frame,
				       1, PROT_READ);
		errors |= sys_page_unmap(CAP_SLOT_SELF, PAGE_VA, 1);
	}
	MARK(5);
	must(errors, "map and unmap");
}

static struct cpu_info
difference(struct cpu_info before, struct cpu_info after)
{
	return (struct cpu_info){
		.locks = after.locks - before.locks,
		.lock_waits = after.lock_waits - before.lock_waits,
		.lock_wait_ns = after.lock_wait_ns - before.lock_wait_ns,
		.beside = after.beside - before.beside,
	};
}

// Nobody goes on before all are here; in user mode, so that it costs nobody.
static void
meet(volatile u32 *awaited)
{
	__atomic_fetch_sub(awaited, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(awaited, __ATOMIC_SEQ_CST))
		;
}

static int
work(void)
{
	const struct startup_cap *cap = startup_find(ROLE_SHARED, 0);
	volatile struct shared *shared = (volatile struct shared *)SHARED_VA;
	u32 processor = env_table()[self_index()].processor;
	struct cpu_info before;
	struct frame_run page;

	if (!cap)
		return STATUS_USAGE;
	must(sys_page_map(CAP_SLOT_SELF, SHARED_VA, cap->slot, cap->base, 1,
			  PROT_READ | PROT_WRITE), "map what is shared");
	must(frames_take(1, &page), "a page");
	must(sys_page_map(CAP_SLOT_SELF, PAGE_VA, page.slot, page.frame, 1, PROT_READ),
	     "its page tables");
	fault_handler_add(step_over);
	meet(&shared->awaited[0]);
	before = cpu_table()[processor];
	null_calls(shared->operations);
	faults(shared->operations);
	mappings(&page, shared->operations);
	shared->used[processor] = difference(before, cpu_table()[processor]);
	meet(&shared->awaited[1]);
	return STATUS_OK;
}

static void
start_on(u32 cpu, const struct archive *boot, const struct frame_run *shared)
{
	char *argv[] = { "scale", "work", NULL };
	struct spawn_grant grants[2] = { {
		.role = ROLE_SHARED,
		.slot = shared->slot,
		.rights = CAP_READ | CAP_WRITE,
		.base = shared->frame,
		.count = 1,
	} };
	struct spawn_spec spec = {
		.archive = boot,
		.argc = 2,
		.argv = argv,
		.grants = grants,
		.grant_count = 1,
		.quota = { .frames = CHILD_FRAMES },
		.cpu = cpu,
		.slices = 1,
	};

	if (!grant_of_role(ROLE_CONSOLE, CAP_WRITE, &grants[1]))
		spec.grant_count++;
	must(program_start(&spec, &children[cpu]), "start");
}

int
main(int argc, char **argv)
{
	u32 count = sys_info()->cpu_count;
	struct archive boot = { 0 };
	struct frame_run page;
	struct shared *shared;
	u64 operations;

	if (argc == 2 && !strcmp(argv[1], "work"))
		return work();
	if (argc != 2 || !text_to_u64(argv[1], &operations) ||
	    operations > OPERATIONS_MAX) {
		print("usage: scale OPERATIONS (at most %u)\n", OPERATIONS_MAX);
		return STATUS_USAGE;
	}
	must(archive_open(ROLE_BOOT_ARCHIVE, &boot), "boot archive");
	must(frames_take(1, &page), "a page to share");
	shared = direct_address(page.frame);
	*shared = (struct shared){ (u32)operations, { count, count }, { { 0 } } };
	for (u32 i = 0; i < count; i++)
		start_on(i, &boot, &page);
	for (u32 i = 0; i < count; i++) {
		const struct cpu_info *used = &shared->used[i];

		must(child_wait(&children[i], NEVER), "wait");
		child_reap(&children[i], NULL);
		print("scale: processor %u: %lu beside the lock, %lu locks, %lu waits, "
		      "%lu ns waited\n", i, used->beside, used->locks, used->lock_waits,
		      used->lock_wait_ns);
	}
	return STATUS_OK;
}
