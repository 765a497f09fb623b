// SPDX-License-Identifier: BSD-2-Clause
// links: harness/sim/network.c harness/sim/faults.c harness/sim/heap.c
// links: harness/sim/trace.c harness/testing/host_assert.c
//
// The simulated network by itself: without faults each frame comes once and in
// order; with each kind of fault that happens which it is named for; nothing is
// ever unaccounted for; and a seed is a run.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "harness/sim/network.h"

#define NODES 4u
#define SENT 2000u
#define FRAME_LEN 100u

static struct event events[8192];
static struct heap heap;
static struct trace trace;
static struct network network;

// What came of SENT frames of node 0, all to node 1 or all to everybody.
struct outcome {
	u32 received[NODES];
	u32 late;		// came to node 1 after a later one
	u32 changed;
	u64 hash;
};

static void
take(const struct event *event, struct outcome *outcome, u32 *newest)
{
	const struct sim_frame *frame = &network.frame[event->a];
	u32 number;

	memcpy(&number, frame->bytes + 20, 4);
	for (u32 i = 24; i < FRAME_LEN; i++) {
		if (frame->bytes[i] != 0x33) {
			outcome->changed++;
			break;
		}
	}
	outcome->received[event->node]++;
	if (event->node == 1) {
		outcome->late += number < *newest;
		*newest = MAX(*newest, number);
	}
	trace_bytes(&trace, frame->bytes, frame->len);
	network_done(&network, event->a, true);
}

static struct outcome
send_all(u64 seed, const struct faults *faults, bool everybody)
{
	struct outcome outcome = { 0 };
	struct event event;
	u8 bytes[FRAME_LEN];
	u32 newest = 0;

	heap_init(&heap, events, ARRAY_SIZE(events));
	trace_init(&trace, false);
	network_init(&network, &heap, &trace, NODES, 5, seed);
	network.faults = *faults;
	memset(bytes, 0x33, sizeof(bytes));
	network_mac(1, bytes);
	if (everybody)
		memset(bytes, 0xff, 6);
	for (u32 i = 0; i < SENT; i++) {
		trace.now += 2000;
		memcpy(bytes + 20, &i, 4);
		network_send(&network, 0, bytes, FRAME_LEN);
		network_check(&network);
		if (i % 7 == 0 && heap_take(&heap, &event))
			take(&event, &outcome, &newest);
	}
	while (heap_take(&heap, &event))
		take(&event, &outcome, &newest);
	network_check(&network);
	assert_int_equal(network.on_way, 0);
	outcome.hash = trace.hash;
	return outcome;
}

static struct outcome
send_with(enum fault_kind kind, u32 rate)
{
	struct faults faults = { 0 };

	faults.rate[kind] = rate;
	return send_all(1, &faults, false);
}

static void
without_faults(void **state)
{
	const struct faults none = { 0 };
	struct outcome one = send_all(1, &none, false);
	struct outcome all = send_all(1, &none, true);

	(void)state;
	assert_int_equal(one.received[1], SENT);
	assert_int_equal(one.received[2], 0);
	assert_int_equal(one.late, 0);
	assert_int_equal(one.changed, 0);
	for (u32 i = 1; i < NODES; i++)
		assert_int_equal(all.received[i], SENT);
	assert_int_equal(all.received[0], 0);
}

static void
each_fault(void **state)
{
	struct outcome o = send_with(FAULT_LOSS, MILLION / 10);

	(void)state;
	assert_int_equal(o.received[1] + network.count.lost, SENT);
	assert_in_range(network.count.lost, SENT / 20, SENT / 5);
	o = send_with(FAULT_DUPLICATE, MILLION / 10);
	assert_int_equal(o.received[1], SENT + network.count.duplicated);
	assert_in_range(network.count.duplicated, SENT / 20, SENT / 5);
	o = send_with(FAULT_REORDER, MILLION / 10);
	assert_int_equal(o.received[1], SENT);
	assert_in_range(o.late, SENT / 20, SENT / 5);
	o = send_with(FAULT_CORRUPT, MILLION / 10);
	assert_int_equal(o.received[1], SENT);
	assert_in_range(network.count.corrupted, SENT / 20, SENT / 5);
	assert_in_range(o.changed, network.count.corrupted / 2, network.count.corrupted);
}

static void
blocked_and_healed(void **state)
{
	const struct faults none = { 0 };
	u8 bytes[FRAME_LEN] = { 0 };
	struct event event;

	(void)state;
	send_all(1, &none, false);
	network_mac(1, bytes);
	network_block(&network, 0, 1, true);
	network_slow(&network, 2, 1, 1000000, trace.now + 1);
	network_send(&network, 0, bytes, FRAME_LEN);
	assert_int_equal(network.on_way, 0);
	assert_int_equal(network.count.blocked, 1);
	network_send(&network, 2, bytes, FRAME_LEN);
	assert_true(heap_take(&heap, &event));
	assert_true(event.at > trace.now + 1000000);
	network_done(&network, event.a, false);
	network_heal(&network);
	network_send(&network, 0, bytes, FRAME_LEN);
	assert_int_equal(network.on_way, 1);
	network_check(&network);
}

static void
captures_come_again(void **state)
{
	const struct faults none = { 0 };
	struct event event;
	const struct capture *capture;

	(void)state;
	send_all(1, &none, false);
	assert_true(network.captured > 0);
	capture = &network.capture[0];
	assert_int_equal(capture->from, 0);
	assert_int_equal(capture->to, 1);
	network_inject(&network, 2, capture, capture->bytes, capture->len);
	assert_true(heap_take(&heap, &event));
	assert_int_equal(event.node, 2);
	assert_true(network.frame[event.a].strange);
	assert_false(network.frame[event.a].altered);
	assert_memory_equal(network.frame[event.a].bytes, capture->bytes, FRAME_LEN);
	network_check(&network);
}

static void
a_seed_is_a_run(void **state)
{
	struct faults faults = { 0 };
	u64 hash;

	(void)state;
	faults.rate[FAULT_LOSS] = faults.rate[FAULT_REORDER] = MILLION / 10;
	hash = send_all(7, &faults, false).hash;
	assert_true(send_all(7, &faults, false).hash == hash);
	assert_true(send_all(8, &faults, false).hash != hash);
}

static void
faults_are_read(void **state)
{
	struct fault_choice choice;
	struct faults faults;
	struct prng prng;
	const char *why;

	(void)state;
	assert_true(faults_parse("loss,crash", &choice, &why));
	assert_int_equal(choice.allowed, 1u << FAULT_LOSS | 1u << FAULT_CRASH);
	assert_false(faults_parse("loss,,crash", &choice, &why));
	assert_false(faults_parse("", &choice, &why));
	assert_true(faults_parse("none", &choice, &why));
	prng_seed(&prng, 1);
	faults_draw(&faults, &prng, choice);
	for (u32 i = 0; i < FAULT_KINDS; i++)
		assert_int_equal(faults.rate[i], 0);
	assert_true(faults_parse("all", &choice, &why));
	faults_draw(&faults, &prng, choice);
	for (u32 i = 0; i < FAULT_KINDS; i++)
		assert_true(faults.rate[i] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_faults),
		cmocka_unit_test(each_fault),
		cmocka_unit_test(blocked_and_healed),
		cmocka_unit_test(captures_come_again),
		cmocka_unit_test(a_seed_is_a_run),
		cmocka_unit_test(faults_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
