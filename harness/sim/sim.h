// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The simulated cluster: nodes that run the real cores, on one network, under
// one clock and one generator, watched by the model.
//
// A node is what kernel/fabric is on a machine: it owns page frames (kernel/own),
// a derivation tree (kernel/cap), a disk and two environments, feeds net/rcap and
// carries out what it says. Everything about it that the seed decides is drawn in
// work.c; node.c and export.c decide nothing.
//
// Frames of a node, by number:
//	0..OWN_PAGES		exported, half of them each environment's; the first word of
//				the last page of each is a register: registers.c
//	..PAGES			pools that others take pages out of, one each environment's
//	..+OP_FRAMES		where the data of its own operations lie, one each
//	..+MESSAGE_FRAMES	posted for messages, one for each environment

#include "harness/sim/faults.h"
#include "harness/sim/heap.h"
#include "harness/sim/model.h"
#include "harness/sim/network.h"
#include "harness/sim/run.h"
#include "kernel/cap/cap.h"
#include "kernel/own/own.h"
#include "net/rcap/rcap.h"

#define ENVS 2u
#define SIM_RIGHTS (CAP_READ | CAP_WRITE | CAP_DERIVE)
#define ENV_PAGES 4u
#define OWN_PAGES (ENVS * ENV_PAGES)
#define ENV_POOL 3u
#define PAGES (OWN_PAGES + ENVS * ENV_POOL)
#define OP_FRAMES 40u
#define MESSAGE_FRAMES ENVS
#define FRAMES (PAGES + OP_FRAMES + MESSAGE_FRAMES)
#define REGISTER_PAGE(page) ((page) < OWN_PAGES && (page) % ENV_PAGES == ENV_PAGES - 1)
#define BLOCKS 8u
#define ENV_BLOCKS (BLOCKS / ENVS)
#define STAGING 6u
#define DISK_QUEUE 4u
#define EXPORTS 96u
#define TREE_NODES 160u
#define REMOTE_LIST ENVS	// of the tree: what remote environments hold
#define HELD_MAX 12u		// capabilities that an environment has room for
#define PAST 16u		// capabilities of earlier lives that are tried again
#define BACKLOG 256u		// frames that a paused node's card keeps
#define BOOTS_MAX 64u
#define MEMBERS_MORE 8u		// nodes that take another's place, in a seed
#define FORGET_NS (3 * NS_PER_SECOND / 2)	// of silence, until others get a place
#define HUGE 256u		// above: it is quiet for no longer than it takes
#define LARGE 64u		// above: not everything is looked at in every step
#define RECALLS 4u		// open requests for what was granted
#define LEASES 4u		// copies of what is held
#define LEASE_BYTE ((u64)FRAMES * UNIT - 1)	// behind a message's room
#define TICKETS 8u		// that a node keeps of those that it was passed
#define CLEANS 32u
#define EVENTS_MAX 65536u
#define STEP_NS (25 * NS_PER_MS)	// the most that a clock jumps or stands still
#define SERVICE 0x5e41ce00ull	// + index of the environment
#define MESSAGE_ROOM WIRE_SEND_MAX

enum sim_event {
	EVENT_BOOT,		// a node starts
	EVENT_FRAME,		// a: frame on the way
	EVENT_TIMER,		// a node's core wanted to be asked now
	EVENT_WORK,		// a node's environments do something
	EVENT_CANCEL,		// a: operation that is cancelled
	EVENT_DISK,		// a: place in the disk's queue, b: boot
	EVENT_CLEAN,		// a: place among the cleanings, b: boot
	EVENT_FAULT,		// a: enum fault_kind, begins
	EVENT_FAULT_END,	// a: enum fault_kind
	EVENT_PATH,		// a: another node, b: the path between them is cut
	EVENT_REBOOT,		// a node crashes, a: and forgets; it starts soon
	EVENT_STRANGER,		// somebody on the wire sends something
	EVENT_AUDIT,		// everything is looked at
};

enum node_state { NODE_OFF, NODE_UP, NODE_PAUSED };

// A capability for another node's pages or blocks.
struct held {
	bool used;
	struct rcap_remote remote;
	u32 owner, owner_boot;
	u32 row;		// of the model's authority
	enum model_store store;
	u32 rights;
	u32 count;
	bool asked;		// its owner wants it back, and it will be given
	u32 keep;		// but for so many units
	bool secret_known;	// tickets can be made of it
	struct rcap_secret secret;
	u32 serial;		// of the last one
	u64 got_at;
};

// One that this node has asked for.
struct sim_recall {
	bool used;
	u32 node, row;
	u32 keep;		// units that may stay
	u64 deadline;
};

// A copy of something that an environment here holds.
struct sim_lease {
	bool used, proven;
	u32 name;		// rcap's
	u32 env, row;
};

// Passed on to a node's environments by a holder.
struct sim_ticket {
	bool used;
	u32 owner, owner_boot;
	u64 incarnation;	// of the owner
	u32 row;		// of the maker's capability
	struct party to;
	u32 rights, base, count;
	u32 serial;
	u64 good_until;		// UINT64_MAX: for longer than a seed
	u8 bytes[WIRE_LENGTH(ticket)];
};

struct sim_env {
	u32 id;
	struct held held[HELD_MAX];
	u32 post;		// bit of each message buffer that is to be posted
};

// An operation on its way.
struct pending {
	bool used;
	u32 op;			// the model's
	u32 id;			// rcap's
	u32 frame;
};

struct disk_op {
	bool used;
	u32 ticket;
	enum wire_op op;
	u32 block, count;
	u8 *page;
	u64 began;
	bool landed;		// it has ended; the node was not told
	bool failed;
};

// A node of the tree below which something was withdrawn.
struct clean {
	bool used, self;
	u32 node, generation;
};

// Since when a node has been in its present session with another one.
struct known_session {
	u32 session, boot;
	u64 since;
};

struct sim_node {
	enum node_state state;
	u32 boot;		// counts; 0: never yet
	u64 incarnation[BOOTS_MAX + 1];
	u32 generation;		// of its identity: counts nodes that took this place
	bool other;		// it runs a version that only others of it understand
	u8 behind;		// or speaks so many minor ones less
	u64 clock_offset;
	i64 clock_drift;	// parts in a million
	u64 stands_until;	// its clock does not go on before it shows this
	u64 stepped_at;
	u64 timer_at;		// when EVENT_TIMER comes; NEVER: none is wanted
	bool timer_waited;	// it is slow, and its timer was put off
	bool asked;		// a REQUEST has come since its pages were looked at
	u64 idle_since;		// it neither stood still nor started since then
	u64 service_ns;		// that it takes over a frame; 0: none
	u64 busy_until;
	u32 ring;		// frames that may wait for it meanwhile
	u32 waiting;
	void *memory_links, *memory_rcap;
	struct links *links;
	struct rcap *rcap;
	u64 steps;
	struct known_session session[SIM_NODES_MAX];
	u32 next_env;		// ids are never used twice in a boot
	struct held past[PAST];	// what environments held, in earlier boots too
	u32 past_count;

	struct cap_tree tree;
	struct cap pool[TREE_NODES];
	struct cap_list lists[ENVS + 1];
	u32 entry[TREE_NODES];		// in the export table, or RCAP_NONE
	u32 row[TREE_NODES];		// in the model
	u8 lost[TREE_NODES];		// rights that were taken away
	bool allocated[TREE_NODES];	// it came out of a pool
	u32 fresh[8], fresh_count;	// nodes derived in this step
	struct clean clean[CLEANS];
	struct sim_recall recall[RECALLS];
	struct sim_lease lease[LEASES];
	bool ticks;			// what its core does now, no frame asked for
	u32 taking;			// node of the tree, at this moment, or CAP_NIL
	u64 invoked[ENVS];		// times that the program of an endpoint ran
	struct sim_ticket ticket[TICKETS];
	u32 ticket_count;

	struct own own;
	struct frame_info frame_info[FRAMES];
	struct sim_env env[ENVS];
	struct pending pending[OP_FRAMES];
	u32 pending_count;
	struct disk_op disk_op[DISK_QUEUE];
	u64 block_written[BLOCKS];	// when; 0: it is as it was flushed
	u32 backlog[BACKLOG], backlog_count;

	u64 register_first[BOOTS_MAX + 1][ENVS];	// as each boot found and left it
	u64 register_last[BOOTS_MAX + 1][ENVS];

	u8 memory[FRAMES][UNIT] aligned_(64);
	u8 disk[BLOCKS][UNIT];		// as it is read
	u8 flushed[BLOCKS][UNIT];	// as it is after a power cut
	u8 staging[STAGING][UNIT];
};

struct sim {
	struct run_options options;
	struct run_result *result;
	struct heap heap;
	struct trace trace;
	struct prng prng;	// what environments do
	struct prng fault_prng;	// when what goes wrong
	struct faults faults;
	u32 nodes;
	u16 mtu;
	bool hidden;		// payloads are encrypted, and there is no parsing them
	u16 grant_pool, landing_pool;
	u16 handshakes, agreements;	// that a node has room for
	u16 places;		// and peers
	u64 work_ns;		// mean time between a node's bursts
	bool healed;
	u64 heard[SIM_NODES_MAX][SIM_NODES_MAX];	// by the first, of the second
	u32 members_more;	// that have come
	u32 boot[SIM_NODES_MAX];	// for the model
	struct store store[SIM_NODES_MAX * STORE_COUNT];
	struct sim_node node[SIM_NODES_MAX];
	struct model model;
	struct network network;
};

extern struct sim sim;

// A line of the time-line.
#define TRACE(node, format, ...) TRACE_(node, format, __VA_ARGS__, 0, 0, 0, 0)
#define TRACE_(node, format, a, b, c, d, ...) \
	trace_add(&sim.trace, node, format, (u64)(a), (u64)(b), (u64)(c), (u64)(d))

static inline u64
sim_below(u64 bound)
{
	return prng_below(&sim.prng, bound);
}

void
sim_event(u64 at, enum sim_event kind, u32 node, u32 a, u32 b);

// Reports that something is wrong with the run, and ends the process.
noreturn_ void
sim_failed(u32 node, const char *what);

static inline u32
node_index(const struct sim_node *node)
{
	return (u32)(node - sim.node);
}
