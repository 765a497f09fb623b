// SPDX-License-Identifier: BSD-2-Clause
// The rig's tasks, time, memory and disk (test_machine_rig.h).
//
// Tasks are contexts that take turns in the order of their numbers; when none can go
// on, time jumps to the earliest deadline. So a test is the same each time it runs.
// Assertions of the rig and of tests end the life that they are in.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

// The kernel's names for the same are others.
enum { READ_AND_WRITE = PROT_READ | PROT_WRITE };
#undef PROT_READ
#undef PROT_WRITE

#include "cluster/agent/events.h"
#include "cluster/storage/test_machine_rig.h"
#include "kernel/base/assert.h"
#include "kernel/base/prng.h"
#include "libos/mem/mem.h"

#define TASKS 24u
#define STACK (1024u * 1024u)
#define REGION 256u
#define PENDING 4096u

struct thread {
	ucontext_t context;
	void (*body)(void *argument);
	void *argument;
	void *stack;
	bool used, ready, ended;
	u64 until;
};

struct rig rig;

static struct thread tasks[TASKS];
static struct thread *running;
static ucontext_t scheduler;
static struct prng prng;
static u8 *region;
static bool region_used[REGION];

// Blocks that were written and not flushed, in order.
static struct {
	u64 block;
	u8 before[STORE_BLOCK];
} *pending;
static u32 pending_count;

// ---- tasks

static void
enter(void)
{
	running->body(running->argument);
	running->ended = true;
	swapcontext(&running->context, &scheduler);
}

static void
prepare(struct thread *t)
{
	if (!t->stack)
		t->stack = mmap(NULL, STACK, READ_AND_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(t->stack != MAP_FAILED);
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = STACK;
	t->context.uc_link = NULL;
	makecontext(&t->context, enter, 0);
}

bool
task_start(void (*body)(void *argument), void *argument)
{
	for (u32 i = 0; i < TASKS; i++) {
		struct thread *t = &tasks[i];

		if (t->used)
			continue;
		prepare(t);
		t->body = body;
		t->argument = argument;
		t->used = t->ready = true;
		t->ended = false;
		return true;
	}
	return false;
}

struct thread *
task_self(void)
{
	return running;
}

void
task_wait(u64 deadline_ns)
{
	struct thread *self = running;

	ASSERT(self);
	if (!self->ready) {
		self->until = deadline_ns;
		swapcontext(&self->context, &scheduler);
	}
	self->ready = false;
}

void
task_wake(struct thread *task)
{
	task->ready = true;
}

void
task_sleep(u64 until_ns)
{
	while (rig.now < until_ns)
		task_wait(until_ns);
}

void
task_yield(void)
{
	running->until = rig.now;
	swapcontext(&running->context, &scheduler);
}

void
task_lock(struct task_lock *lock)
{
	while (lock->owner)
		task_wait(rig.now + NS_PER_MS);
	lock->owner = running;
}

void
task_unlock(struct task_lock *lock)
{
	ASSERT(lock->owner == running);
	lock->owner = NULL;
}

static void
resume(struct thread *t)
{
	running = t;
	t->ready = false;
	t->until = NEVER;
	swapcontext(&scheduler, &t->context);
	running = NULL;
	if (t->ended)
		t->used = false;
}

// One round over all tasks. False: none could run.
static bool
round_of_tasks(void)
{
	bool any = false;

	for (u32 i = 0; i < TASKS; i++) {
		struct thread *t = &tasks[i];

		if (t->used && (t->ready || t->until <= rig.now)) {
			resume(t);
			any = true;
		}
	}
	return any;
}

static u64
earliest(void)
{
	u64 until = NEVER;

	for (u32 i = 0; i < TASKS; i++) {
		if (tasks[i].used)
			until = MIN(until, tasks[i].until);
	}
	return until;
}

static void
run_until(const bool *done, u64 end)
{
	while (!*done && rig.now < end) {
		if (round_of_tasks())
			continue;
		u64 next = MIN(earliest(), end);

		ASSERT(next != NEVER);	// everybody waits for ever
		rig.now = MAX(rig.now + 1, next);
	}
}

struct run {
	void (*body)(void *argument);
	void *argument;
	bool done;
};

static void
run_body(void *argument)
{
	struct run *run = argument;

	run->body(run->argument);
	run->done = true;
}

void
rig_run(void (*body)(void *argument), void *argument)
{
	struct run run = { body, argument, false };
	bool started = task_start(run_body, &run);

	ASSERT(started);
	run_until(&run.done, NEVER);
}

void
rig_pass(u64 ns)
{
	static const bool never;

	if (running)
		task_sleep(rig.now + ns);
	else
		run_until(&never, rig.now + ns);
}

// ---- memory

void *
mem_alloc(u64 size)
{
	return malloc(size);
}

void *
mem_alloc_zeroed(u64 size)
{
	return calloc(1, size);
}

void
mem_free(void *object)
{
	free(object);
}

void *
task_buffer_take(u32 pages)
{
	u32 length = 0;

	for (u32 i = 0; i < REGION; i++) {
		length = region_used[i] ? 0 : length + 1;
		if (length < pages)
			continue;
		for (u32 j = i + 1 - pages; j <= i; j++)
			region_used[j] = true;
		return region + (i + 1 - pages) * STORE_BLOCK;
	}
	return NULL;
}

void
task_buffer_give(void *at, u32 pages)
{
	u64 first = (u64)((u8 *)at - region) / STORE_BLOCK;

	for (u64 i = first; i < first + pages; i++) {
		ASSERT(region_used[i]);
		region_used[i] = false;
	}
}

u64
machine_local(const void *address)
{
	ASSERT((const u8 *)address >= region &&
	       (const u8 *)address < region + REGION * STORE_BLOCK);
	return (u64)address;
}

u64
machine_now(void)
{
	return rig.now;
}

u64
machine_random(void)
{
	return prng_u64(&prng) | 1;
}

// ---- the disk of node 0

u64
task_disk_blocks(void)
{
	return rig.node[0].blocks;
}

i64
task_disk_read(u64 block, void *pages, u32 count)
{
	task_sleep(rig.now + 20 * NS_PER_US);
	if (rig.power_is_off || !rig.node[0].disk)
		return -E_DEVICE;
	ASSERT(count <= TASK_BATCH_MAX && block + count <= rig.node[0].blocks);
	machine_local(pages);
	memcpy(pages, rig.node[0].disk + block * STORE_BLOCK, count * STORE_BLOCK);
	return 0;
}

static void
write_block(u64 block, const u8 *page)
{
	u8 *at = rig.node[0].disk + block * STORE_BLOCK;

	rig.disk_writes++;
	ASSERT(pending_count < PENDING);
	pending[pending_count].block = block;
	memcpy(pending[pending_count++].before, at, STORE_BLOCK);
	memcpy(at, page, STORE_BLOCK);
	if (rig.power_cut_at && rig.disk_writes >= rig.power_cut_at)
		rig.power_is_off = true;
}

i64
task_disk_write(u64 block, const void *pages, u32 count)
{
	task_sleep(rig.now + 20 * NS_PER_US);
	ASSERT(count <= TASK_BATCH_MAX && block + count <= rig.node[0].blocks);
	machine_local(pages);
	rig.page_writes_max = MAX(rig.page_writes_max, count);
	rig.ops++;
	for (u32 i = 0; i < count && !rig.power_is_off; i++)
		write_block(block + i, (const u8 *)pages + i * STORE_BLOCK);
	return rig.power_is_off ? -E_DEVICE : 0;
}

i64
task_disk_flush(void)
{
	task_sleep(rig.now + 50 * NS_PER_US);
	if (rig.power_is_off)
		return -E_DEVICE;
	pending_count = 0;
	return 0;
}

// Newest first, so that what is put back is what was there before.
void
rig_power_on(void)
{
	while (pending_count) {
		u8 *at = rig.node[0].disk + pending[--pending_count].block * STORE_BLOCK;
		const u8 *before = pending[pending_count].before;

		switch (prng_below(&prng, 3)) {
		case 0:
			memcpy(at, before, STORE_BLOCK);
			break;
		case 1: {	// sectors, each of them old or new
			for (u32 s = 0; s < STORE_BLOCK; s += 512) {
				if (prng_below(&prng, 2))
					memcpy(at + s, before + s, 512);
			}
			break;
		}
		default:
			break;
		}
	}
	rig.power_is_off = false;
	rig.power_cut_at = 0;
}

// ---- events

static void
note(const char *who, const char *to, const char *why, va_list arguments)
{
	char text[104];

	vsnprintf(text, sizeof(text), why, arguments);
	snprintf(rig.event, sizeof(rig.event), "%.20s %.20s: %.100s", who, to, text);
}

void
event(enum event_kind kind, const char *who, const char *from, const char *to,
      const char *why, ...)
{
	va_list arguments;

	(void)kind, (void)from;
	va_start(arguments, why);
	note(who, to, why, arguments);
	va_end(arguments);
}

void
event_quiet(enum event_kind kind, const char *who, const char *from, const char *to,
	    const char *why, ...)
{
	va_list arguments;

	(void)kind, (void)from;
	va_start(arguments, why);
	note(who, to, why, arguments);
	va_end(arguments);
}

void
event_node_name(const u8 uuid[16], char name[9])
{
	snprintf(name, 9, "node%u", uuid[0]);
}

// ---- lives

bool
rig_in_child(void (*body)(void *argument), void *argument)
{
	pid_t child;
	int status = 0;

	fflush(NULL);
	child = fork();
	ASSERT(child >= 0);
	if (!child) {
		rig_run(body, argument);
		rig_power_on();
		fflush(NULL);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// ---- beginning and end

static void
first_record(u32 nodes)
{
	u8 voter[RIG_NODES][RECORD_UUID], cluster[RECORD_UUID] = "cluster";
	enum record_error error;

	for (u32 i = 0; i < nodes; i++)
		memcpy(voter[i], rig.node[i].uuid, RECORD_UUID);
	error = record_first(&rig.record, cluster, (const void *)voter, nodes);
	ASSERT(!error);
	rig.has_record = true;
}

void
rig_begin(u32 nodes, u64 blocks, u64 seed)
{
	memset(&rig, 0, sizeof(rig));
	memset(tasks, 0, sizeof(tasks));
	memset(region_used, 0, sizeof(region_used));
	prng_seed(&prng, seed);
	pending = calloc(PENDING, sizeof(*pending));
	pending_count = 0;
	region = aligned_alloc(STORE_BLOCK, REGION * STORE_BLOCK);
	rig.nodes = nodes;
	rig.now = NS_PER_SECOND;
	for (u32 i = 0; i < nodes; i++) {
		struct rig_node *n = &rig.node[i];

		memset(n->uuid, (int)i + 1, STORE_UUID);
		// Shared: a child that fails leaves its disk to the next.
		n->disk = mmap(NULL, blocks * STORE_BLOCK, READ_AND_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ASSERT(n->disk != MAP_FAILED);
		n->blocks = n->limit = blocks;
		n->next = STORE_FIRST_BLOCK;
		n->lends = true;
	}
	first_record(nodes);
}

void
rig_end(void)
{
	for (u32 i = 0; i < rig.nodes; i++)
		munmap(rig.node[i].disk, rig.node[i].blocks * STORE_BLOCK);
	for (u32 i = 0; i < TASKS; i++) {
		if (tasks[i].stack)
			munmap(tasks[i].stack, STACK);
	}
	memset(tasks, 0, sizeof(tasks));
	free(pending);
	free(region);
}
