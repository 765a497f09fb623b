// SPDX-License-Identifier: BSD-2-Clause
// The scheduler: a walk over the slice vector, and the switch.
//
// Invariants:
//   H1  env->running_on == cpu->index exactly when cpu->current == env->index
//   H2  a processor that is idle or runs one environment with no deadline near
//       has no timer set
//   H3  the FPU registers hold the state of `current` if that ever used the FPU;
//       else their initial state, and its first use traps. cpu->fpu_live says which
//   H4  whenever a runnable environment runs nowhere, each processor with a slice
//       for it is busy or has been told to look
//   H5  cpu->overrun says that `current` runs on after the end of a slice, having
//       been told so (UPCALL_SLICE_END); it ends within SLICE_OVERRUN_NS, and who
//       owes time from an earlier one is not told again, but cut off at once

#include "kernel/sys/sched.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/door.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/shootdown.h"
#include "kernel/base/assert.h"
#include "kernel/dev/apic.h"
#include "kernel/dev/disk.h"
#include "kernel/fabric/fabric.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/fpu.h"
#include "kernel/sys/idle.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/revoke.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/slice.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/transfer.h"
#include "kernel/sys/upcall.h"
#include "kernel/sys/wait.h"

// Between two rounds of work that was cut in pieces, programs run so long.
#define ROUND_PAUSE_NS (50 * NS_PER_US)

void
sched_init(struct cpu *cpu)
{
	cpu->current = ENVS_MAX;
	cpu->space = ENVS_MAX;
	cpu->donee = ENVS_MAX;
	cpu->payer = ENVS_MAX;
	cpu->timer_at_ns = NEVER;
	cpu->due_ns = NEVER;
	cpu->reschedule = true;
	cpu->fpu_live = true;		// whoever comes first gets a clean one
	cpu->in_kernel = INSIDE;
	cpu->info = &cpu_table[cpu->index];
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

		if (cpu == self && cpu->space == env->index) {
			ASSERT(self->current != env->index);
			leave_space(self);
		}
		// Also who called from there by the short path, and has yet to learn
		// that it ended.
		if (cpu != self && (cpu->space == env->index ||
				    cpu->current == env->index ||
				    cpu->payer == env->index)) {
			sched_kick(i);
			left = false;
		}
	}
	return left && !transfer_unsettled(env);
}

static bool
can_run(const struct cpu *cpu, u32 index)
{
	return index < ENVS_MAX && env_table[index].state == ENV_RUNNABLE &&
	       (envs[index].running_on == CPU_NONE ||
		envs[index].running_on == cpu->index);
}

// Who serves a call does so in the caller's time.
static void
charge(struct cpu *cpu, u64 now)
{
	u64 used_ns = now - cpu->since_ns;

	cpu->since_ns = now;
	if (cpu->payer == ENVS_MAX)
		return;
	env_table[cpu->payer].cpu_ns += used_ns;
	if (cpu->lent)
		env_table[cpu->payer].excess_ns += used_ns;
}

// Each processor that could run it looks whether it should: in its own slices, or
// those of whoever awaits its reply.
static void
offer(const struct cpu *cpu, const struct env *env)
{
	for (u32 i = 0; i < cpu_count; i++) {
		if (env->slices_on[i] && i != cpu->index)
			sched_kick(i);
	}
}

// Takes the processor from its current environment: saves what the next one would
// overwrite.
static void
switch_out(struct cpu *cpu)
{
	if (cpu->current == ENVS_MAX)
		return;

	struct env *env = &envs[cpu->current];

	ASSERT(env->running_on == cpu->index);
	ASSERT_LOCKED();
	fpu_leave(env);
	if (cpu_features.fsgsbase) {
		env->context.fs_base = fs_base_read();
		env->context.gs_base = msr_read(MSR_KERNEL_GS_BASE);
	}
	env->running_on = CPU_NONE;
	cpu->current = ENVS_MAX;
	// There may be slices elsewhere that could not run it until now.
	if (env->info->state != ENV_RUNNABLE)
		return;
	offer(cpu, env);
	for (; env->caller < ENVS_MAX; env = &envs[env->caller])
		offer(cpu, &envs[env->caller]);
}

static void
switch_in(struct cpu *cpu, struct env *env, u64 now)
{
	ASSERT(env->running_on == CPU_NONE && cpu->current == ENVS_MAX);
	ASSERT_LOCKED();
	env->running_on = cpu->index;
	env->cpu = cpu->index;
	env->info->processor = cpu->index;
	wait_due(env);
	// The processor that was told of the hint looks no more.
	cpu->reschedule |= wait_hinted >> env->index & 1;
	cpu->current = env->index;
	cpu->door = &doors[env->index];
	if (cpu->space != env->index) {
		cr3_write(env->page_root << PAGE_SHIFT);
		cpu->space = env->index;
	}
	fpu_enter(cpu, env);
	selectors_clear();
	if (cpu_features.fsgsbase) {
		fs_base_write(env->context.fs_base);
		msr_write(MSR_KERNEL_GS_BASE, env->context.gs_base);
	}
	// Entries from user mode push into its context: SYSCALL's (trap.S), and traps.
	cpu->context_end = cpu->tss.rsp[0] = (u64)&env->context.fs_base;
	trace_note(cpu, now, TRACE_SWITCH, env->index, cpu->slice);
}

// The slices of a processor whose environments are awake, as bits: others need no look.
static u64
slices_awake(const struct cpu *cpu)
{
	u64 slices = 0;

	for (u64 left = env_awake; left; left &= left - 1)
		slices |= envs[__builtin_ctzll(left)].slices_on[cpu->index];
	ASSERT(!(slices & ~slices_bound[cpu->index]));
	return slices;
}

// Slices in the order of the walk from position `at` on: bit i is slice
// (at + i) % SLICES_PER_CPU.
static u64
walk_from(u64 slices, u32 at)
{
	return at ? slices >> at | slices << (SLICES_PER_CPU - at) : slices;
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
	u64 walk = walk_from(slices_bound[cpu->index], at);

	cpu->donee = ENVS_MAX;
	cpu->slice_end_ns = now + SLICE_NS;
	cpu->fresh = true;
	if (walk)
		cpu->slice = slice_after(at, walk);
}

// Will the next slice bring another environment?
static bool
others_follow(const struct cpu *cpu)
{
	u32 at = (cpu->slice + 1) % SLICES_PER_CPU;

	for (u64 walk = walk_from(slices_awake(cpu), at); walk; walk &= walk - 1) {
		u32 index = slice_table[cpu->index][slice_after(at, walk)].env;

		index = transfer_tail(index);
		if (can_run(cpu, index))
			return index != cpu->current;
	}
	return false;
}

// The slice is over, somebody else follows, and who runs wanted to be told.
static bool
begin_overrun(struct cpu *cpu, u64 now)
{
	// 0: it was given up.
	if (now < cpu->slice_end_ns || !cpu->slice_end_ns ||
	    !can_run(cpu, cpu->current) || cpu->payer != cpu->current)
		return false;

	const struct env *env = &envs[cpu->current];

	if (!upcall_wanted(env, UPCALL_SLICE_END) || env->info->owed_ns ||
	    !others_follow(cpu))
		return false;
	charge(cpu, now);
	cpu->lent = false;		// nobody lends this
	cpu->overrun = true;
	cpu->overrun_since_ns = now;
	cpu->notice = UPCALL_SLICE_END;
	return true;
}

// What was used after the end of a slice is owed: no more than a slice, which it can
// only be if the kernel was long in a call, or a hypervisor ran somebody else.
static void
end_overrun(struct cpu *cpu, bool cut_off, u64 now)
{
	struct env *env = &envs[cpu->payer];
	u64 used = MIN(now - cpu->overrun_since_ns, SLICE_NS);

	ASSERT(cpu->overrun && env->info->owed_ns == 0);
	cpu->overrun = false;
	cpu->notice = 0;
	cpu->slice_end_ns = 0;
	env->info->overrun_ns += used;
	env->info->owed_ns += used;
	if (cut_off) {
		env->info->cut_offs++;
		upcall_late(env);
	}
}

static bool
overruns(struct cpu *cpu, u64 now)
{
	if (!cpu->overrun)
		return begin_overrun(cpu, now);

	bool wants_more = cpu->slice_end_ns && can_run(cpu, cpu->current);

	if (wants_more && now - cpu->overrun_since_ns < SLICE_OVERRUN_NS)
		return true;
	end_overrun(cpu, wants_more, now);
	return false;
}

// Who owes time pays with time of its own: its slice, or what it was given of
// another's. Returns whether that leaves anything of the slice.
static bool
repay(struct cpu *cpu, u64 now)
{
	u64 *owed_ns = &env_table[cpu->payer].owed_ns;

	if (likely(!*owed_ns) || (cpu->lent && cpu->donee != cpu->payer))
		return true;
	ASSERT(cpu->slice_end_ns > now);

	u64 paid = MIN(*owed_ns, cpu->slice_end_ns - now);

	*owed_ns -= paid;
	cpu->slice_end_ns -= paid;
	if (cpu->slice_end_ns > now)
		return true;
	cpu->slice_end_ns = 0;
	return false;
}

// Who runs now: the donee, the owner of the slice, or the next in the vector.
// *rivals says whether somebody else would run as well.
static u32
pick(struct cpu *cpu, u64 now, bool *rivals)
{
	const struct slice_info *vector = slice_table[cpu->index];
	u32 chosen = transfer_tail(cpu->donee), payer = cpu->donee;
	bool lent = can_run(cpu, chosen);

	*rivals = false;
	if (!lent) {
		chosen = ENVS_MAX;
		payer = ENVS_MAX;
	}
	for (u64 walk = walk_from(slices_awake(cpu), cpu->slice); walk && !*rivals;
	     walk &= walk - 1) {
		u32 at = slice_after(cpu->slice, walk);
		u32 index = transfer_tail(vector[at].env);

		if (!can_run(cpu, index))
			continue;
		if (chosen == ENVS_MAX) {
			chosen = index;
			payer = vector[at].env;
			lent = at != cpu->slice;
		} else if (index != chosen) {
			*rivals = true;
		}
	}
	if (payer != cpu->payer || lent != cpu->lent)
		charge(cpu, now);	// so far it ran as it had been chosen
	cpu->payer = payer;
	cpu->lent = lent;
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

// When the devices and the fabric are to be looked at without an interrupt.
static u64
look_ns(void)
{
	return min_u64(fabric_deadline(), min_u64(ring_look_deadline(), disk_look_ns));
}

// Returns the time at which there is more to do.
static u64
idle(struct cpu *cpu, u64 since)
{
	u64 now;

	if (cpu->space < ENVS_MAX && env_table[cpu->space].state != ENV_ASLEEP &&
	    env_table[cpu->space].state != ENV_RUNNABLE)
		leave_space(cpu);
	do {
		ring_idle();
		idle_halt(cpu);
	} while (!cpu->reschedule && sys_info.frames_free == frames.free &&
		 look_ns() >= cpu->timer_at_ns);	// else there is more to do
	now = clock_ns();
	cpu->info->idle_ns += now - since;
	trace_note(cpu, now, TRACE_HALT, (u32)MIN(now - since, 0xffffffffull), 0);
	return now;
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

// What the fabric, the devices and overdue requests want without being asked.
static void
turn_aside(const struct cpu *cpu, u64 now)
{
	ring_look(now);
	if (now >= fabric_deadline())
		fabric_work(clock_ns());	// frames have come since `now`
	if (now >= revoke_due_ns)
		revoke_work(now);
	if (cpu->index == 0 && now >= disk_look_ns)
		queue_look();
}

// When the boot processor is to do so again.
static u64
aside_ns(const struct cpu *cpu, u64 now)
{
	if (cpu->index != 0)
		return NEVER;
	return min_u64(look_ns(), MAX(revoke_due_ns, now + ROUND_PAUSE_NS));
}

// The owner of a slice runs in it for the first time.
static void
note_start(struct cpu *cpu)
{
	if (!cpu->fresh || cpu->lent || cpu->overrun || cpu->payer != cpu->current)
		return;
	cpu->fresh = false;
	if (upcall_wanted(&envs[cpu->current], UPCALL_SLICE_START))
		cpu->notice = UPCALL_SLICE_START;
}

static void
give_notice(struct cpu *cpu)
{
	u64 until = cpu->overrun ? cpu->overrun_since_ns + SLICE_OVERRUN_NS :
				   cpu->slice_end_ns;
	enum upcall_cause cause = cpu->notice;

	ASSERT((cause == UPCALL_SLICE_END) == cpu->overrun);
	cpu->notice = 0;
	upcall_slice(&envs[cpu->current], cause, until);
}

static void
schedule(struct cpu *cpu)
{
	u64 now = clock_ns();

	for (;;) {
		u64 next;
		u32 chosen = cpu->current;

		turn_aside(cpu, now);
		next = wait_settle(cpu, now);
		// Whoever woke just now is seen by the pick below.
		cpu->reschedule = false;
		if (overruns(cpu, now)) {
			next = MIN(next, cpu->overrun_since_ns + SLICE_OVERRUN_NS);
		} else {
			bool rivals;

			advance_slice(cpu, now);
			chosen = pick(cpu, now, &rivals);
			if (chosen != ENVS_MAX && !repay(cpu, now))
				continue;
			if (rivals)
				next = MIN(next, cpu->slice_end_ns);
		}
		if (chosen != cpu->current || chosen == ENVS_MAX)
			switch_out(cpu);
		if (env_reap())
			next = MIN(next, now + ROUND_PAUSE_NS);
		show_free_frames();
		ring_rx_settle();
		next = min_u64(next, aside_ns(cpu, now));
		if (cpu->reschedule) {
			now = clock_ns();
			continue;	// that woke somebody
		}
		set_timer(cpu, next, now);
		if (chosen != ENVS_MAX) {
			if (cpu->current == ENVS_MAX)
				switch_in(cpu, &envs[chosen], now);
			note_start(cpu);
			return;
		}
		now = idle(cpu, now);
	}
}

void
sched_leave(void)
{
	struct cpu *cpu = this_cpu();

	for (;;) {
		if (cpu->reschedule || cpu->current == ENVS_MAX) {
			schedule(cpu);
			if (unlikely(cpu->notice))
				give_notice(cpu);
		} else {
			show_free_frames();
		}

		struct env *env = &envs[cpu->current];

		if (env->timer_deadline_ns != NEVER)
			upcall_timer(env, clock_ns());
		if (env->told)
			upcall_told(env);
		if (!cpu->reschedule)
			break;		// else the upcall ended it
	}

	struct context *context = &envs[cpu->current].context;

	ASSERT(env_table[cpu->current].state == ENV_RUNNABLE);
	kernel_unlock();
	shootdown_leave(cpu);
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
	error = check_cap(call, call->a[0], CAP_ENV, CAP_READ, &cap);
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

	// Who was given the time gives it back to the slice's owner.
	if (cpu->overrun ||
	    (target == ENVS_MAX && cpu->donee != cpu->payer))
		cpu->slice_end_ns = 0;
	cpu->donee = target;
	cpu->reschedule = true;
	return 0;
}
