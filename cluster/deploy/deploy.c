// SPDX-License-Identifier: BSD-2-Clause
// A deployment from its beginning to its end: one task, which parses and hashes what
// is fed and leaves blocks to the writers. What the owners hold for it is given up in
// whatever way it ends.
//
// Invariants:
//	1 between begin and the end of the task the state is RUNNING
//	2 the record is changed at most once, after everything is sealed
//	3 start <= end <= start + DEPLOY_BUFFER, in bytes that were fed

#include "cluster/deploy/deploy.h"
#include "cluster/agent/events.h"
#include "cluster/agent/register.h"
#include "cluster/deploy/work.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "libos/mem/mem.h"

#define SILENCE_NS (60 * NS_PER_SECOND)
#define TICK_NS NS_PER_SECOND
// From the owners' last word to the change of the record. They keep what was sealed
// for longer than this and a round of the register take together.
#define COMMIT_NS (10 * NS_PER_SECOND)

struct deploy_report deploy_now;

static struct {
	u8 *buffer;
	u64 start, end;		// of bytes fed, counted from the beginning
	u64 fed_at;
	bool finished;		// the body has ended
	bool aborted;
	bool committing;
	bool unknown;		// the record may have changed
	struct thread *task;
	enum kind { KIND_SITE, KIND_JOB, KIND_COPIES } kind;
	struct record_new_job job;
	char name[RECORD_NAME_SIZE];
	char arguments[RECORD_ARGUMENTS_SIZE];
	u64 bytes;		// of a job's image
} d;

static u32 changes;
static char text[256];

const char *
sentence(const char *format, ...)
{
	va_list arguments;

	if (!text[0]) {
		va_start(arguments, format);
		fmt_into_va(text, sizeof(text), format, arguments);
		va_end(arguments);
	}
	return text;
}

const char *
fault(const char *why)
{
	deploy_now.retry = false;
	return why;
}

u32
deploy_changes(void)
{
	return changes;
}

// ---- what is fed

u32
deploy_room(void)
{
	if (deploy_now.state != DEPLOY_RUNNING || d.finished || d.aborted)
		return 0;
	return (u32)(DEPLOY_BUFFER - (d.end - d.start));
}

u32
deploy_feed(const void *bytes, u32 len)
{
	u32 take = MIN(len, deploy_room());
	u64 at = d.end % DEPLOY_BUFFER;
	u64 first = MIN(take, DEPLOY_BUFFER - at);

	if (!take)
		return 0;
	memcpy(d.buffer + at, bytes, first);
	memcpy(d.buffer, (const u8 *)bytes + first, take - first);
	d.end += take;
	d.fed_at = machine_now();
	if (d.task)
		task_wake(d.task);
	return take;
}

u64
feed_look(const u8 **bytes)
{
	u64 at = d.start % DEPLOY_BUFFER;

	*bytes = d.buffer + at;
	return MIN(d.end - d.start, DEPLOY_BUFFER - at);
}

void
feed_take(u64 len)
{
	d.start += len;
	ASSERT(d.start <= d.end);
	changes += len != 0;
}

const char *
deploy_trouble(void)
{
	return d.aborted ? "the connection broke off" : NULL;
}

const char *
feed_wait(bool *ended)
{
	const char *error = NULL;

	while (d.start == d.end && !error) {
		*ended = d.finished;
		if (d.finished)
			return deploy_trouble();
		if (machine_now() >= d.fed_at + SILENCE_NS)
			return "nothing came for 60 seconds";
		task_wait(machine_now() + TICK_NS);
		error = deploy_trouble();
		if (!error)
			error = pairs_keep();
	}
	return error;
}

// ---- the end

const char *
deploy_commit(agree_change change, void *argument)
{
	const char *error = writer_drain();
	u64 told_at;

	deploy_now.sentence = "the owners check what they got";
	if (!error)
		error = pair_seal(&writer_pair);
	if (!error)
		error = pairs_settle();
	told_at = machine_now();
	if (!error)
		error = pairs_tell(DROP_NOTHING, 0, 0);
	if (!error)
		error = deploy_trouble();
	if (error)
		return error;
	// This node stood still meanwhile: the owners may have given up.
	if (machine_now() > told_at + COMMIT_NS)
		return "this node was not running for some seconds";
	deploy_now.sentence = "the record is changed";
	d.unknown = true;
	return record_change(change, argument);
}

static void
clean_up(const char *error)
{
	const struct record *record = record_now();
	enum drop_what what = !error ? DROP_COMMITTED
			      : d.unknown ? DROP_UNKNOWN : DROP_ALL;
	u64 version = record ? record->version : 0;
	const char *ignored;

	ignored = pairs_settle();
	pair_close(&writer_pair);
	writer_end();
	ignored = pairs_tell(what, MAX(version, pairs_version() + !error),
			     deploy_now.generation);
	(void)ignored;		// who does not answer gives up by itself
	mem_free(d.buffer);
	d.buffer = NULL;
}

static void
tell_end(const char *error)
{
	enum event_kind kind = d.kind == KIND_JOB ? EVENT_JOB : EVENT_SITE;
	const char *what = d.kind == KIND_JOB ? d.name : d.kind == KIND_SITE ? "site" : "copies";

	if (error)
		event(kind, what, "deploying", "refused", "%s", error);
	else
		event(kind, what, "deploying", "deployed", "%u files, %lu bytes",
		      deploy_now.files, deploy_now.bytes);
}

static const char *
run(void)
{
	const char *error = pairs_begin();

	if (!error)
		error = writer_begin();
	if (error)
		return error;
	switch (d.kind) {
	case KIND_JOB:
		return deploy_job(&d.job, d.bytes);
	case KIND_COPIES:
		return deploy_copies();
	default:
		return deploy_site();
	}
}

static void
deploy_task(void *argument)
{
	const char *error;

	(void)argument;
	d.task = task_self();
	error = run();
	clean_up(error);
	tell_end(error);
	d.task = NULL;
	deploy_now.sentence = error;
	deploy_now.state = error ? DEPLOY_FAILED : DEPLOY_DONE;
	changes++;
	if (d.aborted || d.kind == KIND_COPIES)
		deploy_release();
}

// ---- from outside

void
deploy_finish(void)
{
	d.finished = true;
	if (d.task)
		task_wake(d.task);
}

void
deploy_abort(void)
{
	d.aborted = true;
	if (d.task)
		task_wake(d.task);
	else if (deploy_now.state != DEPLOY_RUNNING)
		deploy_release();
}

void
deploy_report(struct deploy_report *report)
{
	*report = deploy_now;
}

void
deploy_release(void)
{
	ASSERT(deploy_now.state != DEPLOY_RUNNING);
	deploy_now.state = DEPLOY_IDLE;
	changes++;
}

static const char *
begin(enum kind kind)
{
	d.kind = kind;
	d.start = d.end = 0;
	d.fed_at = machine_now();
	d.finished = d.aborted = d.unknown = false;
	d.task = NULL;
	text[0] = 0;
	d.buffer = mem_alloc(DEPLOY_BUFFER);
	if (!d.buffer)
		return "this node has no memory for a deployment now";
	deploy_now = (struct deploy_report){
		.state = DEPLOY_RUNNING, .retry = true,
		.sentence = "what is sent is stored",
	};
	if (task_start(deploy_task, NULL))
		return NULL;
	mem_free(d.buffer);
	d.buffer = NULL;
	deploy_now.state = DEPLOY_IDLE;
	return "this node has too much to do";
}

static const char busy[] = "another deployment is under way on this node";

const char *
deploy_begin_site(void)
{
	if (deploy_now.state != DEPLOY_IDLE)
		return busy;
	return begin(KIND_SITE);
}

const char *
deploy_begin_job(const struct record_new_job *job, u64 bytes)
{
	if (deploy_now.state != DEPLOY_IDLE)
		return busy;
	if (!string_copy(d.name, sizeof(d.name), job->name) ||
	    !string_copy(d.arguments, sizeof(d.arguments), job->arguments))
		return record_sentence(RECORD_NAME);
	d.job = *job;
	d.job.name = d.name;
	d.job.arguments = d.arguments;
	d.bytes = bytes;
	return begin(KIND_JOB);
}

const char *
deploy_begin_copies(void)
{
	return deploy_now.state != DEPLOY_IDLE ? busy : begin(KIND_COPIES);
}
