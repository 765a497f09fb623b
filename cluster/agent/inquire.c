// SPDX-License-Identifier: BSD-2-Clause
// Inquiries. An answer of another agent is checked before it is shown: counts against
// what came, and texts end where their arrays do.
//
// Invariants:
//  Q1  an inquiry has a task until it is over; it is freed by whichever comes last
//      of its task's end and inquiry_poll() or inquiry_forget()
//  Q2  a page ends between two answers of the member, so that it can go on where they do
//  Q3  `json` is written by the task alone, and complete when progress is DONE

#include "cluster/agent/inquire.h"
#include "cluster/agent/publish.h"
#include "cluster/agent/register.h"
#include "cluster/agent/reports.h"
#include "cluster/agent/rows.h"
#include "cluster/agent/task.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/errors.h"
#include "libos/mem/mem.h"

#define LOG_TURNS_MAX 64u		// programs of a node whose logs are shown
#define EVENT_TURNS_MAX 8u
#define CAP_TURNS_MAX 64u
#define FABRIC_TURNS_MAX 64u

struct inquiry {
	bool forgotten;
	bool of_job;			// logs: of a job, not of a node
	enum api_progress progress;
	struct api_call call;
	struct api_error error;
	struct json json;
	u32 member_count;		// of those who are asked
	struct peer member[VIEW_MEMBERS_MAX];
	u8 life[VIEW_MEMBERS_MAX];
	// An answer, as it came.
	union {
		struct events_answer events;
		struct logs_answer logs;
		struct caps_answer caps;
		struct fabric_answer fabric;
		u8 bytes[MESSAGE_MAX];
	} answer;
	char text[API_ANSWER_MAX];
};

static struct inquiry *inquiries[INQUIRIES_MAX];
static u32 news;

u32
inquiry_news(void)
{
	return news;
}

static void
release(struct inquiry *q)
{
	for (u32 i = 0; i < INQUIRIES_MAX; i++) {
		if (inquiries[i] == q)
			inquiries[i] = NULL;
	}
	mem_free(q);
}

// ---- changes of the record

struct change {
	const struct api_call *call;
	enum record_error error;	// the change's own, the last time it was tried
	u32 id;
};

static enum record_error
change_record(void *argument, struct record *record)
{
	struct change *change = argument;
	const struct api_call *call = change->call;
	const struct record_job *job = record_find_job(record, call->name);

	change->id = job ? job->id : 0;
	change->error = call->route == API_JOB_SCALE ?
				record_scale(record, call->name, call->count) :
				record_remove(record, call->name);
	return change->error;
}

static enum api_progress
run_change(struct inquiry *q)
{
	struct change change = { .call = &q->call };
	const char *why = record_change(change_record, &change);

	if (!why) {
		api_show_job_done(&q->json, q->call.name, change.id);
		return API_DONE;
	}
	api_say(&q->error, change.error == RECORD_NO_SUCH_JOB ? HTTP_NOT_FOUND :
			   change.error != RECORD_OK ? HTTP_CONFLICT :
						       HTTP_UNAVAILABLE, "%s", why);
	return API_FAILED;
}

// ---- questions

// Waits: asks one member. Returns NULL with *len bytes in q->answer, or why not.
static const char *
ask(struct inquiry *q, u32 member, u16 kind, const void *question, u32 question_len,
    u32 *len)
{
	i64 error;

	if (q->life[member] == VIEW_DEAD)
		return "the node is dead";
	*len = sizeof(q->answer);
	error = task_ask(&q->member[member], kind, question, question_len,
			 &q->answer, len, TASK_ASK_NS);
	switch (error) {
	case 0:
		return NULL;
	case -E_ABSENT:
		return "the node cannot be reached";
	case -E_TIMEOUT:
		return "the node did not answer in time";
	case -E_STATE:
		return "the connection to the node ended";
	}
	return error_text(error);
}

static enum api_progress
fail(struct inquiry *q, const char *why)
{
	api_say(&q->error, HTTP_GATEWAY_TIMEOUT, "%s", why);
	return API_FAILED;
}

static bool
show_events(struct inquiry *q, u32 count, u64 *since)
{
	for (u32 i = 0; i < count; i++) {
		struct event *e = &q->answer.events.event[i];
		u64 now = q->answer.events.now_ns;

		e->who[sizeof(e->who) - 1] = e->from[sizeof(e->from) - 1] = 0;
		e->to[sizeof(e->to) - 1] = e->why[sizeof(e->why) - 1] = 0;
		const struct api_event shown = {
			.number = e->number, .epoch = e->epoch,
			.ago_ns = now - MIN(e->at_ns, now),
			.kind = event_word(e->kind), .who = e->who,
			.from = e->from, .to = e->to, .why = e->why,
		};
		if (!api_show_event(&q->json, &shown))
			return false;
		*since = e->number;
	}
	return true;
}

static enum api_progress
run_events(struct inquiry *q)
{
	const u32 head = offsetof(struct events_answer, event);
	struct events_question question = { .since = q->call.since };

	api_show_events_begin(&q->json, q->member[0].uuid);
	for (u32 turn = 0; turn < EVENT_TURNS_MAX; turn++) {
		u32 len, count;
		const char *why = ask(q, 0, MESSAGE_EVENTS, &question,
				      sizeof(question), &len);

		if (why)
			return fail(q, why);
		count = len < head ? 0 : MIN(q->answer.events.count, REPORT_EVENTS);
		count = MIN(count, (len - MIN(len, head)) / (u32)sizeof(struct event));
		if (!show_events(q, count, &question.since) || count < REPORT_EVENTS)
			break;
	}
	api_show_list_end(&q->json);
	return API_DONE;
}

// "web/3" is the program web, number 3.
static void
cut_number(char *program)
{
	while (*program && *program != '/')
		program++;
	*program = 0;
}

// All logs of one member. Returns false when nothing fits any more.
static bool
show_logs_of(struct inquiry *q, u32 member, const char *job)
{
	const u32 head = offsetof(struct logs_answer, text);
	struct logs_answer *a = &q->answer.logs;
	struct logs_question question = { .next = 0 };

	string_copy(question.name, sizeof(question.name), job);
	for (u32 turn = 0; turn < LOG_TURNS_MAX; turn++) {
		u32 len;
		const char *why = ask(q, member, MESSAGE_LOGS, &question,
				      sizeof(question), &len);

		if (why)
			return api_show_no_log(&q->json, q->member[member].uuid, why);
		if (len < head || !a->found)
			return true;
		a->program[sizeof(a->program) - 1] = 0;
		cut_number(a->program);
		const struct api_log log = {
			.node = q->member[member].uuid, .program = a->program,
			.number = (u16)a->number, .text = a->text,
			.len = MIN(a->len, len - head),
		};
		if (!api_show_log(&q->json, &log, q->call.lines))
			return false;
		question.next = a->next;
		if (!question.next)
			return true;
	}
	return true;
}

// Of a job: what every member has of it; else all that one member has.
static enum api_progress
run_logs(struct inquiry *q)
{
	const char *job = q->of_job ? q->call.name : "";

	api_show_logs_begin(&q->json);
	for (u32 i = 0; i < q->member_count; i++) {
		if (!show_logs_of(q, i, job))
			break;
	}
	api_show_list_end(&q->json);
	return API_DONE;
}

static bool
show_caps(struct inquiry *q, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		struct caps_entry *e = &q->answer.caps.entry[i];

		e->program[sizeof(e->program) - 1] = 0;
		const struct api_cap cap = {
			.program = e->program, .environment = e->environment,
			.slot = e->slot, .info = e->info,
		};
		if (!api_show_cap(&q->json, &cap))
			return false;
	}
	return true;
}

static enum api_progress
run_caps(struct inquiry *q)
{
	const u32 head = offsetof(struct caps_answer, entry);
	struct caps_question question = { .next = q->call.from };

	api_show_caps_begin(&q->json, q->member[0].uuid);
	for (u32 turn = 0; turn < CAP_TURNS_MAX; turn++) {
		struct json mark = json_mark(&q->json);
		u32 len, count;
		const char *why = ask(q, 0, MESSAGE_CAPS, &question,
				      sizeof(question), &len);

		if (why)
			return fail(q, why);
		if (len < head)
			return fail(q, "the node's answer makes no sense");
		count = MIN(q->answer.caps.count, REPORT_CAPS);
		count = MIN(count, (len - head) / (u32)sizeof(struct caps_entry));
		if (!show_caps(q, count)) {
			json_cut(&q->json, &mark);			// Q2
			break;
		}
		question.next = q->answer.caps.next;
		if (!question.next)
			break;
	}
	api_show_page_end(&q->json, question.next);
	return API_DONE;
}

// ---- the fabric of a node

// Asks for rows from `next` on, of which `count` came whole. NULL, or why none did.
static const char *
ask_rows(struct inquiry *q, enum fabric_what what, u64 next, u32 *count)
{
	struct fabric_question question;
	const char *why;
	u32 len;

	rows_ask(&question, what, next);
	why = ask(q, 0, MESSAGE_FABRIC, &question, sizeof(question), &len);
	return why ? why : rows_take(&q->answer.fabric, len, what, count);
}

static bool
show_row(struct inquiry *q, enum fabric_what what, u32 i)
{
	const struct fabric_answer *a = &q->answer.fabric;

	switch (what) {
	case FABRIC_ASK_LINKS:
		return api_show_link(&q->json, a->row.link[i].index, a->now_ns,
				     &a->row.link[i].link, &a->row.link[i].counts);
	case FABRIC_ASK_EXPORTS:
		return api_show_export(&q->json, a->row.export[i].slot,
				       &a->row.export[i].export);
	default:
		return api_show_held(&q->json, a->row.held[i].index,
				     &a->row.held[i].held);
	}
}

// One list from entry *from on, to its end, where *from is 0, or to the end of the page.
// NULL, or why it could not be had.
static const char *
show_list(struct inquiry *q, enum fabric_what what, u64 *from)
{
	for (u32 turn = 0; turn < FABRIC_TURNS_MAX; turn++) {
		struct json mark = json_mark(&q->json);
		u32 count;
		const char *why = ask_rows(q, what, *from, &count);

		if (why)
			return why;
		for (u32 i = 0; i < count; i++) {
			if (!show_row(q, what, i)) {
				json_cut(&q->json, &mark);		// Q2
				return NULL;
			}
		}
		*from = q->answer.fabric.next;
		if (!*from)
			break;
	}
	return NULL;
}

static enum api_progress
run_fabric(struct inquiry *q)
{
	u32 first = q->call.from >> API_FROM_BITS, next = 0, count;
	u64 from = q->call.from & (api_from(1, 0) - 1);
	const char *why = ask_rows(q, FABRIC_ASK_INFO, 0, &count);

	if (why || !count)
		return fail(q, why ? why : "the node's answer makes no sense");
	api_show_fabric_begin(&q->json, q->member[0].uuid, &q->answer.fabric.row.info);
	for (u32 list = 0; list < API_LISTS; list++) {
		api_show_fabric_list(&q->json, (enum api_list)list);
		if (list < first || next)
			continue;
		if (!q->json.cut)
			why = show_list(q, (enum fabric_what)(FABRIC_ASK_LINKS + list),
					&from);
		if (why)
			return fail(q, why);
		if (from || q->json.cut)
			next = api_from(list, (u32)from);
	}
	api_show_page_end(&q->json, next);
	return API_DONE;
}

// The newest events that fit, without a gap: what was overwritten while it was on its
// way ends the piece.
static enum api_progress
run_trace(struct inquiry *q)
{
	const struct fabric_answer *a = &q->answer.fabric;
	u64 first = 0, next = 0;
	u32 total = 0, count;

	api_show_trace_begin(&q->json, q->member[0].uuid, q->member[0].incarnation);
	do {
		const char *why = ask_rows(q, FABRIC_ASK_TRACE, next, &count);

		if (why)
			return fail(q, why);
		if (!total)
			first = a->first;
		if (total && a->first != next)
			break;
		count = MIN(count, API_TRACE_EVENTS - total);
		api_show_trace_events(&q->json, a->row.event, count);
		total += count;
		next = a->first + count;
	} while (a->next && count && total < API_TRACE_EVENTS);
	api_show_trace_end(&q->json, first, total, a->now_ns);
	return API_DONE;
}

// ---- from beginning to end

static enum api_progress
run(struct inquiry *q)
{
	switch (q->call.route) {
	case API_EVENTS:
		return run_events(q);
	case API_LOGS:
		return run_logs(q);
	case API_CAPS:
		return run_caps(q);
	case API_FABRIC:
		return run_fabric(q);
	case API_TRACE:
		return run_trace(q);
	default:
		return run_change(q);
	}
}

static void
body(void *argument)
{
	struct inquiry *q = argument;
	enum api_progress progress = run(q);

	if (q->forgotten) {
		release(q);
		return;
	}
	q->progress = progress;
	news++;
}

static void
add_member(struct inquiry *q, const struct view *view, u16 index)
{
	const struct view_member *m = &view->member[index];
	struct peer *peer = &q->member[q->member_count];

	memcpy(peer->uuid, m->uuid, sizeof(peer->uuid));
	peer->incarnation = m->incarnation;
	q->life[q->member_count++] = m->life;
}

// Who is asked. False: no such node or job.
static bool
choose_members(struct inquiry *q)
{
	const struct view *view = view_now();
	const char *name = q->call.route == API_EVENTS ? q->call.node : q->call.name;
	u16 node;

	q->member_count = 0;
	if (q->call.route == API_JOB_SCALE || q->call.route == API_JOB_DELETE)
		return true;
	if (q->call.route == API_EVENTS && !*name) {
		add_member(q, view, (u16)view->self);
		return true;
	}
	q->of_job = q->call.route == API_LOGS && record_now() &&
		    record_find_job(record_now(), name);
	for (u16 i = 0; i < view->member_count && q->of_job; i++) {
		if (view->member[i].life != VIEW_DEAD)
			add_member(q, view, i);
	}
	if (q->of_job)
		return true;
	node = api_find_node(view, name);
	if (node != VIEW_NONE)
		add_member(q, view, node);
	return node != VIEW_NONE;
}

static struct inquiry *
take(void)
{
	for (u32 i = 0; i < INQUIRIES_MAX; i++) {
		if (inquiries[i])
			continue;
		inquiries[i] = mem_alloc(sizeof(struct inquiry));
		return inquiries[i];
	}
	return NULL;
}

struct inquiry *
inquiry_begin(const struct api_call *call, struct api_error *error)
{
	struct inquiry *q = take();

	api_say(error, HTTP_UNAVAILABLE, "this node has too much to do; try again");
	if (!q)
		return NULL;
	q->forgotten = false;
	q->progress = API_PENDING;
	q->call = *call;
	json_begin(&q->json, q->text, sizeof(q->text));
	if (!choose_members(q))
		api_say(error, HTTP_NOT_FOUND, "there is no %s `%s`",
			call->route == API_LOGS ? "job or node" : "node",
			call->route == API_EVENTS ? call->node : call->name);
	else if (task_start(body, q))
		return q;
	release(q);
	return NULL;
}

enum api_progress
inquiry_poll(struct inquiry *q, struct json *json, struct api_error *error)
{
	enum api_progress progress = q->progress;

	if (progress == API_PENDING)
		return API_PENDING;
	if (progress == API_DONE)
		json_copy(json, &q->json);
	else
		*error = q->error;
	release(q);
	return progress;
}

void
inquiry_forget(struct inquiry *q)
{
	ASSERT(!q->forgotten);
	q->forgotten = true;
	if (q->progress != API_PENDING)
		release(q);
}
