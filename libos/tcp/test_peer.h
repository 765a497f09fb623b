// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// For the tests of this folder only: one stack, 10.0.0.2, and a peer, 10.0.0.1,
// made of hand-written segments. The stack's invariants are walked whenever the
// peer did something.

#include "libos/tcp/test_wire.h"

#define PEER_ADDRESS 0x0a000001u
#define PEER_PORT 1000
#define OWN_PORT 80
#define PEER_ISS 5000u
#define HEADERS_LEN (ETHERNET_LEN + IPV4_LEN)

static const u8 peer_mac[6] = { 2, 0, 0, 0, 0, 1 };

struct peer {
	struct net *net;
	u64 now;
	u32 address;
	u32 to;			// the stack's address; 0: its first
	const u8 *mac;		// Ethernet source of what it sends
	u16 port, own_port;
	u32 seq, ack;		// next of ours, next of theirs
	bool ts, sack;
	u8 scale;		// NO_SCALE: no option
	u16 mss;
	u8 frame[WIRE_FRAME_MAX];
	struct segment got;	// by peer_take()
};

static inline struct peer
peer_start(const struct net_config *config)
{
	struct peer p = {
		.now = NS_PER_SECOND,
		.address = PEER_ADDRESS,
		.mac = peer_mac,
		.port = PEER_PORT,
		.own_port = OWN_PORT,
		.seq = PEER_ISS,
		.ts = true,
		.sack = true,
		.scale = NO_SCALE,
		.mss = 1460,
	};

	p.net = wire_net(config, p.now);
	if (!tcp_listen(p.net, OWN_PORT))
		abort();
	return p;
}

static inline void
peer_end(struct peer *p)
{
	net_check(p->net);
	free(p->net);
}

// Puts Ethernet and IPv4 headers before the payload at HEADERS_LEN, and shows it.
static inline void
peer_give_ip(struct peer *p, u8 *frame, u8 protocol, u32 target, u32 len)
{
	u8 *ip = frame + ETHERNET_LEN;

	memcpy(frame, p->net->config.mac, 6);
	memcpy(frame + 6, p->mac, 6);
	be16_store(frame + 12, ETHERTYPE_IPV4);
	memset(ip, 0, IPV4_LEN);
	ip[0] = 0x45;
	be16_store(ip + 2, (u16)(IPV4_LEN + len));
	ip[8] = 64;
	ip[9] = protocol;
	be32_store(ip + 12, p->address);
	be32_store(ip + 16, target);
	be16_store(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_LEN)));
	wire_give(p->net, p->now, frame, HEADERS_LEN + len);
	net_check(p->net);
}

// Sends a segment with exactly these fields; only the ports are filled in.
static inline void
peer_say(struct peer *p, struct tcp_header t, const void *data, u32 len)
{
	u8 frame[WIRE_FRAME_MAX];
	u8 *h = frame + HEADERS_LEN;
	u32 to = p->to ? p->to : p->net->address;
	u32 header_len;
	u64 sum;

	t.tuple = (struct tuple){ 0, p->own_port, p->port, 0 };
	header_len = tcp_header_build(h, &t);
	if (len)
		memcpy(h + header_len, data, len);
	len += header_len;
	sum = checksum_pseudo(p->address, to, IPPROTO_TCP, len);
	be16_store(h + 16, checksum_finish(checksum_add(sum, h, len)));
	peer_give_ip(p, frame, IPPROTO_TCP, to, len);
}

static inline u32
peer_clock(const struct peer *p)
{
	return 77000 + (u32)(p->now / NS_PER_MS);
}

// The header of an ordinary segment here and now.
static inline struct tcp_header
peer_header(const struct peer *p, u8 flags)
{
	return (struct tcp_header){
		.seq = p->seq,
		.ack = flags & FLAG_ACK ? p->ack : 0,
		.window = 65535,
		.flags = flags,
		.ts = p->ts,
		.ts_value = peer_clock(p),
		.ts_echo = p->got.ts_value,
		.scale = NO_SCALE,
	};
}

// Sends it, and counts what it takes of the sequence space.
static inline void
peer_send(struct peer *p, u8 flags, const void *data, u32 len)
{
	struct tcp_header t = peer_header(p, flags);

	peer_say(p, t, data, len);
	p->seq += len + !!(flags & FLAG_SYN) + !!(flags & FLAG_FIN);
}

static inline void
peer_send_window(struct peer *p, u16 window)
{
	struct tcp_header t = peer_header(p, FLAG_ACK);

	t.window = window;
	peer_say(p, t, NULL, 0);
}

static inline void
peer_send_sack(struct peer *p, u32 start, u32 end)
{
	struct tcp_header t = peer_header(p, FLAG_ACK);

	t.sack[t.sack_count++] = (struct seq_range){ start, end };
	peer_say(p, t, NULL, 0);
}

// The next TCP segment that comes out, in p->got; its checksum is right. ARP is
// passed over. False: there is none.
static inline bool
peer_take(struct peer *p)
{
	u32 len;

	while ((len = wire_take(p->net, p->now, p->frame))) {
		struct ip_packet ip = {
			.mac = p->frame + 6,
			.source = be32_load(p->frame + ETHERNET_LEN + 12),
			.target = be32_load(p->frame + ETHERNET_LEN + 16),
			.payload = p->frame + HEADERS_LEN,
			.len = len - HEADERS_LEN,
		};

		net_check(p->net);
		if (be16_load(p->frame + 12) != ETHERTYPE_IPV4 ||
		    p->frame[ETHERNET_LEN + 9] != IPPROTO_TCP)
			continue;
		ASSERT(segment_parse(p->net, &ip, &p->got));
		return true;
	}
	net_check(p->net);
	return false;
}

// Takes the next segment and acknowledges in thought all that it says.
static inline bool
peer_expect(struct peer *p)
{
	if (!peer_take(p))
		return false;
	p->ack = p->got.seq + p->got.len +
		 !!(p->got.flags & (FLAG_SYN | FLAG_FIN));
	return true;
}

// Drops whatever comes out. Returns how many segments that were.
static inline u32
peer_discard(struct peer *p)
{
	u32 count = 0;

	while (peer_take(p))
		count++;
	return count;
}

static inline void
peer_wait(struct peer *p, u64 ns)
{
	p->now += ns;
	net_tick(p->net, p->now);
	net_check(p->net);
}

// Lets time pass until the stack wants to do something, and does it.
static inline void
peer_wait_deadline(struct peer *p)
{
	u64 at = net_next_deadline(p->net);

	ASSERT(at != NEVER_NS);
	p->now = MAX(p->now, at);
	net_tick(p->net, p->now);
	net_check(p->net);
}

static inline void
peer_send_syn(struct peer *p)
{
	struct tcp_header t = peer_header(p, FLAG_SYN);

	t.mss = p->mss;
	t.scale = p->scale;
	t.sack_permitted = p->sack;
	peer_say(p, t, NULL, 0);
	p->seq++;
}

// Opens a connection to the stack. Returns it, from tcp_next().
static inline struct tcp_conn *
peer_open(struct peer *p)
{
	struct tcp_conn *conn;
	u32 events;

	peer_send_syn(p);
	if (!peer_expect(p) || p->got.flags != (FLAG_SYN | FLAG_ACK))
		return NULL;
	peer_send(p, FLAG_ACK, NULL, 0);
	conn = tcp_next(p->net, &events);
	return conn && events & TCP_OPENED ? conn : NULL;
}

// What tcp_next() says next; 0: nothing.
static inline u32
peer_events(struct peer *p)
{
	u32 events;

	return tcp_next(p->net, &events) ? events : 0;
}
