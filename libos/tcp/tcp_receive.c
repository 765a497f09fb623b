// SPDX-License-Identifier: BSD-2-Clause
// Receiving bytes. The buffer is linear, so what is in order lies in one stretch,
// from the oldest byte that the application has not consumed; what is held moves
// to the front only when a segment would else not fit behind it. A
// segment that comes early is put where it belongs at once; up to OOO_MAX
// ranges of such bytes are remembered, and reported to the peer (RFC 2018).
//
// Invariants:
//   N5  ranges are ordered, disjoint, after rcv_nxt and inside the buffer
//   R1  rcv_nxt + (buffer size - received) >= rcv_adv: what was promised fits

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/tcp/parts.h"

#define DELAYED_ACK_NS (40 * NS_PER_MS)

static u32
buffer_room(const struct net *net, const struct tcp_conn *conn)
{
	ASSERT(conn->received <= net->config.receive_size);
	return net->config.receive_size - conn->received;
}

// The right edge moves in steps worth a segment (RFC 9293, 3.8.6.2.2).
static u32
right_edge(const struct net *net, const struct tcp_conn *conn)
{
	u32 edge = conn->rcv_nxt + buffer_room(net, conn);
	i32 step = (i32)MIN(net->config.receive_size / 2, conn->mss);

	if (conn->fin_received || seq_diff(edge, conn->rcv_adv) < step)
		return conn->rcv_adv;
	return edge;
}

u32
receive_window(const struct net *net, const struct tcp_conn *conn)
{
	i32 window = seq_diff(right_edge(net, conn), conn->rcv_nxt);

	return window > 0 ? (u32)window : 0;
}

void
receive_consume(struct net *net, struct tcp_conn *conn, u32 len)
{
	u32 step = MIN(net->config.receive_size / 2, 2 * conn->mss);

	ASSERT(len <= conn->received);
	conn->buffer_at += len;
	conn->received -= len;
	if (!conn->received && !conn->ooo_count)
		conn->buffer_at = 0;
	// A peer that was held back learns of the room at once.
	if (!conn->fin_received &&
	    conn->rcv_adv - conn->rcv_nxt < net->config.receive_size / 2 &&
	    seq_diff(right_edge(net, conn), conn->rcv_adv) >= (i32)step) {
		conn->ack_now = true;
		conn_output(net, conn);
	}
}

static void
acknowledge_later(struct net *net, struct tcp_conn *conn, bool filled_hole)
{
	conn->unacked_segments++;
	if (conn->unacked_segments >= 2 || filled_hole || conn->ooo_count) {
		conn->ack_now = true;
		conn_output(net, conn);
	} else if (conn->ack_at == NEVER_NS) {
		conn->ack_at = net->now_ns + DELAYED_ACK_NS;
	}
}

// Bytes [rcv_nxt, end) are there: they become the application's.
static void
advance(struct tcp_conn *conn, u32 end)
{
	ASSERT(seq_diff(end, conn->rcv_nxt) >= 0);
	conn->received += end - conn->rcv_nxt;
	conn->rcv_nxt = end;
}

u32
receive_extent(const struct tcp_conn *conn)
{
	u32 len = conn->received;

	for (u32 i = 0; i < conn->ooo_count; i++)
		len = conn->received + (conn->ooo[i].end - conn->rcv_nxt);
	return len;
}

// Moves what is held to the front. As the window opens by a segment at least,
// that many bytes were consumed since the last time.
static void
move_to_front(struct tcp_conn *conn)
{
	memmove(conn->buffer, conn->buffer + conn->buffer_at,
		receive_extent(conn));
	conn->buffer_at = 0;
}

static void
receive_bytes(struct net *net, struct tcp_conn *conn, const u8 *data,
	      struct seq_range range)
{
	u32 at = conn->received + (range.start - conn->rcv_nxt);
	u32 len = range.end - range.start;
	bool held = conn->ooo_count > 0;

	ASSERT(at + len <= net->config.receive_size);
	if (conn->buffer_at + at + len > net->config.receive_size)
		move_to_front(conn);
	memcpy(conn->buffer + conn->buffer_at + at, data, len);
	if (range.start != conn->rcv_nxt) {
		if (ranges_add(conn->ooo, &conn->ooo_count, OOO_MAX, range))
			conn->ooo_recent = range.start;
		conn->ack_now = true;
		conn_output(net, conn);
		return;
	}
	advance(conn, range.end);
	while (conn->ooo_count &&
	       seq_diff(conn->ooo[0].start, conn->rcv_nxt) <= 0) {
		u32 end = conn->ooo[0].end;

		if (seq_diff(end, conn->rcv_nxt) > 0)
			advance(conn, end);
		ranges_drop_below(conn->ooo, &conn->ooo_count, conn->rcv_nxt);
	}
	conn_event(net, conn, TCP_READABLE);
	acknowledge_later(net, conn, held);
}

// The end of the stream has one place; a FIN that says another one is ignored,
// and so is one that lies before bytes that came.
static void
note_fin(struct tcp_conn *conn, const struct segment *s)
{
	u32 seq = s->seq + s->len;

	if (conn->fin_known || seq_diff(seq, conn->rcv_nxt) < 0 ||
	    seq_diff(seq, conn->rcv_adv) > 0)
		return;
	if (conn->ooo_count &&
	    seq_diff(conn->ooo[conn->ooo_count - 1].end, seq) > 0)
		return;
	conn->fin_known = true;
	conn->fin_seq = seq;
}

// The part of the segment that is new, promised, and before the end.
static struct seq_range
useful_part(const struct tcp_conn *conn, const struct segment *s)
{
	struct seq_range r = { s->seq, s->seq + s->len };

	if (seq_diff(r.start, conn->rcv_nxt) < 0)
		r.start = conn->rcv_nxt;
	if (seq_diff(r.end, conn->rcv_adv) > 0)
		r.end = conn->rcv_adv;
	if (conn->fin_known && seq_diff(r.end, conn->fin_seq) > 0)
		r.end = conn->fin_seq;
	return r;
}

void
receive_twice(struct tcp_conn *conn, const struct segment *s)
{
	struct seq_range r = { s->seq, s->seq + s->len };
	u32 i = 0;

	if (seq_diff(r.start, conn->rcv_nxt) < 0) {
		if (seq_diff(r.end, conn->rcv_nxt) > 0)
			r.end = conn->rcv_nxt;
	} else {
		while (i < conn->ooo_count &&
		       (seq_diff(r.start, conn->ooo[i].start) < 0 ||
			seq_diff(r.end, conn->ooo[i].end) > 0))
			i++;
		if (i == conn->ooo_count)
			return;
	}
	if (conn->sack_ok && seq_diff(r.end, r.start) > 0)
		conn->twice = r;
}

void
receive_data(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	struct seq_range useful;

	ASSERT(!conn->fin_received);
	receive_twice(conn, s);
	if (s->flags & FLAG_FIN)
		note_fin(conn, s);
	useful = useful_part(conn, s);
	if (seq_diff(useful.end, useful.start) > 0) {
		receive_bytes(net, conn, s->data + (useful.start - s->seq),
			      useful);
	} else if (s->len) {
		conn->ack_now = true;	// a duplicate, or no room
		conn_output(net, conn);
	}
	if (conn->fin_known && conn->rcv_nxt == conn->fin_seq)
		conn_fin_received(net, conn);
}
