// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Which instance of a job gets which connection, as pure functions of the view: no
// clock, no allocation, no memory of any flow. docs/balance.md explains the whole.
//
// Each job with a port has a table of BALANCE_SLOTS slots. A connection's addresses
// and ports, hashed with the cluster's key, choose the slot; the slot names
//   primary   its Maglev entry over the instances that take connections
//   before    the last two other primaries, the latest first, as far as they live
// Everybody computes the same primaries from the same view. `before` is what a table
// has seen; that of an instance begins with the table without that instance: who had
// its slots before it came, and will have them when it is gone.
//
// balance_steer() is for who holds an address (cluster/programs/front); a table by
// itself and balance_redirect() are for an instance that got a segment of a
// connection that it does not know.
//
// Bounds: BALANCE_SERVICES_MAX ports, BALANCE_PLACES_MAX instances a port; what is
// beyond, in the order of the view, is passed over.

#include "cluster/view/view.h"
#include "kernel/base/siphash.h"

#define BALANCE_SLOTS 4099u		// a prime
#define BALANCE_PLACES_MAX 128u
#define BALANCE_HERE_MAX 16u		// rings of a node
#define BALANCE_SERVICES_MAX 8u
#define BALANCE_CHAIN_MAX 3u
#define BALANCE_NONE 0xffu

// An instance, one life of it.
struct balance_place {
	u8 uuid[16];		// of its node
	u64 incarnation;
	u32 environment;
	u16 number;
	u8 mac[6];
	bool takes;		// new connections
	bool here;		// on this node
};

struct balance_table {
	u8 key[SIPHASH_KEY_LEN];
	u32 job;		// id
	u16 port;		// 0: the table is free
	u8 count;
	u8 here_count;
	u8 here[BALANCE_HERE_MAX];
	struct balance_place place[BALANCE_PLACES_MAX];
	u8 primary[BALANCE_SLOTS];
	u8 before[2][BALANCE_SLOTS];
	u8 scratch[BALANCE_SLOTS];	// while it is filled
};

// Both ends of a connection, as the one that serves it sees them. Hashed as bytes.
struct balance_flow {
	u32 peer;		// host order
	u32 local;
	u16 peer_port;
	u16 local_port;
};

// Takes the instances of job[index] of the view. Zeroed memory is an empty table.
// `self` is the caller's environment if it is one of them, else 0. Returns whether
// slots may have changed.
bool
balance_table_update(struct balance_table *table, const struct view *view,
		     u32 index, u32 self);

u32
balance_slot(const u8 key[SIPHASH_KEY_LEN], const struct balance_flow *flow);

// Who may know a connection of the slot, the most likely first: the primary, then
// before[]. Returns how many, all different.
u32
balance_chain(const struct balance_table *table, u32 slot,
	      u8 chain[BALANCE_CHAIN_MAX]);

// The connection that a frame belongs to: a TCP segment, or an ICMP error about one
// that was sent here. False: none, or a fragment, which no stack of ours takes.
must_check bool
balance_read(const u8 *frame, u32 len, struct balance_flow *flow);

// Where the instance with the address `own` sends a stray on to; NULL: nowhere, it is
// refused. One that comes from the holder goes to the next of the slot's chain; one
// that comes from the one before in the chain goes on once more. So a frame is sent
// on twice at most, and the time to live that balance_pass_on() takes from it bounds
// even what tables that disagree could do.
const struct balance_place *
balance_redirect(const struct balance_table *table, const u8 own[6],
		 const u8 virtual_mac[6], const u8 *frame, u32 len);

// Readies it: both MAC addresses, and one off the time to live. False: that is over.
must_check bool
balance_pass_on(u8 *frame, const u8 to[6], const u8 own[6]);

// All of a node's, for the holder of its address and perhaps of the virtual one.
struct balance {
	u32 address, virtual_address;
	u16 api_port;
	u8 agent_mac[6];
	struct balance_table service[BALANCE_SERVICES_MAX];
};

enum balance_way {
	BALANCE_DROP,
	BALANCE_STACK,		// the holder's own stack
	BALANCE_HERE,		// a program of this node
	BALANCE_SPREAD,		// an instance anywhere, by the table
};

// Takes a view and the addresses that frames may be for (0: none yet).
void
balance_update(struct balance *balance, const struct view *view, u32 address,
	       u32 virtual_address);

// Where a received frame goes; *mac then is the destination's address, which lasts
// until the next update.
enum balance_way
balance_steer(const struct balance *balance, const u8 *frame, u32 len,
	      const u8 **mac);

// The MAC address of a program of a node (kernel/abi/ring.h, mac_index).
void
balance_mac(const u8 node[6], u32 mac_index, u8 mac[6]);
