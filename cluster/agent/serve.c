// SPDX-License-Identifier: BSD-2-Clause
// The server's loop, a part of the agent's: it takes frames, runs the connections that
// have news, a deadline or an answer on the way, and sends.
//
// Invariants:
//  V1  a client is used from TCP_OPENED until it is let go; its TCP connection's user
//      pointer is it
//  V2  deadline_ns <= the deadline of every client

#include "cluster/agent/serve.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/options.h"
#include "cluster/agent/publish.h"
#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/mem/region.h"

#define MTU_MAX 1500u
#define GRANULE_PAGES 2u
#define STOCK_PAGES 32u
#define SLOTS_MAX 32u
#define NO_CLOCK_SECONDS 1700000000ull	// without any clock: November 2023

struct client {
	bool used;
	struct tcp_conn *tcp;
	struct api_session session;
};

// What lies in demand-zero memory: clients that never came cost nothing.
struct memory {
	struct api_server server;
	struct client client[SERVE_CLIENTS];
	u8 stack[] aligned_(16);
};

static struct memory *memory;
static struct serve_link link;
static struct region region;
static u16 region_slots[SLOTS_MAX];
static u64 deadline_ns;
static u64 second_ends_ns;
static u32 news_seen;
static struct net_own addresses[2];

static u64
unix_seconds(u64 now)
{
	u64 at_boot = agent_options.unix_at_boot;

	return (at_boot ? at_boot : NO_CLOCK_SECONDS) + now / NS_PER_SECOND;
}

// ---- clients

// The connection is let go, or gone.
static void
client_forget(struct client *c)
{
	ASSERT(c->used);
	http_dynamic_gone(&c->session.http);
	c->used = false;
}

// A free entry; when there is none, that of the client that has said nothing whole for
// longest makes room. NULL: all of them have asked for something.
static struct client *
client_entry(void)
{
	struct client *quiet = NULL;

	for (u32 i = 0; i < SERVE_CLIENTS; i++) {
		struct client *c = &memory->client[i];

		if (!c->used)
			return c;
		if (c->session.http.state <= HTTP_DYNAMIC_HEAD &&
		    (!quiet || c->session.http.state_deadline_ns <
			       quiet->session.http.state_deadline_ns))
			quiet = c;
	}
	if (!quiet)
		return NULL;
	tcp_abort(link.net, quiet->tcp);
	client_forget(quiet);
	return quiet;
}

static struct client *
client_new(struct tcp_conn *tcp, u64 now)
{
	struct client *c = client_entry();

	if (!c)
		return NULL;
	c->used = true;
	c->tcp = tcp;
	api_session_init(&c->session, &memory->server, now);
	tcp_set_user(tcp, c);
	return c;
}

enum progress {
	PROGRESS_NONE,
	PROGRESS_SENT,
	PROGRESS_OVER,
};

static enum progress
run_output(struct client *c, u64 now)
{
	struct http_dynamic *http = &c->session.http;
	enum progress progress = PROGRESS_NONE;
	struct http_output out;
	u32 sent, len;

	while (http_dynamic_output(http, now, &out)) {
		switch (out.kind) {
		case HTTP_OUTPUT_SEND:
			len = (u32)MIN(out.piece.len_bytes, (u64)TCP_COPY_SIZE);
			sent = tcp_send_copy(link.net, c->tcp, out.piece.bytes, len);
			http_dynamic_sent(http, now, sent);
			if (sent)
				progress = PROGRESS_SENT;
			if (sent < len)
				return progress;
			break;
		case HTTP_OUTPUT_SHUTDOWN:
			tcp_shutdown(link.net, c->tcp);
			break;
		case HTTP_OUTPUT_RELEASE:
			tcp_close(link.net, now, c->tcp);
			return PROGRESS_OVER;
		default:	// of what a dynamic connection says, ABORT
			ASSERT(out.kind == HTTP_OUTPUT_ABORT);
			tcp_abort(link.net, c->tcp);
			return PROGRESS_OVER;
		}
	}
	return progress;
}

static void
client_run(struct client *c, u64 now)
{
	struct http_dynamic *http = &c->session.http;
	enum progress progress;
	const u8 *bytes;
	bool ended;
	u32 len, used;

	c->session.now_ns = now;
	tcp_received(c->tcp, &bytes, &ended);
	if (ended)
		http_dynamic_input_end(http);
	http_dynamic_tick(http, now, tcp_unacked(c->tcp));
	do {
		api_session_poll(&c->session);
		len = tcp_received(c->tcp, &bytes, &ended);
		used = http_dynamic_input(http, now, bytes, len);
		ASSERT(used <= len);
		if (used)
			tcp_consume(link.net, c->tcp, used);
		progress = run_output(c, now);
		if (progress == PROGRESS_OVER) {
			client_forget(c);
			return;
		}
	} while (used || progress == PROGRESS_SENT);
	deadline_ns = MIN(deadline_ns, http_dynamic_deadline(http));
}

static void
take_news(u64 now)
{
	struct tcp_conn *tcp;
	u32 events;

	while ((tcp = tcp_next(link.net, &events))) {
		struct client *c = tcp_user(tcp);

		if (events & TCP_GONE) {
			if (c)
				client_forget(c);
			continue;
		}
		if (!c)
			c = client_new(tcp, now);
		if (c)
			client_run(c, now);
		else
			tcp_abort(link.net, tcp);
	}
}

// Clients whose time has come, and those that wait for what others do.
static void
run_due(u64 now)
{
	bool any_news = serve_news() != news_seen;
	bool due = now >= deadline_ns;

	if (!any_news && !due)
		return;
	news_seen = serve_news();
	deadline_ns = NEVER;
	for (u32 i = 0; i < SERVE_CLIENTS; i++) {
		struct client *c = &memory->client[i];
		u64 theirs;

		if (!c->used)
			continue;
		theirs = http_dynamic_deadline(&c->session.http);
		if (theirs <= now || (any_news && c->session.pending))
			client_run(c, now);
		else
			deadline_ns = MIN(deadline_ns, theirs);
	}
}

// ---- the loop

// The stack has the addresses that the node has, and the virtual one.
static void
follow_addresses(u64 now)
{
	const struct view *view = view_now();
	struct net_own own[2] = {
		{ view->member[view->self].address, false },
		{ view->virtual_address, false },
	};
	u32 count = own[0].address != 0;

	if (own[0].address == addresses[0].address &&
	    own[1].address == addresses[1].address)
		return;
	memcpy(addresses, own, sizeof(addresses));
	if (count && own[1].address && own[1].address != own[0].address)
		count = 2;
	net_set_addresses(link.net, now, own, count, view->mask, view->gateway);
}

static void
run(u64 now)
{
	serve_link_receive(&link, now);
	follow_addresses(now);
	net_tick(link.net, now);
	if (now >= second_ends_ns) {
		second_ends_ns = (now / NS_PER_SECOND + 1) * NS_PER_SECOND;
		http_dynamic_set_time(&memory->server.service, unix_seconds(now));
	}
	take_news(now);
	run_due(now);
	serve_link_send(&link, now);
}

static void
watch(struct wait_set *set)
{
	serve_link_watch(&link, set);
	wait_until(set, serve_news() != news_seen ? 0 : deadline_ns);
}

// ---- the start

static i64
open_memory(u64 stack_size)
{
	u64 size = sizeof(struct memory) + stack_size;
	i64 error;

	region = (struct region){
		.base = REGION_BASE,
		.pages = ALIGN_UP(size, GRANULE_PAGES * PAGE_SIZE) / PAGE_SIZE,
		.granule_pages = GRANULE_PAGES,
		.stock_pages = STOCK_PAGES,
		.slots = region_slots,
		.slots_max = SLOTS_MAX,
	};
	ASSERT(REGION_SLOTS(region.pages, STOCK_PAGES) <= SLOTS_MAX);
	error = region_open(&region);
	if (!error)
		memory = (struct memory *)region.base;
	return error;
}

static i64
open_stack(u64 now)
{
	struct net_config config = {
		.mode = NET_GUEST,
		.mtu = (u16)MIN((u32)sys_info()->nic_mtu, MTU_MAX),
		.checksum_offload = sys_info()->nic_checksum,
		.conn_max = SERVE_CLIENTS + SERVE_SPARE,
		.receive_size = SERVE_RECEIVE,
	};
	u64 size = net_memory_needed(&config);
	i64 error;

	for (u32 i = 0; i < sizeof(config.mac); i++)
		config.mac[i] = link.ring.control->mac[i];
	error = sys_entropy_read(config.secret, sizeof(config.secret));
	if (!error)
		error = sys_entropy_read(&config.seed, sizeof(config.seed));
	if (!error)
		error = open_memory(size);
	if (error)
		return error;
	link.net = net_init(memory->stack, size, &config, now);
	return link.net && tcp_listen(link.net, API_PORT_NUMBER) ? 0 : -E_STATE;
}

i64
serve_open(void)
{
	static const struct loop_part part = { .run = run, .watch = watch };
	u64 now = now_ns();
	i64 error = serve_link_open(&link);

	if (!error)
		error = open_stack(now);
	if (error)
		return error;
	api_server_init(&memory->server, &serve_host, NULL, unix_seconds(now));
	deadline_ns = NEVER;
	loop_add(&part);
	return 0;
}
