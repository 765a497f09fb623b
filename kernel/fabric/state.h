// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of kernel/fabric share; nobody else includes it.
//
// A pending operation is one that an environment's queue has submitted and not
// got a completion for, whatever kind: with net/rcap, a grant on its way, a
// buffer that waits for a message, a place that waits for a capability. When its
// queue goes, it belongs to nobody (queue NONE), and its frames stay pinned until
// it has ended.
//
// Invariants:
//   F1  `control` of a queue is touched only while it is running
//   F2  open operations + completions not yet read <= FABRIC_COMPLETE_SLOTS
//   F3  frames of a pending operation are pinned
//   F4  a place in the extra lists that holds a capability knows its entry in the
//       export table, or the core is about to tell it

#include "kernel/abi/fabric.h"
#include "kernel/fabric/fabric.h"
#include "kernel/fabric/look.h"
#include "net/rcap/rcap.h"

#define NONE 0xffffffffu
#define PENDING_MAX (FABRIC_QUEUES_MAX * FABRIC_OPEN_MAX)
#define PLACES_MAX (FABRIC_LISTS * CAP_LIST_SLOTS)
#define EXPORTS_MAX (FABRIC_LISTS * (CAP_LIST_SLOTS - 1))	// slot 0 is nobody's
#define STAGING_MAX 64u		// pages; a peer has at most half of them

struct fabric {
	bool on;
	struct links *links;
	struct rcap *rcap;
	u64 due;		// see fabric_deadline()
	u64 busy_until;		// see fabric_expects()
	u64 heard_at;		// the last frame of this batch; 0: none yet
	struct look look;	// see fabric_look_until()
};
extern struct fabric fabric;

struct fabric_queue {
	bool bound;
	bool running;
	bool stalled;		// submissions wait for room
	u32 owner;		// index of the environment
	u32 fabric_node;	// capabilities that it was bound under
	u32 memory_node;
	u32 region_node;
	u64 region_first;
	u64 region_count;
	u64 memory_frame;
	struct fabric_control *control;
	u32 taken;
	u32 completed;
	u32 open;
};
extern struct fabric_queue fabric_queues[FABRIC_QUEUES_MAX];

enum pending_kind {
	PENDING_FREE,
	PENDING_OPERATION,	// with net/rcap; `id`
	PENDING_GRANT,		// `id`: its place in the extra lists
	PENDING_POST,		// `id`: the endpoint
	PENDING_ACCEPT,
	PENDING_RECALL,
	PENDING_LEASE,		// `id`: of the copy
};

struct pending {
	u8 kind;
	u8 op;			// enum fabric_op
	u32 queue;		// NONE: an orphan
	u32 id;
	u32 next_free;
	u64 tag;
	u64 serial;		// order of submission
	u64 pin_frame;
	u32 pin_count;
	u32 held;		// record that it uses (observe.c), or NONE
	u64 held_serial;
	u64 began;
};
extern struct pending pendings[PENDING_MAX];

// pending.c
struct pending *
pending_take(struct fabric_queue *queue, enum pending_kind kind,
	     const struct fabric_submit *s);
void
pending_pin(struct pending *pending, u64 local, u32 len);
// Ends it; completes it where it has a queue: `c` says how, tag and op are filled in.
void
pending_end(struct pending *pending, struct fabric_complete *c);
bool
pending_room(void);
void
pending_init(void);
// All of a queue belong to nobody from now on.
void
pending_orphan(u32 queue);
struct pending *
pending_accept(u32 env);

// queue.c
void
queue_complete(struct fabric_queue *queue, const struct fabric_complete *c);
void
queues_resume(void);

// submit.c
void
submit_one(struct fabric_queue *queue, const struct fabric_submit *s);
// What a third party is called on the wire.
enum wire_code
target_copy(const struct fabric_submit *s, struct rcap_submit *r);

// tickets.c; what they say is the end, or CODE_NONE: it is told
enum wire_code
ticket_make(struct fabric_queue *queue, const struct fabric_submit *s);
enum wire_code
ticket_redeem(struct fabric_queue *queue, const struct fabric_submit *s);

// exports.c
enum wire_code
export_grant(struct fabric_queue *queue, const struct fabric_submit *s);
void
exports_init(void);
bool
exports_sweep_step(void);

// invoke.c
void
invoke_cap_gone(u32 node, u64 from);
void
invoke_endpoint_gone(u32 index);

// holders.c: true when the capability is one of this node; what it says is the end,
// or CODE_NONE: it is told
bool
holders_local(struct fabric_queue *queue, const struct fabric_submit *s,
	      enum wire_code *code);

// local.c: without a link; what they say is the end, or CODE_NONE: it is told
enum wire_code
local_send(struct fabric_queue *queue, const struct fabric_submit *s);
enum wire_code
local_grant(struct fabric_queue *queue, const struct fabric_submit *s, u8 type);

// remotes.c
enum wire_code
remote_check(const struct fabric_queue *queue, const struct fabric_submit *s,
	     struct rcap_submit *r, u32 *record);
// As for a DERIVE, whoever made the part; and the terms of one more ticket.
enum wire_code
remote_pass(const struct fabric_queue *queue, const struct fabric_submit *s,
	    struct rcap_submit *r, struct rcap_ticket_terms *terms);
// Index of an environment by its id, or NONE.
u32
fabric_env_of(u32 id);
// Tells owners what went here; returns when it wants to be called again.
u64
remotes_tell(u64 now);
// What became of one of those, whose tag was PENDING_MAX + record.
void
remote_told(u32 record, const struct rcap_completion *c, u64 now);

// leases.c; what it says is the end, or CODE_NONE: it is told
#define LEASES_MAX 64u
enum wire_code
lease_bind(struct fabric_queue *queue, const struct fabric_submit *s);
// A capability is gone, or ends at the unit `from` now.
void
leases_cap_gone(u32 node, u64 from);
// By a record of remotes.c, what lies behind its first units.
void
leases_cut(u32 record, u64 keep);
// There is a copy left by a record of what lies behind its first units.
bool
leases_left(u32 record, u64 keep);

// endpoints.c
enum wire_code
endpoint_post(struct fabric_queue *queue, const struct fabric_submit *s);
// Ends with its submission: CODE_NONE is told.
enum wire_code
endpoint_handle(struct fabric_queue *queue, const struct fabric_submit *s);
// Of a queue's own endpoint, with the right to read from it: its index.
enum wire_code
endpoint_own(const struct fabric_queue *queue, u32 slot, u32 *index);
void
endpoints_queue_gone(u32 queue);
void
endpoints_cap_gone(u32 node);

// blocks.c: tells the core what has ended; when it wants to be called again
u64
blocks_settle(u64 now);

// transmit.c
void
transmit_init(u32 buffers, u32 size);
void
transmit_push(void);
bool
transmit_starved(void);

// observe.c: what others can look at. A record of what is held here begins with a
// grant; counts what operations under it came to.
void
observe_init(struct links_config *lc, struct rcap_config *rc, bool small);
void
held_begin(u32 record, const struct rcap_remote *remote, const struct wire_grant *grant);
void
held_end(u32 record);
u64
held_serial(u32 record);
void
held_refused(u32 record, enum wire_code code);
void
held_count(const struct pending *p, const struct rcap_completion *c, u64 now);

// fabric.c: after submissions were taken.
void
fabric_submitted(u64 now);

// show.c: when the tables are to be refreshed, if anything has happened since
u64
show_due(void);

// show.c: refreshes the exported tables, or says when it wants to.
u64
show_links(u64 now);

// exports.c: an error of kernel/cap in the words of the wire.
enum wire_code
wire_code_of(i64 error);
