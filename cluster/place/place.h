// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Where the instances of counted jobs run: a pure function of the record and the
// members. The same input gives the same answer everywhere.
//
//	sticky	an instance stays where it is while that node is not dead and has room
//	fits	a node has frames and slices for all that is placed on it
//	spread	a new place is the node with the fewest instances of that job, then
//		with the fewest in all, then with the most frames left, then the
//		lowest UUID
//
// Jobs that run on every node take their room first; then jobs in the order of their
// ids, instances in the order of their numbers. One that fits nowhere is placed
// nowhere, with a reason.

#include "cluster/record/record.h"

#define PLACE_MEMBERS 64u
#define PLACE_NONE 0xffu

struct place_member {
	u8 uuid[RECORD_UUID];
	bool dead;
	u32 frames, slices;	// for jobs in all: what is free and what instances have
};

enum place_reason {
	PLACE_FINE,
#define X(name, sentence) PLACE_##name,
#include "cluster/place/reasons.def"
#undef X
	PLACE_REASON_COUNT
};

struct place_job {
	u32 id;
	u16 placed;		// instances that have a place, of those wanted
	u8 reason;		// enum place_reason: why not all of them
	u8 member[RECORD_INSTANCES];	// index in the members, or PLACE_NONE
};

struct place {
	u32 changes;		// instances whose place is another one than in the record
	u32 job_count;		// as in the record, in its order
	struct place_job job[RECORD_JOBS];
};

// Members in any order, each UUID once, at most PLACE_MEMBERS.
void
place_jobs(struct place *place, const struct record *record,
	   const struct place_member *member, u32 members);

// A change for the register: makes the record say what `place` says of the jobs that
// it still has. With an error it is half made: the record is to be dropped.
must_check enum record_error
place_apply(const struct place *place, const struct place_member *member, u32 members,
	    struct record *record);

const char *
place_sentence(enum place_reason reason);
