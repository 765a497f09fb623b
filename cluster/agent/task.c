// SPDX-License-Identifier: BSD-2-Clause
// Tasks on libos/thread: they wait without a word, and are woken by what completes.
//
// Invariants:
//   A1  a task that is not free has a thread; tasks_reap() joins each exactly once
//   A2  only the loop's thread ever sleeps: a task that waits passes on to it

#include "cluster/agent/task.h"
#include "cluster/agent/hosts.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/thread/thread.h"

struct task {
	struct thread *thread;		// NULL: free
	void (*body)(void *argument);
	void *argument;
	const struct task_lock *wanted;	// waits for it
	bool ended;
};

static struct task tasks[TASKS_MAX];

static void
task_main(void *at)
{
	struct task *task = at;

	task->body(task->argument);
	task->ended = true;
}

bool
task_start(void (*body)(void *argument), void *argument)
{
	for (u32 i = 0; i < TASKS_MAX; i++) {
		struct task *task = &tasks[i];

		if (task->thread)
			continue;
		*task = (struct task){ .body = body, .argument = argument };
		task->thread = thread_start(task_main, task);
		return task->thread != NULL;
	}
	return false;
}

void
tasks_reap(void)
{
	for (u32 i = 0; i < TASKS_MAX; i++) {
		if (!tasks[i].thread || !tasks[i].ended)
			continue;
		thread_join(tasks[i].thread);
		tasks[i] = (struct task){ 0 };
	}
}

static struct task *
running(void)
{
	struct thread *self = thread_self();

	for (u32 i = 0; i < TASKS_MAX; i++) {
		if (tasks[i].thread == self)
			return &tasks[i];
	}
	return NULL;
}

struct thread *
task_self(void)
{
	struct task *task = running();

	return task ? task->thread : NULL;
}

void
task_wait(u64 deadline_ns)
{
	ASSERT(running());
	thread_wait(NULL, 0, deadline_ns);
}

void
task_wake(struct thread *task)
{
	ASSERT(task);
	thread_wake(task);
}

void
task_sleep(u64 until_ns)
{
	while (now_ns() < until_ns)
		task_wait(until_ns);
}

void
task_yield(void)
{
	ASSERT(running());
	thread_yield();
}

void
task_lock(struct task_lock *lock)
{
	struct task *self = running();

	ASSERT(self && lock->owner != self->thread);
	self->wanted = lock;
	while (lock->owner)
		task_wait(NEVER);
	self->wanted = NULL;
	lock->owner = self->thread;
}

void
task_unlock(struct task_lock *lock)
{
	ASSERT(lock->owner && lock->owner == task_self());
	lock->owner = NULL;
	for (u32 i = 0; i < TASKS_MAX; i++) {
		if (tasks[i].thread && tasks[i].wanted == lock) {
			thread_wake(tasks[i].thread);
			return;
		}
	}
}
