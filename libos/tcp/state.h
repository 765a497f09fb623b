// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The stack's state, shared by the files of this folder and by nobody else.
//
// Invariants, walked by net_check():
//   N1  a connection is in use, or on the free list, never both
//   N2  one in use is in exactly one hash chain; its place in the timer heap
//       agrees with the heap; the heap is ordered
//   N3  snd_una <= snd_nxt <= data_end, one more when a FIN is queued
//   N4  pieces cover [snd_una - first_skip, data_end); copied ones lie in the
//       copy ring
//   N5  ranges received out of order are ordered, disjoint, after rcv_nxt and
//       inside the receive buffer
//   N6  runs cut [snd_una, snd_nxt) into bytes of one fate (tcp_runs.c)

#include "kernel/base/prng.h"
#include "libos/tcp/net.h"
#include "libos/tcp/tcp.h"

#define NIL 0xffffffffu
#define NEVER_NS (~0ull)

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_ARP 0x0806u
#define ETHERNET_LEN 14u
#define IPV4_LEN 20u
#define TCP_LEN 20u
#define TCP_TS_LEN 12u		// timestamp option with two NOPs
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

#define ARP_ENTRIES 64u
#define CONTROL_RING (32u * 1024)	// frames built at once: ARP, ICMP, RST, SYN-ACK
#define SYN_ENTRIES 512u		// direct mapped
#define TIMEWAIT_ENTRIES 1024u		// direct mapped
#define MSS_DEFAULT 536u		// of a peer that names none (RFC 9293, 3.7.1)
#define MSS_MIN 64u
#define RUNS_MAX 48u
#define SENT_SHIFT 10			// the unit of sending times: 1,024 ns
#define ORPHAN_NS (60 * NS_PER_SECOND)	// without progress and without an owner
#define OOO_MAX 4u

// Sequence numbers compare modulo 2^32 (RFC 9293, section 3.4).
static inline i32
seq_diff(u32 a, u32 b)
{
	return (i32)(a - b);
}

struct seq_range {
	u32 start;
	u32 end;		// first after
};

struct tuple {
	u32 peer;
	u16 peer_port;
	u16 local_port;
};

enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,	// simultaneous open only
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSING,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,		// only while the application still has it
	TCP_DEAD,		// over; the application has not been told yet
};

struct piece {
	const u8 *at;		// NULL: in the copy ring
	u32 len;
};

// A stretch of the flight: it begins where the one before ends.
struct sent_run {
	u32 end;		// first after
	u32 sent;		// when last, by sent_clock()
	u8 flags;
};
#define RUN_SACKED 1u		// the peer holds it
#define RUN_LOST 2u		// to be sent again
#define RUN_RESENT 4u		// was sent more than once

enum recovery {
	RECOVERY_NONE,
	RECOVERY_FAST,
	RECOVERY_TIMEOUT,
};

struct tcp_conn {
	u8 state;		// enum tcp_state; TCP_CLOSED: free
	bool owned;		// the application has it
	bool ready;		// on the list of tcp_next()
	bool queued_out;	// on the list of net_output()
	u8 events;		// for tcp_next()
	bool ts_ok, sack_ok;
	u8 send_shift, receive_shift;
	bool fin_queued;
	bool fin_received;	// in order
	bool ack_now;
	u8 recovery;		// enum recovery
	bool resend_now;	// what is lost, whatever the window
	bool probe_tail;	// send the last segment again
	bool tail_resent;
	u8 tail_tries;		// tail loss probes in a row
	bool reordered;		// seen on this path
	bool rack_valid;
	bool loss_at_is_reorder;	// else the tail loss probe
	u8 reorder_multiple, reorder_memory;
	bool probe_now;		// send into a closed window
	u8 retries;		// timeouts in a row: the backoff
	u8 unanswered;		// timers that fired since the peer was heard
	u8 dup_acks;
	u8 peer_mac[6];		// from its last acceptable frame, or ARP
	bool mac_known;
	struct tuple tuple;
	u32 hash_next;
	u32 list_next;		// ready list
	u32 out_next;		// output list
	void *user;

	// Sending.
	u32 iss, snd_una, snd_nxt;
	u32 data_end;		// after the last queued byte; a FIN goes here
	u32 snd_wnd, snd_wl1, snd_wl2;
	u32 snd_wnd_max;
	u32 mss;		// payload bytes of a segment, options taken off
	struct piece piece[TCP_PIECES_MAX];
	u32 piece_first, piece_count;
	u32 first_skip;		// bytes of the first piece that were acknowledged
	u32 copy_tail, copy_used;
	u8 *copy;		// TCP_COPY_SIZE bytes, a ring

	// Congestion control and loss recovery (tcp_ack.c, tcp_loss.c).
	u32 cwnd, ssthresh;
	u32 recover;		// recovery ends when this is acknowledged
	u32 run_count;
	struct sent_run run[RUNS_MAX];
	u32 highest;		// the highest sequence number that arrived there
	u32 rack_sent, rack_end, rack_rtt;	// the latest sent that arrived
	u32 tail_end;		// tail loss probe: where the flight ended; 0: none
	u32 dsack_round;
	u64 min_rtt_ns, min_rtt_at;

	// Timers: absolute, or NEVER_NS.
	u64 rto_ns;
	u64 srtt_ns, rttvar_ns;
	u64 rto_at, ack_at, end_at, loss_at;
	u64 syn_at;		// when our SYN was sent; 0: more than once
	u64 sent_at;		// when data was last sent
	u64 heap_key;
	u32 heap_index;		// NIL: not in the heap

	// Receiving.
	u32 irs, rcv_nxt;
	u32 rcv_adv;		// right edge that was advertised
	u32 ts_recent;
	u32 last_ack_sent;
	u32 unacked_segments;
	u32 buffer_at;		// where the oldest byte not consumed lies
	u32 received;		// in-order bytes from there
	u32 ooo_count;
	struct seq_range ooo[OOO_MAX];
	u32 ooo_recent;		// where the latest of them begins
	struct seq_range twice;	// came again, not yet reported (RFC 2883)
	u32 fin_seq;
	bool fin_known;
	u8 *buffer;
};

struct arp_entry {
	u32 address;		// 0: free
	u8 mac[6];
	bool resolved;
	u8 tries;
	u64 asked_at;
	u64 expires_at;
};

// What a SYN told, kept until its handshake ends. Another SYN that finds the
// place taken is answered with a cookie instead.
struct syn_entry {
	struct tuple tuple;	// peer 0: free
	u64 cookies_until;	// cookies went out in place of this record
	u32 irs, iss;
	u16 mss;
	u8 send_shift;
	bool ts_ok, sack_ok, scale_ok;
	u32 ts_recent;
	u64 sent_at;		// of the SYN-ACK; 0: more than once
	u64 expires_at;
};

struct timewait {
	struct tuple tuple;	// peer 0: free
	u32 snd_nxt, rcv_nxt;
	u32 ts_recent;
	bool ts_ok;
	u64 expires_at;
};

enum dhcp_state {
	DHCP_OFF,		// static address
	DHCP_SELECTING,
	DHCP_REQUESTING,
	DHCP_BOUND,
	DHCP_RENEWING,
	DHCP_REBINDING,
};

struct dhcp {
	enum dhcp_state state;
	u32 xid;
	u32 offered, server;
	u32 tries;
	u64 started_at;
	u64 next_at;
	u64 renew_at, rebind_at, expires_at;
};

struct heap_entry {
	u64 key;
	u32 conn;
};

struct net {
	struct net_config config;
	struct net_counters counters;
	struct prng prng;
	u32 address, mask, gateway;
	u64 now_ns;		// of the last call
	u16 ip_id;

	struct arp_entry arp[ARP_ENTRIES];
	struct dhcp dhcp;
	u16 listeners[TCP_LISTENERS_MAX];
	u32 listener_count;
	u64 challenge_second;
	u32 challenges_left;
	u64 rst_second;
	u32 rsts_left;

	u8 control[CONTROL_RING];
	u32 control_head, control_tail;

	struct tcp_conn *conn;
	u32 free_first;
	u32 in_use;
	u32 *bucket;
	u32 bucket_mask;
	struct heap_entry *heap;
	u32 heap_count;
	u32 ready_first, ready_last;
	u32 out_first, out_last;
	struct syn_entry syn[SYN_ENTRIES];
	struct timewait timewait[TIMEWAIT_ENTRIES];
};

// A received IPv4 packet, checked.
struct ip_packet {
	const u8 *mac;		// Ethernet source
	u32 source, target;
	u8 protocol;
	const u8 *payload;
	u32 len;
};

// A received TCP segment, checked.
struct segment {
	struct tuple tuple;
	const u8 *mac;
	u32 seq, ack;
	u32 window;		// not scaled
	u8 flags;
	const u8 *data;
	u32 len;
	bool has_ts, has_mss, has_scale, sack_permitted;
	u32 ts_value, ts_echo;
	u16 mss;
	u8 scale;
	u32 sack_count;
	struct seq_range sack[4];
};

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

// ip.c
void
ip_input(struct net *net, const u8 *frame, u32 len);
// Fills Ethernet and IPv4 headers before `payload_len` bytes of transport.
void
ip_header(struct net *net, u8 *frame, const u8 mac[6], u32 target, u8 protocol,
	  u32 payload_len);
// An address that a single other machine may have.
bool
ip_is_host(const struct net *net, u32 address);
// The link address for a target, through the gateway when it is not on the
// link. False: not known yet; ARP asks.
bool
ip_route(struct net *net, u32 target, u8 mac[6]);
// The same for a peer that does not answer: ARP asks again.
bool
ip_route_again(struct net *net, u32 target, u8 mac[6]);

// arp.c
void
arp_input(struct net *net, const u8 *frame, u32 len);
bool
arp_find(struct net *net, u32 address, u8 mac[6]);
// Asks again for what is known, and may be wrong.
void
arp_doubt(struct net *net, u32 address);
void
arp_announce(struct net *net);

// dhcp.c
void
dhcp_start(struct net *net);
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
// Our address is another one, or none: ends every connection and handshake.
void
conn_forget_all(struct net *net);

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
struct tcp_conn *
syn_finish(struct net *net, const struct segment *s);
// Forgets a handshake that the peer reset.
void
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
