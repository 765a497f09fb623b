// SPDX-License-Identifier: BSD-2-Clause
// The e1000e's driver on the host, against the card of e1000e_rig.h: what it writes in
// which order, how it starts on a card that a boot ROM left running, what it makes of one
// that does not answer, answers nonsense, or loses its link, and of messages that come late.
//
// links: kernel/dev/e1000e_ring.c harness/testing/host_assert.c

#include "kernel/dev/e1000e_rig.h"

static void
test_start(void **state)
{
	(void)state;
	start(NIC_MTU_STANDARD);
	assert_int_equal(card.resets, 1);
	assert_false(card.running_at_reset);
	assert_true(card.master);
	assert_memory_equal(e1000e_driver.facts()->mac, "\x52\x54\x00\xde\x05\x01", 6);
	assert_int_equal(e1000e_driver.facts()->mtu, 1500);
	assert_int_equal(*reg(REG_RDT), BUFFERS);
	assert_int_equal(*reg(REG_RDH), 0);
	assert_int_equal(*reg(REG_MRQC), 0);
	assert_int_equal(*reg(REG_IMS), CAUSE_RECEIVED | CAUSE_OTHER | CAUSE_LINK);
	assert_int_equal(*reg(REG_RCTL) >> 27 & 15, 2);
	assert_false(*reg(REG_RCTL) & RCTL_LONG);
	assert_false(*reg(REG_CTRL) & CTRL_MASTER_DISABLE);
	assert_string_equal(card.said, "");
}

static void
test_long_frames(void **state)
{
	struct nic_received r;

	(void)state;
	start(9000);
	assert_int_equal(*reg(REG_RCTL) >> 27 & 15, 9);
	assert_true(*reg(REG_RCTL) & RCTL_LONG);
	arrive(9014);
	arrive(9015);
	arrive(14);
	assert_true(e1000e_driver.receive(&r));
	assert_int_equal(r.len, 9014);
	e1000e_driver.give_back(r.buffer);
	assert_true(e1000e_driver.receive(&r));
	assert_int_equal(r.len, 14);
	assert_false(e1000e_driver.receive(&r));
}

// A batch up to its end; returns how many frames came.
static u32
take(void)
{
	struct nic_received r;
	u32 count = 0;

	e1000e_driver.receive_begin();
	for (; e1000e_driver.receive(&r); count++) {
		assert_int_equal(r.frame[r.len - 1], 0x5a);
		e1000e_driver.give_back(r.buffer);
	}
	return count;
}

// One interrupt for each time that it is asked for, and never a frame forgotten.
static void
test_receive(void **state)
{
	struct nic_received r;

	(void)state;
	start(NIC_MTU_STANDARD);
	for (u32 round = 0; round < 100; round++) {
		u32 before = card.interrupts, burst = 1 + round % BUFFERS / 2;

		for (u32 i = 0; i < burst; i++)
			assert_true(arrive(FRAME_LEN + i));
		assert_int_equal(card.interrupts, before + 1);
		assert_int_equal(take(), burst);
		assert_false(e1000e_driver.receive_end(false));
		assert_true(arrive(FRAME_LEN));
		assert_int_equal(card.interrupts, before + 1);
		assert_true(e1000e_driver.receive_waiting());
		assert_true(e1000e_driver.receive_end(true));
		assert_true(e1000e_driver.receive(&r));
		e1000e_driver.give_back(r.buffer);
		assert_false(e1000e_driver.receive_end(true));
	}
}

// A message that comes when its frames have been taken: the next one is asked for, with a
// write, or two where others came behind the first.
static void
test_late_message(void **state)
{
	(void)state;
	start(NIC_MTU_STANDARD);
	for (u32 round = 1; round <= 100; round++) {
		u32 burst = 1 + round % 3;

		card.slow = true;
		for (u32 i = 0; i < burst; i++)
			assert_true(arrive(FRAME_LEN));
		assert_int_equal(take(), burst);
		assert_false(e1000e_driver.receive_end(true));
		card.slow = false;
		card.writes = 0;
		deliver();
		assert_int_equal(card.writes, burst > 1 ? 2 : 1);
		assert_int_equal(card.interrupts, 2 * round - 1);
		assert_true(arrive(FRAME_LEN));
		assert_int_equal(card.interrupts, 2 * round);
		assert_int_equal(take(), 1);
		assert_false(e1000e_driver.receive_end(true));
	}
}

// Who is told finds what came just before the next one was asked for.
static void
test_last_moment(void **state)
{
	(void)state;
	start(NIC_MTU_STANDARD);
	for (u32 round = 0; round < 100; round++) {
		card.slow = true;
		for (u32 i = 0; i < 2; i++)
			assert_true(arrive(FRAME_LEN));
		assert_int_equal(take(), 2);
		assert_false(e1000e_driver.receive_end(true));
		card.last_moment = 1 + round % 2;
		deliver();
		assert_true(card.found);
		assert_int_equal(take(), 1 + round % 2);
		assert_false(e1000e_driver.receive_end(true));
		card.slow = false;
		deliver();
	}
}

// And where frames are not to interrupt, or are being taken, it is not asked.
static void
test_late_message_unwanted(void **state)
{
	(void)state;
	start(NIC_MTU_STANDARD);
	for (u32 round = 0; round < 2; round++) {
		assert_false(e1000e_driver.receive_end(true));
		card.slow = true;
		assert_true(arrive(FRAME_LEN));
		assert_int_equal(take(), 1);
		if (round == 0)
			assert_false(e1000e_driver.receive_end(false));
		card.slow = false;
		card.writes = 0;
		deliver();
		assert_int_equal(card.writes, 0);
		assert_int_equal(card.interrupts, round + 1);
	}
}

// A caller that keeps buffers does not make the card starve while others are there.
static void
test_buffers_return(void **state)
{
	struct nic_received r[BUFFERS];
	u32 held = 0;

	(void)state;
	start(NIC_MTU_STANDARD);
	while (arrive(FRAME_LEN))
		;
	while (e1000e_driver.receive(&r[held]))
		held++;
	assert_int_equal(held, BUFFERS);
	assert_false(e1000e_driver.receive_end(true));
	assert_false(arrive(FRAME_LEN));
	while (held)
		e1000e_driver.give_back(r[--held].buffer);
	assert_false(e1000e_driver.receive_end(true));
	assert_true(arrive(FRAME_LEN));
}

static void
test_send(void **state)
{
	u32 cookie;

	(void)state;
	start(NIC_MTU_STANDARD);
	assert_int_equal(e1000e_driver.room(), E1000E_ROOM);
	for (u32 i = 0; i < 3 * E1000E_ROOM; i++) {
		send(i);
		assert_false(e1000e_driver.sent_waiting());
		assert_int_equal(e1000e_driver.room(), E1000E_ROOM - 1);
		transmit();
		assert_int_equal(card.interrupts, 0);
		assert_true(e1000e_driver.sent(&cookie));
		assert_int_equal(cookie, i);
		assert_false(e1000e_driver.sent(&cookie));
	}
	assert_false(e1000e_driver.want_sent(true));
	send(1);
	transmit();
	assert_int_equal(card.interrupts, 1);
	assert_true(e1000e_driver.want_sent(true));
}

// Everything that it held comes back once, and nothing goes out any more.
static void
check_stopped(u32 open)
{
	struct nic_received r;
	u32 cookie;

	assert_false(e1000e_driver.works());
	assert_int_equal(e1000e_driver.room(), 0);
	assert_false(e1000e_driver.receive_waiting());
	assert_false(e1000e_driver.receive(&r));
	assert_false(e1000e_driver.receive_end(true));
	for (u32 i = 0; i < open; i++) {
		assert_true(e1000e_driver.sent_waiting());
		assert_true(e1000e_driver.sent(&cookie));
		assert_int_equal(cookie, i);
	}
	assert_false(e1000e_driver.sent_waiting());
	assert_false(e1000e_driver.sent(&cookie));
}

static void
test_bad_completion(void **state)
{
	struct nic_received r;

	(void)state;
	start(NIC_MTU_STANDARD);
	for (u32 i = 0; i < 3; i++)
		send(i);
	assert_false(e1000e_driver.receive_end(true));
	ring(REG_RDBAL)[0].rest = 2049 | DONE_LAST;
	assert_true(e1000e_driver.receive_waiting());
	assert_false(e1000e_driver.receive(&r));
	assert_int_equal(card.resets, 2);
	assert_false(card.running_at_reset);
	assert_non_null(strstr(card.said, "broke the rules"));
	card.writes = 0;
	handlers[0]();				// a message that was on its way
	assert_int_equal(card.writes, 0);
	check_stopped(3);
}

// One that does not confirm loses the bus, and keeps what it may still read.
static void
test_bad_completion_unconfirmed(void **state)
{
	struct nic_received r;
	u32 cookie;

	(void)state;
	start(NIC_MTU_STANDARD);
	send(0);
	card.deaf = true;
	ring(REG_RDBAL)[0].rest = 2049 | DONE_LAST;
	assert_false(e1000e_driver.receive(&r));
	assert_false(card.master);
	assert_non_null(strstr(card.said, "does not confirm its reset\n"));
	assert_false(e1000e_driver.sent_waiting());
	assert_false(e1000e_driver.sent(&cookie));
}

static void
test_never_answers(void **state)
{
	(void)state;
	card.deaf = true;
	assert_false(e1000e_driver.init(count_interrupt, BUFFERS, NIC_MTU_STANDARD));
	assert_false(card.master);
	assert_null(e1000e_driver.facts());
	assert_false(e1000e_driver.works());
	assert_true(card.now <= 3 * RESET_WAIT_NS);
	assert_string_equal(card.said, "nic: the device does not confirm its reset\n");
}

static void
test_gone(void **state)
{
	(void)state;
	card.gone = true;
	assert_false(e1000e_driver.init(count_interrupt, BUFFERS, NIC_MTU_STANDARD));
	assert_false(card.master);
	assert_string_equal(card.said, "nic: the device does not confirm its reset, "
				       "nor that it is idle\n");
}

static void
test_no_address(void **state)
{
	(void)state;
	for (u32 i = 0; i < 3; i++) {
		power_on(state);
		*reg(REG_RAL) = i == 0 ? 0xde005453 : i == 1 ? 0 : 0xde005452;
		*reg(REG_RAH) = i == 0 ? RAH_VALID : i == 1 ? RAH_VALID : 0x0105;
		assert_false(e1000e_driver.init(count_interrupt, BUFFERS, 1500));
		assert_false(card.master);
		assert_non_null(strstr(card.said, "no address of its own\n"));
	}
}

static void
test_link(void **state)
{
	(void)state;
	*reg(REG_STATUS) = 0;
	start(NIC_MTU_STANDARD);
	for (u32 i = 0; i < 2; i++) {
		*reg(REG_STATUS) ^= STATUS_LINK_UP;
		*reg(REG_ICR) |= CAUSE_LINK | CAUSE_OTHER;
		fire();
		assert_int_equal(*reg(REG_ICR), 0);
		assert_true(*reg(REG_IMS) & CAUSE_OTHER);
	}
	assert_string_equal(card.said, "nic: the link is down\nnic: the link is up\n"
				       "nic: the link is down\n");
	assert_true(e1000e_driver.works());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_start, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_long_frames, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_receive, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_late_message, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_last_moment, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_late_message_unwanted, power_on,
						power_off),
		cmocka_unit_test_setup_teardown(test_buffers_return, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_send, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_bad_completion, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_bad_completion_unconfirmed, power_on,
						power_off),
		cmocka_unit_test_setup_teardown(test_never_answers, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_gone, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_no_address, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_link, power_on, power_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
