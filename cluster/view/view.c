// SPDX-License-Identifier: BSD-2-Clause
// A sequence lock over the view: one writer, any number of readers, none of whom can
// hold the writer up.

#include "cluster/view/view.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define ATTEMPTS 16u

static bool
is_sound(const struct view *v)
{
	if (v->member_count > VIEW_MEMBERS_MAX || v->job_count > VIEW_JOBS_MAX ||
	    v->instance_count > VIEW_INSTANCES_MAX)
		return false;
	if (v->self >= v->member_count ||
	    (v->holder != VIEW_NONE && v->holder >= v->member_count))
		return false;
	for (u32 i = 0; i < v->instance_count; i++) {
		const struct view_instance *instance = &v->instance[i];

		if (instance->job >= v->job_count ||
		    instance->member >= v->member_count)
			return false;
	}
	for (u32 i = 0; i < VIEW_COPIES; i++) {
		u16 member = v->site.copy[i].member;

		if (member != VIEW_NONE && member >= v->member_count)
			return false;
	}
	return true;
}

bool
view_copy(struct view *copy, const volatile struct view *shared)
{
	for (u32 i = 0; i < ATTEMPTS; i++) {
		u32 before = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);

		if (before & 1)
			continue;
		memcpy(copy, (const void *)(u64)shared, sizeof(*copy));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&shared->version, __ATOMIC_RELAXED) == before)
			return is_sound(copy);
	}
	return false;
}

void
view_write_begin(volatile struct view *shared)
{
	u32 version = shared->version;

	ASSERT((version & 1) == 0);
	__atomic_store_n(&shared->version, version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void
view_write_end(volatile struct view *shared)
{
	u32 version = shared->version;

	ASSERT(version & 1);
	__atomic_store_n(&shared->version, version + 1, __ATOMIC_RELEASE);
}

u16
view_find(const struct view *view, u16 job, u16 number)
{
	ASSERT(view->instance_count <= VIEW_INSTANCES_MAX);
	for (u32 i = 0; i < view->instance_count; i++) {
		if (view->instance[i].job == job &&
		    view->instance[i].number == number)
			return (u16)i;
	}
	return VIEW_NONE;
}

u16
view_holder(const struct view *view, u64 knows)
{
	u16 lowest = (u16)view->self;

	STATIC_ASSERT(VIEW_MEMBERS_MAX <= 64);
	ASSERT(view->member_count <= VIEW_MEMBERS_MAX);
	for (u16 i = 0; i < view->member_count; i++) {
		if (view->member[i].life == VIEW_DEAD)
			continue;
		if (knows >> i & 1)
			return i;
		lowest = MIN(lowest, i);
	}
	return lowest;
}

u16
view_coordinator(const struct view *view)
{
	ASSERT(view->member_count <= VIEW_MEMBERS_MAX);
	for (u32 i = 0; i < view->member_count; i++) {
		const struct view_member *member = &view->member[i];

		if (member->life != VIEW_DEAD && member->has_majority)
			return (u16)i;
	}
	return VIEW_NONE;
}
