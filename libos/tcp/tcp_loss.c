// SPDX-License-Identifier: BSD-2-Clause
// What was lost, and what to send again: the scoreboard of selective
// acknowledgements (RFC 6675), with NewReno (RFC 6582) for peers without them.
//
// Two sequence numbers say it all. What lies below loss_until and was not sacked
// is lost; of that, what lies below high_rxt was sent again and is in the
// network once more:
//
//   snd_una ...... high_rxt ...... loss_until ........ snd_nxt
//      sent again     |  to send again  |  in the network
//
// Invariant L1: snd_una <= high_rxt, snd_una <= loss_until <= snd_nxt.

#include "kernel/base/assert.h"
#include "libos/tcp/state.h"

#define DUP_THRESHOLD 3u

static u32
seq_max(u32 a, u32 b)
{
	return seq_diff(a, b) > 0 ? a : b;
}

bool
loss_sack(struct tcp_conn *conn, const struct segment *s)
{
	bool news = false;

	for (u32 i = 0; i < s->sack_count; i++) {
		struct seq_range block = s->sack[i];
		u32 before = loss_sacked_bytes(conn);

		// Senseless blocks, and duplicates that were reported (RFC 2883).
		if (seq_diff(block.end, block.start) <= 0 ||
		    seq_diff(block.start, conn->snd_una) <= 0 ||
		    seq_diff(block.start, s->ack) < 0 ||
		    seq_diff(block.end, conn->snd_nxt) > 0)
			continue;
		if (ranges_add(conn->sacked, &conn->sacked_count, SACKED_MAX,
			       block))
			news |= loss_sacked_bytes(conn) != before;
	}
	return news;
}

void
loss_forget_below(struct tcp_conn *conn, u32 seq)
{
	ranges_drop_below(conn->sacked, &conn->sacked_count, seq);
	conn->high_rxt = seq_max(conn->high_rxt, seq);
	conn->loss_until = seq_max(conn->loss_until, seq);
}

u32
loss_sacked_bytes(const struct tcp_conn *conn)
{
	u32 bytes = 0;

	for (u32 i = 0; i < conn->sacked_count; i++)
		bytes += conn->sacked[i].end - conn->sacked[i].start;
	return bytes;
}

void
loss_mark(struct tcp_conn *conn)
{
	u32 above = 0, ranges = 0;

	for (u32 i = conn->sacked_count; i-- > 0;) {
		above += conn->sacked[i].end - conn->sacked[i].start;
		ranges++;
		if (above > (DUP_THRESHOLD - 1) * conn->mss ||
		    ranges >= DUP_THRESHOLD) {
			conn->loss_until = seq_max(conn->loss_until,
						   conn->sacked[i].start);
			return;
		}
	}
}

// Unsacked bytes of [from, to).
static u32
holes_between(const struct tcp_conn *conn, u32 from, u32 to)
{
	u32 bytes;

	if (seq_diff(to, from) <= 0)
		return 0;
	bytes = to - from;
	for (u32 i = 0; i < conn->sacked_count; i++) {
		struct seq_range r = conn->sacked[i];
		u32 start = seq_max(r.start, from);
		u32 end = seq_diff(r.end, to) < 0 ? r.end : to;

		if (seq_diff(end, start) > 0)
			bytes -= end - start;
	}
	return bytes;
}

u32
loss_pipe(const struct tcp_conn *conn)
{
	u32 flight = conn_flight(conn);
	u32 sacked = loss_sacked_bytes(conn);
	u32 lost = holes_between(conn, conn->high_rxt, conn->loss_until);

	ASSERT(sacked + lost <= flight);
	return flight - sacked - lost;
}

bool
loss_next(const struct tcp_conn *conn, u32 *seq, u32 *len)
{
	u32 at = conn->high_rxt, end = conn->loss_until;

	for (u32 i = 0; i < conn->sacked_count; i++) {
		if (seq_diff(at, conn->sacked[i].start) < 0) {
			if (seq_diff(conn->sacked[i].start, end) < 0)
				end = conn->sacked[i].start;
			break;
		}
		at = seq_max(at, conn->sacked[i].end);
	}
	if (seq_diff(end, at) <= 0)
		return false;
	*seq = at;
	*len = end - at;
	return true;
}

static u32
half_flight(const struct tcp_conn *conn)
{
	return MAX(conn_flight(conn) / 2, 2 * conn->mss);
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
		conn->sacked_count = 0;
	conn->cwnd = conn->mss;
	conn->high_rxt = conn->snd_una;
	conn->loss_until = conn->snd_nxt;
	conn->recover = conn->snd_nxt;
	conn->in_recovery = false;
	conn->dup_acks = 0;
}

void
loss_enter(struct net *net, struct tcp_conn *conn)
{
	u32 first_end = conn->snd_una + MIN(conn->mss, conn_flight(conn));

	ASSERT(!conn->in_recovery && conn_flight(conn) > 0);
	conn->in_recovery = true;
	conn->ssthresh = half_flight(conn);
	conn->cwnd = conn->ssthresh;
	if (!conn->sack_ok)
		conn->cwnd += DUP_THRESHOLD * conn->mss;
	conn->recover = conn->snd_nxt;
	conn->high_rxt = conn->snd_una;
	conn->loss_until = seq_max(conn->loss_until, first_end);
	net->counters.fast_recoveries++;
}
