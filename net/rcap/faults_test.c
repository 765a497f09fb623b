// SPDX-License-Identifier: BSD-2-Clause
// Remote capabilities on a link that does what the seed says, and between nodes that
// fall silent or crash: every byte right, everything that must run once runs once,
// every wait ends in time and nothing lands after it. SEED=n replays.
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

// ---- order and cancellation

// The disk keeps the first write for a while; the fenced read must see it.
static void
a_fenced_operation_waits_for_its_queue(void **state)
{
	struct rcap_submit slow, fenced;
	u32 block, place, first;

	(void)state;
	place = pair(1500);
	block = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 4, 3);
	slow = rig_submit(&rig, 1, block, OP_BLOCK_WRITE, 0, 4096, 0);
	fenced = rig_submit(&rig, 1, place, OP_READ, 0, 8, 8192);
	rig.node[0].block_ns = 50 * NS_PER_MS;
	for (u32 fence = 0; fence < 2; fence++) {
		first = rig.node[1].completions;
		fenced.fenced = fence;
		assert_true(rcap_submit(rig.node[1].rcap, rig.now, &slow) !=
			    RCAP_NONE);
		assert_true(rcap_submit(rig.node[1].rcap, rig.now, &fenced) !=
			    RCAP_NONE);
		assert_true(rig_wait(&rig, 1, first + 2, NS_PER_SECOND));
		assert_int_equal(rig.node[1].completion[first].op,
				 fence ? OP_BLOCK_WRITE : OP_READ);
	}
	rig_end(&rig);
}

// What an environment here was given a part of goes by the name of who it was granted to:
// fences hold among all that a queue asks for, and so do turns.
static void
a_fence_holds_whatever_the_name(void **state)
{
	struct rcap_submit slow, fenced;
	u32 block, place, first;

	(void)state;
	place = pair(1500);
	block = rig_export(&rig, 0, 1, ENV + 1, TYPE_BLOCKS, RW, 4, 3);
	slow = rig_submit(&rig, 1, block, OP_BLOCK_WRITE, 0, 4096, 0);
	slow.environment = ENV;
	slow.holder = ENV + 1;
	fenced = rig_submit(&rig, 1, place, OP_READ, 0, 8, 8192);
	fenced.fenced = true;
	rig.node[0].block_ns = 50 * NS_PER_MS;
	first = rig.node[1].completions;
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &slow) != RCAP_NONE);
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &fenced) != RCAP_NONE);
	assert_true(rig_wait(&rig, 1, first + 2, NS_PER_SECOND));
	assert_int_equal(rig.node[1].completion[first].op, OP_BLOCK_WRITE);
	expect(&rig.node[1].completion[first], RCAP_DONE, CODE_NONE);
	rig_end(&rig);
}

// The last part of an answer comes, and then the word that the capability is taken back, or
// that it is cancelled: bytes have changed here, so it is not said that nothing was done.
static void
a_read_that_came_in_part_is_not_undone(void **state)
{
	u32 last = 4096 - wire_part_at(wire_parts(4096, false) - 1);

	(void)state;
	for (u32 cancels = 0; cancels < 2; cancels++) {
		u32 place = warm_pair(1500), before = rig.node[1].completions, id;
		struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 4096, 0);
		u32 entry = rig.node[1].place[place].remote.slot;

		fill(far(0), 4096);
		rig.narrow[0][1] = WIRE_BODY_AT + WIRE_LENGTH(response) + last + WIRE_TAG;
		id = rcap_submit(rig.node[1].rcap, rig.now, &s);
		rig_run(&rig, 5 * NS_PER_MS);
		assert_int_equal(rig.node[1].completions, before);
		assert_memory_equal(near(4096 - last), far(4096 - last), last);
		if (cancels)
			rcap_cancel(rig.node[1].rcap, rig.now, id);
		else
			rig_revoke(&rig, 0, rcap_entry(rig.node[0].rcap, entry)->node);
		assert_true(rig_wait(&rig, 1, before + 1, NS_PER_SECOND));
		expect(&rig.node[1].completion[before], RCAP_UNKNOWN_FINAL,
		       cancels ? CODE_CANCELLED : CODE_REVOKED);
		rig_end(&rig);
	}
}

static void
a_cancelled_operation_does_not_run_later(void **state)
{
	u32 place = pair(1500), id, before;
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);
	struct rcap *rcap = rig.node[1].rcap;

	(void)state;
	s.addend = 1;
	do_expect(&s, RCAP_DONE, CODE_NONE);		// there is credit now
	before = rig.node[1].completions;
	rig.cut[1][0] = true;				// the request is lost
	id = rcap_submit(rcap, rig.now, &s);
	rig_run(&rig, NS_PER_MS);
	rig.cut[1][0] = false;
	rcap_cancel(rcap, rig.now, id);
	rcap_cancel(rcap, rig.now, id + 1);		// nobody's
	assert_true(rig_wait(&rig, 1, before + 1, NS_PER_SECOND));
	expect(&rig.node[1].completion[before], RCAP_NOT_DONE, CODE_CANCELLED);
	assert_int_equal(get64(far(0)), 1);

	rig.cut[0][1] = true;				// the answer is lost
	id = rcap_submit(rcap, rig.now, &s);
	rig_run(&rig, NS_PER_MS);
	rig.cut[0][1] = false;
	rcap_cancel(rcap, rig.now, id);
	assert_true(rig_wait(&rig, 1, before + 2, NS_PER_SECOND));
	expect(&rig.node[1].completion[before + 1], RCAP_DONE, CODE_NONE);
	assert_int_equal(get64(far(0)), 2);
	rig_end(&rig);
}

// The request is on its way while it is cancelled, and comes after that.
static void
a_cancelled_number_is_used(void **state)
{
	u32 place = pair(1500), id, before;
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);
	struct rcap *rcap = rig.node[1].rcap;
	static struct rig_frame request;

	(void)state;
	s.addend = 1;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	before = rig.node[1].completions;
	rig.cut[1][0] = true;
	rig.capture = true;
	rig.captured = &request;
	rig.captured_max = 1;
	id = rcap_submit(rcap, rig.now, &s);
	rig.capture = false;
	rig.captured = NULL;
	rig.cut[1][0] = false;
	rcap_cancel(rcap, rig.now, id);
	assert_true(rig_wait(&rig, 1, before + 1, NS_PER_SECOND));
	expect(&rig.node[1].completion[before], RCAP_NOT_DONE, CODE_CANCELLED);
	assert_int_equal(request.bytes[WIRE_ETHERNET + 1], WIRE_REQUEST);
	rig_deliver(&rig, 0, request.bytes, request.len);
	assert_int_equal(get64(far(0)), 1);
	rig_end(&rig);
}

// ---- loss: every byte right, everything exactly once

static void
random_submit(struct rcap_submit *s, u32 place, u32 local)
{
	static const u8 ops[] = { OP_READ, OP_WRITE, OP_FETCH_ADD, OP_MCAS };
	u8 op = ops[prng_below(&rig.prng, 4)];
	u32 len = 1 + (u32)prng_below(&rig.prng, 4096);

	*s = rig_submit(&rig, 1, place, op, 0, 8, local);
	if (op == OP_READ || op == OP_WRITE) {
		s->length = len;
		s->offset = 4096 + prng_below(&rig.prng, 3 * 4096 - len + 1);
	}
	if (op == OP_FETCH_ADD)
		s->addend = 1;
	if (op != OP_MCAS)
		return;
	s->pieces = 1;
	s->clause[0] = (struct rcap_clause){
		.swap = { 1ull << 32 }, .swap_mask = { 1ull << 32 },
		.chain_offset = 0, .chain_length = 8
	};
}

// One operation at a time against a model of the four pages.
static void
one_at_a_time_under_faults(void **state)
{
	static u8 model[4 * 4096];
	u32 place = pair(1500);

	(void)state;
	rig.loss = 50;
	rig.repeat = 20;
	rig.delay = 50;
	rig.corrupt = 5;
	memset(far(0), 0, sizeof(model));
	memset(model, 0, sizeof(model));
	for (u32 i = 0; i < 800; i++) {
		struct rcap_submit s;
		struct rcap_completion c;
		u64 word = get64(model);

		random_submit(&s, place, 8192);
		fill(near(8192), s.op == OP_WRITE ? s.length : 8);
		c = rig_do(&rig, 1, &s);
		expect(&c, RCAP_DONE, CODE_NONE);
		if (s.op == OP_FETCH_ADD)
			put64(model, word + 1);
		else if (s.op == OP_MCAS)
			put64(model, word | 1ull << 32);
		else if (s.op == OP_WRITE)
			memcpy(model + s.offset, near(8192), s.length);
		else
			assert_memory_equal(near(8192), model + s.offset, s.length);
		if (s.op == OP_FETCH_ADD || s.op == OP_MCAS)
			assert_int_equal(c.old[0], word);
		if (s.op == OP_MCAS)
			assert_int_equal(get64(near(8192)), word | 1ull << 32);
		assert_memory_equal(far(0), model, sizeof(model));
	}
	assert_true(links_counters(rig.node[1].links)->resends > 50);
	assert_true(rcap_counters(rig.node[0].rcap)->repeated > 5);
	rig_end(&rig);
}

// The owner's page changes all the time, as a whole; what was read of it in three
// frames was there at one time.
static void
parts_of_two_runs_do_not_mix(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 4096, 0);
	struct rig_node *n = &rig.node[1];
	u8 value = 0;

	(void)state;
	rig.loss = 200;
	for (u32 i = 0; i < 100; i++) {
		u32 before = n->completions;

		assert_true(rcap_submit(n->rcap, rig.now, &s) != RCAP_NONE);
		while (n->completions == before) {
			memset(far(0), ++value, 4096);
			rig_run(&rig, NS_PER_MS / 2);
		}
		expect(&n->completion[before], RCAP_DONE, CODE_NONE);
		for (u32 at = 1; at < 4096; at++)
			assert_int_equal(*near(at), *near(0));
	}
	rig_end(&rig);
}

// Many at a time: each addition counts once, and each old value is seen once.
static void
many_at_a_time_under_faults(void **state)
{
	enum { TOTAL = 3000 };
	static u8 seen[TOTAL];
	u32 place = pair(1500), sent = 0;
	struct rig_node *n = &rig.node[1];
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);

	(void)state;
	rig.loss = 50;
	rig.repeat = 20;
	rig.delay = 50;
	rig.corrupt = 1;
	memset(seen, 0, sizeof(seen));
	put64(far(0), 0);
	s.addend = 1;
	while (n->completions < TOTAL) {
		u32 before = n->completions;

		while (sent < TOTAL && sent - n->completions < 100) {
			s.environment = ENV;
			assert_true(rcap_submit(n->rcap, rig.now, &s) != RCAP_NONE);
			sent++;
		}
		assert_true(rig_wait(&rig, 1, before + 1, 5 * NS_PER_SECOND));
		for (u32 i = before; i < n->completions; i++) {
			expect(&n->completion[i], RCAP_DONE, CODE_NONE);
			assert_in_range(n->completion[i].old[0], 0, TOTAL - 1);
			assert_int_equal(seen[n->completion[i].old[0]]++, 0);
		}
	}
	assert_int_equal(get64(far(0)), TOTAL);
	assert_int_equal(links_counters(n->links)->lapses, 0);
	rig_end(&rig);
}

// ---- the ends of sessions

// The owner falls silent in the middle: every waiter has its answer in time, and
// what it was told holds.
static void
silence(bool to_owner, bool from_owner)
{
	u32 place = pair(1500);
	struct rig_node *n = &rig.node[1];
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);
	u32 count[3] = { 0, 0, 0 };
	u64 value, cut_at;

	s.addend = 1;
	put64(far(0), 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	n->completions = 0;
	for (u32 i = 0; i < 20; i++) {
		if (i == 2) {
			rig.cut[1][0] = to_owner;
			rig.cut[0][1] = from_owner;
		}
		assert_true(rcap_submit(n->rcap, rig.now, &s) != RCAP_NONE);
	}
	cut_at = rig.now;
	assert_true(rig_wait(&rig, 1, 20, LINK_LEASE_NS / 4 * 9));
	assert_true(rig.now >= cut_at + LINK_LAPSE_NS - 5 * NS_PER_MS);
	value = get64(far(0));
	for (u32 i = 0; i < 20; i++)
		count[n->completion[i].outcome]++;
	assert_true(count[RCAP_UNKNOWN_FINAL] > 0 && count[RCAP_NOT_DONE] > 0);
	assert_in_range(value, 1 + count[RCAP_DONE],
			1 + count[RCAP_DONE] + count[RCAP_UNKNOWN_FINAL]);
	rig.cut[1][0] = rig.cut[0][1] = false;
	rig_run(&rig, 3 * NS_PER_SECOND);
	rig_connect(&rig);
	assert_int_equal(get64(far(0)), value);		// nothing lands later
	do_expect(&s, RCAP_DONE, CODE_NONE);		// and it works again
	rig_end(&rig);
}

static void
silence_ends_every_wait_in_time(void **state)
{
	(void)state;
	silence(true, true);
	silence(true, false);
	silence(false, true);
}

// An owner that lives and says that it is at work, or says nothing of it, is waited for
// a long time and no longer; its session takes along what else was open.
static void
an_answer_is_not_waited_for_forever(void **state)
{
	(void)state;
	for (u32 says = 0; says < 2; says++) {
		u32 place, before;
		struct rcap_submit s;

		warm_pair(1500);
		place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, ALL, 0, RIG_BLOCKS);
		s = rig_submit(&rig, 1, place, OP_BLOCK_READ, 0, 4096, 0);
		before = rig.node[1].completions;
		rig.node[0].block_ns = ~0ull >> 1;
		rig.node[0].starved = !says;
		assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
		rig_run(&rig, RCAP_PATIENCE_NS - NS_PER_SECOND);
		assert_int_equal(rig.node[1].completions, before);
		assert_int_equal(rcap_counters(rig.node[1].rcap)->left, 0);
		assert_true(rig_wait(&rig, 1, before + 1, NS_PER_SECOND / 4 * 13));
		expect(&rig.node[1].completion[before], RCAP_UNKNOWN_FINAL, CODE_SESSION);
		assert_int_equal(rcap_counters(rig.node[1].rcap)->left, 1);
		rig_end(&rig);
	}
}

static void
a_new_life_knows_nothing_of_the_old_one(void **state)
{
	u32 place = pair(1500), fresh;
	struct rcap_submit old = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0), s;

	(void)state;
	rig_crash(&rig, 0);
	rig_run(&rig, NS_PER_SECOND / 2);
	rig_boot(&rig, 0);
	rig_connect(&rig);
	do_expect(&old, RCAP_NOT_DONE, CODE_INCARNATION);
	old.remote.incarnation = rig.node[0].incarnation;	// a forger
	do_expect(&old, RCAP_NOT_DONE, CODE_SLOT);
	fresh = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, RW, 8, 1);
	s = rig_submit(&rig, 1, fresh, OP_READ, 0, 8, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rig_end(&rig);
}

// The holder dies and comes back: what it held is revoked by the owner's sweep.
static void
what_a_dead_life_held_is_revoked(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);

	(void)state;
	rig_crash(&rig, 1);
	rig_boot(&rig, 1);
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	assert_true(rig.node[0].tree[1].revoked);
	s.remote.peer = rig_peer(&rig, 1, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_HOLDER);
	rig_end(&rig);
}

// Without buffers for frames nothing is sent; the operation goes on when there
// are some again.
static void
want_of_buffers_is_loss_and_no_more(void **state)
{
	u32 place = pair(1500), before;
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);

	(void)state;
	s.addend = 1;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	before = rig.node[1].completions;
	rig.node[0].starved = rig.node[1].starved = true;
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	rig_run(&rig, 100 * NS_PER_MS);
	rig.node[1].starved = false;
	rig_run(&rig, 100 * NS_PER_MS);
	assert_int_equal(get64(far(0)), 2);		// run, not answered
	rig.node[0].starved = false;
	assert_true(rig_wait(&rig, 1, before + 1, NS_PER_SECOND));
	assert_int_equal(get64(far(0)), 2);
	rig_end(&rig);
}

// Equal seeds, equal histories.
static void
a_history_is_a_function_of_its_seed(void **state)
{
	u64 hash[3];

	(void)state;
	for (u32 i = 0; i < 3; i++) {
		struct rcap_submit s;

		rig_start(&rig, 2, i < 2 ? 5 : 6, 1500, 64);
		rig.loss = 100;
		rig_connect(&rig);
		s = rig_submit(&rig, 1, rig_export(&rig, 0, 1, ENV, TYPE_FRAMES,
						   ALL, 8, 4),
			       OP_READ, 0, 4096, 0);
		for (u32 n = 0; n < 20; n++)
			rig_do(&rig, 1, &s);
		hash[i] = rcap_hash(rig.node[0].rcap) ^
			  rcap_hash(rig.node[1].rcap) * 3;
		rig_end(&rig);
	}
	assert_int_equal(hash[0], hash[1]);
	assert_int_not_equal(hash[0], hash[2]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fenced_operation_waits_for_its_queue),
		cmocka_unit_test(a_fence_holds_whatever_the_name),
		cmocka_unit_test(a_read_that_came_in_part_is_not_undone),
		cmocka_unit_test(a_cancelled_operation_does_not_run_later),
		cmocka_unit_test(a_cancelled_number_is_used),
		cmocka_unit_test(one_at_a_time_under_faults),
		cmocka_unit_test(parts_of_two_runs_do_not_mix),
		cmocka_unit_test(many_at_a_time_under_faults),
		cmocka_unit_test(silence_ends_every_wait_in_time),
		cmocka_unit_test(an_answer_is_not_waited_for_forever),
		cmocka_unit_test(a_new_life_knows_nothing_of_the_old_one),
		cmocka_unit_test(what_a_dead_life_held_is_revoked),
		cmocka_unit_test(want_of_buffers_is_loss_and_no_more),
		cmocka_unit_test(a_history_is_a_function_of_its_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
