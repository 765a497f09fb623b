// SPDX-License-Identifier: BSD-2-Clause
// Answers to what people want to know of this node. Stateless but for scratch memory;
// handlers run in the loop, one at a time.

#include "cluster/agent/reports.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/mem/map.h"
#include "libos/text/text.h"

static void
events_in(const struct message *m)
{
	static struct events_answer answer;
	struct events_question q;

	if (m->len != sizeof(q))
		return;
	memcpy(&q, m->bytes, sizeof(q));
	answer.now_ns = now_ns();
	answer.count = events_read(q.since, answer.event, REPORT_EVENTS);
	message_answer(m, &answer,
		       (u32)offsetof(struct events_answer, event) +
			       answer.count * (u32)sizeof(answer.event[0]));
}

// ---- logs

// Program 0 is the agent itself: init shares its log with it.
static const volatile struct log *
own_log(void)
{
	static const volatile struct log *mapped;
	struct frame_run run;
	u32 slot = startup_slot(ROLE_LOG);

	if (!mapped && slot != SLOT_NONE && !run_of_slot(slot, &run) &&
	    !map_direct(&run, PROT_READ | PROT_WRITE))
		mapped = direct_address(run.frame);
	return mapped;
}

static const volatile struct log *
log_at(u32 number, char name[PROGRAM_NAME_SIZE])
{
	const struct program *p = number ? program_at(number - 1) : NULL;

	string_copy(name, PROGRAM_NAME_SIZE, p ? p->name : "agent");
	if (!number)
		return own_log();
	return p->log.count ? direct_address(p->log.frame) : NULL;
}

// "web/3": is it of the job `web`, or what was asked for in full?
static bool
is_named(const char *program, const char *wanted, u32 *instance)
{
	size_t len = 0;
	u64 number = 0;

	while (program[len] && program[len] != '/')
		len++;
	if (program[len] && !text_to_u64(program + len + 1, &number))
		return false;
	*instance = (u32)number;
	return !*wanted || !strcmp(program, wanted) ||
	       (!strncmp(program, wanted, len) && !wanted[len]);
}

static u32
program_count(void)
{
	u32 count = 0;

	while (program_at(count))
		count++;
	return count + 1;		// the agent too
}

// The next program of that name from a number on, that has a log.
static const volatile struct log *
log_find(const char *wanted, u32 *at, struct logs_answer *answer)
{
	u32 count = program_count();

	for (; *at < count; ++*at) {
		const volatile struct log *log = log_at(*at, answer->program);

		if (log && *answer->program &&
		    is_named(answer->program, wanted, &answer->number))
			return log;
	}
	return NULL;
}

static void
logs_in(const struct message *m)
{
	static struct logs_answer answer, other;
	const volatile struct log *log;
	struct logs_question q;
	u32 at;

	if (m->len != sizeof(q))
		return;
	memcpy(&q, m->bytes, sizeof(q));
	q.name[sizeof(q.name) - 1] = 0;
	at = q.next;
	memset(&answer, 0, offsetof(struct logs_answer, text));
	log = log_find(q.name, &at, &answer);
	if (log) {
		answer.found = 1;
		answer.len = log_read(log, answer.text, LOG_BYTES);
		at++;
		answer.next = log_find(q.name, &at, &other) ? at : 0;
	}
	message_answer(m, &answer,
		       (u32)offsetof(struct logs_answer, text) + answer.len);
}

// ---- capabilities

// Environments that this agent can look into: its own, and its children.
static bool
environment_at(u32 number, u32 *env, u32 *id, char name[PROGRAM_NAME_SIZE])
{
	const struct program *p = number ? program_at(number - 1) : NULL;

	if (number && (!p || !p->child.id))
		return false;
	*env = number ? p->child.env : CAP_SLOT_SELF;
	*id = number ? p->child.id : env_table()[self_index()].id;
	string_copy(name, PROGRAM_NAME_SIZE, number ? p->name : "agent");
	return true;
}

// `next` counts slots of all environments, one after another.
static void
caps_in(const struct message *m)
{
	static struct caps_answer answer;
	struct caps_question q;
	u32 end = program_count() * CAP_LIST_SLOTS;

	if (m->len != sizeof(q))
		return;
	memcpy(&q, m->bytes, sizeof(q));
	memset(&answer, 0, sizeof(answer));
	for (; q.next < end && answer.count < REPORT_CAPS; q.next++) {
		struct caps_entry *e = &answer.entry[answer.count];
		u32 env;

		if (!environment_at(q.next / CAP_LIST_SLOTS, &env,
				    &e->environment, e->program))
			continue;
		e->slot = q.next % CAP_LIST_SLOTS;
		if (!sys_cap_inspect(env, e->slot, &e->info) &&
		    e->info.type != CAP_NONE)
			answer.count++;
	}
	answer.next = q.next < end ? q.next : 0;
	message_answer(m, &answer,
		       (u32)offsetof(struct caps_answer, entry) +
			       answer.count * (u32)sizeof(answer.entry[0]));
}

void
reports_open(void)
{
	message_handle(MESSAGE_EVENTS, events_in);
	message_handle(MESSAGE_LOGS, logs_in);
	message_handle(MESSAGE_CAPS, caps_in);
}
