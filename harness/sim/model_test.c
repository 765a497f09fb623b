// SPDX-License-Identifier: BSD-2-Clause
// links: harness/sim/model.c harness/sim/effect.c harness/sim/history.c
// links: harness/sim/authority.c harness/sim/terms.c harness/sim/delegation.c
// links: harness/sim/pieces.c harness/sim/trace.c
// links: harness/testing/host_assert.c
//
// The oracle on histories made by hand: it lets good ones pass, and finds what is
// wrong with each bad one. A checker is worth what it refuses.

#include "harness/sim/test_model.h"

static void
add_word(u32 at, u64 add)
{
	u64 word;

	memcpy(&word, memory(STORE_PAGES, at), 8);
	word += add;
	memcpy(memory(STORE_PAGES, at), &word, 8);
	trace.now++;
	model_look(&model, 1, STORE_PAGES, trace.now);
}

CASE(write_in_parts)
{
	u32 op = submit(DO_WRITE, pages, 100, 3000);

	GOOD(place(op, STORE_PAGES, 1400, 2800));
	GOOD(place(op, STORE_PAGES, 0, 1400));
	GOOD(place(op, STORE_PAGES, 2800, 3000));
	GOOD(answer(op, DONE, WHY_NONE, 0));
	BAD(answer(op, DONE, WHY_NONE, 0), "it was answered twice");
}

CASE(write_with_a_hole)
{
	u32 op = submit(DO_WRITE, pages, 100, 3000);

	GOOD(place(op, STORE_PAGES, 0, 1400));
	GOOD(place(op, STORE_PAGES, 2800, 3000));
	BAD(answer(op, DONE, WHY_NONE, 0), "it is DONE, and a byte of it is not there");
}

// The old value comes back after another's write: the same part placed again.
CASE(write_twice)
{
	u32 op = submit(DO_WRITE, pages, 0, 64);
	struct model_op other = op_of(DO_WRITE, pages, 0, 64);
	u32 second;

	other.payload = 1234;
	GOOD(place(op, STORE_PAGES, 0, 64));
	second = model_submit(&model, &other);
	GOOD(place(second, STORE_PAGES, 0, 64));
	BAD(place(op, STORE_PAGES, 0, 64), "it had effect twice");
}

// The two parts around one that was placed before, and written over since.
CASE(write_in_two_places)
{
	u32 op = submit(DO_WRITE, pages, 0, 3000), other;
	struct model_op over = op_of(DO_WRITE, pages, 1400, 64);

	over.payload = 7;
	GOOD(place(op, STORE_PAGES, 1368, 2736));
	other = model_submit(&model, &over);
	GOOD(place(other, STORE_PAGES, 0, 64));
	for (u32 i = 0; i < 1368; i++)
		*memory(STORE_PAGES, i) = model_byte(&model.op[op], i);
	GOOD(place(op, STORE_PAGES, 2736, 3000));
	GOOD(answer(op, DONE, WHY_NONE, 0));
}

CASE(write_of_nobody)
{
	*memory(STORE_PAGES, 17) = 1;
	BAD(model_look(&model, 1, STORE_PAGES, trace.now),
	    "a page changed, and no operation explains it");
}

CASE(write_of_two_pages)
{
	u32 op = submit(DO_WRITE, pages, 0, 64);

	*memory(STORE_PAGES, UNIT) = 1;
	BAD(place(op, STORE_PAGES, 0, 64), "a page changed, and no operation explains it");
}

CASE(late_write)
{
	u32 op = submit(DO_WRITE, pages, 0, 64);

	GOOD(answer(op, NOT_DONE, WHY_SESSION, 0));
	BAD(place(op, STORE_PAGES, 0, 64), "it had effect after NOT_DONE was reported");
}

CASE(late_unknown)
{
	u32 op = submit(DO_WRITE, pages, 0, 64);

	GOOD(answer(op, UNKNOWN_FINAL, WHY_SESSION, 0));
	BAD(place(op, STORE_PAGES, 0, 64),
	    "it had effect after UNKNOWN_FINAL was reported");
}

CASE(not_done_that_was)
{
	u32 op = submit(DO_ADD, pages, 8, 8);

	GOOD(add_word(8, 5));
	BAD(answer(op, NOT_DONE, WHY_SESSION, 0),
	    "NOT_DONE was reported, and it has had effect");
}

CASE(add_once)
{
	u32 op = submit(DO_ADD, pages, 8, 8);

	GOOD(add_word(8, 5));
	BAD(answer(op, DONE, WHY_NONE, 5), "its old value is not what it found");
	GOOD(answer(op, DONE, WHY_NONE, 0));
}

CASE(add_twice)
{
	u32 op = submit(DO_ADD, pages, 8, 8);

	(void)op;
	GOOD(add_word(8, 5));
	BAD(add_word(8, 5), "it had effect twice");
}

CASE(add_never)
{
	u32 op = submit(DO_ADD, pages, 8, 8);

	BAD(answer(op, DONE, WHY_NONE, 0), "it is DONE, and its effect was not seen");
}

CASE(notify)
{
	u32 op = submit(DO_NOTIFY, pages, 8, 4);

	GOOD(add_word(8, 1));
	GOOD(answer(op, DONE, WHY_NONE, 0));
	op = submit(DO_NOTIFY, pages, 8, 4);
	GOOD(add_word(8, 1));
	BAD(add_word(8, 1), "it had effect twice");
}

static u32
submit_mcas(u64 compare, u64 swap)
{
	struct model_op op = op_of(DO_MCAS, pages, 16, 8);

	op.clauses = 2;
	op.clause[0] = (struct model_clause){ { 77 }, { UINT64_MAX }, { 1 },
					      { UINT64_MAX }, 0, 0 };
	op.clause[1] = (struct model_clause){ { compare }, { UINT64_MAX }, { swap },
					      { 0xffff }, 0, 0 };
	return model_submit(&model, &op);
}

static void
answer_mcas(u32 op, u64 old, u8 clause)
{
	model_answered(&model, op, &(struct model_answer){
		.outcome = DONE, .old = { old, 0 }, .clause = clause });
}

CASE(mcas)
{
	u32 op = submit_mcas(0, 0xabcd);

	GOOD(add_word(16, 0xabcd));
	BAD(answer_mcas(op, 77, 0), "it is DONE, and its effect was not seen");
	BAD(answer_mcas(op, 0, NO_CLAUSE), "its clause is not the first that matches");
	GOOD(answer_mcas(op, 0, 1));
}

CASE(mcas_beyond_its_mask)
{
	submit_mcas(0, 0xabcd);
	BAD(add_word(16, 0x1abcd), "a page changed, and no operation explains it");
}

CASE(mcas_without_match)
{
	u32 op = submit_mcas(12, 1);

	BAD(answer_mcas(op, 3, NO_CLAUSE), "its bytes were never so since its submission");
	GOOD(answer_mcas(op, 0, NO_CLAUSE));
}

static void
answer_read(u32 op, const u8 *bytes, u32 len)
{
	model_answered(&model, op, &(struct model_answer){
		.outcome = DONE, .bytes = bytes, .len = len, .clause = NO_CLAUSE });
}

// A READ tells of one moment since it was asked, not of two, not of before.
CASE(read_of_one_moment)
{
	u8 before[UNIT], between[UNIT], mixed[UNIT];
	u32 first = submit(DO_WRITE, pages, 0, 64), read;

	memcpy(before, memory(STORE_PAGES, 0), UNIT);
	GOOD(place(first, STORE_PAGES, 0, 32));
	memcpy(between, memory(STORE_PAGES, 0), UNIT);
	trace.now += 10;
	read = submit(DO_READ, pages, 0, 128);
	trace.now += 10;
	GOOD(place(first, STORE_PAGES, 32, 64));
	memcpy(mixed, memory(STORE_PAGES, 0), UNIT);
	memcpy(mixed, before, 32);
	BAD(answer_read(read, before, 128), "its bytes were never so since its submission");
	BAD(answer_read(read, mixed, 128), "its bytes were never so since its submission");
	BAD(answer_read(read, between, 127), "its answer has another length");
	GOOD(answer_read(read, between, 128));
}

CASE(without_right)
{
	u32 op = submit(DO_WRITE, narrow, 0, 8);

	for (u32 i = 0; i < 8; i++)
		*memory(STORE_PAGES, UNIT + i) = model_byte(&model.op[op], i);
	BAD(model_look(&model, 1, STORE_PAGES, trace.now), "it had effect without the right");
	BAD(answer(op, DONE, WHY_NONE, 0), "done without the right");
	BAD(answer(op, NOT_DONE, WHY_RANGE, 0),
	    "it was refused for a reason that is not true");
	model.op[op].effects = 0;
	GOOD(answer(op, NOT_DONE, WHY_RIGHTS, 0));
}

CASE(out_of_range)
{
	u32 op = submit(DO_READ, narrow, UNIT - 4, 8);

	BAD(answer_read(op, real[0], 8), "done out of range");
	GOOD(answer(op, NOT_DONE, WHY_RANGE, 0));
}

CASE(of_another_holder)
{
	struct model_op op = op_of(DO_READ, pages, 0, 8);
	u32 index;

	op.by.env = 8;
	index = model_submit(&model, &op);
	BAD(answer_read(index, real[2], 8), "done for one who does not hold it");
	GOOD(answer(index, NOT_DONE, WHY_HOLDER, 0));
}

CASE(revoked)
{
	u32 child = grant(STORE_PAGES, RIGHTS, 0, 1);
	u32 early, late;

	model.authority.cap[child].parent = pages;
	early = submit(DO_WRITE, child, 0, 8);
	BAD(answer(early, NOT_DONE, WHY_REVOKED, 0),
	    "it was refused for a reason that is not true");
	GOOD(place(early, STORE_PAGES, 0, 4));
	authority_revoke(&model.authority, pages, true, trace.now);
	trace.now += 10;
	BAD(place(early, STORE_PAGES, 4, 8), "it had effect with a revoked capability");
	GOOD(model_look(&model, 1, STORE_PAGES, trace.now - 11));
	late = submit(DO_READ, child, 64, 8);
	BAD(answer_read(late, memory(STORE_PAGES, 64), 8),
	    "done with a revoked capability");
	GOOD(answer(late, NOT_DONE, WHY_REVOKED, 0));
}

CASE(across_boots)
{
	u32 op = submit(DO_WRITE, pages, 0, 8);

	boot[1] = 2;
	BAD(place(op, STORE_PAGES, 0, 8),
	    "it had effect in another boot than it was meant for");
}

CASE(of_a_dead_node)
{
	u32 op = submit(DO_WRITE, pages, 0, 16);

	model_crashed(&model, 0);
	GOOD(place(op, STORE_PAGES, 0, 8));
	trace.now += 2 * NS_PER_SECOND;
	BAD(place(op, STORE_PAGES, 8, 16),
	    "it had effect when the lease of its dead node was over");
}

CASE(flushed_blocks)
{
	u32 first = submit(DO_BLOCK_WRITE, blocks, 0, UNIT), second, flush;
	struct model_op op = op_of(DO_BLOCK_WRITE, blocks, 0, UNIT);
	u8 old[UNIT];

	op.payload = 4321;
	GOOD(place(first, STORE_DISK, 0, UNIT));
	GOOD(answer(first, DONE, WHY_NONE, 0));
	trace.now += 10;
	flush = submit(DO_FLUSH, blocks, 0, 0);
	memcpy(old, memory(STORE_DISK, 0), UNIT);
	GOOD(answer(flush, DONE, WHY_NONE, 0));
	second = model_submit(&model, &op);
	GOOD(place(second, STORE_DISK, 0, UNIT));
	memcpy(memory(STORE_DISK, 0), old, UNIT);
	GOOD(model_power_cut(&model, 1));
	memset(memory(STORE_DISK, 0), 0, UNIT);
	BAD(model_power_cut(&model, 1), "a block lost what had been flushed");
}

CASE(messages)
{
	u32 op = submit(DO_SEND, AUTHORITY_NONE, 0, 40);
	u8 bytes[40], wrong[40];

	model_payload(&model.op[op], bytes);
	memcpy(wrong, bytes, sizeof(bytes));
	wrong[20] ^= 1;
	BAD(model_delivered(&model, 0, op, bytes, 40), "a message came to another node");
	BAD(model_delivered(&model, 1, op, wrong, 40), "a message came with other bytes");
	GOOD(model_delivered(&model, 1, op, bytes, 40));
	BAD(model_delivered(&model, 1, op, bytes, 40), "it had effect twice");
	BAD(model_delivered(&model, 1, op + 1, bytes, 40),
	    "a message came that nobody sent");
}

static u32
submit_derive(u32 rights)
{
	struct model_op op = op_of(DO_DERIVE, pages, 0, 0);

	op.to = (struct party){ 1, 1, 3 };
	op.rights = rights;
	op.base = op.count = 1;
	return model_submit(&model, &op);
}

static void
derive_row(u32 rights)
{
	u32 row = grant(STORE_PAGES, rights, 1, 1);

	model.authority.cap[row].parent = pages;
	model.authority.cap[row].holder = (struct party){ 1, 1, 3 };
	model_derived(&model, row);
}

CASE(derivations)
{
	u32 op = submit_derive(CAP_READ);

	BAD(answer(op, DONE, WHY_NONE, 0), "it is DONE, and its effect was not seen");
	BAD(derive_row(CAP_WRITE), "a capability was derived, and no operation asked for it");
	GOOD(derive_row(CAP_READ));
	BAD(derive_row(CAP_READ), "a capability was derived, and no operation asked for it");
	GOOD(answer(op, DONE, WHY_NONE, 0));
	BAD(model_revoked(&model, pages, false),
	    "a capability was revoked, and no operation asked for it");
}

// A NOTIFY of a dead node and one of another: the word alone does not tell whose.
CASE(twins)
{
	u32 lost = submit(DO_NOTIFY, pages, 8, 4), other;

	model_crashed(&model, 0);
	other = submit(DO_NOTIFY, pages, 8, 4);
	GOOD(add_word(8, 1));
	GOOD(answer(other, DONE, WHY_NONE, 0));
	assert_int_equal(model.op[lost].effects, 0);
	GOOD(add_word(8, 1));
	BAD(add_word(8, 1), "it had effect twice");
}

// Of numbers that nobody held when they were used, and somebody does later.
CASE(early)
{
	struct model_op op = op_of(DO_WRITE, AUTHORITY_NONE, 0, 8);
	u32 index, row;

	op.forged = true;
	op.slot = 5;
	op.generation = 2;
	index = model_submit(&model, &op);
	row = grant(STORE_PAGES, RIGHTS, 0, 1);
	model.authority.cap[row].slot = 5;
	model.authority.cap[row].generation = 3;
	model_row_made(&model, row);
	for (u32 i = 0; i < 8; i++)
		*memory(STORE_PAGES, i) = model_byte(&model.op[index], i);
	BAD(model_look(&model, 1, STORE_PAGES, trace.now),
	    "a page changed, and no operation explains it");
	model.authority.cap[row].generation = 2;
	model_row_made(&model, row);
	GOOD(model_look(&model, 1, STORE_PAGES, trace.now));
	GOOD(answer(index, DONE, WHY_NONE, 0));
}

CASE(fences)
{
	struct model_op op = op_of(DO_WRITE, pages, 64, 8);
	u32 first = submit(DO_WRITE, pages, 0, 8), second;

	op.fenced = true;
	second = model_submit(&model, &op);
	BAD(place(second, STORE_PAGES, 0, 8),
	    "it had effect before one that it is fenced from");
	memset(real[STORE_COUNT], 0, UNIT);
	GOOD(place(first, STORE_PAGES, 0, 8));
	GOOD(answer(first, DONE, WHY_NONE, 0));
	GOOD(place(second, STORE_PAGES, 0, 8));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(write_in_parts, start, stop),
		cmocka_unit_test_setup_teardown(write_with_a_hole, start, stop),
		cmocka_unit_test_setup_teardown(write_twice, start, stop),
		cmocka_unit_test_setup_teardown(write_in_two_places, start, stop),
		cmocka_unit_test_setup_teardown(write_of_nobody, start, stop),
		cmocka_unit_test_setup_teardown(write_of_two_pages, start, stop),
		cmocka_unit_test_setup_teardown(late_write, start, stop),
		cmocka_unit_test_setup_teardown(late_unknown, start, stop),
		cmocka_unit_test_setup_teardown(not_done_that_was, start, stop),
		cmocka_unit_test_setup_teardown(add_once, start, stop),
		cmocka_unit_test_setup_teardown(add_twice, start, stop),
		cmocka_unit_test_setup_teardown(add_never, start, stop),
		cmocka_unit_test_setup_teardown(notify, start, stop),
		cmocka_unit_test_setup_teardown(mcas, start, stop),
		cmocka_unit_test_setup_teardown(mcas_beyond_its_mask, start, stop),
		cmocka_unit_test_setup_teardown(mcas_without_match, start, stop),
		cmocka_unit_test_setup_teardown(read_of_one_moment, start, stop),
		cmocka_unit_test_setup_teardown(without_right, start, stop),
		cmocka_unit_test_setup_teardown(out_of_range, start, stop),
		cmocka_unit_test_setup_teardown(of_another_holder, start, stop),
		cmocka_unit_test_setup_teardown(revoked, start, stop),
		cmocka_unit_test_setup_teardown(across_boots, start, stop),
		cmocka_unit_test_setup_teardown(of_a_dead_node, start, stop),
		cmocka_unit_test_setup_teardown(flushed_blocks, start, stop),
		cmocka_unit_test_setup_teardown(messages, start, stop),
		cmocka_unit_test_setup_teardown(derivations, start, stop),
		cmocka_unit_test_setup_teardown(fences, start, stop),
		cmocka_unit_test_setup_teardown(twins, start, stop),
		cmocka_unit_test_setup_teardown(early, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
