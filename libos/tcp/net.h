// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A TCP/IP stack for one Ethernet interface, as a sans-IO core: ARP, IPv4,
// ICMP echo, UDP, a DHCP client, TCP. Time, randomness and memory are passed
// in; the same sources run in the libOS, in host tests against themselves under
// loss, and under a fuzzer.
//
// A host runs this loop:
//
//	net_init(&net, memory, size, &config);
//	for (;;) {
//		for each received frame:          net_input(net, now, frame, len);
//		net_tick(net, now);
//		while ((conn = tcp_next(net, &events)))   application
//		while (net_output(net, now, &packet))     send it
//		wait for a frame or until net_next_deadline(net);
//	}
//
// Nothing is sent from inside net_input() or an application call: connections
// that have something to say are queued, and net_output() asks them, so that an
// acknowledgement rides on the answer that the application gave meanwhile.
//
// Every table has a bound given at the start, and no frame makes the stack
// allocate. Times are nanoseconds on one monotonic clock; addresses and ports
// are in host order.

#include "kernel/base/types.h"

#define NET_HEADER_MAX 1600u	// room that net_output() needs for one packet
#define NET_SPANS_MAX 2u
#define NET_CUT_MAX 65000u	// an IPv4 packet ends at 65,535 bytes
#define NET_SECRET_LEN 16u
#define NET_FRAME_HEADROOM 14u	// Ethernet
#define NET_OWN_MAX 4u		// addresses of a guest

struct net;
struct tcp_conn;

// Whose addresses a stack has. A guest shares those of its node: somebody else
// (cluster/programs/front) answers ARP and DHCP for them and passes frames on, by
// writing the guest's MAC address over the destination. So a guest never answers
// ARP, asks with the sender address 0.0.0.0 (RFC 5227: no cache learns it), does
// not believe that a frame's Ethernet source is its sender's, answers from the
// address that was asked, and opens no connections itself.
enum net_mode {
	NET_HOST,		// the configuration's address; 0 asks DHCP
	NET_REMEMBERED,		// that address was leased before: used at once, while
				// DHCP confirms it (RFC 2131, 3.2)
	NET_GUEST,		// none but what net_set_addresses() gives
};

struct net_config {
	u8 mac[6];
	u16 mtu;		// IPv4 packet bytes: 576..1500
	bool checksum_offload;	// the device completes the TCP checksum
	u32 cut_max;		// bytes of TCP payload that the device cuts into segments
				// (with checksum_offload; at most NET_CUT_MAX); 0: none
	u16 cut_min;		// the shortest segments that it cuts into
	u32 conn_max;		// TCP connections, 1..65535
	u32 receive_size;	// receive buffer of each, bytes
	u8 secret[NET_SECRET_LEN];	// random: initial sequence numbers, hashing
	u64 seed;		// random: jitter, identifiers
	enum net_mode mode;
	u32 address;
	u32 mask;
	u32 gateway;		// 0: none
};

struct net_span {
	const void *at;
	u32 len;
};

// A frame to send: `header_len` bytes in the caller's buffer, then the spans,
// which lie in memory that the application lent. checksum_start != 0: the
// device adds up from there to the end of the frame and stores the result at
// checksum_start + checksum_offset. segment != 0: it is longer than a frame; the
// device makes TCP segments with so many bytes each of it, or net_cut() does.
struct net_packet {
	u8 *header;		// in: NET_HEADER_MAX bytes
	u32 header_len;
	u32 span_count;
	struct net_span span[NET_SPANS_MAX];
	u8 checksum_start;
	u8 checksum_offset;
	u16 segment;
};

enum net_drop {
	NET_DROP_SHORT,		// truncated, or lengths that disagree
	NET_DROP_ETHERTYPE,	// not ARP or IPv4
	NET_DROP_ADDRESS,	// not for us, or from a senseless address
	NET_DROP_CHECKSUM,
	NET_DROP_FRAGMENT,
	NET_DROP_PROTOCOL,
	NET_DROP_PORT,		// nobody listens there
	NET_DROP_COOKIE,	// an opening acknowledgement that is not ours
	NET_DROP_TABLE,		// no free connection
	NET_DROP_WINDOW,	// outside the window, or an old duplicate
	NET_DROP_COUNT
};

struct net_counters {
	u64 received;
	u64 sent;
	u64 dropped[NET_DROP_COUNT];
	u64 accepted;		// TCP connections opened by a peer
	u64 retransmitted;	// segments
	u64 timeouts;		// retransmission timers that fired
	u64 fast_recoveries;
	u64 resets_sent;
	u64 challenges;		// RFC 5961 acknowledgements
	u64 strays;		// frames that net_stray() said yes to
};

// Bytes of memory that the stack needs for this configuration.
u64
net_memory_needed(const struct net_config *config);

// Builds the stack in the caller's memory (zeroed, 16-aligned, lent for good).
// Only what is used is touched, so it may be demand-zero memory. Returns NULL
// when the configuration is outside its ranges.
struct net *
net_init(void *memory, u64 size, const struct net_config *config, u64 now_ns);

// Takes one received frame. It is not kept.
void
net_input(struct net *net, u64 now_ns, const void *frame, u32 len);

// Runs what is due.
void
net_tick(struct net *net, u64 now_ns);

// When net_tick() is due: a time, or UINT64_MAX.
u64
net_next_deadline(const struct net *net);

// Makes the next frame to send. Returns false when there is none.
must_check bool
net_output(struct net *net, u64 now_ns, struct net_packet *packet);

// Makes the next segment of a packet whose `segment` is not 0. `*done` says how many
// bytes of its payload were taken, 0 at first. `part->header` is another buffer of
// NET_HEADER_MAX bytes. False, and nothing is made, when there are no more.
must_check bool
net_cut(const struct net_packet *whole, u32 *done, struct net_packet *part);

// Own address, 0 while there is none yet; its network's mask, and the gateway, 0 if
// there is none.
u32
net_address(const struct net *net);
u32
net_mask(const struct net *net);
u32
net_gateway(const struct net *net);

const struct net_counters *
net_counters(const struct net *net);

// An address of a guest. `spread`: guests of several nodes share it, and whoever
// holds it decides which of them gets which frames.
struct net_own {
	u32 address;
	bool spread;
};

// Guests: the addresses from now on, at most NET_OWN_MAX, the mask and the gateway
// (0: none) behind all of them. Connections of addresses that stay go on; those of
// others end (TCP_GONE).
void
net_set_addresses(struct net *net, u64 now_ns, const struct net_own *own,
		  u32 count, u32 mask, u32 gateway);

// Guests: was the frame that net_input() took last a stray, that is a TCP segment
// without SYN, for no connection here, to a spread address? Another guest may have
// its connection. Nothing was answered: the host sends the frame on
// (balance_redirect()), or gives it to net_refuse().
must_check bool
net_stray(const struct net *net);

// Answers a stray that nobody else can know with a reset.
void
net_refuse(struct net *net, u64 now_ns, const void *frame, u32 len);

// Walks every invariant; asserts.
void
net_check(const struct net *net);
