// SPDX-License-Identifier: BSD-2-Clause
// The timed part. A flight is a place for one operation; its number is the tag of
// the fabric's operations in it. Each time all completions are taken and the next
// operations put before the queue is kicked, once, by the call that sleeps for more. The
// first operations only warm up: nothing of them is counted.
//
// The program sleeps for each answer. Where frames come soon the kernel looks for them
// before it halts, as perftest and the asking side of the floor do: it is nearer to the
// interface than a program that looks at its completion ring.
//
// A swap expects what the flight's own last swap of that word left there, so each
// is compared with a model.

#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/rank.h"
#include "libos/programs/remote-bench/bench.h"

#define WARM_UP 64u
#define WORDS 512u		// of the page that swaps are on

struct flight {
	u64 begun_ns;
	u32 missing;		// completions still to come
	u32 word;		// that is being swapped
};

static const struct plan *plan;
static struct flight flights[OPEN_MAX];
static u64 words[WORDS];
static u32 sample_ns[COUNT_MAX];
static u32 begun, ended;
static u64 counted_from_ns;

static void
put(const struct fabric_submit *submit)
{
	if (!fabric_put(&fabric, submit))
		fail("the queue has no room");
}

static void
put_swap(u32 number)
{
	static struct fabric_submit swap = {
		.op = FABRIC_MCAS,
		.length = sizeof(u64),
		.clause_count = 1,
		.clause[0] = { .compare_mask = { ~0ull }, .swap_mask = { ~0ull } },
	};
	struct flight *f = &flights[number];
	u64 mine = WORDS / plan->flights;

	f->word = (u32)random_below(mine) * plan->flights + number;
	ASSERT(f->word < WORDS);
	swap.tag = number;
	swap.slot = target.slot;
	swap.offset = f->word * sizeof(u64);
	swap.clause[0].compare[0] = words[f->word];
	swap.clause[0].swap[0] = words[f->word] + 1;
	put(&swap);
}

// What is not set here is zero in each: a submission is 280 bytes.
static void
put_parts(u32 number)
{
	static struct fabric_submit part;
	u64 offset = random_below(plan->places) * plan->bytes;

	part.tag = number;
	part.op = (u8)plan->op;
	part.slot = target.slot;
	part.length = plan->part_bytes;
	for (u32 i = 0; i < plan->parts; i++) {
		part.offset = offset + i * plan->part_bytes;
		part.local = fabric_local(flight_buffer(plan, number, i));
		put(&part);
	}
}

static void
begin(u32 number)
{
	struct flight *f = &flights[number];

	ASSERT(f->missing == 0);
	f->begun_ns = now_ns();
	f->missing = plan->parts;
	begun++;
	if (plan->op == FABRIC_MCAS)
		put_swap(number);
	else
		put_parts(number);
}

static void
end(u32 number)
{
	u64 now = now_ns();

	if (ended >= WARM_UP)
		sample_ns[ended - WARM_UP] = (u32)MIN(
			now - flights[number].begun_ns, (u64)0xffffffff);
	ended++;
	if (ended == WARM_UP)
		counted_from_ns = now;
	if (begun < plan->count + WARM_UP)
		begin(number);
}

static void
take(const struct fabric_complete *c)
{
	struct flight *f = &flights[c->tag];

	ASSERT(c->tag < plan->flights && f->missing > 0);
	if (c->outcome != FABRIC_DONE)
		fail(far_error_text(far_result(c)));
	if (plan->op == FABRIC_MCAS && c->old[0] != words[f->word]++)
		fail("a swap found another value than the last one left");
	if (--f->missing == 0)
		end((u32)c->tag);
}

static void
take_all(void)
{
	filled_ struct fabric_complete complete;

	while (fabric_take(&fabric, &complete))
		take(&complete);
}

// Hands over what was put, if anything, and sleeps until something has ended.
static void
wait(void)
{
	i64 error = fabric_flush_await(&fabric, NEVER);

	if (error)
		fail(far_error_text(error));
}

void
report(u32 *sample, u32 count, u64 took_ns)
{
	print("remote-bench: operations=%u took_ns=%lu median_ns=%u min_ns=%u "
	      "p99_ns=%u\n",
	      count, took_ns, rank_u32(sample, count, count / 2),
	      rank_u32(sample, count, 0),
	      rank_u32(sample, count, (count - 1) * 99 / 100));
}

void
run(const struct plan *what)
{
	plan = what;
	ASSERT(plan->count >= 1 && plan->count <= COUNT_MAX);
	for (u32 i = 0; i < plan->flights; i++)
		begin(i);
	while (ended < plan->count + WARM_UP) {
		wait();
		take_all();
	}
	report(sample_ns, plan->count, now_ns() - counted_from_ns);
}
