// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The state of remote capabilities, shared by the files of this folder and by
// nobody else.
//
// An operation's record:
//
//	                op_dispatch(), at once: nothing waits
//	          +--------------------------------------------+
//	          |                                            v
//	FREE -> FRESH -----------> WAITING ------------------> OPEN
//	  ^       |  lane_append()  |       op_dispatch()      |
//	  |       |                 |                          | op_end()
//	  +-----  +--> ENDED <------+--------------------------+
//	    rcap_completion()
//
// A grant on its way is such a record too; it ends with
// rcap_host_grant_ended() and without ENDED.

#include "net/link/link.h"
#include "net/rcap/rcap.h"
#include "net/wire/planted.h"
#include "net/wire/points.h"

#define NIL16 0xffffu
#define LANES LINK_LANES	// environments take turns by this many lists
#define OVERTAKEN_MAX 8u	// quick operations that go past one that is not
#define LANDING_TURNS 16u	// peers that are looked at for each frame that came
#define UNIT_BITS 12		// a unit of FRAMES and BLOCKS is 4 KiB
#define BLOCK_BYTES 4096u
#define CAS_TRIES 64u
#define SWEEP_STEP 64u		// exports looked at in one rcap_tick()
#define HELD_ALL 255u		// of a request that is whole
#define TICKETS_MAX 255u
#define WAITERS_MAX 64u		// requests that wait for their turn at the owner
#define WAITER_PAYLOAD (WIRE_PIECES_MAX * 16u)
#define SERVE_FRAMES 12u	// of answers, in one rcap_tick()
#define NEVER (~0ull)

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

enum op_state {
	OP_STATE_FREE,
	OP_STATE_FRESH,		// in no lane yet
	OP_STATE_WAITING,
	OP_STATE_OPEN,
	OP_STATE_ENDED,
};

struct rcap_op {
	u64 tag;
	u64 incarnation;
	u64 offset;
	u64 local;
	u64 old[2];
	u64 submitted_at;
	u64 sent_at;		// for the first time; 0: not yet
	u64 ended_at;
	u32 environment;	// who asks, and waits in its lane
	u32 holder;		// in whose name
	u32 queue;
	u32 slot, generation;
	u32 length;
	u32 number;		// while OPEN; before: quick ones that went past it
	u32 execution;		// that `have` belongs to
	u32 answer_len;
	u32 operand_len;
	u32 data_len;		// bytes at `local` that go behind the operand
	u32 remote_us;		// as the owner says
	u32 chain_max;		// MCAS: longest chained read
	u32 turn;		// uses of this record, for ids
	u32 entry_generation;	// GRANT: `tag` is the entry; RECALL: turn of record `tag`;
				// of a lease, `tag` is its name
	u16 peer;
	u16 next;
	u8 op;
	u8 state;		// enum op_state
	u8 outcome, code, clause;
	u8 fenced, cancelled;
	u8 have;		// bit of each part of the answer that came
	u8 held;		// bit of each part of the request that the owner has
	u8 frames;		// of the request, as counted while WAITING
	u8 parted;		// it was sent in parts, and stays so
	u8 window;		// of its lane; 0: the link's pace
	u8 pieces;
	u8 chained;		// MCAS: something else than a READ follows a swap
	u8 own;			// the core's: a GRANT, a RECALL, or the READ of a lease
	u8 reserved;
	u8 operand[WIRE_OPERAND_MAX];
};

// Waiting operations for a peer, a circular list for each lane.
struct rcap_lanes {
	u16 tail[LANES];
	u16 landing_next;	// peer behind this one, which waits for landing places
	u16 waiting;		// operations in all lanes
	u32 frames;		// of their requests
	u8 busy;		// bits of lanes in which something waits
	u8 next_lane : 4, landing_listed : 4;
	u16 held;		// of its capabilities, here
	u32 exports;		// to it
};

enum ticket_state {
	TICKET_FREE,
	TICKET_GATHER,		// parts of a block come in
	TICKET_RUNNING,		// the device has it
};

// A block operation, and a page of `staging`. (What is redeemed is a wire_ticket.)
struct rcap_ticket {
	u64 block;
	u64 count;		// blocks
	u64 began;		// when its first part came; then: when the device got it
	u32 slot, generation;	// that it passed the check by
	u32 number;
	u32 session;
	u16 peer;
	u8 state;		// enum ticket_state
	u8 op;
	u8 whole;
	u8 reserved[3];
};

// A request that waits for its share's turn, and a share of which some wait.
struct rcap_waiter {
	struct wire_request request;
	u64 came;
	u32 session;
	u16 peer;
	u16 next;		// of its share, or free
	u32 payload_len;
	u8 payload[WAITER_PAYLOAD];
	u32 reserved;
};

struct rcap_share {
	u32 entry, generation;	// the export's
	u32 pass;
	u16 head, tail;		// waiters
	u16 granter;
	u8 weight;
	u8 waiters;
};

// Of an export: tickets that were redeemed.
struct rcap_spent {
	u32 newest;		// serial
	u32 seen;		// bit n: that one less n
};

struct rcap_buffer {
	u64 local;
	u64 tag;
	u64 word;
	u32 size;
	u32 next;
};

struct rcap_endpoint {
	u32 environment;
	u32 head, tail;		// buffers, RCAP_NONE: none
	u32 open;
};

struct rcap_service {
	u64 service;
	u32 endpoint;		// RCAP_NONE: free
	u32 reserved;
};

enum recall_state {
	RECALL_FREE,
	RECALL_ASK,		// until the deadline
	RECALL_TELL,		// that it is gone
};

// A holder that is to give back, or to learn what is gone.
struct rcap_recall {
	u64 deadline;		// ASK
	u64 keep;		// units that may stay
	u64 had;		// ASK: units when it was asked
	u64 tag;
	u64 incarnation;	// of the holder
	u64 retry_at;		// when it is sent again, with a session
	u32 environment;
	u32 slot, generation;	// of the entry
	u32 turn;		// counts what was sent of this record
	u16 peer;
	u8 state;		// enum recall_state
	u8 heard;		// the holder's node knows, or never will
	u8 under_way;
	u8 reserved[3];
};

enum lease_state {
	LEASE_FREE,
	LEASE_ASKED,		// for the first proof
	LEASE_PROVEN,
};

struct rcap_lease {
	u64 incarnation;	// of the owner
	u64 offset;
	u64 asked_at;		// when the newest read was submitted
	u64 ask_at;		// the next, when none is on its way
	u64 until;		// PROVEN
	u32 environment;
	u32 slot, generation;
	u32 tag;		// the host's
	u16 peer;
	u8 state;		// enum lease_state
	u8 under_way;		// a read is, even when nobody waits for it any more
	u32 reserved;
};

#pragma GCC diagnostic pop

STATIC_ASSERT(LINK_PEER_BYTES + sizeof(struct rcap_lanes) <= 256);		// K7

struct rcap {
	struct rcap_config config;
	struct links *links;
	void *host;
	struct rcap_op *op;
	struct rcap_lanes *lanes;	// by peer
	struct rcap_export *exports;
	struct fabric_export *uses;	// by export
	struct trace_ring *trace;	// the links'
	struct rcap_ticket *ticket;
	struct rcap_spent *spent;	// by export
	u32 *sharers;		// by export: entries whose `share` it is
	struct rcap_endpoint *endpoint;
	struct rcap_buffer *buffer;
	struct rcap_service *service;
	const struct rcap_secret *granted;	// see rcap_granted()
	u8 secret[LINKS_SECRET];	// what those of the slots are derived from
	struct rcap_recall *recall;
	struct rcap_lease *lease;
	u64 era;
	u64 chores_at;		// sweep, recalls and leases want a tick
	u32 executions;
	u32 weighted;		// exports with a weight of their own; 0: nobody waits
	u32 ops_used;		// submitted by environments
	u32 grants_used;
	u32 op_count;		// records
	u16 ops_free;
	u16 ended_head, ended_tail;
	u16 reserved;
	u32 exports_free;
	u32 exports_fresh;	// from here on, never used
	u32 exports_used;
	u32 sweep;		// next export to look at; exports_fresh: none
	u16 crowded;		// the peer whose place is wanted, or LINK_NONE
	u16 reserved2;
	u32 buffers_free;
	u32 recalls_used;
	u32 leases_used;
	u16 landing_head, landing_tail;	// peers that take turns for landing places
	bool landing_turn;	// it is the head's
	bool landing_full;	// it had to go on waiting
	struct rcap_counters counters;
	// Requests of one session that go in one frame: as many as come before rcap_flush().
	struct {
		u32 session;
		u16 peer;
		u16 count;	// 0: none waits
		struct wire_request at[WIRE_TOGETHER_MAX];
	} together;
	struct {
		struct rcap_waiter waiter[WAITERS_MAX];
		struct rcap_share share[WAITERS_MAX];
		u32 shares;	// in use, from 0 on
		u32 count;	// waiters
		u32 pass;	// of the one that was served last
		u16 free;
		bool blocked;	// the host has no room
	} serve;
	// What is put together for one frame, or for one answer.
	u8 scratch[WIRE_DATA_MAX];
};

// A request on its way through the owner.
struct asked {
	u64 now;
	u16 peer;
	const struct wire_request *request;
	const u8 *payload;
	u32 payload_len;
	struct link_slot *slot;
	struct rcap_export *entry;	// once the check has passed
	u64 worked_ns;		// at something that took time
};

static inline u16
op_index(const struct rcap *rcap, const struct rcap_op *op)
{
	return (u16)(op - rcap->op);
}

// A frame that came to nothing, or was not sent.
static inline void
drop_count(struct rcap *rcap, u64 now, enum rcap_drop drop, u16 peer, u32 number)
{
	rcap->counters.dropped[drop]++;
	trace_put(rcap->trace, now, TRACE_STRAY, peer, number,
		  TRACE_PACK(TRACE_NO_SLOT, 0, 0, drop));
}

static inline u64
entry_bytes(const struct rcap_export *entry)
{
	return entry->count << UNIT_BITS;
}

// submit.c
// It completes: its record waits for rcap_completion(), and with a grant or a recall is
// free. Whatever it had open at the link is closed.
void
op_end(struct rcap *rcap, u64 now, struct rcap_op *op, enum rcap_outcome outcome,
       enum wire_code code);
// Records of the core's own; there was room for them.
u32
grant_submit(struct rcap *rcap, u32 entry, u64 word);
void
recall_submit(struct rcap *rcap, u32 index);
void
lease_submit(struct rcap *rcap, u32 index);
// The first that waits for a peer in a lane, or NULL.
struct rcap_op *
lane_first(const struct rcap *rcap, u16 peer, u32 lane);
void
lane_remove(struct rcap *rcap, struct rcap_op *op);

// together.c
// Whether the operation's request may share a frame.
bool
together_goes(const struct rcap *rcap, const struct rcap_op *op);
void
together_add(struct rcap *rcap, u64 now, const struct rcap_op *op,
	     const struct wire_request *body);
// Makes the frame of the requests that wait, of which there are some. Its length, or 0:
// their session is over.
u32
together_seal(struct rcap *rcap, u64 now, u8 *buffer);

// send.c
// Frames of the request, on the path as it is now.
u32
op_frames(const struct rcap *rcap, const struct rcap_op *op);
// Sends what the owner is not known to have of an open operation.
void
op_send(struct rcap *rcap, u64 now, struct rcap_op *op);
// Opens and sends an operation, in a lane or in none yet, or ends it. False: it has to wait.
bool
op_dispatch(struct rcap *rcap, u64 now, struct rcap_op *op);
// Opens what waits for a peer, by turns of its lanes, as far as the link allows.
void
peer_dispatch(struct rcap *rcap, u64 now, u16 peer);
// The session is over: all of the peer's end.
void
peer_down(struct rcap *rcap, u64 now, u16 peer);
// The next peers that wait for landing places, an operation each.
void
landing_serve(struct rcap *rcap, u64 now);
// Small both ways.
bool
op_quick(const struct rcap_op *op);

// True when the answer is out for too long: then the session with its owner is over.
bool
op_overdue(struct rcap *rcap, u64 now, const struct rcap_op *op);

// answer.c
void
op_answer(struct rcap *rcap, u64 now, const struct link_event *event);

// owner.c
// A request that the link lets run. It is answered, refused, or at work elsewhere when this
// returns.
void
owner_request(struct rcap *rcap, u64 now, const struct link_event *event);
// The five compares, and the walk where the era has moved on. Sets `entry`; CODE_NONE:
// the operation may run.
enum wire_code
owner_check(struct rcap *rcap, struct asked *asked);
// The slow path of the check: false when the entry is revoked; its rights are then what
// is left of them.
bool
entry_walk(struct rcap *rcap, struct rcap_export *entry);
// Runs the request of a fresh slot, or one that is gathering parts.
void
owner_run(struct rcap *rcap, struct asked *asked);
// Neither the entry nor what it was derived from is revoked; its rights are those that
// are left.
bool
era_holds(struct rcap *rcap, struct rcap_export *entry);
// Says that it has not run, and why; for good, unless asking again is harmless.
void
owner_refuse(struct rcap *rcap, const struct asked *asked, enum wire_code code);
void
owner_say(struct rcap *rcap, const struct asked *asked, enum wire_status status,
	  enum wire_code code);
// An operation passed the check of its capability, if it needs one, and is run; it tells
// `told` bytes of data.
void
owner_use(struct rcap *rcap, const struct asked *asked, u32 told);
// It was at work for asked->worked_ns under that entry, if that is still there.
void
owner_worked(struct rcap *rcap, const struct asked *asked, u32 slot, u32 generation);
// It has run, with `length` bytes to tell: the slot keeps what repeats need, and the answer
// goes. owner_done() only tells.
void
owner_ran(struct rcap *rcap, const struct asked *asked, const u8 *data, u32 length);
void
owner_done(struct rcap *rcap, const struct asked *asked, const u8 *data, u32 length);

// serve.c
void
serve_init(struct rcap *rcap);
// True: the request waits for its turn, or is told to come again.
bool
serve_later(struct rcap *rcap, struct asked *asked);
// It runs, and tells `told` bytes: its share pays for it while others wait.
void
serve_pay(struct rcap *rcap, const struct asked *asked, u32 told);
// The same for an answer that is put together once more. False: not now.
must_check bool
serve_again(struct rcap *rcap, const struct asked *asked, u32 told);
// Answers for SERVE_FRAMES frames, the shares by turns.
void
serve_some(struct rcap *rcap, u64 now);
void
serve_check(const struct rcap *rcap);

// memory.c, block.c, message.c, export.c, ticket.c: one function an operation
void
run_read(struct rcap *rcap, struct asked *asked);
void
run_write(struct rcap *rcap, struct asked *asked);
void
run_mcas(struct rcap *rcap, struct asked *asked);
void
run_fetch_add(struct rcap *rcap, struct asked *asked);
void
run_notify(struct rcap *rcap, struct asked *asked);
void
run_readv(struct rcap *rcap, struct asked *asked);
void
run_putv(struct rcap *rcap, struct asked *asked);
void
mcas_chain(const struct rcap *rcap, const struct asked *asked, const u8 **data,
	   u32 *length);
void
run_send(struct rcap *rcap, struct asked *asked);
void
run_invoke(struct rcap *rcap, struct asked *asked);
void
run_block(struct rcap *rcap, struct asked *asked);
void
run_block_write(struct rcap *rcap, struct asked *asked);
void
tickets_sweep(struct rcap *rcap);
void
ticket_drop(struct rcap *rcap, u32 ticket);
void
run_grant(struct rcap *rcap, struct asked *asked);
void
run_derive(struct rcap *rcap, struct asked *asked);
void
run_revoke(struct rcap *rcap, struct asked *asked);
void
run_holders(struct rcap *rcap, struct asked *asked);
void
run_expel(struct rcap *rcap, struct asked *asked);
void
run_protect(struct rcap *rcap, struct asked *asked);
void
run_alloc(struct rcap *rcap, struct asked *asked);
void
run_recall(struct rcap *rcap, struct asked *asked);
void
run_release(struct rcap *rcap, struct asked *asked);
void
grant_ended(struct rcap *rcap, struct rcap_op *op);
bool
room_for_word(const struct rcap *rcap, u16 peer, u32 most);
// A part of an entry for whom the grant names, its base counted from the entry's.
enum wire_code
export_part(struct rcap *rcap, const struct rcap_export *entry,
	    struct rcap_grant *grant);

// ticket.c
void
run_redeem(struct rcap *rcap, struct asked *asked);
void
secret_hide(struct rcap *rcap, u64 now, const struct rcap_op *op, u8 *at);
bool
secret_find(const struct rcap *rcap, const struct asked *asked,
	    struct rcap_secret *secret);
void
exports_sweep(struct rcap *rcap);

// recall.c: chores_at says when; an entry is about to go; the record of a RECALL ended
void
recalls_work(struct rcap *rcap, u64 now);
void
recall_gone(struct rcap *rcap, u32 index);
void
recall_ended(struct rcap *rcap, u64 now, const struct rcap_op *op);

// lease.c: chores_at says when; the read of a lease ended
void
leases_work(struct rcap *rcap, u64 now);
void
lease_told(struct rcap *rcap, u64 now, const struct rcap_op *op);
void
leases_check(const struct rcap *rcap);
