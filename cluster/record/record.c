// SPDX-License-Identifier: BSD-2-Clause
// What a record must be like, and looking things up in one. record_is_sound() is the
// one place where the invariants of record.h are spelled out: the decoder refuses what
// it does not like, the change functions assert it.

#include "cluster/record/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/text/text.h"

static const char *const sentences[RECORD_ERROR_COUNT] = {
	[RECORD_OK] = "all is well",
#define X(name, sentence) [RECORD_##name] = (sentence),
#include "cluster/record/errors.def"
#undef X
};

const char *
record_sentence(enum record_error error)
{
	return (u32)error < RECORD_ERROR_COUNT ? sentences[error] : "an unknown error";
}

static bool
is_zero(const void *bytes, u32 len)
{
	const u8 *at = bytes;

	for (u32 i = 0; i < len; i++) {
		if (at[i])
			return false;
	}
	return true;
}

static bool
nodes_are_sound(const struct record *r)
{
	bool named[RECORD_NODES] = { false };

	if (r->node_count < 1 || r->node_count > RECORD_NODES)
		return false;
	for (u32 j = 0; j < r->job_count; j++) {
		for (u32 i = 0; i < RECORD_INSTANCES; i++) {
			if (r->job[j].instance[i] < r->node_count)
				named[r->job[j].instance[i]] = true;
		}
	}
	for (u32 i = 0; i < r->node_count; i++) {
		if (is_zero(r->node[i].uuid, RECORD_UUID))
			return false;
		if (i > 0 && memcmp(r->node[i - 1].uuid, r->node[i].uuid, RECORD_UUID) >= 0)
			return false;
		if (!r->node[i].voter && !named[i])
			return false;
	}
	return record_voters(r) > 0;
}

static bool
object_is_sound(const struct record *r, const struct record_object *o)
{
	u8 first = o->copy[0].node, second = o->copy[1].node;

	if (!o->bytes || first >= r->node_count || !r->node[first].voter)
		return false;
	if (second == RECORD_NONE)
		return !o->copy[1].block;
	return second < r->node_count && r->node[second].voter && second != first;
}

static bool
name_is_sound(const char *name)
{
	u32 len = 0;

	for (; len < RECORD_NAME_SIZE && name[len]; len++) {
		char c = name[len];
		bool letter = c >= 'a' && c <= 'z';

		if (!letter && (!len || ((c < '0' || c > '9') && c != '-')))
			return false;
	}
	return len > 0 && len < RECORD_NAME_SIZE;
}

static bool
arguments_are_sound(const char *arguments)
{
	u32 len = 0;

	for (; len < RECORD_ARGUMENTS_SIZE && arguments[len]; len++) {
		if (arguments[len] < ' ' || arguments[len] > '~')
			return false;
	}
	return len < RECORD_ARGUMENTS_SIZE;
}

static bool
instances_are_sound(const struct record *r, const struct record_job *job)
{
	u32 wanted = job->count == RECORD_EVERY ? 0 : job->count;

	if (job->count != RECORD_EVERY && (!wanted || wanted > RECORD_INSTANCES))
		return false;
	for (u32 i = 0; i < RECORD_INSTANCES; i++) {
		if (job->instance[i] != RECORD_NONE &&
		    (i >= wanted || job->instance[i] >= r->node_count))
			return false;
	}
	return true;
}

enum record_error
record_job_error(const struct record *r, const struct record_job *job)
{
	if (!name_is_sound(job->name))
		return RECORD_NAME;
	if (!arguments_are_sound(job->arguments))
		return RECORD_ARGUMENTS;
	if (!instances_are_sound(r, job))
		return RECORD_COUNT;
	if (!job->frames || !job->slices)
		return RECORD_NEEDS;
	if (!object_is_sound(r, &job->image))
		return RECORD_COPY;
	for (u32 i = 0; i < r->job_count; i++) {
		const struct record_job *other = &r->job[i];

		if (other == job)
			continue;
		if (other->id == job->id || !strcmp(other->name, job->name))
			return RECORD_NAME;
		if (job->port && other->port == job->port)
			return RECORD_PORT_TAKEN;
	}
	return RECORD_OK;
}

static bool
jobs_are_sound(const struct record *r)
{
	for (u32 i = 0; i < r->job_count; i++) {
		if (record_job_error(r, &r->job[i]) != RECORD_OK ||
		    r->job[i].id >= r->next_job)
			return false;
	}
	return record_instances(r) <= RECORD_INSTANCES_ALL;
}

static bool
site_is_sound(const struct record *r)
{
	const struct record_site *site = &r->site;
	const struct record_object *o = &site->manifest;

	if (site->generation)
		return object_is_sound(r, o);
	return !site->content_bytes && !site->files && is_zero(o->id, RECORD_ID_LEN) &&
	       !o->bytes && o->copy[0].node == RECORD_NONE && !o->copy[0].block &&
	       o->copy[1].node == RECORD_NONE && !o->copy[1].block;
}

bool
record_is_sound(const struct record *r)
{
	return r->version && !is_zero(r->cluster, RECORD_UUID) &&
	       r->job_count <= RECORD_JOBS && nodes_are_sound(r) && site_is_sound(r) &&
	       jobs_are_sound(r);
}

void
record_check(const struct record *record)
{
	ASSERT(record_is_sound(record));
}

u8
record_find_node(const struct record *record, const u8 uuid[RECORD_UUID])
{
	ASSERT(record->node_count <= RECORD_NODES);
	for (u32 i = 0; i < record->node_count; i++) {
		if (!memcmp(record->node[i].uuid, uuid, RECORD_UUID))
			return (u8)i;
	}
	return RECORD_NONE;
}

const struct record_job *
record_find_job(const struct record *record, const char *name)
{
	ASSERT(record->job_count <= RECORD_JOBS);
	for (u32 i = 0; i < record->job_count; i++) {
		if (!strcmp(record->job[i].name, name))
			return &record->job[i];
	}
	return NULL;
}

u32
record_voters(const struct record *record)
{
	u32 voters = 0;

	ASSERT(record->node_count <= RECORD_NODES);
	for (u32 i = 0; i < record->node_count; i++)
		voters += record->node[i].voter;
	return voters;
}

static bool
is_single(const struct record_object *object)
{
	return object->bytes && object->copy[1].node == RECORD_NONE;
}

bool
record_has_single_copies(const struct record *record)
{
	ASSERT(record->job_count <= RECORD_JOBS);
	for (u32 i = 0; i < record->job_count; i++) {
		if (is_single(&record->job[i].image))
			return true;
	}
	return record->site.generation && is_single(&record->site.manifest);
}

u32
record_instances(const struct record *record)
{
	u32 instances = 0;

	ASSERT(record->job_count <= RECORD_JOBS);
	for (u32 i = 0; i < record->job_count; i++) {
		if (record->job[i].count != RECORD_EVERY)
			instances += record->job[i].count;
	}
	return instances;
}
