// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The parts of `selftest`: main.c runs them, helper.c starts other environments
// for them (the same program with the argument "child"), child.c is what those
// do. Each test calls check() for what must hold.

#include "libos/crt/clock.h"
#include "libos/crt/revoke.h"
#include "libos/crt/spawn.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"

// Remembers that something did not hold and says what; returns `holds`.
bool
check(bool holds, const char *what);

// Ends the whole program when a call that sets a test up fails.
void
must(i64 result, const char *what);

// How long a test waits for something that must happen.
#define PATIENCE_NS (60 * NS_PER_SECOND)

// A page that a test and its child share.
struct shared {
	u32 state;		// the child writes
	u32 order;		// the test writes
	u32 count;
	u32 processor;
	u32 vector;		// of the fault that the child met
	u32 reserved;
	u64 value;
	u64 address;
	// Of a holder: what it has, in two parts, and what it found it had lost.
	u32 slot[2];
	u64 base[2];
	u32 whole[2];		// pages that it could read, and hold what they held
	u32 records;
	struct revoke_taken record[4];
};

#define CHILD_FRAMES 200u	// the quota of a helper
#define HOLDER_PAGES 64u	// in each of its two parts
#define HOLDER_KEEPS 8u		// of the first, where it declares
#define HOLDER_BLOCKS 16u	// of the disk, where it holds those

struct helper {
	struct child child;
	struct frame_run page;
	volatile struct shared *shared;
};

// Starts a child that does `what` (child.c), with one slice on a processor, the
// shared page, and the frames of `lent` (NULL: none) to read.
void
helper_start(struct helper *helper, char *what, u32 cpu,
	     const struct frame_run *lent);

// The same with a quota of its own for the child, and with the interface.
void
helper_start_with(struct helper *helper, char *what, u32 cpu,
		  const struct frame_run *lent, struct quota quota);

// Ends the child and gives back what it cost.
void
helper_end(struct helper *helper);

// Waits until no request that the child has is open; fails after PATIENCE_NS.
void
helper_settled(const struct helper *helper);

// The child found that record of what was taken from it.
void
helper_recorded(const struct helper *helper, u32 which, enum cap_type type, u32 slot,
		u64 base, u64 count);

// Sleeps until *word differs from `was` (false: it did not in PATIENCE_NS), or
// makes the change known to the one that sleeps.
bool
changed(const volatile u32 *word, u32 was);
void
announce(volatile u32 *word, u32 value);

// The processor that this environment runs on.
u32
processor(void);

// Never returns: uses stack until it faults.
void
recurse_for_ever(void *argument);

// main() of a child.
int
child_main(const char *what);

void
test_clock(void);
void
test_wait(void);
void
test_timer(void);
void
test_threads(void);
void
test_thread_guard(void);
void
test_paging(void);
void
test_bits(void);
void
test_stack(void);
void
test_nested_faults(void);
void
test_fresh_frames(void);
void
test_registers(void);
void
test_float(void);
void
test_entropy(void);
void
test_reap(void);
void
test_yield(void);
void
test_everywhere(void);
void
test_wake(void);
void
test_slices(void);
void
test_move(void);
void
test_slice_upcalls(void);
void
test_sections(void);
void
test_overruns(void);
void
test_migrate(void);
void
test_revoke_running(void);
void
test_revoke_asleep(void);
void
test_loop(void);

// What the child of the tests below does (holder.c).
void
hold(void);
void
hold_parts(void);
void
hold_declared(void);
void
hold_politely(void);
void
hold_scribbling(void);
void
hold_family(void);
void
hold_others(void);
void
hold_blocks(void);
void
hold_blocks_politely(void);
void
test_request(void);
void
test_taken(void);
void
test_declared(void);
void
test_scribbler(void);
void
test_reserve(void);
void
test_family(void);
void
test_taken_others(void);
void
test_lent(void);
void
test_blocks(void);
void
test_refusals(void);
void
test_trim(void);
void
test_rounds(void);
void
test_overlap(void);
void
test_programs(void);
void
test_predicates(void);
void
test_handlers(void);
void
test_filters(void);
void
test_wide(void);
void
test_tables(void);
void
test_secrets(void);
void
test_transfer(void);
void
test_transfer_refused(void);
void
test_transfer_aborted(void);
void
test_transfer_deadline(void);
void
test_transfer_orphan(void);
void
test_transfer_float(void);
void
test_transfer_account(void);
void
test_transfer_depth(void);
void
test_transfer_destroyed(void);
void
test_transfer_revoked(void);
void
test_transfer_told(void);
void
break_handler(volatile struct shared *page);
void
test_completion(void);
void
test_completion_held(void);
void
test_completion_nested(void);
void
test_completion_asleep(void);
void
test_completion_broken(void);
void
test_link(void);
void
test_link_ended(void);
void
test_link_lies(void);
void
test_link_revoked(void);
