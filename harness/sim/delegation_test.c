// SPDX-License-Identifier: BSD-2-Clause
// links: harness/sim/model.c harness/sim/effect.c harness/sim/history.c
// links: harness/sim/authority.c harness/sim/terms.c harness/sim/delegation.c
// links: harness/sim/pieces.c harness/sim/trace.c
// links: harness/testing/host_assert.c
//
// The oracle on PUTV, on endpoints' programs and on operations on capabilities: it lets
// good histories pass, and finds what is wrong with each bad one.

#include "harness/sim/test_model.h"

static const struct party other = { 1, 1, 3 };

// A row that came from another one, and its entry.
static u32
row_below(u32 parent, enum model_store store, u32 rights, u32 base, u32 count)
{
	u32 row = grant(store, rights, base, count);

	model.authority.cap[row].parent = parent;
	model.authority.cap[row].holder = other;
	model.authority.cap[row].slot = row;
	model.authority.cap[row].generation = 1;
	model.authority.cap[row].made_at = trace.now;
	trace.now++;
	return row;
}

static void
put_word(u32 at, u64 word)
{
	memcpy(memory(STORE_PAGES, at), &word, 8);
}

static void
look(void)
{
	trace.now++;
	model_look(&model, 1, STORE_PAGES, trace.now);
}

static void
answer_clause(u32 op, u64 old, u8 clause)
{
	model_answered(&model, op, &(struct model_answer){
		.outcome = DONE, .old = { old, 0 }, .clause = clause });
}

// ---- PUTV: the word at 8 of page 0, a piece beside it, and one in page 1

static u32
submit_putv(u64 compare)
{
	struct model_op op = op_of(DO_PUTV, pages, 8, 8);

	op.clauses = 1;
	op.clause[0].compare[0] = compare;
	op.clause[0].compare_mask[0] = UINT64_MAX;
	op.pieces = 2;
	op.piece[0] = (struct model_piece){ 16, 4 };
	op.piece[1] = (struct model_piece){ UNIT, 20 };
	return model_submit(&model, &op);
}

static void
put_pieces(u32 op, u32 first, u32 last)
{
	const u32 at[] = { 24, UNIT + 8 };
	u32 from = 0;

	for (u32 i = 0; i < 2; i++) {
		for (u32 j = 0; j < model.op[op].piece[i].len; j++, from++) {
			if (i >= first && i <= last)
				*memory(STORE_PAGES, at[i] + j) =
					model_byte(&model.op[op], from);
		}
	}
}

CASE(pieces_and_word)
{
	u32 op = submit_putv(0);

	put_word(8, 5);
	put_pieces(op, 0, 1);
	GOOD(look());
	BAD(answer_clause(op, 1, 0), "its word compares otherwise");
	GOOD(answer_clause(op, 0, 0));
}

CASE(a_piece_is_missing)
{
	u32 op = submit_putv(0);

	put_word(8, 5);
	put_pieces(op, 0, 0);
	BAD(look(), "a page changed, and no operation explains it");
}

CASE(pieces_without_word)
{
	u32 op = submit_putv(0);

	put_pieces(op, 0, 1);
	BAD(look(), "a page changed, and no operation explains it");
}

CASE(pieces_though_the_word_differs)
{
	u32 op = submit_putv(3);

	put_word(8, 5);
	put_pieces(op, 0, 1);
	BAD(look(), "a page changed, and no operation explains it");
}

CASE(no_pieces_where_the_word_differs)
{
	u32 op = submit_putv(3);

	BAD(answer_clause(op, 3, 0), "it is DONE, and its effect was not seen");
	BAD(answer_clause(op, 4, NO_CLAUSE),
	    "its bytes were never so since its submission");
	GOOD(answer_clause(op, 0, NO_CLAUSE));
}

// ---- programs of endpoints

CASE(invocations)
{
	u32 endpoint = grant(OBJECT_ENDPOINT, RIGHTS, 0, 1);
	struct model_op op = op_of(DO_INVOKE, endpoint, 0, 24);
	u32 index = model_submit(&model, &op), late = model_submit(&model, &op);
	const u64 result[2] = { 7, 8 };
	u8 bytes[24];

	model_payload(&model.op[index], bytes);
	GOOD(model_invoked(&model, 1, index, bytes, 24, result));
	BAD(model_invoked(&model, 1, index, bytes, 24, result), "it had effect twice");
	BAD(answer(index, DONE, WHY_NONE, 6), "its old value is not what it found");
	BAD(answer(index, DONE, WHY_NONE, 7), "its result is not what the program made");
	BAD(answer(index, NOT_DONE, WHY_SESSION, 0),
	    "NOT_DONE was reported, and it has had effect");
	GOOD(answer(late, NOT_DONE, WHY_SESSION, 0));
	BAD(model_invoked(&model, 1, late, bytes, 24, result),
	    "it had effect after NOT_DONE was reported");
}

// ---- expelled, protected, shortened

static u32
submit_naming(enum model_kind kind, u32 cap, u32 row, u32 rights)
{
	struct model_op op = op_of(kind, cap, 0, 0);

	op.named = row;
	op.named_generation = 1;
	op.rights = rights;
	return model_submit(&model, &op);
}

CASE(expelled)
{
	u32 row = row_below(pages, STORE_PAGES, RIGHTS, 0, 1);
	u32 beside = row_below(blocks, STORE_DISK, RIGHTS, 0, 1);
	u32 op = submit_naming(DO_EXPEL, pages, row, 0), mine, stranger;

	BAD(model_revoked(&model, beside, true),
	    "a capability was revoked, and no operation asked for it");
	GOOD(model_revoked(&model, row, true));
	GOOD(answer(op, DONE, WHY_NONE, 0));
	trace.now++;
	mine = model_submit(&model, &(struct model_op){
		.kind = DO_WRITE, .by = other, .owner = 1, .owner_boot = 1, .cap = row,
		.len = 8, .payload = 1 });
	BAD(place(mine, STORE_PAGES, 0, 8), "it had effect with a revoked capability");
	stranger = submit_naming(DO_EXPEL, pages, beside, 0);
	BAD(answer(stranger, DONE, WHY_NONE, 0),
	    "it is DONE, and its effect was not seen");
	GOOD(answer(stranger, NOT_DONE, WHY_ENTRY, 0));
}

CASE(no_entry_though_there_is)
{
	u32 row = row_below(pages, STORE_PAGES, RIGHTS, 0, 1);
	u32 op = submit_naming(DO_EXPEL, pages, row, 0);

	BAD(answer(op, NOT_DONE, WHY_ENTRY, 0),
	    "it was refused for a reason that is not true");
}

CASE(rights_go)
{
	u32 row = row_below(pages, STORE_PAGES, RIGHTS, 0, 1);
	u32 op = submit_naming(DO_PROTECT, pages, OWN_SLOT, CAP_READ | CAP_DERIVE), write;

	BAD(model_protected(&model, pages, CAP_READ),
	    "rights were taken away, and no operation asked for it");
	GOOD(model_protected(&model, pages, CAP_READ | CAP_DERIVE));
	GOOD(answer(op, DONE, WHY_NONE, 0));
	trace.now++;
	write = submit(DO_WRITE, pages, 0, 8);
	BAD(place(write, STORE_PAGES, 0, 8), "it had effect without the right");
	GOOD(answer(write, NOT_DONE, WHY_RIGHTS, 0));
	assert_int_equal(authority_rights(&model.authority, row, trace.now),
			 CAP_READ | CAP_DERIVE);
	op = submit_naming(DO_PROTECT, pages, row, RIGHTS);
	BAD(model_protected(&model, row, RIGHTS),
	    "rights were taken away, and no operation asked for it");
	GOOD(answer(op, NOT_DONE, WHY_RIGHTS, 0));
}

CASE(units_go)
{
	u32 row = row_below(pages, STORE_PAGES, RIGHTS, 1, 1);
	u32 op = submit(DO_RELEASE, pages, 1, 0), before, after;

	before = submit(DO_READ, pages, UNIT, 8);
	BAD(answer(op, DONE, WHY_NONE, 0), "it is DONE, and its effect was not seen");
	BAD(model_shortened(&model, blocks, 1),
	    "a capability was shortened, and no operation asked for it");
	trace.now++;
	GOOD(model_shortened(&model, pages, 1));
	GOOD(answer(op, DONE, WHY_NONE, 0));
	assert_false(authority_holds(&model.authority, row, trace.now));
	assert_int_equal(authority_units(&model.authority, pages, trace.now), 1);
	GOOD(answer(before, NOT_DONE, WHY_RANGE, 0));
	trace.now++;
	after = submit(DO_WRITE, pages, UNIT, 8);
	BAD(place(after, STORE_PAGES, 0, 8), "it had effect out of range");
	op = submit(DO_RELEASE, pages, 1, 0);
	GOOD(answer(op, DONE, WHY_NONE, 0));		// nothing was left to go
}

// ---- pools

static u32
submit_alloc(u32 pool)
{
	struct model_op op = op_of(DO_ALLOC, pool, 0, 0);

	op.rights = CAP_READ;
	op.count = 1;
	op.range = 2;
	return model_submit(&model, &op);
}

static void
take_out(u32 pool, u32 base)
{
	u32 row = row_below(pool, STORE_PAGES, CAP_READ, base, 1);

	model.authority.cap[row].holder = (struct party){ 0, 1, 7 };
	model_derived(&model, row);
}

// Two want the same: which of them got which unit, only their answers tell.
CASE(out_of_a_pool)
{
	u32 pool = grant(OBJECT_POOL, RIGHTS, 0, 2);
	u32 first = submit_alloc(pool), second = submit_alloc(pool);

	pages = narrow = AUTHORITY_NONE;
	model.authority.cap[0].revoked_at = model.authority.cap[1].revoked_at = 0;
	GOOD(take_out(pool, 1));
	BAD(take_out(pool, 1), "what came out of a pool is somebody else's too");
	model.authority.cap[model.authority.count - 1].revoked_at = 0;
	GOOD(take_out(pool, 0));
	BAD(answer(first, DONE, WHY_NONE, 2), "its old value is not what it found");
	GOOD(answer(first, DONE, WHY_NONE, 0));
	GOOD(answer(second, DONE, WHY_NONE, 1));
	BAD(take_out(pool, 2), "a capability was derived, and no operation asked for it");
}

// ---- tickets: for who asks here, from a capability of somebody else

static u32
submit_redeem(u32 maker, u32 serial, u64 good_until)
{
	struct model_op op = op_of(DO_REDEEM, maker, 0, 0);

	op.to = op.by;
	op.rights = CAP_READ;
	op.count = 1;
	op.serial = serial;
	op.good_until = good_until;
	return model_submit(&model, &op);
}

static void
redeemed(u32 maker)
{
	u32 row = row_below(maker, STORE_PAGES, CAP_READ, 0, 1);

	model.authority.cap[row].holder = (struct party){ 0, 1, 7 };
	model_derived(&model, row);
}

CASE(tickets)
{
	u32 maker = row_below(pages, STORE_PAGES, RIGHTS, 0, 1);
	u32 first = submit_redeem(maker, 1, UINT64_MAX), again, late;

	BAD(answer(first, NOT_DONE, WHY_SPENT, 0),
	    "it was refused for a reason that is not true");
	BAD(answer(first, NOT_DONE, WHY_EXPIRED, 0),
	    "it was refused for a reason that is not true");
	GOOD(redeemed(maker));
	GOOD(answer(first, DONE, WHY_NONE, 0));
	again = submit_redeem(maker, 1, UINT64_MAX);
	BAD(redeemed(maker), "a capability was derived, and no operation asked for it");
	GOOD(answer(again, NOT_DONE, WHY_SPENT, 0));
	late = submit_redeem(maker, 2, trace.now);
	trace.now += 2;
	BAD(redeemed(maker), "a capability was derived, and no operation asked for it");
	GOOD(answer(late, NOT_DONE, WHY_EXPIRED, 0));
}

// What the ticket brought was taken for what a DERIVE had asked for.
CASE(a_ticket_and_its_twin)
{
	u32 maker = row_below(pages, STORE_PAGES, RIGHTS, 0, 1), again;
	struct model_op derive = op_of(DO_DERIVE, maker, 0, 0);

	derive.to = derive.by;
	derive.by = other;
	derive.rights = CAP_READ;
	derive.count = 1;
	model_submit(&model, &derive);
	submit_redeem(maker, 1, UINT64_MAX);
	again = submit_redeem(maker, 1, UINT64_MAX);
	BAD(answer(again, NOT_DONE, WHY_SPENT, 0),
	    "it was refused for a reason that is not true");
	GOOD(redeemed(maker));
	GOOD(answer(again, NOT_DONE, WHY_SPENT, 0));
}

CASE(a_ticket_of_somebody_else)
{
	u32 maker = row_below(pages, STORE_PAGES, RIGHTS, 0, 1);
	u32 index = submit_redeem(maker, 1, UINT64_MAX);

	model.op[index].to.env = 8;
	BAD(redeemed(maker), "a capability was derived, and no operation asked for it");
	GOOD(answer(index, NOT_DONE, WHY_HOLDER, 0));
}

// ---- who holds what

static void
answer_holders(u32 op, const struct model_holder *told, u32 count, u32 next)
{
	model_answered(&model, op, &(struct model_answer){
		.outcome = DONE, .holder = told, .holders = count, .next = next });
}

static struct model_holder
holder_of(u32 row)
{
	const struct authority_cap *cap = &model.authority.cap[row];

	return (struct model_holder){ cap->slot, 1, cap->holder, cap->rights, cap->base,
				      cap->count };
}

CASE(holders)
{
	u32 a = row_below(pages, STORE_PAGES, CAP_READ, 0, 1);
	u32 b = row_below(a, STORE_PAGES, CAP_READ, 0, 1);
	u32 beside = row_below(blocks, STORE_DISK, CAP_READ, 0, 1);
	u32 op = submit(DO_HOLDERS, pages, 0, 0);
	struct model_holder told[3] = { holder_of(a), holder_of(b), holder_of(beside) };

	BAD(answer_holders(op, told, 3, 0), "it names a holder of something else");
	BAD(answer_holders(op, told, 1, 0), "it leaves out a holder");
	told[1].rights = RIGHTS;
	BAD(answer_holders(op, told, 2, 0), "it names a holder with other rights");
	told[1] = holder_of(b);
	told[1].party.env = 9;
	BAD(answer_holders(op, told, 2, 0), "it names another holder");
	told[1] = holder_of(b);
	told[1].count = 2;
	BAD(answer_holders(op, told, 2, 0), "it names a holder with another range");
	GOOD(answer_holders(op, told, 1, b));
	trace.now++;
	authority_revoke(&model.authority, b, true, trace.now);
	trace.now++;
	op = submit(DO_HOLDERS, pages, 0, 0);
	told[1] = holder_of(b);
	BAD(answer_holders(op, told, 2, 0), "it names a holder of what was revoked");
	GOOD(answer_holders(op, told, 1, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pieces_and_word, start, stop),
		cmocka_unit_test_setup_teardown(a_piece_is_missing, start, stop),
		cmocka_unit_test_setup_teardown(pieces_without_word, start, stop),
		cmocka_unit_test_setup_teardown(pieces_though_the_word_differs, start,
						stop),
		cmocka_unit_test_setup_teardown(no_pieces_where_the_word_differs, start,
						stop),
		cmocka_unit_test_setup_teardown(invocations, start, stop),
		cmocka_unit_test_setup_teardown(expelled, start, stop),
		cmocka_unit_test_setup_teardown(no_entry_though_there_is, start, stop),
		cmocka_unit_test_setup_teardown(rights_go, start, stop),
		cmocka_unit_test_setup_teardown(units_go, start, stop),
		cmocka_unit_test_setup_teardown(out_of_a_pool, start, stop),
		cmocka_unit_test_setup_teardown(tickets, start, stop),
		cmocka_unit_test_setup_teardown(a_ticket_and_its_twin, start, stop),
		cmocka_unit_test_setup_teardown(a_ticket_of_somebody_else, start, stop),
		cmocka_unit_test_setup_teardown(holders, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
