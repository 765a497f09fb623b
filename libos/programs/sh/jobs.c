// SPDX-License-Identifier: BSD-2-Clause
// Jobs: the programs that the shell started. A job gets a quota out of the
// shell's, two slices (one between pipes), the console for writing, its pipes, and
// what its name is listed with below: nothing that it does not need.
//
// Invariant J1: the jobs in the foreground are of one batch.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/process/descriptor.h"
#include "libos/programs/sh/sh.h"
#include "libos/text/text.h"

#define JOB_SLICES 2u
#define JOB_FRAMES_MAX 8192u		// 32 MiB
#define JOB_SLICES_MAX 8u
#define JOB_RINGS 2u
#define STORM_RINGS 12u
#define ORACLE_RINGS 10u		// its four intruders' and its own
#define JOB_ENVS_MAX 8u
// How programs end that say no status themselves: as other shells count it.
#define STATUS_NOT_STARTED 127u
#define STATUS_INTERRUPTED 130u
#define STATUS_DIED 255u
#define GRANTS_MAX 8u
#define POLL_NS (50 * NS_PER_MS)	// for jobs beyond what one wait takes

struct job jobs[JOBS_MAX];
struct archive boot_archive;
static u32 last_status;			// of the last program in the foreground

#define USE (CAP_READ | CAP_WRITE)

// What a program gets beside the console.
static const struct need {
	const char *name;
	enum startup_role role;
	u32 rights;
} needs[] = {
	{ "answer", ROLE_BOOT_ARCHIVE, CAP_READ },
	{ "answer", ROLE_NIC, USE },
	{ "bomb", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "cache", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "cluster", ROLE_VIEW, CAP_READ },
	{ "diskio", ROLE_BLOCKS, USE },
	{ "exhaust", ROLE_NIC, USE },
	{ "forge", ROLE_NIC, USE | CAP_DERIVE },
	{ "fuzz", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "fuzz", ROLE_NIC, USE | CAP_DERIVE },
	{ "fuzz", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "fuzz", ROLE_MACHINE, CAP_READ | CAP_DERIVE },
	{ "fuzz", ROLE_FABRIC, USE | CAP_DERIVE },
	{ "heat", ROLE_FABRIC, USE },
	{ "lesser", ROLE_NIC, USE | CAP_DERIVE },
	{ "lesser", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "lesser", ROLE_MACHINE, CAP_READ | CAP_DERIVE },
	{ "litmus", ROLE_FABRIC, USE },
	{ "ls", ROLE_BOOT_ARCHIVE, CAP_READ },
	{ "mini", ROLE_NIC, USE },
	{ "oracle", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "oracle", ROLE_NIC, USE | CAP_DERIVE },
	{ "oracle", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "pager", ROLE_BLOCKS, USE },
	{ "port", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "port", ROLE_NIC, USE | CAP_DERIVE },
	{ "procs", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "quit", ROLE_NIC, USE | CAP_DERIVE },
	{ "quit", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "quit", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "raid", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "remote", ROLE_BOOT_ARCHIVE, CAP_READ },
	{ "remote", ROLE_FABRIC, USE },
	{ "remote", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "remote-bench", ROLE_FABRIC, USE },
	{ "remote-bench", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "scale", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "scarce", ROLE_NIC, USE },
	{ "scarce", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "scarce", ROLE_FABRIC, USE },
	{ "selftest", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "selftest", ROLE_NIC, USE | CAP_DERIVE },
	{ "selftest", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "share", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "share", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "siblings", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "stale", ROLE_FABRIC, USE },
	{ "storm", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "storm", ROLE_NIC, USE | CAP_DERIVE },
	{ "storm", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "storm", ROLE_MACHINE, CAP_READ | CAP_DERIVE },
	{ "storm", ROLE_FABRIC, USE | CAP_DERIVE },
	{ "stride", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "tally", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "trespass", ROLE_FABRIC, USE | CAP_DERIVE },
	{ "until", ROLE_BOOT_ARCHIVE, CAP_READ },
	{ "wild", ROLE_NIC, USE },
	{ "wild", ROLE_CONSOLE, CAP_READ },
	{ "wild", ROLE_MACHINE, CAP_READ },
	{ "wild", ROLE_BLOCKS, CAP_READ },
};

static struct job *
free_job(void)
{
	for (u32 i = 0; i < JOBS_MAX; i++) {
		if (!jobs[i].child.id)
			return &jobs[i];
	}
	return NULL;
}

static struct job *
find_job(u32 id)
{
	for (u32 i = 0; i < JOBS_MAX; i++) {
		if (id && jobs[i].child.id == id)
			return &jobs[i];
	}
	return NULL;
}

u32
job_slot(u32 id)
{
	const struct job *job = find_job(id);

	return job ? job->child.env : SLOT_NONE;
}

static u32
collect_grants(const char *name, const struct frame_run *in,
	       const struct frame_run *out, struct spawn_grant grants[GRANTS_MAX])
{
	u32 count = 0;

	if (in)
		grants[count++] = descriptor_grant(in, 0, false);
	if (out)
		grants[count++] = descriptor_grant(out, 1, true);

	if (!grant_of_role(ROLE_CONSOLE, CAP_WRITE | CAP_DERIVE,
			   &grants[count]))
		count++;
	for (u32 i = 0; i < ARRAY_SIZE(needs); i++) {
		if (strcmp(needs[i].name, name))
			continue;
		ASSERT(count < GRANTS_MAX);
		if (!grant_of_role(needs[i].role, needs[i].rights,
				   &grants[count]))
			count++;
	}
	return count;
}

// A part of what the shell has left, so that several programs find room; but for
// the test that wants very many.
static u32
job_envs(const char *name)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 left = self->quota.envs - self->used.envs;

	return strcmp(name, "selftest") ? MIN(left / 3, JOB_ENVS_MAX)
					: MAX(left, 1u) - 1;
}

// Rings that it may bind: one program is the mother of several hostile ones, the
// selftest fills the node's table of filters.
static u32
job_rings(const char *name)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 left = self->quota.rings - self->used.rings;

	if (!strcmp(name, "storm"))
		return MIN(left, STORM_RINGS);
	if (!strcmp(name, "oracle") || !strcmp(name, "scarce") || !strcmp(name, "share"))
		return MIN(left, ORACLE_RINGS);
	return strcmp(name, "selftest") ? MIN(left, JOB_RINGS) : left;
}

// The selftest starts as many sleepers as there is room for.
static u32
job_slices(const char *name)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 left = self->quota.slices - self->used.slices;

	left -= MIN(left, JOB_SLICES);
	return strcmp(name, "selftest") ? MIN(left / 2, JOB_SLICES_MAX) : left;
}

static struct quota
job_quota(const char *name)
{
	const volatile struct env_info *self = &env_table()[self_index()];

	return (struct quota){
		.frames = MIN((self->quota.frames - self->used.frames) / 3,
			      JOB_FRAMES_MAX),
		.slices = job_slices(name),
		.envs = job_envs(name),
		.rings = job_rings(name),
	};
}

u32
job_start(struct batch *batch, int argc, char **argv, const struct frame_run *in,
	  const struct frame_run *out)
{
	struct spawn_grant grants[GRANTS_MAX];
	struct spawn_spec spec = {
		.archive = &boot_archive,
		.argc = argc,
		.argv = argv,
		.grants = grants,
		.quota = job_quota(argv[0]),
		.cpu = sys_info()->cpu_count - 1,
		.slices = in || out ? 1 : JOB_SLICES,
	};
	struct job *job = free_job();
	i64 error;

	last_status = STATUS_NOT_STARTED;
	if (!job) {
		print("sh: %u programs run already; kill one first\n", JOBS_MAX);
		return 0;
	}
	spec.grant_count = collect_grants(argv[0], in, out, grants);
	error = program_start(&spec, &job->child);
	if (error == -E_ABSENT)
		print("sh: no command or program '%s'; try `help` or `ls`\n",
		      argv[0]);
	else if (error)
		print("sh: cannot start %s: %s\n", argv[0], error_text(error));
	if (error)
		return 0;
	last_status = 0;
	string_copy(job->name, sizeof(job->name), argv[0]);
	job->batch = batch;
	job->last = !out;
	batch->running++;
	if (!batch->foreground)
		print("[%u] %s\n", job->child.id, job->name);
	return job->child.id;
}

// Takes a job down, whether it has ended or not.
static void
job_take_down(struct job *job, struct child_end *end)
{
	struct batch *batch = job->batch;

	batch->cpu_ns += env_table()[job->child.index].cpu_ns;
	child_reap(&job->child, end);
	batch_ended_one(batch);
}

static void
job_ended(struct job *job)
{
	bool foreground = job->batch->foreground;
	struct child_end end;
	char text[160];
	u32 id = job->child.id;
	bool broken;

	job_take_down(job, &end);
	broken = !job->last && end.how == END_EXIT &&
		 end.status == DESCRIPTOR_STATUS_BROKEN;
	if (foreground && job->last)
		last_status = end.how == END_EXIT ? end.status : STATUS_DIED;
	// A program in the foreground that ended well says enough itself; so does one
	// whose reader had seen enough.
	if (!foreground || (!broken && (end.how != END_EXIT || end.status != 0))) {
		child_end_text(&end, text, sizeof(text));
		print("%s[%u] %s: %s\n", foreground ? "" : "\n", id,
		      job->name, text);
	}
}

void
job_kill(u32 id)
{
	struct job *job = find_job(id);

	if (!job) {
		print("kill: %u is no program started here\n", id);
		return;
	}
	print("[%u] %s: killed\n", id, job->name);
	job_take_down(job, NULL);
}

void
batch_kill(struct batch *batch)
{
	for (u32 i = 0; i < JOBS_MAX; i++) {
		if (jobs[i].child.id && jobs[i].batch == batch)
			job_take_down(&jobs[i], NULL);
	}
}

static struct job *
foreground_job(void)
{
	for (u32 i = 0; i < JOBS_MAX; i++) {
		if (jobs[i].child.id && jobs[i].batch->foreground)
			return &jobs[i];
	}
	return NULL;
}

u32
job_last_status(void)
{
	return last_status;
}

void
job_set_status(u32 status)
{
	last_status = status;
}

bool
job_in_foreground(void)
{
	return foreground_job();
}

void
job_interrupt(void)
{
	struct job *job = foreground_job();

	if (!job)
		return;
	print("^C\n");
	batch_kill(job->batch);
	last_status = STATUS_INTERRUPTED;
}

u32
jobs_look(struct wait_set *set)
{
	u32 ended = 0;

	for (u32 i = 0; i < JOBS_MAX; i++) {
		struct job *job = &jobs[i];
		struct wait_word word;

		if (!job->child.id)
			continue;
		word = child_word(&job->child);
		if (child_is_dead(&job->child)) {
			job_ended(job);
			ended++;
		} else if (set->count < WAIT_WORDS_MAX) {
			wait_word_add(set, (const volatile u32 *)word.va,
				      word.expected);
		} else {
			wait_until(set, now_ns() + POLL_NS);
		}
	}
	return ended;
}
