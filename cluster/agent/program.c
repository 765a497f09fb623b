// SPDX-License-Identifier: BSD-2-Clause
// Starting, watching and stopping programs. The agent's frames are what is left of
// the node: images and logs come out of them, and each program's quota.
//
// Invariant: a program with a child has frames and slices as they were given to it;
// one without has none.

#include "cluster/agent/program.h"
#include "cluster/agent/events.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/text/text.h"

#define PROGRAMS_MAX 32u
#define GRANTS_MAX 10u
#define KEPT_FRAMES 192u		// the agent's own: stacks, heap, page tables
#define RETRY_MIN_NS (100 * NS_PER_MS)
#define RETRY_MAX_NS (10 * NS_PER_SECOND)
#define STEADY_NS (10 * NS_PER_SECOND)	// lived that long: not failing
#define READY_NS (5 * NS_PER_SECOND)

static struct program *programs[PROGRAMS_MAX];
static u32 program_count;
static u32 restarts_in_all;

void
program_add(struct program *program)
{
	ASSERT(program_count < PROGRAMS_MAX);
	programs[program_count++] = program;
}

struct program *
program_at(u32 number)
{
	return number < program_count ? programs[number] : NULL;
}

u32
programs_restarts(void)
{
	return restarts_in_all;
}

u32
programs_frames_free(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 left = self->quota.frames - self->used.frames;

	return left > KEPT_FRAMES ? left - KEPT_FRAMES : 0;
}

u32
programs_slices_free(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];

	return self->quota.slices - self->used.slices;
}

u32
programs_cpu(void)
{
	u32 best = 0, best_free = 0;

	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		const volatile struct slice_info *s =
			&slice_table()[cpu * SLICES_PER_CPU];
		u32 free = 0;

		for (u32 i = 0; i < SLICES_PER_CPU; i++)
			free += s[i].owner == OWNER_NONE;
		if (free > best_free) {
			best = cpu;
			best_free = free;
		}
	}
	return best;
}

static i64
take_log(struct program *p)
{
	i64 error;

	if (p->log.count)
		return 0;
	error = frames_take(LOG_PAGES, &p->log);
	if (error)
		p->log = (struct frame_run){ 0 };
	else
		memset(direct_address(p->log.frame), 0, LOG_PAGES * PAGE_SIZE);
	return error;
}

static struct log *
log_of(const struct program *p)
{
	return p->log.count ? direct_address(p->log.frame) : NULL;
}

static i64
start(struct program *p, struct spawn_spec *spec)
{
	struct spawn_grant grants[GRANTS_MAX];
	i64 error = take_log(p);

	if (error)
		return error;
	ASSERT(spec->grant_count < GRANTS_MAX);
	((struct log *)direct_address(p->log.frame))->ready = 0;
	memcpy(grants, spec->grants, spec->grant_count * sizeof(grants[0]));
	grants[spec->grant_count] = (struct spawn_grant){
		.role = ROLE_LOG,
		.slot = p->log.slot,
		.rights = CAP_READ | CAP_WRITE,
		.base = p->log.frame,
		.count = LOG_PAGES,
	};
	spec->grants = grants;
	spec->grant_count++;
	return spawn(spec, &p->child);
}

i64
program_spawn(struct program *p, struct spawn_spec *spec)
{
	// Copied segments are at most the file and what it says is zero: most of it is
	// the file.
	u32 needed = spec->quota.frames +
		     (u32)(spec->image_len / PAGE_SIZE) + LOG_PAGES + 2;
	char why[PROGRAM_WHY_SIZE];
	i64 error = -E_QUOTA;

	ASSERT(!p->child.id);
	p->started_ns = now_ns();
	if (needed <= programs_frames_free())
		error = start(p, spec);
	if (!error) {
		p->frames = spec->quota.frames;
		p->slices = spec->slices;
		p->why[0] = 0;
		return 0;
	}
	if (error == -E_QUOTA || error == -E_FRAMES)
		fmt_into(why, sizeof(why), "it needs %u frames and %u slices: "
			 "%u and %u are left", needed, spec->slices,
			 programs_frames_free(), programs_slices_free());
	else
		fmt_into(why, sizeof(why), "%s", error == -E_ARGUMENT ?
			 "its image is no fit executable" : error_text(error));
	program_failed(p, why);
	return error;
}

void
program_failed(struct program *p, const char *why)
{
	u64 now = now_ns();
	bool news = strcmp(p->why, why) != 0;

	if (now - p->started_ns >= STEADY_NS)
		p->retry_ns = 0;
	p->retry_ns = MIN(MAX(p->retry_ns * 2, RETRY_MIN_NS), RETRY_MAX_NS);
	p->retry_at_ns = now + p->retry_ns;
	string_copy(p->why, sizeof(p->why), why);
	// The same again is no news: it is tried, and told of, ever more slowly.
	if (news || p->retry_ns == RETRY_MAX_NS)
		event(EVENT_INSTANCE, p->name, "", "not started", "%s", why);
}

bool
program_look(struct program *p)
{
	struct child_end end;
	char text[PROGRAM_WHY_SIZE];

	if (!p->child.id || !child_is_dead(&p->child))
		return false;
	child_reap(&p->child, &end);
	child_end_text(&end, text, sizeof(text));
	p->frames = p->slices = 0;
	p->restarts++;
	restarts_in_all++;
	if (now_ns() - p->started_ns >= STEADY_NS)
		p->retry_ns = 0;
	p->retry_ns = MIN(MAX(p->retry_ns * 2, RETRY_MIN_NS), RETRY_MAX_NS);
	p->retry_at_ns = now_ns() + p->retry_ns;
	p->given_up = end.how == END_EXIT &&
		      (end.status == STATUS_OK || end.status == STATUS_USAGE);
	string_copy(p->why, sizeof(p->why), text);
	event(EVENT_INSTANCE, p->name, "running",
	      end.how == END_EXIT && end.status == STATUS_OK ? "finished" : "ended",
	      "%s%s", text, p->given_up ? "; it is not started again" : "");
	return true;
}

void
program_stop(struct program *p, bool forget)
{
	if (p->child.id)
		child_reap(&p->child, NULL);
	p->frames = p->slices = 0;
	p->retry_ns = p->retry_at_ns = 0;
	p->given_up = false;
	if (!forget || !p->log.count)
		return;
	frames_give(&p->log);
	p->log = (struct frame_run){ 0 };
	p->restarts = 0;
	p->why[0] = 0;
}

bool
program_is_due(const struct program *p, u64 now)
{
	return !p->child.id && !p->given_up && now >= p->retry_at_ns;
}

bool
program_is_ready(const struct program *p, u64 now)
{
	const struct log *log = log_of(p);

	return p->child.id && log &&
	       (__atomic_load_n(&log->ready, __ATOMIC_ACQUIRE) ||
		now - p->started_ns >= READY_NS);
}
