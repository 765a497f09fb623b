// SPDX-License-Identifier: BSD-2-Clause
// Reassembly of messages. Parts of one message have the same sender, id, kind and
// direction; a second copy of a part, or one that says other lengths, ends the message:
// no honest sender makes either.
//
// Invariant: bytes of a place that are covered by `have` are those of its message;
// nothing is written outside bytes[0 .. head.total).

#include "cluster/agent/parts.h"
#include "kernel/base/assert.h"

static u32
part_length(const struct message_head *head)
{
	u32 before = head->part * MESSAGE_PART_MAX;

	return MIN(head->total - before, MESSAGE_PART_MAX);
}

bool
parts_head_ok(const struct message_head *head, u32 received)
{
	u32 parts;

	if (received < sizeof(*head) || received - sizeof(*head) != head->len ||
	    head->total > MESSAGE_MAX || head->kind == 0 ||
	    head->kind >= MESSAGE_KINDS || (head->is_answer && head->is_question))
		return false;
	parts = MAX((head->total + MESSAGE_PART_MAX - 1) / MESSAGE_PART_MAX, 1u);
	return head->parts == parts && head->part < parts &&
	       head->len == part_length(head);
}

static bool
same_sender(const struct parts_from *a, const struct parts_from *b)
{
	return a->link == b->link && a->incarnation == b->incarnation &&
	       a->environment == b->environment;
}

static bool
same_message(const struct message_head *a, const struct message_head *b)
{
	return a->id == b->id && a->kind == b->kind &&
	       a->is_answer == b->is_answer;
}

static void
drop(struct parts *parts, struct parts_place *place)
{
	ASSERT(place->taken);
	place->taken = false;
	parts->dropped++;
}

static struct parts_place *
find(struct parts *parts, const struct parts_from *from,
     const struct message_head *head)
{
	for (u32 i = 0; i < PARTS_PLACES; i++) {
		struct parts_place *p = &parts->place[i];

		if (p->taken && same_sender(&p->from, from) &&
		    same_message(&p->head, head))
			return p;
	}
	return NULL;
}

// The oldest place: of one link, or of all (VIEW_NONE as link is no link's).
static struct parts_place *
oldest(struct parts *parts, bool of_all, u16 link, u32 *count)
{
	struct parts_place *found = NULL;

	*count = 0;
	for (u32 i = 0; i < PARTS_PLACES; i++) {
		struct parts_place *p = &parts->place[i];

		if (!p->taken || (!of_all && p->from.link != link))
			continue;
		++*count;
		if (!found || p->since_ns < found->since_ns)
			found = p;
	}
	return found;
}

static void
make_room(struct parts *parts, u16 link, u64 now)
{
	struct parts_place *old;
	u32 count;

	for (u32 i = 0; i < PARTS_PLACES; i++) {
		struct parts_place *p = &parts->place[i];

		if (p->taken && now - p->since_ns >= PARTS_PATIENCE_NS)
			drop(parts, p);
	}
	old = oldest(parts, false, link, &count);
	if (count >= PARTS_PER_LINK)
		drop(parts, old);
	old = oldest(parts, true, link, &count);
	if (count == PARTS_PLACES)
		drop(parts, old);
}

static struct parts_place *
open_place(struct parts *parts, const struct parts_from *from,
	   const struct message_head *head, u64 now)
{
	make_room(parts, from->link, now);
	for (u32 i = 0; i < PARTS_PLACES; i++) {
		struct parts_place *p = &parts->place[i];

		if (p->taken)
			continue;
		p->taken = true;
		p->from = *from;
		p->head = *head;
		p->have = 0;
		p->since_ns = now;
		return p;
	}
	ASSERT(false);			// make_room() left one
	return NULL;
}

const struct parts_place *
parts_take(struct parts *parts, const struct parts_from *from,
	   const struct message_head *head, const u8 *bytes, u64 now)
{
	struct parts_place *p = find(parts, from, head);
	u32 bit = 1u << head->part;

	ASSERT(head->parts > 1 && head->parts <= MESSAGE_PARTS_MAX);
	if (p && (p->head.total != head->total || p->have & bit ||
		  p->head.is_question != head->is_question)) {
		drop(parts, p);
		return NULL;
	}
	if (!p)
		p = open_place(parts, from, head, now);
	ASSERT(head->part * MESSAGE_PART_MAX + head->len <= MESSAGE_MAX);
	memcpy(p->bytes + head->part * MESSAGE_PART_MAX, bytes, head->len);
	p->have |= bit;
	if (p->have != (1u << head->parts) - 1)
		return NULL;
	p->taken = false;
	return p;
}
