// SPDX-License-Identifier: BSD-2-Clause
// Weighted service: what each operation makes its share pay, and that what is no READ is
// served by weight too.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/together.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c net/rcap/asked_rig.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/rcap/serve.c
// links: net/rcap/ticket.c net/rcap/recall.c net/rcap/lease.c
// links: net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c
// links: net/link/ask.c net/link/grant.c net/link/seal.c net/link/input.c
// links: net/link/time.c net/link/pace.c net/link/rekey.c net/link/hide.c net/link/check.c
// links: net/sodium/crypto.c net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include "net/rcap/test_serve.h"

// A swap whose first clause always matches, and reads `length` bytes then.
static struct rcap_submit
swap_and_read(u32 node, u32 length)
{
	struct rcap_submit s = rig_submit(&rig, node, place_of[node], OP_MCAS, 0, 8, 0);

	s.window = 255;
	s.pieces = 1;
	s.clause[0].chain = CHAIN_READ;
	s.clause[0].chain_length = length;
	return s;
}

// Who reads by swaps has no more by it than its weight: a swap has its effect when it
// comes, or is told to come again.
static void
a_read_behind_a_swap_is_weighed(void **state)
{
	static const u8 weight[] = { 48, 0 };
	struct rcap_submit s;
	u64 first, second;

	(void)state;
	warm_holders(weight);
	rig.node[0].engaged = true;
	ask(1, MANY);
	rig_run(&rig, ARRIVAL_NS);
	first = served(1);
	second = served(2);
	s = swap_and_read(2, PAGE);
	wanted(2, &s, MANY);
	rig_run(&rig, 20 * NS_PER_MS);
	assert_in_range(served(2) - second, 1, 2);
	while (served(1) < first + 16) {	// a turn is four pages
		rig.node[0].engaged = false;
		rcap_tick(owner(), rig.now);
		rig.node[0].engaged = true;
		rig_run(&rig, 10 * NS_PER_MS);
	}
	assert_int_equal(owner()->serve.count, MANY - 16);
	assert_in_range(served(2) - second, 3, 7);
	rig.node[0].engaged = false;
	assert_true(rig_wait(&rig, 2, 3 * MANY, NS_PER_SECOND));
	for (u32 i = 2 * MANY; i < 3 * MANY; i++)
		expect(&rig.node[2].completion[i], RCAP_DONE, CODE_NONE);
	rig_end(&rig);
}

// Told again since its answer was lost, it is read and paid for again, or has to wait.
static void
a_swap_told_again_is_paid_again(void **state)
{
	static const u8 weight[] = { 16, 32 };
	const struct rcap_export *entry;
	struct rcap_submit s;

	(void)state;
	warm_holders(weight);
	s = swap_and_read(1, 200);
	rig.cut[0][1] = true;
	wanted(1, &s, 1);
	rig_run(&rig, ARRIVAL_NS);
	rig.node[0].engaged = true;
	ask(2, 1);
	rig_run(&rig, ARRIVAL_NS);
	assert_int_equal(owner()->serve.count, 1);
	entry = put_ahead(&s.remote, 0);
	rig_run(&rig, 20 * NS_PER_MS);
	assert_true((i32)(entry->pass - owner()->serve.pass) > 0);
	put_ahead(&s.remote, 100 * PAGE);
	rig.cut[0][1] = false;
	rig_run(&rig, 20 * NS_PER_MS);
	assert_int_equal(rig.node[1].completions, 2 * MANY);	// told to wait
	rig.node[0].engaged = false;
	assert_true(rig_wait(&rig, 1, 2 * MANY + 1, NS_PER_SECOND));
	rig_end(&rig);
}

// Blocks are served by weight as pages are.
static void
blocks_are_weighed(void **state)
{
	static const u8 weight[] = { 16, 48 };
	struct rcap_submit s;
	u64 pages, blocks;
	u32 disk, slot;

	(void)state;
	warm_holders(weight);
	rig.weight = 16;
	disk = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 0, 8);
	slot = rig.node[1].place[disk].remote.slot;
	rig.node[0].block_ns = NS_PER_US;
	rig.node[0].engaged = true;
	s = rig_submit(&rig, 1, disk, OP_BLOCK_READ, 0, PAGE, 0);
	s.window = 255;
	wanted(1, &s, MANY);
	ask(2, MANY);
	rig_run(&rig, ARRIVAL_NS);
	assert_int_equal(owner()->serve.count, 2 * MANY);
	pages = served(2);
	blocks = rcap_uses(owner())[slot].operations;
	rig.node[0].engaged = false;
	for (u32 i = 0; i < 3; i++)		// a turn is three pages, or four
		rcap_tick(owner(), rig.now);
	assert_in_range(served(2) - pages, 8, 10);
	assert_in_range(rcap_uses(owner())[slot].operations - blocks, 2, 3);
	assert_true(rig_wait(&rig, 1, 3 * MANY, NS_PER_SECOND));
	rig_end(&rig);
}

// ---- what each operation pays

static u32 at_place[TYPE_POOL + 1];	// by what it names: node 1's place

static struct rcap_submit
submission(u8 op, u32 length)
{
	u8 type = wire_op_info[op].type;

	return rig_submit(&rig, 1, at_place[type == TYPE_ANY ? TYPE_FRAMES : type], op, 0,
			  length, 0);
}

// Runs it while something else waits. Its share is then ahead by what it has moved, in
// units of 64 bytes, times all weights of the granter's by its own: two.
static void
pays(const struct rcap_submit *s, u32 bytes)
{
	const struct rcap_export *entry = put_ahead(&s->remote, 0);
	u32 lead;

	do_expect(s, RCAP_DONE, CODE_NONE);
	assert_int_equal(owner()->serve.count, 1);
	lead = (entry->pass - owner()->serve.pass) / 2 * 64;
	if (lead < bytes || lead >= bytes + 4 * 64)
		fail_msg("%s pays %u bytes, not %u", wire_op_name(s->op), lead, bytes);
}

static void
memory_pays(void)
{
	struct rcap_submit s = submission(OP_READ, 200);

	pays(&s, 256 + 200);
	s = submission(OP_WRITE, PAGE);
	pays(&s, 256 + PAGE);
	s = submission(OP_FETCH_ADD, 8);
	pays(&s, 256 + 8);
	s = submission(OP_NOTIFY, 4);
	pays(&s, 256);
	s = submission(OP_READV, 200);
	s.pieces = 1;
	s.piece[0] = (struct rcap_piece){ 0, 200, 0 };
	pays(&s, 256 + 200 + WIRE_LENGTH(piece));
	s = submission(OP_PUTV, 8);
	s.pieces = 1;
	s.change.piece[0] = (struct rcap_piece){ 8, 1000, 0 };
	pays(&s, 256 + 1000 + WIRE_LENGTH(change) + WIRE_LENGTH(piece));
	s = submission(OP_MCAS, 8);
	s.pieces = 1;
	s.clause[0].chain = CHAIN_READ;
	s.clause[0].chain_length = 200;
	pays(&s, 256 + 200 + WIRE_LENGTH(clause));
	s.clause[0].chain = CHAIN_WRITE;
	s.clause[0].chain_length = 1000;
	pays(&s, 256 + 1000 + WIRE_LENGTH(clause));
}

static void
blocks_pay(void)
{
	struct rcap_submit s = submission(OP_BLOCK_WRITE, PAGE);

	pays(&s, 256 + PAGE);
	s = submission(OP_BLOCK_FUA, PAGE);
	pays(&s, 256 + PAGE);
	s = submission(OP_BLOCK_FLUSH, 0);
	pays(&s, 256);
	s = submission(OP_BLOCK_TRIM, 4 * PAGE);
	pays(&s, 256);
	s = submission(OP_BLOCK_ZERO, 4 * PAGE);
	pays(&s, 256 + 4 * PAGE);
}

static void
messages_pay(void)
{
	struct rcap_submit s = submission(OP_SEND, 700);

	assert_true(rcap_post(rig.node[0].rcap, 0, 0, PAGE, 0, 0));
	pays(&s, 256 + 700);
	s = submission(OP_INVOKE, 100);
	pays(&s, 256 + 100 + 40000 / 4);	// of its program, 4 ns a byte
}

static void
authority_pays(void)
{
	static const u8 plain[] = { OP_REVOKE, OP_RELEASE, OP_DROP };
	struct rcap_submit s = submission(OP_HOLDERS, 64);
	const struct rig_place *place;

	pays(&s, 256 + 64 + 4096);
	s = submission(OP_DERIVE, 0);
	s.derive = (struct wire_derive){ .incarnation = rig.node[1].incarnation,
					 .environment = ENV, .rights = RW, .count = 1 };
	memset(s.derive.uuid, 2, 16);
	pays(&s, 256 + WIRE_LENGTH(derive));
	rig_run(&rig, 20 * NS_PER_MS);
	place = &rig.node[1].place[rig.node[1].places - 1];
	s = submission(OP_EXPEL, 0);
	s.expel = (struct wire_expel){ place->remote.slot, place->remote.generation };
	pays(&s, 256 + WIRE_LENGTH(expel));
	s = submission(OP_PROTECT, 0);
	s.protect.slot = WIRE_SLOT_NONE;
	s.protect.rights = ALL;
	pays(&s, 256 + WIRE_LENGTH(protect));
	s = submission(OP_ALLOC, 0);
	s.alloc = (struct wire_alloc){ .range = 4, .count = 2, .rights = RW };
	pays(&s, 256 + WIRE_LENGTH(alloc) + 2 * PAGE);
	for (u32 i = 0; i < ARRAY_SIZE(plain); i++) {
		s = submission(plain[i], 0);
		s.offset = plain[i] == OP_RELEASE ? 1 : 0;
		pays(&s, 256);
	}
}

// All of net/wire/ops.def, but those that name no capability, and BLOCK_READ, which
// always waits.
static void
every_operation_pays(void **state)
{
	static const u8 others[] = { OP_GRANT, OP_REDEEM, OP_RECALL, OP_BLOCK_READ };
	static const u8 weight[] = { 32, 32 };

	(void)state;
	holders(2, weight, NULL);
	rig.weight = 32;
	at_place[TYPE_FRAMES] = place_of[1];
	at_place[TYPE_BLOCKS] = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 0, 8);
	at_place[TYPE_POOL] = rig_export(&rig, 0, 1, ENV, TYPE_POOL, ALL, 16, 8);
	assert_true(rcap_endpoint_open(rig.node[0].rcap, 0, 1));
	at_place[TYPE_ENDPOINT] = rig_export(&rig, 0, 1, ENV, TYPE_ENDPOINT,
					     WIRE_RIGHT_WRITE, 0, 1);
	rig.node[0].handles = true;
	rig.node[0].invoke_ns = 40 * NS_PER_US;
	rig.node[0].engaged = true;
	ask(2, 1);
	rig_run(&rig, ARRIVAL_NS);
	memory_pays();
	blocks_pay();
	messages_pay();
	authority_pays();
	for (u32 op = 1; op < OP_COUNT; op++)
		assert_true(rcap_counters(owner())->executed[op] ||
			    memchr(others, (int)op, sizeof(others)));
	rig_end(&rig);
}

// Small ones go ahead, by a page at most; then they wait for their share's turn.
static void
small_ones_wait_when_they_are_many(void **state)
{
	static const u8 weight[] = { 16, 48 };
	struct rcap_submit s;
	u64 words, pages;

	(void)state;
	warm_holders(weight);
	rig.node[0].engaged = true;
	ask(2, 1);
	rig_run(&rig, ARRIVAL_NS);
	words = served(1);
	s = rig_submit(&rig, 1, place_of[1], OP_READ, 0, 8, 0);
	s.window = 255;
	wanted(1, &s, 40);
	rig_run(&rig, ARRIVAL_NS);
	assert_in_range(served(1) - words, 13, 17);	// 320 bytes each, a page and one more
	ask(2, MANY);
	rig_run(&rig, ARRIVAL_NS);
	words = served(1);
	pages = served(2);
	rig.node[0].engaged = false;
	while (served(2) < pages + 6)
		rcap_tick(owner(), rig.now);
	assert_in_range(served(1) - words, 9, 17);	// a third, less what it had ahead
	assert_true(rig_wait(&rig, 1, 2 * MANY + 40, NS_PER_SECOND));
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_behind_a_swap_is_weighed),
		cmocka_unit_test(a_swap_told_again_is_paid_again),
		cmocka_unit_test(blocks_are_weighed),
		cmocka_unit_test(every_operation_pays),
		cmocka_unit_test(small_ones_wait_when_they_are_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
