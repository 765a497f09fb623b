// SPDX-License-Identifier: BSD-2-Clause
// Where frames go, by address and port, for segments, errors about them and
// everything else; and what passing on does to one.
//
// links: cluster/balance/maglev.c cluster/balance/steer.c cluster/balance/table.c
// links: kernel/base/siphash.c kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cluster/balance/test_world.h"

#define PEER 0x0b000005u

static struct balance *
start(u32 members, struct view *view)
{
	struct balance *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	world_view(view, members, 0, 3);
	balance_update(b, view, WORLD_NODE, WORLD_VIRTUAL);
	return b;
}

static struct balance_flow
flow_to(u32 local, u16 port)
{
	return (struct balance_flow){ PEER, local, 4711, port };
}

static enum balance_way
steer(const struct balance *b, u32 local, u16 port, const u8 **mac)
{
	struct balance_flow flow = flow_to(local, port);
	u8 frame[WORLD_FRAME];

	world_segment(&flow, frame);
	return balance_steer(b, frame, sizeof(frame), mac);
}

static void
by_address_and_port(void **state)
{
	struct view view;
	struct balance *b = start(3, &view);
	const u8 *mac = NULL;
	u8 agent[6], own[6];

	(void)state;
	balance_mac(view.member[0].mac, VIEW_AGENT_MAC, agent);
	balance_mac(view.member[0].mac, 2, own);
	assert_int_equal(steer(b, WORLD_NODE, WORLD_API, &mac), BALANCE_HERE);
	assert_memory_equal(mac, agent, 6);
	assert_int_equal(steer(b, WORLD_VIRTUAL, WORLD_API, &mac), BALANCE_HERE);
	assert_memory_equal(mac, agent, 6);
	assert_int_equal(steer(b, WORLD_NODE, WORLD_PORT, &mac), BALANCE_HERE);
	assert_memory_equal(mac, own, 6);
	assert_int_equal(steer(b, WORLD_VIRTUAL, WORLD_PORT, &mac),
			 BALANCE_SPREAD);
	assert_int_equal(steer(b, WORLD_NODE, 81, &mac), BALANCE_STACK);
	assert_int_equal(steer(b, WORLD_VIRTUAL, 81, &mac), BALANCE_STACK);
	assert_int_equal(steer(b, WORLD_NODE, 0, &mac), BALANCE_STACK);
	assert_int_equal(steer(b, 0x0a000077, WORLD_PORT, &mac), BALANCE_STACK);
	// No address yet: nothing is for it.
	balance_update(b, &view, 0, 0);
	assert_int_equal(steer(b, 0, WORLD_PORT, &mac), BALANCE_STACK);
	free(b);
}

static void
without_instances_the_holder_refuses(void **state)
{
	struct view view;
	struct balance *b = start(2, &view);
	const u8 *mac;

	(void)state;
	world_remove(&view, 0);
	balance_update(b, &view, WORLD_NODE, WORLD_VIRTUAL);
	assert_int_equal(steer(b, WORLD_NODE, WORLD_PORT, &mac), BALANCE_STACK);
	assert_int_equal(steer(b, WORLD_VIRTUAL, WORLD_PORT, &mac),
			 BALANCE_SPREAD);
	world_remove(&view, 1);
	balance_update(b, &view, WORLD_NODE, WORLD_VIRTUAL);
	assert_int_equal(steer(b, WORLD_VIRTUAL, WORLD_PORT, &mac),
			 BALANCE_STACK);
	// The job itself goes: its port is free again.
	view.job_count = 0;
	balance_update(b, &view, WORLD_NODE, WORLD_VIRTUAL);
	for (u32 i = 0; i < BALANCE_SERVICES_MAX; i++)
		assert_int_equal(b->service[i].port, 0);
	free(b);
}

static void
jobs_beyond_the_tables_are_passed_over(void **state)
{
	struct view view;
	struct balance *b = start(2, &view);
	const u8 *mac;

	(void)state;
	view.job_count = VIEW_JOBS_MAX;
	for (u32 i = 0; i < VIEW_JOBS_MAX; i++)
		view.job[i] = (struct view_job){ .id = 7 + i,
						 .port = (u16)(80 + i) };
	balance_update(b, &view, WORLD_NODE, WORLD_VIRTUAL);
	assert_int_equal(steer(b, WORLD_VIRTUAL, 80, &mac), BALANCE_SPREAD);
	// The first job goes; its table serves another, the rest stay where they are.
	view.job[0].port = 0;
	view.instance[0].job = view.instance[1].job = BALANCE_SERVICES_MAX;
	balance_update(b, &view, WORLD_NODE, WORLD_VIRTUAL);
	assert_int_equal(steer(b, WORLD_VIRTUAL, 80, &mac), BALANCE_STACK);
	assert_int_equal(steer(b, WORLD_VIRTUAL, 80 + BALANCE_SERVICES_MAX, &mac),
			 BALANCE_SPREAD);
	free(b);
}

// An error of a router about a segment that an instance sent.
static u32
make_error(const struct balance_flow *about, u8 type, u8 frame[100])
{
	u8 quoted[WORLD_FRAME], *ip = frame + 14, *inner = ip + 28;

	world_segment(about, quoted);
	memset(frame, 0, 100);
	memcpy(frame, quoted, 34);
	ip[9] = 1;
	be16_store(ip + 2, 56);
	be32_store(ip + 12, 0x0c000001);	// the router
	ip[20] = type;
	inner[0] = 0x45;
	inner[9] = 6;
	be32_store(inner + 12, about->local);
	be32_store(inner + 16, about->peer);
	be16_store(inner + 20, about->local_port);
	be16_store(inner + 22, about->peer_port);
	return 14 + 56;
}

static void
errors_go_where_their_connection_is(void **state)
{
	struct balance_flow flow = flow_to(WORLD_VIRTUAL, WORLD_PORT), read;
	struct view view;
	struct balance *b = start(3, &view);
	const u8 *mac, *of_segment;
	u8 frame[100];
	u32 len;

	(void)state;
	for (u16 port = 1000; port < 1200; port++) {
		flow.peer_port = port;
		world_segment(&flow, frame);
		assert_int_equal(balance_steer(b, frame, WORLD_FRAME, &of_segment),
				 BALANCE_SPREAD);
		len = make_error(&flow, 3, frame);
		assert_int_equal(balance_steer(b, frame, len, &mac),
				 BALANCE_SPREAD);
		assert_ptr_equal(mac, of_segment);
	}
	assert_true(balance_read(frame, len, &read));
	assert_memory_equal(&read, &flow, sizeof(flow));
	for (u32 cut = 0; cut < len; cut++)
		assert_int_equal(balance_read(frame, cut, &read), cut >= 66);
	make_error(&flow, 8, frame);		// an echo, whatever is in it
	assert_int_equal(balance_steer(b, frame, len, &mac), BALANCE_STACK);
	make_error(&flow, 11, frame);
	be32_store(frame + 14 + 28 + 12, WORLD_NODE);	// about another address
	assert_int_equal(balance_steer(b, frame, len, &mac), BALANCE_STACK);
	free(b);
}

static void
the_rest_is_the_stacks(void **state)
{
	struct balance_flow flow = flow_to(WORLD_VIRTUAL, WORLD_PORT);
	struct view view;
	struct balance *b = start(3, &view);
	u8 frame[WORLD_FRAME], good[WORLD_FRAME];
	const u8 *mac;

	(void)state;
	world_segment(&flow, good);
	memcpy(frame, good, sizeof(good));
	be16_store(frame + 12, 0x0806);			// ARP
	assert_int_equal(balance_steer(b, frame, 60, &mac), BALANCE_STACK);
	memcpy(frame, good, sizeof(good));
	frame[23] = 17;					// UDP
	assert_int_equal(balance_steer(b, frame, 60, &mac), BALANCE_STACK);
	memcpy(frame, good, sizeof(good));
	be16_store(frame + 20, 0x2000);			// the first of fragments
	assert_int_equal(balance_steer(b, frame, 60, &mac), BALANCE_STACK);
	memcpy(frame, good, sizeof(good));
	frame[14] = 0x4f;				// a header of 60 bytes
	assert_int_equal(balance_steer(b, frame, 60, &mac), BALANCE_STACK);
	memset(frame, 0xff, 6);				// to everybody
	assert_int_equal(balance_steer(b, frame, 60, &mac), BALANCE_STACK);
	memcpy(frame, good, sizeof(good));
	frame[6] |= 1;					// from a group
	assert_int_equal(balance_steer(b, frame, 60, &mac), BALANCE_DROP);
	for (u32 len = 0; len < 38; len++)
		assert_int_not_equal(balance_steer(b, good, len, &mac),
				     BALANCE_SPREAD);
	free(b);
}

static u32
header_sum(const u8 *frame)
{
	u32 sum = 0;

	for (u32 i = 14; i < 34; i += 2)
		sum += be16_load(frame + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void
passing_on_keeps_the_checksum_right(void **state)
{
	static const u8 to[6] = { 2, 1 }, own[6] = { 2, 2 };
	struct balance_flow flow = flow_to(WORLD_VIRTUAL, WORLD_PORT);
	struct prng prng;
	u8 frame[WORLD_FRAME];

	(void)state;
	prng_seed(&prng, world_seed());
	for (u32 i = 0; i < 100000; i++) {
		flow = world_flow(&prng);
		world_segment(&flow, frame);
		assert_int_equal(header_sum(frame), 0xffff);
		for (u32 hop = 0; hop < 3; hop++) {
			assert_true(balance_pass_on(frame, to, own));
			assert_int_equal(header_sum(frame), 0xffff);
		}
		assert_int_equal(frame[22], 61);
	}
	assert_memory_equal(frame, to, 6);
	assert_memory_equal(frame + 6, own, 6);
	frame[22] = 1;
	assert_false(balance_pass_on(frame, to, own));
}

// The redirect's answers to frames of nobody's.
static void
redirects_are_bounded(void **state)
{
	struct balance_flow flow = flow_to(WORLD_VIRTUAL, WORLD_PORT);
	struct view view;
	struct balance_table *table = calloc(1, sizeof(*table));
	const struct balance_place *first, *second;
	u8 frame[WORLD_FRAME];
	u32 slot;

	(void)state;
	assert_non_null(table);
	world_view(&view, 3, 0, 3);
	balance_table_update(table, &view, 0, 100);
	do {
		flow.peer_port++;
		slot = balance_slot(table->key, &flow);
	} while (table->primary[slot] != 0);	// the table's own instance
	first = &table->place[0];
	second = &table->place[table->before[0][slot]];
	world_segment(&flow, frame);
	memcpy(frame + 6, world_virtual_mac, 6);
	assert_ptr_equal(balance_redirect(table, first->mac, world_virtual_mac,
					  frame, 60), second);
	memcpy(frame + 6, first->mac, 6);	// was sent on: here it ends
	assert_null(balance_redirect(table, second->mac, world_virtual_mac, frame,
				     60));
	memcpy(frame + 6, "\x52\x54\0\0\0\x77", 6);	// from somebody else
	assert_null(balance_redirect(table, first->mac, world_virtual_mac, frame,
				     60));
	memcpy(frame + 6, world_virtual_mac, 6);
	frame[23] = 17;
	assert_null(balance_redirect(table, first->mac, world_virtual_mac, frame,
				     60));
	flow.local_port = 81;			// another service's
	world_segment(&flow, frame);
	memcpy(frame + 6, world_virtual_mac, 6);
	assert_null(balance_redirect(table, first->mac, world_virtual_mac, frame,
				     60));
	free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_address_and_port),
		cmocka_unit_test(without_instances_the_holder_refuses),
		cmocka_unit_test(jobs_beyond_the_tables_are_passed_over),
		cmocka_unit_test(errors_go_where_their_connection_is),
		cmocka_unit_test(the_rest_is_the_stacks),
		cmocka_unit_test(passing_on_keeps_the_checksum_right),
		cmocka_unit_test(redirects_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
