// SPDX-License-Identifier: BSD-2-Clause
// What handlers answer is kept until the interface is served: one ring's that answers
// each frame many times leaves room for the answers of others.
//
// links: kernel/sys/ring_handler.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/abi/program.h"
#include "kernel/dev/nic.h"
#include "kernel/sys/program.h"
#include "kernel/sys/ring_state.h"

#define MANY 100u

struct ring rings[RINGS_MAX];
struct cap_tree caps;

static struct ring_info infos[RINGS_MAX];
static u32 tries;		// of the program that runs next
static u32 accepted;		// of these
static u32 sent[RINGS_MAX];

u64
program_run(const struct program *program, void *context, void *host)
{
	static const u8 frame[NIC_ETHERNET_LEN];

	(void)program;
	(void)context;
	accepted = 0;
	for (u32 i = 0; i < tries; i++)
		accepted += (u32)handler_type.helper[HANDLER_SEND - 1].run(
			host, (u64)frame, sizeof(frame), 0, 0, 0);
	return HANDLER_CONSUME;
}

bool
egress_header(const struct egress *e, const u8 *header, u32 len, u32 total)
{
	(void)e;
	(void)header;
	return len == total;
}

void
ring_tx_reply(struct ring *ring, const u8 *bytes, u32 len)
{
	(void)bytes;
	assert_int_equal(len, NIC_ETHERNET_LEN);
	sent[ring - rings]++;
}

// What is not about that.

u32
cap_node(const struct cap_tree *tree, const struct cap *cap)
{
	(void)tree;
	(void)cap;
	return 0;
}

i64
check_own_ring(const struct call *call)
{
	(void)call;
	return -1;
}

i64
check_program(u32 list, u64 slot, enum program_type type, const struct program **program,
	      u32 *node)
{
	(void)list;
	(void)slot;
	(void)type;
	(void)program;
	(void)node;
	return -1;
}

i64
check_frames(const struct env *env, u64 slot, u32 rights, u64 first, u64 count, u32 *node)
{
	(void)env;
	(void)slot;
	(void)rights;
	(void)first;
	(void)count;
	(void)node;
	return -1;
}

u64
physical_of(const void *object)
{
	return (u64)object;
}

// ---- tests

static u32
comes(u32 index, u32 answers)
{
	static u8 message[HANDLER_MESSAGE_SIZE];

	tries = answers;
	assert_true(ring_handler_consumes(&rings[index], message, NIC_ETHERNET_LEN));
	return accepted;
}

static void
answers_are_shared_out(void **state)
{
	u32 first, second, third;

	(void)state;
	for (u32 i = 0; i < 3; i++) {
		infos[i].owner = i + 1;
		rings[i] = (struct ring){
			.bound = true, .running = true, .sends = true,
			.handler_sends = true, .info = &infos[i],
			.handler = (const struct program *)&rings[i],
		};
	}
	first = comes(0, MANY);
	second = comes(1, MANY);
	third = comes(2, 1);
	assert_true(first > second && second > third && third == 1);
	ring_handler_send();
	assert_int_equal(sent[0], first);
	assert_int_equal(sent[1], second);
	assert_int_equal(sent[2], third);
	assert_int_equal(comes(0, MANY), first);
	ring_handler_send();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_shared_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
