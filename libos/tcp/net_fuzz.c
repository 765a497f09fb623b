// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the whole stack. An input is a program: raw frames; frames built from a
// few bytes, with right checksums and with sequence numbers near those that the
// stack is at, so that mutations get past the first checks; jumps of time; and
// what an application does. After every step the invariants are walked and every
// frame that comes out is read: lengths, checksums, and that each byte of TCP is
// the one that the application queued there.
//
// links: libos/tcp/address.c libos/tcp/arp.c libos/tcp/check.c
// links: libos/tcp/checksum.c libos/tcp/cut.c libos/tcp/dhcp.c
// links: libos/tcp/ip.c libos/tcp/net.c libos/tcp/tcp_ack.c libos/tcp/tcp_api.c
// links: libos/tcp/tcp_close.c libos/tcp/tcp_input.c libos/tcp/tcp_loss.c
// links: libos/tcp/tcp_open.c libos/tcp/tcp_output.c libos/tcp/tcp_path.c
// links: libos/tcp/tcp_pieces.c libos/tcp/tcp_ranges.c libos/tcp/tcp_receive.c
// links: libos/tcp/tcp_runs.c libos/tcp/tcp_segment.c libos/tcp/tcp_table.c
// links: libos/tcp/tcp_timer.c libos/tcp/timer.c kernel/base/siphash.c
// links: kernel/base/string.c harness/testing/host_assert.c

#include "libos/tcp/test_wire.h"

#define PEERS 4u
#define PORT 80
#define PERIOD 251u
#define TEXT_LEN 65536u
#define HEADERS (ETHERNET_LEN + IPV4_LEN)
#define FRAMES_A_STEP 20000u	// more in one step: it never ends

// What the outside knows of one conversation.
struct peer {
	u16 port, local_port;
	u32 seq, ack;
};

struct program {
	const u8 *at, *end;
};

struct world {
	struct net *net;
	u64 now;
	struct peer peer[PEERS];
	struct tcp_conn *conn[16];
	u32 conn_count;
};

static u8 text[TEXT_LEN + PERIOD];

// Of a guest: its node's, and one that it shares.
#define NODE 0x0a000002u
#define VIRTUAL 0x0a000080u

static u8
take8(struct program *p)
{
	return p->at < p->end ? *p->at++ : 0;
}

static u16
take16(struct program *p)
{
	u16 high = take8(p);

	return (u16)(high << 8 | take8(p));
}

// A number that is mostly near `base`.
static u32
take_near(struct program *p, u32 base)
{
	u8 kind = take8(p);

	switch (kind >> 6) {
	case 0:
		return base;
	case 1:
		return base + (kind & 63u) - 32;
	case 2:
		return base + (u32)(i32)(i16)take16(p);
	default:
		return (u32)take16(p) << 16 | take16(p);
	}
}

static u32
take_bytes(struct program *p, u8 *to, u32 len)
{
	len = (u32)MIN((u64)len, (u64)(p->end - p->at));
	memcpy(to, p->at, len);
	p->at += len;
	return len;
}

static void
give_ip(struct world *w, u8 *frame, u8 protocol, u32 payload_len, u32 source,
	u32 target)
{
	u8 *ip = frame + ETHERNET_LEN;

	memcpy(frame, w->net->config.mac, 6);
	memcpy(frame + 6, (u8[6]){ 2, 0, 0, 0, 1, 1 }, 6);
	be16_store(frame + 12, ETHERTYPE_IPV4);
	memset(ip, 0, IPV4_LEN);
	ip[0] = 0x45;
	be16_store(ip + 2, (u16)(IPV4_LEN + payload_len));
	ip[8] = 64;
	ip[9] = protocol;
	be32_store(ip + 12, source);
	be32_store(ip + 16, target);
	be16_store(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_LEN)));
	wire_give(w->net, w->now, frame, HEADERS + payload_len);
	if (net_stray(w->net)) {
		ASSERT(is_guest(w->net) && target == VIRTUAL);
		net_refuse(w->net, w->now, frame, HEADERS + payload_len);
	}
}

static void
step_raw(struct world *w, struct program *p)
{
	u8 frame[1600];
	u32 len = take_bytes(p, frame, take16(p) % sizeof(frame));

	wire_give(w->net, w->now, frame, len);
}

// Options as a sane peer writes them.
static void
take_options(struct world *w, struct program *p, const struct peer *peer,
	     struct tcp_header *t)
{
	u8 which = take8(p);
	bool syn = t->flags & FLAG_SYN;

	t->ts = which & 1;
	t->ts_value = (u32)(w->now / NS_PER_MS) + (which & 2 ? take8(p) : 0);
	t->ts_echo = ts_clock(w->net) - (which & 4 ? take8(p) : 0);
	t->sack_permitted = syn && which & 8;
	t->mss = syn && which & 16 ? take16(p) : 0;
	t->scale = syn && which & 32 ? take8(p) : NO_SCALE;
	while (!syn && t->sack_count < (which >> 6) && t->sack_count < 3) {
		u32 end = take_near(p, peer->ack);

		t->sack[t->sack_count++] = (struct seq_range){
			end - take16(p) % 4000u, end
		};
	}
}

static void
step_segment(struct world *w, struct program *p)
{
	struct peer *peer = &w->peer[take8(p) % PEERS];
	u32 source = 0x0a000010u + (u32)(peer - w->peer);
	u8 frame[1600], *h = frame + HEADERS;
	u8 flags = take8(p), shape = take8(p);
	struct tcp_header t = {
		.tuple = { 0, peer->local_port, peer->port, 0 },
		.seq = take_near(p, peer->seq),
		.ack = take_near(p, peer->ack),
		.window = shape & 1 ? take16(p) : 8192,
		.flags = flags,
		.scale = NO_SCALE,
	};
	u32 header_len, len = shape & 4 ? take16(p) % 1400u : 0;
	u32 target = is_guest(w->net) && shape & 16 ? VIRTUAL : w->net->address;
	u64 sum;

	if (shape & 8)
		take_options(w, p, peer, &t);
	header_len = tcp_header_build(h, &t);
	if (shape & 2) {		// or any bytes
		header_len = TCP_LEN +
			(take_bytes(p, h + TCP_LEN, take8(p) % 41u) & ~3u);
		h[12] = (u8)(header_len / 4 << 4);
	}
	memset(h + header_len, shape, len);
	peer->seq = t.seq + len + !!(flags & FLAG_SYN) + !!(flags & FLAG_FIN);
	len += header_len;
	sum = checksum_pseudo(source, target, IPPROTO_TCP, len);
	be16_store(h + 16, checksum_finish(checksum_add(sum, h, len)));
	give_ip(w, frame, IPPROTO_TCP, len, source, target);
}

// Addresses come and go, and change places.
static void
step_addresses(struct world *w, struct program *p)
{
	static const struct net_own all[] = {
		{ .address = NODE },
		{ .address = VIRTUAL, .spread = true },
		{ .address = NODE },
		{ .address = 0x0a000003 },
	};
	u8 what = take8(p);
	u32 first = what & 1, count = what >> 1 & 3;

	if (is_guest(w->net))
		net_set_addresses(w->net, w->now, all + first, count, 0xffffff00,
				  what & 8 ? 0x0a000010 : 0);
}

static void
step_too_big(struct world *w, struct program *p)
{
	u32 number = take8(p) % PEERS;
	struct peer *peer = &w->peer[number];
	u8 frame[256] = { 0 }, *h = frame + HEADERS, *quoted = h + 8;
	u32 len = 8 + IPV4_LEN + 8;

	h[0] = 3;
	h[1] = 4;
	be16_store(h + 6, take16(p));
	quoted[0] = 0x45;
	quoted[9] = IPPROTO_TCP;
	be32_store(quoted + 12, w->net->address);
	be32_store(quoted + 16, 0x0a000010u + number);
	be16_store(quoted + 20, peer->local_port);
	be16_store(quoted + 22, peer->port);
	be32_store(quoted + 24, take_near(p, peer->ack));
	be16_store(h + 2, checksum_finish(checksum_add(0, h, len)));
	give_ip(w, frame, IPPROTO_ICMP, len, 0x0a000010, w->net->address);
}

static void
step_udp(struct world *w, struct program *p)
{
	u8 frame[1600], *h = frame + HEADERS;
	u32 len = take_bytes(p, h + 8, take16(p) % 600u);
	u8 *dhcp = h + 8;

	be16_store(h, 67);
	be16_store(h + 2, 68);
	be16_store(h + 4, (u16)(len + 8));
	be16_store(h + 6, 0);
	if (len >= 240 && take8(p) & 1) {
		dhcp[0] = 2;
		be32_store(dhcp + 4, w->net->dhcp.xid);
		memcpy(dhcp + 28, w->net->config.mac, 6);
		be32_store(dhcp + 236, 0x63825363);
	}
	give_ip(w, frame, IPPROTO_UDP, len + 8, 0x0a000001, 0xffffffff);
}

static void
step_dhcp(struct world *w, struct program *p)
{
	u8 frame[1600] = { 0 }, *h = frame + HEADERS, *m = h + 8;
	u32 len = 240;

	be16_store(h, 67);
	be16_store(h + 2, 68);
	m[0] = 2;
	be32_store(m + 4, w->net->dhcp.xid);
	be32_store(m + 16, 0x0a000000 + take8(p));
	memcpy(m + 28, w->net->config.mac, 6);
	be32_store(m + 236, 0x63825363);
	memcpy(m + len, (u8[]){ 53, 1, take8(p) % 8, 54, 4, 10, 0, 0, 1 }, 9);
	len += 9;
	len += take_bytes(p, m + len, take8(p));
	be16_store(h + 4, (u16)(len + 8));
	give_ip(w, frame, IPPROTO_UDP, len + 8, 0x0a000001, 0xffffffff);
}

static void
step_icmp(struct world *w, struct program *p)
{
	u8 frame[1600], *h = frame + HEADERS;
	u32 len = 4 + take_bytes(p, h + 4, take16(p) % 200u);

	be16_store(h, take16(p) % 0x1000);
	be16_store(h + 2, 0);
	be16_store(h + 2, checksum_finish(checksum_add(0, h, len)));
	give_ip(w, frame, IPPROTO_ICMP, len, 0x0a000010, w->net->address);
}

static void
step_arp(struct world *w, struct program *p)
{
	u8 frame[64] = { 0 }, *arp = frame + ETHERNET_LEN;

	memcpy(frame, w->net->config.mac, 6);
	be16_store(frame + 12, ETHERTYPE_ARP);
	be16_store(arp, 1);
	be16_store(arp + 2, ETHERTYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	be16_store(arp + 6, 1 + take8(p) % 2);
	arp[8] = take8(p);		// odd: a group's, a lie
	be32_store(arp + 14, 0x0a000010 + take8(p) % 8u);
	be32_store(arp + 24, take8(p) & 1 ? w->net->address : 0x0a000033);
	wire_give(w->net, w->now, frame, 42);
}

static void
forget(struct world *w, struct tcp_conn *conn)
{
	for (u32 i = 0; i < w->conn_count; i++) {
		if (w->conn[i] == conn)
			w->conn[i--] = w->conn[--w->conn_count];
	}
}

// Where in the endless text an application is: kept behind its user pointer.
static u32
position(const struct tcp_conn *conn)
{
	return (u32)(uintptr_t)tcp_user(conn);
}

static void
step_send(struct world *w, struct tcp_conn *conn, struct program *p)
{
	u32 at = position(conn), len = take16(p), took;
	const u8 *from = text + at % PERIOD;

	if (len & 1)
		took = tcp_send_copy(w->net, conn, from, len);
	else
		took = tcp_send_lent(w->net, conn, from, len) ? len : 0;
	tcp_set_user(conn, (void *)(uintptr_t)(at + took));
}

static void
step_application(struct world *w, struct program *p)
{
	u8 what = take8(p);
	struct tcp_conn *conn;
	const u8 *bytes;
	bool ended;

	if (what % 8 == 7 && w->conn_count < ARRAY_SIZE(w->conn)) {
		conn = tcp_connect(w->net, w->now, 0x0a000010u + what / 8 % PEERS,
				   7);
		if (conn)
			w->conn[w->conn_count++] = conn;
		return;
	}
	if (!w->conn_count)
		return;
	conn = w->conn[what / 8 % w->conn_count];
	switch (what % 8) {
	case 0:
	case 1:
		step_send(w, conn, p);
		break;
	case 2:
	case 3:
		tcp_consume(w->net, conn,
			    take16(p) % (tcp_received(conn, &bytes, &ended) + 1));
		break;
	case 4:
		tcp_shutdown(w->net, conn);
		break;
	case 5:
		tcp_close(w->net, w->now, conn);
		forget(w, conn);
		break;
	case 6:
		tcp_abort(w->net, conn);
		forget(w, conn);
		break;
	}
}

static void
news(struct world *w)
{
	struct tcp_conn *conn;
	u32 events;

	while ((conn = tcp_next(w->net, &events))) {
		forget(w, conn);
		if (events & TCP_GONE)
			continue;
		if (w->conn_count < ARRAY_SIZE(w->conn))
			w->conn[w->conn_count++] = conn;
		else
			tcp_abort(w->net, conn);
	}
}

// Reads a segment that the stack sent: each byte must be the application's.
static void
read_segment(struct world *w, const struct ip_packet *ip)
{
	struct tuple tuple = { ip->target, be16_load(ip->payload + 2),
			       be16_load(ip->payload), ip->source };
	const struct tcp_conn *conn = conn_find(w->net, &tuple);
	struct peer *peer = &w->peer[ip->target % PEERS];
	struct segment s;

	ASSERT(segment_parse(w->net, ip, &s));
	for (u32 i = 0; s.len && i < s.len; i++) {
		ASSERT(conn);
		ASSERT(s.data[i] == (u8)((s.seq - conn->iss - 1 + i) % PERIOD));
	}
	peer->port = s.tuple.local_port;
	peer->local_port = s.tuple.peer_port;
	peer->ack = s.seq + s.len + !!(s.flags & (FLAG_SYN | FLAG_FIN));
	if (s.flags & FLAG_ACK)
		peer->seq = s.ack;
}

static void
read_frame(struct world *w, const u8 *frame, u32 len)
{
	const u8 *ip = frame + ETHERNET_LEN;
	struct ip_packet packet = {
		.mac = frame + 6,
		.source = be32_load(ip + 12),
		.target = be32_load(ip + 16),
		.payload = frame + HEADERS,
		.len = len - HEADERS,
	};

	ASSERT(!memcmp(frame + 6, w->net->config.mac, 6));
	if (be16_load(frame + 12) == ETHERTYPE_ARP) {
		ASSERT(len == 42);
		ASSERT(!is_guest(w->net) ||
		       be32_load(frame + ETHERNET_LEN + 14) == 0);
		return;
	}
	ASSERT(be16_load(frame + 12) == ETHERTYPE_IPV4 && ip[0] == 0x45);
	ASSERT(be16_load(ip + 2) == len - ETHERNET_LEN);
	ASSERT(checksum_finish(checksum_add(0, ip, IPV4_LEN)) == 0);
	if (ip[9] == IPPROTO_TCP)
		read_segment(w, &packet);
}

// A whole handshake by a peer with SACK and timestamps, so that few bytes lead
// to what comes after.
static void
step_open(struct world *w, struct program *p)
{
	u8 number = take8(p) % PEERS, frame[WIRE_FRAME_MAX];
	// peer, flags, shape, sequence and acknowledgement as known, options
	u8 syn[] = { number, FLAG_SYN, 8, 0, 0, 1 | 8 };
	u8 ack[] = { number, FLAG_ACK, 8, 0, 0, 1 };
	struct program say = { syn, syn + sizeof(syn) };
	u32 len;

	w->peer[number].port = (u16)(1000 + number + (take8(p) << 8));
	w->peer[number].local_port = PORT;
	step_segment(w, &say);
	while ((len = wire_take(w->net, w->now, frame)))
		read_frame(w, frame, len);
	say = (struct program){ ack, ack + sizeof(ack) };
	step_segment(w, &say);
	news(w);
	if (w->conn_count)
		step_send(w, w->conn[w->conn_count - 1], p);
}

static void
step(struct world *w, struct program *p)
{
	static void (*const steps[])(struct world *, struct program *) = {
		step_segment, step_segment, step_segment, step_application,
		step_application, step_raw, step_udp, step_dhcp, step_icmp,
		step_arp, step_too_big, step_open, step_addresses,
	};
	u8 what = take8(p), frame[WIRE_FRAME_MAX];
	u32 len, frames = 0;

	if (what >= 0xc0)
		w->now += 1ull << (20 + what % 24);
	else
		steps[what % ARRAY_SIZE(steps)](w, p);
	net_check(w->net);
	if (what & 0x10)
		return;			// more of it before anything happens
	net_tick(w->net, w->now);
	news(w);
	while ((len = wire_take(w->net, w->now, frame))) {
		read_frame(w, frame, len);
		ASSERT(++frames < FRAMES_A_STEP);
	}
	net_check(w->net);
	ASSERT(net_next_deadline(w->net) > w->now);
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct net_config config = wire_config(2);
	struct program p = { data, data + size };
	struct world w = { .now = NS_PER_SECOND };
	u8 kind = take8(&p), both = 2 << 1;

	for (u32 i = 0; i < sizeof(text) && !text[sizeof(text) - 2]; i++)
		text[i] = (u8)(i % PERIOD);
	config.conn_max = 1 + kind % 4;
	config.receive_size = kind & 4 ? 2048 : 32768;
	config.checksum_offload = kind & 8;
	config.mtu = kind & 16 ? 576 : 1500;
	if (kind & 32)
		config.address = 0;
	if (kind & 128) {
		config.mode = NET_GUEST;
		config.address = 0;
	} else if (kind & 32 && config.conn_max == 1) {
		config.mode = NET_REMEMBERED;
		config.address = NODE;
	}
	w.net = wire_net(&config, w.now);
	if (kind & 128)
		step_addresses(&w, &(struct program){ &both, &both + 1 });
	if (!tcp_listen(w.net, PORT))
		abort();
	// As in a flood: every place for a handshake's record is taken.
	for (u32 i = 0; kind & 64 && i < SYN_ENTRIES; i++) {
		w.net->syn[i].tuple.peer = 1;
		w.net->syn[i].expires_at = NEVER_NS;
	}
	for (u32 i = 0; i < PEERS; i++) {
		w.peer[i] = (struct peer){ (u16)(1000 + i), PORT, i << 30, 0 };
		ASSERT(((0x0a000010u + i) % PEERS) == i);
	}
	while (p.at < p.end)
		step(&w, &p);
	free(w.net);
	return 0;
}
