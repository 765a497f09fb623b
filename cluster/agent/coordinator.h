// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What nodes do for the cluster as a whole: the first record, the disks, the voters,
// the places of instances.

#include "kernel/base/types.h"

// Starts the task. False: no task is free.
must_check bool
coordinator_start(void);

// Is this node the one that proposes changes: the live member with the lowest UUID,
// where a majority of voters lives?
bool
coordinator_is_self(void);

// Why not all instances of a job have a place, or one does not run where it has; NULL
// when all is well, or this node does not know. It may lie in `text`.
#define COORDINATOR_WHY 128u

const char *
coordinator_why(const char *job, char text[COORDINATOR_WHY]);
