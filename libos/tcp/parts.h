// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of this folder call of each other, file by file, from the link
// up; and the few questions about a connection that many of them ask. Nobody
// else includes this: net.h and tcp.h are what the stack offers.
//
// Invariants: state.h.

#include "libos/tcp/state.h"

#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10

static inline void
drop(struct net *net, enum net_drop why)
{
	net->counters.dropped[why]++;
}

// net.c: appends a whole frame to the control ring; full: dropped, false.
bool
control_put(struct net *net, const void *frame, u32 len);

// Takes one of about `each_second` answers; false: there are none left. How many
// there are is random: a stranger who can count them would learn from their
// absence whether his forgery hit (CVE-2016-5696).
bool
ration_take(struct net *net, struct ration *ration, u32 each_second);

// address.c
// The own address of that value, or NULL.
const struct net_own *
own_find(const struct net *net, u32 address);
// Takes these in place of all. Connections of addresses that went end.
void
own_set(struct net *net, const struct net_own *own, u32 count, u32 mask,
	u32 gateway);
static inline bool
is_guest(const struct net *net)
{
	return net->config.mode == NET_GUEST;
}

// ip.c
void
ip_input(struct net *net, const u8 *frame, u32 len);
// Fills Ethernet and IPv4 headers before `payload_len` bytes of transport.
void
ip_header(const struct net *net, u8 *frame, const u8 mac[6], u32 source,
	  u32 target, u8 protocol, u32 payload_len);
// An address that a single other machine may have.
bool
ip_is_host(const struct net *net, u32 address);
// The link address for a target, through the gateway when it is not on the
// link. False: not known yet; ARP asks.
bool
ip_route(struct net *net, u32 target, u8 mac[6]);
// Sends a frame of at most CONTROL_SEGMENT_MAX bytes there as soon as that is
// known, at once or within PARKED_NS. Fills in the link address.
void
ip_send_when_known(struct net *net, u32 target, u8 *frame, u32 len);
// The same for a peer that does not answer: ARP asks again.
bool
ip_route_again(struct net *net, u32 target, u8 mac[6]);

// arp.c
void
arp_input(struct net *net, const u8 *frame, u32 len);
bool
arp_find(struct net *net, u32 address, u8 mac[6]);
// Keeps a frame until it is known. The oldest makes way.
void
arp_park(struct net *net, u32 address, const u8 *frame, u32 len);
// Asks again for what is known, and may be wrong.
void
arp_doubt(struct net *net, u32 address);
void
arp_announce(struct net *net);

// dhcp.c
void
dhcp_start(struct net *net);
// Asks whether the address that we use is still ours.
void
dhcp_confirm(struct net *net);
void
dhcp_input(struct net *net, const u8 *payload, u32 len);
void
dhcp_tick(struct net *net);
u64
dhcp_deadline(const struct net *net);

// timer.c
u64
conn_deadline(const struct tcp_conn *conn);
void
timer_update(struct net *net, struct tcp_conn *conn);
void
timer_remove(struct net *net, struct tcp_conn *conn);
struct tcp_conn *
timer_due(struct net *net);

// tcp_table.c
u32
tuple_hash(const struct net *net, const struct tuple *tuple);
struct tcp_conn *
conn_find(const struct net *net, const struct tuple *tuple);
struct tcp_conn *
conn_new(struct net *net, const struct tuple *tuple);
void
conn_free(struct net *net, struct tcp_conn *conn);
void
conn_event(struct net *net, struct tcp_conn *conn, u32 events);
void
conn_output(struct net *net, struct tcp_conn *conn);
// Ends it: frees at once, or tells the application first.
void
conn_gone(struct net *net, struct tcp_conn *conn);
void
conn_timewait(struct net *net, struct tcp_conn *conn);
// Ends every connection and handshake of an address that is not ours any more.
void
conn_forget_foreign(struct net *net);

void
timewait_restart(const struct net *net, struct timewait *tw);
struct timewait *
timewait_find(struct net *net, const struct tuple *tuple);
// The one place where this handshake's record can be; *mine: it is there. What
// expired is gone.
struct syn_entry *
syn_slot(struct net *net, const struct tuple *tuple, bool *mine);

// tcp_open.c
void
syn_input(struct net *net, const struct segment *s);
// *mine: it ends a handshake of ours, even when no connection is free.
struct tcp_conn *
syn_finish(struct net *net, const struct segment *s, bool *mine);
// Was a handshake in that place answered with a cookie lately, perhaps this one?
bool
syn_cookies_out(struct net *net, const struct segment *s);
// Forgets a handshake that the peer reset. False: there was none.
bool
syn_reset(struct net *net, const struct segment *s);
// An initial sequence number (RFC 6528).
u32
open_iss(struct net *net, const struct tuple *tuple);
// What both kinds of opening end in.
struct peer_options {
	u16 mss;
	u8 send_shift;
	bool ts_ok, sack_ok, scale_ok;
	u32 ts_recent;
};
void
conn_open(struct net *net, struct tcp_conn *conn, u32 iss, u32 irs,
	  const struct peer_options *o);
u8
receive_scale(const struct net *net);
u16
link_mss(const struct net *net);

// tcp_segment.c
bool
segment_parse(struct net *net, const struct ip_packet *p, struct segment *s);
// Answers a segment that belongs to no connection.
void
send_reset(struct net *net, const struct segment *s);
// Resets a connection's peer.
void
send_abort(struct net *net, const struct tcp_conn *conn);
// Acknowledges at once, for a connection that is about to be freed, or for a
// segment that is not acceptable.
void
send_ack(struct net *net, const struct tcp_conn *conn);
void
send_syn_ack(struct net *net, const struct segment *s, u32 iss, u32 ts_value);
// For a connection that is only a TIME-WAIT record.
void
send_timewait_ack(struct net *net, const struct segment *s,
		  const struct timewait *tw);
u32
ts_clock(const struct net *net);
// Header of a segment with our options; returns its length. `h` points behind
// the IPv4 header.
struct tcp_header {
	struct tuple tuple;
	u32 seq, ack;
	u32 window;		// as it goes on the wire
	u8 flags;
	bool ts;
	u32 ts_value, ts_echo;
	u16 mss;		// 0: no option
	u8 scale;		// NO_SCALE: no option
	bool sack_permitted;
	u32 sack_count;
	struct seq_range sack[3];
};
#define NO_SCALE 0xffu
u32
tcp_header_build(u8 *h, const struct tcp_header *t);

// tcp_api.c
bool
listens(const struct net *net, u16 port);

// tcp_input.c
void
tcp_input(struct net *net, const struct ip_packet *p);

// tcp_ack.c
void
ack_process(struct net *net, struct tcp_conn *conn, const struct segment *s);

// tcp_ranges.c: ordered, disjoint ranges of sequence numbers.
// Adds one, joining those that it touches. False: all `max` places are taken.
bool
ranges_add(struct seq_range *ranges, u32 *count, u32 max, struct seq_range add);
void
ranges_drop_below(struct seq_range *ranges, u32 *count, u32 seq);

// tcp_runs.c: the history of the flight.
// What an acknowledgement says arrived, of that which was not known to.
struct delivery {
	u32 now, min_rtt;	// in
	u32 highest_before;	// in
	u32 highest;
	u32 bytes;
	bool any, resent;	// the one of them that was sent last, and when
	u32 sent, end;
	bool reordered;
	bool dsack;
};
u32
run_start(const struct tcp_conn *conn, u32 i);
// New bytes up to `end` were sent.
void
runs_append(struct tcp_conn *conn, u32 end, u32 now);
void
runs_resend(struct tcp_conn *conn, u32 start, u32 end, u32 now);
// Everything below `ack` arrived: moves snd_una.
void
runs_acked(struct tcp_conn *conn, u32 ack, struct delivery *d);
void
runs_sacked(struct tcp_conn *conn, struct seq_range block, struct delivery *d);
// Bytes in runs with (flags & mask) == flags.
u32
runs_bytes(const struct tcp_conn *conn, u8 mask, u8 flags);
// The first range to send again; false: none.
bool
runs_lost(const struct tcp_conn *conn, u32 *seq, u32 *len);
// Takes what is not sacked below `end` for lost.
void
runs_lose(struct tcp_conn *conn, u32 end);
void
runs_forget_sacked(struct tcp_conn *conn);

// tcp_loss.c
u32
sent_clock(const struct net *net);
// Bytes that are believed to be in the network.
u32
loss_pipe(const struct tcp_conn *conn);
struct delivery
loss_delivery(const struct net *net, const struct tcp_conn *conn);
// Notes what the peer holds out of order.
void
loss_sack(struct tcp_conn *conn, const struct segment *s, struct delivery *d);
// Learns from what arrived. True: that gave a round-trip time.
bool
loss_delivered(struct net *net, struct tcp_conn *conn, const struct delivery *d);
// Marks what must be lost by now, and sets the timer for what may be.
void
loss_detect(struct net *net, struct tcp_conn *conn);
// A duplicate acknowledgement of a peer without SACK.
void
loss_duplicate(struct net *net, struct tcp_conn *conn);
// The edge moved by `acked` bytes.
void
loss_advance(struct tcp_conn *conn, u32 acked);
void
loss_timeout(struct tcp_conn *conn);
void
loss_schedule_probe(const struct net *net, struct tcp_conn *conn);
void
loss_probe_acked(struct tcp_conn *conn, const struct delivery *d);
// What a tail loss probe sends again: the last segment that is not sacked.
void
loss_tail(const struct tcp_conn *conn, u32 *seq, u32 *len);
void
loss_timer(struct net *net, struct tcp_conn *conn);

// tcp_receive.c
void
receive_data(struct net *net, struct tcp_conn *conn, const struct segment *s);
// Bytes of the buffer that are in use, held ones and the gaps between included.
u32
receive_extent(const struct tcp_conn *conn);
// Notes what of a segment we had, to be reported.
void
receive_twice(struct tcp_conn *conn, const struct segment *s);
// The window for the next segment, in bytes. Never takes back what was promised.
u32
receive_window(const struct net *net, const struct tcp_conn *conn);
void
receive_consume(struct net *net, struct tcp_conn *conn, u32 len);

// tcp_close.c
// Queues our FIN.
void
conn_shutdown(struct net *net, struct tcp_conn *conn);
// The peer acknowledged our FIN.
void
conn_fin_acked(struct net *net, struct tcp_conn *conn);
// The peer's FIN is next in order.
void
conn_fin_received(struct net *net, struct tcp_conn *conn);
// Ends it with a reset.
void
conn_reset(struct net *net, struct tcp_conn *conn);

// tcp_output.c
bool
tcp_output(struct net *net, struct tcp_conn *conn, struct net_packet *packet);

// tcp_pieces.c: what the application queued.
bool
pieces_add_lent(struct tcp_conn *conn, const void *bytes, u32 len);
u32
pieces_add_copy(struct tcp_conn *conn, const void *bytes, u32 len);
void
pieces_release(struct tcp_conn *conn, u32 len);
// Puts up to `len` bytes from sequence number `seq` behind the packet's header,
// or beside it as spans. Returns how many it could.
u32
pieces_gather(const struct tcp_conn *conn, struct net_packet *packet, u32 seq,
	      u32 len);

// tcp_path.c: how large a packet the path takes.
// A router says that ours with `seq` was too big for `mtu`.
void
path_too_big(struct net *net, const struct tuple *tuple, u32 seq, u32 mtu);
// Timeouts in a row may mean that nobody says so.
void
path_suspect(struct tcp_conn *conn);

// tcp_timer.c
void
tcp_timer(struct net *net, struct tcp_conn *conn);
void
rtt_sample(struct tcp_conn *conn, u64 rtt_ns);
void
rto_restart(struct net *net, struct tcp_conn *conn);
// A connection without data in flight waits to send: probes for a window.
void
persist_start(struct net *net, struct tcp_conn *conn);

// Sequence number after everything that is queued, a FIN included.
static inline u32
conn_send_end(const struct tcp_conn *conn)
{
	return conn->data_end + conn->fin_queued;
}

// Bytes and flags sent, not acknowledged, sacked or not.
static inline u32
conn_flight(const struct tcp_conn *conn)
{
	return conn->snd_nxt - conn->snd_una;
}

static inline bool
conn_opening(const struct tcp_conn *conn)
{
	return conn->state == TCP_SYN_SENT || conn->state == TCP_SYN_RECEIVED;
}

static inline bool
fin_acked(const struct tcp_conn *conn)
{
	return conn->fin_queued && conn->snd_una == conn->data_end + 1;
}
