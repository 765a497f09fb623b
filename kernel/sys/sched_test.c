// SPDX-License-Identifier: BSD-2-Clause
// What a turn must not leave lying: a deadline that came forward while it ran, and a hint
// of an environment that comes from another processor. The scheduler and the sleepers are
// the kernel's own; gs points at a processor here as there.
//
// links: kernel/sys/sched.c kernel/sys/wait.c harness/testing/host_assert.c

#include <asm/prctl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/door.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/dev/apic.h"
#include "kernel/dev/disk.h"
#include "kernel/fabric/fabric.h"
#include "kernel/main/trace.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/revoke.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/slice.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/transfer.h"
#include "kernel/sys/upcall.h"
#include "kernel/sys/wait.h"

#define WATCHER 3u		// an environment
#define FAR (1000 * NS_PER_SECOND)
#define NEAR (10 * NS_PER_SECOND)

#define X(type, name, dimensions, offset) struct type name dimensions;
EXPORTED_TABLES
#undef X
struct clock kernel_clock = { .ns_mult = 1ull << 32 };
struct cpu cpus[CPUS_MAX];
u32 cpu_count = 2;
struct cpu_features cpu_features;
u8 fpu_initial[FPU_AREA_SIZE];
struct door doors[ENVS_MAX];
u32 lock_next_ticket, lock_serving;
struct env envs[ENVS_MAX];
u64 env_started, env_awake;
u64 slices_bound[CPUS_MAX];
struct own frames;
struct cap_tree caps;
u64 disk_look_ns = NEVER, revoke_due_ns = NEVER;

static struct uarea uarea;
static u32 word;		// that the environment watches
static jmp_buf resumed;
static u64 fabric_due;
static u64 comes_due;		// by frames that are taken at a turn's end
static u64 timer_due;		// of the processor that runs

void
context_resume(struct context *context)
{
	assert_ptr_equal(context, &envs[WATCHER].context);
	longjmp(resumed, 1);
}

void
apic_timer(u64 delay_ns)
{
	timer_due = clock_ns() + delay_ns;
}

u64
fabric_deadline(void)
{
	return fabric_due;
}

// As with the device: who brings a deadline forward tells the boot processor, unless its
// timer comes before that.
void
ring_rx_settle(void)
{
	if (comes_due >= fabric_due)
		return;
	fabric_due = comes_due;
	if (fabric_due < cpus[0].timer_at_ns)
		sched_kick(0);
}

void
upcall_told(struct env *env)
{
	assert_int_equal(env->told, 1u << UPCALL_COMPLETION);
	env->told = 0;
	function_called();
}

// What is not about that.

void
ring_look(u64 now)
{
	(void)now;
}

u64
ring_look_deadline(void)
{
	return NEVER;
}

bool
env_reap(void)
{
	return false;
}

bool
transfer_unsettled(const struct env *env)
{
	(void)env;
	return false;
}

void
trace(enum trace_kind kind, u32 a, u64 b)
{
	(void)kind;
	(void)a;
	(void)b;
}

// And what no turn here comes to.
#define ABSENT(name) __asm__(".globl " #name "\n" #name ": ud2")
ABSENT(apic_kick);
ABSENT(cap_lookup);
ABSENT(check_program);
ABSENT(fabric_work);
ABSENT(idle_halt);
ABSENT(kernel_map_root);
ABSENT(own_pin);
ABSENT(own_unpin);
ABSENT(paging_translate);
ABSENT(physical_of);
ABSENT(predicate_ask);
ABSENT(queue_look);
ABSENT(revoke_work);
ABSENT(ring_idle);
ABSENT(ring_watched);
ABSENT(transfer_close);
ABSENT(transfer_far_tail);
ABSENT(transfer_look);
ABSENT(upcall_late);
ABSENT(upcall_slice);
ABSENT(upcall_timer);
ABSENT(upcall_told_enters);
ABSENT(user_read);

// ---- tests

static struct env_wait
watched(const u32 *at)
{
	u64 physical = (u64)at - DIRECT_BASE;

	return (struct env_wait){
		.frame = physical >> PAGE_SHIFT, .offset = (u32)(physical % PAGE_SIZE),
		.expected = *at, .exported = true,
	};
}

static void
runs_on(u32 index)
{
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[index]), 0);
}

// Two processors, and an environment with time on both, which ran on the first one.
static int
begin(void **state)
{
	(void)state;
	env_table[WATCHER] = (struct env_info){ .id = 1 };
	envs[WATCHER] = (struct env){
		.index = WATCHER, .info = &env_table[WATCHER], .uarea = &uarea,
		.running_on = CPU_NONE, .caller = ENVS_MAX, .callee = ENVS_MAX,
		.wait_deadline_ns = NEVER, .timer_deadline_ns = NEVER,
		.call_deadline_ns = NEVER,
		.watch_count = 1, .watch = { watched(&word) },
	};
	env_become(&envs[WATCHER], ENV_RUNNABLE);
	for (u32 i = 0; i < cpu_count; i++) {
		cpus[i] = (struct cpu){ .self = &cpus[i], .index = i };
		sched_init(&cpus[i]);
		cpus[i].fpu_live = false;
		cpus[i].space = WATCHER;
		slice_table[i][0].env = WATCHER;
		slices_bound[i] = envs[WATCHER].slices_on[i] = 1;
	}
	wait_hinted = 0;
	fabric_due = comes_due = timer_due = NEVER;
	runs_on(0);
	return 0;
}

static void
leave(void)
{
	lock_next_ticket = lock_serving + 1;
	if (!setjmp(resumed))
		sched_leave();
	assert_int_equal(lock_next_ticket, lock_serving);
}

// With a timer that has run out and not interrupted yet nobody is told.
static void
a_deadline_comes_forward(void **state)
{
	(void)state;
	for (u32 ran_out = 0; ran_out < 2; ran_out++) {
		begin(state);
		cpus[0].timer_at_ns = ran_out ? clock_ns() - 1 : NEVER;
		fabric_due = clock_ns() + FAR;
		comes_due = clock_ns() + NEAR;
		leave();
		assert_in_range(timer_due, comes_due, comes_due + NEAR);
		assert_int_equal(cpus[0].timer_at_ns, comes_due);
	}
}

// Told was the processor that it ran on last.
static void
an_environment_is_taken_up_elsewhere(void **state)
{
	(void)state;
	for (u32 hinted = 0; hinted < 2; hinted++) {
		begin(state);
		cpus[0].reschedule = false;
		word += hinted;
		if (hinted) {
			env_hint(WATCHER);
			expect_function_call(upcall_told);
		}
		assert_int_equal(cpus[0].reschedule, hinted);
		runs_on(1);
		leave();
		assert_int_equal(envs[WATCHER].running_on, 1);
		assert_int_equal(wait_hinted, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_deadline_comes_forward, begin),
		cmocka_unit_test_setup(an_environment_is_taken_up_elsewhere, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
