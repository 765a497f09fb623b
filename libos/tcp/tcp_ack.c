// SPDX-License-Identifier: BSD-2-Clause
// Acknowledgements: what they release, what they say about the path, and what
// they let us send. Congestion control is NewReno with appropriate byte counting
// (RFC 5681, 3465); what is lost, tcp_loss.c decides.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

#define CWND_MAX (64u << 20)
#define RTT_SANE_MS 60000u

// Where everything that arrived had been sent more than once, only the echo of
// our clock is unambiguous (RFC 7323, section 4).
static void
measure_by_echo(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	u32 age = ts_clock(net) - s->ts_echo;

	if (conn->ts_ok && s->has_ts && s->ts_echo && age < RTT_SANE_MS)
		rtt_sample(conn, MAX(age, 1u) * NS_PER_MS);
}

// Growth, only while the window was what held us back.
static void
grow(struct tcp_conn *conn, u32 acked, u32 flight_before)
{
	if (conn->recovery == RECOVERY_FAST)
		return;
	if (conn->cwnd < conn->ssthresh) {
		if (2 * flight_before >= conn->cwnd)
			conn->cwnd += MIN(acked, 2 * conn->mss);
	} else if (flight_before + conn->mss >= conn->cwnd) {
		u64 part = (u64)conn->mss * MIN(acked, conn->cwnd) / conn->cwnd;

		conn->cwnd += MAX((u32)part, 1u);
	}
	conn->cwnd = MIN(conn->cwnd, CWND_MAX);
}

// Bytes left the flight: what that frees, and what may follow.
static void
acknowledged(struct net *net, struct tcp_conn *conn, u32 acked, u32 flight_before)
{
	bool with_fin = fin_acked(conn);

	ASSERT(acked <= flight_before);
	pieces_release(conn, acked - with_fin);
	conn->retries = 0;
	conn->dup_acks = 0;
	conn->tail_tries = 0;
	grow(conn, acked, flight_before);
	loss_advance(conn, acked);
	if (conn_flight(conn))
		rto_restart(net, conn);
	else
		conn->rto_at = NEVER_NS;
	if (!conn->owned)
		conn->end_at = net->now_ns + ORPHAN_NS;
	conn_event(net, conn, TCP_WRITABLE);
	conn_output(net, conn);
}

// RFC 9293, 3.10.7.4: from a segment that is not older than the last update.
static bool
update_window(struct tcp_conn *conn, const struct segment *s)
{
	u32 window = s->window << conn->send_shift;
	u32 before = conn->snd_wnd;
	i32 newer = seq_diff(s->seq, conn->snd_wl1);

	if (newer < 0 || (newer == 0 && seq_diff(s->ack, conn->snd_wl2) < 0))
		return false;
	conn->snd_wnd = window;
	conn->snd_wnd_max = MAX(conn->snd_wnd_max, window);
	conn->snd_wl1 = s->seq;
	conn->snd_wl2 = s->ack;
	return window != before;
}

// A duplicate of a peer that cannot say more (RFC 5681, section 2).
static bool
is_duplicate(const struct tcp_conn *conn, const struct segment *s)
{
	return !conn->sack_ok && s->ack == conn->snd_una && conn_flight(conn) &&
	       !s->len && !(s->flags & FLAG_FIN);
}

void
ack_process(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	struct delivery d = loss_delivery(net, conn);
	u32 flight_before = conn_flight(conn);
	i32 acked = seq_diff(s->ack, conn->snd_una);
	bool window_moved = update_window(conn, s);

	ASSERT(seq_diff(s->ack, conn->snd_nxt) <= 0);
	if (acked > 0)
		runs_acked(conn, s->ack, &d);
	if (conn->sack_ok)
		loss_sack(conn, s, &d);
	if (!loss_delivered(net, conn, &d) && acked > 0)
		measure_by_echo(net, conn, s);
	if (acked > 0)
		acknowledged(net, conn, (u32)acked, flight_before);
	else if (!window_moved && is_duplicate(conn, s))
		loss_duplicate(net, conn);
	if (conn->sack_ok) {
		loss_probe_acked(conn, &d);
		loss_detect(net, conn);
		if (acked > 0)
			loss_schedule_probe(net, conn);
		if (d.bytes)
			conn_output(net, conn);
	}
	if (window_moved) {
		if (!conn_flight(conn)) {
			conn->retries = 0;
			conn->rto_at = NEVER_NS;
		}
		conn_output(net, conn);
	}
	if (acked > 0 && fin_acked(conn))
		conn_fin_acked(net, conn);
}
