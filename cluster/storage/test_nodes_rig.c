// SPDX-License-Identifier: BSD-2-Clause
// The rig's other nodes: their rooms, their blocks, the fabric to them, messages, the
// record (test_machine_rig.h).
//
// Another node gives rooms one behind the other and checks what it seals with code of
// its own, rig_object_is_whole(), not with that of cluster/storage.

#include <stdlib.h>
#include <string.h>

#include "cluster/agent/register.h"
#include "cluster/storage/storage.h"
#include "cluster/storage/test_machine_rig.h"
#include "kernel/base/assert.h"
#include "libos/remote/far.h"
#include "libos/store/hash.h"

#define SLOTS 64u
#define GONE FAR_CODE(5)

// Capabilities: of other nodes' blocks that this node has, and that it gave.
static struct {
	bool used, given;
	u32 node;
	u64 first, count;
} slots[SLOTS];
static struct task_grant *grants;
static u32 (*serves[MESSAGE_KINDS])(const struct message *question, u8 *answer);
static struct peer self;

static u32
slot_take(u32 node, u64 first, u64 count, bool given)
{
	for (u32 i = 1; i < SLOTS; i++) {
		if (slots[i].used)
			continue;
		slots[i].used = true;
		slots[i].given = given;
		slots[i].node = node;
		slots[i].first = first;
		slots[i].count = count;
		return i;
	}
	abort();
}

u32
rig_grants(void)
{
	u32 count = 0;

	for (u32 i = 0; i < SLOTS; i++)
		count += slots[i].used && slots[i].given;
	return count;
}

static u32
node_of(const u8 uuid[16])
{
	for (u32 i = 0; i < rig.nodes; i++) {
		if (!memcmp(rig.node[i].uuid, uuid, 16))
			return i;
	}
	return RIG_NODES;
}

// ---- machine.h

const struct peer *
peer_self(void)
{
	memcpy(self.uuid, rig.node[0].uuid, sizeof(self.uuid));
	self.incarnation = 1;
	return &self;
}

bool
machine_peer(const u8 uuid[16], struct peer *peer)
{
	memcpy(peer->uuid, uuid, 16);
	peer->incarnation = 1;
	return node_of(uuid) < rig.nodes;
}

bool
machine_is_alive(const u8 uuid[16])
{
	u32 node = node_of(uuid);

	return node < rig.nodes && !rig.node[node].dead;
}

u64
machine_free_blocks(const u8 uuid[16])
{
	const struct rig_node *n = &rig.node[node_of(uuid)];

	return n->limit - n->next;
}

bool
machine_may_pass(i64 result)
{
	return result == FAR_UNKNOWN;
}

i64
machine_grant(const struct message *asker, u64 first, u64 count, u64 word)
{
	(void)word;
	task_sleep(rig.now + NS_PER_MS);
	return slot_take(asker->link, first, count, true);
}

void
machine_revoke(u32 slot)
{
	ASSERT(slots[slot].used && slots[slot].given);
	slots[slot].used = false;
}

void
machine_drop(u32 slot)
{
	ASSERT(slots[slot].used && !slots[slot].given);
	slots[slot].used = false;
}

i64
machine_lend(const struct message *asker, u64 first, u64 count, u64 word)
{
	(void)asker, (void)first, (void)count, (void)word;
	return 0;
}

bool
machine_is_instance(const struct message *asker)
{
	return asker->environment == 77;
}

// ---- the fabric

static i64
run_one(const struct fabric_submit *s)
{
	struct rig_node *n = &rig.node[slots[s->slot].node];
	u64 block = slots[s->slot].first + s->offset / STORE_BLOCK;
	u8 *at = n->disk + block * STORE_BLOCK;

	if (!slots[s->slot].used || n->dead)
		return GONE;
	if (rig.now < n->silent_until)
		return FAR_UNKNOWN;
	ASSERT(s->length == STORE_BLOCK && s->offset % STORE_BLOCK == 0);
	ASSERT(s->offset / STORE_BLOCK < slots[s->slot].count);
	if (s->op == FABRIC_BLOCK_READ) {
		n->reads++;
		memcpy((void *)s->local, at, STORE_BLOCK);
		return 0;
	}
	ASSERT(s->op == FABRIC_BLOCK_WRITE);
	n->writes++;
	if (n->dies_after && n->writes >= n->dies_after)
		n->dead = true;
	if (n->refuses_writes)
		return GONE;
	memcpy(at, (const void *)s->local, STORE_BLOCK);
	return 0;
}

i64
task_fabric(struct fabric_submit *submit, struct fabric_complete *complete,
	    u32 count)
{
	i64 error = 0;

	(void)complete;
	ASSERT(count && count <= TASK_BATCH_MAX);
	task_sleep(rig.now + 100 * NS_PER_US);
	for (u32 i = 0; i < count; i++) {
		i64 result = run_one(&submit[i]);

		error = error ? error : result;
	}
	return error;
}

i64
far_result(const struct fabric_complete *complete)
{
	(void)complete;
	abort();
}

const char *
far_error_text(i64 result)
{
	return result == GONE ? "gone" : "failed";
}

const char *
error_text(i64 result)
{
	return result == -E_DEVICE ? "the device reported a failure" : "failed";
}

// ---- capabilities that come

void
task_grant_begin(struct task_grant *grant)
{
	*grant = (struct task_grant){ .slot = SLOT_NONE, .word = machine_random(),
				      .next = grants };
	grants = grant;
}

static void
deliver(u64 word, u32 node, u64 first, u64 count)
{
	for (struct task_grant *g = grants; g; g = g->next) {
		if (g->word == word) {
			g->slot = slot_take(node, first, count, false);
			g->units = count;
			return;
		}
	}
}

i64
task_grant_wait(struct task_grant *grant, u64 deadline_ns)
{
	if (grant->slot == SLOT_NONE)
		task_sleep(deadline_ns);
	return grant->slot == SLOT_NONE ? -E_TIMEOUT : 0;
}

void
task_grant_end(struct task_grant *grant)
{
	struct task_grant **at = &grants;

	while (*at != grant)
		at = &(*at)->next;
	*at = grant->next;
}

// ---- other nodes' storage

static struct rig_room *
room_with(struct rig_node *n, u32 id)
{
	for (u32 i = 0; i < RIG_ROOMS; i++) {
		if (n->room[i].id == id)
			return &n->room[i];
	}
	abort();
}

u32
rig_rooms(u32 node)
{
	u32 count = 0;

	for (u32 i = 0; i < RIG_ROOMS; i++)
		count += rig.node[node].room[i].id != 0;
	return count;
}

static u32
answer_room(u32 node, const struct room_ask *ask, struct room_answer *answer)
{
	struct rig_node *n = &rig.node[node];
	u64 left = n->limit - n->next;
	struct rig_room *room;

	*answer = (struct room_answer){ .status = n->answer, .free = left };
	if (!answer->status && left < ask->least)
		answer->status = ROOM_FULL;
	if (answer->status)
		return sizeof(*answer);
	room = room_with(n, 0);
	*room = (struct rig_room){ n->next, MIN(left, ask->want), ++n->rooms };
	n->next += room->count;
	answer->first = room->first;
	answer->count = room->count;
	answer->room = room->id;
	answer->free = n->limit - n->next;
	deliver(ask->word, node, room->first, room->count);
	return sizeof(*answer);
}

static bool
run_is_whole(const struct rig_node *n, u64 first, u64 used)
{
	u64 end = first + used;

	while (first < end) {
		struct object o;
		u64 number;

		if (object_header_read((const void *)(n->disk + first * STORE_BLOCK), &o,
				       &number) ||
		    number || o.first != first ||
		    !rig_object_is_whole((u32)(n - rig.node), o.id, o.length, first))
			return false;
		first += object_blocks(o.length);
	}
	return first == end;
}

static u32
answer_seal(u32 node, const struct seal_ask *ask, struct seal_answer *answer)
{
	struct rig_node *n = &rig.node[node];
	struct rig_room *room = room_with(n, ask->room);
	bool whole = run_is_whole(n, room->first, ask->used);

	ASSERT(ask->room && ask->used <= room->count);
	if (n->next == room->first + room->count)
		n->next = room->first + ask->used;
	room->id = 0;
	n->seals++;
	n->bad_seals += !whole;
	*answer = (struct seal_answer){ .status = whole ? ROOM_FINE : ROOM_BAD_SUM,
					.free = n->limit - n->next };
	return sizeof(*answer);
}

static u32
answer_drop(u32 node, const struct drop_ask *ask, struct drop_answer *answer)
{
	rig.node[node].told[ask->what]++;
	if (ask->what)
		memset(rig.node[node].room, 0, sizeof(rig.node[node].room));
	*answer = (struct drop_answer){ 0 };
	return sizeof(*answer);
}

static u32
answer_far(u32 node, u16 kind, const void *question, void *answer)
{
	switch (kind) {
	case MESSAGE_ROOM:
		return answer_room(node, question, answer);
	case MESSAGE_SEAL:
		return answer_seal(node, question, answer);
	default:
		ASSERT(kind == MESSAGE_DROP);
		return answer_drop(node, question, answer);
	}
}

// ---- messages

void
message_serve(u16 kind, u32 (*serve)(const struct message *question, u8 *answer))
{
	serves[kind] = serve;
}

u32
rig_ask_own(u32 from_node, u16 kind, const void *question, u32 len, void *answer)
{
	struct message m = {
		.kind = kind, .is_question = true, .from_agent = true,
		.link = from_node ? (u16)from_node : VIEW_LINK_SELF,
		.environment = 5, .bytes = question, .len = len,
	};
	bool known = machine_peer(rig.node[from_node].uuid, &m.from);

	ASSERT(known);
	return serves[kind](&m, answer);
}

bool
message_send(const struct peer *to, u16 kind, const void *bytes, u32 len)
{
	struct message_read_blocks question;
	u32 node = node_of(to->uuid);

	ASSERT(kind == MESSAGE_READ_BLOCKS && len == sizeof(question));
	memcpy(&question, bytes, len);
	if (rig.node[node].dead || !rig.node[node].lends)
		return !rig.node[node].dead;
	deliver(question.word, node, STORE_FIRST_BLOCK,
		rig.node[node].blocks - STORE_FIRST_BLOCK);
	return true;
}

i64
task_ask(const struct peer *to, u16 kind, const void *question, u32 question_len,
	 void *answer, u32 *len, u64 patience_ns)
{
	static u8 bytes[MESSAGE_MAX];
	u32 node = node_of(to->uuid);

	(void)patience_ns;
	task_sleep(rig.now + NS_PER_MS);
	if (rig.node[node].dead || rig.now < rig.node[node].silent_until)
		return -E_STATE;
	*len = node ? answer_far(node, kind, question, bytes)
		    : rig_ask_own(0, kind, question, question_len, bytes);
	if (rig.node[node].loses_answers) {
		rig.node[node].loses_answers--;
		return -E_TIMEOUT;
	}
	memcpy(answer, bytes, *len);
	return 0;
}

// ---- the record

const struct record *
record_now(void)
{
	return rig.has_record ? &rig.record : NULL;
}

const char *
record_change(agree_change change, void *argument)
{
	enum record_error error;

	task_sleep(rig.now + 5 * NS_PER_MS);
	if (rig.no_majority)
		return "too few voters answer; nothing was changed";
	error = change(argument, &rig.record);
	if (error)
		return record_sentence(error);
	rig.record.version++;
	rig.changes++;
	storage_record_changed();
	return NULL;
}

// ---- objects on disks

void
rig_put_object(u32 node, const void *bytes, u64 len, u64 first, u8 id[STORE_ID])
{
	struct object object = { .length = len, .first = first };
	u8 *disk = rig.node[node].disk;
	struct object_header *header = (void *)(disk + first * STORE_BLOCK);

	store_hash(bytes, len, id);
	memcpy(object.id, id, STORE_ID);
	if (!len)
		object_header_begin(header, &object, 0);
	for (u64 i = 0; i < object_content_blocks(len); i++) {
		u8 *at = disk + object_content_at(&object, i) * STORE_BLOCK;

		memset(at, 0, STORE_BLOCK);
		memcpy(at, (const u8 *)bytes + i * STORE_BLOCK,
		       MIN(len - i * STORE_BLOCK, STORE_BLOCK));
		if (i % OBJECT_SUMS == 0)
			object_header_begin(&header[i / OBJECT_SUMS], &object,
					    i / OBJECT_SUMS);
		object_header_add(&header[i / OBJECT_SUMS], i,
				  object_sum(&object, i, at));
	}
	for (u64 n = 0; n < object_header_blocks(len); n++)
		object_header_end(&header[n]);
}

bool
rig_object_is_whole(u32 node, const u8 id[STORE_ID], u64 len, u64 first)
{
	struct object object = { .length = len, .first = first };
	const u8 *disk = rig.node[node].disk;
	struct store_hash hash;
	u8 found[STORE_ID];

	memcpy(object.id, id, STORE_ID);
	store_hash_begin(&hash);
	for (u64 n = 0; n < object_header_blocks(len); n++) {
		const struct object_header *header =
			(const void *)(disk + (first + n) * STORE_BLOCK);

		if (object_header_check(header, &object, n))
			return false;
		for (u64 i = n * OBJECT_SUMS;
		     i < MIN(object_content_blocks(len), (n + 1) * OBJECT_SUMS); i++) {
			const u8 *at = disk + object_content_at(&object, i) * STORE_BLOCK;

			if (object_block_check(header, i, at))
				return false;
			store_hash_add(&hash, at, MIN(len - i * STORE_BLOCK, STORE_BLOCK));
		}
	}
	store_hash_end(&hash, found);
	return !memcmp(found, id, STORE_ID);
}
