// SPDX-License-Identifier: BSD-2-Clause
// Loss and congestion: what is sent again and when, how fast, and what a closed
// window, a narrow path or a silent peer does. The simulator shows that it all
// adds up; here each rule stands alone.
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

#define MSS 1448u
#define RTT (10 * NS_PER_MS)

static u8 text[1 << 20];

static struct peer
start(void)
{
	struct net_config config = wire_config(2);

	return peer_start(&config);
}

// A connection whose round trip is known to be RTT, with `len` bytes queued.
static struct tcp_conn *
open_with(struct peer *p, u32 len)
{
	struct tcp_conn *conn;
	u32 events;

	peer_send_syn(p);
	assert_true(peer_expect(p));
	p->now += RTT;
	peer_send(p, FLAG_ACK, NULL, 0);
	conn = tcp_next(p->net, &events);
	assert_non_null(conn);
	assert_int_equal(conn->srtt_ns / NS_PER_MS, RTT / NS_PER_MS);
	assert_true(tcp_send_lent(p->net, conn, text, len));
	return conn;
}

// Takes all that comes out now; returns how many segments, the first one's
// number in *first.
static u32
take_all(struct peer *p, u32 *first)
{
	u32 count = 0;

	while (peer_take(p)) {
		if (!count++)
			*first = p->got.seq;
	}
	return count;
}

// A deadline may have moved later meanwhile, so one wait may not do.
static void
wait_for_segment(struct peer *p)
{
	for (u32 i = 0; i < 4; i++) {
		peer_wait_deadline(p);
		if (peer_take(p))
			return;
	}
	fail_msg("nothing comes");
}

static void
ack_to(struct peer *p, u32 ack)
{
	p->ack = ack;
	peer_send(p, FLAG_ACK, NULL, 0);
}

// RFC 6928, then slow start: each acknowledged segment lets two go.
static void
window_starts_at_ten_and_doubles(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, sizeof(text));
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 10);
	p.now += RTT;
	ack_to(&p, una + 10 * MSS);
	assert_int_equal(conn->cwnd, 12 * MSS);		// RFC 3465: two at most
	for (u32 i = 0; i < 6; i++) {
		(void)take_all(&p, &first);
		una = conn->snd_nxt;
		for (u32 at = conn->snd_una + 2 * MSS; seq_diff(at, una) <= 0;
		     at += 2 * MSS)
			ack_to(&p, at);
	}
	assert_true(conn->cwnd > 60 * MSS - 65536 / 2);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
one_lost_segment_goes_again_at_once(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 10 * MSS);
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 10);
	p.now += RTT;
	p.ack = una;
	peer_send_sack(&p, una + MSS, una + 4 * MSS);
	assert_int_equal(conn->recovery, RECOVERY_FAST);
	assert_int_equal(conn->ssthresh, 5 * MSS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una);
	assert_int_equal(p.got.len, MSS);
	assert_false(peer_take(&p));
	p.now += RTT;
	ack_to(&p, una + 10 * MSS);
	assert_int_equal(conn->recovery, RECOVERY_NONE);
	assert_int_equal(conn->cwnd, 5 * MSS);
	assert_int_equal(net_counters(p.net)->timeouts, 0);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// Less than three segments above the hole: a quarter of a round trip decides
// whether it was late or lost (RFC 8985, 6.2).
static void
a_late_segment_is_given_a_moment(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 2 * MSS);
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 2);
	p.now += RTT;
	p.ack = una;
	peer_send_sack(&p, una + MSS, una + 2 * MSS);
	assert_false(peer_take(&p));
	peer_wait(&p, RTT / 8);
	assert_false(peer_take(&p));
	peer_wait(&p, RTT / 4);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// What three duplicates cannot see: that a retransmission was lost.
static void
a_lost_retransmission_goes_again(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 20 * MSS);
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 10);
	p.now += RTT;
	p.ack = una;
	peer_send_sack(&p, una + MSS, una + 6 * MSS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una);
	// New bytes follow it, and arrive; it does not.
	p.now += RTT;
	peer_send_sack(&p, una + MSS, una + 10 * MSS);
	assert_true(take_all(&p, &first) > 0);
	assert_int_equal(first, una + 10 * MSS);
	p.now += RTT;
	peer_send_sack(&p, una + MSS, una + 11 * MSS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una);
	assert_int_equal(net_counters(p.net)->timeouts, 0);
	assert_int_equal(net_counters(p.net)->fast_recoveries, 1);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
a_lost_tail_is_probed(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 3 * MSS);
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 3);
	peer_wait(&p, 2 * RTT - NS_PER_MS);
	assert_false(peer_take(&p));
	peer_wait(&p, 2 * NS_PER_MS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una + 2 * MSS);
	assert_int_equal(p.got.len, MSS);
	// The answer shows what is missing.
	p.now += RTT;
	p.ack = una;
	peer_send_sack(&p, una + 2 * MSS, una + 3 * MSS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una);
	assert_int_equal(net_counters(p.net)->timeouts, 0);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
timeouts_back_off_and_give_up(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 100);
	u64 last = p.now, gap = 0, began = p.now;
	u32 first, segments = 0;

	(void)state;
	assert_int_equal(take_all(&p, &first), 1);
	while (conn->state != TCP_DEAD) {
		peer_wait_deadline(&p);
		if (!peer_take(&p))
			continue;
		if (p.got.flags & FLAG_RST)
			break;
		assert_int_equal(p.got.seq, first);
		if (net_counters(p.net)->timeouts > 1) {
			assert_true(p.now - last >= gap);
			gap = MIN(p.now - last, 60 * NS_PER_SECOND);
		}
		last = p.now;
		segments++;
		assert_false(peer_take(&p));
	}
	assert_int_equal(peer_events(&p), TCP_GONE);
	// R2 is at least 100 s (RFC 9293, 3.8.3).
	assert_true(p.now - began > 100 * NS_PER_SECOND);
	assert_true(segments >= 10 && segments <= 14);
	peer_end(&p);
}

// After a timeout one segment goes; what the peer holds is not sent again.
static void
timeout_spares_what_was_sacked(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 4 * MSS);
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 4);
	p.ack = una;
	p.now += NS_PER_MS;
	peer_send_sack(&p, una + MSS, una + 2 * MSS);
	(void)peer_discard(&p);
	while (!net_counters(p.net)->timeouts) {
		(void)peer_discard(&p);
		peer_wait_deadline(&p);
	}
	assert_int_equal(conn->cwnd, MSS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una);
	assert_false(peer_take(&p));
	p.now += RTT;
	ack_to(&p, una + 2 * MSS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una + 2 * MSS);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// NewReno, for a peer that cannot say what it holds.
static void
three_duplicates_mean_loss(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn;
	u32 first, una;

	(void)state;
	p.sack = false;
	conn = open_with(&p, 10 * MSS);
	una = conn->snd_una;
	assert_int_equal(take_all(&p, &first), 10);
	p.now += RTT;
	for (u32 i = 0; i < 2; i++) {
		ack_to(&p, una);
		assert_false(peer_take(&p));
	}
	ack_to(&p, una);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una);
	assert_false(peer_take(&p));
	// A partial acknowledgement names the next hole.
	p.now += RTT;
	ack_to(&p, una + 3 * MSS);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una + 3 * MSS);
	p.now += RTT;
	ack_to(&p, una + 10 * MSS);
	assert_int_equal(conn->recovery, RECOVERY_NONE);
	assert_int_equal(net_counters(p.net)->timeouts, 0);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
needless_retransmissions_teach_patience(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 4 * MSS);
	struct tcp_header t;
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 4);
	p.now += RTT;
	ack_to(&p, una + MSS);
	t = peer_header(&p, FLAG_ACK);
	t.sack[t.sack_count++] = (struct seq_range){ una, una + MSS };
	assert_int_equal(conn->reorder_multiple, 0);
	peer_say(&p, t, NULL, 0);
	assert_int_equal(conn->reorder_multiple, 1);
	peer_say(&p, t, NULL, 0);		// once a round trip
	assert_int_equal(conn->reorder_multiple, 1);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// A peer that drops what it had acknowledged selectively (RFC 2018, 8).
static void
reneging_is_survived(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 4 * MSS);
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 4);
	p.now += RTT;
	p.ack = una;
	peer_send_sack(&p, una + MSS, una + 4 * MSS);
	(void)peer_discard(&p);
	p.now += RTT;
	ack_to(&p, una + MSS);			// and no more
	assert_int_equal(runs_bytes(conn, RUN_SACKED, RUN_SACKED), 0);
	for (u32 i = 0; i < 20 && conn->snd_una != una + 4 * MSS; i++) {
		while (peer_take(&p)) {
			if (p.got.seq == p.ack)
				p.ack += p.got.len;
		}
		peer_send(&p, FLAG_ACK, NULL, 0);
		peer_wait_deadline(&p);
	}
	assert_int_equal(conn->snd_una, una + 4 * MSS);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// RFC 9293, 3.8.6.1: probes, each after a longer wait, as long as it answers.
static void
closed_window_is_probed_for_ever(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 3000);
	u64 last, gap = 0;
	u32 una = conn->snd_una, first;

	(void)state;
	(void)take_all(&p, &first);
	p.now += RTT;
	p.ack = una + 3000;
	peer_send_window(&p, 0);
	assert_true(tcp_send_lent(p.net, conn, text, 5000));
	assert_false(peer_take(&p));
	last = p.now;
	for (u32 i = 0; i < 40; i++) {
		wait_for_segment(&p);
		assert_int_equal(p.got.len, 0);
		assert_int_equal(p.got.seq, una + 3000 - 1);
		assert_false(peer_take(&p));
		assert_true(p.now - last >= gap && p.now - last <=
			    60 * NS_PER_SECOND);
		gap = p.now - last;
		last = p.now;
		peer_send_window(&p, 0);
	}
	assert_true(gap > 50 * NS_PER_SECOND);
	assert_int_equal(conn->state, TCP_ESTABLISHED);
	peer_send_window(&p, 65535);
	assert_int_equal(take_all(&p, &first), 4);
	assert_int_equal(first, una + 3000);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
small_windows_are_not_filled_at_once(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 1000);
	u32 first, una = conn->snd_una;

	(void)state;
	(void)take_all(&p, &first);
	p.now += RTT;
	p.ack = una + 1000;
	peer_send_window(&p, 100);
	assert_true(tcp_send_lent(p.net, conn, text, 5000));
	assert_false(peer_take(&p));	// silly; but not for ever:
	wait_for_segment(&p);
	assert_int_equal(p.got.len, 100);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// A window taken back (RFC 9293, MUST-34).
static void
shrinking_window_is_survived(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 10 * MSS);
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 10);
	p.now += RTT;
	p.ack = una + MSS;
	peer_send_window(&p, 1000);
	(void)peer_discard(&p);
	p.now += RTT;
	peer_send_window(&p, 65535);
	p.ack = una + 10 * MSS;
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(tcp_unacked(conn), 0);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// "Packet too big" about bytes of ours in flight.
static void
give_too_big(struct peer *p, u32 seq, u16 mtu)
{
	u8 frame[WIRE_FRAME_MAX] = { 0 };
	u8 *icmp = frame + HEADERS_LEN, *quoted = icmp + 8;
	u32 len = 8 + IPV4_LEN + 8;

	icmp[0] = 3;
	icmp[1] = 4;
	be16_store(icmp + 6, mtu);
	quoted[0] = 0x45;
	quoted[9] = IPPROTO_TCP;
	be32_store(quoted + 12, p->net->address);
	be32_store(quoted + 16, p->address);
	be16_store(quoted + 20, p->own_port);
	be16_store(quoted + 22, p->port);
	be32_store(quoted + 24, seq);
	be16_store(icmp + 2, checksum_finish(checksum_add(0, icmp, len)));
	peer_give_ip(p, frame, IPPROTO_ICMP, p->net->address, len);
}

static void
narrow_path_is_learned(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 4 * MSS);
	u32 first, una = conn->snd_una;

	(void)state;
	assert_int_equal(take_all(&p, &first), 4);
	give_too_big(&p, una - 1, 1000);		// not in flight: a forgery
	give_too_big(&p, una + 4 * MSS, 1000);
	assert_int_equal(conn->mss, MSS);
	give_too_big(&p, una, 1400);
	assert_int_equal(conn->mss, 1348);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.seq, una);
	assert_int_equal(p.got.len, 1348);
	give_too_big(&p, una, 68);			// absurd: the floor holds
	assert_int_equal(conn->mss, 576 - 52);
	assert_int_equal(conn->ssthresh, 0x7fffffff);	// not congestion
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
silent_black_hole_is_suspected(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 4 * MSS);
	u32 smallest = MSS;

	(void)state;
	for (u32 i = 0; i < 20 && smallest > 524; i++) {
		while (peer_take(&p))
			smallest = MIN(smallest, p.got.len);
		peer_wait_deadline(&p);
	}
	assert_int_equal(smallest, 524);
	assert_true(net_counters(p.net)->timeouts <= 6);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// A frame that named a wrong link address blinds nobody for long.
static void
silent_peer_is_looked_up_again(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 100);
	u8 arp[64] = { 0 };
	u32 first;

	(void)state;
	(void)take_all(&p, &first);
	conn->peer_mac[5] ^= 0x40;
	p.now += NS_PER_SECOND;
	net_tick(p.net, p.now);
	(void)peer_discard(&p);			// ARP asks meanwhile
	memcpy(arp, p.net->config.mac, 6);
	be16_store(arp + 12, ETHERTYPE_ARP);
	memcpy(arp + 14, (u8[]){ 0, 1, 8, 0, 6, 4, 0, 2 }, 8);
	memcpy(arp + 22, peer_mac, 6);
	be32_store(arp + 28, PEER_ADDRESS);
	be32_store(arp + 38, p.net->address);
	wire_give(p.net, p.now, arp, 42);
	peer_wait_deadline(&p);
	assert_true(peer_take(&p));
	assert_memory_equal(p.frame, peer_mac, 6);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// The same where the peer, not we, waits for an answer.
static void
repeating_peer_is_looked_up_again(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = open_with(&p, 100);
	u32 first;

	(void)state;
	(void)take_all(&p, &first);
	ack_to(&p, first + 100);
	p.net->arp[0] = (struct arp_entry){
		.address = PEER_ADDRESS, .mac = { 2, 0, 0, 0, 0, 1 },
		.resolved = true, .expires_at = NEVER_NS,
	};
	peer_send(&p, FLAG_ACK, "x", 1);
	conn->peer_mac[5] ^= 0x40;
	p.seq--;
	peer_send(&p, FLAG_ACK, "x", 1);
	assert_true(peer_take(&p));
	assert_memory_equal(p.frame, peer_mac, 6);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_starts_at_ten_and_doubles),
		cmocka_unit_test(one_lost_segment_goes_again_at_once),
		cmocka_unit_test(a_late_segment_is_given_a_moment),
		cmocka_unit_test(a_lost_retransmission_goes_again),
		cmocka_unit_test(a_lost_tail_is_probed),
		cmocka_unit_test(timeouts_back_off_and_give_up),
		cmocka_unit_test(timeout_spares_what_was_sacked),
		cmocka_unit_test(three_duplicates_mean_loss),
		cmocka_unit_test(needless_retransmissions_teach_patience),
		cmocka_unit_test(reneging_is_survived),
		cmocka_unit_test(closed_window_is_probed_for_ever),
		cmocka_unit_test(small_windows_are_not_filled_at_once),
		cmocka_unit_test(shrinking_window_is_survived),
		cmocka_unit_test(narrow_path_is_learned),
		cmocka_unit_test(silent_black_hole_is_suspected),
		cmocka_unit_test(silent_peer_is_looked_up_again),
		cmocka_unit_test(repeating_peer_is_looked_up_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
