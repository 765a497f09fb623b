// SPDX-License-Identifier: BSD-2-Clause
// Storage's own task: follows the record, marks what it names, frees what it named
// before, ends what was left behind.

#include "cluster/storage/storage.h"
#include "cluster/agent/events.h"
#include "cluster/agent/register.h"
#include "cluster/storage/state.h"

#define TICK_NS NS_PER_SECOND

static struct thread *task;
static bool changed = true;

void
storage_record_changed(void)
{
	changed = true;
	if (task)
		task_wake(task);
}

// Tells sets of job images apart: each deployment of a job has an id of its own.
static u64
images_of(const struct record *record)
{
	u64 sum = record->job_count;

	for (u32 i = 0; i < record->job_count; i++)
		sum = sum * 0x9e3779b97f4a7c15ull + record->job[i].id;
	return sum;
}

// What was named before may still be read: by who serves it, by who starts it.
static void
hold_what_was_named(const struct record *record, u64 generation_before)
{
	static u64 images_before;
	u64 now = machine_now();

	if (site_generation() != generation_before)
		used_settled(now);
	else if (images_of(record) != images_before)
		used_hold_until(now + STORAGE_GRACE_NS);
	images_before = images_of(record);
}

// Makes what is known here that of the newest record. Waits. Returns false when that
// has to be tried again.
static bool
follow(void)
{
	const struct record *record = record_now();
	u64 before = site_generation();
	const char *error;
	struct stored_site *site;

	if (!record)
		return true;
	storage_bind(record->cluster);
	if (!storage_space.bits)
		return true;		// nothing of it can be here
	error = site_load(record_now());
	if (error) {
		event_quiet(EVENT_STORE, "manifest", "", "not read", "%s", error);
		return false;
	}
	record = record_now();
	if (record->site.generation != site_generation())
		return false;		// another one came while this was read
	hold_what_was_named(record, before);
	site = site_hold();
	used_add(record, site);
	site_give(site);
	repair_wake();
	return true;
}

static void
storage_task(void *argument)
{
	(void)argument;
	task = task_self();
	for (;;) {
		u64 now = machine_now();

		if (changed) {
			changed = false;
			changed |= !follow();
		}
		if (storage_space.bits) {
			rooms_expire(now);
			used_rebuild_if_due(now);
		}
		task_wait(machine_now() + TICK_NS);
	}
}

void
storage_open(bool claim)
{
	storage_look(claim);
	if (storage_state() == STORAGE_READY)
		used_open();
	rooms_open();
	lend_open_blocks();
	if (!task_start(storage_task, NULL))
		storage_fail("there is no task for storage");
	if (storage_state() == STORAGE_READY)
		repair_open();
}

void
storage_status(struct storage_status *status)
{
	*status = (struct storage_status){
		.state = storage_state(),
		.rooms = rooms_count(),
		.generation = site_generation(),
	};
	if (storage_state() == STORAGE_READY) {
		status->blocks = storage_space.blocks;
		status->blocks_used = storage_space.used_count;
	}
	repair_status(status);
}
