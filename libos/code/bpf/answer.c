// SPDX-License-Identifier: BSD-2-Clause
// A message handler that is an address: it says where that is (ARP), and sends short
// datagrams for one port back (RFC 862), while the owner of the ring sleeps. Longer ones
// than a handler may send, and all else, go into the ring. docs/code.md has who uses it.

#include "libos/code/bpf/answer.h"
#include "libos/code/bpf/bpf.h"

// Counts it in *sent, or in `unsent`.
inline_ u32
send_back(struct answer *a, const u8 *frame, u64 len, u32 *sent)
{
	if (send(frame, len))
		(*sent)++;
	else
		a->unsent++;
	return HANDLER_CONSUME;
}

u32
answer(const struct handler_context *c)
{
	struct answer *a = (struct answer *)c->region;
	u8 *frame = c->message;
	u64 len = c->length;

	if (answer_is_arp(frame, len, a->address)) {
		answer_turn_arp(frame, a->mac);
		return send_back(a, frame, ANSWER_ARP_LEN, &a->located);
	}
	if (len > HANDLER_REPLY_MAX || !answer_is_udp(frame, len, a->address) ||
	    answer_port(frame) != a->port)
		return HANDLER_PASS;
	answer_turn_udp(frame);
	return send_back(a, frame, len, &a->answered);
}
