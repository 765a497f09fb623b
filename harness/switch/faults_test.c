// SPDX-License-Identifier: BSD-2-Clause
// links: harness/switch/core.c harness/switch/frame.c harness/switch/lane.c
// links: harness/switch/mac.c harness/switch/snoop.c
// links: harness/testing/host_assert.c
//
// Tests of the switch's faults: what each does, and that a seed decides all of
// it.

#include "harness/switch/core_rig.h"

// Sends `count` frames from 1 to 2 and returns how many arrive.
static u32
pass(struct rig *rig, u32 count)
{
	u32 arrived = 0;

	for (u32 i = 0; i < count; i++) {
		send(rig, 1, 2, i);
		arrived += take_all(rig, 2);
	}
	rig->now_ns += NS_PER_SECOND;
	core_tick(rig->core, rig->now_ns);
	return arrived + take_all(rig, 2);
}

static void
loss_is_at_its_rate_on_both_links(void **state)
{
	struct rig rig = rig_open();
	u32 count = 100000;
	u32 arrived;

	(void)state;
	learn_all(&rig);
	set_plan(&rig, 1, (struct fault_plan){ .loss_ppm = 50000 });
	arrived = pass(&rig, count);
	// 5% of 100,000 is 5,000 with a deviation of 69: six of those.
	assert_in_range(count - arrived, 5000 - 414, 5000 + 414);
	assert_int_equal(rig.core->ports[0].in.counters.lost, count - arrived);
	set_plan(&rig, 2, (struct fault_plan){ .loss_ppm = 50000 });
	arrived = pass(&rig, count);
	// Two links: 1 - 0.95^2 = 9.75%, deviation 94.
	assert_in_range(count - arrived, 9750 - 564, 9750 + 564);
	set_plan(&rig, 2, (struct fault_plan){ .loss_ppm = LANE_PPM });
	assert_int_equal(pass(&rig, 100), 0);
	rig_close(&rig);
}

static void
duplication_is_at_its_rate_and_directly_behind(void **state)
{
	struct rig rig = rig_open();
	u32 doubled = 0;

	(void)state;
	learn_all(&rig);
	set_plan(&rig, 2, (struct fault_plan){ .duplicate_ppm = 200000 });
	for (u32 i = 0; i < 10000; i++) {
		send(&rig, 1, 2, i);
		assert_int_equal(take(&rig, 2), i);
		if (rig.core->ports[1].queue.count == 0)
			continue;
		assert_int_equal(take(&rig, 2), i);
		doubled++;
	}
	// Deviation 40.
	assert_in_range(doubled, 2000 - 240, 2000 + 240);
	assert_int_equal(rig.core->ports[1].out.counters.duplicated, doubled);
	rig_close(&rig);
}

static void
corruption_flips_one_bit_behind_the_addresses(void **state)
{
	struct rig rig = rig_open();
	u32 flipped_bytes[FRAME_LEN] = { 0 };
	u8 clean[FRAME_LEN] = { 0 };

	(void)state;
	learn_all(&rig);
	write_mac(clean, 2);
	write_mac(clean + 6, 1);
	be16_store(clean + 12, 0x88b5);
	set_plan(&rig, 1, (struct fault_plan){ .corrupt_ppm = LANE_PPM });
	for (u32 i = 0; i < 5000; i++) {
		struct frame *frame;
		u32 bits = 0;

		send(&rig, 1, 2, 0);
		frame = core_take(rig.core, 1);
		for (u32 b = 0; b < FRAME_LEN; b++) {
			u32 wrong = (u32)(frame->data[b] ^ clean[b]);

			bits += (u32)__builtin_popcount(wrong);
			flipped_bytes[b] += wrong != 0;
		}
		assert_int_equal(bits, 1);
		frame_release(&rig.core->pool, frame);
	}
	for (u32 b = 0; b < FRAME_LEN; b++)
		assert_int_equal(flipped_bytes[b] > 0, b >= 12);
	rig_close(&rig);
}

static void
corruption_of_a_flooded_frame_spares_the_other_ports(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	set_plan(&rig, 2, (struct fault_plan){ .corrupt_ppm = LANE_PPM });
	for (u32 i = 0; i < 200; i++) {
		struct frame *frame;

		send(&rig, 1, 0, 0);
		frame = core_take(rig.core, 2);
		for (u32 b = PAYLOAD_AT; b < FRAME_LEN; b++)
			assert_int_equal(frame->data[b], 0);
		frame_release(&rig.core->pool, frame);
		take_all(&rig, 2);
		take_all(&rig, 4);
	}
	assert_int_equal(rig.core->ports[1].out.counters.corrupted, 200);
	rig_close(&rig);
}

static void
reordering_lets_a_few_frames_pass_and_loses_none(void **state)
{
	struct rig rig = rig_open();
	bool seen[2000] = { false };
	i64 newest = -1;
	u32 late = 0;

	(void)state;
	learn_all(&rig);
	set_plan(&rig, 1, (struct fault_plan){ .reorder_ppm = 100000 });
	for (u32 i = 0; i < 2000 + 1; i++) {
		i64 serial;

		if (i < 2000) {
			send(&rig, 1, 2, i);
		} else {
			// What nothing follows goes on after the holding time.
			rig.now_ns += LANE_HOLD_NS;
			core_tick(rig.core, rig.now_ns);
		}
		while ((serial = take(&rig, 2)) >= 0) {
			assert_false(seen[serial]);
			seen[serial] = true;
			// Held ones may themselves wait for up to 8 that pass.
			assert_true(newest - serial <= 2 * LANE_PASSES_MAX);
			late += serial < newest;
			newest = serial > newest ? serial : newest;
		}
	}
	for (u32 i = 0; i < 2000; i++)
		assert_true(seen[i]);
	assert_in_range(late, 120, 280); // 200, deviation 13
	assert_int_equal(core_deadline(rig.core), CORE_NEVER);
	rig_close(&rig);
}

static void
delay_and_jitter_keep_order_and_bounds(void **state)
{
	struct rig rig = rig_open();
	u64 sent_ns[500];
	u32 next = 0;

	(void)state;
	learn_all(&rig);
	set_plan(&rig, 2, (struct fault_plan){ .delay_ns = 5 * NS_PER_MS,
					       .jitter_ns = 2 * NS_PER_MS });
	for (u32 i = 0; i < 500; i++) {
		rig.now_ns += 100 * NS_PER_US;
		core_tick(rig.core, rig.now_ns);
		sent_ns[i] = rig.now_ns;
		send(&rig, 1, 2, i);
		while (rig.core->ports[1].queue.count > 0) {
			assert_int_equal(take(&rig, 2), next);
			assert_in_range(rig.now_ns - sent_ns[next],
					5 * NS_PER_MS,
					7 * NS_PER_MS + 100 * NS_PER_US);
			next++;
		}
	}
	while (core_deadline(rig.core) != CORE_NEVER) {
		rig.now_ns = core_deadline(rig.core);
		core_tick(rig.core, rig.now_ns);
		while (rig.core->ports[1].queue.count > 0)
			assert_int_equal(take(&rig, 2), next++);
	}
	assert_int_equal(next, 500);
	rig_close(&rig);
}

static void
line_is_bounded(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	learn_all(&rig);
	set_plan(&rig, 2, (struct fault_plan){ .delay_ns = NS_PER_SECOND });
	for (u32 i = 0; i < LANE_LINE_MAX + 10; i++)
		send(&rig, 1, 2, i);
	assert_int_equal(rig.core->ports[1].out.counters.line_full, 10);
	core_check(rig.core);
	core_port_down(rig.core, 1);
	assert_int_equal(counters(&rig, 2)->down, LANE_LINE_MAX);
	rig_close(&rig);
}

static void
clearing_a_plan_delivers_what_is_under_way_in_order(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	learn_all(&rig);
	set_plan(&rig, 2, (struct fault_plan){ .delay_ns = NS_PER_MS });
	send(&rig, 1, 2, 0);
	set_plan(&rig, 2, (struct fault_plan){ 0 });
	send(&rig, 1, 2, 1);
	assert_int_equal(take(&rig, 2), -1);
	rig.now_ns += NS_PER_MS;
	core_tick(rig.core, rig.now_ns);
	assert_int_equal(take(&rig, 2), 0);
	assert_int_equal(take(&rig, 2), 1);
	send(&rig, 1, 2, 2);
	assert_int_equal(take(&rig, 2), 2);
	rig_close(&rig);
}

static void
partition_cuts_one_way_or_both_until_healed(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	learn_all(&rig);
	core_cut(rig.core, 1u << 0, 1u << 1); // what 1 sends to 2
	send(&rig, 1, 2, 1);
	send(&rig, 2, 1, 2);
	send(&rig, 1, 3, 3);
	send(&rig, 1, 0, 4);
	assert_int_equal(take(&rig, 2), -1);
	assert_int_equal(take(&rig, 1), 2);
	assert_int_equal(take(&rig, 3), 3);
	assert_int_equal(take(&rig, 3), 4);
	assert_int_equal(counters(&rig, 2)->partition, 2);
	core_cut(rig.core, 1u << 1, 1u << 0);
	send(&rig, 2, 1, 5);
	assert_int_equal(take(&rig, 1), -1);
	core_heal(rig.core);
	send(&rig, 1, 2, 6);
	send(&rig, 2, 1, 7);
	assert_int_equal(take(&rig, 2), 6);
	assert_int_equal(take(&rig, 1), 7);
	take_all(&rig, 4);
	rig_close(&rig);
}

static void
partition_also_cuts_what_is_under_way(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	learn_all(&rig);
	set_plan(&rig, 2, (struct fault_plan){ .delay_ns = NS_PER_MS });
	send(&rig, 1, 2, 1);
	core_cut(rig.core, 1u << 0, 1u << 1);
	rig.now_ns += NS_PER_MS;
	core_tick(rig.core, rig.now_ns);
	assert_int_equal(take(&rig, 2), -1);
	assert_int_equal(counters(&rig, 2)->partition, 1);
	rig_close(&rig);
}

// A hash of everything that comes out of a run under every fault at once.
static u64
hash_of_run(u64 run_seed)
{
	struct fault_plan plan = {
		.loss_ppm = 50000, .duplicate_ppm = 50000,
		.reorder_ppm = 100000, .corrupt_ppm = 50000,
		.delay_ns = NS_PER_MS, .jitter_ns = 3 * NS_PER_MS,
	};
	struct rig rig = rig_open();
	u64 hash = 0xcbf29ce484222325ull;

	core_seed(rig.core, run_seed);
	for (u32 station = 1; station <= PORTS; station++)
		set_plan(&rig, station, plan);
	for (u32 i = 0; i < 3000; i++) {
		rig.now_ns += 37 * NS_PER_US;
		send(&rig, 1 + i % PORTS, (i / 3) % (PORTS + 1), i);
		for (u32 port = 0; port < PORTS; port++) {
			struct frame *frame;

			while ((frame = core_take(rig.core, port))) {
				for (u32 b = 0; b < frame->len; b++)
					hash = (hash ^ frame->data[b]) *
					       0x100000001b3ull;
				hash = (hash ^ port) * 0x100000001b3ull;
				frame_release(&rig.core->pool, frame);
			}
		}
		core_check(rig.core);
	}
	rig_close(&rig);
	return hash;
}

static void
same_seed_gives_the_same_run(void **state)
{
	(void)state;
	assert_true(hash_of_run(seed) == hash_of_run(seed));
	assert_true(hash_of_run(seed) != hash_of_run(seed + 1));
}

static void
overdue_frames_come_out_in_batches(void **state)
{
	struct rig rig = rig_open();
	u32 ticks = 0;
	u32 got = 0;

	(void)state;
	learn_all(&rig);
	set_plan(&rig, 1, (struct fault_plan){ .delay_ns = NS_PER_MS });
	for (u32 i = 0; i < LANE_LINE_MAX; i++)
		send(&rig, 1, 2, i);
	rig.now_ns += NS_PER_SECOND; // a host that was not run for a while
	while (core_deadline(rig.core) != CORE_NEVER) {
		core_tick(rig.core, rig.now_ns);
		assert_in_range(rig.core->ports[1].queue.count, 1, CORE_BATCH);
		got += take_all(&rig, 2);
		ticks++;
	}
	assert_int_equal(got, LANE_LINE_MAX);
	assert_int_equal(ticks, LANE_LINE_MAX / CORE_BATCH);
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loss_is_at_its_rate_on_both_links),
		cmocka_unit_test(
			duplication_is_at_its_rate_and_directly_behind),
		cmocka_unit_test(corruption_flips_one_bit_behind_the_addresses),
		cmocka_unit_test(
			corruption_of_a_flooded_frame_spares_the_other_ports),
		cmocka_unit_test(
			reordering_lets_a_few_frames_pass_and_loses_none),
		cmocka_unit_test(delay_and_jitter_keep_order_and_bounds),
		cmocka_unit_test(line_is_bounded),
		cmocka_unit_test(
			clearing_a_plan_delivers_what_is_under_way_in_order),
		cmocka_unit_test(partition_cuts_one_way_or_both_until_healed),
		cmocka_unit_test(partition_also_cuts_what_is_under_way),
		cmocka_unit_test(same_seed_gives_the_same_run),
		cmocka_unit_test(overdue_frames_come_out_in_batches),
	};

	seed_choose();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
