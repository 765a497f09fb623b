// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A program that the agent keeps running: front, or an instance of a job. One that ends
// is started again, later each time it fails soon after its start, unless its status
// says that it has done what it was for (0), or cannot (STATUS_USAGE). What it printed
// stays in its log.

#include "libos/crt/log.h"
#include "libos/crt/spawn.h"

#define PROGRAM_NAME_SIZE 40u
#define PROGRAM_WHY_SIZE 104u

struct program {
	char name[PROGRAM_NAME_SIZE];	// for events
	struct child child;		// id 0: does not run
	struct frame_run log;		// count 0: not taken yet
	u64 started_ns;
	u64 retry_ns;			// pause before the next start
	u64 retry_at_ns;
	u32 restarts;
	u32 frames;			// its quota, while it runs
	u32 slices;
	bool given_up;			// it has finished, or says that another start would
					// not help
	char why[PROGRAM_WHY_SIZE];	// it does not run, or ended last
};

// Takes the log and starts the program from an image; the grant of the log is added
// to the spec's. Returns 0, or an error after which it is tried again later: `why`
// says what was missing.
must_check i64
program_spawn(struct program *program, struct spawn_spec *spec);

// Says why it could not be started, and when it will be tried again.
void
program_failed(struct program *program, const char *why);

// Looks whether it has ended; says so, and when it starts again. True: it ended now.
must_check bool
program_look(struct program *program);

// Ends it if it runs. `forget`: its log goes too.
void
program_stop(struct program *program, bool forget);

must_check bool
program_is_due(const struct program *program, u64 now);

// It has said that it is ready, or has run for so long that it should be.
must_check bool
program_is_ready(const struct program *program, u64 now);

// Frames and slices that the agent may still give; some frames it keeps for itself.
u32
programs_frames_free(void);
u32
programs_slices_free(void);

// The processor with the most free slices.
u32
programs_cpu(void);

u32
programs_restarts(void);

// Programs by number, for reports: NULL past the last.
struct program *
program_at(u32 number);
void
program_add(struct program *program);
