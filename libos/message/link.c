// SPDX-License-Identifier: BSD-2-Clause
// Links: the host of channels. The words that a sleep is for are the other side's count
// and end mark, and its environment's entry in the exported table.

#include "libos/message/link.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"

STATIC_ASSERT(sizeof(struct link_page) <= PAGE_SIZE);

static const volatile struct env_info *
peer_info(const struct link *link)
{
	return &env_table()[link->peer_index];
}

static bool
is_living(const struct link *link)
{
	const volatile struct env_info *info = peer_info(link);

	return info->id == link->peer_id && info->end == END_NONE;
}

bool
link_open(struct link *link, void *mine, const void *theirs, u32 pages, u32 peer)
{
	struct link_page *own = mine;
	const struct link_page *others = theirs;
	u8 *sent = (u8 *)mine + PAGE_SIZE;
	// Only read: the page table sees to it.
	u8 *received = (u8 *)(u64)theirs + PAGE_SIZE;
	u32 size = pages * PAGE_SIZE;

	*link = (struct link){ .peer_id = peer };
	channel_open(&link->out, true, &own->sends, &others->receives, sent, size);
	channel_open(&link->in, false, &own->receives, &others->sends, received, size);
	for (u32 i = 0; i < ENVS_MAX; i++) {
		link->peer_index = i;
		if (peer && is_living(link))
			return true;
	}
	return false;
}

// What this side did to a channel may end the other's sleep.
static void
tell(struct link *link, struct channel *c)
{
	if (!channel_wakes(c))
		return;
	link->wakes++;
	sys_wake(&c->mine->count);
}

// A wait for one who has ended would be for ever. What it did before is looked at after
// its end was seen.
static bool
waits_in_vain(const struct link *link, const struct channel *c)
{
	return !is_living(link) && !channel_moved(c);
}

enum channel_result
link_put(struct link *link, const void *message, u32 len)
{
	enum channel_result result = channel_put(&link->out, message, len);

	if (result == CHANNEL_DONE)
		tell(link, &link->out);
	else if (result == CHANNEL_WAIT && waits_in_vain(link, &link->out))
		return CHANNEL_ENDED;
	return result;
}

enum channel_result
link_get(struct link *link, void *message, u32 size, u32 *len)
{
	enum channel_result result = channel_get(&link->in, message, size, len);

	if (result == CHANNEL_DONE)
		tell(link, &link->in);
	else if (result == CHANNEL_WAIT && waits_in_vain(link, &link->in))
		return CHANNEL_ENDED;
	return result;
}

// Looks a while whether the other, who is at work, does something: then true.
static bool
look_on(const struct link *link, const struct channel *c)
{
	const volatile struct env_info *info = peer_info(link);
	u32 here = env_table()[self_index()].processor;

	for (u32 i = 0; i < LINK_LOOKS; i++) {
		if (channel_moved(c))
			return true;
		if (info->state != ENV_RUNNABLE || info->processor == here)
			return false;
		__builtin_ia32_pause();
	}
	return false;
}

static void
watch(const struct link *link, const struct channel *c, struct wait_set *set)
{
	wait_word_add(set, &c->theirs->count, c->seen);
	wait_word_add(set, &c->theirs->closed, 0);
	wait_word_add(set, &env_table()[link->peer_index].end, END_NONE);
}

// Returns false when the deadline has passed.
static bool
sleep_for(struct link *link, struct channel *c, u64 deadline_ns)
{
	struct wait_set set;
	i64 woken = 0;

	if (look_on(link, c))
		return true;
	wait_begin(&set);
	wait_until(&set, deadline_ns);
	watch(link, c, &set);
	if (channel_nap(c)) {
		link->sleeps++;
		woken = wait_sleep(&set);
	}
	channel_rise(c);
	return woken != -E_TIMEOUT;
}

enum channel_result
link_send(struct link *link, const void *message, u32 len, u64 deadline_ns)
{
	enum channel_result result;

	while ((result = link_put(link, message, len)) == CHANNEL_WAIT) {
		if (!sleep_for(link, &link->out, deadline_ns))
			return CHANNEL_LATE;
	}
	return result;
}

enum channel_result
link_receive(struct link *link, void *message, u32 size, u32 *len, u64 deadline_ns)
{
	enum channel_result result;

	while ((result = link_get(link, message, size, len)) == CHANNEL_WAIT) {
		if (!sleep_for(link, &link->in, deadline_ns))
			return CHANNEL_LATE;
	}
	return result;
}

void
link_close(struct link *link)
{
	channel_close(&link->out);
	tell(link, &link->out);
}

bool
link_watch(struct link *link, struct wait_set *set)
{
	bool now = look_on(link, &link->in);

	watch(link, &link->in, set);
	if (!channel_nap(&link->in) || now)
		return false;
	link->sleeps++;
	return true;
}

void
link_rise(struct link *link)
{
	channel_rise(&link->in);
}
