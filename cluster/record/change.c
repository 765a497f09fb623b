// SPDX-License-Identifier: BSD-2-Clause
// The changes. Each looks first and changes then: one that fails has left the record
// as it was. Nodes stand in order of their UUIDs, so one that comes or goes moves the
// indices of others; renumber() is the one place that does it. A node that neither votes
// nor runs anything any more is taken out.

#include "cluster/record/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

// ---- nodes

static void
renumber_object(struct record_object *o, const u8 map[RECORD_NODES])
{
	for (u32 i = 0; i < RECORD_COPIES; i++) {
		if (o->copy[i].node != RECORD_NONE)
			o->copy[i].node = map[o->copy[i].node];
	}
}

static void
renumber(struct record *r, const u8 map[RECORD_NODES])
{
	renumber_object(&r->site.manifest, map);
	for (u32 j = 0; j < r->job_count; j++) {
		renumber_object(&r->job[j].image, map);
		for (u32 i = 0; i < RECORD_INSTANCES; i++) {
			u8 *node = &r->job[j].instance[i];

			if (*node != RECORD_NONE)
				*node = map[*node];
		}
	}
}

// Takes out the nodes that neither vote nor have an instance.
static void
prune(struct record *r)
{
	bool named[RECORD_NODES] = { false };
	u8 map[RECORD_NODES];
	u32 kept = 0;

	for (u32 j = 0; j < r->job_count; j++) {
		for (u32 i = 0; i < RECORD_INSTANCES; i++) {
			if (r->job[j].instance[i] != RECORD_NONE)
				named[r->job[j].instance[i]] = true;
		}
	}
	for (u32 i = 0; i < r->node_count; i++) {
		map[i] = RECORD_NONE;
		if (!r->node[i].voter && !named[i])
			continue;
		map[i] = (u8)kept;
		r->node[kept++] = r->node[i];
	}
	r->node_count = kept;
	renumber(r, map);
}

// The index of a node, which is added when it is not there. RECORD_NONE: no room.
static u8
need_node(struct record *r, const u8 uuid[RECORD_UUID])
{
	u8 map[RECORD_NODES], found = record_find_node(r, uuid);
	u32 at = 0;

	if (found != RECORD_NONE || r->node_count == RECORD_NODES)
		return found;
	while (at < r->node_count && memcmp(r->node[at].uuid, uuid, RECORD_UUID) < 0)
		at++;
	for (u32 i = 0; i < RECORD_NODES; i++)
		map[i] = (u8)(i < at ? i : i + 1);
	for (u32 i = r->node_count++; i > at; i--)
		r->node[i] = r->node[i - 1];
	memcpy(r->node[at].uuid, uuid, RECORD_UUID);
	r->node[at].voter = false;
	renumber(r, map);
	return (u8)at;
}

enum record_error
record_first(struct record *record, const u8 cluster[RECORD_UUID],
	     const u8 (*voter)[RECORD_UUID], u32 voters)
{
	memset(record, 0, sizeof(*record));
	if (!voters || voters > RECORD_NODES)
		return RECORD_NO_NODES;
	record->version = 1;
	record->next_job = 1;
	memcpy(record->cluster, cluster, RECORD_UUID);
	for (u32 i = 0; i < RECORD_COPIES; i++)
		record->site.manifest.copy[i].node = RECORD_NONE;
	for (u32 i = 0; i < voters; i++) {
		u8 at = need_node(record, voter[i]);

		ASSERT(at != RECORD_NONE);
		record->node[at].voter = true;
	}
	return record_is_sound(record) ? RECORD_OK : RECORD_BAD;
}

enum record_error
record_add_voter(struct record *record, const u8 uuid[RECORD_UUID])
{
	static const u8 nobody[RECORD_UUID];
	u8 at = record_find_node(record, uuid);

	if (at != RECORD_NONE && record->node[at].voter)
		return RECORD_IS_VOTER;
	if (!memcmp(uuid, nobody, RECORD_UUID))
		return RECORD_NO_SUCH_VOTER;
	at = need_node(record, uuid);
	if (at == RECORD_NONE)
		return RECORD_NO_NODES;
	record->node[at].voter = true;
	record_check(record);
	return RECORD_OK;
}

static bool
holds_copy(const struct record_object *o, u8 node)
{
	return o->copy[0].node == node || o->copy[1].node == node;
}

enum record_error
record_remove_voter(struct record *record, const u8 uuid[RECORD_UUID])
{
	u8 at = record_find_node(record, uuid);

	if (at == RECORD_NONE || !record->node[at].voter)
		return RECORD_NO_SUCH_VOTER;
	if (record_voters(record) == 1)
		return RECORD_LAST_VOTER;
	if (holds_copy(&record->site.manifest, at))
		return RECORD_HOLDS_COPY;
	for (u32 i = 0; i < record->job_count; i++) {
		if (holds_copy(&record->job[i].image, at))
			return RECORD_HOLDS_COPY;
	}
	record->node[at].voter = false;
	prune(record);
	record_check(record);
	return RECORD_OK;
}

// ---- objects

// Where a copy lies. False: not with a voter.
static bool
find_copy(const struct record *r, const struct record_place *place,
	  struct record_copy *copy)
{
	copy->node = record_find_node(r, place->uuid);
	copy->block = place->block;
	return copy->node != RECORD_NONE && r->node[copy->node].voter;
}

static enum record_error
make_object(const struct record *r, const struct record_new_object *new,
	    struct record_object *object)
{
	static const u8 nobody[RECORD_UUID];

	memset(object, 0, sizeof(*object));
	memcpy(object->id, new->id, RECORD_ID_LEN);
	object->bytes = new->bytes;
	if (!new->bytes || !find_copy(r, &new->copy[0], &object->copy[0]))
		return RECORD_COPY;
	if (!memcmp(new->copy[1].uuid, nobody, RECORD_UUID)) {
		object->copy[1].node = RECORD_NONE;
		return RECORD_OK;
	}
	if (!find_copy(r, &new->copy[1], &object->copy[1]) ||
	    object->copy[0].node == object->copy[1].node)
		return RECORD_COPY;
	return RECORD_OK;
}

enum record_error
record_deploy_site(struct record *record, u64 after, u64 content_bytes, u32 files,
		   const struct record_new_object *manifest)
{
	struct record_object object;
	enum record_error error = make_object(record, manifest, &object);

	if (error != RECORD_OK)
		return error;
	if (record->site.generation != after)
		return RECORD_OVERTAKEN;
	record->site = (struct record_site){ .generation = after + 1,
					     .content_bytes = content_bytes,
					     .files = files, .manifest = object };
	record_check(record);
	return RECORD_OK;
}

// The object in that place: the manifest, then the images.
static struct record_object *
object_at(struct record *r, u32 place)
{
	return place ? &r->job[place - 1].image : &r->site.manifest;
}

static bool
is_object(struct record *r, u32 place, const u8 id[RECORD_ID_LEN])
{
	return (place || r->site.generation) &&
	       !memcmp(object_at(r, place)->id, id, RECORD_ID_LEN);
}

enum record_error
record_move_copy(struct record *record, const u8 id[RECORD_ID_LEN], u32 copy,
		 const struct record_place *place)
{
	struct record_copy target;
	bool found = false;

	ASSERT(copy < RECORD_COPIES);
	if (!find_copy(record, place, &target))
		return RECORD_COPY;
	for (u32 i = 0; i <= record->job_count; i++) {
		if (!is_object(record, i, id))
			continue;
		found = true;
		if (object_at(record, i)->copy[1 - copy].node == target.node)
			return RECORD_COPY;
	}
	for (u32 i = 0; i <= record->job_count; i++) {
		if (is_object(record, i, id))
			object_at(record, i)->copy[copy] = target;
	}
	record_check(record);
	return found ? RECORD_OK : RECORD_OVERTAKEN;
}

// ---- jobs

static struct record_job *
find_job(struct record *r, const char *name)
{
	const struct record_job *job = record_find_job(r, name);

	return job ? &r->job[job - r->job] : NULL;
}

// Instances of all counted jobs, if that one had so many.
static u32
instances_with(const struct record *r, const struct record_job *job, u16 count)
{
	u32 all = record_instances(r);

	if (job && job->count != RECORD_EVERY)
		all -= job->count;
	return count == RECORD_EVERY ? all : all + count;
}

static void
set_count(struct record_job *job, u16 count)
{
	job->count = count;
	for (u32 i = count == RECORD_EVERY ? 0 : count; i < RECORD_INSTANCES; i++)
		job->instance[i] = RECORD_NONE;
}

static bool
count_is_sound(u16 count)
{
	return count == RECORD_EVERY || (count >= 1 && count <= RECORD_INSTANCES);
}

static enum record_error
fill_job(struct record *r, struct record_job *job, const struct record_new_job *new)
{
	if (!string_copy(job->name, sizeof(job->name), new->name))
		return RECORD_NAME;
	if (!string_copy(job->arguments, sizeof(job->arguments), new->arguments))
		return RECORD_ARGUMENTS;
	job->id = r->next_job;
	job->port = new->port;
	job->frames = new->frames;
	job->slices = new->slices;
	return make_object(r, &new->image, &job->image);
}

enum record_error
record_deploy_job(struct record *record, const struct record_new_job *new)
{
	struct record_job *job = find_job(record, new->name), old, *place;
	enum record_error error;

	if (!count_is_sound(new->count))
		return RECORD_COUNT;
	if (!job && record->job_count == RECORD_JOBS)
		return RECORD_NO_JOBS;
	if (instances_with(record, job, new->count) > RECORD_INSTANCES_ALL)
		return RECORD_NO_INSTANCES;
	place = job ? job : &record->job[record->job_count];
	if (!job) {
		memset(place, 0, sizeof(*place));
		memset(place->instance, RECORD_NONE, sizeof(place->instance));
	}
	old = *place;
	error = fill_job(record, place, new);
	if (error == RECORD_OK) {
		set_count(place, new->count);
		error = record_job_error(record, place);
	}
	if (error != RECORD_OK) {
		*place = old;
		return error;
	}
	record->job_count += !job;
	record->next_job++;
	prune(record);
	record_check(record);
	return RECORD_OK;
}

enum record_error
record_scale(struct record *record, const char *name, u16 count)
{
	struct record_job *job = find_job(record, name);

	if (!job)
		return RECORD_NO_SUCH_JOB;
	if (!count_is_sound(count))
		return RECORD_COUNT;
	if (instances_with(record, job, count) > RECORD_INSTANCES_ALL)
		return RECORD_NO_INSTANCES;
	set_count(job, count);
	prune(record);
	record_check(record);
	return RECORD_OK;
}

enum record_error
record_remove(struct record *record, const char *name)
{
	struct record_job *job = find_job(record, name);

	if (!job)
		return RECORD_NO_SUCH_JOB;
	record->job_count--;
	for (; job < &record->job[record->job_count]; job++)
		job[0] = job[1];
	prune(record);
	record_check(record);
	return RECORD_OK;
}

enum record_error
record_place(struct record *record, u32 job, u32 number, const u8 *uuid)
{
	u8 node = RECORD_NONE;

	for (u32 i = 0; i < record->job_count; i++) {
		struct record_job *j = &record->job[i];

		if (j->id != job || j->count == RECORD_EVERY || number >= j->count)
			continue;
		if (uuid) {
			node = need_node(record, uuid);
			if (node == RECORD_NONE)
				return RECORD_NO_NODES;
		}
		j->instance[number] = node;
		prune(record);
		record_check(record);
		return RECORD_OK;
	}
	return RECORD_OVERTAKEN;
}
