// SPDX-License-Identifier: BSD-2-Clause
// What the primitives cost: the DEOS half of the `primitives` benchmark. Prints
// one line a repetition, "prims: NAME ns=VALUE", VALUE being nanoseconds for
// one operation:
//
//	null call			the system call that does nothing
//	fault upcall			a store to an unmapped page; the handler
//					steps over it and resumes, in user mode
//	protect fault unprotect		one page of 256, each time the next, made
//					read-only, a store, the fault, the handler
//					makes it writable, the store is run again
//	protect fault unprotect alone	the same with always the same page, which is
//					mapped alone
//	control transfer		a call into another address space and the
//					reply, whose entry does nothing else
//	map page batch			1,024 pages mapped by one call and unmapped by
//					another, divided by 1,024
//	environment create destroy	an environment with one page of code made,
//					started, run to its exit, waited for, and
//					taken down
//	fork 16MiB			a copy on write of a process with 16 MiB that
//					it has written, run to its exit, waited for
//
// A repetition lasts about a millisecond, so that most of them are whole even on a
// host that others use; those before the first that counts are the warm-up. What a
// primitive needs is made before, and taken down after, all of its repetitions. Words
// on the command line pick those whose names begin with one of them.

#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/spawn.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/process/memory.h"
#include "libos/process/process.h"

#define REPETITIONS 25u
#define BATCH 1024u
#define REGION 256u			// pages
#define TARGET_VA REGION_BASE		// nothing else uses it here
#define STORE_BYTES 2u			// length of "mov %al,(%rdi)"
#define CHILD_FRAMES 16u		// its page tables
#define LARGE_BYTES (16 * MIB)

static struct frame_run batch;		// BATCH frames
static struct frame_run child_code;	// one frame
static struct frame_run child_uarea;	// one frame
static u32 child_slice;
static struct child server;		// of control transfers
static u32 server_entry;		// slot

// Ends the program: a benchmark whose call fails measures nothing.
static void
must(i64 result, const char *what)
{
	if (result >= 0)
		return;
	print("prims: %s: %s\n", what, error_text(result));
	sys_env_exit(STATUS_FAILED);
}

// The two-byte store, as bytes: its length is what the handler skips.
static inline void
store(u64 va)
{
	__asm__ volatile(".byte 0x88,0x07" ::"D"(va), "a"(0) : "memory");
}

static void
null_call(u32 count)
{
	for (u32 i = 0; i < count; i++)
		sys_null();
}

static bool
step_over(struct upcall_context *context)
{
	context->frame.rip += STORE_BYTES;
	return true;
}

static void
fault_begin(void)
{
	fault_handler_add(step_over);
}

static void
fault_upcall(u32 count)
{
	for (u32 i = 0; i < count; i++)
		store(TARGET_VA + PAGE_SIZE);
}

static void
fault_end(void)
{
	fault_handler_remove(step_over);
}

// Maps `count` pages from page `first` of the region on.
static i64
map_region(u64 first, u32 count, u32 prot)
{
	return sys_page_map(CAP_SLOT_SELF, TARGET_VA + first * PAGE_SIZE,
			    batch.slot, batch.frame + first, count, prot);
}

static bool
unprotect(struct upcall_context *context)
{
	u64 page = (context->frame.address - TARGET_VA) / PAGE_SIZE;

	return page < REGION && map_region(page, 1, PROT_READ | PROT_WRITE) == 0;
}

static void
protect_begin(void)
{
	must(map_region(0, REGION, PROT_READ | PROT_WRITE), "page_map");
	fault_handler_add(unprotect);
}

static void
protect_fault_unprotect(u32 count)
{
	for (u32 i = 0; i < count; i++) {
		must(map_region(i % REGION, 1, PROT_READ), "page_map");
		store(TARGET_VA + (u64)(i % REGION) * PAGE_SIZE);
	}
}

static void
protect_end(void)
{
	fault_handler_remove(unprotect);
	must(sys_page_unmap(CAP_SLOT_SELF, TARGET_VA, REGION), "page_unmap");
}

static void
alone_begin(void)
{
	must(map_region(0, 1, PROT_READ | PROT_WRITE), "page_map");
	fault_handler_add(unprotect);
}

static void
protect_alone(u32 count)
{
	for (u32 i = 0; i < count; i++) {
		must(map_region(0, 1, PROT_READ), "page_map");
		store(TARGET_VA);
	}
}

static void
map_page_batch(u32 count)
{
	for (u32 i = 0; i < count; i += BATCH) {
		must(sys_page_map(CAP_SLOT_SELF, TARGET_VA, batch.slot,
				  batch.frame, BATCH, PROT_READ | PROT_WRITE),
		     "page_map");
		must(sys_page_unmap(CAP_SLOT_SELF, TARGET_VA, BATCH),
		     "page_unmap");
	}
}

// The numbers of the calls, for the assembler.
#define X(number, name, arguments, sentence) \
	__asm__(".set SYS_" #name ", " #number);
#include "kernel/abi/syscalls.def"
#undef X

// What children do, copied to a page of theirs: end at once, or wait with an entry
// that replies.
extern const u8 child_exits[], child_serves[], child_ends[];
__asm__(
	".pushsection .rodata.children, \"a\", @progbits\n"
	"child_exits:\n\t"
	"mov $SYS_env_exit, %eax\n\t"
	"xor %edi, %edi\n\t"
	"syscall\n"
	"child_serves:\n\t"
	"xor %edi, %edi\n\t"
	"xor %esi, %esi\n\t"
	"mov $-1, %rdx\n\t"			// NEVER
	"lea 1f(%rip), %r10\n\t"
	"xor %r8d, %r8d\n\t"
	"mov $SYS_entry_wait, %eax\n\t"
	"syscall\n\t"
	"ud2\n"
	"1:\n\t"
	"mov $(0x80000000 + SYS_entry_reply), %eax\n\t"	// CALL_FAST
	"syscall\n\t"
	"ud2\n"
	"child_ends:\n\t"
	".popsection");

static struct child
child_start(const u8 *code)
{
	struct env_spec spec = {
		.uarea_slot = child_uarea.slot,
		.uarea_frame = child_uarea.frame,
		.quota.frames = CHILD_FRAMES,
		.name = "prim",
	};
	struct child child = { .memory = SLOT_NONE };
	struct cap_info info = { 0 };
	i64 env = sys_env_create(&spec);
	i64 slot;

	must(env, "env_create");
	must(sys_cap_inspect(CAP_SLOT_SELF, (u32)env, &info), "cap_inspect");
	child.env = (u32)env;
	child.index = (u32)info.base;
	child.id = env_table()[child.index].id;
	slot = sys_cap_derive(child_code.slot, child.env,
			      CAP_READ | CAP_EXECUTE, child_code.frame, 1);
	must(slot, "cap_derive");
	must(sys_page_map(child.env, TARGET_VA, (u32)slot, child_code.frame, 1,
			  PROT_READ | PROT_EXECUTE), "page_map");
	must(sys_slice_bind(child_slice, child.env), "slice_bind");
	must(sys_env_start(child.env, TARGET_VA + (u64)(code - child_exits), 0, 0),
	     "env_start");
	return child;
}

static void
transfer_begin(void)
{
	i64 entry;

	server = child_start(child_serves);
	entry = sys_entry_make(server.env);
	must(entry, "entry_make");
	server_entry = (u32)entry;
	while (env_table()[server.index].state != ENV_ASLEEP)
		sys_yield(SLOT_NONE);
}

static void
control_transfer(u32 count)
{
	struct transfer message = { { 0 } };

	for (u32 i = 0; i < count; i++)
		must(sys_entry_call(server_entry, NEVER, &message, CALL_FAST),
		     "entry_call");
}

static void
transfer_end(void)
{
	must(sys_cap_drop(server_entry), "cap_drop");
	child_reap(&server, NULL);
}

static void
environment_create_destroy(u32 count)
{
	for (u32 i = 0; i < count; i++) {
		struct child child = child_start(child_exits);

		must(child_wait(&child, NEVER), "wait");
		child_reap(&child, NULL);
	}
}

static void
fork_begin(void)
{
	volatile u8 *large;

	must(process_init(), "process_init");
	large = process_alloc(LARGE_BYTES);
	must(large ? 0 : -E_FRAMES, "16 MiB");
	for (u64 i = 0; i < LARGE_BYTES; i += PAGE_SIZE)
		large[i] = (u8)i;
}

static void
fork_16mib(u32 count)
{
	for (u32 i = 0; i < count; i++) {
		struct child_end end;
		i64 child = process_fork(NULL);

		if (child == 0)
			sys_env_exit(0);
		must(child, "fork");
		must(process_wait((u32)child, &end, NEVER), "wait");
		must(end.how == END_EXIT ? 0 : -E_STATE, "the copy's end");
	}
}

static const struct primitive {
	const char *name;
	void (*run)(u32 count);
	u32 count;			// operations a repetition
	u32 warm_up;			// repetitions that do not count
	void (*begin)(void);
	void (*end)(void);
} primitives[] = {
	{ "environment create destroy", environment_create_destroy, 5, 20, NULL, NULL },
	{ "null call", null_call, 5000, 10, NULL, NULL },
	{ "fault upcall", fault_upcall, 500, 10, fault_begin, fault_end },
	{ "protect fault unprotect", protect_fault_unprotect, 250, 10, protect_begin,
	  protect_end },
	{ "protect fault unprotect alone", protect_alone, 250, 10, alone_begin,
	  protect_end },
	{ "control transfer", control_transfer, 200, 50, transfer_begin,
	  transfer_end },
	{ "map page batch", map_page_batch, BATCH * 20, 10, NULL, NULL },
	{ "fork 16MiB", fork_16mib, 3, 10, fork_begin, NULL },
};

static void
measure(const struct primitive *p)
{
	static u64 took_ns[REPETITIONS];
	u64 tenths;

	if (p->begin)
		p->begin();
	for (u32 i = 0; i < p->warm_up; i++)
		p->run(p->count);
	for (u32 i = 0; i < REPETITIONS; i++) {
		took_ns[i] = now_ns();
		p->run(p->count);
		took_ns[i] = now_ns() - took_ns[i];
	}
	if (p->end)
		p->end();
	for (u32 i = 0; i < REPETITIONS; i++) {
		tenths = took_ns[i] * 10 / p->count;
		print("prims: %s ns=%lu.%lu\n", p->name, tenths / 10,
		      tenths % 10);
	}
}

static void
prepare(void)
{
	i64 slice;

	must(frames_take(BATCH, &batch), "frames");
	must(frames_take(1, &child_code), "frames");
	must(frames_take(1, &child_uarea), "frames");
	memcpy(direct_address(child_code.frame), child_exits,
	       (size_t)(child_ends - child_exits));
	slice = sys_slice_alloc(sys_info()->cpu_count - 1, SLICE_ANY);
	must(slice, "slice_alloc");
	child_slice = (u32)slice;
}

static bool
wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (string_starts(name, argv[i]))
			return true;
	}
	return argc == 1;
}

int
main(int argc, char **argv)
{
	prepare();
	for (u32 i = 0; i < ARRAY_SIZE(primitives); i++) {
		if (wanted(primitives[i].name, argc, argv))
			measure(&primitives[i]);
	}
	return STATUS_OK;
}
