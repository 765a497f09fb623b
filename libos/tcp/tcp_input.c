// SPDX-License-Identifier: BSD-2-Clause
// Segments on their way in: which connection they belong to, and the checks of
// RFC 9293, 3.10.7, in its order, as RFC 5961 hardened them. Nothing here looks
// at bytes; tcp_ack.c and tcp_receive.c do the work for segments that pass.
//
// Whatever a stranger can provoke has a budget a second: challenge
// acknowledgements here, resets in tcp_segment.c.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/tcp/parts.h"

#define CHALLENGES_A_SECOND 100u

static void
challenge(struct net *net, const struct tcp_conn *conn)
{
	drop(net, NET_DROP_WINDOW);
	if (!conn->mac_known ||
	    !ration_take(net, &net->challenges, CHALLENGES_A_SECOND))
		return;
	net->counters.challenges++;
	send_ack(net, conn);
}

// Table 6 of RFC 9293, in terms of what was advertised. The first byte beyond a
// closed window counts as inside, so that its acknowledgement is seen; and so
// does an empty segment at the right edge: a peer that filled the window, and
// lost some of that, sends its acknowledgements from there.
static bool
acceptable(const struct tcp_conn *conn, const struct segment *s)
{
	i32 window = seq_diff(conn->rcv_adv, conn->rcv_nxt);
	u32 space = s->len + !!(s->flags & FLAG_SYN) + !!(s->flags & FLAG_FIN);
	i32 start = seq_diff(s->seq, conn->rcv_nxt);
	i32 end = seq_diff(s->seq + space, conn->rcv_nxt);

	ASSERT(window >= 0);
	if (space == 0)
		return start >= 0 && start <= window;
	return end > 0 && start < MAX(window, 1);
}

static bool
too_old(const struct tcp_conn *conn, const struct segment *s)
{
	if (!conn->ts_ok || s->flags & FLAG_RST)
		return false;
	return !s->has_ts || seq_diff(s->ts_value, conn->ts_recent) < 0;
}

// Bytes that we have, or will not take: the peer needs to hear where we are,
// each time; and perhaps it never does, since we have its link address wrong. To
// anything else the answer is rationed.
static void
refuse(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	if (s->flags & FLAG_RST) {
		drop(net, NET_DROP_WINDOW);
	} else if (s->len || s->flags & FLAG_FIN) {
		drop(net, NET_DROP_WINDOW);
		receive_twice(conn, s);
		(void)ip_route_again(net, conn->tuple.peer, conn->peer_mac);
		conn->ack_now = true;
		conn_output(net, conn);
	} else {
		challenge(net, conn);
	}
}

static void
heard(struct tcp_conn *conn, const struct segment *s)
{
	if (s->mac) {
		memcpy(conn->peer_mac, s->mac, sizeof(conn->peer_mac));
		conn->mac_known = true;
	}
	conn->unanswered = 0;
	if (conn->ts_ok && s->has_ts &&
	    seq_diff(s->seq, conn->last_ack_sent) <= 0)
		conn->ts_recent = s->ts_value;
}

// RFC 5961, section 5.2: an acknowledgement of what was not sent, or of what is
// long past, is a guess.
static bool
ack_plausible(const struct tcp_conn *conn, const struct segment *s)
{
	return seq_diff(s->ack, conn->snd_nxt) <= 0 &&
	       seq_diff(s->ack, conn->snd_una) >= -(i32)conn->snd_wnd_max;
}

static void
opened(struct net *net, struct tcp_conn *conn, u32 window)
{
	conn->state = TCP_ESTABLISHED;
	conn->snd_una = conn->iss + 1;
	conn->snd_nxt = conn->iss + 1;
	conn->snd_wnd = conn->snd_wnd_max = window;
	conn->retries = 0;
	conn->rto_at = NEVER_NS;
	if (conn->owned)
		conn->end_at = NEVER_NS;
	conn_event(net, conn, TCP_OPENED);
	if (conn->fin_queued)
		conn->state = TCP_FIN_WAIT_1;
	conn_output(net, conn);
}

static void
syn_received_ack(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	if (s->ack == conn->iss + 1)
		opened(net, conn, s->window << conn->send_shift);
	else
		send_reset(net, s);
}

// Payload, and the FIN behind it.
static void
text_input(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	if (!s->len && !(s->flags & FLAG_FIN))
		return;
	if (conn->fin_received) {
		conn->ack_now = true;
		conn_output(net, conn);
	} else if (s->len && !conn->owned) {
		conn_reset(net, conn);		// nobody will read it
	} else {
		receive_data(net, conn, s);
	}
}

static void
established_input(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	if (too_old(conn, s) || !acceptable(conn, s)) {
		refuse(net, conn, s);
		return;
	}
	if (s->flags & FLAG_RST) {
		if (s->seq == conn->rcv_nxt)
			conn_gone(net, conn);
		else
			challenge(net, conn);
		return;
	}
	if (s->flags & FLAG_SYN) {
		challenge(net, conn);
		return;
	}
	if (!(s->flags & FLAG_ACK)) {
		drop(net, NET_DROP_WINDOW);
		return;
	}
	if (conn->state == TCP_SYN_RECEIVED) {
		syn_received_ack(net, conn, s);
		if (conn->state == TCP_SYN_RECEIVED)
			return;
	}
	if (!ack_plausible(conn, s)) {
		challenge(net, conn);
		return;
	}
	heard(conn, s);
	ack_process(net, conn, s);
	if (conn->state != TCP_CLOSED)
		text_input(net, conn, s);
}

static void
take_options(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	struct peer_options o = {
		.mss = s->has_mss ? MAX(s->mss, MSS_MIN) : MSS_DEFAULT,
		.send_shift = s->has_scale ? s->scale : 0,
		.ts_ok = s->has_ts,
		.sack_ok = s->sack_permitted,
		.scale_ok = s->has_scale,
		.ts_recent = s->ts_value,
	};
	u64 sent_at = conn->syn_at;

	ASSERT(s->mac);			// guests open no connections
	memcpy(conn->peer_mac, s->mac, sizeof(conn->peer_mac));
	conn->mac_known = true;
	conn->unanswered = 0;
	conn_open(net, conn, conn->iss, s->seq, &o);
	if (sent_at && s->flags & FLAG_ACK)
		rtt_sample(conn, net->now_ns - sent_at);
}

static void
syn_sent_input(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	if (s->flags & FLAG_ACK &&
	    (s->ack != conn->iss + 1 || conn->snd_nxt == conn->iss)) {
		drop(net, NET_DROP_WINDOW);
		send_reset(net, s);
		return;
	}
	if (s->flags & FLAG_RST) {
		if (s->flags & FLAG_ACK)
			conn_gone(net, conn);
		return;
	}
	if (!(s->flags & FLAG_SYN)) {
		drop(net, NET_DROP_WINDOW);
		return;
	}
	take_options(net, conn, s);
	if (s->flags & FLAG_ACK) {
		opened(net, conn, s->window);
	} else {
		// Both opened at once: our SYN goes again, as an answer.
		conn->state = TCP_SYN_RECEIVED;
		conn->snd_una = conn->snd_nxt = conn->iss;
	}
	conn->ack_now = true;
	conn_output(net, conn);
}

static void
connected_input(struct net *net, struct tcp_conn *conn, const struct segment *s)
{
	if (conn->state == TCP_SYN_SENT)
		syn_sent_input(net, conn, s);
	else
		established_input(net, conn, s);
	if (conn->state != TCP_CLOSED && conn->state != TCP_DEAD)
		timer_update(net, conn);
}

// A TIME-WAIT record answers what came late, and makes way for a newer
// connection of the same peer (RFC 9293, 3.10.7.4; RFC 6191).
static void
timewait_input(struct net *net, struct timewait *tw, const struct segment *s)
{
	bool syn = (s->flags & (FLAG_SYN | FLAG_ACK | FLAG_RST)) == FLAG_SYN;
	bool newer = seq_diff(s->seq, tw->rcv_nxt) > 0 ||
		     (tw->ts_ok && s->has_ts &&
		      seq_diff(s->ts_value, tw->ts_recent) > 0);

	if (s->flags & FLAG_RST)
		return;			// RFC 1337
	if (syn && newer && listens(net, s->tuple.local_port)) {
		tw->tuple.peer = 0;
		syn_input(net, s);
	} else if (s->len || s->flags & (FLAG_SYN | FLAG_FIN)) {
		send_timewait_ack(net, s, tw);
		if (s->flags & FLAG_FIN)
			timewait_restart(net, tw);
	}
}

// A segment that belongs to nothing here: another guest may know it, or its peer
// hears that nobody does.
static void
unclaimed(struct net *net, const struct ip_packet *p, const struct segment *s,
	  enum net_drop why)
{
	const struct net_own *own = own_find(net, p->target);

	ASSERT(own);
	if (is_guest(net) && own->spread && !net->refusing &&
	    !(s->flags & FLAG_SYN)) {
		net->stray = true;
		net->counters.strays++;
		return;
	}
	drop(net, why);
	// It may follow the end of a handshake that got lost, or found no free
	// connection: the peer sends that again.
	if (why == NET_DROP_COOKIE &&
	    (net->free_first == NIL || syn_cookies_out(net, s)))
		return;
	if (s->flags & FLAG_ACK || why == NET_DROP_PORT)
		send_reset(net, s);
}

// A segment for no connection: it may open one.
static void
listen_input(struct net *net, const struct ip_packet *p, const struct segment *s)
{
	const u8 kind = s->flags & (FLAG_SYN | FLAG_ACK | FLAG_RST | FLAG_FIN);
	struct tcp_conn *conn;
	bool mine;

	if (!listens(net, s->tuple.local_port)) {
		unclaimed(net, p, s, NET_DROP_PORT);
		return;
	}
	if (kind == FLAG_SYN) {
		syn_input(net, s);
		return;
	}
	if (kind & FLAG_RST && syn_reset(net, s)) {
		drop(net, NET_DROP_WINDOW);
		return;
	}
	if (kind & (FLAG_SYN | FLAG_RST) || !(kind & FLAG_ACK)) {
		unclaimed(net, p, s, NET_DROP_WINDOW);
		return;
	}
	conn = syn_finish(net, s, &mine);
	if (conn)
		connected_input(net, conn, s);
	else if (!mine)
		unclaimed(net, p, s, NET_DROP_COOKIE);
}

void
tcp_input(struct net *net, const struct ip_packet *p)
{
	struct segment s;
	struct tcp_conn *conn;
	struct timewait *tw;

	if (!segment_parse(net, p, &s))
		return;
	conn = conn_find(net, &s.tuple);
	if (!conn) {
		tw = timewait_find(net, &s.tuple);
		if (tw)
			timewait_input(net, tw, &s);
		else
			listen_input(net, p, &s);
		return;
	}
	connected_input(net, conn, &s);
}
