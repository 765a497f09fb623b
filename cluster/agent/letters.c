// SPDX-License-Identifier: BSD-2-Clause
// Letters: a message on its way out, in parts of one SEND each. They wait here until
// the link takes them, are tried again while the other has no buffer posted, and are
// forgotten after LETTER_LIFE_NS, or when the node that they are for is gone.
//
// Invariants:
//   L1  a letter is free, waits, or is open; open_of[link] counts the open ones of a
//       link, message_counts.open all of them, at most SENDS_OPEN, and
//       message_counts.waiting those that wait
//   L2  urgent letters (SWIM, HELLO) find room when all others are taken: any kind
//       together takes at most LETTERS_FOR_ALL places

#include "kernel/base/assert.h"
#include "cluster/agent/hosts.h"
#include "cluster/agent/post.h"
#include "cluster/agent/task.h"
#include "kernel/abi/errors.h"
#include "libos/crt/clock.h"
#include "libos/io/wait.h"
#include "net/wire/wire.h"

#define LETTERS_MAX 64u
#define LETTERS_FOR_ALL 48u
#define LETTERS_A_LINK 4u	// open at a time
#define LETTER_LIFE_NS (2 * NS_PER_SECOND)
#define LETTER_RETRY_NS (4 * NS_PER_MS)

STATIC_ASSERT(sizeof(struct message_head) + MESSAGE_PART_MAX == LETTER_BYTES);
STATIC_ASSERT(LETTER_BYTES == WIRE_SEND_MAX);

enum letter_state { LETTER_FREE, LETTER_WAITS, LETTER_OPEN };

struct letter {
	u8 state;		// enum letter_state
	bool urgent;
	u16 link;
	u32 len;
	u64 incarnation;	// of the node that it is for
	u64 order;
	u64 not_before_ns;
	u64 until_ns;
};

static struct letter letters[LETTERS_MAX];
static u8 open_of[FABRIC_LINKS_MAX];
static u8 *letter_bytes;
static u64 next_order;

static u8 *
bytes_of(u32 letter)
{
	return letter_bytes + letter * LETTER_BYTES;
}

static bool
is_urgent(u16 kind)
{
	return kind == MESSAGE_SWIM || kind == MESSAGE_HELLO;
}

// Places that are free for a kind of letter.
static u32
room_for(bool urgent)
{
	u32 taken = 0;

	for (u32 i = 0; i < LETTERS_MAX; i++)
		taken += letters[i].state != LETTER_FREE;
	if (urgent)
		return LETTERS_MAX - taken;
	return taken < LETTERS_FOR_ALL ? LETTERS_FOR_ALL - taken : 0;
}

static void
letter_write(u16 link, const struct message_head *head, const u8 *bytes)
{
	u64 now = now_ns();
	u32 i = 0;

	while (letters[i].state != LETTER_FREE)
		i++;
	ASSERT(i < LETTERS_MAX);
	letters[i] = (struct letter){
		.state = LETTER_WAITS,
		.urgent = is_urgent(head->kind),
		.link = link,
		.len = (u32)sizeof(*head) + head->len,
		.incarnation = contact_incarnation(link),
		.order = next_order++,
		.until_ns = now + LETTER_LIFE_NS,
	};
	memcpy(bytes_of(i), head, sizeof(*head));
	memcpy(bytes_of(i) + sizeof(*head), bytes, head->len);
	message_counts.sent_parts++;
	message_counts.waiting++;
}

// Puts a message into letters. All of it, or nothing.
bool
letters_post(u16 link, struct message_head *head, const u8 *bytes)
{
	u32 left = head->total;

	ASSERT(link < FABRIC_LINKS_MAX && head->total <= MESSAGE_MAX);
	head->parts = (u8)MAX((left + MESSAGE_PART_MAX - 1) / MESSAGE_PART_MAX, 1u);
	if (!contact_incarnation(link))
		return false;
	if (room_for(is_urgent(head->kind)) < head->parts) {
		message_counts.dropped_full++;
		return false;
	}
	for (u32 i = 0; i < head->parts; i++) {
		head->part = (u8)i;
		head->len = (u16)MIN(left, MESSAGE_PART_MAX);
		letter_write(link, head, bytes + i * MESSAGE_PART_MAX);
		left -= head->len;
	}
	message_counts.sent++;
	return true;
}

static bool
can_go(const struct letter *l, u64 now)
{
	return l->state == LETTER_WAITS && now >= l->not_before_ns &&
	       open_of[l->link] < LETTERS_A_LINK;
}

// The letter to send next: urgent ones first, then the oldest.
static u32
letter_next(u64 now)
{
	u32 found = LETTERS_MAX;

	for (u32 i = 0; i < LETTERS_MAX; i++) {
		const struct letter *l = &letters[i];

		if (!can_go(l, now))
			continue;
		if (found == LETTERS_MAX || l->urgent > letters[found].urgent ||
		    (l->urgent == letters[found].urgent &&
		     l->order < letters[found].order))
			found = i;
	}
	return found;
}

static void
send_all(u64 now)
{
	u32 i;

	while (message_counts.open < SENDS_OPEN && (i = letter_next(now)) < LETTERS_MAX) {
		const struct fabric_submit s = {
			.tag = OPERATION_TAG(OPERATION_SEND, i),
			.op = FABRIC_SEND,
			.node = letters[i].link,
			.slot = operations_queue()->fabric_slot,
			.offset = AGENT_SERVICE,
			.local = fabric_local(bytes_of(i)),
			.length = letters[i].len,
		};

		if (!operation_put(&s))
			return;
		letters[i].state = LETTER_OPEN;
		open_of[letters[i].link]++;
		message_counts.waiting--;
		message_counts.open++;
	}
}

void
letter_sent(const struct fabric_complete *complete)
{
	u32 i = (u32)complete->tag;
	struct letter *l = &letters[i];
	u64 now = now_ns();

	ASSERT(i < LETTERS_MAX && l->state == LETTER_OPEN && message_counts.open);
	message_counts.open--;
	open_of[l->link]--;
	l->state = LETTER_FREE;
	if (complete->outcome != FABRIC_NOT_DONE ||
	    complete->code != CODE_BUFFER || now >= l->until_ns ||
	    l->incarnation != contact_incarnation(l->link))
		return;
	message_counts.retried++;
	message_counts.waiting++;
	l->state = LETTER_WAITS;
	l->not_before_ns = now + LETTER_RETRY_NS;
}

static void
expire(u64 now)
{
	for (u32 i = 0; i < LETTERS_MAX; i++) {
		struct letter *l = &letters[i];

		if (l->state != LETTER_WAITS ||
		    (now < l->until_ns && l->incarnation == contact_incarnation(l->link)))
			continue;
		message_counts.waiting--;
		message_counts.expired++;
		l->state = LETTER_FREE;
	}
}

void
letters_run(u64 now)
{
	expire(now);
	send_all(now);
}

void
letters_watch(struct wait_set *set)
{
	for (u32 i = 0; i < LETTERS_MAX; i++) {
		if (letters[i].state == LETTER_WAITS)
			wait_until(set, letters[i].not_before_ns);
	}
}

i64
letters_open(void)
{
	letter_bytes = task_buffer_take(LETTERS_MAX * LETTER_BYTES / PAGE_SIZE);
	return letter_bytes ? 0 : -E_FRAMES;
}
