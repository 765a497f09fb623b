// SPDX-License-Identifier: BSD-2-Clause
// IPv4 (RFC 791, 1122) without fragments: received ones are dropped and counted,
// sent packets fit the link and say so (DF). ICMP echo is answered (RFC 792),
// "packet too big" heard (RFC 1191); other ICMP is ignored: no soft error ends a
// connection (RFC 9293, 3.9.2.2). UDP is what DHCP needs.
//
// What came for many (a broadcast, or in a broadcast frame) is never answered:
// only DHCP looks at it (RFC 1122, 3.2.2; RFC 9293, MUST-57).

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/checksum.h"
#include "libos/tcp/parts.h"

#define TTL 64
#define ICMP_UNREACHABLE 3
#define ICMP_TOO_BIG 4			// code of the above
#define ICMP_ECHO 8
#define ICMP_LEN 8u
#define UDP_LEN 8u
#define DHCP_CLIENT_PORT 68
#define DHCP_SERVER_PORT 67

static bool
on_link(const struct net *net, u32 address)
{
	return ((address ^ net->address) & net->mask) == 0;
}

static bool
is_broadcast(const struct net *net, u32 address)
{
	return address == 0xffffffff ||
	       (net->mask && net->mask != 0xffffffff &&
		address == (net->address | ~net->mask));
}

bool
ip_is_host(const struct net *net, u32 address)
{
	return address >> 24 != 0 && address >> 24 != 127 &&
	       address >> 28 < 14 && !is_broadcast(net, address) &&
	       !own_find(net, address);
}

bool
ip_route(struct net *net, u32 target, u8 mac[6])
{
	u32 hop = on_link(net, target) ? target : net->gateway;

	return hop && arp_find(net, hop, mac);
}

void
ip_send_when_known(struct net *net, u32 target, u8 *frame, u32 len)
{
	u32 hop = on_link(net, target) ? target : net->gateway;

	ASSERT(len >= ETHERNET_LEN && len <= CONTROL_SEGMENT_MAX);
	if (!hop)
		return;
	if (arp_find(net, hop, frame))
		(void)control_put(net, frame, len);
	else
		arp_park(net, hop, frame, len);
}

bool
ip_route_again(struct net *net, u32 target, u8 mac[6])
{
	u32 hop = on_link(net, target) ? target : net->gateway;

	if (!hop)
		return false;
	arp_doubt(net, hop);
	return arp_find(net, hop, mac);
}

void
ip_header(const struct net *net, u8 *frame, const u8 mac[6], u32 source,
	  u32 target, u8 protocol, u32 payload_len)
{
	u8 *ip = frame + ETHERNET_LEN;

	ASSERT(IPV4_LEN + payload_len <=
	       (net->config.cut_max ? 0xffffu : net->config.mtu));
	memcpy(frame, mac, 6);
	memcpy(frame + 6, net->config.mac, 6);
	be16_store(frame + 12, ETHERTYPE_IPV4);
	ip[0] = 0x45;
	ip[1] = 0;
	be16_store(ip + 2, (u16)(IPV4_LEN + payload_len));
	be16_store(ip + 4, 0);			// never fragmented (RFC 6864)
	be16_store(ip + 6, 0x4000);		// do not fragment
	ip[8] = TTL;
	ip[9] = protocol;
	be16_store(ip + 10, 0);
	be32_store(ip + 12, source);
	be32_store(ip + 16, target);
	be16_store(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_LEN)));
}

// A router could not pass a packet of ours on. What it quotes says which one.
static void
too_big_input(struct net *net, const struct ip_packet *p)
{
	const u8 *quoted = p->payload + ICMP_LEN;
	u32 len = p->len - ICMP_LEN;
	u32 header_len = len ? (quoted[0] & 15u) * 4 : 0;

	if (header_len < IPV4_LEN || len < header_len + 8 ||
	    quoted[9] != IPPROTO_TCP ||
	    !own_find(net, be32_load(quoted + 12))) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	path_too_big(net, &(struct tuple){
		.peer = be32_load(quoted + 16),
		.peer_port = be16_load(quoted + header_len + 2),
		.local_port = be16_load(quoted + header_len),
		.local = be32_load(quoted + 12),
	}, be32_load(quoted + header_len + 4), be16_load(p->payload + 6));
}

static void
echo(struct net *net, const struct ip_packet *p)
{
	u8 frame[NET_HEADER_MAX];
	u8 *icmp = frame + ETHERNET_LEN + IPV4_LEN;

	// Guests: who passes frames on to us answers for the address.
	if (is_guest(net) || IPV4_LEN + p->len > net->config.mtu)
		return;
	ip_header(net, frame, p->mac, p->target, p->source, IPPROTO_ICMP, p->len);
	memcpy(icmp, p->payload, p->len);
	icmp[0] = 0;				// echo reply
	be16_store(icmp + 2, 0);
	be16_store(icmp + 2, checksum_finish(checksum_add(0, icmp, p->len)));
	(void)control_put(net, frame, ETHERNET_LEN + IPV4_LEN + p->len);
}

static void
icmp_input(struct net *net, const struct ip_packet *p)
{
	if (p->len < ICMP_LEN) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	if (checksum_finish(checksum_add(0, p->payload, p->len)) != 0) {
		drop(net, NET_DROP_CHECKSUM);
		return;
	}
	if (p->payload[0] == ICMP_ECHO)
		echo(net, p);
	else if (p->payload[0] == ICMP_UNREACHABLE &&
		 p->payload[1] == ICMP_TOO_BIG)
		too_big_input(net, p);
}

static void
udp_input(struct net *net, const struct ip_packet *p)
{
	u32 len;

	if (p->len < UDP_LEN) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	len = be16_load(p->payload + 4);
	if (len < UDP_LEN || len > p->len) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	if (be16_load(p->payload + 6) != 0) {
		u64 sum = checksum_pseudo(p->source, p->target, IPPROTO_UDP, len);

		if (checksum_finish(checksum_add(sum, p->payload, len)) != 0) {
			drop(net, NET_DROP_CHECKSUM);
			return;
		}
	}
	if (be16_load(p->payload) == DHCP_SERVER_PORT &&
	    be16_load(p->payload + 2) == DHCP_CLIENT_PORT)
		dhcp_input(net, p->payload + UDP_LEN, len - UDP_LEN);
	else
		drop(net, NET_DROP_PORT);
}

static bool
for_us(const struct net *net, const u8 *frame, u32 target)
{
	if (is_guest(net))
		return own_find(net, target);
	// Before there is an address a DHCP server may address the one it offers.
	if (!net->address)
		return frame[ETHERNET_LEN + 9] == IPPROTO_UDP;
	return target == net->address || is_broadcast(net, target);
}

void
ip_input(struct net *net, const u8 *frame, u32 len)
{
	const u8 *ip = frame + ETHERNET_LEN;
	struct ip_packet p;
	u32 header_len, total;

	len -= ETHERNET_LEN;
	if (len < IPV4_LEN || ip[0] >> 4 != 4) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	header_len = (ip[0] & 15u) * 4;
	total = be16_load(ip + 2);
	if (header_len < IPV4_LEN || total < header_len || total > len) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	if (checksum_finish(checksum_add(0, ip, header_len)) != 0) {
		drop(net, NET_DROP_CHECKSUM);
		return;
	}
	if (be16_load(ip + 6) & 0x3fff) {
		drop(net, NET_DROP_FRAGMENT);
		return;
	}
	p = (struct ip_packet){
		.mac = frame + 6,
		.source = be32_load(ip + 12),
		.target = be32_load(ip + 16),
		.protocol = ip[9],
		.payload = ip + header_len,
		.len = total - header_len,
	};
	if ((frame[6] & 1) || !for_us(net, frame, p.target) ||
	    !ip_is_host(net, p.source) ||
	    (p.protocol != IPPROTO_UDP &&
	     (!own_find(net, p.target) || frame[0] & 1))) {
		drop(net, NET_DROP_ADDRESS);
		return;
	}
	switch (p.protocol) {
	case IPPROTO_TCP:
		tcp_input(net, &p);
		break;
	case IPPROTO_UDP:
		udp_input(net, &p);
		break;
	case IPPROTO_ICMP:
		icmp_input(net, &p);
		break;
	default:
		drop(net, NET_DROP_PROTOCOL);
	}
}
