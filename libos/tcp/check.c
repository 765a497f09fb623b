// SPDX-License-Identifier: BSD-2-Clause
// The invariants of state.h, walked. Tests and the fuzzer call it after each
// step; the cost is linear in the table.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

static void
check_ranges(const struct seq_range *ranges, u32 count, u32 above, u32 until)
{
	u32 at = above;

	for (u32 i = 0; i < count; i++) {
		ASSERT(seq_diff(ranges[i].start, at) > 0);
		ASSERT(seq_diff(ranges[i].end, ranges[i].start) > 0);
		at = ranges[i].end;
	}
	ASSERT(!count || seq_diff(at, until) <= 0);
}

static void
check_runs(const struct tcp_conn *conn)
{
	const u8 both = RUN_SACKED | RUN_LOST;

	ASSERT(conn->run_count <= RUNS_MAX);
	if (conn_opening(conn)) {
		ASSERT(conn->run_count == 0);
		return;
	}
	for (u32 i = 0; i < conn->run_count; i++) {
		ASSERT(seq_diff(conn->run[i].end, run_start(conn, i)) > 0);
		ASSERT((conn->run[i].flags & both) != both);
	}
	ASSERT(run_start(conn, conn->run_count) == conn->snd_nxt);
	ASSERT(!conn->run_count || !(conn->run[0].flags & RUN_SACKED));
}

static void
check_sending(const struct tcp_conn *conn)
{
	u32 start = conn_opening(conn) ? conn->iss + 1 : conn->snd_una;
	u64 queued = 0, copied = 0;

	for (u32 i = 0; i < conn->piece_count; i++) {
		const struct piece *p =
			&conn->piece[(conn->piece_first + i) % TCP_PIECES_MAX];

		queued += p->len;
		if (!p->at)
			copied += p->len - (i == 0 ? conn->first_skip : 0);
	}
	ASSERT(seq_diff(conn->snd_una, conn->snd_nxt) <= 0);
	ASSERT(conn_opening(conn) ||
	       seq_diff(conn->snd_nxt, conn_send_end(conn)) <= 0);
	if (!fin_acked(conn))
		ASSERT(queued == conn->data_end - start + conn->first_skip);
	ASSERT(copied == conn->copy_used && copied <= TCP_COPY_SIZE);
	check_runs(conn);
	// Whatever is in flight is timed.
	ASSERT(!conn_flight(conn) || conn->rto_at != NEVER_NS);
}

static void
check_receiving(const struct net *net, const struct tcp_conn *conn)
{
	u32 room = net->config.receive_size - conn->received;

	ASSERT(conn->received <= net->config.receive_size);
	ASSERT(conn->ooo_count <= OOO_MAX);
	ASSERT(conn->buffer_at + receive_extent(conn) <=
	       net->config.receive_size);
	check_ranges(conn->ooo, conn->ooo_count, conn->rcv_nxt, conn->rcv_adv);
	if (!conn->fin_received && conn->state != TCP_SYN_SENT)
		ASSERT(seq_diff(conn->rcv_adv, conn->rcv_nxt + room) <= 0);
}

static u32
check_chain(const struct net *net, u32 bucket)
{
	u32 count = 0;

	for (u32 i = net->bucket[bucket]; i != NIL; i = net->conn[i].hash_next) {
		const struct tcp_conn *conn = &net->conn[i];

		ASSERT(++count <= net->in_use);
		ASSERT(conn->state != TCP_CLOSED && conn->state != TCP_DEAD);
		ASSERT((tuple_hash(net, &conn->tuple) & net->bucket_mask) ==
		       bucket);
		ASSERT(own_find(net, conn->tuple.local));
		check_sending(conn);
		check_receiving(net, conn);
	}
	return count;
}

static void
check_heap(const struct net *net)
{
	ASSERT(net->heap_count <= net->in_use);
	for (u32 i = 0; i < net->heap_count; i++) {
		const struct heap_entry *e = &net->heap[i];

		ASSERT(net->conn[e->conn].heap_index == i);
		ASSERT(i == 0 || net->heap[(i - 1) / 2].key <= e->key);
	}
}

// No deadline is forgotten: each is in the heap, not later than it is due,
// unless the connection waits for net_output(), which places it.
static void
check_deadlines(const struct net *net)
{
	for (u32 i = 0; i < net->config.conn_max; i++) {
		const struct tcp_conn *conn = &net->conn[i];

		if (conn->state == TCP_CLOSED || conn->state == TCP_DEAD) {
			ASSERT(conn->heap_index == NIL);
			continue;
		}
		if (conn->queued_out || conn_deadline(conn) == NEVER_NS)
			continue;
		ASSERT(conn->heap_index != NIL);
		ASSERT(net->heap[conn->heap_index].key <= conn_deadline(conn));
	}
}

static void
check_lists(const struct net *net)
{
	u32 ready = 0, output = 0, last = NIL;

	for (u32 i = net->ready_first; i != NIL; i = net->conn[i].list_next) {
		ASSERT(net->conn[i].ready && ++ready <= net->config.conn_max);
		last = i;
	}
	ASSERT(last == net->ready_last);
	last = NIL;
	for (u32 i = net->out_first; i != NIL; i = net->conn[i].out_next) {
		ASSERT(net->conn[i].queued_out);
		ASSERT(++output <= net->config.conn_max);
		last = i;
	}
	ASSERT(last == net->out_last);
	for (u32 i = 0; i < net->config.conn_max; i++) {
		ready -= net->conn[i].ready;
		output -= net->conn[i].queued_out;
	}
	ASSERT(ready == 0 && output == 0);
}

void
net_check(const struct net *net)
{
	u32 used = 0, dead = 0, free = 0;

	ASSERT(net->address == (net->own_count ? net->own[0].address : 0));
	for (u32 i = 0; i <= net->bucket_mask; i++)
		used += check_chain(net, i);
	for (u32 i = 0; i < net->config.conn_max; i++)
		dead += net->conn[i].state == TCP_DEAD;
	for (u32 i = net->free_first; i != NIL; i = net->conn[i].hash_next) {
		ASSERT(net->conn[i].state == TCP_CLOSED);
		ASSERT(++free <= net->config.conn_max);
	}
	ASSERT(used + dead == net->in_use);
	ASSERT(net->in_use + free == net->config.conn_max);
	check_heap(net);
	check_deadlines(net);
	check_lists(net);
}
