// SPDX-License-Identifier: BSD-2-Clause
// The table of connections: a hash of the peer's address and the ports under a
// secret key (so that strangers cannot aim at one chain), the free list, the
// lists of connections with news and with output, and TIME-WAIT.
//
// TIME-WAIT keeps no connection: a small record stands for it, in one of four
// places. When all are taken the one that would expire first makes way. A
// connection that is freed may still be linked in the news or output list; it is
// passed over there, and its links survive reuse.

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "kernel/base/string.h"
#include "libos/tcp/parts.h"

#define TIMEWAIT_NS (60 * NS_PER_SECOND)

// Hashed as bytes: none of them is padding.
STATIC_ASSERT(sizeof(struct tuple) == 12);

u32
tuple_hash(const struct net *net, const struct tuple *tuple)
{
	return (u32)siphash64(net->config.secret, tuple, sizeof(*tuple));
}

static bool
same_tuple(const struct tuple *a, const struct tuple *b)
{
	return a->peer == b->peer && a->peer_port == b->peer_port &&
	       a->local_port == b->local_port && a->local == b->local;
}

struct tcp_conn *
conn_find(const struct net *net, const struct tuple *tuple)
{
	u32 i = net->bucket[tuple_hash(net, tuple) & net->bucket_mask];

	for (u32 steps = 0; i != NIL; i = net->conn[i].hash_next) {
		ASSERT(++steps <= net->config.conn_max);
		if (same_tuple(&net->conn[i].tuple, tuple))
			return &net->conn[i];
	}
	return NULL;
}

struct tcp_conn *
conn_new(struct net *net, const struct tuple *tuple)
{
	u32 index = net->free_first;
	u32 *bucket;

	if (index == NIL)
		return NULL;

	struct tcp_conn *conn = &net->conn[index];

	ASSERT(conn->state == TCP_CLOSED && conn->heap_index == NIL);
	net->free_first = conn->hash_next;
	net->in_use++;
	*conn = (struct tcp_conn){
		.tuple = *tuple,
		.ready = conn->ready,
		.list_next = conn->list_next,
		.queued_out = conn->queued_out,
		.out_next = conn->out_next,
		.buffer = conn->buffer,
		.copy = conn->copy,
		.heap_index = NIL,
		.rto_at = NEVER_NS,
		.ack_at = NEVER_NS,
		.end_at = NEVER_NS,
		.loss_at = NEVER_NS,
	};
	bucket = &net->bucket[tuple_hash(net, tuple) & net->bucket_mask];
	conn->hash_next = *bucket;
	*bucket = index;
	return conn;
}

static void
unhash(struct net *net, struct tcp_conn *conn)
{
	u32 hash = tuple_hash(net, &conn->tuple);
	u32 *link = &net->bucket[hash & net->bucket_mask];

	while (*link != (u32)(conn - net->conn)) {
		ASSERT(*link != NIL);
		link = &net->conn[*link].hash_next;
	}
	*link = conn->hash_next;
}

void
conn_free(struct net *net, struct tcp_conn *conn)
{
	ASSERT(conn->state != TCP_CLOSED && net->in_use > 0);
	if (conn->state != TCP_DEAD)
		unhash(net, conn);
	timer_remove(net, conn);
	conn->state = TCP_CLOSED;
	conn->events = 0;
	conn->owned = false;
	conn->hash_next = net->free_first;
	net->free_first = (u32)(conn - net->conn);
	net->in_use--;
}

void
conn_event(struct net *net, struct tcp_conn *conn, u32 events)
{
	u32 index = (u32)(conn - net->conn);

	if (!conn->owned)
		return;
	conn->events |= (u8)events;
	if (conn->ready)
		return;
	conn->ready = true;
	conn->list_next = NIL;
	if (net->ready_last == NIL)
		net->ready_first = index;
	else
		net->conn[net->ready_last].list_next = index;
	net->ready_last = index;
}

struct tcp_conn *
tcp_next(struct net *net, u32 *events)
{
	while (net->ready_first != NIL) {
		struct tcp_conn *conn = &net->conn[net->ready_first];

		ASSERT(conn->ready);
		net->ready_first = conn->list_next;
		if (net->ready_first == NIL)
			net->ready_last = NIL;
		conn->ready = false;
		*events = conn->events;
		conn->events = 0;
		if (!*events)
			continue;		// freed, or let go meanwhile
		if (conn->state == TCP_DEAD)
			conn_free(net, conn);
		return conn;
	}
	return NULL;
}

void
conn_output(struct net *net, struct tcp_conn *conn)
{
	u32 index = (u32)(conn - net->conn);

	ASSERT(conn->state != TCP_CLOSED);
	if (conn->queued_out)
		return;
	conn->queued_out = true;
	conn->out_next = NIL;
	if (net->out_last == NIL)
		net->out_first = index;
	else
		net->conn[net->out_last].out_next = index;
	net->out_last = index;
}

void
conn_gone(struct net *net, struct tcp_conn *conn)
{
	ASSERT(conn->state != TCP_DEAD && conn->state != TCP_CLOSED);
	if (!conn->owned) {
		conn_free(net, conn);
		return;
	}
	unhash(net, conn);
	timer_remove(net, conn);
	conn->state = TCP_DEAD;
	conn_event(net, conn, TCP_GONE);
}

static struct timewait *
timewait_set(struct net *net, const struct tuple *tuple)
{
	return net->timewait[tuple_hash(net, tuple) % TIMEWAIT_SETS];
}

void
conn_timewait(struct net *net, struct tcp_conn *conn)
{
	struct timewait *tw = timewait_set(net, &conn->tuple), *place = tw;

	ASSERT(fin_acked(conn) && conn->fin_received);
	for (u32 i = 0; i < TIMEWAIT_WAYS; i++) {
		if (!tw[i].tuple.peer || tw[i].expires_at < place->expires_at)
			place = &tw[i];
		if (!place->tuple.peer)
			break;
	}
	*place = (struct timewait){
		.tuple = conn->tuple,
		.snd_nxt = conn->snd_nxt,
		.rcv_nxt = conn->rcv_nxt,
		.ts_recent = conn->ts_recent,
		.ts_ok = conn->ts_ok,
		.expires_at = net->now_ns + TIMEWAIT_NS,
	};
	conn_free(net, conn);
}

void
timewait_restart(const struct net *net, struct timewait *tw)
{
	tw->expires_at = net->now_ns + TIMEWAIT_NS;
}

void
conn_forget_foreign(struct net *net)
{
	for (u32 i = 0; i < net->config.conn_max; i++) {
		struct tcp_conn *conn = &net->conn[i];

		if (conn->state != TCP_CLOSED && conn->state != TCP_DEAD &&
		    !own_find(net, conn->tuple.local))
			conn_gone(net, conn);
	}
	for (u32 i = 0; i < SYN_ENTRIES; i++) {
		if (!own_find(net, net->syn[i].tuple.local))
			net->syn[i] = (struct syn_entry){ 0 };
	}
	for (u32 i = 0; i < TIMEWAIT_SETS; i++) {
		for (u32 j = 0; j < TIMEWAIT_WAYS; j++) {
			if (!own_find(net, net->timewait[i][j].tuple.local))
				net->timewait[i][j].tuple.peer = 0;
		}
	}
}

struct timewait *
timewait_find(struct net *net, const struct tuple *tuple)
{
	struct timewait *tw = timewait_set(net, tuple);

	for (u32 i = 0; i < TIMEWAIT_WAYS; i++) {
		if (!same_tuple(&tw[i].tuple, tuple))
			continue;
		if (net->now_ns < tw[i].expires_at)
			return &tw[i];
		tw[i].tuple.peer = 0;
	}
	return NULL;
}

struct syn_entry *
syn_slot(struct net *net, const struct tuple *tuple, bool *mine)
{
	struct syn_entry *entry = &net->syn[tuple_hash(net, tuple) % SYN_ENTRIES];

	if (net->now_ns >= entry->expires_at)
		entry->tuple.peer = 0;
	*mine = same_tuple(&entry->tuple, tuple);
	return entry;
}
