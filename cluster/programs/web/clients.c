// SPDX-License-Identifier: BSD-2-Clause
// Connections: each TCP connection has an HTTP state machine, which is run
// after each of its events (the order of libos/http/conn.h).
//
// Invariants:
//   L1  a client is on the list from TCP_OPENED until it is let go; its TCP
//       connection's user pointer is it
//   L2  next_deadline_ns <= the deadline of every client
//   L3  A block of the cache that a client was lent is pinned until the peer has
//       acknowledged its last byte, or the client is gone; lends are in order of
//       those bytes

#include "cluster/programs/web/web.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/mem/mem.h"

#define PIECE_MAX (1u << 30)	// of one tcp_send_lent()

#define LENDS_MAX 32u		// blocks of one connection at a time: 128 KiB
#define NOT_SENT (~0ull)

// A block that TCP sends from. `end` counts bytes of the connection.
struct lend {
	u64 end;
	u32 block;
};

struct client {
	struct content_wait wait;	// first: clients_wake() finds it by that
	struct http_conn http;
	struct tcp_conn *tcp;
	struct client *next, *previous;
	struct lend lend[LENDS_MAX];
	u32 lend_first, lend_count;
	char *page;			// a copy of the page's text, while it is sent
	u32 page_len;
	bool wants_page;		// waits for it...
	u32 page_round;			// ...out of this round or a later one
};

STATIC_ASSERT(__builtin_offsetof(struct client, wait) == 0);

static struct client *
client_new(struct clients *clients, struct tcp_conn *tcp, u64 now_ns)
{
	struct client *client = mem_alloc(sizeof(*client));

	if (!client)
		return NULL;
	client->wait = (struct content_wait){ 0 };
	client->lend_first = client->lend_count = 0;
	client->page = NULL;
	client->wants_page = false;
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

// Gives back the blocks whose bytes before `acked` are all that was sent of them.
static void
release(struct clients *clients, struct client *client, u64 acked)
{
	while (client->lend_count) {
		const struct lend *lend = &client->lend[client->lend_first];

		if (lend->end > acked)
			return;
		content_unpin(&clients->job->content, lend->block);
		client->lend_first = (client->lend_first + 1) % LENDS_MAX;
		client->lend_count--;
	}
}

static struct lend *
last_lend(struct client *client)
{
	return &client->lend[(client->lend_first + client->lend_count - 1) %
			     LENDS_MAX];
}

// Forgets a client whose TCP connection was let go.
static void
client_forget(struct clients *clients, struct client *client)
{
	ASSERT(clients->count > 0);
	if (clients->job) {
		content_forget(&clients->job->content, &client->wait);
		release(clients, client, NOT_SENT);
	}
	if (client->next)
		client->next->previous = client->previous;
	if (client->previous)
		client->previous->next = client->next;
	else
		clients->first = client->next;
	clients->count--;
	mem_free(client->page);
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

// Brings the beginning of what a response needs. False: it has to wait.
static bool
bring(struct clients *clients, struct client *client,
      const struct http_fetch *fetch, u64 now_ns)
{
	struct content *content = &clients->job->content;
	u64 offset = fetch->offset % STORE_BLOCK;
	struct content_object object;
	u32 block;

	if (client->wait.list || client->lend_count == LENDS_MAX)
		return false;
	sites_object(clients->job, http_conn_catalog(&client->http), fetch->file,
		     &object);
	switch (content_get(content, &object, fetch->offset / STORE_BLOCK,
			    &client->wait, &block)) {
	case CONTENT_LATER:
		return false;
	case CONTENT_FAILED:
		http_conn_failed(&client->http, now_ns, HTTP_INTERNAL_ERROR);
		return true;
	case CONTENT_HERE:
		break;
	}
	client->lend_count++;
	*last_lend(client) = (struct lend){ NOT_SENT, block };
	http_conn_fetched(&client->http, content_bytes(content, block) + offset,
			  MIN(fetch->len_bytes, STORE_BLOCK - offset), true);
	return true;
}

// Gives the page that came for the client, or asks for it. False: it has to wait.
static bool
bring_page(struct clients *clients, struct client *client, u64 now_ns)
{
	if (client->page_len) {
		http_conn_page(&client->http, client->page, client->page_len);
		client->page_len = 0;
		return true;
	}
	if (!client->wants_page)
		client->page_round = counters_want(clients->counters, now_ns);
	client->wants_page = true;
	return false;
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
			if (sent && out.piece.lent && client->lend_count)
				last_lend(client)->end = client->http.pace.sent_bytes;
			if (sent)
				progress = PROGRESS_SENT;
			if (sent < out.piece.len_bytes)
				return progress;
			break;
		case HTTP_OUTPUT_FETCH:
			if (!bring(clients, client, &out.fetch, now_ns))
				return progress;
			break;
		case HTTP_OUTPUT_PAGE:
			if (!bring_page(clients, client, now_ns))
				return progress;
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
	u32 requests = client->http.requests;
	enum progress progress;
	const u8 *bytes;
	bool ended;
	u32 len, used;
	u64 unacked = tcp_unacked(client->tcp);

	if (client->lend_count)
		release(clients, client, client->http.pace.sent_bytes -
					 MIN(unacked, client->http.pace.sent_bytes));
	tcp_received(client->tcp, &bytes, &ended);
	if (ended)
		http_conn_input_end(&client->http);
	http_conn_tick(&client->http, now_ns, unacked);
	do {
		len = tcp_received(client->tcp, &bytes, &ended);
		used = http_conn_input(&client->http, now_ns, bytes, len);
		ASSERT(used <= len);
		if (used)
			tcp_consume(clients->net, client->tcp, used);
		progress = run_output(clients, client, now_ns);
		clients->requests += client->http.requests - requests;
		requests = client->http.requests;
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

void
clients_wake(struct clients *clients, u64 now_ns)
{
	struct job *job = clients->job;
	struct content_wait *wait;

	while ((wait = content_ready(&job->content))) {
		// The manifest's wait is looked at by sites_run().
		if (!job->loading || wait != &job->loading->wait)
			client_run(clients, (struct client *)wait, now_ns);
	}
}

void
clients_give_page(struct clients *clients, u32 round, const char *text, u32 len,
		  u64 now_ns)
{
	struct client *client, *next;

	for (client = clients->first; client; client = next) {
		next = client->next;
		if (!client->wants_page || (i32)(client->page_round - round) > 0)
			continue;
		client->wants_page = false;
		mem_free(client->page);
		client->page = text ? mem_alloc(len) : NULL;
		client->page_len = client->page ? len : 0;
		if (client->page)
			memcpy(client->page, text, len);
		else
			http_conn_failed(&client->http, now_ns, HTTP_UNAVAILABLE);
		client_run(clients, client, now_ns);
	}
}

static bool
is_needed(const struct clients *clients, const struct version *v)
{
	const struct client *client = clients->first;

	while (client && http_conn_catalog(&client->http) != &v->catalog)
		client = client->next;
	return client;
}

// Ends the connections whose responses are of a version.
static void
end_users(struct clients *clients, const struct version *v)
{
	struct client *client, *next;

	for (client = clients->first; client; client = next) {
		next = client->next;
		if (http_conn_catalog(&client->http) != &v->catalog)
			continue;
		tcp_abort(clients->net, client->tcp);
		client_forget(clients, client);
	}
}

void
clients_retire(struct clients *clients)
{
	struct job *job = clients->job;
	struct version *oldest = NULL;
	u32 used = 0;

	for (u32 i = 0; i < VERSIONS_MAX; i++) {
		struct version *v = &job->version[i];

		used += v->generation != 0;
		if (!v->is_open || v == job->current)
			continue;
		if (!is_needed(clients, v)) {
			sites_free(v);
			used--;
		} else if (!oldest || v->generation < oldest->generation) {
			oldest = v;
		}
	}
	// A deployment waits for a place: who is that slow has to ask again.
	if (used < VERSIONS_MAX || !oldest || !job->current ||
	    job->current->generation == job->view.site.generation)
		return;
	end_users(clients, oldest);
	sites_free(oldest);
}
