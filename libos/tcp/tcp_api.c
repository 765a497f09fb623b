// SPDX-License-Identifier: BSD-2-Clause
// TCP as the application sees it: opening, reading, writing. Closing is in
// tcp_close.c, news in tcp_table.c.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

#define EPHEMERAL_FIRST 49152u		// RFC 6335
#define EPHEMERAL_COUNT 16384u
#define PORT_TRIES 64u
#define CONNECT_NS (180 * NS_PER_SECOND)	// RFC 9293, MUST-23
#define RTO_FIRST_NS NS_PER_SECOND

bool
tcp_listen(struct net *net, u16 port)
{
	ASSERT(port != 0);
	if (listens(net, port))
		return true;
	if (net->listener_count == TCP_LISTENERS_MAX)
		return false;
	net->listeners[net->listener_count++] = port;
	return true;
}

bool
listens(const struct net *net, u16 port)
{
	for (u32 i = 0; i < net->listener_count; i++) {
		if (net->listeners[i] == port)
			return true;
	}
	return false;
}

static bool
choose_port(struct net *net, struct tuple *tuple)
{
	u32 first = (u32)prng_u64(&net->prng);

	for (u32 i = 0; i < PORT_TRIES; i++) {
		tuple->local_port = (u16)(EPHEMERAL_FIRST +
					  (first + i) % EPHEMERAL_COUNT);
		if (!conn_find(net, tuple) && !timewait_find(net, tuple) &&
		    !listens(net, tuple->local_port))
			return true;
	}
	return false;
}

struct tcp_conn *
tcp_connect(struct net *net, u64 now_ns, u32 address, u16 port)
{
	struct tuple tuple = {
		.peer = address, .peer_port = port, .local = net->address
	};
	struct tcp_conn *conn;

	net->now_ns = now_ns;
	if (is_guest(net) || !net->address || !ip_is_host(net, address) || !port ||
	    !choose_port(net, &tuple))
		return NULL;
	conn = conn_new(net, &tuple);
	if (!conn)
		return NULL;
	conn->state = TCP_SYN_SENT;
	conn->owned = true;
	conn->iss = open_iss(net, &tuple);
	conn->snd_una = conn->snd_nxt = conn->iss;
	conn->data_end = conn->iss + 1;
	conn->mss = MSS_DEFAULT;
	conn->rto_ns = RTO_FIRST_NS;
	conn->end_at = now_ns + CONNECT_NS;
	conn_output(net, conn);
	timer_update(net, conn);
	return conn;
}

void
tcp_set_user(struct tcp_conn *conn, void *user)
{
	conn->user = user;
}

void *
tcp_user(const struct tcp_conn *conn)
{
	return conn->user;
}

u32
tcp_received(const struct tcp_conn *conn, const u8 **bytes, bool *ended)
{
	*bytes = conn->buffer + conn->buffer_at;
	*ended = conn->fin_received;
	return conn->received;
}

void
tcp_consume(struct net *net, struct tcp_conn *conn, u32 len)
{
	ASSERT(conn->owned && len <= conn->received);
	if (conn->state == TCP_DEAD) {
		conn->buffer_at += len;
		conn->received -= len;
	} else {
		receive_consume(net, conn, len);
	}
}

static bool
may_queue(const struct tcp_conn *conn)
{
	ASSERT(conn->owned);
	return conn->state != TCP_DEAD && !conn->fin_queued;
}

u32
tcp_send_copy(struct net *net, struct tcp_conn *conn, const void *bytes, u32 len)
{
	u32 taken = may_queue(conn) ? pieces_add_copy(conn, bytes, len) : 0;

	if (taken)
		conn_output(net, conn);
	return taken;
}

bool
tcp_send_lent(struct net *net, struct tcp_conn *conn, const void *bytes, u32 len)
{
	if (!may_queue(conn))
		return false;
	if (!len)
		return true;
	if (!pieces_add_lent(conn, bytes, len))
		return false;
	conn_output(net, conn);
	return true;
}

u64
tcp_unacked(const struct tcp_conn *conn)
{
	if (conn_opening(conn))
		return conn_send_end(conn) - (conn->iss + 1);
	return conn_send_end(conn) - conn->snd_una;
}

u32
tcp_peer_address(const struct tcp_conn *conn)
{
	return conn->tuple.peer;
}

u16
tcp_peer_port(const struct tcp_conn *conn)
{
	return conn->tuple.peer_port;
}
