// SPDX-License-Identifier: BSD-2-Clause
// How connections end, and what tries to end them: every way through RFC 9293's
// figure 5, TIME-WAIT, and the forgeries of RFC 5961.
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

#define FORGERIES 1000u

static struct peer
start(void)
{
	struct net_config config = wire_config(2);

	return peer_start(&config);
}

static bool
ended(const struct tcp_conn *conn)
{
	const u8 *bytes;
	bool is;

	tcp_received(conn, &bytes, &is);
	return is;
}

// They close, we answer, then close.
static void
peer_closes_first(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);

	(void)state;
	peer_send(&p, FLAG_ACK | FLAG_FIN, "bye", 3);
	assert_true(peer_events(&p) & TCP_READABLE);
	assert_true(ended(conn));
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, p.seq);
	assert_int_equal(conn->state, TCP_CLOSE_WAIT);
	// The other half stays open.
	assert_int_equal(tcp_send_copy(p.net, conn, "answer", 6), 6);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.len, 6);
	peer_send(&p, FLAG_ACK, NULL, 0);
	tcp_consume(p.net, conn, 3);
	tcp_close(p.net, p.now, conn);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_ACK | FLAG_FIN);
	assert_int_equal(p.net->in_use, 1);
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(p.net->in_use, 0);
	peer_end(&p);
}

// We close, they answer, then close; a record of TIME-WAIT stays.
static void
own_side_closes_first(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);

	(void)state;
	tcp_shutdown(p.net, conn);
	assert_int_equal(tcp_send_copy(p.net, conn, "late", 4), 0);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_ACK | FLAG_FIN);
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(conn->state, TCP_FIN_WAIT_2);
	peer_send(&p, FLAG_ACK | FLAG_FIN, "more", 4);
	assert_true(ended(conn));
	tcp_consume(p.net, conn, 4);
	tcp_close(p.net, p.now, conn);
	assert_int_equal(p.net->in_use, 0);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, p.seq);
	// Their FIN comes again: our acknowledgement was lost.
	p.seq--;
	peer_send(&p, FLAG_ACK | FLAG_FIN, NULL, 0);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, p.seq);
	// A reset does not cut TIME-WAIT short (RFC 1337).
	peer_send(&p, FLAG_RST | FLAG_ACK, NULL, 0);
	p.seq--;
	peer_send(&p, FLAG_ACK | FLAG_FIN, NULL, 0);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_ACK);
	peer_end(&p);
}

static void
both_close_at_once(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	struct tcp_header t;

	(void)state;
	tcp_close(p.net, p.now, conn);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_ACK | FLAG_FIN);
	t = peer_header(&p, FLAG_ACK | FLAG_FIN);	// crossed ours
	peer_say(&p, t, NULL, 0);
	p.seq++;
	assert_int_equal(conn->state, TCP_CLOSING);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.ack, p.seq);
	p.ack++;
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(p.net->in_use, 0);
	assert_non_null(timewait_find(p.net, &conn->tuple));
	peer_end(&p);
}

static void
time_wait_ends_or_makes_way(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	struct tuple tuple = conn->tuple;

	(void)state;
	tcp_close(p.net, p.now, conn);
	assert_true(peer_expect(&p));
	peer_send(&p, FLAG_ACK | FLAG_FIN, NULL, 0);
	assert_non_null(timewait_find(p.net, &tuple));
	(void)peer_discard(&p);
	// An old SYN is refused, a new one opens (RFC 6191).
	p.seq -= 1000;
	p.now -= NS_PER_MS;
	peer_send_syn(&p);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_ACK);
	p.now += 2 * NS_PER_MS;
	p.seq += 2000;
	peer_send_syn(&p);
	assert_true(peer_expect(&p));
	assert_int_equal(p.got.flags, FLAG_SYN | FLAG_ACK);
	peer_send(&p, FLAG_ACK, NULL, 0);
	conn = &p.net->conn[0];
	assert_int_equal(conn->state, TCP_ESTABLISHED);
	assert_null(timewait_find(p.net, &tuple));
	tcp_close(p.net, p.now, conn);
	assert_true(peer_expect(&p));
	peer_send(&p, FLAG_ACK | FLAG_FIN, NULL, 0);
	assert_non_null(timewait_find(p.net, &tuple));
	p.now += 61 * NS_PER_SECOND;
	net_tick(p.net, p.now);
	assert_null(timewait_find(p.net, &tuple));
	peer_end(&p);
}

// Records are bounded: of those that share places the oldest makes way.
static void
time_wait_records_are_bounded(void **state)
{
	struct peer p = start();
	struct tuple tuples[3000];
	u32 kept = 0, recent = 0;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(tuples); i++) {
		struct tcp_conn *conn;

		p.port = (u16)(1000 + i);
		p.now += NS_PER_MS;
		conn = peer_open(&p);
		tuples[i] = conn->tuple;
		tcp_close(p.net, p.now, conn);
		assert_true(peer_expect(&p));
		peer_send(&p, FLAG_ACK | FLAG_FIN, NULL, 0);
		(void)peer_discard(&p);
		assert_non_null(timewait_find(p.net, &tuples[i]));
	}
	for (u32 i = 0; i < ARRAY_SIZE(tuples); i++) {
		bool found = timewait_find(p.net, &tuples[i]);

		kept += found;
		recent += found && i >= ARRAY_SIZE(tuples) - 500;
	}
	assert_true(kept <= TIMEWAIT_SETS * TIMEWAIT_WAYS);
	assert_true(kept > TIMEWAIT_SETS * TIMEWAIT_WAYS * 9 / 10);
	assert_true(recent > 460);
	peer_end(&p);
}

// A FIN ahead of missing bytes waits for them, and nothing behind it counts.
static void
end_comes_after_all_bytes(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	u32 first = p.seq;

	(void)state;
	p.seq = first + 3;
	peer_send(&p, FLAG_ACK | FLAG_FIN, "def", 3);
	assert_false(ended(conn));
	p.seq = first + 6;
	peer_send(&p, FLAG_ACK, "ghi", 3);
	p.seq = first;
	peer_send(&p, FLAG_ACK, "abc", 3);
	assert_true(ended(conn));
	assert_int_equal(conn->received, 6);
	assert_int_equal(conn->rcv_nxt, first + 7);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// Who let go and hears nothing more does not keep the connection for ever.
static void
orphans_are_bounded(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	u64 began = p.now;

	(void)state;
	tcp_close(p.net, p.now, conn);			// FIN-WAIT-2
	assert_true(peer_expect(&p));
	peer_send(&p, FLAG_ACK, NULL, 0);
	while (p.net->in_use)
		peer_wait_deadline(&p);
	assert_int_equal(p.now - began, 10 * NS_PER_SECOND);
	(void)peer_discard(&p);
	p.port++;
	conn = peer_open(&p);
	assert_true(tcp_send_lent(p.net, conn, "lost", 4));
	began = p.now;
	tcp_close(p.net, p.now, conn);			// never acknowledged
	while (p.net->in_use) {
		(void)peer_discard(&p);
		peer_wait_deadline(&p);
	}
	assert_true(p.now - began <= 60 * NS_PER_SECOND);
	peer_end(&p);
}

// A peer that keeps its window closed, and says so, holds no orphan either; not
// even one that was let go while both were opening at once.
static void
closed_windows_hold_no_orphans(void **state)
{
	for (u32 opening = 0; opening < 2; opening++) {
		struct peer p = start();
		struct tcp_conn *conn;
		u64 began;

		(void)state;
		if (opening) {
			p.net->arp[0] = (struct arp_entry){
				.address = PEER_ADDRESS, .resolved = true,
				.mac = { 2, 0, 0, 0, 0, 1 },
				.expires_at = NEVER_NS,
			};
			conn = tcp_connect(p.net, p.now, PEER_ADDRESS, 7);
			assert_true(peer_expect(&p));
			p.port = 7;
			p.own_port = p.got.tuple.peer_port;
			peer_send_syn(&p);
		} else {
			conn = peer_open(&p);
		}
		if (!opening)
			peer_send_window(&p, 0);
		assert_int_equal(tcp_send_copy(p.net, conn, "kept", 4), 4);
		began = p.now;
		tcp_close(p.net, p.now, conn);
		peer_send_window(&p, 0);
		while (p.net->in_use) {
			assert_true(p.now - began < 200 * NS_PER_SECOND);
			while (peer_take(&p)) {
				if (p.got.flags == FLAG_ACK)
					peer_send_window(&p, 0);
			}
			if (p.net->in_use)
				peer_wait_deadline(&p);
		}
		assert_true(p.now - began <= 61 * NS_PER_SECOND);
		peer_end(&p);
	}
}

// A place in the table that is used again while it still stands in a queue.
static void
freed_in_the_queue_and_used_again(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);

	(void)state;
	tcp_close(p.net, p.now, conn);		// a FIN waits to go out
	peer_send(&p, FLAG_RST, NULL, 0);
	assert_int_equal(p.net->in_use, 0);
	p.port++;
	assert_ptr_equal(peer_open(&p), conn);
	assert_int_equal(tcp_send_copy(p.net, conn, "new", 3), 3);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.len, 3);
	assert_false(peer_take(&p));
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
bytes_for_nobody_are_refused(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);

	(void)state;
	tcp_close(p.net, p.now, conn);
	assert_true(peer_expect(&p));
	peer_send(&p, FLAG_ACK, "more", 4);
	assert_true(peer_take(&p));
	assert_true(p.got.flags & FLAG_RST);
	assert_int_equal(p.net->in_use, 0);
	peer_end(&p);
}

// RFC 5961, 3.2: only the exact number resets; a near one is asked about.
static void
blind_resets_fail(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	struct tcp_header t = peer_header(&p, FLAG_RST);

	(void)state;
	t.seq = p.seq + 1;
	peer_say(&p, t, NULL, 0);
	assert_int_equal(conn->state, TCP_ESTABLISHED);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_ACK);
	assert_int_equal(p.got.ack, p.seq);
	t.seq = p.seq - 1;			// outside: not even an answer
	peer_say(&p, t, NULL, 0);
	assert_false(peer_take(&p));
	t.seq = p.seq;
	peer_say(&p, t, NULL, 0);
	assert_int_equal(peer_events(&p), TCP_GONE);
	peer_end(&p);
}

// RFC 5961, 4.2, and 5.2 for acknowledgements.
static void
blind_syns_and_data_fail(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	struct tcp_header t = peer_header(&p, FLAG_SYN);

	(void)state;
	peer_say(&p, t, NULL, 0);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_ACK);
	t = peer_header(&p, FLAG_ACK);
	t.ack += 1;				// of what was never sent
	peer_say(&p, t, "x", 1);
	assert_int_equal(conn->received, 0);
	assert_true(peer_take(&p));
	t.ack -= 200000;			// of what is long past
	peer_say(&p, t, "x", 1);
	assert_int_equal(conn->received, 0);
	t = peer_header(&p, FLAG_ACK);
	t.ts_value -= 100;			// PAWS
	peer_say(&p, t, "x", 1);
	assert_int_equal(conn->received, 0);
	peer_send(&p, FLAG_ACK, "x", 1);
	assert_int_equal(conn->received, 1);
	assert_int_equal(conn->state, TCP_ESTABLISHED);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
answers_to_strangers_are_rationed(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	struct tcp_header t = peer_header(&p, FLAG_SYN);
	u32 answers = 0;

	(void)state;
	for (u32 i = 0; i < FORGERIES; i++) {
		peer_say(&p, t, NULL, 0);
		answers += peer_discard(&p);
	}
	assert_true(answers >= 50 && answers < 150);
	p.own_port = 81;			// nobody listens there
	for (u32 i = answers = 0; i < FORGERIES; i++) {
		peer_say(&p, t, NULL, 0);
		answers += peer_discard(&p);
	}
	assert_true(answers >= 100 && answers < 300);
	assert_true(p.got.flags & FLAG_RST);
	p.now += NS_PER_SECOND;
	peer_say(&p, t, NULL, 0);
	assert_int_equal(peer_discard(&p), 1);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

// Who can count the answers must not learn from their absence (CVE-2016-5696).
static void
rations_cannot_be_counted_on(void **state)
{
	struct peer p = start();
	u32 given[20], different = 0;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(given); i++) {
		p.now += NS_PER_SECOND;
		net_tick(p.net, p.now);
		for (given[i] = 0; ration_take(p.net, &p.net->challenges, 100);)
			given[i]++;
		different += i && given[i] != given[i - 1];
	}
	assert_true(different > ARRAY_SIZE(given) / 2);
	peer_end(&p);
}

// An acknowledgement from the right edge of the window is heard: bytes before it
// were lost on the way.
static void
acknowledgement_at_the_edge_is_heard(void **state)
{
	struct peer p = start();
	struct tcp_conn *conn = peer_open(&p);
	u32 first = p.seq;

	(void)state;
	assert_int_equal(tcp_send_copy(p.net, conn, "abc", 3), 3);
	assert_true(peer_expect(&p));
	p.seq = first + 32768;
	peer_send(&p, FLAG_ACK, NULL, 0);
	assert_int_equal(tcp_unacked(conn), 0);
	tcp_abort(p.net, conn);
	peer_end(&p);
}

static void
closed_port_resets(void **state)
{
	struct peer p = start();

	(void)state;
	p.own_port = 81;
	peer_send_syn(&p);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_RST | FLAG_ACK);
	assert_int_equal(p.got.ack, PEER_ISS + 1);
	p.ack = 1234;
	peer_send(&p, FLAG_ACK, "x", 1);
	assert_true(peer_take(&p));
	assert_int_equal(p.got.flags, FLAG_RST);
	assert_int_equal(p.got.seq, 1234);
	peer_send(&p, FLAG_RST, NULL, 0);		// never answered
	assert_false(peer_take(&p));
	peer_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peer_closes_first),
		cmocka_unit_test(own_side_closes_first),
		cmocka_unit_test(both_close_at_once),
		cmocka_unit_test(time_wait_ends_or_makes_way),
		cmocka_unit_test(time_wait_records_are_bounded),
		cmocka_unit_test(end_comes_after_all_bytes),
		cmocka_unit_test(orphans_are_bounded),
		cmocka_unit_test(closed_windows_hold_no_orphans),
		cmocka_unit_test(freed_in_the_queue_and_used_again),
		cmocka_unit_test(bytes_for_nobody_are_refused),
		cmocka_unit_test(blind_resets_fail),
		cmocka_unit_test(blind_syns_and_data_fail),
		cmocka_unit_test(answers_to_strangers_are_rationed),
		cmocka_unit_test(rations_cannot_be_counted_on),
		cmocka_unit_test(acknowledgement_at_the_edge_is_heard),
		cmocka_unit_test(closed_port_resets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
