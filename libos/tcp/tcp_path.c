// SPDX-License-Identifier: BSD-2-Clause
// How large a packet the path to a peer takes. Packets are never fragmented, so
// a narrower link on the way drops them. Its router says so (RFC 1191), which is
// believed only about bytes that are in flight (RFC 5927), and down to a floor;
// or a firewall keeps it from us, which shows as timeouts in a row (RFC 4821,
// in small): then smaller segments are tried. A connection does not try larger
// ones again.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

#define MTU_MIN 576u
#define RETRIES_SMALLER 2u	// timeouts in a row, and what is tried then
#define MTU_SMALLER 1280u
#define RETRIES_SMALLEST 4u

static void
narrow(struct tcp_conn *conn, u32 mtu)
{
	u32 mss = mtu - IPV4_LEN - TCP_LEN - (conn->ts_ok ? TCP_TS_LEN : 0);

	ASSERT(mtu >= MTU_MIN);
	conn->mss = MIN(conn->mss, mss);
}

void
path_too_big(struct net *net, const struct tuple *tuple, u32 seq, u32 mtu)
{
	struct tcp_conn *conn = conn_find(net, tuple);
	u32 before;

	if (!conn || conn_opening(conn) || seq_diff(seq, conn->snd_una) < 0 ||
	    seq_diff(seq, conn->snd_nxt) >= 0) {
		drop(net, NET_DROP_WINDOW);
		return;
	}
	before = conn->mss;
	narrow(conn, MAX(mtu, MTU_MIN));
	if (conn->mss == before)
		return;
	// It was not congestion: all of it goes again, smaller.
	runs_lose(conn, conn->snd_nxt);
	conn->resend_now = true;
	conn_output(net, conn);
}

void
path_suspect(struct tcp_conn *conn)
{
	if (conn->retries == RETRIES_SMALLER)
		narrow(conn, MTU_SMALLER);
	else if (conn->retries == RETRIES_SMALLEST)
		narrow(conn, MTU_MIN);
}
