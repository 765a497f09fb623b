// SPDX-License-Identifier: BSD-2-Clause
// The region of the web server's instances: who they are follows from the view. Its
// page of counters is published, so it outlives any one of them; the directory's pages
// are hints, and begin anew where they are lost.

#include "cluster/programs/web/shared.h"
#include "cluster/share/share.h"
#include "dsm/map/dsm.h"
#include "kernel/base/assert.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"

// What was published of a lost page is what was shown of it: enough to go on.
static enum dsm_lost
on_lost(void *context, u64 address, u32 version)
{
	(void)context;
	(void)address;
	(void)version;
	return DSM_LOST_GOES_ON;
}

static void
on_grant(void *context, const struct fabric_complete *complete)
{
	job_granted(context, complete);
}

static bool
is_peer(const struct job *job, const struct view_instance *in)
{
	const struct view *view = &job->view;

	return view->job[in->job].id == job->id && in->number != job->number &&
	       in->number < DSM_MEMBERS_MAX && in->member != view->self &&
	       view->member[in->member].life != VIEW_DEAD;
}

// The other instances of the job, as of the last copy of the view.
static u32
find(void *context, struct dsm_peer peer[DSM_MEMBERS_MAX], bool *decides)
{
	const struct job *job = context;
	u32 count = 0;

	*decides = share_decides(&job->view);
	for (u32 i = 0; i < job->view.instance_count; i++) {
		const struct view_instance *in = &job->view.instance[i];

		if (!is_peer(job, in) || count == DSM_MEMBERS_MAX)
			continue;
		peer[count++] = (struct dsm_peer){
			.link = job->view.member[in->member].link,
			.number = in->number,
			.environment = in->environment,
			.runs = true,
		};
	}
	return count;
}

i64
shared_open(struct job *job)
{
	const struct startup_cap *fabric = startup_find(ROLE_FABRIC, 0);
	struct dsm_config config = {
		.find = find,
		.find_word = &job->view_seen,
		.find_context = job,
		.number = job->number,
		.pages = SHARED_PAGES,
		.flags = DSM_PUBLISHED,
		.on_lost = on_lost,
		.on_grant = on_grant,
		.grant_context = job,
	};

	if (!fabric)
		return -E_ABSENT;
	if (job->number >= DSM_MEMBERS_MAX)
		return -E_RANGE;
	config.fabric_slot = fabric->slot;
	config.service = fabric->base;
	return dsm_open(&config);
}

void *
shared_get(u64 offset, u64 len, bool write)
{
	void *at = (void *)(DSM_BASE + offset);
	i64 got = dsm_ready(at, len, write);

	if (got == -E_DEVICE)
		got = dsm_reset(0, at);
	return got == DSM_HERE ? at : NULL;
}

void
shared_publish_begin(void)
{
	i64 error = dsm_publish_begin((const void *)DSM_BASE);

	ASSERT(!error);
}

i64
shared_publish(u64 len)
{
	return dsm_publish_ready((const void *)DSM_BASE, len);
}

void
shared_poll(void)
{
	dsm_poll();
}

void
shared_watch(struct wait_set *set)
{
	dsm_watch(set);
}
