// SPDX-License-Identifier: BSD-2-Clause
// Instances of a job, out of the view. Who is suspected still counts: a member that
// comes back is cheaper than a group that changes twice. A node decides about the
// group only while it reaches more than half of the voters, so of two halves of a cluster
// one goes on. Sessions tell that sooner than membership does, which gives up one node
// after another: whoever is cut off would leave out the first of them meanwhile.

#include "cluster/share/share.h"
#include "cluster/agent/message.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/mem/layout.h"
#include "libos/mem/map.h"

STATIC_ASSERT(VIEW_LINK_SELF == FABRIC_NODE_SELF);

static bool
is_other(const struct share *share, const struct view_instance *in)
{
	const struct view *v = &share->copy;
	const struct view_member *member = &v->member[in->member];

	return v->job[in->job].id == share->job && in->number != share->number &&
	       in->number < DSM_MEMBERS_MAX && member->life != VIEW_DEAD;
}

static bool
is_reached(const struct view_member *member)
{
	return member->life != VIEW_DEAD &&
	       (member->link == VIEW_LINK_SELF ||
		(member->link < FABRIC_LINKS_MAX &&
		 link_table()[member->link].state == FABRIC_LINK_UP));
}

bool
share_decides(const struct view *v)
{
	u32 voters = 0, reached = 0;

	for (u32 i = 0; i < v->member_count; i++) {
		voters += v->member[i].is_voter;
		reached += v->member[i].is_voter && is_reached(&v->member[i]);
	}
	return v->has_majority && reached * 2 > voters;	// no voters: no record yet
}

u32
share_find(void *context, struct dsm_peer peer[DSM_MEMBERS_MAX], bool *decides)
{
	struct share *share = context;
	const struct view *v = &share->copy;
	static struct view fresh;	// a program has one region
	u32 count = 0;

	// With a view that keeps changing, what the last copy said stays in force.
	if (view_copy(&fresh, share->view))
		memcpy(&share->copy, &fresh, sizeof(fresh));
	for (u32 i = 0; i < v->instance_count; i++) {
		const struct view_instance *in = &v->instance[i];

		if (!is_other(share, in) || count == DSM_MEMBERS_MAX)
			continue;
		peer[count++] = (struct dsm_peer){
			.link = v->member[in->member].link,
			.number = in->number,
			.environment = in->environment,
			.runs = true,
		};
	}
	*decides = share_decides(v);
	return count;
}

i64
share_view(struct share *share)
{
	u32 slot = startup_slot(ROLE_VIEW);
	struct frame_run run;
	i64 error = slot == SLOT_NONE ? -E_ABSENT : run_of_slot(slot, &run);

	if (!error)
		error = map_direct(&run, PROT_READ);
	if (!error)
		share->view = direct_address(run.frame);
	return error;
}

void
share_config(struct share *share, struct dsm_config *config)
{
	config->find = share_find;
	config->find_context = share;
	config->find_word = &share->view->version;
	config->number = share->number;
	config->service = JOB_SERVICE(share->job, 0);
}
