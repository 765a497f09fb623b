// SPDX-License-Identifier: BSD-2-Clause
// What happens when time passes: retransmission (RFC 6298), probes of a closed
// window (RFC 9293, 3.8.6.1), delayed acknowledgements, giving up.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

#define RTO_MIN_NS (200 * NS_PER_MS)
#define RTO_MAX_NS (60 * NS_PER_SECOND)
#define CLOCK_NS NS_PER_MS
#define UNANSWERED_MAX 10u
#define UNANSWERED_ORPHAN_MAX 8u	// nobody waits for it

void
rtt_sample(struct tcp_conn *conn, u64 rtt_ns)
{
	u64 rto;

	if (!conn->srtt_ns) {
		conn->srtt_ns = MAX(rtt_ns, 1ull);
		conn->rttvar_ns = rtt_ns / 2;
	} else {
		u64 error = rtt_ns > conn->srtt_ns ? rtt_ns - conn->srtt_ns
						   : conn->srtt_ns - rtt_ns;

		conn->rttvar_ns += error / 4 - conn->rttvar_ns / 4;
		conn->srtt_ns += rtt_ns / 8 - conn->srtt_ns / 8;
	}
	rto = conn->srtt_ns + MAX(CLOCK_NS, 4 * conn->rttvar_ns);
	conn->rto_ns = MIN(MAX(rto, RTO_MIN_NS), RTO_MAX_NS);
}

void
rto_restart(struct net *net, struct tcp_conn *conn)
{
	conn->rto_at = net->now_ns + conn->rto_ns;
}

void
persist_start(struct net *net, struct tcp_conn *conn)
{
	u64 interval = conn->rto_ns << MIN(conn->retries, 8u);

	conn->rto_at = net->now_ns + MIN(interval, RTO_MAX_NS);
}

static bool
gives_up(const struct tcp_conn *conn)
{
	return conn->unanswered >
	       (conn->owned ? UNANSWERED_MAX : UNANSWERED_ORPHAN_MAX);
}

static void
rto_fired(struct net *net, struct tcp_conn *conn)
{
	conn->rto_at = NEVER_NS;
	conn_output(net, conn);
	if (!conn->mac_known)
		return;		// waits for ARP; end_at is the limit
	// A frame may have named a wrong link address, which no checksum covers.
	(void)ip_route_again(net, conn->tuple.peer, conn->peer_mac);
	if (conn->unanswered < 255)
		conn->unanswered++;
	if (!conn_flight(conn)) {
		conn->probe_now = !conn_opening(conn);
	} else {
		net->counters.timeouts++;
		if (conn_opening(conn)) {
			conn->resend_now = true;
		} else {
			loss_timeout(conn);
			path_suspect(conn);
		}
		conn->rto_ns = MIN(2 * conn->rto_ns, RTO_MAX_NS);
		rto_restart(net, conn);
	}
	if (conn->retries < 255)
		conn->retries++;
}

void
tcp_timer(struct net *net, struct tcp_conn *conn)
{
	u64 now = net->now_ns;

	ASSERT(conn->state != TCP_CLOSED && conn->state != TCP_DEAD);
	ASSERT(conn_deadline(conn) <= now);
	if (conn->rto_at <= now)
		rto_fired(net, conn);
	if (conn->end_at <= now || gives_up(conn)) {
		conn_reset(net, conn);
		return;
	}
	if (conn->loss_at <= now)
		loss_timer(net, conn);
	if (conn->ack_at <= now) {
		conn->ack_at = NEVER_NS;
		conn->ack_now = true;
		conn_output(net, conn);
	}
	timer_update(net, conn);
}
