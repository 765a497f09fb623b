// SPDX-License-Identifier: BSD-2-Clause
// The core's actions on the fabric. Words of pages that are homed here are swapped
// here, by the instruction that the kernel uses for the others. An action that finds no
// room is held, and nothing overtakes it.
//
// Invariant: sends_free has bit n exactly when buffer n is in no open SEND.

#include "dsm/map/state.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "net/wire/wire.h"

#define OPEN_FOR_CORE 28u	// what the core may have open, at most

STATIC_ASSERT(OPEN_FOR_CORE >= COH_TX_MAX + COH_SERVE_MAX);
STATIC_ASSERT(MAP_POSTS + MAP_PLACES + OPEN_FOR_CORE <= FABRIC_OPEN_MAX);
STATIC_ASSERT(sizeof(struct map_head) + sizeof(struct coh_letter) <=
	      MAP_BUFFER);

// ---- what is sent

bool
map_send(struct map *m, u32 number, enum map_kind kind, const void *bytes, u32 len)
{
	const struct map_peer *peer = &m->peer[number];
	struct map_head head = {
		.kind = (u16)kind, .number = m->config.number, .life = m->life,
		.pages = m->config.pages,
	};
	u32 index = (u32)__builtin_ctz(m->sends_free | 1u << MAP_SENDS);
	u8 *buffer = m->sends + (u64)index * MAP_BUFFER;
	struct fabric_submit s = {
		.tag = MAP_TAG(MAP_TAG_SEND, number, index),
		.op = FABRIC_SEND,
		.node = peer->link,
		.slot = m->config.fabric_slot,
		.offset = m->config.service + number,
		.local = fabric_local(buffer),
		.length = (u32)sizeof(head) + len,
	};

	ASSERT(number < DSM_MEMBERS_MAX && sizeof(head) + len <= MAP_BUFFER);
	if (!peer->here)
		return true;		// as good as lost
	if (index == MAP_SENDS)
		return false;
	memcpy(buffer, &head, sizeof(head));
	memcpy(buffer + sizeof(head), bytes, len);
	if (!fabric_put(&m->queue, &s))
		return false;
	m->sends_free &= ~(1u << index);
	return true;
}

static void
post(struct map *m, u32 index)
{
	struct fabric_submit s = {
		.tag = MAP_TAG(MAP_TAG_POST, 0, index),
		.op = FABRIC_POST,
		.slot = m->endpoint,
		.local = fabric_local(m->posts + (u64)index * MAP_BUFFER),
		.length = MAP_BUFFER,
	};
	bool fits = fabric_put(&m->queue, &s);

	ASSERT(fits);		// it takes the place of the one that completed
}

void
map_place(struct map *m, u32 index)
{
	struct fabric_submit s = {
		.tag = MAP_TAG(MAP_TAG_PLACE, 0, index), .op = FABRIC_ACCEPT,
	};
	bool fits = fabric_put(&m->queue, &s);

	ASSERT(fits);
}

// ---- actions

static u64
words_place(const struct map *m, u32 page)
{
	return m->words_at + (u64)page * sizeof(struct coh_word);
}

static u64
local_place(const struct map *m, u64 offset)
{
	return (m->run.frame << PAGE_SHIFT) + offset;
}

static void
clause_copy(struct fabric_clause *to, const struct coh_clause *from)
{
	*to = (struct fabric_clause){
		.compare = { from->compare.low, from->compare.high },
		.compare_mask = { from->compare_mask.low,
				  from->compare_mask.high },
		.swap = { from->swap.low, from->swap.high },
		.swap_mask = { from->swap_mask.low, from->swap_mask.high },
	};
}

static void
note_store(struct map *m, const struct coh_action *a, struct fabric_submit *s)
{
	// A transaction has at most one note open, and the rebuilding one.
	u64 *note = &m->notes[MIN(a->tag & 0xffffff, COH_TX_MAX)];

	*note = a->note;
	s->op = FABRIC_WRITE;
	s->offset = m->holdings_at + (u64)a->page * sizeof(struct coh_holding) +
		    offsetof(struct coh_holding, shadow);
	s->local = fabric_local(note);
	s->length = sizeof(*note);
}

// What an action is for the fabric.
static void
submit_of(struct map *m, const struct coh_action *a, struct fabric_submit *s)
{
	u64 page_at = (u64)a->page * PAGE_SIZE;

	*s = (struct fabric_submit){
		.tag = MAP_TAG(MAP_TAG_CORE, a->member, a->tag),
		.slot = m->peer[a->member].slot,
		.offset = page_at,
		.local = local_place(m, page_at),
		.length = PAGE_SIZE,
		.op = FABRIC_READ,
	};
	switch (a->what) {
	case COH_DO_SWAP:
		s->op = FABRIC_MCAS;
		s->offset = words_place(m, a->page);
		s->length = sizeof(struct coh_word);
		s->clause_count = 1;
		clause_copy(&s->clause[0], &a->clause);
		if (a->chain) {
			s->clause[0].chain_offset = page_at;
			s->clause[0].chain_length = PAGE_SIZE;
		}
		break;
	case COH_DO_WRITE:
		s->op = FABRIC_WRITE;
		s->offset += a->offset;
		s->local += a->offset;
		s->length = a->length;
		break;
	case COH_DO_NOTE:
		note_store(m, a, s);
		break;
	case COH_DO_TABLE:
		s->offset = m->holdings_at +
			    (u64)a->page * sizeof(struct coh_holding);
		s->local = fabric_local(m->scratch);
		s->length = a->count * (u32)sizeof(struct coh_holding);
		break;
	default:
		ASSERT(a->what == COH_DO_READ);
	}
}

static bool
cas16(struct coh_word *at, struct coh_word *expected, struct coh_word desired)
{
	bool same;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(same), "+m"(*(unsigned __int128 *)(void *)at),
			   "+a"(expected->low), "+d"(expected->high)
			 : "b"(desired.low), "c"(desired.high)
			 : "memory");
	return same;
}

void
map_swap(struct coh_word *word, const struct coh_action *a,
	 struct coh_result *result)
{
	struct coh_word next;

	// Others change it at most once for each operation that they have open.
	do {
		result->matched = coh_clause_apply(&a->clause, result->old, &next);
	} while (!cas16(word, &result->old, next));
}

static void
swap_here(struct map *m, const struct coh_action *a)
{
	struct coh_result result = { .outcome = COH_DONE };

	map_swap(&m->words[a->page], a, &result);
	coh_done(&m->coh, now_ns(), a->tag, &result);
}

// False: no room now.
static bool
act_far(struct map *m, const struct coh_action *a)
{
	const struct map_peer *peer = &m->peer[a->member];
	struct coh_result never = { .outcome = COH_NOT_DONE };
	struct fabric_submit s;

	// What a later life lends is not the epoch's.
	if (peer->slot == SLOT_NONE ||
	    peer->slot_life != m->coh.epoch.life[a->member]) {
		coh_done(&m->coh, now_ns(), a->tag, &never);
		return true;
	}
	if (is_near(peer)) {
		near_act(m, a);
		return true;
	}
	submit_of(m, a, &s);
	return fabric_put(&m->queue, &s);
}

static bool
act(struct map *m, const struct coh_action *a)
{
	switch (a->what) {
	case COH_DO_MAP:
		region_map(m, a->page, a->bind);
		return true;
	case COH_DO_FENCE:
		peers_fence(m, a->member, a->count);
		return true;
	case COH_DO_SEND:
		return map_send(m, a->member, MAP_LETTER, a->letter, a->length);
	default:
		if (a->member != m->config.number)
			return act_far(m, a);
		ASSERT(a->what == COH_DO_SWAP);
		swap_here(m, a);
		return true;
	}
}

// ---- what comes

// Whether a capability is of no use any more.
static bool
is_gone(u8 code)
{
	return code == CODE_SLOT || code == CODE_GENERATION ||
	       code == CODE_HOLDER || code == CODE_REVOKED ||
	       code == CODE_INCARNATION;
}

static void
completed(struct map *m, const struct fabric_complete *c)
{
	struct coh_result result = {
		.outcome = c->outcome == FABRIC_DONE ? COH_DONE
			   : c->outcome == FABRIC_NOT_DONE ? COH_NOT_DONE
							   : COH_UNKNOWN,
		.matched = c->clause == 0,
		.old = { c->old[0], c->old[1] },
	};

	coh_done(&m->coh, now_ns(), (u32)c->tag, &result);
	if (c->outcome == FABRIC_NOT_DONE && is_gone(c->code))
		peers_refused(m, MAP_MEMBER_OF(c->tag));
}

static void
received(struct map *m, const struct fabric_complete *c)
{
	u32 index = (u32)c->tag;
	const u8 *bytes = m->posts + (u64)index * MAP_BUFFER;
	struct map_head head;

	if (c->outcome != FABRIC_DONE)
		return;		// the endpoint is gone
	if (c->length >= sizeof(head)) {
		memcpy(&head, bytes, sizeof(head));
		// Who was taken for gone here, and reaches this memory all the while,
		// says no hello: its letters are as good.
		if (head.kind == MAP_HELLO ||
		    (head.kind == MAP_LETTER && peers_is_new(m, &head)))
			peers_hello(m, &head, c);
		if (head.kind == MAP_LETTER && peers_is(m, &head, c))
			coh_message(&m->coh, now_ns(), head.number,
				    bytes + sizeof(head),
				    c->length - (u32)sizeof(head));
	}
	post(m, index);
}

static void
take(struct map *m, const struct fabric_complete *c)
{
	switch (MAP_KIND_OF(c->tag)) {
	case MAP_TAG_CORE:
		completed(m, c);
		break;
	case MAP_TAG_SEND:
		m->sends_free |= 1u << (u32)c->tag;
		break;
	case MAP_TAG_POST:
		received(m, c);
		break;
	case MAP_TAG_PLACE:
		if (c->outcome == FABRIC_DONE)
			peers_granted(m, c);
		map_place(m, (u32)c->tag);
		break;
	default:
		ASSERT(MAP_KIND_OF(c->tag) == MAP_TAG_GRANT);
		if (c->outcome != FABRIC_DONE)
			peers_missed(m, MAP_MEMBER_OF(c->tag));
	}
}

// ---- the pump

static bool
has_room(const struct map *m)
{
	return m->queue.open + m->queue.kept_count <
	       MAP_POSTS + MAP_PLACES + OPEN_FOR_CORE;
}

static void
act_all(struct map *m)
{
	while (has_room(m)) {
		if (!m->has_held &&
		    !coh_next(&m->coh, now_ns(), &m->held))
			return;
		m->has_held = !act(m, &m->held);
		if (m->has_held)
			return;
	}
}

void
map_start_again(struct map *m)
{
	u32 held = m->has_held && m->held.tag;
	i64 error;

	if (!map_is_over(m) || m->coh.open_count > held)
		return;
	peers_leave(m);
	error = region_restart(m, false);
	ASSERT(!error);
	peers_tell(m, now_ns());
}

void
map_pump(struct map *m)
{
	struct fabric_complete complete;
	i64 error;

	ASSERT(m->inside);
	for (u32 i = 0; i < 2 * FABRIC_COMPLETE_SLOTS; i++) {
		if (!fabric_take(&m->queue, &complete))
			break;
		take(m, &complete);
		act_all(m);
	}
	peers_poll(m, now_ns());
	act_all(m);
	if (map_is_over(m))
		peers_withdraw(m);
	error = fabric_flush(&m->queue);
	ASSERT(!error);
}

i64
map_open(struct map *m)
{
	i64 result = fabric_open(&m->queue, m->config.fabric_slot, &m->run);

	if (result)
		return result;
	result = sys_endpoint_open(m->config.fabric_slot, m->queue.slot,
				   m->config.service + m->config.number);
	if (result < 0) {
		fabric_close(&m->queue);
		return result;
	}
	m->endpoint = (u32)result;
	m->sends_free = (1u << MAP_SENDS) - 1;
	for (u32 i = 0; i < MAP_POSTS; i++)
		post(m, i);
	for (u32 i = 0; i < MAP_PLACES; i++)
		map_place(m, i);
	return fabric_flush(&m->queue);
}
