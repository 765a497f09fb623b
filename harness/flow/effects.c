// SPDX-License-Identifier: BSD-2-Clause
// Each effect once and nothing else: operations of two requesters at one owner whose
// answers, and what is in memory at the end, tell of every one that was lost, doubled
// or altered on the way.
//
//	writer		writes a page of its own, made of a number that it counts on, and
//			reads it: what is there is the newest that it wrote, each byte
//	adder		adds 1 to a word that all share: each value is told to one of them
//	swapper		swaps a number of its own into a word that all share: each number
//			is told once, to who comes next, or stands there at the end
//
// An actor does one operation after the other, so several are under way and each page has
// one writer: a copy of an old write that ran late would be seen by the next read.

#include <stdlib.h>
#include <string.h>

#include "harness/flow/effects.h"
#include "kernel/base/assert.h"

#define OWNER 0u
#define REQUESTERS 2u
#define ACTORS 15u		// of each requester
#define WRITERS 7u		// of these; then adders, then swappers
#define ADDERS 4u
#define WORDS_PAGE (REQUESTERS * WRITERS)	// behind the pages of the writers
#define PAGES (WORDS_PAGE + 1)
#define WORD_ADDED 0u
#define WORD_SWAPPED 64u

static struct actor {
	u32 node, index;
	u32 held;
	u64 number;		// of what it wrote last
	bool reads;		// that is looked at next
} actors[REQUESTERS * ACTORS];

static struct {
	u64 wanted, begun, ended;
	u64 numbers;		// given to swaps
	u8 *told_added, *told_swapped;	// by value: who has it
	struct effects *found;
} run;

static bool
is_writer(const struct actor *a)
{
	return a->index < WRITERS;
}

static bool
is_adder(const struct actor *a)
{
	return !is_writer(a) && a->index < WRITERS + ADDERS;
}

static u32
page_of(const struct actor *a)
{
	return (a->node - 1) * WRITERS + a->index;
}

static u8 *
local_of(const struct actor *a)
{
	return flow.node[a->node].memory + a->index * 4096u;
}

// Word `at` of the page that a writer made of a number.
static u64
pattern(const struct actor *a, u32 at)
{
	return (a->number << 8 | page_of(a)) * 0x9e3779b97f4a7c15ull + at;
}

static void
begin(u32 index)
{
	struct actor *a = &actors[index];
	struct rcap_submit s = {
		.tag = index, .environment = 7, .local = a->index * 4096u,
	};
	u64 word;

	if (run.begun == run.wanted)
		return;
	run.begun++;
	if (is_writer(a)) {
		s.op = a->reads ? OP_READ : OP_WRITE;
		s.offset = page_of(a) * 4096ull;
		s.length = 4096;
		if (!a->reads)
			a->number++;
		for (u32 at = 0; at < 512; at++) {
			word = a->reads ? 0 : pattern(a, at);
			memcpy(local_of(a) + at * 8, &word, 8);
		}
	} else if (is_adder(a)) {
		s.op = OP_FETCH_ADD;
		s.offset = WORDS_PAGE * 4096ull + WORD_ADDED;
		s.length = 8;
		s.addend = 1;
	} else {
		s.op = OP_MCAS;
		s.offset = WORDS_PAGE * 4096ull + WORD_SWAPPED;
		s.length = 8;
		s.pieces = 1;
		s.clause[0].swap[0] = ++run.numbers;
		s.clause[0].swap_mask[0] = ~0ull;
	}
	flow_submit(a->node, a->held, &s);
}

static void
tell(u8 *told, u64 value)
{
	if (value > run.wanted || told[value])
		run.found->doubled++;
	else
		told[value] = 1;
}

static void
look(struct actor *a)
{
	u64 word;

	for (u32 at = 0; at < 512; at++) {
		memcpy(&word, local_of(a) + at * 8, 8);
		if (word != pattern(a, at)) {
			run.found->corrupt++;
			return;
		}
	}
}

static void
done(u32 node, const struct rcap_completion *c)
{
	struct actor *a = &actors[c->tag];

	ASSERT(c->tag < REQUESTERS * ACTORS && a->node == node);
	if (c->outcome != RCAP_DONE)
		flow_fail(wire_code_text(c->code));
	switch ((enum wire_op)c->op) {
	case OP_READ:
		run.found->read++;
		look(a);
		break;
	case OP_WRITE:
		run.found->written++;
		break;
	case OP_FETCH_ADD:
		run.found->added++;
		tell(run.told_added, c->old[0]);
		break;
	default:
		run.found->swapped++;
		tell(run.told_swapped, c->old[0]);
		break;
	}
	if (is_writer(a))
		a->reads = !a->reads;
	run.ended++;
	begin((u32)c->tag);
}

static bool
all_ended(void)
{
	return run.ended == run.wanted;
}

static void
missing(const u8 *told, u64 from, u64 to)
{
	for (u64 i = from; i < to; i++)
		run.found->missing += !told[i];
}

// What stands there at the end has been told to nobody.
static void
words_check(struct effects *found)
{
	const u8 *page = flow.node[OWNER].memory + WORDS_PAGE * 4096u;
	u64 added, swapped;

	memcpy(&added, page + WORD_ADDED, 8);
	memcpy(&swapped, page + WORD_SWAPPED, 8);
	found->doubled += added > found->added;
	missing(run.told_added, 0, found->added);
	tell(run.told_swapped, swapped);
	missing(run.told_swapped, 0, found->swapped + 1);
}

// The rest of memory is as it was: zero.
static void
rest_check(struct effects *found)
{
	const u8 *memory = flow.node[OWNER].memory;

	for (u64 i = PAGES * 4096ull; i < flow.setup.pages * 4096ull; i++)
		found->corrupt += memory[i] != 0;
}

void
effects_run(u64 operations, u64 limit, struct effects *found)
{
	u32 held[REQUESTERS + 1] = { 0 };

	ASSERT(flow.setup.nodes == REQUESTERS + 1 && flow.setup.pages > PAGES);
	*found = (struct effects){ 0 };
	memset(&run, 0, sizeof(run));
	run.wanted = operations;
	run.found = found;
	run.told_added = calloc(2, operations + 1);
	if (!run.told_added)
		flow_fail("out of memory");
	run.told_swapped = run.told_added + operations + 1;
	for (u32 node = 1; node <= REQUESTERS; node++)
		held[node] = flow_grant(OWNER, node, 7, 0, PAGES);
	flow.done = done;
	for (u32 i = 0; i < REQUESTERS * ACTORS; i++) {
		actors[i] = (struct actor){ .node = 1 + i / ACTORS, .index = i % ACTORS };
		actors[i].held = held[actors[i].node];
		begin(i);
	}
	flow_until(all_ended, limit);
	words_check(found);
	rest_check(found);
	found->operations = run.ended;
	free(run.told_added);
}
