// SPDX-License-Identifier: BSD-2-Clause
// The stack's own addresses: one, from the configuration or DHCP; or those that
// a guest's host gives (enum net_mode in net.h).
//
// A connection belongs to the address that it was opened to. Taking away one
// ends its connections and handshakes and touches no others.

#include "kernel/base/assert.h"
#include "libos/tcp/parts.h"

const struct net_own *
own_find(const struct net *net, u32 address)
{
	ASSERT(net->own_count <= NET_OWN_MAX);
	for (u32 i = 0; i < net->own_count; i++) {
		if (net->own[i].address == address)
			return &net->own[i];
	}
	return NULL;
}

void
own_set(struct net *net, const struct net_own *own, u32 count, u32 mask,
	u32 gateway)
{
	bool lost = false;

	ASSERT(count <= NET_OWN_MAX);
	for (u32 i = 0; i < net->own_count; i++) {
		bool stays = false;

		for (u32 j = 0; j < count; j++)
			stays |= own[j].address == net->own[i].address;
		lost |= !stays;
	}
	for (u32 i = 0; i < count; i++) {
		ASSERT(own[i].address);
		net->own[i] = own[i];
	}
	net->own_count = count;
	net->address = count ? own[0].address : 0;
	net->mask = mask;
	net->gateway = gateway;
	if (lost)
		conn_forget_foreign(net);
}

void
net_set_addresses(struct net *net, u64 now_ns, const struct net_own *own,
		  u32 count, u32 mask, u32 gateway)
{
	ASSERT(is_guest(net));
	net->now_ns = now_ns;
	own_set(net, own, count, mask, gateway);
}
