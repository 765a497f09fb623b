// SPDX-License-Identifier: BSD-2-Clause
// Blocks, who has them pinned, and who waits.
//
// Invariants:
//  B1  A block is on the hash chain of its name exactly while it is LOADING or
//      READY, on the free list exactly while it is FREE.
//  B2  idle counts the blocks that are READY and have no pins.
//  B3  Waiters of a block wait while it is LOADING only.
//  B4  A waiter is on one list at most, and knows which.
//  B5  A request that starves is tried again after every event that can end what it
//      starves for: a block unpinned or settled, a load's end, frames sent.

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/content/state.h"

#define TRIES 8u	// starved waiters that try again after an event

static u32
chain_count(u32 block_count)
{
	u32 count = 64;

	while (count < block_count)
		count *= 2;
	return count;
}

u64
content_memory_needed(u32 block_count)
{
	return (u64)block_count * sizeof(struct content_block) +
	       (u64)chain_count(block_count) * sizeof(u32);
}

void
content_init(struct content *content, void *memory, u8 *bytes, u32 block_count,
	     u32 salt)
{
	u32 chains = chain_count(block_count);

	ASSERT(block_count >= CONTENT_BLOCKS_MIN && (u64)bytes % STORE_BLOCK == 0);
	*content = (struct content){
		.block = memory,
		.block_count = block_count,
		.chain_mask = chains - 1,
		.bytes = bytes,
		.salt = salt,
	};
	content->chain = (u32 *)(void *)(content->block + block_count);
	memset(content->chain, 0xff, chains * sizeof(u32));
	for (u32 i = 0; i < block_count; i++)
		content->block[i].next = i + 1 < block_count ? i + 1 : CONTENT_NONE;
}

static void
list_remove(struct content_wait *wait)
{
	struct content_list *list = wait->list;

	ASSERT(list && list->count > 0);
	*(wait->previous ? &wait->previous->next : &list->first) = wait->next;
	*(wait->next ? &wait->next->previous : &list->last) = wait->previous;
	list->count--;
	wait->list = NULL;
}

void
content_list_add(struct content_list *list, struct content_wait *wait)
{
	ASSERT(!wait->list);					// B4
	wait->list = list;
	wait->next = NULL;
	wait->previous = list->last;
	*(list->last ? &list->last->next : &list->first) = wait;
	list->last = wait;
	list->count++;
}

// An id is a hash already.
static u32 *
chain_of(const struct content *content, const u8 *id, u64 index)
{
	u64 hash = (le64_load(id) ^ index) * 0x9e3779b97f4a7c15ull;

	return &content->chain[(hash >> 32) & content->chain_mask];
}

u32
content_find(const struct content *content, const u8 id[STORE_ID], u64 index)
{
	u32 at = *chain_of(content, id, index);

	while (at != CONTENT_NONE) {
		const struct content_block *b = &content->block[at];

		if (b->index == index && !memcmp(b->id, id, STORE_ID))
			break;
		at = b->next;
	}
	return at;
}

static void
unchain(struct content *content, u32 block)
{
	struct content_block *b = &content->block[block];
	u32 *at = chain_of(content, b->id, b->index);

	while (*at != block) {
		ASSERT(*at != CONTENT_NONE);			// B1
		at = &content->block[*at].next;
	}
	*at = b->next;
}

static void
set_free(struct content *content, u32 block)
{
	struct content_block *b = &content->block[block];

	b->state = CONTENT_FREE;
	b->next = content->free;
	content->free = block;
}

static bool
may_go(const struct content *content, const struct content_block *b)
{
	return b->state == CONTENT_READY && !b->pins &&
	       b->fence <= content->sent_passed;
}

// CLOCK: what was used since the hand came by stays for another round.
static u32
evict(struct content *content)
{
	u32 steps = content->idle ? 2 * content->block_count : 0;

	for (; steps; steps--) {
		u32 at = content->hand;
		struct content_block *b = &content->block[at];

		content->hand = (at + 1) % content->block_count;
		if (!may_go(content, b))
			continue;
		if (b->referenced) {
			b->referenced = false;
			continue;
		}
		unchain(content, at);
		content->idle--;
		content->counters.evicted++;
		return at;
	}
	return CONTENT_NONE;
}

u32
content_take(struct content *content, const u8 id[STORE_ID], u64 index)
{
	u32 *chain = chain_of(content, id, index);
	struct content_block *b;
	u32 at = content->free;

	if (at != CONTENT_NONE)
		content->free = content->block[at].next;
	else
		at = evict(content);
	if (at == CONTENT_NONE)
		return at;
	b = &content->block[at];
	ASSERT(!b->pins && !b->waiters.count);
	memcpy(b->id, id, STORE_ID);
	b->index = index;
	b->state = CONTENT_LOADING;
	b->referenced = b->touched = false;
	b->next = *chain;
	*chain = at;
	return at;
}

void
content_pin(struct content *content, u32 block)
{
	struct content_block *b = &content->block[block];

	if (b->state == CONTENT_READY && !b->pins)
		content->idle--;
	b->pins++;
}

void
content_release(struct content *content, u32 block)
{
	struct content_block *b = &content->block[block];

	ASSERT(b->pins > 0);
	if (--b->pins)
		return;
	if (b->state == CONTENT_READY)
		content->idle++;
	else if (b->state == CONTENT_BROKEN)
		set_free(content, block);
}

void
content_unpin(struct content *content, u32 block)
{
	content->block[block].fence = content->sent_given;
	content_release(content, block);
	content_relieve(content);
}

void
content_settle(struct content *content, u32 block, bool here)
{
	struct content_block *b = &content->block[block];

	ASSERT(b->state == CONTENT_LOADING);
	while (b->waiters.first) {
		struct content_wait *wait = b->waiters.first;

		list_remove(wait);
		wait->failed = !here;
		content_list_add(&content->ready, wait);
	}
	b->state = here ? CONTENT_READY : CONTENT_BROKEN;
	b->referenced = here;
	if (here) {
		content->idle += !b->pins;
	} else {
		unchain(content, block);
		if (!b->pins)
			set_free(content, block);
	}
	content_relieve(content);
}

void
content_relieve(struct content *content)
{
	content->tries = MIN(content->starved.count, TRIES);
}

// Blocks after `index`, as far as that disturbs nobody.
static void
read_ahead(struct content *content, const struct content_object *object, u64 index)
{
	u64 end = MIN(object_content_blocks(object->length),
		      index + 1 + CONTENT_AHEAD);

	for (u64 i = index + 1; i < end && !content->starved.count; i++) {
		if (content_find(content, object->id, i) == CONTENT_NONE &&
		    !content_load(content, object, i, true))
			return;
	}
}

static enum content_result
get_missing(struct content *content, const struct content_object *object,
	    u64 index, struct content_wait *wait)
{
	u32 at;

	content->counters.misses++;
	if (!content_load(content, object, index, false)) {
		content->counters.starved++;
		content_list_add(&content->starved, wait);
		return CONTENT_LATER;
	}
	at = content_find(content, object->id, index);
	ASSERT(at != CONTENT_NONE);
	content_list_add(&content->block[at].waiters, wait);
	read_ahead(content, object, index);
	return CONTENT_LATER;
}

enum content_result
content_get(struct content *content, const struct content_object *object,
	    u64 index, struct content_wait *wait, u32 *block)
{
	struct content_block *b;
	u32 at;

	ASSERT(!wait->list && index < object_content_blocks(object->length));
	if (wait->failed) {
		wait->failed = false;
		return CONTENT_FAILED;
	}
	at = content_find(content, object->id, index);
	if (at == CONTENT_NONE)
		return get_missing(content, object, index, wait);
	b = &content->block[at];
	if (b->state == CONTENT_LOADING) {
		content_list_add(&b->waiters, wait);
		return CONTENT_LATER;
	}
	content->counters.hits++;
	content_pin(content, at);
	b->referenced = true;
	*block = at;
	if (!b->touched) {
		b->touched = true;
		read_ahead(content, object, index);
	}
	return CONTENT_HERE;
}

void
content_forget(struct content *content, struct content_wait *wait)
{
	wait->failed = false;
	if (!wait->list)
		return;
	list_remove(wait);
	content_relieve(content);	// whom it would have kept from trying
}

struct content_wait *
content_ready(struct content *content)
{
	struct content_wait *wait = content->ready.first;

	if (!wait && content->tries && content->starved.first) {
		content->tries--;
		wait = content->starved.first;
	}
	if (wait)
		list_remove(wait);
	return wait;
}

u32
content_news(struct content *content)
{
	while (content->news_count) {
		u32 block = content->news[content->news_first];

		content->news_first = (content->news_first + 1) % CONTENT_NEWS;
		content->news_count--;
		if (content->block[block].state == CONTENT_READY)
			return block;
	}
	return CONTENT_NONE;
}

void
content_set_sent(struct content *content, u64 given, u64 passed)
{
	ASSERT(passed <= given && passed >= content->sent_passed);
	content->sent_given = given;
	if (passed == content->sent_passed)
		return;
	content->sent_passed = passed;
	if (content->starved.count)
		content_relieve(content);
}

static void
check_list(const struct content_list *list)
{
	const struct content_wait *last = NULL;
	u32 count = 0;

	for (const struct content_wait *w = list->first; w; w = w->next) {
		ASSERT(w->list == list && w->previous == last);	// B4
		last = w;
		count++;
	}
	ASSERT(list->last == last && list->count == count);
}

// Every load is of a block that is loading, and has its header pinned.
static void
check_loads(const struct content *content)
{
	u32 used = 0, open[2] = { 0 };

	for (u32 i = 0; i < CONTENT_LOADS; i++) {
		const struct content_load *l = &content->load[i];

		if (l->stage == CONTENT_IDLE)
			continue;
		used++;
		ASSERT(content->block[l->block].state == CONTENT_LOADING);
		if (l->header != CONTENT_NONE)
			ASSERT(content->block[l->header].pins > 0);
		else
			ASSERT(l->stage != CONTENT_ARRIVED);
		if (l->stage == CONTENT_READING)
			open[l->is_local]++;
	}
	ASSERT(open[0] == content->open[0] && open[1] == content->open[1]);
	ASSERT(open[0] <= CONTENT_OPEN_MAX && open[1] <= CONTENT_OPEN_MAX);
	ASSERT(used == content->loads);
}

void
content_check(const struct content *content)
{
	u32 idle = 0, free = 0, listed = 0;

	for (u32 i = 0; i < content->block_count; i++) {
		const struct content_block *b = &content->block[i];
		bool named = b->state == CONTENT_LOADING ||
			     b->state == CONTENT_READY;

		if (named)
			ASSERT(content_find(content, b->id, b->index) == i); // B1
		idle += b->state == CONTENT_READY && !b->pins;
		free += b->state == CONTENT_FREE;
		ASSERT(b->state != CONTENT_FREE || !b->pins);
		ASSERT(b->state == CONTENT_LOADING || !b->waiters.count); // B3
		check_list(&b->waiters);
	}
	for (u32 at = content->free; at != CONTENT_NONE; at = content->block[at].next)
		listed++;
	ASSERT(listed == free && idle == content->idle);		// B1, B2
	check_list(&content->ready);
	check_list(&content->starved);
	check_loads(content);
}
