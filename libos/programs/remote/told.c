// SPDX-License-Identifier: BSD-2-Clause
// Adds to words of another node, several at a time, by upcalls alone: the program counts
// and makes no system call; the handler of UPCALL_COMPLETION takes what has come, compares
// each old value with the number of adds before it, and begins the next.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

#define LANES 4u			// words, one add of each under way
#define PATIENCE_NS (30 * NS_PER_SECOND)

static struct far page;
static u64 wanted = 200;
static u64 begun, upcalls, wrong;
static volatile u64 ended;
static u64 first[LANES], counts[LANES];
static i64 failure;

static void
begin(u32 lane)
{
	struct fabric_submit s = {
		.tag = lane, .op = FABRIC_FETCH_ADD, .slot = page.slot,
		.offset = lane * sizeof(u64), .length = sizeof(u64), .addend = 1,
	};

	if (begun < wanted && fabric_put(&fabric, &s))
		begun++;
}

static void
flush(void)
{
	i64 error = fabric_flush(&fabric);

	failure = failure ? failure : error;
}

static void
on_completion(struct upcall_context *context)
{
	struct fabric_complete c;

	(void)context;
	upcalls++;
	while (fabric_take(&fabric, &c)) {
		u32 lane = (u32)(c.tag % LANES);

		if (c.outcome != FABRIC_DONE)
			failure = far_result(&c);
		wrong += c.old[0] != first[lane] + counts[lane]++;
		ended++;
		begin(lane);
	}
	flush();
}

// Counts while the adds go on; returns how far it came.
static u64
count_meanwhile(void)
{
	u64 until = now_ns() + PATIENCE_NS, steps = 0;

	upcall_hold();
	for (u32 lane = 0; lane < LANES; lane++)
		begin(lane);
	flush();
	upcall_release();
	while (ended < wanted && now_ns() < until)
		steps++;
	return steps;
}

// What the words hold, and then the upcalls.
static i64
prepare(void)
{
	struct wait_set set;
	i64 error = 0;

	for (u32 lane = 0; !error && lane < LANES; lane++)
		error = far_add(&page, lane * sizeof(u64), 0, &first[lane]);
	wait_begin(&set);
	fabric_watch(&fabric, &set);
	return error ? error : wait_interrupt(&set, on_completion);
}

int
told(int argc, char **argv)
{
	struct wait_set none;
	u64 steps;
	i64 error;

	if (argc > 3 && !text_to_u64(argv[3], &wanted))
		return STATUS_USAGE;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_PAGES, CAP_READ | CAP_WRITE, 0, 1,
		    &page);
	error = prepare();
	if (error) {
		print("remote: FAIL, cannot begin: %s\n", far_error_text(error));
		return STATUS_FAILED;
	}
	steps = count_meanwhile();
	wait_begin(&none);
	error = wait_interrupt(&none, NULL);
	failure = failure ? failure : error;
	wrong += ended != wanted || failure;
	print("remote: %s %lu adds by %lu upcalls in %lu steps of the program, %lu wrong%s%s\n",
	      wrong ? "FAIL" : "PASS", ended, upcalls, steps, wrong, failure ? ": " : "",
	      failure ? far_error_text(failure) : "");
	return wrong ? STATUS_FAILED : STATUS_OK;
}
