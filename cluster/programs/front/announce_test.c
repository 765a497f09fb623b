// SPDX-License-Identifier: BSD-2-Clause
// When the virtual address is announced, and what the frames say.
//
// links: cluster/programs/front/announce.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cluster/programs/front/front.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define ADDRESS 0x0a000280u
#define SECOND NS_PER_SECOND
#define FRAMES_MAX 64u

static u32 address;
static u32 room;
static u8 frame[FRAMES_MAX][42];
static u32 frames;
static struct port port = { .mac = { 6, 1, 2, 3, 4, 5 } };

// In place of the stack and of port.c.
u32
net_address(const struct net *net)
{
	(void)net;
	return address;
}

bool
port_put(struct port *to, const void *bytes, u32 len)
{
	assert_ptr_equal(to, &port);
	assert_int_equal(len, sizeof(frame[0]));
	if (!room)
		return false;
	room--;
	assert_true(frames < FRAMES_MAX);
	memcpy(frame[frames++], bytes, len);
	return true;
}

static struct announce
start(u64 now)
{
	struct announce a;

	address = ADDRESS;
	room = FRAMES_MAX;
	frames = 0;
	announce_start(&a, now);
	return a;
}

static void
the_schedule_never_ends(void **state)
{
	static const u64 waits[] = { 1, 2, 4, 8, 16, 60, 60, 60, 60 };
	u64 now = 5 * SECOND;
	struct announce a = start(now);

	(void)state;
	announce_run(&a, &port, now);
	assert_int_equal(frames, 10);			// five times, both kinds
	for (u32 i = 0; i < ARRAY_SIZE(waits); i++) {
		assert_int_equal(a.next_ns, now + waits[i] * SECOND);
		announce_run(&a, &port, a.next_ns - 1);
		assert_int_equal(frames, 10 + 2 * i);
		now = a.next_ns;
		announce_run(&a, &port, now);
	}
	announce_start(&a, now);			// and begins again
	announce_run(&a, &port, now);
	assert_int_equal(frames, 10 + 2 * ARRAY_SIZE(waits) + 10);
}

static void
both_kinds_say_the_same(void **state)
{
	struct announce a = start(0);

	(void)state;
	announce_run(&a, &port, 0);
	for (u32 i = 0; i < frames; i++) {
		const u8 *arp = frame[i] + 14;

		assert_memory_equal(frame[i], "\xff\xff\xff\xff\xff\xff", 6);
		assert_memory_equal(frame[i] + 6, port.mac, 6);
		assert_int_equal(be16_load(frame[i] + 12), 0x0806);
		assert_int_equal(be16_load(arp + 6), 1 + i % 2);
		assert_memory_equal(arp + 8, port.mac, 6);
		assert_int_equal(be32_load(arp + 14), ADDRESS);
		assert_int_equal(be32_load(arp + 24), ADDRESS);
	}
}

static void
without_room_it_is_said_soon(void **state)
{
	struct announce a = start(0);

	(void)state;
	room = 3;
	announce_run(&a, &port, 0);
	assert_int_equal(frames, 3);
	assert_true(a.next_ns > 0 && a.next_ns < SECOND / 10);
	room = FRAMES_MAX;
	announce_run(&a, &port, a.next_ns);
	assert_int_equal(frames, 3 + 10);		// all of it
}

static void
without_an_address_it_waits_to_be_started(void **state)
{
	struct announce a = start(0);

	(void)state;
	address = 0;
	announce_run(&a, &port, 0);
	assert_int_equal(frames, 0);
	assert_true(a.next_ns == NEVER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_schedule_never_ends),
		cmocka_unit_test(both_kinds_say_the_same),
		cmocka_unit_test(without_room_it_is_said_soon),
		cmocka_unit_test(without_an_address_it_waits_to_be_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
