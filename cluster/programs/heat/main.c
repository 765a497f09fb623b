// SPDX-License-Identifier: BSD-2-Clause
// heat: rounds of the computation of heat.h, for ever or as many as asked for.
//
//	as a job	instance=N job=ID [steps=S] [rounds=R] [pause=MS]
//	by hand		instance=N peers=A,B,... [the same]
//
// A round's result is compared, by the first instance, with what it computes alone, and
// said: the line is for people and tests. A change of the group ends what is under way
// (dsm_barrier() says so); all begin again from the step that is called complete.

#include "cluster/programs/heat/heat.h"
#include "cluster/share/share.h"
#include "dsm/map/named.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/mem/mem.h"
#include "libos/text/text.h"

#define SERVICE_BY_HAND 0x6865617400000000ull
#define PATIENCE_NS (5 * NS_PER_SECOND)
#define TRY_NS (200 * NS_PER_MS)
#define TIMER_NS (2 * NS_PER_MS)
#define MOMENT_MS 1u
#define ROUND_SHIFT 32u		// of what is complete

// Each of the region's first pages. Written by the first instance only.
struct state {
	u64 complete;		// round << ROUND_SHIFT | how many plates of it: one word,
				// since words are published whole, and pages are not
	u64 checksum;		// of the last round that ended
};

static struct options {
	u64 instance, job, steps, rounds, pause_ms;
	bool by_hand;
} options = { .job = ~0ull, .steps = 24, .pause_ms = 1000 };

static struct named named;
static struct share share;
static struct dsm_group group;
static u64 phase;		// of the barriers of this group
static heat_row *alone[2];

static volatile u8 *
page(u32 index)
{
	return (volatile u8 *)DSM_BASE + (u64)index * PAGE_SIZE;
}

static volatile struct state *
state(u32 index)
{
	return (volatile struct state *)page(index);
}

static volatile heat_row *
plate(u64 step)
{
	return (volatile heat_row *)page(HEAT_SAID) + (step % 2) * HEAT_ROWS;
}

static bool
is_first(void)
{
	return group.rank == 0;
}

// 0, or the group is another one.
static i64
meet(void)
{
	return dsm_barrier(group.epoch, ++phase);
}

static bool
is_group(void)
{
	struct dsm_group now;

	dsm_group_get(&now);
	return now.epoch == group.epoch;
}

// Written through, or the group is another one. Without another node there is nowhere
// to write to.
static i64
publish(const volatile void *at, u64 len)
{
	i64 error;

	do {
		error = dsm_publish(at, len, now_ns() + TRY_NS);
	} while (error == -E_TIMEOUT && is_group());
	return error == -E_ABSENT ? 0 : error;
}

static i64
say(u32 index, u64 complete)
{
	state(index)->complete = complete;
	return publish(state(index), sizeof(struct state));
}

// Says what is complete; everybody is told by the barriers around it.
static i64
complete(u64 round, u64 step)
{
	i64 error = 0;

	for (u32 i = 0; is_first() && i < HEAT_SAID && !error; i++)
		error = say(i, round << ROUND_SHIFT | (step + 1));
	return error;
}

// ---- one step, of this instance's rows

static void
row_of_step(u64 round, u64 step, u32 r)
{
	volatile heat_row *to = plate(step), *from = plate(step + 1);
	bool is_edge = r == 0 || r == HEAT_ROWS - 1;

	if (step) {
		grid_row(to[r], from[is_edge ? r : r - 1], from[r],
			 from[is_edge ? r : r + 1], is_edge);
		return;
	}
	for (u32 c = 0; c < HEAT_COLUMNS; c++)
		to[r][c] = grid_first(round, r, c);
}

static i64
run_step(u64 round, u64 step)
{
	u32 first = HEAT_ROWS * group.rank / group.count;
	u32 end = HEAT_ROWS * (group.rank + 1) / group.count;
	i64 error = 0;

	for (u32 r = first; r < end && !error; r++) {
		row_of_step(round, step, r);
		error = publish(plate(step)[r], PAGE_SIZE);
	}
	if (!error)
		error = meet();
	if (!error)
		error = complete(round, step);
	return error ? error : meet();
}

// ---- a round's end

// Who was left out meanwhile has looked at rows that mean nothing, and says nothing.
static i64
verify(u64 round)
{
	const volatile heat_row *result = plate(options.steps);
	const heat_row *right;
	u32 wrong = 0;
	u64 sum;

	right = (const heat_row *)grid_alone(alone, round, (u32)options.steps);
	for (u32 r = 0; r < HEAT_ROWS; r++) {
		for (u32 c = 0; c < HEAT_COLUMNS; c++)
			wrong += result[r][c] != right[r][c];
	}
	sum = state(0)->checksum = grid_sum(result);
	if (!is_group())
		return -E_STATE;
	print("heat: round %lu, %lu steps by %u instances: checksum %016lx, %s\n",
	      round, options.steps, group.count, sum, wrong ? "WRONG" : "right");
	return 0;
}

static i64
end_round(u64 round)
{
	i64 error = 0;

	if (is_first())
		error = verify(round);
	if (is_first() && !error)
		error = publish(state(0), sizeof(struct state));
	return error ? error : meet();
}

// Waits, and answers the others meanwhile: the group has no more members than that.
static void
rest(u64 ms)
{
	u64 until = now_ns() + ms * NS_PER_MS;

	if (!dsm_wait_group(DSM_MEMBERS_MAX + 1, until))
		print("heat: more instances than there can be\n");
}

// ---- a group's beginning

// Brings a page. -E_DEVICE: it is lost. -E_STATE: the group is another one.
static i64
look(u32 index)
{
	i64 error;

	do {
		error = dsm_fetch(page(index), PAGE_SIZE, false, now_ns() + TRY_NS);
	} while (error == -E_TIMEOUT && is_group());
	return error == -E_TIMEOUT ? -E_STATE : error;
}

// Whether nothing is lost, and what is complete was not said by half; and the newest round
// that is said.
static i64
look_at_all(bool *is_whole, u64 *round)
{
	u64 said[HEAT_SAID] = { 0 };
	i64 error = 0;

	*is_whole = true;
	for (u32 i = 0; i < HEAT_PAGES && (!error || error == -E_DEVICE); i++) {
		error = look(i);
		*is_whole &= !error;
		if (!error && i < HEAT_SAID) {
			said[i] = state(i)->complete;
			*round = MAX(*round, said[i] >> ROUND_SHIFT);
		}
	}
	*is_whole &= said[0] == said[1];
	return error == -E_DEVICE ? 0 : error;
}

// The page is not lost any more; for who did not do that itself, too.
static i64
reset(u32 index)
{
	i64 got;

	while ((got = dsm_reset(group.epoch, page(index))) == DSM_WAITS) {
		rest(MOMENT_MS);
		if (!is_group())
			return -E_STATE;
	}
	return MIN(got, 0);
}

static i64
reset_all(void)
{
	i64 error = 0;

	for (u32 i = 0; i < HEAT_PAGES && !error; i++)
		error = reset(i);
	return error;
}

// The round, as far as it is known, begins anew.
static i64
begin_anew(u64 round)
{
	i64 error = 0;

	for (u32 i = 0; i < HEAT_SAID && !error; i++) {
		error = reset(i);
		if (error)
			break;
		round = MAX(round, state(i)->complete >> ROUND_SHIFT);
		error = say(i, round << ROUND_SHIFT);
	}
	if (error)
		return error;
	print("heat: something was lost: round %lu begins anew\n", round);
	return reset_all();
}

// Until all are here some may still compute for an earlier group, and until the first has
// looked nobody goes on.
static i64
settle(void)
{
	bool is_whole = true;
	u64 round = 1;
	i64 error = meet();

	if (!error && is_first())
		error = look_at_all(&is_whole, &round);
	if (!error && !is_whole)
		error = begin_anew(round);
	if (!error)
		error = meet();
	return error ? error : reset_all();
}

// From what is complete to the group's end, or the program's. True: the latter.
static bool
run_group(void)
{
	u64 done = 0, round, step;

	phase = 0;
	if (settle())
		return false;
	round = MAX(state(0)->complete >> ROUND_SHIFT, 1ull);
	step = (u32)state(0)->complete;
	if (step > options.steps) {
		round++;
		step = 0;
	} else if (is_first() && step) {
		print("heat: round %lu goes on from step %lu by %u instances\n",
		      round, step, group.count);
	}
	for (;; round++, step = 0) {
		for (; step <= options.steps; step++) {
			if (run_step(round, step))
				return false;
		}
		if (end_round(round))
			return false;
		if (++done == options.rounds)
			return true;
		rest(options.pause_ms);
		if (!is_group())
			return false;
	}
}

// ---- beginning

static bool
option(char *word)
{
	if (string_starts(word, "instance="))
		return text_to_u64(word + 9, &options.instance) &&
		       options.instance < DSM_MEMBERS_MAX;
	if (string_starts(word, "job="))
		return text_to_u64(word + 4, &options.job);
	if (string_starts(word, "steps="))
		return text_to_u64(word + 6, &options.steps) &&
		       options.steps && options.steps < 100000;
	if (string_starts(word, "rounds="))
		return text_to_u64(word + 7, &options.rounds);
	if (string_starts(word, "pause="))
		return text_to_u64(word + 6, &options.pause_ms) &&
		       options.pause_ms < 1000000;
	options.by_hand = true;
	return string_starts(word, "peers=") &&
	       named_read(&named, word + 6, (u32)options.instance);
}

// Whoever meets with a lost page computes for a group that is no more.
static enum dsm_lost
on_lost(void *context, u64 address, u32 version)
{
	(void)context;
	(void)address;
	(void)version;
	return DSM_LOST_LATER;
}

static i64
open_region(void)
{
	struct dsm_config config = {
		.pages = HEAT_PAGES,
		.flags = DSM_PUBLISHED,
		.on_lost = on_lost,
		.fabric_slot = startup_slot(ROLE_FABRIC),
		.find = named_find,
		.find_context = &named,
		.number = (u16)options.instance,
		.service = SERVICE_BY_HAND,
	};
	i64 error = 0;

	share.job = (u32)options.job;
	share.number = (u16)options.instance;
	if (!options.by_hand) {
		error = share_view(&share);
		if (!error)
			share_config(&share, &config);
	}
	for (u32 i = 0; i < 2 && !error; i++) {
		alone[i] = mem_alloc(HEAT_ROWS * sizeof(heat_row));
		error = alone[i] ? 0 : -E_QUOTA;
	}
	return error ? error : dsm_open(&config);
}

int
main(int argc, char **argv)
{
	bool understood = argc > 2;
	i64 error;

	for (int i = 1; i < argc && understood; i++)
		understood = option(argv[i]);
	if (!understood || (!options.by_hand && options.job == ~0ull)) {
		print("usage: heat instance=N job=ID|peers=A,B,... [steps=S] "
		      "[rounds=R] [pause=MS]\n");
		return STATUS_USAGE;
	}
	error = open_region();
	if (error) {
		print("heat: the region cannot be opened: error %ld\n", error);
		return STATUS_FAILED;
	}
	dsm_timer(TIMER_NS);
	for (;;) {
		if (dsm_wait_group(1, now_ns() + PATIENCE_NS))
			continue;
		dsm_group_get(&group);
		if (group.epoch && run_group())
			break;
	}
	rest(2 * options.pause_ms);
	dsm_close();
	return STATUS_OK;
}
