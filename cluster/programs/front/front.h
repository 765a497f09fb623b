// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// `front`: the program that holds a node's address, and the virtual one while the
// view says so (docs/balance.md). It answers ARP, DHCP and ICMP for them, refuses TCP
// that nobody serves, and passes the rest on: it writes another MAC address over the
// destination and sends the frame from where it was received.
//
// main.c follows the view and loops; port.c is one MAC address with its ring and its
// stack; announce.c says who has the virtual one. Nothing here waits for anybody:
// what finds no room is dropped by the ring in front of it.

#include "cluster/balance/balance.h"
#include "libos/io/ring.h"
#include "libos/tcp/net.h"

#define PORT_OUT_MAX 32u	// frames of the stack's that are with the device

struct port {
	bool open;
	bool spreads;			// it may do so
	struct ring ring;
	struct net *net;
	struct frame_run memory;	// of the stack
	struct frame_run out;		// PORT_OUT_MAX buffers
	u8 mac[6];
	u32 out_head;
	u32 out_sequence[PORT_OUT_MAX];	// descriptor that each went with
	u32 ahead;			// frames looked at and not given back
	bool flying[RING_SLOTS];	// this one is being sent on,
	u32 sequence[RING_SLOTS];	// with this descriptor
	bool starved;			// something waits for descriptors
	u64 passed;			// frames sent on
	u64 spread;			// of them, by the table
	u64 unclaimed;			// for a port that nobody serves
	u64 echoes;			// from our own MAC address: another has it too
};

// Binds a ring for the node's own address (mac NULL) or a given one, and starts a
// stack with its mode, address, mask and gateway as in `config`. Returns 0 or an
// error, with nothing left behind.
must_check i64
port_open(struct port *port, const u8 *mac, const struct net_config *config);

// Lets go of everything. The kernel takes no frame for the address from now on.
void
port_close(struct port *port);

// Looks at what has come. Returns how many frames.
u32
port_receive(struct port *port, const struct balance *balance, u64 now_ns);

// Sends a frame of its own. False: no room now.
must_check bool
port_put(struct port *port, const void *frame, u32 len);

// Sends what the stack has to say, and tells the kernel about all that was put.
void
port_send(struct port *port, u64 now_ns);

void
port_watch(const struct port *port, struct wait_set *set);

// announce.c: when the holder tells everybody that the virtual address is here, so
// that switches send its MAC address this way: five times at once, after 1, 2, 4, 8
// and 16 s, then each minute, which is shorter than a switch remembers (300 s).
struct announce {
	u64 next_ns;
	u32 step;
};

// Begins again from the start.
void
announce_start(struct announce *announce, u64 now_ns);
void
announce_run(struct announce *announce, struct port *port, u64 now_ns);
