// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The whole running switch: the core and everything that stands around it.
//
//   node sockets --+             +-- tap or libslirp
//                  +--> core <---+
//   control line --+      |
//                         +--> mirror --> pcap
//
// main.c owns the one instance; the control line's commands (command.c) act on
// it. Ports are only added, never removed.

#include "harness/switch/core.h"
#include "harness/switch/node.h"
#include "harness/switch/pcap.h"
#include "harness/switch/slirp.h"
#include "harness/switch/tap.h"

#define HOST_ERROR_MAX 256u
#define HOST_UPLINK_NAME "uplink"

enum uplink_kind { UPLINK_NONE, UPLINK_TAP, UPLINK_SLIRP };

struct host {
	struct core core;
	struct pcap pcap;
	enum uplink_kind uplink;
	struct tap tap;
	struct slirp_uplink slirp;
	struct fault_plan plan_all; // what a port begins with: `link all`
	u64 start_ns;
	bool quit;
	u32 node_count;
	struct node nodes[CORE_PORTS_MAX];
};

// Adds a port for the node `name` and listens on `path`. Returns 0, or -1 with
// one line in `error` (HOST_ERROR_MAX bytes).
must_check int
host_add_node(struct host *host, const char *name, const char *path,
	      char *error);

// Opens the one uplink on a port named "uplink". Returns 0, or -1 with one
// line in `error`; then the switch cannot run.
must_check int
host_open_tap(struct host *host, const char *name, char *error);
must_check int
host_open_slirp(struct host *host, const struct slirp_options *options,
		char *error);

// Closes all, removes the nodes' sockets and completes a capture.
void
host_close(struct host *host);

// The node on a core port, or NULL when that is the uplink.
struct node *
host_node_of_port(struct host *host, u32 port);

// Moves what is due and empties mirror and queues as far as their readers
// take it. Called after each batch of input.
void
host_settle(struct host *host, u64 now_ns);
