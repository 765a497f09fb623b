// SPDX-License-Identifier: BSD-2-Clause
// A frame for a ring of this node that had to wait behind others for the device: what
// the handler there answers goes out in the same turn, not with whatever comes next.
//
// links: kernel/sys/ring_tx.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/dev/nic.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/ring_state.h"

struct ring rings[RINGS_MAX];
struct own frames;
struct sys_info sys_info;
u32 ring_handler_replies;

static struct ring_info info;
static struct ring_control control;
static struct ring_tx descriptors[RING_SLOTS];
static u32 room;		// at the device
static u32 answered;

// The frame is for a ring with a handler, which answers.
bool
ring_loop(const struct ring_tx *t, const u8 *header, u32 header_len)
{
	(void)t;
	(void)header;
	(void)header_len;
	ring_handler_replies++;
	return true;
}

void
ring_handler_send(void)
{
	answered += ring_handler_replies;
	ring_handler_replies = 0;
}

enum ring_tx_status
egress_descriptor(const struct egress *e, const struct ring_tx *t, u32 *total)
{
	(void)e;
	(void)t;
	*total = 0;
	return RING_TX_SENT;
}

bool
egress_header(const struct egress *e, const u8 *header, u32 len, u32 total)
{
	(void)e;
	(void)header;
	return len == total;
}

u32
egress_segments(const struct egress *e, const struct ring_tx *t, const u8 *header, u32 len)
{
	(void)e;
	(void)t;
	(void)header;
	return len;
}

// The device, which takes no frame here.

static u32
device_room(void)
{
	return room;
}

static u8 *
device_header(void)
{
	static u8 header[NIC_HEADER_MAX];

	return header;
}

static void
device_push(void)
{
}

static bool
device_sent_waiting(void)
{
	return false;
}

static bool
device_want_sent(bool wanted)
{
	(void)wanted;
	return false;
}

static const struct nic_driver device = {
	.room = device_room,
	.header = device_header,
	.push = device_push,
	.sent_waiting = device_sent_waiting,
	.want_sent = device_want_sent,
};
const struct nic_driver *nic_driver = &device;

bool
fabric_on(void)
{
	return false;
}

bool
fabric_short(void)
{
	return false;
}

void
fabric_sent(u32 cookie)
{
	(void)cookie;
}

bool
ring_is_here(const u8 *header)
{
	(void)header;
	return false;
}

void
env_hint(u32 index)
{
	(void)index;
}

void
own_pin(struct own *own, u64 base, u64 count)
{
	(void)own;
	(void)base;
	(void)count;
}

void
own_unpin(struct own *own, u64 base, u64 count)
{
	own_pin(own, base, count);
}

// ---- tests

static void
an_answer_does_not_wait_for_the_next_frame(void **state)
{
	(void)state;
	room = 128;
	ring_tx_init();
	rings[0] = (struct ring){
		.bound = true, .running = true, .sends = true, .info = &info,
		.control = &control, .tx = descriptors,
	};
	control.tx_head = 1;
	room = 0;
	ring_tx_send(&rings[0], 1);
	assert_true(rings[0].stalled);
	room = 128;
	ring_tx_flush();
	assert_false(rings[0].stalled);
	assert_int_equal(control.tx_done, 1);
	assert_int_equal(answered, 1);
	assert_int_equal(ring_handler_replies, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_does_not_wait_for_the_next_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
