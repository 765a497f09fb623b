// SPDX-License-Identifier: BSD-2-Clause
// What goes into the next message. A message is made when the host takes it: until
// then it is an intent, so that it says what is known then.
//
// Every message carries rumours as far as they fit. First what is bad about the
// receiver itself (the buddy rule: it can refute at once), then what has been told
// least often.

#include "cluster/member/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define GOSSIP_TO 3u

void
send_add(struct members *m, const struct member_intent *intent)
{
	if (m->output_count == MEMBER_OUTPUTS) {
		m->count.dropped++;
		return;
	}
	m->output[(m->output_first + m->output_count++) % MEMBER_OUTPUTS] = *intent;
}

void
send_simple(struct members *m, enum member_kind kind, const struct member_id *to)
{
	const struct member_intent intent = { .kind = (u8)kind, .to = *to, .subject = *to };

	send_add(m, &intent);
}

void
send_sync(struct members *m, const struct member_id *to, bool answer)
{
	struct member_intent intent = { .kind = MEMBER_SYNC, .to = *to, .subject = *to,
					.flags = answer ? MEMBER_FLAG_ANSWER : 0 };
	u32 used = 0;

	// One message for each MEMBER_RUMOURS members.
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		if (!m->member[i].used)
			continue;
		if (used++ % MEMBER_RUMOURS == 0) {
			intent.first = (u8)i;
			send_add(m, &intent);
			intent.flags = 0;
		}
	}
}

bool
send_has_rumours(const struct members *m)
{
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		if (m->member[i].used && m->member[i].tell)
			return true;
	}
	return false;
}

void
send_gossip(struct members *m, u64 now)
{
	u8 slots[MEMBERS_MAX];
	u32 count = 0;

	if (m->gossip_at > now + MEMBER_INTERVAL_NS / 4 && m->gossip_at != MEMBER_NEVER) {
		m->gossip_at = now + MEMBER_INTERVAL_NS / 4;	// soon, and once for all
		return;
	}
	m->gossip_at = now + MEMBER_INTERVAL_NS;
	for (u32 i = 1; i < MEMBERS_MAX; i++) {
		if (m->member[i].used && m->member[i].life != MEMBER_DEAD)
			slots[count++] = (u8)i;
	}
	for (u32 i = 0; i < GOSSIP_TO && count; i++) {
		u32 at = (u32)prng_below(&m->prng, count);

		send_simple(m, MEMBER_TELL, &m->member[slots[at]].id);
		slots[at] = slots[--count];
	}
}

static u32
put_rumour(const struct members *m, const struct member *member, u8 *bytes, u32 count)
{
	struct member_rumour r = { .id = member->id, .turn = member->turn,
				   .life = member->life, .reason = member->reason };

	if (member->life != MEMBER_ALIVE && member->accuser < MEMBERS_MAX)
		memcpy(r.accuser, m->member[member->accuser].id.uuid, MEMBER_UUID);
	member_rumour_store(&r, bytes + MEMBER_HEADER + count * (u64)MEMBER_RUMOUR);
	return count + 1;
}

// All members from one slot on.
static u32
put_sync(const struct members *m, u32 first, u8 *bytes)
{
	u32 count = 0;

	for (u32 i = first; i < MEMBERS_MAX && count < MEMBER_RUMOURS; i++) {
		if (m->member[i].used)
			count = put_rumour(m, &m->member[i], bytes, count);
	}
	return count;
}

static u32
put_gossip(struct members *m, const struct member_id *to, u8 *bytes)
{
	u8 buddy = members_find(m, to->uuid);
	u32 count = 0;

	if (buddy != MEMBER_NONE && (m->member[buddy].life != MEMBER_ALIVE ||
				     m->member[buddy].id.incarnation != to->incarnation))
		count = put_rumour(m, &m->member[buddy], bytes, count);
	for (u32 most = 2 * MEMBERS_MAX; most > 0 && count < MEMBER_RUMOURS;) {
		u32 next = 0;

		for (u32 i = 0; i < MEMBERS_MAX && count < MEMBER_RUMOURS; i++) {
			struct member *member = &m->member[i];

			if (!member->used || member->tell < most) {
				if (member->used)
					next = MAX(next, member->tell);
				continue;
			}
			if (member->tell > most)
				continue;
			member->tell--;
			if (i != buddy)
				count = put_rumour(m, member, bytes, count);
		}
		most = next;
	}
	return count;
}

static u32
make(struct members *m, const struct member_intent *intent, u8 bytes[MEMBER_MESSAGE_MAX])
{
	struct member_message message = { .kind = intent->kind, .flags = intent->flags,
					  .sequence = intent->sequence,
					  .turn = m->member[0].turn, .note = m->note,
					  .subject = intent->subject };

	if (intent->kind == MEMBER_SYNC)
		message.rumours = put_sync(m, intent->first, bytes);
	else
		message.rumours = put_gossip(m, &intent->to, bytes);
	if (intent->kind == MEMBER_TELL && !message.rumours)
		return 0;
	member_message_store(&message, bytes);
	return MEMBER_HEADER + message.rumours * MEMBER_RUMOUR;
}

u32
members_output(struct members *m, u64 now, struct member_id *to,
	       u8 bytes[MEMBER_MESSAGE_MAX])
{
	(void)now;
	while (m->output_count) {
		struct member_intent *intent = &m->output[m->output_first];
		u32 len = make(m, intent, bytes);

		ASSERT(len <= MEMBER_MESSAGE_MAX);
		*to = intent->to;
		m->output_first = (m->output_first + 1) % MEMBER_OUTPUTS;
		m->output_count--;
		if (!len)
			continue;
		m->count.sent++;
		m->count.bytes += len;
		return len;
	}
	return 0;
}
