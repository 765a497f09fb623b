// SPDX-License-Identifier: BSD-2-Clause
// The agent's start. Membership and messages begin at once; what needs the disk begins
// in a task, when the disk has been looked at.

#include "cluster/agent/agent.h"
#include "cluster/agent/coordinator.h"
#include "cluster/agent/events.h"
#include "cluster/agent/hosts.h"
#include "cluster/agent/jobs.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/membership.h"
#include "cluster/agent/options.h"
#include "cluster/agent/post.h"
#include "cluster/agent/publish.h"
#include "cluster/agent/register_host.h"
#include "cluster/agent/reports.h"
#include "cluster/agent/serve.h"
#include "cluster/agent/status.h"
#include "cluster/agent/task.h"
#include "cluster/agent/watched.h"
#include "cluster/storage/storage.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"

#define REGION_PAGES_MIN 160u
#define REGION_PAGES_MAX 512u
#define REGION_SHARE 32u		// of the agent's frames

struct agent_options agent_options;

static u32
frames_left(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];

	return self->quota.frames - self->used.frames;
}

static void
begin_on_disk(void *argument)
{
	i64 error;

	(void)argument;
	storage_open(agent_options.claim_disk);
	if (storage_state() != STORAGE_ABSENT)
		event(EVENT_DISK, "disk", "",
		      storage_state() == STORAGE_READY ? "used" : "not used",
		      "%s", storage_reason());
	error = register_open();
	if (!error && !coordinator_start())
		error = -E_TABLE;
	if (error)
		event(EVENT_NODE, "agent", "", "without a record", "%s",
		      error_text(error));
}

static void
say_begin(void)
{
	char name[9];

	event_node_name(peer_self()->uuid, name);
	event(EVENT_NODE, name, "", "started", "life %016lx, %u frames and %u "
	      "slices for programs", peer_self()->incarnation, frames_left(),
	      env_table()[self_index()].quota.slices);
}

i64
agent_open(void)
{
	u32 pages = MIN(MAX(frames_left() / REGION_SHARE, REGION_PAGES_MIN),
			REGION_PAGES_MAX);
	i64 error = operations_open(pages);

	if (!error)
		error = post_open();
	if (!error)
		error = membership_open();
	if (!error)
		error = status_open();
	if (!error)
		error = publish_open();
	if (!error)
		error = front_open();
	if (!error)
		error = jobs_open();
	if (error)
		return error;
	reports_open();
	watched_open();
	error = serve_open();
	if (error)
		event(EVENT_NODE, "agent", "", "without a control interface", "%s",
		      error_text(error));
	if (!task_start(begin_on_disk, NULL))
		return -E_TABLE;
	say_begin();
	return 0;
}

void
agent_run(void)
{
	loop_run();
}
