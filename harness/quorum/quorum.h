// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The simulated cluster above the fabric: nodes that run the real cores of
// cluster/member, cluster/agree, cluster/record and cluster/place, under one clock and
// one generator, watched by a model. What the agent is on a machine, node.c is here:
// it moves messages, writes slots, and decides what the agent decides (who makes the
// first record, who adds voters and places jobs).
//
// The network is the fabric as agents see it: messages between two lives of nodes,
// which links join once both know each other; faults on top of that.

#include "cluster/agree/agree.h"
#include "cluster/member/member.h"
#include "cluster/place/place.h"
#include "harness/sim/heap.h"
#include "harness/sim/trace.h"

#define NODES_MAX 16u
#define PACKETS_MAX 8192u
#define EVENTS_MAX 65536u
#define BACKLOG_MAX 512u
#define WORK_MAX 8u		// changes of one node at a time
#define VERSIONS_MAX 8192u
#define TAGS_MAX 8192u
#define MILLION 1000000u

enum fault_kind {
#define X(name, word, most, text) name,
#include "harness/quorum/faults.def"
#undef X
	FAULT_KINDS
};

enum event_kind {
	EVENT_BOOT,
	EVENT_PACKET,		// a: packet
	EVENT_TIMER,		// a: boot
	EVENT_DISK,		// a: boot
	EVENT_WORK,		// a: boot
	EVENT_STALL,		// a: boot; the node loses its processor
	EVENT_RESUME,		// a: boot
	EVENT_LINKS,		// sessions of the fabric begin and end
	EVENT_FAULT,		// a: kind
	EVENT_HEAL_PATH,	// node: from, a: to, b: what was done
};

struct options {
	u64 seed;
	u32 nodes_least, nodes_most;
	u32 allowed;		// bit of each kind of fault
	bool swarm;
	const char *nodes_text, *faults_text;
	u32 planted;
	bool live;
};

struct packet {
	u32 next_free;
	u32 len;
	u8 from, to;
	bool is_member;		// else the register's
	u64 from_life, to_life;
	u8 bytes[AGREE_MESSAGE_MAX];
};

// One direction between two nodes.
struct way {
	bool blocked;
	u64 slow_until, slow_ns;
	u64 last;
	u64 linked;		// life of the other that the fabric has a session with
	u64 apart_since;	// 0: joined
	u64 join_at;
};

// A change on its way.
struct work {
	bool used;
	u8 kind;
	u32 tag;
	u8 uuid[RECORD_UUID];
	struct place place;
	u32 members;
	struct place_member member[NODES_MAX];
};

struct qnode {
	u8 uuid[RECORD_UUID];
	bool up, has_disk;
	u32 boot;
	u64 life;
	u64 up_since;
	u64 stalled_until;	// 0: it runs
	u64 stall_from;
	u64 timer_at;
	u64 writing_until;
	u8 write_slot;
	u64 slow_disk_until, slow_disk_ns;
	u64 disturbed;		// the last moment at which it was not well
	struct members members;
	struct agree agree;
	struct work work[WORK_MAX];
	u32 backlog[BACKLOG_MAX], backlog_count;
	u8 disk[AGREE_SLOTS][AGREE_SLOT];
	u8 write[AGREE_SLOT];
};

struct result {
	u64 hash, events, virtual_ns;
	u32 nodes;
	u64 versions, done, refused, unknown, not_done;
	u64 episodes[FAULT_KINDS];
	u64 lost_disks, recovered;
	u64 suspicions, deaths, refutations, pauses;
	u64 form_ns, settle_ns, detect_ns;
	u64 idle_messages, idle_bytes;	// of all nodes together, in a second
	u32 health_most;
};

struct quorum {
	struct options options;
	struct result *result;
	struct heap heap;
	struct trace trace;
	struct prng prng, fault_prng;
	u32 rate[FAULT_KINDS];
	u32 nodes;
	bool healed, starving, quiet, formed;
	u64 lag_until;
	bool paths;		// some are cut or slow in this seed
	u64 healed_at;
	u32 packets_fresh, packet_free;
	struct way way[NODES_MAX][NODES_MAX];
	struct qnode node[NODES_MAX];
	struct packet packet[PACKETS_MAX];
};

extern struct quorum q;

#define TRACE(node, format, ...) TRACE_(node, format, __VA_ARGS__, 0, 0, 0, 0)
#define TRACE_(node, format, a, b, c, d, ...) \
	trace_add(&q.trace, node, format, (u64)(a), (u64)(b), (u64)(c), (u64)(d))

static inline u64
below(u64 bound)
{
	return prng_below(&q.prng, bound);
}

static inline bool
hit(u32 rate)
{
	return rate && prng_below(&q.fault_prng, MILLION) < rate;
}

static inline u32
index_of(const struct qnode *node)
{
	return (u32)(node - q.node);
}

static inline u64
now(void)
{
	return q.trace.now;
}

void
event_add(u64 at, enum event_kind kind, u32 node, u32 a, u32 b);

// Something is wrong with the run: says so, how to see it again, and ends.
noreturn_ void
failed(u32 node, const char *what);

// ---- network.c

void
network_init(void);
void
network_send(u32 from, const u8 uuid[RECORD_UUID], bool is_member, const void *bytes,
	     u32 len);
void
network_free(u32 packet);
// Is there a path in both directions?
bool
network_joined(u32 a, u32 b);
// Sessions begin and end as the fabric would have it.
void
network_links(void);
u32
network_find(const u8 uuid[RECORD_UUID]);

// ---- faults.c

void
faults_start(u64 until);
void
faults_begin(enum fault_kind kind);
void
faults_end_way(u32 from, u32 to, u32 what);
void
faults_heal(void);
bool
faults_parse(const char *text, struct options *options);
const char *
faults_word(u32 kind);

// ---- node.c

void
node_boot(struct qnode *node);
void
node_crash(struct qnode *node, bool forget);
void
node_packet(struct qnode *node, u32 packet);
void
node_timer(struct qnode *node);
void
node_disk(struct qnode *node);
void
node_stall(struct qnode *node, u64 ns);
void
node_resume(struct qnode *node);
void
node_link(struct qnode *node, u32 other, bool up);
void
node_work(struct qnode *node);
// Hands on what the cores have to say.
void
node_pump(struct qnode *node);
bool
node_submit(struct qnode *node, u8 kind, const u8 *uuid);

enum work_kind { WORK_MARK = 1, WORK_ADD_VOTER, WORK_REMOVE_VOTER, WORK_JOB, WORK_PLACE };

// ---- model.c

void
model_init(void);
u32
model_tag(void);
// A node says that this record is chosen.
void
model_learned(u32 node, const struct record *record);
void
model_ended(u32 node, u32 tag, const struct agree_outcome *outcome);
void
model_died(u32 node, u32 slot);
u64
model_newest(void);
void
model_check(void);

// ---- planted.c

extern const char *const planted_names[];	// CLUSTER_BUG_COUNT

void
planted_set(u32 bug);

// ---- run.c

void
run_seed(const struct options *options, struct result *result);
