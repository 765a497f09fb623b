// SPDX-License-Identifier: BSD-2-Clause
// remote-bench: what it is asked to do (bench.h says what that means), checked against
// its bounds, and what it takes: a region, a fabric queue, what the other node grants.
// Each word leads to one file: ask to run.c, ping and pong to pong.c, own and hold to
// revoke.c.

#include "kernel/base/prng.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/remote-bench/bench.h"
#include "libos/remote/ask.h"
#include "libos/remote/lend.h"
#include "libos/remote/node.h"
#include "libos/text/text.h"

#define REGION_PAGES OPEN_MAX
#define PATIENCE_NS (10 * NS_PER_SECOND)
#define SEED 1u

STATIC_ASSERT(LEND_BUFFER_BYTES <= REGION_PAGES * PAGE_SIZE);

struct fabric_queue fabric;
struct far target;
struct frame_run region;
struct far_io io = { .fabric = &fabric, .region = &region };
static struct prng prng;

static const struct {
	const char *name;
	enum fabric_op op;
	bool blocks;
} operations[] = {
	{ "read", FABRIC_READ, false },
	{ "write", FABRIC_WRITE, false },
	{ "cas", FABRIC_MCAS, false },
	{ "block-read", FABRIC_BLOCK_READ, true },
	{ "block-write", FABRIC_BLOCK_WRITE, true },
};

u8 *
flight_buffer(const struct plan *plan, u32 flight, u32 part)
{
	return direct_address(region.frame + flight * plan->parts + part);
}

void
fail(const char *why)
{
	print("remote-bench: failed: %s\n", why);
	sys_env_exit(STATUS_FAILED);
}

u64
random_below(u64 bound)
{
	return prng_below(&prng, bound);
}

void
prepare(void)
{
	u32 slot = startup_slot(ROLE_FABRIC);
	i64 error;

	if (slot == SLOT_NONE)
		fail("this node has joined no cluster");
	prng_seed(&prng, SEED);
	error = frames_take(REGION_PAGES, &region);
	if (!error)
		error = fabric_open(&fabric, slot, &region);
	if (error)
		fail(far_error_text(error));
}

static int
serve(void)
{
	static struct lend lend;
	i64 error;

	prepare();
	error = lend_open(&lend, &io, direct_address(region.frame), MEMORY_PAGES,
			  CAP_READ | CAP_WRITE);
	if (error)
		fail(far_error_text(error));
	print("remote-bench: serving\n");
	fail(far_error_text(lend_run(&lend)));
}

bool
number(const char *word, u64 most, u32 *value)
{
	u64 read;

	if (!text_to_u64(word, &read) || read < 1 || read > most)
		return false;
	*value = (u32)read;
	return true;
}

// Words: OPERATION BYTES FLIGHTS COUNT. False: not within the bounds.
static bool
plan_read(char **word, u32 count, struct plan *plan)
{
	u32 i = 0;

	if (count != 4)
		return false;
	while (i < ARRAY_SIZE(operations) && strcmp(word[0], operations[i].name))
		i++;
	if (i == ARRAY_SIZE(operations) ||
	    !number(word[1], OPEN_MAX * BLOCK_SIZE, &plan->bytes) ||
	    !number(word[2], OPEN_MAX, &plan->flights) ||
	    !number(word[3], COUNT_MAX, &plan->count))
		return false;
	plan->op = operations[i].op;
	plan->blocks = operations[i].blocks;
	plan->part_bytes = MIN(plan->bytes, (u32)BLOCK_SIZE);
	plan->parts = plan->bytes / plan->part_bytes;
	if (plan->op == FABRIC_MCAS && plan->bytes != sizeof(u64))
		return false;
	if (plan->blocks ? plan->bytes % BLOCK_SIZE != 0
			 : plan->bytes > BLOCK_SIZE)
		return false;
	return plan->parts * plan->flights <= OPEN_MAX;
}

void
ask_target(const char *name, struct far_ask *ask, void *buffer)
{
	u16 node = node_wait(name, now_ns() + PATIENCE_NS);
	u32 slot = SLOT_NONE;
	i64 error;

	if (node == NODE_NONE)
		fail("no session with that node");
	error = far_ask(&io, node, ask, buffer, &slot);
	if (!error)
		error = far_open(&target, &io, slot);
	if (error)
		fail(far_error_text(error));
}

static void
open_target(const char *name, struct plan *plan)
{
	struct far_ask ask = {
		.kind = plan->blocks ? FAR_ASK_BLOCKS : FAR_ASK_PAGES,
		.rights = CAP_READ | CAP_WRITE,
	};

	ask_target(name, &ask, direct_address(region.frame));
	plan->places = target.units * PAGE_SIZE / plan->bytes;
	if (!plan->places)
		fail("that node has less than one operation's bytes");
}

static int
usage(void)
{
	print("usage: remote-bench serve\n"
	      "       remote-bench pong NODE\n"
	      "       remote-bench ping NODE BYTES COUNT\n"
	      "       remote-bench own HOLDERS ROUNDS [silent]\n"
	      "       remote-bench hold NODE CAPABILITIES\n"
	      "       remote-bench ask NODE read|write|cas|block-read|block-write "
	      "BYTES FLIGHTS COUNT\n"
	      "       at most 4096 bytes (cas: 8) or whole blocks, %u blocks and "
	      "operations under way, %u in all\n", OPEN_MAX, COUNT_MAX);
	return STATUS_USAGE;
}

// Words: own HOLDERS ROUNDS [silent]; hold NODE CAPABILITIES. False: neither.
static bool
take_back(int argc, char **argv)
{
	bool silent = argc == 5 && !strcmp(argv[4], "silent");
	u32 count, rounds;

	if (argc == 4 && !strcmp(argv[1], "hold") && number(argv[3], HOLD_MAX, &count))
		hold(argv[2], count);
	if ((argc != 4 && !silent) || strcmp(argv[1], "own") ||
	    !number(argv[2], HOLDERS_MAX, &count) ||
	    !number(argv[3], ROUNDS_MAX, &rounds))
		return false;
	own(count, rounds, silent);
	return true;
}

int
main(int argc, char **argv)
{
	struct plan plan;

	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 3 && !strcmp(argv[1], "pong"))
		pong(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "ping") &&
	    number(argv[3], PAGE_SIZE, &plan.bytes) && plan.bytes % PING_STEP == 0 &&
	    number(argv[4], COUNT_MAX, &plan.count)) {
		ping(argv[2], plan.bytes, plan.count);
		return STATUS_OK;
	}
	if (take_back(argc, argv))
		return STATUS_OK;
	if (argc < 3 || strcmp(argv[1], "ask") ||
	    !plan_read(argv + 3, (u32)argc - 3, &plan))
		return usage();
	prepare();
	open_target(argv[2], &plan);
	check(&plan);
	run(&plan);
	return STATUS_OK;
}
