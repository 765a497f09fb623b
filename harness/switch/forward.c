// SPDX-License-Identifier: BSD-2-Clause
// forward: carries TCP connections from one network namespace into another.
//
//   client --- [listener, here] forward [connects, in --netns] --- server
//
// The listening sockets are made where the program starts; then it enters the
// namespace, and every connection it makes from there on begins inside. So
// http://127.0.0.1:8080/ reaches a node behind the tap uplink while the host's
// own network stays as it is: no route, no address, no packet filter.
//
// Each connection has a buffer for each direction and nothing else; a side
// that does not read stops its peer and nobody else. What one side does, the
// other sees: data, the end of data (half-close), and resets.
//
// Invariants:
//   W1  at most CONNECTIONS_MAX connections; further clients wait unaccepted.
//   W2  a flow's bytes are buffer[start, end).
//   W3  readable and writable of a side are what epoll last said, minus what a
//       call that would have blocked took back (edge-triggered).
// One thread.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/program/arguments.h"
#include "harness/program/number.h"
#include "kernel/base/assert.h"

#define CONNECTIONS_MAX 1024u
#define LISTENERS_MAX 64u
#define FLOW_BUFFER (64u * 1024)
#define BACKLOG 1024
#define EVENTS_MAX 256
#define ACCEPTS_MAX 64
// Turns that one event may take before the others have theirs: 1 MiB.
#define TURNS_MAX 16
// A peer that vanished (a node that was killed) is given up after five minutes;
// a node that is only paused for a while keeps its connections.
#define SILENCE_MS 300000
#define KEEPALIVE_IDLE_S 120
#define KEEPALIVE_INTERVAL_S 30
#define KEEPALIVE_COUNT 6
// Descriptors beside those of connections.
#define DESCRIPTORS_OTHER (LISTENERS_MAX + 16)

static const struct argp_option words[] = {
	{ "listen", 'l', "IP:PORT", 0, "where clients come, in the namespace of its start", 1 },
	{ "to", 't', "IP:PORT", 0, "where those of the --listen before are carried to", 1 },
	{ "netns", 'n', "NAME|PATH", 0,
	  "connects from inside this network namespace: a name under /run/netns, or a path such "
	  "as /proc/PID/ns/net", 1 },
	{ "ready", 'r', "LINE", OPTION_ARG_OPTIONAL,
	  "what it prints when it listens, 'forward: ready' if not said", 1 },
	{ 0 },
};

// One of a connection's two sockets.
struct side {
	struct connection *connection;
	int fd;
	bool readable;
	bool writable;
	bool ended; // it sent its end of data
	bool shut;  // we sent it the other's end of data
};

// The bytes on their way from one side to the other.
struct flow {
	u32 start;
	u32 end;
	u8 buffer[FLOW_BUFFER];
};

struct connection {
	struct connection *next; // on the free list, or on the ready list
	bool in_use;
	bool is_ready; // on the ready list
	struct side sides[2]; // client, server
	struct flow flows[2]; // from the client, from the server
};

struct listener {
	int fd;
	bool waiting; // clients may be waiting to be accepted
	struct sockaddr_in here;
	struct sockaddr_in there;
};

struct options {
	u32 listen_count;
	u32 to_count;
	const char *netns;
	const char *ready;
};

static struct listener listeners[LISTENERS_MAX];
static u32 listener_count;
static struct connection connections[CONNECTIONS_MAX];
static struct connection *free_list;
static struct connection *ready_list; // have more to do in this turn
static int epoll;

static struct sockaddr_in
take_endpoint(const struct argp_state *state, const char *option, const char *s)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	u32 ip = 0;
	u16 port = 0;

	if (!number_parse_endpoint(s, &ip, &port))
		argp_error(state, "%s %s: not IP:PORT", option, s);
	address.sin_addr.s_addr = htonl(ip);
	address.sin_port = htons(port);
	return address;
}

static error_t
take(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'l':
		if (options->listen_count == LISTENERS_MAX)
			argp_error(state, "more than %u --listen", LISTENERS_MAX);
		listeners[options->listen_count++].here =
			take_endpoint(state, "--listen", value);
		return 0;
	case 't':
		if (options->to_count == LISTENERS_MAX)
			argp_error(state, "more than %u --to", LISTENERS_MAX);
		listeners[options->to_count++].there = take_endpoint(state, "--to", value);
		return 0;
	case 'n':
		options->netns = value;
		return 0;
	case 'r':
		if (value)
			options->ready = value;
		return 0;
	case ARGP_KEY_END:
		if (options->listen_count == 0 || options->listen_count != options->to_count)
			argp_error(state, "every --listen wants its --to");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp command_line = {
	.options = words,
	.parser = take,
	.doc = "Carries TCP connections. Ends on SIGTERM.",
};

static void
watch(int fd, u32 events, void *what)
{
	struct epoll_event event = { .events = events, .data.ptr = what };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		error(EXIT_FAILURE, errno, "epoll");
}

static void
open_listener(struct listener *listener)
{
	int on = 1;

	listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK |
			      SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		error(EXIT_FAILURE, errno, "socket");
	setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener->fd, (const struct sockaddr *)&listener->here,
		 sizeof(listener->here)) < 0 ||
	    listen(listener->fd, BACKLOG) < 0)
		error(EXIT_FAILURE, errno, "cannot listen on %s:%u",
		      inet_ntoa(listener->here.sin_addr), ntohs(listener->here.sin_port));
	watch(listener->fd, EPOLLIN | EPOLLET, listener);
}

static void
enter_namespace(const char *name)
{
	char path[512];
	int fd;

	if (strchr(name, '/'))
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		error(EXIT_FAILURE, errno, "no network namespace '%s': %s", name, path);
	if (setns(fd, CLONE_NEWNET) < 0)
		error(EXIT_FAILURE, errno, "cannot enter network namespace '%s'", name);
	close(fd);
}

// As many slots as there may be descriptors for, CONNECTIONS_MAX at most.
static void
prepare_connections(void)
{
	struct rlimit limit = { 0 };
	u64 count = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > DESCRIPTORS_OTHER)
		count = (limit.rlim_cur - DESCRIPTORS_OTHER) / 2;
	count = MIN(count, CONNECTIONS_MAX);
	if (count == 0)
		error(EXIT_FAILURE, 0, "only %llu open files are allowed (ulimit -n)",
		      (unsigned long long)limit.rlim_cur);
	for (u64 i = count; i-- > 0;) {
		connections[i].next = free_list;
		free_list = &connections[i];
	}
}

static void
set_tcp_option(int fd, int option, int value)
{
	setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value));
}

// Data goes on at once, and a peer that is gone for good is noticed.
static void
tune(int fd)
{
	int on = 1;

	set_tcp_option(fd, TCP_NODELAY, 1);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	set_tcp_option(fd, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_tcp_option(fd, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_tcp_option(fd, TCP_KEEPCNT, KEEPALIVE_COUNT);
}

// Closes a socket so that its peer gets a reset.
static void
close_with_reset(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

// Closes both sides. serve_ready() gives the slot back.
static void
end_connection(struct connection *c, bool reset)
{
	ASSERT(c->in_use);
	for (int i = 0; i < 2; i++) {
		if (reset)
			close_with_reset(c->sides[i].fd);
		else
			close(c->sides[i].fd);
	}
	c->in_use = false;
}

static bool
flow_is_empty(const struct flow *flow)
{
	ASSERT(flow->start <= flow->end && flow->end <= FLOW_BUFFER); // W2
	return flow->start == flow->end;
}

// Reads what `from` has into an empty flow. Returns false on a reset.
static bool
flow_fill(struct flow *flow, struct side *from)
{
	ssize_t got;

	if (!flow_is_empty(flow) || !from->readable || from->ended)
		return true;
	got = recv(from->fd, flow->buffer, FLOW_BUFFER, 0);
	if (got < 0) {
		from->readable = false;
		return errno == EAGAIN || errno == EINTR;
	}
	from->ended = got == 0;
	flow->start = 0;
	flow->end = (u32)got;
	return true;
}

// Writes what the flow has to `to`. Returns false when `to` will have no more.
static bool
flow_drain(struct flow *flow, struct side *to)
{
	ssize_t sent;

	if (flow_is_empty(flow) || !to->writable)
		return true;
	sent = send(to->fd, flow->buffer + flow->start,
		    flow->end - flow->start, MSG_NOSIGNAL);
	if (sent < 0) {
		to->writable = false;
		return errno == EAGAIN || errno == EINTR;
	}
	flow->start += (u32)sent;
	return true;
}

// One turn of one direction. Returns false on a reset.
static bool
flow_turn(struct flow *flow, struct side *from, struct side *to)
{
	if (!flow_fill(flow, from) || !flow_drain(flow, to))
		return false;
	if (from->ended && flow_is_empty(flow) && to->writable && !to->shut) {
		shutdown(to->fd, SHUT_WR);
		to->shut = true;
	}
	return true;
}

// True when another turn would move something.
static bool
flow_can_move(const struct flow *flow, const struct side *from,
	      const struct side *to)
{
	if (flow_is_empty(flow))
		return from->readable && !from->ended;
	return to->writable;
}

static void
make_ready(struct connection *c)
{
	if (c->is_ready)
		return;
	c->is_ready = true;
	c->next = ready_list;
	ready_list = c;
}

// Moves what can be moved, up to TURNS_MAX. Returns true when there is more.
static bool
serve(struct connection *c)
{
	struct side *client = &c->sides[0];
	struct side *server = &c->sides[1];

	for (int i = 0; i < TURNS_MAX; i++) {
		if (!flow_turn(&c->flows[0], client, server) ||
		    !flow_turn(&c->flows[1], server, client)) {
			end_connection(c, true);
			return false;
		}
		if (client->shut && server->shut) {
			end_connection(c, false);
			return false;
		}
		if (!flow_can_move(&c->flows[0], client, server) &&
		    !flow_can_move(&c->flows[1], server, client))
			return false;
	}
	return true;
}

static void
start_side(struct side *side, struct connection *c, int fd)
{
	side->connection = c;
	side->fd = fd;
	side->readable = false;
	side->writable = false;
	side->ended = false;
	side->shut = false;
	watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, side);
}

// Connects a client that was accepted to its server.
static void
start_connection(const struct listener *listener, int client)
{
	struct connection *c = free_list;
	int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK |
			    SOCK_CLOEXEC, 0);

	ASSERT(c && !c->in_use);
	if (server < 0) {
		close_with_reset(client);
		return;
	}
	tune(client);
	tune(server);
	// Not for the client: Linux counts a full window as silence, and a
	// client may pause a download as long as it likes.
	set_tcp_option(server, TCP_USER_TIMEOUT, SILENCE_MS);
	if (connect(server, (const struct sockaddr *)&listener->there,
		    sizeof(listener->there)) < 0 && errno != EINPROGRESS) {
		close(server);
		close_with_reset(client);
		return;
	}
	free_list = c->next;
	c->next = NULL;
	c->in_use = true;
	c->is_ready = false;
	for (int i = 0; i < 2; i++) {
		c->flows[i].start = 0;
		c->flows[i].end = 0;
	}
	start_side(&c->sides[0], c, client);
	start_side(&c->sides[1], c, server);
}

// Accepts while there are slots (W1).
static void
accept_clients(struct listener *listener)
{
	for (int i = 0; i < ACCEPTS_MAX && listener->waiting && free_list; i++) {
		int client = accept4(listener->fd, NULL, NULL,
				     SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0)
			start_connection(listener, client);
		else if (errno != ECONNABORTED && errno != EINTR)
			listener->waiting = false; // until the next one comes
	}
}

// The events of one side of a connection.
static void
take_side_events(struct side *side, u32 events)
{
	struct connection *c = side->connection;

	if (!c->in_use)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		side->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		side->writable = true;
	make_ready(c);
}

static bool
is_listener(const void *what)
{
	const u8 *at = what;

	return at >= (const u8 *)listeners &&
	       at < (const u8 *)(listeners + LISTENERS_MAX);
}

// Gives each ready connection its turns, then frees those that ended.
static void
serve_ready(void)
{
	struct connection *c = ready_list;

	ready_list = NULL;
	while (c) {
		struct connection *next = c->next;
		bool more = c->in_use && serve(c);

		c->is_ready = false;
		if (more) {
			make_ready(c);
		} else if (!c->in_use) {
			c->next = free_list;
			free_list = c;
		}
		c = next;
	}
}

static bool
clients_wait(void)
{
	for (u32 i = 0; i < listener_count; i++)
		if (listeners[i].waiting)
			return free_list != NULL;
	return false;
}

// Takes one round of events. Returns false when it is time to end.
static bool
take_events(int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(epoll, events, EVENTS_MAX, timeout_ms);

	if (count < 0 && errno != EINTR)
		error(EXIT_FAILURE, errno, "epoll");
	for (int i = 0; i < count; i++) {
		void *what = events[i].data.ptr;

		if (!what)
			return false; // a signal
		if (is_listener(what))
			((struct listener *)what)->waiting = true;
		else
			take_side_events(what, events[i].events);
	}
	return true;
}

static void
run(void)
{
	bool more = false;

	while (take_events(more ? 0 : -1)) {
		serve_ready();
		for (u32 i = 0; i < listener_count; i++)
			accept_clients(&listeners[i]);
		more = ready_list || clients_wait();
	}
}

static void
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	watch(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), EPOLLIN, NULL);
}

int
main(int argc, char **argv)
{
	struct options options = { .ready = "forward: ready" };

	arguments_read(&command_line, argc, argv, &options);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		error(EXIT_FAILURE, errno, "epoll");
	prepare_connections();
	open_signals();
	listener_count = options.listen_count;
	for (u32 i = 0; i < listener_count; i++)
		open_listener(&listeners[i]);
	if (options.netns)
		enter_namespace(options.netns);
	puts(options.ready);
	fflush(stdout);
	run();
	return EXIT_SUCCESS;
}
