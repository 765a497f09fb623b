// SPDX-License-Identifier: BSD-2-Clause
// front's start, its loop, and whose addresses it has.
//
//	front [vip=A.B.C.D/LENGTH]
//
// The node's address is leased by DHCP for the node's MAC address and kept for good.
// While the view names this node as the holder of the virtual address, a second ring
// has the virtual MAC address: its stack takes the address that others told (and has
// DHCP confirm it), that of the argument, or a new lease. When the view names another
// one the ring goes at once.
//
// Invariant F1: the ring of the virtual MAC address is bound only while the latest
// view says that this node is the holder.

#include "cluster/programs/front/front.h"
#include "cluster/programs/front/options.h"
#include "cluster/view/report.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

#define RETRY_NS NS_PER_SECOND		// when the ring could not be had

static struct port node, virtual;
static struct balance balance;
static struct view view;
static struct announce announcing;
static const volatile struct view *shared;
static volatile struct front_report *report;
static struct front_report said;	// all but the counters
static u32 seen = 1;			// no version that lasts
static u64 epoch;			// when it was announced last
static u64 echoes;
static u64 retry_ns;
static u32 given_address, given_mask;	// by the argument

noreturn_ static void
fail(u32 status, const char *what, const char *why)
{
	print("front: %s: %s\n", what, why);
	sys_env_exit(status);
}

static void *
map_role(enum startup_role role, u32 pages, u32 protection, const char *what)
{
	u32 slot = startup_slot(role);
	struct frame_run run;
	i64 error;

	if (slot == SLOT_NONE)
		fail(STATUS_USAGE, what, "was not granted");
	error = run_of_slot(slot, &run);
	if (!error && run.count < pages)
		error = -E_RANGE;
	if (!error)
		error = map_direct(&run, protection);
	if (error)
		fail(STATUS_FAILED, what, error_text(error));
	return direct_address(run.frame);
}

static void
print_address(const char *what, u32 address)
{
	print("front: %s %u.%u.%u.%u\n", what, address >> 24, address >> 16 & 255,
	      address >> 8 & 255, address & 255);
}

static void
open_node(void)
{
	const struct net_config lease = { .mode = NET_HOST };
	i64 error = port_open(&node, NULL, &lease);

	if (error)
		fail(error == -E_ABSENT ? STATUS_USAGE : STATUS_FAILED,
		     "the network interface", error_text(error));
}

// Of the virtual address: the argument's, the one that was told, or none yet.
static struct net_config
virtual_config(void)
{
	if (given_address)
		return (struct net_config){ .mode = NET_HOST,
					    .address = given_address,
					    .mask = given_mask };
	if (view.virtual_address)
		return (struct net_config){ .mode = NET_REMEMBERED,
					    .address = view.virtual_address,
					    .mask = view.virtual_mask,
					    .gateway = view.gateway };
	return (struct net_config){ .mode = NET_HOST };
}

static bool
is_holder(void)
{
	static const u8 none[6];

	return view.member_count && view.holder == view.self &&
	       memcmp(view.virtual_mac, none, sizeof(none)) != 0;
}

static void
hold(u64 now)
{
	struct net_config config = virtual_config();
	i64 error = port_open(&virtual, view.virtual_mac, &config);

	retry_ns = error ? now + RETRY_NS : NEVER;
	if (error) {
		print("front: the virtual address: %s\n", error_text(error));
		return;
	}
	virtual.spreads = true;
	echoes = 0;
	epoch = view.epoch;
	announcing.next_ns = NEVER;	// until it has the address
}

// A change of members may have moved the virtual MAC address in switches: another one
// held it on its side of a network that was in two parts.
static void
follow_holder(u64 now)
{
	bool same_mac = !memcmp(virtual.mac, view.virtual_mac, 6);

	if (virtual.open && (!is_holder() || !same_mac)) {
		port_close(&virtual);
		print("front: the virtual address is another node's\n");
	}
	if (!virtual.open && is_holder() && now >= retry_ns)
		hold(now);
	if (virtual.open && view.epoch != epoch) {
		epoch = view.epoch;
		announce_start(&announcing, now);
	}
}

static u32
virtual_address(void)
{
	return virtual.open ? net_address(virtual.net) : 0;
}

static void
steer_anew(void)
{
	balance_update(&balance, &view, net_address(node.net), virtual_address());
}

static void
look_at_view(u64 now)
{
	u32 version = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);

	if (version == seen || !view_copy(&view, shared))
		return;
	seen = view.version;
	retry_ns = 0;
	follow_holder(now);
	steer_anew();
}

// Somebody else sends from the virtual MAC address: this side of the network has to
// hear again where it is. The view will say which of the two lets go.
static void
look_for_echoes(u64 now)
{
	if (virtual.echoes == echoes || now < announcing.next_ns)
		return;
	if (echoes == 0)
		print("front: another node answers for the virtual address\n");
	echoes = virtual.echoes;
	announce_start(&announcing, now);
}

static void
say(const struct front_report *now)
{
	u32 version = report->version;

	if (now->address != said.address && now->address)
		print_address("node address", now->address);
	if (now->virtual_address != said.virtual_address && now->virtual_address)
		print_address("virtual address", now->virtual_address);
	said = *now;
	__atomic_store_n(&report->version, version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	report->address = now->address;
	report->mask = now->mask;
	report->gateway = now->gateway;
	report->virtual_address = now->virtual_address;
	report->virtual_mask = now->virtual_mask;
	report->virtual_gateway = now->virtual_gateway;
	report->is_holding = now->is_holding;
	__atomic_store_n(&report->version, version + 2, __ATOMIC_RELEASE);
	(void)sys_wake((const u32 *)(u64)&report->version);
}

static void
tell_agent(u64 now)
{
	struct front_report r = {
		.address = net_address(node.net),
		.mask = net_mask(node.net),
		.gateway = net_gateway(node.net),
	};

	if (virtual_address()) {
		r.virtual_address = virtual_address();
		r.virtual_mask = net_mask(virtual.net);
		r.virtual_gateway = net_gateway(virtual.net);
		r.is_holding = 1;
	}
	report->spread = virtual.spread;
	report->unclaimed = virtual.unclaimed;
	if (!memcmp(&r, &said, sizeof(r)))
		return;
	if (r.virtual_address != said.virtual_address && virtual.open)
		announce_start(&announcing, now);
	say(&r);
	steer_anew();
}

static u32
run_port(struct port *port, u64 now)
{
	u32 received = port_receive(port, &balance, now);

	net_tick(port->net, now);
	port_send(port, now);
	return received;
}

static void
sleep_until_needed(void)
{
	struct wait_set set;

	wait_begin(&set);
	port_watch(&node, &set);
	if (virtual.open) {
		port_watch(&virtual, &set);
		wait_until(&set, announcing.next_ns);
	}
	// A view that is being written is looked at again in a moment.
	if (__atomic_load_n(&shared->version, __ATOMIC_ACQUIRE) != seen)
		wait_until(&set, now_ns() + NS_PER_MS);
	else
		wait_word_add(&set, &shared->version, seen);
	if (is_holder() && !virtual.open)
		wait_until(&set, retry_ns);
	wait_sleep(&set);
}

static void
read_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!string_starts(argv[i], "vip="))
			fail(STATUS_USAGE, argv[i], "is no argument of front's");
		if (!option_network(argv[i] + 4, &given_address, &given_mask))
			fail(STATUS_USAGE, argv[i],
			     "is not vip=A.B.C.D/LENGTH with a host's address");
	}
}

int
main(int argc, char **argv)
{
	read_arguments(argc, argv);
	shared = map_role(ROLE_VIEW, VIEW_PAGES, PROT_READ, "the cluster's view");
	report = map_role(ROLE_SHARED, 1, PROT_READ | PROT_WRITE,
			  "the agent's page");
	open_node();
	for (;;) {
		u64 now = now_ns();
		u32 received;

		look_at_view(now);
		if (!virtual.open && is_holder() && now >= retry_ns)
			follow_holder(now);
		received = run_port(&node, now);
		if (virtual.open) {
			look_for_echoes(now);
			announce_run(&announcing, &virtual, now);
			received += run_port(&virtual, now);
		}
		tell_agent(now);
		if (!received)
			sleep_until_needed();
	}
}
