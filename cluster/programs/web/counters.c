// SPDX-License-Identifier: BSD-2-Clause
// The counters' steps: take the page, add, publish, show. Nothing here waits; a step
// that cannot be done is tried again in the next round.
//
// Invariants:
//  C1  The row of a node grows by what its instances answered since they last added,
//      and by nothing else; it is never given to another.
//  C2  A text holds rows that were added and published after its readers asked, or there
//      is no other node, nor ever was. A node that stood still shows no old ones.

#include "cluster/programs/web/counters.h"
#include "cluster/programs/web/shared.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/remote/node.h"

#define PERIOD_NS (500 * NS_PER_MS)
#define PATIENCE_NS (8 * NS_PER_SECOND)

STATIC_ASSERT(COUNTERS_ROWS * sizeof(struct counters_row) <= PAGE_SIZE);

typedef unsigned long long number_t;	// what %llu prints

void
counters_open(struct counters *counters, struct job *job)
{
	i64 error = shared_open(job);

	*counters = (struct counters){ .job = job, .is_open = !error };
	memcpy(counters->uuid, job->view.member[job->view.self].uuid,
	       sizeof(counters->uuid));
	if (error)
		print("web: shared counters: %s\n", error_text(error));
}

// Does somebody wait for a round that has not begun yet?
static bool
is_wanted(const struct counters *counters)
{
	return counters->asked != counters->round;
}

static bool
somebody_waits(const struct counters *counters)
{
	return is_wanted(counters) || counters->stage == COUNTERS_PUBLISHES;
}

u32
counters_want(struct counters *counters, u64 now_ns)
{
	if (!somebody_waits(counters))
		counters->give_up_ns = now_ns + PATIENCE_NS;
	if (!is_wanted(counters)) {
		counters->asked++;
		counters->next_ns = 0;
	}
	return counters->asked;
}

static bool
is_free(const struct counters_row *row)
{
	static const u8 none[16];

	return !memcmp(row->uuid, none, sizeof(none));
}

static void printf_like(2, 3)
add(struct counters *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	c->text_len += (u32)fmt_into_va(c->text + c->text_len,
					COUNTERS_TEXT_MAX - c->text_len, format, args);
	va_end(args);
	ASSERT(c->text_len < COUNTERS_TEXT_MAX);
}

static void
add_nodes(struct counters *c)
{
	const char *between = "";
	u64 sum = 0;

	add(c, "{\"nodes\":[");
	for (u32 i = 0; i < COUNTERS_ROWS && !is_free(&c->row[i]); i++) {
		char uuid[37];

		node_uuid_text(c->row[i].uuid, uuid);
		add(c, "%s{\"uuid\":\"%s\",\"requests\":%llu}", between, uuid,
		    (number_t)c->row[i].requests);
		between = ",";
		sum += c->row[i].requests;
	}
	add(c, "],\"requests\":%llu", (number_t)sum);
}

static void
write_text(struct counters *c, bool through, const struct counters_shown *shown)
{
	const struct content_counters *cache = shown->cache;
	char uuid[37];

	node_uuid_text(c->uuid, uuid);
	c->text_len = 0;
	add_nodes(c);
	add(c, ",\"written_through\":%s,\"shown_by\":\"%s\",\"generation\":%llu",
	    through ? "true" : "false", uuid, (number_t)shown->generation);
	add(c, ",\"cache\":{\"hits\":%llu,\"misses\":%llu,\"local_reads\":%llu,"
	    "\"remote_reads\":%llu,\"peer_reads\":%llu,\"peer_misses\":%llu,"
	    "\"entered\":%llu,"
	    "\"bad_sums\":%llu,\"failovers\":%llu,"
	    "\"failed\":%llu,\"evicted\":%llu,\"starved\":%llu}}\n",
	    (number_t)cache->hits, (number_t)cache->misses,
	    (number_t)cache->local_reads, (number_t)cache->remote_reads,
	    (number_t)cache->peer_reads, (number_t)cache->peer_misses,
	    (number_t)shown->entered,
	    (number_t)cache->bad_sums, (number_t)cache->failovers,
	    (number_t)cache->failed, (number_t)cache->evicted,
	    (number_t)cache->starved);
}

// Adds to this node's row, which it gets now if it has none. A table that is full
// (64 nodes that were ever there) counts no more.
static void
add_to_row(struct counters *c, struct counters_row *row, u64 requests)
{
	for (u32 i = 0; i < COUNTERS_ROWS; i++) {
		if (is_free(&row[i]))
			memcpy(row[i].uuid, c->uuid, sizeof(c->uuid));
		if (memcmp(row[i].uuid, c->uuid, sizeof(c->uuid)))
			continue;
		row[i].requests += requests - c->added;		// C1
		break;
	}
	c->added = requests;
	memcpy(c->row, row, sizeof(c->row));
}

// Adds what was answered here. False: the page is not here.
static bool
add_requests(struct counters *c, u64 requests)
{
	struct counters_row *row = c->is_open ?
				   shared_get(0, sizeof(c->row), true) : c->own;

	if (!row)
		return false;
	add_to_row(c, row, requests);
	return true;
}

// 1: what was added is on another node; 0: not yet; below: there is none, or the page
// has gone.
static i64
publish(struct counters *c)
{
	return c->is_open ? shared_publish(sizeof(c->row)) : -E_ABSENT;
}

// Is what was added safe to show, as much as it can be?
static bool
may_show(const struct counters *c, i64 published)
{
	return published == 1 ||
	       (published == -E_ABSENT && c->job->view.member_count <= 1);
}

// Adds when it is time to, or for a new round.
static void
run_adding(struct counters *c, u64 now_ns, u64 requests)
{
	if (c->stage == COUNTERS_IDLE && now_ns >= c->next_ns) {
		if (is_wanted(c) || requests != c->added)
			c->stage = COUNTERS_ADDS;
		else
			c->next_ns = 0;		// nothing to wait for
	}
	if (c->stage != COUNTERS_ADDS || !add_requests(c, requests))
		return;
	c->next_ns = now_ns + PERIOD_NS;
	c->stage = is_wanted(c) ? COUNTERS_PUBLISHES : COUNTERS_IDLE;
	if (is_wanted(c) && c->is_open)
		shared_publish_begin();
	c->round = c->asked;
}

// True: the round's rows may be shown.
static bool
run_publishing(struct counters *c, u64 now_ns, const struct counters_shown *shown)
{
	i64 published = publish(c);

	if (may_show(c, published)) {
		write_text(c, published == 1, shown);
		c->stage = COUNTERS_IDLE;
		if (is_wanted(c)) {
			c->next_ns = 0;
			c->give_up_ns = now_ns + PATIENCE_NS;
		}
		return true;
	}
	// Whatever it was, the page may have moved, or be as it was: from the beginning.
	if (published < 0) {
		c->stage = COUNTERS_ADDS;
		c->round--;
	}
	return false;
}

enum counters_news
counters_run(struct counters *c, u64 now_ns, u64 requests,
	     const struct counters_shown *shown)
{
	if (c->is_open)
		shared_poll();
	run_adding(c, now_ns, requests);
	if (c->stage == COUNTERS_PUBLISHES && run_publishing(c, now_ns, shown))
		return COUNTERS_TEXT;
	if (somebody_waits(c) && now_ns >= c->give_up_ns) {
		c->round = c->asked;
		c->stage = COUNTERS_IDLE;
		return COUNTERS_FAILED;
	}
	return COUNTERS_NONE;
}

void
counters_watch(const struct counters *c, struct wait_set *set)
{
	if (c->is_open)
		shared_watch(set);
	if (somebody_waits(c))
		wait_until(set, c->give_up_ns);
	if (c->stage == COUNTERS_IDLE && c->next_ns)
		wait_until(set, c->next_ns);
}
