// SPDX-License-Identifier: BSD-2-Clause
// Jobs: the programs that the shell started. A job gets a quota out of the
// shell's, two slices, the console for writing, and what its name is listed
// with below: nothing that it does not need.
//
// Invariant J1: at most one job is in the foreground.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/programs/sh/sh.h"

#define JOB_SLICES 2u
#define JOB_FRAMES_MAX 8192u		// 32 MiB
#define JOB_SLICES_MAX 8u
#define JOB_ENVS_MAX 8u
#define JOB_RINGS_MAX 12u
// How programs end that say no status themselves: as other shells count it.
#define STATUS_NOT_STARTED 127u
#define STATUS_INTERRUPTED 130u
#define STATUS_DIED 255u
#define GRANTS_MAX 6u
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
	{ "litmus", ROLE_FABRIC, USE },
	{ "oracle", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "oracle", ROLE_NIC, USE | CAP_DERIVE },
	{ "oracle", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "quit", ROLE_NIC, USE | CAP_DERIVE },
	{ "quit", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "quit", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "raid", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "remote", ROLE_FABRIC, USE },
	{ "remote", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "remote-bench", ROLE_FABRIC, USE },
	{ "remote-bench", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "scarce", ROLE_NIC, USE },
	{ "scarce", ROLE_BLOCKS, USE },
	{ "scarce", ROLE_FABRIC, USE },
	{ "selftest", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "selftest", ROLE_NIC, USE | CAP_DERIVE },
	{ "storm", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "storm", ROLE_NIC, USE | CAP_DERIVE },
	{ "storm", ROLE_BLOCKS, USE | CAP_DERIVE },
	{ "storm", ROLE_MACHINE, CAP_READ | CAP_DERIVE },
	{ "storm", ROLE_FABRIC, USE | CAP_DERIVE },
	{ "stride", ROLE_BOOT_ARCHIVE, CAP_READ | CAP_EXECUTE | CAP_DERIVE },
	{ "trespass", ROLE_FABRIC, USE | CAP_DERIVE },
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
collect_grants(const char *name, struct spawn_grant grants[GRANTS_MAX])
{
	u32 count = 0;

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

// A part of what the shell has left, so that several programs find room; of rings
// the selftest gets all, to fill the node's table of filters.
static struct quota
job_quota(const char *name)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 slices = self->quota.slices - self->used.slices;
	u32 rings = self->quota.rings - self->used.rings;

	return (struct quota){
		.frames = MIN((self->quota.frames - self->used.frames) / 3,
			      JOB_FRAMES_MAX),
		.slices = MIN((MAX(slices, JOB_SLICES) - JOB_SLICES) / 2,
			      JOB_SLICES_MAX),
		.envs = MIN((self->quota.envs - self->used.envs) / 3,
			    JOB_ENVS_MAX),
		.rings = strcmp(name, "selftest") ? MIN(rings, JOB_RINGS_MAX) : rings,
	};
}

void
job_start(int argc, char **argv, bool background)
{
	struct spawn_grant grants[GRANTS_MAX];
	struct spawn_spec spec = {
		.archive = &boot_archive,
		.argc = argc,
		.argv = argv,
		.grants = grants,
		.quota = job_quota(argv[0]),
		.cpu = sys_info()->cpu_count - 1,
		.slices = JOB_SLICES,
	};
	struct job *job = free_job();
	i64 error;

	last_status = STATUS_NOT_STARTED;
	if (!job) {
		print("sh: %u programs run already; kill one first\n", JOBS_MAX);
		return;
	}
	spec.grant_count = collect_grants(argv[0], grants);
	error = program_start(&spec, &job->child);
	if (error == -E_ABSENT)
		print("sh: no command or program '%s'; try `help` or `ls`\n",
		      argv[0]);
	else if (error)
		print("sh: cannot start %s: %s\n", argv[0], error_text(error));
	if (error)
		return;
	last_status = 0;
	string_copy(job->name, sizeof(job->name), argv[0]);
	job->foreground = !background;
	if (background)
		print("[%u] %s\n", job->child.id, job->name);
}

static void
job_ended(struct job *job)
{
	struct child_end end;
	char text[160];
	u32 id = job->child.id;

	child_reap(&job->child, &end);
	if (job->foreground)
		last_status = end.how == END_EXIT ? end.status : STATUS_DIED;
	// A program in the foreground that ended well says enough itself.
	if (!job->foreground || end.how != END_EXIT || end.status != 0) {
		child_end_text(&end, text, sizeof(text));
		print("%s[%u] %s: %s\n", job->foreground ? "" : "\n", id,
		      job->name, text);
	}
	job->foreground = false;
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
	child_reap(&job->child, NULL);
	job->foreground = false;
}

static struct job *
foreground_job(void)
{
	for (u32 i = 0; i < JOBS_MAX; i++) {
		if (jobs[i].child.id && jobs[i].foreground)
			return &jobs[i];
	}
	return NULL;
}

u32
job_last_status(void)
{
	return last_status;
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
	child_reap(&job->child, NULL);
	last_status = STATUS_INTERRUPTED;
	job->foreground = false;
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
