// SPDX-License-Identifier: BSD-2-Clause
// Frames below TCP: what ARP believes and answers, what ICMP answers, and which
// frames get no further.
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

#define REQUEST 1
#define REPLY 2
#define BROADCAST 0x0a0000ffu

static struct peer
start(void)
{
	struct net_config config = wire_config(2);
	struct peer p = peer_start(&config);
	u8 frame[WIRE_FRAME_MAX];

	// It announces itself.
	assert_int_equal(wire_take(p.net, p.now, frame), 42);
	assert_int_equal(be32_load(frame + 28), p.net->address);
	assert_int_equal(be32_load(frame + 38), p.net->address);
	return p;
}

static void
give_arp(struct peer *p, u16 operation, const u8 mac[6], u32 source, u32 target)
{
	u8 arp[64] = { 0 };

	memcpy(arp, p->net->config.mac, 6);
	be16_store(arp + 12, ETHERTYPE_ARP);
	memcpy(arp + 14, (u8[]){ 0, 1, 8, 0, 6, 4 }, 6);
	be16_store(arp + 20, operation);
	memcpy(arp + 22, mac, 6);
	be32_store(arp + 28, source);
	be32_store(arp + 38, target);
	wire_give(p->net, p->now, arp, 60);
}

static u32
known(const struct peer *p)
{
	u32 count = 0;

	for (u32 i = 0; i < ARP_ENTRIES; i++)
		count += p->net->arp[i].resolved;
	return count;
}

static void
arp_answers_for_its_own_address(void **state)
{
	struct peer p = start();
	u8 frame[WIRE_FRAME_MAX];

	(void)state;
	give_arp(&p, REQUEST, peer_mac, PEER_ADDRESS, p.net->address);
	assert_int_equal(wire_take(p.net, p.now, frame), 42);
	assert_memory_equal(frame, peer_mac, 6);
	assert_int_equal(be16_load(frame + 20), REPLY);
	assert_memory_equal(frame + 22, p.net->config.mac, 6);
	assert_int_equal(be32_load(frame + 28), p.net->address);
	// A probe, from nobody yet, is answered too (RFC 5227).
	give_arp(&p, REQUEST, peer_mac, 0, p.net->address);
	assert_int_equal(wire_take(p.net, p.now, frame), 42);
	give_arp(&p, REQUEST, peer_mac, PEER_ADDRESS, p.net->address + 1);
	assert_int_equal(wire_take(p.net, p.now, frame), 0);
	peer_end(&p);
}

static void
arp_learns_only_what_it_asked_for(void **state)
{
	struct peer p = start();
	u8 mac[6];

	(void)state;
	for (u32 i = 0; i < 300; i++)
		give_arp(&p, i & 1 ? REPLY : REQUEST, peer_mac, 0x0a000003 + i,
			 p.net->address);
	assert_int_equal(known(&p), 0);
	assert_false(arp_find(p.net, PEER_ADDRESS, mac));
	give_arp(&p, REPLY, (u8[]){ 3, 0, 0, 0, 0, 1 }, PEER_ADDRESS, 0);
	give_arp(&p, REPLY, p.net->config.mac, PEER_ADDRESS, 0);
	assert_int_equal(known(&p), 0);		// a group's address, our own
	give_arp(&p, REPLY, peer_mac, PEER_ADDRESS, p.net->address);
	assert_true(arp_find(p.net, PEER_ADDRESS, mac));
	assert_memory_equal(mac, peer_mac, 6);
	// Nobody takes our own address over.
	give_arp(&p, REPLY, peer_mac, p.net->address, p.net->address);
	assert_int_equal(known(&p), 1);
	peer_end(&p);
}

static void
arp_asks_at_most_once_a_second_and_forgets(void **state)
{
	struct peer p = start();
	u8 frame[WIRE_FRAME_MAX], mac[6];
	u32 asked = 0;

	(void)state;
	for (u32 i = 0; i < 1000; i++) {
		p.now += 10 * NS_PER_MS;
		net_tick(p.net, p.now);
		assert_false(arp_find(p.net, PEER_ADDRESS, mac));
		while (wire_take(p.net, p.now, frame))
			asked++;
	}
	assert_true(asked >= 9 && asked <= 12);
	give_arp(&p, REPLY, peer_mac, PEER_ADDRESS, p.net->address);
	assert_true(arp_find(p.net, PEER_ADDRESS, mac));
	p.now += 301 * NS_PER_SECOND;
	net_tick(p.net, p.now);
	assert_false(arp_find(p.net, PEER_ADDRESS, mac));
	peer_end(&p);
}

static void
arp_cache_is_bounded(void **state)
{
	struct peer p = start();
	u8 mac[6];

	(void)state;
	for (u32 i = 0; i < 200; i++) {
		p.now += NS_PER_MS;
		net_tick(p.net, p.now);
		(void)arp_find(p.net, 0x0a000003 + i % 250, mac);
		give_arp(&p, REPLY, peer_mac, 0x0a000003 + i % 250,
			 p.net->address);
	}
	assert_int_equal(known(&p), ARP_ENTRIES);
	assert_true(arp_find(p.net, 0x0a000003 + 199, mac));
	peer_end(&p);
}

static u32
ping(struct peer *p, u32 target, u32 len, u8 reply[WIRE_FRAME_MAX])
{
	u8 frame[WIRE_FRAME_MAX] = { 0 };
	u8 *icmp = frame + HEADERS_LEN;

	icmp[0] = 8;
	for (u32 i = 4; i < len; i++)
		icmp[i] = (u8)i;
	be16_store(icmp + 2, checksum_finish(checksum_add(0, icmp, len)));
	peer_give_ip(p, frame, IPPROTO_ICMP, target, len);
	return wire_take(p->net, p->now, reply);
}

static void
echo_is_answered(void **state)
{
	struct peer p = start();
	u8 reply[WIRE_FRAME_MAX];

	(void)state;
	for (u32 len = 8; len <= 1480; len += 37) {
		assert_int_equal(ping(&p, p.net->address, len, reply),
				 HEADERS_LEN + len);
		assert_int_equal(reply[HEADERS_LEN], 0);
		assert_int_equal(be32_load(reply + ETHERNET_LEN + 16),
				 PEER_ADDRESS);
		assert_int_equal(checksum_finish(
			checksum_add(0, reply + HEADERS_LEN, len)), 0);
	}
	peer_end(&p);
}

// No broadcast of a stranger makes all hosts answer (RFC 1122, 3.2.2.6).
static void
what_was_sent_to_many_is_not_answered(void **state)
{
	struct peer p = start();
	u8 reply[WIRE_FRAME_MAX], frame[WIRE_FRAME_MAX];
	struct tcp_header t = { .flags = FLAG_SYN, .scale = NO_SCALE,
				.tuple = { 0, OWN_PORT, PEER_PORT } };
	u8 *h = frame + HEADERS_LEN;
	u64 sum;
	u32 len;

	(void)state;
	assert_int_equal(ping(&p, BROADCAST, 64, reply), 0);
	assert_int_equal(ping(&p, 0xffffffff, 64, reply), 0);
	assert_int_equal(ping(&p, 0x0a000003, 64, reply), 0);
	len = tcp_header_build(h, &t);
	sum = checksum_pseudo(PEER_ADDRESS, BROADCAST, IPPROTO_TCP, len);
	be16_store(h + 16, checksum_finish(checksum_add(sum, h, len)));
	peer_give_ip(&p, frame, IPPROTO_TCP, BROADCAST, len);
	assert_false(peer_take(&p));
	// A broadcast frame around a packet for us alone.
	len = ping(&p, p.net->address, 64, reply);
	assert_int_equal(len, HEADERS_LEN + 64);
	memcpy(frame, reply, len);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, peer_mac, 6);
	be32_store(frame + ETHERNET_LEN + 12, PEER_ADDRESS);
	be32_store(frame + ETHERNET_LEN + 16, p.net->address);
	frame[HEADERS_LEN] = 8;
	be16_store(frame + HEADERS_LEN + 2, 0);
	be16_store(frame + HEADERS_LEN + 2, checksum_finish(
		checksum_add(0, frame + HEADERS_LEN, 64)));
	wire_give(p.net, p.now, frame, len);
	assert_int_equal(wire_take(p.net, p.now, reply), 0);
	peer_end(&p);
}

// Each damages a good ping in one way.
static void
damaged_frames_are_dropped_and_counted(void **state)
{
	static const struct {
		u32 at;
		u8 value;
		enum net_drop why;
	} damages[] = {
		{ 0, 4, NET_DROP_ADDRESS },		// another's frame
		{ 6, 1, NET_DROP_ADDRESS },		// from a group
		{ 13, 0xdd, NET_DROP_ETHERTYPE },
		{ ETHERNET_LEN, 0x44, NET_DROP_SHORT },	// header of 16 bytes
		{ ETHERNET_LEN, 0x65, NET_DROP_SHORT },	// version 6
		{ ETHERNET_LEN + 2, 0x10, NET_DROP_SHORT },	// beyond the frame
		{ ETHERNET_LEN + 6, 0x20, NET_DROP_FRAGMENT },
		{ ETHERNET_LEN + 7, 1, NET_DROP_FRAGMENT },
		{ ETHERNET_LEN + 9, 99, NET_DROP_PROTOCOL },
		{ ETHERNET_LEN + 12, 127, NET_DROP_ADDRESS },
		{ ETHERNET_LEN + 12, 0, NET_DROP_ADDRESS },
		{ ETHERNET_LEN + 12, 224, NET_DROP_ADDRESS },
		{ ETHERNET_LEN + 15, 2, NET_DROP_ADDRESS },	// from ourselves
		{ ETHERNET_LEN + 19, 3, NET_DROP_ADDRESS },
		{ HEADERS_LEN + 9, 77, NET_DROP_CHECKSUM },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(damages); i++) {
		struct peer p = start();
		u8 reply[WIRE_FRAME_MAX], frame[WIRE_FRAME_MAX];
		u8 *ip = frame + ETHERNET_LEN;
		u32 len = ping(&p, p.net->address, 64, reply);

		memcpy(frame, reply, len);
		memcpy(frame, p.net->config.mac, 6);
		be32_store(ip + 12, PEER_ADDRESS);
		be32_store(ip + 16, p.net->address);
		frame[damages[i].at] = damages[i].value;
		be16_store(ip + 10, 0);
		be16_store(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_LEN)));
		wire_give(p.net, p.now, frame, len);
		assert_int_equal(net_counters(p.net)->dropped[damages[i].why], 1);
		assert_int_equal(wire_take(p.net, p.now, reply), 0);
		peer_end(&p);
	}
}

static void
cut_frames_are_survived(void **state)
{
	struct peer p = start();
	u8 reply[WIRE_FRAME_MAX], again[WIRE_FRAME_MAX];
	u32 len = ping(&p, p.net->address, 64, reply);

	(void)state;
	for (u32 cut = 0; cut < len; cut++)
		wire_give(p.net, p.now, reply, cut);
	assert_int_equal(wire_take(p.net, p.now, again), 0);
	peer_end(&p);
}

static void
bad_configurations_are_refused(void **state)
{
	static u8 memory[1 << 20] aligned_(64);
	struct net_config c = wire_config(2);

	(void)state;
	c.conn_max = 1;
	assert_true(net_memory_needed(&c) <= sizeof(memory));
	assert_null(net_init(memory, net_memory_needed(&c) - 1, &c, 1));
	c.mtu = 575;
	assert_null(net_init(memory, sizeof(memory), &c, 1));
	c.mtu = 1501;
	assert_null(net_init(memory, sizeof(memory), &c, 1));
	c.mtu = 1500;
	c.conn_max = 0;
	assert_null(net_init(memory, sizeof(memory), &c, 1));
	c.conn_max = 65536;
	assert_null(net_init(memory, ~0ull, &c, 1));
	c.conn_max = 1;
	c.receive_size = 1;
	assert_null(net_init(memory, sizeof(memory), &c, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_answers_for_its_own_address),
		cmocka_unit_test(arp_learns_only_what_it_asked_for),
		cmocka_unit_test(arp_asks_at_most_once_a_second_and_forgets),
		cmocka_unit_test(arp_cache_is_bounded),
		cmocka_unit_test(echo_is_answered),
		cmocka_unit_test(what_was_sent_to_many_is_not_answered),
		cmocka_unit_test(damaged_frames_are_dropped_and_counted),
		cmocka_unit_test(cut_frames_are_survived),
		cmocka_unit_test(bad_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
