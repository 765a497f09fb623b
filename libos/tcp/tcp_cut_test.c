// SPDX-License-Identifier: BSD-2-Clause
// Packets that a device cuts into segments: how long they are, and what comes of them.
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

// Ten segments at first, as one packet, which a device cuts into what would have been
// sent without it.
static void
a_device_cuts_long_packets(void **state)
{
	struct net_config config = wire_config(2);
	u8 header[NET_HEADER_MAX];
	struct net_packet packet = { .header = header };
	struct tcp_conn *conn;
	struct peer p;
	u32 at;

	(void)state;
	config.checksum_offload = true;
	config.cut_max = NET_CUT_MAX;
	p = peer_start(&config);
	conn = peer_open(&p);
	assert_non_null(conn);
	for (u32 i = 0; i < sizeof(text); i++)
		text[i] = (u8)(i * 7 + i / 251);
	assert_int_equal(tcp_send_copy(p.net, conn, text, 100), 100);
	assert_true(tcp_send_lent(p.net, conn, text + 100, 15000));
	assert_true(net_output(p.net, p.now, &packet));
	assert_int_equal(packet.segment, 1448);
	assert_int_equal(packet.header_len, HEADERS_LEN + 32 + 100);
	assert_int_equal(packet.span[0].len, 14480 - 100);
	at = conn->snd_una;
	wire_read_long(p.net, &packet);
	for (u32 i = 0; i < 10; i++, at += 1448) {
		assert_true(peer_expect(&p));
		assert_int_equal(p.got.len, 1448);
		assert_int_equal(p.got.seq, at);
		assert_int_equal(p.got.flags, FLAG_ACK);
		assert_memory_equal(p.got.data, text + i * 1448, 1448);
	}
	assert_false(peer_take(&p));		// the congestion window is full
	tcp_shutdown(p.net, conn);
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.len, 620);
	assert_int_equal(p.got.flags, FLAG_ACK | FLAG_PSH | FLAG_FIN);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// PSH and FIN come with the last segment only; the peer's window ends a packet with a
// whole segment.
static void
a_cut_packet_ends_once(void **state)
{
	static const u32 lens[] = { 1448, 1448, 1448, 656 };
	struct net_config config = wire_config(2);
	struct tcp_conn *conn;
	struct peer p;

	(void)state;
	config.checksum_offload = true;
	config.cut_max = 10000;
	p = peer_start(&config);
	conn = peer_open(&p);
	assert_non_null(conn);
	peer_send_window(&p, 4000);
	assert_true(tcp_send_lent(p.net, conn, text, 5000));
	tcp_shutdown(p.net, conn);
	assert_true(peer_expect(&p) && peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_ACK);
	assert_false(peer_take(&p));
	p.ack = conn->snd_una;
	peer_send(&p, FLAG_ACK, NULL, 0);
	tcp_abort(p.net, conn);
	peer_end(&p);
	p = peer_start(&config);
	conn = peer_open(&p);
	assert_non_null(conn);
	assert_true(tcp_send_lent(p.net, conn, text, 5000));
	tcp_shutdown(p.net, conn);
	for (u32 i = 0; i < ARRAY_SIZE(lens); i++) {
		assert_true(peer_expect(&p));
		assert_int_equal(p.got.len, lens[i]);
		assert_int_equal(p.got.flags, i < 3 ? FLAG_ACK
				 : FLAG_ACK | FLAG_PSH | FLAG_FIN);
	}
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// What a device does not cut into segments as short as the peer wants goes one by one.
static void
short_segments_go_alone(void **state)
{
	struct net_config config = wire_config(2);
	u8 header[NET_HEADER_MAX];
	struct tcp_conn *conn;
	struct peer p;

	(void)state;
	config.checksum_offload = true;
	config.cut_max = NET_CUT_MAX;
	config.cut_min = 512;
	for (u32 mss = 511; mss <= 512; mss++) {
		struct net_packet packet = { .header = header };

		p = peer_start(&config);
		p.mss = (u16)(mss + 12);	// the time stamps' option
		conn = peer_open(&p);
		assert_non_null(conn);
		assert_true(tcp_send_lent(p.net, conn, text, 3000));
		assert_true(net_output(p.net, p.now, &packet));
		assert_int_equal(packet.segment, mss < 512 ? 0 : 512);
		assert_int_equal(packet.span[0].len, mss < 512 ? 511 : 3000);
		tcp_abort(p.net, conn);
		peer_end(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_cuts_long_packets),
		cmocka_unit_test(a_cut_packet_ends_once),
		cmocka_unit_test(short_segments_go_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
