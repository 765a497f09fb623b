// SPDX-License-Identifier: BSD-2-Clause
// The DHCP client against a server of hand-written messages: every edge of the
// state diagram in dhcp.c, what the messages contain, and bad answers.
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

#define SERVER 0x0a000001u
#define LEASED 0x0a000042u
#define DISCOVER 1
#define OFFER 2
#define REQUEST 3
#define ACK 5
#define NAK 6
#define SECOND NS_PER_SECOND

struct message {
	u32 target;		// IPv4
	bool broadcast;		// asks for answers by broadcast
	u32 type, xid, client, wanted, server;
	u64 at;
};

struct answer {
	u8 type;
	u32 address, server, mask, router, lease_s;
	u32 xid;		// added to the right one
};

static const struct answer usual = {
	.address = LEASED, .server = SERVER, .mask = 0xffffff00,
	.router = SERVER, .lease_s = 3600,
};

static struct peer
start(void)
{
	struct net_config config = wire_config(2);

	config.address = 0;
	return peer_start(&config);
}

static u32
option(const u8 *m, u32 len, u8 kind)
{
	for (u32 at = 240; at + 1 < len && m[at] != 255; at += 2u + m[at + 1]) {
		if (m[at] == kind)
			return m[at + 1] == 1 ? m[at + 2] : be32_load(m + at + 2);
	}
	return 0;
}

// The next DHCP message that comes out; passes over ARP.
static bool
take(struct peer *p, struct message *message)
{
	u8 frame[WIRE_FRAME_MAX];
	u32 len;

	while ((len = wire_take(p->net, p->now, frame))) {
		const u8 *ip = frame + ETHERNET_LEN, *udp = ip + IPV4_LEN;
		const u8 *m = udp + 8;
		u64 sum;

		if (be16_load(frame + 12) != ETHERTYPE_IPV4)
			continue;
		len -= HEADERS_LEN + 8;
		sum = checksum_pseudo(be32_load(ip + 12), be32_load(ip + 16),
				      IPPROTO_UDP, len + 8);
		assert_int_equal(checksum_finish(checksum_add(sum, udp, len + 8)),
				 0);
		assert_int_equal(be16_load(udp), 68);
		assert_int_equal(be16_load(udp + 2), 67);
		assert_memory_equal(m + 28, p->net->config.mac, 6);
		assert_true(len >= 300);	// what old servers want
		*message = (struct message){
			.target = be32_load(ip + 16),
			.broadcast = be16_load(m + 10) & 0x8000,
			.type = option(m, len, 53),
			.xid = be32_load(m + 4),
			.client = be32_load(m + 12),
			.wanted = option(m, len, 50),
			.server = option(m, len, 54),
			.at = p->now,
		};
		return true;
	}
	return false;
}

static u8 *
put(u8 *at, u8 kind, u32 value)
{
	if (!value)
		return at;
	*at++ = kind;
	*at++ = 4;
	be32_store(at, value);
	return at + 4;
}

static void
answer(struct peer *p, u8 type, struct answer a)
{
	u8 frame[WIRE_FRAME_MAX] = { 0 };
	u8 *udp = frame + HEADERS_LEN, *m = udp + 8, *at = m + 240;
	u32 len;

	m[0] = 2;
	be32_store(m + 4, p->net->dhcp.xid + a.xid);
	be32_store(m + 16, a.address);
	memcpy(m + 28, p->net->config.mac, 6);
	be32_store(m + 236, 0x63825363);
	*at++ = 53;
	*at++ = 1;
	*at++ = type;
	at = put(at, 54, a.server);
	at = put(at, 1, a.mask);
	at = put(at, 3, a.router);
	at = put(at, 51, a.lease_s);
	*at++ = 255;
	len = (u32)(at - udp);
	be16_store(udp, 67);
	be16_store(udp + 2, 68);
	be16_store(udp + 4, (u16)len);
	peer_give_ip(p, frame, IPPROTO_UDP, 0xffffffff, len);
	net_tick(p->net, p->now);
}

static struct message
expect(struct peer *p, u32 type)
{
	struct message m = { 0 };

	for (u32 i = 0; !take(p, &m); i++) {
		assert_true(i < 100);
		peer_wait_deadline(p);
	}
	assert_int_equal(m.type, type);
	return m;
}

static void
lease(struct peer *p)
{
	net_tick(p->net, p->now);
	(void)expect(p, DISCOVER);
	answer(p, OFFER, usual);
	(void)expect(p, REQUEST);
	answer(p, ACK, usual);
	assert_int_equal(net_address(p->net), LEASED);
}

static void
a_lease_is_got(void **state)
{
	struct peer p = start();
	struct message m;

	(void)state;
	net_tick(p.net, p.now);
	m = expect(&p, DISCOVER);
	assert_int_equal(m.at, p.now);
	assert_true(m.broadcast && m.target == 0xffffffff && !m.client);
	assert_int_equal(net_address(p.net), 0);
	answer(&p, OFFER, usual);
	m = expect(&p, REQUEST);
	assert_int_equal(m.wanted, LEASED);
	assert_int_equal(m.server, SERVER);
	answer(&p, ACK, usual);
	assert_int_equal(net_address(p.net), LEASED);
	assert_int_equal(p.net->mask, 0xffffff00);
	assert_int_equal(p.net->gateway, SERVER);
	peer_end(&p);
}

static void
asking_backs_off(void **state)
{
	struct peer p = start();
	struct message last, m;
	u64 waits[8];

	(void)state;
	net_tick(p.net, p.now);
	last = expect(&p, DISCOVER);
	for (u32 i = 0; i < 8; i++) {
		m = expect(&p, DISCOVER);
		waits[i] = m.at - last.at;
		last = m;
	}
	assert_true(waits[0] >= SECOND / 4 && waits[0] < SECOND);
	for (u32 i = 1; i < 5; i++)
		assert_true(waits[i] > waits[i - 1]);
	assert_true(waits[7] <= 20 * SECOND);
	peer_end(&p);
}

static void
without_a_server_an_address_is_made_up(void **state)
{
	struct peer p = start();

	(void)state;
	while (p.now < 90 * SECOND)
		(void)expect(&p, DISCOVER);
	assert_int_equal(net_address(p.net) >> 16, 0xa9fe);
	assert_true((net_address(p.net) >> 8 & 255) >= 1 &&
		    (net_address(p.net) >> 8 & 255) <= 254);
	// A server that comes late is heard.
	answer(&p, OFFER, usual);
	(void)expect(&p, REQUEST);
	answer(&p, ACK, usual);
	assert_int_equal(net_address(p.net), LEASED);
	peer_end(&p);
}

// Half-time: the server itself; 7/8: anybody; then the address is gone.
static void
renews_rebinds_and_expires(void **state)
{
	struct peer p = start();
	u64 began = p.now;
	struct message m;

	(void)state;
	lease(&p);
	p.net->arp[0] = (struct arp_entry){
		.address = SERVER, .mac = { 2, 0, 0, 0, 0, 1 },
		.resolved = true, .expires_at = NEVER_NS,
	};
	m = expect(&p, REQUEST);
	assert_int_equal((m.at - began) / SECOND, 1800);
	assert_int_equal(m.target, SERVER);
	assert_int_equal(m.client, LEASED);
	assert_true(!m.wanted && !m.server && !m.broadcast);
	answer(&p, ACK, usual);
	assert_int_equal(p.net->dhcp.state, DHCP_BOUND);
	assert_int_equal(net_address(p.net), LEASED);
	began = p.now;
	do
		m = expect(&p, REQUEST);
	while (m.target == SERVER);
	assert_int_equal(m.target, 0xffffffff);
	assert_int_equal((m.at - began) / SECOND, 3150);
	while (net_address(p.net)) {
		assert_true(p.now - began < 3600 * SECOND);
		peer_wait_deadline(&p);
		while (take(&p, &m))
			;
	}
	assert_int_equal((p.now - began) / SECOND, 3600);
	assert_int_equal(p.net->dhcp.state, DHCP_SELECTING);
	peer_end(&p);
}

static void
rebinding_takes_any_server(void **state)
{
	struct peer p = start();
	struct answer other = usual;

	(void)state;
	other.server = SERVER + 1;
	lease(&p);
	answer(&p, ACK, other);			// bound: nothing is asked
	do {
		(void)expect(&p, REQUEST);
		if (p.net->dhcp.state == DHCP_RENEWING)
			answer(&p, ACK, other);
	} while (p.net->dhcp.state == DHCP_RENEWING);
	assert_int_equal(p.net->dhcp.state, DHCP_REBINDING);
	answer(&p, ACK, other);
	assert_int_equal(p.net->dhcp.state, DHCP_BOUND);
	assert_int_equal(p.net->dhcp.server, SERVER + 1);
	peer_end(&p);
}

static void
nak_starts_again(void **state)
{
	struct peer p = start();
	struct answer foreign = usual;
	u32 xid;

	(void)state;
	foreign.server = SERVER + 9;
	net_tick(p.net, p.now);
	(void)expect(&p, DISCOVER);
	answer(&p, OFFER, usual);
	xid = expect(&p, REQUEST).xid;
	answer(&p, NAK, foreign);		// not the one that was asked
	assert_int_equal(p.net->dhcp.state, DHCP_REQUESTING);
	answer(&p, NAK, usual);
	assert_int_equal(p.net->dhcp.state, DHCP_SELECTING);
	assert_int_not_equal(expect(&p, DISCOVER).xid, xid);
	peer_end(&p);
}

// Connections are bound to the address.
static void
connections_end_with_the_address(void **state)
{
	struct peer p = start();
	struct answer other = usual;
	struct message m;

	(void)state;
	lease(&p);
	while (take(&p, &m))
		;
	assert_non_null(peer_open(&p));
	while (p.net->dhcp.state == DHCP_BOUND || !take(&p, &m))
		peer_wait_deadline(&p);
	answer(&p, ACK, usual);			// the same address: they stay
	assert_int_equal(p.net->in_use, 1);
	while (p.net->dhcp.state == DHCP_BOUND || !take(&p, &m))
		peer_wait_deadline(&p);
	other.address = LEASED + 1;
	answer(&p, ACK, other);
	assert_int_equal(net_address(p.net), LEASED + 1);
	assert_int_equal(peer_events(&p), TCP_GONE);
	assert_int_equal(p.net->in_use, 0);
	peer_end(&p);
}

static void
bad_answers_change_nothing(void **state)
{
	static const u32 addresses[] = {
		0, 0x7f000001, 0xe0000001, 0xffffffff, 0x0a0000ff, 0x0a000000,
	};
	struct peer p = start();
	struct answer a;

	(void)state;
	net_tick(p.net, p.now);
	(void)expect(&p, DISCOVER);
	for (u32 i = 0; i < ARRAY_SIZE(addresses); i++) {
		a = usual;
		a.address = addresses[i];
		answer(&p, OFFER, a);
	}
	a = usual;
	a.xid = 1;
	answer(&p, OFFER, a);
	a = usual;
	a.server = 0;
	answer(&p, OFFER, a);
	answer(&p, ACK, usual);			// nothing was requested
	assert_int_equal(p.net->dhcp.state, DHCP_SELECTING);
	answer(&p, OFFER, usual);
	(void)expect(&p, REQUEST);
	a = usual;
	a.address++;				// not what was offered
	answer(&p, ACK, a);
	assert_int_equal(net_address(p.net), 0);
	// A mask with holes and a gateway elsewhere are not believed.
	a = usual;
	a.mask = 0xff00ff00;
	a.router = 0x0b000001;
	answer(&p, ACK, a);
	assert_int_equal(net_address(p.net), LEASED);
	assert_int_equal(p.net->mask, 0xffffff00);
	assert_int_equal(p.net->gateway, 0);
	peer_end(&p);
}

static void
endless_and_tiny_leases_fit(void **state)
{
	struct peer p = start();
	struct answer a = usual;

	(void)state;
	net_tick(p.net, p.now);
	(void)expect(&p, DISCOVER);
	answer(&p, OFFER, usual);
	(void)expect(&p, REQUEST);
	a.lease_s = 0xffffffff;
	answer(&p, ACK, a);
	assert_true(p.net->dhcp.renew_at > 60ull * 365 * 86400 * SECOND);
	peer_end(&p);
	p = start();
	net_tick(p.net, p.now);
	(void)expect(&p, DISCOVER);
	answer(&p, OFFER, usual);
	(void)expect(&p, REQUEST);
	a.lease_s = 1;				// a server's mistake: a minute
	answer(&p, ACK, a);
	assert_int_equal((p.net->dhcp.expires_at - p.now) / SECOND, 60);
	peer_end(&p);
}

static struct peer
start_remembered(void)
{
	struct net_config config = wire_config(2);
	struct peer p;

	config.mode = NET_REMEMBERED;
	config.address = LEASED;
	p = peer_start(&config);
	net_tick(p.net, p.now);
	return p;
}

static void
a_remembered_address_is_confirmed(void **state)
{
	struct peer p = start_remembered();
	struct answer a = usual;
	struct message m;

	(void)state;
	assert_int_equal(net_address(p.net), LEASED);	// at once
	assert_non_null(peer_open(&p));
	peer_wait(&p, SECOND);
	m = expect(&p, REQUEST);
	// RFC 2131, table 5: INIT-REBOOT.
	assert_int_equal(m.wanted, LEASED);
	assert_int_equal(m.server, 0);
	assert_int_equal(m.client, 0);
	assert_int_equal(m.target, 0xffffffff);
	assert_true(m.broadcast);
	a.address++;
	answer(&p, ACK, a);				// another one: not asked for
	assert_int_equal(p.net->dhcp.state, DHCP_CONFIRMING);
	answer(&p, OFFER, usual);
	assert_int_equal(p.net->dhcp.state, DHCP_CONFIRMING);
	answer(&p, ACK, usual);
	assert_int_equal(p.net->dhcp.state, DHCP_BOUND);
	assert_int_equal(net_address(p.net), LEASED);
	assert_int_equal(p.net->dhcp.server, SERVER);
	assert_int_equal(p.net->in_use, 1);		// the connection went on
	peer_end(&p);
}

static void
a_remembered_address_can_be_lost(void **state)
{
	struct peer p = start_remembered();
	struct message m;
	u64 until = p.now + 601 * SECOND;

	(void)state;
	(void)expect(&p, REQUEST);
	answer(&p, NAK, usual);
	assert_int_equal(net_address(p.net), 0);
	(void)expect(&p, DISCOVER);
	peer_end(&p);

	p = start_remembered();				// or nobody says anything
	for (m = expect(&p, REQUEST); m.type == REQUEST; ) {
		assert_int_equal(net_address(p.net), LEASED);
		peer_wait_deadline(&p);
		assert_true(p.now < until);
		assert_true(take(&p, &m));
	}
	assert_int_equal(m.type, DISCOVER);
	assert_true(p.now >= until - 2 * SECOND);
	peer_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_is_got),
		cmocka_unit_test(asking_backs_off),
		cmocka_unit_test(without_a_server_an_address_is_made_up),
		cmocka_unit_test(renews_rebinds_and_expires),
		cmocka_unit_test(rebinding_takes_any_server),
		cmocka_unit_test(nak_starts_again),
		cmocka_unit_test(connections_end_with_the_address),
		cmocka_unit_test(bad_answers_change_nothing),
		cmocka_unit_test(endless_and_tiny_leases_fit),
		cmocka_unit_test(a_remembered_address_is_confirmed),
		cmocka_unit_test(a_remembered_address_can_be_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
