// SPDX-License-Identifier: BSD-2-Clause
// Endpoints: where messages come in, into buffers that the owner has posted. An
// endpoint belongs to a fabric queue, which completes a buffer when a message lies
// in it; it may be offered as a service, a number under which others reach it
// without a capability, or exported like a frame. It stops with its queue and
// with the capability that it was opened under.

#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/call.h"

static struct endpoint {
	bool bound;
	bool running;
	u32 owner;		// index of the environment
	u32 queue;
	u32 fabric_node;	// capability that it was opened under
	u64 service;		// or FABRIC_SERVICE_NONE
} endpoints[ENDPOINTS_MAX];

static bool
service_taken(u64 service)
{
	for (u32 i = 0; i < ENDPOINTS_MAX; i++) {
		if (endpoints[i].running && endpoints[i].service == service)
			return service != FABRIC_SERVICE_NONE;
	}
	return false;
}

struct open_checked {
	u32 index;		// free entry
	u32 queue;
	u32 fabric_node;
};

i64
check_endpoint_open(struct call *call)
{
	struct open_checked *c = CHECKED(call, struct open_checked);
	const struct cap *cap;
	i64 error;

	if (!fabric.on)
		return -E_ABSENT;
	error = check_cap(call, call->a[0], CAP_FABRIC, CAP_READ, &cap);
	if (error)
		return error;
	if (call->a[2] != FABRIC_SERVICE_NONE && !cap_covers(cap, call->a[2], 1))
		return -E_RANGE;
	c->fabric_node = cap_node(&caps, cap);
	error = check_cap(call, call->a[1], CAP_FABRIC_QUEUE, 0, &cap);
	if (error)
		return error;
	c->queue = (u32)cap->base;
	if (!fabric_queues[c->queue].running)
		return -E_STATE;
	for (c->index = 0; c->index < ENDPOINTS_MAX; c->index++) {
		if (!endpoints[c->index].bound)
			break;
	}
	if (SCARCE(c->index == ENDPOINTS_MAX))
		return -E_TABLE;
	return service_taken(call->a[2]) ? -E_TAKEN : check_ring_room(call);
}

i64
do_endpoint_open(struct call *call)
{
	const struct open_checked *c = CHECKED(call, struct open_checked);
	bool opened = rcap_endpoint_open(fabric.rcap, c->index,
					 call->env->info->id);

	ASSERT(opened);
	if (call->a[2] != FABRIC_SERVICE_NONE) {
		opened = rcap_service_open(fabric.rcap, call->a[2], c->index);
		ASSERT(opened);
	}
	endpoints[c->index] = (struct endpoint){
		.bound = true,
		.running = true,
		.owner = call->env->index,
		.queue = c->queue,
		.fabric_node = c->fabric_node,
		.service = call->a[2],
	};
	return mint_ring(call, CAP_ENDPOINT, CAP_READ | CAP_WRITE | CAP_DERIVE,
			 c->index);
}

// What an endpoint's owner does with it needs READ, and a queue that it belongs to.
enum wire_code
endpoint_own(const struct fabric_queue *queue, u32 slot, u32 *index)
{
	const struct endpoint *endpoint;
	const struct cap *cap;
	i64 error = cap_lookup(&caps, queue->owner, slot, CAP_ENDPOINT, CAP_READ,
			       &cap);

	if (error)
		return wire_code_of(error);
	endpoint = &endpoints[cap->base];
	*index = (u32)cap->base;
	return endpoint->running &&
			       endpoint->queue == (u32)(queue - fabric_queues)
		       ? CODE_NONE : CODE_SERVICE;
}

enum wire_code
endpoint_post(struct fabric_queue *queue, const struct fabric_submit *s)
{
	u32 index = NONE;
	enum wire_code code = endpoint_own(queue, s->slot, &index);
	struct pending *p;
	bool posted;

	if (code != CODE_NONE)
		return code;
	if (!s->length || s->length > WIRE_DATA_MAX)
		return CODE_SHAPE;
	p = pending_take(queue, PENDING_POST, s);
	p->id = index;
	pending_pin(p, s->local, s->length);
	posted = rcap_post(fabric.rcap, p->id, s->local, s->length,
			   (u64)(p - pendings), s->offset);
	ASSERT(posted);
	return CODE_NONE;
}

void
rcap_host_message(void *host, const struct rcap_message *message)
{
	struct pending *p = &pendings[message->tag];

	(void)host;
	ASSERT(message->tag < PENDING_MAX && p->kind == PENDING_POST);
	pending_end(p, &(struct fabric_complete){
		.outcome = FABRIC_DONE,
		.length = message->length,
		.incarnation = message->incarnation,
		.environment = message->environment,
		.node = message->peer,
	});
}

// Nothing comes in any more; buffers that wait end without a message.
static void
stop(u32 index)
{
	if (!endpoints[index].running)
		return;
	endpoints[index].running = false;
	invoke_endpoint_gone(index);
	rcap_endpoint_close(fabric.rcap, index);
	for (u32 i = 0; i < PENDING_MAX; i++) {
		if (pendings[i].kind == PENDING_POST && pendings[i].id == index)
			pending_end(&pendings[i], &(struct fabric_complete){
				.outcome = FABRIC_NOT_DONE,
				.code = CODE_CANCELLED,
			});
	}
}

void
endpoint_destroy(u32 index)
{
	ASSERT(index < ENDPOINTS_MAX && endpoints[index].bound);
	stop(index);
	quota_return_ring(&envs[endpoints[index].owner]);
	endpoints[index] = (struct endpoint){ 0 };
}

void
endpoints_queue_gone(u32 queue)
{
	for (u32 i = 0; i < ENDPOINTS_MAX; i++) {
		if (endpoints[i].running && endpoints[i].queue == queue)
			stop(i);
	}
}

void
endpoints_cap_gone(u32 node)
{
	for (u32 i = 0; i < ENDPOINTS_MAX; i++) {
		if (endpoints[i].running && endpoints[i].fabric_node == node)
			stop(i);
	}
}
