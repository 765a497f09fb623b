// SPDX-License-Identifier: BSD-2-Clause
// The post: messages in, questions and their answers. Letters go out by letters.c,
// contacts.c says who is an agent, parts.c puts long messages together.
//
// Invariants:
//   P1  a question in asks[] ends once: by its answer, its patience, or its link
//   P2  a handler is never run inside another: what a node sends itself goes through
//       a queue as well

#include "kernel/base/assert.h"
#include "cluster/agent/hosts.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/parts.h"
#include "cluster/agent/post.h"
#include "cluster/agent/task.h"
#include "cluster/view/view.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/mem/mem.h"

#define ASKS_MAX TASKS_MAX
#define LOCALS_MAX 32u

struct ask {
	struct thread *task;	// NULL: free
	u32 id;
	u16 link;
	bool done;
	u8 *answer;
	u32 room;
	u32 len;
	i64 result;
};

struct handler {
	void (*handle)(const struct message *message);
	u32 (*serve)(const struct message *question, u8 *answer);
};

// A question in the hands of a task, and a message of this node to itself.
struct served {
	struct served *next;
	struct message message;
	u8 bytes[];
};

struct message_counts message_counts;

static struct handler handlers[MESSAGE_KINDS];
static struct ask asks[ASKS_MAX];
static struct parts parts;
static struct served *locals, **locals_end = &locals;
static u32 local_count;
static u8 *post_bytes;
static u32 endpoint;
static u32 next_id;
static u32 links_seen;
static struct peer self;

const struct peer *
peer_self(void)
{
	return &self;
}

// ---- messages in

static void
ask_end(struct ask *ask, i64 result)
{
	if (ask->done)
		return;
	ask->done = true;
	ask->result = result;
	task_wake(ask->task);
}

void
asks_lost(u16 link)
{
	for (u32 i = 0; i < ASKS_MAX; i++) {
		if (asks[i].task && asks[i].link == link)
			ask_end(&asks[i], -E_STATE);
	}
}

static void
answer_in(const struct message *m)
{
	for (u32 i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &asks[i];

		if (!ask->task || ask->done || ask->id != m->id ||
		    ask->link != m->link)
			continue;
		ask->len = m->len;
		if (m->len > ask->room) {
			ask_end(ask, -E_RANGE);
			return;
		}
		memcpy(ask->answer, m->bytes, m->len);
		ask_end(ask, 0);
		return;
	}
}

static struct served *
served_make(const struct message *m)
{
	struct served *s = mem_alloc(sizeof(*s) + m->len);

	if (!s)
		return NULL;
	s->next = NULL;
	s->message = *m;
	memcpy(s->bytes, m->bytes, m->len);
	s->message.bytes = s->bytes;
	return s;
}

static void
serve_task(void *argument)
{
	struct served *s = argument;
	u8 *answer = mem_alloc(MESSAGE_MAX);

	if (answer) {
		u32 len = handlers[s->message.kind].serve(&s->message, answer);

		ASSERT(len <= MESSAGE_MAX);
		message_answer(&s->message, answer, len);
	}
	mem_free(answer);
	mem_free(s);
}

static void
deliver(const struct message *m)
{
	const struct handler *h = &handlers[m->kind];
	struct served *s;

	message_counts.received++;
	if (h->handle) {
		h->handle(m);
		return;
	}
	if (!h->serve) {
		message_counts.dropped_shape++;
		return;
	}
	s = served_make(m);
	if (!s || !task_start(serve_task, s)) {
		message_counts.dropped_full++;
		mem_free(s);
	}
}

static void
message_in(u16 link, u32 environment, const struct message_head *head,
	   const u8 *bytes)
{
	const struct message m = {
		.kind = head->kind,
		.link = link,
		.id = head->id,
		.environment = environment,
		.is_question = head->is_question,
		.from_agent = contact_is_agent(link, environment),
		.from = contact_peer(link),
		.bytes = bytes,
		.len = head->total,
	};

	if (head->is_answer)
		answer_in(&m);
	else
		deliver(&m);
}

// Who is not the agent may only ask for what everybody may ask for.
static bool
may_send(u16 link, u32 environment, const struct message_head *head)
{
	if (contact_is_agent(link, environment))
		return true;
	if (head->kind == MESSAGE_READ_BLOCKS && head->parts == 1 &&
	    !head->is_answer)
		return true;
	message_counts.dropped_stranger++;
	contact_doubt(link);
	return false;
}

static void
letter_in(const struct fabric_complete *complete, const u8 *bytes)
{
	const struct parts_from from = {
		complete->node, complete->environment, complete->incarnation,
	};
	const struct parts_place *whole;
	struct message_head head;
	u16 link = complete->node;

	if (link >= FABRIC_LINKS_MAX)
		return;
	contact_look(link);
	memcpy(&head, bytes, sizeof(head));
	if (!parts_head_ok(&head, complete->length)) {
		message_counts.dropped_shape++;
		return;
	}
	if (complete->incarnation != contact_incarnation(link)) {
		message_counts.dropped_stranger++;
		return;
	}
	message_counts.received_parts++;
	bytes += sizeof(head);
	if (head.kind == MESSAGE_HELLO) {
		contact_hello(link, complete->environment, &head, bytes);
	} else if (may_send(link, complete->environment, &head)) {
		if (head.parts == 1) {
			message_in(link, complete->environment, &head, bytes);
			return;
		}
		whole = parts_take(&parts, &from, &head, bytes, now_ns());
		message_counts.dropped_parts = parts.dropped;
		if (whole)
			message_in(link, complete->environment, &whole->head,
				   whole->bytes);
	}
}

static void
post_buffer(u32 index)
{
	const struct fabric_submit s = {
		.tag = OPERATION_TAG(OPERATION_POST, index),
		.op = FABRIC_POST,
		.slot = endpoint,
		.local = fabric_local(post_bytes + index * LETTER_BYTES),
		.length = LETTER_BYTES,
	};

	if (operation_put(&s))
		return;
	operations_flush();
	if (!operation_put(&s))		// posts have a share of what is open
		ASSERT(false);
}

void
post_completed(const struct fabric_complete *complete)
{
	u32 index = (u32)complete->tag;

	if (complete->tag >> 32 == OPERATION_SEND) {
		letter_sent(complete);
		return;
	}
	ASSERT(complete->tag >> 32 == OPERATION_POST && index < POSTS_OPEN);
	if (complete->outcome == FABRIC_DONE)
		letter_in(complete, post_bytes + index * LETTER_BYTES);
	post_buffer(index);
}

// ---- what others call

void
message_handle(u16 kind, void (*handle)(const struct message *message))
{
	ASSERT(kind > MESSAGE_HELLO && kind < MESSAGE_KINDS &&
	       !handlers[kind].handle && !handlers[kind].serve);
	handlers[kind].handle = handle;
}

void
message_serve(u16 kind, u32 (*serve)(const struct message *question, u8 *answer))
{
	ASSERT(kind > MESSAGE_HELLO && kind < MESSAGE_KINDS &&
	       !handlers[kind].handle && !handlers[kind].serve);
	handlers[kind].serve = serve;
}

static struct message
local_message(u16 kind, u32 id, const void *bytes, u32 len)
{
	return (struct message){
		.kind = kind,
		.link = VIEW_LINK_SELF,
		.id = id,
		.environment = env_table()[self_index()].id,
		.is_question = id != 0,
		.from_agent = true,
		.from = self,
		.bytes = bytes,
		.len = len,
	};
}

// To itself a node sends through a queue too, so that no handler runs in another.
static bool
send_here(u16 kind, u32 id, const void *bytes, u32 len)
{
	const struct message m = local_message(kind, id, bytes, len);
	struct served *s;

	ASSERT(len <= MESSAGE_MAX);
	if (local_count == LOCALS_MAX)
		return false;
	s = served_make(&m);
	if (!s)
		return false;
	*locals_end = s;
	locals_end = &s->next;
	local_count++;
	return true;
}

static void
locals_deliver(void)
{
	for (u32 left = local_count; left > 0; left--) {
		struct served *s = locals;

		locals = s->next;
		if (!locals)
			locals_end = &locals;
		local_count--;
		deliver(&s->message);
		mem_free(s);
	}
}

bool
message_send(const struct peer *to, u16 kind, const void *bytes, u32 len)
{
	struct message_head head = { .kind = kind, .id = next_id++, .total = len };
	u16 link;

	if (peer_is(to, &self))
		return send_here(kind, 0, bytes, len);
	link = message_link(to);
	return link != VIEW_NONE && letters_post(link, &head, bytes);
}

void
message_answer(const struct message *question, const void *bytes, u32 len)
{
	struct message_head head = {
		.kind = question->kind, .is_answer = 1, .id = question->id,
		.total = len,
	};
	struct message m;

	if (!question->is_question)
		return;
	if (question->link == VIEW_LINK_SELF) {
		m = local_message(question->kind, question->id, bytes, len);
		answer_in(&m);
		return;
	}
	if (contact_incarnation(question->link) == question->from.incarnation)
		letters_post(question->link, &head, bytes);
}

// The question is on its way, or the ask has ended with why not.
static void
ask_send(struct ask *ask, const struct peer *to, u16 kind, const void *bytes,
	 u32 len)
{
	struct message_head head = {
		.kind = kind, .is_question = 1, .id = ask->id, .total = len,
	};

	ask->link = VIEW_LINK_SELF;
	if (peer_is(to, &self)) {
		if (!send_here(kind, ask->id, bytes, len))
			ask_end(ask, -E_TABLE);
		return;
	}
	ask->link = message_link(to);
	if (ask->link == VIEW_NONE)
		ask_end(ask, -E_ABSENT);
	else if (!letters_post(ask->link, &head, bytes))
		ask_end(ask, -E_TABLE);
}

i64
task_ask(const struct peer *to, u16 kind, const void *question, u32 question_len,
	 void *answer, u32 *len, u64 patience_ns)
{
	u64 until = now_ns() + patience_ns;
	struct ask *ask = asks;
	i64 result;

	ASSERT(task_self() && question_len <= MESSAGE_MAX);
	while (ask->task)
		ask++;
	ASSERT(ask < asks + ASKS_MAX);	// a task has one at a time
	next_id += next_id == 0;
	*ask = (struct ask){
		.task = task_self(), .id = next_id++, .answer = answer,
		.room = *len,
	};
	message_counts.asked++;
	ask_send(ask, to, kind, question, question_len);
	while (!ask->done && now_ns() < until)
		task_wait(until);
	result = ask->done ? ask->result : -E_TIMEOUT;
	message_counts.timed_out += result == -E_TIMEOUT;
	*len = ask->len;
	*ask = (struct ask){ 0 };
	return result;
}

// ---- the loop's part

static void
run(u64 now)
{
	links_seen = fabric_info()->changes;
	contacts_run(now);
	locals_deliver();
	letters_run(now);
}

static void
watch(struct wait_set *set)
{
	wait_word_add(set, &fabric_info()->changes, links_seen);
	if (local_count)
		wait_until(set, 0);
	letters_watch(set);
}

i64
post_open(void)
{
	static const struct loop_part part = { .run = run, .watch = watch };
	i64 result = sys_endpoint_open(operations_queue()->fabric_slot,
				       operations_queue()->slot, AGENT_SERVICE);

	if (result < 0)
		return result;
	endpoint = (u32)result;
	post_bytes = task_buffer_take((POSTS_OPEN * LETTER_BYTES + PAGE_SIZE - 1) /
				      PAGE_SIZE);
	if (!post_bytes || letters_open())
		return -E_FRAMES;
	for (u32 i = 0; i < sizeof(self.uuid); i++)
		self.uuid[i] = fabric_info()->uuid[i];
	self.incarnation = sys_info()->incarnation;
	if (sys_entropy_read(&next_id, sizeof(next_id)))
		return -E_ABSENT;
	for (u32 i = 0; i < POSTS_OPEN; i++)
		post_buffer(i);
	loop_add(&part);
	return 0;
}
