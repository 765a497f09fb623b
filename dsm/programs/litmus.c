// SPDX-License-Identifier: BSD-2-Clause
// litmus: small programs whose outcomes tell sequential consistency from less, run
// again and again by instances on several nodes, with pauses drawn at random.
//
//	litmus instance=N peers=A,B,C[,D] [rounds=R] [seed=S]
//
// x, y are words of two pages; in round i they are written with i, so nothing needs
// to be set back: "old" is anything below. What a sequentially consistent memory never
// shows:
//	SB	0: x=i; a=y	1: y=i; b=x			a and b old
//	MP	0: x=i; y=i	1: a=y; b=x			a new, b old
//	WRC	0: x=i		1: a=x; y=a	2: b=y; c=x	b new, c old
//	IRIW	0: x=i		1: y=i		2: a=x; b=y	3: c=y; d=x
//							a, c new and b, d old
// and ADD: all add to one word; the sum is right. Every round has two barriers; results
// lie in a page of each instance and are looked at by instance 0.

#include "dsm/map/named.h"
#include "kernel/base/prng.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/text/text.h"

#define SERVICE 0x6c69746d75730000ull
#define PATIENCE_NS (60 * NS_PER_SECOND)
#define LINGER_NS (2 * NS_PER_SECOND)
#define LITMUS_TESTS 4u
#define PAGES 16u
#define PAGE_WORDS (PAGE_SIZE / sizeof(u64))

static struct prng prng;
static struct named named;
static u64 rounds = 200, seed = 1, phase;
static struct dsm_group group;
static u64 seen[LITMUS_TESTS];		// outcomes of interest that are allowed
static u32 wrong;

static const char *const names[LITMUS_TESTS] = { "SB", "MP", "WRC", "IRIW" };

static volatile u64 *
page(u32 index)
{
	return (volatile u64 *)DSM_BASE + index * PAGE_WORDS;
}

static volatile u64 *
result_of(u32 instance, u32 index)
{
	return page(3 + instance) + index;
}

static void
spin(void)
{
	u64 until = now_ns() + prng_below(&prng, 300) * NS_PER_US;

	while (now_ns() < until)
		;
}

static void
meet(void)
{
	if (!dsm_barrier(group.epoch, ++phase))
		return;
	print("litmus: FAIL, the group changed\n");
	wrong++;
}

static void
put(u32 where, u64 value)
{
	spin();
	*page(where) = value;
}

static void
get(u32 where, u32 index)
{
	spin();
	*result_of(named.number, index) = *page(where);
}

// ---- the tests: x is page 0, y page 1

static void
act_sb(u64 i)
{
	if (named.number > 1)
		return;
	put(named.number, i);
	get(1 - named.number, 0);
}

static void
act_mp(u64 i)
{
	if (named.number == 0) {
		put(0, i);
		put(1, i);
	} else if (named.number == 1) {
		get(1, 0);
		get(0, 1);
	}
}

static void
act_wrc(u64 i)
{
	if (named.number == 0) {
		put(0, i);
	} else if (named.number == 1) {
		get(0, 0);
		put(1, *result_of(1, 0));
	} else if (named.number == 2) {
		get(1, 0);
		get(0, 1);
	}
}

static void
act_iriw(u64 i)
{
	if (named.number < 2) {
		put(named.number, i);
	} else if (named.number < 4) {
		get(named.number - 2, 0);
		get(3 - named.number, 1);
	}
}

// Bit 0: forbidden. Bit 1: one of the outcomes next to it, to see that they occur.
static u32
judge(u32 test, u64 i)
{
	bool a = *result_of(1, 0) == i, b = *result_of(1, 1) == i;

	switch (test) {
	case 0:
		a = *result_of(0, 0) == i;
		b = *result_of(1, 0) == i;
		return (u32)(!a && !b) | (u32)(a != b) << 1;
	case 1:
		return (u32)(a && !b) | (u32)(!a && b) << 1;
	case 2:
		a = *result_of(2, 0) == i;
		b = *result_of(2, 1) == i;
		return (u32)(a && !b) | (u32)(!a && b) << 1;
	default:
		return (u32)(*result_of(2, 0) == i && *result_of(2, 1) != i &&
			     *result_of(3, 0) == i && *result_of(3, 1) != i) |
		       (u32)(*result_of(2, 1) != i) << 1;
	}
}

static void
round_of(u32 test, u64 i)
{
	static void (*const acts[LITMUS_TESTS])(u64) = {
		act_sb, act_mp, act_wrc, act_iriw,
	};
	u32 verdict;

	meet();
	acts[test](i);
	meet();
	if (named.number)
		return;
	verdict = judge(test, i);
	seen[test] += verdict >> 1;
	if (verdict & 1 && wrong++ < 5)
		print("litmus: FAIL %s shows a forbidden outcome in round %lu\n",
		      names[test], i);
}

static void
add(void)
{
	volatile u64 *word = page(2);
	u64 old;

	meet();
	for (u64 i = 0; i < rounds; i++) {
		if (dsm_add(word, 1, &old, now_ns() + PATIENCE_NS))
			wrong++;
	}
	meet();
	if (*word != rounds * named.count) {
		print("litmus: FAIL ADD shows %lu\n", *word);
		wrong++;
	}
}

static int
run(void)
{
	struct dsm_counters c;
	u64 value = 0;

	for (u32 test = 0; test < LITMUS_TESTS && !wrong; test++) {
		if (named.count < (test == 3 ? 4u : test == 2 ? 3u : 2u))
			continue;
		for (u64 i = 0; i < rounds && !wrong; i++)
			round_of(test, ++value);
	}
	if (!wrong)
		add();
	dsm_counters_get(&c);
	print("litmus: %s instance %u of %u, seed %lu, %lu rounds; near misses: SB %lu "
	      "MP %lu WRC %lu IRIW %lu; %lu faults, %lu reads, %lu writes, "
	      "%lu revoked\n", wrong ? "FAIL" : "PASS", named.number, named.count,
	      seed, rounds, seen[0], seen[1], seen[2], seen[3], c.faults,
	      c.read_fetches, c.write_fetches, c.revoked);
	// Others may still want pages that are here: nobody else comes, so this waits.
	if (!dsm_wait_group(DSM_MEMBERS_MAX, now_ns() + LINGER_NS))
		wrong++;
	return wrong ? STATUS_FAILED : STATUS_OK;
}

static bool
option(char *word, u64 *number, bool *has_peers)
{
	if (string_starts(word, "instance="))
		return text_to_u64(word + 9, number);
	if (string_starts(word, "rounds="))
		return text_to_u64(word + 7, &rounds) && rounds;
	if (string_starts(word, "seed="))
		return text_to_u64(word + 5, &seed);
	*has_peers = true;
	return string_starts(word, "peers=") &&
	       named_read(&named, word + 6, (u32)*number);
}

int
main(int argc, char **argv)
{
	struct dsm_config config = {
		.find = named_find, .find_context = &named, .service = SERVICE,
		.pages = PAGES, .fabric_slot = startup_slot(ROLE_FABRIC),
	};
	bool has_peers = false;
	u64 number = 0;
	i64 error;

	for (int i = 1; i < argc; i++) {
		if (!option(argv[i], &number, &has_peers))
			return STATUS_USAGE;
	}
	if (!has_peers || config.fabric_slot == SLOT_NONE) {
		print("usage: litmus instance=N peers=A,B,... [rounds=R] [seed=S], on "
		      "nodes of one cluster\n");
		return STATUS_USAGE;
	}
	prng_seed(&prng, seed + number);
	config.number = (u16)number;
	error = dsm_open(&config);
	if (!error)
		error = dsm_wait_group(named.count, now_ns() + PATIENCE_NS);
	if (error) {
		print("litmus: FAIL, no group: error %ld\n", error);
		return STATUS_FAILED;
	}
	dsm_timer(2 * NS_PER_MS);
	dsm_group_get(&group);
	print("litmus: instance %lu of %u begins\n", number, named.count);
	return run();
}
