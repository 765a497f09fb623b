// SPDX-License-Identifier: BSD-2-Clause
// The scheduler: a walk over the slice vector, and the switch.
//
// Invariants:
//   H1  env->running_on == cpu->index exactly when cpu->current == env->index
//   H2  a processor that is idle or runs one environment with no deadline near
//       has no timer set
//   H3  the FPU registers hold the state of `current`; saved when it leaves
//   H4  whenever a runnable environment runs nowhere, each processor with a slice
//       for it is busy or has been told to look

#include "kernel/sys/sched.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/shootdown.h"
#include "kernel/base/assert.h"
#include "kernel/fabric/fabric.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/slice.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/upcall.h"
#include "kernel/sys/wait.h"

void
sched_init(struct cpu *cpu)
{
	cpu->current = ENVS_MAX;
	cpu->space = ENVS_MAX;
	cpu->donee = ENVS_MAX;
	cpu->timer_at_ns = NEVER;
	cpu->reschedule = true;
	cpu->in_kernel = true;
}

void
sched_kick(u32 index)
{
	struct cpu *cpu = &cpus[index];

	ASSERT(index < cpu_count);
	if (cpu->reschedule)
		return;
	cpu->reschedule = true;
	if (cpu != this_cpu())
		apic_kick(cpu->apic_id);
}

void
sched_changed(const struct env *env)
{
	if (env->running_on != CPU_NONE) {
		sched_kick(env->running_on);
		return;
	}
	for (u32 i = 0; i < cpu_count; i++) {
		if (env->slices_on[i] || cpus[i].donee == env->index)
			sched_kick(i);
	}
}

static void
leave_space(struct cpu *cpu)
{
	cr3_write(kernel_map_root());
	cpu->space = ENVS_MAX;
}

bool
sched_leave_space(struct env *env)
{
	struct cpu *self = this_cpu();
	bool left = true;

	for (u32 i = 0; i < cpu_count; i++) {
		struct cpu *cpu = &cpus[i];

		if (cpu->space != env->index)
			continue;
		if (cpu == self) {
			ASSERT(self->current != env->index);
			leave_space(self);
		} else {
			sched_kick(i);
			left = false;
		}
	}
	return left;
}

static bool
can_run(const struct cpu *cpu, u32 index)
{
	return index < ENVS_MAX && env_table[index].state == ENV_RUNNABLE &&
	       (envs[index].running_on == CPU_NONE ||
		envs[index].running_on == cpu->index);
}

// Takes the processor from its current environment: charges it, saves what the
// next one would overwrite.
static void
switch_out(struct cpu *cpu, u64 now)
{
	if (cpu->current == ENVS_MAX)
		return;

	struct env *env = &envs[cpu->current];

	ASSERT(env->running_on == cpu->index);
	env->info->cpu_ns += now - cpu->since_ns;
	if (cpu->lent)
		env->info->excess_ns += now - cpu->since_ns;
	fpu_save(env->context.fpu);
	if (cpu_features.fsgsbase) {
		env->context.fs_base = fs_base_read();
		env->context.gs_base = msr_read(MSR_KERNEL_GS_BASE);
	}
	env->running_on = CPU_NONE;
	cpu->current = ENVS_MAX;
	// It may have slices elsewhere that could not run it until now.
	for (u32 i = 0; i < cpu_count; i++) {
		if (env->slices_on[i] && i != cpu->index &&
		    env->info->state == ENV_RUNNABLE)
			sched_kick(i);
	}
}

static void
switch_in(struct cpu *cpu, struct env *env, u64 now)
{
	ASSERT(env->running_on == CPU_NONE && cpu->current == ENVS_MAX);
	env->running_on = cpu->index;
	env->cpu = cpu->index;
	cpu->current = env->index;
	cpu->since_ns = now;
	if (cpu->space != env->index) {
		cr3_write(env->page_root << PAGE_SHIFT);
		cpu->space = env->index;
	}
	fpu_restore(env->context.fpu);
	selectors_clear();
	if (cpu_features.fsgsbase) {
		fs_base_write(env->context.fs_base);
		msr_write(MSR_KERNEL_GS_BASE, env->context.gs_base);
	}
	cpu_set_entry_stack(cpu, (u64)&env->context.fs_base);
	trace(TRACE_SWITCH, env->index, cpu->slice);
}

// Wakes sleepers of this processor that were hinted or whose time has come.
// Returns the next time at which one wants to be looked at.
static u64
look_at_sleepers(struct cpu *cpu, u64 now)
{
	u64 next = NEVER;

	for (u64 left = env_started; left; left &= left - 1) {
		u64 bit = left & -left;
		struct env *env = &envs[__builtin_ctzll(left)];

		if (env->cpu != cpu->index)
			continue;

		u64 due = MIN(env->wait_deadline_ns, env->timer_deadline_ns);

		if ((wait_hinted & bit) || due <= now)
			wait_look(env, now);
		wait_hinted &= ~bit;
		if (due > now)
			next = MIN(next, due);
	}
	return next;
}

// The bound slices of a processor as bits, in the order of the walk from
// position `at` on: bit i is slice (at + i) % SLICES_PER_CPU.
static u64
walk_from(const struct cpu *cpu, u32 at)
{
	u64 bound = slices_bound[cpu->index];

	return at ? bound >> at | bound << (SLICES_PER_CPU - at) : bound;
}

static u32
slice_after(u32 at, u64 walk)
{
	return (at + (u32)__builtin_ctzll(walk)) % SLICES_PER_CPU;
}

static void
advance_slice(struct cpu *cpu, u64 now)
{
	if (now < cpu->slice_end_ns &&
	    (slices_bound[cpu->index] >> cpu->slice & 1))
		return;

	u32 at = (cpu->slice + 1) % SLICES_PER_CPU;
	u64 walk = walk_from(cpu, at);

	cpu->donee = ENVS_MAX;
	cpu->slice_end_ns = now + SLICE_NS;
	if (walk)
		cpu->slice = slice_after(at, walk);
}

// Who runs now: the donee, the owner of the slice, or the next in the vector.
// *rivals says whether somebody else would run as well.
static u32
pick(struct cpu *cpu, bool *rivals)
{
	const struct slice_info *vector = slice_table[cpu->index];
	u32 chosen = ENVS_MAX;

	*rivals = false;
	cpu->lent = false;
	if (can_run(cpu, cpu->donee)) {
		chosen = cpu->donee;
		cpu->lent = true;
	}
	for (u64 walk = walk_from(cpu, cpu->slice); walk && !*rivals;
	     walk &= walk - 1) {
		u32 at = slice_after(cpu->slice, walk);
		u32 index = vector[at].env;

		if (!can_run(cpu, index))
			continue;
		if (chosen == ENVS_MAX) {
			chosen = index;
			cpu->lent = at != cpu->slice;
		} else if (index != chosen) {
			*rivals = true;
		}
	}
	return chosen;
}

// Programs the timer only when it would fire too late: an early interrupt costs
// less than a write to the controller at every switch.
static void
set_timer(struct cpu *cpu, u64 at, u64 now)
{
	if (at == NEVER || (cpu->timer_at_ns > now && cpu->timer_at_ns <= at))
		return;
	cpu->timer_at_ns = at;
	apic_timer(at > now ? at - now : 1);
}

static void
idle(struct cpu *cpu)
{
	u64 start = clock_ns();

	if (cpu->space < ENVS_MAX &&
	    env_table[cpu->space].state != ENV_ASLEEP &&
	    env_table[cpu->space].state != ENV_RUNNABLE)
		leave_space(cpu);
	ring_idle();
	kernel_unlock();
	// The flag is looked at with interrupts off, and `sti; hlt` lets none in
	// between: a kick after the look ends the halt.
	if (!cpu->reschedule)
		cpu_halt_for_interrupt();
	kernel_lock();
	trace(TRACE_HALT, (u32)MIN(clock_ns() - start, 0xffffffffull), 0);
}

// The number of free frames is exported: programs may wait for a change.
static void
show_free_frames(void)
{
	if (sys_info.frames_free == frames.free)
		return;
	sys_info.frames_free = frames.free;
	wait_hint_table(&sys_info.frames_free, sizeof(sys_info.frames_free));
}

// What the fabric and the interface want without being asked; when the boot
// processor is to look again.
static u64
turn_network(const struct cpu *cpu, u64 now, u64 next)
{
	ring_look(now);
	if (now >= fabric_deadline())
		fabric_work(now);
	if (cpu->index != 0)
		return next;
	return MIN(next, MIN(fabric_deadline(), ring_look_deadline()));
}

static void
schedule(struct cpu *cpu)
{
	for (;;) {
		u64 now = clock_ns();
		u64 network = turn_network(cpu, now, NEVER);
		u64 next = look_at_sleepers(cpu, now);
		bool rivals;

		// Whoever woke just now is seen by the pick below.
		cpu->reschedule = false;
		advance_slice(cpu, now);

		u32 chosen = pick(cpu, &rivals);

		if (chosen != cpu->current || chosen == ENVS_MAX)
			switch_out(cpu, now);
		env_reap();
		show_free_frames();
		ring_rx_settle();
		next = MIN(next, network);
		if (cpu->reschedule)
			continue;	// that woke somebody
		set_timer(cpu, rivals ? MIN(next, cpu->slice_end_ns) : next, now);
		if (chosen != ENVS_MAX) {
			if (cpu->current == ENVS_MAX)
				switch_in(cpu, &envs[chosen], now);
			return;
		}
		idle(cpu);
	}
}

void
sched_leave(void)
{
	struct cpu *cpu = this_cpu();

	for (;;) {
		show_free_frames();
		if (cpu->reschedule || cpu->current == ENVS_MAX)
			schedule(cpu);

		struct env *env = &envs[cpu->current];

		if (env->timer_deadline_ns != NEVER)
			upcall_timer(env, clock_ns());
		if (!cpu->reschedule)
			break;		// else the upcall ended it
	}

	struct context *context = &envs[cpu->current].context;

	ASSERT(env_table[cpu->current].state == ENV_RUNNABLE);
	kernel_unlock();
	shootdown_leave();
	context_resume(context);
}

i64
check_yield(struct call *call)
{
	u32 *target = CHECKED(call, u32);
	const struct cap *cap;
	i64 error;

	*target = ENVS_MAX;
	if (call->a[0] == SLOT_NONE)
		return 0;
	error = check_cap(call, call->a[0], CAP_ENV,
			   CAP_READ, &cap);
	if (error)
		return error;
	*target = (u32)cap->base;
	return env_table[*target].state == ENV_RUNNABLE ? 0 : -E_STATE;
}

i64
do_yield(struct call *call)
{
	struct cpu *cpu = this_cpu();
	u32 target = *CHECKED(call, u32);

	(void)call;
	if (target == ENVS_MAX)
		cpu->slice_end_ns = 0;
	cpu->donee = target;
	cpu->reschedule = true;
	return 0;
}
