// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Explicit-state search of C code that is not a model: a world is the real cores on a
// few nodes, small enough that everything which can happen next can be listed. All of it
// is tried, breadth first, from every state that was not met before.
//
// A state is known by a hash of its canonical bytes: 64 bits, so two states in ten
// million are taken for one in about one search of four hundred thousand. Kept of each
// is the way to it, a choice from the state before; its bytes are made again by going
// that way from the last state on it whose bytes are still there.
//
// What matters may need more steps than a search of everything can go. Then a sample of
// each layer is gone on from, evenly spread over it, and layers are as many as one likes.
// Or walks are taken at random, one after another.

#include "kernel/base/types.h"

#define SEARCH_DEPTH_MAX 200u
#define SEARCH_CHOICES_MAX 96u

// One of the things that can happen next, in the world's own words.
struct choice {
	u8 what;
	u8 which, other;
};

struct world {
	const char *name;
	const char *text;
	const char *const *bugs;	// their names, up to NULL
	u32 *planted;			// the bug that is, counted from 1; 0: none
	u32 size;			// bytes of a saved state

	// Makes the first state.
	void (*begin)(void);
	// Lists what can happen now (choice_add()), always in the same order.
	void (*list)(void);
	void (*happen)(const struct choice *choice);
	// The same in words, before it happens.
	void (*tell)(const struct choice *choice, char *text, u32 room);
	// What holds after each step. What does not is told to search_wrong().
	void (*check)(void);
	u64 (*hash)(void);
	void (*save)(void *to);
	void (*load)(const void *from);
	// From here on nothing goes wrong any more: everything that was begun must end.
	// NULL, or what does not.
	const char *(*settle)(void);
};

// What was listed last.
struct choices {
	u32 count;
	struct choice at[SEARCH_CHOICES_MAX];
};
extern struct choices choices;

void
choice_add(u32 what, u32 which, u32 other);

extern const struct world world_fabric, world_pages, world_members, world_published,
	world_few;

struct search_plan {
	const struct world *world;
	u64 states;		// to stop after
	u32 depth;		// to stop at
	u32 layer;		// so many states of each depth are gone on from; 0: all
	u32 settle_each;	// one state in so many is settled; 0: none
	const char *bug;	// planted, or NULL
	u64 walks;		// so many at random, in place of a search
	const char *from;	// the way to where the search begins; NULL: the first state
};

struct search_result {
	u64 states, steps, settled;
	u32 depth;		// all states within so many steps were met
	u32 deepest;		// steps to the last
	bool all;		// there are no more behind `from`
};

// Searches. Returns when nothing was wrong; else prints what, the steps that lead
// there and the command that takes them again, and ends the process with status 1.
// False: there is no such way to `from`.
must_check bool
search(const struct search_plan *plan, struct search_result *result);

// Walks at random from `from`, each to a depth of its own, and settles at its end. What was
// met is not kept: this goes where a search of everything does not come. Returns and fails
// as search() does.
must_check bool
search_walks(const struct search_plan *plan, struct search_result *result);

// Takes a way as printed, "3.0.1", and tells each step. False: there is no such choice.
must_check bool
search_follow(const struct search_plan *plan, const char *way);

// Plants a bug of a world's, or none (NULL). False: it has none of that name.
must_check bool
search_plant(const struct world *world, const char *bug);

// The world is wrong: what, after the choice that is being taken.
noreturn_ void
search_wrong(const char *what);

// A fast hash of bytes, a multiple of eight.
u64
search_hash(u64 seed, const void *bytes, u64 len);
