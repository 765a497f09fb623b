// SPDX-License-Identifier: BSD-2-Clause
// READV, PUTV and the chains of MCAS against a model that is an array of bytes, over a
// link that loses, repeats and delays: each has its effect once or not at all. Their
// refusals; and how long an operation says that it took, and where.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/together.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c net/rcap/asked_rig.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/rcap/serve.c
// links: net/rcap/ticket.c net/rcap/recall.c net/rcap/lease.c
// links: net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c net/link/ask.c
// links: net/link/grant.c net/link/seal.c net/link/input.c net/link/time.c
// links: net/link/pace.c net/link/rekey.c net/link/hide.c net/link/check.c net/sodium/crypto.c
// links: net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include "net/rcap/test_pair.h"

#define BYTES (4 * 4096u)
#define ROUNDS 400u

static u8 model[BYTES];

static void
faulty(void)
{
	rig.loss = 80;
	rig.repeat = 50;
	rig.delay = 100;
}

static u64
below(u64 limit)
{
	return prng_below(&rig.prng, limit);
}

// Pieces that lie anywhere, over each other too, of at most `most` bytes in all.
static u32
draw_pieces(struct rcap_piece *piece, u32 *count, u64 offset, u32 most)
{
	u32 sum = 0;

	*count = 1 + (u32)below(WIRE_PIECES_MAX);
	for (u32 i = 0; i < *count; i++) {
		u32 len = 1 + (u32)below(most / WIRE_PIECES_MAX);

		piece[i] = (struct rcap_piece){
			below(BYTES - offset - len + 1), len, 0
		};
		sum += len;
	}
	return sum;
}

static void
do_readv(u32 place, u64 local)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READV, 0, 0, local);
	const u8 *at = near(local);

	s.offset = below(BYTES - 4096);
	s.length = draw_pieces(s.piece, &s.pieces, s.offset, WIRE_DATA_MAX);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	for (u32 i = 0; i < s.pieces; at += s.piece[i].length, i++)
		assert_memory_equal(at, model + s.offset + s.piece[i].offset,
				    s.piece[i].length);
}

static void
do_putv(u32 place, u64 local)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_PUTV, 0, 8, local);
	struct rcap_completion c;
	u8 *at = near(local);
	u64 old;
	bool good = below(3) != 0;

	s.offset = below(64) * 8;
	fill(at, draw_pieces(s.change.piece, &s.pieces, s.offset, WIRE_SEND_MAX));
	old = get64(model + s.offset);
	s.change.compare_mask = below(2) ? ~0ull : below(2) ? 0xff : 0;
	s.change.compare = good ? old : old ^ 1;
	s.change.add = prng_u64(&rig.prng);
	good |= !s.change.compare_mask;
	c = rig_do(&rig, 1, &s);
	expect(&c, RCAP_DONE, CODE_NONE);
	assert_int_equal(c.clause, good ? 0 : WIRE_CLAUSE_NONE);
	for (u32 i = 0; good && i < s.pieces; at += s.change.piece[i].length, i++)
		memcpy(model + s.offset + s.change.piece[i].offset, at,
		       s.change.piece[i].length);
	// A piece may lie over the word: then that is what is added to.
	old = get64(model + s.offset);
	assert_int_equal(c.old[0], old);
	if (good)
		put64(model + s.offset, old + s.change.add);
}

static void
chain_apply(const struct rcap_clause *c, const u8 *data)
{
	u8 *at = model + c->chain_offset;
	u32 word;

	if (c->chain == CHAIN_WRITE)
		memcpy(at, data, c->chain_length);
	if (c->chain != CHAIN_NOTIFY)
		return;
	memcpy(&word, at, 4);
	word++;
	memcpy(at, &word, 4);
}

static void
do_mcas(u32 place, u64 local)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_MCAS, 0, 8, local);
	struct rcap_completion c;
	u64 old;
	u32 want = (u32)below(WIRE_CLAUSES_MAX + 1);

	s.offset = below(64) * 8;
	s.pieces = WIRE_CLAUSES_MAX;
	old = get64(model + s.offset);
	for (u32 i = 0; i < s.pieces; i++) {
		struct rcap_clause *k = &s.clause[i];

		*k = (struct rcap_clause){
			.compare = { i == want ? old : old + 1 + i },
			.compare_mask = { ~0ull }, .swap = { prng_u64(&rig.prng) },
			.swap_mask = { ~0ull }, .chain = (u32)below(CHAIN_COUNT),
			.chain_offset = 1024 + below(2048) * 4,
		};
		k->chain_length = k->chain == CHAIN_NOTIFY ? 4
				  : (u32)below(k->chain == CHAIN_WRITE ? 1025 : 4097);
	}
	fill(near(local), WIRE_SEND_MAX);
	c = rig_do(&rig, 1, &s);
	expect(&c, RCAP_DONE, CODE_NONE);
	assert_int_equal(c.clause, want < s.pieces ? want : WIRE_CLAUSE_NONE);
	assert_int_equal(c.old[0], old);
	if (want == s.pieces)
		return;
	put64(model + s.offset, s.clause[want].swap[0]);
	if (s.clause[want].chain == CHAIN_READ)
		assert_memory_equal(near(local), model + s.clause[want].chain_offset,
				    s.clause[want].chain_length);
	else
		chain_apply(&s.clause[want], near(local));
}

static void
against_the_model(u16 mtu)
{
	u32 place = pair(mtu);

	fill(far(0), BYTES);
	memcpy(model, far(0), BYTES);
	faulty();
	for (u32 i = 0; i < ROUNDS; i++) {
		u64 local = below(4096);

		switch (below(3)) {
		case 0:
			do_readv(place, local);
			break;
		case 1:
			do_putv(place, local);
			break;
		default:
			do_mcas(place, local);
		}
		assert_memory_equal(far(0), model, BYTES);
	}
	assert_true(rcap_counters(rig.node[0].rcap)->repeated > 10);
	rig_end(&rig);
}

static void
once_each_over_a_bad_link(void **state)
{
	(void)state;
	against_the_model(1500);
}

static void
once_each_over_a_bad_wide_link(void **state)
{
	(void)state;
	against_the_model(9000);
}

static void
pieces_stay_in_range(void **state)
{
	u32 place = pair(1500);
	u32 reader = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, WIRE_RIGHT_READ, 8, 4);
	struct rcap_submit v = rig_submit(&rig, 1, place, OP_READV, 4096, 16, 0);
	struct rcap_submit p = rig_submit(&rig, 1, place, OP_PUTV, 4096, 8, 0);

	(void)state;
	fill(far(0), BYTES);
	memcpy(model, far(0), BYTES);
	v.pieces = p.pieces = 2;
	v.piece[0] = p.change.piece[0] = (struct rcap_piece){ 0, 8, 0 };
	v.piece[1] = p.change.piece[1] = (struct rcap_piece){ BYTES - 4096 - 7, 8, 0 };
	do_expect(&v, RCAP_NOT_DONE, CODE_RANGE);
	do_expect(&p, RCAP_NOT_DONE, CODE_RANGE);
	v.piece[1].offset = p.change.piece[1].offset = ~0ull - 4096;
	do_expect(&v, RCAP_NOT_DONE, CODE_RANGE);
	do_expect(&p, RCAP_NOT_DONE, CODE_RANGE);
	v.piece[1].offset = p.change.piece[1].offset = BYTES - 4096 - 8;
	do_expect(&v, RCAP_DONE, CODE_NONE);
	p.offset = 4;
	do_expect(&p, RCAP_NOT_DONE, CODE_ALIGNMENT);
	p.offset = 0;
	p.remote = rig.node[1].place[reader].remote;
	do_expect(&p, RCAP_NOT_DONE, CODE_RIGHTS);
	assert_memory_equal(far(0), model, BYTES);
	v.length = 15;
	assert_false(rcap_sensible(&v));
	v.pieces = WIRE_PIECES_MAX + 1;
	assert_false(rcap_sensible(&v));
	p.change.piece[0].length = WIRE_SEND_MAX;
	assert_false(rcap_sensible(&p));
	p.pieces = 0;
	assert_false(rcap_sensible(&p));
	rig_end(&rig);
}

static void
chains_stay_in_range(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_MCAS, 0, 8, 0);

	(void)state;
	fill(far(0), BYTES);
	memcpy(model, far(0), BYTES);
	s.pieces = 1;
	s.clause[0] = (struct rcap_clause){
		.swap_mask = { ~0ull }, .chain_offset = BYTES - 8,
		.chain_length = 9, .chain = CHAIN_WRITE,
	};
	do_expect(&s, RCAP_NOT_DONE, CODE_RANGE);
	s.clause[0].chain = CHAIN_NOTIFY;
	s.clause[0].chain_length = 4;
	s.clause[0].chain_offset = BYTES;
	do_expect(&s, RCAP_NOT_DONE, CODE_RANGE);
	assert_memory_equal(far(0), model, BYTES);
	s.clause[0].chain_offset = BYTES - 2;
	assert_false(rcap_sensible(&s));
	s.clause[0].chain = CHAIN_COUNT;
	assert_false(rcap_sensible(&s));
	s.clause[0].chain = CHAIN_WRITE;
	s.clause[0].chain_length = WIRE_SEND_MAX + 1;
	assert_false(rcap_sensible(&s));
	rig_end(&rig);
}

// A message tells its sender the word of the buffer that took it: an allocation.
static void
a_buffer_has_a_word(void **state)
{
	struct rcap *owner;
	struct rcap_submit s;
	struct rcap_completion c;
	u32 place;

	(void)state;
	pair(1500);
	owner = rig.node[0].rcap;
	assert_true(rcap_endpoint_open(owner, 1, 3));
	place = rig_export(&rig, 0, 1, ENV, TYPE_ENDPOINT, WIRE_RIGHT_WRITE, 1, 1);
	for (u64 i = 0; i < 3; i++)
		assert_true(rcap_post(owner, 1, 4096 * (1 + i), 512, i, 1000 + i));
	faulty();
	for (u64 i = 0; i < 3; i++) {
		s = rig_submit(&rig, 1, place, OP_SEND, 0, 100, 512);
		fill(near(512), 100);
		c = rig_do(&rig, 1, &s);
		expect(&c, RCAP_DONE, CODE_NONE);
		assert_int_equal(c.old[0], 1000 + i);
		assert_memory_equal(rig.node[0].memory + 4096 * (1 + i), near(512),
				    100);
	}
	rig_end(&rig);
}

// A program at the owner runs once for each message, whatever the link does, and its
// results come back. Without one the operation is refused.
static void
a_program_runs_once_for_each_message(void **state)
{
	struct rcap_submit s;
	struct rcap_completion c;
	u32 place;
	u64 sum = 0;

	(void)state;
	pair(1500);
	assert_true(rcap_endpoint_open(rig.node[0].rcap, 1, 3));
	place = rig_export(&rig, 0, 1, ENV, TYPE_ENDPOINT, WIRE_RIGHT_WRITE, 1, 1);
	s = rig_submit(&rig, 1, place, OP_INVOKE, 0, 16, 512);
	do_expect(&s, RCAP_NOT_DONE, CODE_HANDLER);
	rig.node[0].handles = true;
	faulty();
	for (u64 i = 1; i <= 100; i++) {
		s.length = (u32)below(1025);
		fill(near(512), s.length);
		for (u32 b = 0; b < s.length; b++)
			sum += near(512)[b];
		c = rig_do(&rig, 1, &s);
		expect(&c, RCAP_DONE, CODE_NONE);
		assert_int_equal(c.old[0], i);
		assert_int_equal(c.old[1], sum);
	}
	assert_int_equal(rig.node[0].invoked, 100);
	s.length = 1025;
	assert_false(rcap_sensible(&s));
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	s = rig_submit(&rig, 1, place, OP_INVOKE, 0, 16, 512);
	do_expect(&s, RCAP_NOT_DONE, CODE_TYPE);
	rcap_endpoint_close(rig.node[0].rcap, 1);
	s.remote = rig.node[1].place[0].remote;
	rig_end(&rig);
}

static void
a_completion_says_where_its_time_went(void **state)
{
	struct rcap_submit s;
	struct rcap_completion c;
	u32 place = pair(1500), before;
	u64 began;

	(void)state;
	s = rig_submit(&rig, 1, place, OP_READ, 0, 64, 0);
	c = rig_do(&rig, 1, &s);
	assert_int_equal(c.remote_ns, 0);
	assert_true(c.wire_ns >= 40 * NS_PER_US && c.wire_ns < NS_PER_MS);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 4, 3);
	s = rig_submit(&rig, 1, place, OP_BLOCK_READ, 0, 4096, 0);
	rig.node[0].block_ns = 7 * NS_PER_MS;
	began = rig.now;
	c = rig_do(&rig, 1, &s);
	expect(&c, RCAP_DONE, CODE_NONE);
	assert_true(c.remote_ns <= 7 * NS_PER_MS + NS_PER_MS / 10);
	assert_true(c.remote_ns >= 7 * NS_PER_MS / 16 * 15);
	assert_int_equal(c.queue_ns + c.wire_ns + c.remote_ns, rig.now - began);
	// The window is full of reads of a slow disk: what comes behind them waits here.
	before = rig.node[1].completions;
	s.fenced = true;
	for (u32 i = 0; i < 3; i++)
		assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	assert_true(rig_wait(&rig, 1, before + 3, NS_PER_SECOND));
	for (u32 i = 0; i < 3; i++) {
		c = rig.node[1].completion[before + i];
		assert_true(c.queue_ns >= i * 7 * NS_PER_MS);
		assert_true(c.remote_ns >= 7 * NS_PER_MS / 16 * 15);
	}
	rig.cut[0][1] = rig.cut[1][0] = true;
	rig_run(&rig, 3 * NS_PER_SECOND);
	s.fenced = false;
	c = rig_do(&rig, 1, &s);			// never sent: it waited only
	expect(&c, RCAP_NOT_DONE, CODE_PEER);
	assert_int_equal(c.wire_ns + c.remote_ns, 0);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_each_over_a_bad_link),
		cmocka_unit_test(once_each_over_a_bad_wide_link),
		cmocka_unit_test(pieces_stay_in_range),
		cmocka_unit_test(chains_stay_in_range),
		cmocka_unit_test(a_buffer_has_a_word),
		cmocka_unit_test(a_program_runs_once_for_each_message),
		cmocka_unit_test(a_completion_says_where_its_time_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
