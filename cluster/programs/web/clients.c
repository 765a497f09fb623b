// SPDX-License-Identifier: BSD-2-Clause
// Connections: each TCP connection has an HTTP state machine, which is run
// after each of its events (the order of libos/http/conn.h).
//
// Invariants:
//   L1  a client is on the list from TCP_OPENED until it is let go; its TCP
//       connection's user pointer is it
//   L2  next_deadline_ns <= the deadline of every client

#include "cluster/programs/web/web.h"
#include "kernel/base/assert.h"
#include "libos/mem/mem.h"

#define PIECE_MAX (1u << 30)	// of one tcp_send_lent()

struct client {
	struct http_conn http;
	struct tcp_conn *tcp;
	struct client *next, *previous;
};

static struct client *
client_new(struct clients *clients, struct tcp_conn *tcp, u64 now_ns)
{
	struct client *client = mem_alloc(sizeof(*client));

	if (!client)
		return NULL;
	client->tcp = tcp;
	client->previous = NULL;
	client->next = clients->first;
	if (client->next)
		client->next->previous = client;
	clients->first = client;
	clients->count++;
	http_conn_init(&client->http, clients->service, &http_limits_default,
		       now_ns);
	tcp_set_user(tcp, client);
	return client;
}

// Forgets a client whose TCP connection was let go.
static void
client_forget(struct clients *clients, struct client *client)
{
	ASSERT(clients->count > 0);
	if (client->next)
		client->next->previous = client->previous;
	if (client->previous)
		client->previous->next = client->next;
	else
		clients->first = client->next;
	clients->count--;
	mem_free(client);
}

// Gives a piece to TCP. Returns how many bytes it took.
static u64
send_piece(struct clients *clients, struct client *client,
	   const struct http_piece *piece)
{
	u32 len = (u32)MIN(piece->len_bytes, (u64)PIECE_MAX);

	if (!piece->lent)
		return tcp_send_copy(clients->net, client->tcp, piece->bytes,
				     len);
	return tcp_send_lent(clients->net, client->tcp, piece->bytes, len) ?
	       len : 0;
}

enum progress {
	PROGRESS_NONE,
	PROGRESS_SENT,
	PROGRESS_OVER,		// the client is gone
};

static enum progress
run_output(struct clients *clients, struct client *client, u64 now_ns)
{
	enum progress progress = PROGRESS_NONE;
	struct http_output out;

	while (http_conn_output(&client->http, now_ns, &out)) {
		u64 sent;

		switch (out.kind) {
		case HTTP_OUTPUT_SEND:
			sent = send_piece(clients, client, &out.piece);
			http_conn_sent(&client->http, now_ns, sent);
			if (sent)
				progress = PROGRESS_SENT;
			if (sent < out.piece.len_bytes)
				return progress;
			break;
		case HTTP_OUTPUT_FETCH:
		case HTTP_OUTPUT_PAGE:
			http_conn_failed(&client->http, now_ns);
			break;
		case HTTP_OUTPUT_SHUTDOWN:
			tcp_shutdown(clients->net, client->tcp);
			break;
		case HTTP_OUTPUT_RELEASE:
			tcp_close(clients->net, now_ns, client->tcp);
			return PROGRESS_OVER;
		case HTTP_OUTPUT_ABORT:
			tcp_abort(clients->net, client->tcp);
			return PROGRESS_OVER;
		}
	}
	return progress;
}

static void
client_run(struct clients *clients, struct client *client, u64 now_ns)
{
	enum progress progress;
	const u8 *bytes;
	bool ended;
	u32 len, used;

	tcp_received(client->tcp, &bytes, &ended);
	if (ended)
		http_conn_input_end(&client->http);
	http_conn_tick(&client->http, now_ns, tcp_unacked(client->tcp));
	do {
		len = tcp_received(client->tcp, &bytes, &ended);
		used = http_conn_input(&client->http, now_ns, bytes, len);
		ASSERT(used <= len);
		if (used)
			tcp_consume(clients->net, client->tcp, used);
		progress = run_output(clients, client, now_ns);
		if (progress == PROGRESS_OVER) {
			client_forget(clients, client);
			return;
		}
	} while (used || progress == PROGRESS_SENT);
	clients->next_deadline_ns = MIN(clients->next_deadline_ns,
					http_conn_deadline(&client->http));
}

void
clients_run(struct clients *clients, u64 now_ns)
{
	struct tcp_conn *tcp;
	u32 events;

	while ((tcp = tcp_next(clients->net, &events))) {
		struct client *client = tcp_user(tcp);

		if (events & TCP_GONE) {
			if (client)
				client_forget(clients, client);
			continue;
		}
		if (!client)
			client = client_new(clients, tcp, now_ns);
		if (client)
			client_run(clients, client, now_ns);
		else
			tcp_abort(clients->net, tcp);
	}
}

void
clients_tick(struct clients *clients, u64 now_ns)
{
	struct client *client, *next;

	if (now_ns < clients->next_deadline_ns)
		return;
	// Those that are due run; the others' deadlines make the next one.
	clients->next_deadline_ns = ~0ull;
	for (client = clients->first; client; client = next) {
		u64 deadline_ns = http_conn_deadline(&client->http);

		next = client->next;
		if (deadline_ns <= now_ns)
			client_run(clients, client, now_ns);
		else
			clients->next_deadline_ns =
				MIN(clients->next_deadline_ns, deadline_ns);
	}
}
