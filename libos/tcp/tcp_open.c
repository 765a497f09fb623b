// SPDX-License-Identifier: BSD-2-Clause
// Opening connections. A SYN costs no connection: what it said is kept in a
// record of a direct-mapped table until the handshake ends. A SYN that finds its
// place taken is answered without any state: the SYN-ACK itself carries all that
// is needed (Bernstein's SYN cookies, with options in the timestamp as others
// do):
//
//   sequence number   | slot 5 bits | MSS index 3 | keyed hash 24 |
//   timestamp value   | clock 27 bits               | sack 1 | scale 4 |
//
// The hash covers the tuple, the peer's sequence number and the slot, a 64 s
// clock; the current and the last slot are accepted. A guesser has one chance in
// 2^24 a try, and only while cookies are out for that place: a cookie can be
// replayed (an old duplicate would open its connection again), a record cannot,
// since its sequence number is a new one each time (RFC 6528).

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/siphash.h"
#include "libos/tcp/parts.h"

#define SLOT_NS (64 * NS_PER_SECOND)
#define SYN_LIFETIME_NS (75 * NS_PER_SECOND)
#define TS_OPTION_BITS 0x1fu
#define TS_NO_SCALE 0xfu
#define RTO_FIRST_NS (1 * NS_PER_SECOND)
#define INITIAL_SEGMENTS 10u		// RFC 6928

static const u16 mss_table[8] = { 64, 512, 536, 1024, 1220, 1360, 1440, 1460 };

u16
link_mss(const struct net *net)
{
	return (u16)(net->config.mtu - IPV4_LEN - TCP_LEN);
}

u8
receive_scale(const struct net *net)
{
	u8 shift = 0;

	while (net->config.receive_size >> shift > 0xffff)
		shift++;
	return shift;
}

static u32
cookie_hash(const struct net *net, const struct tuple *tuple, u32 irs, u64 slot)
{
	u8 input[24];

	be32_store(input, tuple->peer);
	be16_store(input + 4, tuple->peer_port);
	be16_store(input + 6, tuple->local_port);
	be32_store(input + 8, irs);
	be64_store(input + 12, slot);
	be32_store(input + 20, tuple->local);
	return (u32)siphash64(net->config.secret, input, sizeof(input)) & 0xffffff;
}

static u32
cookie_make(const struct net *net, const struct tuple *tuple, u32 irs, u16 mss)
{
	u64 slot = net->now_ns / SLOT_NS;
	u32 index = 0;

	for (u32 i = 0; i < ARRAY_SIZE(mss_table); i++) {
		if (mss_table[i] <= mss)
			index = i;
	}
	return (u32)(slot & 31) << 27 | index << 24 |
	       cookie_hash(net, tuple, irs, slot);
}

static bool
cookie_check(const struct net *net, const struct tuple *tuple, u32 irs,
	     u32 cookie, u16 *mss)
{
	u64 now = net->now_ns / SLOT_NS;

	for (u64 age = 0; age <= MIN(now, 1ull); age++) {
		u64 slot = now - age;

		if ((slot & 31) == cookie >> 27 &&
		    cookie_hash(net, tuple, irs, slot) == (cookie & 0xffffff)) {
			*mss = mss_table[cookie >> 24 & 7];
			return true;
		}
	}
	return false;
}

u32
open_iss(struct net *net, const struct tuple *tuple)
{
	// A clock of 4 us plus a keyed hash of the tuple (RFC 9293, 3.4.1).
	return (u32)(net->now_ns / 4000) + tuple_hash(net, tuple);
}

// The clock of a SYN-ACK's timestamp, its low bits taken for the options.
static u32
options_timestamp(const struct net *net, const struct segment *s)
{
	u32 scale = s->has_scale ? s->scale : TS_NO_SCALE;

	return ((ts_clock(net) & ~TS_OPTION_BITS) - TS_OPTION_BITS - 1) |
	       (s->sack_permitted ? 0x10u : 0) | scale;
}

// Answers a SYN whose place is taken.
static void
send_cookie(struct net *net, const struct segment *s, u16 mss,
	    struct syn_entry *taken)
{
	taken->cookies_until = net->now_ns + 2 * SLOT_NS;
	send_syn_ack(net, s, cookie_make(net, &s->tuple, s->seq, mss),
		     options_timestamp(net, s));
}

void
syn_input(struct net *net, const struct segment *s)
{
	u16 mss = s->has_mss ? MAX(s->mss, MSS_MIN) : MSS_DEFAULT;
	struct syn_entry *entry;
	bool mine;
	bool again;
	u32 iss;

	if (net->free_first == NIL) {
		drop(net, NET_DROP_TABLE);
		return;
	}
	entry = syn_slot(net, &s->tuple, &mine);
	if (entry->tuple.peer && !mine) {
		send_cookie(net, s, mss, entry);
		return;
	}
	again = mine && entry->irs == s->seq;
	iss = again ? entry->iss : open_iss(net, &s->tuple);
	*entry = (struct syn_entry){
		.tuple = s->tuple,
		.cookies_until = entry->cookies_until,
		.irs = s->seq,
		.iss = iss,
		.mss = mss,
		.send_shift = s->has_scale ? s->scale : 0,
		.ts_ok = s->has_ts,
		.sack_ok = s->sack_permitted,
		.scale_ok = s->has_scale,
		.ts_recent = s->ts_value,
		.sent_at = again ? 0 : net->now_ns,
		.expires_at = net->now_ns + SYN_LIFETIME_NS,
	};
	send_syn_ack(net, s, iss, ts_clock(net));
}

bool
syn_cookies_out(struct net *net, const struct segment *s)
{
	bool mine;

	return net->now_ns < syn_slot(net, &s->tuple, &mine)->cookies_until;
}

bool
syn_reset(struct net *net, const struct segment *s)
{
	bool mine;
	struct syn_entry *entry = syn_slot(net, &s->tuple, &mine);

	if (!mine || s->seq != entry->irs + 1)
		return false;
	entry->tuple.peer = 0;
	return true;
}

// The options of a handshake without a record, out of cookie and echoed
// timestamp.
static bool
options_from_cookie(const struct net *net, const struct segment *s,
		    struct peer_options *o)
{
	u16 mss;

	if (!cookie_check(net, &s->tuple, s->seq - 1, s->ack - 1, &mss))
		return false;
	*o = (struct peer_options){ .mss = mss };
	if (s->has_ts) {
		u32 bits = s->ts_echo & TS_OPTION_BITS;

		o->ts_ok = true;
		o->ts_recent = s->ts_value;
		o->sack_ok = bits & 0x10;
		o->scale_ok = (bits & 0xf) != TS_NO_SCALE;
		o->send_shift = o->scale_ok ? (u8)MIN(bits & 0xf, 14u) : 0;
	}
	return true;
}

struct tcp_conn *
syn_finish(struct net *net, const struct segment *s, bool *mine)
{
	struct peer_options o;
	struct syn_entry *entry;
	struct tcp_conn *conn;
	u32 irs = s->seq - 1;
	u64 sent_at = 0;
	bool recorded;

	*mine = false;
	entry = syn_slot(net, &s->tuple, &recorded);
	if (recorded && s->ack == entry->iss + 1) {
		irs = entry->irs;
		o = (struct peer_options){
			entry->mss, entry->send_shift, entry->ts_ok,
			entry->sack_ok, entry->scale_ok, entry->ts_recent
		};
		// A segment that cannot belong to it opens nothing.
		if (seq_diff(s->seq, irs + 1) < 0 ||
		    seq_diff(s->seq, irs + 1 + net->config.receive_size) >= 0)
			return NULL;
		sent_at = entry->sent_at;
	} else if (net->now_ns >= entry->cookies_until ||
		   !options_from_cookie(net, s, &o)) {
		return NULL;
	}
	*mine = true;
	conn = conn_new(net, &s->tuple);
	if (!conn) {
		drop(net, NET_DROP_TABLE);
		return NULL;
	}
	if (recorded)
		entry->tuple.peer = 0;
	conn_open(net, conn, s->ack - 1, irs, &o);
	if (sent_at)
		rtt_sample(conn, net->now_ns - sent_at);
	conn->data_end = s->ack;
	conn->owned = true;
	net->counters.accepted++;
	conn_event(net, conn, TCP_OPENED);
	return conn;
}

void
conn_open(struct net *net, struct tcp_conn *conn, u32 iss, u32 irs,
	  const struct peer_options *o)
{
	conn->state = TCP_ESTABLISHED;
	conn->iss = iss;
	conn->snd_una = conn->snd_nxt = iss + 1;
	conn->recover = iss;
	conn->highest = conn->dsack_round = iss + 1;
	conn->irs = irs;
	conn->rcv_nxt = conn->last_ack_sent = irs + 1;
	conn->rcv_adv = irs + 1 + net->config.receive_size;
	conn->snd_wl1 = irs;
	conn->snd_wl2 = iss;
	conn->ts_ok = o->ts_ok;
	conn->ts_recent = o->ts_recent;
	conn->sack_ok = o->sack_ok;
	conn->send_shift = o->send_shift;
	conn->receive_shift = o->scale_ok ? receive_scale(net) : 0;
	conn->mss = MIN(o->mss, link_mss(net)) - (o->ts_ok ? TCP_TS_LEN : 0);
	conn->cwnd = MIN(INITIAL_SEGMENTS * conn->mss,
			 MAX(2 * conn->mss, 14600u));
	conn->ssthresh = 0x7fffffff;
	conn->rto_ns = RTO_FIRST_NS;
	ASSERT(conn->mss >= MSS_MIN - TCP_TS_LEN);
}
