// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The control API on the network: a ring and a guest's stack of this node's address
// and the virtual one, port 7077 of both, SERVE_CLIENTS connections at most. What it
// says is cluster/api's; what it does is cluster/deploy's and the register's.

#include "cluster/api/session.h"
#include "libos/io/ring.h"
#include "libos/tcp/tcp.h"

#define SERVE_CLIENTS 24u
#define SERVE_SPARE 8u		// connections that come while all are taken, or end
#define SERVE_RECEIVE 65536u	// holds the longest request head
#define SERVE_HEADERS 32u	// frames being sent at a time

STATIC_ASSERT(SERVE_RECEIVE >= HTTP_REQUEST_HEAD_MAX);
STATIC_ASSERT(RING_SLOTS % SERVE_HEADERS == 0);

// Opens ring and stack. Returns 0 or an error: the node is operated through others
// then.
must_check i64
serve_open(void);

// ---- among the files of the server

// serve_link.c: frames between ring and stack.
struct serve_link {
	struct ring ring;
	struct net *net;
	struct frame_run headers;	// one buffer for each frame on its way
	bool starved;			// output waits for one of them
};

must_check i64
serve_link_open(struct serve_link *link);
void
serve_link_receive(struct serve_link *link, u64 now_ns);
void
serve_link_send(struct serve_link *link, u64 now_ns);
void
serve_link_watch(struct serve_link *link, struct wait_set *set);

// serve_state.c: the state at this moment, in memory of its own.
const struct api_state *
serve_state(void);

// serve_calls.c: what requests begin. serve_news() counts whenever one of them has got
// further.
extern const struct api_host serve_host;

u32
serve_news(void);
