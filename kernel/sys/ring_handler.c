// SPDX-License-Identifier: BSD-2-Clause
// Message handlers: a program that sees each frame that a ring takes, when it comes
// and before its owner does (the ASHs of Aegis). It works on the ring's own buffer
// and on one frame of its owner's, may answer, and says whether the frame goes on
// into the ring. Its owner need not be awake, nor have a slice.
//
// Handlers stand on packet rings and not on the fabric's endpoints: a ring's buffers
// lie in its owner's frames, all of one size, so a message is memory of a known size
// that the program may see in full. A message for an endpoint lies in a buffer of
// whatever size was posted, and is complete only after the protocol is done with it.
//
// What a handler sends is kept until the interface is served next, by ring_tx_flush()
// or at the end of ring_rx_poll(), which called it: it may run while another ring's
// frame is on its way to the device. Under what rules: those of the ring, exactly.
// When such a frame is for another ring of the node, no handler runs there: two
// handlers cannot keep each other busy.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"
#include "kernel/sys/program.h"
#include "kernel/sys/ring_state.h"

#define REPLIES_MAX 32u		// kept for all rings; one's are at most three times what it leaves

STATIC_ASSERT(HANDLER_MESSAGE_SIZE == RING_BUFFER_SIZE);
STATIC_ASSERT(HANDLER_REGION_SIZE == PAGE_SIZE);
STATIC_ASSERT(HANDLER_REPLY_MAX == RING_HEADER_COPY);

static struct reply {
	u32 ring;
	u32 owner;		// id: the ring may be another's by then
	u32 len;
	u8 bytes[HANDLER_REPLY_MAX];
} replies[REPLIES_MAX];
u32 ring_handler_replies;
static bool replying;		// no handler runs meanwhile

static bool
room_for_reply(u32 ring)
{
	u32 left = REPLIES_MAX - ring_handler_replies, has = 0;

	for (u32 i = 0; i < ring_handler_replies; i++)
		has += replies[i].ring == ring;
	return has < 3 * left;
}

// The helper HANDLER_SEND.
static u64
send(void *host, u64 bytes, u64 len, u64 c, u64 d, u64 e)
{
	const struct ring *ring = host;
	struct reply *reply;

	(void)c;
	(void)d;
	(void)e;
	if (!ring->sends || !ring->handler_sends || len < NIC_ETHERNET_LEN ||
	    len > HANDLER_REPLY_MAX || !room_for_reply((u32)(ring - rings)))
		return 0;
	reply = &replies[ring_handler_replies];
	memcpy(reply->bytes, (const void *)bytes, len);
	reply->ring = (u32)(ring - rings);
	reply->owner = ring->info->owner;
	reply->len = (u32)len;
	// Its bytes are judged here, so that the program learns the verdict.
	if (!egress_header(&ring->egress, reply->bytes, reply->len, reply->len))
		return 0;
	ring_handler_replies++;
	return 1;
}

enum { MESSAGE, REGION };

static const struct code_field fields[] = {
	{ offsetof(struct handler_context, message), 8, CODE_MAY_READ, MESSAGE, 0 },
	{ offsetof(struct handler_context, region), 8, CODE_MAY_READ, REGION, 0 },
	{ offsetof(struct handler_context, length), 8, CODE_MAY_READ, CODE_NUMBER,
	  RING_MTU_MAX },
};

static const struct code_region regions[] = {
	[MESSAGE] = { HANDLER_MESSAGE_SIZE, CODE_MAY_READ | CODE_MAY_WRITE },
	[REGION] = { HANDLER_REGION_SIZE, CODE_MAY_READ | CODE_MAY_WRITE },
};

static const struct code_helper helpers[] = {
	[HANDLER_SEND - 1] = { send, 1, { CODE_ARG_BYTES, CODE_ARG_LENGTH } },
};

const struct code_type handler_type = {
	.field = fields,
	.region = regions,
	.helper = helpers,
	.field_count = ARRAY_SIZE(fields),
	.region_count = ARRAY_SIZE(regions),
	.helper_count = ARRAY_SIZE(helpers),
	.steps_max = HANDLER_STEPS_MAX,
	.result_max = HANDLER_RESULT_MAX,
};

bool
ring_handler_consumes(struct ring *ring, u8 *message, u32 len)
{
	struct handler_context context = {
		.message = message,
		.region = ring->handler_region,
		.length = len,
	};

	ASSERT(ring->handler && ring->running && len <= RING_MTU_MAX);
	if (replying)
		return false;
	ring->info->handled++;
	return program_run(ring->handler, &context, ring) == HANDLER_CONSUME;
}

void
ring_handler_send(void)
{
	replying = true;
	for (u32 i = 0; i < ring_handler_replies; i++) {
		const struct reply *r = &replies[i];
		struct ring *ring = &rings[r->ring];

		if (ring->running && ring->info->owner == r->owner)
			ring_tx_reply(ring, r->bytes, r->len);
	}
	ring_handler_replies = 0;
	replying = false;
}

struct handle_checked {
	const struct program *program;	// NULL: no handler any more
	u32 node[3];
};

i64
check_ring_handle(struct call *call)
{
	struct handle_checked *c = CHECKED(call, struct handle_checked);
	i64 error = check_own_ring(call);

	c->node[0] = cap_node(&caps, call->cap);
	c->program = NULL;
	if (error || call->a[1] == SLOT_NONE)
		return error;
	error = check_program(call->env->index, call->a[1], PROGRAM_HANDLER, &c->program,
			      &c->node[1]);
	return error ? error : check_frames(call->env, call->a[2], CAP_READ | CAP_WRITE,
					    call->a[3], 1, &c->node[2]);
}

i64
do_ring_handle(struct call *call)
{
	const struct handle_checked *c = CHECKED(call, struct handle_checked);
	struct ring *ring = &rings[call->cap->base];

	ring->handler = c->program;
	if (!c->program)
		return 0;
	ring->handler_sends = call->cap->rights & CAP_WRITE;
	memcpy(ring->handler_node, c->node, sizeof(c->node));
	ring->handler_region = frame_memory(call->a[3]);
	return 0;
}

void
ring_handler_cap_gone(struct ring *ring, u32 node, u64 from)
{
	if (!ring->handler ||
	    physical_of(ring->handler_region) >> PAGE_SHIFT < from)
		return;
	for (u32 i = 0; i < ARRAY_SIZE(ring->handler_node); i++) {
		if (ring->handler_node[i] == node)
			ring->handler = NULL;
	}
}
