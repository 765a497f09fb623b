// SPDX-License-Identifier: BSD-2-Clause
// The end of a connection: each side's FIN moves it one step (RFC 9293, figure 5)
// until both are through, or a reset cuts it short.
//
// Invariant: a connection whose two ends are through is either the
// application's still (TCP_TIME_WAIT or TCP_LAST_ACK), or no longer exists.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

#define FIN_WAIT_2_NS (10 * NS_PER_SECOND)	// for the peer's FIN, unowned

// Both directions are over. Who closed first keeps a TIME-WAIT record.
static void
finished(struct net *net, struct tcp_conn *conn)
{
	ASSERT(fin_acked(conn) && conn->fin_received);
	conn->rto_at = NEVER_NS;
	conn->end_at = NEVER_NS;
	if (conn->owned)
		return;
	if (conn->last_ack_sent != conn->rcv_nxt)
		send_ack(net, conn);
	if (conn->state == TCP_TIME_WAIT)
		conn_timewait(net, conn);
	else
		conn_free(net, conn);
}

void
conn_shutdown(struct net *net, struct tcp_conn *conn)
{
	if (conn->fin_queued)
		return;
	conn->fin_queued = true;
	if (conn->state == TCP_ESTABLISHED)
		conn->state = TCP_FIN_WAIT_1;
	else if (conn->state == TCP_CLOSE_WAIT)
		conn->state = TCP_LAST_ACK;
	else
		ASSERT(conn_opening(conn));	// takes effect when it is open
	conn_output(net, conn);
}

void
conn_fin_acked(struct net *net, struct tcp_conn *conn)
{
	ASSERT(fin_acked(conn));
	switch (conn->state) {
	case TCP_FIN_WAIT_1:
		conn->state = TCP_FIN_WAIT_2;
		if (!conn->owned)
			conn->end_at = net->now_ns + FIN_WAIT_2_NS;
		break;
	case TCP_CLOSING:
		conn->state = TCP_TIME_WAIT;
		finished(net, conn);
		break;
	case TCP_LAST_ACK:
		finished(net, conn);
		break;
	default:
		ASSERT(!"a state without a FIN of ours");
	}
}

void
conn_fin_received(struct net *net, struct tcp_conn *conn)
{
	ASSERT(!conn->fin_received && conn->rcv_nxt == conn->fin_seq);
	conn->fin_received = true;
	conn->rcv_nxt++;
	// A FIN may stand right behind a closed window.
	if (seq_diff(conn->rcv_adv, conn->rcv_nxt) < 0)
		conn->rcv_adv = conn->rcv_nxt;
	conn->ack_now = true;
	conn_event(net, conn, TCP_READABLE);
	conn_output(net, conn);
	switch (conn->state) {
	case TCP_ESTABLISHED:
		conn->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1:
		conn->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT_2:
		conn->state = TCP_TIME_WAIT;
		finished(net, conn);
		break;
	default:
		ASSERT(!"a FIN in a state that takes none");
	}
}

void
conn_reset(struct net *net, struct tcp_conn *conn)
{
	if (conn->state != TCP_SYN_SENT)
		send_abort(net, conn);
	conn_gone(net, conn);
}

void
tcp_shutdown(struct net *net, struct tcp_conn *conn)
{
	ASSERT(conn->owned);
	if (conn->state != TCP_DEAD)
		conn_shutdown(net, conn);
}

void
tcp_close(struct net *net, u64 now_ns, struct tcp_conn *conn)
{
	ASSERT(conn->owned);
	net->now_ns = now_ns;
	conn->owned = false;
	conn->events = 0;	// or tcp_next() would hand it out again
	if (conn->state == TCP_DEAD) {
		conn_free(net, conn);
		return;
	}
	// Bytes that nobody will read: the peer must not take them for read
	// (RFC 9293, 3.6.1).
	if (conn->received || conn->state == TCP_SYN_SENT) {
		conn_reset(net, conn);
		return;
	}
	conn_shutdown(net, conn);
	if (fin_acked(conn) && conn->fin_received) {
		finished(net, conn);
		return;
	}
	if (conn->state == TCP_FIN_WAIT_2)
		conn->end_at = now_ns + FIN_WAIT_2_NS;
	else
		conn->end_at = now_ns + ORPHAN_NS;
	timer_update(net, conn);
}

void
tcp_abort(struct net *net, struct tcp_conn *conn)
{
	ASSERT(conn->owned);
	conn->owned = false;
	if (conn->state == TCP_DEAD)
		conn_free(net, conn);
	else
		conn_reset(net, conn);
}
