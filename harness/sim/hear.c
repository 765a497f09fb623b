// SPDX-License-Identifier: BSD-2-Clause
// A frame comes to a node that runs: a line of the time-line, the core, and whether a
// frame had an effect that must have none. Such are what no node sent so, what was
// meant for somebody else, and what was taken before.

#include <string.h>

#include "harness/sim/hear.h"
#include "harness/sim/node.h"
#include "harness/sim/seen.h"

// Lines of the time-line for frames.
static const char *const request_lines[OP_COUNT] = {
#define X(name, number, type, rights, shortest, longest, repeat, sentence) \
	[number] = "hears REQUEST %lu of n%lu: " #name ", part %lu",
#include "net/wire/ops.def"
#undef X
};
static const char *const response_lines[STATUS_COUNT] = {
#define X(name, number, sentence) \
	[number] = "hears RESPONSE %lu of n%lu: " #name ", part %lu",
#include "net/wire/statuses.def"
#undef X
};

static enum wire_flaw
parse(struct wire_frame *f, const struct sim_frame *frame)
{
	return sim.hidden ? wire_parse_hidden(f, frame->bytes, frame->len)
			  : wire_parse(f, frame->bytes, frame->len);
}

static void
tell(u32 node, u32 from, const struct wire_frame *f, u32 len)
{
	if (!f)
		TRACE(node, "hears noise, %lu bytes", len);
	else if (f->header.kind == WIRE_HELLO)
		TRACE(node, "hears HELLO of n%lu", from);
	else if (f->header.kind == WIRE_IDLE)
		TRACE(node, "hears IDLE of n%lu", from);
	else if (f->header.kind == WIRE_REQUEST)
		TRACE(node, request_lines[f->request.op], f->request.number, from,
		      f->request.part);
	else if (f->header.kind == WIRE_RESPONSE)
		TRACE(node, response_lines[f->response.status], f->response.number,
		      from, f->response.part);
}

static u64
frames_dropped(const struct sim_node *node)
{
	const struct links_counters *c = links_counters(node->links);
	u64 sum = 0;

	for (u32 i = 0; i < LINK_DROP_COUNT; i++)
		sum += c->dropped[i];
	return sum;
}

static bool
opens_sessions(const struct wire_frame *f)
{
	return f->header.kind == WIRE_BEACON || f->header.kind == WIRE_HELLO;
}

// A frame that no node sent so, one that was meant for another node, and one that
// was taken before: none may have an effect, and each is counted by its reason.
// BEACON and HELLO come before there is a session, and prove nothing by
// themselves.
static bool
must_be_dropped(const struct sim_node *node, const struct sim_frame *frame,
		const struct wire_frame *f)
{
	u8 mac[6];

	if (frame->altered || !f)
		return true;
	if (opens_sessions(f))
		return false;
	network_mac(node_index(node), mac);
	return (sim.nodes <= LARGE &&
		seen_before(node_index(node), f->tagged, f->tagged_len + WIRE_TAG)) ||
	       (frame->strange && memcmp(mac, frame->bytes, 6));
}

// A tag under a key that the node has not come to yet says nothing: such a frame is as
// one that did not arrive, and may come again. Among very many nodes there are too many
// frames to remember.
static void
remember(const struct sim_node *node, const struct wire_frame *f, u64 tags_before)
{
	if (f && !opens_sessions(f) && sim.nodes <= LARGE &&
	    links_counters(node->links)->dropped[LINK_DROP_TAG] == tags_before)
		seen_now(node_index(node), f->tagged, f->tagged_len + WIRE_TAG);
}

void
hear_frame(struct sim_node *node, const struct sim_frame *frame)
{
	struct wire_frame parsed;
	const struct wire_frame *f =
		parse(&parsed, frame) == WIRE_FINE ? &parsed : NULL;
	bool must = must_be_dropped(node, frame, f);
	u64 before = frames_dropped(node);
	u64 tags = links_counters(node->links)->dropped[LINK_DROP_TAG];

	tell(node_index(node), frame->from, f, frame->len);
	if (frame->strange)
		felt_stranger(node, frame);
	node->asked |= frame->bytes[WIRE_ETHERNET + 1] == WIRE_REQUEST;
	rcap_input(node->rcap, node_now(node), frame->bytes, frame->len);
	remember(node, f, tags);
	if (frames_dropped(node) == before) {
		if (must)
			sim_failed(node_index(node), "a frame was taken that must have "
				   "no effect");
		sim.heard[frame->to][frame->from] = sim.trace.now;
	}
}
