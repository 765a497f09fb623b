// SPDX-License-Identifier: BSD-2-Clause
// Pipelines: programs of one command line, each reading what the one before writes.
// The shell makes the pipes and holds both ends of each until all programs are there:
// a program that looks for its other side too early must not find nobody.
//
// Invariant L1: a batch holds its pipes' frames exactly while a job of it runs.

#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/process/pipe.h"
#include "libos/programs/sh/sh.h"
#include "libos/text/text.h"

#define STATUS_NOT_STARTED 127u

static struct batch batches[JOBS_MAX];

struct stage {
	int argc;
	char **argv;
};

static u64
self(void)
{
	return pipe_holder(self_index(), env_table()[self_index()].id);
}

static struct pipe *
pipe_of(const struct frame_run *run)
{
	return direct_address(run->frame);
}

void
batch_ended_one(struct batch *batch)
{
	u64 us = (now_ns() - batch->began_ns) / NS_PER_US;
	u64 cpu_us;

	ASSERT(batch->running > 0);
	if (--batch->running > 0)
		return;
	for (u32 i = 0; i < batch->pipe_count; i++)
		cap_drop_all(batch->pipe[i].slot);
	cpu_us = batch->cpu_ns / NS_PER_US;
	if (batch->timed)
		print("time: %lu.%03lu ms, processor %lu.%03lu ms\n", us / 1000,
		      us % 1000, cpu_us / 1000, cpu_us % 1000);
	*batch = (struct batch){ 0 };
}

// Splits the words at the pipes. Returns the number of stages, 0 when one is empty or
// they are too many.
static u32
split(int argc, char **argv, struct stage stages[STAGES_MAX])
{
	u32 count = 1;

	stages[0] = (struct stage){ 0, argv };
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "|")) {
			stages[count - 1].argc++;
			continue;
		}
		if (count == STAGES_MAX || !stages[count - 1].argc)
			return 0;
		stages[count++] = (struct stage){ 0, argv + i + 1 };
	}
	return stages[count - 1].argc ? count : 0;
}

// One pipe, whose frames come and go with it.
static i64
make_pipe(struct frame_run *run)
{
	i64 slot = sys_frame_alloc(FRAME_ANY, PIPE_FRAMES);
	i64 error;

	if (slot < 0)
		return slot;
	error = run_of_slot((u32)slot, run);
	if (!error)
		error = map_direct(run, PROT_READ | PROT_WRITE);
	if (error) {
		cap_drop_all((u32)slot);
		return error;
	}
	// It has room for its first holder.
	ASSERT(pipe_hold(&pipe_of(run)->reader, self()));
	ASSERT(pipe_hold(&pipe_of(run)->writer, self()));
	return 0;
}

static i64
make_pipes(struct batch *batch, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		i64 error = make_pipe(&batch->pipe[i]);

		if (error)
			return error;
		batch->pipe_count++;
	}
	return 0;
}

// What a job does not hold yet when it has only just begun, the shell says for it.
static void
hold_for(struct batch *batch, u32 stage, u32 id)
{
	for (u32 i = 0; i < JOBS_MAX; i++) {
		const struct child *child = &jobs[i].child;
		u64 holder = pipe_holder(child->index, child->id);
		bool room = true;

		if (child->id != id)
			continue;
		if (stage > 0)
			room = pipe_hold(&pipe_of(&batch->pipe[stage - 1])->reader,
					 holder);
		if (room && stage < batch->pipe_count)
			room = pipe_hold(&pipe_of(&batch->pipe[stage])->writer,
					 holder);
		ASSERT(room);
	}
}

static void
let_go(struct pipe_end *end)
{
	pipe_release(end, self());
	sys_wake(&end->closes);
}

static bool
start_stages(struct batch *batch, const struct stage *stages, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		u32 id = job_start(batch, stages[i].argc, stages[i].argv,
				   i > 0 ? &batch->pipe[i - 1] : NULL,
				   i + 1 < count ? &batch->pipe[i] : NULL);

		if (!id)
			return false;
		hold_for(batch, i, id);
	}
	for (u32 i = 0; i < batch->pipe_count; i++) {
		let_go(&pipe_of(&batch->pipe[i])->reader);
		let_go(&pipe_of(&batch->pipe[i])->writer);
	}
	return true;
}

// Nothing of it runs: what it held is given back.
static void
give_up(struct batch *batch)
{
	batch->timed = false;
	batch->running++;		// the last to go is this function
	batch_kill(batch);
	batch_ended_one(batch);
	job_set_status(STATUS_NOT_STARTED);
}

void
pipeline_start(int argc, char **argv, bool background, bool timed)
{
	struct stage stages[STAGES_MAX];
	u32 count = split(argc, argv, stages);
	struct batch *batch = batches;
	i64 error;

	job_set_status(STATUS_NOT_STARTED);
	if (!count) {
		print("sh: a pipe joins two programs, and at most %u\n",
		      STAGES_MAX);
		return;
	}
	// A batch has a job, and jobs are as many.
	while (batch->running && batch < batches + JOBS_MAX - 1)
		batch++;
	if (batch->running) {
		print("sh: %u programs run already; kill one first\n", JOBS_MAX);
		return;
	}
	*batch = (struct batch){
		.foreground = !background,
		.timed = timed,
		.began_ns = now_ns(),
	};
	error = make_pipes(batch, count - 1);
	if (error)
		print("sh: no pipe: %s\n", error_text(error));
	if (error || !start_stages(batch, stages, count))
		give_up(batch);
}
