// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What happened on this node, newest EVENTS_MAX of it: who or what changed from what
// to what, why, and in which epoch of membership. For `deosctl events`; each is a line
// of the console as well, unless it says that it is quiet.

#include "kernel/base/types.h"

#define EVENTS_MAX 192u

enum event_kind {
#define X(name, word) EVENT_##name,
#include "cluster/agent/events.def"
#undef X
	EVENT_KINDS
};

struct event {
	u64 number;		// counts on from 1, in this life of the agent
	u64 at_ns;		// since boot
	u64 epoch;
	u32 kind;		// enum event_kind
	u32 reserved;
	char who[40];
	char from[24];		// "" when there was nothing
	char to[24];
	char why[104];
};

// The clock of what is alive goes with every event from now on.
void
events_epoch(u64 epoch);

// Tells of a change. `why` is a format, "" for no reason.
void
event(enum event_kind kind, const char *who, const char *from, const char *to,
      const char *why, ...) printf_like(5, 6);

// The same without a line of the console.
void
event_quiet(enum event_kind kind, const char *who, const char *from, const char *to,
	    const char *why, ...) printf_like(5, 6);

const char *
event_word(u32 kind);

// Copies events with numbers above `since`, oldest first, up to `max`.
u32
events_read(u64 since, struct event *events, u32 max);

// The first 8 digits of a UUID: as names of nodes stand in events.
void
event_node_name(const u8 uuid[16], char name[9]);
