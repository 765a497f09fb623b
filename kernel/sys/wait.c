// SPDX-License-Identifier: BSD-2-Clause
// Waiting and waking. A watched word is named by frame and offset, and its
// frame is pinned while somebody watches, so that it means the same memory
// whatever happens to mappings.
//
// Invariant W1: an environment is ASLEEP exactly while its wait words are
// pinned; every kernel write to a word that a program may watch is followed by
// a hint.
// Invariant W2: no deadline of a started environment is before due_ns of its processor,
// so that sleepers cost nothing until then, but for those that are hinted.

#include "kernel/sys/wait.h"
#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/sys/call.h"
#include "kernel/sys/predicate.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/transfer.h"
#include "kernel/sys/upcall.h"

u64 wait_hinted;

u32
wait_word_at(const struct env_wait *wait)
{
	const u8 *frame = frame_memory(wait->frame);

	return shared_load((const u32 *)(const void *)(frame + wait->offset));
}

// The first watched word that differs, or -1.
static i64
changed_word(const struct env_wait *wait, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		if (wait_word_at(&wait[i]) != wait[i].expected)
			return i;
	}
	return -1;
}

static void
unpin_words(const struct env_wait *wait, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		if (!wait[i].exported)
			own_unpin(&frames, wait[i].frame, 1);
	}
}

static void
pin_words(struct env_wait *wait, const struct env_wait *from, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		wait[i] = from[i];
		if (!wait[i].exported)
			own_pin(&frames, wait[i].frame, 1);
	}
}

void
wait_forget(struct env *env)
{
	ASSERT(env->info->state == ENV_ASLEEP || env->serving);
	unpin_words(env->wait, env->wait_count);
	env->wait_count = 0;
	env->wait_deadline_ns = NEVER;
	env->predicate.program = NULL;
}

static void
wake_with(struct env *env, i64 result)
{
	wait_forget(env);
	env_become(env, ENV_RUNNABLE);
	if (env->parked)
		transfer_close(env, result);
	env->context.rax = (u64)result;
	sched_changed(env);
}

// Asks a sleeper's predicate: what it wakes with, or -1. Then the next look is at
// its deadline, or when the predicate wants one.
static i64
ask(struct env *env, u64 now_ns)
{
	u32 answer = predicate_ask(env, &env->predicate, env->wait, env->wait_count,
				   now_ns, &env->wait_deadline_ns);

	return answer ? (i64)answer : -1;
}

void
watch_forget(struct env *env)
{
	unpin_words(env->watch, env->watch_count);
	env->watch_count = 0;
}

// However much has changed since the last look is one upcall.
static void
watch_look(struct env *env)
{
	for (struct env_wait *w = env->watch; w < env->watch + env->watch_count; w++) {
		u32 now = wait_word_at(w);

		if (now != w->expected)
			env->told |= 1u << UPCALL_COMPLETION;
		w->expected = now;
	}
}

// Wakes a sleeper when a word differs or its deadline passed.
static void
wait_look(struct env *env, u64 now_ns)
{
	watch_look(env);
	if (env->info->state == ENV_CALLING)
		transfer_look(env, now_ns);
	if (env->info->state != ENV_ASLEEP || transfer_unsettled(env))
		return;

	i64 changed = env->predicate.program ? ask(env, now_ns) :
		      changed_word(env->wait, env->wait_count);

	if (changed >= 0)
		wake_with(env, changed);
	else if (now_ns >= env->wait_deadline_ns)
		wake_with(env, -E_TIMEOUT);
	else if (now_ns >= env->timer_deadline_ns || upcall_told_enters(env))
		wake_with(env, -E_AGAIN);
}

static u64
due_ns(const struct env *env)
{
	return MIN(MIN(env->wait_deadline_ns, env->timer_deadline_ns),
		   env->call_deadline_ns);
}

void
wait_due(const struct env *env)
{
	struct cpu *cpu = &cpus[env->cpu];

	ASSERT(env->cpu < cpu_count);
	cpu->due_ns = min_u64(cpu->due_ns, due_ns(env));
}

u64
wait_settle(struct cpu *cpu, u64 now_ns)
{
	bool all = now_ns >= cpu->due_ns;
	u64 next = all ? NEVER : cpu->due_ns;

	if (all)
		cpu->due_ns = NEVER;	// of those that are looked at now
	for (u64 left = all ? env_started : wait_hinted; left; left &= left - 1) {
		u64 bit = left & -left;
		struct env *env = &envs[__builtin_ctzll(left)];

		if (env->cpu != cpu->index)
			continue;
		if ((wait_hinted & bit) || due_ns(env) <= now_ns)
			wait_look(env, now_ns);	// a predicate may say anew
		wait_hinted &= ~bit;
		wait_due(env);
		if (due_ns(env) > now_ns)
			next = MIN(next, due_ns(env));
	}
	return next;
}

void
env_hint(u32 index)
{
	ASSERT(index < ENVS_MAX);
	ASSERT_LOCKED();
	if (envs[index].info->state != ENV_ASLEEP && !envs[index].watch_count)
		return;
	wait_hinted |= 1ull << index;
	sched_kick(envs[index].cpu);
}

// Does one of the words begin in the `len` bytes at this address?
static bool
within(const struct env_wait *wait, u32 count, u64 physical, u64 len)
{
	for (const struct env_wait *w = wait; w < wait + count; w++) {
		if ((w->frame << PAGE_SHIFT | w->offset) - physical < len)
			return true;
	}
	return false;
}

// Whoever sleeps on one of them, or wants to be told.
static void
hint_watchers(u64 physical, u64 len)
{
	for (u64 left = env_started; left; left &= left - 1) {
		const struct env *env = &envs[__builtin_ctzll(left)];

		if ((env->info->state == ENV_ASLEEP &&
		     within(env->wait, env->wait_count, physical, len)) ||
		    within(env->watch, env->watch_count, physical, len))
			env_hint(env->index);
	}
}

void
wait_hint_table(const void *object, u64 len)
{
	hint_watchers(physical_of(object), len);
}

// The first byte may lie inside a word.
void
wait_hint_memory(u64 physical, u32 len)
{
	u64 first = ALIGN_DOWN(physical, sizeof(u32));

	hint_watchers(first, physical + len - first);
}

struct wait_checked {
	struct env_wait wait[WAIT_WORDS_MAX];
	struct predicate predicate;	// of wait_for
};

static i64
check_words(const struct call *call, u64 at, u64 count, struct env_wait *wait)
{
	struct wait_word word[WAIT_WORDS_MAX];
	i64 error;

	if (count > WAIT_WORDS_MAX)
		return -E_ARGUMENT;
	error = user_read(call->env, at, word, count * sizeof(word[0]));
	if (error)
		return error;
	for (u32 i = 0; i < count; i++) {
		u64 va = word[i].va;
		u64 frame;

		if (va % sizeof(u32))
			return -E_ARGUMENT;
		if (!paging_translate(call->env, va, false, &frame))
			return -E_ADDRESS;
		wait[i] = (struct env_wait){
			.frame = frame,
			.offset = (u32)(va % PAGE_SIZE),
			.expected = word[i].expected,
			.exported = va >= TABLES_BASE && va < UAREA_BASE,
		};
	}
	return 0;
}

i64
wait_check(const struct call *call, u64 at, u64 count, struct env_wait *wait)
{
	if (call->env->serving)
		return -E_STATE;	// its words are those of entry_wait()
	return check_words(call, at, count, wait);
}

i64
check_wait(struct call *call)
{
	return wait_check(call, call->a[0], call->a[1],
			  CHECKED(call, struct wait_checked)->wait);
}

static i64
sleep_on(struct env *env, const struct env_wait *wait, u32 count, u64 look_ns)
{
	env->wait_count = count;
	env->wait_deadline_ns = look_ns;
	pin_words(env->wait, wait, count);
	env_become(env, ENV_ASLEEP);
	wait_due(env);
	for (u32 i = 0; i < count; i++)
		ring_watched(wait[i].frame, wait[i].offset);
	this_cpu()->reschedule = true;
	return -E_TIMEOUT;		// replaced when it wakes
}

i64
wait_begin(struct env *env, const struct env_wait *wait, u32 count, u64 deadline_ns)
{
	i64 changed = changed_word(wait, count);

	if (changed >= 0)
		return changed;
	if (deadline_ns != NEVER && clock_ns() >= deadline_ns)
		return -E_TIMEOUT;
	return sleep_on(env, wait, count, deadline_ns);
}

i64
do_wait(struct call *call)
{
	return wait_begin(call->env, CHECKED(call, struct wait_checked)->wait,
			  (u32)call->a[1], call->a[2]);
}

i64
check_wait_for(struct call *call)
{
	struct wait_checked *c = CHECKED(call, struct wait_checked);
	i64 error = check_program(call->env->index, call->a[0], PROGRAM_PREDICATE,
				  &c->predicate.program, &c->predicate.node);

	if (error)
		return error;
	c->predicate.deadline_ns = call->a[3];
	c->predicate.argument = call->a[4];
	return wait_check(call, call->a[1], call->a[2], c->wait);
}

i64
do_wait_for(struct call *call)
{
	const struct wait_checked *c = CHECKED(call, struct wait_checked);
	u32 count = (u32)call->a[2];
	u64 now = clock_ns(), look_ns;
	u32 answer = predicate_ask(call->env, &c->predicate, c->wait, count, now,
				   &look_ns);

	if (answer)
		return answer;
	if (now >= call->a[3])
		return -E_TIMEOUT;
	call->env->predicate = c->predicate;
	return sleep_on(call->env, c->wait, count, look_ns);
}

void
wait_cap_gone(u32 node, u64 from)
{
	(void)from;
	for (u64 left = env_started; left; left &= left - 1) {
		struct env *env = &envs[__builtin_ctzll(left)];

		if (env->predicate.program && env->predicate.node == node)
			wake_with(env, -E_STATE);
	}
}

i64
check_watch(struct call *call)
{
	return check_words(call, call->a[0], call->a[1],
			   CHECKED(call, struct wait_checked)->wait);
}

i64
do_watch(struct call *call)
{
	const struct wait_checked *c = CHECKED(call, struct wait_checked);
	struct env *env = call->env;

	watch_forget(env);
	env->watch_count = (u32)call->a[1];
	pin_words(env->watch, c->wait, env->watch_count);
	env_hint(env->index);		// it may have changed already
	return 0;
}

i64
check_wake(struct call *call)
{
	u64 *frame = CHECKED(call, u64);

	if (call->a[0] % sizeof(u32))
		return -E_ARGUMENT;
	if (!paging_translate(call->env, call->a[0], false, frame))
		return -E_ADDRESS;
	return 0;
}

i64
do_wake(struct call *call)
{
	u64 frame = *CHECKED(call, u64);

	hint_watchers(frame << PAGE_SHIFT | call->a[0] % PAGE_SIZE, sizeof(u32));
	return 0;
}

NEVER_REFUSED(timer_set)

i64
do_timer_set(struct call *call)
{
	call->env->timer_deadline_ns = call->a[0];
	wait_due(call->env);
	this_cpu()->reschedule = true;
	return 0;
}
