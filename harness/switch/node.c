// SPDX-License-Identifier: BSD-2-Clause
// A node's port: see node.h.
//
// One read a round and one gathering write a batch: at full load a system call
// moves dozens of frames, and a port that floods its socket gets no more than
// one buffer's worth a round before the others have their turn.

#define _GNU_SOURCE
#include "harness/switch/node.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/switch/unix_socket.h"
#include "kernel/base/assert.h"

int
node_open(struct node *node, u32 port, const char *path, char *error,
	  size_t error_size)
{
	node->listener = unix_socket_listen(path, error, error_size);
	if (node->listener < 0)
		return -1;
	ASSERT(strlen(path) < sizeof(node->path));
	memcpy(node->path, path, strlen(path) + 1);
	node->client = -1;
	node->port = port;
	return 0;
}

void
node_drop_client(struct node *node, struct core *core)
{
	if (node->client < 0)
		return;
	close(node->client);
	node->client = -1;
	core_port_down(core, node->port);
}

void
node_close(struct node *node, struct core *core)
{
	node_drop_client(node, core);
	close(node->listener);
	unlink(node->path);
}

void
node_poll_add(struct node *node, struct poll_set *set)
{
	short events = POLLIN;

	if (node->blocked)
		events |= POLLOUT;
	node->poll_listener = poll_set_add(set, node->listener, POLLIN);
	node->poll_client = poll_set_add(set, node->client, events);
}

static void
take_client(struct node *node, struct core *core)
{
	int client = unix_socket_accept(node->listener);

	if (client < 0)
		return;
	node_drop_client(node, core);
	node->client = client;
	node->connect_count++;
	node->sent_bytes = 0;
	node->blocked = false;
	stream_reset(&node->reader);
	core_port_up(core, node->port);
}

// Returns true when bytes came.
static bool
read_client(struct node *node, struct core *core)
{
	u32 room;
	u8 *space = stream_space(&node->reader, &room);
	ssize_t got;

	ASSERT(room >= STREAM_SPACE_MIN);
	got = recv(node->client, space, room, MSG_DONTWAIT);
	if (got > 0) {
		stream_filled(&node->reader, (u32)got);
		return true;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR))
		node_drop_client(node, core);
	return false;
}

bool
node_poll_done(struct node *node, struct core *core,
	       const struct poll_set *set)
{
	short events = poll_set_events(set, node->poll_client);
	bool any = false;

	if (events & POLLOUT)
		node->blocked = false;
	if (events & (POLLIN | POLLHUP | POLLERR))
		any = read_client(node, core);
	if (poll_set_events(set, node->poll_listener) & POLLIN) {
		take_client(node, core);
		any = false;
	}
	return any;
}

static void
input_frame(struct node *node, struct core *core, const u8 *bytes, u32 len,
	    u64 now_ns)
{
	struct frame *frame = core_frame(core, node->port);

	ASSERT(len <= FRAME_LEN_MAX);
	if (!frame)
		return;
	memcpy(frame->data, bytes, len);
	frame->len = len;
	core_input(core, node->port, frame, now_ns);
}

bool
node_input(struct node *node, struct core *core, u64 now_ns)
{
	const u8 *bytes;
	u32 len;

	if (node->client < 0)
		return false;
	for (u32 i = 0; i < CORE_BATCH; i++) {
		switch (stream_next(&node->reader, &bytes, &len)) {
		case STREAM_FRAME:
			input_frame(node, core, bytes, len, now_ns);
			break;
		case STREAM_OVERSIZE:
			core->ports[node->port].counters.oversize++;
			break;
		case STREAM_MORE:
			return false;
		case STREAM_BROKEN:
			core->ports[node->port].counters.oversize++;
			node_drop_client(node, core);
			return false;
		}
	}
	return true;
}

// Takes the frames off the queue that `bytes` more bytes complete.
static void
account_sent(struct node *node, struct core *core, size_t bytes)
{
	struct frame_queue *queue = &core->ports[node->port].queue;

	bytes += node->sent_bytes;
	while (queue->count > 0 &&
	       bytes >= stream_bytes(frame_queue_at(queue, 0))) {
		bytes -= stream_bytes(frame_queue_at(queue, 0));
		frame_release(&core->pool, core_take(core, node->port));
	}
	ASSERT(bytes == 0 || queue->count > 0);
	node->sent_bytes = (u32)bytes;
}

void
node_flush(struct node *node, struct core *core)
{
	struct frame_queue *queue = &core->ports[node->port].queue;
	struct iovec iov[CORE_BATCH];
	struct msghdr message = { .msg_iov = iov };
	ssize_t sent;

	while (node->client >= 0 && !node->blocked && queue->count > 0) {
		message.msg_iovlen = stream_gather(queue, node->sent_bytes,
						   iov, CORE_BATCH);
		sent = sendmsg(node->client, &message,
			       MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0)
			account_sent(node, core, (size_t)sent);
		else if (errno == EAGAIN)
			node->blocked = true;
		else if (errno != EINTR)
			node_drop_client(node, core);
	}
}
