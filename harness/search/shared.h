// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Shared memory's worlds: three nodes with dsm/core, two pages with homes of their own,
// and a few steps of a program on each. A start (starts.def) says what the pages were
// used for before, what each program does, and what may go wrong.
//
// An operation runs at its target, whole, at any time after it was sent, and ends at its
// sender at any time after that; it does neither when the target does not lend to the
// sender. Letters lie in a bag. A node hears of each other one at a time of its own.
//
// Time is taken from the cores after each step: a clock stands at CLOCK_NS, what is past
// is due, a pause is as long as another, and so is a tick. What a choice lets go by is
// one pause or one tick of one node, so clocks run as differently as can be.
//
// All of a state is `shared`; the cores' memory has pointers into it, so it stays where
// it is.

#include "dsm/core/coh.h"
#include "harness/search/search.h"

#define NODES 3u
#define PAGES 2u
#define WORDS 2u		// of a page: what lands by half shows
#define STEPS 4u		// of a program
#define STEPS_AFTER PAGES	// at the end each reads every page
#define OPS 24u			// on the way
#define POSTS 20u
#define CROWD 7u		// so many on the way: they go on before anything else does
#define CLOCK_NS 0x100000u
#define PAUSE_NS 1u
#define TICK_NS 1000u
#define RESET_VALUE 0x100u	// from there on: what pages hold that were reset

enum step_kind {
	STEP_NONE,
	STEP_READ,
	STEP_WRITE,
	STEP_COPY,		// reads the other page and writes this one, at once
	STEP_EVICT,
	STEP_PUBLISH,
	STEP_BARRIER,
};

struct step {
	u8 kind;		// enum step_kind
	u8 page;
};

struct budget {
	u8 crashes, cuts, lapses, losses, copies, ticks, boots;
	u8 victims;		// nodes that a crash or cut may befall
};

struct start {
	const char *name, *text;
	struct budget budget;
	u32 first_version, flags;
	u8 late;		// a node that comes in late: 1 + its number...
	bool joins;		// ...and has come when the programs begin
	struct step before[NODES][STEPS];	// done one after another
	struct step program[NODES][STEPS];
};

enum belief {
	BELIEF_GONE,
	BELIEF_RUNS,		// it is not known yet what it lends
	BELIEF_KNOWN,
};

enum op_state {
	OP_NONE,
	OP_SENT,
	OP_RAN,
};

struct operation {
	u8 state;		// enum op_state
	u8 from, to;		// nodes
	u8 what, chain, reserved[3];
	u32 tag, page, offset, length, count;
	u32 from_life, to_life;
	u64 note;
	struct coh_clause clause;
	struct coh_result result;
	u64 data[WORDS];
	struct coh_holding table[PAGES];
	u64 hash;
};

// A letter, and of an epoch what three nodes need.
struct post {
	u64 hash;		// 0: none
	u8 from, to, came, reserved;
	u32 to_life;
	struct coh_message message;
	u64 members;
	u32 id, life[NODES], since[NODES], gone;
};

struct node {
	u64 hash;		// 0: not known
	bool up, cut, zombie;
	bool begun;		// the program's step waits for its pages
	bool held;		// the first page of a copy; or the barrier was arrived at
	u8 at;			// the program's next step
	u8 mapped[PAGES];	// enum coh_bind
	u8 belief[NODES];	// enum belief
	u32 known_life[NODES], lent[NODES], banned[NODES];
	u32 life;
	u64 phase;
	struct coh coh;
	struct coh_word words[PAGES];
	struct coh_holding holdings[PAGES];
	struct coh_page pages[PAGES];
	struct coh_gather gathers[PAGES];
	struct coh_holding scratch[PAGES];
	u64 frames[PAGES][WORDS];
	u64 own[PAGES][WORDS];	// a zombie's: what it should see
};

struct shared {
	const struct start *start;	// NULL: the choice of one is still to come
	u64 which;		// the same, by its number
	struct budget left;
	u32 lives, resets;
	// Before the start: what is done, by one node after another.
	const struct step (*before)[STEPS];
	u32 only;
	u32 turn;		// whose clock goes on next, in a calm
	u8 late;		// who is not waited for: 1 + its number
	bool settling;		// all is read once more at the end
	bool left_alone;	// nobody has died, or been left out, so far
	u32 top_epoch;		// of any node
	struct coh_epoch opened;	// the highest that ever was
	u64 last[PAGES][WORDS];	// written
	u64 least[PAGES][WORDS];	// published: what may not be gone
	u8 changed[PAGES];	// members have, since the page was written
	u32 stores;		// in a region that is published
	u32 touched;		// nodes, since the last save or load
	struct node node[NODES];
	struct operation op[OPS];
	struct post post[POSTS];
};

extern struct shared shared;

static inline u32
member_of(u32 node)
{
	static const u8 member[NODES] = { 0, 2, 3 };	// page 0 is at home at 2, page 1 at 0

	return member[node];
}

// NODES: there is no such node.
static inline u32
node_of(u32 member)
{
	return member == 0 ? 0 : member == 2 ? 1 : member == 3 ? 2 : NODES;
}

static inline bool
is_there(u32 node)
{
	return shared.node[node].up && !shared.node[node].cut;
}

static inline bool
is_in(const struct coh_epoch *epoch, u32 node)
{
	u32 member = member_of(node);

	return epoch->members >> member & 1 &&
	       epoch->life[member] == shared.node[node].life;
}

// ---- shared.c: nodes, and what they hear

// A node is about to be changed: nothing may change one without it.
static inline struct node *
node_touch(u32 node)
{
	shared.touched |= 1u << node;
	shared.node[node].hash = 0;
	return &shared.node[node];
}

void
node_boot(u32 node);
void
node_crash(u32 node);
void
node_cut(u32 node, bool cut);

// Runs the core and the program, as far as they go, and takes the time from them.
void
node_pump(u32 node, u64 now);

// Tells the core who is there.
void
node_view(u32 node);

// What a node has to hear of another one, if it has.
bool
node_has_news(u32 node, u32 about);
void
node_hears(u32 node, u32 about);
bool
node_pauses(u32 node);

// ---- carry.c: operations and letters

void
carry(u32 node, const struct coh_action *action);
bool
operation_can_run(const struct operation *op);
bool
operation_is_orphan(const struct operation *op);
void
operation_run(struct operation *op, bool by_half);
void
operation_end(struct operation *op, enum coh_outcome outcome);
void
post_come(struct post *post, bool stays);
void
post_drop_all(u32 node, bool from_it);

// ---- program.c

// Goes on with the step that was begun. False: it waits, or there is none.
bool
program_run(u32 node, u64 now);

bool
program_is_over(u32 node);
struct step
program_step(u32 node);

// ---- witness.c: what must hold

void
witness(void);
void
witness_store(u32 node, u32 page);
void
witness_load(u32 node, u32 page);

// The word of a lost page says that it goes on.
void
witness_reset(u32 home, u32 page);
void
witness_release(u32 node, u64 phase);
void
witness_publish(u32 node, u32 page);

// ---- canon.c

u64
shared_hash(void);
u64
operation_hash(const struct operation *op);
u64
post_hash(const struct post *post);
