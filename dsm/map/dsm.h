// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A region of memory that all instances of a job share: the same addresses in each,
// sequentially consistent, plain pointers. dsm/core has the protocol; this room
// gives it pages, a fabric queue of its own, and the fault upcall.
//
// A touch of a page that is not here faults, and the fault's handler fetches it; it
// answers other instances while it waits, so two instances that wait for each other's
// pages do not stop each other. At any other time an instance answers when it calls
// dsm_poll(), in every call below that waits, and, after dsm_timer(), in a timer
// upcall. An instance that does none of these keeps others waiting for the pages that
// it holds.
//
// A program with one event loop, which must not stop, asks dsm_ready() before it
// touches: it starts the fetch, and says when the page has come.
//
//	error = dsm_open(&config);
//	for (;;) {
//		dsm_poll();
//		if (dsm_ready(counter, sizeof(*counter), true) == 1)
//			++*counter;
//		...
//		dsm_watch(&set);
//		wait_sleep(&set);
//	}
//
// Between dsm_ready() and the next call of this header the pages stay (without
// dsm_timer(): for 2 ms at least with it).
//
// Membership follows what `find` tells (cluster/share has it from the view). While it
// changes, what needs other instances waits; each change makes a new epoch. What a dead
// instance alone had is lost, and said to be: touching it calls on_lost, dsm_ready()
// returns -E_DEVICE. A region with DSM_PUBLISHED goes on instead with what
// dsm_publish() had brought to another node, word by word; a page of it is lost when two
// instances went at once that may have been all who had what was published of it.

#include "kernel/abi/errors.h"
#include "libos/io/fabric.h"
#include "libos/io/wait.h"

#define DSM_BASE 0x0000080000000000ull
#define DSM_PAGES_MAX 4096u
#define DSM_MEMBERS_MAX 64u	// instances of a region, by number

#define DSM_PUBLISHED 1u	// of config.flags

enum dsm_lost {
	DSM_LOST_ENDS,		// the program ends by this fault
	DSM_LOST_GOES_ON,	// with the newest content that is left; zeros when none is
	DSM_LOST_LATER,		// the page stays lost: until the program's next call of this
				// header, what it loads there means nothing, and what it
				// stores goes nowhere
};

// A page was lost: `address` is its first byte, `version` the last one that is known
// to have existed. It may run in an upcall, in the middle of what was begun before anybody
// knew of a loss. Whoever goes on by the group says DSM_LOST_LATER, and resets the page
// (dsm_reset()) when all have come to an end with that.
typedef enum dsm_lost dsm_lost_handler(void *context, u64 address, u32 version);

// Another instance that is alive, as far as this node knows.
struct dsm_peer {
	u16 link;		// in the kernel's table of links
	u16 number;
	u32 environment;	// id there; 0: not known
	bool runs;		// it does; else it may, and is dead when it is not reached
};

// Fills in the others that are alive, and returns how many. Sets whether this node may
// decide who is a member: it must not when it is cut off with a minority.
typedef u32 dsm_finder(void *context, struct dsm_peer peer[DSM_MEMBERS_MAX],
		       bool *decides);

// A capability came that the region did not ask for: places are an environment's, not
// a queue's, so what the program asked for may come here. It is the handler's.
typedef void dsm_grant_handler(void *context, const struct fabric_complete *complete);

struct dsm_config {
	dsm_finder *find;
	const volatile u32 *find_word;	// changes when find() has news; or NULL
	void *find_context;
	u16 number;		// of this instance
	u16 reserved;
	u32 fabric_slot;	// ROLE_FABRIC; `rings` of the quota: 2 for this
	u64 service;		// instance n opens service + n: JOB_SERVICE(job, 0)
	u32 pages;		// of the region, 1..DSM_PAGES_MAX, the same everywhere
	u32 flags;
	dsm_lost_handler *on_lost;	// NULL: the program ends
	void *lost_context;
	dsm_grant_handler *on_grant;	// NULL: it is dropped
	void *grant_context;
};

// Who shares the region now. The epoch is the same number for the same group
// everywhere, and a later group's is higher.
struct dsm_group {
	u32 epoch;		// 0: none yet
	u32 count;
	u32 rank;		// of this instance among them, by number
	u64 members;		// bit n: instance n
};

enum dsm_get {
	DSM_WAITS = 0,		// under way
	DSM_HERE = 1,
};

// One a program. Takes memory for the region's pages here, and begins to look for the
// other instances; returns at once. Returns 0 or an error.
must_check i64
dsm_open(const struct dsm_config *config);

// Leaves: hands pages over as far as that is possible at once.
void
dsm_close(void);

// Does what there is to do, without waiting.
void
dsm_poll(void);

// Adds to a wait what dsm_poll() waits for: two words and a deadline.
void
dsm_watch(struct wait_set *set);

// Polls every period_ns by a timer upcall: for programs that compute. 0 ends it. The
// program has no other use of timer_handler_set() then.
void
dsm_timer(u64 period_ns);

// The group as of the last poll.
//
// Who was left out by the others (it stood still, or was cut off) has lost what it had:
// its memory begins anew, as another life of the same instance. What it holds in its
// registers does not, so that must never go into the new memory: touches go to frames
// that nobody else sees, and that mean nothing, and calls return -E_STATE, until it calls
// dsm_poll(), dsm_wait_group() or dsm_barrier(). So it asks here whether the group is
// still the same before it believes what it has read, or goes on with what it had begun.
void
dsm_group_get(struct dsm_group *group);

// Waits until there is a group that has this instance and `count` members at least.
// Returns 0 or -E_TIMEOUT.
must_check i64
dsm_wait_group(u32 count, u64 deadline_ns);

// Asks for the pages of [address, address + len), to read or to write too; at most 8.
// DSM_HERE, DSM_WAITS, or -E_RANGE, -E_DEVICE (lost), -E_STATE (left out).
must_check i64
dsm_ready(const volatile void *address, u64 len, bool write);

// The same, until they are here. Returns 0, -E_TIMEOUT, or an error as above.
must_check i64
dsm_fetch(const volatile void *address, u64 len, bool write, u64 deadline_ns);

// Writes [address, address + len), within one page, through to another node. When it
// returns 0, what the range held at the call survives the death of any one node. While
// it runs, 8-byte words come whole, but not all at once. -E_ABSENT: there is no other
// node; or -E_RANGE, -E_TIMEOUT, -E_DEVICE (lost), -E_STATE (left out).
must_check i64
dsm_publish(const volatile void *address, u64 len, u64 deadline_ns);

// The same for who must not wait: dsm_publish_begin() behind the stores, which forgets
// what was begun before, and then dsm_publish_ready() until it is DSM_HERE. -E_STATE: the
// page is not here for writing any more. It may have moved with the stores, or be as it
// was before them: the program looks, and begins again.
must_check i64
dsm_publish_begin(const volatile void *address);
must_check i64
dsm_publish_ready(const volatile void *address, u64 len);

// Adds to a word, and compares and swaps one; *old is what was there. Atomic among
// all instances. Returns 0, -E_TIMEOUT or an error of dsm_fetch().
must_check i64
dsm_add(volatile u64 *word, u64 addend, u64 *old, u64 deadline_ns);
must_check i64
dsm_cas(volatile u64 *word, u64 expected, u64 desired, u64 *old, u64 deadline_ns);

// Goes on with a lost page and what is left of it, for all instances, if the group is still
// the one of `epoch`: in a later one it may have been lost again (0: no matter). When
// another has done it already, this one learns of that. DSM_HERE, DSM_WAITS, -E_RANGE or
// -E_STATE.
must_check i64
dsm_reset(u32 epoch, const volatile void *address);

// Waits until every instance of the group of `epoch` has come to this phase; phases
// count from 1. Returns 0, or -E_STATE at once when the group is another by now: call
// dsm_group_get() and begin again.
must_check i64
dsm_barrier(u32 epoch, u64 phase);

struct dsm_counters {
	u64 read_fetches;
	u64 write_fetches;
	u64 revoked;
	u64 retries;		// the directory was busy, or in another epoch
	u64 lost;
	u64 published;
	u64 epochs;
	u64 faults;
};

void
dsm_counters_get(struct dsm_counters *counters);
