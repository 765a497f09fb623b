// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of dsm/map share: the region as this instance has it. region.c is
// memory and mappings, talk.c the core's actions as fabric operations, peers.c who
// lends to whom, fault.c the upcalls, dsm.c what programs call.
//
// The memory, one run of frames: [pages of the region][words][holdings] are lent to
// the other instances, with one capability a life of theirs; then come buffers.
// Everybody has the same layout, so a place in another's memory is its place here.

#include "dsm/core/coh.h"
#include "dsm/map/dsm.h"
#include "libos/mem/map.h"

#define MAP_POSTS 14u
#define MAP_SENDS 12u
#define MAP_PLACES 2u
#define MAP_BUFFER 1024u
#define MAP_NOTES (COH_TX_MAX + 1)

// In front of everything that instances send each other.
enum map_kind {
	MAP_HELLO = 0x4453,	// "I am here, and have nothing of yours"
	MAP_LETTER,
};

struct map_head {
	u16 kind;
	u16 number;
	u32 life;
	u32 pages;
	u32 reserved;
};

enum map_tag {
	MAP_TAG_CORE = 1,	// low half: the core's tag
	MAP_TAG_SEND,
	MAP_TAG_POST,
	MAP_TAG_PLACE,
	MAP_TAG_GRANT,
};

// What a tag is made of: a kind, a member, and a number of 32 bits.
#define MAP_TAG(kind, member, low) \
	((u64)(kind) << 48 | (u64)(member) << 32 | (u32)(low))
#define MAP_KIND_OF(tag) ((u32)((tag) >> 48))
#define MAP_MEMBER_OF(tag) ((u32)((tag) >> 32 & 0xffff))

struct map_peer {
	bool here;		// find() names it
	bool runs;		// ...as running...
	bool is_other;		// ...and as another program than the one that was known
	bool is_known;		// and it has said hello: life, environment, incarnation
	u16 link;
	u32 life;
	u32 environment;
	u64 incarnation;
	u32 lent;		// slot of what it got, or SLOT_NONE
	u32 slot;		// of what it lent, or SLOT_NONE
	u32 slot_life;
	u32 fenced_life;
	u64 hello_at;		// when to say hello again
	u64 lent_at;		// when it was granted last; 0: that did not arrive
};

struct map {
	struct dsm_config config;
	bool is_open;
	volatile bool inside;	// the core is at work: no upcall may enter it
	bool is_astray;		// lost pages are mapped to the frame that means nothing
	struct frame_run run;
	u64 lent_frames;
	u64 words_at, holdings_at;	// bytes from the start of the run
	struct coh_word *words;
	struct coh_holding *holdings;
	u8 *scratch, *posts, *sends, *grave;
	u64 *notes;
	struct fabric_queue queue;
	u32 endpoint;
	u32 sends_free;		// bit n: buffer n
	u32 life;
	struct coh coh;
	struct coh_memory memory;
	struct coh_action held;	// found no room
	bool has_held;
	struct map_peer peer[DSM_MEMBERS_MAX];
	u64 find_at;
	u32 find_seen;
	bool decides;
	bool near_gone;		// the running operation touched what is gone
	u64 timer_period;
	u64 faults;
	u64 last_rip;
	u32 last_page;
};

extern struct map map;

// ---- region.c

must_check i64
region_take(struct map *m);
void
region_drop(struct map *m);
void
region_map(struct map *m, u32 page, u8 bind);

// Maps the frame that means nothing, for touches that must come to an end.
must_check i64
region_map_grave(const struct map *m, u64 va);

// The same in place of a lost page; and an end of that, for all of them.
void
region_stray(struct map *m, u32 page);
void
region_return(struct map *m);

// A new life, with nothing: others went on without the last one. What it alone had is
// lost, and marked so.
must_check i64
region_restart(struct map *m, bool first);

// ---- talk.c

must_check i64
map_open(struct map *m);

// All that can be done without waiting.
void
map_pump(struct map *m);

// The others went on without this life. What its program computes now rests on what it
// read in that life, so it gets nothing of the next one before it has called something
// that tells it: until then it reads and writes frames that nobody else sees.
static inline bool
map_is_over(const struct map *m)
{
	return m->coh.phase == COH_FENCED;
}

// The next life, when this one is over and nothing of it is under way. For calls that
// tell the program; never in an upcall.
void
map_start_again(struct map *m);

// Sends head and bytes to a peer. False: no room now.
bool
map_send(struct map *m, u32 number, enum map_kind kind, const void *bytes, u32 len);
void
map_place(struct map *m, u32 index);

// The instruction on a word of this node.
void
map_swap(struct coh_word *word, const struct coh_action *a,
	 struct coh_result *result);

// ---- near.c

// An instance on this node: its memory is mapped here, and used at once.
#define NEAR_BASE 0x0000090000000000ull
#define NEAR_SHIFT 32		// addresses for each number

void
near_act(struct map *m, const struct coh_action *a);
must_check bool
near_map(struct map *m, u32 number, u32 slot);
void
near_unmap(struct map *m, u32 number);

// A touch of what was taken back meanwhile: true when it can go on.
bool
near_fault(struct map *m, u64 address);

static inline bool
is_near(const struct map_peer *peer)
{
	return peer->link == FABRIC_NODE_SELF;
}

// ---- peers.c

void
peers_poll(struct map *m, u64 now);
u64
peers_due(const struct map *m);
void
peers_hello(struct map *m, const struct map_head *head,
	    const struct fabric_complete *from);

// Whether nothing has come from the instance of this number since find() named it.
bool
peers_is_new(const struct map *m, const struct map_head *head);

// Whether a letter comes from the life that it names.
bool
peers_is(const struct map *m, const struct map_head *head,
	 const struct fabric_complete *from);
void
peers_granted(struct map *m, const struct fabric_complete *complete);
void
peers_fence(struct map *m, u32 number, u32 life);

// What it lent has been taken back: another hello.
void
peers_refused(struct map *m, u32 number);

// A grant did not arrive.
void
peers_missed(struct map *m, u32 number);

// Takes back everything that was lent.
void
peers_withdraw(struct map *m);

// The same, and gives back what others lent.
void
peers_leave(struct map *m);

// Tells the core who is there.
void
peers_tell(struct map *m, u64 now);

// ---- fault.c

void
fault_open(void);
void
fault_close(void);

// Sleeps until there is something to do, or until then.
void
map_sleep(struct map *m, u64 until);
