// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What one agent tells another of its node's fabric: rows of the kernel's exported
// tables, as they are there. Questions and answers of MESSAGE_FABRIC; what does not fit
// into one answer is asked for again from `next` on. rows.h is between builds.

#include "cluster/agent/message.h"
#include "kernel/abi/tables.h"

enum fabric_what {
	FABRIC_ASK_INFO,
	FABRIC_ASK_LINKS,	// in the order of enum api_list
	FABRIC_ASK_EXPORTS,
	FABRIC_ASK_HELD,
	FABRIC_ASK_TRACE,	// `next` is the number of an event
};

struct fabric_question {
	u64 next;		// 0 at first
	u32 what;		// enum fabric_what
	u16 abi;		// of the asker's build; 0: not told
	u16 row_size;		// and of its rows
};

struct fabric_row_link {
	u32 index;
	u32 reserved;
	struct fabric_link link;
	struct fabric_counts counts;
};

struct fabric_row_export {
	u32 slot;
	u32 reserved;
	struct fabric_export export;
};

struct fabric_row_held {
	u32 index;
	u32 reserved;
	struct fabric_held held;
};

#define FABRIC_ROOM (MESSAGE_MAX - 32u)
#define FABRIC_ROWS(structure) (FABRIC_ROOM / sizeof(struct structure))

struct fabric_answer {
	u64 now_ns;		// of that node's clock
	u64 next;		// 0: these were the last
	u64 first;		// TRACE: number of the first event here
	u32 count;
	u16 abi;		// of this answer's rows
	u16 row_size;
	union {
		struct fabric_info info;
		struct fabric_row_link link[FABRIC_ROWS(fabric_row_link)];
		struct fabric_row_export export[FABRIC_ROWS(fabric_row_export)];
		struct fabric_row_held held[FABRIC_ROWS(fabric_row_held)];
		struct trace_event event[FABRIC_ROWS(trace_event)];
	} row;
};

STATIC_ASSERT(sizeof(struct fabric_answer) <= MESSAGE_MAX);

static inline u32
fabric_row_size(enum fabric_what what)
{
	switch (what) {
	case FABRIC_ASK_INFO:
		return sizeof(struct fabric_info);
	case FABRIC_ASK_LINKS:
		return sizeof(struct fabric_row_link);
	case FABRIC_ASK_EXPORTS:
		return sizeof(struct fabric_row_export);
	case FABRIC_ASK_HELD:
		return sizeof(struct fabric_row_held);
	default:
		return sizeof(struct trace_event);
	}
}

static inline u32
fabric_rows_max(enum fabric_what what)
{
	return what == FABRIC_ASK_INFO ? 1 : FABRIC_ROOM / fabric_row_size(what);
}

// Registers the kind.
void
watched_open(void);
