// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A deployment: a stream of bytes becomes objects on two nodes' disks each, a
// manifest, and a change of the record. One at a time on a node. Whoever has the
// connection feeds it, from the loop (nothing here waits but the deployment's own
// tasks); the old site is served until the record has changed, and whatever goes wrong
// before leaves nothing behind.
//
//	error = deploy_begin_site();		// NULL, or why not
//	taken = deploy_feed(bytes, len);	// 0: full, or it has ended; look at state
//	deploy_finish();			// the body is whole
//	deploy_report(&report);			// RUNNING, DONE or FAILED
//	deploy_release();			// the report is read: another may begin
//	deploy_abort();				// instead: the connection broke off
//
// deploy_changes() counts whenever room or state have changed.

#include "cluster/record/record.h"

#define DEPLOY_PAGES 64u		// of the agent's region, while it runs
#define DEPLOY_BUFFER (128u * KIB)	// fed and not yet looked at

enum deploy_state {
	DEPLOY_IDLE,
	DEPLOY_RUNNING,
	DEPLOY_DONE,
	DEPLOY_FAILED,
};

struct deploy_report {
	u32 state;		// enum deploy_state
	u32 files;		// that came so far
	u64 bytes;		// of their content
	u64 generation;		// DONE, a site: the new one
	u32 job;		// DONE, a job: its id
	u32 retry;		// FAILED: for a reason that may pass (503, not 4xx)
	const char *sentence;	// FAILED: why. RUNNING: what it does
};

// A site: what is fed is a bundle (libos/store/bundle.h).
must_check const char *
deploy_begin_site(void);

// A job: what is fed is its image, `bytes` long. `image` of *job is not looked at;
// its strings are copied.
must_check const char *
deploy_begin_job(const struct record_new_job *job, u64 bytes);

// What the record names with one copy only gets two: nobody feeds it, and it releases
// itself.
must_check const char *
deploy_begin_copies(void);

// Takes what fits; returns how much.
u32
deploy_feed(const void *bytes, u32 len);

// What deploy_feed() would take now.
u32
deploy_room(void);

void
deploy_finish(void);

// Whoever fed is gone: nobody reads a report. It ends by itself, and is then released;
// what is being committed at this moment may still be.
void
deploy_abort(void);

void
deploy_report(struct deploy_report *report);
void
deploy_release(void);

u32
deploy_changes(void);
