// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The memory that the job's instances share (dsm/map), as the web server uses it: one
// page for the counters. Nothing here waits.

#include "cluster/programs/web/job.h"

// Returns 0 or an error.
must_check i64
shared_open(const struct job *job);

// The page, for `len` bytes to be written at once; NULL: it is not here yet. What was
// lost of it with a node is as it was published last.
void *
shared_page(u64 len);

// Publishes the first `len` bytes, as they are at the first call after shared_page().
// 1: another node has them; 0: not yet; -E_ABSENT: there is no other node.
must_check i64
shared_publish(u64 len);

void
shared_poll(void);

void
shared_watch(struct wait_set *set);
