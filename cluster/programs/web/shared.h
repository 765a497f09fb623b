// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The memory that the job's instances share (dsm/map), as the web server uses it: a
// page for the counters, then those of the directory. Nothing here waits.

#include "cluster/programs/web/directory.h"

#define SHARED_PAGES (1u + DIRECTORY_PAGES)

// Returns 0 or an error.
must_check i64
shared_open(struct job *job);

// `len` bytes of the region, within one page, to be read or written at once; NULL:
// they are not here yet. What was lost with a node is as it was published last.
void *
shared_get(u64 offset, u64 len, bool write);

// Publishes the first `len` bytes as they are at shared_publish_begin(), right behind the
// stores. 1: another node has them; 0: not yet; -E_ABSENT: there is no other node;
// -E_STATE: the page has gone meanwhile, perhaps without the stores.
void
shared_publish_begin(void);
must_check i64
shared_publish(u64 len);

void
shared_poll(void);

void
shared_watch(struct wait_set *set);
