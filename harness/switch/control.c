// SPDX-License-Identifier: BSD-2-Clause
// The control line: see control.h.
//
// A client's bytes are gathered until a line is whole. One answer at a time:
// while a part of it is still to be sent, no further command of that client is
// read, so what a client can make the switch remember is bounded.

#define _GNU_SOURCE
#include "harness/switch/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/switch/unix_socket.h"
#include "kernel/base/assert.h"

int
control_open(struct control *control, const char *path, char *error,
	     size_t error_size)
{
	control->listener = unix_socket_listen(path, error, error_size);
	if (control->listener < 0)
		return -1;
	ASSERT(strlen(path) < sizeof(control->path));
	memcpy(control->path, path, strlen(path) + 1);
	for (u32 i = 0; i < CONTROL_CLIENTS_MAX; i++)
		control->clients[i].fd = -1;
	return 0;
}

static void
drop(struct control_client *client)
{
	close(client->fd);
	free(client->pending);
	client->fd = -1;
	client->pending = NULL;
}

void
control_close(struct control *control)
{
	for (u32 i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i].fd >= 0)
			drop(&control->clients[i]);
	close(control->listener);
	unlink(control->path);
}

static struct control_client *
free_client(struct control *control)
{
	for (u32 i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i].fd < 0)
			return &control->clients[i];
	return NULL;
}

void
control_poll_add(struct control *control, struct poll_set *set)
{
	for (u32 i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = &control->clients[i];

		client->poll_index = poll_set_add(
			set, client->fd, client->pending ? POLLOUT : POLLIN);
	}
	control->poll_listener = -1;
	if (free_client(control))
		control->poll_listener =
			poll_set_add(set, control->listener, POLLIN);
}

// Sends on what is pending. Returns false when the client is gone.
static bool
send_pending(struct control_client *client)
{
	ssize_t sent = send(client->fd, client->pending + client->pending_sent,
			    client->pending_len - client->pending_sent,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	client->pending_sent += (u32)sent;
	if (client->pending_sent == client->pending_len) {
		free(client->pending);
		client->pending = NULL;
	}
	return true;
}

// Returns false when the client is gone.
static bool
send_answer(struct control_client *client, const struct text *answer)
{
	ASSERT(!client->pending);
	client->pending = malloc(answer->used);
	if (!client->pending)
		return false;
	memcpy(client->pending, answer->at, answer->used);
	client->pending_len = answer->used;
	client->pending_sent = 0;
	return send_pending(client);
}

// Runs the first line in the buffer, if one is whole. Returns false when none
// is, or the client is gone and dropped.
static bool
run_line(struct control *control, struct control_client *client,
	 struct host *host, u64 now_ns)
{
	char *end = memchr(client->line, '\n', client->used);
	u32 len;

	if (!end)
		return false;
	*end = '\0';
	len = (u32)(end + 1 - client->line);
	if (client->too_long) {
		text_clear(&control->answer);
		text_add(&control->answer,
			 "{\"ok\":false,\"error\":\"a command is longer than "
			 "%u bytes\"}\n", COMMAND_LINE_MAX - 1);
	} else {
		command_run(host, client->line, &control->answer, now_ns);
	}
	client->too_long = false;
	client->used -= len;
	memmove(client->line, client->line + len, client->used);
	if (send_answer(client, &control->answer))
		return true;
	drop(client);
	return false;
}

static void
run_lines(struct control *control, struct control_client *client,
	  struct host *host, u64 now_ns)
{
	while (client->fd >= 0 && !client->pending &&
	       run_line(control, client, host, now_ns))
		continue;
	if (client->fd >= 0 && client->used == COMMAND_LINE_MAX &&
	    !client->pending) {
		client->too_long = true;
		client->used = 0;
	}
}

static void
serve(struct control *control, struct control_client *client,
      struct host *host, u64 now_ns)
{
	ssize_t got;

	if (client->pending) {
		if (!send_pending(client))
			drop(client);
		else
			run_lines(control, client, host, now_ns);
		return;
	}
	ASSERT(client->used < COMMAND_LINE_MAX);
	got = recv(client->fd, client->line + client->used,
		   COMMAND_LINE_MAX - client->used, MSG_DONTWAIT);
	if (got > 0) {
		client->used += (u32)got;
		run_lines(control, client, host, now_ns);
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		drop(client);
	}
}

void
control_poll_done(struct control *control, struct host *host,
		  const struct poll_set *set, u64 now_ns)
{
	struct control_client *client;

	for (u32 i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		client = &control->clients[i];
		if (poll_set_events(set, client->poll_index))
			serve(control, client, host, now_ns);
	}
	client = free_client(control);
	if (!client || !poll_set_events(set, control->poll_listener))
		return;
	client->fd = unix_socket_accept(control->listener);
	client->used = 0;
	client->too_long = false;
}
