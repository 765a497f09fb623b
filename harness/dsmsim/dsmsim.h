// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The simulator of dsm/core: nodes that run exactly that core over a fabric made of
// one seed. It does with operations what the real one may: they take any time, run in
// any order, end as unknown whether or not they ran; a write comes in two halves;
// chained reads come later than their swap. Messages are lost and late. Nodes crash,
// come back as another life, stand still, and are taken for dead while they live.
//
// Programs on the nodes read and write words, copy between pages, evict, publish and
// meet at barriers. Checked (check.c): after every event, one writer or many readers;
// at every read, the value of the last write; at the end, that all reads and writes of
// all nodes, zombies too, fit one order; that everybody got through; and that what is
// gone was said to be gone.

#include "dsm/core/coh.h"
#include "harness/sim/heap.h"

#define NODES_MAX 7u
#define PAGES_MAX 12u
#define WORDS 4u		// of a page
#define OPS_MAX 256u
#define HEAT_PAGES 10u
#define LETTERS_MAX 512u
#define EVENTS_MAX 8192u
#define HISTORY_MAX 16384u

enum dsm_fault {
	FAULT_LAPSE = 1u << 0,	// operations end as unknown
	FAULT_DELAY = 1u << 1,
	FAULT_DROP = 1u << 2,	// messages
	FAULT_CRASH = 1u << 3,
	FAULT_PAUSE = 1u << 4,
	FAULT_FLAP = 1u << 5,	// a node is taken for dead
	FAULT_JOIN = 1u << 6,	// one comes late
	FAULT_CUT = 1u << 7,	// a node reaches nobody, and runs on
	FAULT_PAIR = 1u << 8,	// two nodes at once
	FAULT_ALL = (1u << 9) - 1,
};

enum sim_event {
	EVENT_NODE,		// the node's own time
	EVENT_EXEC,		// a: operation; b: which half
	EVENT_END,		// a: operation
	EVENT_LETTER,		// a: letter
	EVENT_VIEW,		// a: the node that is heard of
	EVENT_HELLO,		// a: the node that can be reached from now on
	EVENT_FAULT,
};

#define FAULT_TAKES (FAULT_CRASH | FAULT_PAUSE | FAULT_FLAP | FAULT_CUT)
#define FAULT_MEMBERS (FAULT_TAKES | FAULT_JOIN)

struct plan {
	u64 seed;
	u32 nodes, pages;
	u32 faults;		// enum dsm_fault
	u32 writes;		// percent of the programs' steps...
	u32 evictions, copies, publications, barriers;
	u32 steps;		// of each program
	u32 first_version;
	u32 flags;		// of the core
	bool is_heat;		// what all programs are
	u32 crash_at;		// the role of whom a crash takes: enum victim
	u32 pace;		// programs and faults are as much slower
	bool trace;
};

enum victim {
	VICTIM_ANY,
	VICTIM_HOME,		// of page 0
	VICTIM_OWNER,
	VICTIM_READER,
	VICTIM_REQUESTER,	// somebody with a word busy
	VICTIM_COPY,		// the home or the owner
	VICTIM_COUNT
};

struct operation {
	struct coh_action action;
	struct coh_result result;
	u32 from, from_life, to_life;
	bool used, runs;
	u32 read;		// words of `data` that were read
	u64 data[WORDS];
	u64 table[sizeof(struct coh_holding) / 8 * PAGES_MAX];
};

struct post {
	struct coh_letter letter;
	u32 length, from, to, to_life;
	bool used;
};

enum step_kind {
	STEP_NONE,
	STEP_READ,
	STEP_WRITE,
	STEP_COPY,		// reads a word of one page, writes one of another
	STEP_EVICT,
	STEP_PUBLISH,
	STEP_BARRIER,
};

struct program {
	u8 kind;		// enum step_kind
	bool held;		// the first page of a copy
	u32 page, word, other_page, other_word;
	u32 done;
	u64 phase, next_at, since, both_at;
	u32 phase_epoch;
};

// heat.c
struct heat {
	u8 stage;
	bool is_waiting;	// it has arrived at a barrier
	bool is_stored;		// and not published yet
	bool is_anew;		// something is lost
	u32 epoch, rank, count;	// the group that it believes to be in
	u32 at, round, step, row;
	u64 phase, since, said;
	u64 from[3][WORDS];
};

struct node {
	bool up, paused, cut;
	u32 index, life;
	struct coh coh;
	struct coh_word words[PAGES_MAX];
	struct coh_holding holdings[PAGES_MAX];
	struct coh_page pages[PAGES_MAX];
	struct coh_gather gathers[PAGES_MAX];
	struct coh_holding scratch[COH_TABLE_ENTRIES];
	u64 frames[PAGES_MAX][WORDS];
	u32 lent[COH_MEMBERS_MAX];	// to which life
	u32 banned[COH_MEMBERS_MAX];	// last life that was fenced
	u64 view;			// who runs, as far as it has heard
	u64 known;			// who of them has said hello
	u32 view_life[COH_MEMBERS_MAX];
	u64 wake_at;
	u64 place;			// epoch and round, as traced last
	struct program program;
	struct heat heat;
};

struct totals {
	u64 steps, reads, writes, copies, evictions, publications, barriers;
	u64 crashes, pauses, flaps, cuts, joins, lost, fenced, epochs, unknown, drops;
	u64 zombie, deferred, revoked, retries;
	u64 rounds, anew;	// of heat
};

struct sim {
	struct plan plan;
	struct prng prng;
	u64 now;
	struct heap heap;
	struct event events[EVENTS_MAX];
	struct operation ops[OPS_MAX];
	struct post posts[LETTERS_MAX];
	struct node node[NODES_MAX];
	u32 lives;		// given out
	u64 value;		// written last
	bool calm;		// no more faults
	u32 faults_left;
	char why[256];		// what is wrong, or ""
	struct totals total;
};

// ---- run.c

void
sim_fail(struct sim *sim, const char *format, ...) printf_like(2, 3);
void
sim_trace(const struct sim *sim, const char *format, ...) printf_like(2, 3);
u32
sim_below(struct sim *sim, u32 bound);
bool
sim_chance(struct sim *sim, u32 per_thousand);
void
sim_event(struct sim *sim, u64 after, enum sim_event kind, u32 node, u32 a, u32 b);

// Something has happened to a node: every node hears of every one, each at a time of
// its own.
void
sim_news(struct sim *sim);

// Something is half done that a death at this node, soon, leaves so.
void
sim_aim(struct sim *sim, u32 node);

// Runs a plan. Returns whether all was well; sim->why says what was not.
bool
sim_run(struct sim *sim, const struct plan *plan);

// ---- node.c

void
node_start(struct sim *sim, struct node *node);
void
node_pump(struct sim *sim, struct node *node);
void
node_view(struct sim *sim, struct node *node);
bool
node_has_finished(const struct sim *sim, const struct node *node);

// ---- wire.c

void
wire_do(struct sim *sim, struct node *node, const struct coh_action *action);
void
wire_exec(struct sim *sim, u32 index, u32 half);
void
wire_end(struct sim *sim, u32 index);
void
wire_letter(struct sim *sim, u32 index);

// ---- program.c

void
program_run(struct sim *sim, struct node *node);

// ---- heat.c

void
heat_run(struct sim *sim, struct node *node);

// What was asked for in a group is done in that group only.
void
heat_check_reset(struct sim *sim, const struct node *node, u32 page, u32 epoch);

// ---- check.c

void
check_begin(void);
void
check_read(struct sim *sim, struct node *node, u32 page, u32 word, u64 value);
void
check_write(struct sim *sim, struct node *node, u32 page, u32 word, u64 value);

// The page goes on. What its home's frame holds is made new values, so that it can be
// told from what was written before the loss.
void
check_reset(struct sim *sim, const struct node *home, u32 page, u64 content[WORDS]);
void
check_published(struct sim *sim, struct node *node, u32 page);
void
check_released(struct sim *sim, const struct node *node, u64 phase);
void
check_states(struct sim *sim);
void
check_order(struct sim *sim);
