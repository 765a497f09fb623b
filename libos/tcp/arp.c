// SPDX-License-Identifier: BSD-2-Clause
// ARP (RFC 826) with a bounded cache. Replies are believed only where we asked;
// unsolicited ones update an entry that is in use but create none, so nobody can
// fill the cache. Requests for our address also refresh their sender's entry.
//
// A packet whose link address is not known is not queued: TCP retransmits it. A
// peer that falls silent is asked for again.

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/parts.h"

#define ARP_LEN 28u
#define REQUEST 1u
#define REPLY 2u
#define LIFETIME_NS (300 * NS_PER_SECOND)
#define RENEW_NS (60 * NS_PER_SECOND)	// before its end: asked for again
#define RETRY_NS (250 * NS_PER_MS)
#define TRIES_MAX 3		// then the wait does not grow any more

static const u8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void
send_arp(struct net *net, const u8 to[6], u16 operation, const u8 target_mac[6],
	 u32 target)
{
	u8 frame[ETHERNET_LEN + ARP_LEN] = { 0 };
	u8 *arp = frame + ETHERNET_LEN;

	memcpy(frame, to, 6);
	memcpy(frame + 6, net->config.mac, 6);
	be16_store(frame + 12, ETHERTYPE_ARP);
	be16_store(arp, 1);
	be16_store(arp + 2, ETHERTYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	be16_store(arp + 6, operation);
	memcpy(arp + 8, net->config.mac, 6);
	be32_store(arp + 14, is_guest(net) ? 0 : net->address);
	memcpy(arp + 18, target_mac, 6);
	be32_store(arp + 24, target);
	(void)control_put(net, frame, sizeof(frame));
}

static struct arp_entry *
lookup(struct net *net, u32 address)
{
	for (u32 i = 0; i < ARP_ENTRIES; i++) {
		if (net->arp[i].address == address)
			return &net->arp[i];
	}
	return NULL;
}

// A free entry, or the one that expires first.
static struct arp_entry *
victim(struct net *net)
{
	struct arp_entry *oldest = &net->arp[0];

	for (u32 i = 0; i < ARP_ENTRIES; i++) {
		if (!net->arp[i].address)
			return &net->arp[i];
		if (net->arp[i].expires_at < oldest->expires_at)
			oldest = &net->arp[i];
	}
	return oldest;
}

static void
learn(struct net *net, struct arp_entry *entry, const u8 mac[6])
{
	memcpy(entry->mac, mac, 6);
	entry->resolved = true;
	entry->tries = 0;
	entry->expires_at = net->now_ns + LIFETIME_NS;
}

void
arp_park(struct net *net, u32 address, const u8 *frame, u32 len)
{
	struct parked *p = &net->parked[net->parked_next++ % PARKED_MAX];

	ASSERT(address && len <= sizeof(p->frame));
	p->hop = address;
	p->len = len;
	p->until_ns = net->now_ns + PARKED_NS;
	memcpy(p->frame, frame, len);
}

// What waited for this address goes, in the order in which it came.
static void
unpark(struct net *net, u32 address, const u8 mac[6])
{
	for (u32 i = 0; i < PARKED_MAX; i++) {
		struct parked *p =
			&net->parked[(net->parked_next + i) % PARKED_MAX];

		if (p->hop != address)
			continue;
		p->hop = 0;
		memcpy(p->frame, mac, 6);
		if (net->now_ns < p->until_ns)
			(void)control_put(net, p->frame, p->len);
	}
}

bool
arp_find(struct net *net, u32 address, u8 mac[6])
{
	struct arp_entry *entry = lookup(net, address);

	if (entry && entry->resolved && net->now_ns < entry->expires_at) {
		memcpy(mac, entry->mac, 6);
		if (is_guest(net) && entry->expires_at - net->now_ns < RENEW_NS)
			arp_doubt(net, address);
		return true;
	}
	if (!entry) {
		entry = victim(net);
		*entry = (struct arp_entry){ .address = address };
	}
	entry->resolved = false;
	// At most once a second in the long run (RFC 1122, 2.3.2.1).
	if (!entry->tries || net->now_ns - entry->asked_at >=
			     RETRY_NS << (entry->tries - 1)) {
		static const u8 unknown[6];

		entry->asked_at = net->now_ns;
		entry->expires_at = net->now_ns + LIFETIME_NS;
		if (entry->tries < TRIES_MAX)
			entry->tries++;
		send_arp(net, broadcast, REQUEST, unknown, address);
	}
	return false;
}

void
arp_doubt(struct net *net, u32 address)
{
	static const u8 unknown[6];
	struct arp_entry *entry = lookup(net, address);

	if (!entry || !entry->resolved ||
	    net->now_ns - entry->asked_at < NS_PER_SECOND)
		return;
	entry->asked_at = net->now_ns;
	send_arp(net, broadcast, REQUEST, unknown, address);
}

void
arp_announce(struct net *net)
{
	static const u8 unknown[6];

	ASSERT(net->address != 0);
	send_arp(net, broadcast, REQUEST, unknown, net->address);
}

void
arp_input(struct net *net, const u8 *frame, u32 len)
{
	const u8 *arp = frame + ETHERNET_LEN;
	struct arp_entry *entry;
	u32 source, target;

	if (len < ETHERNET_LEN + ARP_LEN || be16_load(arp) != 1 ||
	    be16_load(arp + 2) != ETHERTYPE_IPV4 || arp[4] != 6 || arp[5] != 4) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	source = be32_load(arp + 14);
	target = be32_load(arp + 24);
	// A multicast link address or our own is a lie.
	if ((arp[8] & 1) || !memcmp(arp + 8, net->config.mac, 6) ||
	    own_find(net, source)) {
		drop(net, NET_DROP_ADDRESS);
		return;
	}
	entry = source ? lookup(net, source) : NULL;
	if (entry) {
		learn(net, entry, arp + 8);
		unpark(net, source, arp + 8);
	}
	if (is_guest(net) || !net->address || target != net->address)
		return;
	if (be16_load(arp + 6) == REQUEST)
		send_arp(net, arp + 8, REPLY, arp + 8, source);
}
