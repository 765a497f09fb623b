// SPDX-License-Identifier: BSD-2-Clause
// The running switch's parts put together: see host.h.
//
// host_settle() is the switch's pulse: after each batch of input the lanes are
// moved, the mirror is read and the queues are written out, so that a queue
// overflows only when its client does not keep up.

#define _GNU_SOURCE
#include "harness/switch/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/base/assert.h"

#define SLAB_BYTES (CORE_FRAMES_PER_PORT * sizeof(struct frame))

// Memory that costs nothing until frames lie in it; NULL when there is none.
static struct frame *
map_slab(void)
{
	void *slab = mmap(NULL, SLAB_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return slab == MAP_FAILED ? NULL : slab;
}

static int
check_name(const struct host *host, const char *name, char *error)
{
	size_t len = strlen(name);
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (len == 0 || len >= CORE_NAME_MAX || good != len ||
	    strcmp(name, "all") == 0) {
		snprintf(error, HOST_ERROR_MAX,
			 "port name '%.64s' must be 1 to %u letters, digits, "
			 "'.', '_' or '-', and not 'all'", name,
			 CORE_NAME_MAX - 1);
		return -1;
	}
	if (core_port_find(&host->core, name) >= 0) {
		snprintf(error, HOST_ERROR_MAX, "there is a port '%s' already",
			 name);
		return -1;
	}
	return 0;
}

// Checks that a port of that name can be added, and gets the memory for it.
static struct frame *
prepare_port(const struct host *host, const char *name, char *error)
{
	struct frame *slab;

	if (check_name(host, name, error) < 0)
		return NULL;
	if (host->core.port_count == CORE_PORTS_MAX) {
		snprintf(error, HOST_ERROR_MAX, "there are %u ports already",
			 CORE_PORTS_MAX);
		return NULL;
	}
	slab = map_slab();
	if (!slab)
		snprintf(error, HOST_ERROR_MAX, "out of memory for frames");
	return slab;
}

int
host_add_node(struct host *host, const char *name, const char *path,
	      char *error)
{
	struct node *node = &host->nodes[host->node_count];
	struct frame *slab = prepare_port(host, name, error);
	int port;

	if (!slab)
		return -1;
	if (node_open(node, host->core.port_count, path, error,
		      HOST_ERROR_MAX) < 0) {
		munmap(slab, SLAB_BYTES);
		return -1;
	}
	port = core_port_add(&host->core, name, slab);
	ASSERT(port >= 0 && (u32)port == node->port);
	core_set_plan(&host->core, node->port, &host->plan_all);
	host->node_count++;
	return 0;
}

int
host_open_tap(struct host *host, const char *name, char *error)
{
	struct frame *slab = prepare_port(host, HOST_UPLINK_NAME, error);

	ASSERT(host->uplink == UPLINK_NONE);
	if (!slab || tap_open(&host->tap, host->core.port_count, name, error,
			      HOST_ERROR_MAX) < 0)
		return -1;
	core_port_up(&host->core,
		     (u32)core_port_add(&host->core, HOST_UPLINK_NAME, slab));
	host->uplink = UPLINK_TAP;
	return 0;
}

int
host_open_slirp(struct host *host, const struct slirp_options *options,
		char *error)
{
	struct frame *slab = prepare_port(host, HOST_UPLINK_NAME, error);
	u32 port = host->core.port_count;

	ASSERT(host->uplink == UPLINK_NONE);
	if (!slab)
		return -1;
	core_port_up(&host->core,
		     (u32)core_port_add(&host->core, HOST_UPLINK_NAME, slab));
	if (slirp_uplink_open(&host->slirp, &host->core, port, options, error,
			      HOST_ERROR_MAX) < 0)
		return -1;
	host->uplink = UPLINK_SLIRP;
	return 0;
}

void
host_close(struct host *host)
{
	for (u32 i = 0; i < host->node_count; i++)
		node_close(&host->nodes[i], &host->core);
	if (host->uplink == UPLINK_TAP)
		tap_close(&host->tap);
	if (host->uplink == UPLINK_SLIRP)
		slirp_uplink_close(&host->slirp);
	pcap_stop(&host->pcap);
}

struct node *
host_node_of_port(struct host *host, u32 port)
{
	for (u32 i = 0; i < host->node_count; i++)
		if (host->nodes[i].port == port)
			return &host->nodes[i];
	return NULL;
}

static void
read_mirror(struct host *host, u64 now_ns)
{
	struct frame *frame;

	while ((frame = frame_queue_pop(&host->core.mirror))) {
		pcap_frame(&host->pcap, frame->data, frame->len, now_ns);
		frame_release(&host->core.pool, frame);
	}
}

static void
flush_uplink(struct host *host, u64 now_ns)
{
	switch (host->uplink) {
	case UPLINK_TAP:
		tap_flush(&host->tap, &host->core);
		break;
	case UPLINK_SLIRP:
		slirp_uplink_flush(&host->slirp, now_ns);
		break;
	case UPLINK_NONE:
		break;
	}
}

void
host_settle(struct host *host, u64 now_ns)
{
	core_tick(&host->core, now_ns);
	read_mirror(host, now_ns);
	flush_uplink(host, now_ns);
	for (u32 i = 0; i < host->node_count; i++)
		if (core_dirty(&host->core) & 1ull << host->nodes[i].port)
			node_flush(&host->nodes[i], &host->core);
}
