// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The record on this node: the newest that is known, and the way to change it. The
// register's rules are cluster/agree's; its state lies on the disk of a voter before
// a voter answers.

#include "cluster/agree/agree.h"

// The newest record that this node has learned; NULL before there is one. It changes
// under tasks that wait.
const struct record *
record_now(void);

// True when members that are not dead are a majority of the record's voters.
bool
record_has_majority(void);

// Waits: reads the newest record from a majority, has `change` change it, and has a
// majority accept that. `change` may run more than once, each time on the newest
// record. Returns NULL when it is agreed, else a sentence for people: the change's
// own, or why no majority took it.
must_check const char *
record_change(agree_change change, void *argument);
