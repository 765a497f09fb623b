// SPDX-License-Identifier: BSD-2-Clause
// Programs on endpoints: what a peer's INVOKE runs. The program was verified when it
// was loaded (kernel/code): it ends within INVOKE_STEPS_MAX steps, and touches the
// message, one frame of the endpoint's owner and nothing else. It runs between the
// check of the capability and the answer, under the kernel lock, so it is one step for
// all other operations of the fabric; the owner's own programs may see it half done.
//
// The message is copied: behind it in the receive buffer lie bytes of others.
//
// Invariant: a handler that is set has its program and its frame under capabilities
// that are still there (invoke_cap_gone()).

#include "kernel/abi/program.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/call.h"
#include "kernel/sys/program.h"
#include "kernel/sys/wait.h"

STATIC_ASSERT(INVOKE_REGION_SIZE == PAGE_SIZE);
STATIC_ASSERT(INVOKE_MESSAGE_SIZE == WIRE_SEND_MAX);

static struct handler {
	const struct program *program;	// NULL: none
	u64 frame;
	u32 program_node;
	u32 frame_node;
} handlers[ENDPOINTS_MAX];

static u8 message_bytes[INVOKE_MESSAGE_SIZE];

enum { MESSAGE, REGION };

#define NUMBER(name, access) \
	{ offsetof(struct invoke_context, name), 8, access, CODE_NUMBER, 0 }

static const struct code_field fields[] = {
	{ offsetof(struct invoke_context, message), 8, CODE_MAY_READ, MESSAGE, 0 },
	{ offsetof(struct invoke_context, region), 8, CODE_MAY_READ, REGION, 0 },
	{ offsetof(struct invoke_context, length), 8, CODE_MAY_READ, CODE_NUMBER,
	  INVOKE_MESSAGE_SIZE },
	NUMBER(environment, CODE_MAY_READ),
	NUMBER(incarnation, CODE_MAY_READ),
	NUMBER(result, CODE_MAY_READ | CODE_MAY_WRITE),
};

static const struct code_region regions[] = {
	[MESSAGE] = { INVOKE_MESSAGE_SIZE, CODE_MAY_READ },
	[REGION] = { INVOKE_REGION_SIZE, CODE_MAY_READ | CODE_MAY_WRITE },
};

const struct code_type invoke_type = {
	.field = fields,
	.region = regions,
	.field_count = ARRAY_SIZE(fields),
	.region_count = ARRAY_SIZE(regions),
	.steps_max = INVOKE_STEPS_MAX,
	.result_max = ~0ull,
};

enum wire_code
rcap_host_invoke(void *host, const struct rcap_message *message, const u8 *bytes,
		 u64 result[2], u64 *took_ns)
{
	const struct handler *handler = &handlers[message->endpoint];
	struct invoke_context context = {
		.message = message_bytes,
		.length = message->length,
		.environment = message->environment,
		.incarnation = message->incarnation,
	};

	(void)host;
	ASSERT(message->endpoint < ENDPOINTS_MAX);
	ASSERT(message->length <= INVOKE_MESSAGE_SIZE);
	if (!handler->program)
		return CODE_HANDLER;
	memcpy(message_bytes, bytes, message->length);
	memset(message_bytes + message->length, 0,
	       INVOKE_MESSAGE_SIZE - message->length);
	context.region = frame_memory(handler->frame);
	*took_ns = clock_ns();
	result[0] = program_run(handler->program, &context, NULL);
	result[1] = context.result;
	*took_ns = clock_ns() - *took_ns;
	wait_hint_memory(handler->frame << PAGE_SHIFT, PAGE_SIZE);
	return CODE_NONE;
}

static enum wire_code
program_code(i64 error)
{
	return error == -E_ARGUMENT || error == -E_STATE ? CODE_TYPE
							 : wire_code_of(error);
}

enum wire_code
endpoint_handle(struct fabric_queue *queue, const struct fabric_submit *s)
{
	const struct fabric_handler *h = &s->handler;
	struct handler handler = { .frame = h->frame };
	u32 index = NONE;
	enum wire_code code = endpoint_own(queue, s->slot, &index);
	i64 error = 0;

	if (code != CODE_NONE)
		return code;
	if (h->program_slot != SLOT_NONE) {
		error = check_program(queue->owner, h->program_slot, PROGRAM_INVOKE,
				     &handler.program, &handler.program_node);
		if (error)
			return program_code(error);
		error = check_frames(&envs[queue->owner], h->frame_slot,
				     CAP_READ | CAP_WRITE, h->frame, 1,
				     &handler.frame_node);
	}
	if (error)
		return wire_code_of(error);
	handlers[index] = handler;
	queue_complete(queue, &(struct fabric_complete){
		.tag = s->tag, .op = s->op, .outcome = FABRIC_DONE,
	});
	return CODE_NONE;
}

// A capability that it stands on is gone, or ends before the frame `from` now.
void
invoke_cap_gone(u32 node, u64 from)
{
	for (u32 i = 0; i < ENDPOINTS_MAX; i++) {
		struct handler *handler = &handlers[i];

		if (handler->program &&
		    (handler->program_node == node ||
		     (handler->frame_node == node && handler->frame >= from)))
			*handler = (struct handler){ 0 };
	}
}

void
invoke_endpoint_gone(u32 index)
{
	ASSERT(index < ENDPOINTS_MAX);
	handlers[index] = (struct handler){ 0 };
}
