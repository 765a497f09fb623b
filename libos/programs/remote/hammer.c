// SPDX-License-Identifier: BSD-2-Clause
// Random operations on another node's pages and blocks, several at a time, each
// compared with a model: every byte that comes, every old value, every clause. A
// lane is one page (or block) with one operation open; `before` and `model` are
// what it holds without and with that operation.
//
// When an operation ends as unknown, the lane reads its page again: each byte must
// be that of one of the two. After NOT_DONE it must be as before; the next reads
// tell.

#include "kernel/base/byteorder.h"
#include "kernel/base/prng.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

#define PAGE_LANES 6u
#define BLOCK_LANES 2u
#define LANES (PAGE_LANES + BLOCK_LANES)
#define FIRST_BUFFER 1u		// page of the region
#define FAILURES_SHOWN 5u
#define PAUSE_NS (20 * NS_PER_MS)
#define STUCK_NS (30 * NS_PER_SECOND)
#define BYTES 4096u

enum lane_state {
	LANE_READY,
	LANE_OPEN,
	LANE_UNSURE,		// it may hold either
};

struct lane {
	enum lane_state state;
	bool block;
	bool rereads;		// the open operation is there to make sure
	u32 index;
	u8 *buffer;
	struct fabric_submit s;
	u64 old[2];		// expected
	u32 clause;
	u8 model[BYTES];
	u8 before[BYTES];
};

static struct lane lanes[LANES];
static u32 lane_count;
static struct far pages, blocks;
static struct prng prng;
static u64 done_count[FABRIC_OP_COUNT];
static u64 begun, ended, unknown, not_done;

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

static void
wrong(const struct lane *lane, const char *what)
{
	if (failures++ < FAILURES_SHOWN)
		print("remote: lane %u, operation %u at %lu, %u bytes: %s\n",
		      lane->index, lane->s.op, lane->s.offset % BYTES,
		      lane->s.length, what);
}

static void
fill(u8 *at, u32 len)
{
	for (u32 i = 0; i < len; i++)
		at[i] = (u8)prng_u64(&prng);
}

// ---- beginning: what the operation is, and what the page holds after it

static void
plan_span(struct lane *lane)
{
	u32 at = below(BYTES);

	lane->s.length = 1 + below(BYTES - at);
	lane->s.offset = at;
}

static void
plan_write(struct lane *lane)
{
	fill(lane->buffer, lane->s.length);
	memcpy(lane->model + lane->s.offset, lane->buffer, lane->s.length);
}

static void
plan_add(struct lane *lane)
{
	u8 *at;

	lane->s.offset = below(BYTES / 8) * 8;
	lane->s.length = 8;
	lane->s.addend = prng_u64(&prng);
	at = lane->model + lane->s.offset;
	lane->old[0] = le64_load(at);
	le64_store(at, lane->old[0] + lane->s.addend);
}

static void
plan_notify(struct lane *lane)
{
	u8 *at;

	lane->s.offset = below(BYTES / 4) * 4;
	lane->s.length = 4;
	at = lane->model + lane->s.offset;
	le32_store(at, le32_load(at) + 1);
}

static bool
matches(const struct fabric_clause *c, const u64 old[2])
{
	return !((old[0] ^ c->compare[0]) & c->compare_mask[0]) &&
	       !((old[1] ^ c->compare[1]) & c->compare_mask[1]);
}

static void
plan_clause(struct fabric_clause *c, const u64 old[2], bool wide)
{
	bool match = below(2);

	for (u32 half = 0; half < (wide ? 2u : 1u); half++) {
		c->compare_mask[half] = prng_u64(&prng) | 1;
		c->compare[half] = match ? old[half] : prng_u64(&prng);
		c->swap[half] = prng_u64(&prng);
		c->swap_mask[half] = prng_u64(&prng);
	}
	if (below(2)) {
		u32 at = below(BYTES);

		c->chain_offset = at;
		c->chain_length = 1 + below(BYTES - at);
	}
}

static void
plan_mcas(struct lane *lane)
{
	bool wide = below(2);
	u8 *at;

	lane->s.length = wide ? 16 : 8;
	lane->s.offset = below(BYTES / lane->s.length) * lane->s.length;
	lane->s.clause_count = 1 + below(FABRIC_CLAUSES_MAX);
	at = lane->model + lane->s.offset;
	lane->old[0] = le64_load(at);
	lane->old[1] = wide ? le64_load(at + 8) : 0;
	lane->clause = FABRIC_CLAUSE_NONE;
	for (u32 i = 0; i < lane->s.clause_count; i++) {
		struct fabric_clause *c = &lane->s.clause[i];

		plan_clause(c, lane->old, wide);
		if (lane->clause != FABRIC_CLAUSE_NONE || !matches(c, lane->old))
			continue;
		lane->clause = i;
		for (u32 half = 0; half < (wide ? 2u : 1u); half++)
			le64_store(at + half * 8,
				   (lane->old[half] & ~c->swap_mask[half]) |
				   (c->swap[half] & c->swap_mask[half]));
	}
}

static void
plan_page(struct lane *lane)
{
	static const u8 ops[] = {
		FABRIC_READ, FABRIC_READ, FABRIC_WRITE, FABRIC_WRITE, FABRIC_MCAS,
		FABRIC_MCAS, FABRIC_FETCH_ADD, FABRIC_FETCH_ADD, FABRIC_NOTIFY,
	};

	lane->s.op = ops[below(sizeof(ops))];
	switch (lane->s.op) {
	case FABRIC_READ:
		plan_span(lane);
		break;
	case FABRIC_WRITE:
		plan_span(lane);
		plan_write(lane);
		break;
	case FABRIC_MCAS:
		plan_mcas(lane);
		break;
	case FABRIC_FETCH_ADD:
		plan_add(lane);
		break;
	default:
		plan_notify(lane);
	}
}

static void
plan_block(struct lane *lane)
{
	u32 kind = below(10);

	lane->s.op = kind < 5 ? FABRIC_BLOCK_WRITE
		     : kind < 9 ? FABRIC_BLOCK_READ : FABRIC_BLOCK_FLUSH;
	if (lane->s.op == FABRIC_BLOCK_FLUSH)
		return;
	lane->s.length = BYTES;
	if (lane->s.op == FABRIC_BLOCK_WRITE)
		plan_write(lane);
}

// Offsets so far are within the lane's page.
static void
shift(struct lane *lane)
{
	u64 by = (u64)lane->index * BYTES;

	if (lane->s.op == FABRIC_BLOCK_FLUSH)
		return;
	lane->s.offset += by;
	for (u32 i = 0; i < lane->s.clause_count; i++)
		lane->s.clause[i].chain_offset += by;
}

static void
begin(struct lane *lane, bool first)
{
	bool sure = lane->state != LANE_UNSURE;

	lane->s = (struct fabric_submit){
		.tag = (u64)(lane - lanes),
		.slot = lane->block ? blocks.slot : pages.slot,
		.local = fabric_local(lane->buffer),
	};
	lane->rereads = !sure;
	if (sure)
		memcpy(lane->before, lane->model, BYTES);
	if (!sure || first) {
		lane->s.length = BYTES;
		lane->s.op = lane->block ? (first ? FABRIC_BLOCK_WRITE
						  : FABRIC_BLOCK_READ)
					 : first ? FABRIC_WRITE : FABRIC_READ;
		if (first)
			plan_write(lane);
	} else if (lane->block) {
		plan_block(lane);
	} else {
		plan_page(lane);
	}
	shift(lane);
	lane->state = LANE_OPEN;
	begun++;
	if (!fabric_put(&fabric, &lane->s))
		wrong(lane, "there was no room for it");
}

// ---- the end: what came, against the model

static void
make_sure(struct lane *lane)
{
	for (u32 i = 0; i < BYTES; i++) {
		if (lane->buffer[i] != lane->model[i] &&
		    lane->buffer[i] != lane->before[i]) {
			wrong(lane, "neither what was nor what was to be");
			break;
		}
	}
	memcpy(lane->model, lane->buffer, BYTES);
}

static void
compare(struct lane *lane, const struct fabric_complete *c)
{
	const struct fabric_clause *clause;

	switch (lane->s.op) {
	case FABRIC_READ:
	case FABRIC_BLOCK_READ:
		if (c->length != lane->s.length ||
		    memcmp(lane->buffer, lane->model + lane->s.offset % BYTES,
			   lane->s.length))
			wrong(lane, "other bytes came");
		break;
	case FABRIC_MCAS:
		if (c->clause != lane->clause || c->old[1] != lane->old[1])
			wrong(lane, "another clause matched");
		clause = &lane->s.clause[MIN(lane->clause, 2u)];
		if (lane->clause != FABRIC_CLAUSE_NONE &&
		    (c->length != clause->chain_length ||
		     memcmp(lane->buffer,
			    lane->model + clause->chain_offset % BYTES,
			    clause->chain_length)))
			wrong(lane, "the chained read brought other bytes");
		// fall through
	case FABRIC_FETCH_ADD:
		if (c->old[0] != lane->old[0])
			wrong(lane, "another old value");
		break;
	default:
		break;
	}
}

static void
finish(struct lane *lane, const struct fabric_complete *c)
{
	bool link = c->code == 19 || c->code == 21;

	ended++;
	lane->state = lane->rereads ? LANE_UNSURE : LANE_READY;
	if (c->outcome == FABRIC_DONE) {
		done_count[lane->s.op]++;
		lane->state = LANE_READY;
		if (lane->rereads)
			make_sure(lane);
		else
			compare(lane, c);
		return;
	}
	if (!link)
		wrong(lane, far_error_text(FAR_CODE(c->code)));
	if (c->outcome == FABRIC_NOT_DONE) {
		not_done++;
		if (!lane->rereads)
			memcpy(lane->model, lane->before, BYTES);
	} else {
		unknown++;
		lane->state = LANE_UNSURE;
	}
	// No session now: there may be one later.
	wait_sleep(&(struct wait_set){ .deadline_ns = now_ns() + PAUSE_NS });
}

static void
lanes_open(u16 node)
{
	u32 slot;
	struct far_ask ask = {
		.kind = FAR_ASK_BLOCKS,
		.rights = CAP_READ | CAP_WRITE,
		.first = PAGE_LANES,
		.count = BLOCK_LANES,
	};
	bool disk;

	ask_or_exit(node, FAR_ASK_PAGES, CAP_READ | CAP_WRITE, 0, PAGE_LANES,
		    &pages);
	disk = !far_ask(&io, node, &ask, region_page(0), &slot) &&
	       !far_open(&blocks, &io, slot);
	lane_count = disk ? LANES : PAGE_LANES;
	for (u32 i = 0; i < lane_count; i++) {
		lanes[i].block = i >= PAGE_LANES;
		lanes[i].index = i >= PAGE_LANES ? i - PAGE_LANES : i;
		lanes[i].buffer = region_page(FIRST_BUFFER + i);
		begin(&lanes[i], true);
	}
}

static int
verdict(u64 seed)
{
	print("remote: %s %lu operations, seed %lu: %lu read, %lu written, %lu "
	      "swapped, %lu added, %lu notified, %lu blocks read, %lu written, "
	      "%lu flushed; %lu not done, %lu unknown, %u wrong\n",
	      failures ? "FAIL" : "PASS", ended, seed, done_count[FABRIC_READ],
	      done_count[FABRIC_WRITE], done_count[FABRIC_MCAS],
	      done_count[FABRIC_FETCH_ADD], done_count[FABRIC_NOTIFY],
	      done_count[FABRIC_BLOCK_READ], done_count[FABRIC_BLOCK_WRITE],
	      done_count[FABRIC_BLOCK_FLUSH], not_done, unknown, failures);
	return failures ? STATUS_FAILED : STATUS_OK;
}

int
hammer(int argc, char **argv)
{
	u64 wanted = 1000, seed = 1;
	struct fabric_complete complete;

	if ((argc > 3 && !text_to_u64(argv[3], &wanted)) ||
	    (argc > 4 && !text_to_u64(argv[4], &seed)))
		return STATUS_USAGE;
	prng_seed(&prng, seed);
	lanes_open(node_or_exit(argv[2]));
	while (ended < begun) {
		i64 error = fabric_flush(&fabric);

		if (error || !fabric_next(&fabric, &complete,
					  now_ns() + STUCK_NS)) {
			print("remote: FAIL, no answer, seed %lu: %s\n", seed,
			      far_error_text(error));
			return STATUS_FAILED;
		}
		finish(&lanes[complete.tag % LANES], &complete);
		if (begun < wanted && failures < FAILURES_SHOWN)
			begin(&lanes[complete.tag % LANES], false);
	}
	return verdict(seed);
}
