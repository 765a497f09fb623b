// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What one agent tells another when a person wants to know: its events, what its
// programs printed, which capabilities they hold. Questions and answers of
// MESSAGE_EVENTS, MESSAGE_LOGS, MESSAGE_CAPS; what does not fit into one answer is
// asked for again from `next` on. Structures travel as they are.

#include "cluster/agent/events.h"
#include "cluster/agent/message.h"
#include "cluster/agent/program.h"
#include "kernel/abi/caps.h"

struct events_question {
	u64 since;		// numbers above it
};

#define REPORT_EVENTS ((MESSAGE_MAX - 16) / sizeof(struct event))

struct events_answer {
	u64 now_ns;		// of that node's clock
	u32 count;
	u32 reserved;
	struct event event[REPORT_EVENTS];
};

// Programs are the agent itself, front, and instances of jobs.
struct logs_question {
	char name[24];		// of a job, "agent", "front"; "": all of the node
	u32 next;		// 0 at first
};

struct logs_answer {
	u32 next;		// 0: this was the last
	u32 found;		// 0: there is none (any more), the rest is nothing
	u32 number;		// of the instance
	u32 len;
	char program[PROGRAM_NAME_SIZE];
	char text[LOG_BYTES];	// len bytes of it travel
};

struct caps_question {
	u32 next;		// 0 at first
};

struct caps_entry {
	char program[PROGRAM_NAME_SIZE];
	u32 environment;
	u32 slot;
	struct cap_info info;
};

#define REPORT_CAPS ((MESSAGE_MAX - 8) / sizeof(struct caps_entry))

struct caps_answer {
	u32 next;		// 0: these were the last
	u32 count;
	struct caps_entry entry[REPORT_CAPS];
};

STATIC_ASSERT(sizeof(struct events_answer) <= MESSAGE_MAX);
STATIC_ASSERT(sizeof(struct logs_answer) <= MESSAGE_MAX);
STATIC_ASSERT(sizeof(struct caps_answer) <= MESSAGE_MAX);

// Registers the three kinds.
void
reports_open(void);
