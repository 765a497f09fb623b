// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The oracle on histories made by hand: two nodes, of which node 0 holds capabilities of
// node 1's; what it says of a statement; bytes that the statement is about. Included by
// the oracle's own tests.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/sim/model.h"
#include "kernel/abi/caps.h"

#define NODES 2u
#define UNITS 2u
#define RIGHTS (CAP_READ | CAP_WRITE | CAP_DERIVE)

static struct model model;
static struct trace trace;
static struct store stores[NODES * STORE_COUNT];
static u8 real[NODES * STORE_COUNT][UNITS * UNIT];
static u8 shadow[NODES * STORE_COUNT][UNITS * UNIT];
static u64 durable[NODES * STORE_COUNT][UNITS];
static struct change *newest[NODES * STORE_COUNT][UNITS];
static u8 *history_bytes;
static u32 boot[NODES];
static u32 pages, narrow, blocks;	// rows of authority: node 1's, held by node 0
static jmp_buf back;
static const char *complaint;

void
model_failed(const struct model *m, u32 op, const char *what)
{
	(void)m, (void)op;
	complaint = what;
	longjmp(back, 1);
}

// What the oracle says of `statement`: NULL, or its complaint.
#define SAID(statement) \
	(complaint = NULL, setjmp(back) ? complaint : ((statement), complaint))
#define GOOD(statement) assert_null(SAID(statement))
#define BAD(statement, text) \
	do { \
		const char *said = SAID(statement); \
		assert_non_null(said); \
		assert_string_equal(said, text); \
	} while (0)

static u32
grant(enum model_store store, u32 rights, u32 base, u32 count)
{
	return authority_add(&model.authority, &(struct authority_cap){
		.holder = { .node = 0, .boot = 1, .env = 7 }, .owner = 1,
		.owner_boot = 1, .parent = AUTHORITY_NONE, .store = store,
		.rights = rights, .base = base, .count = count });
}

static int
start(void **state)
{
	(void)state;
	if (!history_bytes)
		history_bytes = malloc(HISTORY_BYTES);
	trace_init(&trace, false);
	memset(real, 0, sizeof(real));
	memset(shadow, 0, sizeof(shadow));
	memset(durable, 0, sizeof(durable));
	memset(newest, 0, sizeof(newest));
	for (u32 i = 0; i < NODES * STORE_COUNT; i++) {
		stores[i] = (struct store){ real[i], shadow[i], newest[i],
					    durable[i], UNITS };
	}
	boot[0] = boot[1] = 1;
	model_init(&model, &trace, stores, NODES, history_bytes);
	model.boot = boot;
	model.lease_ns = NS_PER_SECOND;
	pages = grant(STORE_PAGES, RIGHTS, 0, 2);
	narrow = grant(STORE_PAGES, CAP_READ, 1, 1);
	blocks = grant(STORE_DISK, RIGHTS, 0, 2);
	trace.now = 1000;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	free(history_bytes);
	history_bytes = NULL;
	return 0;
}

static inline struct model_op
op_of(enum model_kind kind, u32 cap, u32 offset, u32 len)
{
	return (struct model_op){ .kind = kind, .by = { 0, 1, 7 }, .owner = 1,
				  .owner_boot = 1, .cap = cap, .offset = offset,
				  .len = len, .payload = 99, .add = 5 };
}

static u32
submit(enum model_kind kind, u32 cap, u32 offset, u32 len)
{
	struct model_op op = op_of(kind, cap, offset, len);

	return model_submit(&model, &op);
}

static u8 *
memory(enum model_store kind, u32 at)
{
	return real[STORE_COUNT + kind] + at;
}

// The owner carries out [from, to) of a WRITE or BLOCK_WRITE.
static void
place(u32 index, enum model_store kind, u32 from, u32 to)
{
	const struct model_op *op = &model.op[index];

	for (u32 i = from; i < to; i++)
		*memory(kind, op->offset + i) = model_byte(op, i);
	trace.now++;
	model_look(&model, 1, kind, trace.now);
}

static void
answer(u32 op, enum model_outcome outcome, enum model_reason reason, u64 old)
{
	trace.now++;
	model_answered(&model, op, &(struct model_answer){
		.outcome = outcome, .reason = reason, .old = { old, 0 },
		.clause = NO_CLAUSE });
}

#define CASE(name) static void name(void **state __attribute__((unused)))
