// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A node's port: a listening unix socket and the one client on it (a QEMU).
//
// QEMU connects as a client, and version 7.2 never reconnects; a node that is
// started again connects anew to the same path. The newest client has the
// port: whatever held it before is closed.
//
// Nothing here blocks. When the client's socket is full the frames wait in the
// port's bounded queue, until poll says that there is room again.

#include "harness/switch/core.h"
#include "harness/switch/poll_set.h"
#include "harness/switch/stream.h"

#define NODE_PATH_MAX 108u // of a unix socket, with the terminator

struct node {
	int listener;
	int client; // -1: none
	u32 port;
	u32 sent_bytes; // of the queue's first frame
	bool blocked;   // the socket is full: wait for POLLOUT
	u64 connect_count;
	int poll_listener; // indices in this round's poll set
	int poll_client;
	char path[NODE_PATH_MAX];
	struct stream_reader reader;
};

// Listens on `path` for the client of core port `port`. Returns 0, or -1 with
// the reason in `error`. A socket that a dead switch left is replaced.
must_check int
node_open(struct node *node, u32 port, const char *path, char *error,
	  size_t error_size);

// Closes everything and removes the socket.
void
node_close(struct node *node, struct core *core);

void
node_poll_add(struct node *node, struct poll_set *set);

// After the wait: takes a new client, notices that one went, and reads once.
// Returns true when bytes were read, so that node_input() has something to do.
bool
node_poll_done(struct node *node, struct core *core,
	       const struct poll_set *set);

// Feeds up to CORE_BATCH frames that were read into the core. Returns true
// when there may be more: the caller then lets the switch settle and calls
// again.
bool
node_input(struct node *node, struct core *core, u64 now_ns);

// Writes what the port's queue holds, as far as the socket takes it.
void
node_flush(struct node *node, struct core *core);

// Disconnects the client, if there is one.
void
node_drop_client(struct node *node, struct core *core);
