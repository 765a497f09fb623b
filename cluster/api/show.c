// SPDX-License-Identifier: BSD-2-Clause
// The state as JSON: the cluster, its nodes, its jobs. Every state of a thing comes
// with its reason, null where there is nothing to explain.
//
// Stateless. The lists are bounded by the view's and the record's tables; all of them
// full together fit API_ANSWER_MAX (show_test.c measures it).

#include "cluster/api/state.h"
#include "cluster/api/call.h"
#include "kernel/base/fmt.h"

#define BLOCK_BYTES 4096u
#define FRAME_BYTES 4096u

static const char *
life_word(u8 life)
{
	switch (life) {
	case VIEW_ALIVE:
		return "alive";
	case VIEW_SUSPECT:
		return "suspect";
	case VIEW_DEAD:
		return "dead";
	}
	return "unknown";
}

static const char *
instance_word(u8 state)
{
	switch (state) {
	case VIEW_STARTING:
		return "starting";
	case VIEW_RUNNING:
		return "running";
	case VIEW_DRAINING:
		return "draining";
	}
	return "unknown";
}

static u32
count_alive(const struct view *view)
{
	u32 alive = 0;

	for (u32 i = 0; i < view->member_count; i++)
		alive += view->member[i].life != VIEW_DEAD;
	return alive;
}

// The view's job that the record's is, or VIEW_NONE: the view may be older.
static u16
find_view_job(const struct view *view, const struct record_job *job)
{
	for (u16 i = 0; i < view->job_count; i++) {
		if (view->job[i].id == job->id)
			return i;
	}
	return VIEW_NONE;
}

struct api_counts
api_count_job(const struct api_state *state, const struct record_job *job)
{
	const struct view *view = state->view;
	u16 index = find_view_job(view, job);
	struct api_counts counts = { .wanted = job->count };

	if (job->count == RECORD_EVERY)
		counts.wanted = count_alive(view);
	for (u32 i = 0; i < view->instance_count && index != VIEW_NONE; i++) {
		if (view->instance[i].job != index)
			continue;
		counts.starting += view->instance[i].state == VIEW_STARTING;
		counts.running += view->instance[i].state == VIEW_RUNNING;
		counts.draining += view->instance[i].state == VIEW_DRAINING;
	}
	return counts;
}

// A job's state and why, as two fields.
static void
show_job_state(struct json *json, const struct api_state *state, u32 index)
{
	const struct record_job *job = &state->record->job[index];
	struct api_counts counts = api_count_job(state, job);
	const char *why = state->job_reason[index];

	if (counts.running >= counts.wanted) {
		json_string(json, "state", "running");
		why = "";
	} else if (why && *why) {
		json_string(json, "state", "waiting");
	} else {
		json_string(json, "state", "starting");
		why = counts.starting ? "instances are starting" :
		      "instances are being placed and started";
	}
	json_reason(json, "reason", why);
	json_number(json, "running", counts.running);
	json_number(json, "wanted", counts.wanted);
}

static void
show_copies(struct json *json, const struct record *record,
	    const struct record_object *object)
{
	json_open_array(json, "copies");
	for (u32 i = 0; i < RECORD_COPIES; i++) {
		const struct record_copy *copy = &object->copy[i];

		if (copy->node == RECORD_NONE)
			continue;
		json_open_object(json, NULL);
		json_uuid(json, "node", record->node[copy->node].uuid);
		json_number(json, "block", copy->block);
		json_close(json);
	}
	json_close(json);
}

static void
show_object(struct json *json, const char *key, const struct record *record,
	    const struct record_object *object)
{
	json_open_object(json, key);
	json_hex(json, "id", object->id, RECORD_ID_LEN);
	json_number(json, "bytes", object->bytes);
	show_copies(json, record, object);
	json_close(json);
}

static void
show_site(struct json *json, const struct record *record)
{
	json_open_object(json, "site");
	json_number(json, "generation", record ? record->site.generation : 0);
	json_number(json, "files", record ? record->site.files : 0);
	json_number(json, "bytes", record ? record->site.content_bytes : 0);
	if (record && record->site.generation)
		show_object(json, "manifest", record, &record->site.manifest);
	else
		json_null(json, "manifest");
	json_close(json);
}

static void
show_life(struct json *json, const struct api_state *state, u32 index)
{
	const struct view_member *member = &state->view->member[index];

	json_uuid(json, "uuid", member->uuid);
	json_string(json, "life", life_word(member->life));
	json_reason(json, "reason", state->node[index].reason);
	json_address(json, "address", member->address);
}

static void
show_member_of(struct json *json, const char *key, const struct view *view, u16 index)
{
	if (index < view->member_count)
		json_uuid(json, key, view->member[index].uuid);
	else
		json_null(json, key);
}

static void
show_cluster(struct json *json, const struct api_state *state)
{
	const struct view *view = state->view;
	const struct record *record = state->record;

	if (record)
		json_uuid(json, "cluster", record->cluster);
	else
		json_null(json, "cluster");
	json_bool(json, "formed", record != NULL);
	json_bool(json, "majority", view->has_majority);
	json_reason(json, "reason", state->reason);
	json_number(json, "record", record ? record->version : 0);
	json_number(json, "epoch", view->epoch);
	json_number(json, "voters", record ? record_voters(record) : 0);
	json_number(json, "alive", count_alive(view));
	show_member_of(json, "self", view, (u16)view->self);
	show_member_of(json, "coordinator", view, state->coordinator);
	json_address(json, "virtual_address", view->virtual_address);
	show_member_of(json, "holder", view, view->holder);
}

static void
show_messages(struct json *json, const struct api_messages *messages)
{
	json_open_object(json, "messages");
	json_number(json, "sent", messages->sent);
	json_number(json, "received", messages->received);
	json_number(json, "asked", messages->asked);
	json_number(json, "timed_out", messages->timed_out);
	json_number(json, "retried", messages->retried);
	json_number(json, "expired", messages->expired);
	json_number(json, "dropped", messages->dropped);
	json_number(json, "strangers", messages->strangers);
	json_number(json, "waiting", messages->waiting);
	json_number(json, "open", messages->open);
	json_close(json);
}

void
api_show_status(struct json *json, const struct api_state *state)
{
	const struct record *record = state->record;

	json_open_object(json, NULL);
	show_cluster(json, state);
	show_messages(json, &state->messages);
	show_site(json, record);
	json_open_array(json, "nodes");
	for (u32 i = 0; i < state->view->member_count; i++) {
		json_open_object(json, NULL);
		show_life(json, state, i);
		json_close(json);
	}
	json_close(json);
	json_open_array(json, "jobs");
	for (u32 i = 0; record && i < record->job_count; i++) {
		json_open_object(json, NULL);
		json_string(json, "name", record->job[i].name);
		show_job_state(json, state, i);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

static void
show_instances_of(struct json *json, const struct view *view, u32 member)
{
	json_open_array(json, "instances");
	for (u32 i = 0; i < view->instance_count; i++) {
		const struct view_instance *instance = &view->instance[i];

		if (instance->member != member)
			continue;
		json_open_object(json, NULL);
		json_string(json, "job", view->job[instance->job].name);
		json_number(json, "number", instance->number);
		json_string(json, "state", instance_word(instance->state));
		json_close(json);
	}
	json_close(json);
}

// Numbers that a node tells of itself: null until it has.
static void
show_told(struct json *json, const char *key, const struct api_node *node, u64 number)
{
	if (node->told)
		json_number(json, key, number);
	else
		json_null(json, key);
}

static void
show_node(struct json *json, const struct api_state *state, u32 index)
{
	const struct view *view = state->view;
	const struct view_member *member = &view->member[index];
	const struct api_node *node = &state->node[index];
	char text[24];

	json_open_object(json, NULL);
	show_life(json, state, index);
	fmt_into(text, sizeof(text), "%016llx",
		 (unsigned long long)member->incarnation);
	json_string(json, "incarnation", text);
	json_number(json, "since_s", node->since_ns / NS_PER_SECOND);
	json_number(json, "heard_ms", node->heard_ns / NS_PER_MS);
	fmt_into(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x",
		 member->mac[0], member->mac[1], member->mac[2], member->mac[3],
		 member->mac[4], member->mac[5]);
	json_string(json, "mac", text);
	json_bool(json, "self", index == view->self);
	json_bool(json, "voter", member->is_voter);
	json_bool(json, "holder", index == view->holder);
	json_bool(json, "coordinator", index == state->coordinator);
	json_number(json, "disk_bytes", member->blocks * BLOCK_BYTES);
	show_told(json, "disk_free_bytes", node, node->blocks_free * BLOCK_BYTES);
	show_told(json, "objects", node, node->objects);
	show_told(json, "objects_fine", node, node->objects_fine);
	show_told(json, "blocks_bad", node, node->blocks_bad);
	show_told(json, "blocks_mended", node, node->blocks_mended);
	show_told(json, "memory_free_bytes", node,
		  (u64)node->frames_free * FRAME_BYTES);
	show_told(json, "memory_jobs_bytes", node,
		  (u64)node->frames_jobs * FRAME_BYTES);
	show_told(json, "slices_free", node, node->slices_free);
	show_told(json, "slices_jobs", node, node->slices_jobs);
	show_told(json, "restarts", node, node->restarts);
	show_instances_of(json, view, index);
	json_close(json);
}

void
api_show_nodes(struct json *json, const struct api_state *state)
{
	json_open_object(json, NULL);
	json_open_array(json, "nodes");
	for (u32 i = 0; i < state->view->member_count; i++)
		show_node(json, state, i);
	json_close(json);
	json_close(json);
}

static void
show_job_instances(struct json *json, const struct api_state *state,
		   const struct record_job *job)
{
	const struct view *view = state->view;
	u16 index = find_view_job(view, job);

	json_open_array(json, "instances");
	for (u32 i = 0; i < view->instance_count && index != VIEW_NONE; i++) {
		const struct view_instance *instance = &view->instance[i];

		if (instance->job != index)
			continue;
		json_open_object(json, NULL);
		json_number(json, "number", instance->number);
		json_uuid(json, "node", view->member[instance->member].uuid);
		json_string(json, "state", instance_word(instance->state));
		json_number(json, "environment", instance->environment);
		json_close(json);
	}
	json_close(json);
}

static void
show_job(struct json *json, const struct api_state *state, u32 index)
{
	const struct record_job *job = &state->record->job[index];

	json_open_object(json, NULL);
	json_string(json, "name", job->name);
	json_number(json, "id", job->id);
	show_job_state(json, state, index);
	if (job->count == RECORD_EVERY)
		json_string(json, "count", "every");
	else
		json_number(json, "count", job->count);
	if (job->port)
		json_number(json, "port", job->port);
	else
		json_null(json, "port");
	json_number(json, "memory_bytes", (u64)job->frames * FRAME_BYTES);
	json_number(json, "slices", job->slices);
	json_string(json, "arguments", job->arguments);
	show_object(json, "image", state->record, &job->image);
	show_job_instances(json, state, job);
	json_close(json);
}

void
api_show_jobs(struct json *json, const struct api_state *state)
{
	json_open_object(json, NULL);
	json_open_array(json, "jobs");
	for (u32 i = 0; state->record && i < state->record->job_count; i++)
		show_job(json, state, i);
	json_close(json);
	json_close(json);
}

void
api_show_index(struct json *json)
{
	json_open_object(json, NULL);
	json_open_array(json, "routes");
	for (u32 i = 0; i < API_ROUTE_COUNT; i++) {
		const struct api_row *row = api_row(i);

		json_open_object(json, NULL);
		json_string(json, "method", row->method_name);
		json_string(json, "path", row->path);
		json_string(json, "parameters", row->parameters);
		json_string(json, "does", row->sentence);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}
