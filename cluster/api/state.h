// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the API tells, as its host sees it at one moment, and the functions that write
// it as JSON. They are pure: the same state gives the same text.
//
// The view says who is there and what runs; the record what is wanted. What neither
// holds (reasons, what is free) stands here. docs/api.md names the fields.

#include "cluster/api/watch.h"
#include "cluster/record/record.h"
#include "cluster/view/view.h"
#include "kernel/abi/caps.h"

// What is known of a member besides the view. Times are nanoseconds ago.
struct api_node {
	const char *reason;	// why it is alive, suspect or dead
	u64 since_ns;		// in this life
	u64 heard_ns;		// its last message; 0: it is this node, or none came
	u64 blocks_free;
	u64 objects, objects_fine;	// it is to hold; has found whole
	u64 blocks_bad, blocks_mended;
	u32 frames_free, frames_jobs;
	u16 slices_free, slices_jobs;
	u32 restarts;
	bool told;		// its status has come: the numbers above hold
};

// What the agent that answers has sent to others and heard of them. cluster/agent counts
// them (message.h).
struct api_messages {
	u64 sent, received, asked, timed_out, retried, expired, dropped, strangers;
	u64 waiting, open;	// parts, now
};

struct api_state {
	const struct view *view;
	const struct record *record;		// NULL: there is none yet
	const char *reason;			// why no change is possible; "": it is
	u16 coordinator;			// index in view->member[], or VIEW_NONE
	struct api_node node[VIEW_MEMBERS_MAX];	// as view->member[]
	const struct api_tables *tables;	// of this node (watch.h)
	struct api_messages messages;		// of its agent
	const char *job_reason[RECORD_JOBS];	// as record->job[]: why not all of its
						// instances have a place; "" or NULL
};

void
api_show_status(struct json *json, const struct api_state *state);
void
api_show_nodes(struct json *json, const struct api_state *state);
void
api_show_jobs(struct json *json, const struct api_state *state);
void
api_show_view(struct json *json, const struct view *view);

// The routes themselves.
void
api_show_index(struct json *json);

// The member that a person means: by its address, or the first digits of its UUID, at
// least API_DIGITS_MIN and of no other member. VIEW_NONE: none, or several.
#define API_DIGITS_MIN 4u

u16
api_find_node(const struct view *view, const char *name);

// Instances of a job that run, and how many are wanted of it now.
struct api_counts {
	u32 wanted;
	u32 running, starting, draining;
};

struct api_counts
api_count_job(const struct api_state *state, const struct record_job *job);

// ---- what a node is asked for when somebody wants to know. Lists are begun, get
// their elements, and are ended; an element that finds no room any more gives false,
// and the list will say that it is truncated.

struct api_event {
	u64 number, epoch;
	u64 ago_ns;
	const char *kind, *who, *from, *to, *why;
};

void
api_show_events_begin(struct json *json, const u8 node[16]);
bool
api_show_event(struct json *json, const struct api_event *event);

// What one program printed, newest last; any bytes.
struct api_log {
	const u8 *node;		// UUID
	const char *program;
	u16 number;		// of the instance
	const char *text;
	u32 len;
};

void
api_show_logs_begin(struct json *json);
bool
api_show_log(struct json *json, const struct api_log *log, u32 lines);

// A node that did not answer, with the reason.
bool
api_show_no_log(struct json *json, const u8 node[16], const char *reason);

struct api_cap {
	const char *program;
	u32 environment;
	u32 slot;
	struct cap_info info;
};

void
api_show_caps_begin(struct json *json, const u8 node[16]);
bool
api_show_cap(struct json *json, const struct api_cap *cap);

// Ends events or logs.
void
api_show_list_end(struct json *json);

// Ends a list of which there are pages: `next` is what to ask for the rest with, 0: there
// is none.
void
api_show_page_end(struct json *json, u32 next);
