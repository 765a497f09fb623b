// SPDX-License-Identifier: BSD-2-Clause
// The search itself: a table of hashes, a list of states in the order in which they
// were met, and the saved bytes of the states on the present way. Neighbours in that
// list mostly share all but the last steps of their ways, so that few are taken twice. A
// layer is what is met in so many steps: its states stand side by side in the list. A
// choice is named by its place among those that its world lists, as in a way.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/search/search.h"
#include "kernel/base/assert.h"
#include "kernel/base/prng.h"

#define NONE 0xffffffffu

struct state {
	u32 before;		// index of the one it was met from
	u8 choice;
	u8 depth;
};

static struct {
	const struct search_plan *plan;
	struct state *state;
	u64 *table;
	u64 mask;
	u8 *saved;		// [depth]
	u32 way[SEARCH_DEPTH_MAX + 1];	// the states whose bytes are saved
	u32 choice[SEARCH_DEPTH_MAX + 1];	// that were taken to get here
	u32 depth;
	bool taking;		// a choice is being taken...
	bool settling;		// ...or the world is being settled
	bool telling;
} s;

u64
search_hash(u64 seed, const void *bytes, u64 len)
{
	u64 a = seed ^ len, b = ~seed, word[2];
	const u8 *at = bytes;

	ASSERT(len % 8 == 0);
	for (; len >= 16; len -= 16, at += 16) {
		memcpy(word, at, 16);
		a = (a ^ word[0]) * 0xd6e8feb86659fd93ull;
		b = (b ^ word[1]) * 0xa0761d6478bd642full;
		a ^= a >> 32;
		b ^= b >> 29;
	}
	if (len) {
		memcpy(word, at, 8);
		a = (a ^ word[0]) * 0xd6e8feb86659fd93ull;
	}
	a = (a ^ (b << 31 | b >> 33)) * 0xd6e8feb86659fd93ull;
	a ^= a >> 32;
	a *= 0xa0761d6478bd642full;
	return a ^ a >> 29;
}

// ---- choices

struct choices choices;

void
choice_add(u32 what, u32 which, u32 other)
{
	ASSERT(choices.count < SEARCH_CHOICES_MAX);
	choices.at[choices.count++] =
		(struct choice){ (u8)what, (u8)which, (u8)other };
}

static u32
list(void)
{
	choices.count = 0;
	s.plan->world->list();
	return choices.count;
}

// A copy, since what happens may list anew.
static struct choice
choice_at(u32 index)
{
	u32 count = list();

	ASSERT(index < count);
	return choices.at[index];
}

bool
search_plant(const struct world *world, const char *bug)
{
	*world->planted = 0;
	for (u32 i = 0; bug && world->bugs[i]; i++) {
		if (!strcasecmp(bug, world->bugs[i]))
			*world->planted = i + 1;
	}
	return !bug || *world->planted;
}

// ---- what was wrong

static void
print_way(u32 steps)
{
	for (u32 i = 0; i < steps; i++)
		printf("%s%u", i ? "." : "", s.choice[i]);
}

static void
tell_step(u32 step)
{
	struct choice choice = choice_at(s.choice[step]);
	char text[160] = "";

	s.plan->world->tell(&choice, text, sizeof(text));
	printf("%4u  %s\n", step + 1, text);
}

static void
happen(u32 index)
{
	struct choice choice = choice_at(index);

	s.plan->world->happen(&choice);
	s.plan->world->check();
}

// Again from the beginning, in words: the last step is the one that breaks it.
static void
tell_way(u32 steps)
{
	s.telling = true;
	s.plan->world->begin();
	for (u32 i = 0; i < steps; i++) {
		tell_step(i);
		if (i + 1 < steps)
			happen(s.choice[i]);
	}
}

void
search_wrong(const char *what)
{
	const struct search_plan *plan = s.plan;
	u32 steps = s.depth + s.taking;

	if (s.telling) {
		printf("wrong: %s\n", what);
		fflush(stdout);
		exit(1);
	}
	printf("%s: %s: %s, after %u steps:\n", plan->world->name,
	       plan->bug ? plan->bug : "no bug is planted", what, steps);
	tell_way(steps);
	if (s.settling)
		printf("      and then nothing goes wrong any more\n");
	printf("again: make search WORLD=%s%s%s WAY=", plan->world->name,
	       plan->bug ? " BUG=" : "", plan->bug ? plan->bug : "");
	print_way(steps);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

void
assert_failed(const char *expression, const char *file, int line)
{
	static char what[256];

	snprintf(what, sizeof(what), "%s:%d: broken invariant: %s", file, line,
		 expression);
	if (!s.plan) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
	search_wrong(what);
}

// ---- the search

static void
start(const struct search_plan *plan)
{
	u64 room = 1024;

	while (room < plan->states * 2)
		room *= 2;
	s.plan = plan;
	s.mask = room - 1;
	s.table = calloc(room, sizeof(*s.table));
	s.state = malloc((plan->states + SEARCH_CHOICES_MAX + 1) * sizeof(*s.state));
	s.saved = malloc((u64)(SEARCH_DEPTH_MAX + 1) * plan->world->size);
	if (!s.table || !s.state || !s.saved) {
		fprintf(stderr, "search: no memory for so many states\n");
		exit(1);
	}
	s.depth = 0;
	s.taking = s.settling = s.telling = false;
}

static void
stop(void)
{
	free(s.table);
	free(s.state);
	free(s.saved);
	s.plan = NULL;
}

static u8 *
saved_at(u32 depth)
{
	return s.saved + (u64)depth * s.plan->world->size;
}

// True when the state was not met before.
static bool
is_new(u64 hash)
{
	u64 at = hash & s.mask;

	hash |= !hash;
	for (; s.table[at]; at = (at + 1) & s.mask) {
		if (s.table[at] == hash)
			return false;
	}
	s.table[at] = hash;
	return true;
}

static void
take(u32 index)
{
	s.choice[s.depth] = index;
	s.taking = true;
	happen(index);
	s.taking = false;
}

// Makes the bytes of a state again, and those of all on its way.
static void
go_to(u32 index)
{
	u32 depth = s.state[index].depth, at = index, shared = depth;
	u32 way[SEARCH_DEPTH_MAX + 1] = { 0 };

	for (u32 d = depth + 1; d-- > 0; at = s.state[at].before)
		way[d] = at;
	while (shared > s.depth || s.way[shared] != way[shared])
		shared--;
	s.depth = shared;
	s.plan->world->load(saved_at(shared));
	while (s.depth < depth) {
		take(s.state[way[s.depth + 1]].choice);
		s.depth++;
		s.way[s.depth] = way[s.depth];
		s.plan->world->save(saved_at(s.depth));
	}
}

// All comes to its end from here; what was is gone, and the caller's to load.
static void
settle(struct search_result *result)
{
	const char *what;

	s.settling = true;
	what = s.plan->world->settle();
	if (what)
		search_wrong(what);
	s.settling = false;
	result->settled++;
}

static void
expand(u32 index, struct search_result *result)
{
	const struct world *world = s.plan->world;
	u32 count;

	go_to(index);
	if (s.plan->settle_each && index % s.plan->settle_each == 0) {
		settle(result);
		world->load(saved_at(s.depth));
	}
	count = list();
	for (u32 i = 0; i < count && result->states < s.plan->states; i++) {
		take(i);
		result->steps++;
		if (is_new(world->hash()))
			s.state[result->states++] = (struct state){
				.before = index, .choice = (u8)i,
				.depth = (u8)(s.depth + 1) };
		world->load(saved_at(s.depth));
	}
}

// The next choice of a way as printed. False: there is none, or what stands there is
// no choice.
static bool
read_choice(const char **way, u32 *choice)
{
	char *end;
	u64 number = strtoull(*way, &end, 10);

	if (end == *way || (*end && *end != '.') ||
	    number >= list())
		return false;
	*choice = (u32)number;
	*way = *end ? end + 1 : end;
	return true;
}

// The states on the way to where the search begins.
static bool
go_from(const char *way, struct search_result *result)
{
	u32 choice;

	while (way && *way) {
		u32 last = (u32)result->states - 1;

		go_to(last);
		if (s.depth == SEARCH_DEPTH_MAX || !read_choice(&way, &choice))
			return false;
		take(choice);
		s.state[result->states++] = (struct state){
			.before = last, .choice = (u8)choice,
			.depth = (u8)(s.depth + 1) };
		result->deepest++;
	}
	result->depth = result->deepest;
	return true;
}

// Goes on from the states of a layer, or from as many as are wanted, evenly spread.
static bool
expand_layer(u32 first, u32 end, struct search_result *result)
{
	const struct search_plan *plan = s.plan;
	u32 count = end - first;
	u32 most = plan->layer ? MIN(count, plan->layer) : count;

	for (u32 i = 0; i < most && result->states < plan->states; i++)
		expand(first + (u32)((u64)i * count / most), result);
	return most == count;
}

// Where the search begins, its bytes saved. False: there is no such way there.
static bool
begin(const struct search_plan *plan, struct search_result *result)
{
	*result = (struct search_result){ 0 };
	start(plan);
	ASSERT(plan->depth <= SEARCH_DEPTH_MAX && plan->states < NONE);
	plan->world->begin();
	plan->world->save(saved_at(0));
	s.state[result->states++] = (struct state){ .before = 0 };
	if (!go_from(plan->from, result))
		return false;
	go_to((u32)result->states - 1);
	return true;
}

bool
search(const struct search_plan *plan, struct search_result *result)
{
	bool all = true;
	u32 first;

	if (!begin(plan, result))
		return false;
	first = (u32)result->states - 1;
	(void)is_new(plan->world->hash());
	while (first < result->states && result->deepest < plan->depth &&
	       result->states < plan->states) {
		u32 end = (u32)result->states;

		all &= expand_layer(first, end, result);
		first = end;
		result->deepest++;
		if (all && result->states < plan->states)
			result->depth = result->deepest;
	}
	result->all = all && first == result->states;
	stop();
	return true;
}

// One of the choices after another, up to some depth; then all comes to its end.
static void
walk(struct prng *prng, u32 from, struct search_result *result)
{
	u32 end = from + 1 + (u32)prng_below(prng, s.plan->depth - from);

	for (s.depth = from; s.depth < end && list(); s.depth++) {
		take((u32)prng_below(prng, choices.count));
		result->steps++;
	}
	result->deepest = MAX(result->deepest, s.depth);
	settle(result);
	s.plan->world->load(saved_at(from));
}

bool
search_walks(const struct search_plan *plan, struct search_result *result)
{
	struct prng prng;
	u32 from;

	if (!begin(plan, result) || s.depth >= plan->depth)
		return false;
	from = s.depth;
	for (u64 i = 1; i <= plan->walks; i++) {
		prng_seed(&prng, i);
		walk(&prng, from, result);
	}
	stop();
	return true;
}

bool
search_follow(const struct search_plan *plan, const char *way)
{
	u32 choice;

	start(plan);
	s.telling = true;
	plan->world->begin();
	for (; *way && s.depth < SEARCH_DEPTH_MAX; s.depth++) {
		if (!read_choice(&way, &choice))
			return false;
		s.choice[s.depth] = choice;
		tell_step(s.depth);
		happen(choice);
	}
	const char *what = plan->world->settle();

	if (what)
		search_wrong(what);
	printf("nothing was wrong on this way\n");
	stop();
	return true;
}
