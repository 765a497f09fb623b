// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// remote-bench: DEOS's side of the benchmarks `fabric` and `block`
// (harness/bench/remote.py calls it and reads its line):
//
//	remote-bench serve
//	remote-bench ask NODE OPERATION BYTES FLIGHTS COUNT
//	remote-bench pong NODE
//	remote-bench ping NODE BYTES COUNT
//	remote-bench own HOLDERS ROUNDS [silent]
//	remote-bench hold NODE CAPABILITIES
//
// `serve` lends MEMORY_PAGES pages and the disk to whoever asks. `ask` runs COUNT
// operations of BYTES each at random places, FLIGHTS at a time: read, write and cas
// on the pages, block-read and block-write on the disk. An operation of several
// blocks is that many of the fabric's, begun together, and ends with the last.
//
// `ping` and `pong` lend each other a page. `ping` writes the first BYTES of the other's,
// `pong` finds them in its memory and writes them back, COUNT times; then `pong` waits
// for the next who pings from that node.
//
// `own` lends a page to HOLDERS holders and takes it back from all in one call, ROUNDS
// times (revoke.c); `hold` is that many of them. With `silent` it times the last, and
// waits for that until no holder's node has a session any more.

#include "libos/remote/ask.h"
#include "libos/remote/far.h"

#define MEMORY_PAGES 1024u
#define OPEN_MAX FABRIC_SUBMIT_SLOTS	// of the fabric's, in all flights
#define COUNT_MAX 8192u
#define HOLDERS_MAX 1020u		// in all: FABRIC_LISTS of them
#define HOLD_MAX 200u		// of one program
#define ROUNDS_MAX 64u

struct plan {
	enum fabric_op op;
	bool blocks;		// of the disk
	u32 bytes;		// of an operation
	u32 parts;		// the fabric's operations in one
	u32 part_bytes;
	u32 flights;
	u32 count;
	u64 places;		// where it can be, `bytes` apart
};

#define PING_STEP 8u		// of BYTES: the last word says which exchange it is

extern struct fabric_queue fabric;
extern struct frame_run region;
extern struct far_io io;
extern struct far target;

// Where part `part` of a flight has its data.
u8 *
flight_buffer(const struct plan *plan, u32 flight, u32 part);

// Prints why, as the harness expects it, and ends the program.
noreturn_ void
fail(const char *why);

// A number below `bound`, of the same sequence in each run.
u64
random_below(u64 bound);

// check.c: what is to be timed does what it should: bytes come back as they were
// written, a swap happens only where the value is the expected one. For cas, the
// first page is then all zero.
void
check(const struct plan *plan);

// run.c: times it and prints the line.
void
run(const struct plan *plan);

// What all take: a region, a fabric queue.
void
prepare(void);

// What the node of that name grants becomes the target.
void
ask_target(const char *name, struct far_ask *ask, void *buffer);

// A number from 1 to `most`.
bool
number(const char *word, u64 most, u32 *value);

// run.c: prints the line of `count` samples, whose order is lost.
void
report(u32 *sample, u32 count, u64 took_ns);

// pong.c
noreturn_ void
pong(const char *name);
void
ping(const char *name, u32 bytes, u32 count);

// revoke.c
void
own(u32 holders, u32 rounds, bool silent);
noreturn_ void
hold(const char *name, u32 count);
