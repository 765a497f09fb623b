// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The control line: a unix stream socket on which clients send commands, a
// line each, and get one line of JSON for each (command.h).
//
// A client that does not read its answers is not served further until it does;
// nothing else waits for it. Clients beyond CONTROL_CLIENTS_MAX wait in the
// socket's backlog.

#include "harness/switch/command.h"
#include "harness/switch/host.h"
#include "harness/switch/poll_set.h"

#define CONTROL_CLIENTS_MAX 16u

struct control_client {
	int fd; // -1: free
	int poll_index;
	u32 used;
	bool too_long; // the line's end has not come yet: skip up to it
	char *pending; // an answer on its way, on the heap
	u32 pending_len;
	u32 pending_sent;
	char line[COMMAND_LINE_MAX];
};

struct control {
	int listener;
	int poll_listener;
	char path[NODE_PATH_MAX];
	struct control_client clients[CONTROL_CLIENTS_MAX];
	struct text answer;
};

// Listens on `path`. Returns 0, or -1 with one line in `error`.
must_check int
control_open(struct control *control, const char *path, char *error,
	     size_t error_size);

// Closes everything and removes the socket.
void
control_close(struct control *control);

void
control_poll_add(struct control *control, struct poll_set *set);

// After the wait: serves the clients.
void
control_poll_done(struct control *control, struct host *host,
		  const struct poll_set *set, u64 now_ns);
