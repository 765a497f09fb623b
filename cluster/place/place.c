// SPDX-License-Identifier: BSD-2-Clause
// Placing, in three passes over the jobs: those that run everywhere take their room,
// instances that stay take theirs, the others get what is best then. Nothing is moved
// to make room, or to spread better: an instance that runs is worth more than balance.

#include "cluster/place/place.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

// What is left of a member, and what was put there.
struct room {
	u64 frames, slices;	// may be overdrawn by jobs that run everywhere
	u32 instances;		// of all jobs
	u32 of_job;		// of the one that is being placed
};

struct work {
	const struct record *record;
	const struct place_member *member;
	u32 members;
	struct room room[PLACE_MEMBERS];
	u8 of_node[RECORD_NODES];	// the member of each node of the record
};

static const char *const sentences[PLACE_REASON_COUNT] = {
	[PLACE_FINE] = "every instance has a place",
#define X(name, sentence) [PLACE_##name] = (sentence),
#include "cluster/place/reasons.def"
#undef X
};

const char *
place_sentence(enum place_reason reason)
{
	return (u32)reason < PLACE_REASON_COUNT ? sentences[reason] : "an unknown reason";
}

static void
begin(struct work *w)
{
	for (u32 i = 0; i < w->members; i++)
		w->room[i] = (struct room){ .frames = w->member[i].frames,
					    .slices = w->member[i].slices };
	for (u32 n = 0; n < RECORD_NODES; n++) {
		w->of_node[n] = PLACE_NONE;
		for (u32 i = 0; i < w->members && n < w->record->node_count; i++) {
			if (!memcmp(w->record->node[n].uuid, w->member[i].uuid,
				    RECORD_UUID))
				w->of_node[n] = (u8)i;
		}
	}
}

static void
take(struct room *room, const struct record_job *job)
{
	room->frames -= MIN(room->frames, job->frames);
	room->slices -= MIN(room->slices, job->slices);
	room->instances++;
	room->of_job++;
}

static bool
fits(const struct work *w, u32 member, const struct record_job *job)
{
	const struct room *room = &w->room[member];

	return !w->member[member].dead && room->frames >= job->frames &&
	       room->slices >= job->slices;
}

// Is the first a better place than the second?
static bool
is_better(const struct work *w, u32 a, u32 b)
{
	const struct room *x = &w->room[a], *y = &w->room[b];

	if (x->of_job != y->of_job)
		return x->of_job < y->of_job;
	if (x->instances != y->instances)
		return x->instances < y->instances;
	if (x->frames != y->frames)
		return x->frames > y->frames;
	return memcmp(w->member[a].uuid, w->member[b].uuid, RECORD_UUID) < 0;
}

static u8
best(const struct work *w, const struct record_job *job)
{
	u8 found = PLACE_NONE;

	for (u32 i = 0; i < w->members; i++) {
		if (fits(w, i, job) && (found == PLACE_NONE || is_better(w, i, found)))
			found = (u8)i;
	}
	return found;
}

static enum place_reason
why_nowhere(const struct work *w, const struct record_job *job)
{
	bool alive = false, frames = false, slices = false;

	for (u32 i = 0; i < w->members; i++) {
		if (w->member[i].dead)
			continue;
		alive = true;
		frames = frames || w->room[i].frames >= job->frames;
		slices = slices || w->room[i].slices >= job->slices;
	}
	if (!alive)
		return PLACE_NO_MEMBER;
	if (!frames)
		return PLACE_NO_FRAMES;
	return slices ? PLACE_NO_ROOM : PLACE_NO_SLICES;
}

// Instances that stay take their room before any other job's new ones.
static void
keep(struct work *w, const struct record_job *job, struct place_job *out)
{
	for (u32 i = 0; i < RECORD_INSTANCES; i++) {
		u8 node = job->instance[i];
		u8 member = node == RECORD_NONE ? PLACE_NONE : w->of_node[node];

		out->member[i] = PLACE_NONE;
		if (job->count == RECORD_EVERY || member == PLACE_NONE ||
		    !fits(w, member, job))
			continue;
		out->member[i] = member;
		out->placed++;
		take(&w->room[member], job);
	}
}

static void
fill(struct work *w, const struct record_job *job, struct place_job *out)
{
	for (u32 i = 0; i < w->members; i++)
		w->room[i].of_job = 0;
	for (u32 i = 0; i < RECORD_INSTANCES; i++) {
		if (out->member[i] != PLACE_NONE)
			w->room[out->member[i]].of_job++;
	}
	for (u32 i = 0; i < job->count; i++) {
		if (out->member[i] != PLACE_NONE)
			continue;
		out->member[i] = best(w, job);
		if (out->member[i] == PLACE_NONE) {
			out->reason = (u8)why_nowhere(w, job);
			continue;
		}
		out->placed++;
		take(&w->room[out->member[i]], job);
	}
}

static void
place_everywhere(struct work *w, const struct record_job *job, struct place_job *out)
{
	for (u32 i = 0; i < w->members; i++) {
		if (w->member[i].dead)
			continue;
		out->placed++;
		take(&w->room[i], job);
	}
}

static u32
count_changes(const struct work *w, const struct record_job *job,
	      const struct place_job *out)
{
	u32 changes = 0;

	for (u32 i = 0; i < job->count; i++) {
		u8 node = job->instance[i];

		changes += out->member[i] != (node == RECORD_NONE ? PLACE_NONE
								  : w->of_node[node]) ||
			   (node != RECORD_NONE && w->of_node[node] == PLACE_NONE);
	}
	return changes;
}

// The job whose id comes next after `id`, or NULL. Ids begin with 1.
static const struct record_job *
next_job(const struct record *record, u32 id)
{
	const struct record_job *next = NULL;

	for (u32 i = 0; i < record->job_count; i++) {
		const struct record_job *job = &record->job[i];

		if (job->id > id && (!next || job->id < next->id))
			next = job;
	}
	return next;
}

void
place_jobs(struct place *place, const struct record *record,
	   const struct place_member *member, u32 members)
{
	struct work w = { .record = record, .member = member, .members = members };
	const struct record_job *job;

	ASSERT(members <= PLACE_MEMBERS && record->job_count <= RECORD_JOBS);
	memset(place, 0, sizeof(*place));
	place->job_count = record->job_count;
	begin(&w);
	for (u32 i = 0; i < record->job_count; i++) {
		place->job[i].id = record->job[i].id;
		if (record->job[i].count == RECORD_EVERY)
			place_everywhere(&w, &record->job[i], &place->job[i]);
	}
	for (job = next_job(record, 0); job; job = next_job(record, job->id))
		keep(&w, job, &place->job[job - record->job]);
	for (job = next_job(record, 0); job; job = next_job(record, job->id)) {
		struct place_job *out = &place->job[job - record->job];

		if (job->count == RECORD_EVERY)
			continue;
		fill(&w, job, out);
		place->changes += count_changes(&w, job, out);
	}
}

enum record_error
place_apply(const struct place *place, const struct place_member *member, u32 members,
	    struct record *record)
{
	enum record_error error;

	ASSERT(place->job_count <= RECORD_JOBS && members <= PLACE_MEMBERS);
	for (u32 j = 0; j < place->job_count; j++) {
		const struct place_job *job = &place->job[j];
		u16 count = 0;

		for (u32 k = 0; k < record->job_count; k++) {
			if (record->job[k].id == job->id && record->job[k].count != RECORD_EVERY)
				count = record->job[k].count;
		}
		for (u32 i = 0; i < count; i++) {
			u8 at = job->member[i];

			ASSERT(at == PLACE_NONE || at < members);
			error = record_place(record, job->id, i,
					     at == PLACE_NONE ? NULL : member[at].uuid);
			if (error != RECORD_OK)
				return error;
		}
	}
	return RECORD_OK;
}
