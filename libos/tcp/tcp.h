// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// TCP as an application uses it (RFC 9293). Everything is asynchronous: calls
// change state and return; tcp_next() says which connections have news.
//
// An application owns a connection from TCP_OPENED (or tcp_connect) until it
// calls tcp_close() or tcp_abort(), or is told TCP_GONE; after that the pointer
// means nothing.
//
// Sending copies nothing that was lent: the application's memory is the
// retransmission pool (Kaashoek et al., SOSP '97, section 8), and must stay as
// it is until tcp_unacked() shows that it was acknowledged, or the connection
// is gone or, after tcp_close(), for good. Small volatile bytes (response
// headers) are copied into a bounded buffer of the connection.

#include "libos/tcp/net.h"

#define TCP_LISTENERS_MAX 8u
#define TCP_COPY_SIZE 4096u	// bytes that tcp_send_copy() can hold at a time
#define TCP_PIECES_MAX 16u	// pieces queued at a time

enum tcp_event {
	TCP_OPENED = 1,		// a new connection to a listening port, or ours is up
	TCP_READABLE = 2,	// more bytes, or the peer's end
	TCP_WRITABLE = 4,	// something was acknowledged: there may be room
	TCP_GONE = 8,		// reset by the peer, or timed out
};

// Opens a port to everybody. Returns false when TCP_LISTENERS_MAX are open.
must_check bool
tcp_listen(struct net *net, u16 port);

// Opens a connection to a peer. NULL when the table is full, there is no address
// yet, the stack is a guest's, or the peer's address is no host's. TCP_OPENED or
// TCP_GONE follows, the latter after three minutes; an application that is less
// patient calls tcp_abort().
struct tcp_conn *
tcp_connect(struct net *net, u64 now_ns, u32 address, u16 port);

// The next connection with news, and what (bits of enum tcp_event); NULL when
// there are none. Each call is O(1).
struct tcp_conn *
tcp_next(struct net *net, u32 *events);

// The application's own pointer, NULL at first.
void
tcp_set_user(struct tcp_conn *conn, void *user);
void *
tcp_user(const struct tcp_conn *conn);

// What was received in order and not consumed, contiguous. Returns its length;
// *ended says that nothing follows it.
u32
tcp_received(const struct tcp_conn *conn, const u8 **bytes, bool *ended);

// Drops `len` bytes from the front of it.
void
tcp_consume(struct net *net, struct tcp_conn *conn, u32 len);

// Queues bytes by copying. Returns how many were taken: all, some or none.
u32
tcp_send_copy(struct net *net, struct tcp_conn *conn, const void *bytes, u32 len);

// Queues memory by reference. Returns false when TCP_PIECES_MAX are queued.
must_check bool
tcp_send_lent(struct net *net, struct tcp_conn *conn, const void *bytes, u32 len);

// Bytes queued and not acknowledged; an unacknowledged FIN counts as one.
u64
tcp_unacked(const struct tcp_conn *conn);

// Sends FIN after what is queued; receiving goes on.
void
tcp_shutdown(struct net *net, struct tcp_conn *conn);

// Lets go: what is queued is still delivered, then FIN; what arrives is
// dropped. The stack keeps the connection as long as the protocol wants.
void
tcp_close(struct net *net, u64 now_ns, struct tcp_conn *conn);

// Lets go with a reset; nothing more is sent from lent memory.
void
tcp_abort(struct net *net, struct tcp_conn *conn);

u32
tcp_peer_address(const struct tcp_conn *conn);
u16
tcp_peer_port(const struct tcp_conn *conn);
