// SPDX-License-Identifier: BSD-2-Clause
// From a frame to where it goes. Nothing of a frame is believed beyond its length;
// checksums are its receiver's matter: a wrong port sends it to the wrong stack,
// which drops it.
//
// Stateless.

#include "cluster/balance/balance.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define ETHERNET_LEN 14u
#define ETHERTYPE_IPV4 0x0800u
#define IPV4_LEN 20u
#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define FRAGMENT_MASK 0x3fffu		// more to come, or an offset
#define ICMP_LEN 8u
#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12
#define TTL_AT (ETHERNET_LEN + 8)
#define CHECKSUM_AT (ETHERNET_LEN + 10)

// Header and payload of an IPv4 packet.
struct packet {
	const u8 *ip;
	const u8 *payload;
	u32 len;		// of the payload, as far as it is there
};

static bool
read_packet(const u8 *ip, u32 len, struct packet *p)
{
	u32 header_len;

	if (len < IPV4_LEN || ip[0] >> 4 != 4)
		return false;
	header_len = (ip[0] & 15u) * 4;
	if (header_len < IPV4_LEN || header_len > len)
		return false;
	*p = (struct packet){ ip, ip + header_len, len - header_len };
	return !(be16_load(ip + 6) & FRAGMENT_MASK);
}

// An error about a segment that went the other way quotes it.
static bool
read_error(const struct packet *p, struct balance_flow *flow)
{
	u8 type = p->len >= ICMP_LEN ? p->payload[0] : 0;
	struct packet quoted;

	if (type != ICMP_UNREACHABLE && type != ICMP_TIME_EXCEEDED &&
	    type != ICMP_PARAMETER)
		return false;
	if (!read_packet(p->payload + ICMP_LEN, p->len - ICMP_LEN, &quoted) ||
	    quoted.ip[9] != PROTOCOL_TCP || quoted.len < 4)
		return false;
	*flow = (struct balance_flow){
		.peer = be32_load(quoted.ip + 16),
		.local = be32_load(quoted.ip + 12),
		.peer_port = be16_load(quoted.payload + 2),
		.local_port = be16_load(quoted.payload),
	};
	return flow->local == be32_load(p->ip + 16);
}

bool
balance_read(const u8 *frame, u32 len, struct balance_flow *flow)
{
	struct packet p;

	if (len < ETHERNET_LEN || be16_load(frame + 12) != ETHERTYPE_IPV4 ||
	    !read_packet(frame + ETHERNET_LEN, len - ETHERNET_LEN, &p))
		return false;
	if (p.ip[9] == PROTOCOL_ICMP)
		return read_error(&p, flow);
	if (p.ip[9] != PROTOCOL_TCP || p.len < 4)
		return false;
	*flow = (struct balance_flow){
		.peer = be32_load(p.ip + 12),
		.local = be32_load(p.ip + 16),
		.peer_port = be16_load(p.payload),
		.local_port = be16_load(p.payload + 2),
	};
	return true;
}

static const struct balance_table *
find_service(const struct balance *balance, u16 port)
{
	for (u32 i = 0; i < BALANCE_SERVICES_MAX; i++) {
		if (balance->service[i].port == port)
			return &balance->service[i];
	}
	return NULL;
}

enum balance_way
balance_steer(const struct balance *balance, const u8 *frame, u32 len,
	      const u8 **mac)
{
	const struct balance_table *table;
	struct balance_flow flow;
	u32 slot;
	u8 place;

	if (len < ETHERNET_LEN || frame[6] & 1)
		return BALANCE_DROP;
	if (frame[0] & 1 || !balance_read(frame, len, &flow) || !flow.local ||
	    !flow.local_port || (flow.local != balance->address &&
				 flow.local != balance->virtual_address))
		return BALANCE_STACK;
	if (flow.local_port == balance->api_port) {
		*mac = balance->agent_mac;
		return BALANCE_HERE;
	}
	table = find_service(balance, flow.local_port);
	if (!table)
		return BALANCE_STACK;
	slot = balance_slot(table->key, &flow);
	if (flow.local == balance->virtual_address) {
		place = table->primary[slot];
		if (place == BALANCE_NONE)
			return BALANCE_STACK;
		*mac = table->place[place].mac;
		return BALANCE_SPREAD;
	}
	if (!table->here_count)
		return BALANCE_STACK;
	*mac = table->place[table->here[slot % table->here_count]].mac;
	return BALANCE_HERE;
}

static struct balance_table *
table_of(struct balance *balance, u32 job)
{
	struct balance_table *free = NULL;

	for (u32 i = 0; i < BALANCE_SERVICES_MAX; i++) {
		struct balance_table *table = &balance->service[i];

		if (table->port && table->job == job)
			return table;
		if (!table->port && !free)
			free = table;
	}
	return free;
}

static void
free_tables(struct balance *balance, const struct view *view)
{
	for (u32 i = 0; i < BALANCE_SERVICES_MAX; i++) {
		struct balance_table *table = &balance->service[i];
		bool stays = false;

		for (u32 j = 0; j < view->job_count; j++) {
			stays |= view->job[j].id == table->job &&
				 view->job[j].port != 0;
		}
		if (!stays)
			table->port = 0;
	}
}

void
balance_update(struct balance *balance, const struct view *view, u32 address,
	       u32 virtual_address)
{
	balance->address = address;
	balance->virtual_address = virtual_address;
	balance->api_port = view->api_port;
	balance_mac(view->member[view->self].mac, VIEW_AGENT_MAC,
		    balance->agent_mac);
	free_tables(balance, view);
	for (u32 i = 0; i < view->job_count; i++) {
		struct balance_table *table;

		if (!view->job[i].port)
			continue;
		table = table_of(balance, view->job[i].id);
		if (table)
			balance_table_update(table, view, i, 0);
	}
}

static u8
place_with(const struct balance_table *table, const u8 mac[6])
{
	for (u32 i = 0; i < table->count; i++) {
		if (!memcmp(table->place[i].mac, mac, 6))
			return (u8)i;
	}
	return BALANCE_NONE;
}

// Its position in the chain; `count`: not there.
static u32
position(const u8 *chain, u32 count, u8 place)
{
	u32 at = 0;

	while (at < count && chain[at] != place)
		at++;
	return at;
}

const struct balance_place *
balance_redirect(const struct balance_table *table, const u8 own[6],
		 const u8 virtual_mac[6], const u8 *frame, u32 len)
{
	u8 chain[BALANCE_CHAIN_MAX], me = place_with(table, own);
	bool held = !memcmp(frame + 6, virtual_mac, 6);
	struct balance_flow flow;
	u32 count, at;

	if (!table->port || !balance_read(frame, len, &flow) ||
	    flow.local_port != table->port)
		return NULL;
	count = balance_chain(table, balance_slot(table->key, &flow), chain);
	at = position(chain, count, me);
	if (!held && (at == 0 || at == count ||
		      chain[at - 1] != place_with(table, frame + 6)))
		return NULL;
	// The holder may have another view: then from the end to the primary.
	if (held && at + 1 >= count)
		at = ~0u;
	if (at + 1 >= count || chain[at + 1] == me)
		return NULL;
	return &table->place[chain[at + 1]];
}

bool
balance_pass_on(u8 *frame, const u8 to[6], const u8 own[6])
{
	u32 sum;

	if (frame[TTL_AT] <= 1)
		return false;
	memcpy(frame, to, 6);
	memcpy(frame + 6, own, 6);
	frame[TTL_AT]--;
	// RFC 1141: the word with the time to live became smaller by 0x100.
	sum = be16_load(frame + CHECKSUM_AT) + 0x100u;
	be16_store(frame + CHECKSUM_AT, (u16)(sum + (sum >> 16)));
	return true;
}
