// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Remote capabilities: the operations of one node on the pages, blocks and
// endpoints of others, and of others on its own. A sans-IO core on net/link; its
// hosts are kernel/fabric and harness/sim, which feed it and nothing below it:
//
//	rcap_init(memory, size, &config, links, host);
//	for (;;) {
//		for each received frame:	rcap_input(rcap, now, frame, len);
//		for each finished disk operation: rcap_block_done(rcap, ...);
//		rcap_tick(rcap, now);
//		while (rcap_completion(rcap, &completion))	tell who asked
//		while ((len = rcap_output(rcap, now, buffer)))	send it
//		wait, at most until rcap_deadline(rcap);
//	}
//
// Owner: the export table is an index of the nodes of the host's derivation tree
// that stand for remote holders. The check of a request is five compares (slot
// and generation, holder, era, rights, range); when the era has moved on, the
// host walks the ancestors once. Requester: each operation is a record from
// submission to completion; its outcome is one of three.
//
// Invariants, walked by rcap_check(): R1 an export in use stands for one node; R2
// nothing outside an export's range is touched, nor under a revoked one; R3 an
// operation's memory stays the host's to pin from rcap_submit() to its
// completion; R4 an operation completes exactly once; R5 a refused operation has
// touched nothing.

#include "net/link/link.h"

struct rcap;

#define RCAP_NONE 0xffffffffu
#define RCAP_EXPORTS_MAX (1u << WIRE_SLOT_BITS)
#define RCAP_WEIGHT 16u		// of an export, unless its granter says otherwise
#define RCAP_WEIGHT_MAX 255u

struct rcap_config {
	u8 *memory;		// byte 0 of frame 0; exports and buffers lie in it
	u8 *staging;		// staging_count pages of 4 KiB for blocks on their way
	u32 staging_count;	// block operations at work at a time, at most 255
	u32 exports_max;	// 1..RCAP_EXPORTS_MAX
	u32 ops_max;		// operations submitted and not completed, 1..65535
	u32 grants_max;		// grants on their way, and word of what is recalled
	u32 recalls_max;	// capabilities that are asked for, or were taken
	u32 leases_max;
	u64 lease_byte;		// of `memory`: where the reads of leases land
	u32 endpoints_max;
	u32 buffers_max;	// posted for messages
	u32 services_max;
	// What is counted of each export: exports_max entries in memory of the
	// host's, zeroed and lent for good. NULL: in the core's own.
	struct fabric_export *uses;
};

// Bytes of memory for rcap_init(), for configurations within their ranges.
u64
rcap_memory_needed(const struct rcap_config *config, const struct links_config *links);

// Builds the core in the caller's memory (zeroed, 64-aligned, lent for good), on links
// that were built with that configuration. `host` comes back with each call of the
// host's. NULL when the configuration is outside its ranges, or memory is too small or not
// aligned.
struct rcap *
rcap_init(void *memory, u64 size, const struct rcap_config *config,
	  const struct links_config *links_config, struct links *links, void *host);

// One received frame, from its Ethernet header on, of any length and content. It is not
// kept. Answers, and requests with something behind them, are sent by rcap_host_send()
// before this returns; requests with nothing behind them wait for more of their kind.
void
rcap_input(struct rcap *rcap, u64 now, const void *frame, u32 len);
// Sends the requests that wait, when all was put in and submitted; so does rcap_output().
void
rcap_flush(struct rcap *rcap, u64 now);
// What time has brought, and a bounded part of what waits: SERVE_FRAMES of answers and
// SWEEP_STEP exports (state.h).
void
rcap_tick(struct rcap *rcap, u64 now);
// When rcap_tick() and rcap_output() want to be called without a frame coming in; 0: now.
u64
rcap_deadline(const struct rcap *rcap);

// The same, or 0 when rcap_completion() has something.
u64
rcap_wants(const struct rcap *rcap);

// The next frame that can wait for room, in WIRE_FRAME_MAX bytes; 0: none.
must_check u32
rcap_output(struct rcap *rcap, u64 now, u8 *buffer);

// ---- requester

// An operation that was sent so long ago and is not answered, whatever its owner says
// meanwhile, ends the session with it: as UNKNOWN_FINAL, with all that is open there. No
// device is so slow; an owner that can do this and does is not to be waited for.
#define RCAP_PATIENCE_NS (60 * NS_PER_SECOND)

// A capability as the holder's kernel keeps it. Its numbers confer nothing.
struct rcap_remote {
	u64 incarnation;	// of the owner
	u32 slot;		// of the owner's export table
	u32 generation;		// of that slot
	u16 peer;		// the owner
};

struct rcap_clause {
	u64 compare[2], compare_mask[2];
	u64 swap[2], swap_mask[2];
	u64 chain_offset;
	u32 chain_length;
	u32 chain;		// enum wire_chain
};

// Of READV and PUTV: bytes from the submission's offset on, one piece behind the
// other at `local`.
struct rcap_piece {
	u64 offset;
	u32 length;
	u32 reserved;
};

// PUTV writes its pieces when (old & compare_mask) == (compare & compare_mask), `old`
// being the word at the submission's offset, and adds to the word behind them.
struct rcap_change {
	u64 compare, compare_mask;
	u64 add;
	struct rcap_piece piece[WIRE_PIECES_MAX];
};

struct rcap_submit {
	u64 tag;		// comes back with the completion
	u32 environment;	// who asks: its never reused id
	u32 holder;		// to whom the capability was granted, in whose name it is used;
				// 0: who asks
	u32 queue;		// for fences: operations of one queue of one environment
	u8 op;			// enum wire_op, not GRANT
	u8 window;		// frames that its environment wants under way at the
				// peer, whatever the delay; 0: the link's pace
	bool fenced;		// not before all earlier ones of its queue to that node
	struct rcap_remote remote;	// slot WIRE_SLOT_NONE: SEND to a service
	u64 offset;		// in the capability's range, or the service
	u32 length;		// as in ops.def
	u64 local;		// byte in `memory` where data come from or go to
	u32 pieces;		// MCAS: clauses; READV, PUTV: pieces
	union {
		struct rcap_clause clause[WIRE_CLAUSES_MAX];	// MCAS
		struct rcap_piece piece[WIRE_PIECES_MAX];	// READV
		struct rcap_change change;			// PUTV
		u64 addend;					// FETCH_ADD
		struct wire_derive derive;			// DERIVE
		struct wire_expel expel;			// EXPEL
		struct wire_protect protect;			// PROTECT
		struct wire_alloc alloc;			// ALLOC
		u8 ticket[WIRE_LENGTH(ticket)];			// REDEEM; `offset` is
								// shown with the grant
	};
};

enum rcap_outcome {
	RCAP_DONE,		// it has run, once
	RCAP_NOT_DONE,		// it has not run and never will
	RCAP_UNKNOWN_FINAL,	// it may have run; it cannot run later
};

struct rcap_completion {
	u64 tag;
	u32 environment;
	u32 queue;
	u32 id;
	u8 outcome;		// enum rcap_outcome
	u8 code;		// enum wire_code
	u8 clause;		// MCAS: which matched, or WIRE_CLAUSE_NONE; PUTV likewise
	u8 op;
	u32 length;		// bytes that came to `local`
	u32 taken;		// bytes that the owner took, by the outcome DONE
	u64 old[2];		// SEND: the word of the buffer that it went to. INVOKE: what
				// the program returned, and its second result. ALLOC: the
				// first unit, from the start of the pool
	// What it took: until it was sent for the first time; on the way, copies and
	// waiting for the peer's turn included; at work at the owner, as that says.
	u64 queue_ns, wire_ns, remote_ns;
};

// Takes an operation; the submission is copied. Returns its id, or RCAP_NONE when ops_max
// are open, the peer is no index of the table, or the submission makes no sense
// (rcap_sensible() says which). Whatever else is wrong comes as its completion. What can
// go at once is sent before this returns.
must_check u32
rcap_submit(struct rcap *rcap, u64 now, const struct rcap_submit *submit);

// Whether a submission's fields lie in their domains.
must_check bool
rcap_sensible(const struct rcap_submit *submit);

// Asks that it not run. It completes as NOT_DONE with CODE_CANCELLED, or with
// what happened; its memory stays pinned until then (R3). An id that is not open is
// ignored.
void
rcap_cancel(struct rcap *rcap, u64 now, u32 id);

// Cancels all of an environment that is going away.
void
rcap_cancel_all(struct rcap *rcap, u64 now, u32 environment);

// The next completed operation. Its record is free afterwards.
must_check bool
rcap_completion(struct rcap *rcap, struct rcap_completion *completion);

// An environment here holds a capability of a peer's, or holds it no more: as long as
// anyone does, its place is given to no other node.
void
rcap_hold(struct rcap *rcap, u16 peer);
void
rcap_let(struct rcap *rcap, u16 peer);

// ---- tickets (docs/remote-capabilities.md)

// What a holder's kernel keeps of a capability to make tickets with: never shown to
// an environment.
struct rcap_secret {
	u8 key[LINKS_MASK];
	u64 clock;		// the owner's, in microseconds, when the grant came
	u64 at;			// our own, in nanoseconds
};

// What came with the grant, inside rcap_host_granted(); NULL: the owner speaks a
// version without tickets.
const struct rcap_secret *
rcap_granted(const struct rcap *rcap);

// Writes the ticket number `serial` of a capability, for whom and of what `to` says,
// base counted from the start of its range. Nobody is told, and nothing is checked but
// by the owner. A serial serves once.
struct rcap_ticket_terms {
	const struct rcap_remote *remote;
	const struct rcap_secret *secret;
	const struct wire_derive *to;
	u64 lifetime_ns;
	u32 environment;	// the maker
	u32 serial;		// from 1
};

void
rcap_ticket_write(const struct rcap *rcap, u64 now,
		  const struct rcap_ticket_terms *terms, u8 *ticket);

// ---- leases for copies of what was read (lease.c, docs/remote-capabilities.md)

// When the owner's clock has gone on so far since it took a capability back, no copy
// that was under a lease by it is left. The holder's host has been told by then, the
// margin early by its own clock: an eighth, by which two clocks may differ, and the time
// that a copy takes to go.
#define RCAP_LEASE_NS LINK_LEASE_NS
#define RCAP_LEASE_MARGIN_NS (RCAP_LEASE_NS / 8)

struct rcap_lease_terms {
	struct rcap_remote remote;	// for FRAMES, with READ
	u64 offset;		// last byte of the copy, in its range
	u32 environment;	// to whom the capability was granted
	u32 tag;		// for the host
};

// Begins one: rcap_host_leased() follows, or rcap_host_lapsed(), not before this returns.
// Returns what it is called until it has ended, or RCAP_NONE: leases_max are open, or the
// owner leaves too many reads unanswered.
must_check u32
rcap_lease(struct rcap *rcap, const struct rcap_lease_terms *terms);

// It is not wanted any more; the host is told nothing more of it.
void
rcap_lease_end(struct rcap *rcap, u32 lease);

// ---- owner

// How many tickets of one capability may be out at a time.
#define RCAP_TICKETS 32u

struct rcap_export {
	u8 type;		// enum wire_type; TYPE_NONE: free
	u8 rights;
	u16 peer;		// the holder
	u32 generation;
	u64 incarnation;	// of the holder
	u32 environment;	// of the holder
	u32 node;		// in the host's derivation tree
	u64 era;		// when the node was last known not to be revoked
	u64 base;		// first frame or block, or the endpoint
	u64 count;
	u32 node_generation;
	union {
		u32 next_free;
		u32 pass;	// of its share: where it is served next (serve.c)
	};
	u32 share;		// the entry whose share of the service it uses: its own, or
				// that of the one it was derived from by a holder
	u16 granter;		// who of this node granted that
	u8 weight;		// of the share, among those of the same granter
	u8 told;		// its holder knows that it goes, or what of it
};

// Exports a node of the derivation tree, which the host has just derived, and
// sends the holder a GRANT. Returns the entry, or RCAP_NONE when a table is full
// or the peer's life is another one. rcap_host_grant_ended() follows, or comes
// before this returns: it names the node.
struct rcap_grant {
	u8 type;
	u8 rights;
	u16 peer;
	u64 incarnation;
	u32 environment;
	u32 node, node_generation;
	u64 base, count;
	u64 word;		// shown to the holder
	u16 granter;		// any name of the environment that grants it: each has the
				// same share of the service when there is not enough for all
	u8 weight;		// of this one among the granter's; 0: RCAP_WEIGHT
};

must_check u32
rcap_export(struct rcap *rcap, u64 now, const struct rcap_grant *grant);

// The node of an entry is gone from the tree: so is the entry, and an open request for
// it to come back has ended (rcap_host_recalled()).
void
rcap_unexport(struct rcap *rcap, u32 entry);

// Something was revoked: every entry has its ancestors walked at its next use.
void
rcap_revoked(struct rcap *rcap);

// The entry, or NULL when it is free.
const struct rcap_export *
rcap_entry(const struct rcap *rcap, u32 entry);

// Who holds what was derived from a node: looks at entries from `from` on, at most
// RCAP_LOOKED of them, and tells of at most `most`. Returns where to go on, 0 at the
// end. `base` of each is as the host's tree has it.
#define RCAP_LOOKED 1024u
u32
rcap_holders(const struct rcap *rcap, u32 node, u32 from, u32 most,
	     struct wire_holder *holders, u32 *count);

// The entry of that name, when it was derived from a node; else RCAP_NONE.
u32
rcap_entry_below(const struct rcap *rcap, u32 node, u32 slot, u32 generation);

// ---- owner: what is asked for politely (recall.c)

// Asks the holder of an entry for its last `count` units, until `deadline`. Told by
// the host's rcap_host_recalled() when they have come back, and at the deadline at the
// latest: what is still held then is taken. Returns CODE_NONE, or CODE_ASKED,
// CODE_TABLE: nothing was begun.
#define RCAP_ASK_MAX_NS (600 * NS_PER_SECOND)	// 32 bits of clock tell that apart

struct rcap_ask {
	u64 tag;
	u64 count;		// at least 1; more than there are: all
	u64 deadline;		// at most RCAP_ASK_MAX_NS from now
	u32 entry;
};

must_check enum wire_code
rcap_recall(struct rcap *rcap, u64 now, const struct rcap_ask *ask);

struct rcap_recalled {
	u64 tag;
	u64 first;		// unit that was taken, in the host's numbers
	u64 taken;		// by force
	u64 given;		// came back before
	u64 incarnation;	// of the holder
	u32 environment;
	u16 peer;
	u8 type, rights;
};

// The node of an entry was shortened to `count` units, or is about to go: what is gone
// is refused from now on, and the holder is told, when there is room for that.
void
rcap_shortened(struct rcap *rcap, u32 entry, u64 count);
void
rcap_taken(struct rcap *rcap, u32 entry);

// True while a disk operation that was begun before a revocation is at work on
// one of these blocks.
bool
rcap_blocks_busy(const struct rcap *rcap, u64 base, u64 count);

// The operation that rcap_host_block() began with that ticket is over; once for each. False:
// the device has failed.
void
rcap_block_done(struct rcap *rcap, u64 now, u32 ticket, bool ok);

// Endpoints: a queue of posted buffers of one environment, each. False: `endpoint` is not
// below endpoints_max, or already open.
must_check bool
rcap_endpoint_open(struct rcap *rcap, u32 endpoint, u32 environment);
// Its buffers are the host's again and its services are closed. One that is not open is
// ignored.
void
rcap_endpoint_close(struct rcap *rcap, u32 endpoint);
// Posts `size` bytes at byte `local` of memory for one message; they are the core's until
// rcap_host_message() names `tag`, or the endpoint is closed. False: it is not open, or
// buffers_max are posted. `word` is told to whose message comes to lie there: with buffers
// that are parts of what it may read, a SEND is an allocation.
must_check bool
rcap_post(struct rcap *rcap, u32 endpoint, u64 local, u32 size, u64 tag, u64 word);

// A service: a number under which an endpoint is reached without a capability. False: the
// endpoint is not open, the number is taken, or services_max are open.
must_check bool
rcap_service_open(struct rcap *rcap, u64 service, u32 endpoint);
void
rcap_service_close(struct rcap *rcap, u64 service);

struct rcap_message {
	u32 endpoint;
	u32 length;
	u64 tag;		// of the buffer
	u64 local;		// where it lies
	u64 incarnation;	// of the sender's node
	u32 environment;	// of the sender
	u16 peer;
};

// A message to a service from this node itself: `length` bytes from `local`, and who
// sent it, stand in `from`. *word becomes that of the buffer. Returns CODE_NONE,
// CODE_SERVICE or CODE_BUFFER.
must_check enum wire_code
rcap_send_here(struct rcap *rcap, u64 service, const struct rcap_message *from,
	       u64 *word);

// ---- what the host does for the core; `host` is the pointer of rcap_init()

// True when neither the node nor an ancestor is revoked, and it is still the
// same node; *rights loses those that were taken away from one of them. At most 16
// steps.
must_check bool
rcap_host_walk(void *host, u32 node, u32 node_generation, u8 *rights);

// True when `node` hangs below `above`, at any depth. At most 16 steps.
must_check bool
rcap_host_below(void *host, u32 node, u32 above);

// Derives from `parent` for a remote holder. Returns CODE_NONE and the node, or
// why not.
must_check enum wire_code
rcap_host_derive(void *host, u32 parent, u32 rights, u64 base, u64 count,
		 u32 *node, u32 *node_generation);

// Revokes what was derived from a node; with `self`, the node too, and then the
// host calls rcap_unexport() for each entry in its own time. It calls
// rcap_revoked() before it returns.
void
rcap_host_revoke(void *host, u32 node, bool self);

// Takes from a node, and from what was derived from it, all rights but these. It calls
// rcap_revoked() before it returns.
void
rcap_host_protect(void *host, u32 node, u8 rights);

// Takes `count` units in a row out of a pool: the first that nobody has of those from
// `base` on, `range` of them. They are zero then. Derives a node for them from `parent`,
// the pool's: with it they come back. CODE_FRAMES: there are not so many; `later`: but
// what was given up is yet to be cleaned up.
struct rcap_taken {
	u64 base;
	u32 node, node_generation;
	bool later;
};

must_check enum wire_code
rcap_host_alloc(void *host, u32 parent, const struct wire_alloc *wanted,
		struct rcap_taken *taken);

// Ends a node, and what was derived from it, behind the first `keep` units of its
// range, which is longer. It calls rcap_shortened() and rcap_taken() meanwhile.
void
rcap_host_shorten(void *host, u32 node, u64 keep);

// What was asked for is here again, given or taken.
void
rcap_host_recalled(void *host, const struct rcap_recalled *recalled);

// A peer wants all but the first `keep` units of a capability back by then, or (`gone`)
// they are gone. Returns CODE_NONE, CODE_ENTRY: no such is held, CODE_ENVIRONMENT: who
// holds it is ending, or CODE_TABLE: it is asked for too much.
must_check enum wire_code
rcap_host_asked(void *host, const struct rcap_remote *remote,
		const struct wire_recall *recall, u64 deadline);

// A peer gives a capability to an environment here. Returns CODE_NONE,
// CODE_PLACE or CODE_ENVIRONMENT.
must_check enum wire_code
rcap_host_granted(void *host, const struct rcap_remote *remote,
		  const struct wire_grant *grant);

// The holder has the capability, or (any code but CODE_NONE) never will: then the
// entry is free already, and the host removes the node.
void
rcap_host_grant_ended(void *host, u32 entry, u32 node, u32 node_generation,
		      enum wire_code code);

// A lease has been proven: the copy is under it from now on.
void
rcap_host_leased(void *host, u32 tag);

// It is over, since its time is (CODE_NONE) or for `code`, and its name is free: what was
// under it must not be read any more. Or it never began.
void
rcap_host_lapsed(void *host, u32 tag, enum wire_code code);

// A message lies in the buffer that was posted for it.
void
rcap_host_message(void *host, const struct rcap_message *message);

// Runs the program that stands on an endpoint, on a message that lies behind the
// pointer only during the call; `message` says how long it is and who sent it. Within
// the program's steps, and with no way to fail once it has begun; *took_ns says how long
// it ran. CODE_HANDLER: there is none.
must_check enum wire_code
rcap_host_invoke(void *host, const struct rcap_message *message, const u8 *bytes,
		 u64 result[2], u64 *took_ns);

// `len` bytes of memory were changed by a peer; who waits for them goes on.
void
rcap_host_changed(void *host, u64 local, u32 len);

// Starts an operation on blocks (one, but for BLOCK_TRIM and BLOCK_ZERO), or returns
// false when the device's queue is full. rcap_block_done() follows; after BLOCK_FUA
// once it is durable.
must_check bool
rcap_host_block(void *host, u32 ticket, enum wire_op op, u64 block, u32 count,
		u8 *page);

// Does the device do that? Asked for BLOCK_TRIM and BLOCK_ZERO.
must_check bool
rcap_host_able(void *host, enum wire_op op);

// Compares and swaps 16 aligned bytes in one step; leaves in `expected` what was
// there.
must_check bool
rcap_host_cas16(void *host, u64 *at, u64 expected[2], const u64 desired[2]);

// A buffer of WIRE_FRAME_MAX bytes for a frame, or NULL: then the frame is as
// good as lost. rcap_host_send() gives it back with `len` bytes in it; 0: unused.
u8 *
rcap_host_buffer(void *host);

// Whether answers that wait for their turn (serve.c) may go now: there is work enough
// before the processor and the interface, or there is not. While it says no, the host
// calls rcap_tick() once that has changed.
must_check bool
rcap_host_room(void *host);
void
rcap_host_send(void *host, u8 *buffer, u32 len);

// ---- for everybody

enum rcap_drop {
#define X(name, sentence) name,
#include "net/rcap/drops.def"
#undef X
	RCAP_DROP_COUNT
};

struct rcap_counters {
	u64 submitted;
	u64 completed[3];	// by outcome
	u64 executed[OP_COUNT];	// at the owner
	u64 repeated;		// answers told or run again
	u64 refused[CODE_COUNT];
	u64 walks;		// slow paths of the check
	u64 recalls;		// holders that were asked
	u64 recalled;		// units that came back of what was asked for
	u64 forced;		// units of it that were taken
	u64 untold;		// holders that were not told of what they lost
	u64 left;		// sessions that were ended, since an answer took too long
	u64 leased;		// leases that were proven
	u64 lapsed;		// of those, ended by their time or by the owner
	u64 crowded;		// exports that were taken back, since others wanted the place
				// of their holder, who was silent for long
	u64 dropped[RCAP_DROP_COUNT];
};

// All that was counted since rcap_init(); it goes on changing.
const struct rcap_counters *
rcap_counters(const struct rcap *rcap);

// What is counted of each export, by entry: exports_max of them.
const struct fabric_export *
rcap_uses(const struct rcap *rcap);

// Walks every invariant, the links' too; asserts.
void
rcap_check(const struct rcap *rcap);

// A hash of the whole state, the links' too: equal histories give equal hashes.
u64
rcap_hash(const struct rcap *rcap);
