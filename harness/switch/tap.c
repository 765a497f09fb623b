// SPDX-License-Identifier: BSD-2-Clause
// The uplink on a tap device: see tap.h.
//
// A tap moves one frame a system call. No offloads are asked for, so the
// kernel hands over frames with whole checksums and no longer than the MTU.

#define _GNU_SOURCE
#include "harness/switch/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/base/assert.h"

int
tap_open(struct tap *tap, u32 port, const char *name, char *error,
	 size_t error_size)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	tap->port = port;
	if (name[0] == '\0' || strlen(name) >= IFNAMSIZ) {
		snprintf(error, error_size,
			 "tap name '%s' must have 1 to %d bytes", name,
			 IFNAMSIZ - 1);
		return -1;
	}
	memcpy(request.ifr_name, name, strlen(name));
	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0) {
		snprintf(error, error_size, "cannot open /dev/net/tun: %s",
			 strerror(errno));
		return -1;
	}
	if (ioctl(tap->fd, TUNSETIFF, &request) < 0) {
		snprintf(error, error_size, "cannot attach to tap %s: %s%s",
			 name, strerror(errno),
			 errno == EPERM ? " (needs CAP_NET_ADMIN, or a tap "
					  "that belongs to this user)" : "");
		close(tap->fd);
		return -1;
	}
	return 0;
}

void
tap_close(struct tap *tap)
{
	close(tap->fd);
}

void
tap_poll_add(struct tap *tap, struct poll_set *set)
{
	short events = POLLIN;

	if (tap->blocked)
		events |= POLLOUT;
	tap->poll_index = poll_set_add(set, tap->fd, events);
}

bool
tap_poll_done(struct tap *tap, const struct poll_set *set)
{
	short events = poll_set_events(set, tap->poll_index);

	if (events & POLLOUT)
		tap->blocked = false;
	return (events & POLLIN) != 0;
}

bool
tap_input(struct tap *tap, struct core *core, u64 now_ns)
{
	for (u32 i = 0; i < CORE_BATCH; i++) {
		struct frame *frame = core_frame(core, tap->port);
		ssize_t got;

		if (!frame)
			return false;
		got = read(tap->fd, frame->data, sizeof(frame->data));
		if (got <= 0) {
			frame_release(&core->pool, frame);
			return false;
		}
		frame->len = (u32)got;
		core_input(core, tap->port, frame, now_ns);
	}
	return true;
}

void
tap_flush(struct tap *tap, struct core *core)
{
	struct core_port *port = &core->ports[tap->port];

	ASSERT(port->connected);
	while (!tap->blocked && port->queue.count > 0) {
		struct frame *frame = frame_queue_at(&port->queue, 0);

		if (write(tap->fd, frame->data, frame->len) < 0) {
			if (errno == EINTR)
				continue;
			tap->blocked = errno == EAGAIN;
			if (tap->blocked)
				return;
			port->counters.refused++;
		}
		frame_release(&core->pool, core_take(core, tap->port));
	}
}
