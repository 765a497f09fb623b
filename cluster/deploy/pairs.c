// SPDX-License-Identifier: BSD-2-Clause
// The other side of cluster/storage/room.h: choosing two members for each room, and
// keeping, sealing and giving up what they gave.
//
// Two members with the most free blocks get the next room, so the copies spread.
// Invariant: a candidate that was not asked has nothing of this deployment.

#include "cluster/agent/events.h"
#include "cluster/agent/register.h"
#include "cluster/deploy/work.h"
#include "kernel/base/assert.h"

#define ASK_NS (8 * NS_PER_SECOND)
#define SEAL_NS (300 * NS_PER_SECOND)
#define GRANT_NS (3 * NS_PER_SECOND)
#define KEEP_NS (8 * NS_PER_SECOND)
// A session that ended comes back when its node does: owners wait for 30 s.
#define AGAIN_NS (12 * NS_PER_SECOND)
#define AGAIN_NEW_NS (2 * NS_PER_SECOND)	// of who has nothing of ours yet
#define PAUSE_NS (300 * NS_PER_MS)

struct look {
	bool seen;
	u64 version, generation;
	u32 voters;
	u8 voter[RECORD_NODES][STORE_UUID];
};

static struct candidate candidates[RECORD_NODES];
static u32 candidate_count;
static u64 deployment, version, generation, kept_at;

// What is being sealed: one task a lane.
static struct sealing {
	struct pair pair;
	u32 open;		// lanes that have not answered
	struct thread *waiter;
	const char *error;
} sealing;

u64
pairs_version(void)
{
	return version;
}

u64
pairs_generation(void)
{
	return generation;
}

static const char *
name_of(const struct candidate *c)
{
	static char name[9];

	event_node_name(c->uuid, name);
	return name;
}

// ---- the record

// Reads, and changes nothing: a change that is refused has been read by a majority.
static enum record_error
look(void *argument, struct record *record)
{
	struct look *seen = argument;

	seen->seen = true;
	seen->version = record->version;
	seen->generation = record->site.generation;
	seen->voters = 0;
	for (u32 i = 0; i < record->node_count; i++) {
		if (record->node[i].voter)
			memcpy(seen->voter[seen->voters++], record->node[i].uuid,
			       STORE_UUID);
	}
	return RECORD_OVERTAKEN;
}

static void
take_candidates(const struct look *seen)
{
	candidate_count = seen->voters;
	for (u32 i = 0; i < seen->voters; i++) {
		struct candidate *c = &candidates[i];

		*c = (struct candidate){ 0 };
		memcpy(c->uuid, seen->voter[i], STORE_UUID);
		c->out = !machine_is_alive(c->uuid) || !machine_peer(c->uuid, &c->peer);
		c->free = machine_free_blocks(c->uuid);
	}
}

const char *
pairs_begin(void)
{
	static struct look seen;
	const char *error;

	seen = (struct look){ 0 };
	candidate_count = 0;
	sealing = (struct sealing){ 0 };
	error = record_change(look, &seen);
	if (!seen.seen)
		return error ? error : "the record cannot be read";
	version = seen.version;
	generation = seen.generation;
	deployment = machine_random();
	kept_at = machine_now();
	take_candidates(&seen);
	return NULL;
}

// ---- rooms

// The candidate with the most room, but not `other`.
static struct candidate *
choose(const struct candidate *other)
{
	struct candidate *best = NULL;

	for (u32 i = 0; i < candidate_count; i++) {
		struct candidate *c = &candidates[i];

		if (c != other && !c->out && (!best || c->free > best->free))
			best = c;
	}
	return best;
}

bool
candidate_lives(const struct candidate *c)
{
	struct peer peer;

	return machine_is_alive(c->uuid) && machine_peer(c->uuid, &peer) &&
	       peer_is(&peer, &c->peer);
}

// Asks until there is an answer of that length, the owner is another life of its node,
// or it has been silent for too long. Owners answer a question that comes twice as they
// did the first time.
static i64
ask_owner(const struct candidate *c, u16 kind, const void *question, u32 len,
	  void *answer, u32 answer_len, u64 patience_ns)
{
	u64 until = machine_now() + (c->used ? AGAIN_NS : AGAIN_NEW_NS);

	for (;;) {
		u32 room = answer_len;
		i64 error = task_ask(&c->peer, kind, question, len, answer, &room,
				     patience_ns);

		if (!error && room != answer_len)
			return -E_STATE;
		if (!error || machine_now() >= until || !candidate_lives(c))
			return error;
		task_sleep(machine_now() + PAUSE_NS);
	}
}

static i64
ask_room(const struct candidate *c, const struct room_ask *ask,
	 struct room_answer *answer)
{
	u64 until = machine_now() + AGAIN_NS;
	i64 error;

	// An owner that reads the newest manifest still is ready in a moment.
	while (!(error = ask_owner(c, MESSAGE_ROOM, ask, sizeof(*ask), answer,
				   sizeof(*answer), ASK_NS)) &&
	       answer->status == ROOM_BEHIND && machine_now() < until)
		task_sleep(machine_now() + PAUSE_NS);
	if (!error && !answer->status &&
	    (answer->count < ask->least || answer->count > ask->want ||
	     answer->first < STORE_FIRST_BLOCK))
		error = -E_STATE;
	return error;
}

// Asks with a place for the capability ready; it comes before or after the answer.
static i64
ask_far_room(const struct candidate *c, struct room_ask *ask,
	     struct room_answer *answer, u32 *slot)
{
	struct task_grant grant;
	i64 error;

	task_grant_begin(&grant);
	ask->word = grant.word;
	error = ask_room(c, ask, answer);
	if (!error && !answer->status)
		error = task_grant_wait(&grant, machine_now() + GRANT_NS);
	*slot = grant.slot;
	task_grant_end(&grant);
	if (!error && !answer->status && grant.units != answer->count)
		error = -E_STATE;
	return error;
}

// What a refusal means for the candidate and for the deployment.
static const char *
refused(struct candidate *c, u32 status)
{
	c->out = true;
	switch (status) {
	case ROOM_FULL:
	case ROOM_NO_DISK:
		c->free = 0;
		return NULL;	// another one may do
	default:
		return sentence("node %s %s", name_of(c), room_status_text(status));
	}
}

// A room of `least` to `want` blocks on a candidate. The lane has no candidate when it
// did not work out and another one may be tried.
static const char *
lane_open(struct lane *lane, struct candidate *c, u64 want, u64 least)
{
	struct room_ask ask = {
		.deployment = deployment, .version = version,
		.want = want, .least = least,
	};
	struct room_answer answer;
	bool here = peer_is(&c->peer, peer_self());
	i64 error;

	*lane = (struct lane){ .slot = SLOT_NONE };
	c->asked = true;
	error = here ? ask_room(c, &ask, &answer)
		     : ask_far_room(c, &ask, &answer, &lane->slot);
	if (error && c->used)
		return sentence("node %s is gone", name_of(c));
	c->used |= !error && !answer.status;
	if (error) {
		c->out = true;
		return NULL;
	}
	if (answer.status)
		return refused(c, answer.status);
	c->free = answer.free;
	lane->candidate = c;
	lane->room = answer.room;
	lane->first = answer.first;
	lane->count = answer.count;
	return NULL;
}

static void
lane_close(struct lane *lane)
{
	if (lane->slot != SLOT_NONE)
		machine_drop(lane->slot);
	lane->slot = SLOT_NONE;
}

static const char *
no_room(u64 least)
{
	u32 alive = 0;

	for (u32 i = 0; i < candidate_count; i++)
		alive += machine_is_alive(candidates[i].uuid);
	if (alive < MIN(candidate_count, LANES_MAX))
		return "copies go to two nodes with disks, and only one is there";
	return fault(sentence("no two disks have %lu KiB of room left",
			      least * STORE_BLOCK / 1024));
}

// Tries candidates until one gives a room.
static const char *
find_lane(struct lane *lane, const struct candidate *other, u64 want, u64 least)
{
	for (;;) {
		struct candidate *c = choose(other);
		const char *error;

		if (!c)
			return candidate_count == 1 ? fault("the disk has no room left")
						    : no_room(least);
		error = lane_open(lane, c, want, least);
		if (error || lane->candidate)
			return error;
	}
}

// This node's own lane first: the pages of the ring are in the order of its blocks.
static void
order_lanes(struct pair *pair)
{
	struct lane first = pair->lane[0];

	if (pair->lanes < 2 || pair->lane[1].slot != SLOT_NONE)
		return;
	pair->lane[0] = pair->lane[1];
	pair->lane[1] = first;
}

const char *
pair_open(struct pair *pair, u64 least)
{
	u32 lanes = MIN(candidate_count, LANES_MAX);
	u64 want = MAX(least, ROOM_WANT);
	const char *error = NULL;

	*pair = (struct pair){ .count = want };
	if (!lanes)
		return "no node has a disk";
	while (pair->lanes < lanes && !error) {
		struct lane *lane = &pair->lane[pair->lanes];

		error = find_lane(lane, pair->lanes ? pair->lane[0].candidate : NULL,
				  pair->count, least);
		if (error)
			break;
		pair->lanes++;
		pair->count = MIN(pair->count, lane->count);
	}
	order_lanes(pair);
	return error;
}

// ---- sealing

static const char *
seal_lane(const struct lane *lane, u64 used)
{
	struct seal_ask ask = {
		.deployment = deployment, .room = lane->room, .used = used,
	};
	struct seal_answer answer;
	i64 error = ask_owner(lane->candidate, MESSAGE_SEAL, &ask, sizeof(ask),
			      &answer, sizeof(answer), SEAL_NS);

	if (error)
		return sentence("node %s is gone", name_of(lane->candidate));
	lane->candidate->free = answer.free;
	if (answer.status)
		return sentence("node %s %s", name_of(lane->candidate),
				room_status_text(answer.status));
	return NULL;
}

static void
seal_task(void *argument)
{
	struct lane *lane = argument;
	const char *error;

	lane_close(lane);
	error = seal_lane(lane, sealing.pair.used);
	if (error && !sealing.error)
		sealing.error = error;
	sealing.open--;
	if (!sealing.open && sealing.waiter)
		task_wake(sealing.waiter);
}

const char *
pairs_settle(void)
{
	sealing.waiter = task_self();
	while (sealing.open)
		task_wait(NEVER);
	sealing.waiter = NULL;
	return sealing.error;
}

const char *
pair_seal(struct pair *pair)
{
	const char *error = pairs_settle();

	if (error)
		return error;
	sealing.pair = *pair;
	sealing.open = pair->lanes;
	for (u32 i = 0; i < pair->lanes; i++) {
		if (task_start(seal_task, &sealing.pair.lane[i]))
			continue;
		sealing.open -= pair->lanes - i;
		sealing.error = "this node has too much to do";
		break;
	}
	*pair = (struct pair){ 0 };
	return sealing.error;
}

void
pair_close(struct pair *pair)
{
	for (u32 i = 0; i < pair->lanes; i++)
		lane_close(&pair->lane[i]);
	pair->lanes = 0;
}

// ---- the end

static const char *
tell(struct candidate *c, const struct drop_ask *ask)
{
	struct drop_answer answer;
	i64 error = ask_owner(c, MESSAGE_DROP, ask, sizeof(*ask), &answer,
			      sizeof(answer), ASK_NS);

	if (error)
		return sentence("node %s is gone", name_of(c));
	if (answer.status)
		return sentence("node %s %s", name_of(c),
				room_status_text(answer.status));
	return NULL;
}

const char *
pairs_tell(enum drop_what what, u64 of_version, u64 of_generation)
{
	const struct drop_ask ask = {
		.deployment = deployment, .what = what,
		.version = of_version, .generation = of_generation,
	};
	const char *first = NULL;

	for (u32 i = 0; i < candidate_count; i++) {
		struct candidate *c = &candidates[i];
		bool concerned = what == DROP_NOTHING ? c->used : c->asked;
		const char *error = concerned ? tell(c, &ask) : NULL;

		first = first ? first : error;
	}
	return first;
}

const char *
pairs_keep(void)
{
	if (machine_now() < kept_at + KEEP_NS)
		return NULL;
	kept_at = machine_now();
	return pairs_tell(DROP_NOTHING, 0, 0);
}
