// SPDX-License-Identifier: BSD-2-Clause
// Rounds of the onslaught. Each row runs in rounds of its own until its share of the
// frames is sent. After each round: the victim's memory and disk hold what they held, but
// for what was lent to the intruder; every invariant of every node was walked at each
// frame; and the honest node adds to its word, reads its pages, in the session that it
// had. What does not hold ends the program, with the seed.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/onslaught/onslaught.h"
#include "harness/program/arguments.h"
#include "kernel/base/assert.h"

#define ROUND 20000u		// frames
#define FRAMES_MAX (1ull << 40)
#define SPREAD 0x9e3779b97f4a7c15ull

u32 net_planted;

static const char *const bug_names[BUG_COUNT] = {
	"none",
#define X(name, sentence) #name,
#include "net/wire/bugs.def"
#undef X
};

static struct onslaught onslaught;
static u64 first_seed;

_Noreturn void
onslaught_failed(const struct onslaught *o, const char *what)
{
	printf("onslaught: FAIL in round %llu: %s; again: SEED=%llu\n",
	       (unsigned long long)o->seed, what, (unsigned long long)first_seed);
	exit(1);
}

static void
fill_memory(struct onslaught *o)
{
	struct rig_node *n = &o->rig.node[VICTIM];

	for (u32 i = 0; i < RIG_PAGES * 4096; i++)
		n->memory[i] = (u8)(i * 31 >> 3);
	memset(n->memory + HONEST_AT * 4096, 0, 8);
	memcpy(o->shadow, n->memory, sizeof(o->shadow));
	for (u32 i = 0; i < 4; i++)
		ASSERT(rcap_post(n->rcap, 0, LANDS_AT * 4096, 1024, 5, 0));
}

static struct rcap_completion
honest_does(struct onslaught *o, u8 op, u64 offset, u32 length)
{
	struct rcap_submit s = rig_submit(&o->rig, HONEST, o->honest_place, op, offset,
					  length, 4096);

	s.addend = 1;
	return rig_do(&o->rig, HONEST, &s);
}

// An honest conversation, whose frames the stranger keeps.
static void
converse(struct onslaught *o)
{
	for (u32 i = 0; i < 120; i++) {
		u32 place = i % 2 ? o->frames_place : o->blocks_place;
		u8 op = i % 2 ? (u8)(OP_READ + i / 2 % 2) : i % 4 ? OP_BLOCK_READ
								   : OP_BLOCK_WRITE;
		struct rcap_submit s = rig_submit(&o->rig, INTRUDER, place, op, 0,
						  i % 3 ? 4096 : 100, 0);

		if (op >= OP_BLOCK_READ)
			s.length = 4096;
		rig_do(&o->rig, INTRUDER, &s);
		o->added++;
		honest_does(o, OP_FETCH_ADD, 0, 8);
	}
	o->corpus = 0;
	for (u32 i = 0; i < o->rig.captured_count; i++) {
		struct rig_frame *frame = &o->rig.captured[i];

		// Those to the victim come first; they are what is altered and replayed.
		if (frame->to == VICTIM || frame->to == RIG_NODES) {
			struct rig_frame other = o->rig.captured[o->corpus];

			o->rig.captured[o->corpus++] = *frame;
			*frame = other;
		}
	}
	ASSERT(o->corpus > 100 && o->rig.captured_count > o->corpus);
}

void
onslaught_begin(struct onslaught *o, u64 seed)
{
	struct rig *rig = &o->rig;

	o->seed = seed;
	o->added = 0;
	prng_seed(&o->prng, seed ^ SPREAD);
	rig_start(rig, NODES, seed, seed % 2 ? 1500 : 9000, 64);
	rig->captured = calloc(CORPUS_MAX, sizeof(*rig->captured));
	ASSERT(rig->captured);
	rig->captured_max = CORPUS_MAX;
	rig->capture = true;
	rig_connect(rig);
	ASSERT(rcap_endpoint_open(rig->node[VICTIM].rcap, 0, 3));
	rig->node[VICTIM].handles = true;
	fill_memory(o);
	o->frames_place = rig_export(rig, VICTIM, INTRUDER, ENV, TYPE_FRAMES, WIRE_RIGHTS,
				     LENT_AT, LENT);
	o->blocks_place = rig_export(rig, VICTIM, INTRUDER, ENV, TYPE_BLOCKS, 3, BLOCKS_AT,
				     BLOCKS);
	o->endpoint_place = rig_export(rig, VICTIM, INTRUDER, ENV, TYPE_ENDPOINT,
				       WIRE_RIGHT_WRITE, 0, 1);
	o->read_place = rig_export(rig, VICTIM, INTRUDER, ENV, TYPE_FRAMES, READ_RIGHTS,
				   READ_AT, READ_PAGES);
	o->pool_place = rig_export(rig, VICTIM, INTRUDER, ENV, TYPE_POOL, WIRE_RIGHTS,
				   POOL_AT, POOL);
	o->honest_place = rig_export(rig, VICTIM, HONEST, ENV_HONEST, TYPE_FRAMES,
				     HONEST_RIGHTS, HONEST_AT, HONEST_PAGES);
	handed_begin(o);
	converse(o);
	rig->capture = false;
	o->honest_session = links_session(rig->node[VICTIM].links,
					  rig_peer(rig, VICTIM, HONEST));
	onslaught_settle(o);
}

void
onslaught_end(struct onslaught *o)
{
	rig_end(&o->rig);
}

void
onslaught_settle(struct onslaught *o)
{
	rig_run(&o->rig, NS_PER_MS);
}

// Only what was lent may differ.
static void
judge_memory(struct onslaught *o)
{
	const struct rig_node *n = &o->rig.node[VICTIM];
	u64 at = 0;

	memcpy(o->shadow + HONEST_AT * 4096, &o->added, sizeof(o->added));
	for (u32 page = 0; page < RIG_PAGES; page++) {
		if (page == LANDS_AT || page - LENT_AT < LENT || page - POOL_AT < POOL)
			continue;
		at = page * 4096ull;
		if (memcmp(n->memory + at, o->shadow + at, 4096))
			onslaught_failed(o, "memory that was not lent has changed");
	}
	if (n->blocks_outside)
		onslaught_failed(o, "blocks were asked for that the disk has not got");
	for (u32 i = 0; i < RIG_BLOCKS * 4096; i++) {
		if ((i >> 12) - BLOCKS_AT >= BLOCKS && n->disk[i])
			onslaught_failed(o, "blocks that were not lent have changed");
	}
}

void
onslaught_judge(struct onslaught *o)
{
	struct rcap_completion c;
	u64 old = o->added;

	rig_run(&o->rig, 20 * NS_PER_MS);
	judge_memory(o);
	handed_judge(o);
	if (!o->honest_session)
		return;			// the victim has booted
	if (links_session(o->rig.node[VICTIM].links, rig_peer(&o->rig, VICTIM, HONEST)) !=
	    o->honest_session)
		onslaught_failed(o, "the honest node's session has ended");
	o->added++;
	c = honest_does(o, OP_FETCH_ADD, 0, 8);
	if (c.outcome != RCAP_DONE || c.old[0] != old)
		onslaught_failed(o, "the honest node's addition did not run once");
	c = honest_does(o, OP_READ, 4096, 4096);
	if (c.outcome != RCAP_DONE ||
	    memcmp(o->rig.node[HONEST].memory + 4096, o->shadow + (HONEST_AT + 1) * 4096,
		   4096))
		onslaught_failed(o, "the honest node did not read its page");
	judge_memory(o);
}

// Adds to `total` what has been counted since `before`. Returns the sum of it.
static u64
add_since(u64 *total, const u64 *before, const u64 *now, u32 count)
{
	u64 sum = 0;

	for (u32 i = 0; i < count; i++) {
		total[i] += now[i] - before[i];
		sum += now[i] - before[i];
	}
	return sum;
}

void
onslaught_deliver(struct onslaught *o, struct tally *tally, const u8 *frame, u32 len)
{
	const struct rig_node *n = &o->rig.node[VICTIM];
	const struct links_counters *links = links_counters(n->links);
	const struct rcap_counters *rcap = rcap_counters(n->rcap);
	struct links_counters links_before = *links;
	struct rcap_counters before = *rcap;

	rig_deliver(&o->rig, VICTIM, frame, len);
	if (links->received != links_before.received + 1)
		onslaught_failed(o, "a frame was not counted");
	tally->counted += add_since(tally->dropped, links_before.dropped, links->dropped,
				    LINK_DROP_COUNT);
	tally->refused += add_since(tally->code, before.refused, rcap->refused, CODE_COUNT);
	tally->executed += add_since(tally->ran, before.executed, rcap->executed, OP_COUNT);
	tally->frames++;
	handed_asked(o);
}

static void
tell_reasons(const struct tally *tally)
{
	for (u32 why = 0; why < LINK_DROP_COUNT; why++) {
		if (tally->dropped[why])
			printf("          %10llu %s\n", (unsigned long long)tally->dropped[why],
			       link_drop_text((enum link_drop)why));
	}
	for (u32 code = 0; code < CODE_COUNT; code++) {
		if (tally->code[code])
			printf("          %10llu refused: %s\n",
			       (unsigned long long)tally->code[code], wire_code_text(code));
	}
	for (u32 op = 0; op < OP_COUNT; op++) {
		if (tally->ran[op])
			printf("          %10llu ran: %s\n",
			       (unsigned long long)tally->ran[op], wire_op_name(op));
	}
}

static void
run_row(const struct row *row, u64 frames)
{
	struct tally tally = { 0 };
	u64 round = 0;

	while (tally.frames < frames) {
		onslaught_begin(&onslaught, first_seed + round++);
		row->run(&onslaught, &tally, MIN(frames - tally.frames, ROUND));
		onslaught_judge(&onslaught);
		onslaught_end(&onslaught);
	}
	printf("%-9s %10llu frames in %llu rounds: %llu dropped, %llu refused, %llu ran  (%s)\n",
	       row->name, (unsigned long long)tally.frames, (unsigned long long)round,
	       (unsigned long long)tally.counted, (unsigned long long)tally.refused,
	       (unsigned long long)tally.executed, row->sentence);
	tell_reasons(&tally);
	fflush(stdout);
}

struct command {
	u64 frames, guesses;
	const struct row *only;
};

static const struct argp_option words[] = {
	{ "frames", 'f', "N", 0, "how many in all, 10000000 if not said", 1 },
	{ "guesses", 'g', "N", 0, "how many of the row guess, 1000000 if not said", 1 },
	{ "seed", 's', "N", 0, "of all that is drawn; the time if not said", 1 },
	{ "row", 'r', "NAME", 0, "that one alone", 1 },
	{ "bug", 'b', "NAME", 0, "plants a bug in the cores; the onslaught has to find it", 1 },
	{ NULL, 0, NULL, 0, "Bugs:", 2 },
#define X(name, sentence) { #name, 0, NULL, OPTION_DOC, sentence, 2 },
#include "net/wire/bugs.def"
#undef X
	{ 0 },
};

static const struct row *
find_row(const struct argp_state *state, const char *name)
{
	for (u32 i = 0; i < row_count; i++) {
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	}
	argp_error(state, "'%s': there is no such row", name);
	return NULL;
}

static error_t
take(int key, char *value, struct argp_state *state)
{
	struct command *command = state->input;

	switch (key) {
	case 'f':
		command->frames = argument_number(state, value, 0, FRAMES_MAX);
		return 0;
	case 'g':
		command->guesses = argument_number(state, value, 0, FRAMES_MAX);
		return 0;
	case 's':
		first_seed = argument_number(state, value, 0, UINT64_MAX);
		return 0;
	case 'r':
		command->only = find_row(state, value);
		return 0;
	case 'b':
		net_planted = argument_word(state, value, bug_names, BUG_COUNT);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp command_line = {
	.options = words,
	.parser = take,
	.doc = "Forged frames at the fabric's cores, in rounds of every row; "
	       "docs/attacks-wire.md.",
};

int
main(int argc, char **argv)
{
	struct command command = { .frames = 10000000, .guesses = 1000000 };

	first_seed = (u64)time(NULL);
	arguments_read(&command_line, argc, argv, &command);
	printf("onslaught: make onslaught FRAMES=%llu GUESSES=%llu SEED=%llu\n",
	       (unsigned long long)command.frames, (unsigned long long)command.guesses,
	       (unsigned long long)first_seed);
	for (u32 i = 0; i < row_count; i++) {
		if (!command.only || command.only == &rows[i])
			run_row(&rows[i], rows[i].of_1000 ? command.frames * rows[i].of_1000 / 1000
							  : command.guesses);
	}
	printf("onslaught: PASS\n");
	return 0;
}
