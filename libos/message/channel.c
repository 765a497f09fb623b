// SPDX-License-Identifier: BSD-2-Clause
// Channels. Of the other side's page each word is read once for each decision, and a
// count is believed only within what this side knows: a reader has read nothing that
// was not written, a writer has written nothing over what was not read.

#include "libos/message/channel.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define HEAD ((u32)sizeof(u32))		// the length before a message

STATIC_ASSERT(sizeof(struct channel_end) == CHANNEL_LINE);

void
channel_open(struct channel *c, bool writes, struct channel_end *mine,
	     const struct channel_end *theirs, void *bytes, u32 size)
{
	ASSERT(size >= CHANNEL_BYTES_MIN && size <= CHANNEL_BYTES_MAX);
	ASSERT((size & (size - 1)) == 0);
	*c = (struct channel){
		.mine = mine,
		.theirs = theirs,
		.bytes = bytes,
		.size = size,
		.writes = writes,
	};
	// The other's must fit to it.
	c->count = c->seen = __atomic_load_n(&mine->count, __ATOMIC_RELAXED);
}

// Bytes that this side may still read, or write, as far as it knows.
static u32
at_hand(const struct channel *c)
{
	return c->writes ? c->size - (c->count - c->seen) : c->seen - c->count;
}

// Looks at what the other has done. Its count may have moved by what was not at hand.
static bool
look(struct channel *c)
{
	u32 now = __atomic_load_n(&c->theirs->count, __ATOMIC_ACQUIRE);
	u32 moved = now - c->seen;

	ASSERT(at_hand(c) <= c->size);
	if (c->broken || moved > c->size - at_hand(c) || moved % HEAD) {
		c->broken = true;
		return false;
	}
	c->seen = now;
	return true;
}

static bool
is_closed(const struct channel_end *end)
{
	return __atomic_load_n(&end->closed, __ATOMIC_ACQUIRE) != 0;
}

// What a message takes of the ring.
static u32
taken(u32 len)
{
	ASSERT(len <= CHANNEL_BYTES_MAX);
	return HEAD + ALIGN_UP(len, HEAD);
}

static u8 *
place(const struct channel *c, u32 at)
{
	return c->bytes + (at & (c->size - 1));
}

// How much of `len` bytes from there on lies before the end of the ring.
static u32
before_end(const struct channel *c, u32 at, u32 len)
{
	return MIN(len, c->size - (at & (c->size - 1)));
}

static void
advance(struct channel *c, u32 by)
{
	ASSERT(by % HEAD == 0 && by <= at_hand(c));
	c->count += by;
	__atomic_store_n(&c->mine->count, c->count, __ATOMIC_SEQ_CST);	// H3
}

enum channel_result
channel_put(struct channel *c, const void *message, u32 len)
{
	u32 at = c->count + HEAD, first;

	ASSERT(c->writes && !c->closed);
	if (len > channel_longest(c->size))
		return CHANNEL_LONG;
	if (c->broken || (at_hand(c) < taken(len) && !look(c)))
		return CHANNEL_BROKEN;
	if (is_closed(c->theirs))
		return CHANNEL_CLOSED;
	if (at_hand(c) < taken(len))
		return CHANNEL_WAIT;
	first = before_end(c, at, len);
	memcpy(place(c, c->count), &len, HEAD);
	memcpy(place(c, at), message, first);
	memcpy(c->bytes, (const u8 *)message + first, len - first);
	advance(c, taken(len));
	return CHANNEL_DONE;
}

// Is there a message? Closed is looked at first: what was written before it is there.
static enum channel_result
find(struct channel *c)
{
	bool closed;

	if (c->broken)
		return CHANNEL_BROKEN;
	if (at_hand(c))
		return CHANNEL_DONE;
	closed = is_closed(c->theirs);
	if (!look(c))
		return CHANNEL_BROKEN;
	if (at_hand(c))
		return CHANNEL_DONE;
	return closed ? CHANNEL_CLOSED : CHANNEL_WAIT;
}

enum channel_result
channel_get(struct channel *c, void *message, u32 size, u32 *len)
{
	enum channel_result found = find(c);
	u32 at = c->count + HEAD, first, length;

	ASSERT(!c->writes);
	if (found != CHANNEL_DONE)
		return found;
	memcpy(&length, place(c, c->count), HEAD);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);	// it may change: this one counts
	if (length > channel_longest(c->size) || taken(length) > at_hand(c)) {
		c->broken = true;
		return CHANNEL_BROKEN;
	}
	*len = length;
	if (length > size)
		return CHANNEL_LONG;
	first = before_end(c, at, length);
	memcpy(message, place(c, at), first);
	memcpy((u8 *)message + first, c->bytes, length - first);
	advance(c, taken(length));
	return CHANNEL_DONE;
}

void
channel_close(struct channel *c)
{
	c->closed = true;
	__atomic_store_n(&c->mine->closed, 1, __ATOMIC_SEQ_CST);	// H3
}

bool
channel_wakes(struct channel *c)
{
	u32 naps = __atomic_load_n(&c->theirs->naps, __ATOMIC_SEQ_CST);	// H3

	if (naps % 2 == 0 || naps == c->woken)
		return false;
	if (!c->closed &&
	    __atomic_load_n(&c->theirs->napped_at, __ATOMIC_RELAXED) == c->count)
		return false;
	c->woken = naps;
	return true;
}

bool
channel_moved(const struct channel *c)
{
	return c->broken || __atomic_load_n(&c->theirs->closed, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&c->theirs->count, __ATOMIC_SEQ_CST) != c->seen;
}

bool
channel_nap(struct channel *c)
{
	ASSERT(c->naps % 2 == 0);
	c->naps++;
	__atomic_store_n(&c->mine->napped_at, c->seen, __ATOMIC_RELAXED);
	__atomic_store_n(&c->mine->naps, c->naps, __ATOMIC_SEQ_CST);	// H3
	return !channel_moved(c);
}

void
channel_rise(struct channel *c)
{
	ASSERT(c->naps % 2 == 1);
	c->naps++;
	__atomic_store_n(&c->mine->naps, c->naps, __ATOMIC_RELEASE);
}
