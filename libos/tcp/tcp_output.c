// SPDX-License-Identifier: BSD-2-Clause
// What a connection sends next, one packet a call, by urgency: its SYN, an
// acknowledgement that reports holes, what was lost, new bytes, a probe, a bare
// acknowledgement. The window, the congestion window and the silly window rules
// (RFC 9293, 3.8.6.2.1) decide how much. There is no Nagle delay: applications
// queue whole answers.

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/checksum.h"
#include "libos/tcp/parts.h"

#define HEADERS_LEN (ETHERNET_LEN + IPV4_LEN)
#define TCP_CHECKSUM_AT 16
#define ROUTE_RETRY_NS (20 * NS_PER_MS)
#define LIMITED_SEGMENTS 2u		// RFC 3042
#define IDLE_CWND_SEGMENTS 10u

static void
acknowledgement_sent(struct tcp_conn *conn, const struct tcp_header *t)
{
	u32 shift = t->flags & FLAG_SYN ? 0 : conn->receive_shift;
	u32 edge = t->ack + (t->window << shift);

	conn->ack_now = false;
	conn->ack_at = NEVER_NS;
	conn->unacked_segments = 0;
	conn->last_ack_sent = t->ack;
	if (seq_diff(edge, conn->rcv_adv) > 0)
		conn->rcv_adv = edge;
}

// What came twice (RFC 2883), then the ranges that are held, the one that
// changed last first (RFC 2018, section 4).
static void
report_holes(struct tcp_conn *conn, struct tcp_header *t)
{
	u32 recent = 0;

	if (!conn->sack_ok)
		return;
	if (conn->twice.start != conn->twice.end)
		t->sack[t->sack_count++] = conn->twice;
	conn->twice = (struct seq_range){ 0 };
	for (u32 i = 0; i < conn->ooo_count; i++) {
		if (seq_diff(conn->ooo[i].start, conn->ooo_recent) <= 0 &&
		    seq_diff(conn->ooo[i].end, conn->ooo_recent) > 0)
			recent = i;
	}
	for (u32 i = 0; i < conn->ooo_count && t->sack_count < ARRAY_SIZE(t->sack);
	     i++)
		t->sack[t->sack_count++] =
			conn->ooo[(recent + i) % conn->ooo_count];
}

static u64
sum_spans(u64 sum, const struct net_packet *packet, bool odd)
{
	for (u32 i = 0; i < packet->span_count; i++) {
		const struct net_span *span = &packet->span[i];

		sum = odd ? checksum_add_odd(sum, span->at, span->len)
			  : checksum_add(sum, span->at, span->len);
		odd ^= span->len & 1;
	}
	return sum;
}

// The checksum over header, bytes behind it and spans; or only what the device
// needs to do that.
static void
put_checksum(const struct net *net, struct net_packet *packet,
	     const struct tuple *tuple, u32 tcp_len)
{
	u8 *h = packet->header + HEADERS_LEN;
	u32 in_header = packet->header_len - HEADERS_LEN;
	u64 sum = checksum_pseudo(tuple->local, tuple->peer, IPPROTO_TCP, tcp_len);

	if (net->config.checksum_offload) {
		packet->checksum_start = HEADERS_LEN;
		packet->checksum_offset = TCP_CHECKSUM_AT;
		be16_store(h + TCP_CHECKSUM_AT, (u16)~checksum_finish(sum));
		return;
	}
	sum = checksum_add(sum, h, in_header);
	sum = sum_spans(sum, packet, in_header & 1);
	be16_store(h + TCP_CHECKSUM_AT, checksum_finish(sum));
}

// Builds a segment with up to `len` bytes from t->seq. Returns how many it has.
static u32
build(struct net *net, struct tcp_conn *conn, struct net_packet *packet,
      struct tcp_header *t, u32 len)
{
	u8 *h = packet->header + HEADERS_LEN;
	u32 header_len;

	t->tuple = conn->tuple;
	t->ack = t->flags & FLAG_ACK ? conn->rcv_nxt : 0;
	if (!(t->flags & FLAG_SYN)) {
		t->ts = conn->ts_ok;
		t->scale = NO_SCALE;
		t->window = MIN(receive_window(net, conn) >> conn->receive_shift,
				0xffffu);
	}
	t->ts_value = ts_clock(net);
	t->ts_echo = t->ack ? conn->ts_recent : 0;
	header_len = tcp_header_build(h, t);
	packet->header_len = HEADERS_LEN + header_len;
	len = pieces_gather(conn, packet, t->seq, len);
	if (t->flags & FLAG_FIN && t->seq + len != conn->data_end) {
		t->flags &= (u8)~FLAG_FIN;	// cut short
		h[13] = t->flags;
	}
	packet->segment = (u16)(len > conn->mss ? conn->mss : 0);
	ip_header(net, packet->header, conn->peer_mac, conn->tuple.local,
		  conn->tuple.peer, IPPROTO_TCP, header_len + len);
	put_checksum(net, packet, &conn->tuple, header_len + len);
	if (t->flags & FLAG_ACK)
		acknowledgement_sent(conn, t);
	return len;
}

static void
send_syn(struct net *net, struct tcp_conn *conn, struct net_packet *packet)
{
	bool again = conn->snd_nxt != conn->iss;
	bool answer = conn->state == TCP_SYN_RECEIVED;
	struct tcp_header t = {
		.seq = conn->iss,
		.flags = (u8)(FLAG_SYN | (answer ? FLAG_ACK : 0)),
		.window = MIN(net->config.receive_size, 0xffffu),
		.ts = !answer || conn->ts_ok,
		.mss = link_mss(net),
		.scale = answer && !conn->receive_shift ? NO_SCALE :
			 receive_scale(net),
		.sack_permitted = !answer || conn->sack_ok,
	};

	build(net, conn, packet, &t, 0);
	conn->ack_now = false;
	conn->snd_nxt = conn->iss + 1;
	conn->resend_now = false;
	conn->syn_at = again ? 0 : net->now_ns;
	if (again)
		net->counters.retransmitted++;
	rto_restart(net, conn);
}

static bool
output_opening(struct net *net, struct tcp_conn *conn, struct net_packet *packet)
{
	if (conn->snd_nxt != conn->iss && !conn->resend_now && !conn->ack_now)
		return false;
	send_syn(net, conn, packet);
	return true;
}

// Sends bytes and, where it comes next, the FIN. Returns the sequence number
// after the segment.
static u32
send_range(struct net *net, struct tcp_conn *conn, struct net_packet *packet,
	   u32 seq, u32 len)
{
	u32 left = conn->data_end - seq;
	struct tcp_header t = { .seq = seq, .flags = FLAG_ACK };

	ASSERT(seq_diff(seq, conn->snd_una) >= 0 &&
	       seq_diff(seq, conn_send_end(conn)) <= 0);
	if (seq == conn->data_end + 1)
		left = 0;
	len = MIN(len, left);
	if (len == left) {
		t.flags |= len ? FLAG_PSH : 0;
		t.flags |= conn->fin_queued ? FLAG_FIN : 0;
	}
	len = build(net, conn, packet, &t, len);
	conn->probe_now = false;
	conn->sent_at = net->now_ns;
	if (conn->rto_at == NEVER_NS)
		rto_restart(net, conn);
	return seq + len + (t.flags & FLAG_FIN ? 1 : 0);
}

// Notes that [seq, end) went out. What lies behind snd_nxt goes for the first
// time: a FIN may ride on a retransmission.
static void
sent(const struct net *net, struct tcp_conn *conn, u32 seq, u32 end)
{
	u32 now = sent_clock(net);

	if (seq_diff(seq, conn->snd_nxt) < 0) {
		u32 again = seq_diff(end, conn->snd_nxt) < 0 ? end : conn->snd_nxt;

		runs_resend(conn, seq, again, now);
	}
	if (seq_diff(end, conn->snd_nxt) > 0) {
		runs_append(conn, end, now);
		conn->snd_nxt = end;
	}
}

static bool
output_lost(struct net *net, struct tcp_conn *conn, struct net_packet *packet)
{
	u32 seq, len;

	if (!runs_lost(conn, &seq, &len))
		return false;
	// The first one goes whatever is in the network (RFC 6675, 5, step 4.3).
	if (!conn->resend_now && loss_pipe(conn) + conn->mss > conn->cwnd)
		return false;
	conn->resend_now = false;
	sent(net, conn, seq,
	     send_range(net, conn, packet, seq, MIN(len, conn->mss)));
	net->counters.retransmitted++;
	loss_schedule_probe(net, conn);
	return true;
}

static u32
whole_segments(const struct tcp_conn *conn, u32 len)
{
	return len / conn->mss * conn->mss;
}

// How many of `len` new bytes (0: a FIN alone) may join what is in the network, which
// always holds one segment. False: nothing may.
static bool
congestion_allows(const struct tcp_conn *conn, u32 *len)
{
	u32 pipe = loss_pipe(conn);
	u32 cwnd = conn->cwnd;

	if (conn->recovery == RECOVERY_NONE)
		cwnd += MIN(conn->dup_acks, LIMITED_SEGMENTS) * conn->mss;
	if (!pipe)
		cwnd = MAX(cwnd, conn->mss);
	if (pipe + *len <= cwnd)
		return true;
	*len = cwnd > pipe ? whole_segments(conn, MIN(*len, cwnd - pipe)) : 0;
	return *len > 0;
}

// How many of the waiting bytes may be one packet: the device cuts it.
static u32
packet_max(const struct net *net, const struct tcp_conn *conn)
{
	if (conn->mss < net->config.cut_min)
		return conn->mss;
	return MAX(conn->mss, whole_segments(conn, net->config.cut_max));
}

// How many of the waiting bytes, at most `most`, the window lets go now: whole
// segments, the last one, or as much as it ever takes.
static u32
window_allows(const struct tcp_conn *conn, u32 waiting, u32 most)
{
	i32 window = seq_diff(conn->snd_una + conn->snd_wnd, conn->snd_nxt);
	u32 len = MIN(waiting, most);

	if (window <= 0)
		return 0;
	if (len <= (u32)window)
		return len;
	len = (u32)window;
	if (len >= conn->mss)
		return whole_segments(conn, len);
	return len >= conn->snd_wnd_max / 2 || conn->probe_now ? len : 0;
}

// After a pause the path may have changed (RFC 5681, section 4.1).
static void
restart_after_idle(const struct net *net, struct tcp_conn *conn)
{
	if (!conn_flight(conn) && net->now_ns - conn->sent_at > conn->rto_ns)
		conn->cwnd = MIN(conn->cwnd, IDLE_CWND_SEGMENTS * conn->mss);
}

static bool
output_new(struct net *net, struct tcp_conn *conn, struct net_packet *packet)
{
	bool fin_only = conn->snd_nxt == conn->data_end;
	u32 len = 0;

	if (conn->snd_nxt == conn_send_end(conn))
		return false;
	restart_after_idle(net, conn);
	if (!fin_only) {
		len = window_allows(conn, conn->data_end - conn->snd_nxt,
				    packet_max(net, conn));
		if (!len)
			return false;
	}
	if (!congestion_allows(conn, &len))
		return false;
	sent(net, conn, conn->snd_nxt,
	     send_range(net, conn, packet, conn->snd_nxt, len));
	loss_schedule_probe(net, conn);
	return true;
}

// The tail loss probe: new bytes if there are any, whatever the congestion
// window says, else the last segment again (RFC 8985, 7.3).
static bool
output_tail(struct net *net, struct tcp_conn *conn, struct net_packet *packet)
{
	u32 seq = conn->snd_nxt, len = 0;

	conn->probe_tail = false;
	if (!conn_flight(conn))
		return false;
	if (seq_diff(conn->data_end, seq) > 0)
		len = window_allows(conn, conn->data_end - seq, conn->mss);
	conn->tail_resent = !len;
	if (conn->tail_resent) {
		loss_tail(conn, &seq, &len);
		net->counters.retransmitted++;
	}
	sent(net, conn, seq, send_range(net, conn, packet, seq, len));
	conn->tail_end = conn->snd_nxt;
	conn->tail_tries++;
	rto_restart(net, conn);
	loss_schedule_probe(net, conn);
	return true;
}

// An acknowledgement; as a probe it is one that the peer must answer, as it lies
// before its window.
static bool
output_ack(struct net *net, struct tcp_conn *conn, struct net_packet *packet)
{
	struct tcp_header t = {
		.seq = conn->probe_now ? conn->snd_una - 1 : conn->snd_nxt,
		.flags = FLAG_ACK,
	};

	report_holes(conn, &t);
	build(net, conn, packet, &t, 0);
	conn->probe_now = false;
	return true;
}

static bool
find_route(struct net *net, struct tcp_conn *conn)
{
	if (!conn->mac_known)
		conn->mac_known = ip_route(net, conn->tuple.peer, conn->peer_mac);
	if (!conn->mac_known)
		conn->rto_at = net->now_ns + ROUTE_RETRY_NS;
	return conn->mac_known;
}

bool
tcp_output(struct net *net, struct tcp_conn *conn, struct net_packet *packet)
{
	ASSERT(conn->state != TCP_CLOSED);
	if (conn->state == TCP_DEAD || !find_route(net, conn))
		return false;
	if (conn_opening(conn))
		return output_opening(net, conn, packet);
	if (conn->ack_now &&
	    (conn->ooo_count || conn->twice.start != conn->twice.end))
		return output_ack(net, conn, packet);
	if (conn->probe_tail && output_tail(net, conn, packet))
		return true;
	if (output_lost(net, conn, packet) || output_new(net, conn, packet))
		return true;
	if (conn->ack_now || conn->probe_now)
		return output_ack(net, conn, packet);
	if (!conn_flight(conn) && conn_send_end(conn) != conn->snd_nxt &&
	    conn->rto_at == NEVER_NS)
		persist_start(net, conn);
	return false;
}
