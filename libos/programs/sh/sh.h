// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The shell on the node's console. main.c reads lines, commands.c finds what a
// line means, jobs.c runs programs, tables.c shows the kernel's tables, trace.c
// its trace.

#include "libos/crt/spawn.h"
#include "libos/io/wait.h"

#define JOBS_MAX 16u
#define STAGES_MAX 6u			// programs of one pipeline

// One command line that runs: a program, or several joined by pipes.
struct batch {
	u32 running;			// jobs of it; 0: free entry
	u32 pipe_count;
	struct frame_run pipe[STAGES_MAX - 1];
	bool foreground;
	bool timed;
	u64 began_ns;
	u64 cpu_ns;			// of the jobs that ended
};

struct job {
	struct child child;
	struct batch *batch;
	bool last;			// of its pipeline: its status counts
	char name[ENV_NAME_SIZE];
};

extern struct job jobs[JOBS_MAX];	// child.id 0: free entry
extern struct archive boot_archive;

// Runs one line, which is split in place. Says on the console what was wrong.
void
command_run(char *text);

// Starts programs with arguments, names first, joined by pipes where a word is `|`.
// Prints why not, or, in the background, the id of each. With `timed`, the time that
// they took is printed in the end.
void
pipeline_start(int argc, char **argv, bool background, bool timed);

// Starts one program of a batch, between two pipes (NULL: none). Returns its id, or 0
// and prints why not.
must_check u32
job_start(struct batch *batch, int argc, char **argv, const struct frame_run *in,
	  const struct frame_run *out);

// Ends all jobs of a batch.
void
batch_kill(struct batch *batch);

// A job of the batch has ended, or was ended: when it was the last, what the batch
// held is given back.
void
batch_ended_one(struct batch *batch);

// Sets what job_last_status() says.
void
job_set_status(u32 status);

// Ends a child of the shell by its id, on the user's wish.
void
job_kill(u32 id);

// Ends the foreground job, if there is one.
void
job_interrupt(void);

// The exit status of the last program that ran in the foreground; what stands for
// it where there was none, as in other shells.
u32
job_last_status(void);

// Is a job in the foreground?
bool
job_in_foreground(void);

// Takes back what ended jobs held and says how they ended; *set gains the words
// of those that run. Returns how many ended.
u32
jobs_look(struct wait_set *set);

// The shell's slot for one of its children, or SLOT_NONE.
u32
job_slot(u32 id);

// The commands that show things. `argc` counts the command's own name.
void
show_programs(int argc, char **argv);
void
show_envs(int argc, char **argv);
void
show_frames(int argc, char **argv);
void
show_slices(int argc, char **argv);
void
show_rings(int argc, char **argv);
void
show_caps(int argc, char **argv);
void
show_links(int argc, char **argv);
void
show_memory(int argc, char **argv);
void
show_trace(int argc, char **argv);
void
show_uptime(int argc, char **argv);
