// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Sleeping until a word differs or a deadline passes. Waiting costs nothing
// while no hint comes: whoever writes a word for a sleeper hints (env_hint() for
// the kernel's writes, wake() for a program's), and only then are words read.

#include "kernel/sys/env.h"

// Wakes sleepers of this processor that were hinted or whose time has come. Returns the
// next time at which one wants to be looked at, or an earlier one.
struct cpu;
u64
wait_settle(struct cpu *cpu, u64 now_ns);

// A deadline of an environment has come nearer, or it belongs to another processor: that
// one looks at it in time.
void
wait_due(const struct env *env);

// A watched word as it is now.
u32
wait_word_at(const struct env_wait *wait);

// A capability for a program is gone: who sleeps by it wakes with -E_STATE.
void
wait_cap_gone(u32 node, u64 from);

// For calls that wait: the words at an address of the caller's, checked as wait() does, and
// what is left of that. One that differs by now, or a deadline that has passed, does not
// put it to sleep.
struct call;
must_check i64
wait_check(const struct call *call, u64 at, u64 count, struct env_wait *wait);
i64
wait_begin(struct env *env, const struct env_wait *wait, u32 count, u64 deadline_ns);

// Takes back a sleeper's pins; the caller changes its state.
void
wait_forget(struct env *env);

// Ends what watch() began.
void
watch_forget(struct env *env);

// Hints who watches a word in `len` bytes of memory from `physical` on, which a
// peer has changed.
void
wait_hint_memory(u64 physical, u32 len);

// Hints every sleeper that watches a word in these bytes of an exported table.
void
wait_hint_table(const void *object, u64 len);

// Sleepers that were hinted, one bit each; cleared by whoever looks.
extern u64 wait_hinted;
