// SPDX-License-Identifier: BSD-2-Clause
// Endpoints and services: messages into buffers that an environment posted. A
// message for which no buffer waits is refused, so a sender cannot make the
// receiver keep anything.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

static struct rcap_endpoint *
endpoint_at(struct rcap *rcap, u64 endpoint)
{
	if (endpoint >= rcap->config.endpoints_max ||
	    !rcap->endpoint[endpoint].open)
		return NULL;
	return &rcap->endpoint[endpoint];
}

bool
rcap_endpoint_open(struct rcap *rcap, u32 endpoint, u32 environment)
{
	if (endpoint >= rcap->config.endpoints_max || rcap->endpoint[endpoint].open)
		return false;
	rcap->endpoint[endpoint] = (struct rcap_endpoint){
		.environment = environment,
		.head = RCAP_NONE,
		.tail = RCAP_NONE,
		.open = true,
	};
	return true;
}

static u32
buffer_take(struct rcap *rcap, struct rcap_endpoint *endpoint)
{
	u32 index = endpoint->head;

	ASSERT(index < rcap->config.buffers_max);
	endpoint->head = rcap->buffer[index].next;
	if (endpoint->head == RCAP_NONE)
		endpoint->tail = RCAP_NONE;
	rcap->buffer[index].next = rcap->buffers_free;
	rcap->buffers_free = index;
	return index;
}

void
rcap_endpoint_close(struct rcap *rcap, u32 index)
{
	struct rcap_endpoint *endpoint = endpoint_at(rcap, index);

	if (!endpoint)
		return;
	while (endpoint->head != RCAP_NONE)
		buffer_take(rcap, endpoint);
	endpoint->open = false;
	for (u32 i = 0; i < rcap->config.services_max; i++) {
		if (rcap->service[i].endpoint == index)
			rcap->service[i].endpoint = RCAP_NONE;
	}
}

bool
rcap_post(struct rcap *rcap, u32 index, u64 local, u32 size, u64 tag, u64 word)
{
	struct rcap_endpoint *endpoint = endpoint_at(rcap, index);
	u32 buffer = rcap->buffers_free;

	if (!endpoint || buffer == RCAP_NONE)
		return false;
	rcap->buffers_free = rcap->buffer[buffer].next;
	rcap->buffer[buffer] = (struct rcap_buffer){
		.local = local,
		.tag = tag,
		.word = word,
		.size = size,
		.next = RCAP_NONE,
	};
	if (endpoint->tail == RCAP_NONE)
		endpoint->head = buffer;
	else
		rcap->buffer[endpoint->tail].next = buffer;
	endpoint->tail = buffer;
	return true;
}

static struct rcap_service *
service_find(struct rcap *rcap, u64 service)
{
	for (u32 i = 0; i < rcap->config.services_max; i++) {
		if (rcap->service[i].endpoint != RCAP_NONE &&
		    rcap->service[i].service == service)
			return &rcap->service[i];
	}
	return NULL;
}

bool
rcap_service_open(struct rcap *rcap, u64 service, u32 endpoint)
{
	if (!endpoint_at(rcap, endpoint) || service_find(rcap, service))
		return false;
	for (u32 i = 0; i < rcap->config.services_max; i++) {
		if (rcap->service[i].endpoint == RCAP_NONE) {
			rcap->service[i].service = service;
			rcap->service[i].endpoint = endpoint;
			return true;
		}
	}
	return false;
}

void
rcap_service_close(struct rcap *rcap, u64 service)
{
	struct rcap_service *found = service_find(rcap, service);

	if (found)
		found->endpoint = RCAP_NONE;
}

// Where a SEND goes: by its capability, or by the service that it names.
static enum wire_code
target_find(struct rcap *rcap, struct asked *asked, u32 *index)
{
	const struct rcap_service *service;
	enum wire_code code;

	if (asked->request->slot == WIRE_SLOT_NONE) {
		service = service_find(rcap, asked->request->offset);
		if (!service)
			return CODE_SERVICE;
		*index = service->endpoint;
		return CODE_NONE;
	}
	code = owner_check(rcap, asked);
	if (code == CODE_NONE)
		*index = (u32)asked->entry->base;
	return code;
}

// 0 when the endpoint is there and its next buffer takes so many bytes.
static enum wire_code
room_check(struct rcap *rcap, u32 index, u32 length)
{
	const struct rcap_endpoint *endpoint = endpoint_at(rcap, index);

	if (!endpoint)
		return CODE_SERVICE;
	if (SOMETIMES_IF(MESSAGE_NO_BUFFER, endpoint->head == RCAP_NONE) ||
	    rcap->buffer[endpoint->head].size < length)
		return CODE_BUFFER;
	return CODE_NONE;
}

// `from` says how long it is and who sent it. Returns the buffer's word.
static u64
deliver(struct rcap *rcap, u32 index, const u8 *bytes,
	const struct rcap_message *from)
{
	struct rcap_endpoint *endpoint = endpoint_at(rcap, index);
	struct rcap_message message = *from;
	const struct rcap_buffer *buffer;
	u64 word;

	ASSERT(endpoint);
	buffer = &rcap->buffer[PLANTED(BUG_BUFFER_STAYS) ? endpoint->head
							 : buffer_take(rcap, endpoint)];
	message.endpoint = index;
	word = buffer->word;
	message.tag = buffer->tag;
	message.local = buffer->local;
	__builtin_memmove(rcap->config.memory + buffer->local, bytes, from->length);
	rcap_host_message(rcap->host, &message);
	return word;
}

void
run_send(struct rcap *rcap, struct asked *asked)
{
	struct rcap_message from = {
		.length = asked->payload_len,
		.incarnation = links_incarnation(rcap->links, asked->peer),
		.environment = asked->request->environment,
		.peer = asked->peer,
	};
	u32 index = RCAP_NONE;
	enum wire_code code = target_find(rcap, asked, &index);

	if (code == CODE_NONE)
		code = room_check(rcap, index, from.length);
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	asked->slot->old[0] = deliver(rcap, index, asked->payload, &from);
	owner_ran(rcap, asked, asked->payload, 0);
}

// Nothing is kept of the message: what the program made of it is in the memory that
// it was given. Its results are the answer, told again when that was lost.
void
run_invoke(struct rcap *rcap, struct asked *asked)
{
	struct rcap_message message = {
		.length = asked->payload_len,
		.incarnation = links_incarnation(rcap->links, asked->peer),
		.environment = asked->request->environment,
		.peer = asked->peer,
	};
	enum wire_code code = owner_check(rcap, asked);

	if (code == CODE_NONE) {
		message.endpoint = (u32)asked->entry->base;
		code = endpoint_at(rcap, message.endpoint)
			       ? rcap_host_invoke(rcap->host, &message, asked->payload,
						  asked->slot->old, &asked->worked_ns)
			       : CODE_SERVICE;
	}
	if (code != CODE_NONE)
		owner_refuse(rcap, asked, code);
	else
		owner_ran(rcap, asked, asked->payload, 0);
}

enum wire_code
rcap_send_here(struct rcap *rcap, u64 service, const struct rcap_message *from,
	       u64 *word)
{
	const struct rcap_service *found = service_find(rcap, service);
	enum wire_code code = found ? room_check(rcap, found->endpoint, from->length)
				    : CODE_SERVICE;

	if (code == CODE_NONE)
		*word = deliver(rcap, found->endpoint,
				rcap->config.memory + from->local, from);
	return code;
}
