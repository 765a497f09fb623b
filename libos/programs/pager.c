// SPDX-License-Identifier: BSD-2-Clause
// A program whose memory is larger than its frames (libos/pager):
//
//	pager FIRST_BLOCK
//
// PAGES pages over FRAMES frames, on the disk's blocks from FIRST_BLOCK on, which are
// overwritten. It writes all pages and reads them again, twice; then works on a few hot
// pages while it goes over cold ones, once with the clock and once without the accessed
// bits. Prints what each phase cost, and PASS when every byte was right, reading alone
// wrote nothing, and the clock kept the hot pages.

#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/mem/layout.h"
#include "libos/pager/pager.h"
#include "libos/text/text.h"

#define PAGES 1024u
#define FRAMES 128u
#define HOT 48u
#define COLD 160u
#define ROUNDS 8u
#define WORDS (PAGE_SIZE / sizeof(u64))

static volatile u64 *const heap = (volatile u64 *)REGION_BASE;
static struct pager_spec spec = {
	.base = REGION_BASE,
	.pages = PAGES,
	.frames = FRAMES,
};
static struct pager_counts before;
static u32 failures;

static void
check(bool holds, const char *what)
{
	if (!holds)
		print("pager: does not hold: %s\n", what);
	failures += !holds;
}

// What was done since the last time.
static struct pager_counts
since(const char *phase)
{
	struct pager_counts c = pager_counts(), d;

	d = (struct pager_counts){
		.faults = c.faults - before.faults,
		.reads = c.reads - before.reads,
		.writes = c.writes - before.writes,
		.clean = c.clean - before.clean,
	};
	before = c;
	print("pager: %s: %lu faults, %lu reads, %lu writes, %lu clean\n", phase,
	      d.faults, d.reads, d.writes, d.clean);
	return d;
}

static u64
value_of(u64 page, u64 word)
{
	return (page << 32 | word) * 0x9e3779b97f4a7c15ull;
}

static void
write_pages(void)
{
	for (u64 page = 0; page < PAGES; page++) {
		for (u64 word = 0; word < WORDS; word++)
			heap[page * WORDS + word] = value_of(page, word);
	}
}

static bool
pages_are_right(void)
{
	for (u64 page = 0; page < PAGES; page++) {
		for (u64 word = 0; word < WORDS; word++) {
			if (heap[page * WORDS + word] != value_of(page, word))
				return false;
		}
	}
	return true;
}

static i64
open_pager(enum pager_policy policy)
{
	spec.policy = policy;
	before = (struct pager_counts){ 0 };
	return pager_open(&spec);
}

// Cold pages, more than find room, are read in turn, and the hot ones after each of
// them. *faults counts the faults on hot pages.
static i64
hot_and_cold(enum pager_policy policy, const char *phase, u64 *faults)
{
	u64 sum = 0, start;
	i64 error;

	spec.pages = HOT + COLD;
	error = open_pager(policy);
	if (error)
		return error;
	for (u64 i = 0; i < ROUNDS * COLD; i++) {
		sum += heap[(HOT + i % COLD) * WORDS];
		start = pager_counts().faults;
		for (u64 hot = 0; hot < HOT; hot++)
			sum += heap[hot * WORDS];
		*faults += pager_counts().faults - start;
	}
	check(sum == 0, "untouched pages read as zero");
	since(phase);
	pager_close();
	return 0;
}

static i64
whole(void)
{
	i64 error = open_pager(PAGER_CLOCK);
	struct pager_counts c;

	if (error)
		return error;
	check(heap[5 * WORDS + 7] == 0, "fresh memory is zero");
	write_pages();
	c = since("write");
	check(c.writes >= PAGES - FRAMES, "what was written went to disk");
	check(pages_are_right(), "all came back right");
	since("read");
	check(pages_are_right(), "and again");
	c = since("read again");
	check(c.writes == 0 && c.clean >= PAGES - FRAMES,
	      "pages that were only read are not written");
	pager_close();
	return 0;
}

int
main(int argc, char **argv)
{
	u64 with = 0, without = 0;
	i64 error;

	if (argc != 2 || !text_to_u64(argv[1], &spec.first_block)) {
		print("pager: on which blocks? pager FIRST_BLOCK: %u blocks are "
		      "overwritten\n", PAGES);
		return STATUS_USAGE;
	}
	spec.blocks_slot = startup_slot(ROLE_BLOCKS);
	error = spec.blocks_slot == SLOT_NONE ? -E_ABSENT : whole();
	if (!error)
		error = hot_and_cold(PAGER_CLOCK, "hot pages, clock", &with);
	if (!error)
		error = hot_and_cold(PAGER_FIFO, "hot pages, in turn", &without);
	if (error) {
		print("pager: FAIL %s\n", error_text(error));
		return STATUS_FAILED;
	}
	print("pager: faults on %u hot pages: %lu with the clock, %lu in turn\n", HOT,
	      with, without);
	check(with * 3 < without * 2, "the clock keeps the hot pages");
	print("pager: %s\n", failures ? "FAIL" : "PASS");
	return failures ? STATUS_FAILED : STATUS_OK;
}
