// SPDX-License-Identifier: BSD-2-Clause
// The made-up cluster behind server_rig: a record, a view, and operations that parse
// and hash what they are fed but keep none of it. One member of three is dead; a job
// that wants more than a million frames has no place. One operation at a time, as an
// agent has one deployment at a time; nothing here waits. All of it is printed, a line
// each, so that a test sees what a request led to.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/api/server_rig.h"
#include "kernel/base/assert.h"
#include "libos/store/bundle.h"
#include "libos/store/hash.h"

// One operation at a time, as the agent has one deployment at a time.
static struct {
	struct api_session *owner;
	bool complete, finished;
	enum http_status status;	// of its failure, or 0
	char sentence[API_SENTENCE_SIZE];
	struct bundle bundle;
	struct store_hash hash;
	u64 bytes;			// of content
	char first[4];			// of an image
} operation;

static struct view view;
static struct record record;
static struct api_state state;
static const struct rig_options *options;
static u64 rate_from_ns, rate_taken;

static void
make_members(u32 count)
{
	ASSERT(count >= 1 && count <= VIEW_MEMBERS_MAX);
	view.member_count = count;
	view.has_majority = options->has_majority;
	view.virtual_address = 0x0a010164;
	view.epoch = 7;
	view.api_port = API_PORT_NUMBER;
	for (u32 i = 0; i < count; i++) {
		struct view_member *m = &view.member[i];

		*m = (struct view_member){
			.incarnation = 0x1234 + i, .blocks = 65536, .life = VIEW_ALIVE,
			.address = 0x0a01010a + i, .mac = { 2, 0, 0, 0, 0, (u8)i },
			.is_voter = true, .link = i ? (u16)i : VIEW_LINK_SELF,
		};
		memset(m->uuid, (int)(0x10 * (i + 1)), sizeof(m->uuid));
		state.node[i] = (struct api_node){
			.reason = i ? "it greeted" : "this node",
			.since_ns = 90 * NS_PER_SECOND, .heard_ns = i * NS_PER_MS,
			.blocks_free = 60000, .frames_free = 8192, .frames_jobs = 1024,
			.slices_free = 60, .slices_jobs = 4, .told = true,
		};
	}
	if (count > 2) {
		view.member[count - 1].life = VIEW_DEAD;
		state.node[count - 1].reason =
			"it answered neither a ping nor the pings of others";
	}
}

static void
make_record(void)
{
	u8 voter[VIEW_MEMBERS_MAX][RECORD_UUID], cluster[RECORD_UUID] = { 0xc1 };

	for (u32 i = 0; i < view.member_count; i++)
		memcpy(voter[i], view.member[i].uuid, RECORD_UUID);
	if (record_first(&record, cluster, (const u8 (*)[RECORD_UUID])voter,
			 view.member_count))
		abort();
}

static void
place_instance(u32 job, u32 number, u32 member)
{
	if (view.instance_count == VIEW_INSTANCES_MAX)
		return;
	view.instance[view.instance_count] = (struct view_instance){
		.job = (u16)job, .number = (u16)number, .member = (u16)member,
		.state = VIEW_RUNNING, .environment = 101 + view.instance_count,
	};
	view.instance_count++;
}

// Every job of the record runs, on the members that live; what is beyond a million
// frames has no place.
static void
place_all(void)
{
	u32 alive = view.member_count > 2 ? view.member_count - 1 : view.member_count;

	view.instance_count = 0;
	view.job_count = record.job_count;
	for (u32 i = 0; i < record.job_count; i++) {
		const struct record_job *job = &record.job[i];
		u32 count = job->count == RECORD_EVERY ? alive : job->count;

		memcpy(view.job[i].name, job->name, VIEW_NAME_SIZE);
		view.job[i].id = job->id;
		view.job[i].port = job->port;
		state.job_reason[i] = "";
		if (job->frames > 1000000)
			state.job_reason[i] = "no live node has enough frames left";
		for (u32 j = 0; j < count && job->frames <= 1000000; j++)
			place_instance(i, j, j % alive);
	}
}

static const struct api_state *
host_state(void *user)
{
	(void)user;
	state.view = &view;
	state.record = options->has_record ? &record : NULL;
	state.coordinator = 0;
	state.tables = rig_tables();
	state.reason = !options->has_record ? "the nodes have not agreed on a record yet" :
		       !options->has_majority ? "too few voters answer" : "";
	return &state;
}

// ---- operations

static bool
refuse(struct api_error *error, enum http_status status, const char *sentence)
{
	api_say(error, status, "%s", sentence);
	return false;
}

static bool
host_begin(void *user, struct api_session *session, u64 bytes, struct api_error *error)
{
	enum api_route route = session->call.route;

	(void)user;
	if (api_route_changes(route) && (!options->has_record || !options->has_majority))
		return refuse(error, HTTP_UNAVAILABLE,
			      "too few voters answer; nothing was changed");
	if (route == API_JOB_PUT && bytes == HTTP_LEN_CHUNKED)
		return refuse(error, HTTP_LENGTH_REQUIRED,
			      "an image needs a Content-Length");
	if ((route == API_EVENTS && *session->call.node &&
	     api_find_node(&view, session->call.node) == VIEW_NONE) ||
	    ((route == API_CAPS || route == API_FABRIC || route == API_TRACE) &&
	     api_find_node(&view, session->call.name) == VIEW_NONE) ||
	    (route == API_LOGS && !record_find_job(&record, session->call.name) &&
	     api_find_node(&view, session->call.name) == VIEW_NONE))
		return refuse(error, HTTP_NOT_FOUND, "there is no such job or node");
	if (route != API_SITE_PUT && route != API_JOB_PUT)
		return true;
	if (operation.owner)
		return refuse(error, HTTP_UNAVAILABLE,
			      "another deployment is under way; try again");
	memset(&operation, 0, sizeof(operation));
	operation.owner = session;
	bundle_begin(&operation.bundle);
	store_hash_begin(&operation.hash);
	printf("begun\n");
	return true;
}

static void
fail(enum http_status status, const char *format, const char *what)
{
	operation.status = status;
	snprintf(operation.sentence, sizeof(operation.sentence), format, what);
}

static void
check_file(const struct bundle *b)
{
	u8 id[STORE_ID];

	store_hash_end(&operation.hash, id);
	if (memcmp(id, b->id, sizeof(id)))
		fail(HTTP_BAD_REQUEST, "%.200s: its content is not what its id says", b->path);
	store_hash_begin(&operation.hash);
}

static u32
feed_site(const u8 *bytes, u32 len)
{
	struct bundle *b = &operation.bundle;
	u64 at = 0, taken;
	enum bundle_event event;

	do {
		event = bundle_next(b, bytes + at, len - at, &taken);
		at += taken;
		if (event == BUNDLE_DATA) {
			store_hash_add(&operation.hash, b->data, b->data_len);
			operation.bytes += b->data_len;
		}
		if (event == BUNDLE_FILE_END)
			check_file(b);
		if (event == BUNDLE_BAD)
			fail(HTTP_BAD_REQUEST, "%s", b->error);
		if (operation.bytes > options->room)
			fail(HTTP_INSUFFICIENT_STORAGE, "%s", "the disks have too little room");
	} while (!operation.status && event != BUNDLE_MORE && event != BUNDLE_DONE);
	operation.complete = event == BUNDLE_DONE;
	return (u32)at;
}

// What the rate lets through now.
static u32
may_take(u32 len)
{
	u64 now = rig_now_ns();

	if (options->rate == UINT64_MAX)
		return len;
	if (now - rate_from_ns > NS_PER_SECOND / 10) {
		rate_from_ns = now;
		rate_taken = 0;
	}
	len = (u32)MIN((u64)len, options->rate / 10 - MIN(rate_taken, options->rate / 10));
	rate_taken += len;
	return len;
}

static u32
host_feed(void *user, struct api_session *session, const void *bytes, u32 len)
{
	(void)user;
	ASSERT(operation.owner == session);
	len = may_take(len);
	if (operation.status || len == 0)
		return 0;
	if (session->call.route == API_SITE_PUT)
		return feed_site(bytes, len);
	for (u32 i = 0; i < len && operation.bytes + i < 4; i++)
		operation.first[operation.bytes + i] = ((const char *)bytes)[i];
	operation.bytes += len;
	if (operation.bytes > options->room)
		fail(HTTP_INSUFFICIENT_STORAGE, "%s", "the disks have too little room");
	return len;
}

static void
host_finish(void *user, struct api_session *session)
{
	(void)user;
	if (operation.status)
		return;
	if (session->call.route == API_SITE_PUT && !operation.complete)
		fail(HTTP_BAD_REQUEST, "%s", "the bundle is not whole");
	if (session->call.route == API_JOB_PUT &&
	    memcmp(operation.first, "\177ELF", 4))
		fail(HTTP_BAD_REQUEST, "%s", "the image is no ELF program");
	operation.finished = true;
}

static struct record_new_object
some_object(u64 bytes)
{
	struct record_new_object object = { .id = { 0xab }, .bytes = bytes };

	memcpy(object.copy[0].uuid, view.member[0].uuid, RECORD_UUID);
	object.copy[0].block = 8;
	if (view.member_count > 1)
		memcpy(object.copy[1].uuid, view.member[1].uuid, RECORD_UUID);
	object.copy[1].block = 16;
	return object;
}

static enum record_error
deploy_site(struct json *json)
{
	const struct record_new_object manifest = some_object(4096);
	const struct bundle *b = &operation.bundle;
	enum record_error error;

	error = record_deploy_site(&record, record.site.generation, b->bytes, b->files,
				   &manifest);
	if (error)
		return error;
	printf("site %u files %llu bytes\n", b->files, (unsigned long long)b->bytes);
	api_show_site_done(json, record.site.generation, b->files, b->bytes);
	return RECORD_OK;
}

static enum record_error
deploy_job(const struct api_call *call, struct json *json)
{
	const struct record_new_job job = {
		.name = call->name, .arguments = call->args, .count = call->count,
		.port = call->port, .frames = call->frames, .slices = call->slices,
		.image = some_object(operation.bytes),
	};
	enum record_error error = record_deploy_job(&record, &job);

	if (error)
		return error;
	printf("job %s %llu bytes\n", job.name, (unsigned long long)operation.bytes);
	api_show_job_done(json, job.name, record_find_job(&record, job.name)->id);
	return RECORD_OK;
}

static enum record_error
change(const struct api_call *call, struct json *json)
{
	enum record_error error;

	switch (call->route) {
	case API_SITE_PUT:
		return deploy_site(json);
	case API_JOB_PUT:
		return deploy_job(call, json);
	case API_JOB_SCALE:
		error = record_scale(&record, call->name, call->count);
		break;
	default:
		error = record_remove(&record, call->name);
		break;
	}
	if (!error) {
		printf("%s %s\n", api_row(call->route)->name, call->name);
		api_show_job_done(json, call->name, 0);
	}
	return error;
}

static void
show_events(const struct api_call *call, struct json *json)
{
	u16 node = *call->node ? api_find_node(&view, call->node) : (u16)view.self;

	api_show_events_begin(json, view.member[node].uuid);
	for (u64 i = 1; i <= 3; i++) {
		const struct api_event event = {
			.number = i, .epoch = i, .ago_ns = (10 - i) * NS_PER_SECOND,
			.kind = "member", .who = "20202020", .from = i > 1 ? "alive" : "",
			.to = i > 1 ? "dead" : "alive",
			.why = i > 1 ? "it was suspect and did not answer in time" : "",
		};

		if (i > call->since && !api_show_event(json, &event))
			break;
	}
	api_show_list_end(json);
}

static void
show_logs(const struct api_call *call, struct json *json)
{
	static const char text[] = "one\ntwo \"quoted\" \x01\xff\nthree \xc3\xbc\n";

	api_show_logs_begin(json);
	for (u16 i = 0; i < 2; i++) {
		const struct api_log log = {
			.node = view.member[i].uuid, .program = call->name,
			.number = i, .text = text, .len = sizeof(text) - 1,
		};

		if (!api_show_log(json, &log, call->lines))
			break;
	}
	if (view.member_count > 2 &&
	    !api_show_no_log(json, view.member[view.member_count - 1].uuid,
			     "the node is dead"))
		printf("no room\n");
	api_show_list_end(json);
}

static void
show_caps(const struct api_call *call, struct json *json)
{
	struct api_cap cap = {
		.program = "agent", .environment = 3, .slot = 4,
		.info = { CAP_BLOCKS, CAP_READ | CAP_WRITE, 8, 65528, 1, 2 },
	};

	u32 next = 0;

	api_show_caps_begin(json, view.member[api_find_node(&view, call->name)].uuid);
	for (u32 i = call->from; i < MAX(options->many, 1u) && !next; i++) {
		cap.slot = 4 + i;
		if (!api_show_cap(json, &cap))
			next = i;
	}
	api_show_page_end(json, next);
}

static const u8 *
node_called(const struct api_call *call)
{
	return view.member[api_find_node(&view, call->name)].uuid;
}

static enum api_progress
settle(struct api_session *session, struct json *json, struct api_error *error)
{
	enum record_error wrong = change(&session->call, json);

	place_all();
	if (!wrong)
		return API_DONE;
	api_say(error, wrong == RECORD_NO_SUCH_JOB ? HTTP_NOT_FOUND : HTTP_CONFLICT, "%s",
		record_sentence(wrong));
	return API_FAILED;
}

static enum api_progress
host_poll(void *user, struct api_session *session, struct json *json,
	  struct api_error *error)
{
	enum api_progress progress;

	(void)user;
	switch (session->call.route) {
	case API_EVENTS:
		show_events(&session->call, json);
		return API_DONE;
	case API_LOGS:
		show_logs(&session->call, json);
		return API_DONE;
	case API_CAPS:
		show_caps(&session->call, json);
		return API_DONE;
	case API_FABRIC:
		rig_show_fabric(json, node_called(&session->call), session->call.from);
		return API_DONE;
	case API_TRACE:
		rig_show_trace(json, node_called(&session->call));
		return API_DONE;
	case API_JOB_SCALE:
	case API_JOB_DELETE:
		return settle(session, json, error);
	default:
		break;
	}
	if (operation.status) {
		api_say(error, operation.status, "%s", operation.sentence);
		printf("failed: %s\n", operation.sentence);
		operation.owner = NULL;
		return API_FAILED;
	}
	if (!operation.finished)
		return API_PENDING;
	progress = settle(session, json, error);
	operation.owner = NULL;
	return progress;
}

static void
host_abort(void *user, struct api_session *session)
{
	(void)user;
	if (operation.owner == session) {
		operation.owner = NULL;
		printf("aborted\n");
	}
}

const struct api_host rig_host = {
	host_state, host_begin, host_feed, host_finish, host_poll, host_abort,
};

void
rig_begin(const struct rig_options *given)
{
	options = given;
	make_members(options->nodes);
	make_record();
}
