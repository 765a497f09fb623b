// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The view (cluster/view/view.h), written from what the parts of the agent know, and
// read by the parts themselves when they want it all in one piece.

#include "cluster/view/view.h"
#include "libos/crt/spawn.h"

// Maps the pages that init gave. Returns 0 or an error.
must_check i64
publish_open(void);

// The view as it stands; its `version` counts changes. Changes only in the loop.
const struct view *
view_now(void);

// A grant of the view, for programs that the agent starts.
struct spawn_grant
publish_grant(void);
