// SPDX-License-Identifier: BSD-2-Clause
// switch: the Ethernet switch on which DEOS's QEMU nodes hang.
//
// Arguments, signals and the main loop. A round of the loop waits for any
// descriptor or for the core's next deadline, reads each ready port once, and
// lets the switch settle after each batch of frames. One thread; nothing but
// the wait blocks. docs/switch.md is its manual.

#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/program/arguments.h"
#include "harness/program/clock.h"
#include "harness/switch/control.h"
#include "harness/switch/host.h"
#include "kernel/base/assert.h"

static const struct argp_option words[] = {
	{ "control", 'c', "PATH", 0, "the unix socket that takes commands (try: help)", 1 },
	{ "port", 'p', "NAME=PATH", 0,
	  "a port, and the unix socket its node connects to; as often as there are nodes", 1 },
	{ "tap", 't', "IFNAME", 0, "uplink: this tap device", 1 },
	{ "slirp", 's', NULL, 0, "uplink: libslirp in this process, no privilege", 1 },
	{ "tftp", 'd', "DIR", 0, "with --slirp: serve this folder by TFTP", 1 },
	{ "bootfile", 'b', "NAME", 0,
	  "with --slirp: what DHCP names as the boot file; may be an http:// URL (this host is "
	  "10.0.2.2)", 1 },
	{ "seed", 'S', "N", 0, "of all random draws, 1 if not said", 1 },
	{ 0 },
};

struct options {
	const char *control;
	const char *tap;
	bool slirp;
	const char *tftp;
	const char *bootfile;
	u64 seed;
	u32 port_count;
	char *ports[CORE_PORTS_MAX];
};

// All of the switch's memory but the frames.
static struct host host;
static struct control control;
static struct poll_set poll_fds;

static void
check_options(const struct argp_state *state)
{
	const struct options *options = state->input;
	struct stat st;

	if (!options->control)
		argp_error(state, "--control PATH is missing");
	if (options->port_count == 0)
		argp_error(state, "there is no --port");
	if (options->tap && options->slirp)
		argp_error(state, "--tap and --slirp exclude each other");
	if ((options->tftp || options->bootfile) && !options->slirp)
		argp_error(state, "--tftp and --bootfile need --slirp");
	if (options->tftp && (stat(options->tftp, &st) < 0 || !S_ISDIR(st.st_mode)))
		argp_error(state, "--tftp %s: no such directory", options->tftp);
}

static error_t
take(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'c':
		options->control = value;
		return 0;
	case 'p':
		if (options->port_count == CORE_PORTS_MAX)
			argp_error(state, "more than %u --port", CORE_PORTS_MAX);
		if (!strchr(value, '='))
			argp_error(state, "--port %s: not NAME=SOCKETPATH", value);
		options->ports[options->port_count++] = value;
		return 0;
	case 't':
		options->tap = value;
		return 0;
	case 's':
		options->slirp = true;
		return 0;
	case 'd':
		options->tftp = value;
		return 0;
	case 'b':
		options->bootfile = value;
		return 0;
	case 'S':
		options->seed = argument_number(state, value, 0, UINT64_MAX);
		return 0;
	case ARGP_KEY_END:
		check_options(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp command_line = {
	.options = words,
	.parser = take,
	.doc = "An Ethernet switch for QEMU nodes (-netdev stream,addr.type=unix), with seeded "
	       "faults. Prints 'switch: ready' when all its sockets listen; ends on SIGTERM or "
	       "the control command 'quit'.",
};

static void
settle(void *opaque, u64 now_ns)
{
	host_settle(opaque, now_ns);
}

static void
open_uplink(const struct options *options)
{
	struct slirp_options slirp_options = {
		.tftp_dir = options->tftp,
		.bootfile = options->bootfile,
		.settle = settle,
		.host = &host,
	};
	char why[HOST_ERROR_MAX];

	if (options->tap && host_open_tap(&host, options->tap, why) < 0)
		error(EXIT_FAILURE, 0, "%s", why);
	if (options->slirp && host_open_slirp(&host, &slirp_options, why) < 0)
		error(EXIT_FAILURE, 0, "%s", why);
}

// Opens the nodes' ports and then the control line. Sockets that were made
// before an error are removed again.
static void
open_sockets(const struct options *options)
{
	char why[HOST_ERROR_MAX];

	for (u32 i = 0; i < options->port_count; i++) {
		char *path = strchr(options->ports[i], '=');

		ASSERT(path);		// take() looked
		*path++ = '\0';
		if (host_add_node(&host, options->ports[i], path, why) < 0) {
			host_close(&host);
			error(EXIT_FAILURE, 0, "%s", why);
		}
	}
	if (control_open(&control, options->control, why, sizeof(why)) < 0) {
		host_close(&host);
		error(EXIT_FAILURE, 0, "%s", why);
	}
}

// Signals that end the switch arrive on a descriptor, between two rounds.
static int
open_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN); // libslirp writes to sockets of its own
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		error(EXIT_FAILURE, errno, "signalfd");
	return fd;
}

// Each of a guest's connections through libslirp takes a descriptor.
static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	prctl(PR_SET_TIMERSLACK, 1ul); // so that delays are exact
}

// Builds the round's set. Returns the time by which the wait must end.
static u64
collect(u64 now_ns)
{
	u64 deadline_ns = core_deadline(&host.core);

	control_poll_add(&control, &poll_fds);
	for (u32 i = 0; i < host.node_count; i++)
		node_poll_add(&host.nodes[i], &poll_fds);
	if (host.uplink == UPLINK_TAP)
		tap_poll_add(&host.tap, &poll_fds);
	if (host.uplink == UPLINK_SLIRP)
		slirp_uplink_poll_add(&host.slirp, &poll_fds, now_ns,
				      &deadline_ns);
	return deadline_ns;
}

static void
wait_until(u64 deadline_ns, u64 now_ns)
{
	struct timespec timeout = { 0 };

	if (deadline_ns > now_ns) {
		u64 left_ns = deadline_ns - now_ns;

		pcap_flush(&host.pcap);
		timeout.tv_sec = (time_t)(left_ns / NS_PER_SECOND);
		timeout.tv_nsec = (long)(left_ns % NS_PER_SECOND);
	}
	if (ppoll(poll_fds.fds, poll_fds.count,
		  deadline_ns == CORE_NEVER ? NULL : &timeout, NULL) < 0 &&
	    errno != EINTR)
		error(EXIT_FAILURE, errno, "poll");
}

static void
serve_uplink(u64 now_ns)
{
	if (host.uplink == UPLINK_SLIRP)
		slirp_uplink_poll_done(&host.slirp, now_ns);
	if (host.uplink == UPLINK_TAP &&
	    tap_poll_done(&host.tap, &poll_fds))
		tap_input(&host.tap, &host.core, now_ns);
	host_settle(&host, now_ns);
}

static void
serve_node(struct node *node, u64 now_ns)
{
	bool more = node_poll_done(node, &host.core, &poll_fds);

	while (more) {
		more = node_input(node, &host.core, now_ns);
		host_settle(&host, now_ns);
	}
	if (!node->blocked)
		node_flush(node, &host.core);
}

static void
run(int signals)
{
	u32 node_count;
	int signal_index;
	u64 now_ns;

	while (!host.quit) {
		now_ns = clock_now_ns();
		poll_fds.count = 0;
		signal_index = poll_set_add(&poll_fds, signals, POLLIN);
		wait_until(collect(now_ns), now_ns);
		now_ns = clock_now_ns();
		if (poll_set_events(&poll_fds, signal_index))
			return;
		// Nodes that a command adds now are not in this round's set.
		node_count = host.node_count;
		control_poll_done(&control, &host, &poll_fds, now_ns);
		for (u32 i = 0; i < node_count; i++)
			serve_node(&host.nodes[i], now_ns);
		serve_uplink(now_ns);
	}
}

int
main(int argc, char **argv)
{
	struct options options = { .seed = 1 };
	int signals;

	arguments_read(&command_line, argc, argv, &options);
	raise_limits();
	signals = open_signals();
	host.start_ns = clock_now_ns();
	core_init(&host.core, options.seed);
	pcap_init(&host.pcap);
	open_uplink(&options);
	open_sockets(&options);
	puts("switch: ready");
	fflush(stdout);
	run(signals);
	control_close(&control);
	host_close(&host);
	return EXIT_SUCCESS;
}
