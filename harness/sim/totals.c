// SPDX-License-Identifier: BSD-2-Clause
// Sums over seeds: what they did, by kind, and how fast. What is counted once for each
// kind of something has the kind's name behind a dot in the file, so that long.py
// groups it without knowing the kinds.

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "harness/sim/points.h"
#include "harness/sim/totals.h"

static const char *const outcome_words[ORPHAN + 1] = {
	[OPEN] = "OPEN", [DONE] = "DONE", [NOT_DONE] = "NOT_DONE",
	[UNKNOWN_FINAL] = "UNKNOWN_FINAL", [ORPHAN] = "ORPHAN",
};

static void
add_all(u64 *to, const u64 *from, u32 count)
{
	for (u32 i = 0; i < count; i++)
		to[i] += from[i];
}

static void
add_pairs(struct totals *totals, u32 on)
{
	for (u32 i = 0; i < FAULT_KINDS; i++) {
		for (u32 j = 0; j < FAULT_KINDS; j++)
			totals->together[i][j] += on >> i & on >> j & 1;
	}
}

void
totals_add(struct totals *totals, const struct run_result *result)
{
	struct run_result *sum = &totals->sum;

	if (!totals->seeds || result->operations < totals->least_operations)
		totals->least_operations = result->operations;
	totals->seeds++;
	totals->settle_most = MAX(totals->settle_most, result->settle_ns);
	sum->events += result->events;
	sum->virtual_ns += result->virtual_ns;
	sum->operations += result->operations;
	sum->effects += result->effects;
	sum->given += result->given;
	sum->taken += result->taken;
	sum->copies += result->copies;
	sum->copies_timed += result->copies_timed;
	sum->copies_refused += result->copies_refused;
	sum->copies_given += result->copies_given;
	sum->sessions += result->sessions;
	sum->checks += result->checks;
	sum->histories += result->histories;
	sum->history_ops += result->history_ops;
	sum->history_longest = MAX(sum->history_longest, result->history_longest);
	add_all(sum->outcome, result->outcome, ORPHAN + 1);
	add_all(sum->answered[0], result->answered[0], DO_KINDS * (ORPHAN + 1));
	add_all(sum->refused, result->refused, WHY_COUNT);
	add_all(sum->episodes, result->episodes, FAULT_KINDS);
	add_all(sum->felt, result->felt, FELT_COUNT);
	add_all((u64 *)&sum->frames, (const u64 *)&result->frames,
		sizeof(result->frames) / sizeof(u64));
	add_all(sum->marks, result->marks, MARK_COUNT);
	add_all(sum->points, result->points, POINT_COUNT);
	for (u32 i = 0; i < MARK_COUNT; i++)
		totals->marked[i] += result->marks[i] > 0;
	add_pairs(totals, result->on);
}

// ---- for people

static void
print_kinds(const struct run_result *sum)
{
	printf("%-12s %12s %12s %12s %12s\n", "operation", "DONE", "NOT_DONE",
	       "UNKNOWN", "requester died");
	for (u32 k = 0; k < DO_KINDS; k++) {
		printf("%-12s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
		       model_kind_word(k), sum->answered[k][DONE],
		       sum->answered[k][NOT_DONE], sum->answered[k][UNKNOWN_FINAL],
		       sum->answered[k][ORPHAN]);
	}
	printf("refused:");
	for (u32 i = 1; i < WHY_COUNT; i++)
		printf(" %s %" PRIu64, model_reason_word(i), sum->refused[i]);
	putchar('\n');
}

static void
print_faults(const struct run_result *sum)
{
	const struct network_counts *f = &sum->frames;

	printf("frames: sent %" PRIu64 ", lost %" PRIu64 ", duplicated %" PRIu64
	       ", reordered %" PRIu64 ", corrupted %" PRIu64 ", slowed %" PRIu64
	       ", blocked %" PRIu64 ", clogged %" PRIu64 ", foreign %" PRIu64
	       ", overrun %" PRIu64 ", replayed %" PRIu64 ", forged %" PRIu64 "\n",
	       f->sent, f->lost, f->duplicated, f->reordered, f->corrupted, f->slowed,
	       f->blocked, f->clogged, f->foreign, f->overrun, f->replayed, f->forged);
	printf("episodes:");
	for (u32 i = FAULT_DISK; i < FAULT_REPLAY; i++)
		printf(" %s %" PRIu64, faults_word(i), sum->episodes[i]);
	printf("\nfelt:");
	for (u32 i = 0; i < FELT_COUNT; i++)
		printf(" %s %" PRIu64, felt_word(i), sum->felt[i]);
	putchar('\n');
}

// How many seeds had the two kinds together that met least.
static void
print_pairs(const struct totals *totals)
{
	u32 a = 0, b = 1;

	for (u32 i = 0; i < FAULT_KINDS; i++) {
		for (u32 j = i + 1; j < FAULT_KINDS; j++) {
			if (totals->together[i][j] < totals->together[a][b]) {
				a = i;
				b = j;
			}
		}
	}
	printf("%u kinds of faults; least together: %s and %s, in %" PRIu64 " seeds\n",
	       FAULT_KINDS, faults_word(a), faults_word(b), totals->together[a][b]);
}

static u32
count_reached(const u64 *counts, u32 count)
{
	u32 reached = 0;

	for (u32 i = 0; i < count; i++)
		reached += counts[i] > 0;
	return reached;
}

static double
processor_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

void
totals_print(const struct totals *totals, double seconds)
{
	const struct run_result *sum = &totals->sum;
	double processor = processor_seconds();

	print_kinds(sum);
	print_faults(sum);
	print_pairs(totals);
	printf("%u of %u fault points have fired, %u of %u marks were reached\n",
	       count_reached(sum->points, POINT_COUNT), (u32)POINT_COUNT,
	       count_reached(sum->marks, MARK_COUNT), (u32)MARK_COUNT);
	printf("%" PRIu64 " sessions begun, all invariants of a node walked %" PRIu64
	       " times\n", sum->sessions, sum->checks);
	printf("%" PRIu64 " seeds, %" PRIu64 " operations (at least %" PRIu64
	       " a seed), %" PRIu64 " effects, %" PRIu64 " events, longest settling %.3f s\n",
	       totals->seeds, sum->operations, totals->least_operations, sum->effects,
	       sum->events, (double)totals->settle_most / 1e9);
	printf("%" PRIu64 " capabilities that were asked for came back, %" PRIu64
	       " were taken at their deadlines\n", sum->given, sum->taken);
	printf("%" PRIu64 " copies came under leases: %" PRIu64 " ended by their time, %"
	       PRIu64 " by their owner, %" PRIu64 " were given up\n", sum->copies,
	       sum->copies_timed, sum->copies_refused, sum->copies_given);
	printf("%" PRIu64 " histories of words are linearizable, of %" PRIu64
	       " operations, the longest of %" PRIu64 "\n", sum->histories,
	       sum->history_ops, sum->history_longest);
	printf("%.0f s of virtual time in %.1f s (%.1f s of processor time): %.0f times "
	       "as fast; %.0f seeds fit five minutes\n", (double)sum->virtual_ns / 1e9,
	       seconds, processor, (double)sum->virtual_ns / 1e9 / processor,
	       300.0 * (double)totals->seeds / processor);
}

bool
totals_marks(const struct totals *totals)
{
	const struct run_result *sum = &totals->sum;
	bool all = true;

	for (u32 i = 0; i < POINT_COUNT; i++)
		printf("point %-22s %12" PRIu64 "\n", points_name(i), sum->points[i]);
	for (u32 i = 0; i < MARK_COUNT; i++)
		printf("mark %-23s %12" PRIu64 " in %" PRIu64 " seeds\n", marks_name(i),
		       sum->marks[i], totals->marked[i]);
	for (u32 i = 0; i < POINT_COUNT; i++) {
		if (!sum->points[i]) {
			printf("never fired: %s\n", points_name(i));
			all = false;
		}
	}
	for (u32 i = 0; i < MARK_COUNT; i++) {
		if (!sum->marks[i]) {
			printf("never reached: %s: %s\n", marks_name(i), marks_text(i));
			all = false;
		}
	}
	for (u32 i = 0; i < FELT_COUNT; i++) {
		if (!sum->felt[i]) {
			printf("never felt: %s: %s\n", felt_word(i), felt_text(i));
			all = false;
		}
	}
	return all;
}

// ---- for long.py

static void
write_kinds(FILE *to, const struct totals *totals)
{
	const struct run_result *sum = &totals->sum;

	for (u32 k = 0; k < DO_KINDS; k++) {
		for (u32 i = DONE; i <= ORPHAN; i++)
			fprintf(to, "sum answered.%s.%s %" PRIu64 "\n",
				model_kind_word(k), outcome_words[i],
				sum->answered[k][i]);
	}
	for (u32 i = 1; i < WHY_COUNT; i++)
		fprintf(to, "sum refused.%s %" PRIu64 "\n", model_reason_word(i),
			sum->refused[i]);
	for (u32 i = 0; i < POINT_COUNT; i++)
		fprintf(to, "sum point.%s %" PRIu64 "\n", points_name(i), sum->points[i]);
	for (u32 i = 0; i < MARK_COUNT; i++)
		fprintf(to, "sum mark.%s %" PRIu64 "\nsum marked.%s %" PRIu64 "\n",
			marks_name(i), sum->marks[i], marks_name(i), totals->marked[i]);
}

static void
write_faults(FILE *to, const struct totals *totals)
{
	const struct network_counts *f = &totals->sum.frames;

	fprintf(to, "sum frames.sent %" PRIu64 "\nsum frames.lost %" PRIu64
		"\nsum frames.duplicated %" PRIu64 "\nsum frames.reordered %" PRIu64
		"\nsum frames.corrupted %" PRIu64 "\nsum frames.slowed %" PRIu64
		"\nsum frames.blocked %" PRIu64 "\nsum frames.clogged %" PRIu64
		"\nsum frames.foreign %" PRIu64 "\nsum frames.overrun %" PRIu64
		"\nsum frames.replayed %" PRIu64 "\nsum frames.forged %" PRIu64 "\n",
		f->sent, f->lost, f->duplicated, f->reordered, f->corrupted, f->slowed,
		f->blocked, f->clogged, f->foreign, f->overrun, f->replayed, f->forged);
	for (u32 i = FAULT_DISK; i < FAULT_REPLAY; i++)
		fprintf(to, "sum episodes.%s %" PRIu64 "\n", faults_word(i),
			totals->sum.episodes[i]);
	for (u32 i = 0; i < FELT_COUNT; i++)
		fprintf(to, "sum felt.%s %" PRIu64 "\n", felt_word(i), totals->sum.felt[i]);
	for (u32 i = 0; i < FAULT_KINDS; i++) {
		for (u32 j = i + 1; j < FAULT_KINDS; j++)
			fprintf(to, "sum together.%s.%s %" PRIu64 "\n", faults_word(i),
				faults_word(j), totals->together[i][j]);
	}
}

bool
totals_write(const struct totals *totals, const char *path)
{
	const struct run_result *sum = &totals->sum;
	FILE *to = fopen(path, "w");
	bool whole;

	if (!to)
		return false;
	fprintf(to, "sum seeds %" PRIu64 "\nsum operations %" PRIu64
		"\nsum effects %" PRIu64 "\nsum events %" PRIu64
		"\nsum sessions %" PRIu64 "\nsum checks %" PRIu64
		"\nsum histories %" PRIu64 "\nsum history_ops %" PRIu64
		"\nsum virtual_ns %" PRIu64 "\nsum processor_us %" PRIu64
		"\nmost history_longest %" PRIu64 "\nmost settle_ns %" PRIu64
		"\nleast operations_of_a_seed %" PRIu64 "\n",
		totals->seeds, sum->operations, sum->effects, sum->events, sum->sessions,
		sum->checks, sum->histories, sum->history_ops, sum->virtual_ns,
		(u64)(processor_seconds() * 1e6), sum->history_longest,
		totals->settle_most, totals->least_operations);
	write_kinds(to, totals);
	write_faults(to, totals);
	whole = !ferror(to);
	return !fclose(to) && whole;
}
