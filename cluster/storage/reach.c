// SPDX-License-Identifier: BSD-2-Clause
// Blocks of any node's disk: this node's through its queue, another's under a
// capability to read, which its agent grants when asked and which is kept.
//
// Invariant: an entry that has a slot belongs to the life of the node that it names;
// one that refuses anything is given back and asked for anew.

#include "cluster/storage/state.h"
#include "kernel/base/assert.h"

#define REACHES_MAX 64u
#define GRANT_PATIENCE_NS (2 * NS_PER_SECOND)

struct reach {
	bool used;
	struct peer peer;
	u32 slot;
	u64 again_at;		// after a failure, ask no earlier
};

static struct reach reaches[REACHES_MAX];
static u32 next_victim;
static struct task_lock ask_lock;

static struct reach *
find(const struct peer *peer)
{
	for (u32 i = 0; i < REACHES_MAX; i++) {
		if (reaches[i].used && peer_is(&reaches[i].peer, peer))
			return &reaches[i];
	}
	return NULL;
}

static void
forget(struct reach *reach)
{
	if (reach->used && reach->slot != SLOT_NONE)
		machine_drop(reach->slot);
	*reach = (struct reach){ .slot = SLOT_NONE };
}

// A free entry; that of an earlier life of the node; or the next in turn.
static struct reach *
entry_for(const struct peer *peer)
{
	struct reach *at = NULL;

	for (u32 i = 0; i < REACHES_MAX && !at; i++) {
		if (reaches[i].used && !memcmp(reaches[i].peer.uuid, peer->uuid,
					       sizeof(peer->uuid)))
			at = &reaches[i];
	}
	for (u32 i = 0; i < REACHES_MAX && !at; i++) {
		if (!reaches[i].used)
			at = &reaches[i];
	}
	if (!at)
		at = &reaches[next_victim++ % REACHES_MAX];
	forget(at);
	*at = (struct reach){ .used = true, .peer = *peer, .slot = SLOT_NONE };
	return at;
}

static void
ask(struct reach *reach)
{
	struct message_read_blocks question;
	struct task_grant grant;
	struct peer peer = reach->peer;

	task_grant_begin(&grant);
	question.word = grant.word;
	if (message_send(&peer, MESSAGE_READ_BLOCKS, &question, sizeof(question)) &&
	    !task_grant_wait(&grant, machine_now() + GRANT_PATIENCE_NS))
		reach->slot = grant.slot;
	else
		reach->again_at = machine_now() + RETRY_NS;
	task_grant_end(&grant);
}

// The slot under which the peer's blocks are read, or SLOT_NONE.
static u32
slot_for(const struct peer *peer)
{
	struct reach *reach;
	u32 slot;

	task_lock(&ask_lock);
	reach = find(peer);
	if (!reach)
		reach = entry_for(peer);
	if (reach->slot == SLOT_NONE && machine_now() >= reach->again_at)
		ask(reach);
	slot = reach->slot;
	task_unlock(&ask_lock);
	return slot;
}

static i64
read_under(u32 slot, u64 block, u8 *pages, u32 count)
{
	struct fabric_submit submit[TASK_BATCH_MAX];
	struct fabric_complete complete[TASK_BATCH_MAX];

	ASSERT(count > 0 && count <= TASK_BATCH_MAX && block >= STORE_FIRST_BLOCK);
	for (u32 i = 0; i < count; i++) {
		submit[i] = (struct fabric_submit){
			.op = FABRIC_BLOCK_READ,
			.slot = slot,
			.offset = (block - STORE_FIRST_BLOCK + i) * STORE_BLOCK,
			.local = machine_local(pages + i * STORE_BLOCK),
			.length = STORE_BLOCK,
		};
	}
	return task_fabric(submit, complete, count);
}

// It may have been replaced meanwhile by another task.
static void
give_up_slot(const struct peer *peer, u32 slot)
{
	struct reach *reach;

	task_lock(&ask_lock);
	reach = find(peer);
	if (reach && reach->slot == slot)
		forget(reach);
	task_unlock(&ask_lock);
}

static i64
read_far(const struct peer *peer, u64 block, void *pages, u32 count)
{
	i64 error = -E_ABSENT;

	for (u32 tries = 0; tries < 2 && error; tries++) {
		u32 slot = slot_for(peer);

		if (slot == SLOT_NONE)
			return -E_ABSENT;
		error = read_under(slot, block, pages, count);
		if (error && !machine_may_pass(error))
			give_up_slot(peer, slot);
	}
	return error;
}

i64
reach_read(const u8 uuid[STORE_UUID], u64 block, void *pages, u32 count)
{
	struct peer peer;

	if (!memcmp(uuid, peer_self()->uuid, STORE_UUID))
		return storage_state() == STORAGE_READY
			       ? task_disk_read(block, pages, count) : -E_ABSENT;
	if (!machine_is_alive(uuid) || !machine_peer(uuid, &peer))
		return -E_ABSENT;
	return read_far(&peer, block, pages, count);
}
