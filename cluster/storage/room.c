// SPDX-License-Identifier: BSD-2-Clause
// Rooms: runs of free blocks that a deployer writes. The rules are in room.h.
//
// Invariants:
//	1 a room that is not free lies in blocks that are marked in storage_space, and
//	  its run overlaps no other's
//	2 a room that is OPEN is the current deployment's; its capability is dropped
//	  before the room is anything else
//	3 while a deployment is current nothing is freed but a room's own blocks

#include "cluster/storage/state.h"
#include "cluster/agent/events.h"
#include "cluster/agent/register.h"
#include "kernel/base/assert.h"

// A write that the deployer had on its way may be running when its room goes.
#define QUARANTINE_NS (5 * NS_PER_SECOND)
// What was sealed for a deployment that was lost sight of, before its end is known.
#define UNKNOWN_NS (600 * NS_PER_SECOND)
#define PATIENCE_NS (3 * NS_PER_SECOND)

enum room_state {
	ROOM_FREE,
	ROOM_OPENING,
	ROOM_OPEN,
	ROOM_SEALING,
	ROOM_QUARANTINED,
};

struct room {
	u32 id;
	u32 state;		// enum room_state
	u32 cap;		// what takes the grant back; SLOT_NONE: own disk
	u64 first, count;
	u64 until;		// QUARANTINED
};

struct deployment {
	u64 id;			// 0: none
	struct peer peer;
	u64 heard_at;
	u32 sealed;		// rooms
};

// What was answered: a deployer that lost an answer asks again.
struct sealed {
	u32 id;			// of the room; 0: none
	struct seal_answer answer;
};

static struct room rooms[ROOMS_MAX];
static struct sealed sealed[ROOMS_MAX];
static u32 next_sealed;
static struct deployment current;
static u32 next_room = 1;
static u64 sealed_version;	// of the record that names what was sealed here
static u64 sealed_generation;

const char *
room_status_text(u32 status)
{
	static const char *const text[] = {
		[ROOM_FINE] = "is fine",
#define X(name, sentence) [ROOM_##name] = (sentence),
#include "cluster/storage/rooms.def"
#undef X
	};

	return status < ARRAY_SIZE(text) ? text[status]
					 : "gave an answer that makes no sense";
}

u32
rooms_count(void)
{
	u32 count = 0;

	for (u32 i = 0; i < ROOMS_MAX; i++)
		count += rooms[i].state != ROOM_FREE;
	return count;
}

bool
rooms_busy(void)
{
	return current.id || rooms_count();
}

static void
revoke(struct room *room)
{
	if (room->cap != SLOT_NONE)
		machine_revoke(room->cap);
	room->cap = SLOT_NONE;
}

static void
give_back(struct room *room)
{
	ASSERT(room->cap == SLOT_NONE);
	space_free(&storage_space, room->first, room->count);
	room->state = ROOM_FREE;
}

static void
quarantine(struct room *room)
{
	revoke(room);
	room->state = ROOM_QUARANTINED;
	room->until = machine_now() + QUARANTINE_NS;
}

// `unknown`: the record may yet come to name what was sealed.
static void
end_deployment(bool unknown)
{
	u64 now = machine_now();

	for (u32 i = 0; i < ROOMS_MAX; i++) {
		struct room *room = &rooms[i];

		if (room->state != ROOM_OPEN)
			continue;
		quarantine(room);
	}
	if (current.sealed && unknown)
		used_hold_until(now + UNKNOWN_NS);
	else if (current.sealed)
		used_rebuild_at(now + QUARANTINE_NS);
	current = (struct deployment){ 0 };
	memset(sealed, 0, sizeof(sealed));
}

static bool
is_sealing(void)
{
	for (u32 i = 0; i < ROOMS_MAX; i++) {
		if (rooms[i].state == ROOM_SEALING)
			return true;
	}
	return false;
}

static bool
deployer_is_gone(void)
{
	struct peer peer;

	return !machine_is_alive(current.peer.uuid) ||
	       !machine_peer(current.peer.uuid, &peer) ||
	       !peer_is(&peer, &current.peer);
}

static void
give_up(const char *why)
{
	event(EVENT_STORE, "deployment", "", "given up", "%s", why);
	end_deployment(true);
}

void
rooms_expire(u64 now)
{
	// Its deployer waits for this node, not the other way round.
	if (current.id && is_sealing())
		current.heard_at = now;
	if (current.id && deployer_is_gone())
		give_up("its node is gone");
	else if (current.id && now >= current.heard_at + ROOM_LEASE_NS)
		give_up("its node was not heard for 30 seconds");
	for (u32 i = 0; i < ROOMS_MAX; i++) {
		if (rooms[i].state == ROOM_QUARANTINED && now >= rooms[i].until)
			give_back(&rooms[i]);
	}
}

bool
rooms_sealed(u64 generation)
{
	return generation && generation == sealed_generation;
}

u64
rooms_version(void)
{
	return sealed_version;
}

// ---- ROOM

// May the asker deploy here now? Makes its deployment the current one.
static enum room_status
admit(const struct message *m, u64 deployment, u64 version)
{
	const struct record *record = record_now();

	if (storage_state() != STORAGE_READY)
		return ROOM_NO_DISK;
	if (!m->from_agent || !deployment)
		return ROOM_BAD_ASK;
	rooms_expire(machine_now());
	if (current.id && current.id != deployment)
		return ROOM_BUSY;
	if (current.id && !peer_is(&current.peer, &m->from))
		return ROOM_BAD_ASK;
	if (!record || used_version() != record->version ||
	    record->version < version)
		return ROOM_BEHIND;
	if (!current.id)
		used_rebuild_if_due(machine_now());
	current.id = deployment;
	current.peer = m->from;
	current.heard_at = machine_now();
	return ROOM_FINE;
}

// Waits a little for the newest record, which may be on its way.
static enum room_status
admit_soon(const struct message *m, u64 deployment, u64 version)
{
	u64 until = machine_now() + PATIENCE_NS / 2;
	enum room_status status = admit(m, deployment, version);

	while (status == ROOM_BEHIND && machine_now() < until) {
		storage_record_changed();
		task_sleep(machine_now() + 20 * NS_PER_MS);
		status = admit(m, deployment, version);
	}
	return status;
}

static struct room *
free_room(void)
{
	for (u32 i = 0; i < ROOMS_MAX; i++) {
		if (rooms[i].state == ROOM_FREE)
			return &rooms[i];
	}
	return NULL;
}

// Halves what is wanted until there is such a run, down to the least.
static bool
find_run(u64 want, u64 least, struct room *room)
{
	for (u64 count = want;; count = MAX(count / 2, least)) {
		if (space_find(&storage_space, count, &room->first)) {
			room->count = count;
			return true;
		}
		if (count == least)
			return false;
	}
}

// The asker gets the capability, unless it is this node, which needs none.
static enum room_status
grant(const struct message *m, const struct room_ask *ask, struct room *room)
{
	i64 slot = SLOT_NONE;

	if (m->link != VIEW_LINK_SELF)
		slot = machine_grant(m, room->first, room->count, ask->word);
	if (slot < 0) {
		give_back(room);
		return ROOM_NO_GRANT;
	}
	room->cap = (u32)slot;
	room->state = ROOM_OPEN;
	if (current.id == ask->deployment)
		return ROOM_FINE;
	quarantine(room);	// it ended while the grant was on its way
	return ROOM_GONE;
}

static enum room_status
open_room(const struct message *m, const struct room_ask *ask,
	  struct room_answer *answer)
{
	struct room *room = free_room();

	if (!ask->least || ask->want < ask->least || ask->want > STORE_BLOCKS_MAX)
		return ROOM_BAD_ASK;
	if (!room)
		return ROOM_TOO_MANY;
	if (!find_run(ask->want, ask->least, room))
		return ROOM_FULL;
	room->id = next_room++;
	room->cap = SLOT_NONE;
	room->state = ROOM_OPENING;
	answer->room = room->id;
	answer->first = room->first;
	answer->count = room->count;
	return grant(m, ask, room);
}

// It was admitted, and got no room: the next one need not wait for its end.
static bool
has_nothing(u64 deployment)
{
	return current.id && current.id == deployment && !current.sealed &&
	       !rooms_count();
}

static u32
serve_room(const struct message *m, u8 *bytes)
{
	struct room_answer answer = { .status = ROOM_BAD_ASK };
	struct room_ask ask;

	if (m->len == sizeof(ask)) {
		memcpy(&ask, m->bytes, sizeof(ask));
		answer.status = admit_soon(m, ask.deployment, ask.version);
		if (!answer.status)
			answer.status = open_room(m, &ask, &answer);
		if (answer.status && has_nothing(ask.deployment))
			end_deployment(false);
	}
	if (storage_space.bits)
		answer.free = space_left(&storage_space);
	memcpy(bytes, &answer, sizeof(answer));
	return sizeof(answer);
}

// ---- SEAL

static bool
is_current(const struct message *m, u64 deployment)
{
	rooms_expire(machine_now());
	if (!current.id || current.id != deployment ||
	    !peer_is(&current.peer, &m->from))
		return false;
	current.heard_at = machine_now();
	return true;
}

static struct room *
find_room(u32 id, enum room_state state)
{
	for (u32 i = 0; i < ROOMS_MAX; i++) {
		if (rooms[i].state == state && rooms[i].id == id)
			return &rooms[i];
	}
	return NULL;
}

// The room shrinks to what was used; that stays marked when the room is gone.
static enum room_status
seal(struct room *room, u64 used, struct seal_answer *answer)
{
	enum room_status status;
	u64 deployment = current.id;

	revoke(room);
	room->state = ROOM_SEALING;
	status = seal_check(room->first, used, answer);
	if (current.id != deployment || status) {
		quarantine(room);
		return status ? status : ROOM_GONE;
	}
	if (room->count > used)
		space_free(&storage_space, room->first + used, room->count - used);
	room->state = ROOM_FREE;
	current.heard_at = machine_now();
	current.sealed++;
	return ROOM_FINE;
}

// The same question came before: its answer, when there is one.
static bool
answered_before(u32 id, struct seal_answer *answer)
{
	while (find_room(id, ROOM_SEALING))
		task_sleep(machine_now() + 20 * NS_PER_MS);
	for (u32 i = 0; i < ROOMS_MAX; i++) {
		if (id && sealed[i].id == id) {
			*answer = sealed[i].answer;
			return true;
		}
	}
	return false;
}

static void
seal_or_repeat(const struct message *m, const struct seal_ask *ask,
	       struct seal_answer *answer)
{
	struct room *room;

	answer->status = ROOM_GONE;
	if (!is_current(m, ask->deployment) || answered_before(ask->room, answer))
		return;
	room = find_room(ask->room, ROOM_OPEN);
	if (!room)
		return;
	answer->status = ROOM_BAD_ASK;
	if (ask->used > room->count)
		return;
	answer->status = seal(room, ask->used, answer);
	sealed[next_sealed++ % ROOMS_MAX] = (struct sealed){ ask->room, *answer };
}

static u32
serve_seal(const struct message *m, u8 *bytes)
{
	struct seal_answer answer = { .status = ROOM_BAD_ASK };
	struct seal_ask ask;

	if (m->len == sizeof(ask)) {
		memcpy(&ask, m->bytes, sizeof(ask));
		seal_or_repeat(m, &ask, &answer);
	}
	if (storage_space.bits)
		answer.free = space_left(&storage_space);
	memcpy(bytes, &answer, sizeof(answer));
	return sizeof(answer);
}

// ---- DROP

static void
drop(const struct drop_ask *ask)
{
	switch (ask->what) {
	case DROP_COMMITTED:
		sealed_version = MAX(sealed_version, ask->version);
		sealed_generation = MAX(sealed_generation, ask->generation);
		current.sealed = 0;	// named by the record from now on
		end_deployment(false);
		storage_record_changed();
		break;
	case DROP_ALL:
	case DROP_UNKNOWN:
		end_deployment(ask->what == DROP_UNKNOWN);
		break;
	default:
		break;
	}
}

static u32
serve_drop(const struct message *m, u8 *bytes)
{
	struct drop_answer answer = { .status = ROOM_BAD_ASK };
	struct drop_ask ask;

	if (m->len == sizeof(ask)) {
		memcpy(&ask, m->bytes, sizeof(ask));
		answer.status = ROOM_GONE;
		if (is_current(m, ask.deployment)) {
			answer.status = ROOM_FINE;
			drop(&ask);
		}
	}
	memcpy(bytes, &answer, sizeof(answer));
	return sizeof(answer);
}

void
rooms_open(void)
{
	message_serve(MESSAGE_ROOM, serve_room);
	message_serve(MESSAGE_SEAL, serve_seal);
	message_serve(MESSAGE_DROP, serve_drop);
}
