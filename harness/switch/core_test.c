// SPDX-License-Identifier: BSD-2-Clause
// links: harness/switch/core.c harness/switch/frame.c harness/switch/lane.c
// links: harness/switch/mac.c harness/switch/snoop.c
// links: harness/testing/host_assert.c
//
// Tests of the switch's core: what goes where, what is dropped and counted.

#include "harness/switch/core_rig.h"

static void
unknown_target_is_flooded_and_known_one_is_not(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	send(&rig, 1, 2, 7);
	assert_int_equal(take(&rig, 1), -1);
	assert_int_equal(take(&rig, 2), 7);
	assert_int_equal(take(&rig, 3), 7);
	assert_int_equal(take(&rig, 4), 7);
	send(&rig, 2, 1, 8);
	assert_int_equal(take(&rig, 1), 8);
	assert_int_equal(take(&rig, 3), -1);
	assert_int_equal(take(&rig, 4), -1);
	assert_int_equal(counters(&rig, 1)->flooded, 1);
	assert_int_equal(counters(&rig, 2)->flooded, 0);
	rig_close(&rig);
}

static void
broadcast_reaches_all_but_its_sender(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	send(&rig, 3, 0, 9);
	assert_int_equal(take(&rig, 1), 9);
	assert_int_equal(take(&rig, 2), 9);
	assert_int_equal(take(&rig, 3), -1);
	assert_int_equal(take(&rig, 4), 9);
	rig_close(&rig);
}

static void
station_that_moves_is_followed(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	learn_all(&rig);
	send_from(&rig, 2, 1, 0, 1); // station 1 speaks from port 3 now
	take_all(&rig, 1);
	take_all(&rig, 2);
	take_all(&rig, 4);
	send(&rig, 2, 1, 5);
	assert_int_equal(take(&rig, 3), 5);
	assert_int_equal(take(&rig, 1), -1);
	rig_close(&rig);
}

static void
frame_to_a_station_on_its_own_port_is_filtered(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	send_from(&rig, 0, 9, 0, 0);
	for (u32 station = 2; station <= PORTS; station++)
		take_all(&rig, station);
	send(&rig, 1, 9, 1);
	for (u32 station = 1; station <= PORTS; station++)
		assert_int_equal(take(&rig, station), -1);
	assert_int_equal(counters(&rig, 1)->filtered, 1);
	rig_close(&rig);
}

static void
address_is_forgotten_by_age_and_when_its_port_goes_down(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	learn_all(&rig);
	rig.now_ns += MAC_AGE_NS - 1;
	send(&rig, 1, 2, 1);
	assert_int_equal(take_all(&rig, 2), 1);
	assert_int_equal(take_all(&rig, 3), 0);
	rig.now_ns += 1;
	send(&rig, 1, 2, 2);
	assert_int_equal(take_all(&rig, 2), 1);
	assert_int_equal(take_all(&rig, 3), 1);
	take_all(&rig, 4);
	send(&rig, 2, 0, 3);
	core_port_down(rig.core, 1);
	core_port_up(rig.core, 1);
	take_all(&rig, 1);
	take_all(&rig, 3);
	take_all(&rig, 4);
	send(&rig, 1, 2, 4);
	assert_int_equal(take_all(&rig, 3), 1);
	rig_close(&rig);
}

static void
invented_addresses_do_not_break_the_table(void **state)
{
	struct rig rig = rig_open();
	struct mac_table *table = &rig.core->macs;
	u32 used = 0;

	(void)state;
	for (u64 i = 1; i <= 100000; i++)
		mac_learn(table, 0x020000000000ull + i, 0, i);
	for (u32 i = 0; i < MAC_SETS * MAC_WAYS; i++)
		used += table->entries[i].address != 0;
	assert_in_range(used, MAC_SETS * MAC_WAYS * 9 / 10,
			MAC_SETS * MAC_WAYS);
	assert_int_equal(mac_find(table, 0x020000000000ull + 100000, 100000), 0);
	rig.now_ns = 100000;
	send(&rig, 2, 3, 1);
	assert_int_equal(take(&rig, 3), 1);
	rig_close(&rig);
}

static void
group_address_is_never_learned(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	mac_learn(&rig.core->macs, MAC_BROADCAST, 1, 0);
	mac_learn(&rig.core->macs, 0x01005e000001ull, 1, 0);
	mac_learn(&rig.core->macs, 0, 1, 0);
	assert_int_equal(mac_find(&rig.core->macs, MAC_BROADCAST, 0),
			 MAC_NO_PORT);
	assert_int_equal(mac_find(&rig.core->macs, 0x01005e000001ull, 0),
			 MAC_NO_PORT);
	assert_int_equal(mac_find(&rig.core->macs, 0, 0), MAC_NO_PORT);
	rig_close(&rig);
}

static void
full_queue_drops_its_tail_and_only_its_own(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	learn_all(&rig);
	for (u32 i = 0; i < FRAME_QUEUE_MAX + 44; i++) {
		send(&rig, 1, 2, i);
		send(&rig, 1, 3, i);
		assert_int_equal(take(&rig, 3), i);
	}
	assert_int_equal(counters(&rig, 2)->queue_full, 44);
	assert_int_equal(counters(&rig, 3)->queue_full, 0);
	for (u32 i = 0; i < FRAME_QUEUE_MAX; i++)
		assert_int_equal(take(&rig, 2), i);
	assert_int_equal(take(&rig, 2), -1);
	rig_close(&rig);
}

static void
short_frame_is_dropped_and_counted(void **state)
{
	struct rig rig = rig_open();

	(void)state;
	for (u32 len = 0; len < FRAME_LEN_MIN; len++) {
		struct frame *frame = core_frame(rig.core, 0);

		frame->len = len;
		core_input(rig.core, 0, frame, 0);
	}
	assert_int_equal(counters(&rig, 1)->runt, FRAME_LEN_MIN);
	assert_int_equal(core_dirty(rig.core), 0);
	rig_close(&rig);
}

static void
mirror_has_each_switched_frame_once(void **state)
{
	struct rig rig = rig_open();
	struct frame *frame;

	(void)state;
	core_mirror(rig.core, true);
	send(&rig, 1, 0, 77);
	frame = frame_queue_pop(&rig.core->mirror);
	assert_non_null(frame);
	assert_int_equal(be32_load(frame->data + PAYLOAD_AT), 77);
	frame_release(&rig.core->pool, frame);
	assert_null(frame_queue_pop(&rig.core->mirror));
	for (u32 i = 0; i < FRAME_QUEUE_MAX + 5; i++)
		send(&rig, 1, 0, i);
	assert_int_equal(rig.core->mirror_missed, 5);
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			unknown_target_is_flooded_and_known_one_is_not),
		cmocka_unit_test(broadcast_reaches_all_but_its_sender),
		cmocka_unit_test(station_that_moves_is_followed),
		cmocka_unit_test(
			frame_to_a_station_on_its_own_port_is_filtered),
		cmocka_unit_test(
			address_is_forgotten_by_age_and_when_its_port_goes_down),
		cmocka_unit_test(invented_addresses_do_not_break_the_table),
		cmocka_unit_test(group_address_is_never_learned),
		cmocka_unit_test(full_queue_drops_its_tail_and_only_its_own),
		cmocka_unit_test(short_frame_is_dropped_and_counted),
		cmocka_unit_test(mirror_has_each_switched_frame_once),
	};

	seed_choose();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
