// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// How many requests each node's instance of the job has answered, in memory that the
// instances share (dsm/map): a row a node, all in one page.
//
// What is shown was first written through to another node: who shows takes the page,
// adds its own, publishes all rows, and shows what it published. So no number that
// anybody saw is ever seen smaller again, whichever one node dies; and an instance
// that starts anew goes on from what is stored. What an instance counted since it
// last added, half a second at most, goes with it. Who is cut off from all others has
// nothing that it may show: what it has may be old.

#include "cluster/programs/web/job.h"
#include "libos/io/wait.h"

#define COUNTERS_TEXT_MAX 8192u
#define COUNTERS_PATH "/_deos/counters"

#define COUNTERS_ROWS 64u

// A node's row. An all-zero UUID: free.
struct counters_row {
	u8 uuid[16];
	u64 requests;
};

enum counters_stage {
	COUNTERS_IDLE,
	COUNTERS_ADDS,		// wants the page
	COUNTERS_PUBLISHES,
};

struct counters {
	const struct job *job;
	bool is_open;		// the region is
	// Rounds: add, publish, show. A question is answered by one that begins after it.
	u32 round;		// the last that has begun: its rows are added
	u32 asked;		// the last that somebody waits for
	u8 uuid[16];		// of this node
	enum counters_stage stage;
	u64 added;		// of the requests here, in the region
	u64 next_ns;		// when to add again
	u64 give_up_ns;		// when who waits is told that it failed
	struct counters_row row[COUNTERS_ROWS];	// as they are published
	struct counters_row own[COUNTERS_ROWS];	// without the region
	u32 text_len;
	char text[COUNTERS_TEXT_MAX];
};

// Opens the region. Without it the instance shows its own counter alone.
void
counters_open(struct counters *counters, struct job *job);

// Somebody wants a text. Returns the round whose text answers.
u32
counters_want(struct counters *counters, u64 now_ns);

enum counters_news {
	COUNTERS_NONE,
	COUNTERS_TEXT,		// counters.text is for who waits for `round`, or earlier
	COUNTERS_FAILED,	// all who wait are to be told that it failed
};

// What a text shows of this instance besides.
struct counters_shown {
	const struct content_counters *cache;
	u64 generation;
	u64 entered;		// entries that it made in the directory
};

// Goes on. `requests` are those that were answered here since the start.
must_check enum counters_news
counters_run(struct counters *counters, u64 now_ns, u64 requests,
	     const struct counters_shown *shown);

void
counters_watch(const struct counters *counters, struct wait_set *set);
