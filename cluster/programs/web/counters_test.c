// SPDX-License-Identifier: BSD-2-Clause
// The counters' rounds, against a page that moves between three instances as it likes,
// is published or not, and goes back to what was published when its holder dies, or to
// what it was when it came there. What was shown once is never shown smaller, and nothing
// is counted twice; in the second case a text has what was answered before its reader
// asked.
//
// links: cluster/programs/web/counters.c kernel/base/string.c kernel/base/fmt.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/programs/web/counters.h"
#include "cluster/programs/web/shared.h"
#include "kernel/abi/errors.h"
#include "kernel/base/prng.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/remote/node.h"

#define NODES 3u
#define ASKS 16u
#define STEP_NS (37 * NS_PER_MS)
#define PATIENCE_NS (8 * NS_PER_SECOND)

struct ask {
	u32 round;		// 0: free
	u64 requests;		// answered here before it
};

struct instance {
	struct job job;
	struct counters counters;
	bool up;
	u64 before;		// answered by earlier lives of this node
	u64 requests;		// by this one
	u64 highest;		// of this node, in any text
	struct ask ask[ASKS];
	struct counters_row snapshot[COUNTERS_ROWS];
};

static struct {
	struct instance instance[NODES];
	struct counters_row page[COUNTERS_ROWS];
	struct counters_row kept[COUNTERS_ROWS];	// what is left when the holder dies
	bool keeps;		// what comes with the page is kept, published or not
	u32 holder, running;
	u32 sluggish;		// percent of the tries in which the page does not come
	i64 publishes;		// what shared_publish() says, when it can say 1
	bool has_region;
	u64 now, texts, failures;
	struct prng prng;
} w;

static const struct content_counters cache;
static const struct counters_shown shown = { .cache = &cache };

static bool
chance(u32 percent)
{
	return prng_below(&w.prng, 100) < percent;
}

// ---- what stands for shared memory and the libOS

i64
shared_open(struct job *job)
{
	(void)job;
	return w.has_region ? 0 : -E_ABSENT;
}

void *
shared_get(u64 offset, u64 len, bool write)
{
	assert_true(write && offset == 0 && len <= sizeof(w.page));
	if (w.holder != w.running && chance(w.sluggish))
		return NULL;
	if (w.holder != w.running && w.keeps)
		memcpy(w.kept, w.page, sizeof(w.kept));
	w.holder = w.running;
	return w.page;
}

void
shared_publish_begin(void)
{
	assert_int_equal(w.holder, w.running);
	memcpy(w.instance[w.running].snapshot, w.page, sizeof(w.page));
}

i64
shared_publish(u64 len)
{
	assert_true(len <= sizeof(w.page));
	if (w.publishes < 0)
		return w.publishes;
	if (w.holder != w.running)
		return -E_STATE;
	if (chance(w.sluggish))
		return 0;
	if (w.publishes == 1)
		memcpy(w.kept, w.instance[w.running].snapshot, sizeof(w.kept));
	return w.publishes;
}

void
shared_poll(void)
{
}

void
shared_watch(struct wait_set *set)
{
	(void)set;
}

void
wait_until(struct wait_set *set, u64 deadline_ns)
{
	set->deadline_ns = MIN(set->deadline_ns, deadline_ns);
}

void
node_uuid_text(const volatile u8 uuid[16], char text[37])
{
	for (u32 i = 0; i < 36; i++)
		text[i] = "0123456789abcdef"[uuid[i % 16] % 16];
	text[36] = 0;
}

const char *
error_text(i64 result)
{
	(void)result;
	return "there is none";
}

void
print(const char *format, ...)
{
	(void)format;
}

// ---- instances

static void
start(u32 node, u32 members)
{
	struct instance *in = &w.instance[node];

	in->before += in->requests;
	in->requests = 0;
	memset(in->ask, 0, sizeof(in->ask));
	in->up = true;
	in->job.view.member_count = members;
	in->job.view.self = 0;
	memset(in->job.view.member[0].uuid, (int)node + 1, 16);
	counters_open(&in->counters, &in->job);
}

static void
begin(u32 nodes, u64 seed)
{
	memset(&w, 0, sizeof(w));
	prng_seed(&w.prng, seed);
	w.has_region = true;
	w.publishes = 1;
	w.now = NS_PER_SECOND;
	for (u32 i = 0; i < nodes; i++)
		start(i, nodes);
}

// What a text shows of a node.
static u64
row_of(const struct counters *c, u32 node)
{
	char uuid[37], pattern[64];
	u8 bytes[16];
	const char *at;

	memset(bytes, (int)node + 1, sizeof(bytes));
	node_uuid_text(bytes, uuid);
	snprintf(pattern, sizeof(pattern), "{\"uuid\":\"%s\",\"requests\":", uuid);
	at = strstr(c->text, pattern);
	return at ? strtoull(at + strlen(pattern), NULL, 10) : 0;
}

static void
check_text(struct instance *in, u32 node)
{
	const struct counters *c = &in->counters;

	w.texts++;
	assert_int_equal(strlen(c->text), c->text_len);
	for (u32 i = 0; i < NODES; i++) {
		struct instance *of = &w.instance[i];
		u64 is = row_of(c, i);

		assert_true(is >= of->highest);
		assert_true(is <= of->before + of->requests);
		of->highest = is;
	}
	for (u32 i = 0; i < ASKS; i++) {
		struct ask *ask = &in->ask[i];

		if (!ask->round || (i32)(ask->round - c->round) > 0)
			continue;
		// What earlier lives did not get to add is gone: this life's is there.
		assert_true(!w.keeps || row_of(c, node) >= ask->requests);
		ask->round = 0;
	}
}

static enum counters_news
run(u32 node)
{
	struct instance *in = &w.instance[node];
	enum counters_news news;

	w.running = node;
	news = counters_run(&in->counters, w.now, in->requests, &shown);
	if (news == COUNTERS_TEXT)
		check_text(in, node);
	if (news == COUNTERS_FAILED) {
		w.failures++;
		memset(in->ask, 0, sizeof(in->ask));
	}
	return news;
}

static void
ask(u32 node)
{
	struct instance *in = &w.instance[node];

	for (u32 i = 0; i < ASKS; i++) {
		if (in->ask[i].round)
			continue;
		in->ask[i].round = counters_want(&in->counters, w.now);
		in->ask[i].requests = in->requests;
		return;
	}
}

static void
die(u32 node)
{
	w.instance[node].up = false;
	if (w.holder != node)
		return;
	memcpy(w.page, w.kept, sizeof(w.page));
	w.holder = NODES;
}

// ---- many seeds

static void
happen(void)
{
	u32 node = (u32)prng_below(&w.prng, NODES);
	struct instance *in = &w.instance[node];

	w.now += prng_below(&w.prng, STEP_NS);
	if (!in->up) {
		if (chance(10))
			start(node, NODES);
		return;
	}
	if (chance(40))
		in->requests += prng_below(&w.prng, 20);
	if (chance(20))
		ask(node);
	if (chance(1)) {
		die(node);
		return;
	}
	(void)run(node);
}

static void
rest(void)
{
	w.sluggish = 0;
	for (u32 i = 0; i < NODES; i++) {
		if (!w.instance[i].up)
			start(i, NODES);
		ask(i);
	}
	for (u32 i = 0; i < 200; i++) {
		w.now += STEP_NS;
		(void)run(i % NODES);
	}
}

static void
what_was_shown_stays(void **state)
{
	u64 texts = 0, failures = 0;

	(void)state;
	for (u64 seed = 1; seed <= 300; seed++) {
		begin(NODES, seed);
		w.sluggish = (u32)prng_below(&w.prng, 99);
		w.keeps = seed % 2;
		for (u32 i = 0; i < 1500; i++)
			happen();
		rest();
		for (u32 i = 0; i < NODES; i++) {
			for (u32 j = 0; j < ASKS; j++)
				assert_int_equal(w.instance[i].ask[j].round, 0);
		}
		texts += w.texts;
		failures += w.failures;
	}
	// Both have happened, or nothing was tried.
	assert_true(texts > 10000 && failures > 0);
}

static void
nothing_is_lost_while_nobody_dies(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= 50; seed++) {
		begin(NODES, seed);
		w.sluggish = (u32)prng_below(&w.prng, 90);
		for (u32 i = 0; i < 500; i++) {
			u32 node = (u32)prng_below(&w.prng, NODES);

			w.now += prng_below(&w.prng, STEP_NS);
			w.instance[node].requests += prng_below(&w.prng, 5);
			if (chance(20))
				ask(node);
			(void)run(node);
		}
		rest();
		rest();
		for (u32 i = 0; i < NODES; i++)
			assert_int_equal(w.instance[i].highest, w.instance[i].requests);
	}
}

// ---- one by one

static void
who_asks_while_it_is_published_waits_for_the_next_round(void **state)
{
	u32 first, second;

	(void)state;
	begin(2, 1);
	w.instance[0].requests = 5;
	first = counters_want(&w.instance[0].counters, w.now);
	w.publishes = 0;
	assert_int_equal(run(0), COUNTERS_NONE);
	w.instance[0].requests = 9;
	second = counters_want(&w.instance[0].counters, w.now);
	assert_true(second != first);
	w.publishes = 1;
	assert_int_equal(run(0), COUNTERS_TEXT);
	assert_int_equal(w.instance[0].counters.round, first);
	assert_int_equal(row_of(&w.instance[0].counters, 0), 5);
	assert_int_equal(run(0), COUNTERS_TEXT);
	assert_int_equal(w.instance[0].counters.round, second);
	assert_int_equal(row_of(&w.instance[0].counters, 0), 9);
	assert_int_equal(run(0), COUNTERS_NONE);
}

// The page goes while it is being published: all is done again, and counted once.
static void
a_page_that_goes_is_taken_again(void **state)
{
	(void)state;
	begin(2, 1);
	w.instance[0].requests = 5;
	(void)counters_want(&w.instance[0].counters, w.now);
	w.publishes = 0;
	assert_int_equal(run(0), COUNTERS_NONE);
	w.holder = 1;
	w.publishes = 1;
	assert_int_equal(run(0), COUNTERS_NONE);
	assert_int_equal(run(0), COUNTERS_TEXT);
	assert_int_equal(row_of(&w.instance[0].counters, 0), 5);
	assert_non_null(strstr(w.instance[0].counters.text, "\"written_through\":true"));
}

// Who is cut off from all others has nothing that it may show, and says so in time.
static void
who_is_cut_off_shows_nothing(void **state)
{
	(void)state;
	begin(2, 1);
	w.publishes = -E_ABSENT;
	ask(0);
	assert_int_equal(run(0), COUNTERS_NONE);
	w.now += PATIENCE_NS - 1;
	assert_int_equal(run(0), COUNTERS_NONE);
	w.now += 1;
	assert_int_equal(run(0), COUNTERS_FAILED);
	assert_int_equal(run(0), COUNTERS_NONE);
	w.publishes = 1;
	ask(0);
	assert_int_equal(run(0), COUNTERS_TEXT);
}

static void
who_is_alone_shows_its_own(void **state)
{
	struct instance *in = &w.instance[0];

	(void)state;
	for (u32 has_region = 0; has_region < 2; has_region++) {
		begin(0, 1);
		w.has_region = has_region;
		w.publishes = -E_ABSENT;
		start(0, 1);
		in->requests = 7;
		ask(0);
		assert_int_equal(run(0), COUNTERS_TEXT);
		assert_int_equal(row_of(&in->counters, 0), 7);
		assert_non_null(strstr(in->counters.text, "\"written_through\":false"));
	}
}

// Without a region there is nothing that others could have.
static void
without_a_region_others_make_it_fail(void **state)
{
	(void)state;
	begin(0, 1);
	w.has_region = false;
	start(0, 2);
	ask(0);
	assert_int_equal(run(0), COUNTERS_NONE);
	w.now += PATIENCE_NS;
	assert_int_equal(run(0), COUNTERS_FAILED);
}

static void
a_full_table_counts_no_more(void **state)
{
	(void)state;
	begin(2, 1);
	for (u32 i = 0; i < COUNTERS_ROWS; i++)
		memset(w.page[i].uuid, 0x40 + (int)i, sizeof(w.page[i].uuid));
	w.instance[0].requests = 5;
	ask(0);
	w.instance[0].ask[0].round = 0;		// it gets no row
	assert_int_equal(run(0), COUNTERS_TEXT);
	assert_int_equal(row_of(&w.instance[0].counters, 0), 0);
	assert_non_null(strstr(w.instance[0].counters.text, "],\"requests\":0,"));
}

// It wakes when it is time to add, or to give up, and sleeps when there is nothing.
static void
it_waits_for_what_comes_first(void **state)
{
	struct counters *c = &w.instance[0].counters;
	struct wait_set set = { .deadline_ns = ~0ull };

	(void)state;
	begin(2, 1);
	counters_watch(c, &set);
	assert_int_equal(set.deadline_ns, ~0ull);
	(void)counters_want(c, w.now);
	w.publishes = 0;
	assert_int_equal(run(0), COUNTERS_NONE);
	counters_watch(c, &set);
	assert_int_equal(set.deadline_ns, w.now + PATIENCE_NS);
	w.publishes = 1;
	assert_int_equal(run(0), COUNTERS_TEXT);
	set.deadline_ns = ~0ull;
	counters_watch(c, &set);
	assert_true(set.deadline_ns > w.now && set.deadline_ns <= w.now + NS_PER_SECOND);
	w.now = set.deadline_ns;
	assert_int_equal(run(0), COUNTERS_NONE);
	set.deadline_ns = ~0ull;
	counters_watch(c, &set);
	assert_int_equal(set.deadline_ns, ~0ull);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_shown_stays),
		cmocka_unit_test(nothing_is_lost_while_nobody_dies),
		cmocka_unit_test(who_asks_while_it_is_published_waits_for_the_next_round),
		cmocka_unit_test(a_page_that_goes_is_taken_again),
		cmocka_unit_test(who_is_cut_off_shows_nothing),
		cmocka_unit_test(who_is_alone_shows_its_own),
		cmocka_unit_test(without_a_region_others_make_it_fail),
		cmocka_unit_test(a_full_table_counts_no_more),
		cmocka_unit_test(it_waits_for_what_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
