// SPDX-License-Identifier: BSD-2-Clause
// The flight as a history: [snd_una, snd_nxt) cut into runs, each of bytes that
// share one fate (when they were last sent, whether the peer holds them, whether
// they count as lost). RACK needs the time of each segment; segments that went
// out together share a run, so a few runs do for a long flight.
//
// The array is bounded. When it is full, the two neighbours of one fate whose
// times differ least become one, with the later time: that finds a loss later,
// and never one that is none. A block that still finds no place is not noted, as
// if its acknowledgement had been lost.
//
// Invariants (once open):
//   N6  runs are in order and not empty; the last ends at snd_nxt; there are
//       none exactly when snd_una == snd_nxt
//   H1  no run is both sacked and lost

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/tcp/parts.h"

u32
run_start(const struct tcp_conn *conn, u32 i)
{
	ASSERT(i <= conn->run_count);
	return i ? conn->run[i - 1].end : conn->snd_una;
}

static void
remove_runs(struct tcp_conn *conn, u32 at, u32 count)
{
	ASSERT(at + count <= conn->run_count);
	memmove(&conn->run[at], &conn->run[at + count],
		(conn->run_count - at - count) * sizeof(conn->run[0]));
	conn->run_count -= count;
}

static bool
same_fate(const struct sent_run *a, const struct sent_run *b)
{
	return a->flags == b->flags;
}

// Makes neighbours that do not differ in anything one run.
static void
tidy_up(struct tcp_conn *conn)
{
	u32 kept = 0;

	for (u32 i = 1; i < conn->run_count; i++) {
		struct sent_run *last = &conn->run[kept];

		if (same_fate(last, &conn->run[i]) &&
		    (last->sent == conn->run[i].sent || last->flags & RUN_SACKED))
			last->end = conn->run[i].end;
		else
			conn->run[++kept] = conn->run[i];
	}
	if (conn->run_count)
		conn->run_count = kept + 1;
}

// Makes one place by blurring times. False: no two neighbours share a fate.
static bool
make_place(struct tcp_conn *conn)
{
	u32 best = NIL, best_gap = 0;

	for (u32 i = 1; i < conn->run_count; i++) {
		const struct sent_run *a = &conn->run[i - 1], *b = &conn->run[i];
		i32 gap = seq_diff(b->sent, a->sent);
		u32 distance = (u32)(gap < 0 ? -gap : gap);

		if (same_fate(a, b) && (best == NIL || distance < best_gap)) {
			best = i;
			best_gap = distance;
		}
	}
	if (best == NIL)
		return false;
	if (seq_diff(conn->run[best - 1].sent, conn->run[best].sent) > 0)
		conn->run[best].sent = conn->run[best - 1].sent;
	remove_runs(conn, best - 1, 1);
	return true;
}

static bool
reserve(struct tcp_conn *conn, u32 places)
{
	while (RUNS_MAX - conn->run_count < places) {
		if (!make_place(conn))
			return false;
	}
	return true;
}

// Makes a run begin at `seq`, in a place that was reserved.
static void
split(struct tcp_conn *conn, u32 seq)
{
	u32 i = 0;

	if (seq == conn->snd_una)
		return;
	while (i < conn->run_count && seq_diff(conn->run[i].end, seq) < 0)
		i++;
	ASSERT(i < conn->run_count);
	if (conn->run[i].end == seq)
		return;
	ASSERT(conn->run_count < RUNS_MAX);
	memmove(&conn->run[i + 1], &conn->run[i],
		(conn->run_count - i) * sizeof(conn->run[0]));
	conn->run_count++;
	conn->run[i].end = seq;
}

void
runs_append(struct tcp_conn *conn, u32 end, u32 now)
{
	ASSERT(seq_diff(end, run_start(conn, conn->run_count)) > 0);
	if (conn->run_count) {
		struct sent_run *last = &conn->run[conn->run_count - 1];

		if (!last->flags && last->sent == now) {
			last->end = end;
			return;
		}
	}
	// No place: what was noted of the last run is forgotten.
	if (conn->run_count == RUNS_MAX && !make_place(conn))
		conn->run_count--;
	conn->run[conn->run_count++] = (struct sent_run){ end, now, 0 };
}

void
runs_resend(struct tcp_conn *conn, u32 start, u32 end, u32 now)
{
	// Without places for what remains of the run, that counts as sent too:
	// it is found lost again later.
	if (reserve(conn, 2)) {
		split(conn, start);
		split(conn, end);
	}
	for (u32 i = 0; i < conn->run_count; i++) {
		struct sent_run *run = &conn->run[i];

		if (run->flags & RUN_SACKED || seq_diff(run->end, start) <= 0 ||
		    seq_diff(run_start(conn, i), end) >= 0)
			continue;
		run->flags = RUN_RESENT;
		run->sent = now;
	}
	tidy_up(conn);
}

// Bytes of a run that the peer is now known to hold. A resent one whose answer
// came too soon was answered for its first transmission (RFC 8985, 6.2 step 2).
static void
note(struct delivery *d, const struct sent_run *run, u32 start, u32 end)
{
	d->bytes += end - start;
	if (!(run->flags & RUN_RESENT) && seq_diff(end, d->highest_before) < 0)
		d->reordered = true;
	if (seq_diff(end, d->highest) > 0)
		d->highest = end;
	if (run->flags & RUN_RESENT && d->now - run->sent < d->min_rtt)
		return;
	if (d->any && (seq_diff(run->sent, d->sent) < 0 ||
		       (run->sent == d->sent && seq_diff(end, d->end) < 0)))
		return;
	d->any = true;
	d->sent = run->sent;
	d->end = end;
	d->resent = run->flags & RUN_RESENT;
}

void
runs_acked(struct tcp_conn *conn, u32 ack, struct delivery *d)
{
	u32 gone = 0;

	ASSERT(seq_diff(ack, conn->snd_una) > 0 &&
	       seq_diff(ack, conn->snd_nxt) <= 0);
	for (; gone < conn->run_count; gone++) {
		const struct sent_run *run = &conn->run[gone];
		u32 start = run_start(conn, gone);
		bool whole = seq_diff(run->end, ack) <= 0;

		if (seq_diff(start, ack) >= 0)
			break;
		if (!(run->flags & RUN_SACKED))
			note(d, run, start, whole ? run->end : ack);
		if (!whole)
			break;
	}
	remove_runs(conn, 0, gone);
	conn->snd_una = ack;
}

void
runs_sacked(struct tcp_conn *conn, struct seq_range block, struct delivery *d)
{
	if (!reserve(conn, 2))
		return;
	split(conn, block.start);
	split(conn, block.end);
	for (u32 i = 0; i < conn->run_count; i++) {
		struct sent_run *run = &conn->run[i];
		u32 start = run_start(conn, i);

		if (seq_diff(start, block.start) < 0 ||
		    seq_diff(run->end, block.end) > 0 || run->flags & RUN_SACKED)
			continue;
		note(d, run, start, run->end);
		run->flags = RUN_SACKED;
	}
	tidy_up(conn);
}

u32
runs_bytes(const struct tcp_conn *conn, u8 mask, u8 flags)
{
	u32 bytes = 0;

	for (u32 i = 0; i < conn->run_count; i++) {
		if ((conn->run[i].flags & mask) == flags)
			bytes += conn->run[i].end - run_start(conn, i);
	}
	return bytes;
}

bool
runs_lost(const struct tcp_conn *conn, u32 *seq, u32 *len)
{
	for (u32 i = 0; i < conn->run_count; i++) {
		if (!(conn->run[i].flags & RUN_LOST))
			continue;
		*seq = run_start(conn, i);
		*len = conn->run[i].end - *seq;
		return true;
	}
	return false;
}

void
runs_lose(struct tcp_conn *conn, u32 end)
{
	if (reserve(conn, 1))
		split(conn, end);
	else
		end = conn->run[0].end;
	for (u32 i = 0; i < conn->run_count; i++) {
		struct sent_run *run = &conn->run[i];

		if (seq_diff(run->end, end) <= 0 && !(run->flags & RUN_SACKED))
			run->flags |= RUN_LOST;
	}
	tidy_up(conn);
}

void
runs_forget_sacked(struct tcp_conn *conn)
{
	for (u32 i = 0; i < conn->run_count; i++)
		conn->run[i].flags &= (u8)~RUN_SACKED;
	tidy_up(conn);
}
