// SPDX-License-Identifier: BSD-2-Clause
// What is counted: that every reason for which a frame comes to nothing can be met and
// is counted, alone, and seen in the trace; operations, bytes and denials of each
// export and each peer; events in their order.
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

#define PAGE 4096u

static const struct rcap_counters *
rcap_of(u32 node)
{
	return rcap_counters(rig.node[node].rcap);
}

static const struct links_counters *
links_of(u32 node)
{
	return links_counters(rig.node[node].links);
}

static const struct fabric_counts *
counts_of_other(u32 node)
{
	return links_counts(rig.node[node].links, rig_peer(&rig, node, 1 - node));
}

static const struct fabric_export *
use_of(u32 place)
{
	return &rcap_uses(rig.node[0].rcap)[rig.node[1].place[place].remote.slot];
}

// The newest event of a kind in a node's trace, or NULL.
static const struct trace_event *
newest(u32 node, enum trace_kind kind)
{
	const struct trace_ring *ring = links_trace(rig.node[node].links);

	for (u64 i = ring->head; i-- > 0 && ring->head - i <= ring->mask;) {
		if (ring->at[i & ring->mask].kind == kind)
			return &ring->at[i & ring->mask];
	}
	return NULL;
}

static u32
reason_of(const struct trace_event *event)
{
	return (u32)(event->b >> 56);
}

static void
an_export_counts_what_is_done_under_it(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, PAGE, 0);

	(void)state;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	s = rig_submit(&rig, 1, place, OP_WRITE, 0, 100, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(use_of(place)->operations, 3);
	assert_int_equal(use_of(place)->bytes_out, PAGE);
	assert_int_equal(use_of(place)->bytes_in, 108);
	assert_int_equal(use_of(place)->denials, 0);
	assert_int_equal(use_of(place)->environment, ENV);
	assert_int_equal(use_of(place)->peer, rig_peer(&rig, 0, 1));
	assert_int_equal(use_of(place)->type, TYPE_FRAMES);
	assert_int_equal(use_of(place)->count, 4);
	s = rig_submit(&rig, 1, place, OP_READ, 4ull * PAGE, 1, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_RANGE);
	s = rig_submit(&rig, 1, place, OP_BLOCK_READ, 0, PAGE, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_TYPE);
	assert_int_equal(use_of(place)->operations, 3);
	assert_int_equal(use_of(place)->denials, 2);
	assert_int_equal(counts_of_other(0)->refused, 2);
	assert_int_equal(counts_of_other(1)->refused, 0);
	rig_end(&rig);
}

// ---- bytes of every operation

#define POOL_AT 16u

static u32 at_place[TYPE_POOL + 1];	// by what it names: node 1's place

static struct rcap_submit
submission(u8 op, u8 type, u32 length)
{
	return rig_submit(&rig, 1, at_place[type], op, 0, length, 0);
}

// Bytes of the fabric_export that the operation counts, and of its completion.
static void
counts(const struct rcap_submit *s, u8 type, u64 in, u64 out)
{
	const struct fabric_export before = *use_of(at_place[type]);
	struct rcap_completion c = rig_do(&rig, 1, s);
	const struct fabric_export *after = use_of(at_place[type]);

	expect(&c, RCAP_DONE, CODE_NONE);
	assert_int_equal(after->operations, before.operations + 1);
	assert_int_equal(after->bytes_in - before.bytes_in, in);
	assert_int_equal(after->bytes_out - before.bytes_out, out);
	assert_int_equal(c.taken, in);
	assert_int_equal(c.length, out);
}

static void
memory_counts(void)
{
	struct rcap_submit s = submission(OP_READ, TYPE_FRAMES, PAGE);

	counts(&s, TYPE_FRAMES, 0, PAGE);
	s = submission(OP_WRITE, TYPE_FRAMES, PAGE);
	counts(&s, TYPE_FRAMES, PAGE, 0);
	s = submission(OP_FETCH_ADD, TYPE_FRAMES, 8);
	counts(&s, TYPE_FRAMES, 8, 0);
	s = submission(OP_NOTIFY, TYPE_FRAMES, 4);
	counts(&s, TYPE_FRAMES, 0, 0);
	s = submission(OP_READV, TYPE_FRAMES, 300);
	s.pieces = 2;
	s.piece[0] = (struct rcap_piece){ 0, 100, 0 };
	s.piece[1] = (struct rcap_piece){ PAGE, 200, 0 };
	counts(&s, TYPE_FRAMES, 0, 300);
	s = submission(OP_PUTV, TYPE_FRAMES, 8);
	s.pieces = 2;
	s.change.piece[0] = (struct rcap_piece){ 8, 1000, 0 };
	s.change.piece[1] = (struct rcap_piece){ PAGE, 24, 0 };
	counts(&s, TYPE_FRAMES, 8 + 1024, 0);
	s.change.compare_mask = ~0ull;
	s.change.compare = get64(far(0)) + 1;
	counts(&s, TYPE_FRAMES, 0, 0);
}

// Of the clause that matches: its word, and what is chained to it.
static void
swaps_count(void)
{
	struct rcap_submit s = submission(OP_MCAS, TYPE_FRAMES, 16);

	s.pieces = 2;
	for (u32 i = 0; i < 2; i++)
		s.clause[i] = (struct rcap_clause){
			.compare = { i + 1 }, .compare_mask = { ~0ull },
			.swap = { 9 }, .swap_mask = { ~0ull }, .chain_offset = PAGE,
			.chain = i ? CHAIN_WRITE : CHAIN_READ,
			.chain_length = i ? 1000 : 2000,
		};
	put64(far(0), 7);
	counts(&s, TYPE_FRAMES, 0, 0);
	put64(far(0), 1);
	counts(&s, TYPE_FRAMES, 16, 2000);
	put64(far(0), 2);
	counts(&s, TYPE_FRAMES, 16 + 1000, 0);
	s.clause[1].chain = CHAIN_NOTIFY;
	s.clause[1].chain_length = 4;
	s.length = 8;
	put64(far(0), 2);
	counts(&s, TYPE_FRAMES, 8, 0);
}

static void
blocks_count(void)
{
	static const u8 writes[] = { OP_BLOCK_WRITE, OP_BLOCK_FUA };
	static const u8 ranges[] = { OP_BLOCK_TRIM, OP_BLOCK_ZERO };
	struct rcap_submit s = submission(OP_BLOCK_READ, TYPE_BLOCKS, PAGE);

	counts(&s, TYPE_BLOCKS, 0, PAGE);
	for (u32 i = 0; i < ARRAY_SIZE(writes); i++) {
		s = submission(writes[i], TYPE_BLOCKS, PAGE);
		counts(&s, TYPE_BLOCKS, PAGE, 0);
		s = submission(ranges[i], TYPE_BLOCKS, 4 * PAGE);
		counts(&s, TYPE_BLOCKS, 0, 0);
	}
	s = submission(OP_BLOCK_FLUSH, TYPE_BLOCKS, 0);
	counts(&s, TYPE_BLOCKS, 0, 0);
}

static void
messages_count(void)
{
	struct rcap_submit s = submission(OP_SEND, TYPE_ENDPOINT, 700);

	assert_true(rcap_post(rig.node[0].rcap, 0, 0, PAGE, 0, 0));
	counts(&s, TYPE_ENDPOINT, 700, 0);
	s = submission(OP_INVOKE, TYPE_ENDPOINT, 33);
	counts(&s, TYPE_ENDPOINT, 33, 0);
}

// What is about the capability itself brings no data; HOLDERS tells some.
static void
authority_counts(void)
{
	static const u8 plain[] = { OP_REVOKE, OP_RELEASE, OP_DROP };
	struct rcap_submit s = submission(OP_HOLDERS, TYPE_FRAMES, 64);

	counts(&s, TYPE_FRAMES, 0, 64);
	s = submission(OP_DERIVE, TYPE_FRAMES, 0);
	s.derive = (struct wire_derive){ .incarnation = rig.node[1].incarnation,
					 .environment = ENV, .rights = RW, .count = 1 };
	memset(s.derive.uuid, 2, 16);
	counts(&s, TYPE_FRAMES, 0, 0);
	rig_run(&rig, 20 * NS_PER_MS);
	s = submission(OP_EXPEL, TYPE_FRAMES, 0);
	s.expel.slot = rig.node[1].place[rig.node[1].places - 1].remote.slot;
	s.expel.generation = rig.node[1].place[rig.node[1].places - 1].remote.generation;
	counts(&s, TYPE_FRAMES, 0, 0);
	s = submission(OP_PROTECT, TYPE_FRAMES, 0);
	s.protect.slot = WIRE_SLOT_NONE;
	s.protect.rights = WIRE_RIGHT_WRITE | WIRE_RIGHT_DERIVE;
	counts(&s, TYPE_FRAMES, 0, 0);
	s = submission(OP_ALLOC, TYPE_POOL, 0);
	s.alloc = (struct wire_alloc){ .range = 4, .count = 2, .rights = RW };
	counts(&s, TYPE_POOL, 0, 0);
	for (u32 i = 0; i < ARRAY_SIZE(plain); i++) {
		s = submission(plain[i], TYPE_FRAMES, 0);
		s.offset = plain[i] == OP_RELEASE ? 1 : 0;
		counts(&s, TYPE_FRAMES, 0, 0);
	}
}

// All of net/wire/ops.def but those that name no capability.
static void
bytes_of_every_operation(void **state)
{
	static const u8 nameless[] = { OP_GRANT, OP_REDEEM, OP_RECALL };

	(void)state;
	at_place[TYPE_FRAMES] = pair(1500);
	at_place[TYPE_BLOCKS] = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 0, 8);
	at_place[TYPE_POOL] = rig_export(&rig, 0, 1, ENV, TYPE_POOL, ALL, POOL_AT, 8);
	assert_true(rcap_endpoint_open(rig.node[0].rcap, 0, 1));
	at_place[TYPE_ENDPOINT] = rig_export(&rig, 0, 1, ENV, TYPE_ENDPOINT,
					     WIRE_RIGHT_WRITE, 0, 1);
	rig.node[0].handles = true;
	memory_counts();
	swaps_count();
	blocks_count();
	messages_count();
	authority_counts();
	for (u32 op = 1; op < OP_COUNT; op++)
		assert_true(rcap_of(0)->executed[op] ||
			    memchr(nameless, (int)op, sizeof(nameless)));
	rig_end(&rig);
}

// What took time at the owner: a disk's operation and a program; a read of memory did not.
static void
time_at_work_is_counted(void **state)
{
	u32 place = pair(1500), disk, program;
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);
	struct rcap_completion c;

	(void)state;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	disk = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 0, 8);
	assert_true(rcap_endpoint_open(rig.node[0].rcap, 0, 1));
	program = rig_export(&rig, 0, 1, ENV, TYPE_ENDPOINT, WIRE_RIGHT_WRITE, 0, 1);
	rig.node[0].handles = true;
	rig.node[0].block_ns = 5 * NS_PER_MS;
	rig.node[0].invoke_ns = 12 * NS_PER_US;
	s = rig_submit(&rig, 1, disk, OP_BLOCK_READ, 0, PAGE, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_true(use_of(disk)->work_us >= 5000 && use_of(disk)->work_us < 5500);
	assert_int_equal(use_of(disk)->work[fabric_work_bucket(5 * NS_PER_MS)], 1);
	s = rig_submit(&rig, 1, program, OP_INVOKE, 0, 8, 0);
	c = rig_do(&rig, 1, &s);
	expect(&c, RCAP_DONE, CODE_NONE);
	assert_int_equal(c.remote_ns, 12 * NS_PER_US);
	assert_int_equal(use_of(program)->work_us, 12);
	assert_int_equal(use_of(program)->work[fabric_work_bucket(12 * NS_PER_US)], 1);
	assert_int_equal(use_of(place)->work_us, 0);
	for (u32 i = 0; i < FABRIC_WORK_BUCKETS; i++)
		assert_int_equal(use_of(place)->work[i], 0);
	rig_end(&rig);
}

// What is asked again is not done again: it counts once.
static void
a_repeated_operation_counts_once(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);

	(void)state;
	rig.loss = 300;
	rig.repeat = 300;
	for (u32 i = 0; i < 50; i++)
		do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(use_of(place)->operations, 50);
	assert_true(rcap_of(0)->repeated > 0);
	assert_true(counts_of_other(1)->resends > 0);
	assert_int_equal(counts_of_other(1)->resends, links_of(1)->resends);
	assert_int_equal(counts_of_other(1)->timeouts, links_of(1)->timeouts);
	assert_int_equal(newest(1, TRACE_RESEND)->peer, rig_peer(&rig, 1, 0));
	rig_end(&rig);
}

// Whose guess it was is known, and so is what was aimed at.
static void
guesses_count_as_denials(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);

	(void)state;
	s.remote.generation += 5;
	do_expect(&s, RCAP_NOT_DONE, CODE_GENERATION);
	s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);
	s.environment = ENV + 1;
	do_expect(&s, RCAP_NOT_DONE, CODE_HOLDER);
	assert_int_equal(use_of(place)->denials, 2);
	s.remote.slot = 31;
	do_expect(&s, RCAP_NOT_DONE, CODE_SLOT);
	assert_int_equal(use_of(place)->denials, 2);
	assert_int_equal(counts_of_other(0)->refused, 3);
	assert_int_equal(rcap_of(0)->refused[CODE_SLOT], 1);
	assert_int_equal(reason_of(newest(0, TRACE_REFUSED)), CODE_SLOT);
	rig_end(&rig);
}

// Its entry goes, and what was counted of it too; who comes next begins at nothing.
static void
a_new_holder_begins_at_nothing(void **state)
{
	u32 place = pair(1500), other;
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_DROP, 0, 0, 0);

	(void)state;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rcap_unexport(rig.node[0].rcap, rig.node[1].place[place].remote.slot);
	assert_int_equal(use_of(place)->type, TYPE_NONE);
	other = rig_export(&rig, 0, 1, ENV + 2, TYPE_FRAMES, RW, 9, 1);
	assert_int_equal(use_of(other)->operations, 0);
	assert_int_equal(use_of(other)->environment, ENV + 2);
	assert_int_equal(use_of(other)->base, 9);
	rig_end(&rig);
}

// ---- frames that come to nothing beside the links

static void
frames_without_a_buffer(void **state)
{
	u32 place = warm_pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);

	(void)state;
	rig.node[1].starved = true;
	assert_int_not_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	rcap_flush(rig.node[1].rcap, rig.now);
	assert_int_equal(rcap_of(1)->dropped[RCAP_DROP_BUFFER], 1);
	assert_int_equal(reason_of(newest(1, TRACE_STRAY)), RCAP_DROP_BUFFER);
	rig.node[1].starved = false;
	assert_true(rig_wait(&rig, 1, 1, NS_PER_SECOND));
	rig.node[0].starved = true;
	assert_int_not_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	rig_run(&rig, NS_PER_MS);
	assert_true(rcap_of(0)->dropped[RCAP_DROP_BUFFER] >= 1);
	rig_end(&rig);
}

// The lease has run out, and nobody has looked at the clock yet.
static void
frames_after_the_session(void **state)
{
	u32 place;
	struct rcap_submit s;

	(void)state;
	pair(1500);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 0, 4);
	rig.node[0].block_ns = 100 * NS_PER_SECOND;
	s = rig_submit(&rig, 1, place, OP_BLOCK_READ, 0, PAGE, 0);
	assert_int_not_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	rig_run(&rig, NS_PER_MS);
	rig.now += 2 * LINK_LEASE_NS;
	rcap_block_done(rig.node[0].rcap, rig.now, rig.node[0].block[0].ticket, true);
	rig.node[0].block[0].used = false;
	assert_int_equal(rcap_of(0)->dropped[RCAP_DROP_SESSION],
			 wire_parts(PAGE, false));
	assert_int_equal(reason_of(newest(0, TRACE_STRAY)), RCAP_DROP_SESSION);
	rig_end(&rig);
}

// The disk answers after its requester's life has ended.
static void
an_answer_of_the_disk_that_comes_too_late(void **state)
{
	u32 place;
	struct rcap_submit s;

	(void)state;
	pair(1500);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 0, 4);
	rig.node[0].block_ns = 5 * NS_PER_SECOND;
	s = rig_submit(&rig, 1, place, OP_BLOCK_READ, 0, PAGE, 0);
	assert_int_not_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	rig_run(&rig, NS_PER_MS);
	assert_int_equal(use_of(place)->operations, 1);
	assert_int_equal(use_of(place)->bytes_out, PAGE);
	rig_crash(&rig, 1);
	rig_run(&rig, 6 * NS_PER_SECOND);
	assert_int_equal(rcap_of(0)->dropped[RCAP_DROP_ORPHAN], 1);
	rig_end(&rig);
}

// What the two requests of one number say, sealed by the requester itself: the second
// contradicts the first.
static void
contradict(u32 place, const struct wire_request *first, const struct wire_request *second,
	   u32 len)
{
	static u8 buffer[WIRE_FRAME_MAX];
	static const u8 data[WIRE_PART];
	struct links *links = rig.node[1].links;
	u16 peer = rig_peer(&rig, 1, 0);
	struct link_plan plan = { .frames = 3, .landing = 3 };
	u32 number;

	(void)place;
	assert_int_equal(links_open(links, rig.now, peer, &plan, &number), LINK_OPENED);
	for (u32 i = 0; i < 2; i++) {
		struct wire_request request = i ? *second : *first;
		u32 size;

		request.number = number;
		size = links_request(links, rig.now, peer, buffer, &request, data, len);
		assert_true(size > 0);
		rcap_input(rig.node[0].rcap, rig.now, buffer, size);
	}
	links_close(links, rig.now, peer, number);
}

static void
requests_that_contradict_each_other(void **state)
{
	u32 place = warm_pair(1500);
	const struct rcap_remote *r = &rig.node[1].place[place].remote;
	struct wire_request write = {
		.op = OP_WRITE, .environment = ENV, .slot = r->slot,
		.generation = r->generation, .length = PAGE,
	};
	struct wire_request other = write;

	(void)state;
	other.part = 1;
	other.length = PAGE - 8;
	contradict(place, &write, &other, WIRE_PART);
	assert_int_equal(rcap_of(0)->dropped[RCAP_DROP_LENGTH], 1);
	assert_int_equal(reason_of(newest(0, TRACE_STRAY)), RCAP_DROP_LENGTH);
	write.length = other.length = 8;
	write.part = other.part = 0;
	other.op = OP_FETCH_ADD;
	contradict(place, &write, &other, 8);
	assert_int_equal(rcap_of(0)->dropped[RCAP_DROP_OP], 1);
	assert_int_equal(reason_of(newest(0, TRACE_STRAY)), RCAP_DROP_OP);
	rig_end(&rig);
}

// Answers that node 0 never gave, sealed by it.
static void
answer(u32 number, u8 part, u8 parts, u16 length, u32 execution, u32 len)
{
	static u8 buffer[WIRE_FRAME_MAX];
	static const u8 data[WIRE_DATA_MAX];
	struct wire_response body = {
		.number = number, .status = STATUS_DONE, .part = part, .parts = parts,
		.length = length, .execution = execution,
	};
	u32 size = links_response(rig.node[0].links, rig.now, rig_peer(&rig, 0, 1),
				  buffer, &body, data, len);

	assert_true(size > 0);
	rcap_input(rig.node[1].rcap, rig.now, buffer, size);
}

static void
answers_that_do_not_fit(void **state)
{
	u32 place = warm_pair(1500), number[WIRE_WINDOW], cookie[WIRE_WINDOW];
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, PAGE, 0);

	(void)state;
	rig.cut[1][0] = true;
	assert_int_not_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	assert_int_equal(links_opened(rig.node[1].links, rig_peer(&rig, 1, 0), number,
				      cookie), 1);
	answer(number[0], 0, 3, PAGE, 9, WIRE_PART);
	answer(number[0], 1, 3, PAGE, 8, WIRE_PART);
	assert_int_equal(rcap_of(1)->dropped[RCAP_DROP_RUN], 1);
	answer(number[0], 0, 1, 8, 9, 8);
	assert_int_equal(rcap_of(1)->dropped[RCAP_DROP_ANSWER], 1);
	assert_int_equal(reason_of(newest(1, TRACE_STRAY)), RCAP_DROP_ANSWER);
	rig_end(&rig);
}

// ---- the trace

// What one read leaves in the traces of both, oldest first, from the event of that kind
// on; `want` ends with TRACE_NONE.
static void
expect_events(u32 node, const enum trace_kind *want, u64 from)
{
	const struct trace_ring *ring = links_trace(rig.node[node].links);

	for (u64 i = from; i < ring->head && *want; i++) {
		if (ring->at[i & ring->mask].kind == *want)
			want++;
	}
	assert_int_equal(*want, TRACE_NONE);
}

static void
one_read_in_both_traces(void **state)
{
	static const enum trace_kind asks[] = {
		TRACE_SUBMIT, TRACE_OPEN, TRACE_OUT, TRACE_IN, TRACE_END, TRACE_NONE,
	};
	static const enum trace_kind owns[] = {
		TRACE_IN, TRACE_RAN, TRACE_OUT, TRACE_NONE,
	};
	u32 place = pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);
	u64 from[2] = { links_trace(rig.node[0].links)->head,
			links_trace(rig.node[1].links)->head };
	const struct trace_event *ran;

	(void)state;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	expect_events(1, asks, from[1]);
	expect_events(0, owns, from[0]);
	ran = newest(0, TRACE_RAN);
	assert_int_equal(ran->peer, rig_peer(&rig, 0, 1));
	assert_int_equal(ran->b, TRACE_PACK(s.remote.slot, 8, 0, OP_READ));
	assert_int_equal(ran->a, newest(1, TRACE_OPEN)->a);
	assert_true(newest(1, TRACE_END)->time_ns >= ran->time_ns);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_export_counts_what_is_done_under_it),
		cmocka_unit_test(bytes_of_every_operation),
		cmocka_unit_test(time_at_work_is_counted),
		cmocka_unit_test(a_repeated_operation_counts_once),
		cmocka_unit_test(guesses_count_as_denials),
		cmocka_unit_test(a_new_holder_begins_at_nothing),
		cmocka_unit_test(frames_without_a_buffer),
		cmocka_unit_test(frames_after_the_session),
		cmocka_unit_test(an_answer_of_the_disk_that_comes_too_late),
		cmocka_unit_test(requests_that_contradict_each_other),
		cmocka_unit_test(answers_that_do_not_fit),
		cmocka_unit_test(one_read_in_both_traces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
