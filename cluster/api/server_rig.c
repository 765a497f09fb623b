// SPDX-License-Identifier: BSD-2-Clause
// The control API on this machine, without a cluster: a server on 127.0.0.1 with a
// record and a view of its own, for deosctl's tests. Sites are parsed and their hashes
// checked, records are changed by cluster/record, and what the API answers is written
// by cluster/api; only disks, nodes and agreement are made up.
//
//	server_rig [nodes=N] [room=BYTES] [rate=BYTES] [no-majority] [no-record]
//
// Prints "port N" when it listens, then a line for each thing that was done; ends when
// its standard input does. rate: content bytes taken in a second, to be slow.

#define _GNU_SOURCE		// accept4

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cluster/api/server_rig.h"

#define CLIENTS 24u
#define RECEIVE 32768u
#define OUTPUT 65536u

struct client {
	int socket;			// -1: free
	struct api_session session;
	u8 received[RECEIVE];
	u32 received_len;
	u8 output[OUTPUT];		// what the socket has not taken
	u32 output_len;
	bool fin_due, ended;
};

static struct api_server server;
static struct client clients[CLIENTS];

u64
rig_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * NS_PER_SECOND + (u64)t.tv_nsec;
}

static void
client_close(struct client *c)
{
	http_dynamic_gone(&c->session.http);
	close(c->socket);
	c->socket = -1;
}

// Returns false when the connection is over.
static bool
run_output(struct client *c, u64 now, bool *sent)
{
	struct http_output out;

	while (c->output_len < OUTPUT &&
	       http_dynamic_output(&c->session.http, now, &out)) {
		u32 n;

		switch (out.kind) {
		case HTTP_OUTPUT_SEND:
			n = (u32)MIN(out.piece.len_bytes, OUTPUT - c->output_len);
			memcpy(c->output + c->output_len, out.piece.bytes, n);
			c->output_len += n;
			http_dynamic_sent(&c->session.http, now, n);
			*sent = true;
			break;
		case HTTP_OUTPUT_SHUTDOWN:
			c->fin_due = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

static bool
client_run(struct client *c, u64 now)
{
	struct http_dynamic *http = &c->session.http;
	bool sent;
	u32 used;

	c->session.now_ns = now;
	if (c->ended)
		http_dynamic_input_end(http);
	http_dynamic_tick(http, now, c->output_len);
	do {
		sent = false;
		api_session_poll(&c->session);
		used = http_dynamic_input(http, now, c->received, c->received_len);
		c->received_len -= used;
		memmove(c->received, c->received + used, c->received_len);
		http_dynamic_check(http);
		if (!run_output(c, now, &sent))
			return false;
	} while (used || sent);
	return true;
}

// Moves bytes between buffers and socket. Returns false when it is broken.
static bool
client_move(struct client *c, short events)
{
	ssize_t n;

	if (events & (POLLIN | POLLHUP | POLLERR) && c->received_len < RECEIVE) {
		n = read(c->socket, c->received + c->received_len,
			 RECEIVE - c->received_len);
		if (n < 0 && errno != EAGAIN)
			return false;
		c->ended |= n == 0;
		c->received_len += n > 0 ? (u32)n : 0;
	}
	if (c->output_len) {
		n = send(c->socket, c->output, c->output_len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		n = MAX(n, 0);
		c->output_len -= (u32)n;
		memmove(c->output, c->output + n, c->output_len);
	}
	if (c->fin_due && c->output_len == 0) {
		shutdown(c->socket, SHUT_WR);
		c->fin_due = false;
	}
	return true;
}

static void
accept_client(int listener, u64 now)
{
	int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	for (u32 i = 0; i < CLIENTS && socket >= 0; i++) {
		struct client *c = &clients[i];

		if (c->socket >= 0)
			continue;
		c->socket = socket;
		c->received_len = c->output_len = 0;
		c->fin_due = c->ended = false;
		api_session_init(&c->session, &server, now);
		return;
	}
	if (socket >= 0)
		close(socket);
}

static void
serve(int listener)
{
	struct pollfd set[CLIENTS + 2];

	for (;;) {
		u64 now;

		set[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
		set[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (u32 i = 0; i < CLIENTS; i++) {
			struct client *c = &clients[i];
			bool full = c->received_len == RECEIVE || c->ended;

			set[i + 2] = (struct pollfd){
				.fd = c->socket,
				.events = (short)((full ? 0 : POLLIN) |
						  (c->output_len ? POLLOUT : 0)),
			};
		}
		poll(set, CLIENTS + 2, 20);
		if (set[0].revents)
			return;
		now = rig_now_ns();
		for (u32 i = 0; i < CLIENTS; i++) {
			struct client *c = &clients[i];

			if (c->socket >= 0 &&
			    (!client_move(c, set[i + 2].revents) ||
			     !client_run(c, now) || !client_move(c, 0)))
				client_close(c);
		}
		if (set[1].revents)
			accept_client(listener, now);
	}
}

static int
open_listener(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&address, &len)) {
		perror("server_rig");
		exit(1);
	}
	printf("port %u\n", ntohs(address.sin_port));
	return listener;
}

int
main(int argc, char **argv)
{
	struct rig_options options = {
		.nodes = 3, .room = UINT64_MAX, .rate = UINT64_MAX,
		.has_majority = true, .has_record = true,
	};

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "nodes=", 6))
			options.nodes = (u32)strtoul(argv[i] + 6, NULL, 10);
		if (!strncmp(argv[i], "room=", 5))
			options.room = strtoull(argv[i] + 5, NULL, 10);
		if (!strncmp(argv[i], "rate=", 5))
			options.rate = strtoull(argv[i] + 5, NULL, 10);
		if (!strncmp(argv[i], "many=", 5))
			options.many = (u32)strtoul(argv[i] + 5, NULL, 10);
		options.has_majority &= strcmp(argv[i], "no-majority") != 0;
		options.has_record &= strcmp(argv[i], "no-record") != 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	rig_begin(&options);
	rig_fabric_begin(options.many);
	api_server_init(&server, &rig_host, NULL, (u64)time(NULL));
	for (u32 i = 0; i < CLIENTS; i++)
		clients[i].socket = -1;
	serve(open_listener());
	return 0;
}
