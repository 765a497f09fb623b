// SPDX-License-Identifier: BSD-2-Clause
// Acknowledgements: what they release, what they say about the path, and what
// they let us send. Congestion control is NewReno with appropriate byte counting
// (RFC 5681, 3465, 6582), loss recovery as RFC 6675 where the peer can SACK.

#include "kernel/base/assert.h"
#include "libos/tcp/state.h"

#define DUP_THRESHOLD 3u
#define CWND_MAX (64u << 20)
#define RTT_SANE_MS 60000u

static void
measure(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	u32 echo_age = ts_clock(net) - s->ts_echo;

	if (conn->rtt_at && seq_diff(s->ack, conn->rtt_seq) >= 0) {
		rtt_sample(conn, net->now_ns - conn->rtt_at);
		conn->rtt_at = 0;
	} else if (!conn->rtt_at && conn->ts_ok && s->has_ts && s->ts_echo &&
		   echo_age < RTT_SANE_MS) {
		// After a retransmission, when only the echo is unambiguous
		// (RFC 7323, section 4).
		rtt_sample(conn, MAX(echo_age, 1u) * NS_PER_MS);
	}
}

// Growth, only while the window was what held us back.
static void
grow(struct tcp_conn *conn, u32 acked, u32 flight_before)
{
	if (conn->in_recovery)
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

static void
recovery_progress(struct tcp_conn *conn, u32 acked)
{
	if (!conn->in_recovery)
		return;
	if (seq_diff(conn->snd_una, conn->recover) >= 0) {
		conn->in_recovery = false;
		conn->cwnd = MIN(conn->ssthresh, loss_pipe(conn) + 2 * conn->mss);
		return;
	}
	if (conn->sack_ok) {
		loss_mark(conn);
		return;
	}
	// A partial acknowledgement: the next segment is missing too.
	conn->high_rxt = conn->snd_una;
	conn->loss_until = conn->snd_una + MIN(conn->mss, conn_flight(conn));
	conn->cwnd -= MIN(acked, conn->cwnd - conn->mss);
	if (acked >= conn->mss)
		conn->cwnd += conn->mss;
}

static void
acknowledged(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	u32 acked = s->ack - conn->snd_una;
	u32 flight_before = conn_flight(conn);
	bool with_fin = conn->fin_queued && s->ack == conn->data_end + 1;

	ASSERT(acked <= flight_before);
	measure(net, conn, s);
	pieces_release(conn, acked - with_fin);
	conn->snd_una = s->ack;
	conn->retries = 0;
	conn->dup_acks = 0;
	loss_forget_below(conn, s->ack);
	// Sacked bytes right at the edge: the peer has dropped them again.
	if (conn->sacked_count && conn->sacked[0].start == conn->snd_una)
		conn->sacked_count = 0;
	grow(conn, acked, flight_before);
	recovery_progress(conn, acked);
	if (conn_flight(conn))
		rto_restart(net, conn);
	else
		conn->rto_at = NEVER_NS;
	if (!conn->owned)
		conn->end_at = net->now_ns + ORPHAN_NS;
	conn_event(net, conn, TCP_WRITABLE);
	conn_output(net, conn);
	if (with_fin)
		conn_fin_acked(net, conn);
}

static bool
may_recover(const struct tcp_conn *conn)
{
	// Without SACK, acknowledgements of needless retransmissions look like
	// loss until all that was in flight then is through (RFC 6582, 3.2).
	return conn->sack_ok || seq_diff(conn->snd_una, conn->recover) > 0;
}

static void
duplicate(struct net *net, struct tcp_conn *conn)
{
	if (conn->dup_acks < 255)
		conn->dup_acks++;
	if (conn->in_recovery) {
		if (conn->sack_ok)
			loss_mark(conn);
		else
			conn->cwnd = MIN(conn->cwnd + conn->mss, CWND_MAX);
	} else if (may_recover(conn) &&
		   (conn->dup_acks >= DUP_THRESHOLD ||
		    loss_sacked_bytes(conn) > (DUP_THRESHOLD - 1) * conn->mss)) {
		loss_enter(net, conn);
		loss_mark(conn);
	}
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

void
ack_process(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	bool sack_news = conn->sack_ok && loss_sack(conn, s);
	bool advances = seq_diff(s->ack, conn->snd_una) > 0;
	bool window_moved;

	ASSERT(seq_diff(s->ack, conn->snd_nxt) <= 0);
	window_moved = update_window(conn, s);
	if (advances) {
		acknowledged(net, conn, s);
		return;
	}
	if (s->ack == conn->snd_una && conn_flight(conn) &&
	    (sack_news || (!s->len && !window_moved && !conn->sack_ok &&
			   !(s->flags & FLAG_FIN))))
		duplicate(net, conn);
	if (window_moved) {
		if (!conn_flight(conn)) {
			conn->retries = 0;
			conn->rto_at = NEVER_NS;
		}
		conn_output(net, conn);
	}
}
