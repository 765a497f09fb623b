// SPDX-License-Identifier: BSD-2-Clause
// The first program. It holds everything the node has, gives most of it to the
// services, and watches them:
//
//   web   when there is a site archive and a network interface: nearly all
//         memory, half of the slices of processor 0, the interface
//   agent when the node has joined a cluster, there is no site archive and nobody said
//         agent=off: nearly everything, to give to the jobs of the cluster; and the
//         pages of the view (cluster/view), which the shell may read
//   sh    when there is a console: the reserve, and a share of everything else
//   far   when the command line asks for it (far=PAGES): `remote serve`, which
//         lends that many pages, and the disk's blocks to read, to other nodes
//
// A service that ends is started again, later each time it fails soon after
// its start; one that cannot be helped by it (STATUS_USAGE: wrong arguments,
// or a device that the node lacks) is left alone.
//
// Words of the kernel's command line that init knows: ip=ADDRESS/LENGTH and gw=ADDRESS
// (given on to web), time=SECONDS (to web or agent), disk=claim and vip=ADDRESS/LENGTH
// (to agent), agent=off, far=PAGES, quiet (says nothing but failures). Others are the
// kernel's.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/log.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/image/cpio.h"
#include "libos/image/elf.h"
#include "libos/io/timer.h"
#include "libos/io/wait.h"
#include "libos/mem/frames.h"
#include "libos/text/text.h"

#define WEB_SLICES 32u
#define AGENT_SLICES 8u			// its own
#define AGENT_JOB_SLICES 28u		// for its jobs, of the first processor
#define VIEW_FRAMES 4u			// cluster/view/view.h: VIEW_PAGES
#define SHELL_SLICES 2u
#define SHELL_RINGS 2u			// of each kind, where an agent has the rest
#define SHELL_JOB_SLICES 12u		// where an agent has the rest
#define RESERVE_FRAMES_MIN 768u		// for the shell: 3 MiB
#define RESERVE_FRAMES_MAX 16384u
#define KEPT_FRAMES 32u			// init's own
#define FAR_PAGES_MAX 1024u
#define FAR_FRAMES 256u			// beside its pages
#define FAR_IMAGE_FRAMES 64u		// init's, for it
#define RETRY_MIN_NS (100 * NS_PER_MS)
#define RETRY_MAX_NS (10 * NS_PER_SECOND)
#define STEADY_NS (10 * NS_PER_SECOND)	// lived that long: not failing

enum { SERVICE_GRANTS_MAX = 10, SERVICE_ARGUMENTS_MAX = 8, SERVICE_COUNT = 4 };

struct service {
	const char *name;
	bool wanted;
	struct child child;
	u64 started_ns;
	u64 retry_ns;		// pause before the next start
	struct timer restart;
	u32 grant_count;
	struct spawn_grant grants[SERVICE_GRANTS_MAX];
	u32 argument_count;
	char *arguments[SERVICE_ARGUMENTS_MAX + 1];
	struct quota quota;
	u32 slices;
	u32 cpu;
};

static struct archive boot;
static struct service web = { .name = "web" };
static struct service agent = { .name = "agent" };
static struct service shell = { .name = "sh" };
static struct service far = { .name = "remote" };
static struct service *const services[SERVICE_COUNT] = {
	&web, &agent, &shell, &far,
};
static struct timers timers;
static bool quiet, no_agent;
static u64 far_pages;

static void
add_argument(struct service *s, char *word)
{
	if (s->argument_count < SERVICE_ARGUMENTS_MAX)
		s->arguments[s->argument_count++] = word;
}

// Grants what init has of a role; what the node lacks is left out.
static void
add_grant(struct service *s, enum startup_role role, u32 rights)
{
	ASSERT(s->grant_count < SERVICE_GRANTS_MAX);
	if (!grant_of_role(role, rights, &s->grants[s->grant_count]))
		s->grant_count++;
}

static void
want_far(char *pages)
{
	if (!text_to_u64(pages, &far_pages) || far_pages < 1 ||
	    far_pages > FAR_PAGES_MAX) {
		print("init: far= takes 1 to %u pages\n", FAR_PAGES_MAX);
		return;
	}
	far.wanted = true;
	add_argument(&far, (char *)(u64)"serve");
	add_argument(&far, pages);
	add_argument(&far, (char *)(u64)"ro");
}

static void
read_command_line(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "quiet"))
			quiet = true;
		else if (!strcmp(argv[i], "agent=off"))
			no_agent = true;
		else if (string_starts(argv[i], "far="))
			want_far(argv[i] + strlen("far="));
		else if (string_starts(argv[i], "ip=") ||
			 string_starts(argv[i], "gw="))
			add_argument(&web, argv[i]);
		else if (string_starts(argv[i], "disk=") ||
			 string_starts(argv[i], "vip="))
			add_argument(&agent, argv[i]);
		else if (string_starts(argv[i], "time=")) {
			add_argument(&web, argv[i]);
			add_argument(&agent, argv[i]);
		}
	}
}

static u32
frames_left(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];

	return self->quota.frames - self->used.frames;
}

// Frames that a program's image takes from its parent at most.
static u32
image_frames(const char *name)
{
	struct elf_image image;
	struct cpio_entry file;
	u64 frames = 1;			// the uarea

	if (!cpio_find(boot.data, boot.len_bytes, name, &file) ||
	    !elf_read(file.data, file.data_len, USER_BASE, USER_END, &image))
		return 0;
	for (u32 i = 0; i < image.segment_count; i++)
		frames += image.segment[i].pages;
	return (u32)frames;
}

// What the agent may give to jobs: as much of each as the node has, but for the
// shell's. An agent's frames are all but the reserve.
static struct quota
agent_quota(u32 frames)
{
	u32 cpus = sys_info()->cpu_count;

	return (struct quota){
		.frames = frames,
		.slices = AGENT_JOB_SLICES +
			  (cpus - 1) * (SLICES_PER_CPU - AGENT_JOB_SLICES),
		.envs = ENVS_MAX / 2,
		.rings = RINGS_MAX + QUEUES_MAX + FABRIC_QUEUES_MAX +
			 ENDPOINTS_MAX - 4 * SHELL_RINGS,
	};
}

// How the node is divided. The shell's quota is what programs started from it
// share, hostile ones included: web's part is out of their reach.
static void
divide(void)
{
	u32 left = frames_left();
	u32 cpus = sys_info()->cpu_count;
	u32 reserve = MIN(MAX(left / 8, RESERVE_FRAMES_MIN), RESERVE_FRAMES_MAX);

	far.quota = (struct quota){
		.frames = (u32)far_pages + FAR_FRAMES,
		.rings = 2,
	};
	far.slices = SHELL_SLICES;
	far.cpu = cpus - 1;
	far.wanted &= startup_find(ROLE_FABRIC, 0) && far.quota.frames < left / 2;
	if (far.wanted)
		left -= far.quota.frames + FAR_IMAGE_FRAMES;
	if (agent.wanted || web.wanted)
		left -= MIN(image_frames(web.wanted ? web.name : agent.name),
			    left / 2);
	reserve = MIN(reserve, left / 2);
	web.quota = (struct quota){ .frames = left - reserve, .rings = 2 };
	web.slices = WEB_SLICES;
	agent.quota = agent_quota(left - reserve);
	agent.slices = AGENT_SLICES;
	shell.quota = (struct quota){
		.frames = (web.wanted || agent.wanted ? reserve : left) -
			  MIN(reserve / 4, KEPT_FRAMES),
		.slices = agent.wanted ? SHELL_JOB_SLICES :
			  cpus * SLICES_PER_CPU - WEB_SLICES - 2 * SHELL_SLICES -
			  8,
		.envs = agent.wanted ? ENVS_MAX / 2 - 8 : ENVS_MAX - 8,
		.rings = agent.wanted ? 4 * SHELL_RINGS
				      : RINGS_MAX - web.quota.rings,
	};
	shell.slices = SHELL_SLICES;
	shell.cpu = cpus - 1;
}

// Grants a service a part of the frames that init shares.
static void
add_frames(struct service *s, enum startup_role role, u32 rights,
	   const struct frame_run *run)
{
	ASSERT(s->grant_count < SERVICE_GRANTS_MAX);
	s->grants[s->grant_count++] = (struct spawn_grant){
		.role = role,
		.slot = run->slot,
		.rights = rights,
		.base = run->frame,
		.count = run->count,
	};
}

// The view, which the shell reads, and the agent's own log. Both outlive an agent that
// is started again. Returns 0 or an error.
static i64
share_with_agent(void)
{
	struct frame_run view, log;
	i64 error = frames_take(VIEW_FRAMES, &view);

	if (!error)
		error = frames_take(LOG_PAGES, &log);
	if (error)
		return error;
	add_frames(&agent, ROLE_VIEW, CAP_READ | CAP_WRITE | CAP_DERIVE, &view);
	add_frames(&agent, ROLE_LOG, CAP_READ | CAP_WRITE, &log);
	add_frames(&shell, ROLE_VIEW, CAP_READ | CAP_DERIVE, &view);
	return 0;
}

static void
prepare(void)
{
	const u32 use = CAP_READ | CAP_WRITE;

	web.wanted = startup_find(ROLE_SITE_ARCHIVE, 0) &&
		     startup_find(ROLE_NIC, 0);
	agent.wanted = !web.wanted && !no_agent &&
		       fabric_info()->state == FABRIC_ON && !share_with_agent();
	shell.wanted = startup_find(ROLE_CONSOLE, 0);
	add_grant(&web, ROLE_CONSOLE, CAP_WRITE);
	add_grant(&web, ROLE_NIC, use);
	add_grant(&web, ROLE_SITE_ARCHIVE, CAP_READ);
	add_grant(&agent, ROLE_CONSOLE, CAP_WRITE | CAP_DERIVE);
	add_grant(&agent, ROLE_NIC, use | CAP_DERIVE | CAP_FORGE);
	add_grant(&agent, ROLE_BLOCKS, use | CAP_DERIVE);
	add_grant(&agent, ROLE_FABRIC, use | CAP_DERIVE);
	add_grant(&agent, ROLE_BOOT_ARCHIVE,
		  CAP_READ | CAP_EXECUTE | CAP_DERIVE);
	add_grant(&far, ROLE_CONSOLE, CAP_WRITE);
	add_grant(&far, ROLE_FABRIC, use);
	add_grant(&far, ROLE_BOOT_ARCHIVE, CAP_READ);
	add_grant(&far, ROLE_BLOCKS, CAP_READ | CAP_DERIVE);
	add_grant(&shell, ROLE_CONSOLE, use | CAP_DERIVE);
	add_grant(&shell, ROLE_MACHINE, use | CAP_DERIVE);
	add_grant(&shell, ROLE_BOOT_ARCHIVE,
		  CAP_READ | CAP_EXECUTE | CAP_DERIVE);
	add_grant(&shell, ROLE_SITE_ARCHIVE, CAP_READ | CAP_DERIVE);
	add_grant(&shell, ROLE_NIC, use | CAP_DERIVE);
	add_grant(&shell, ROLE_BLOCKS, use | CAP_DERIVE);
	add_grant(&shell, ROLE_FABRIC, use | CAP_DERIVE);
	divide();
}

static i64
service_start(struct service *s)
{
	struct spawn_spec spec = {
		.archive = &boot,
		.argc = (int)s->argument_count,
		.argv = s->arguments,
		.grants = s->grants,
		.grant_count = s->grant_count,
		.quota = s->quota,
		.cpu = s->cpu,
		.slices = s->slices,
	};

	s->started_ns = now_ns();
	return program_start(&spec, &s->child);
}

static void
retry_later(struct service *s)
{
	u64 now = now_ns();

	if (now - s->started_ns >= STEADY_NS)
		s->retry_ns = 0;
	s->retry_ns = MIN(MAX(s->retry_ns * 2, RETRY_MIN_NS), RETRY_MAX_NS);
	print("init: starting %s again in %u ms\n", s->name,
	      (u32)(s->retry_ns / NS_PER_MS));
	timer_arm(&timers, &s->restart, now + s->retry_ns);
}

static void
start_or_retry(struct service *s)
{
	i64 error = service_start(s);

	if (!error)
		return;
	print("init: cannot start %s: %s\n", s->name, error_text(error));
	retry_later(s);
}

static void
ended(struct service *s)
{
	struct child_end end;
	char text[160];

	child_reap(&s->child, &end);
	child_end_text(&end, text, sizeof(text));
	print("init: %s %s\n", s->name, text);
	if (end.how == END_EXIT && end.status == STATUS_USAGE) {
		s->wanted = false;
		return;
	}
	retry_later(s);
}

static void
restart_due(void)
{
	struct timer *timer;

	while ((timer = timers_expired(&timers, now_ns())))
		start_or_retry(CONTAINER_OF(timer, struct service, restart));
}

static void
watch(void)
{
	struct wait_set set;

	wait_begin(&set);
	for (u32 i = 0; i < SERVICE_COUNT; i++) {
		struct service *s = services[i];
		struct wait_word word;

		if (!s->child.id)
			continue;
		// The word first: a change after it ends the wait at once.
		word = child_word(&s->child);
		if (child_is_dead(&s->child))
			ended(s);
		else
			wait_word_add(&set, (const volatile u32 *)word.va,
				      word.expected);
	}
	wait_until(&set, timers_next(&timers));
	wait_sleep(&set);
	restart_due();
}

int
main(int argc, char **argv)
{
	i64 error = archive_open(ROLE_BOOT_ARCHIVE, &boot);

	if (error) {
		print("init: no boot archive: %s\n", error_text(error));
		return STATUS_FAILED;
	}
	add_argument(&web, (char *)(u64)web.name);
	add_argument(&agent, (char *)(u64)agent.name);
	add_argument(&shell, (char *)(u64)shell.name);
	add_argument(&far, (char *)(u64)far.name);
	read_command_line(argc, argv);
	prepare();
	if (!web.wanted && !agent.wanted && !quiet)
		print("init: %s: web is not started\n",
		      startup_find(ROLE_NIC, 0) ? "no site archive"
						: "no network interface");
	for (u32 i = 0; i < SERVICE_COUNT; i++) {
		if (services[i]->wanted)
			start_or_retry(services[i]);
	}
	for (;;)
		watch();
}
