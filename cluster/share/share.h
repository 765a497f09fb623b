// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A job's shared memory (dsm/map) in a cluster: the other instances are those of the
// same job that the agent's view shows, on other nodes and on this one.

#include "cluster/view/view.h"
#include "dsm/map/dsm.h"

struct share {
	const volatile struct view *view;	// of ROLE_VIEW, mapped
	u32 job;				// its id
	u16 number;				// of this instance
	struct view copy;
};

// Maps the view that the agent granted. Returns 0 or an error, -E_ABSENT without one.
must_check i64
share_view(struct share *share);

// Fills in who there is, the number and the service; the rest of *config is the
// caller's. *share stays as long as the region.
void
share_config(struct share *share, struct dsm_config *config);

// Whether this node may decide who is a member of a region.
must_check bool
share_decides(const struct view *view);

// A dsm_finder.
u32
share_find(void *context, struct dsm_peer peer[DSM_MEMBERS_MAX], bool *decides);
