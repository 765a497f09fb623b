// SPDX-License-Identifier: BSD-2-Clause
// Keeping the instances of this node as the record says. One task looks every LOOK_NS:
// what is wanted and does not run is started, from its image in the store; what runs
// and is not wanted gets no new connections for JOB_DRAIN_NS and then ends.
//
// An instance of a job that runs on every node has a number that no other live one has:
// first this node's rank among the live, then the next free; of two that took the same,
// the one that does not run yet takes another, else the one on the node with the higher
// UUID. So who runs, and has connections, is not moved by who comes.
//
// Invariants:
//   J1  an entry that is used has the id of a job that the record had when it was made
//   J2  mac_index is unique among the used entries, but for 0; 0 and 1 are front's and
//       the agent's own

#include "cluster/agent/jobs.h"
#include "cluster/agent/coordinator.h"
#include "cluster/agent/events.h"
#include "cluster/agent/membership.h"
#include "cluster/agent/message.h"
#include "cluster/agent/publish.h"
#include "cluster/agent/register.h"
#include "cluster/agent/status.h"
#include "cluster/agent/task.h"
#include "cluster/storage/storage.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "libos/crt/clock.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define LOOK_NS (150 * NS_PER_MS)
#define MAC_FIRST 2u
#define ARGUMENTS 40u
#define GRANTS 7u
#define IMAGE_ALLOWANCE 160u		// frames for the image of the next instance
#define IMAGE_BYTES_MAX (8 * MIB)

static struct instance instances[JOBS_HERE];

const struct instance *
instance_at(u32 number)
{
	return number < JOBS_HERE ? &instances[number] : NULL;
}

// ---- what is wanted

static struct instance *
find(u32 job, u16 number)
{
	for (u32 i = 0; i < JOBS_HERE; i++) {
		if (instances[i].used && instances[i].job == job &&
		    instances[i].number == number)
			return &instances[i];
	}
	return NULL;
}

static u8
free_mac_index(void)
{
	u8 index = MAC_FIRST;

	for (u32 i = 0; i < JOBS_HERE; i++) {
		if (instances[i].used && instances[i].mac_index == index) {
			index++;
			i = (u32)-1;
		}
	}
	return index;
}

static void
add(const struct record_job *job, u16 number)
{
	u8 mac_index = job->port ? free_mac_index() : 0;

	if (mac_index >= RINGS_MAX)
		return;			// it is looked for again
	for (u32 i = 0; i < JOBS_HERE; i++) {
		struct instance *in = &instances[i];

		if (in->used)
			continue;
		in->used = in->wanted = true;
		in->job = job->id;
		in->number = number;
		in->mac_index = mac_index;
		in->state = VIEW_STARTING;
		in->drain_until_ns = 0;
		fmt_into(in->program.name, sizeof(in->program.name), "%s/%u",
			 job->name, number);
		return;
	}
}

static void
want(const struct record_job *job, u16 number)
{
	struct instance *in = find(job->id, number);

	if (!in) {
		add(job, number);
		return;
	}
	in->wanted = true;
	if (in->state == VIEW_DRAINING)
		in->state = VIEW_STARTING;
}

// Has another live instance of an every-node job that number, and goes before this
// node's, which is in that state? With `any` each does.
static bool
is_taken(const struct view *v, u32 job, u16 number, u8 state, bool any)
{
	for (u32 i = 0; i < v->instance_count; i++) {
		const struct view_instance *in = &v->instance[i];

		if (v->job[in->job].id != job || in->number != number ||
		    in->member == v->self)
			continue;
		if (any || (in->state != state ? state == VIEW_STARTING
					       : in->member < v->self))
			return true;
	}
	return false;
}

static u16
own_rank(const struct view *v)
{
	u16 rank = 0;

	for (u32 i = 0; i < v->self; i++)
		rank = (u16)(rank + (v->member[i].life != VIEW_DEAD));
	return rank;
}

static void
want_here(const struct record_job *job)
{
	const struct view *v = view_now();
	u16 number = own_rank(v);

	for (u32 i = 0; i < JOBS_HERE; i++) {
		struct instance *in = &instances[i];

		if (in->used && in->job == job->id &&
		    in->state != VIEW_DRAINING &&
		    !is_taken(v, job->id, in->number, in->state, false)) {
			in->wanted = true;
			return;
		}
	}
	for (u32 i = 0; i < RECORD_INSTANCES; i++) {
		if (!is_taken(v, job->id, number, VIEW_STARTING, true) &&
		    !find(job->id, number)) {
			want(job, number);
			return;
		}
		number = (u16)((number + 1) % RECORD_INSTANCES);
	}
}

static void
collect(const struct record *record)
{
	const u8 self = record_find_node(record, peer_self()->uuid);

	for (u32 i = 0; i < JOBS_HERE; i++)
		instances[i].wanted = false;
	for (u32 i = 0; i < record->job_count; i++) {
		const struct record_job *job = &record->job[i];

		if (job->count == RECORD_EVERY) {
			want_here(job);
			continue;
		}
		for (u16 n = 0; n < job->count; n++) {
			if (self != RECORD_NONE && job->instance[n] == self)
				want(job, n);
		}
	}
}

// ---- starting

static const struct record_job *
job_of(const struct instance *in)
{
	const struct record *record = record_now();

	for (u32 i = 0; i < record->job_count; i++) {
		if (record->job[i].id == in->job)
			return &record->job[i];
	}
	return NULL;
}

// Splits the words of `text` in place.
static u32
split(char *text, char **argv, u32 room)
{
	u32 count = 0;

	while (*text && count < room) {
		while (*text == ' ')
			*text++ = 0;
		if (!*text)
			break;
		argv[count++] = text;
		while (*text && *text != ' ')
			text++;
	}
	return count;
}

static void
add_grant(struct spawn_grant *grants, u32 *count, enum startup_role role, u32 rights)
{
	if (!grant_of_role(role, rights, &grants[*count]))
		++*count;
}

static u32
make_grants(struct spawn_grant grants[GRANTS], const struct instance *in)
{
	const u32 use = CAP_READ | CAP_WRITE;
	u32 count = 0;

	grants[count++] = publish_grant();
	add_grant(grants, &count, ROLE_CONSOLE, CAP_WRITE);
	add_grant(grants, &count, ROLE_FABRIC, use);
	grants[count - 1].base = JOB_SERVICE(in->job, 0);
	grants[count - 1].count = JOB_SERVICES;
	add_grant(grants, &count, ROLE_FABRIC, CAP_WRITE);
	grants[count - 1].base = AGENT_SERVICE;
	grants[count - 1].count = 1;
	if (in->mac_index) {
		add_grant(grants, &count, ROLE_NIC, use);
		grants[count - 1].argument = in->mac_index;
	}
	if (storage_state() == STORAGE_READY) {
		struct storage_status disk;

		storage_status(&disk);
		add_grant(grants, &count, ROLE_BLOCKS, CAP_READ);
		grants[count - 1].base = STORE_FIRST_BLOCK;
		grants[count - 1].count = disk.blocks - STORE_FIRST_BLOCK;
	}
	return count;
}

static void
spawn_image(struct instance *in, const struct record_job *job, const u8 *image)
{
	struct spawn_grant grants[GRANTS];
	char number[24], id[24], name[RECORD_NAME_SIZE];
	char words[RECORD_ARGUMENTS_SIZE];
	char *argv[ARGUMENTS] = { name, number, id };
	struct spawn_spec spec = {
		.name = name, .image = image, .image_len = job->image.bytes,
		.argv = argv, .grants = grants,
		.quota = { .frames = job->frames, .rings = JOB_RINGS },
		.cpu = programs_cpu(),
		.slices = MIN(job->slices, SPAWN_SLICES_MAX),
	};

	string_copy(name, sizeof(name), job->name);
	string_copy(words, sizeof(words), job->arguments);
	fmt_into(number, sizeof(number), "instance=%u", in->number);
	fmt_into(id, sizeof(id), "job=%u", job->id);
	spec.argc = 3 + (int)split(words, argv + 3, ARGUMENTS - 4);
	spec.grant_count = make_grants(grants, in);
	if (program_spawn(&in->program, &spec))
		return;
	in->state = VIEW_STARTING;
	event(EVENT_INSTANCE, in->program.name, "", "started",
	      "job %u, environment %u, %u frames", job->id,
	      in->program.child.id, in->program.frames);
}

// The image is copied out of the store, checked by its id, and given back when the
// program has its own copy.
static void
start(struct instance *in)
{
	const struct record_job *job = job_of(in);
	struct record_new_object object;
	struct frame_run run;
	const char *why;
	u32 pages;

	if (!job)
		return;
	object = storage_object_of(record_now(), &job->image);
	pages = (u32)((MIN(object.bytes, IMAGE_BYTES_MAX) + PAGE_SIZE - 1) / PAGE_SIZE);
	if (object.bytes > IMAGE_BYTES_MAX || pages == 0) {
		program_failed(&in->program, "its image is empty or above 8 MiB");
		return;
	}
	if (frames_take(pages, &run)) {
		program_failed(&in->program, "no memory for its image");
		return;
	}
	why = storage_fetch(&object, direct_address(run.frame));
	job = job_of(in);		// the record may be another by now
	if (why)
		program_failed(&in->program, why);
	else if (job && in->wanted && !in->program.child.id)
		spawn_image(in, job, direct_address(run.frame));
	frames_give(&run);
}

// ---- stopping

static void
forget(struct instance *in)
{
	event(EVENT_INSTANCE, in->program.name, "running", "stopped",
	      "no longer placed here");
	program_stop(&in->program, true);
	in->used = false;
}

static void
stop(struct instance *in, u64 now)
{
	if (!in->program.child.id || !in->mac_index) {
		forget(in);
		return;
	}
	if (in->state != VIEW_DRAINING) {
		in->state = VIEW_DRAINING;
		in->drain_until_ns = now + JOB_DRAIN_NS;
	} else if (now >= in->drain_until_ns) {
		forget(in);
	}
}

// ---- what others are told

static void
tell_failing(struct status *own, const struct instance *in)
{
	if (!in->wanted || !in->program.why[0] || own->failing_job)
		return;
	own->failing_job = in->job;
	string_copy(own->failing_why, sizeof(own->failing_why), in->program.why);
}

static void
tell(void)
{
	struct status *own = status_own();
	struct status before = *own;

	own->instance_count = own->frames_jobs = own->slices_jobs = 0;
	own->failing_job = 0;
	for (u32 i = 0; i < JOBS_HERE; i++) {
		const struct instance *in = &instances[i];

		if (!in->used)
			continue;
		if (!in->program.child.id) {
			tell_failing(own, in);
			continue;
		}
		own->frames_jobs += in->program.frames;
		own->slices_jobs = (u16)(own->slices_jobs + in->program.slices);
		own->instance[own->instance_count++] = (struct status_instance){
			.job = in->job,
			.number = in->number,
			.mac_index = in->mac_index,
			.state = in->state,
			.environment = in->program.child.id,
			.restarts = in->program.restarts,
		};
	}
	own->frames_free = programs_frames_free();
	own->frames_free -= MIN(own->frames_free, IMAGE_ALLOWANCE);
	own->slices_free = (u16)programs_slices_free();
	own->restarts = programs_restarts();
	if (before.instance_count != own->instance_count ||
	    before.failing_job != own->failing_job ||
	    memcmp(before.instance, own->instance,
		   own->instance_count * sizeof(own->instance[0])))
		status_changed();
}

// ---- the task

static void
look_at(struct instance *in, u64 now)
{
	if (program_look(&in->program))
		in->state = in->state == VIEW_DRAINING ? VIEW_DRAINING
						       : VIEW_STARTING;
	if (!in->wanted) {
		stop(in, now);
	} else if (program_is_due(&in->program, now)) {
		start(in);
	} else if (in->state == VIEW_STARTING &&
		   program_is_ready(&in->program, now)) {
		in->state = VIEW_RUNNING;
		event_quiet(EVENT_INSTANCE, in->program.name, "started", "running",
			    "%u ms after its start",
			    (u32)((now - in->program.started_ns) / NS_PER_MS));
	}
}

static void
keep(void *argument)
{
	(void)argument;
	for (;;) {
		if (record_now())
			collect(record_now());
		for (u32 i = 0; i < JOBS_HERE; i++) {
			if (instances[i].used)
				look_at(&instances[i], now_ns());
		}
		tell();
		task_sleep(now_ns() + LOOK_NS);
	}
}

i64
jobs_open(void)
{
	for (u32 i = 0; i < JOBS_HERE; i++)
		program_add(&instances[i].program);
	return task_start(keep, NULL) ? 0 : -E_TABLE;
}
