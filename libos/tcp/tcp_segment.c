// SPDX-License-Identifier: BSD-2-Clause
// Segments as bytes: parsing received ones with their options, building headers,
// and the segments that need no connection (resets, SYN-ACKs, TIME-WAIT).
//
// Options are read with bounds at each step; unknown ones are skipped by length,
// and a malformed list ends there (RFC 9293, 3.1; MUST-6, MUST-7).

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/checksum.h"
#include "libos/tcp/parts.h"

#define RSTS_A_SECOND 200u

enum option {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_SCALE = 3,
	OPTION_SACK_PERMITTED = 4,
	OPTION_SACK = 5,
	OPTION_TIMESTAMP = 8,
};

static void
read_option(struct segment *s, u8 kind, const u8 *value, u32 len)
{
	switch (kind) {
	case OPTION_MSS:
		s->has_mss = len == 2;
		s->mss = s->has_mss ? be16_load(value) : 0;
		break;
	case OPTION_SCALE:
		s->has_scale = len == 1;
		s->scale = s->has_scale ? MIN(value[0], 14) : 0;
		break;
	case OPTION_SACK_PERMITTED:
		s->sack_permitted = len == 0;
		break;
	case OPTION_SACK:
		for (; len >= 8 && s->sack_count < ARRAY_SIZE(s->sack);
		     len -= 8, value += 8) {
			s->sack[s->sack_count++] = (struct seq_range){
				be32_load(value), be32_load(value + 4)
			};
		}
		break;
	case OPTION_TIMESTAMP:
		s->has_ts = len == 8;
		s->ts_value = s->has_ts ? be32_load(value) : 0;
		s->ts_echo = s->has_ts ? be32_load(value + 4) : 0;
		break;
	}
}

static void
read_options(struct segment *s, const u8 *at, const u8 *end)
{
	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return;
		read_option(s, at[0], at + 2, at[1] - 2u);
		at += at[1];
	}
}

bool
segment_parse(struct net *net, const struct ip_packet *p, struct segment *s)
{
	const u8 *h = p->payload;
	u32 header_len;
	u64 sum;

	if (p->len < TCP_LEN) {
		drop(net, NET_DROP_SHORT);
		return false;
	}
	header_len = (u32)(h[12] >> 4) * 4;
	if (header_len < TCP_LEN || header_len > p->len) {
		drop(net, NET_DROP_SHORT);
		return false;
	}
	sum = checksum_pseudo(p->source, p->target, IPPROTO_TCP, p->len);
	if (checksum_finish(checksum_add(sum, h, p->len)) != 0) {
		drop(net, NET_DROP_CHECKSUM);
		return false;
	}
	*s = (struct segment){
		.tuple = { p->source, be16_load(h), be16_load(h + 2), p->target },
		.mac = is_guest(net) ? NULL : p->mac,
		.seq = be32_load(h + 4),
		.ack = be32_load(h + 8),
		.window = be16_load(h + 14),
		.flags = h[13] & 0x1f,
		.data = h + header_len,
		.len = p->len - header_len,
	};
	read_options(s, h + TCP_LEN, h + header_len);
	return true;
}

u32
ts_clock(const struct net *net)
{
	return (u32)(net->now_ns / NS_PER_MS) + net->clock_offset;
}

static u8 *
put_options(u8 *at, const struct tcp_header *t)
{
	if (t->mss) {
		*at++ = OPTION_MSS;
		*at++ = 4;
		be16_store(at, t->mss);
		at += 2;
	}
	if (t->scale != NO_SCALE) {
		*at++ = OPTION_NOP;
		*at++ = OPTION_SCALE;
		*at++ = 3;
		*at++ = t->scale;
	}
	if (t->sack_permitted) {
		*at++ = OPTION_NOP;
		*at++ = OPTION_NOP;
		*at++ = OPTION_SACK_PERMITTED;
		*at++ = 2;
	}
	if (t->ts) {
		*at++ = OPTION_NOP;
		*at++ = OPTION_NOP;
		*at++ = OPTION_TIMESTAMP;
		*at++ = 10;
		be32_store(at, t->ts_value);
		be32_store(at + 4, t->ts_echo);
		at += 8;
	}
	if (t->sack_count) {
		*at++ = OPTION_NOP;
		*at++ = OPTION_NOP;
		*at++ = OPTION_SACK;
		*at++ = (u8)(2 + 8 * t->sack_count);
		for (u32 i = 0; i < t->sack_count; i++, at += 8) {
			be32_store(at, t->sack[i].start);
			be32_store(at + 4, t->sack[i].end);
		}
	}
	return at;
}

u32
tcp_header_build(u8 *h, const struct tcp_header *t)
{
	u32 len = (u32)(put_options(h + TCP_LEN, t) - h);

	ASSERT(len % 4 == 0 && len <= 60);
	be16_store(h, t->tuple.local_port);
	be16_store(h + 2, t->tuple.peer_port);
	be32_store(h + 4, t->seq);
	be32_store(h + 8, t->ack);
	h[12] = (u8)(len / 4 << 4);
	h[13] = t->flags;
	be16_store(h + 14, (u16)MIN(t->window, 0xffffu));
	be32_store(h + 16, 0);		// checksum, urgent pointer
	return len;
}

// Sends a segment without data, back where `s` came from. A guest does not see
// from where, and asks.
static void
send_control(struct net *net, const struct segment *s, const struct tcp_header *t)
{
	static const u8 unknown[6];
	u32 from = s->tuple.local, to = s->tuple.peer;
	u8 frame[CONTROL_SEGMENT_MAX];
	u8 *h = frame + ETHERNET_LEN + IPV4_LEN;
	u32 len = tcp_header_build(h, t);
	u64 sum = checksum_pseudo(from, to, IPPROTO_TCP, len);

	ip_header(net, frame, s->mac ? s->mac : unknown, from, to, IPPROTO_TCP,
		  len);
	be16_store(h + 16, checksum_finish(checksum_add(sum, h, len)));
	if (s->mac)
		(void)control_put(net, frame, ETHERNET_LEN + IPV4_LEN + len);
	else
		ip_send_when_known(net, to, frame, ETHERNET_LEN + IPV4_LEN + len);
}

void
send_reset(struct net *net, const struct segment *s)
{
	bool acks = s->flags & FLAG_ACK;
	u32 space = s->len + !!(s->flags & FLAG_SYN) + !!(s->flags & FLAG_FIN);

	if (s->flags & FLAG_RST ||
	    !ration_take(net, &net->resets, RSTS_A_SECOND))
		return;
	net->counters.resets_sent++;
	send_control(net, s, &(struct tcp_header){
		.tuple = s->tuple,
		.seq = acks ? s->ack : 0,
		.ack = acks ? 0 : s->seq + space,
		.flags = (u8)(FLAG_RST | (acks ? 0 : FLAG_ACK)),
		.scale = NO_SCALE,
	});
}

void
send_abort(struct net *net, const struct tcp_conn *conn)
{
	struct segment to = { .tuple = conn->tuple, .mac = conn->peer_mac };

	if (!conn->mac_known)
		return;
	net->counters.resets_sent++;
	send_control(net, &to, &(struct tcp_header){
		.tuple = conn->tuple,
		.seq = conn->snd_nxt,
		.ack = conn->rcv_nxt,
		.flags = FLAG_RST | FLAG_ACK,
		.scale = NO_SCALE,
	});
}

void
send_syn_ack(struct net *net, const struct segment *s, u32 iss, u32 ts_value)
{
	send_control(net, s, &(struct tcp_header){
		.tuple = s->tuple,
		.seq = iss,
		.ack = s->seq + 1,
		.window = net->config.receive_size,
		.flags = FLAG_SYN | FLAG_ACK,
		.ts = s->has_ts,
		.ts_value = ts_value,
		.ts_echo = s->ts_value,
		.mss = link_mss(net),
		.scale = s->has_scale ? receive_scale(net) : NO_SCALE,
		.sack_permitted = s->sack_permitted,
	});
}

void
send_ack(struct net *net, const struct tcp_conn *conn)
{
	struct segment to = { .tuple = conn->tuple, .mac = conn->peer_mac };

	ASSERT(conn->mac_known);
	send_control(net, &to, &(struct tcp_header){
		.tuple = conn->tuple,
		.seq = conn->snd_nxt,
		.ack = conn->rcv_nxt,
		.window = receive_window(net, conn) >> conn->receive_shift,
		.flags = FLAG_ACK,
		.ts = conn->ts_ok,
		.ts_value = ts_clock(net),
		.ts_echo = conn->ts_recent,
		.scale = NO_SCALE,
	});
}

void
send_timewait_ack(struct net *net, const struct segment *s,
		  const struct timewait *tw)
{
	send_control(net, s, &(struct tcp_header){
		.tuple = s->tuple,
		.seq = tw->snd_nxt,
		.ack = tw->rcv_nxt,
		.flags = FLAG_ACK,
		.ts = tw->ts_ok,
		.ts_value = ts_clock(net),
		.ts_echo = tw->ts_recent,
		.scale = NO_SCALE,
	});
}
