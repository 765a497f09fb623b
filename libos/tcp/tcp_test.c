// SPDX-License-Identifier: BSD-2-Clause
// TCP against a peer of hand-written segments: opening, data both ways, windows,
// closing, and what strangers try. Each test states the rule that it holds to.
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

static u8 text[65536];

static struct peer
start(void)
{
	struct net_config config = wire_config(2);

	return peer_start(&config);
}

static void
assert_received(const struct tcp_conn *conn, const char *expected)
{
	const u8 *bytes;
	bool ended;
	u32 len = tcp_received(conn, &bytes, &ended);

	assert_int_equal(len, strlen(expected));
	assert_memory_equal(bytes, expected, len);
}

static void
handshake_negotiates_options(void **state)
{
	struct net_config config = wire_config(2);
	struct tcp_conn *conn;
	struct peer p;

	(void)state;
	config.receive_size = 262144;
	p = peer_start(&config);
	p.scale = 7;
	peer_send_syn(&p);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_SYN | FLAG_ACK);
	assert_int_equal(p.got.ack, PEER_ISS + 1);
	assert_int_equal(p.got.mss, 1460);
	assert_true(p.got.has_ts && p.got.sack_permitted && p.got.has_scale);
	assert_int_equal(p.got.scale, 3);
	assert_int_equal(p.got.ts_echo, peer_clock(&p));
	assert_int_equal(p.got.window, 65535);	// never scaled in a SYN
	assert_int_equal(p.net->in_use, 0);	// a SYN costs no connection
	peer_send(&p, FLAG_ACK, NULL, 0);
	conn = &p.net->conn[0];
	assert_int_equal(peer_events(&p), TCP_OPENED);
	assert_int_equal(conn->snd_wnd, 65535 << 7);
	assert_int_equal(conn->mss, 1448);
	assert_int_equal(tcp_peer_address(conn), PEER_ADDRESS);
	assert_int_equal(tcp_peer_port(conn), PEER_PORT);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
options_are_not_forced_on_a_peer_without_them(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn;

	(void)state;
	p.ts = p.sack = false;
	p.mss = 0;
	conn = peer_open(&p);
	assert_non_null(conn);
	assert_false(p.got.has_ts || p.got.sack_permitted || p.got.has_scale);
	assert_int_equal(conn->mss, 536);
	assert_true(tcp_send_lent(p.net, conn, text, 1000));
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.len, 536);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// A SYN that comes again is answered with the same number; one of a new attempt
// with another (RFC 6528).
static void
sequence_numbers_move_on(void **state)
{
	struct peer p = start();
	u32 first;

	(void)state;
	peer_send_syn(&p);
	assert_true(peer_take(&p));
	first = p.got.seq;
	p.now += NS_PER_MS;
	p.seq = PEER_ISS;
	peer_send_syn(&p);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, first);
	p.now += NS_PER_MS;
	p.seq = PEER_ISS + 77;
	peer_send_syn(&p);
	assert_true(peer_take(&p));
	assert_true(seq_diff(p.got.seq, first) > 0);
	peer_end(&p);
}

// An old duplicate of a connection's first segments must not open it again, or
// its request would be served twice.
static void
old_duplicates_open_nothing(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	struct tcp_header again = peer_header(&p, FLAG_ACK | FLAG_PSH);

	(void)state;
	assert_non_null(conn);
	peer_send(&p, FLAG_ACK | FLAG_PSH, "request", 7);
	assert_true(peer_events(&p) & TCP_READABLE);
	tcp_consume(p.net, conn, 7);
	peer_send(&p, FLAG_ACK | FLAG_FIN, NULL, 0);
	(void)peer_events(&p);
	tcp_close(p.net, p.now, conn);
	while (peer_expect(&p))
		;
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(p.net->in_use, 0);
	peer_say(&p, again, "request", 7);
	assert_int_equal(p.net->in_use, 0);
	p.now += NS_PER_MS;
	// Not even behind a duplicate of its SYN.
	p.seq = PEER_ISS;
	peer_send_syn(&p);
	p.now += NS_PER_MS;
	peer_say(&p, again, "request", 7);
	assert_int_equal(p.net->in_use, 0);
	peer_end(&p);
}

// Fills every place of the SYN table, as a flood does.
static void
flood(struct peer *p)
{
	struct peer other = *p;

	for (u32 i = 0; i < 20000; i++) {
		other.address = 0x0b000000 + i;
		other.net->gateway = PEER_ADDRESS;
		other.seq = i;
		peer_send_syn(&other);
		if (i % 256 == 0)
			(void)peer_discard(&other);
	}
	(void)peer_discard(&other);
	for (u32 i = 0; i < SYN_ENTRIES; i++)
		assert_int_not_equal(p->net->syn[i].tuple.peer, 0);
}

static void
flood_is_answered_with_cookies(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn;

	(void)state;
	p.mss = 1300;
	p.scale = 5;
	flood(&p);
	assert_int_equal(p.net->in_use, 0);
	conn = peer_open(&p);
	assert_non_null(conn);
	// The options came back in the number and the timestamp.
	assert_true(conn->ts_ok && conn->sack_ok);
	assert_int_equal(conn->send_shift, 5);
	assert_int_equal(conn->mss, 1220 - TCP_TS_LEN);	// next one of the table
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
cookies_expire_and_cannot_be_guessed(void **state)
{
	struct peer p = start();

	(void)state;
	flood(&p);
	peer_send_syn(&p);
	assert_true(peer_expect(&p));
	p.ack++;
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(p.net->in_use, 0);
	p.ack--;
	// What comes later in the same connection opens nothing, and breaks nothing:
	// its end of the handshake may have been lost.
	p.seq += 5;
	peer_send(&p, FLAG_ACK, "later", 5);
	assert_false(peer_take(&p));
	p.seq -= 10;
	p.now += 200 * NS_PER_SECOND;
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(p.net->in_use, 0);
	assert_int_equal(net_counters(p.net)->dropped[NET_DROP_COOKIE], 3);
	peer_end(&p);
}

// A cookie is good only where cookies went out instead of a record: elsewhere
// there is nothing to guess or to replay.
static void
cookies_are_refused_where_none_are_out(void **state)
{
	struct peer flooded = start(), quiet = start();

	(void)state;
	flood(&flooded);
	peer_send_syn(&flooded);
	assert_true(peer_expect(&flooded));
	assert_false(quiet.net->syn[0].tuple.peer);
	quiet.seq = flooded.seq;		// the same secret, and time
	quiet.ack = flooded.ack;
	quiet.got.ts_value = flooded.got.ts_value;
	peer_send(&flooded, FLAG_ACK, NULL, 0);
	assert_int_equal(flooded.net->in_use, 1);
	peer_send(&quiet, FLAG_ACK, NULL, 0);
	assert_int_equal(quiet.net->in_use, 0);
	peer_end(&flooded);
	peer_end(&quiet);
}

static void
full_table_refuses_and_recovers(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn[8];

	(void)state;
	for (u32 i = 0; i < 8; i++) {
		p.port = (u16)(2000 + i);
		conn[i] = peer_open(&p);
		assert_non_null(conn[i]);
	}
	p.port = 3000;
	peer_send_syn(&p);
	assert_false(peer_take(&p));
	assert_int_equal(net_counters(p.net)->dropped[NET_DROP_TABLE], 1);
	assert_null(tcp_connect(p.net, p.now, PEER_ADDRESS, 7));
	for (u32 i = 0; i < 8; i++)
		tcp_abort(p.net, conn[i]);
	(void)peer_discard(&p);
	p.seq = 9;
	assert_non_null(peer_open(&p));
	peer_end(&p);
}

static void
connect_opens(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = tcp_connect(p.net, p.now, PEER_ADDRESS, 7);
	u8 arp[64] = { 0 };
	struct tcp_header t;

	(void)state;
	assert_non_null(conn);
	assert_int_equal(tcp_send_copy(p.net, conn, "early", 5), 5);
	assert_false(peer_take(&p));	// ARP asks first
	memcpy(arp, p.net->config.mac, 6);
	be16_store(arp + 12, ETHERTYPE_ARP);
	memcpy(arp + 14, (u8[]){ 0, 1, 8, 0, 6, 4, 0, 2 }, 8);
	memcpy(arp + 22, peer_mac, 6);
	be32_store(arp + 28, PEER_ADDRESS);
	be32_store(arp + 38, p.net->address);
	wire_give(p.net, p.now, arp, 42);
	peer_wait_deadline(&p);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_SYN);
	assert_int_equal(p.got.mss, 1460);
	p.port = 7;
	p.own_port = p.got.tuple.peer_port;
	// A reset for something else does not count, nor a wrong acknowledgement.
	t = peer_header(&p, FLAG_RST | FLAG_ACK);
	t.ack++;
	peer_say(&p, t, NULL, 0);
	assert_int_equal(conn->state, TCP_SYN_SENT);
	t = peer_header(&p, FLAG_SYN | FLAG_ACK);
	t.mss = 1000;
	t.sack_permitted = true;
	peer_say(&p, t, NULL, 0);
	p.seq++;
	assert_int_equal(peer_events(&p), TCP_OPENED);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_ACK | FLAG_PSH);
	assert_int_equal(p.got.len, 5);
	assert_int_equal(conn->mss, 988);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// Opens from our side without ARP, up to the SYN.
static struct tcp_conn *
connect_out(struct peer *p)
{
	struct tcp_conn *conn;

	p->net->arp[0] = (struct arp_entry){
		.address = PEER_ADDRESS, .mac = { 2, 0, 0, 0, 0, 1 },
		.resolved = true, .expires_at = NEVER_NS,
	};
	conn = tcp_connect(p->net, p->now, PEER_ADDRESS, 7);
	assert_non_null(conn);
	assert_true(peer_expect(p));
	assert_int_equal(p->got.flags, FLAG_SYN);
	p->port = 7;
	p->own_port = p->got.tuple.peer_port;
	assert_false(peer_take(p));
	return conn;
}

static void
refused_connect_is_reported(void **state)
{
	struct peer p = start();

	(void)state;
	(void)connect_out(&p);
	peer_send(&p, FLAG_RST | FLAG_ACK, NULL, 0);
	assert_int_equal(peer_events(&p), TCP_GONE);
	assert_int_equal(p.net->in_use, 0);
	peer_end(&p);
}

static void
unanswered_connect_gives_up_after_three_minutes(void **state)
{
	struct peer p = start();
	u64 began = p.now, gap = 0, last = p.now;
	u32 syns = 1;

	(void)state;
	(void)connect_out(&p);
	while (p.net->in_use) {
		peer_wait_deadline(&p);
		if (peer_events(&p))
			break;
		while (peer_take(&p)) {
			assert_int_equal(p.got.flags, FLAG_SYN);
			assert_true(p.now - last >= gap);	// backs off
			gap = MIN(p.now - last, 60 * NS_PER_SECOND);
			last = p.now;
			syns++;
		}
	}
	assert_int_equal(p.now - began, 180 * NS_PER_SECOND);
	assert_int_equal(syns, 8);
	peer_end(&p);
}

static void
connect_to_what_is_no_host_is_refused(void **state)
{
	struct peer p = start();

	(void)state;
	assert_null(tcp_connect(p.net, p.now, 0xffffffff, 7));
	assert_null(tcp_connect(p.net, p.now, 0x0a0000ff, 7));
	assert_null(tcp_connect(p.net, p.now, 0xe0000001, 7));
	assert_null(tcp_connect(p.net, p.now, 0x7f000001, 7));
	assert_null(tcp_connect(p.net, p.now, p.net->address, 7));
	assert_null(tcp_connect(p.net, p.now, 0, 7));
	assert_null(tcp_connect(p.net, p.now, PEER_ADDRESS, 0));
	peer_end(&p);
}

// RFC 9293, figure 7.
static void
both_may_open_at_once(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = connect_out(&p);
	u32 iss = p.got.seq;

	(void)state;
	peer_send_syn(&p);
	assert_int_equal(conn->state, TCP_SYN_RECEIVED);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_SYN | FLAG_ACK);
	assert_int_equal(p.got.seq, iss);
	assert_int_equal(p.got.ack, p.seq);
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(peer_events(&p), TCP_OPENED);
	peer_send(&p, FLAG_ACK, "hello", 5);
	assert_received(conn, "hello");
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
data_comes_in_order_whatever_the_order(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	u32 first = p.seq;

	(void)state;
	p.seq = first + 6;
	peer_send(&p, FLAG_ACK, "ghi", 3);
	assert_true(peer_take(&p));		// at once, and says what is held
	assert_int_equal(p.got.ack, first);
	assert_int_equal(p.got.sack_count, 1);
	assert_int_equal(p.got.sack[0].start, first + 6);
	assert_int_equal(p.got.sack[0].end, first + 9);
	p.seq = first + 3;
	peer_send(&p, FLAG_ACK, "defg", 4);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.sack_count, 1);
	assert_int_equal(p.got.sack[0].start, first + 3);
	assert_received(conn, "");
	p.seq = first;
	peer_send(&p, FLAG_ACK, "abc", 3);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, first + 9);
	assert_int_equal(p.got.sack_count, 0);
	assert_received(conn, "abcdefghi");
	// What comes twice is reported (RFC 2883).
	p.seq = first + 3;
	peer_send(&p, FLAG_ACK, "def", 3);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.sack_count, 1);
	assert_int_equal(p.got.sack[0].start, first + 3);
	assert_int_equal(p.got.sack[0].end, first + 6);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
held_ranges_are_bounded(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	u32 first = p.seq;

	(void)state;
	for (u32 i = 1; i < 500; i++) {
		p.seq = first + i * 10;
		peer_send(&p, FLAG_ACK, "x", 1);
	}
	assert_int_equal(conn->ooo_count, OOO_MAX);
	(void)peer_discard(&p);
	p.seq = first;
	peer_send(&p, FLAG_ACK, text, 5000 - 1200 * 4 + 1000);
	net_check(p.net);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
acknowledgements_are_delayed_but_not_long(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);

	(void)state;
	peer_send(&p, FLAG_ACK, "a", 1);
	assert_false(peer_take(&p));
	peer_wait(&p, 39 * NS_PER_MS);
	assert_false(peer_take(&p));
	peer_wait(&p, NS_PER_MS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, p.seq);
	// Every second segment is acknowledged at once (RFC 5681, 4.2).
	peer_send(&p, FLAG_ACK, "b", 1);
	peer_send(&p, FLAG_ACK, "c", 1);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, p.seq);
	// An answer carries it.
	peer_send(&p, FLAG_ACK, "d", 1);
	assert_int_equal(tcp_send_copy(p.net, conn, "D", 1), 1);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.len, 1);
	assert_int_equal(p.got.ack, p.seq);
	assert_false(peer_take(&p));
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
window_follows_the_reader(void **state)
{
	struct net_config config = wire_config(2);
	struct tcp_conn *conn;
	struct peer p;

	(void)state;
	config.receive_size = 4096;
	p = peer_start(&config);
	conn = peer_open(&p);
	for (u32 i = 0; i < 4; i++)
		peer_send(&p, FLAG_ACK, text, 1024);
	while (peer_take(&p))
		;
	assert_int_equal(p.got.window, 0);
	// Beyond it nothing is taken, but the acknowledgement is heard.
	peer_send(&p, FLAG_ACK, "x", 1);
	p.seq--;
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, p.seq);
	// No silly window: a few bytes more are not worth a word.
	tcp_consume(p.net, conn, 100);
	assert_false(peer_take(&p));
	tcp_consume(p.net, conn, 3000);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.window, 3100);
	peer_send(&p, FLAG_ACK, text, 1400);
	peer_send(&p, FLAG_ACK, text, 1400);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, p.seq);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
unread_bytes_at_close_reset(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);

	(void)state;
	peer_send(&p, FLAG_ACK, "unread", 6);
	tcp_close(p.net, p.now, conn);
	assert_true(peer_take(&p));
	assert_true(p.got.flags & FLAG_RST);
	assert_int_equal(p.net->in_use, 0);
	peer_end(&p);
}

// What was let go is not handed out again, news or not.
static void
closed_connections_have_no_news(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);

	(void)state;
	peer_send(&p, FLAG_ACK | FLAG_FIN, NULL, 0);
	tcp_close(p.net, p.now, conn);
	assert_int_equal(p.net->in_use, 1);
	assert_int_equal(peer_events(&p), 0);
	peer_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake_negotiates_options),
		cmocka_unit_test(options_are_not_forced_on_a_peer_without_them),
		cmocka_unit_test(sequence_numbers_move_on),
		cmocka_unit_test(old_duplicates_open_nothing),
		cmocka_unit_test(flood_is_answered_with_cookies),
		cmocka_unit_test(cookies_expire_and_cannot_be_guessed),
		cmocka_unit_test(cookies_are_refused_where_none_are_out),
		cmocka_unit_test(full_table_refuses_and_recovers),
		cmocka_unit_test(connect_opens),
		cmocka_unit_test(refused_connect_is_reported),
		cmocka_unit_test(unanswered_connect_gives_up_after_three_minutes),
		cmocka_unit_test(connect_to_what_is_no_host_is_refused),
		cmocka_unit_test(both_may_open_at_once),
		cmocka_unit_test(data_comes_in_order_whatever_the_order),
		cmocka_unit_test(held_ranges_are_bounded),
		cmocka_unit_test(acknowledgements_are_delayed_but_not_long),
		cmocka_unit_test(window_follows_the_reader),
		cmocka_unit_test(unread_bytes_at_close_reset),
		cmocka_unit_test(closed_connections_have_no_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
