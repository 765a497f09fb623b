// SPDX-License-Identifier: BSD-2-Clause
// A guest's stack (enum net_mode): it is reached through somebody else's address,
// stays unseen by ARP, and hands out what belongs to another guest.
//
// links: libos/tcp/address.c libos/tcp/arp.c libos/tcp/check.c
// links: libos/tcp/checksum.c libos/tcp/cut.c libos/tcp/dhcp.c
// links: libos/tcp/ip.c libos/tcp/net.c libos/tcp/tcp_ack.c libos/tcp/tcp_api.c
// links: libos/tcp/tcp_close.c libos/tcp/tcp_input.c libos/tcp/tcp_loss.c
// links: libos/tcp/tcp_open.c libos/tcp/tcp_output.c libos/tcp/tcp_path.c
// links: libos/tcp/tcp_pieces.c libos/tcp/tcp_ranges.c libos/tcp/tcp_receive.c
// links: libos/tcp/tcp_runs.c libos/tcp/tcp_segment.c libos/tcp/tcp_table.c
// links: libos/tcp/tcp_timer.c libos/tcp/timer.c kernel/base/siphash.c
// links: kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>

#include "libos/tcp/test_peer.h"

#include <cmocka.h>

#define NODE 0x0a000002u
#define VIRTUAL 0x0a000080u
#define MASK 0xffffff00u
#define ARP_REQUEST 1
#define ARP_REPLY 2

static const u8 virtual_mac[6] = { 2, 0xde, 0x05, 0, 0, 1 };
static const u8 node_mac[6] = { 2, 0, 0, 0, 0, 0x77 };

static struct peer
start(void)
{
	const struct net_own own[] = {
		{ .address = NODE },
		{ .address = VIRTUAL, .spread = true },
	};
	struct net_config config = wire_config(2);
	struct peer p;

	config.address = config.mask = 0;
	config.mode = NET_GUEST;
	p = peer_start(&config);
	net_set_addresses(p.net, p.now, own, 2, MASK, 0);
	p.mac = virtual_mac;
	p.to = VIRTUAL;
	return p;
}

// The next frame that comes out is a question for the peer that tells nobody
// anything but the guest's own MAC address.
static void
expect_question(struct peer *p)
{
	u32 len = wire_take(p->net, p->now, p->frame);
	const u8 *arp = p->frame + ETHERNET_LEN;

	assert_int_equal(len, 42);
	assert_memory_equal(p->frame, "\xff\xff\xff\xff\xff\xff", 6);
	assert_memory_equal(p->frame + 6, p->net->config.mac, 6);
	assert_int_equal(be16_load(arp + 6), ARP_REQUEST);
	assert_memory_equal(arp + 8, p->net->config.mac, 6);
	assert_int_equal(be32_load(arp + 14), 0);
	assert_int_equal(be32_load(arp + 24), p->address);
}

static void
say_arp(struct peer *p, u16 operation, u32 source, u32 target)
{
	u8 frame[42] = { 0 }, *arp = frame + ETHERNET_LEN;

	memcpy(frame, p->net->config.mac, 6);
	memcpy(frame + 6, peer_mac, 6);
	be16_store(frame + 12, ETHERTYPE_ARP);
	be16_store(arp, 1);
	be16_store(arp + 2, ETHERTYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	be16_store(arp + 6, operation);
	memcpy(arp + 8, peer_mac, 6);
	be32_store(arp + 14, source);
	be32_store(arp + 24, target);
	wire_give(p->net, p->now, frame, sizeof(frame));
}

static void
answer_arp(struct peer *p)
{
	say_arp(p, ARP_REPLY, p->address, 0);
}

// The frame that peer_take() read last went to the peer and came from `source`.
static void
assert_direct(const struct peer *p, u32 source)
{
	assert_memory_equal(p->frame, peer_mac, 6);
	assert_memory_equal(p->frame + 6, p->net->config.mac, 6);
	assert_int_equal(be32_load(p->frame + ETHERNET_LEN + 12), source);
}

static struct tcp_conn *
open_known(struct peer *p)
{
	struct tcp_conn *conn = peer_open(p);

	assert_non_null(conn);
	assert_direct(p, p->to);
	return conn;
}

static struct peer
start_known(void)
{
	struct peer p = start();

	peer_send_syn(&p);
	expect_question(&p);
	answer_arp(&p);
	(void)peer_discard(&p);
	p.port++;
	return p;
}

static bool
stray(struct peer *p, u8 flags)
{
	peer_send(p, flags, NULL, 0);
	return net_stray(p->net);
}

static void
without_addresses_it_is_silent(void **state)
{
	struct peer p = start();
	u8 frame[WIRE_FRAME_MAX];

	(void)state;
	net_set_addresses(p.net, p.now, NULL, 0, 0, 0);
	assert_int_equal(net_address(p.net), 0);
	assert_int_equal(net_next_deadline(p.net), NEVER_NS);
	peer_send_syn(&p);
	peer_wait(&p, 100 * NS_PER_SECOND);
	assert_int_equal(wire_take(p.net, p.now, frame), 0);
	peer_end(&p);
}

static void
arp_never_hears_of_it(void **state)
{
	struct peer p = start();
	u8 frame[WIRE_FRAME_MAX];

	(void)state;
	assert_int_equal(wire_take(p.net, p.now, frame), 0);
	say_arp(&p, ARP_REQUEST, PEER_ADDRESS, NODE);
	say_arp(&p, ARP_REQUEST, PEER_ADDRESS, VIRTUAL);
	assert_int_equal(wire_take(p.net, p.now, frame), 0);
	peer_end(&p);
}

static void
a_handshake_waits_for_arp_not_for_the_peer(void **state)
{
	struct peer p = start();

	(void)state;
	peer_send_syn(&p);
	expect_question(&p);
	assert_false(peer_take(&p));
	answer_arp(&p);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_SYN | FLAG_ACK);
	assert_direct(&p, VIRTUAL);
	assert_false(peer_take(&p));
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(peer_events(&p), TCP_OPENED);
	peer_end(&p);
}

static void
what_waits_is_bounded_and_grows_old(void **state)
{
	struct peer p = start();

	(void)state;
	for (u32 i = 0; i < 2 * PARKED_MAX; i++) {
		p.port++;
		peer_send_syn(&p);
	}
	answer_arp(&p);
	assert_int_equal(peer_discard(&p), PARKED_MAX);
	peer_end(&p);

	p = start();
	peer_send_syn(&p);
	peer_wait(&p, 2 * NS_PER_SECOND);
	answer_arp(&p);
	assert_int_equal(peer_discard(&p), 0);
	peer_end(&p);
}

static void
answers_come_from_the_address_that_was_asked(void **state)
{
	struct peer p = start_known();
	struct tcp_conn *a = open_known(&p), *b;

	(void)state;
	assert_int_equal(tcp_send_copy(p.net, a, "virtual", 7), 7);
	assert_true(peer_expect(&p));
	assert_direct(&p, VIRTUAL);
	// The same ports once more, to the other address.
	p.to = NODE;
	p.mac = node_mac;
	p.seq = PEER_ISS;
	b = open_known(&p);
	assert_ptr_not_equal(a, b);
	assert_int_equal(tcp_send_copy(p.net, b, "node", 4), 4);
	assert_true(peer_expect(&p));
	assert_direct(&p, NODE);
	assert_int_equal(p.got.len, 4);
	peer_end(&p);
}

static void
addresses_that_stay_keep_their_connections(void **state)
{
	const struct net_own own[] = { { .address = 0x0a000090 },
				       { .address = NODE } };
	struct peer p = start_known();
	struct tcp_conn *gone = open_known(&p), *stays;
	u32 events;

	(void)state;
	p.to = NODE;
	p.port++;
	stays = open_known(&p);
	net_set_addresses(p.net, p.now, own, 2, MASK, 0);
	net_check(p.net);
	assert_ptr_equal(tcp_next(p.net, &events), gone);
	assert_int_equal(events, TCP_GONE);
	assert_null(tcp_next(p.net, &events));
	assert_int_equal(tcp_send_copy(p.net, stays, "still", 5), 5);
	assert_true(peer_expect(&p));
	assert_direct(&p, NODE);
	peer_end(&p);
}

static void
strays_come_out(void **state)
{
	const u8 kinds[] = { FLAG_ACK, FLAG_ACK | FLAG_FIN, FLAG_ACK | FLAG_PSH,
			     FLAG_RST, FLAG_RST | FLAG_ACK };
	struct peer p = start_known();

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_true(stray(&p, kinds[i]));
	p.own_port = 81;			// nobody listens there, here
	assert_true(stray(&p, FLAG_ACK));
	assert_int_equal(p.net->counters.strays, ARRAY_SIZE(kinds) + 1);
	assert_false(peer_take(&p));
	assert_int_equal(p.net->counters.resets_sent, 0);
	peer_end(&p);
}

static void
nothing_else_is_a_stray(void **state)
{
	struct peer p = start_known();

	(void)state;
	assert_false(stray(&p, FLAG_SYN));		// opens
	assert_true(peer_expect(&p));
	assert_false(stray(&p, FLAG_ACK));		// opened
	assert_false(stray(&p, FLAG_ACK | FLAG_PSH));
	(void)peer_discard(&p);
	p.port++;
	assert_false(stray(&p, FLAG_SYN | FLAG_ACK));
	(void)peer_discard(&p);
	p.to = NODE;					// not spread
	assert_false(stray(&p, FLAG_ACK));
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_RST);
	assert_direct(&p, NODE);
	peer_end(&p);
}

static void
a_stray_can_be_refused(void **state)
{
	struct peer p = start_known();
	u8 frame[WIRE_FRAME_MAX] = { 0 }, *h = frame + HEADERS_LEN;
	struct tcp_header t = peer_header(&p, FLAG_ACK);
	u32 len;

	(void)state;
	t.tuple = (struct tuple){ 0, 80, 4711, 0 };
	t.ack = 99;
	len = tcp_header_build(h, &t);
	be16_store(h + 16, checksum_finish(checksum_add(
		checksum_pseudo(p.address, VIRTUAL, IPPROTO_TCP, len), h, len)));
	peer_give_ip(&p, frame, IPPROTO_TCP, VIRTUAL, len);
	assert_true(net_stray(p.net));
	net_refuse(p.net, p.now, frame, HEADERS_LEN + len);
	assert_false(net_stray(p.net));
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_RST);
	assert_int_equal(p.got.seq, 99);
	assert_direct(&p, VIRTUAL);
	peer_end(&p);
}

// The end of a handshake that finds no free connection is not another guest's: it
// would answer with a reset, and the peer that waits would be gone.
static void
a_full_table_gives_no_handshake_away(void **state)
{
	struct peer p = start_known();
	u32 conns = p.net->config.conn_max;

	(void)state;
	for (u32 i = 0; i < conns; i++) {
		p.port++;
		peer_send_syn(&p);
		if (i == 0)
			(void)peer_expect(&p);
	}
	p.ack = p.got.seq + 1;
	// The first one's answer is held back while the others fill the table.
	u32 first_seq = p.seq, first_ack = p.ack;
	u16 first = (u16)(p.port - conns + 1);

	(void)peer_discard(&p);
	for (u32 i = 0; i < conns; i++) {
		p.port++;
		(void)open_known(&p);
	}
	p.port = first;
	p.seq = first_seq - conns + 1;
	p.ack = first_ack;
	assert_false(stray(&p, FLAG_ACK));
	assert_int_equal(p.net->counters.dropped[NET_DROP_TABLE], 1);
	p.ack += 5;				// but this is no handshake of ours
	assert_true(stray(&p, FLAG_ACK));
	peer_end(&p);
}

static void
it_opens_nothing_and_answers_no_echo(void **state)
{
	struct peer p = start_known();
	u8 frame[WIRE_FRAME_MAX] = { 0 }, *icmp = frame + HEADERS_LEN;

	(void)state;
	assert_null(tcp_connect(p.net, p.now, PEER_ADDRESS, 80));
	icmp[0] = 8;
	be16_store(icmp + 2, checksum_finish(checksum_add(0, icmp, 64)));
	peer_give_ip(&p, frame, IPPROTO_ICMP, VIRTUAL, 64);
	assert_int_equal(wire_take(p.net, p.now, frame), 0);
	peer_end(&p);
}

static void
a_known_address_is_asked_for_before_it_expires(void **state)
{
	struct peer p = start_known();

	(void)state;
	peer_wait(&p, 250 * NS_PER_SECOND);
	peer_send_syn(&p);
	expect_question(&p);
	assert_true(peer_expect(&p));		// without waiting
	answer_arp(&p);
	peer_wait(&p, 100 * NS_PER_SECOND);
	p.port++;
	peer_send_syn(&p);
	assert_true(peer_expect(&p));
	peer_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_addresses_it_is_silent),
		cmocka_unit_test(arp_never_hears_of_it),
		cmocka_unit_test(a_handshake_waits_for_arp_not_for_the_peer),
		cmocka_unit_test(what_waits_is_bounded_and_grows_old),
		cmocka_unit_test(answers_come_from_the_address_that_was_asked),
		cmocka_unit_test(addresses_that_stay_keep_their_connections),
		cmocka_unit_test(strays_come_out),
		cmocka_unit_test(nothing_else_is_a_stray),
		cmocka_unit_test(a_stray_can_be_refused),
		cmocka_unit_test(a_full_table_gives_no_handshake_away),
		cmocka_unit_test(it_opens_nothing_and_answers_no_echo),
		cmocka_unit_test(a_known_address_is_asked_for_before_it_expires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
