// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// An address of its own on a ring of its own: the kernel answers who asks where it is,
// and short datagrams for one port, by the handler libos/code/bpf/answer.c, whether the
// program runs or not. Everything else comes to the program.

#include "libos/code/bpf/answer.h"
#include "libos/io/ring.h"

struct answering {
	struct ring ring;
	struct frame_run memory;	// the handler's region, and a page to send from
	volatile struct answer *state;	// the handler counts there
	u8 *page;
};

// Takes an address of IPv4, in host order, under the node's derived MAC address
// `mac_index`, and `port` of it, or ANSWER_NO_PORT. Returns 0, or an error: then the
// program has to end, for what it took is not given back.
must_check i64
answering_open(struct answering *a, u32 mac_index, u32 address, u32 port);

// Sends a received datagram back, copied to `page`, which is memory of the ring's, and
// waits until that may change again.
must_check i64
answering_send(struct ring *ring, u8 *page, const u8 *frame, u32 len);
