// SPDX-License-Identifier: BSD-2-Clause
// What the web server needs as a job: its view, its cache, its queues.
//
// Half of the frames that are free at the start become the cache: one run, which is
// the region of the block queue, the fabric queue and the packet ring alike, so a
// block is read into the frame that it is sent from.

#include "cluster/programs/web/directory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define CACHE_PAGES_MAX 65536u		// 256 MiB
#define VIEW_TRIES 1000u		// a millisecond each

static void
must(i64 error, const char *what)
{
	if (!error)
		return;
	print("web: %s: %s\n", what, error_text(error));
	sys_env_exit(error == -E_ABSENT ? STATUS_USAGE : STATUS_FAILED);
}

static void
open_view(struct job *job)
{
	u32 slot = startup_slot(ROLE_VIEW);
	struct frame_run run;

	must(slot == SLOT_NONE ? -E_ABSENT : 0, "the cluster's view");
	must(run_of_slot(slot, &run), "the cluster's view");
	must(run.count < VIEW_PAGES ? -E_RANGE : 0, "the cluster's view");
	must(map_direct(&run, PROT_READ), "the cluster's view");
	job->shared = direct_address(run.frame);
}

// Takes the largest run that there is, up to `pages`.
static void
take_cache(struct job *job, u32 pages)
{
	i64 error;

	for (;;) {
		error = frames_take(pages, &job->region);
		if (!error || pages < CONTENT_BLOCKS_MIN + JOB_MESSAGE_PAGES)
			break;
		pages -= MAX(pages / 8, 1u);
	}
	must(error, "memory for the cache");
}

static void
open_cache(struct job *job)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u64 free = self->quota.frames - self->used.frames;
	u32 pages = (u32)MIN(free / 2, CACHE_PAGES_MAX), blocks;
	u64 table;

	take_cache(job, MAX(pages, CONTENT_BLOCKS_MIN + JOB_MESSAGE_PAGES));
	blocks = (u32)job->region.count - JOB_MESSAGE_PAGES;
	table = ALIGN_UP(content_memory_needed(blocks), PAGE_SIZE) / PAGE_SIZE;
	must(frames_take((u32)table, &job->table), "memory for the cache's table");
	memset(direct_address(job->table.frame), 0, table * PAGE_SIZE);
	content_init(&job->content, direct_address(job->table.frame),
		     direct_address(job->region.frame + JOB_MESSAGE_PAGES), blocks,
		     job->number);
}

void
job_open(struct job *job)
{
	u32 fabric = startup_slot(ROLE_FABRIC);

	job->view_seen = 1;		// no version of a copy: job_run() takes one
	open_view(job);
	for (u32 i = 0; !view_copy(&job->view, job->shared); i++) {
		struct wait_set set;

		must(i == VIEW_TRIES ? -E_STATE : 0, "the cluster's view");
		wait_begin(&set);
		wait_until(&set, now_ns() + NS_PER_MS);
		wait_sleep(&set);
	}
	open_cache(job);
	if (fabric != SLOT_NONE) {
		must(fabric_open(&job->fabric, fabric, &job->region),
		     "the fabric queue");
		job->has_fabric = true;
	}
	must(reader_open(&job->reader, &job->content, startup_slot(ROLE_BLOCKS),
			 job->has_fabric ? &job->fabric : NULL, &job->region),
	     "the block queue");
}

static void
take_completions(struct job *job, u64 now_ns)
{
	struct fabric_complete complete;

	while (job->has_fabric && fabric_take(&job->fabric, &complete)) {
		bool known = reader_complete(&job->reader, &complete) ||
			     nodes_complete(job, &complete) ||
			     directory_complete(job->directory, &complete, now_ns);

		ASSERT(known);
	}
	nodes_refused(job, reader_refused(&job->reader));
}

bool
job_run(struct job *job, u64 now_ns)
{
	u32 version = __atomic_load_n(&job->shared->version, __ATOMIC_ACQUIRE);
	u32 links = fabric_info()->changes;
	bool changed = version != job->view_seen &&
		       view_copy(&job->view, job->shared);

	take_completions(job, now_ns);
	if (changed)
		job->view_seen = job->view.version;
	if (changed || links != job->links_seen) {
		job->links_seen = links;
		nodes_update(job);
		sites_update(job);
		directory_update(job->directory);
	}
	nodes_run(job, now_ns);
	directory_run(job->directory, now_ns);
	return changed;
}

void
job_granted(struct job *job, const struct fabric_complete *complete)
{
	if (!nodes_take(job, complete) && !directory_take(job->directory, complete))
		cap_drop_all(complete->slot);
}

void
job_flush(struct job *job)
{
	reader_run(&job->reader);
}

void
job_watch(const struct job *job, struct wait_set *set)
{
	u32 version = job->view_seen;

	if (content_has_news(&job->content) ||
	    (job->loading && !job->loading->wait.list))
		wait_until(set, 0);
	// A copy that was in the making is tried again in a moment.
	if (__atomic_load_n(&job->shared->version, __ATOMIC_ACQUIRE) != version)
		wait_until(set, now_ns() + NS_PER_MS);
	else
		wait_word_add(set, &job->shared->version, version);
	wait_word_add(set, &fabric_info()->changes, job->links_seen);
	reader_watch(&job->reader, set);
	if (job->has_fabric)
		fabric_watch(&job->fabric, set);
	directory_watch(job->directory, set);
	wait_until(set, nodes_deadline(job));
	wait_until(set, sites_deadline(job));
}
