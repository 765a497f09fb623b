// SPDX-License-Identifier: BSD-2-Clause
// Membership's host: messages in and out of the core, its time, and the contacts of
// this node as its hints. Its changes become events; who wants to know looks at
// membership_changes().
//
// Invariant: after each call into the core all its outputs have been taken.

#include "cluster/agent/membership.h"
#include "cluster/agent/events.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/post.h"
#include "cluster/agent/register_host.h"
#include "cluster/agent/status.h"
#include "kernel/abi/fabric.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"

// What the core was last told of a link.
struct hint {
	struct peer peer;
	bool up;
};

static struct members members;
static struct hint hints[FABRIC_LINKS_MAX];
static u32 changes;

const struct members *
membership(void)
{
	return &members;
}

u32
membership_changes(void)
{
	return changes;
}

enum member_life
member_life_of(const u8 uuid[16])
{
	u8 slot = members_find(&members, uuid);

	return slot == MEMBER_NONE ? MEMBER_DEAD :
				     (enum member_life)members.member[slot].life;
}

void
membership_note(u64 version)
{
	members_note(&members, version);
}

static struct member_id
id_of(const struct peer *peer)
{
	struct member_id id = { .incarnation = peer->incarnation };

	memcpy(id.uuid, peer->uuid, sizeof(id.uuid));
	return id;
}

static void
send_all(u64 now)
{
	u8 bytes[MEMBER_MESSAGE_MAX];
	struct member_id to;
	u32 len;

	while ((len = members_output(&members, now, &to, bytes))) {
		struct peer peer = { .incarnation = to.incarnation };

		memcpy(peer.uuid, to.uuid, sizeof(peer.uuid));
		message_send(&peer, MESSAGE_SWIM, bytes, len);
	}
}

static const char *
life_word(u8 life)
{
	static const char *const words[] = { "", "alive", "suspect", "dead" };

	return life < ARRAY_SIZE(words) ? words[life] : "?";
}

// The core counts its epoch with the first event of a change: tell it on first. That a
// member is suspect for a moment is daily life on a busy host: no line of the console.
static void
tell(u8 slot, u8 before)
{
	const struct member *m = &members.member[slot];
	bool quiet = m->life == MEMBER_SUSPECT ||
		     (m->life == MEMBER_ALIVE && before == MEMBER_SUSPECT);
	char name[9], accuser[9] = "";

	changes++;
	events_epoch(members.epoch);
	event_node_name(m->id.uuid, name);
	if (m->accuser < MEMBERS_MAX)
		event_node_name(members.member[m->accuser].id.uuid, accuser);
	(quiet ? event_quiet : event)(
		EVENT_MEMBER, name, life_word(before), life_word(m->life),
		"%s%s%s%s", member_reason_sentence((enum member_reason)m->reason),
		*accuser ? " (" : "", accuser, *accuser ? ")" : "");
}

static void
drain(u64 now)
{
	u8 before[MEMBERS_MAX], slot;

	send_all(now);
	for (u32 i = 0; i < MEMBERS_MAX; i++)
		before[i] = members.member[i].told_life;
	while ((slot = members_event(&members)) != MEMBER_NONE)
		tell(slot, before[slot]);
	send_all(now);
}

static void
swim_in(const struct message *m)
{
	struct member_id from = id_of(&m->from);
	u64 now = now_ns();
	u8 slot;

	members_input(&members, now, &from, m->bytes, m->len);
	slot = members_find(&members, from.uuid);
	if (slot != MEMBER_NONE)
		register_heard(from.uuid, members.member[slot].note);
	drain(now);
}

static void
hint_look(u16 link, u64 now)
{
	struct hint *hint = &hints[link];
	struct peer peer;
	bool up = post_peer(link, &peer);
	struct member_id id;

	if (up == hint->up && (!up || peer_is(&peer, &hint->peer)))
		return;
	if (hint->up) {
		id = id_of(&hint->peer);
		members_link(&members, now, &id, false);
	}
	hint->up = up;
	if (up) {
		hint->peer = peer;
		id = id_of(&peer);
		members_link(&members, now, &id, true);
		status_owe(link);
	}
	drain(now);
}

static void
run(u64 now)
{
	for (u16 i = 0; i < fabric_info()->links; i++)
		hint_look(i, now);
	if (now < members_deadline(&members))
		return;
	members_timer(&members, now);
	drain(now);
}

static void
watch(struct wait_set *set)
{
	wait_until(set, members_deadline(&members));
}

i64
membership_open(void)
{
	static const struct loop_part part = { .run = run, .watch = watch };
	struct member_id id = id_of(peer_self());
	u64 seed;
	i64 error = sys_entropy_read(&seed, sizeof(seed));

	if (error)
		return error;
	members_init(&members, now_ns(), &id, seed);
	message_handle(MESSAGE_SWIM, swim_in);
	loop_add(&part);
	return 0;
}
