// SPDX-License-Identifier: BSD-2-Clause
// Requests of one frame. One that changes nothing and has nothing behind it waits here until
// the host has put in all that it has at the moment (rcap_flush()), and goes with others of
// the same session. Which frame a request was in means nothing to either side: each has a
// number, credit and an answer of its own (docs/decisions/0026-together.md). A peer of an
// older version takes one a frame.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

u32
together_seal(struct rcap *rcap, u64 now, u8 *buffer)
{
	const struct wire_request *at = rcap->together.at;
	u32 count = rcap->together.count;
	u16 peer = rcap->together.peer;

	ASSERT(count && count <= WIRE_TOGETHER_MAX);
	rcap->together.count = 0;
	SOMETIMES_WHEN(SENT_TOGETHER, count > 1);
	// Their numbers mean others in another session.
	if (links_session(rcap->links, peer) != rcap->together.session)
		return 0;
	return likely(count == 1)
		       ? links_request(rcap->links, now, peer, buffer, at, rcap->scratch, 0)
		       : links_requests(rcap->links, now, peer, buffer, at, count);
}

static void
together_send(struct rcap *rcap, u64 now)
{
	u32 number = rcap->together.at[0].number, len;
	u16 peer = rcap->together.peer;
	u8 *buffer = rcap_host_buffer(rcap->host);

	if (!buffer) {
		rcap->together.count = 0;
		drop_count(rcap, now, RCAP_DROP_BUFFER, peer, number);
		return;
	}
	len = together_seal(rcap, now, buffer);
	if (!len)
		drop_count(rcap, now, RCAP_DROP_SESSION, peer, number);
	rcap_host_send(rcap->host, buffer, len);
}

void
rcap_flush(struct rcap *rcap, u64 now)
{
	if (rcap->together.count)
		together_send(rcap, now);
}

bool
together_goes(const struct rcap *rcap, const struct rcap_op *op)
{
	return wire_op_info[op->op].again && !op->operand_len && !op->cancelled &&
	       links_version(rcap->links, op->peer)->flags & WIRE_FLAG_MORE &&
	       !FAULT_POINT(ONE_A_FRAME);
}

void
together_add(struct rcap *rcap, u64 now, const struct rcap_op *op,
	     const struct wire_request *body)
{
	u32 session = links_session(rcap->links, op->peer);

	if (rcap->together.count && (rcap->together.peer != op->peer ||
				     rcap->together.session != session))
		rcap_flush(rcap, now);
	rcap->together.peer = op->peer;
	rcap->together.session = session;
	rcap->together.at[rcap->together.count++] = *body;
	if (rcap->together.count == WIRE_TOGETHER_MAX)
		rcap_flush(rcap, now);
}
