// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The uplink through libslirp, in this process and with no privilege: a user
// level router that answers DHCP and TFTP, translates the nodes' connections
// into sockets of this process, and forwards ports of this host to a node.
//
//   10.0.2.0/24   the nodes' network; leases from 10.0.2.15 on, 16 at most
//   10.0.2.2      this host: its 127.0.0.1, as the nodes see it
//   fec0::/64     IPv6, announced so that firmware does not wait for it
//
// Names are not looked up for the nodes: libslirp offers 10.0.2.3 as a name
// server in its leases, but nothing answers there. Frames that are neither ARP
// nor IP, or longer than libslirp's MTU, are not for it: they are counted as
// `refused`.

#include "harness/switch/core.h"
#include "harness/switch/poll_set.h"

#define SLIRP_FORWARDS_MAX 64u
#define SLIRP_TIMERS_MAX 4u
#define SLIRP_FRAME_MAX 1514u

// One forwarded TCP port; addresses and ports in host order.
struct slirp_forward {
	u32 host_ip;
	u16 host_port;
	u32 guest_ip;
	u16 guest_port;
};

struct slirp_timer {
	bool used;
	bool armed;
	int id;
	void *opaque;
	u64 due_ns;
};

struct slirp_uplink {
	struct Slirp *slirp;
	struct core *core;
	u32 port;
	u64 now_ns; // the time of the round; libslirp itself asks the clock
	bool inside; // libslirp is running: it must not be entered again
	u32 since_settle; // frames from libslirp since the switch settled
	void (*settle)(void *host, u64 now_ns);
	void *host;
	struct poll_set *set; // of this round
	u32 forward_count;
	struct slirp_forward forwards[SLIRP_FORWARDS_MAX];
	struct slirp_timer timers[SLIRP_TIMERS_MAX];
};

struct slirp_options {
	const char *tftp_dir; // NULL: no TFTP
	const char *bootfile; // NULL: none; a file's name or an http:// URL
	// Called after each CORE_BATCH frames in the midst of a burst, so that the
	// queues are emptied before they overflow.
	void (*settle)(void *host, u64 now_ns);
	void *host;
};

// Starts the router on core port `port`. The strings must outlive it. Returns
// 0, or -1 with one line in `error`.
must_check int
slirp_uplink_open(struct slirp_uplink *uplink, struct core *core, u32 port,
		  const struct slirp_options *options, char *error,
		  size_t error_size);

void
slirp_uplink_close(struct slirp_uplink *uplink);

// Adds libslirp's sockets to the round's set and lowers *deadline_ns to when
// it wants to run at the latest.
void
slirp_uplink_poll_add(struct slirp_uplink *uplink, struct poll_set *set,
		      u64 now_ns, u64 *deadline_ns);

// After the wait: runs due timers and lets libslirp serve its sockets, which
// puts frames into the core.
void
slirp_uplink_poll_done(struct slirp_uplink *uplink, u64 now_ns);

// Hands the port's queue to libslirp. Does nothing when called from inside it.
void
slirp_uplink_flush(struct slirp_uplink *uplink, u64 now_ns);

// Forwards a TCP port of this host to a node, or stops doing so (connections
// that are open live on). Returns 0, or -1 with one line in `error`.
must_check int
slirp_uplink_forward(struct slirp_uplink *uplink,
		     const struct slirp_forward *forward, char *error,
		     size_t error_size);
must_check int
slirp_uplink_unforward(struct slirp_uplink *uplink, u32 host_ip,
		       u16 host_port, char *error, size_t error_size);
