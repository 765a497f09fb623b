// SPDX-License-Identifier: BSD-2-Clause
// Frames of which no interrupt tells: those that come while a turn takes all that it
// may, and those for the fabric while everybody is awake. The boot processor is told to
// look at its timer, and nothing stays with the device for longer than was said.
//
// links: kernel/sys/ring_rx.c kernel/filter/trie.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/byteorder.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/fabric.h"
#include "kernel/filter/complete.h"
#include "kernel/sys/env.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/ring_state.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/wait.h"

struct ring rings[RINGS_MAX];
struct sys_info sys_info;
struct claims claims;
struct clock kernel_clock = { .tsc_hz = NS_PER_SECOND, .ns_mult = 1ull << 32 };
struct cpu cpus[CPUS_MAX];
struct env envs[ENVS_MAX];
struct env_info env_table[ENVS_MAX];
u64 wait_hinted;
u32 ring_handler_replies;

static u32 waiting;		// frames at the device
static u32 coming;		// one comes at the end of each batch, so many times
static bool listening;		// it interrupts for the next one
static u32 kicks;
static u32 taken;
static bool expects;

// The device.

static bool
device_waiting(void)
{
	return waiting > 0;
}

static void
device_begin(void)
{
	listening = false;
}

static bool
device_receive(struct nic_received *received)
{
	static u8 frame[NIC_ETHERNET_LEN];

	if (!waiting)
		return false;
	waiting--;
	be16_store(frame + 12, ETHERTYPE_FABRIC);
	*received = (struct nic_received){ .frame = frame, .len = sizeof(frame) };
	return true;
}

static void
device_give_back(u32 buffer)
{
	(void)buffer;
}

static bool
device_end(bool listen)
{
	u32 comes = MIN(coming, 1u);

	coming -= comes;
	waiting += comes;
	listening = listen;
	return waiting > 0;
}

static const struct nic_driver device = {
	.receive_waiting = device_waiting,
	.receive_begin = device_begin,
	.receive = device_receive,
	.give_back = device_give_back,
	.receive_end = device_end,
};
const struct nic_driver *nic_driver = &device;

// The fabric, which takes what comes.

bool
fabric_on(void)
{
	return true;
}

bool
fabric_expects(u64 now)
{
	(void)now;
	return expects;
}

void
fabric_input(const u8 *frame, u32 len)
{
	(void)frame;
	(void)len;
	taken++;
}

void
fabric_input_end(void)
{
}

u64
fabric_deadline(void)
{
	return NEVER;
}

void
sched_kick(u32 cpu)
{
	assert_int_equal(cpu, 0);
	kicks++;
}

// What is not about that.

void
fabric_work(u64 now)
{
	(void)now;
}

void
env_hint(u32 index)
{
	(void)index;
}

void
filter_load(struct filter_window *window, const u8 *frame, u32 len)
{
	(void)window;
	(void)frame;
	(void)len;
}

void
complete_checksum(u8 *frame, u32 start, u32 offset, u32 len)
{
	(void)frame;
	(void)start;
	(void)offset;
	(void)len;
}

bool
ring_handler_consumes(struct ring *ring, u8 *frame, u32 len)
{
	(void)ring;
	(void)frame;
	(void)len;
	return false;
}

void
ring_handler_send(void)
{
}

// ---- tests

static int
begin(void **state)
{
	(void)state;
	waiting = 1;
	coming = kicks = taken = 0;
	cpus[0].timer_at_ns = NEVER;
	expects = true;
	rings[0] = (struct ring){ .bound = true, .running = true, .receives = true };
	env_table[0].state = ENV_RUNNABLE;
	ring_rx_list();
	return 0;
}

// An interrupt tells of the next frame: nothing else need.
static void
a_turn_that_took_all(void **state)
{
	(void)state;
	ring_rx_poll();
	assert_int_equal(taken, 1);
	assert_true(listening);
	assert_int_equal(ring_look_deadline(), NEVER);
	assert_int_equal(kicks, 0);
}

static void
a_turn_that_left_some(void **state)
{
	u64 due;

	(void)state;
	coming = 20;
	ring_rx_poll();
	assert_int_equal(waiting, 1);
	due = ring_look_deadline();
	assert_in_range(due, clock_ns() - NS_PER_SECOND, clock_ns() + NS_PER_MS);
	assert_int_equal(kicks, 1);

	ring_look(due - 1);		// programs run
	assert_int_equal(waiting, 1);
	for (u32 turns = 0; waiting && turns < 20; turns++)
		ring_look(ring_look_deadline());
	assert_int_equal(taken, 21);
	assert_true(listening);
	assert_int_equal(ring_look_deadline(), NEVER);
}

// The fabric waits for no program, however long none of them waits.
static void
everybody_is_awake(void **state)
{
	(void)state;
	expects = false;
	ring_rx_poll();
	assert_false(listening);
	assert_in_range(ring_look_deadline(), clock_ns(), clock_ns() + NS_PER_SECOND);
	assert_int_equal(kicks, 1);

	// Its timer comes before that anyway.
	waiting = 1;
	cpus[0].timer_at_ns = 0;
	ring_rx_poll();
	assert_int_equal(kicks, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_turn_that_took_all, begin),
		cmocka_unit_test_setup(a_turn_that_left_some, begin),
		cmocka_unit_test_setup(everybody_is_awake, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
