// SPDX-License-Identifier: BSD-2-Clause
// What was lost. For peers that can SACK, time decides (RACK-TLP, RFC 8985):
// whatever was sent a little before something that arrived is lost, be it sent
// for the first time or again. The little is a quarter of the smallest round
// trip; nothing where reordering was never seen, more where needless
// retransmissions are reported (D-SACK). When nothing arrives any more, the last
// segment is sent once more after two round trips, so that its acknowledgement
// tells what is missing (tail loss probe). For other peers, three duplicate
// acknowledgements (NewReno, RFC 6582). The retransmission timer is the last
// resort of both.
//
// Episodes: RECOVERY_NONE --loss--> FAST, or --timeout--> TIMEOUT, from either;
// back when all that was in flight at the start is acknowledged. The window is
// reduced once an episode.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

#define DUP_THRESHOLD 3u
#define PROBE_MIN_NS (2 * NS_PER_MS)
#define PROBES_MAX 3u			// in a row, each after twice the wait
#define PEER_ACK_DELAY_NS (50 * NS_PER_MS)	// of a single segment
#define REORDER_MULTIPLE_MAX 20u
#define REORDER_MEMORY 16u			// episodes
#define MIN_RTT_LIFETIME_NS (60 * NS_PER_SECOND)

u32
sent_clock(const struct net *net)
{
	return (u32)(net->now_ns >> SENT_SHIFT);
}

u32
loss_pipe(const struct tcp_conn *conn)
{
	return runs_bytes(conn, RUN_SACKED | RUN_LOST, 0);
}

struct delivery
loss_delivery(const struct net *net, const struct tcp_conn *conn)
{
	return (struct delivery){
		.now = sent_clock(net),
		.min_rtt = (u32)(conn->min_rtt_ns >> SENT_SHIFT),
		.highest = conn->highest,
		.highest_before = conn->highest,
	};
}

// A block that reports what came twice: below the acknowledgement, or inside the
// next block (RFC 2883).
static bool
is_dsack(const struct segment *s)
{
	const struct seq_range *first = &s->sack[0], *next = &s->sack[1];

	if (!s->sack_count)
		return false;
	return seq_diff(first->start, s->ack) < 0 ||
	       (s->sack_count > 1 && seq_diff(first->start, next->start) >= 0 &&
		seq_diff(first->end, next->end) <= 0);
}

// Something was sent again for nothing: more patience, once a round trip.
static void
note_dsack(struct tcp_conn *conn)
{
	if (seq_diff(conn->snd_una, conn->dsack_round) < 0)
		return;
	conn->dsack_round = conn->snd_nxt;
	conn->reorder_multiple = (u8)MIN(conn->reorder_multiple + 1u,
					 REORDER_MULTIPLE_MAX);
	conn->reorder_memory = REORDER_MEMORY;
}

void
loss_sack(struct tcp_conn *conn, const struct segment *s, struct delivery *d)
{
	u32 first = 0;

	d->dsack = is_dsack(s);
	if (d->dsack) {
		note_dsack(conn);
		first = 1;
	}
	for (u32 i = first; i < s->sack_count; i++) {
		struct seq_range block = s->sack[i];

		if (seq_diff(block.end, block.start) > 0 &&
		    seq_diff(block.start, conn->snd_una) > 0 &&
		    seq_diff(block.start, s->ack) > 0 &&
		    seq_diff(block.end, conn->snd_nxt) <= 0)
			runs_sacked(conn, block, d);
	}
	// Sacked bytes right at the edge: the peer has dropped them again.
	if (conn->run_count && conn->run[0].flags & RUN_SACKED)
		runs_forget_sacked(conn);
}

static void
measure(struct net *net, struct tcp_conn *conn, u64 rtt_ns)
{
	rtt_sample(conn, rtt_ns);
	if (!conn->min_rtt_ns || rtt_ns <= conn->min_rtt_ns ||
	    net->now_ns - conn->min_rtt_at > MIN_RTT_LIFETIME_NS) {
		conn->min_rtt_ns = MAX(rtt_ns, 1ull << SENT_SHIFT);
		conn->min_rtt_at = net->now_ns;
	}
}

bool
loss_delivered(struct net *net, struct tcp_conn *conn, const struct delivery *d)
{
	u32 rtt = d->now - d->sent;

	conn->highest = d->highest;
	conn->reordered |= d->reordered;
	if (!d->any)
		return false;
	if (!d->resent)
		measure(net, conn, (u64)rtt << SENT_SHIFT);
	if (!conn->rack_valid || seq_diff(d->sent, conn->rack_sent) > 0 ||
	    (d->sent == conn->rack_sent &&
	     seq_diff(d->end, conn->rack_end) > 0)) {
		conn->rack_valid = true;
		conn->rack_sent = d->sent;
		conn->rack_end = d->end;
		conn->rack_rtt = rtt;
	}
	return !d->resent;
}

// How much later than its successors a segment may come (RFC 8985, 6.2 step 4).
static u32
patience(const struct tcp_conn *conn)
{
	u64 wait = conn->min_rtt_ns / 4 * (1u + conn->reorder_multiple);
	u32 sacked = runs_bytes(conn, RUN_SACKED, RUN_SACKED);

	if (!conn->reordered && (conn->recovery != RECOVERY_NONE ||
				 sacked >= DUP_THRESHOLD * conn->mss))
		return 0;
	return (u32)(MIN(wait, conn->srtt_ns) >> SENT_SHIFT);
}

static u32
half_flight(const struct tcp_conn *conn)
{
	return MAX(conn_flight(conn) / 2, 2 * conn->mss);
}

static void
enter(struct net *net, struct tcp_conn *conn)
{
	ASSERT(conn->recovery == RECOVERY_NONE && conn_flight(conn) > 0);
	conn->recovery = RECOVERY_FAST;
	conn->ssthresh = half_flight(conn);
	conn->cwnd = conn->ssthresh;
	if (!conn->sack_ok)
		conn->cwnd += DUP_THRESHOLD * conn->mss;
	conn->recover = conn->snd_nxt;
	conn->resend_now = true;
	conn->tail_end = conn->tail_tries = 0;
	if (conn->reorder_memory && --conn->reorder_memory == 0)
		conn->reorder_multiple = 0;
	net->counters.fast_recoveries++;
}

void
loss_detect(struct net *net, struct tcp_conn *conn)
{
	u32 now = sent_clock(net), limit = conn->rack_rtt + patience(conn);
	i32 wait = 0;
	bool lost = false;

	if (conn->loss_at_is_reorder)
		conn->loss_at = NEVER_NS;
	if (!conn->rack_valid)
		return;
	for (u32 i = 0; i < conn->run_count; i++) {
		struct sent_run *run = &conn->run[i];
		i32 left = seq_diff(run->sent + limit, now);
		i32 later = seq_diff(conn->rack_sent, run->sent);

		if (run->flags & (RUN_SACKED | RUN_LOST) || later < 0 ||
		    (later == 0 && seq_diff(conn->rack_end, run->end) <= 0))
			continue;
		if (left <= 0) {
			run->flags |= RUN_LOST;
			lost = true;
		} else {
			wait = MAX(wait, left);
		}
	}
	if (lost && conn->recovery == RECOVERY_NONE)
		enter(net, conn);
	if (lost)
		conn_output(net, conn);
	if (wait) {
		conn->loss_at = net->now_ns + ((u64)(u32)wait << SENT_SHIFT);
		conn->loss_at_is_reorder = true;
	}
}

void
loss_duplicate(struct net *net, struct tcp_conn *conn)
{
	if (conn->dup_acks < 255)
		conn->dup_acks++;
	if (conn->recovery == RECOVERY_FAST) {
		conn->cwnd += conn->mss;
	} else if (conn->dup_acks >= DUP_THRESHOLD &&
		   conn->recovery == RECOVERY_NONE &&
		   seq_diff(conn->snd_una, conn->recover) > 0) {
		// Acknowledgements of needless retransmissions look like loss
		// until all that was in flight then is through (RFC 6582, 3.2).
		runs_lose(conn, conn->snd_una +
			  MIN(conn->mss, conn_flight(conn)));
		enter(net, conn);
	}
	conn_output(net, conn);
}

void
loss_advance(struct tcp_conn *conn, u32 acked)
{
	if (conn->recovery == RECOVERY_NONE)
		return;
	if (seq_diff(conn->snd_una, conn->recover) >= 0) {
		if (conn->recovery == RECOVERY_FAST)
			conn->cwnd = conn->sack_ok ? conn->ssthresh :
				MIN(conn->ssthresh,
				    MAX(conn_flight(conn), conn->mss) + conn->mss);
		conn->recovery = RECOVERY_NONE;
		return;
	}
	if (conn->sack_ok || conn->recovery == RECOVERY_TIMEOUT)
		return;
	// A partial acknowledgement: the next segment is missing too.
	runs_lose(conn, conn->snd_una + MIN(conn->mss, conn_flight(conn)));
	conn->resend_now = true;
	conn->cwnd -= MIN(acked, conn->cwnd - conn->mss);
	if (acked >= conn->mss)
		conn->cwnd += conn->mss;
}

// Nothing acknowledged in time: all of it is taken for lost. What was sacked is
// believed once more; a second timeout forgets it, as the peer may have done
// (RFC 2018, section 8).
void
loss_timeout(struct tcp_conn *conn)
{
	ASSERT(conn_flight(conn) > 0);
	if (conn->retries == 0)
		conn->ssthresh = half_flight(conn);
	else
		runs_forget_sacked(conn);
	runs_lose(conn, conn->snd_nxt);
	conn->cwnd = conn->mss;
	conn->recover = conn->snd_nxt;
	conn->recovery = RECOVERY_TIMEOUT;
	conn->resend_now = true;
	conn->dup_acks = 0;
	conn->loss_at = NEVER_NS;
	conn->probe_tail = false;
	conn->tail_end = conn->tail_tries = 0;
}

// RFC 8985, 7.2. Called when bytes went out or the edge moved. Unlike there, a
// flight that falls silent in fast recovery is probed too, and a probe that
// stays without an answer is followed by another: in a network whose round trips
// take less than a millisecond the retransmission timer is an age away.
void
loss_schedule_probe(const struct net *net, struct tcp_conn *conn)
{
	u64 wait = MAX(2 * conn->srtt_ns, PROBE_MIN_NS) << conn->tail_tries;

	if (conn->loss_at != NEVER_NS && conn->loss_at_is_reorder)
		return;
	conn->loss_at = NEVER_NS;
	if (!conn->sack_ok || !conn->srtt_ns || conn->tail_tries == PROBES_MAX ||
	    conn->recovery == RECOVERY_TIMEOUT || !conn_flight(conn))
		return;
	if (conn_flight(conn) <= conn->mss)
		wait += PEER_ACK_DELAY_NS;
	if (net->now_ns + wait >= conn->rto_at)
		return;
	conn->loss_at = net->now_ns + wait;
	conn->loss_at_is_reorder = false;
}

void
loss_tail(const struct tcp_conn *conn, u32 *seq, u32 *len)
{
	u32 i = conn->run_count - 1, start;

	ASSERT(conn->run_count > 0 && !(conn->run[0].flags & RUN_SACKED));
	while (conn->run[i].flags & RUN_SACKED)
		i--;
	start = run_start(conn, i);
	*len = MIN(conn->run[i].end - start, conn->mss);
	*seq = conn->run[i].end - *len;
}

void
loss_timer(struct net *net, struct tcp_conn *conn)
{
	ASSERT(conn->loss_at <= net->now_ns);
	conn->loss_at = NEVER_NS;
	if (conn->loss_at_is_reorder) {
		loss_detect(net, conn);
	} else if (conn_flight(conn)) {
		conn->probe_tail = true;
		conn_output(net, conn);
	}
}

// The probe was answered. If it was the last segment again and was not reported
// as needless, it mended a loss, which the window must feel (RFC 8985, 7.4).
void
loss_probe_acked(struct tcp_conn *conn, const struct delivery *d)
{
	if (!conn->tail_end || seq_diff(conn->snd_una, conn->tail_end) < 0)
		return;
	if (conn->tail_resent && !d->dsack &&
	    conn->recovery == RECOVERY_NONE) {
		conn->ssthresh = MAX(conn->cwnd / 2, 2 * conn->mss);
		conn->cwnd = conn->ssthresh;
	}
	conn->tail_end = 0;
}
