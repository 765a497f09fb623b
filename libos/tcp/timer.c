// SPDX-License-Identifier: BSD-2-Clause
// Timers of connections: a binary heap with one entry a connection, keyed by
// its earliest deadline. A deadline that moves later is left where it is, and
// the entry is moved when it comes up: an acknowledgement that restarts the
// retransmission timer costs nothing here.
//
// Invariant N2 (state.h): heap order; heap[conn->heap_index].conn is conn.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

u64
conn_deadline(const struct tcp_conn *conn)
{
	return MIN(MIN(conn->rto_at, conn->ack_at),
		   MIN(conn->end_at, conn->loss_at));
}

static void
place(struct net *net, u32 index, struct heap_entry entry)
{
	net->heap[index] = entry;
	net->conn[entry.conn].heap_index = index;
}

static void
sift_up(struct net *net, u32 index, struct heap_entry entry)
{
	while (index > 0) {
		u32 parent = (index - 1) / 2;

		if (net->heap[parent].key <= entry.key)
			break;
		place(net, index, net->heap[parent]);
		index = parent;
	}
	place(net, index, entry);
}

static void
sift_down(struct net *net, u32 index, struct heap_entry entry)
{
	for (;;) {
		u32 child = 2 * index + 1;

		if (child >= net->heap_count)
			break;
		if (child + 1 < net->heap_count &&
		    net->heap[child + 1].key < net->heap[child].key)
			child++;
		if (net->heap[child].key >= entry.key)
			break;
		place(net, index, net->heap[child]);
		index = child;
	}
	place(net, index, entry);
}

void
timer_remove(struct net *net, struct tcp_conn *conn)
{
	u32 index = conn->heap_index;

	if (index == NIL)
		return;
	ASSERT(index < net->heap_count);

	struct heap_entry last = net->heap[--net->heap_count];

	conn->heap_index = NIL;
	if (index == net->heap_count)
		return;
	if (index > 0 && net->heap[(index - 1) / 2].key > last.key)
		sift_up(net, index, last);
	else
		sift_down(net, index, last);
}

void
timer_update(struct net *net, struct tcp_conn *conn)
{
	u64 at = conn_deadline(conn);
	struct heap_entry entry = { at, (u32)(conn - net->conn) };

	ASSERT(conn->state != TCP_CLOSED);
	if (conn->heap_index == NIL) {
		if (at == NEVER_NS)
			return;
		ASSERT(net->heap_count < net->config.conn_max);
		sift_up(net, net->heap_count++, entry);
	} else if (at < net->heap[conn->heap_index].key) {
		sift_up(net, conn->heap_index, entry);
	}
}

struct tcp_conn *
timer_due(struct net *net)
{
	while (net->heap_count && net->heap[0].key <= net->now_ns) {
		struct tcp_conn *conn = &net->conn[net->heap[0].conn];
		u64 at = conn_deadline(conn);

		if (at <= net->now_ns)
			return conn;
		if (at == NEVER_NS)
			timer_remove(net, conn);
		else
			sift_down(net, 0, (struct heap_entry){ at, net->heap[0].conn });
	}
	return NULL;
}
