// SPDX-License-Identifier: BSD-2-Clause
// switch: the Ethernet switch on which DEOS's QEMU nodes hang.
//
// Arguments, signals and the main loop. A round of the loop waits for any
// descriptor or for the core's next deadline, reads each ready port once, and
// lets the switch settle after each batch of frames. One thread; nothing but
// the wait blocks. docs/switch.md is its manual.

#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/program/clock.h"
#include "harness/switch/control.h"
#include "harness/switch/host.h"
#include "harness/program/number.h"
#include "kernel/base/assert.h"

#define EXIT_USAGE 2

static const char usage_text[] =
"usage: switch --control PATH --port NAME=SOCKETPATH [--port ...]\n"
"              [--tap IFNAME | --slirp [--tftp DIR] [--bootfile NAME]]\n"
"              [--seed S]\n"
"\n"
"An Ethernet switch for QEMU nodes (-netdev stream,addr.type=unix), with\n"
"seeded faults. Prints 'switch: ready' when all its sockets listen; ends on\n"
"SIGTERM or the control command 'quit'.\n"
"\n"
"  --control PATH      the unix socket that takes commands (try: help)\n"
"  --port NAME=PATH    a port, and the unix socket its node connects to\n"
"  --tap IFNAME        uplink: this tap device\n"
"  --slirp             uplink: libslirp in this process, no privilege\n"
"  --tftp DIR          with --slirp: serve this folder by TFTP\n"
"  --bootfile NAME     with --slirp: what DHCP names as the boot file; may be\n"
"                      an http:// URL (this host is 10.0.2.2)\n"
"  --seed S            seed of all random draws (default 1)\n"
"  --help              this text\n";

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

printf_like(2, 3) noreturn_ static void
die(int status, const char *format, ...)
{
	va_list args;

	fputs("switch: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

static void
take_option(struct options *options, int option, char *value)
{
	switch (option) {
	case 'c':
		options->control = value;
		break;
	case 'p':
		if (options->port_count == CORE_PORTS_MAX)
			die(EXIT_USAGE, "more than %u --port", CORE_PORTS_MAX);
		options->ports[options->port_count++] = value;
		break;
	case 't':
		options->tap = value;
		break;
	case 's':
		options->slirp = true;
		break;
	case 'd':
		options->tftp = value;
		break;
	case 'b':
		options->bootfile = value;
		break;
	case 'S':
		if (!number_parse(value, UINT64_MAX, &options->seed))
			die(EXIT_USAGE, "--seed wants a whole number, not '%s'",
			    value);
		break;
	case 'h':
		fputs(usage_text, stdout);
		exit(EXIT_SUCCESS);
	default:
		die(EXIT_USAGE, "bad arguments; see switch --help");
	}
}

static void
check_options(const struct options *options)
{
	struct stat st;

	if (!options->control)
		die(EXIT_USAGE, "--control PATH is missing; see switch --help");
	if (options->port_count == 0)
		die(EXIT_USAGE, "there is no --port; see switch --help");
	if (options->tap && options->slirp)
		die(EXIT_USAGE, "--tap and --slirp exclude each other");
	if ((options->tftp || options->bootfile) && !options->slirp)
		die(EXIT_USAGE, "--tftp and --bootfile need --slirp");
	if (options->tftp &&
	    (stat(options->tftp, &st) < 0 || !S_ISDIR(st.st_mode)))
		die(EXIT_USAGE, "--tftp %s: no such directory", options->tftp);
}

static struct options
parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "port", required_argument, NULL, 'p' },
		{ "tap", required_argument, NULL, 't' },
		{ "slirp", no_argument, NULL, 's' },
		{ "tftp", required_argument, NULL, 'd' },
		{ "bootfile", required_argument, NULL, 'b' },
		{ "seed", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .seed = 1 };
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1)
		take_option(&options, option, optarg);
	if (optind < argc)
		die(EXIT_USAGE, "'%s' is one argument too many", argv[optind]);
	check_options(&options);
	return options;
}

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
	char error[HOST_ERROR_MAX];

	if (options->tap && host_open_tap(&host, options->tap, error) < 0)
		die(EXIT_FAILURE, "%s", error);
	if (options->slirp &&
	    host_open_slirp(&host, &slirp_options, error) < 0)
		die(EXIT_FAILURE, "%s", error);
}

// Opens the nodes' ports and then the control line. Sockets that were made
// before an error are removed again.
static void
open_sockets(const struct options *options)
{
	char error[HOST_ERROR_MAX];

	for (u32 i = 0; i < options->port_count; i++) {
		char *path = strchr(options->ports[i], '=');

		if (!path) {
			host_close(&host);
			die(EXIT_USAGE, "--port %s: not NAME=SOCKETPATH",
			    options->ports[i]);
		}
		*path++ = '\0';
		if (host_add_node(&host, options->ports[i], path, error) < 0) {
			host_close(&host);
			die(EXIT_FAILURE, "%s", error);
		}
	}
	if (control_open(&control, options->control, error, sizeof(error)) < 0) {
		host_close(&host);
		die(EXIT_FAILURE, "%s", error);
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
		die(EXIT_FAILURE, "signalfd: %s", strerror(errno));
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
		die(EXIT_FAILURE, "poll: %s", strerror(errno));
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
	struct options options = parse_options(argc, argv);
	int signals;

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
