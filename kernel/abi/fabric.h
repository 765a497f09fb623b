// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Fabric queues: submission and completion rings for operations on what other
// nodes have granted. A queue lies in FABRIC_QUEUE_FRAMES consecutive frames of
// the environment that binds it, and moves data between its region of frames
// and other nodes.
//
// The environment fills submit[head % FABRIC_SUBMIT_SLOTS], advances
// submit_head and calls fabric_kick(); the kernel takes what it finds (each
// submission is copied once), and writes complete[complete_head %
// FABRIC_COMPLETE_SLOTS] before it advances complete_head. Operations complete
// in any order; `tag` says which is which. Frames that an operation names are
// pinned until it completes. At most FABRIC_OPEN_MAX are open at a time: more
// wait in the ring.
//
// `window` replaces the kernel's congestion control for what this queue submits: so many
// frames, of requests and of the answers that they ask for, may be under way at a node,
// whatever the delay; 0 leaves it to the kernel. It is read with each submission; more
// than FABRIC_WINDOW_MAX is as much. At most the environment's share comes of it
// (docs/pace.md). Operations of at most 256 bytes each way do not wait for it.
//
// A completion has one of three outcomes, and for two of them a code of
// net/wire/codes.def. What the queue itself refuses (its region, the slot) is
// NOT_DONE with the code that fits.

#include "kernel/abi/layout.h"

#define FABRIC_SUBMIT_SLOTS 32u
#define FABRIC_COMPLETE_SLOTS 64u
#define FABRIC_OPEN_MAX 48u
#define FABRIC_WINDOW_MAX 255u
#define FABRIC_WEIGHT 16u
#define FABRIC_WEIGHT_MAX 255u
#define FABRIC_CLAUSES_MAX 3u
#define FABRIC_PIECES_MAX 13u
#define FABRIC_HOLDERS_MAX 24u	// of one answer
#define FABRIC_QUEUE_FRAMES 4u
#define FABRIC_SERVICE_NONE (~0ull)
#define FABRIC_NODE_SELF 0xffffu	// SEND to a service, GRANT: of this node itself

// READ to FLUSH work on a REMOTE capability: `offset` counts bytes from the start
// of its range, `local` is a byte of the queue's region (frame * PAGE_SIZE and
// more), `length` as the table of docs/protocol says.
enum fabric_op {
	FABRIC_NONE,
	FABRIC_READ,		// offset, length -> local
	FABRIC_WRITE,		// local -> offset, length
	FABRIC_MCAS,		// offset, length 8 or 16, clauses; a chained READ -> local, a
				// chained WRITE <- local
	FABRIC_FETCH_ADD,	// offset, length 8, addend
	FABRIC_NOTIFY,		// offset, length 4
	FABRIC_SEND,		// local, length -> an endpoint, or a service of `node`
	FABRIC_BLOCK_READ,	// offset, length 4096 -> local
	FABRIC_BLOCK_WRITE,	// local -> offset, length 4096
	FABRIC_BLOCK_FLUSH,
	FABRIC_GRANT,		// a part of an own capability for somebody of `node`
	FABRIC_DERIVE,		// a part of a REMOTE capability, by its owner
	FABRIC_REVOKE,		// what came from a REMOTE capability
	FABRIC_DROP,		// a REMOTE capability at its owner
	FABRIC_CANCEL,		// the operation of this queue with tag `offset`
	FABRIC_POST,		// local, length: a buffer for an ENDPOINT; completes
				// when a message lies in it; `offset` is told to the sender
	FABRIC_ACCEPT,		// a place for a capability; completes when one came
	FABRIC_READV,		// offset, pieces -> local; length: of all of them
	FABRIC_PUTV,		// local -> offset, pieces, when the word there compares
	FABRIC_HOLDERS,		// who holds what came from a capability -> local
	FABRIC_EXPEL,		// takes back from one of them
	FABRIC_INVOKE,		// local, length -> the program of an endpoint
	FABRIC_HANDLE,		// that program for an ENDPOINT of this queue
	FABRIC_PROTECT,		// takes rights away from one of them, or from a REMOTE one
	FABRIC_POOL,		// as GRANT, of own frames: for the other to ALLOC from
	FABRIC_ALLOC,		// frames out of a pool of another node
	FABRIC_BLOCK_FUA,	// local -> offset, length 4096; done when it is durable
	FABRIC_BLOCK_TRIM,	// offset, length: 1 to 256 blocks, not wanted any more
	FABRIC_BLOCK_ZERO,	// likewise: zeroes, without sending them
	FABRIC_TICKET,		// a part of a REMOTE capability for somebody of `node` ->
				// local; `offset`: for how many ns. Without a word to anybody
	FABRIC_REDEEM,		// such a ticket at `node`, its owner's; `offset` comes back
				// as the word of the capability, which needs a place
	FABRIC_RECALL,		// asks one of the holders, by a deadline
	FABRIC_LEASE,		// puts frames of the caller's, a copy of `length` bytes from
				// `offset` of a REMOTE capability on, under a lease by it
	FABRIC_OP_COUNT
};

// MCAS: the first clause with (old & compare_mask) == (compare & compare_mask)
// is applied: (old & ~swap_mask) | (swap & swap_mask) is stored, and then `chain`
// happens to chain_length bytes (0: nothing) at chain_offset: up to 4096 are read to
// `local`, up to 1024 written from there, or one is added to 4 and who waits for them
// wakes.
enum fabric_chain {
	FABRIC_CHAIN_READ,
	FABRIC_CHAIN_WRITE,
	FABRIC_CHAIN_NOTIFY,
};

struct fabric_clause {
	u64 compare[2];
	u64 compare_mask[2];
	u64 swap[2];
	u64 swap_mask[2];
	u64 chain_offset;
	u32 chain_length;
	u32 chain;		// enum fabric_chain
};

// READV: up to 4096 bytes in all, one piece behind the other at `local`. The offsets
// count from the submission's, and that one and `length` lie in the range as well.
struct fabric_piece {
	u64 offset;
	u32 length;
	u32 reserved;
};

// PUTV: up to 1024 bytes in all. When (old & compare_mask) == (compare & compare_mask)
// for the 8 aligned bytes at the submission's offset, the pieces are written and then
// `add` is added there; the completion's clause is 0 then, else FABRIC_CLAUSE_NONE.
struct fabric_change {
	u64 compare;
	u64 compare_mask;
	u64 add;
	struct fabric_piece piece[FABRIC_PIECES_MAX];
};

// HOLDERS of a REMOTE capability, by its owner, or of one that was granted from here.
// `length` is that of fabric_holders with room for 1 to FABRIC_HOLDERS_MAX; `offset` is
// 0, or `next` of the answer before.
struct fabric_holder {
	u8 uuid[16];		// of its node
	u64 incarnation;
	u32 environment;
	u32 slot;		// its name, for EXPEL
	u32 generation;
	u8 type;		// enum fabric_type
	u8 rights;
	u16 alive;		// there is a session with its node
	u64 base;		// REMOTE: from the start of it; else as in its range
	u64 count;
};

struct fabric_holders {
	u32 count;
	u32 next;		// 0: there are no more
	struct fabric_holder holder[FABRIC_HOLDERS_MAX];
};

struct fabric_expel {
	u32 slot;
	u32 generation;
};

// PROTECT: what a holder that HOLDERS told of may do from now on; with slot
// FABRIC_SLOT_OWN and generation 0 the REMOTE capability itself. Rights only go: those
// that it has not got already are refused. All that came from it loses them too.
#define FABRIC_SLOT_OWN 0xffffffffu

struct fabric_protect {
	u32 slot;
	u32 generation;
	u8 rights;		// CAP_READ, CAP_WRITE, CAP_DERIVE
	u8 reserved0;
	u16 reserved1;
};

// ALLOC: the first `count` units in a row that nobody has of those from `base` on, which
// is counted from the start of the pool; zeroed. The capability comes into a place that
// was posted (ACCEPT), old[0] of the completion is the first unit. Dropping it gives them
// back; so do the death of the environment or the next life of its node, the pool's
// going, and an ACCEPT that was not there.
#define FABRIC_ALLOC_MAX 16u
#define FABRIC_ALLOC_RANGE 4096u

struct fabric_alloc {
	u64 base;
	u64 word;		// shown with the capability
	u32 range;		// units that may be taken, 1 to FABRIC_ALLOC_RANGE
	u32 count;		// 1 to FABRIC_ALLOC_MAX
	u8 rights;
	u8 reserved0;
	u16 reserved1;
	u32 reserved2;
};

// RECALL: of a capability that was granted from here, a holder's last `count` units. It
// completes when they have come back, and at the deadline at the latest: then what is
// still held is taken.
struct fabric_recall {
	u32 slot;		// the holder's name, as HOLDERS tells it
	u32 generation;
	u64 count;		// more than it holds: all
	u64 deadline_ns;	// at most REVOKE_DELAY_MAX_NS ahead (kernel/abi/revoke.h)
};

// LEASE: done when the owner has been asked once by the capability, which needs READ.
// From then on the kernel asks again, and takes the capability for the frames away, with
// mappings and the frames as cap_drop would, when the owner refuses, is silent for too
// long, or the REMOTE capability goes: REVOKE_LEASE (kernel/abi/revoke.h) is the record.
// When the owner's clock has gone on by FABRIC_LEASE_NS since it took the capability
// back, or its end, none of the copies is left, whatever has died. The lease ends with
// the frames' capability too, and not with the queue.
#define FABRIC_LEASE_NS NS_PER_SECOND
#define FABRIC_LEASES_EACH 16u	// of an environment

struct fabric_lease {
	u32 slot;		// of the capability for the frames
	u32 reserved;
};

// GRANT, DERIVE and TICKET: who gets it, and what. `base` is in units of the capability:
// for GRANT as in its range, else from the start of it.
struct fabric_target {
	u64 incarnation;	// of `node`
	u32 environment;	// id there
	u32 rights;
	u64 base;
	u64 count;
	u64 word;		// shown to the other
	u32 weight;		// GRANT: of its service when there is not enough for all, among
				// what this environment has granted, 1 to FABRIC_WEIGHT_MAX; 0:
				// FABRIC_WEIGHT. DERIVE: 0, it is served with what it comes from
	u32 reserved;
};

// TICKET, REDEEM: what a ticket is, wherever it passes. Its bytes confer nothing: the
// owner gives what it says to the environment that it names, once, and takes nothing in
// it for true that the maker's kernel has not signed.
struct fabric_ticket {
	u8 owner[16];		// UUID of the node to redeem it at
	u64 owner_incarnation;
	u8 maker[16];
	u64 maker_incarnation;
	u32 maker_environment;
	u32 slot;
	u32 generation;
	u32 serial;
	u8 uuid[16];		// of the node of the one who may redeem it
	u64 incarnation;
	u32 environment;
	u8 rights;
	u8 reserved[3];
	u64 base;
	u64 count;
	u64 expires;		// us since the owner's boot
	u8 tag[16];
};

// HANDLE: a verified program (PROGRAM_INVOKE of kernel/abi/program.h) and a frame that
// it may read and write, under capabilities of the caller; with SLOT_NONE, none any
// more. It stays until one of the capabilities, the endpoint or the queue goes.
struct fabric_handler {
	u32 program_slot;
	u32 frame_slot;
	u64 frame;
};

struct fabric_submit {
	u64 tag;
	u8 op;			// enum fabric_op
	u8 fenced;		// not before all earlier ones to that node
	u16 node;		// index in the table of links: SEND to a service, GRANT,
				// DERIVE, TICKET, REDEEM
	u32 slot;		// the capability: REMOTE; FABRIC for SEND to a service;
				// ENDPOINT for POST; what is granted for GRANT
	u64 offset;		// as above; a service's number
	u64 local;
	u32 length;
	u32 clause_count;	// MCAS; READV, PUTV: pieces
	union {
		struct fabric_clause clause[FABRIC_CLAUSES_MAX];
		struct fabric_piece piece[FABRIC_PIECES_MAX];
		struct fabric_change change;
		struct fabric_expel expel;
		struct fabric_protect protect;
		struct fabric_alloc alloc;
		struct fabric_recall recall;
		struct fabric_lease lease;
		struct fabric_handler handler;
		struct fabric_target target;
		struct fabric_ticket ticket;
		u64 addend;
	};
};

#define FABRIC_SUBMIT_HEAD offsetof(struct fabric_submit, clause)

// Of the operations that are most frequent nothing behind the head is read.
static inline bool
fabric_has_operand(u32 op)
{
	return op != FABRIC_READ && op != FABRIC_WRITE && op != FABRIC_BLOCK_READ &&
	       op != FABRIC_BLOCK_WRITE && op != FABRIC_SEND;
}

enum fabric_outcome {
	FABRIC_DONE,		// it has run, once
	FABRIC_NOT_DONE,	// it has not run and never will
	FABRIC_UNKNOWN_FINAL,	// it may have run; it cannot run later
};

#define FABRIC_CLAUSE_NONE 255u

struct fabric_complete {
	u64 tag;
	u8 outcome;		// enum fabric_outcome
	u8 code;		// of net/wire/codes.def
	u8 clause;		// MCAS, PUTV: which one matched, or FABRIC_CLAUSE_NONE
	u8 op;
	u32 length;		// bytes that came to `local`
	u64 old[2];		// MCAS, FETCH_ADD, PUTV: what was there. SEND: the word of
				// the buffer. INVOKE: results. ACCEPT: units. ALLOC: the
				// first unit. RECALL: units that came back, and that were
				// taken
	union {
		// POST: who sent the message. ACCEPT: who gave the capability. RECALL:
		// who held it.
		struct {
			u64 incarnation;
			u64 word;	// ACCEPT; RECALL: first unit of what was taken
			u32 environment;	// POST, RECALL
			u32 slot;	// ACCEPT: of the capability
			u16 node;
			u8 type;	// ACCEPT, RECALL: enum fabric_type
			u8 rights;	// ACCEPT, RECALL
			u32 reserved;
		};
		// What went to another node: until it was first sent, on the way, and at
		// work there, as that says in steps of a sixteenth: the disk for all on
		// blocks; the program for INVOKE, from 1 us on; for READ and READV of more
		// than 256 bytes what they waited for their turn while weights divide the
		// service. Else 0: what ends in the turn in which it came is not timed,
		// nor is what was told again.
		struct {
			u64 queue_ns;
			u64 wire_ns;
			u64 remote_ns;
			u64 reserved1;
		};
	};
};

// What a REMOTE capability names at its owner.
enum fabric_type {
	FABRIC_FRAMES = 1,
	FABRIC_BLOCKS = 2,
	FABRIC_ENDPOINT = 3,
	FABRIC_POOLED = 4,	// frames, to be taken by ALLOC
};

struct fabric_control {
	u32 complete_head;	// written by the kernel
	u32 submit_tail;	// written by the kernel: taken from the ring
	u8 reserved0[56];
	u32 submit_head;	// written by the environment
	u32 complete_tail;	// written by the environment
	u32 window;		// likewise: see above
	u8 reserved1[52];
	struct fabric_complete complete[FABRIC_COMPLETE_SLOTS];
	struct fabric_submit submit[FABRIC_SUBMIT_SLOTS];
};

STATIC_ASSERT(sizeof(struct fabric_submit) == 280);
STATIC_ASSERT(sizeof(struct fabric_complete) == 64);
STATIC_ASSERT(sizeof(struct fabric_holder) == 56);
STATIC_ASSERT(sizeof(struct fabric_ticket) == 136);
STATIC_ASSERT(sizeof(struct fabric_control) <=
	      FABRIC_QUEUE_FRAMES * PAGE_SIZE);

// fabric_bind: a FABRIC capability with WRITE, the queue's frames, and the region
// that data may lie in, both under capabilities for frames with READ and WRITE.
struct fabric_spec {
	u32 fabric_slot;
	u32 queue_slot;
	u64 queue_frame;
	u32 region_slot;
	u32 reserved;
	u64 region_frame;
	u64 region_count;
};

// The range of a REMOTE capability: units from the start of what was granted,
// behind a number of the kernel's own.
#define REMOTE_UNIT_BITS 40
#define REMOTE_UNIT(base) ((base) & ((1ull << REMOTE_UNIT_BITS) - 1))

// Exported tables (kernel/abi/tables.h): links to other nodes, by index, and
// what the fabric counts.
enum fabric_state {
	FABRIC_OFF,		// no `cluster=` word: nothing is sent
	FABRIC_ON,
	FABRIC_NO_NIC,		// none, or its MTU is below 1500
	FABRIC_NO_ENTROPY,
};

enum fabric_link_state {
	FABRIC_LINK_FREE,
	FABRIC_LINK_DOWN,
	FABRIC_LINK_UP,
	FABRIC_LINK_LAPSED,	// over, but requests may still run there
};

struct fabric_link {
	u8 uuid[16];
	u64 incarnation;
	u8 mac[6];
	u8 state;		// enum fabric_link_state
	u8 open;		// our requests
	u8 grant;		// what the peer may have open here
	u8 credit;		// what we may have open there
	u16 carries;		// longest frame that the path is known to take
	u32 session;		// 0: none; counts on
	u32 rtt_us;
	u16 window;		// frames that may be under way; 0: nobody is talked to
	u16 base_us;		// shortest round trip, about; 0: not measured
	u64 heard_at;		// ns since boot
};

#define FABRIC_LINKS_MAX 1024u
#define FABRIC_DROPS_MAX 48u
#define FABRIC_STRAYS_MAX 16u
#define FABRIC_LOST_MAX 8u
#define FABRIC_CODES_MAX 40u
#define FABRIC_WIRE_OPS_MAX 32u

struct fabric_info {
	u32 state;		// enum fabric_state
	u32 links;		// entries in use, from 0 on
	u32 changes;		// counts changes of a link's state: wait on it
	u32 exports;		// capabilities held by others
	u32 exports_max;
	u32 operations;		// open, of all environments
	u8 uuid[16];		// this node's
	u64 received;		// frames
	u64 sent;
	u64 accepted;		// of those received; the others were dropped
	u64 dropped[FABRIC_DROPS_MAX];	// by net/link/drops.def
	u64 strays[FABRIC_STRAYS_MAX];	// by net/rcap/drops.def
	u64 lost[FABRIC_LOST_MAX];	// by kernel/abi/lost.def
	u64 sessions;
	u64 lapses;
	u64 resends;
	u64 timeouts;
	u64 completed[3];	// by outcome
	u64 executed[FABRIC_WIRE_OPS_MAX];
	u64 repeated;
	u64 refused[FABRIC_CODES_MAX];
	u64 walks;
	u64 key_agreements;
	u64 rekeys;		// of frames that this node sends
	u64 slowed;		// windows made smaller, since answers took longer
	u64 leased;		// copies of environments here that came under a lease
	u64 lapsed;		// of those, taken away: it was over
};

STATIC_ASSERT(sizeof(struct fabric_link) == 56);
