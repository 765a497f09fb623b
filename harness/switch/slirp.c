// SPDX-License-Identifier: BSD-2-Clause
// The uplink through libslirp: see slirp.h.
//
// libslirp is a library of callbacks: it hands frames over while it serves its
// sockets or while a frame is handed to it. Those go straight into the core's
// queues. Because one round may produce thousands, the switch settles (writes
// out) after each batch; `inside` keeps that from entering libslirp again.

#define _GNU_SOURCE
#include "harness/switch/slirp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <string.h>

#include "harness/program/clock.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"

#define CONFIG_VERSION 4
#define NETWORK 0x0a000200u  // 10.0.2.0
#define NETMASK 0xffffff00u
#define ROUTER (NETWORK + 2)
#define NAME_SERVER (NETWORK + 3) // required to differ; disabled below
#define FIRST_LEASE (NETWORK + 15)
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IPV6 0x86dd
#define BOOTFILE_MAX 127 // BOOTP's field, without the terminator

static struct in_addr
in_addr_of(u32 ip)
{
	struct in_addr address = { .s_addr = htonl(ip) };

	return address;
}

// A frame from the router to the nodes. What cannot be taken is lost, and
// libslirp's TCP sends it again.
static ssize_t
on_send_packet(const void *bytes, size_t len, void *opaque)
{
	struct slirp_uplink *uplink = opaque;
	struct frame *frame;

	ASSERT(uplink->inside);
	if (len > FRAME_LEN_MAX)
		return (ssize_t)len;
	frame = core_frame(uplink->core, uplink->port);
	if (!frame)
		return (ssize_t)len;
	memcpy(frame->data, bytes, len);
	frame->len = (u32)len;
	core_input(uplink->core, uplink->port, frame, uplink->now_ns);
	if (++uplink->since_settle >= CORE_BATCH) {
		uplink->since_settle = 0;
		uplink->settle(uplink->host, uplink->now_ns);
	}
	return (ssize_t)len;
}

// A guest's misbehaviour is expected here: it is what tests are made of.
static void
on_guest_error(const char *message, void *opaque)
{
	(void)message;
	(void)opaque;
}

static int64_t
on_clock(void *opaque)
{
	(void)opaque;
	return (int64_t)clock_now_ns();
}

static void *
on_timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
	struct slirp_uplink *uplink = opaque;

	for (u32 i = 0; i < SLIRP_TIMERS_MAX; i++) {
		struct slirp_timer *timer = &uplink->timers[i];

		if (timer->used)
			continue;
		timer->used = true;
		timer->armed = false;
		timer->id = (int)id;
		timer->opaque = timer_opaque;
		return timer;
	}
	ASSERT(!"libslirp has more timers than SLIRP_TIMERS_MAX");
	return NULL;
}

static void
on_timer_free(void *timer, void *opaque)
{
	(void)opaque;
	((struct slirp_timer *)timer)->used = false;
	((struct slirp_timer *)timer)->armed = false;
}

static void
on_timer_mod(void *at, int64_t expire_ms, void *opaque)
{
	struct slirp_timer *timer = at;

	(void)opaque;
	ASSERT(timer->used);
	timer->armed = true;
	timer->due_ns = (u64)expire_ms * NS_PER_MS;
}

// The set is built anew in each round: there is nothing to register.
static void
on_poll_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

// One thread: nothing sleeps while libslirp runs.
static void
on_notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = on_send_packet,
	.guest_error = on_guest_error,
	.clock_get_ns = on_clock,
	.timer_new_opaque = on_timer_new,
	.timer_free = on_timer_free,
	.timer_mod = on_timer_mod,
	.register_poll_fd = on_poll_fd,
	.unregister_poll_fd = on_poll_fd,
	.notify = on_notify,
};

static SlirpConfig
config_of(const struct slirp_options *options)
{
	SlirpConfig config = {
		.version = CONFIG_VERSION,
		.in_enabled = true,
		.vnetwork = in_addr_of(NETWORK),
		.vnetmask = in_addr_of(NETMASK),
		.vhost = in_addr_of(ROUTER),
		.vnameserver = in_addr_of(NAME_SERVER),
		.vdhcp_start = in_addr_of(FIRST_LEASE),
		.in6_enabled = true,
		.vprefix_len = 64,
		.vhostname = "deos",
		.tftp_path = options->tftp_dir,
		.bootfile = options->bootfile,
		.disable_dns = true,
	};

	inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &config.vhost6);
	inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
	return config;
}

int
slirp_uplink_open(struct slirp_uplink *uplink, struct core *core, u32 port,
		  const struct slirp_options *options, char *error,
		  size_t error_size)
{
	SlirpConfig config = config_of(options);

	if (options->bootfile && strlen(options->bootfile) > BOOTFILE_MAX) {
		snprintf(error, error_size,
			 "the bootfile's name is longer than %d bytes",
			 BOOTFILE_MAX);
		return -1;
	}
	uplink->core = core;
	uplink->port = port;
	uplink->settle = options->settle;
	uplink->host = options->host;
	uplink->now_ns = clock_now_ns();
	uplink->inside = true;
	uplink->slirp = slirp_new(&config, &callbacks, uplink);
	uplink->inside = false;
	if (!uplink->slirp) {
		snprintf(error, error_size, "libslirp %s does not start",
			 slirp_version_string());
		return -1;
	}
	return 0;
}

void
slirp_uplink_close(struct slirp_uplink *uplink)
{
	slirp_cleanup(uplink->slirp);
	uplink->slirp = NULL;
}

static int
on_add_poll(int fd, int events, void *opaque)
{
	struct slirp_uplink *uplink = opaque;
	short wanted = 0;

	if (events & SLIRP_POLL_IN)
		wanted |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		wanted |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		wanted |= POLLPRI;
	return poll_set_add(uplink->set, fd, wanted);
}

static int
on_get_events(int index, void *opaque)
{
	struct slirp_uplink *uplink = opaque;
	short events = poll_set_events(uplink->set, index);
	int result = 0;

	if (events & POLLIN)
		result |= SLIRP_POLL_IN;
	if (events & POLLOUT)
		result |= SLIRP_POLL_OUT;
	if (events & POLLPRI)
		result |= SLIRP_POLL_PRI;
	if (events & (POLLERR | POLLNVAL))
		result |= SLIRP_POLL_ERR;
	if (events & POLLHUP)
		result |= SLIRP_POLL_HUP;
	return result;
}

void
slirp_uplink_poll_add(struct slirp_uplink *uplink, struct poll_set *set,
		      u64 now_ns, u64 *deadline_ns)
{
	u32 timeout_ms = UINT32_MAX;

	uplink->set = set;
	slirp_pollfds_fill(uplink->slirp, &timeout_ms, on_add_poll, uplink);
	if (timeout_ms != UINT32_MAX)
		*deadline_ns = MIN(*deadline_ns,
				   now_ns + timeout_ms * NS_PER_MS);
	for (u32 i = 0; i < SLIRP_TIMERS_MAX; i++)
		if (uplink->timers[i].armed)
			*deadline_ns = MIN(*deadline_ns,
					   uplink->timers[i].due_ns);
}

void
slirp_uplink_poll_done(struct slirp_uplink *uplink, u64 now_ns)
{
	ASSERT(!uplink->inside && uplink->set);
	uplink->now_ns = now_ns;
	uplink->inside = true;
	for (u32 i = 0; i < SLIRP_TIMERS_MAX; i++) {
		struct slirp_timer *timer = &uplink->timers[i];

		if (!timer->armed || timer->due_ns > now_ns)
			continue;
		timer->armed = false;
		slirp_handle_timer(uplink->slirp, (SlirpTimerId)timer->id,
				   timer->opaque);
	}
	slirp_pollfds_poll(uplink->slirp, 0, on_get_events, uplink);
	uplink->inside = false;
}

static bool
is_for_slirp(const struct frame *frame)
{
	u16 type = be16_load(frame->data + 12);

	ASSERT(frame->len >= FRAME_LEN_MIN);
	return frame->len <= SLIRP_FRAME_MAX &&
	       (type == ETHERTYPE_IPV4 || type == ETHERTYPE_ARP ||
		type == ETHERTYPE_IPV6);
}

void
slirp_uplink_flush(struct slirp_uplink *uplink, u64 now_ns)
{
	struct frame *frame;

	if (uplink->inside)
		return;
	uplink->now_ns = now_ns;
	uplink->inside = true;
	while ((frame = core_take(uplink->core, uplink->port))) {
		if (is_for_slirp(frame))
			slirp_input(uplink->slirp, frame->data,
				    (int)frame->len);
		else
			uplink->core->ports[uplink->port].counters.refused++;
		frame_release(&uplink->core->pool, frame);
	}
	uplink->inside = false;
}

// Returns the index of the forward of that port, or -1.
static int
forward_find(const struct slirp_uplink *uplink, u32 host_ip, u16 host_port)
{
	for (u32 i = 0; i < uplink->forward_count; i++)
		if (uplink->forwards[i].host_ip == host_ip &&
		    uplink->forwards[i].host_port == host_port)
			return (int)i;
	return -1;
}

int
slirp_uplink_forward(struct slirp_uplink *uplink,
		     const struct slirp_forward *forward, char *error,
		     size_t error_size)
{
	struct in_addr host_ip = in_addr_of(forward->host_ip);

	if (uplink->forward_count == SLIRP_FORWARDS_MAX) {
		snprintf(error, error_size, "%u ports are forwarded already",
			 SLIRP_FORWARDS_MAX);
		return -1;
	}
	if (forward_find(uplink, forward->host_ip, forward->host_port) >= 0) {
		snprintf(error, error_size,
			 "that port is forwarded already: unforward it first");
		return -1;
	}
	if ((forward->guest_ip & NETMASK) != NETWORK) {
		snprintf(error, error_size,
			 "the guest's address must be in 10.0.2.0/24");
		return -1;
	}
	if (slirp_add_hostfwd(uplink->slirp, 0, host_ip, forward->host_port,
			      in_addr_of(forward->guest_ip),
			      forward->guest_port) < 0) {
		snprintf(error, error_size, "cannot listen on port %u: %s",
			 forward->host_port, strerror(errno));
		return -1;
	}
	uplink->forwards[uplink->forward_count++] = *forward;
	return 0;
}

int
slirp_uplink_unforward(struct slirp_uplink *uplink, u32 host_ip,
		       u16 host_port, char *error, size_t error_size)
{
	int index = forward_find(uplink, host_ip, host_port);

	if (index < 0) {
		snprintf(error, error_size, "that port is not forwarded");
		return -1;
	}
	slirp_remove_hostfwd(uplink->slirp, 0, in_addr_of(host_ip), host_port);
	uplink->forwards[index] = uplink->forwards[--uplink->forward_count];
	return 0;
}
