// SPDX-License-Identifier: BSD-2-Clause
// Learning IPv4 addresses by watching: see snoop.h.
//
// The table is small and scanned; it is touched only for ARP and for UDP from
// the DHCP server's port, never for the bulk of the traffic. When it is full
// the entry that was confirmed longest ago makes room.

#include "harness/switch/snoop.h"

#include "harness/switch/mac.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"

#define ETHER_LEN 14u
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ARP_LEN 28u
#define IP_PROTOCOL_UDP 17
#define UDP_LEN 8u
#define DHCP_SERVER_PORT 67
#define BOOTP_REPLY 2
#define HARDWARE_ETHERNET 1
#define BOOTP_LEN 236u // up to the options' cookie
#define DHCP_COOKIE 0x63825363u
#define OPTION_PAD 0
#define OPTION_MESSAGE_TYPE 53
#define OPTION_END 255
#define DHCP_ACK 5

const struct snoop_entry *
snoop_find(const struct snoop *snoop, u64 mac)
{
	for (u32 i = 0; i < SNOOP_ENTRIES; i++) {
		const struct snoop_entry *entry = &snoop->entries[i];

		if (entry->source != SNOOP_NONE && entry->mac == mac)
			return entry;
	}
	return NULL;
}

void
snoop_forget(struct snoop *snoop, u64 mac)
{
	for (u32 i = 0; i < SNOOP_ENTRIES; i++)
		if (snoop->entries[i].mac == mac)
			snoop->entries[i].source = SNOOP_NONE;
}

// The station's entry, else a free one, else the oldest.
static struct snoop_entry *
entry_for(struct snoop *snoop, u64 mac)
{
	struct snoop_entry *best = &snoop->entries[0];

	for (u32 i = 0; i < SNOOP_ENTRIES; i++) {
		struct snoop_entry *entry = &snoop->entries[i];

		if (entry->source != SNOOP_NONE && entry->mac == mac)
			return entry;
		if (best->source == SNOOP_NONE)
			continue;
		if (entry->source == SNOOP_NONE ||
		    entry->seen_ns < best->seen_ns)
			best = entry;
	}
	return best;
}

static void
learn(struct snoop *snoop, u64 mac, u32 ip, enum snoop_source source,
      u64 now_ns)
{
	struct snoop_entry *entry;

	ASSERT(source == SNOOP_ARP || source == SNOOP_DHCP);
	if (mac == 0 || mac_is_group(mac) || ip == 0)
		return;
	entry = entry_for(snoop, mac);
	if (entry->mac == mac && entry->source == SNOOP_DHCP &&
	    source == SNOOP_ARP)
		return;
	entry->mac = mac;
	entry->ip = ip;
	entry->source = source;
	entry->seen_ns = now_ns;
}

// Request and reply alike name their sender.
static void
arp(struct snoop *snoop, const u8 *at, u32 len, u64 now_ns)
{
	if (len < ARP_LEN || be16_load(at) != HARDWARE_ETHERNET ||
	    be16_load(at + 2) != ETHERTYPE_IPV4 || at[4] != 6 || at[5] != 4)
		return;
	learn(snoop, mac_load(at + 8), be32_load(at + 14), SNOOP_ARP, now_ns);
}

// Walks the options for the message type; 0 when there is none.
static u8
dhcp_message_type(const u8 *at, u32 len)
{
	u32 i = 0;

	while (i < len && at[i] != OPTION_END) {
		if (at[i] == OPTION_PAD) {
			i++;
			continue;
		}
		if (len - i < 2 || len - i - 2 < at[i + 1])
			return 0;
		if (at[i] == OPTION_MESSAGE_TYPE && at[i + 1] == 1)
			return at[i + 2];
		i += 2u + at[i + 1];
	}
	return 0;
}

static void
dhcp(struct snoop *snoop, const u8 *at, u32 len, u64 now_ns)
{
	if (len < BOOTP_LEN + 4 || at[0] != BOOTP_REPLY ||
	    at[1] != HARDWARE_ETHERNET || at[2] != 6 ||
	    be32_load(at + BOOTP_LEN) != DHCP_COOKIE)
		return;
	if (dhcp_message_type(at + BOOTP_LEN + 4, len - BOOTP_LEN - 4) !=
	    DHCP_ACK)
		return;
	learn(snoop, mac_load(at + 28), be32_load(at + 16), SNOOP_DHCP, now_ns);
}

static void
ipv4(struct snoop *snoop, const u8 *at, u32 len, u64 now_ns)
{
	u32 header_len;

	if (len < 20 || at[0] >> 4 != 4 || at[9] != IP_PROTOCOL_UDP)
		return;
	header_len = (at[0] & 15) * 4u;
	// A fragment has no whole DHCP message.
	if (header_len < 20 || len < header_len + UDP_LEN ||
	    (be16_load(at + 6) & 0x3fff))
		return;
	if (be16_load(at + header_len) != DHCP_SERVER_PORT)
		return;
	dhcp(snoop, at + header_len + UDP_LEN, len - header_len - UDP_LEN,
	     now_ns);
}

void
snoop_frame(struct snoop *snoop, const u8 *frame, u32 len, u64 now_ns)
{
	u16 type;

	if (len < ETHER_LEN)
		return;
	type = be16_load(frame + 12);
	if (type == ETHERTYPE_ARP)
		arp(snoop, frame + ETHER_LEN, len - ETHER_LEN, now_ns);
	else if (type == ETHERTYPE_IPV4)
		ipv4(snoop, frame + ETHER_LEN, len - ETHER_LEN, now_ns);
}
