// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// remote-bench: DEOS's side of the benchmarks `fabric` and `block`
// (harness/bench/remote.py calls it and reads its line):
//
//	remote-bench serve
//	remote-bench ask NODE OPERATION BYTES FLIGHTS COUNT
//
// `serve` lends MEMORY_PAGES pages and the disk to whoever asks. `ask` runs COUNT
// operations of BYTES each at random places, FLIGHTS at a time: read, write and cas
// on the pages, block-read and block-write on the disk. An operation of several
// blocks is that many of the fabric's, begun together, and ends with the last.

#include "libos/remote/far.h"

#define MEMORY_PAGES 1024u
#define OPEN_MAX FABRIC_SUBMIT_SLOTS	// of the fabric's, in all flights
#define COUNT_MAX 8192u

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

extern struct fabric_queue fabric;
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
