// SPDX-License-Identifier: BSD-2-Clause
// The ring of events, and its lines on the console. Another agent or the API reads
// events by their numbers; what fell out of the ring is gone.
//
// Invariant: ring[n % EVENTS_MAX] holds event number n for the last EVENTS_MAX of them.

#include "cluster/agent/events.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"

static struct event ring[EVENTS_MAX];
static u64 newest;
static u64 epoch_now;

static const char *const words[EVENT_KINDS] = {
#define X(name, word) [EVENT_##name] = word,
#include "cluster/agent/events.def"
#undef X
};

const char *
event_word(u32 kind)
{
	return kind < EVENT_KINDS ? words[kind] : "?";
}

void
events_epoch(u64 epoch)
{
	epoch_now = epoch;
}

static struct event *
event_write(enum event_kind kind, const char *who, const char *from, const char *to,
	    const char *why, va_list args)
{
	struct event *e = &ring[++newest % EVENTS_MAX];

	*e = (struct event){
		.number = newest, .at_ns = now_ns(), .epoch = epoch_now,
		.kind = kind,
	};
	string_copy(e->who, sizeof(e->who), who);
	string_copy(e->from, sizeof(e->from), from);
	string_copy(e->to, sizeof(e->to), to);
	fmt_into_va(e->why, sizeof(e->why), why, args);
	return e;
}

void
event(enum event_kind kind, const char *who, const char *from, const char *to,
      const char *why, ...)
{
	const struct event *e;
	va_list args;

	va_start(args, why);
	e = event_write(kind, who, from, to, why, args);
	va_end(args);
	print("agent: %s %s: %s%s%s%s%s\n", event_word(kind), e->who, e->from,
	      *e->from ? " -> " : "", e->to, *e->why ? ": " : "", e->why);
}

void
event_quiet(enum event_kind kind, const char *who, const char *from, const char *to,
	    const char *why, ...)
{
	va_list args;

	va_start(args, why);
	event_write(kind, who, from, to, why, args);
	va_end(args);
}

u32
events_read(u64 since, struct event *events, u32 max)
{
	u64 oldest = newest >= EVENTS_MAX ? newest - EVENTS_MAX + 1 : 1;
	u32 count = 0;

	for (u64 n = MAX(since + 1, oldest); n <= newest && count < max; n++)
		events[count++] = ring[n % EVENTS_MAX];
	return count;
}

void
event_node_name(const u8 uuid[16], char name[9])
{
	fmt_into(name, 9, "%02x%02x%02x%02x", uuid[0], uuid[1], uuid[2], uuid[3]);
}
