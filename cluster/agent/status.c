// SPDX-License-Identifier: BSD-2-Clause
// Status exchange. A table by node keeps the newest status of its newest life.
//
// Invariant: an entry's instance_count is within STATUS_INSTANCES, its instances are
// those of `peer`, a life that told of itself.

#include "cluster/agent/status.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/membership.h"
#include "cluster/agent/post.h"
#include "kernel/abi/fabric.h"
#include "libos/crt/clock.h"

struct known {
	bool used;
	struct peer peer;
	struct status status;
};

static struct known known[MEMBERS_MAX];
static struct status own;
static u32 changes;
static bool changed;
static u64 tell_at;
static u16 tell_next;		// the link whose turn it is
static bool owed[FABRIC_LINKS_MAX];

struct status *
status_own(void)
{
	return &own;
}

void
status_changed(void)
{
	changed = true;
	changes++;
}

void
status_owe(u16 link)
{
	owed[link] = true;
}

u32
status_changes(void)
{
	return changes;
}

const struct status *
status_of(const struct peer *peer)
{
	if (peer_is(peer, peer_self()))
		return &own;
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		if (known[i].used && peer_is(&known[i].peer, peer))
			return &known[i].status;
	}
	return NULL;
}

// The entry of a node; a free one; or that of a node that is no member any more.
static struct known *
entry_for(const struct peer *peer)
{
	struct known *found = NULL;

	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		struct known *k = &known[i];

		if (k->used &&
		    !memcmp(k->peer.uuid, peer->uuid, sizeof(peer->uuid)))
			return k;
		if (!k->used || members_find(membership(), k->peer.uuid) ==
					MEMBER_NONE)
			found = k;
	}
	return found;
}

static u32
length_of(const struct status *s)
{
	return (u32)(offsetof(struct status, instance) +
		     s->instance_count * sizeof(s->instance[0]));
}

// What makes a difference to anybody: all but its order and what only counts.
static bool
differs(const struct status *a, const struct status *b)
{
	struct status x = *a;

	x.order = b->order;
	return memcmp(&x, b, length_of(b)) != 0;
}

static void
status_in(const struct message *m)
{
	struct known *k;
	struct status s = { 0 };

	if (m->len < offsetof(struct status, instance) || m->len > sizeof(s))
		return;
	memcpy(&s, m->bytes, m->len);
	s.failing_why[STATUS_WHY - 1] = 0;
	if (s.instance_count > STATUS_INSTANCES || m->len != length_of(&s))
		return;
	k = entry_for(&m->from);
	if (!k || (k->used && peer_is(&k->peer, &m->from) &&
		   s.order <= k->status.order))
		return;
	if (!k->used || !peer_is(&k->peer, &m->from)) {
		// Who sends knows this node's agent by now: so it takes ours.
		owed[m->link] = true;
		changes++;
	} else if (differs(&k->status, &s)) {
		changes++;
	}
	*k = (struct known){ .used = true, .peer = m->from, .status = s };
}

// False: letters are all taken for now.
static bool
tell(u16 link)
{
	struct peer peer;

	return !post_peer(link, &peer) ||
	       message_send(&peer, MESSAGE_STATUS, &own, length_of(&own));
}

// Whoever is owed a change gets it as letters become free: in a large cluster there are
// fewer than members.
static void
tell_owed(void)
{
	for (u16 i = 0; i < fabric_info()->links; i++) {
		if (!owed[i])
			continue;
		if (!tell(i))
			return;
		owed[i] = false;
	}
}

static void
owe_all(void)
{
	for (u16 i = 0; i < fabric_info()->links; i++)
		owed[i] = true;
}

static void
owe_next(void)
{
	u32 links = fabric_info()->links;
	struct peer peer;

	for (u32 tries = 0; tries < links; tries++) {
		tell_next = (u16)((tell_next + 1) % links);
		if (post_peer(tell_next, &peer)) {
			owed[tell_next] = true;
			return;
		}
	}
}

static void
run(u64 now)
{
	if (changed) {
		own.order = now;
		changed = false;
		owe_all();
	} else if (now >= tell_at) {
		own.order = now;
		tell_at = now + STATUS_EVERY_NS;
		owe_next();
	}
	tell_owed();
}

static void
watch(struct wait_set *set)
{
	wait_until(set, changed ? 0 : tell_at);
}

i64
status_open(void)
{
	static const struct loop_part part = { .run = run, .watch = watch };

	for (u32 i = 0; i < sizeof(own.mac); i++)
		own.mac[i] = sys_info()->nic_mac[i];
	message_handle(MESSAGE_STATUS, status_in);
	loop_add(&part);
	return 0;
}
