// SPDX-License-Identifier: BSD-2-Clause
// The register's host: messages, time and the two slots on the disk for
// cluster/agree; the newest record, decoded, for the rest of the agent.
//
// A voter's slots are cluster/storage's to read and write. One task writes them, and
// says "written" when they are durable.
//
// Invariants:
//   G1  after each call into the core its outputs have been taken
//   G2  what the core gave to write is durable before the core is told so; the core
//       gives one thing at a time

#include "cluster/agent/register.h"
#include "cluster/agent/events.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/membership.h"
#include "cluster/agent/message.h"
#include "cluster/agent/register_host.h"
#include "cluster/agent/status.h"
#include "cluster/agent/task.h"
#include "cluster/storage/storage.h"
#include "cluster/view/view.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"

#define STRANGER_EVERY_NS (30 * NS_PER_SECOND)

STATIC_ASSERT(STORAGE_SLOT_BYTES == AGREE_SLOT);

// A request of record_change(): the core's tag is its address.
struct request {
	struct thread *task;
	bool ended;
	struct agree_outcome outcome;
};

static struct agree agree;
static struct record newest;
static bool opened, have_record;
static u32 news;

static struct {
	struct thread *task;
	bool wanted;
	u8 slot;
	u8 bytes[AGREE_SLOT];
} writer;

// What is told to everybody, and to whom it still is to be.
static struct {
	u64 slots;		// bit: slot of the membership's table
	u32 len;
	u8 bytes[AGREE_MESSAGE_MAX];
} telling;

static u64 stranger_told_ns;

const struct record *
record_now(void)
{
	return have_record ? &newest : NULL;
}

u32
register_news(void)
{
	return news;
}

bool
register_is_open(void)
{
	return opened;
}

const struct agree_counters *
register_counters(void)
{
	return &agree.count;
}

bool
record_has_majority(void)
{
	u32 voters = 0, there = 0;

	if (!have_record)
		return false;
	for (u32 i = 0; i < newest.node_count; i++) {
		if (!newest.node[i].voter)
			continue;
		voters++;
		there += member_life_of(newest.node[i].uuid) != MEMBER_DEAD;
	}
	return there * 2 > voters;
}

static void
send_to(u8 slot, const u8 *bytes, u32 len)
{
	struct peer peer = member_peer(&membership()->member[slot]);

	message_send(&peer, MESSAGE_REGISTER, bytes, len);
}

static void
tell_everybody(const struct agree_output *out)
{
	const struct members *all = membership();

	ASSERT(out->len <= sizeof(telling.bytes));
	telling.slots = 0;
	telling.len = out->len;
	memcpy(telling.bytes, out->bytes, out->len);
	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		if (all->member[i].used && all->member[i].life != MEMBER_DEAD)
			telling.slots |= 1ull << i;
	}
}

// A record is long and letters are few: it goes to one after the other.
static void
tell_on(void)
{
	for (u32 i = 1; i < MEMBERS_MAX && telling.slots; i++) {
		struct peer peer;

		if (!(telling.slots >> i & 1))
			continue;
		peer = member_peer(&membership()->member[i]);
		if (message_link(&peer) != VIEW_NONE &&
		    !message_send(&peer, MESSAGE_REGISTER, telling.bytes,
				  telling.len))
			return;
		telling.slots &= ~(1ull << i);
	}
}

static void
write_slot(const struct agree_output *out)
{
	ASSERT(!writer.wanted && out->len <= AGREE_SLOT);
	memset(writer.bytes, 0, sizeof(writer.bytes));
	memcpy(writer.bytes, out->bytes, out->len);
	writer.slot = out->slot;
	writer.wanted = true;
	if (writer.task)
		task_wake(writer.task);
}

static void
learned(void)
{
	static struct record before;
	bool fine;

	before = newest;
	fine = agree_known(&agree, &newest);
	ASSERT(fine);
	record_tell_changes(have_record ? &before : NULL, &newest);
	have_record = true;
	news++;
	membership_note(newest.version);
	storage_record_changed();
	status_own()->record = newest.version;
	memcpy(status_own()->cluster, newest.cluster, sizeof(newest.cluster));
	status_changed();
}

static void
stranger(const struct agree_output *out)
{
	u64 now = now_ns();
	char name[9], theirs[9];

	if (stranger_told_ns && now - stranger_told_ns < STRANGER_EVERY_NS)
		return;
	stranger_told_ns = now;
	event_node_name(out->to, name);
	event_node_name(out->cluster, theirs);
	event(EVENT_RECORD, name, "", "refused",
	      "its disk is of another cluster, %s", theirs);
}

static void
ended(const struct agree_output *out)
{
	struct request *request = (struct request *)out->outcome.tag;

	request->outcome = out->outcome;
	request->ended = true;
	task_wake(request->task);
}

static void
act(const struct agree_output *out)
{
	u8 slot;

	switch (out->kind) {
	case AGREE_SEND:
		slot = members_find(membership(), out->to);
		if (slot != MEMBER_NONE)
			send_to(slot, out->bytes, out->len);
		break;
	case AGREE_TELL:
		tell_everybody(out);
		break;
	case AGREE_WRITE:
		write_slot(out);
		break;
	case AGREE_NEWS:
		learned();
		break;
	case AGREE_ENDED:
		ended(out);
		break;
	case AGREE_STRANGER:
		stranger(out);
		break;
	default:
		break;
	}
}

static void
drain(u64 now)
{
	static struct agree_output out;

	while (agree_output(&agree, now, &out))
		act(&out);
}

// ---- the disk

static void
write_for_ever(void *argument)
{
	(void)argument;
	writer.task = task_self();
	for (;;) {
		i64 error;

		while (!writer.wanted)
			task_wait(NEVER);
		error = storage_slot_write(writer.slot, writer.bytes);
		writer.wanted = false;
		if (error)
			event(EVENT_DISK, "disk", "used", "failed",
			      "writing the register");
		agree_written(&agree, now_ns(), !error);
		drain(now_ns());
	}
}

static void
slots_load(void)
{
	static u8 slot[AGREE_SLOTS][AGREE_SLOT];
	enum agree_loaded loaded;
	i64 error = 0;

	for (u32 i = 0; i < AGREE_SLOTS && !error; i++)
		error = storage_slot_read(i, slot[i]);
	loaded = agree_load(&agree, slot);
	if (error || loaded == AGREE_DAMAGED)
		event(EVENT_DISK, "disk", "", "register damaged",
		      "it votes again when the others have told it all");
}

// ---- messages and time

static void
register_in(const struct message *m)
{
	u64 now = now_ns();

	if (!opened)
		return;
	agree_input(&agree, now, m->from.uuid, m->bytes, m->len);
	drain(now);
}

void
register_heard(const u8 uuid[16], u64 version)
{
	u64 now = now_ns();

	if (!opened || version <= agree_version(&agree))
		return;
	agree_heard(&agree, now, uuid, version);
	drain(now);
}

static void
run(u64 now)
{
	if (!opened)
		return;
	tell_on();
	if (now < agree_deadline(&agree))
		return;
	agree_timer(&agree, now);
	drain(now);
}

static void
watch(struct wait_set *set)
{
	if (opened)
		wait_until(set, agree_deadline(&agree));
}

// ---- what others call

static const char *
outcome_sentence(const struct agree_outcome *outcome)
{
	static char text[128];

	switch (outcome->result) {
	case AGREE_DONE:
		return NULL;
	case AGREE_REFUSED:
		return record_sentence((enum record_error)outcome->error);
	case AGREE_NO_MAJORITY:
	case AGREE_UNKNOWN:
		fmt_into(text, sizeof(text), "%u of %u voters do not answer: %s",
			 outcome->silent, outcome->voters,
			 agree_sentence((enum agree_result)outcome->result));
		return text;
	default:
		return agree_sentence((enum agree_result)outcome->result);
	}
}

static const char *
wait_for(struct request *request)
{
	drain(now_ns());
	while (!request->ended)
		task_wait(NEVER);
	return outcome_sentence(&request->outcome);
}

const char *
record_change(agree_change change, void *argument)
{
	struct request request = { .task = task_self() };

	ASSERT(request.task);
	if (!opened)
		return "this node is still starting";
	if (!agree_submit(&agree, now_ns(), change, argument, (u64)&request))
		return "too many changes are being made already; try again";
	return wait_for(&request);
}

const char *
register_read(void)
{
	struct request request = { .task = task_self() };

	if (!agree_read(&agree, now_ns(), (u64)&request))
		return "too many changes are being made already; try again";
	return wait_for(&request);
}

bool
register_is_blank(void)
{
	return !agree.known.len && !agree.acceptor.value.len;
}

const char *
register_found(const u8 cluster[16])
{
	struct request request = { .task = task_self() };
	u8 voter[1][AGREE_UUID];

	memcpy(voter[0], peer_self()->uuid, AGREE_UUID);
	if (!agree_found(&agree, now_ns(), cluster,
			 (const u8 (*)[AGREE_UUID])voter, 1, (u64)&request))
		return "too many changes are being made already; try again";
	return wait_for(&request);
}

i64
register_open(void)
{
	static const struct loop_part part = { .run = run, .watch = watch };
	bool votes = storage_state() == STORAGE_READY;
	u64 seed;
	i64 error = sys_entropy_read(&seed, sizeof(seed));

	if (error)
		return error;
	agree_init(&agree, now_ns(), peer_self()->uuid, peer_self()->incarnation,
		   seed, votes);
	if (votes)
		slots_load();
	if (!task_start(write_for_ever, NULL))
		return -E_TABLE;
	message_handle(MESSAGE_REGISTER, register_in);
	loop_add(&part);
	opened = true;
	drain(now_ns());
	return 0;
}
