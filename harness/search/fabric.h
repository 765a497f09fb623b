// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The fabric's world: three nodes with net/link and net/rcap, one of them the owner of
// two pages, the others each with a capability for both. All frames that are on the way
// lie in one bag: any of them comes next, comes and stays, or is lost.
//
// Time stands still but for two choices: to the next deadline of any core, or beyond
// every lease. So what differs between states is what happened, not when.

#include "harness/search/search.h"
#include "net/rcap/rcap.h"

#define NODES 3u
#define OWNER 0u
#define PAGES 2u		// the owner's, exported
#define PAGE 4096u
#define LOCAL PAGES		// page for the data of a node's own operations
#define BAG 10u			// frames on the way; one more is lost
#define BAG_FULL 6u		// from here on they come before anything else happens
#define FRAME_ROOM 384u
#define LINKS_ROOM 24576u	// for a core's memory
#define RCAP_ROOM 32768u
#define OPS 6u
#define FORGED 1001u		// tag of an operation that must be refused
#define POISON 0xa5a5a5a5a5a5a5a5ull

enum op_word { WORD_SWAPPED, WORD_ADDED, WORD_WRITTEN, WORDS };

enum op_state { OP_TO_COME, OP_OPEN, OP_ENDED };

// One of the operations that are made, in this order by each node.
struct script {
	u8 node;
	u8 op;			// enum wire_op
	u8 word;		// enum op_word
	bool fenced;		// not before the node's earlier ones have ended
	u64 value;		// that it puts or adds
};

extern const struct script script[OPS];

struct bag_frame {
	u64 hash;
	u16 len;
	u8 from, to;
	u8 came;		// it is a copy of one that came before
	u8 reserved[3];
	u8 bytes[FRAME_ROOM];
};

// How one of the script's operations fares.
struct fate {
	u64 old, read;
	u64 orphaned_at;	// 0: its node lives
	u8 state;		// enum op_state
	u8 outcome, clause;
	u8 boot;		// of its owner, for which it is meant
	u8 effect;		// it has had one
	u8 cancelled;
	u8 reserved[2];
	u32 id;			// rcap's
	u32 reserved2;
};

// What a forgery names, or asks for.
enum forgery {
	FORGE_RANGE,		// a word that begins in the last page, and ends behind it
	FORGE_GENERATION,	// a capability's next life
	FORGE_HOLDER,		// another environment's capability
	FORGE_RIGHTS,		// a revocation, without the right to derive
	FORGERIES
};

struct budget {
	u8 losses, copies, crashes, ticks, lapses, cancels, forgeries, reserved;
};

struct fabric {
	u64 now;
	struct budget left;
	struct fate fate[OPS];
	struct rcap_remote held[NODES];
	u8 holds[NODES];
	u8 up[NODES];
	u8 boot[NODES];
	u8 live[NODES + 1];	// nodes of the owner's derivation tree
	u32 entry[NODES];	// in the export table
	u8 withdrawn;		// the second holder's capability was revoked...
	u8 cleaned[NODES];	// ...or another's was; and its entry removed
	u8 stale[NODES];	// it is the entry of a dead life, to be removed
	u8 warm;		// nodes whose first, plain read has come back
	u32 bag_count;
	u32 lost;		// for want of room
	struct bag_frame bag[BAG];
};

extern struct fabric fabric;
extern struct links *fabric_links[NODES];
extern struct rcap *fabric_rcap[NODES];
extern u64 fabric_memory[NODES][PAGES + 1][PAGE / 8];

// fabric.c: a node's life
void
fabric_boot(u32 node);
void
fabric_crash(u32 node);
void
fabric_deliver(u32 place, bool stays);
void
fabric_lose(u32 place);
void
fabric_time(u64 now);
u64
fabric_deadline(void);
void
fabric_submit(u32 node);
void
fabric_cancel(u32 op);
void
fabric_forge(enum forgery what);
void
fabric_withdraw(void);
void
fabric_settle(u32 node);
void
fabric_clean(u32 node);

// The operation that a node makes next, or OPS.
u32
fabric_next(u32 node);
bool
fabric_connected(void);

// judge.c: after every step
void
judge(void);
