// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The stack's state, shared by the files of this folder and by nobody else; what
// they call of each other is in parts.h.
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
//   N7  the lists of connections with news and with output end, and hold exactly
//       those that are marked so
//   N8  address is own[0]'s or 0; what has a tuple has one of own[] in it

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
#define PARKED_MAX 64u			// frames of guests that wait for ARP
#define PARKED_NS NS_PER_SECOND		// later the peer has asked again
#define CONTROL_SEGMENT_MAX (ETHERNET_LEN + IPV4_LEN + 60u)
#define CONTROL_RING (32u * 1024)	// frames built at once: ARP, ICMP, RST, SYN-ACK
#define SYN_ENTRIES 512u		// direct mapped
#define TIMEWAIT_SETS 256u
#define TIMEWAIT_WAYS 4u		// places where a record may be
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
	u32 local;
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

// A segment that could not be sent before the link address of its hop is known.
struct parked {
	u32 hop;		// 0: free
	u32 len;
	u64 until_ns;
	u8 frame[CONTROL_SEGMENT_MAX];
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
	DHCP_OFF,		// static address, or a guest
	DHCP_CONFIRMING,
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

// Answers to strangers left in this second.
struct ration {
	u64 second;
	u32 left;
};

struct net {
	struct net_config config;
	struct net_counters counters;
	struct prng prng;
	struct net_own own[NET_OWN_MAX];
	u32 own_count;
	u32 address;		// the first of them; 0: none
	u32 mask, gateway;
	bool stray;		// the frame taken last was one
	bool refusing;		// it is none, wherever it came from
	u64 now_ns;		// of the last call
	u32 clock_offset;	// of our timestamps: they do not tell the uptime

	struct arp_entry arp[ARP_ENTRIES];
	struct parked parked[PARKED_MAX];
	u32 parked_next;
	struct dhcp dhcp;
	u16 listeners[TCP_LISTENERS_MAX];
	u32 listener_count;
	struct ration challenges, resets;

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
	struct timewait timewait[TIMEWAIT_SETS][TIMEWAIT_WAYS];
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
	const u8 *mac;		// its sender's; NULL: not known (guests)
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
